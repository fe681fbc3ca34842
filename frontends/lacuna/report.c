/* What the commands print with --json and what `serve` replies. */
#include "lacuna/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"
#include "lacuna/explain.h"

/* Slots that are open again. */
static void add_reopened(buf *b, const lacuna_event *ev)
{
    json_key(b, "reopened");
    buf_put(b, "[");
    for (size_t i = 0; i < ev->n_reopened; i++) {
        json_comma(b);
        buf_put(b, "{");
        json_add_uint(b, "hole", ev->reopened[i].hole);
        json_add_uint(b, "slot", ev->reopened[i].slot);
        buf_put(b, "}");
    }
    buf_put(b, "]");
}

static void add_refusals(buf *b, const lacuna_event *ev)
{
    json_key(b, "refusals");
    buf_put(b, "[");
    for (size_t i = 0; i < ev->n_refusals; i++) {
        const lacuna_refusal *r = &ev->refusals[i];
        json_comma(b);
        buf_put(b, "{");
        json_add_uint(b, "hole", r->hole);
        json_add_uint(b, "slot", r->slot);
        json_add_int(b, "token", r->token);
        json_add_text(b, "text", r->text.bytes, r->text.len);
        json_add_real(b, "prob", r->prob);
        json_add_name(b, "why", lacuna_refused_name((int)r->why));
        buf_put(b, "}");
    }
    buf_put(b, "]");
}

void report_step(buf *b, const lacuna_event *ev, size_t nfe, int explain)
{
    json_add_uint(b, "step", ev->step);
    json_add_name(b, "phase", ev->phase == LACUNA_PHASE_DIFFUSION ? "diffusion" : "sequential");
    json_add_uint(b, "nfe", nfe);
    json_key(b, "reveals");
    buf_put(b, "[");
    for (size_t i = 0; i < ev->n; i++) {
        const lacuna_reveal *r = &ev->reveals[i];
        json_comma(b);
        buf_put(b, "{");
        json_add_uint(b, "hole", r->hole);
        json_add_uint(b, "slot", r->slot);
        json_add_int(b, "token", r->token);
        json_add_text(b, "text", r->text.bytes, r->text.len);
        json_add_real(b, "logprob", r->logprob);
        json_add_real(b, "prob", r->prob);
        json_add_real(b, "entropy", r->entropy);
        buf_put(b, "}");
    }
    buf_put(b, "]");
    if (ev->n_reopened) add_reopened(b, ev);
    if (explain) add_refusals(b, ev);
    json_add_uint(b, "open", ev->n_open);
}

/* "fills", and "fills_bytes" when one of them is not UTF-8. */
static void add_fills(buf *b, const fill_result *r)
{
    int lossy = 0;
    json_key(b, "fills");
    buf_put(b, "[");
    for (size_t i = 0; i < r->n_holes; i++) {
        json_comma(b);
        lossy |= json_put_string(b, r->fills[i].p, r->fills[i].n);
    }
    buf_put(b, "]");
    if (!lossy) return;
    json_key(b, "fills_bytes");
    buf_put(b, "[");
    for (size_t i = 0; i < r->n_holes; i++) {
        json_comma(b);
        json_put_base64(b, r->fills[i].p, r->fills[i].n);
    }
    buf_put(b, "]");
}

void report_fills(buf *b, const fill_result *r)
{
    add_fills(b, r);
    json_add_real(b, "logprob", r->logprob);
    json_add_uint(b, "tokens", r->tokens);
    json_add_uint(b, "nfe", r->nfe);
    json_key(b, "ms");
    buf_fmt(b, "%.3f", r->ms);
    json_add_uint(b, "seed", r->seed);
    json_add_uint(b, "dropped", r->dropped);
    json_add_uint(b, "faults", r->faults);
    json_add_uint(b, "repairs", r->repairs);
}

void report_candidates(buf *b, const fill_result *r, size_t n)
{
    json_key(b, "candidates");
    buf_put(b, "[");
    for (size_t i = 0; i < n; i++) {
        json_comma(b);
        buf_put(b, "{");
        json_add_uint(b, "candidate", r[i].candidate);
        report_fills(b, &r[i]);
        buf_put(b, "}");
    }
    buf_put(b, "]");
}

