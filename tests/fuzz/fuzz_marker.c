/* Markers and places: first byte the length of the marker, then marker, then a line with a place, then the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/marker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok) abort();
}

static void places(const char *text, size_t len, const char *spec)
{
    char err[64]; /* small on purpose */
    size_t at = 0;
    lacuna_span span = {0, 0};
    if (marker_at(text, len, spec, &at, err, sizeof err) == MARKER_OK) require(at <= len);
    if (marker_range(text, len, spec, &span, err, sizeof err) == MARKER_OK)
        require(span.start <= span.end && span.end <= len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    size_t marker_len = data[0] % 16;
    if (size < 1 + marker_len) return 0;
    const char *marker = (const char *)data + 1, *rest = marker + marker_len, *end = (const char *)data + size;
    const char *lf = memchr(rest, '\n', (size_t)(end - rest));
    const char *text = lf ? lf + 1 : rest;
    size_t len = (size_t)(end - text), spec_len = lf ? (size_t)(lf - rest) : 0;
    char *spec = calloc(spec_len + 1, 1);
    if (!spec) return 0;
    memcpy(spec, rest, spec_len);
    places(text, len, spec);
    free(spec);
    lacuna_span found[8];
    size_t n = marker_find(text, len, marker, marker_len, found, 8);
    size_t before = 0;
    for (size_t i = 0; i < n && i < 8; i++) {
        require(found[i].start >= before && found[i].end - found[i].start == marker_len && found[i].end <= len);
        require(!memcmp(text + found[i].start, marker, marker_len));
        before = found[i].end;
    }
    return 0;
}
