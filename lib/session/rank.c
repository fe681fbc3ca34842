/* Exact likelihood of many texts for the same holes: branches of one context. */
#include <math.h>

#include "base/err.h"
#include "net/loglik.h"
#include "session/likelihood.h"

#define MOST_TEXTS 4096
#define ROUND_TEXTS 64     /* of a pass */
#define ROUND_ENTRIES 1024 /* of a pass, unless one text has more: some chunks of the network, and pages for no more */

/* All texts, and the room to score a round of them in. */
typedef struct {
    const lac_answer *answer; /* [n * n_holes] */
    size_t n;
    lac_loglik_list *list;    /* [n] what of each is scored */
    lac_kv *own;              /* [ROUND_TEXTS] lists of a round */
    lac_loglik_room room;     /* of a round */
} job;

/* ---- what is given ---- */

/* What is asked. */
typedef struct {
    const lacuna_text *fill;  /* [n * n_holes] */
    size_t n;
    const lacuna_score_options *opt;
    int32_t eom;              /* behind each text; -1: none */
} question;

/* The tokens of all texts. */
static int encode_fills(lacuna_session *s, lac_answer *answer, const question *q, size_t holes, lacuna_error *err)
{
    for (size_t i = 0; i < q->n * holes; i++) {
        const lacuna_text *fill = &q->fill[i];
        const size_t h = i % holes, c = i / holes;
        if (!fill->bytes != !q->fill[h].bytes || (!fill->bytes && fill->len))
            return lac_err(err, LACUNA_E_ARG, c, "candidate %zu: hole %zu is open (NULL) in all candidates or in none", c, h);
        int r = fill->bytes ? lac_likelihood_encode(s, &answer[i], *fill, c, err) : 0;
        if (r) return r;
    }
    return 0;
}

/* Slots of each hole: those of its longest text, and some to spare. */
static int size_holes(size_t *slots, const lac_answer *answer, const question *q, size_t holes, lacuna_error *err)
{
    for (size_t h = 0; h < holes; h++) {
        for (size_t c = 0; c < q->n; c++)
            if (answer[c * holes + h].n > slots[h]) slots[h] = answer[c * holes + h].n;
        const bool open = !answer[h].token;
        if (!lac_add(slots[h], q->opt->exact && !open ? 0 : q->opt->spare, &slots[h])) return lac_nomem(err, "rank");
    }
    return 0;
}

/* One canvas for all texts. */
static int read_fills(lacuna_session *s, lac_answer *answer, lac_canvas *c, lac_canvas_want *w, const question *q, lacuna_error *err)
{
    const size_t holes = w->n_holes;
    size_t *slots = lac_arena_array(&s->arena, holes, sizeof *slots);
    if (!slots) return lac_nomem(err, "rank");
    w->slots = slots;
    int r = encode_fills(s, answer, q, holes, err);
    if (!r) r = size_holes(slots, answer, q, holes, err);
    if (!r) r = lac_canvas_text(c, w, &s->arena, err);
    for (size_t i = 0; !r && i < q->n * holes; i++)
        r = lac_likelihood_heal(s, answer + i / holes * holes, c, i % holes, q->eom, q->fill[i], i / holes, err);
    return r;
}

/* ---- scoring ---- */

/* What each text has to score, and room for the largest round. */
static int make_job(job *j, const lac_canvas *c, int32_t eom, lac_arena *a, lacuna_error *err)
{
    size_t most = ROUND_ENTRIES;
    j->list = lac_arena_array(a, j->n, sizeof *j->list);
    j->own = lac_arena_array(a, ROUND_TEXTS, sizeof *j->own);
    if (!j->list || !j->own) return lac_nomem(err, "rank");
    for (size_t i = 0; i < j->n; i++) {
        const lac_answer *answer = j->answer + i * c->n_holes;
        const size_t n = lac_likelihood_entries(answer, c, eom, NULL, NULL);
        int32_t *token = lac_arena_array(a, n, sizeof *token), *pos = lac_arena_array(a, n, sizeof *pos);
        double *logprob = lac_arena_array(a, n, sizeof *logprob);
        if (!token || !pos || !logprob) return lac_nomem(err, "rank");
        lac_likelihood_entries(answer, c, eom, token, pos);
        j->list[i] = (lac_loglik_list){NULL, token, pos, n, logprob};
        if (2 * n > most) most = 2 * n;
    }
    bool ok = (j->room.token = lac_arena_array(a, most, sizeof *j->room.token)) && (j->room.pos = lac_arena_array(a, most, sizeof *j->room.pos)) &&
              (j->room.sees = lac_arena_array(a, most, sizeof *j->room.sees)) &&
              (j->room.part = lac_arena_array(a, ROUND_TEXTS, sizeof *j->room.part));
    return ok ? 0 : lac_nomem(err, "rank");
}

