#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* RFC 3629, section 4: what may follow a lead byte.  Only the second byte has more than one range.
 *
 *     C2..DF  80..BF
 *     E0      A0..BF  80..BF            (below A0: overlong)
 *     E1..EF  80..BF  80..BF            (ED: 80..9F, above are the surrogates)
 *     F0      90..BF  80..BF  80..BF    (below 90: overlong)
 *     F1..F3  80..BF  80..BF  80..BF
 *     F4      80..8F  80..BF  80..BF    (above 8F: beyond U+10FFFF)
 */
size_t lac_utf8_char(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    if (!n) return 0;
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4) return 0;
    size_t len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    unsigned low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (n < len || p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return len;
}

size_t lac_utf8_valid(const char *s, size_t n)
{
    size_t at = 0, len;
    for (;;) {
        uint64_t word; /* eight ASCII bytes at a time */
        while (n - at >= sizeof word && (memcpy(&word, s + at, sizeof word), !(word & 0x8080808080808080u))) at += sizeof word;
        len = lac_utf8_char(s + at, n - at);
        if (!len) return at;
        at += len;
    }
}

bool lac_utf8_boundary(const char *s, size_t n, size_t at)
{
    if (at >= n) return at == n;
    /* A valid sequence around `at` begins at the nearest byte before it that is not a continuation byte. */
    for (size_t back = 1; back <= 3 && back <= at; back++)
        if (((unsigned char)s[at - back] & 0xC0) != 0x80) return lac_utf8_char(s + at - back, n - (at - back)) <= back;
    return true;
}
