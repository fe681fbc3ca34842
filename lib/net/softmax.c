#include "net/softmax.h"

#include <math.h>
#include <string.h>

#define NOWHERE 1000.0f /* so far below the largest, e^x is 0 */
#define LANES 8         /* one chain of comparisons or sums is four times slower than so many */

static float largest(const float *x, size_t n)
{
    float m[LANES], best = -INFINITY;
    size_t i = 0;
    for (int k = 0; k < LANES; k++) m[k] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) m[k] = x[i + k] > m[k] ? x[i + k] : m[k];
    for (; i < n; i++) best = x[i] > best ? x[i] : best;
    for (int k = 0; k < LANES; k++) best = m[k] > best ? m[k] : best;
    return best;
}

float lac_softmax_without(float *out, const float *x, const uint8_t *flags, uint8_t which, size_t n, float instead)
{
    const uint64_t all = which * UINT64_C(0x0101010101010101);
    memcpy(out, x, n * sizeof *x);
    for (size_t i = 0; flags && i < n; i += 8) { /* eight flags at a time: few are set */
        uint64_t f = 0;
        const size_t m = n - i < 8 ? n - i : 8;
        memcpy(&f, flags + i, m);
        if (!(f & all)) continue;
        for (size_t k = i; k < i + m; k++)
            if (flags[k] & which) out[k] = instead;
    }
    return largest(out, n);
}

/* Of n tokens: adds e^d and d e^d, d = x - max. */
static void add(double *sum, double *weighted, const float *x, float max, size_t n, lac_exp_sum *exp_sum)
{
    float p[LAC_SOFTMAX_CHUNK], w[LANES] = {0};
    size_t i = 0;
    if (!exp_sum) {
        for (; i < n; i++) {
            const double d = (double)x[i] - max, e = exp(d);
            *sum += e;
            *weighted += e * d;
        }
        return;
    }
    *sum += exp_sum(p, x, max, n);
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) w[k] += p[i + k] * (x[i + k] - max);
    for (; i < n; i++) w[0] += p[i] * (x[i] - max);
    for (int k = 0; k < LANES; k++) *weighted += w[k];
}

lac_softmax lac_softmax_of(const float *logits, size_t v, const uint8_t *flags, uint8_t which, lac_exp_sum *exp_sum)
{
    float x[LAC_SOFTMAX_CHUNK], max = -INFINITY;
    double sum = 0, weighted = 0;
    for (int pass = 0; pass < 2; pass++) /* the largest; the sums */
        for (size_t at = 0; at < v; at += LAC_SOFTMAX_CHUNK) {
            const size_t n = v - at < LAC_SOFTMAX_CHUNK ? v - at : LAC_SOFTMAX_CHUNK;
            const float m = lac_softmax_without(x, logits + at, flags ? flags + at : NULL, which, n, pass ? max - NOWHERE : -INFINITY);
            if (pass) add(&sum, &weighted, x, max, n, exp_sum);
            else if (m > max) max = m;
        }
    return (lac_softmax){max + log(sum), log(sum) - weighted / sum};
}
