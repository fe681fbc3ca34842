#include "syntax/indent.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LEAST ((size_t)4) /* indented lines that tell a unit */

typedef struct {
    size_t tabs, blanks; /* lines that begin with a tab; with a blank, and tell the style */
    size_t unit[3];      /* of blanks: those with a multiple of 2, 4, 8 */
    size_t stars;        /* lines of comments that go on: " * ..." */
} style;

/* Does what follows this line stand under something of it, rather than at an indentation? */
static bool goes_on(const char *line, size_t n)
{
    while (n && strchr(" \t\r", line[n - 1]) && line[n - 1]) n--;
    return n && line[n - 1] && strchr(",(\\|&+=?", line[n - 1]);
}

static void see_line(style *s, const char *line, size_t n, bool aligned)
{
    size_t blanks = 0;
    if (n && line[0] == '\t') s->tabs++;
    while (blanks < n && line[blanks] == ' ') blanks++;
    if (!blanks || blanks == n || line[blanks] == '\r') return;
    if (line[blanks] == '*' && blanks % 2) {
        s->stars++;
    } else if (!aligned) {
        s->blanks++;
        for (size_t i = 0; i < 3; i++) s->unit[i] += blanks % ((size_t)2 << i) == 0;
    }
}

static style look(const char *text, size_t len)
{
    style s = {0};
    bool aligned = false;
    for (size_t at = 0; at < len;) {
        const char *feed = memchr(text + at, '\n', len - at);
        const size_t n = (feed ? (size_t)(feed - text) : len) - at;
        see_line(&s, text + at, n, aligned);
        aligned = goes_on(text + at, n);
        at += n + 1;
    }
    return s;
}

/* Nearly all. */
static bool most(size_t part, size_t whole) { return part && part * 20 >= whole * 19; }

int lac_indent_regex(const char *text, size_t len, char out[LAC_INDENT_REGEX])
{
    const style s = look(text, len);
    const char *rest = s.stars ? "( \\*[^\\n]*|[^ \\t\\n][^\\n]*)?" : "([^ \\t\\n][^\\n]*)?"; /* of a line, behind its indentation */
    char step[16] = " *";
    if (most(s.tabs, s.tabs + s.blanks)) {
        snprintf(out, LAC_INDENT_REGEX, "[^\\n]*(\\n(\\t+ *)?%s)*", rest);
        return 1;
    }
    if (!most(s.blanks, s.tabs + s.blanks)) return 0;
    for (size_t i = 3; i-- && s.blanks >= LEAST;)
        if (most(s.unit[i], s.blanks)) {
            snprintf(step, sizeof step, "( {%zu})*", (size_t)2 << i);
            break;
        }
    snprintf(out, LAC_INDENT_REGEX, "[^\\n]*(\\n%s%s)*", step, rest);
    return 1;
}
