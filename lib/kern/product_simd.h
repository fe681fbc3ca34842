/* Products of prepared rows by panels (pack.h), for kern_simd.h: one tile for the three types.
 *
 * A tile is `tall` entries by `wide` panels.  Its sums stay in registers, one lane each, while K passes by:
 *
 *            panel 0   panel 1          a step: load a vector of every panel, spread 4 bytes of every entry over a
 *   x[0]     sum sum   sum sum          vector, multiply and add each with each
 *   x[1]     sum sum   sum sum          F32   one column, a fused multiply-add
 *   x[2]     sum sum   sum sum          BF16  two columns, v_dot2
 *                                       Q8_0  a block: 8 times four columns, v_dot4, in whole numbers; then
 *   (a panel is 16 / VEC_LANES vectors)       sum = fma(scale of weights * scale of x, whole number, sum)
 *
 * Every sum is one chain in the order of k, whatever the tile, and the whole numbers are exact.  Hence neither tile
 * nor batch nor cut shows in the bits.
 *
 * Where one tile holds all entries, memory is the limit: it takes one panel at a time, so that the weights are one
 * stream, fetched a little ahead (bench_kern, one entry of Q8_0 from memory: 42 GB/s, 26 in tiles of 4 panels).
 * Otherwise entries are the inner loop, the weights come from a near cache for all tiles but the first, and while they
 * are multiplied the next panels are fetched, a few lines at each block (64 entries: twice as fast). */
#ifndef LAC_KERN_PRODUCT_SIMD_H
#define LAC_KERN_PRODUCT_SIMD_H

#include "kern/pack.h"
#include "kern/vec_math.h"

#ifdef VEC_LANES

#include <float.h>
#include <stdbool.h>
#include <string.h>

enum {
    VECS = LAC_PANEL / L, /* vectors of a column of a panel */
    LINE = 64,            /* bytes of a column of a panel */
    TALLEST = 8,          /* entries of a tile, at most */
    /* Panels of a tile of a large product.  With 16 lanes and 32 registers: up to 32 sums, or 16 whole numbers of Q8_0, whose
     * sums are partly on the stack; with fewer, what 16 registers hold. */
    WIDE = L == 16 ? 4 : 1,
    WIDE_Q8 = L == 16 ? 2 : 1,
    AHEAD = 8192,             /* bytes: how far a single stream of weights is fetched ahead */
    BLOCK = LAC_Q8_BLOCK / 4, /* vectors of a panel in a block; of F32 and BF16, between looks ahead */
};

/* ---- prepare ---- */

INLINE float scale_q8(const float *x)
{
    vec most = v_set(0);
    UNROLL for (size_t i = 0; i < LAC_Q8_BLOCK; i += L) {
        vec v = v_number(v_load(x + i));
        most = v_max(most, v_max(v, -v));
    }
    const float amax = v_max_lanes(most);
    return amax < LAC_Q8_LEAST ? 0 : amax > FLT_MAX ? FLT_MAX : amax;
}

/* A block to q and d; returns what, lane by lane, adds up to the sum of q. */
INLINE vec prepare_block(int8_t *q, float *d, const float *x)
{
    const float amax = scale_q8(x), inverse = amax > 0 ? 127.0f / amax : 0;
    vec sum = v_set(0);
    *d = amax / 127.0f;
    UNROLL for (size_t i = 0; i < LAC_Q8_BLOCK; i += L) {
        vec v = v_clamp(v_set(-amax), v_set(amax), v_number(v_load(x + i)));
        v = v_round(v * v_set(inverse));
        sum = sum + v;
        v_store_i8(q + i, v);
    }
    return sum;
}

