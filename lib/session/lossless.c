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
 * What the masks behind the first wrong draft say are guesses: drafts of the next pass, where the text has no better.  (Masks that
 * only guess do not pay: 1 and 2 more a pass save 0.2 % of the passes.)  A draft costs two entries; there are as many
 * as are expected to pay. */
#include <string.h>

#include "base/err.h"
#include "session/session.h"

#define DEFAULT_DRAFT 8

/* What a draft costs, in passes of one slot: two entries.  The weights are read once a pass, however many entries there are, but
 * attention, logits and the pick are an entry's own, and weigh more where there are few weights.  Measured: up to a quarter of
 * a pass an entry at 7 M parameters, 3 to 5 % at 85 M. */
static double cost_of_draft(const lacuna_model *m)
{
    const double cost = 0.08 + 1.2e6 / (double)m->info.n_params;
    return cost < 0.25 ? cost : 0.25;
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
              (l->guess = lac_arena_array(a, S, sizeof *l->guess)) && (l->prob = lac_arena_array(a, S, sizeof *l->prob)) &&
              (l->draft = lac_arena_array(a, asks, sizeof *l->draft));
    if (!ok) return lac_nomem(err, "request");
    for (size_t i = 0; i < S; i++) l->guess[i] = -1;
    lac_draft_begin(&l->record);
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

/* The better of what there is for a slot; its token is -1 where there is nothing. */
static lac_draft draft_of(const lacuna_session *s, const lac_fill *f, size_t slot)
{
    const lac_lossless *l = &f->lossless;
    const int32_t eom = s->req.ids ? -1 : s->model->info.eom;
    lac_draft d = lac_draft_repeat(l->line, l->n_line, l->slot_at[slot]);
    if (d.token >= 0 && s->model->flags[d.token] & (s->req.deny[slot] | LAC_TOKEN_NEVER)) d.token = -1;
    if (l->guess[slot] >= 0 && l->guess[slot] != eom) { /* <eom> is no draft: there is nothing behind it to ask for */
        const lac_draft g = lac_draft_guess(l->guess[slot], l->prob[slot]);
        if (d.token < 0 || lac_draft_hope(&l->record, g.kind) > lac_draft_hope(&l->record, d.kind)) d = g;
    }
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
    const double cost = cost_of_draft(s->model);
    double hope = 1; /* that all drafts so far are right */
    l->n_drafts = 0;
    if (!f->n_open) return 0;
    write_line(q, f);
    for (bool more = next_open(f, S, &rank, &slot); more;) {
        f->asked[n++] = slot;
        if (l->n_drafts == q->opt.draft || f->n_open == n) break;
        const lac_draft d = draft_of(s, f, slot);
        if (d.token < 0 || (hope *= lac_draft_hope(&l->record, d.kind)) < cost) break;
        l->draft[l->n_drafts++] = d;
        l->line[l->slot_at[slot]] = d.token;
        more = next_open(f, S, &rank, &slot);
    }
    return n;
}

/* ---- the pass ---- */

/* Drafts [0, k) are taken for right while the row of mask k is looked at. */
void lac_lossless_suppose(lac_fill *f, size_t k)
{
    const lac_lossless *l = &f->lossless;
    if (k && k <= l->n_drafts) f->token[f->asked[k - 1]] = l->draft[k - 1].token;
}

bool lac_lossless_counts(const lac_fill *f, size_t k)
{
    for (size_t i = 0; i < k; i++)
        if (i >= f->lossless.n_drafts || f->pick[i].token != f->lossless.draft[i].token) return false;
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
    for (size_t i = right + 1; i < f->n_asked; i++) {
        l->guess[f->asked[i]] = f->pick[i].token;
        l->prob[f->asked[i]] = f->pick[i].best;
    }
    lac_kv_crop(f->kv, f->kv->len - (l->n_drafts - right));
    q->stats.n_drafted += right < l->n_drafts ? right + 1 : right;
    q->stats.n_accepted += right;
    for (size_t i = 0; i <= right; i++) f->chosen[i] = i;
    return right + 1;
}
