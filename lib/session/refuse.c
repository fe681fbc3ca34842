/* Why a token was refused: of the things that a hole asks for, the first that the token breaks by itself. */
#include <math.h>

#include "base/err.h"
#include "net/softmax.h"
#include "session/session.h"

/* State of a clause behind what stands before a slot; false: that is not settled yet. */
static bool before(const lacuna_session *s, const lac_fill *f, size_t slot, const lac_dfa *d, uint32_t *state)
{
    const size_t h = s->req.canvas.hole_of[slot];
    lacuna_text rest = s->req.canvas.heal[h].rest;
    *state = 0;
    for (size_t i = s->req.canvas.hole[h].first; i < slot; i++) {
        if (f->token[i] < 0) return false;
        const lacuna_text t = lacuna_token_bytes(s->model, f->token[i]);
        const size_t spelled = rest.len - lac_spell_after(rest, t).len;
        rest = lac_spell_after(rest, t);
        if (*state != LAC_DFA_DEAD) *state = lac_dfa_run(d, *state, t.bytes + spelled, t.len - spelled);
    }
    return true;
}

/* Of the clauses of a hole. */
static lacuna_refused clause(const lacuna_session *s, const lac_fill *f, size_t slot, int32_t token)
{
    const lac_demand *d = s->req.demand[s->req.canvas.hole_of[slot]];
    const lacuna_text t = lacuna_token_bytes(s->model, token);
    for (size_t i = 0; i < d->n_clauses; i++) {
        const lac_dfa *a = &d->clause[i].dfa;
        uint32_t state;
        if (!before(s, f, slot, a, &state)) return d->n_clauses == 1 ? d->clause[0].why : LACUNA_REFUSED_ROOM;
        if (state == LAC_DFA_DEAD) continue;
        if (token == s->model->info.eom ? !a->accept[state] : lac_dfa_run(a, state, t.bytes, t.len) == LAC_DFA_DEAD) return d->clause[i].why;
    }
    return LACUNA_REFUSED_ROOM;
}

/* Is a hole too short for an <eom> at a slot? */
static bool too_short(const lacuna_session *s, const lac_fill *f, size_t slot)
{
    const lac_request *q = &s->req;
    const size_t h = q->canvas.hole_of[slot];
    if (lac_obey_slot(s, f, slot) < q->min[h]) return true;
    for (size_t i = slot + 1; i < f->end[h]; i++)
        if (f->token[i] >= 0) return true;
    return false;
}

static lacuna_refused reason(const lacuna_session *s, const lac_fill *f, size_t slot, int32_t token)
{
    const lac_request *q = &s->req;
    lacuna_text rest;
    const bool ends = token == s->model->info.eom;
    if (lac_spell_front(s, f, slot, &rest) && (ends || !lac_heal_spells(lacuna_token_bytes(s->model, token), rest))) return LACUNA_REFUSED_SPELL;
    if (ends && too_short(s, f, slot)) return LACUNA_REFUSED_SHORT;
    if (!ends && s->model->flags[token] & q->deny[slot] & LAC_TOKEN_LINE) return LACUNA_REFUSED_LINE;
    return lac_obey_is(q, q->canvas.hole_of[slot]) ? clause(s, f, slot, token) : LACUNA_REFUSED_ROOM;
}

void lac_refuse(lacuna_session *s, lac_fill *f, size_t k, const float *logits, const uint8_t *flags, uint8_t deny)
{
    const size_t slot = f->asked[k];
    const int32_t picked = f->pick[k].token;
    int32_t worst = -1;
    for (uint32_t v = 0; v < s->model->info.n_vocab; v++) {
        if (s->model->flags[v] & LAC_TOKEN_NEVER || !(flags[v] & (deny | LAC_TOKEN_NEVER)) || !(logits[v] > logits[picked])) continue;
        if (worst < 0 || logits[v] > logits[worst]) worst = (int32_t)v;
    }
    f->refusal[k].token = worst;
    if (worst < 0) return;
    const lac_softmax p = lac_softmax_of(logits, s->model->info.n_vocab, s->model->flags, LAC_TOKEN_NEVER, s->model->kern);
    const size_t h = s->req.canvas.hole_of[slot];
    f->refusal[k] = (lacuna_refusal){(size_t)(f - s->req.fill), h, slot - s->req.canvas.hole[h].first, worst,
                                     lacuna_token_bytes(s->model, worst), exp(logits[worst] - p.norm), reason(s, f, slot, worst)};
}