/* End of the round that begins at text i: at least one. */
static size_t round_end(const job *j, size_t i)
{
    size_t entries = 2 * j->list[i].n, end = i + 1;
    while (end < j->n && end - i < ROUND_TEXTS && entries + 2 * j->list[end].n <= ROUND_ENTRIES) entries += 2 * j->list[end++].n;
    return end;
}

/* Texts [from, end) in one pass, each on its own branch of the context. */
static int score_round(lacuna_session *s, const lac_kv *context, const job *j, size_t from, size_t end, lacuna_error *err)
{
    lac_loglik_list *list = j->list + from;
    int r = 0;
    for (size_t i = 0; i < end - from; i++) {
        list[i].kv = &j->own[i];
        lac_kv_init(list[i].kv, &s->store);
    }
    for (size_t i = 0; !r && i < end - from; i++) r = lac_kv_branch(list[i].kv, context, context->len, context->len + 2 * list[i].n, err);
    if (!r) r = lac_loglik(&s->net, list, end - from, s->model->flags, LAC_TOKEN_NEVER, &j->room, err);
    for (size_t i = 0; i < end - from; i++) lac_kv_free(list[i].kv);
    if (r == LACUNA_E_CANCELLED) lac_session_cancelled(s, NULL);
    return r;
}

/* The numbers of each text, and its share of what all of them have. */
static int sum_up(lacuna_rank_item *item, const job *j, lac_arena *a, lacuna_error *err)
{
    double *sum = lac_arena_array(a, j->n, sizeof *sum);
    if (!sum) return lac_nomem(err, "rank");
    for (size_t i = 0; i < j->n; i++)
        for (size_t r = 0; r < j->list[i].n; r++) sum[i] += j->list[i].logprob[r];
    const double mean = lac_loglik_mean(sum, j->n);
    for (size_t i = 0; i < j->n; i++) item[i] = (lacuna_rank_item){sum[i], j->list[i].n, exp(sum[i] - mean) / (double)j->n};
    return 0;
}

int lacuna_rank(lacuna_session *s, const char *text, size_t len, const lacuna_span *span, size_t n_spans, const lacuna_text *fill, size_t n,
                const lacuna_score_options *given, const lacuna_rank_item **out, lacuna_error *err)
{
    if (!s || !out || (!text && len) || (!span && n_spans) || !fill)
        return lac_err(err, LACUNA_E_ARG, 0, "lacuna_rank: NULL where something is needed");
    *out = NULL;
    lac_arena *a = &s->arena;
    lacuna_score_options o;
    lac_canvas_want want;
    lac_canvas c;
    lac_kv *context;
    size_t fills;
    int r = lac_likelihood_begin(s, &o, given, err);
    if (r || (r = lac_likelihood_want(s, &want, text, len, span, n_spans, &o, err))) return r;
    if (!n || n > MOST_TEXTS) return lac_err(err, LACUNA_E_ARG, 0, "%zu candidates: they must be 1 to %d", n, MOST_TEXTS);
    if (o.order != LACUNA_ORDER_LEFT) return lac_err(err, LACUNA_E_ARG, 0, "candidates are ranked under the order left");
    if (!lac_mul(n, n_spans, &fills)) return lac_nomem(err, "rank");
    const question q = {fill, n, &o, o.no_end ? -1 : s->model->info.eom};
    lacuna_rank_item *item = lac_arena_array(a, n, sizeof *item);
    lac_answer *answer = lac_arena_array(a, fills, sizeof *answer);
    if (!item || !answer) return lac_nomem(err, "rank");
    if ((r = read_fills(s, answer, &c, &want, &q, err))) return r;
    job j = {.answer = answer, .n = n};
    if ((r = make_job(&j, &c, q.eom, a, err))) return r;
    if ((r = lac_likelihood_load(s, c.token, c.pos, c.n_context, 0, &context, err))) return r;
    for (size_t i = 0, end; i < n; i = end) {
        end = round_end(&j, i);
        if ((r = score_round(s, context, &j, i, end, err))) return r;
    }
    if ((r = sum_up(item, &j, a, err))) return r;
    *out = item;
    return 0;
}
