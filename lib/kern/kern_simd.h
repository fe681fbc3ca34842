/* The loops of kern_avx2.c, kern_avx512.c and kern_neon.c: each includes what a vector is on its CPU (vec_math.h
 * lists the words), says how many rows of x are a tile of a product, VEC_TILE, and includes this page.  Without
 * VEC_LANES it is empty.
 *
 * Order of summation.  An output of a product is VEC_LANES sums, lane l over k = l mod VEC_LANES, each one
 * chain of fused multiply-adds in the order of k, then the tree of v_sum4.  A tile computes several outputs
 * together, but each by exactly this; and d * q is exact in float32, so a weight is the same number wherever
 * it was decoded.  Hence neither tile nor panel nor cut shows in the bits. */
#ifndef LAC_KERN_KERN_SIMD_H
#define LAC_KERN_KERN_SIMD_H

#include "kern/kern.h"
#include "kern/vec_math.h"

#ifdef VEC_LANES

#include <math.h>

/* The loops over a tile must vanish for its sums to live in registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum {
    TILE_N = VEC_TILE,      /* rows of x in a tile */
    TILE_R = 4,             /* rows of w in a tile */
    WIDE_R = 8,             /* the same where x is one row: enough sums to hide the latency of an FMA */
    BLOCK_N = 8 * VEC_TILE, /* rows of x that meet four rows of w while those are in cache */
    PANEL_N = VEC_TILE + 1, /* from so many rows of x on, decode weights to a panel; below, in registers */
    PANEL_K = 1024,         /* columns of the panel: 4 rows are 16 KiB, half a first-level cache */
};

typedef vec sums[TILE_N][WIDE_R]; /* of one tile, [n][r]; what a smaller tile leaves unused costs nothing */

/* ---- products ---- */

/* A strip: some rows of x against some of w. */
typedef struct {
    float *y;
    size_t ldy;
    const float *x;
    size_t ldx;
    const uint8_t *w;
    size_t row; /* bytes from one row of w to the next */
    size_t K;
    vec *carry; /* sums between panels of columns, [n][TILE_R]; NULL when the strip has all columns */
    int first, last; /* whether this is the first, the last panel */
} strip;

/* One vector of columns of F32 or BF16 weights; only the first `part` of them, if part is not 0. */
INLINE void madd(lac_type type, size_t NN, size_t RR, sums sum, const strip *s, size_t k, size_t part)
{
    vec x[TILE_N];
    UNROLL for (size_t n = 0; n < NN; n++)
    {
        const float *p = s->x + n * s->ldx + k;
        x[n] = part ? v_load_part(p, part) : v_load(p);
    }
    UNROLL for (size_t r = 0; r < RR; r++)
    {
        const uint8_t *p = s->w + r * s->row + k * (type == LAC_F32 ? 4 : 2);
        vec w = type == LAC_F32 ? (part ? v_load_part(p, part) : v_load(p)) : (part ? v_bf16_part(p, part) : v_bf16(p));
        UNROLL for (size_t n = 0; n < NN; n++) sum[n][r] = v_fma(x[n], w, sum[n][r]);
    }
}

/* Ask for a block of the strip that comes next, which need not exist.  Four or eight short rows at once
 * are more streams than the CPU follows by itself: 3 times the speed for one row of x by weights in memory
 * (Q8_0, K = 512).  F32 and BF16 rows are long enough: there the requests cost up to half the speed. */
INLINE void ahead(const uint8_t *block, size_t distance) { __builtin_prefetch((const void *)((uintptr_t)block + distance)); }

