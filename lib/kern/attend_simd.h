/* Attention over pages of keys and values, in the words of vec_math.h; kern_simd.h includes this page.
 *
 * A tile of rows goes over one span of ranks at a time, while the span's keys and values are in the first cache:
 *
 *   scores    [rows, LAC_SPAN]  sum over d of q[d] (every lane) x K[d] (a lane a key): nothing is folded
 *   weights   the largest score so far, e^(score - largest); what was summed before is scaled down to it
 *   sums      [rows, D]         += weight of t (every lane) x V[t] (a lane a dimension)
 *
 * Where the CPU multiplies pairs of BF16 (VEC_DOT2), keys and values of BF16 are not widened: queries and weights are
 * rounded to BF16 instead, as the keys and values were, and two dimensions or two entries are one step.
 *
 * Each number is one chain of fused multiply-adds, over d or over t in rank order, and the sum of the weights is a
 * chain a lane.  A weight of 0 adds nothing, so the tile may go on to where its longest row ends; tiles and padding
 * do not show in the bits.  A row's own entry, if it is beyond those it sees, is scored and added by itself, as if it
 * were the rank after them. */
#ifndef LAC_KERN_ATTEND_SIMD_H
#define LAC_KERN_ATTEND_SIMD_H

#include "kern/attend.h"
#include "kern/vec_math.h"

#ifdef VEC_LANES

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    TILE_ROWS = 4,
    TILE_VECS = L == 8 ? 2 : 4, /* with TILE_ROWS: the sums in registers, of which AVX2 has 16, others 32 */
    PAGE_VECS = LAC_PAGE / L,
    SPAN_PAGES = LAC_SPAN / LAC_PAGE
};

/* One span of a call. */
typedef struct {
    size_t begin;                   /* its first rank */
    const char *page[SPAN_PAGES];   /* K of its pages; those past the last that is seen repeat it */
    const char *next[SPAN_PAGES];   /* what will be read after them: K of the next span; past the last span, of the next head */
} span;

/* Where a row is: in room, set up by attend(). */
typedef struct {
    float *q;     /* [D] divided by sqrt(D); as pairs of BF16 [D / 2] where pairs are multiplied */
    float *max;   /* [1] largest score so far */
    float *total; /* [L] sums of the weights */
} attend_row;

INLINE attend_row row_of(const lac_attend *a, size_t n)
{
    float *p = a->room + n * (a->D + 1 + LAC_PAGE);
    return (attend_row){p, p + a->D, p + a->D + 1};
}

/* Ranks a row sees in pages one after another, and with its own entry. */
INLINE size_t seen(const lac_attend *a, size_t n) { return a->sees[n] + (size_t)(a->self[n] == a->sees[n]); }
INLINE size_t keys(const lac_attend *a, size_t n) { return a->sees[n] + (size_t)(a->self[n] >= a->sees[n]); }
INLINE size_t within(size_t end, size_t begin) { return end < begin ? 0 : end - begin < LAC_SPAN ? end - begin : LAC_SPAN; }

/* Are pairs multiplied as they are? */
INLINE bool paired(const lac_attend *a) { return VEC_DOT2 && a->type == LAC_BF16; }

INLINE size_t values(const lac_attend *a) { return LAC_PAGE * a->D * (a->type == LAC_F32 ? 4 : 2); } /* bytes from K to V */

/* Pair i of K (two dimensions of L keys) or of V (two entries, L dimensions): n lanes of it.  Without `odd` it is left
 * together. */
INLINE void load_pair(lac_type type, vec *even, vec *odd, const char *p, size_t i, size_t stride, size_t n)
{
    p += i * stride * (type == LAC_F32 ? 2 : 1);
    *even = n < L ? v_load_part(p, n) : v_load(p);
    if (!odd) return;
    if (type == LAC_F32) *odd = n < L ? v_load_part(p + stride, n) : v_load(p + stride);
    else *odd = v_bf16_odd(*even), *even = v_bf16_even(*even);
}