static void prepare_q8(uint8_t *out, const float *x, size_t K)
{
    const size_t blocks = K / LAC_Q8_BLOCK;
    float *d = (float *)(void *)out, s[4];
    int32_t *c = (int32_t *)(void *)(out + 4 * blocks);
    int8_t *q = (int8_t *)(out + 8 * blocks);
    for (size_t b = 0; b < blocks; b += 4) {
        const size_t n = blocks - b < 4 ? blocks - b : 4;
        vec sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
        UNROLL for (size_t i = 0; i < 4; i++)
            if (i < n) sum[i] = prepare_block(q + (b + i) * LAC_Q8_BLOCK, d + b + i, x + (b + i) * LAC_Q8_BLOCK);
        v_sum4(s, sum[0], sum[1], sum[2], sum[3]);
        for (size_t i = 0; i < n; i++) c[b + i] = -128 * (int32_t)s[i];
    }
}

static void prepare(lac_type type, void *out, const float *x, size_t K)
{
    const size_t bytes = lac_prepared_bytes(type, K), used = type == LAC_Q8_0 ? K / LAC_Q8_BLOCK * 8 + K : lac_row_bytes(type, K);
    uint8_t *p = out;
    memset(p + used, 0, bytes - used);
    if (type == LAC_F32) memcpy(p, x, used);
    if (type == LAC_Q8_0) prepare_q8(p, x, K);
    if (type != LAC_BF16) return;
    size_t i = 0;
    for (; i + L <= K; i += L) v_store_bf16(p + 2 * i, v_load(x + i));
    if (i < K) v_store_bf16_part(p + 2 * i, v_load_part(x + i, K - i), K - i);
}

/* ---- a tile ---- */

/* What the tiles of one call have in common, and where one of them is. */
typedef struct {
    const uint8_t *x; /* its first prepared row */
    const uint8_t *w; /* its first panel */
    float *y;         /* its first output */
    size_t row;       /* bytes of a prepared row */
    size_t panel;     /* bytes of a panel */
    size_t ldy;       /* floats from one row of y to the next */
    size_t vectors;   /* LINEs of a panel that are weights, not scales */
    size_t columns;   /* outputs of a row that exist: up to LAC_PANEL * wide */
    size_t ahead;     /* bytes from here to what is fetched */
    size_t lines;     /* what is fetched at each block */
} product;

/* 4 bytes in every lane */
INLINE vec each(const uint8_t *p)
{
    float f;
    memcpy(&f, p, sizeof f);
    return v_set(f);
}

INLINE veci each_i(const uint8_t *p)
{
    int32_t i;
    memcpy(&i, p, sizeof i);
    return v_set_i(i);
}

typedef vec sums[TALLEST][WIDE * VECS];

/* Column or columns j of F32 or BF16. */
INLINE void step(lac_type type, size_t tall, size_t wide, const product *p, size_t j, sums sum)
{
    const uint8_t *x = p->x + 4 * j, *w = p->w + LINE * j;
    vec column[WIDE * VECS];
    UNROLL for (size_t v = 0; v < wide * VECS; v++) column[v] = v_load(w + v / VECS * p->panel + v % VECS * (4 * L));
    UNROLL for (size_t i = 0; i < tall; i++) {
        const vec xi = each(x + i * p->row);
        UNROLL for (size_t v = 0; v < wide * VECS; v++)
            sum[i][v] = type == LAC_F32 ? v_fma(xi, column[v], sum[i][v]) : v_dot2(sum[i][v], column[v], xi);
    }
}

