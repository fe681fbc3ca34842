#include "kern/attend.h"

#include <string.h>

size_t lac_attend_room(size_t N, size_t D) { return N * (LAC_SPAN + D + 2); }

size_t lac_page_bytes(lac_type type, size_t D) { return 2 * LAC_PAGE * D * (type == LAC_F32 ? 4 : 2); }

/* Element of K, of V, of entry t and dimension d. */
static size_t key_at(lac_type type, size_t t, size_t d)
{
    return type == LAC_F32 ? d * LAC_PAGE + t : d / 2 * 2 * LAC_PAGE + 2 * t + (d & 1);
}

static size_t value_at(lac_type type, size_t D, size_t t, size_t d)
{
    return LAC_PAGE * D + (type == LAC_F32 ? t * D + d : t / 2 * 2 * D + 2 * d + (t & 1));
}

void lac_page_put(lac_type type, void *at, size_t t, size_t D, const float *k, const float *v)
{
    const size_t width = type == LAC_F32 ? 4 : 2;
    for (size_t d = 0; d < D; d++) {
        lac_row_encode(type, k + d, 1, (char *)at + key_at(type, t, d) * width);
        lac_row_encode(type, v + d, 1, (char *)at + value_at(type, D, t, d) * width);
    }
}

void lac_page_get(lac_type type, const void *at, size_t t, size_t D, float *k, float *v)
{
    const size_t width = type == LAC_F32 ? 4 : 2;
    for (size_t d = 0; d < D; d++) {
        lac_row_decode(type, (const char *)at + key_at(type, t, d) * width, 1, k + d);
        lac_row_decode(type, (const char *)at + value_at(type, D, t, d) * width, 1, v + d);
    }
}
