/* The loops of the tables for a vector CPU: kern_avx2.c and its like include what a vector is on theirs (vec_math.h lists
 * the words), then this page, which takes products and attention from their own.  Without VEC_LANES it is empty. */
#ifndef LAC_KERN_KERN_SIMD_H
#define LAC_KERN_KERN_SIMD_H

#include "kern/kern.h"
#include "kern/vec_math.h"

#ifdef VEC_LANES

#include <math.h>

/* The loops over a tile must vanish for its sums to live in registers: its sizes are constants, and gcc -O2 would keep
 * the loops. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#include "kern/attend_simd.h"
#include "kern/product_simd.h"

/* ---- rows ---- */

/* Four chains, vector i into chain i mod 4, the rest into the first: the softmax of a row calls this with n = 256. */
static float dot(const float *a, const float *b, size_t n)
{
    vec s0 = v_set(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L) {
        s0 = v_fma(v_load(a + i), v_load(b + i), s0);
        s1 = v_fma(v_load(a + i + L), v_load(b + i + L), s1);
        s2 = v_fma(v_load(a + i + 2 * L), v_load(b + i + 2 * L), s2);
        s3 = v_fma(v_load(a + i + 3 * L), v_load(b + i + 3 * L), s3);
    }
    for (; i + L <= n; i += L) s0 = v_fma(v_load(a + i), v_load(b + i), s0);
    if (i < n) s1 = v_fma(v_load_part(a + i, n - i), v_load_part(b + i, n - i), s1);
    float s[4];
    v_sum4(s, s0, s1, s2, s3);
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static float max(const float *x, size_t n)
{
    vec m0 = v_set(-INFINITY), m1 = m0;
    size_t i = 0;
    for (; i + 2 * L <= n; i += 2 * L) {
        m0 = v_max(m0, v_load(x + i));
        m1 = v_max(m1, v_load(x + i + L));
    }
    float most = v_max_lanes(v_max(m0, m1));
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

static float exp_sum(float *y, const float *x, float max, size_t n)
{
    vec sum = v_set(0), m = v_set(max);
    size_t i = 0;
    for (; i + L <= n; i += L) {
        vec e = v_exp(v_load(x + i) - m);
        v_store(y + i, e);
        sum = sum + e;
    }
    if (i < n) {
        v_store_part(y + i, v_exp(v_load_part(x + i, n - i) - m), n - i);
        sum = sum + v_load_part(y + i, n - i); /* lanes past the end are 0 */
    }
    float s[4];
    v_sum4(s, sum, v_set(0), v_set(0), v_set(0));
    return s[0];
}

static void rms_norm(float *y, const float *x, const float *w, float eps, size_t n)
{
    vecd lo = v_set_d(0), hi = lo;
    for (size_t i = 0; i < n; i += L) {
        vec v = i + L <= n ? v_load(x + i) : v_load_part(x + i, n - i);
        lo = v_fma_d(v_low(v), v_low(v), lo);
        hi = v_fma_d(v_high(v), v_high(v), hi);
    }
    vec scale = v_set((float)(1.0 / sqrt(v_sum_d(lo + hi) / (double)n + (double)eps)));
    size_t i = 0;
    for (; i + L <= n; i += L) v_store(y + i, v_load(x + i) * scale * v_load(w + i));
    if (i < n) v_store_part(y + i, v_load_part(x + i, n - i) * scale * v_load_part(w + i, n - i), n - i);
}

/* The sum of (x - mean)^2; lanes past the end are left out in the scalar rest. */
INLINE double spread(const float *x, double mean, size_t n)
{
    vecd lo = v_set_d(0), hi = lo, m = v_set_d(mean);
    size_t i = 0;
    for (; i + L <= n; i += L) {
        vecd a = v_low(v_load(x + i)) - m, b = v_high(v_load(x + i)) - m;
        lo = v_fma_d(a, a, lo);
        hi = v_fma_d(b, b, hi);
    }
    double sum = v_sum_d(lo + hi);
    for (; i < n; i++) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sum;
}

static void layer_norm(float *y, const float *x, float eps, size_t n)
{
    vecd lo = v_set_d(0), hi = lo;
    for (size_t i = 0; i < n; i += L) {
        vec v = i + L <= n ? v_load(x + i) : v_load_part(x + i, n - i);
        lo = lo + v_low(v);
        hi = hi + v_high(v);
    }
    double mean = v_sum_d(lo + hi) / (double)n;
    double scale = 1.0 / sqrt(spread(x, mean, n) / (double)n + (double)eps);
    vecd m = v_set_d(mean), s = v_set_d(scale);
    for (size_t i = 0; i < n; i += L) {
        vec v = i + L <= n ? v_load(x + i) : v_load_part(x + i, n - i);
        v = v_join((v_low(v) - m) * s, (v_high(v) - m) * s);
        if (i + L <= n) v_store(y + i, v);
        else v_store_part(y + i, v, n - i);
    }
}

/* x / (1 + e^-u); x is finite from below, so that the limit at -inf is 0. */
INLINE vec gated(vec x, vec u) { return x / (v_set(1.0f) + v_exp(-u)); }

INLINE vec silu(vec gate, vec up)
{
    vec g = v_clamp(v_set(-200.0f), v_set(INFINITY), gate);
    return gated(g, g) * up;
}

static void silu_mul(float *y, const float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L) v_store(y + i, silu(v_load(gate + i), v_load(up + i)));
    if (i < n) v_store_part(y + i, silu(v_load_part(gate + i, n - i), v_load_part(up + i, n - i)), n - i);
}

/* (1 + tanh u) / 2 is the logistic function of 2u. */
INLINE vec gelu(vec x)
{
    const float c = 2 * 0.7978845608028654f; /* 2 sqrt(2 / pi) */
    x = v_clamp(v_set(-100.0f), v_set(INFINITY), x);
    return gated(x, v_set(c) * v_fma(v_set(0.044715f) * x * x, x, x));
}

static void gelu_tanh(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L) v_store(y + i, gelu(v_load(x + i)));
    if (i < n) v_store_part(y + i, gelu(v_load_part(x + i, n - i)), n - i);
}

static const lac_kern table = {
    VEC_NAME, prepare, matmul, attend, spin, dot, max, exp_sum, rms_norm, layer_norm, silu_mul, gelu_tanh,
};

#endif
#endif
