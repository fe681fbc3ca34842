#include "sample/pick.h"

#include <math.h>
#include <stdbool.h>

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

/* ---- the two best that are allowed ---- */

typedef struct {
    float best, second; /* -inf: there is none */
    int32_t token;      /* of the best; -1 */
} leaders;

static leaders find(const float *logits, size_t v, const uint8_t *flags, uint8_t deny, const lac_kern *kern)
{
    leaders l = {-INFINITY, -INFINITY, -1};
    float x[LAC_SOFTMAX_CHUNK];
    for (size_t at = 0; at < v; at += LAC_SOFTMAX_CHUNK) {
        const size_t n = v - at < LAC_SOFTMAX_CHUNK ? v - at : LAC_SOFTMAX_CHUNK;
        if (!(lac_softmax_without(x, logits + at, flags + at, deny, n, -INFINITY, kern) > l.second)) continue;
        for (size_t i = 0; i < n; i++) {
            if (x[i] > l.best) l = (leaders){x[i], l.best, (int32_t)(at + i)};
            else if (x[i] > l.second) l.second = x[i];
        }
    }
    return l;
}

/* ---- the draw ---- */

/* Can a token that lies d > 0 behind win the race?  Its noise would have to be above d: -log u < exp(-d), where 1 - u < -log u. */
static bool hopeless(double u, double d)
{
    int e;
    frexp(1 - u, &e); /* 1 - u >= 2^(e - 1) */
    return d > 0 && d > (1 - e) * 0.6931471805599454;
}

/* total: sum of e^(value - top). */
static void race(lac_pick *out, const lac_cand *c, size_t n, size_t v, double top, double total, const lac_rng *rng, uint64_t draw,
                 const double *uniform)
{
    double first = -INFINITY, value = 0;
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

lac_pick lac_pick_listed(const lac_cand *c, size_t n, size_t v, double top, double total, const lac_rng *rng, uint64_t draw)
{
    lac_pick out = {.token = -1};
    race(&out, c, n, v, top, total, rng, draw, NULL);
    return out;
}

lac_pick lac_pick_token(const float *logits, size_t v, const uint8_t *flags, uint8_t deny, const lac_cut *cut,
                        const lac_rng *rng, uint64_t draw, const double *uniform, lac_cand *room)
{
    lac_pick out = {.token = -1};
    leaders l = find(logits, v, flags, deny | LAC_TOKEN_NEVER, cut->kern);
    for (size_t i = 0; l.token < 0 && i < v; i++) /* nothing is larger than anything: damage, or nothing is allowed */
        if (isnan(logits[i]) && !(flags[i] & (deny | LAC_TOKEN_NEVER))) l.token = (int32_t)i;
    if (l.token < 0) return out;
    const lac_softmax p = lac_softmax_of(logits, v, flags, LAC_TOKEN_NEVER, cut->kern);
    out.entropy = p.entropy;
    out.best = exp(l.best - p.norm);
    out.margin = out.best - exp(l.second - p.norm);
    if (cut->temperature <= 0) {
        out.token = l.token;
        out.prob = 1;
    } else {
        size_t n = 0;
        for (size_t i = 0; i < v; i++)
            if (!(flags[i] & (deny | LAC_TOKEN_NEVER))) room[n++] = (lac_cand){logits[i] / cut->temperature, (int32_t)i};
        n = lac_pick_cut(room, n, cut);
        const double top = maximum(room, n);
        race(&out, room, n, v, top, mass(room, n, top), rng, draw, uniform);
    }
    if (out.token >= 0) out.logprob = logits[out.token] - p.norm;
    return out;
}
