/* Healed holes: their first slots spell the bytes that were taken back (canvas/heal.h), slot by slot from the left.
 *
 *   taken back   " back" "war"   slot 0 may be " backward", " backwards" ..., which spell all of it, or " back" again; behind
 *                                " back", slot 1 may be "war", "ward" ...
 *   front        the slot that spells next: the first open one of the hole
 *   new          tokens behind the spelling, and the one that ends it where it goes on beyond ("ward")
 *
 * So no more slots spell than were added for it, and those that it leaves over are closed: max_tokens new tokens are left.
 * In the diffusion phase fronts go first and alone; left to right they come first anyhow.  Tokens that do not spell have
 * no part in the distribution of a front, <eom> included. */
#include <string.h>

#include "kern/pack.h"
#include "session/session.h"

lac_spell lac_spell_at(const lacuna_session *s, const lac_fill *f, size_t hole)
{
    const lac_canvas *c = &s->req.canvas;
    lac_spell sp = {.slot = c->hole[hole].first};
    if (c->heal) sp.rest = c->heal[hole].rest;
    while (sp.rest.len && f->token[sp.slot] >= 0) {
        const lacuna_text t = lacuna_token_bytes(s->model, f->token[sp.slot++]);
        sp.n_old += t.len <= sp.rest.len;
        sp.rest = lac_spell_after(sp.rest, t);
    }
    return sp;
}

lacuna_text lac_spell_after(lacuna_text rest, lacuna_text token)
{
    const size_t n = token.len < rest.len ? token.len : rest.len;
    return (lacuna_text){rest.bytes + n, rest.len - n};
}

bool lac_spell_front(const lacuna_session *s, const lac_fill *f, size_t slot, lacuna_text *rest)
{
    if (!s->req.heals) return false;
    const lac_spell sp = lac_spell_at(s, f, s->req.canvas.hole_of[slot]);
    *rest = sp.rest;
    return sp.rest.len && slot == sp.slot;
}

size_t lac_spell_ask(const lacuna_session *s, lac_fill *f)
{
    size_t n = 0;
    for (size_t h = 0; h < s->req.canvas.n_holes; h++) {
        const lac_spell sp = lac_spell_at(s, f, h);
        if (sp.rest.len) f->asked[n++] = sp.slot;
    }
    return n;
}

bool lac_spell_certain(const lacuna_session *s, const lac_fill *f, size_t slot)
{
    const lac_canvas *c = &s->req.canvas;
    const size_t h = c->hole_of[slot];
    return !s->req.heals || !lac_spell_at(s, f, h).rest.len || slot + c->heal[h].n_tokens < c->hole[h].first + c->hole[h].n;
}

void lac_spell_close(const lacuna_session *s, lac_fill *f)
{
    const lac_canvas *c = &s->req.canvas;
    const int32_t eom = s->model->info.eom;
    for (size_t h = 0; h < c->n_holes; h++) {
        const lac_spell sp = lac_spell_at(s, f, h);
        const size_t last = c->hole[h].first + c->hole[h].n, end = last - c->heal[h].n_tokens + sp.n_old;
        if (sp.rest.len || end >= f->end[h]) continue;
        f->end[h] = end;
        f->n_open -= last - end;
        for (size_t i = end; i < last; i++) f->token[i] = eom >= 0 ? eom : s->model->info.mask;
    }
}

const uint8_t *lac_spell_flags(lacuna_session *s, size_t slot, lacuna_text rest)
{
    const lac_canvas *c = &s->req.canvas;
    const size_t h = c->hole_of[slot];
    const int32_t next = c->heal[h].id[slot - c->hole[h].first];
    uint8_t *flags = s->req.flags;
    for (uint32_t v = 0; v < s->model->info.n_vocab; v++) {
        flags[v] = s->model->flags[v];
        if ((int32_t)v != next && !lac_heal_spells(lacuna_token_bytes(s->model, (int32_t)v), rest)) flags[v] |= LAC_TOKEN_NEVER;
    }
    return flags;
}

const uint8_t *lac_spell_panels(lacuna_session *s)
{
    lac_request *q = &s->req;
    const size_t V = s->model->info.n_vocab;
    if (!q->heals || q->opt.on_logits || q->opt.explain) return NULL; /* somebody looks at all of them */
    memset(q->panels, 0, (V + LAC_PANEL - 1) / LAC_PANEL);
    for (const lac_fill *f = q->fill; f < q->fill + q->n_fills; f++)
        for (size_t i = 0; i < f->n_asked; i++) {
            lacuna_text rest;
            if (!lac_spell_front(s, f, f->asked[i], &rest)) return NULL;
            const uint8_t *flags = lac_spell_flags(s, f->asked[i], rest);
            for (size_t v = 0; v < V; v++)
                if (!(flags[v] & LAC_TOKEN_NEVER)) q->panels[v / LAC_PANEL] = 1;
        }
    return q->panels;
}
