#include "net/softmax.h"

#include <math.h>
#include <string.h>

#define NOWHERE 1000.0f /* so far below the largest, e^x is 0 */
float lac_softmax_without(float *out, const float *x, const uint8_t *flags, uint8_t which, size_t n, float instead, const lac_kern *kern)
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
    return (kern ? kern : lac_kern_ref)->max(out, n);
}

/* Of n tokens: adds e^d and d e^d, d = x - max. */
static void add(double *sum, double *weighted, const float *x, float max, size_t n, const lac_kern *kern)
{
    float p[LAC_SOFTMAX_CHUNK];
    if (kern) {
        const double all = kern->exp_sum(p, x, max, n);
        *sum += all;
        *weighted += kern->dot(p, x, n) - max * all;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const double d = (double)x[i] - max, e = exp(d);
        *sum += e;
        *weighted += e * d;
    }
}

lac_softmax lac_softmax_of(const float *logits, size_t v, const uint8_t *flags, uint8_t which, const lac_kern *kern)
{
    float x[LAC_SOFTMAX_CHUNK], max = -INFINITY;
    double sum = 0, weighted = 0;
    for (int pass = 0; pass < 2; pass++) /* the largest; the sums */
        for (size_t at = 0; at < v; at += LAC_SOFTMAX_CHUNK) {
            const size_t n = v - at < LAC_SOFTMAX_CHUNK ? v - at : LAC_SOFTMAX_CHUNK;
            const float m = lac_softmax_without(x, logits + at, flags ? flags + at : NULL, which, n, pass ? max - NOWHERE : -INFINITY, kern);
            if (pass) add(&sum, &weighted, x, max, n, kern);
            else if (m > max) max = m;
        }
    return (lac_softmax){max + log(sum), log(sum) - weighted / sum};
}
