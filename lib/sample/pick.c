#include "sample/pick.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool before(const lac_cand *a, const lac_cand *b)
{
    return a->value > b->value || (a->value == b->value && a->token < b->token);
}

static void swap(lac_cand *a, lac_cand *b)
{
    lac_cand t = *a;
    *a = *b;
    *b = t;
}

/* Reorder c so that those before the pivot (the median of three) come first; returns its place. */
static size_t split(lac_cand *c, size_t n)
{
    size_t mid = n / 2, last = n - 1, at = 0;
    if (before(&c[mid], &c[0])) swap(&c[mid], &c[0]);
    if (before(&c[last], &c[0])) swap(&c[last], &c[0]);
    if (before(&c[last], &c[mid])) swap(&c[last], &c[mid]);
    swap(&c[mid], &c[last]);
    for (size_t i = 0; i < last; i++)
        if (before(&c[i], &c[last])) swap(&c[i], &c[at++]);
    swap(&c[at], &c[last]);
    return at;
}

/* Bring the k best to the front. */
static size_t keep_k(lac_cand *c, size_t n, size_t k)
{
    size_t lo = 0, hi = n;
    if (k >= n) return n;
    while (hi - lo > 1) { /* the border k lies in (lo, hi] */
        size_t at = lo + split(c + lo, hi - lo);
        if (at >= k) hi = at;
        else lo = at + 1;
        if (lo >= k) break;
    }
    return k;
}

static double mass(const lac_cand *c, size_t n, double max)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp(c[i].value - max);
    return sum;
}

static double maximum(const lac_cand *c, size_t n)
{
    double max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (c[i].value > max) max = c[i].value;
    return max;
}

/* Bring the smallest set with more mass than p to the front: quickselect that counts mass, not items. */
static size_t keep_p(lac_cand *c, size_t n, double p)
{
    double max = maximum(c, n), want = p * mass(c, n, max), have = 0; /* have: mass of [0, lo) */
    size_t lo = 0, hi = n;                                            /* the one that crosses is in [lo, hi) */
    while (hi - lo > 1) {
        size_t at = lo + split(c + lo, hi - lo);
        double upper = mass(c + lo, at - lo, max), here = exp(c[at].value - max);
        if (have + upper > want) hi = at;
        else if (have + upper + here > want) return at + 1;
        else {
            have += upper + here;
            lo = at + 1;
        }
    }
    return hi;
}

size_t lac_pick_cut(lac_cand *c, size_t n, const lac_cut *cut)
{
    if (cut->top_k) n = keep_k(c, n, cut->top_k);
    if (cut->top_p > 0 && cut->top_p < 1 && n > 1) n = keep_p(c, n, cut->top_p);
    if (cut->min_p > 0) {
        double floor_ = maximum(c, n) + log(cut->min_p);
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (c[i].value >= floor_) c[k++] = c[i];
        n = k;
    }
    return n;
}

/* ---- the model's distribution ---- */

#define CHUNK 256
#define HEAVY 12.0f /* nats below the maximum from which on a token is summed in float: its share is below 1e-5, the error 1e-7 of that */
#define NOWHERE 150.0f /* below it exp is 0 in float */

/* Sums over the tokens that may be said at all, and the two best allowed ones. */
typedef struct {
    float max;
    double sum, weighted; /* of p = exp(x - max), and of p (x - max) */
    float best, second;   /* -inf: there is none */
    int32_t token;        /* of the best; -1 */
} survey;

/* The tokens that have one of the flags are -inf from here on. */
static void drop(float *x, const uint8_t *flags, uint8_t which, size_t n)
{
    const uint64_t all = which * UINT64_C(0x0101010101010101);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t f = 0;
        const size_t m = n - i < 8 ? n - i : 8;
        memcpy(&f, flags + i, m);
        if (!(f & all)) continue;
        for (size_t k = i; k < i + m; k++)
            if (flags[k] & which) x[k] = -INFINITY;
    }
}

static void without(float *out, const float *x, const uint8_t *flags, uint8_t which, size_t n)
{
    memcpy(out, x, n * sizeof *x);
    drop(out, flags, which, n);
}

/* In eight lanes: one chain of comparisons is four times slower. */
static float largest(const float *x, size_t n)
{
    float m[8], best = -INFINITY;
    size_t i = 0;
    for (int k = 0; k < 8; k++) m[k] = -INFINITY;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) m[k] = x[i + k] > m[k] ? x[i + k] : m[k];
    for (; i < n; i++) best = x[i] > best ? x[i] : best;
    for (int k = 0; k < 8; k++) best = m[k] > best ? m[k] : best;
    return best;
}

