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

lac_pick lac_pick_token(const float *logits, size_t v, const uint8_t *flags, uint8_t deny, const lac_cut *cut,
                        const lac_rng *rng, uint64_t draw, const double *uniform, lac_cand *room)
{
    lac_pick out = {.token = -1};
    double max = -INFINITY, sum = 0, weighted = 0, second = -INFINITY;
    size_t n = 0, best = 0;
    for (size_t i = 0; i < v; i++)
        if (!(flags[i] & LAC_TOKEN_NEVER) && logits[i] > max) max = logits[i];
    for (size_t i = 0; i < v; i++) {
        if (flags[i] & LAC_TOKEN_NEVER) continue;
        double x = logits[i] - max, p = exp(x);
        sum += p;
        weighted += p * x;
        if (flags[i] & deny) continue;
        if (!n || logits[i] > room[best].value) {
            second = n ? room[best].value : -INFINITY;
            best = n;
        } else if (logits[i] > second) second = logits[i];
        room[n++] = (lac_cand){logits[i], (int32_t)i};
    }
    if (!n) return out;
    double norm = max + log(sum);
    out.entropy = log(sum) - weighted / sum;
    out.best = exp(room[best].value - norm);
    out.margin = out.best - exp(second - norm);
    if (cut->temperature <= 0) {
        out.token = room[best].token;
        out.prob = 1;
    } else {
        for (size_t i = 0; i < n; i++) room[i].value /= cut->temperature;
        n = lac_pick_cut(room, n, cut);
        double top = maximum(room, n), total = mass(room, n, top), race = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            double u = uniform ? uniform[room[i].token] : lac_u01(lac_rng_at(rng, draw * v + (uint32_t)room[i].token));
            double score = room[i].value - log(-log(u));
            if (score > race || (score == race && room[i].token < out.token)) {
                race = score;
                out.token = room[i].token;
                out.prob = exp(room[i].value - top) / total;
            }
        }
    }
    if (out.token >= 0) out.logprob = logits[out.token] - norm;
    return out;
}
