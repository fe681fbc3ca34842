#include "control/regex_set.h"

#include <string.h>

bool lac_regex_set_add(lac_regex_set *s, uint32_t low, uint32_t high)
{
    void *p = s->range;
    if (!lac_mem_grow(s->mem, &p, &s->cap, s->n + 1, sizeof *s->range)) return false;
    s->range = p;
    s->range[s->n++] = (lac_regex_range){low, high};
    return true;
}

void lac_regex_set_free(lac_regex_set *s)
{
    lac_mem_free(s->mem, s->range, s->cap * sizeof *s->range);
    *s = (lac_regex_set){.mem = s->mem};
}

/* POSIX, in the C locale.  Pairs of bytes: a range each. */
static const struct {
    const char *name;
    uint8_t n, pair[8];
} classes[] = {
    {"alnum", 3, "09AZaz"}, {"alpha", 2, "AZaz"}, {"blank", 2, "\t\t  "},     {"cntrl", 2, "\0\x1F\x7F\x7F"}, {"digit", 1, "09"},
    {"graph", 1, "!~"},     {"lower", 1, "az"},   {"print", 1, " ~"},         {"punct", 4, {'!', '/', ':', '@', '[', '`', '{', '~'}},
    {"space", 2, "\t\r  "}, {"upper", 1, "AZ"},   {"xdigit", 3, "09AFaf"},    {"word", 4, {'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}},
};

bool lac_regex_set_class(lac_regex_set *s, const char *name, size_t len, bool *found)
{
    *found = false;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strlen(classes[i].name) != len || memcmp(classes[i].name, name, len)) continue;
        *found = true;
        for (size_t k = 0; k < classes[i].n; k++)
            if (!lac_regex_set_add(s, classes[i].pair[2 * k], classes[i].pair[2 * k + 1])) return false;
    }
    return true;
}

/* Shell's sort, by the low ends: in place, and never far from n log n. */
static void sort(lac_regex_range *r, size_t n)
{
    for (size_t gap = n / 2; gap; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (size_t i = gap; i < n; i++) {
            const lac_regex_range x = r[i];
            size_t j = i;
            for (; j >= gap && r[j - gap].low > x.low; j -= gap) r[j] = r[j - gap];
            r[j] = x;
        }
}

/* Ascending, with a gap between each and the next. */
static void normalise(lac_regex_set *s)
{
    size_t n = 0;
    sort(s->range, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const lac_regex_range r = s->range[i];
        if (n && r.low <= s->range[n - 1].high + 1) {
            if (r.high > s->range[n - 1].high) s->range[n - 1].high = r.high;
        } else s->range[n++] = r;
    }
    s->n = n;
}

bool lac_regex_set_invert(lac_regex_set *s)
{
    if (!lac_regex_set_add(s, '\n', '\n')) return false;
    normalise(s);
    const size_t n = s->n;
    uint32_t low = 0;
    for (size_t i = 0; i < n; i++) { /* the gap before each range takes its place */
        const lac_regex_range r = s->range[i];
        if (r.low > low) s->range[s->n = i] = (lac_regex_range){low, r.low - 1};
        else s->range[i] = (lac_regex_range){1, 0};
        low = r.high + 1;
    }
    s->n = n;
    if (low <= LAC_REGEX_LAST && !lac_regex_set_add(s, low, LAC_REGEX_LAST)) return false;
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->range[i].low <= s->range[i].high) s->range[kept++] = s->range[i];
    s->n = kept;
    return true;
}

static uint8_t encode(uint32_t c, uint8_t out[4])
{
    const uint8_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (uint8_t i = n; i-- > 1; c >>= 6) out[i] = 0x80 | (c & 0x3F);
    out[0] = lead[n] | (uint8_t)c;
    return n;
}

/* Cut where sequences get longer, at the surrogates, and so that all bytes behind the first that differs run from 80 to BF. */
static bool add_range(uint32_t low, uint32_t high, lac_regex_seqs *out)
{
    static const lac_regex_range piece[] = {{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, LAC_REGEX_LAST}};
    size_t k = 0;
    while (low > piece[k].high) k++;
    if (low < piece[k].low) low = piece[k].low;
    if (low > high) return true;
    if (high > piece[k].high) return add_range(low, piece[k].high, out) && add_range(piece[k].high + 1, high, out);
    for (unsigned i = 1; i < 4; i++) {
        const uint32_t m = ((uint32_t)1 << 6 * i) - 1; /* of the last i bytes */
        if ((low & ~m) == (high & ~m) || low < 0x80) continue;
        if (low & m) return add_range(low, low | m, out) && add_range((low | m) + 1, high, out);
        if ((high & m) != m) return add_range(low, (high & ~m) - 1, out) && add_range(high & ~m, high, out);
    }
    lac_regex_seq s;
    s.n = encode(low, s.low);
    encode(high, s.high);
    void *p = out->seq;
    if (!lac_mem_grow(out->mem, &p, &out->cap, out->n + 1, sizeof *out->seq)) return false;
    out->seq = p;
    out->seq[out->n++] = s;
    return true;
}

bool lac_regex_set_utf8(lac_regex_set *s, lac_regex_seqs *out)
{
    normalise(s);
    for (size_t i = 0; i < s->n; i++)
        if (!add_range(s->range[i].low, s->range[i].high, out)) return false;
    return true;
}
