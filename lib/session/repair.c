/* Fills that add syntax errors to their text are taken back in part and filled anew.
 *
 *   attempt 0    n  =  f  (  a  ,  <eom>         the fill as it came: the bracket stays open
 *   choices            2  3  )  )  b   3         what each slot could hold instead, with the nats that are lost by it
 *   attempt 1    n  =  f  (  a  )  <eom>         attempt 0 up to a slot, another choice there, and what follows from left to right
 *
 * Attempts are a tree.  Next comes the choice, of all slots of all attempts, that loses least, counted from the first attempt on.  The parser looks
 * at it before the network does: if the text has faults even where the hole ends right behind it, that counts as a loss
 * too, and so does what is thrown away.  Most faults are a bracket too few or too many, or a fill that does not stop: then the choice that the
 * parser likes is behind what is good, and costs a pass or none.  If no attempt is free of faults, the one with fewest
 * stands, of equals the likeliest.
 *
 * Where a slot was not asked for in turn (all of its hole before it, and nothing behind it) no choice is known.  A hole without
 * choices is filled anew from its first slot. */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "session/session.h"
#include "syntax/document.h"

#define MOST_REPAIRS 256 /* attempts are kept */
#define MOST_LOOKS 64    /* by the parser, before an attempt */
#define MOST_READ ((size_t)1 << 20) /* bytes, by the parser, for each repair that is allowed: text that is broken all over is read again and again */

/* In nats (tests/eval/syntax.c; twice or half as much is nearly as good): */
#define FAULTY 12        /* a choice with as many faults as the first attempt, */
#define DROPPED 0.4      /* each token of the attempt that is thrown away for a choice with faults, */
#define ANEW 2           /* each attempt */

/* ---- begin ---- */

static int make_attempts(lacuna_session *s, lac_repairs *r, lacuna_error *err)
{
    const lac_request *q = &s->req;
    const size_t S = q->canvas.n_slots, n = (size_t)q->opt.repairs + 1;
    lac_arena *a = &s->arena;
    size_t choices;
    if (!lac_mul(S, LAC_CHOICES, &choices) || !(r->attempt = lac_arena_array(a, n, sizeof *r->attempt)) ||
        (q->opt.repairs && !(r->choice = lac_arena_array(a, choices, sizeof *r->choice))) || !(r->entered = lac_arena_array(a, S, sizeof *r->entered)))
        return lac_nomem(err, "request");
    for (size_t i = 0; i < n; i++) {
        lac_attempt *t = &r->attempt[i];
        if (!(t->token = lac_arena_array(a, S, sizeof *t->token)) || !(t->reveal = lac_arena_array(a, S, sizeof *t->reveal)) ||
            !(t->choice = lac_arena_array(a, choices, sizeof *t->choice)) || !(t->end = lac_arena_array(a, q->canvas.n_holes, sizeof *t->end)))
            return lac_nomem(err, "request");
        for (size_t k = 0; k < choices; k++) t->choice[k].token = -1;
        for (size_t k = 0; k < S; k++) t->reveal[k].token = -1;
    }
    for (size_t k = 0; r->choice && k < choices; k++) r->choice[k].token = -1;
    return 0;
}

int lac_repair_begin(lacuna_session *s, const lacuna_span *span, lacuna_error *err)
{
    lac_request *q = &s->req;
    const size_t holes = q->canvas.n_holes;
    if (q->opt.repairs > MOST_REPAIRS)
        return lac_err(err, LACUNA_E_ARG, 0, "repairs must be at most %d; it is %u", MOST_REPAIRS, (unsigned)q->opt.repairs);
    if (q->opt.repairs && !q->opt.document) return lac_err(err, LACUNA_E_ARG, 0, "repairs go with a document");
    if (!q->opt.document) return 0;
    if (lac_baseline_is(q) && q->opt.repairs) return lac_err(err, LACUNA_E_ARG, 0, "the rules MDLM and BD3 go without repairs");
    q->span = span;
    size_t slots;
    if (!lac_mul(q->canvas.n_slots, q->n_fills, &slots) || !(q->said = lac_arena_array(&s->arena, holes, sizeof *q->said)) ||
        !(q->reopened = lac_arena_array(&s->arena, slots, sizeof *q->reopened)))
        return lac_nomem(err, "request");
    for (lac_fill *f = q->fill; f < q->fill + q->n_fills; f++) {
        int r = make_attempts(s, &f->repair, err);
        if (r) return r;
    }
    return 0;
}