/* Have pair i on its way to the first cache: pages are too far apart for the CPU to guess.  One row, 2048 keys of BF16:
 * 1.4 times as fast (bench_attend). */
INLINE void fetch_pair(lac_type type, const char *p, size_t i, size_t stride)
{
    p += i * stride * (type == LAC_F32 ? 2 : 1);
    __builtin_prefetch(p);
    if (type == LAC_F32) __builtin_prefetch(p + stride);
}

/* sum += two steps of a chain: x[0] and x[1] by the two of each pair. */
INLINE void madd(vec *sum, const vec *even, const vec *odd, size_t vecs, const float *x)
{
    UNROLL for (size_t c = 0; c < vecs; c++) sum[c] = v_fma(v_set(x[0]), even[c], sum[c]);
    UNROLL for (size_t c = 0; c < vecs; c++) sum[c] = v_fma(v_set(x[1]), odd[c], sum[c]);
}

/* The same by pairs as they lie: x is one pair. */
INLINE void madd_pair(vec *sum, const vec *pair, size_t vecs, const float *x)
{
    UNROLL for (size_t c = 0; c < vecs; c++) sum[c] = v_dot2(sum[c], pair[c], v_set(*x));
}

/* x[0, n) to pairs of BF16, in place. */
INLINE void to_pairs(float *x, size_t n)
{
    char *to = (char *)x;
    for (size_t i = 0; i < n; i += L) {
        if (i + L <= n) v_store_dot2(to + 2 * i, v_load(x + i));
        else v_store_bf16_part(to + 2 * i, v_load_part(x + i, n - i), n - i);
    }
}

/* Scores of `rows` rows by the keys in `vecs` vectors from the beginning of a page. */
INLINE void score_pages(const lac_attend *a, size_t n, size_t rows, size_t vecs, const char *const *page, float *score)
{
    vec sum[16], even[8], odd[8];
    const float *q[TILE_ROWS];
    UNROLL for (size_t r = 0; r < rows; r++) q[r] = row_of(a, n + r).q;
    UNROLL for (size_t i = 0; i < rows * vecs; i++) sum[i] = v_set(0);
    for (size_t d = 0; d < a->D; d += 2) {
        UNROLL for (size_t c = 0; c < vecs; c++)
            load_pair(a->type, &even[c], paired(a) ? NULL : &odd[c], page[c / PAGE_VECS] + c % PAGE_VECS * (4 * L), d / 2, 4 * LAC_PAGE, L);
        if (n == 0) UNROLL for (size_t c = 0; c < vecs; c += PAGE_VECS) fetch_pair(a->type, page[c / PAGE_VECS] + values(a), d / 2, 4 * LAC_PAGE);
        UNROLL for (size_t r = 0; r < rows; r++) {
            if (paired(a)) madd_pair(&sum[r * vecs], even, vecs, q[r] + d / 2);
            else madd(&sum[r * vecs], even, odd, vecs, q[r] + d);
        }
    }
    UNROLL for (size_t i = 0; i < rows * vecs; i++) v_store(score + i / vecs * LAC_SPAN + i % vecs * L, sum[i]);
}

/* The scores of rows' own entries, side by side: each is one long chain. */
INLINE void score_selves(const lac_attend *a, size_t n, size_t rows, float *own)
{
    const char *p[TILE_ROWS];
    const float *q[TILE_ROWS];
    vec sum[TILE_ROWS], even, odd;
    UNROLL for (size_t r = 0; r < rows; r++) {
        p[r] = a->page[a->self[n + r] / LAC_PAGE] + a->offset + a->self[n + r] % LAC_PAGE / L * (4 * L);
        q[r] = row_of(a, n + r).q;
        sum[r] = v_set(0);
    }
    for (size_t d = 0; d < a->D; d += 2)
        UNROLL for (size_t r = 0; r < rows; r++) {
            load_pair(a->type, &even, paired(a) ? NULL : &odd, p[r], d / 2, 4 * LAC_PAGE, L);
            if (paired(a)) madd_pair(&sum[r], &even, 1, q[r] + d / 2);
            else madd(&sum[r], &even, &odd, 1, q[r] + d);
        }
    UNROLL for (size_t r = 0; r < rows; r++) {
        float lane[L];
        v_store(lane, sum[r]);
        own[r] = lane[a->self[n + r] % L];
    }
}

