/* The passes of two published methods that Lacuna's is compared with, on the same network and the same plans.
 *
 *   MDLM     (arXiv 2406.07524)  every step runs the whole canvas, and every entry sees every other:
 *            [context | revealed | open, not due | due]                         nothing stays
 *   BD3-LM   (arXiv 2503.09573)  blocks of slots, left to right; inside a block as MDLM:
 *            cache of context and finished blocks | [revealed | open, not due | due]    nothing stays
 *            when a block is finished, a pass of its own caches it: [its revealed entries]    they stay
 *
 * They are as fast as their rules allow: logits are made for the slots that are due only, steps that reveal nothing are not
 * run, and what is closed by an <eom> does not enter.  What their passes compute depends on the rule, so their lists are no other
 * request's. */
#include "base/err.h"
#include "net/rule.h"
#include "sample/schedule.h"
#include "session/session.h"

int lac_baseline_check(const lacuna_infill_options *o, lacuna_error *err)
{
    if (o->order >= LACUNA_ORDER_CONFIDENCE && !o->plan)
        return lac_err(err, LACUNA_E_ARG, 0, "the rules MDLM and BD3 go with orders that are known beforehand");
    if (o->heal) return lac_err(err, LACUNA_E_ARG, 0, "the rules MDLM and BD3 do not heal");
    if (o->rule == LACUNA_RULE_BD3 && o->plan) return lac_err(err, LACUNA_E_ARG, 0, "rule BD3 makes its own plan, block by block");
    return 0;
}

size_t lac_baseline_ahead(const lac_request *q)
{
    const size_t all = q->canvas.n_context + q->canvas.n_slots;
    return q->opt.rule == LACUNA_RULE_MDLM || all < q->opt.block ? all : q->opt.block;
}

/* Each block of slots has its share of the steps. */
void lac_baseline_plan(const lac_request *q, lac_fill *f, uint64_t seed)
{
    const size_t S = q->canvas.n_slots, block = q->opt.block;
    lac_plan *p = &f->plan;
    p->n_groups = 0;
    for (size_t from = 0; from < S; from += block) {
        const size_t n = S - from < block ? S - from : block;
        size_t steps = q->opt.steps ? (size_t)((double)q->opt.steps * (double)n / (double)S + 0.5) : n;
        lac_plan part = {.order = p->order + from, .size = p->size + p->n_groups};
        lac_plan_make(&part, n, q->opt.order, q->opt.alpha0, steps ? steps : 1, seed + from);
        size_t groups = part.n_groups;
        for (size_t i = part.diffused; i < n; i++) part.size[groups++] = 1; /* the sequential phase of the block */
        lac_schedule_sort(part.order + part.diffused, n - part.diffused);
        for (size_t i = 0; i < n; i++) part.order[i] += from;
        p->n_groups += groups;
    }
    p->diffused = S;
}

static void put(lac_fill *f, size_t n, int32_t token, int32_t pos)
{
    f->in_token[n] = token;
    f->in_pos[n] = pos;
}

static size_t put_context(const lac_request *q, lac_fill *f)
{
    for (size_t i = 0; i < q->canvas.n_context; i++) put(f, i, q->canvas.token[i], q->canvas.pos[i]);
    return q->canvas.n_context;
}

/* Does the slot have an entry, or does it lie behind an <eom>? */
static bool enters(const lac_request *q, const lac_fill *f, size_t slot) { return slot <= f->end[q->canvas.hole_of[slot]]; }

/* The revealed slots of [from, to). */
static size_t put_revealed(const lac_request *q, lac_fill *f, size_t from, size_t to, size_t n)
{
    for (size_t i = from; i < to; i++)
        if (f->token[i] >= 0 && enters(q, f, i)) put(f, n++, f->token[i], q->canvas.slot_pos[i]);
    return n;
}

static size_t block_end(const lac_request *q, size_t from)
{
    const size_t end = from + q->opt.block;
    return end < q->canvas.n_slots ? end : q->canvas.n_slots;
}

/* Run n entries, which see one another by blocks and stay. */
static int keep(lacuna_session *s, lac_fill *f, size_t n, size_t *n_entries, lacuna_error *err)
{
    if (!n) return 0;
    lac_rule_blocks(n, s->req.opt.block, f->sees);
    const lac_part part = {f->kv, f->in_token, f->in_pos, f->sees, n, n, n};
    *n_entries += n;
    return lac_net_forward(&s->net, &(lac_pass){&part, 1, NULL}, NULL, NULL, err);
}

int lac_baseline_cache(lacuna_session *s, lac_fill *f, size_t *n_entries, lacuna_error *err)
{
    const lac_request *q = &s->req;
    int r = 0;
    if (!f->kv->len) r = keep(s, f, put_context(q, f), n_entries, err);
    while (!r && block_end(q, f->cached) <= f->asked[0]) {
        const size_t to = block_end(q, f->cached);
        r = keep(s, f, put_revealed(q, f, f->cached, to, 0), n_entries, err);
        f->cached = to;
    }
    return r;
}

lac_part lac_baseline_part(lacuna_session *s, lac_fill *f)
{
    const lac_request *q = &s->req;
    const bool mdlm = q->opt.rule == LACUNA_RULE_MDLM;
    const size_t from = mdlm ? 0 : f->cached, to = mdlm ? q->canvas.n_slots : block_end(q, from);
    size_t n = put_revealed(q, f, from, to, mdlm ? put_context(q, f) : 0);
    for (size_t k = 0; k < f->n_asked; k++) f->token[f->asked[k]] = -2; /* due: for this loop */
    for (size_t i = from; i < to; i++)
        if (f->token[i] == -1) put(f, n++, s->model->info.mask, q->canvas.slot_pos[i]);
    f->first = n;
    for (size_t k = 0; k < f->n_asked; k++) {
        f->token[f->asked[k]] = -1;
        put(f, n++, s->model->info.mask, q->canvas.slot_pos[f->asked[k]]);
    }
    lac_rule_sees(LAC_RULE_BIDIRECTIONAL, n, 0, f->sees);
    return (lac_part){f->kv, f->in_token, f->in_pos, f->sees, n, 0, f->first};
}
