/* What holes ask for.  Each thing asked is a regular language over the bytes of the fill; all that a hole asks is their
 * intersection, lifted to tokens.  A chain (sample/chain.h) tells which tokens keep a match in reach.
 *
 *   slots of a healed hole   | spell what was taken back | new tokens ...        | left over |
 *   slots of its chain                                   0   1   2 ...         n
 *
 * Where a token spells to the end and goes on beyond, it is slot 0 of the chain, and its bytes beyond are what counts.  Spelling
 * goes first and alone, so that the chain knows where it begins. */
#include <string.h>

#include "base/err.h"
#include "control/regex.h"
#include "control/shape.h"
#include "session/session.h"
#include "syntax/indent.h"

static lacuna_text token_bytes(const void *model, int32_t token) { return lacuna_token_bytes(model, token); }

/* ---- clauses ---- */

static lac_dfa *next_clause(lac_demand *d, lacuna_refused why)
{
    d->clause[d->n_clauses].why = why;
    return &d->clause[d->n_clauses++].dfa;
}

static int expression(lac_demand *d, lacuna_refused why, const char *expr, size_t len, size_t hole, lac_arena *arena, lacuna_error *err)
{
    lacuna_error own;
    const int r = lac_regex_compile(next_clause(d, why), expr, len, arena, &own);
    return r ? lac_err(err, own.code, own.where, "hole %zu: %s", hole, own.msg) : 0;
}

static int shape(lac_demand *d, const lacuna_hole *hole, size_t h, const char *tag, lac_arena *arena, lacuna_error *err)
{
    const char *expr = lac_shape_regex(hole->shape, tag);
    if (!expr) return lac_err(err, LACUNA_E_ARG, 0, "hole %zu: there is no shape called '%.40s'", h, hole->shape);
    return expression(d, LACUNA_REFUSED_REGEX, expr, strlen(expr), h, arena, err);
}

/* Are there bytes where there is a length? */
static int check(const lacuna_hole *hole, size_t h, lacuna_error *err)
{
    bool given = (hole->begin.bytes || !hole->begin.len) && (hole->end.bytes || !hole->end.len) && (hole->regex.bytes || !hole->regex.len) &&
                 (hole->ban || !hole->n_ban);
    for (size_t i = 0; i < hole->n_ban && given; i++) {
        given = hole->ban[i].bytes;
        if (given && !hole->ban[i].len) return lac_err(err, LACUNA_E_ARG, 0, "hole %zu: an empty ban would ban everything", h);
    }
    return given ? 0 : lac_err(err, LACUNA_E_ARG, 0, "hole %zu: a text has a length and no bytes", h);
}

/* All that a hole asks for, one automaton each. */
static int clauses(lacuna_session *s, lac_demand *d, const lacuna_hole *hole, size_t h, const char *tag, const char *indent, lacuna_error *err)
{
    lac_arena *a = &s->arena;
    int r = 0;
    if (hole->regex.bytes) r = expression(d, LACUNA_REFUSED_REGEX, hole->regex.bytes, hole->regex.len, h, a, err);
    if (!r && hole->shape) r = shape(d, hole, h, tag, a, err);
    if (!r && !d->n_clauses && *indent && !hole->one_line) r = expression(d, LACUNA_REFUSED_INDENT, indent, strlen(indent), h, a, err);
    if (!r && hole->begin.len) r = lac_dfa_begins(next_clause(d, LACUNA_REFUSED_BEGIN), hole->begin, a, err);
    if (!r && hole->end.len) r = lac_dfa_ends(next_clause(d, LACUNA_REFUSED_END), hole->end, a, err);
    if (!r && hole->n_ban) r = lac_dfa_without(next_clause(d, LACUNA_REFUSED_BAN), hole->ban, hole->n_ban, a, err);
    if (!r && hole->one_line && d->n_clauses) r = lac_dfa_without(next_clause(d, LACUNA_REFUSED_LINE), &(lacuna_text){"\n", 1}, 1, a, err);
    return r;
}

static int intersect(lac_demand *d, size_t hole, lac_arena *arena, lacuna_error *err)
{
    d->dfa = d->clause[0].dfa;
    if (!d->dfa.n) return lac_err(err, LACUNA_E_CONSTRAINT, 0, "hole %zu: nothing at all matches its %s", hole, lacuna_refused_name(d->clause[0].why));
    for (size_t i = 1; i < d->n_clauses; i++) {
        const lac_dfa so_far = d->dfa;
        int r = lac_dfa_both(&d->dfa, &so_far, &d->clause[i].dfa, arena, err);
        if (r) return r;
        if (!d->dfa.n)
            return lac_err(err, LACUNA_E_CONSTRAINT, 0, "hole %zu: no text is what it asks for: its %s and its %s exclude each other", hole,
                           i > 1 ? "other wishes" : lacuna_refused_name(d->clause[0].why), lacuna_refused_name(d->clause[i].why));
    }
    return 0;
}

