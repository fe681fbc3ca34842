/* UTF-8: validity, code points, columns on a terminal. */
#include "common/utf8.h"

/* Range allowed for the second byte after lead byte c, and the length; 0: c cannot lead. */
static size_t lead(unsigned char c, unsigned char *lo, unsigned char *hi)
{
    *lo = 0x80, *hi = 0xbf;
    if (c < 0x80) return 1;
    if (c < 0xc2) return 0;
    if (c < 0xe0) return 2;
    if (c < 0xf0) {
        if (c == 0xe0) *lo = 0xa0;
        if (c == 0xed) *hi = 0x9f;
        return 3;
    }
    if (c > 0xf4) return 0;
    if (c == 0xf0) *lo = 0x90;
    if (c == 0xf4) *hi = 0x8f;
    return 4;
}

/* Bytes at p that could start a valid sequence, up to its whole length in *len. */
static size_t good(const unsigned char *p, size_t n, size_t *len)
{
    unsigned char lo, hi;
    *len = lead(p[0], &lo, &hi);
    if (!*len) return 0;
    size_t i = 1;
    for (; i < *len && i < n; i++) {
        if (p[i] < lo || p[i] > hi) break;
        lo = 0x80, hi = 0xbf;
    }
    return i;
}

size_t utf8_take(const char *s, size_t n, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t len;
    if (good(p, n, &len) != len || !len) return 0;
    if (cp) {
        uint32_t v = len == 1 ? p[0] : p[0] & (0x7fu >> len);
        for (size_t i = 1; i < len; i++) v = v << 6 | (p[i] & 0x3fu);
        *cp = v;
    }
    return len;
}

size_t utf8_bad(const char *p, size_t n)
{
    size_t len, k = good((const unsigned char *)p, n, &len);
    return k ? k : 1;
}

int utf8_valid(const char *p, size_t n)
{
    while (n) {
        size_t k = utf8_take(p, n, NULL);
        if (!k) return 0;
        p += k, n -= k;
    }
    return 1;
}

int utf8_columns(uint32_t cp)
{
    static const uint32_t none[][2] = {{0x300, 0x36f}, {0x483, 0x489}, {0x591, 0x5bd}, {0x610, 0x61a}, {0x64b, 0x65f},
                                       {0x200b, 0x200f}, {0x20d0, 0x20f0}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}};
    static const uint32_t wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6},
                                       {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (cp >= none[i][0] && cp <= none[i][1]) return 0;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (cp >= wide[i][0] && cp <= wide[i][1]) return 2;
    return 1;
}