/* One block of Q8_0. */
INLINE void madd_q8(size_t NN, size_t RR, sums sum, const strip *s, size_t k)
{
    const uint8_t *block = s->w + k / LAC_Q8_BLOCK * LAC_Q8_BYTES;
    vec d[WIDE_R];
    UNROLL for (size_t r = 0; r < RR; r++)
    {
        d[r] = v_half(block + r * s->row);
        ahead(block + r * s->row, RR * s->row);
    }
    UNROLL for (size_t i = 0; i < LAC_Q8_BLOCK; i += L)
    {
        vec x[TILE_N];
        UNROLL for (size_t n = 0; n < NN; n++) x[n] = v_load(s->x + n * s->ldx + k + i);
        UNROLL for (size_t r = 0; r < RR; r++)
        {
            vec w = d[r] * v_i8(block + r * s->row + 2 + i);
            UNROLL for (size_t n = 0; n < NN; n++) sum[n][r] = v_fma(x[n], w, sum[n][r]);
        }
    }
}

/* NN rows of x by RR of w.  Inlined with constants for type, NN, RR: each such tile is its own loop. */
INLINE void tile(lac_type type, size_t NN, size_t RR, const strip *s)
{
    sums sum;
    UNROLL for (size_t n = 0; n < NN; n++)
    {
        UNROLL for (size_t r = 0; r < RR; r++) sum[n][r] = v_set(0);
    }
    if (!s->first)
        UNROLL for (size_t n = 0; n < NN; n++)
        {
            UNROLL for (size_t r = 0; r < RR; r++) sum[n][r] = s->carry[n * TILE_R + r];
        }
    size_t k = 0;
    if (type == LAC_Q8_0)
        for (; k < s->K; k += LAC_Q8_BLOCK) madd_q8(NN, RR, sum, s, k);
    else {
        for (; k + L <= s->K; k += L) madd(type, NN, RR, sum, s, k, 0);
        if (k < s->K) madd(type, NN, RR, sum, s, k, s->K - k);
    }
    if (!s->last) {
        UNROLL for (size_t n = 0; n < NN; n++)
        {
            UNROLL for (size_t r = 0; r < RR; r++) s->carry[n * TILE_R + r] = sum[n][r];
        }
        return;
    }
    UNROLL for (size_t n = 0; n < NN; n++)
    {
        float *y = s->y + n * s->ldy, one[4];
        if (RR == 1) {
            v_sum4(one, sum[n][0], v_set(0), v_set(0), v_set(0));
            y[0] = one[0];
        } else
            UNROLL for (size_t r = 0; r < RR; r += 4) v_sum4(y + r, sum[n][r], sum[n][r + 1], sum[n][r + 2], sum[n][r + 3]);
    }
}

/* n rows of x, n <= BLOCK_N, by RR of w. */
INLINE void tiles(lac_type type, size_t RR, strip s, size_t n)
{
    while (n) {
        size_t done = n < TILE_N ? n : TILE_N;
        switch (done) {
#if VEC_TILE > 4
        case 6: tile(type, 6, RR, &s); break;
        case 5: tile(type, 5, RR, &s); break;
#endif
#if VEC_TILE > 3
        case 4: tile(type, 4, RR, &s); break;
#endif
        case 3: tile(type, 3, RR, &s); break;
        case 2: tile(type, 2, RR, &s); break;
        default: tile(type, 1, RR, &s); break;
        }
        n -= done;
        s.x += done * s.ldx;
        s.y += done * s.ldy;
        if (s.carry) s.carry += done * TILE_R;
    }
}

/* Decode n columns, a multiple of 32 or the rest of the row, of one row of w; `next` bytes on is a row to come. */
INLINE void decode(lac_type type, float *out, const uint8_t *w, size_t n, size_t next)
{
    if (type == LAC_Q8_0)
        for (size_t k = 0; k < n; k += LAC_Q8_BLOCK, w += LAC_Q8_BYTES) {
            vec d = v_half(w);
            ahead(w, next);
            UNROLL for (size_t i = 0; i < LAC_Q8_BLOCK; i += L) v_store(out + k + i, d * v_i8(w + 2 + i));
        }
    else {
        size_t k = 0;
        for (; k + L <= n; k += L) v_store(out + k, v_bf16(w + 2 * k));
        if (k < n) v_store_part(out + k, v_bf16_part(w + 2 * k, n - k), n - k);
    }
}