/* The maximum, and the two best allowed tokens. */
static void find(survey *s, const float *logits, size_t v, const uint8_t *flags, uint8_t deny)
{
    float x[CHUNK];
    for (size_t at = 0; at < v; at += CHUNK) {
        const size_t n = v - at < CHUNK ? v - at : CHUNK;
        without(x, logits + at, flags + at, LAC_TOKEN_NEVER, n);
        float max = largest(x, n);
        if (max > s->max) s->max = max;
        if (deny) drop(x, flags + at, deny, n), max = largest(x, n);
        if (max <= s->second) continue;
        for (size_t i = 0; i < n; i++) {
            if (x[i] > s->best) {
                s->second = s->best;
                s->best = x[i];
                s->token = (int32_t)(at + i);
            } else if (x[i] > s->second) s->second = x[i];
        }
    }
}

/* Sum the heavy tokens of x in double, and put them out of the way of the others. */
static void weigh_heavy(survey *s, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= s->max - HEAVY)) continue;
        const double d = (double)x[i] - s->max, p = exp(d);
        s->sum += p;
        s->weighted += p * d;
        x[i] = -INFINITY;
    }
}

static void weigh_light(survey *s, float *x, size_t n, float (*exp_sum)(float *, const float *, float, size_t))
{
    float p[CHUNK], w[8] = {0};
    size_t i = 0;
    for (size_t k = 0; k < n; k++) x[k] = x[k] < s->max - NOWHERE ? s->max - NOWHERE : x[k]; /* a NaN stays */
    s->sum += exp_sum(p, x, s->max, n);
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) w[k] += p[i + k] * (x[i + k] - s->max);
    for (; i < n; i++) w[0] += p[i] * (x[i] - s->max);
    for (int k = 0; k < 8; k++) s->weighted += w[k];
}

static void weigh(survey *s, const float *logits, size_t v, const uint8_t *flags, const lac_cut *cut)
{
    float x[CHUNK];
    for (size_t at = 0; at < v; at += CHUNK) {
        const size_t n = v - at < CHUNK ? v - at : CHUNK;
        without(x, logits + at, flags + at, LAC_TOKEN_NEVER, n);
        if (!cut->exp_sum) {
            for (size_t i = 0; i < n; i++) {
                if (x[i] == -INFINITY) continue;
                const double d = (double)x[i] - s->max, p = exp(d);
                s->sum += p;
                s->weighted += p * d;
            }
            continue;
        }
        if (largest(x, n) >= s->max - HEAVY) weigh_heavy(s, x, n);
        weigh_light(s, x, n, cut->exp_sum);
    }
}

/* ---- the draw ---- */

/* Can a token that lies d > 0 behind win the race?  Its noise would have to be above d: -log u < exp(-d), where 1 - u < -log u. */
static bool hopeless(double u, double d)
{
    int e;
    frexp(1 - u, &e); /* 1 - u >= 2^(e - 1) */
    return d > 0 && d > (1 - e) * 0.6931471805599454;
}

static void race(lac_pick *out, lac_cand *c, size_t n, size_t v, const lac_rng *rng, uint64_t draw, const double *uniform)
{
    double top = maximum(c, n), total = mass(c, n, top), first = -INFINITY, value = 0;
    for (size_t i = 0; i < n; i++) {
        double u = uniform ? uniform[c[i].token] : lac_u01(lac_rng_at(rng, draw * v + (uint32_t)c[i].token));
        if (hopeless(u, first - c[i].value)) continue;
        double score = c[i].value - log(-log(u));
        if (score > first || (score == first && c[i].token < out->token)) {
            first = score;
            out->token = c[i].token;
            value = c[i].value;
        }
    }
    if (out->token >= 0) out->prob = exp(value - top) / total;
}

lac_pick lac_pick_token(const float *logits, size_t v, const uint8_t *flags, uint8_t deny, const lac_cut *cut,
                        const lac_rng *rng, uint64_t draw, const double *uniform, lac_cand *room)
{
    lac_pick out = {.token = -1};
    survey s = {.max = -INFINITY, .best = -INFINITY, .second = -INFINITY, .token = -1};
    find(&s, logits, v, flags, deny);
    for (size_t i = 0; s.token < 0 && i < v; i++) /* nothing is larger than anything: damage, or nothing is allowed */
        if (isnan(logits[i]) && !(flags[i] & (deny | LAC_TOKEN_NEVER))) s.token = (int32_t)i;
    if (s.token < 0) return out;
    weigh(&s, logits, v, flags, cut);
    const double norm = s.max + log(s.sum);
    out.entropy = log(s.sum) - s.weighted / s.sum;
    out.best = exp(s.best - norm);
    out.margin = out.best - exp(s.second - norm);
    if (cut->temperature <= 0) {
        out.token = s.token;
        out.prob = 1;
    } else {
        size_t n = 0;
        for (size_t i = 0; i < v; i++)
            if (!(flags[i] & (deny | LAC_TOKEN_NEVER))) room[n++] = (lac_cand){logits[i] / cut->temperature, (int32_t)i};
        race(&out, room, lac_pick_cut(room, n, cut), v, rng, draw, uniform);
    }
    if (out.token >= 0) out.logprob = logits[out.token] - norm;
    return out;
}
