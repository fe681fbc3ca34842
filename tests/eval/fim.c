/* An autoregressive fill-in-the-middle model on the same holes as `lacuna infill --jsonl`: decoded greedily, and scored.
 *
 *   entries     tag  suffix  <mask>  prefix | middle ... <eom>      causal, each predicts the next
 *   positions   0    1 ...
 *
 * That is the layout it was trained on (train/objective.h).  Context is cut as the library cuts it (canvas.h), with one
 * position less for <mask>.  Input: a JSON object a line with prompt and suffix; output: its task_id, completion, logprob
 * and nfe, and where canonical_solution is given, truth_logprob: ln p of it and of the <eom> behind it. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "common/args.h"
#include "common/io.h"
#include "common/json.h"
#include "common/say.h"
#include "net/loglik.h"
#include "net/rule.h"
#include "session/session.h"

#define SPARE 8 /* slots that `lacuna score` gives a hole beyond its text: the same context is left */

typedef struct {
    lacuna_model *m;
    lac_pool *pool;
    lac_net net;
    lac_kv_store store;
    lac_kv kv;
    atomic_bool cancel;    /* never set */
    lac_arena arena;       /* of one line */
    int32_t tag;           /* kind of text */
    uint32_t max_tokens;
} fim;

/* A line of entries: all there is before the middle, and room for it. */
typedef struct {
    int32_t *token, *pos;  /* [n, and room for `slots` more] */
    uint32_t *sees;
    size_t n;
} entries;

typedef struct {
    lacuna_text prompt, suffix, truth; /* truth.bytes NULL: none */
} hole;

static int context(fim *f, const hole *h, size_t slots, entries *e, lacuna_error *err)
{
    buf text = {0};
    buf_add(&text, h->prompt.bytes, h->prompt.len);
    buf_add(&text, h->suffix.bytes, h->suffix.len);
    lacuna_span span = {h->prompt.len, h->prompt.len};
    lac_canvas c;
    lac_canvas_want want = {f->m->tok, text.p, text.n, &span, &slots, 1, f->tag, f->m->info.n_context - 1, true, false, NULL, 0};
    int r = lac_canvas_text(&c, &want, &f->arena, err);
    buf_free(&text);
    if (r) return r;
    size_t most = c.n_context + 1 + slots, suffix = 0;
    e->token = lac_arena_array(&f->arena, most, sizeof *e->token);
    e->pos = lac_arena_array(&f->arena, most, sizeof *e->pos);
    e->sees = lac_arena_array(&f->arena, most, sizeof *e->sees);
    if (!e->token || !e->pos || !e->sees) return lac_nomem(err, "fim");
    while (c.pos[suffix]) suffix++; /* the canvas has the suffix first, then the tag at position 0, then the prefix in text order */
    e->n = 0;
    e->token[e->n++] = f->tag;
    for (size_t i = 0; i < suffix; i++) e->token[e->n++] = c.token[i];
    e->token[e->n++] = f->m->info.mask;
    for (size_t i = suffix + 1; i < c.n_context; i++) e->token[e->n++] = c.token[i];
    for (size_t i = 0; i < most; i++) e->pos[i] = (int32_t)i;
    lac_rule_sees(LAC_RULE_PAPER, most, 0, e->sees);
    return 0;
}

/* The likeliest token that may stand in a text, <eom> among them. */
typedef struct {
    const lacuna_model *m;
    int32_t token;
    double logprob;
} pick;

static int take_best(void *ctx, size_t part, size_t i, const float *logits, lacuna_error *err)
{
    pick *p = ctx;
    (void)part, (void)i;
    p->token = -1;
    for (uint32_t v = 0; v < p->m->info.n_vocab; v++)
        if (!(p->m->flags[v] & LAC_TOKEN_NEVER) && (p->token < 0 || logits[v] > logits[p->token])) p->token = (int32_t)v;
    p->logprob = logits[p->token] - lac_softmax_of(logits, p->m->info.n_vocab, p->m->flags, LAC_TOKEN_NEVER, NULL).norm;
    return isnan(p->logprob) ? lac_err(err, LACUNA_E_INTERNAL, 0, "the network gave no number") : 0;
}

