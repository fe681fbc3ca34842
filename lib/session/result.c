/* What stands of a request so far: texts, ids, counters. */
#include <string.h>

#include "base/err.h"
#include "control/shape.h"
#include "session/session.h"

static int hole_at(lacuna_session *s, size_t candidate, size_t hole, lacuna_error *err)
{
    if (!s || !s->req.n_fills) return lac_err(err, LACUNA_E_ARG, 0, "no request has begun");
    if (candidate >= s->req.n_fills)
        return lac_err(err, LACUNA_E_ARG, 0, "candidate %zu was asked for, there are %zu", candidate, s->req.n_fills);
    if (hole >= s->req.canvas.n_holes)
        return lac_err(err, LACUNA_E_ARG, 0, "hole %zu was asked for, there are %zu", hole, s->req.canvas.n_holes);
    return 0;
}

int lacuna_candidate_fill(lacuna_session *s, size_t candidate, size_t hole, lacuna_text *out, lacuna_error *err)
{
    if (!out) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_fill: out must not be NULL");
    *out = (lacuna_text){"", 0};
    int r = hole_at(s, candidate, hole, err);
    if (r) return r;
    const lac_request *q = &s->req;
    const lac_run *run = &q->canvas.hole[hole];
    const int32_t *token = q->fill[candidate].token;
    size_t n = 0, healed = q->canvas.heal ? q->canvas.heal[hole].rest.len : 0;
    for (size_t i = run->first; i < run->first + run->n && token[i] >= 0; i++) {
        lacuna_text b = lacuna_token_bytes(s->model, token[i]);
        if (b.len) memcpy(q->text + n, b.bytes, b.len);
        n += b.len;
    }
    if (healed > n) healed = n; /* these bytes stand in the text already */
    *out = (lacuna_text){q->text + healed, n - healed};
    return 0;
}

int64_t lacuna_candidate_ids(lacuna_session *s, size_t candidate, size_t hole, const lacuna_token **ids, lacuna_error *err)
{
    if (!ids) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_fill_ids: ids must not be NULL");
    *ids = NULL;
    int r = hole_at(s, candidate, hole, err);
    if (r) return r;
    const lac_request *q = &s->req;
    const int32_t *token = q->fill[candidate].token;
    if (!q->ids) {
        *ids = token + q->canvas.hole[hole].first;
        return (int64_t)q->canvas.hole[hole].n;
    }
    for (size_t i = 0; i < q->canvas.n_context; i++) q->ids_out[q->canvas.pos[i]] = q->canvas.token[i];
    for (size_t i = 0; i < q->canvas.n_slots; i++) q->ids_out[q->canvas.slot_pos[i]] = token[i];
    *ids = q->ids_out;
    return (int64_t)(q->canvas.n_context + q->canvas.n_slots);
}

int lacuna_fill(lacuna_session *s, size_t hole, lacuna_text *out, lacuna_error *err) { return lacuna_candidate_fill(s, 0, hole, out, err); }

int64_t lacuna_fill_ids(lacuna_session *s, size_t hole, const lacuna_token **ids, lacuna_error *err)
{
    return lacuna_candidate_ids(s, 0, hole, ids, err);
}

lacuna_stats lacuna_candidate_stats(const lacuna_session *s, size_t candidate)
{
    lacuna_stats stats = s->req.stats;
    if (candidate < s->req.n_fills) {
        stats.n_tokens = s->req.fill[candidate].n_tokens;
        stats.logprob = s->req.fill[candidate].logprob;
        stats.n_repairs = s->req.fill[candidate].repairs;
        stats.n_faults = s->req.fill[candidate].faults;
    }
    return stats;
}

lacuna_stats lacuna_get_stats(const lacuna_session *s) { return lacuna_candidate_stats(s, 0); }

int64_t lacuna_context(const lacuna_session *s, const lacuna_context_part **parts, lacuna_error *err)
{
    if (!s || !parts) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_context: NULL where something is needed");
    *parts = s->req.canvas.part;
    if (!s->req.n_fills) return lac_err(err, LACUNA_E_ARG, 0, "no request has begun");
    return (int64_t)s->req.canvas.n_parts;
}

/* ---- names ---- */

const char *lacuna_refused_name(int why)
{
    static const char *const name[] = {"length", "line", "spelling", "regex", "begin", "end", "ban", "indentation", "room", "syntax"};
    return why >= 0 && (size_t)why < sizeof name / sizeof *name ? name[why] : "?";
}

const char *lacuna_context_name(int why)
{
    static const char *const name[] = {"near", "enclosing", "import", "signature"};
    return why >= 0 && (size_t)why < sizeof name / sizeof *name ? name[why] : "?";
}

const char *const *lacuna_shapes(void) { return lac_shape_names; }