/* row[end, len) = -inf */
INLINE void pad(float *row, size_t end, size_t len)
{
    const size_t kept = end % L;
    size_t t = end - kept;
    if (kept) {
        const vec v = v_load_part(row + t, kept);
        v_store(row + t, v_set(-INFINITY));
        v_store_part(row + t, v, kept);
        t += L;
    }
    for (; t < len; t += L) v_store(row + t, v_set(-INFINITY));
}

/* The largest of `len` scores, a multiple of LAC_PAGE, and of those before. */
INLINE float largest(float max, const float *score, size_t len)
{
    vec most = v_set(max);
    for (size_t i = 0; i < len; i += L) most = v_max(most, v_load(score + i));
    return v_max_lanes(most);
}

/* `len` scores of row n to weights; what was summed before is `factor` times as much. */
INLINE void weigh(const lac_attend *a, size_t n, float *score, size_t len, float factor)
{
    const attend_row row = row_of(a, n);
    const vec max = v_set(*row.max);
    vec sum = v_set(factor) * v_load(row.total);
    for (size_t i = 0; i < len; i += L) {
        const vec e = v_exp(v_load(score + i) - max);
        if (paired(a)) v_store_dot2((char *)score + 2 * i, e);
        else v_store(score + i, e);
        sum = sum + e;
    }
    v_store(row.total, sum);
}

/* Scores of a span to weights, of `rows` rows: [rows, LAC_SPAN], `len` of each.  One e^x gives the
 * factors of all: [L]. */
INLINE void weigh_rows(const lac_attend *a, size_t n, size_t rows, float *score, size_t len, float *factor)
{
    UNROLL for (size_t r = 0; r < rows; r++) {
        float *max = row_of(a, n + r).max;
        const float now = largest(*max, score + r * LAC_SPAN, len);
        factor[r] = *max - now;
        *max = now;
    }
    v_store(factor, v_exp(v_load(factor)));
    for (size_t r = 0; r < rows; r++) weigh(a, n + r, score + r * LAC_SPAN, len, factor[r]);
}

/* out[d, d + vecs L) of `rows` rows = factor x out + weights x values of `pages` pages; of one vector, `lanes` lanes. */
INLINE void sum_values(const lac_attend *a, size_t n, size_t rows, size_t d, size_t vecs, size_t lanes, const span *s, size_t pages,
                       const float *weight, const float *factor)
{
    const size_t at = values(a) + 4 * d;
    float *out = a->out + n * a->ldo + d;
    vec sum[16], even[8], odd[8];
    UNROLL for (size_t i = 0; i < rows * vecs; i++) {
        const float *y = out + i / vecs * a->ldo + i % vecs * L;
        sum[i] = v_set(factor[i / vecs]) * (lanes < L ? v_load_part(y, lanes) : v_load(y));
    }
    for (size_t t = 0; t < pages * LAC_PAGE; t += 2) {
        const char *p = s->page[t / LAC_PAGE] + at;
        UNROLL for (size_t c = 0; c < vecs; c++)
            load_pair(a->type, &even[c], paired(a) ? NULL : &odd[c], p + c * (4 * L), t % LAC_PAGE / 2, 4 * a->D, lanes);
        if (n == 0) UNROLL for (size_t c = 0; c < vecs; c += PAGE_VECS)
            fetch_pair(a->type, s->next[t / LAC_PAGE] + 4 * d + c * (4 * L), t % LAC_PAGE / 2, 4 * a->D);
        UNROLL for (size_t r = 0; r < rows; r++) {
            if (paired(a)) madd_pair(&sum[r * vecs], even, vecs, weight + r * LAC_SPAN + t / 2);
            else madd(&sum[r * vecs], even, odd, vecs, weight + r * LAC_SPAN + t);
        }
    }
    UNROLL for (size_t i = 0; i < rows * vecs; i++) {
        float *y = out + i / vecs * a->ldo + i % vecs * L;
        if (lanes < L) v_store_part(y, sum[i], lanes);
        else v_store(y, sum[i]);
    }
}