/* Block b of Q8_0. */
INLINE void step_q8(size_t tall, size_t wide, const product *p, size_t b, sums sum)
{
    const size_t blocks = p->vectors / BLOCK;
    const uint8_t *d = p->x + 4 * b, *q = p->x + 8 * blocks + LAC_Q8_BLOCK * b;
    const uint8_t *scale = p->w + 2 * LAC_PANEL * b, *w = p->w + p->panel - (p->vectors - BLOCK * b) * LINE;
    veci whole[TALLEST][WIDE * VECS], four[WIDE * VECS];
    UNROLL for (size_t i = 0; i < tall; i++) {
        int32_t c;
        memcpy(&c, d + 4 * blocks + i * p->row, sizeof c);
        UNROLL for (size_t v = 0; v < wide * VECS; v++) whole[i][v] = v_dot4_begin(c);
    }
    UNROLL for (size_t j = 0; j < BLOCK; j++) {
        UNROLL for (size_t v = 0; v < wide * VECS; v++) four[v] = v_load_i(w + j * LINE + v / VECS * p->panel + v % VECS * (4 * L));
        UNROLL for (size_t i = 0; i < tall; i++)
            UNROLL for (size_t v = 0; v < wide * VECS; v++) whole[i][v] = v_dot4(whole[i][v], four[v], each_i(q + 4 * j + i * p->row));
    }
    UNROLL for (size_t v = 0; v < wide * VECS; v++) {
        const vec dw = v_half(scale + v / VECS * p->panel + v % VECS * (2 * L));
        UNROLL for (size_t i = 0; i < tall; i++) sum[i][v] = v_fma(dw * each(d + i * p->row), v_float(whole[i][v]), sum[i][v]);
    }
}

/* To the second cache. */
INLINE void fetch(const product *p, size_t b)
{
    const uint8_t *at = p->w + p->ahead + b * p->lines * LINE;
    for (size_t i = 0; i < p->lines; i++) __builtin_prefetch(at + i * LINE, 0, 2);
}

INLINE void tile(lac_type type, size_t tall, size_t wide, const product *p)
{
    sums sum;
    UNROLL for (size_t i = 0; i < tall; i++)
        UNROLL for (size_t v = 0; v < wide * VECS; v++) sum[i][v] = v_set(0);
    for (size_t b = 0; b * BLOCK < p->vectors; b++) {
        fetch(p, b);
        if (type == LAC_Q8_0) step_q8(tall, wide, p, b, sum);
        else
            for (size_t j = b * BLOCK; j < (b + 1) * BLOCK && j < p->vectors; j++) step(type, tall, wide, p, j, sum);
    }
    UNROLL for (size_t i = 0; i < tall; i++)
        UNROLL for (size_t v = 0; v < wide * VECS; v++) {
            float *y = p->y + i * p->ldy + v * L;
            if (p->columns >= (v + 1) * L) v_store(y, sum[i][v]);
            else if (p->columns > v * L) v_store_part(y, sum[i][v], p->columns - v * L);
        }
}

/* ---- the tiles of a product ---- */

/* Tiles of one width, by entries; 0 has none. */
typedef struct {
    size_t wide, tallest; /* panels, entries */
    void (*of[TALLEST + 1])(const product *p);
} tiles;

/* With constants, so that the loops of a tile vanish. */
#define TILE(name, type, tall, wide) \
    static void name##tall(const product *p) { tile(type, tall, wide, p); }
#define TILES_LOW(name, type, wide) TILE(name, type, 1, wide) TILE(name, type, 2, wide)
#define TILES_HIGH(name, type, wide) \
    TILE(name, type, 3, wide) TILE(name, type, 4, wide) TILE(name, type, 5, wide) TILE(name, type, 6, wide)
