/* The loops of grad_avx2.c, grad_avx512.c and grad_neon.c: each includes what a vector is on its CPU (vec_math.h
 * lists the words), then this page.  Without VEC_LANES it is empty.
 *
 * Sums are vectors of float32, then the tree of v_sum4; what they come to for a row is double.  So, unlike in the
 * norms of kern_simd.h, which sum in double, squares of x must fit a float: |x| below 1e17 or so. */
#ifndef LAC_KERN_GRAD_SIMD_H
#define LAC_KERN_GRAD_SIMD_H

#include "kern/grad.h"
#include "kern/vec_math.h"

#ifdef VEC_LANES

#include <math.h>

/* The first `part` lanes, or all of them if part is 0.  Inlined with a constant 0: no question at run time. */
INLINE vec get(const float *p, size_t part) { return part ? v_load_part(p, part) : v_load(p); }
INLINE void put(float *p, vec v, size_t part)
{
    if (part) v_store_part(p, v, part);
    else v_store(p, v);
}

/* Do `...` for the vectors of a row of n: at i, whole while `part` is the constant 0, then the rest. */
#define EACH_VEC(n, ...)               \
    do {                               \
        size_t i = 0;                  \
        for (; i + L <= (n); i += L) { \
            enum { part = 0 };         \
            __VA_ARGS__                \
        }                              \
        if (i < (n)) {                 \
            size_t part = (n) - i;     \
            __VA_ARGS__                \
        }                              \
    } while (0)

/* ---- norms ---- */

/* sum[0] += x^2, sum[1] += w dy x */
INLINE void rms_add(vec *sum, const float *x, const float *w, const float *dy, size_t part)
{
    vec v = get(x, part);
    sum[0] = v_fma(v, v, sum[0]);
    sum[1] = v_fma(get(w, part) * get(dy, part), v, sum[1]);
}

static void rms_norm(float *dx, float *dw, const float *x, const float *w, const float *dy, float eps, size_t n)
{
    vec sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)}; /* two chains: one would wait for its own additions */
    float s[4];
    size_t k = 0;
    for (; k + 2 * L <= n; k += 2 * L) {
        rms_add(sum, x + k, w + k, dy + k, 0);
        rms_add(sum + 2, x + k + L, w + k + L, dy + k + L, 0);
    }
    for (; k + L <= n; k += L) rms_add(sum, x + k, w + k, dy + k, 0);
    if (k < n) rms_add(sum + 2, x + k, w + k, dy + k, n - k);
    v_sum4(s, sum[0], sum[1], sum[2], sum[3]);

    double square = (double)s[0] + (double)s[2], along = (double)s[1] + (double)s[3];
    double root = sqrt(square / (double)n + (double)eps);
    vec r = v_set((float)(1 / root)), c = v_set((float)(-along / (root * root * (double)n)));
    EACH_VEC(n, {
        vec v = get(x + i, part), d = get(dy + i, part);
        put(dx + i, v_fma(r, v_fma(v, c, get(w + i, part) * d), get(dx + i, part)), part);
        put(dw + i, v_fma(r, d * v, get(dw + i, part)), part);
    });
}

/* The mean in float, near enough to measure from: what it lacks is measured with the rest. */
INLINE vec near_mean(const float *x, size_t n)
{
    vec sum[2] = {v_set(0), v_set(0)};
    float s[4];
    size_t k = 0;
    for (; k + 2 * L <= n; k += 2 * L) {
        sum[0] = sum[0] + v_load(x + k);
        sum[1] = sum[1] + v_load(x + k + L);
    }
    EACH_VEC(n - k, sum[0] = sum[0] + get(x + k + i, part););
    v_sum4(s, sum[0], sum[1], v_set(0), v_set(0));
    return v_set((s[0] + s[1]) / (float)n);
}

static void layer_norm(float *dx, float *da, float *db, const float *x, const float *a, const float *dy, float eps, size_t n)
{
    vec mean = near_mean(x, n), sum = v_set(0), square = sum, g_sum = sum, along = sum;
    float s[4];
    EACH_VEC(n, {
        vec v = get(x + i, part) - mean, g = get(a + i, part) * get(dy + i, part);
        if (part) v = v_first(v, part);
        sum = sum + v;
        square = v_fma(v, v, square);
        g_sum = g_sum + g;
        along = v_fma(v, g, along);
    });
    v_sum4(s, sum, square, g_sum, along);

    /* With e the rest of the mean, h = (v - e) r. */
    double e = (double)s[0] / (double)n, var = (double)s[1] / (double)n - e * e, r = 1 / sqrt(var + (double)eps);
    double g_mean = (double)s[2] / (double)n, gh_mean = ((double)s[3] / (double)n - e * g_mean) * r;
    vec er = v_set((float)(-e * r)), rr = v_set((float)r), m = v_set((float)g_mean), c = v_set((float)-gh_mean);
    EACH_VEC(n, {
        vec h = v_fma(get(x + i, part) - mean, rr, er), d = get(dy + i, part);
        put(dx + i, v_fma(rr, v_fma(h, c, get(a + i, part) * d - m), get(dx + i, part)), part);
        put(da + i, v_fma(d, h, get(da + i, part)), part);
        put(db + i, d + get(db + i, part), part);
    });
}