/* Many rows of x by four of w: each panel of columns is decoded once for all of them. */
INLINE void panels(lac_type type, strip s, size_t n)
{
    float panel[TILE_R * PANEL_K];
    vec carry[BLOCK_N * TILE_R];
    strip part = s;
    part.w = (const uint8_t *)panel;
    part.row = PANEL_K * sizeof *panel;
    part.carry = carry;
    for (size_t k = 0; k < s.K; k += PANEL_K) {
        part.x = s.x + k;
        part.K = s.K - k < PANEL_K ? s.K - k : PANEL_K;
        part.first = k == 0;
        part.last = k + part.K == s.K;
        for (size_t r = 0; r < TILE_R; r++) decode(type, panel + r * PANEL_K, s.w + r * s.row + lac_row_bytes(type, k), part.K, TILE_R * s.row);
        tiles(LAC_F32, TILE_R, part, n);
    }
}

INLINE void matmul(lac_type type, float *y, size_t ldy, const float *x, size_t ldx, const void *w, size_t N, size_t R, size_t K)
{
    size_t row = lac_row_bytes(type, K);
    for (size_t n0 = 0; n0 < N; n0 += BLOCK_N) {
        size_t n = N - n0 < BLOCK_N ? N - n0 : BLOCK_N, r = 0;
        strip s = {y + n0 * ldy, ldy, x + n0 * ldx, ldx, w, row, K, NULL, 1, 1};
        if (n == 1)
            for (; r + WIDE_R <= R; r += WIDE_R, s.y += WIDE_R, s.w += WIDE_R * row) tile(type, 1, WIDE_R, &s);
        for (; r + TILE_R <= R; r += TILE_R, s.y += TILE_R, s.w += TILE_R * row)
            if (type != LAC_F32 && n >= PANEL_N && K > 0) panels(type, s, n);
            else tiles(type, TILE_R, s, n);
        for (; r < R; r++, s.y++, s.w += row) tiles(type, 1, s, n);
    }
}

static void matmul_f32(float *y, size_t ldy, const float *x, size_t ldx, const void *w, size_t N, size_t R, size_t K)
{
    matmul(LAC_F32, y, ldy, x, ldx, w, N, R, K);
}

static void matmul_bf16(float *y, size_t ldy, const float *x, size_t ldx, const void *w, size_t N, size_t R, size_t K)
{
    matmul(LAC_BF16, y, ldy, x, ldx, w, N, R, K);
}

static void matmul_q8_0(float *y, size_t ldy, const float *x, size_t ldx, const void *w, size_t N, size_t R, size_t K)
{
    matmul(LAC_Q8_0, y, ldy, x, ldx, w, N, R, K);
}

/* ---- rows ---- */

/* Four chains, vector i into chain i mod 4, the rest into the first: attention calls this with n = D. */
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

static void axpy(float *y, float a, const float *x, size_t n)
{
    vec va = v_set(a);
    size_t i = 0;
    for (; i + L <= n; i += L) v_store(y + i, v_fma(va, v_load(x + i), v_load(y + i)));
    if (i < n) v_store_part(y + i, v_fma(va, v_load_part(x + i, n - i), v_load_part(y + i, n - i)), n - i);
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
    vec scale = v_set((float)(1.0 / sqrt(lanes_sum_d(lo + hi) / (double)n + (double)eps)));
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
    double sum = lanes_sum_d(lo + hi);
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
    double mean = lanes_sum_d(lo + hi) / (double)n;
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
    VEC_NAME, matmul_f32, matmul_bf16, matmul_q8_0, dot, axpy, exp_sum, rms_norm, layer_norm, silu_mul, gelu_tanh,
};

#endif
#endif
