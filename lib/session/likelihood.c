#include "session/likelihood.h"

#include <string.h>

#include "base/err.h"
#include "net/rule.h"

#define DEFAULT_SPARE 8

static int settle(lacuna_score_options *o, lacuna_error *err)
{
    if (o->order != LACUNA_ORDER_LEFT && o->order != LACUNA_ORDER_RANDOM)
        return lac_err(err, LACUNA_E_ARG, 0, "likelihood is defined under the orders left and random");
    if (!(o->alpha0 >= 0 && o->alpha0 <= 1)) return lac_err(err, LACUNA_E_ARG, 0, "alpha0 must be in [0, 1]; it is %g", o->alpha0);
    if (o->n_orders > 1000000) return lac_err(err, LACUNA_E_LIMIT, 0, "%u orders are too many", (unsigned)o->n_orders);
    if (!o->n_orders) o->n_orders = 1;
    if (o->alpha0 == 0) o->alpha0 = 1;
    if (!o->spare) o->spare = DEFAULT_SPARE;
    if (o->exact) o->no_end = 1;
    return 0;
}

int lac_likelihood_begin(lacuna_session *s, lacuna_score_options *o, const lacuna_score_options *given, lacuna_error *err)
{
    lac_request_drop(&s->req);
    lac_arena_reset(&s->arena);
    int r = lac_session_cancelled(s, err);
    if (!r) r = lac_session_options(o, sizeof *o, given, "score", err);
    return r ? r : settle(o, err);
}

int lac_likelihood_want(const lacuna_session *s, lac_canvas_want *want, const char *text, size_t len, const lacuna_span *span, size_t n,
                        const lacuna_score_options *o, lacuna_error *err)
{
    const lacuna_model *m = s->model;
    *want = (lac_canvas_want){.tok = m->tok, .text = text, .len = len, .span = span, .n_holes = n, .limit = s->limit, .drop_far = o->drop_far != 0,
                              .heal = o->heal != 0};
    if (!m->tok) return lac_err(err, LACUNA_E_ARG, 0, "%s has no tokenizer: it works on ids only", m->file.name);
    int r = lac_canvas_check(text, len, span, n, err);
    return r ? r : lac_model_tag(m, o->tag, &want->tag, err);
}

int lac_likelihood_encode(lacuna_session *s, lac_answer *a, lacuna_text text, size_t where, lacuna_error *err)
{
    const lac_tok *tok = s->model->tok;
    const size_t most = s->limit * lac_tok_longest(tok);
    if (text.len > LAC_CANVAS_COUNTED && text.len > most)
        return lac_err(err, LACUNA_E_LIMIT, where, "%zu bytes to score do not fit %u positions", text.len, (unsigned)s->limit);
    a->token = lac_arena_array(&s->arena, text.len, sizeof *a->token);
    a->end = lac_arena_array(&s->arena, text.len, sizeof *a->end);
    if (!a->token || !a->end) return lac_nomem(err, "score");
    int64_t n = lac_tok_encode(tok, text.bytes, text.len, a->token, a->end, text.len, err);
    if (n < 0) return (int)n;
    a->n = (size_t)n;
    return 0;
}

int lac_likelihood_heal(lacuna_session *s, lac_answer *answer, const lac_canvas *c, size_t h, int32_t eom, lacuna_text text, size_t where,
                        lacuna_error *err)
{
    const lacuna_text rest = c->heal[h].rest;
    const size_t slots = c->hole[h].n - (eom >= 0);
    if (!answer[h].token || !rest.len) return 0;
    size_t len;
    char *whole = lac_add(rest.len, text.len, &len) ? lac_arena_alloc(&s->arena, len) : NULL;
    if (!whole) return lac_nomem(err, "score");
    memcpy(whole, rest.bytes, rest.len);
    memcpy(whole + rest.len, text.bytes, text.len);
    int r = lac_likelihood_encode(s, &answer[h], (lacuna_text){whole, len}, where, err);
    if (r || answer[h].n <= slots) return r;
    return lac_err(err, LACUNA_E_LIMIT, where, "with the bytes before hole %zu its text has %zu tokens, and there are slots for %zu", h,
                   answer[h].n, slots);
}

size_t lac_likelihood_entries(const lac_answer *answer, const lac_canvas *c, int32_t eom, int32_t *token, int32_t *pos)
{
    size_t k = 0;
    for (size_t h = 0; h < c->n_holes; h++) {
        const lac_answer *a = &answer[h];
        for (size_t i = 0; a->token && i < a->n + (eom >= 0); i++, k++) {
            if (token) token[k] = i < a->n ? a->token[i] : eom;
            if (pos) pos[k] = c->slot_pos[c->hole[h].first + i];
        }
    }
    return k;
}

int lac_likelihood_load(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n, size_t more, lac_kv **kv, lacuna_error *err)
{
    uint32_t *sees = lac_arena_array(&s->arena, n, sizeof *sees);
    if (!sees) return lac_nomem(err, "score");
    int r = lac_session_take(s, token, pos, n, n + more, kv, err);
    if (r) return r;
    const size_t had = (*kv)->len;
    lac_rule_sees(LAC_RULE_PAPER, n - had, 0, sees);
    const lac_part p = {*kv, token + had, pos + had, sees, n - had, n - had, n - had};
    r = n > had ? lac_net_forward(&s->net, &(lac_pass){&p, 1, NULL}, NULL, NULL, err) : 0;
    if (r == LACUNA_E_CANCELLED) lac_session_cancelled(s, NULL);
    return r;
}