/* ---- activations ---- */

/* p, the logistic function of u, and q = 1 - p without loss of digits; u in [-88, 100], so that no exponential
 * overflows. */
INLINE vec logistic(vec u, vec *q)
{
    vec e = v_exp(-u), p = v_set(1.0f) / (v_set(1.0f) + e);
    *q = e * p;
    return p;
}

/* The derivative of x p(u(x)) is p (1 + x q u'). */
INLINE vec gated_slope(vec x, vec p, vec q, vec du) { return p * v_fma(x * q, du, v_set(1.0f)); }

static void silu_mul(float *dg, float *du, const float *g, const float *u, const float *dy, size_t n)
{
    EACH_VEC(n, {
        vec up = v_clamp(v_set(-87.0f), v_set(INFINITY), get(g + i, part)), x = v_clamp(v_set(-87.0f), v_set(87.0f), up), q;
        vec p = logistic(x, &q), d = get(dy + i, part);
        vec dgate = d * get(u + i, part) * gated_slope(x, p, q, v_set(1.0f));
        put(du + i, d * (up * p), part);
        put(dg + i, dgate, part);
    });
}

/* (1 + tanh w) / 2 is the logistic function of 2 w; at |x| = 10 that of 87, and the derivative has long reached 0 or 1. */
static void gelu_tanh(float *dx, const float *x, const float *dy, size_t n)
{
    const float c = 2 * 0.7978845608028654f; /* 2 sqrt(2 / pi) */
    EACH_VEC(n, {
        vec v = v_clamp(v_set(-10.0f), v_set(10.0f), get(x + i, part)), vv = v_set(0.044715f * c) * v * v, q;
        vec p = logistic(v * (vv + v_set(c)), &q);
        put(dx + i, get(dy + i, part) * gated_slope(v, p, q, v_fma(v_set(3.0f), vv, v_set(c))), part);
    });
}

static void softmax(float *ds, const float *p, const float *dp, float scale, size_t n)
{
    vec sum = v_set(0), by = v_set(scale);
    float s[4];
    EACH_VEC(n, sum = v_fma(get(p + i, part), get(dp + i, part), sum););
    v_sum4(s, sum, v_set(0), v_set(0), v_set(0));
    vec mean = v_set(s[0]);
    EACH_VEC(n, put(ds + i, by * get(p + i, part) * (get(dp + i, part) - mean), part););
}

static void rotate(float *v, const float *cos, const float *sin, size_t half, int back)
{
    vec sign = v_set(back ? -1.0f : 1.0f);
    EACH_VEC(half, {
        vec a = get(v + i, part), b = get(v + half + i, part), c = get(cos + i, part), s = sign * get(sin + i, part);
        put(v + i, v_fma(a, c, -(b * s)), part);
        put(v + half + i, v_fma(b, c, a * s), part);
    });
}

/* ---- rows of numbers ---- */

static void add(float *y, const float *x, size_t n)
{
    EACH_VEC(n, put(y + i, get(y + i, part) + get(x + i, part), part););
}

static void scale(float *y, float a, size_t n)
{
    vec by = v_set(a);
    EACH_VEC(n, put(y + i, by * get(y + i, part), part););
}

static void to_bf16(uint16_t *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L) v_store_bf16(y + i, v_load(x + i));
    if (i < n) v_store_bf16_part(y + i, v_load_part(x + i, n - i), n - i);
}

static void from_bf16(float *y, const uint16_t *x, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L) v_store(y + i, v_bf16(x + i));
    if (i < n) v_store_part(y + i, v_bf16_part(x + i, n - i), n - i);
}

static void adamw(float *w, float *m, float *v, const float *g, float gscale, float lr, float b1, float b2, float eps,
                  float decay, float c1, float c2, size_t n)
{
    vec vgscale = v_set(gscale), vlr = v_set(-lr), veps = v_set(eps), vdecay = v_set(decay), vc1 = v_set(c1), vc2 = v_set(c2);
    vec vb1 = v_set(b1), vb2 = v_set(b2), rest1 = v_set(1 - b1), rest2 = v_set(1 - b2);
    EACH_VEC(n, {
        vec d = vgscale * get(g + i, part), w0 = get(w + i, part);
        vec m1 = v_fma(vb1, get(m + i, part), rest1 * d), v1 = v_fma(vb2, get(v + i, part), rest2 * d * d);
        vec step = m1 * vc1 / (v_sqrt(v1 * vc2) + veps);
        put(m + i, m1, part);
        put(v + i, v1, part);
        put(w + i, v_fma(vlr, v_fma(vdecay, w0, step), w0), part);
    });
}

static const lac_grad table = {
    VEC_NAME, rms_norm, layer_norm, silu_mul, gelu_tanh, softmax, rotate, add, scale, to_bf16, from_bf16, adamw,
};

#endif
#endif
