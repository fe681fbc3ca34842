/* Likelihood of filled holes under given or random orders. */
#include <string.h>

#include "base/err.h"
#include "net/loglik.h"
#include "net/rule.h"
#include "sample/schedule.h"
#include "session/session.h"

#define DEFAULT_SPARE 8

/* Slots that are scored, in text order, and the room to score them in. */
typedef struct {
    size_t n;
    int32_t *token, *pos;         /* [n] in text order */
    size_t *order;                /* [n] rank -> index */
    int32_t *rank_token, *rank_pos; /* [n] in rank order */
    double *logprob;              /* [n] by rank */
    double *sum;                  /* [K] ln p under each order */
    lac_loglik_room room;         /* [2 n - 1] */
} job;

static int make_job(job *j, size_t n, size_t orders, lac_arena *a, lacuna_error *err)
{
    *j = (job){.n = n};
    size_t two;
    if (!lac_mul(n, 2, &two)) return lac_nomem(err, "score");
    bool ok = (j->token = lac_arena_array(a, n, sizeof *j->token)) && (j->pos = lac_arena_array(a, n, sizeof *j->pos)) &&
              (j->order = lac_arena_array(a, n, sizeof *j->order)) && (j->rank_token = lac_arena_array(a, n, sizeof *j->rank_token)) &&
              (j->rank_pos = lac_arena_array(a, n, sizeof *j->rank_pos)) && (j->logprob = lac_arena_array(a, n, sizeof *j->logprob)) &&
              (j->sum = lac_arena_array(a, orders, sizeof *j->sum)) && (j->room.token = lac_arena_array(a, two, sizeof *j->room.token)) &&
              (j->room.pos = lac_arena_array(a, two, sizeof *j->room.pos)) && (j->room.sees = lac_arena_array(a, two, sizeof *j->room.sees));
    return ok ? 0 : lac_nomem(err, "score");
}

static int options(lacuna_score_options *o, const lacuna_score_options *given, lacuna_error *err)
{
    int r = lac_session_options(o, sizeof *o, given, "score", err);
    if (r) return r;
    if (o->order != LACUNA_ORDER_LEFT && o->order != LACUNA_ORDER_RANDOM)
        return lac_err(err, LACUNA_E_ARG, 0, "likelihood is defined under the orders left and random");
    if (!(o->alpha0 >= 0 && o->alpha0 <= 1)) return lac_err(err, LACUNA_E_ARG, 0, "alpha0 must be in [0, 1]; it is %g", o->alpha0);
    if (o->n_orders > 1000000) return lac_err(err, LACUNA_E_LIMIT, 0, "%u orders are too many", (unsigned)o->n_orders);
    if (!o->n_orders) o->n_orders = 1;
    if (o->alpha0 == 0) o->alpha0 = 1;
    if (!o->spare) o->spare = DEFAULT_SPARE;
    if (o->exact) o->spare = 0, o->no_end = 1;
    return 0;
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
    int r = lac_loglik(&s->net, kv, j->rank_token, j->rank_pos, j->n, s->model->flags, LAC_TOKEN_NEVER, &j->room, j->logprob, err);
    *sum = 0;
    for (size_t i = 0; !r && i < j->n; i++) *sum += j->logprob[i];
    if (r == LACUNA_E_CANCELLED) lac_session_cancelled(s, NULL);
    return r;
}

/* A list of these entries, with room for so many more. */
static int load(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n, size_t more, lac_kv **kv, lacuna_error *err)
{
    uint32_t *sees = lac_arena_array(&s->arena, n, sizeof *sees);
    if (!sees) return lac_nomem(err, "score");
    int r = lac_session_take(s, token, pos, n, n + more, kv, err);
    if (r) return r;
    const size_t had = (*kv)->len;
    lac_rule_sees(LAC_RULE_PAPER, n - had, 0, sees);
    const lac_part p = {*kv, token + had, pos + had, sees, n - had, n - had, n - had};
    r = n > had ? lac_net_forward(&s->net, &(lac_pass){&p, 1, NULL}, NULL, NULL, err) : 0;
    if (r == LACUNA_E_CANCELLED) lac_session_cancelled(s, NULL);
    return r;
}

/* Drop the request in progress; its memory is used anew. */
static int begin(lacuna_session *s, lacuna_error *err)
{
    lac_request_drop(&s->req);
    lac_arena_reset(&s->arena);
    return lac_session_cancelled(s, err);
}

/* Tokens of the spans, with slots for them and some to spare. */
typedef struct {
    int32_t **token; /* [n_spans] */
    size_t **end;    /* [n_spans] byte offsets behind them */
    size_t *n, *slots;
} filled;