/* ---- what came of an attempt ---- */

/* Was the slot asked for with all of its hole before it, and nothing behind it?  Then what it could hold goes with any other text behind it.
 * Slots that the spelling has left over are no part of the hole. */
static bool in_turn(const lacuna_session *s, const lac_fill *f, size_t slot)
{
    const size_t h = s->req.canvas.hole_of[slot];
    const lac_run *run = &s->req.canvas.hole[h];
    const lac_spell sp = lac_spell_at(s, f, h);
    const size_t over = sp.rest.len ? 0 : s->req.canvas.heal[h].n_tokens - sp.n_old;
    for (size_t i = run->first; i < run->first + run->n - over; i++)
        if (i != slot && (f->token[i] >= 0) != (i < slot)) return false;
    return true;
}

void lac_repair_look(const lacuna_session *s, lac_fill *f, size_t slot, const float *logits, const uint8_t *flags, uint8_t deny,
                     const lac_pick *pick)
{
    const size_t V = s->model->info.n_vocab, eom = (size_t)s->model->info.eom;
    lac_choice *c = f->repair.choice + slot * LAC_CHOICES;
    float x[LAC_CHOICES];
    for (size_t k = 0; k < LAC_CHOICES; k++) {
        c[k].token = -1;
        x[k] = -INFINITY;
    }
    if (!in_turn(s, f, slot)) return;
    for (size_t v = 0; v < V; v++) {
        if (!(logits[v] > x[LAC_CHOICES - 1]) || flags[v] & (deny | LAC_TOKEN_NEVER) || (int32_t)v == pick->token) continue;
        size_t k = LAC_CHOICES - 1;
        for (; k && logits[v] > x[k - 1]; k--) {
            x[k] = x[k - 1];
            c[k].token = c[k - 1].token;
        }
        x[k] = logits[v];
        c[k].token = (int32_t)v;
    }
    if (eom < V && !(flags[eom] & (deny | LAC_TOKEN_NEVER)) && pick->token != (int32_t)eom && logits[eom] < x[LAC_CHOICES - 1]) {
        c[LAC_CHOICES - 1].token = (int32_t)eom; /* where the hole could end is always worth knowing */
        x[LAC_CHOICES - 1] = logits[eom];
    }
    for (size_t k = 0; k < LAC_CHOICES; k++) {
        c[k].faults = -1;
        c[k].lost = logits[pick->token] - x[k];
    }
}

/* What a step has revealed of a candidate. */
static void note(lac_request *q, lac_fill *f)
{
    lac_attempt *t = &f->repair.attempt[f->repair.n];
    lac_choice *known = f->repair.choice;
    for (size_t i = 0; i < q->event.n; i++) {
        const lacuna_reveal *v = &q->reveal[i];
        if (v->candidate != (size_t)(f - q->fill)) continue;
        const size_t slot = q->canvas.hole[v->hole].first + v->slot;
        t->reveal[slot] = *v;
        if (known) memcpy(t->choice + slot * LAC_CHOICES, known + slot * LAC_CHOICES, LAC_CHOICES * sizeof *known);
    }
    for (size_t i = 0; known && i < f->n_asked; i++)
        for (size_t k = 0; k < LAC_CHOICES; k++) known[f->asked[i] * LAC_CHOICES + k].token = -1;
}

/* The fills one after the other, as tokens say; that of a hole ends behind slot `last` with another token.  Bytes that a hole was healed by stand in
 * the text already. */
static void write_fills(lacuna_session *s, const int32_t *token, size_t last, int32_t other)
{
    lac_request *q = &s->req;
    char *to = q->text;
    for (size_t h = 0; h < q->canvas.n_holes; h++) {
        const lac_run *run = &q->canvas.hole[h];
        const size_t healed = q->canvas.heal ? q->canvas.heal[h].rest.len : 0;
        const char *from = to;
        for (size_t i = run->first; i < run->first + run->n; i++) {
            const lacuna_text b = lacuna_token_bytes(s->model, i == last ? other : token[i]);
            if (b.len) memcpy(to, b.bytes, b.len);
            to += b.len;
            if (i == last) break;
        }
        const size_t n = (size_t)(to - from);
        q->said[h] = (lacuna_text){from + (healed < n ? healed : n), healed < n ? n - healed : 0};
    }
}