/* Values of rank t, lanes of it from d on. */
INLINE vec value_of(const lac_attend *a, size_t t, size_t d, size_t lanes)
{
    vec even, odd;
    load_pair(a->type, &even, &odd, a->page[t / LAC_PAGE] + a->offset + values(a) + 4 * d, t % LAC_PAGE / 2, 4 * a->D, lanes);
    return t % 2 ? odd : even;
}

/* out += weight x value of a row's own entry. */
INLINE void add_self(const lac_attend *a, size_t n, float weight)
{
    float *out = a->out + n * a->ldo;
    for (size_t d = 0; d < a->D; d += L) {
        const size_t lanes = a->D - d < L ? a->D - d : L;
        const vec v = value_of(a, a->self[n], d, lanes);
        if (lanes < L) v_store_part(out + d, v_fma(v_set(weight), v, v_load_part(out + d, lanes)), lanes);
        else v_store(out + d, v_fma(v_set(weight), v, v_load(out + d)));
    }
}

/* The same of pairs: the pair that the own entry makes with the rank before it, or with nothing. */
INLINE void add_self_pair(const lac_attend *a, size_t n, float weight)
{
    const bool odd = a->sees[n] % 2;
    float *out = a->out + n * a->ldo;
    for (size_t d = 0; d < a->D; d += L) {
        const size_t lanes = a->D - d < L ? a->D - d : L;
        const vec own = value_of(a, a->self[n], d, lanes), before = odd ? value_of(a, a->sees[n] - 1, d, lanes) : v_set(0);
        const vec pair = odd ? v_bf16_pair(before, own) : v_bf16_pair(own, before);
        if (lanes < L) v_store_part(out + d, v_dot2(v_load_part(out + d, lanes), pair, v_set(weight)), lanes);
        else v_store(out + d, v_dot2(v_load(out + d), pair, v_set(weight)));
    }
}

/* The weight of the own entry, at t of a span, which is then 0; or the pair it is in. */
INLINE float take_weight(const lac_attend *a, float *weight, size_t t)
{
    float *at = weight + (paired(a) ? t / 2 : t), one = *at;
    *at = 0;
    return one;
}

/* `rows` rows from n over one span. */
INLINE void attend_span(const lac_attend *a, size_t n, size_t rows, const span *s)
{
    const size_t vecs = rows == 1 ? 2 * TILE_VECS : TILE_VECS;
    _Alignas(64) float score[TILE_ROWS * LAC_SPAN];
    float factor[L] = {0}, own[TILE_ROWS] = {0};
    bool has_own[TILE_ROWS], any_own = false;
    size_t end[TILE_ROWS], in_pages = 0, in_all = 0;
    for (size_t r = 0; r < rows; r++) {
        const size_t x = within(seen(a, n + r), s->begin), y = within(keys(a, n + r), s->begin);
        if (x > in_pages) in_pages = x;
        if (y > in_all) in_all = y;
        end[r] = x;
        has_own[r] = y > x;
        any_own |= y > x;
    }
    if (!in_all) return;
    const size_t pages = (in_pages + LAC_PAGE - 1) / LAC_PAGE, padded = (in_all + LAC_PAGE - 1) / LAC_PAGE * LAC_PAGE;
    for (size_t i = 0; i < pages; i += vecs / PAGE_VECS) score_pages(a, n, rows, vecs, s->page + i, score + i * LAC_PAGE);
    if (any_own) score_selves(a, n, rows, own);
    for (size_t r = 0; r < rows; r++) {
        pad(score + r * LAC_SPAN, end[r], padded);
        if (has_own[r]) score[r * LAC_SPAN + end[r]] = own[r];
    }
    weigh_rows(a, n, rows, score, padded, factor);
    for (size_t r = 0; r < rows; r++)
        if (has_own[r]) own[r] = take_weight(a, score + r * LAC_SPAN, end[r]);
    size_t d = 0;
    for (; d + TILE_VECS * L <= a->D; d += TILE_VECS * L) sum_values(a, n, rows, d, TILE_VECS, L, s, pages, score, factor);
    for (; d + L <= a->D; d += L) sum_values(a, n, rows, d, 1, L, s, pages, score, factor);
    if (d < a->D) sum_values(a, n, rows, d, 1, a->D - d, s, pages, score, factor);
    for (size_t r = 0; r < rows; r++)
        if (has_own[r] && paired(a)) add_self_pair(a, n + r, own[r]);
        else if (has_own[r]) add_self(a, n + r, own[r]);
}

