/* The beginning of a request: its options, its memory, the plan of each candidate. */
#include "session/request.h"

#include <string.h>

#include "base/err.h"
#include "kern/pack.h"
#include "session/session.h"
#include "syntax/document.h"

#define DEFAULT_TOKENS 16 /* more spare slots than the default model was used to make its fills run on (models/default/CARD.md) */
#define DEFAULT_GAMMA 0.5
#define DEFAULT_BLOCK 16
#define MOST_CANDIDATES 64
#define OUTLINE 256 /* parts of a text that may be worth reading, at most */
#define COLDEST 1e-200 /* below it a logit / temperature may not be finite: argmax, which it is anyway */

/* ---- options ---- */

static int bad(lacuna_error *err, const char *what, double value)
{
    return lac_err(err, LACUNA_E_ARG, 0, "%s is %g", what, value);
}

/* Check the settings and fill in the defaults. */
static int settle(lac_request *q, lacuna_error *err)
{
    lacuna_infill_options *o = &q->opt;
    if (!(o->alpha0 >= 0 && o->alpha0 <= 1)) return bad(err, "alpha0 must be in [0, 1]; it", o->alpha0);
    if (!(o->temperature >= 0 && o->temperature <= 1e6)) return bad(err, "temperature must be in [0, 1e6]; it", o->temperature);
    if (!(o->top_p >= 0 && o->top_p <= 1)) return bad(err, "top_p must be in [0, 1]; it", o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1)) return bad(err, "min_p must be in [0, 1]; it", o->min_p);
    if (!(o->gamma >= 0 && o->gamma <= 1e6)) return bad(err, "gamma must be in [0, 1e6]; it", o->gamma);
    if ((int)o->order < LACUNA_ORDER_LEFT || (int)o->order > LACUNA_ORDER_ENTROPY) return bad(err, "order is unknown: it", o->order);
    if ((int)o->rule < LACUNA_RULE_INDEPENDENT || (int)o->rule > LACUNA_RULE_BD3) return bad(err, "rule is unknown: it", o->rule);
    if (o->steps > 1000000) return bad(err, "steps must be at most 1000000; it", o->steps);
    if (o->n_candidates > MOST_CANDIDATES) return bad(err, "n_candidates must be at most 64; it", o->n_candidates);
    if (!o->plan != !o->groups) return lac_err(err, LACUNA_E_ARG, 0, "plan and groups go together");
    if (!o->n_candidates) o->n_candidates = 1;
    if (!o->block) o->block = DEFAULT_BLOCK;
    if (!o->gamma) o->gamma = DEFAULT_GAMMA;
    q->sized = o->max_tokens != 0;
    if (!q->sized) o->max_tokens = DEFAULT_TOKENS;
    if (o->temperature < COLDEST) o->temperature = 0;
    if (o->lossless) return lac_lossless_check(o, err);
    return lac_baseline_is(q) ? lac_baseline_check(o, err) : 0;
}

/* ---- plans ---- */

/* The caller's order and groups, checked. */
static int given_plan(const lac_request *q, lac_plan *p, lacuna_error *err)
{
    size_t S = q->canvas.n_slots, sum = 0;
    for (size_t g = 0; g < q->opt.n_groups; g++) {
        if (!q->opt.groups[g]) return lac_err(err, LACUNA_E_ARG, g, "group %zu of the plan is empty", g);
        if (!lac_add(sum, q->opt.groups[g], &sum) || sum > S)
            return lac_err(err, LACUNA_E_ARG, g, "the groups of the plan hold more than the %zu slots", S);
        p->size[g] = q->opt.groups[g];
    }
    if (sum != S) return lac_err(err, LACUNA_E_ARG, 0, "the groups of the plan hold %zu slots of %zu", sum, S);
    for (size_t i = 0; i < S; i++) {
        size_t slot = q->opt.plan[i];
        if (slot >= S) return lac_err(err, LACUNA_E_ARG, i, "rank %zu of the plan is slot %zu, and there are %zu slots", i, slot, S);
        if (q->deny[slot] & 0x80) return lac_err(err, LACUNA_E_ARG, i, "the plan has slot %zu twice", slot);
        q->deny[slot] |= 0x80; /* borrowed as a mark */
        p->order[i] = slot;
    }
    for (size_t i = 0; i < S; i++) q->deny[i] &= 0x7f;
    p->n_groups = q->opt.n_groups;
    p->diffused = S;
    return 0;
}