static int find_faults(lacuna_session *s, lac_repairs *r, lac_syntax_faults *out, lacuna_error *err)
{
    const int e = lac_document_check(s->req.opt.document, s->req.span, s->req.said, s->req.canvas.n_holes, out, err);
    r->n_read += out->n_read;
    return e;
}

/* The candidate is full: is it a text without faults? */
static int check(lacuna_session *s, lac_fill *f, lac_attempt *t, lacuna_error *err)
{
    const lac_request *q = &s->req;
    lac_syntax_faults faults = {0};
    t->logprob = f->logprob;
    memcpy(t->token, f->token, q->canvas.n_slots * sizeof *t->token);
    memcpy(t->end, f->end, q->canvas.n_holes * sizeof *t->end);
    write_fills(s, f->token, SIZE_MAX, -1);
    int r = find_faults(s, &f->repair, &faults, err);
    t->faults = f->faults = !r ? faults.n : f->repairs ? SIZE_MAX : 0; /* a text that is not parsed is as good as it was */
    t->hole = faults.hole;
    return r;
}

/* ---- back to an attempt ---- */

static bool stands(const lac_fill *f, const lac_attempt *t, size_t slot) { return f->token[slot] >= 0 && t->reveal[slot].token >= 0; }

static size_t slot_of(const lac_canvas *c, int32_t pos)
{
    size_t slot = 0;
    while (c->slot_pos[slot] != pos) slot++;
    return slot;
}

/* The list keeps its entries up to the first that stands no more.  All others enter with the next pass, those that it had in their old order. */
static void keep_entries(const lac_request *q, lac_fill *f, const lac_attempt *t)
{
    const lac_canvas *c = &q->canvas;
    lac_kv *kv = f->kv;
    const size_t had = kv->len;
    size_t len = c->n_context, slot;
    bool *in = f->repair.entered;
    memset(in, 0, c->n_slots * sizeof *in);
    f->n_pending = 0;
    for (; len < had && stands(f, t, slot = slot_of(c, kv->pos[len])) && f->token[slot] == kv->token[len]; len++) in[slot] = true;
    for (size_t i = len; i < had; i++)
        if (stands(f, t, slot = slot_of(c, kv->pos[i]))) {
            in[slot] = true;
            f->pending[f->n_pending++] = slot;
        }
    for (slot = 0; slot < c->n_slots; slot++)
        if (!in[slot] && stands(f, t, slot)) f->pending[f->n_pending++] = slot;
    lac_kv_crop(kv, len);
}

/* What changed since the last event: slots that hold another token are revealed again, and those that hold none are reopened. */
static void tell(lac_request *q, const lac_fill *f, const lac_attempt *was, const lac_attempt *t)
{
    const size_t candidate = (size_t)(f - q->fill);
    lacuna_event *ev = &q->event;
    ev->reopened = q->reopened;
    for (size_t slot = 0; slot < q->canvas.n_slots; slot++) {
        const int32_t old = was->reveal[slot].token;
        const size_t h = q->canvas.hole_of[slot];
        if (!stands(f, t, slot)) {
            if (f->token[slot] < 0 || old >= 0) q->reopened[ev->n_reopened++] =
                    (lacuna_reopened){candidate, h, slot - q->canvas.hole[h].first, old, old < 0 ? (lacuna_text){"", 0} : was->reveal[slot].text};
        } else if (old != f->token[slot]) {
            size_t i = 0; /* in the place of what this step has revealed there */
            while (i < ev->n && (q->reveal[i].candidate != candidate || q->reveal[i].hole != h || q->reveal[i].slot != t->reveal[slot].slot)) i++;
            q->reveal[i] = t->reveal[slot];
            ev->n += i == ev->n;
        }
    }
}

/* The slots of a candidate have been set as in attempt t: all else follows. */
static void settle(lacuna_session *s, lac_fill *f, const lac_attempt *t)
{
    f->logprob = 0;
    f->n_tokens = 0;
    for (size_t i = 0; i < s->req.canvas.n_slots; i++)
        if (stands(f, t, i)) {
            f->logprob += t->reveal[i].logprob;
            f->n_tokens++;
        }
    keep_entries(&s->req, f, t);
}