static int fill(fim *f, const hole *h, buf *out, double *logprob, size_t *nfe, lacuna_error *err)
{
    entries e;
    pick p = {f->m, -1, 0};
    int r = context(f, h, f->max_tokens, &e, err);
    size_t from = 0;
    *logprob = 0;
    lac_kv_crop(&f->kv, 0);
    for (*nfe = 0; !r && *nfe < f->max_tokens; from = e.n, e.token[e.n++] = p.token) {
        lac_part part = {&f->kv, e.token + from, e.pos + from, e.sees, e.n - from, e.n - from, e.n - from - 1};
        r = lac_net_forward(&f->net, &(lac_pass){&part, 1, NULL}, take_best, &p, err);
        if (r) break;
        ++*nfe;
        *logprob += p.logprob;
        if (p.token == f->m->info.eom) break;
        lacuna_text piece = lac_tok_bytes(f->m->tok, p.token);
        buf_add(out, piece.bytes, piece.len);
    }
    return r;
}

typedef struct {
    const lacuna_model *m;
    const int32_t *next;   /* token behind each entry that has logits */
    size_t first;
    double sum;
} scores;

static int add_score(void *ctx, size_t part, size_t i, const float *logits, lacuna_error *err)
{
    scores *s = ctx;
    (void)part;
    s->sum += logits[s->next[i - s->first]] - lac_softmax_of(logits, s->m->info.n_vocab, s->m->flags, LAC_TOKEN_NEVER, NULL).norm;
    return isnan(s->sum) ? lac_err(err, LACUNA_E_INTERNAL, 0, "the network gave no number") : 0;
}

static int score(fim *f, const hole *h, double *sum, lacuna_error *err)
{
    entries e;
    int32_t *next = lac_arena_array(&f->arena, h->truth.len + 1, sizeof *next);
    size_t *end = lac_arena_array(&f->arena, h->truth.len, sizeof *end);
    if (!next || !end) return lac_nomem(err, "fim");
    int64_t n = lac_tok_encode(f->m->tok, h->truth.bytes, h->truth.len, next, end, h->truth.len, err);
    if (n < 0) return (int)n;
    next[n] = f->m->info.eom;
    int r = context(f, h, (size_t)n + SPARE, &e, err);
    if (r) return r;
    memcpy(e.token + e.n, next, (size_t)n * sizeof *next);
    scores s = {f->m, next, e.n - 1, 0};
    lac_part part = {&f->kv, e.token, e.pos, e.sees, e.n + (size_t)n, 0, e.n - 1};
    lac_kv_crop(&f->kv, 0);
    r = lac_net_forward(&f->net, &(lac_pass){&part, 1, NULL}, add_score, &s, err);
    *sum = s.sum;
    return r;
}

/* 0, or -1 with the reason. */
static int one_line(fim *f, const char *line, size_t n, char *why, size_t why_size)
{
    json_error_t e;
    lacuna_error err;
    hole h = {0};
    buf b = {0}, text = {0};
    double logprob, truth = 0;
    size_t nfe, id_len;
    const char *id;
    json_t *o = json_loadb(line, n, JSON_ALLOW_NUL, &e);
    int r = o ? 0 : (snprintf(why, why_size, "not JSON: %s", e.text), -1);
    int has_id = r ? 0 : json_get_text(o, "task_id", &id, &id_len, why, why_size);
    int has = r ? 0 : json_get_text(o, "prompt", &h.prompt.bytes, &h.prompt.len, why, why_size);
    int has_too = r ? 0 : json_get_text(o, "suffix", &h.suffix.bytes, &h.suffix.len, why, why_size);
    int has_truth = r ? 0 : json_get_text(o, "canonical_solution", &h.truth.bytes, &h.truth.len, why, why_size);
    if (!r && (has_id < 0 || has < 0 || has_too < 0 || has_truth < 0)) r = -1;
    if (!r && (!has || !has_too)) r = (snprintf(why, why_size, "prompt or suffix is missing"), -1);
    if (!r) {
        r = fill(f, &h, &text, &logprob, &nfe, &err);
        if (!r && has_truth) r = score(f, &h, &truth, &err);
        if (r) snprintf(why, why_size, "%s", err.msg);
    }
    if (!r) {
        buf_put(&b, "{");
        if (has_id) json_add_text(&b, "task_id", id, id_len);
        json_add_text(&b, "completion", text.n ? text.p : "", text.n);
        json_add_real(&b, "logprob", logprob);
        json_add_uint(&b, "nfe", nfe);
        if (has_truth) json_add_real(&b, "truth_logprob", truth);
        buf_put(&b, "}\n");
        io_out(b.p, b.n);
    }
    buf_free(&b);
    buf_free(&text);
    json_decref(o);
    lac_arena_reset(&f->arena);
    return r ? -1 : 0;
}