/* ---- demands ---- */

static bool same_text(lacuna_text a, lacuna_text b)
{
    return !a.bytes == !b.bytes && a.len == b.len && (!a.len || !memcmp(a.bytes, b.bytes, a.len));
}

/* Do two holes ask for the same? */
static bool alike(const lacuna_hole *a, const lacuna_hole *b)
{
    if (!same_text(a->regex, b->regex) || !same_text(a->begin, b->begin) || !same_text(a->end, b->end)) return false;
    if (!a->shape != !b->shape || (a->shape && strcmp(a->shape, b->shape))) return false;
    if (a->n_ban != b->n_ban || !a->one_line != !b->one_line) return false;
    for (size_t i = 0; i < a->n_ban; i++)
        if (!same_text(a->ban[i], b->ban[i])) return false;
    return true;
}

static int demand(lacuna_session *s, const lacuna_hole *hole, size_t h, const char *tag, const char *indent, lac_demand **out, lacuna_error *err)
{
    const lacuna_model *m = s->model;
    lac_demand *d = lac_arena_array(&s->arena, 1, sizeof *d);
    if (!d) return lac_nomem(err, "request");
    int r = clauses(s, d, hole, h, tag, indent, err);
    if (r || !d->n_clauses) return r;
    if (d->n_clauses > 1 && d->clause[0].why == LACUNA_REFUSED_INDENT) { /* nobody has asked for it: it gives way */
        if ((r = intersect(d, h, &s->arena, err)) && r != LACUNA_E_CONSTRAINT) return r;
        if (r) memmove(d->clause, d->clause + 1, --d->n_clauses * sizeof *d->clause);
    }
    if (lac_baseline_is(&s->req)) return lac_err(err, LACUNA_E_ARG, 0, "hole %zu asks for something: that goes with the rules independent and paper", h);
    if ((r = intersect(d, h, &s->arena, err))) return r;
    r = lac_lift_make(&d->lift, &d->dfa, token_bytes, m, m->info.n_vocab, m->info.eom, m->flags, LAC_TOKEN_NEVER,
                      hole->one_line ? LAC_TOKEN_LINE : 0, &s->arena, err);
    *out = d;
    return r;
}

int lac_obey_begin(lacuna_session *s, const lacuna_hole *hole, size_t n, const char *text, size_t len, const char *tag, lacuna_error *err)
{
    lac_request *q = &s->req;
    char indent[LAC_INDENT_REGEX] = "";
    size_t words = 0;
    if (!q->opt.document || lac_baseline_is(q) || !lac_indent_regex(text, len, indent)) *indent = 0;
    lac_demand **all = lac_arena_array(&s->arena, n, sizeof *all);
    if (!all) return lac_nomem(err, "request");
    for (size_t h = 0; h < n; h++) {
        size_t twin = 0;
        int r = check(&hole[h], h, err);
        if (r) return r;
        while (twin < h && !alike(&hole[twin], &hole[h])) twin++;
        r = twin < h ? 0 : demand(s, &hole[h], h, tag, indent, &all[h], err);
        if (r) return r;
        if (twin < h) all[h] = all[twin];
        if (!all[h]) continue;
        q->demand = all;
        if (all[h]->lift.n_words > words) words = all[h]->lift.n_words;
    }
    if (!q->demand) return 0;
    q->n_words = words;
    q->allowed = lac_arena_array(&s->arena, words + 2, 1);
    q->bias = lac_arena_array(&s->arena, words + 2, sizeof *q->bias);
    return q->allowed && q->bias ? 0 : lac_nomem(err, "request");
}