static int make_plan(const lac_request *q, lac_fill *f, uint64_t seed, lacuna_error *err)
{
    const lacuna_infill_options *o = &q->opt;
    const size_t S = q->canvas.n_slots;
    if (o->plan) return given_plan(q, &f->plan, err);
    if (o->rule == LACUNA_RULE_BD3) lac_baseline_plan(q, f, seed);
    else lac_plan_make(&f->plan, S, o->order, o->alpha0, o->steps ? o->steps : S, seed);
    return 0;
}

/* Slots that a step asks for at most. */
static size_t widest(const lac_request *q, const lac_fill *f)
{
    size_t most = q->heals ? q->canvas.n_holes : 1; /* fronts */
    if (q->opt.lossless) return lac_lossless_asks(q);
    if (f->plan.dynamic) return q->canvas.n_slots;
    for (size_t g = 0; g < f->plan.n_groups && q->demand; g++)
        if (f->plan.size[g] > 1) return q->canvas.n_slots; /* joint.c */
    for (size_t g = 0; g < f->plan.n_groups; g++)
        if (f->plan.size[g] > most) most = f->plan.size[g];
    return most;
}

/* ---- memory ---- */

/* What a candidate remembers of its slots, and its plan. */
static int make_fill(lacuna_session *s, lac_fill *f, uint64_t seed, lacuna_error *err)
{
    const lac_request *q = &s->req;
    const size_t S = q->canvas.n_slots, holes = q->canvas.n_holes;
    lac_arena *a = &s->arena;
    bool ok = (f->token = lac_arena_array(a, S, sizeof *f->token)) && (f->end = lac_arena_array(a, holes, sizeof *f->end)) &&
              (f->pending = lac_arena_array(a, S, sizeof *f->pending)) && (f->asked = lac_arena_array(a, S, sizeof *f->asked)) &&
              (f->pick = lac_arena_array(a, S, sizeof *f->pick)) &&
              (!q->opt.explain || (f->refusal = lac_arena_array(a, S, sizeof *f->refusal))) && (f->racer = lac_arena_array(a, S, sizeof *f->racer)) &&
              (f->chosen = lac_arena_array(a, S, sizeof *f->chosen)) &&
              (f->plan.order = lac_arena_array(a, S, sizeof *f->plan.order)) &&
              (f->plan.size = lac_arena_array(a, S + 1, sizeof *f->plan.size));
    if (!ok) return lac_nomem(err, "request");
    for (size_t i = 0; i < S; i++) f->token[i] = -1;
    for (size_t h = 0; h < holes; h++) f->end[h] = q->canvas.hole[h].first + q->canvas.hole[h].n;
    f->n_open = S;
    f->noise = lac_rng_make(seed, LAC_RNG_TOKEN);
    return make_plan(q, f, seed, err);
}

/* Its entries in a pass. */
static int make_part(lacuna_session *s, lac_fill *f, lacuna_error *err)
{
    const size_t room = s->req.room;
    lac_arena *a = &s->arena;
    bool ok = (f->in_token = lac_arena_array(a, room, sizeof *f->in_token)) && (f->in_pos = lac_arena_array(a, room, sizeof *f->in_pos)) &&
              (f->sees = lac_arena_array(a, room, sizeof *f->sees));
    return ok ? 0 : lac_nomem(err, "request");
}

/* The lists that the candidates go on.  The first goes on the session's list, the others on branches of it.  What a
 * baseline computes is of use to no other request: it has lists of its own. */
static int make_lists(lacuna_session *s, lacuna_error *err)
{
    lac_request *q = &s->req;
    const lac_canvas *c = &q->canvas;
    int r = 0;
    if (lac_baseline_is(q)) {
        for (lac_fill *f = q->fill; !r && f < q->fill + q->n_fills; f++) {
            f->kv = &f->own;
            r = lac_kv_reserve(f->kv, q->room, err);
        }
        return r ? r : lac_net_reserve(&s->net, lac_baseline_ahead(q), err);
    }
    if ((r = lac_session_take(s, c->token, c->pos, c->n_context, q->room, &q->context, err))) return r;
    q->fill[0].kv = q->context;
    for (lac_fill *f = q->fill + 1; !r && f < q->fill + q->n_fills; f++) {
        f->kv = &f->own;
        r = lac_kv_branch(f->kv, q->context, c->n_context, q->room, err);
    }
    return r;
}