static int encode_spans(filled *f, const lacuna_model *m, const char *text, const lacuna_span *span, size_t n, uint32_t spare, size_t limit,
                        lac_arena *a, lacuna_error *err)
{
    bool ok = (f->token = lac_arena_array(a, n, sizeof *f->token)) && (f->end = lac_arena_array(a, n, sizeof *f->end)) &&
              (f->n = lac_arena_array(a, n, sizeof *f->n)) && (f->slots = lac_arena_array(a, n, sizeof *f->slots));
    if (!ok) return lac_nomem(err, "score");
    for (size_t i = 0; i < n; i++) {
        size_t len = span[i].end - span[i].start, most = limit * lac_tok_longest(m->tok);
        if (len > LAC_CANVAS_COUNTED && len > most) return lac_err(err, LACUNA_E_LIMIT, span[i].start, "%zu bytes to score do not fit %zu positions", len, limit);
        f->token[i] = lac_arena_array(a, len, sizeof **f->token);
        f->end[i] = lac_arena_array(a, len, sizeof **f->end);
        if (!f->token[i] || !f->end[i]) return lac_nomem(err, "score");
        int64_t k = lac_tok_encode(m->tok, text + span[i].start, len, f->token[i], f->end[i], len, err);
        if (k < 0) return (int)k;
        f->n[i] = (size_t)k;
        if (!lac_add(f->n[i], spare, &f->slots[i])) return lac_nomem(err, "score");
    }
    return 0;
}

/* The slots that are scored: the tokens of each span, then its <eom>. */
static int list_items(job *j, lacuna_score_item **items, const filled *f, const lac_canvas *c, const lacuna_span *span, int32_t eom,
                      size_t orders, lac_arena *a, lacuna_error *err)
{
    size_t n = 0;
    for (size_t h = 0; h < c->n_holes; h++) n += f->n[h] + (eom >= 0);
    int r = make_job(j, n, orders, a, err);
    if (r) return r;
    if (!(*items = lac_arena_array(a, n, sizeof **items))) return lac_nomem(err, "score");
    lacuna_score_item *it = *items;
    for (size_t h = 0, k = 0; h < c->n_holes; h++)
        for (size_t i = 0; i < f->n[h] + (eom >= 0); i++, k++) {
            bool end = i == f->n[h];
            size_t from = span[h].start + (i ? f->end[h][i - 1] : 0), to = end ? from : span[h].start + f->end[h][i];
            j->token[k] = end ? eom : f->token[h][i];
            j->pos[k] = c->slot_pos[c->hole[h].first + i];
            it[k] = (lacuna_score_item){h, {from, to}, j->token[k], 0};
        }
    return 0;
}

int lacuna_score(lacuna_session *s, const char *text, size_t len, const lacuna_span *span, size_t n,
                 const lacuna_score_options *given, const lacuna_score_result **out, lacuna_error *err)
{
    if (!s || !out || (!text && len) || (!span && n)) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_score: NULL where something is needed");
    *out = NULL;
    const lacuna_model *m = s->model;
    lac_arena *a = &s->arena;
    lacuna_score_options o;
    int r = begin(s, err);
    if (!r) r = options(&o, given, err);
    if (r) return r;
    if (!m->tok) return lac_err(err, LACUNA_E_ARG, 0, "%s has no tokenizer: it works on ids only", m->file.name);
    if ((r = lac_canvas_check(text, len, span, n, err))) return r;
    int32_t tag, eom = o.no_end ? -1 : m->info.eom;
    filled f = {0};
    lac_canvas c;
    lac_kv *kv;
    job j;
    lacuna_score_result *res = lac_arena_array(a, 1, sizeof *res);
    lacuna_score_item *items;
    if (!res) return lac_nomem(err, "score");
    if ((r = lac_model_tag(m, o.tag, &tag, err))) return r;
    if ((r = encode_spans(&f, m, text, span, n, o.spare, s->limit, a, err))) return r;
    lac_canvas_want want = {m->tok, text, len, span, f.slots, n, tag, s->limit, o.drop_far != 0, false};
    if ((r = lac_canvas_text(&c, &want, a, err))) return r;
    if ((r = list_items(&j, &items, &f, &c, span, eom, o.n_orders, a, err))) return r;
    if ((r = load(s, c.token, c.pos, c.n_context, 2 * j.n, &kv, err))) return r;
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
    int r = begin(s, err);
    if (!r) r = options(&o, given, err);
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
            if ((r = load(s, token, pos, n_given, 2 * j.n, &kv, err))) return r;
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
