#include "kern/attend.h"

#include <string.h>

/* Of a row: its query, the largest score so far, sums of the weights in up to 16 lanes. */
size_t lac_attend_room(size_t N, size_t D) { return N * (D + 1 + LAC_PAGE); }

size_t lac_page_bytes(lac_type type, size_t D) { return 2 * LAC_PAGE * D * (type == LAC_F32 ? 4 : 2); }

/* BF16: pair j of a key is dimensions 2 j and 2 j + 1; the pair of a value is entries t and t + 1 (t even) of one
 * dimension, of which this entry is one half. */
enum { PAIR = 4, PAIRS = LAC_PAGE * PAIR };

void lac_page_put(lac_type type, void *at, size_t t, size_t D, const void *k, const void *v)
{
    const char *from = k;
    char *key = (char *)at + t * PAIR, *value = (char *)at + lac_page_bytes(type, D) / 2;
    for (size_t i = 0; i < (type == LAC_F32 ? D : D / 2); i++) memcpy(key + i * PAIRS, from + i * PAIR, PAIR);
    if (type == LAC_F32) {
        memcpy(value + t * D * PAIR, v, D * PAIR);
        return;
    }
    value += t / 2 * D * PAIR + t % 2 * 2;
    from = v;
    for (size_t d = 0; d < D; d++) memcpy(value + d * PAIR, from + 2 * d, 2);
}

void lac_page_get(lac_type type, const void *at, size_t t, size_t D, float *k, float *v)
{
    const char *key = (const char *)at + t * PAIR, *value = (const char *)at + lac_page_bytes(type, D) / 2;
    if (type == LAC_F32) {
        for (size_t d = 0; d < D; d++) memcpy(k + d, key + d * PAIRS, sizeof *k);
        memcpy(v, value + t * D * sizeof *v, D * sizeof *v);
        return;
    }
    value += t / 2 * D * PAIR + t % 2 * 2;
    for (size_t d = 0; d < D; d += 2, key += PAIRS, value += 2 * PAIR) {
        char pair[PAIR];
        memcpy(pair, value, 2);
        memcpy(pair + 2, value + PAIR, 2);
        lac_row_decode(type, key, 2, k + d);
        lac_row_decode(type, pair, 2, v + d);
    }
}