int lac_obey_open(lacuna_session *s, lac_fill *f, lacuna_error *err)
{
    const lac_request *q = &s->req;
    const lac_canvas *c = &q->canvas;
    if (!q->demand) return 0;
    f->chain = lac_arena_array(&s->arena, c->n_holes, sizeof *f->chain);
    f->joint = lac_arena_array(&s->arena, c->n_holes, 1);
    if (!f->chain || !f->joint) return lac_nomem(err, "request");
    for (size_t h = 0; h < c->n_holes; h++) {
        if (!q->demand[h]) continue;
        const bool ends = q->min[h] != UINT32_MAX;
        const lac_chain_want want = {&q->demand[h]->lift, c->hole[h].n - c->heal[h].n_tokens, ends ? s->model->info.eom : -1, ends ? q->min[h] : 0,
                                     q->row ? c->hole[h].n : 1};
        int r = lac_chain_open(&f->chain[h], &want, &s->arena, err);
        if (r) return r;
        if (lac_chain_possible(f->chain[h])) continue;
        if (!ends) return lac_err(err, LACUNA_E_CONSTRAINT, 0, "hole %zu: no text of exactly %zu tokens is what it asks for", h, want.n);
        const size_t shortest = lac_chain_shortest(f->chain[h]);
        if (shortest > want.n) return lac_err(err, LACUNA_E_CONSTRAINT, 0, "hole %zu: no text that is what it asks for fits its %zu slots", h, want.n);
        return lac_err(err, LACUNA_E_CONSTRAINT, 0, "hole %zu: no text of %zu to %zu tokens is what it asks for", h, want.min, want.n);
    }
    return 0;
}

/* ---- as things stand ---- */

size_t lac_obey_slot(const lacuna_session *s, const lac_fill *f, size_t slot)
{
    const size_t h = s->req.canvas.hole_of[slot];
    return slot - s->req.canvas.hole[h].first - lac_spell_at(s, f, h).n_old;
}

void lac_obey_look(lacuna_session *s, const lac_fill *f, size_t hole)
{
    const lac_canvas *c = &s->req.canvas;
    const lac_run *run = &c->hole[hole];
    const lac_spell sp = lac_spell_at(s, f, hole);
    size_t first = 0;
    uint32_t start = 0;
    if (!sp.rest.len && sp.slot > run->first + sp.n_old) { /* it went on beyond */
        size_t spelled = 0;
        for (size_t i = run->first; i < sp.slot; i++) spelled += lacuna_token_bytes(s->model, f->token[i]).len;
        const lacuna_text last = lacuna_token_bytes(s->model, f->token[sp.slot - 1]);
        const size_t beyond = spelled - c->heal[hole].rest.len;
        first = 1;
        start = lac_dfa_run(&s->req.demand[hole]->dfa, 0, last.bytes + last.len - beyond, beyond);
    }
    lac_chain_look(f->chain[hole], f->token + run->first + sp.n_old, first, start);
}

/* Of the tokens that spell all that is left, those stay that go on as the hole asks. */
static const uint8_t *front(lacuna_session *s, const lac_fill *f, size_t slot, lacuna_text rest)
{
    const size_t h = s->req.canvas.hole_of[slot];
    const lac_demand *d = s->req.demand[h];
    const int32_t *open = f->token + s->req.canvas.hole[h].first + lac_spell_at(s, f, h).n_old;
    uint8_t *flags = s->req.flags;
    lac_spell_flags(s, slot, rest);
    lac_chain_look(f->chain[h], open, 0, 0);
    for (uint32_t v = 0; v < s->model->info.n_vocab; v++) {
        const lacuna_text t = lacuna_token_bytes(s->model, (int32_t)v);
        if (flags[v] & LAC_TOKEN_NEVER || t.len <= rest.len) continue;
        const uint32_t state = lac_dfa_run(&d->dfa, 0, t.bytes + rest.len, t.len - rest.len);
        if (state == LAC_DFA_DEAD || !lac_chain_completes(f->chain[h], 1, state)) flags[v] |= LAC_TOKEN_OUT;
    }
    return flags;
}

const uint8_t *lac_obey_flags(lacuna_session *s, const lac_fill *f, size_t slot, lacuna_text rest)
{
    const size_t h = s->req.canvas.hole_of[slot];
    const lac_lift *lift = &s->req.demand[h]->lift;
    uint8_t *flags = s->req.flags, *allowed = s->req.allowed;
    if (rest.len) return front(s, f, slot, rest);
    lac_obey_look(s, f, h);
    lac_chain_allowed(f->chain[h], lac_obey_slot(s, f, slot), allowed);
    allowed[lift->n_words + 1] = 0;
    const uint32_t V = s->model->info.n_vocab;
    uint32_t n = 0;
    for (uint32_t w = 0; w <= lift->n_words; w++) n += allowed[w] ? lift->first[w + 1] - lift->first[w] : 0;
    const bool few = n < V / 2; /* those that are fewer are dealt with one by one */
    for (uint32_t v = 0; v < V; v++) flags[v] = s->model->flags[v] | (few ? LAC_TOKEN_OUT : 0);
    for (uint32_t w = 0; w <= lift->n_words + 1; w++)
        for (uint32_t i = lift->first[w]; !allowed[w] != few && i < lift->first[w + 1]; i++) flags[lift->token[i]] ^= LAC_TOKEN_OUT;
    return flags;
}