/* ---- the next attempt ---- */

typedef struct {
    lac_attempt *from;  /* NULL: none */
    size_t slot;
    lac_choice *choice; /* NULL: any */
} lac_branch;

static double cost_of(const lac_canvas *c, const lac_repairs *r, const lac_attempt *t, size_t slot, const lac_choice *choice)
{
    const double cost = t->cost + choice->lost, share = (double)choice->faults / (double)r->attempt->faults;
    return choice->faults > 0 ? cost + FAULTY * fmin(share, 1) + DROPPED * (double)(t->end[c->hole_of[slot]] - slot) : cost;
}

/* The choice that loses least. */
static lac_branch cheapest(const lac_canvas *c, const lac_repairs *r)
{
    lac_branch best = {0};
    double least = INFINITY;
    for (lac_attempt *t = r->attempt; t <= r->attempt + r->n; t++)
        for (size_t slot = 0; slot < c->n_slots; slot++)
            for (lac_choice *x = t->choice + slot * LAC_CHOICES; t->reveal[slot].token >= 0 && x < t->choice + (slot + 1) * LAC_CHOICES; x++) {
                const double cost = x->token >= 0 ? cost_of(c, r, t, slot, x) : INFINITY;
                if (!(cost < least)) continue;
                least = cost;
                best = (lac_branch){t, slot, x};
            }
    return best;
}

/* Has the parser done what it may do for a candidate? */
static bool tired(const lacuna_session *s, const lac_repairs *r) { return r->n_read > MOST_READ * s->req.opt.repairs; }

/* The same, once the parser has looked at it. */
static int choose(lacuna_session *s, lac_repairs *r, lac_branch *out, lacuna_error *err)
{
    for (int looks = 0;; looks++) {
        *out = cheapest(&s->req.canvas, r);
        if (!out->from || out->choice->faults >= 0 || looks == MOST_LOOKS || tired(s, r)) return 0;
        lac_syntax_faults faults;
        write_fills(s, out->from->token, out->slot, out->choice->token);
        int e = lac_session_cancelled(s, err);
        if (!e) e = find_faults(s, r, &faults, err);
        if (e) return e;
        out->choice->faults = (int32_t)faults.n;
    }
}

/* A choice as it is told. */
static lacuna_reveal reveal_of(const lacuna_session *s, const lac_fill *f, size_t slot, const lac_choice *c, const lacuna_reveal *old)
{
    lacuna_reveal v = *old;
    lacuna_text rest;
    v.token = c->token;
    v.text = lacuna_token_bytes(s->model, c->token);
    if (lac_spell_front(s, f, slot, &rest)) {
        const size_t spelled = rest.len - lac_spell_after(rest, v.text).len;
        v.text = (lacuna_text){v.text.bytes + spelled, v.text.len - spelled};
    }
    v.logprob = old->logprob - (double)c->lost;
    v.prob = 1;
    return v;
}

/* Explain: what stood there was likelier than the choice. */
static lacuna_refusal refusal_of(const lacuna_reveal *v)
{
    return (lacuna_refusal){v->candidate, v->hole, v->slot, v->token, v->text, exp(v->logprob), LACUNA_REFUSED_SYNTAX};
}

/* The slot holds a choice, and all behind it in the hole is open, or closed by it. */
static void take(lacuna_session *s, lac_fill *f, lac_branch b, lac_attempt *next)
{
    const size_t h = s->req.canvas.hole_of[b.slot], last = f->end[h];
    const lacuna_reveal *old = &b.from->reveal[b.slot];
    f->repair.refused = refusal_of(old);
    next->reveal[b.slot] = reveal_of(s, f, b.slot, b.choice, old);
    next->cost += b.choice->lost + ANEW;
    f->token[b.slot] = b.choice->token;
    f->n_open--;
    if (b.choice->token == s->model->info.eom) {
        f->end[h] = b.slot;
        for (size_t i = b.slot + 1; i < last; i++) f->token[i] = b.choice->token;
        f->n_open = 0;
    }
    b.choice->token = -1;
}

