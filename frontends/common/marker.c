/* Where the holes of a text are. */
#include "common/marker.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t marker_find(const char *text, size_t len, const char *marker, size_t marker_len, lacuna_span *out, size_t cap)
{
    size_t found = 0;
    if (!marker_len) return 0;
    for (size_t i = 0; i + marker_len <= len;) {
        const char *p = memchr(text + i, marker[0], len - marker_len + 1 - i);
        if (!p) break;
        i = (size_t)(p - text);
        if (memcmp(p, marker, marker_len)) {
            i++;
            continue;
        }
        if (found < cap) out[found] = (lacuna_span){i, i + marker_len};
        found++;
        i += marker_len;
    }
    return found;
}

/* Digits at *p, moved behind them.  0, or -1 when there are none or too many. */
static int number(const char **p, size_t *v)
{
    const char *s = *p;
    for (*v = 0; *s >= '0' && *s <= '9'; s++) {
        if (*v > (SIZE_MAX - 9) / 10) return -1;
        *v = *v * 10 + (size_t)(*s - '0');
    }
    if (s == *p) return -1;
    *p = s;
    return 0;
}

static int pair(const char **p, size_t *line, size_t *col)
{
    if (number(p, line) || *(*p)++ != ':' || number(p, col)) return -1;
    return 0;
}

/* Offset of a line and column that were written in spec. */
static int locate(const char *text, size_t len, const char *spec, size_t line, size_t col, size_t *at, char *err,
                  size_t err_size)
{
    size_t start = 0, now = 1;
    if (!line || !col) {
        snprintf(err, err_size, "'%s': lines and columns count from 1", spec);
        return MARKER_OUTSIDE;
    }
    for (; now < line; now++) {
        const char *lf = start < len ? memchr(text + start, '\n', len - start) : NULL;
        if (!lf) break;
        start = (size_t)(lf - text) + 1;
    }
    if (now < line) {
        snprintf(err, err_size, "'%s': there is no line %zu, the text ends in line %zu", spec, line, now);
        return MARKER_OUTSIDE;
    }
    const char *lf = start < len ? memchr(text + start, '\n', len - start) : NULL;
    size_t width = (lf ? (size_t)(lf - text) : len) - start;
    if (col - 1 > width) {
        snprintf(err, err_size, "'%s': line %zu has %zu bytes, its columns go from 1 to %zu", spec, line, width, width + 1);
        return MARKER_OUTSIDE;
    }
    *at = start + col - 1;
    return MARKER_OK;
}

int marker_at(const char *text, size_t len, const char *spec, size_t *at, char *err, size_t err_size)
{
    const char *p = spec;
    size_t line, col;
    if (pair(&p, &line, &col) || *p) {
        snprintf(err, err_size, "expected LINE:COL, got '%.60s'", spec);
        return MARKER_SYNTAX;
    }
    return locate(text, len, spec, line, col, at, err, err_size);
}

int marker_range(const char *text, size_t len, const char *spec, lacuna_span *span, char *err, size_t err_size)
{
    const char *p = spec;
    size_t l1, c1, l2, c2;
    if (pair(&p, &l1, &c1) || *p++ != '-' || pair(&p, &l2, &c2) || *p) {
        snprintf(err, err_size, "expected LINE:COL-LINE:COL, got '%.60s'", spec);
        return MARKER_SYNTAX;
    }
    int r = locate(text, len, spec, l1, c1, &span->start, err, err_size);
    if (r == MARKER_OK) r = locate(text, len, spec, l2, c2, &span->end, err, err_size);
    if (r == MARKER_OK && span->end < span->start) {
        snprintf(err, err_size, "'%s': the range ends before it starts", spec);
        return MARKER_OUTSIDE;
    }
    return r;
}