/* Memory of a request whose canvas stands, plans, and lists. */
static int prepare(lacuna_session *s, lacuna_error *err)
{
    lac_request *q = &s->req;
    lac_arena *a = &s->arena;
    const size_t S = q->canvas.n_slots, longest = s->model->tok ? lac_tok_longest(s->model->tok) : 0, fills = q->opt.n_candidates;
    size_t reveals, most = 1;
    if (!lac_mul(S, fills, &reveals)) return lac_nomem(err, "request");
    bool ok = (q->deny = lac_arena_array(a, S, 1)) && (q->cut = lac_arena_array(a, q->canvas.n_holes, sizeof *q->cut)) &&
              (!q->opt.explain || (q->refusal = lac_arena_array(a, reveals, sizeof *q->refusal))) &&
              (q->min = lac_arena_array(a, q->canvas.n_holes, sizeof *q->min)) &&
              (q->fill = lac_arena_array(a, fills, sizeof *q->fill)) && (q->part = lac_arena_array(a, fills, sizeof *q->part)) &&
              (q->of_part = lac_arena_array(a, fills, sizeof *q->of_part)) &&
              (q->reveal = lac_arena_array(a, reveals, sizeof *q->reveal)) &&
              (q->cand = lac_arena_array(a, s->model->info.n_vocab, sizeof *q->cand)) && (q->text = lac_arena_array(a, S, longest)) &&
              (q->ids_out = lac_arena_array(a, q->canvas.n_context + S, sizeof *q->ids_out));
    if (!ok) return lac_nomem(err, "request");
    for (size_t h = 0; h < q->canvas.n_holes; h++) {
        q->min[h] = UINT32_MAX;
        q->cut[h] = (lac_cut){q->opt.temperature, q->opt.top_k, q->opt.top_p, q->opt.min_p, s->model->kern};
        q->heals |= q->canvas.heal && q->canvas.heal[h].rest.len;
    }
    if (((q->heals || q->demand) && !(q->flags = lac_arena_array(a, s->model->info.n_vocab, 1))) ||
        (q->heals && !(q->panels = lac_arena_array(a, s->model->info.n_vocab / LAC_PANEL + 1, 1))))
        return lac_nomem(err, "request");
    q->stats.n_context = q->canvas.n_context;
    q->stats.n_dropped = q->canvas.dropped;
    for (size_t i = 0; i < fills; i++) lac_kv_init(&q->fill[i].own, &s->store);
    q->n_fills = fills;
    for (size_t i = 0; i < fills; i++) {
        int r = make_fill(s, &q->fill[i], q->opt.seed + i, err);
        if (r || (q->opt.lossless && (r = lac_lossless_begin(s, &q->fill[i], err)))) return r;
        const size_t n = widest(q, &q->fill[i]);
        if (n > most) most = n;
    }
    q->opt.plan = q->opt.groups = NULL; /* the caller's memory is not looked at again */
    int joint = lac_joint_begin(s, most, err);
    if (joint) return joint;
    q->room = q->canvas.n_context + S + most;
    for (size_t i = 0; i < fills; i++) {
        int r = make_part(s, &q->fill[i], err);
        if (r) return r;
    }
    return make_lists(s, err);
}

/* ---- begin ---- */

void lac_request_drop(lac_request *q)
{
    for (size_t i = 0; i < q->n_fills; i++) lac_kv_free(&q->fill[i].own);
    *q = (lac_request){0};
}

/* Drop what was, take the options. */
static int begin(lacuna_session *s, const lacuna_infill_options *options, lacuna_error *err)
{
    lac_request_drop(&s->req);
    lac_arena_reset(&s->arena);
    int r = lac_session_options(&s->req.opt, sizeof s->req.opt, options, "infill", err);
    return r ? r : settle(&s->req, err);
}

/* Slots of each hole, checked against what it asks for. */
static int size_holes(const lac_request *q, const lacuna_hole *hole, size_t n, size_t *slots, lacuna_span *span, lacuna_error *err)
{
    for (size_t i = 0; i < n; i++) {
        slots[i] = hole[i].max_tokens ? hole[i].max_tokens : q->opt.max_tokens;
        span[i] = hole[i].span;
        if (hole[i].exact && !hole[i].max_tokens && !q->sized)
            return lac_err(err, LACUNA_E_ARG, span[i].start, "hole %zu is to have exactly max_tokens tokens, and max_tokens is 0", i);
        if (hole[i].min_tokens > slots[i])
            return lac_err(err, LACUNA_E_ARG, span[i].start, "hole %zu wants at least %u tokens and at most %zu", i,
                           (unsigned)hole[i].min_tokens, slots[i]);
        if (!(hole[i].temperature <= 1e6)) return bad(err, "a hole's temperature must be at most 1e6; it", hole[i].temperature);
    }
    return 0;
}

/* With a document, what a text that is too long is read for besides what is near. */
static int outline(lacuna_session *s, lac_canvas_want *want, lacuna_error *err)
{
    const lac_request *q = &s->req;
    if (!q->opt.document || !want->drop_far || want->len < s->limit) return 0; /* a token has at least one byte: it fits */
    lacuna_context_part *keep = lac_arena_array(&s->arena, OUTLINE, sizeof *keep);
    if (!keep) return lac_nomem(err, "request");
    want->keep = keep;
    want->n_keep = lac_document_outline(q->opt.document, want->span, want->n_holes, keep, OUTLINE);
    return 0;
}

