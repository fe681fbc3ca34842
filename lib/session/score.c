/* Likelihood of filled holes under given or random orders. */
#include <string.h>

#include "base/err.h"
#include "net/loglik.h"
#include "sample/schedule.h"
#include "session/likelihood.h"

/* Slots that are scored, in text order, and the room to score them in. */
typedef struct {
    size_t n;
    int32_t *token, *pos;         /* [n] in text order */
    size_t *order;                /* [n] rank -> index */
    int32_t *rank_token, *rank_pos; /* [n] in rank order */
    double *logprob;              /* [n] by rank */
    double *sum;                  /* [K] ln p under each order */
    lac_part part;
    lac_loglik_room room;         /* [2 n - 1], one list */
} job;

static int make_job(job *j, size_t n, size_t orders, lac_arena *a, lacuna_error *err)
{
    *j = (job){.n = n};
    size_t two;
    if (!lac_mul(n, 2, &two)) return lac_nomem(err, "score");
    j->room.part = &j->part;
    bool ok = (j->token = lac_arena_array(a, n, sizeof *j->token)) && (j->pos = lac_arena_array(a, n, sizeof *j->pos)) &&
              (j->order = lac_arena_array(a, n, sizeof *j->order)) && (j->rank_token = lac_arena_array(a, n, sizeof *j->rank_token)) &&
              (j->rank_pos = lac_arena_array(a, n, sizeof *j->rank_pos)) && (j->logprob = lac_arena_array(a, n, sizeof *j->logprob)) &&
              (j->sum = lac_arena_array(a, orders, sizeof *j->sum)) && (j->room.token = lac_arena_array(a, two, sizeof *j->room.token)) &&
              (j->room.pos = lac_arena_array(a, two, sizeof *j->room.pos)) && (j->room.sees = lac_arena_array(a, two, sizeof *j->room.sees));
    return ok ? 0 : lac_nomem(err, "score");
}

static double uniform(void *ctx) { return lac_rng_u01(ctx); }

/* Order k: a share of the slots, each with probability alpha_0, in random order first; the rest left to right. */
static void draw_order(size_t *order, size_t n, const lacuna_score_options *o, size_t k)
{
    lac_rng rng = lac_rng_make(o->seed + k, LAC_RNG_ORDER);
    for (size_t i = 0; i < n; i++) order[i] = i;
    if (o->order != LACUNA_ORDER_RANDOM) return;
    size_t diffused = lac_schedule_binomial(uniform, &rng, n, o->alpha0);
    lac_rng_shuffle(&rng, order, n);
    lac_schedule_sort(order + diffused, n - diffused);
}

/* ln p of the slots in j->order, given what is on the list. */
static int score_order(lacuna_session *s, lac_kv *kv, job *j, double *sum, lacuna_error *err)
{
    for (size_t r = 0; r < j->n; r++) {
        j->rank_token[r] = j->token[j->order[r]];
        j->rank_pos[r] = j->pos[j->order[r]];
    }
    const lac_loglik_list list = {kv, j->rank_token, j->rank_pos, j->n, j->logprob};
    int r = lac_loglik(&s->net, &list, 1, s->model->flags, LAC_TOKEN_NEVER, &j->room, err);
    *sum = 0;
    for (size_t i = 0; !r && i < j->n; i++) *sum += j->logprob[i];
    if (r == LACUNA_E_CANCELLED) lac_session_cancelled(s, NULL);
    return r;
}

static lacuna_text text_of(const lac_canvas_want *w, size_t h)
{
    return (lacuna_text){w->text + w->span[h].start, w->span[h].end - w->span[h].start};
}

/* A canvas with slots for the tokens of the spans and some to spare. */
static int read_spans(lacuna_session *s, lac_answer *answer, lac_canvas *c, lac_canvas_want *w, size_t spare, int32_t eom, lacuna_error *err)
{
    int r = 0;
    size_t *slots = lac_arena_array(&s->arena, w->n_holes, sizeof *slots);
    if (!slots) return lac_nomem(err, "score");
    for (size_t h = 0; !r && h < w->n_holes; h++) {
        r = lac_likelihood_encode(s, &answer[h], text_of(w, h), w->span[h].start, err);
        if (!lac_add(answer[h].n, spare, &slots[h])) return lac_nomem(err, "score");
    }
    w->slots = slots;
    if (!r) r = lac_canvas_text(c, w, &s->arena, err);
    for (size_t h = 0; !r && h < w->n_holes; h++) r = lac_likelihood_heal(s, answer, c, h, eom, text_of(w, h), w->span[h].start, err);
    return r;
}

/* What each entry is of the text. */
static void name_items(lacuna_score_item *it, const lac_answer *answer, const lac_canvas *c, const lacuna_span *span, int32_t eom)
{
    for (size_t h = 0; h < c->n_holes; h++)
        for (size_t i = 0; i < answer[h].n + (eom >= 0); i++) {
            const bool end = i == answer[h].n;
            const size_t start = span[h].start - c->heal[h].rest.len, from = start + (i ? answer[h].end[i - 1] : 0);
            const size_t to = end ? from : start + answer[h].end[i];
            *it++ = (lacuna_score_item){h, {from, to}, end ? eom : answer[h].token[i], 0};
        }
}

