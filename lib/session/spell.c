/* Healed holes: their first slots spell the bytes that were taken back (canvas/heal.h), slot by slot from the left.
 *
 *   rest     "pri"                   slot 0 may be "pr", "print", "printf(" ... but not "q"; after "pr", slot 1 must begin with "i"
 *   front    the slot that spells what is still to be spelled: the first open one of the hole
 *
 * The front is always asked for before any other slot of its hole.  Slots asked for beside it are revealed only where it ends the
 * spelling: what stands there would otherwise depend on a slot that is not known.  Tokens that do not spell have no part in
 * the distribution of a front, <eom> included. */
#include <string.h>

#include "kern/pack.h"
#include "session/session.h"

bool lac_spell_front(const lacuna_session *s, const lac_fill *f, size_t hole, size_t *slot, lacuna_text *rest)
{
    const lac_canvas *c = &s->req.canvas;
    if (!c->heal) return false;
    *rest = c->heal[hole].rest;
    for (*slot = c->hole[hole].first; rest->len && *slot < c->hole[hole].first + c->hole[hole].n; ++*slot) {
        if (f->token[*slot] < 0) return true;
        *rest = lac_spell_after(*rest, lacuna_token_bytes(s->model, f->token[*slot]));
    }
    return false;
}

lacuna_text lac_spell_after(lacuna_text rest, lacuna_text token)
{
    const size_t n = token.len < rest.len ? token.len : rest.len;
    return (lacuna_text){rest.bytes + n, rest.len - n};
}

void lac_spell_ask(const lacuna_session *s, lac_fill *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t front, k = 0;
        lacuna_text rest;
        const size_t h = s->req.canvas.hole_of[f->asked[i]];
        if (!lac_spell_front(s, f, h, &front, &rest)) continue;
        while (k < n && f->asked[k] != front) k++;
        if (k == n) f->asked[i] = front;
    }
}

size_t lac_spell_keep(const lacuna_session *s, const lac_fill *f, size_t *chosen, size_t n)
{
    const lac_canvas *c = &s->req.canvas;
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t slot = f->asked[chosen[i]];
        size_t front, k = 0;
        lacuna_text rest;
        if (lac_spell_front(s, f, c->hole_of[slot], &front, &rest) && slot != front) {
            while (k < n && f->asked[chosen[k]] != front) k++;
            if (k == n || lac_spell_after(rest, lacuna_token_bytes(s->model, f->pick[chosen[k]].token)).len) continue;
        }
        chosen[m++] = chosen[i];
    }
    return m;
}

const uint8_t *lac_spell_flags(lacuna_session *s, lacuna_text rest)
{
    uint8_t *flags = s->req.flags;
    for (uint32_t v = 0; v < s->model->info.n_vocab; v++) {
        const lacuna_text t = lacuna_token_bytes(s->model, (int32_t)v);
        flags[v] = s->model->flags[v];
        if (!lac_heal_allows(t, rest)) flags[v] |= LAC_TOKEN_NEVER;
        else if (t.len <= rest.len || !memchr(t.bytes + rest.len, '\n', t.len - rest.len))
            flags[v] &= (uint8_t)~LAC_TOKEN_LINE; /* a line feed that stands in the text already */
    }
    return flags;
}

const uint8_t *lac_spell_panels(lacuna_session *s)
{
    lac_request *q = &s->req;
    const size_t V = s->model->info.n_vocab;
    if (!q->heals || q->opt.on_logits) return NULL;
    memset(q->panels, 0, (V + LAC_PANEL - 1) / LAC_PANEL);
    for (const lac_fill *f = q->fill; f < q->fill + q->n_fills; f++)
        for (size_t i = 0; i < f->n_asked; i++) {
            size_t front;
            lacuna_text rest;
            if (!lac_spell_front(s, f, q->canvas.hole_of[f->asked[i]], &front, &rest) || f->asked[i] != front) return NULL;
            const uint8_t *flags = lac_spell_flags(s, rest);
            for (size_t v = 0; v < V; v++)
                if (!(flags[v] & LAC_TOKEN_NEVER)) q->panels[v / LAC_PANEL] = 1;
        }
    return q->panels;
}