/* What the other holes could hold goes with the new attempt too. */
static void inherit(const lac_canvas *c, size_t hole, const lac_attempt *from, lac_attempt *next)
{
    for (size_t i = 0; i < c->n_slots * LAC_CHOICES; i++)
        if (c->hole_of[i / LAC_CHOICES] != hole) next->choice[i] = (lac_choice){from->choice[i].token, from->choice[i].lost, -1};
}

/* The next attempt begins. */
static void branch(lacuna_session *s, lac_fill *f, lac_branch b)
{
    lac_request *q = &s->req;
    lac_repairs *r = &f->repair;
    const size_t h = q->canvas.hole_of[b.slot], last = q->canvas.hole[h].first + q->canvas.hole[h].n, S = q->canvas.n_slots;
    lac_attempt *next = &r->attempt[r->n + 1];
    memcpy(f->token, b.from->token, S * sizeof *f->token);
    memcpy(f->end, b.from->end, q->canvas.n_holes * sizeof *f->end);
    memcpy(next->reveal, b.from->reveal, S * sizeof *next->reveal);
    for (size_t i = b.slot; i < last; i++) {
        f->token[i] = -1;
        next->reveal[i].token = -1;
    }
    f->end[h] = last;
    f->n_open = last - b.slot;
    next->cost = b.from->cost;
    inherit(&q->canvas, h, b.from, next);
    if (b.choice) take(s, f, b, next);
    if (q->heals) lac_spell_close(s, f);
    settle(s, f, next);
    r->n++;
    f->repairs++;
    f->group = f->plan.n_groups + 1; /* what is open is filled one slot a step */
    for (size_t i = 0; i < S && q->opt.lossless; i++) f->plan.order[i] = i;
}

/* Fewest faults, then the likeliest. */
static size_t best_attempt(const lac_repairs *r)
{
    size_t best = 0;
    for (size_t a = 1; a <= r->n; a++) {
        const lac_attempt *x = &r->attempt[a], *y = &r->attempt[best];
        if (x->faults < y->faults || (x->faults == y->faults && x->logprob > y->logprob)) best = a;
    }
    return best;
}

/* Fewest faults stand. */
static const lac_attempt *put_back(lacuna_session *s, lac_fill *f)
{
    const lac_attempt *best = &f->repair.attempt[best_attempt(&f->repair)];
    memcpy(f->token, best->token, s->req.canvas.n_slots * sizeof *f->token);
    memcpy(f->end, best->end, s->req.canvas.n_holes * sizeof *f->end);
    f->faults = best->faults;
    settle(s, f, best);
    return best;
}

/* A full candidate with a fault goes on, if there is something to try. */
static int again(lacuna_session *s, lac_fill *f, bool *more, lacuna_error *err)
{
    const lac_request *q = &s->req;
    lac_repairs *r = &f->repair;
    lac_branch b;
    *more = false;
    if (f->repairs == q->opt.repairs || tired(s, r)) return 0;
    int e = choose(s, r, &b, err);
    if (e) return e;
    if (!b.from && !r->anew) {
        b = (lac_branch){&r->attempt[r->n], q->canvas.hole[r->attempt[r->n].hole].first, NULL};
        r->anew = true;
    }
    *more = b.from != NULL;
    if (*more) branch(s, f, b);
    return 0;
}

int lac_repair(lacuna_session *s, lac_fill *f, lacuna_error *err)
{
    lac_request *q = &s->req;
    lac_repairs *r = &f->repair;
    const lac_attempt *was = &r->attempt[r->n], *now = was;
    note(q, f);
    if (f->n_open) return 0;
    r->refused.token = -1;
    for (bool more = true; more && !f->n_open;) {
        int e = check(s, f, &r->attempt[r->n], err);
        if (!e && f->faults) e = again(s, f, &more, err);
        if (e == LACUNA_E_LIMIT) more = false; /* it takes too long to parse: what is known stands */
        else if (e) return e;
        now = &r->attempt[r->n];
        if (!f->faults) break;
        if (!more) now = put_back(s, f);
    }
    tell(q, f, was, now);
    if (q->opt.explain && r->refused.token >= 0 && q->event.n_refusals < q->n_fills * q->canvas.n_slots)
        q->refusal[q->event.n_refusals++] = r->refused;
    return 0;
}