/* By type: one panel; more, which 1 or 2 entries never have. */
#define TILES(name, type, many)                                                                    \
    TILES_LOW(name##_one, type, 1) TILES_HIGH(name##_one, type, 1) TILES_HIGH(name##_many, type, many) \
    static const tiles name[2] = {                                                                 \
        {1, 6, {NULL, name##_one1, name##_one2, name##_one3, name##_one4, name##_one5, name##_one6}}, \
        {many, 6, {NULL, NULL, NULL, name##_many3, name##_many4, name##_many5, name##_many6}},        \
    };

TILES(f32, LAC_F32, WIDE)
TILES(bf16, LAC_BF16, WIDE)
TILES_LOW(q8_one, LAC_Q8_0, 1) TILES_HIGH(q8_one, LAC_Q8_0, 1) TILES_HIGH(q8_many, LAC_Q8_0, WIDE_Q8)
TILE(q8_many, LAC_Q8_0, 7, WIDE_Q8) TILE(q8_many, LAC_Q8_0, 8, WIDE_Q8)
static const tiles q8[2] = {
    {1, 6, {NULL, q8_one1, q8_one2, q8_one3, q8_one4, q8_one5, q8_one6}},
    {WIDE_Q8, 8, {NULL, NULL, NULL, q8_many3, q8_many4, q8_many5, q8_many6, q8_many7, q8_many8}},
};

/* N entries in tiles as even as can be: 7 are 4 and 3, for 6 and 1 would wait for each other. */
static void entries(const tiles *t, product p, size_t N)
{
    const size_t blocks = (p.vectors + BLOCK - 1) / BLOCK, count = (N + t->tallest - 1) / t->tallest;
    const size_t next = t->wide * p.panel;
    p.lines = blocks ? (next / LINE + count * blocks - 1) / (count * blocks) : 0;
    p.ahead = count > 1 || t->wide > 1 ? next : AHEAD;
    for (size_t left = count; left; left--) {
        const size_t tall = (N + left - 1) / left;
        t->of[tall](&p);
        N -= tall;
        p.x += tall * p.row;
        p.y += tall * p.ldy;
        p.ahead += blocks * p.lines * LINE;
    }
}

static void matmul(lac_type type, float *y, size_t ldy, const void *x, size_t N, const void *w, size_t R, size_t K)
{
    const tiles *all = type == LAC_F32 ? f32 : type == LAC_BF16 ? bf16 : q8;
    product p = {.x = x, .w = w, .y = y, .ldy = ldy, .row = lac_prepared_bytes(type, K), .panel = lac_panel_bytes(type, K)};
    p.vectors = type == LAC_F32 ? K : type == LAC_BF16 ? (K + 1) / 2 : K / 4;
    for (size_t left = R / LAC_PANEL + (R % LAC_PANEL != 0); left;) { /* panels */
        const tiles *t = all + (N > all[0].tallest && left >= all[1].wide);
        left -= t->wide;
        p.columns = R < LAC_PANEL * t->wide ? R : LAC_PANEL * t->wide;
        entries(t, p, N);
        R -= p.columns;
        p.w += t->wide * p.panel;
        p.y += p.columns;
    }
}

/* ---- spin ---- */

enum { CHAINS = 12 }; /* enough for any latency; 16 registers hold them and what they multiply */

/* `turns` products of each chain, with a constant type. */
INLINE float spin_chains(lac_type type, size_t turns)
{
    volatile int32_t one = 1; /* so that the compiler cannot foresee the sums */
    const veci w[2] = {v_set_i(one), v_set_i(one + 1)};
    const vec f = v_float(w[0]);
    veci x = w[0];
    vec sum[CHAINS], all = v_set(0);
    veci whole[CHAINS];
    UNROLL for (int i = 0; i < CHAINS; i++) sum[i] = v_set((float)i), whole[i] = v_set_i(one + i); /* equal chains would be one */
    for (size_t t = 0; t < turns; t++)
        UNROLL for (int i = 0; i < CHAINS; i++)
            if (type == LAC_F32) sum[i] = v_fma(f, f, sum[i]);
            else if (type == LAC_BF16) sum[i] = v_dot2(sum[i], f, f);
            else whole[i] = v_dot4(whole[i], w[i % 2], x = i % 2 ? x : v_unknown(x)); /* v_dot4 may be several steps, some of x alone */
    UNROLL for (int i = 0; i < CHAINS; i++) all = all + (type == LAC_Q8_0 ? v_float(whole[i]) : sum[i]);
    return v_max_lanes(all);
}

static double spin(lac_type type, size_t turns)
{
    const size_t each = turns / CHAINS + 1;
    volatile float kept = type == LAC_F32 ? spin_chains(LAC_F32, each) : type == LAC_BF16 ? spin_chains(LAC_BF16, each) : spin_chains(LAC_Q8_0, each);
    (void)kept;
    return (double)each * CHAINS * L * (type == LAC_F32 ? 1 : type == LAC_BF16 ? 2 : 4);
}

#endif
#endif
