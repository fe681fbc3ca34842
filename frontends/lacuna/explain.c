/* --explain: a readable account of a fill. */
#include "lacuna/explain.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/say.h"

void explain_lines(lacuna_text text, lacuna_span span, size_t *first, size_t *last)
{
    size_t line = 1;
    *first = *last = 1;
    for (size_t i = 0; i < text.len && i < span.end; i++) {
        if (i == span.start) *first = line;
        *last = line;
        line += text.bytes[i] == '\n';
    }
    if (span.start >= span.end || span.start >= text.len) *first = *last = line;
}

void explain_choices(buf *b, const hole_set *holes, const choice_rest *rest)
{
    for (size_t k = 0; k < rest->n_made; k++) {
        const choice_made *m = &rest->made[k];
        buf_fmt(b, "hole %zu: ", m->hole + 1);
        for (size_t i = 0; i < m->n; i++) {
            lacuna_text t = holes->more[m->hole].choice[i];
            buf_put(b, i ? ", " : "");
            json_put_string(b, t.bytes, t.len);
            buf_fmt(b, " %.4f%s", m->items[i].prob, i == m->best ? " (taken)" : "");
        }
        buf_put(b, "\n");
    }
}

/* Parts that touch are one, whatever holes lie between them. */
static void add_context(buf *b, lacuna_text text, const fill_outcome *out)
{
    for (size_t i = 0, k; i < out->n_context; i = k) {
        const lacuna_context_part *p = out->context;
        size_t first, last, from, to;
        explain_lines(text, p[i].span, &first, &last);
        for (k = i + 1; k < out->n_context && p[k].why == p[i].why; k++, last = to) {
            explain_lines(text, p[k].span, &from, &to);
            if (from > last + 1) break;
        }
        buf_fmt(b, first == last ? "read line %zu" : "read lines %zu-%zu", first, last);
        buf_fmt(b, ": %s\n", lacuna_context_name((int)p[i].why));
    }
    if (out->n && out->v[0].dropped) buf_fmt(b, "not read: %zu bytes\n", out->v[0].dropped);
}

void explain_outcome(buf *b, lacuna_text text, const fill_outcome *out)
{
    add_context(b, text, out);
    for (size_t i = 0; i < out->n; i++) {
        const fill_result *r = &out->v[i];
        if (out->n > 1)
            buf_fmt(b, "rank %zu: candidate %zu, %.4f a token, %zu tokens", i + 1, r->candidate, r->logprob / (double)r->tokens, r->tokens);
        if (out->n > 1 && (r->repairs || r->faults)) buf_put(b, ", ");
        if (r->repairs || r->faults) buf_fmt(b, "taken back %zu times for syntax errors, %zu left", r->repairs, r->faults);
        if (out->n > 1 || r->repairs || r->faults) buf_put(b, "\n");
    }
}

static void where(buf *b, int64_t candidate, const lacuna_event *ev, size_t hole)
{
    buf_fmt(b, "step %zu, ", ev->step + 1);
    if (candidate >= 0) buf_fmt(b, "candidate %lld, ", (long long)candidate);
    buf_fmt(b, "hole %zu, ", hole + 1);
}

/* A token in quotes. */
static void token(buf *b, const lacuna_model *m, lacuna_token id, lacuna_text t)
{
    if (id == lacuna_model_get_info(m)->eom) buf_put(b, "<eom>");
    else json_put_string(b, t.bytes, t.len);
}

void explain_step(buf *b, const lacuna_model *m, int64_t candidate, const lacuna_event *ev)
{
    for (size_t i = 0; i < ev->n_refusals; i++) {
        const lacuna_refusal *r = &ev->refusals[i];
        where(b, candidate, ev, r->hole);
        buf_fmt(b, "slot %zu: ", r->slot + 1);
        token(b, m, r->token, r->text);
        buf_fmt(b, " (%.3f) refused: %s", r->prob, lacuna_refused_name((int)r->why));
        for (size_t k = 0; k < ev->n; k++) {
            if (ev->reveals[k].hole != r->hole || ev->reveals[k].slot != r->slot) continue;
            buf_put(b, "; ");
            token(b, m, ev->reveals[k].token, ev->reveals[k].text);
            buf_put(b, " taken");
        }
        buf_put(b, "\n");
    }
    for (size_t i = 0; i < ev->n_reopened;) {
        size_t from = i, hole = ev->reopened[i].hole;
        while (i < ev->n_reopened && ev->reopened[i].hole == hole) i++;
        where(b, candidate, ev, hole);
        buf_fmt(b, "slot %zu on: taken back for a syntax error: ", ev->reopened[from].slot + 1);
        buf text = {0};
        for (size_t k = from; k < i; k++) buf_add(&text, ev->reopened[k].text.bytes, ev->reopened[k].text.len);
        json_put_string(b, text.p ? text.p : "", text.n);
        buf_free(&text);
        buf_put(b, "\n");
    }
}

void explain_say(const buf *b)
{
    for (size_t i = 0; i < b->n;) {
        const char *lf = memchr(b->p + i, '\n', b->n - i);
        size_t n = lf ? (size_t)(lf - b->p) - i : b->n - i;
        say("%.*s", (int)(n < 4000 ? n : 4000), b->p + i);
        i += n + 1;
    }
}