static int begin_text(lacuna_session *s, const char *text, size_t len, const lacuna_hole *hole, size_t n,
                      const lacuna_infill_options *options, lacuna_error *err)
{
    if ((!text && len) || (!hole && n)) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_infill: NULL where something is needed");
    lac_request *q = &s->req;
    int r = begin(s, options, err);
    if (r) return r;
    const lacuna_model *m = s->model;
    if (!m->tok) return lac_err(err, LACUNA_E_ARG, 0, "%s has no tokenizer: it works on ids only", m->file.name);
    size_t *slots = lac_arena_array(&s->arena, n, sizeof *slots);
    lacuna_span *span = lac_arena_array(&s->arena, n, sizeof *span);
    if (!slots || !span) return lac_nomem(err, "request");
    if ((r = size_holes(q, hole, n, slots, span, err))) return r;
    if ((r = lac_canvas_check(text, len, span, n, err))) return r;
    if (q->opt.document && !lac_document_is(q->opt.document, text, len)) return lac_err(err, LACUNA_E_ARG, 0, "the document is of another text");
    lac_canvas_want want = {m->tok, text, len, span, slots, n, -1, s->limit, q->opt.drop_far != 0, q->opt.heal != 0, NULL, 0};
    if ((r = lac_model_tag(m, q->opt.tag, &want.tag, err))) return r;
    if ((r = outline(s, &want, err))) return r;
    if ((r = lac_obey_begin(s, hole, n, text, len, q->opt.tag, err))) return r;
    q->opt.tag = NULL;
    if ((r = lac_canvas_text(&q->canvas, &want, &s->arena, err))) return r;
    if ((r = prepare(s, err))) return r;
    for (size_t h = 0; h < n; h++) {
        if (!hole[h].exact && m->info.eom >= 0) q->min[h] = hole[h].min_tokens;
        if (hole[h].one_line) memset(q->deny + q->canvas.hole[h].first, LAC_TOKEN_LINE, q->canvas.hole[h].n);
        if (hole[h].temperature != 0) q->cut[h].temperature = hole[h].temperature < COLDEST ? 0 : hole[h].temperature;
    }
    for (size_t i = 0; i < q->n_fills; i++)
        if ((r = lac_obey_open(s, &q->fill[i], err))) return r;
    if ((r = lac_repair_begin(s, span, err))) return r;
    q->active = true;
    return 0;
}

static int begin_ids(lacuna_session *s, const lacuna_token *ids, size_t n, const lacuna_infill_options *options, lacuna_error *err)
{
    if (!ids && n) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_infill_ids: NULL where something is needed");
    lac_request *q = &s->req;
    int r = begin(s, options, err);
    if (r) return r;
    if (q->opt.tag) return lac_err(err, LACUNA_E_ARG, 0, "a tag is for texts: put its token among the ids");
    if (q->opt.document || q->opt.repairs) return lac_err(err, LACUNA_E_ARG, 0, "a document is of a text: ids have none");
    for (size_t i = 0; i < n && i < s->limit; i++) /* more are refused by the canvas */
        if (ids[i] >= 0 && (uint32_t)ids[i] >= s->model->info.n_vocab)
            return lac_err(err, LACUNA_E_ARG, i, "id %d at %zu is outside the vocabulary of %u", (int)ids[i], i, (unsigned)s->model->info.n_vocab);
    if ((r = lac_canvas_ids(&q->canvas, ids, n, s->limit, &s->arena, err))) return r;
    if ((r = prepare(s, err))) return r;
    q->ids = true;
    q->active = true;
    return 0;
}

/* A request that did not begin leaves nothing that lacuna_fill could read. */
static int begun(lacuna_session *s, int r)
{
    if (r) lac_request_drop(&s->req);
    return r;
}

int lacuna_infill(lacuna_session *s, const char *text, size_t len, const lacuna_hole *hole, size_t n,
                  const lacuna_infill_options *options, lacuna_error *err)
{
    if (!s) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_infill: NULL where a session is needed");
    return begun(s, begin_text(s, text, len, hole, n, options, err));
}

int lacuna_infill_ids(lacuna_session *s, const lacuna_token *ids, size_t n, const lacuna_infill_options *options, lacuna_error *err)
{
    if (!s) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_infill_ids: NULL where a session is needed");
    return begun(s, begin_ids(s, ids, n, options, err));
}

