/* Several slots a pass, and the text of one slot a pass.
 *
 *   a pass    revealed last | drafts d0 d1 ... | masks m0 m1 m2 ...
 *             clean           clean              m[j] is of the slot behind j drafts and sees them and all before
 *
 * The token of each slot is picked from its own mask's logits by the slot's own noise.  Draft j is right if it is what was
 * picked for its slot.  All picks up to the first wrong draft are revealed; the list is cropped to what is right.
 *
 * Why the text is the same as one slot a pass would give: the pick of m[j], where all drafts before it are right, is a function of
 * logits and noise.  The logits of an entry depend on the entries it sees only (net.h), which are those that the mask of this
 * slot would see if it came alone; the noise depends on the slot only (step.c); so does what is denied, given the tokens
 * before it.  By induction over the slots all picks are the same, bit for bit, at any temperature.  A pick is always right,
 * so a pass reveals at least one.  doc/METHOD.md has this at length.
 *
 * A draft costs two entries; there are as many as are expected to pay, and as the text can lose without being much slower. */
#include <string.h>

#include "base/err.h"
#include "session/session.h"

#define DEFAULT_DRAFT 8

#define WORTH 1.3 /* what else the time would have revealed, in tokens a pass */
#define STAKE 0.27 /* passes that drafts of a text may lose in all, */
#define LOSS 0.1  /* and of each pass */

/* What draft i of a pass, from 0, costs, in passes of one slot: two entries (tests/eval/lossless.c --costs).  Weights are read once a
 * pass, however many entries there are, and products come in tiles: the first costs 2 to 6 % where there are weights
 * to read, a quarter of a pass at 7 M parameters; a later one 10 to 50 %. */
static double cost_of_draft(const lacuna_model *m, size_t i)
{
    const double small = 7e6 / (double)m->info.n_params, share = small < 1 ? small : 1;
    return i ? 0.2 + 0.22 * share : 0.02 + 0.26 * share;
}

/* ---- begin ---- */

static int by_position(const lac_canvas *c, int32_t *at, size_t positions, size_t *text)
{
    size_t n = 0;
    for (size_t i = 0; i < positions; i++) at[i] = -1;
    for (size_t i = 0; i < c->n_context; i++) at[c->pos[i]] = (int32_t)i;
    for (size_t i = 0; i < c->n_slots; i++) at[c->slot_pos[i]] = (int32_t)(c->n_context + i);
    for (size_t i = 0; i < positions; i++)
        if (at[i] >= 0) text[n++] = (size_t)at[i];
    return n == c->n_context + c->n_slots;
}

size_t lac_lossless_asks(const lac_request *q)
{
    const size_t most = (size_t)q->opt.draft + 1;
    return most < q->canvas.n_slots ? most : q->canvas.n_slots;
}

int lac_lossless_check(lacuna_infill_options *o, lacuna_error *err)
{
    if (!o->draft) o->draft = DEFAULT_DRAFT;
    if (o->rule == LACUNA_RULE_MDLM || o->rule == LACUNA_RULE_BD3)
        return lac_err(err, LACUNA_E_ARG, 0, "lossless goes with the rules of Eso-LM, where what is revealed is cached");
    if (o->plan) {
        for (size_t g = 0; g < o->n_groups; g++)
            if (o->groups[g] != 1) return lac_err(err, LACUNA_E_ARG, g, "lossless goes with plans of single slots; group %zu has %zu", g, o->groups[g]);
    } else if (o->order != LACUNA_ORDER_LEFT) return lac_err(err, LACUNA_E_ARG, 0, "lossless goes with the order left and with plans of single slots");
    if (o->plan && o->heal) return lac_err(err, LACUNA_E_ARG, 0, "lossless and heal together go with the order left");
    o->alpha0 = 0;
    return 0;
}

int lac_lossless_begin(lacuna_session *s, lac_fill *f, lacuna_error *err)
{
    lac_request *q = &s->req;
    const lac_canvas *c = &q->canvas;
    const size_t n = c->n_context + c->n_slots, S = c->n_slots, asks = lac_lossless_asks(q);
    lac_arena *a = &s->arena;
    lac_lossless *l = &f->lossless;
    bool ok = (l->line = lac_arena_array(a, n, sizeof *l->line)) && (l->slot_at = lac_arena_array(a, S, sizeof *l->slot_at)) &&
              (l->draft = lac_arena_array(a, asks, sizeof *l->draft));
    if (!ok) return lac_nomem(err, "request");
    lac_draft_begin(&l->record);
    l->won = 0;
    if (!q->opt.plan) { /* left to right, as a plan: the sequential phase has no other */
        for (size_t i = 0; i < S; i++) f->plan.order[i] = i;
        f->plan.n_groups = 0;
        f->group = 1;
    }
    if (q->text_order) return 0;
    int32_t *at = lac_arena_array(a, s->limit, sizeof *at);
    if (!at || !(q->text_order = lac_arena_array(a, n, sizeof *q->text_order))) return lac_nomem(err, "request");
    return by_position(c, at, s->limit, q->text_order) ? 0 : lac_err(err, LACUNA_E_INTERNAL, 0, "two entries at one position");
}

