/* Backward passes of the row functions of kern.h, and what else training does to rows: one table per
 * instruction set, named as there.
 *
 * y = f(x) row by row; dy is the gradient of the loss by y, dx that by x.  Entries that say += accumulate.
 * Outputs do not overlap inputs unless said.  float32; sums in float32 or better, in an order fixed by (table, n). */
#ifndef LAC_KERN_GRAD_H
#define LAC_KERN_GRAD_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name; /* "ref", "avx2", "avx512", "neon" */

    /* rms_norm: y_i = r x_i w_i, r = 1 / sqrt(mean(x^2) + eps).
     *   dx_i += r (w_i dy_i - x_i r^2 / n sum_j w_j dy_j x_j),   dw_i += dy_i x_i r */
    void (*rms_norm)(float *dx, float *dw, const float *x, const float *w, const float *dy, float eps, size_t n);
    /* layer_norm followed by a scale: y_i = a_i h_i + b_i, h = (x - mean) r, r = 1 / sqrt(var + eps), biased variance.
     *   g_i = a_i dy_i,  dx_i += r (g_i - mean(g) - h_i mean(g h)),   da_i += dy_i h_i,   db_i += dy_i */
    void (*layer_norm)(float *dx, float *da, float *db, const float *x, const float *a, const float *dy, float eps, size_t n);
    /* silu_mul: y = s(g) u, s(g) = g / (1 + e^-g).   dg = dy u s'(g),   du = dy s(g) */
    void (*silu_mul)(float *dg, float *du, const float *g, const float *u, const float *dy, size_t n);
    /* gelu_tanh: dx = dy gelu'(x); in place with dy allowed (dx == dy) */
    void (*gelu_tanh)(float *dx, const float *x, const float *dy, size_t n);
    /* softmax: ds_i = scale p_i (dp_i - sum_j p_j dp_j); in place (ds == dp) allowed */
    void (*softmax)(float *ds, const float *p, const float *dp, float scale, size_t n);

    /* Rotate one head of 2 half numbers by the angles of its position, as RoPE does (half rotation): cos[half], sin[half].
     * With back, by the opposite angles: the gradient of the rotation.  In place. */
    void (*rotate)(float *v, const float *cos, const float *sin, size_t half, int back);

    void (*add)(float *y, const float *x, size_t n);              /* y += x */
    void (*scale)(float *y, float a, size_t n);                   /* y *= a */
    void (*to_bf16)(uint16_t *y, const float *x, size_t n);       /* nearest, ties to even; NaN stays NaN */
    void (*from_bf16)(float *y, const uint16_t *x, size_t n);

    /* One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101, Algorithm 2) on n numbers:
     *   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= lr (m c1 / (sqrt(v c2) + eps) + decay w)
     * g is multiplied by `gscale` as it is read; c1 = 1 / (1 - b1^t), c2 = 1 / (1 - b2^t). */
    void (*adamw)(float *w, float *m, float *v, const float *g, float gscale, float lr, float b1, float b2, float eps,
                  float decay, float c1, float c2, size_t n);
} lac_grad;

/* The tables; NULL where the compiler does not aim at that CPU family.  Use lac_grad_pick. */
extern const lac_grad *const lac_grad_ref, *const lac_grad_avx2, *const lac_grad_avx512, *const lac_grad_neon;

/* The table called `name`, or the best this CPU has for NULL; NULL when the name is unknown or the CPU cannot run it. */
const lac_grad *lac_grad_pick(const char *name);

#endif