INLINE void begin_row(const lac_attend *a, size_t n)
{
    const attend_row row = row_of(a, n);
    const vec scale = v_set((float)(1 / sqrt((double)a->D)));
    const float *q = a->q + n * a->ldq;
    float *out = a->out + n * a->ldo;
    size_t d = 0;
    for (; d + L <= a->D; d += L) v_store(row.q + d, v_load(q + d) * scale), v_store(out + d, v_set(0));
    if (d < a->D) {
        v_store_part(row.q + d, v_load_part(q + d, a->D - d) * scale, a->D - d);
        v_store_part(out + d, v_set(0), a->D - d);
    }
    if (paired(a)) to_pairs(row.q, a->D);
    *row.max = -INFINITY;
    v_store(row.total, v_set(0));
}

static void end_row(const lac_attend *a, size_t n)
{
    const vec none = v_set(0); /* added: -0 would tell by its sign of weights of 0 */
    float sum[4], *out = a->out + n * a->ldo;
    v_sum4(sum, v_load(row_of(a, n).total), none, none, none);
    size_t d = 0;
    for (; d + L <= a->D; d += L) v_store(out + d, v_load(out + d) / v_set(sum[0]) + none);
    if (d < a->D) v_store_part(out + d, v_load_part(out + d, a->D - d) / v_set(sum[0]) + none, a->D - d);
}

/* The type of keys and values is made a constant of the loops. */
INLINE void attend_type(const lac_attend *call, lac_type type)
{
    lac_attend copy = *call;
    copy.type = type;
    const lac_attend a = copy;
    size_t end = 0, end_pages = 0;
    for (size_t n = 0; n < a.N; n++) {
        begin_row(&a, n);
        if (keys(&a, n) > end) end = keys(&a, n);
        if (seen(&a, n) > end_pages) end_pages = seen(&a, n);
    }
    for (span s = {0}; s.begin < end; s.begin += LAC_SPAN) {
        const size_t first_page = s.begin / LAC_PAGE, pages = (end_pages + LAC_PAGE - 1) / LAC_PAGE;
        for (size_t i = 0; i < SPAN_PAGES && first_page < pages; i++) {
            const size_t next = first_page + SPAN_PAGES + i;
            s.page[i] = a.page[first_page + i < pages ? first_page + i : pages - 1] + a.offset;
            s.next[i] = next < pages ? a.page[next] + a.offset : a.page[i < pages ? i : 0] + a.offset + 2 * values(&a);
        }
        size_t n = 0;
        for (; n + TILE_ROWS <= a.N; n += TILE_ROWS) attend_span(&a, n, TILE_ROWS, &s);
        for (; n < a.N; n++) attend_span(&a, n, 1, &s);
    }
    for (size_t n = 0; n < a.N; n++) end_row(&a, n);
}

static void attend(const lac_attend *a)
{
    if (a->type == LAC_F32) attend_type(a, LAC_F32);
    else attend_type(a, LAC_BF16);
}

#endif
#endif