int lacuna_score(lacuna_session *s, const char *text, size_t len, const lacuna_span *span, size_t n,
                 const lacuna_score_options *given, const lacuna_score_result **out, lacuna_error *err)
{
    if (!s || !out || (!text && len) || (!span && n)) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_score: NULL where something is needed");
    *out = NULL;
    lac_arena *a = &s->arena;
    lacuna_score_options o;
    lac_canvas_want want;
    lac_canvas c;
    lac_kv *kv;
    job j;
    int r = lac_likelihood_begin(s, &o, given, err);
    if (r || (r = lac_likelihood_want(s, &want, text, len, span, n, &o, err))) return r;
    lacuna_score_result *res = lac_arena_array(a, 1, sizeof *res);
    lac_answer *answer = lac_arena_array(a, n, sizeof *answer);
    const int32_t eom = o.no_end ? -1 : s->model->info.eom;
    if (!res || !answer) return lac_nomem(err, "score");
    if ((r = read_spans(s, answer, &c, &want, o.exact ? 0 : o.spare, eom, err))) return r;
    if ((r = make_job(&j, lac_likelihood_entries(answer, &c, eom, NULL, NULL), o.n_orders, a, err))) return r;
    lac_likelihood_entries(answer, &c, eom, j.token, j.pos);
    lacuna_score_item *items = lac_arena_array(a, j.n, sizeof *items);
    if (!items) return lac_nomem(err, "score");
    name_items(items, answer, &c, span, eom);
    if ((r = lac_likelihood_load(s, c.token, c.pos, c.n_context, 2 * j.n, &kv, err))) return r;
    for (size_t k = 0; k < o.n_orders; k++) {
        draw_order(j.order, j.n, &o, k);
        if ((r = score_order(s, kv, &j, &j.sum[k], err))) return r;
        for (size_t i = 0; k == 0 && i < j.n; i++) items[j.order[i]].logprob = j.logprob[i];
    }
    *res = (lacuna_score_result){items, j.n, j.sum[0], lac_loglik_mean(j.sum, o.n_orders)};
    *out = res;
    return 0;
}

/* order is a permutation of n, and ids are tokens that can be scored. */
static int check_ids(const lacuna_model *m, const int32_t *ids, size_t n, const size_t *order, size_t n_given, uint8_t *seen, lacuna_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= m->info.n_vocab)
            return lac_err(err, LACUNA_E_ARG, i, "id %d at position %zu is outside the vocabulary of %u", (int)ids[i], i, (unsigned)m->info.n_vocab);
        if ((uint32_t)ids[i] == m->w.hp.mask)
            return lac_err(err, LACUNA_E_ARG, i, "id %d at position %zu is the mask index, which is no token", (int)ids[i], i);
        if (order && (order[i] >= n || seen[order[i]]++))
            return lac_err(err, LACUNA_E_ARG, i, "order is no permutation of %zu positions: rank %zu is position %zu", n, i, order[i]);
    }
    for (size_t i = n_given; i < n; i++) {
        int32_t id = ids[order ? order[i] : i];
        if (m->flags[id] & LAC_TOKEN_NEVER)
            return lac_err(err, LACUNA_E_ARG, i, "id %d at rank %zu is a control token: it has no probability", (int)id, i);
    }
    return 0;
}

int lacuna_score_ids(lacuna_session *s, const lacuna_token *ids, size_t n, const size_t *order, size_t n_given,
                     const lacuna_score_options *given, double *logprobs, size_t *order_used, double *bound, lacuna_error *err)
{
    if (!s || (!ids && n) || (!logprobs && n)) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_score_ids: NULL where something is needed");
    lac_arena *a = &s->arena;
    lacuna_score_options o;
    int r = lac_likelihood_begin(s, &o, given, err);
    if (r) return r;
    if (!n || n_given > n) return lac_err(err, LACUNA_E_ARG, 0, "%zu of %zu ids are given: nothing to score", n_given, n);
    if (n > s->limit) return lac_err(err, LACUNA_E_LIMIT, 0, "%zu ids are %zu more than the %u positions there are", n, n - s->limit, (unsigned)s->limit);
    if (!order && n_given && o.order == LACUNA_ORDER_RANDOM)
        return lac_err(err, LACUNA_E_ARG, 0, "ids that are given need an order that puts them first");
    if (order) o.n_orders = 1;
    uint8_t *seen = lac_arena_array(a, n, 1);
    size_t *whole = lac_arena_array(a, n, sizeof *whole);
    lac_kv *kv = NULL;
    job j;
    if (!seen || !whole) return lac_nomem(err, "score");
    if ((r = check_ids(s->model, ids, n, order, n_given, seen, err))) return r;
    if ((r = make_job(&j, n - n_given, o.n_orders, a, err))) return r;
    int32_t *token = lac_arena_array(a, n_given, sizeof *token), *pos = lac_arena_array(a, n_given, sizeof *pos);
    if (!token || !pos) return lac_nomem(err, "score");
    for (size_t k = 0; k < o.n_orders; k++) {
        if (order) memcpy(whole, order, n * sizeof *whole);
        else draw_order(whole, n, &o, k);
        if (k == 0) {
            for (size_t i = 0; i < n_given; i++) token[i] = ids[whole[i]], pos[i] = (int32_t)whole[i];
            if ((r = lac_likelihood_load(s, token, pos, n_given, 2 * j.n, &kv, err))) return r;
        }
        for (size_t i = 0; i < j.n; i++) {
            j.order[i] = i;
            j.token[i] = ids[whole[n_given + i]];
            j.pos[i] = (int32_t)whole[n_given + i];
        }
        if ((r = score_order(s, kv, &j, &j.sum[k], err))) return r;
        if (k) continue;
        for (size_t i = 0; i < n; i++) logprobs[i] = i < n_given ? 0 : j.logprob[i - n_given];
        if (order_used) memcpy(order_used, whole, n * sizeof *whole);
    }
    if (bound) *bound = lac_loglik_mean(j.sum, o.n_orders);
    return 0;
}