void report_rank(buf *b, const lacuna_rank_item *item)
{
    json_add_real(b, "logprob", item->logprob);
    json_add_uint(b, "tokens", item->n_tokens);
    json_add_real(b, "prob", item->prob);
}

void report_choices(buf *b, const hole_set *holes, const choice_rest *rest)
{
    if (!rest->n_made) return;
    json_key(b, "choices");
    buf_put(b, "[");
    for (size_t k = 0; k < rest->n_made; k++) {
        const choice_made *m = &rest->made[k];
        json_comma(b);
        buf_put(b, "{");
        json_add_uint(b, "hole", m->hole);
        json_key(b, "texts");
        buf_put(b, "[");
        for (size_t i = 0; i < m->n; i++) {
            lacuna_text t = holes->more[m->hole].choice[i];
            json_comma(b);
            buf_put(b, "{");
            json_add_text(b, "text", t.bytes, t.len);
            report_rank(b, &m->items[i]);
            buf_put(b, "}");
        }
        buf_put(b, "]}");
    }
    buf_put(b, "]");
}

void report_context(buf *b, lacuna_text text, const fill_outcome *out)
{
    json_key(b, "context");
    buf_put(b, "[");
    for (size_t i = 0; i < out->n_context; i++) {
        const lacuna_context_part *p = &out->context[i];
        size_t first, last;
        explain_lines(text, p->span, &first, &last);
        json_comma(b);
        buf_put(b, "{");
        json_add_uint(b, "start", p->span.start);
        json_add_uint(b, "end", p->span.end);
        json_key(b, "lines");
        buf_fmt(b, "[%zu,%zu]", first, last);
        json_add_name(b, "why", lacuna_context_name((int)p->why));
        buf_put(b, "}");
    }
    buf_put(b, "]");
}

double report_bits(double logprob, const lacuna_span *spans, size_t n_spans)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n_spans; i++) bytes += spans[i].end - spans[i].start;
    return bytes ? -logprob / log(2) / (double)bytes : NAN;
}

void report_score(buf *b, const lacuna_model *m, const lacuna_score_result *r, const lacuna_span *spans,
                  size_t n_spans, int with_bound)
{
    json_add_real(b, "logprob", r->logprob);
    if (with_bound) json_add_real(b, "bound", r->bound);
    json_key(b, "tokens");
    buf_put(b, "[");
    for (size_t i = 0; i < r->n; i++) {
        const lacuna_score_item *t = &r->items[i];
        lacuna_text text = lacuna_token_bytes(m, t->token);
        json_comma(b);
        buf_put(b, "{");
        json_add_uint(b, "hole", t->hole);
        json_add_uint(b, "start", t->span.start);
        json_add_uint(b, "end", t->span.end);
        json_add_int(b, "token", t->token);
        json_add_text(b, "text", text.bytes, text.len);
        json_add_real(b, "logprob", t->logprob);
        buf_put(b, "}");
    }
    buf_put(b, "]");
    json_add_real(b, "bits_per_byte", report_bits(r->logprob, spans, n_spans));
}

void report_info(buf *b, const char *path, const lacuna_model_info *in)
{
    json_add_text(b, "path", path, strlen(path));
    json_add_text(b, "name", in->name, strlen(in->name));
    json_add_text(b, "license", in->license, strlen(in->license));
    json_add_name(b, "variant", in->variant);
    json_add_name(b, "weights", in->weights);
    json_add_name(b, "kernel", in->kernel);
    json_add_uint(b, "parameters", in->n_params);
    json_add_uint(b, "file_size", in->file_size);
    json_add_uint(b, "vocab", in->n_vocab);
    json_add_uint(b, "context", in->n_context);
    json_add_uint(b, "width", in->n_embd);
    json_add_uint(b, "layers", in->n_layer);
    json_add_uint(b, "heads", in->n_head);
    json_add_uint(b, "ff", in->n_ff);
    json_add_int(b, "mask", in->mask);
    json_add_int(b, "eom", in->eom);
    json_add_bool(b, "tokenizer", in->has_tokenizer);
    json_key(b, "tags");
    buf_put(b, "[");
    for (size_t i = 0; i < in->n_tags; i++) {
        json_comma(b);
        json_put_string(b, in->tags[i], strlen(in->tags[i]));
    }
    buf_put(b, "]");
    json_add_name(b, "version", lacuna_version());
}