/* ---- ask ---- */

/* The text as it stands, without what lies behind an <eom>. */
static void write_line(const lac_request *q, lac_fill *f)
{
    const lac_canvas *c = &q->canvas;
    lac_lossless *l = &f->lossless;
    l->n_line = 0;
    for (size_t i = 0; i < c->n_context + c->n_slots; i++) {
        const size_t k = q->text_order[i];
        if (k < c->n_context) {
            l->line[l->n_line++] = c->token[k];
            continue;
        }
        const size_t slot = k - c->n_context, h = c->hole_of[slot];
        l->slot_at[slot] = l->n_line;
        if (f->token[slot] < 0 || slot < f->end[h]) l->line[l->n_line++] = f->token[slot];
    }
}

/* A draft that its slot does not deny; its token is -1 where there is none. */
static lac_draft draft_of(const lacuna_session *s, const lac_fill *f, size_t slot)
{
    const lac_lossless *l = &f->lossless;
    lac_draft d = lac_draft_repeat(l->line, l->n_line, l->slot_at[slot]);
    if (d.token >= 0 && s->model->flags[d.token] & (s->req.deny[slot] | LAC_TOKEN_NEVER)) d.token = -1;
    return d;
}

/* The next open slots of the order, from rank *r on. */
static bool next_open(const lac_fill *f, size_t S, size_t *r, size_t *slot)
{
    for (; *r < S; ++*r)
        if (f->token[f->plan.order[*r]] < 0) {
            *slot = f->plan.order[(*r)++];
            return true;
        }
    return false;
}

size_t lac_lossless_ask(lacuna_session *s, lac_fill *f)
{
    const lac_request *q = &s->req;
    const size_t S = q->canvas.n_slots;
    lac_lossless *l = &f->lossless;
    size_t n = 0, rank = 0, slot;
    double hope = 1; /* that all drafts so far are right */
    l->n_drafts = 0;
    l->cost = 0;
    if (!f->n_open) return 0;
    write_line(q, f);
    for (bool more = next_open(f, S, &rank, &slot); more && (!n || lac_spell_certain(s, f, slot));) {
        f->asked[n++] = slot;
        if (l->n_drafts == q->opt.draft || f->n_open == n) break;
        const lac_draft d = draft_of(s, f, slot);
        const double cost = cost_of_draft(s->model, l->n_drafts);
        if (d.token < 0 || (hope *= lac_draft_hope(&l->record, d.kind)) < WORTH * cost) break;
        if (l->cost + cost > STAKE + LOSS * (double)q->stats.nfe + l->won) break;
        l->cost += cost;
        l->draft[l->n_drafts++] = d;
        l->line[l->slot_at[slot]] = d.token;
        more = next_open(f, S, &rank, &slot);
    }
    if (l->n_drafts && l->n_drafts == n) l->cost -= cost_of_draft(s->model, --l->n_drafts); /* of the last slot: nothing is asked behind it */
    return n;
}

/* ---- the pass ---- */

bool lac_lossless_suppose(lac_fill *f, size_t k)
{
    const lac_lossless *l = &f->lossless;
    for (size_t i = 0; i < k; i++)
        if (f->pick[i].token != l->draft[i].token) return false;
    if (k) f->token[f->asked[k - 1]] = l->draft[k - 1].token;
    return true;
}

void lac_lossless_forget(lac_fill *f)
{
    for (size_t i = 0; i < f->lossless.n_drafts; i++) f->token[f->asked[i]] = -1;
}

size_t lac_lossless_choose(lac_request *q, lac_fill *f)
{
    lac_lossless *l = &f->lossless;
    size_t right = 0;
    lac_lossless_forget(f);
    while (right < l->n_drafts && f->pick[right].token == l->draft[right].token) right++;
    for (size_t i = 0; i < l->n_drafts && i <= right; i++) lac_draft_note(&l->record, l->draft[i].kind, i < right);
    l->won += (double)right - l->cost;
    lac_kv_crop(f->kv, f->kv->len - (l->n_drafts - right));
    q->stats.n_drafted += right < l->n_drafts ? right + 1 : right;
    q->stats.n_accepted += right;
    for (size_t i = 0; i <= right; i++) f->chosen[i] = i;
    return right + 1;
}
