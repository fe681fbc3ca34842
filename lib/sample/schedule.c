#include "sample/schedule.h"

#include <stdlib.h>

double lac_schedule_alpha(double t, double alpha0) { return alpha0 * (1 - (1 - LAC_NOISE_EPS) * t); }

double lac_schedule_prob(size_t k, size_t T, double alpha0)
{
    double t = 1 - (double)k / (double)T, s = k + 1 == T ? 0 : 1 - (double)(k + 1) / (double)T;
    double at = lac_schedule_alpha(t, alpha0), as = lac_schedule_alpha(s, alpha0);
    return (as - at) / (1 - at);
}

size_t lac_schedule_binomial(double (*uniform)(void *), void *ctx, size_t n, double p)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) k += uniform(ctx) < p;
    return k;
}

size_t lac_schedule_draw(size_t n, size_t T, double alpha0, double (*uniform)(void *), void *ctx, size_t *size,
                         size_t *diffused)
{
    size_t left = n, groups = 0;
    for (size_t k = 0; k < T && left; k++) {
        size_t now = lac_schedule_binomial(uniform, ctx, left, lac_schedule_prob(k, T, alpha0));
        if (!now) continue;
        size[groups++] = now;
        left -= now;
    }
    if (alpha0 >= 1 && left) {
        size[groups++] = left;
        left = 0;
    }
    *diffused = n - left;
    return groups;
}

static int ascending(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

void lac_schedule_sort(size_t *slot, size_t n) { qsort(slot, n, sizeof *slot, ascending); }

size_t lac_schedule_blocks(size_t n, size_t G, double alpha0, lac_rng *rng, size_t *order, size_t *size, size_t *diffused)
{
    size_t rows = (size_t)((double)G * alpha0), at = 0, groups = 0;
    for (size_t g = 0; g < G; g++) size[g] = g; /* size[] first holds the rows in their order: it has room for n >= G */
    if (rng) lac_rng_shuffle(rng, size, G);
    for (size_t g = 0; g < G; g++) {
        size_t from = at;
        for (size_t slot = size[g]; slot < n; slot += G) order[at++] = slot;
        if (g < rows) {
            if (rng) lac_rng_shuffle(rng, order + from, at - from);
            size[g] = at - from;
            groups++;
        }
        if (g + 1 == rows) *diffused = at;
    }
    if (!rows) *diffused = 0;
    lac_schedule_sort(order + *diffused, n - *diffused);
    for (size_t i = *diffused; i < n; i++) size[groups++] = 1;
    return groups;
}