static int open_all(fim *f, const char *path, const char *lang, unsigned threads, lacuna_error *err)
{
    int r = lacuna_model_open(&f->m, path, NULL, err);
    if (r) return r;
    f->arena.mem = &f->m->mem;
    if (!f->m->tok || f->m->info.eom < 0) return lac_err(err, LACUNA_E_ARG, 0, "%s has no tokenizer with <eom>", path);
    r = lac_model_tag(f->m, lang, &f->tag, err);
    if (!r) r = lac_pool_open(&f->pool, &f->m->mem, threads, err);
    if (!r) r = lac_model_pack(f->m, err);
    if (!r) r = lac_net_open(&f->net, &f->m->w, f->m->kern, &f->m->mem, f->pool, &f->cancel, err);
    if (!r) r = lac_net_reserve(&f->net, 0, err);
    if (r) return r;
    lac_kv_store_init(&f->store, &f->m->w.hp, LAC_BF16, &f->m->mem);
    lac_kv_init(&f->kv, &f->store);
    return lac_kv_reserve(&f->kv, f->m->info.n_context, err);
}

int main(int argc, char **argv)
{
    fim f = {.max_tokens = 16};
    const char *model = NULL, *lang = NULL;
    uint32_t threads = 1;
    const arg_opt opts[] = {OPT("model", 'm', ARG_TEXT, &model, "MODEL", "model file"),
                            OPT_NUM("max-tokens", 0, ARG_U32, &f.max_tokens, "N", 1, 65536, "tokens a hole may get (default 16)"),
                            OPT("lang", 0, ARG_TEXT, &lang, "TAG", "kind of text"),
                            OPT_NUM("threads", 0, ARG_U32, &threads, "N", 1, 256, "threads (default 1)"), OPT_END};
    char why[512];
    lacuna_error err;
    arg_list operands = {0};
    say_as("fim");
    int r = args_parse(opts, argc - 1, argv + 1, &operands, why, sizeof why);
    if (r || !model || !lang || operands.n)
        return say("%s", r == ARGS_USAGE ? why : "usage: fim -m MODEL --lang TAG [--max-tokens N] [--threads N] <CASES"), 2;
    r = open_all(&f, model, lang, threads, &err);
    if (r) say("%s", err.msg);
    io_lines in = {.fd = 0};
    char *line;
    size_t n, number = 0;
    int got = IO_EOF;
    while (!r && (got = io_line(&in, &line, &n)) == IO_LINE) {
        number++;
        if ((r = one_line(&f, line, n, why, sizeof why))) say("line %zu: %s", number, why);
    }
    if (got == IO_FAILED) r = (say("standard input: %s", strerror(errno)), -1);
    buf_free(&in.b);
    free(operands.v);
    lac_kv_free(&f.kv);
    lac_kv_store_free(&f.store);
    lac_net_free(&f.net);
    lac_pool_free(f.pool);
    lac_arena_free(&f.arena);
    lacuna_model_free(f.m);
    return r ? 1 : 0;
}
