/* Sorting numbers by a property of the things they stand for, in place: heapsort, so that a hostile file
 * finds neither a quadratic case nor a hidden allocation (both of which qsort may have). */
#ifndef LAC_FILE_SORT_H
#define LAC_FILE_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef bool (*lac_sort_less)(const void *ctx, uint32_t a, uint32_t b);

static inline void lac_sort_index(uint32_t *idx, size_t n, lac_sort_less less, const void *ctx)
{
    for (size_t i = 0; i < n; i++) idx[i] = (uint32_t)i;
    for (size_t start = n / 2, end = n; end > 1;) {
        if (start) start--; /* build the heap, then move its top behind it, again and again */
        else {
            uint32_t top = idx[0];
            idx[0] = idx[--end];
            idx[end] = top;
        }
        for (size_t at = start, child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && less(ctx, idx[child], idx[child + 1])) child++;
            if (!less(ctx, idx[at], idx[child])) break;
            uint32_t t = idx[at];
            idx[at] = idx[child];
            idx[child] = t;
        }
    }
}

#endif
