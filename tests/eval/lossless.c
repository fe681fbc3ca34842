/* What lossless passes (session/lossless.c) are made of, on the holes of `lacuna infill --jsonl`, greedy:
 *
 *   lossless -m MODEL --kinds <CASES    how often a draft of each kind would have been right: what sample/draft.c begins from
 *   lossless -m MODEL --costs           time of a pass by its drafts: what session/lossless.c takes one for
 *   lossless -m MODEL <CASES            time of lossless fills, in that of fills by one slot a pass, and whether the text is the same
 *
 * Kinds and times are for different cases, as `awk NR%2` gives them.  Contexts are cached before a fill is timed.  A model without
 * a tokenizer takes bytes for ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "common/args.h"
#include "common/io.h"
#include "common/json.h"
#include "common/say.h"
#include "session/session.h"

enum { ROWS = 32, MOST_SLOTS = 64, ROUNDS = 7, COST_DRAFTS = 12, COST_CONTEXT = 512, COST_STEPS = 60 };

typedef struct {
    lacuna_text prompt, suffix, lang;
    char kind[32];
} hole;

typedef struct {
    char name[64];
    size_t fills, tokens, passes, differ;
    double one, many, worst; /* s, s, many / one of the worst fill */
} row;

typedef struct {
    lacuna_model *m;
    lacuna_session *s;
    row rows[ROWS];
    size_t n_rows;
    size_t tried[LAC_DRAFT_KINDS], right[LAC_DRAFT_KINDS];
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- a fill ---- */

static int begin(bench *b, const hole *h, int lossless, lacuna_error *err)
{
    char lang[32];
    const size_t slots = !strcmp(h->kind, "multi") ? MOST_SLOTS : 16;
    buf text = {0};
    snprintf(lang, sizeof lang, "%.*s", (int)h->lang.len, h->lang.bytes);
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = b->m->tok ? lang : NULL, .drop_far = 1, .lossless = lossless};
    buf_add(&text, h->prompt.bytes, h->prompt.len);
    int r;
    if (b->m->tok) {
        const lacuna_hole span = {.span = {h->prompt.len, h->prompt.len}, .max_tokens = (uint32_t)slots};
        buf_add(&text, h->suffix.bytes, h->suffix.len);
        r = lacuna_infill(b->s, text.p, text.n, &span, 1, &opt, err);
    } else {
        lacuna_token ids[512 + MOST_SLOTS];
        size_t from = text.n > 512 ? text.n - 512 : 0, n = 0;
        while (from < text.n) ids[n++] = (unsigned char)text.p[from++];
        for (size_t i = 0; i < slots; i++) ids[n++] = -1;
        r = lacuna_infill_ids(b->s, ids, n, &opt, err);
    }
    buf_free(&text);
    return r;
}

/* Steps to the end: their time and tokens. */
static int fill(bench *b, const hole *h, int lossless, double *seconds, lacuna_token *ids, size_t *n, lacuna_error *err)
{
    const lacuna_event *ev;
    int r = begin(b, h, lossless, err);
    const double start = now();
    *n = 0;
    while (!r && (r = lacuna_step(b->s, &ev, err)) > 0) {
        for (size_t i = 0; i < ev->n; i++) ids[(*n)++] = ev->reveals[i].token;
        r = 0;
    }
    *seconds = now() - start;
    return r;
}

/* ---- times ---- */

static row *row_of(bench *b, const char *kind, const char *lang)
{
    char name[64];
    snprintf(name, sizeof name, "%s %s", kind, lang);
    for (size_t i = 0; i < b->n_rows; i++)
        if (!strcmp(b->rows[i].name, name)) return &b->rows[i];
    row *r = &b->rows[b->n_rows < ROWS - 1 ? b->n_rows++ : ROWS - 1];
    memcpy(r->name, name, sizeof name);
    return r;
}

static int time_hole(bench *b, const hole *h, lacuna_error *err)
{
    lacuna_token ids[2][MOST_SLOTS];
    size_t n[2], passes = 0;
    double t, best[2] = {1e9, 1e9};
    int r = fill(b, h, 0, &t, ids[0], &n[0], err);
    for (int k = 0; k < 2 * ROUNDS && !r; k++) {
        r = fill(b, h, k & 1, &t, ids[k & 1], &n[k & 1], err);
        if (t < best[k & 1]) best[k & 1] = t;
        passes = lacuna_get_stats(b->s).nfe;
    }
    if (r) return r;
    char lang[32];
    snprintf(lang, sizeof lang, "%.*s", (int)h->lang.len, h->lang.bytes);
    row *of[4] = {row_of(b, h->kind, lang), row_of(b, h->kind, "all"), row_of(b, "all", lang), row_of(b, "all", "all")};
    for (int i = 0; i < 4; i++) {
        of[i]->fills++;
        of[i]->tokens += n[1];
        of[i]->passes += passes;
        of[i]->differ += n[0] != n[1] || memcmp(ids[0], ids[1], n[0] * sizeof *ids[0]) != 0;
        of[i]->one += best[0];
        of[i]->many += best[1];
        if (best[1] / best[0] > of[i]->worst) of[i]->worst = best[1] / best[0];
    }
    return 0;
}

static void show_times(const bench *b)
{
    puts("| hole | fills | tokens a pass | one, ms | lossless, ms | ratio | worst fill | differ |\n"
         "| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (const row *r = b->rows; r < b->rows + b->n_rows; r++)
        printf("| %s | %zu | %.2f | %.2f | %.2f | %.2f | %.2f | %zu |\n", r->name, r->fills, (double)r->tokens / (double)r->passes,
               1e3 * r->one / (double)r->fills, 1e3 * r->many / (double)r->fills, r->many / r->one, r->worst, r->differ);
}

/* ---- kinds ---- */

/* Every slot that is revealed is looked at as if all before it stood. */
static int see_hole(bench *b, const hole *h, lacuna_error *err)
{
    const lacuna_event *ev;
    const lac_request *q = &b->s->req;
    int r = begin(b, h, 1, err);
    if (r) return r;
    const size_t n = q->canvas.n_context + q->canvas.n_slots;
    size_t first = 0;
    int32_t *line = malloc(n * sizeof *line);
    if (!line) return lac_nomem(err, "a text");
    for (size_t i = 0; i < n; i++) {
        const size_t k = q->text_order[i];
        line[i] = k < q->canvas.n_context ? q->canvas.token[k] : -1;
        if (k == q->canvas.n_context) first = i;
    }
    while ((r = lacuna_step(b->s, &ev, err)) > 0)
        for (const lacuna_reveal *x = ev->reveals; x < ev->reveals + ev->n; x++) {
            const lac_draft d = lac_draft_repeat(line, n, first + x->slot);
            if (d.token >= 0) b->tried[d.kind]++, b->right[d.kind] += d.token == x->token;
            line[first + x->slot] = x->token;
        }
    free(line);
    return r;
}

static void show_kinds(const bench *b)
{
    static const char *const length[] = {"1", "2", "3", "4 to 7", "8"};
    puts("| tokens that match | others differ | no others | others agree |\n| --- | --- | --- | --- |");
    for (int k = 0; k < LAC_DRAFT_KINDS; k++) {
        if (k % 3 == 0) printf("| %s ", length[k / 3]);
        printf("| %.2f of %zu%s", b->tried[k] ? (double)b->right[k] / (double)b->tried[k] : 0, b->tried[k], k % 3 == 2 ? " |\n" : " ");
    }
}

/* ---- costs ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median time of a pass with k drafts that are all taken for good.  Every other token is the same, so that there is a match
 * everywhere. */
static int time_drafts(bench *b, uint32_t k, double *seconds, lacuna_error *err)
{
    lacuna_token ids[COST_CONTEXT];
    double t[COST_STEPS];
    const lacuna_infill_options opt = {LACUNA_INFILL_INIT, .lossless = k > 0, .draft = k};
    const lacuna_event *ev;
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < COST_CONTEXT; i++)
        ids[i] = i % 2 ? 10 : i < COST_CONTEXT - 2 * MOST_SLOTS ? (lacuna_token)(i * 7919 % (b->m->info.n_vocab - 16)) + 11 : -1;
    while (n < COST_STEPS && !r) {
        r = lacuna_infill_ids(b->s, ids, COST_CONTEXT, &opt, err);
        for (int step = 0; !r; step++) {
            lac_lossless *l = &b->s->req.fill[0].lossless;
            for (int i = 0; k && i < LAC_DRAFT_KINDS; i++) l->record.tried[i] = l->record.right[i] = 1e9;
            const double start = now();
            r = lacuna_step(b->s, &ev, err);
            if (r <= 0) break;
            r = 0;
            if (step && n < COST_STEPS && (!k || l->n_drafts == k)) t[n++] = now() - start; /* the first may load the context */
        }
    }
    qsort(t, n, sizeof *t, by_size);
    *seconds = t[n / 2];
    return r;
}

static int costs(bench *b, lacuna_error *err)
{
    double one = 0, t;
    for (uint32_t k = 0; k <= COST_DRAFTS; k++) {
        int r = time_drafts(b, k, &t, err);
        if (r) return r;
        if (!k) one = t;
        printf("%2u drafts: %.3f ms, %.3f passes\n", k, 1e3 * t, t / one);
    }
    return 0;
}

/* ---- the command ---- */

static int one_line(bench *b, int kinds, const char *line, size_t n, char *why, size_t why_size)
{
    json_error_t e;
    lacuna_error err;
    hole h = {0};
    lacuna_text id = {0};
    json_t *o = json_loadb(line, n, JSON_ALLOW_NUL, &e);
    int r = -1;
    if (!o) snprintf(why, why_size, "not JSON: %s", e.text);
    else if (json_get_text(o, "task_id", &id.bytes, &id.len, why, why_size) > 0 &&
             json_get_text(o, "prompt", &h.prompt.bytes, &h.prompt.len, why, why_size) > 0 &&
             json_get_text(o, "suffix", &h.suffix.bytes, &h.suffix.len, why, why_size) > 0 &&
             json_get_text(o, "lang", &h.lang.bytes, &h.lang.len, why, why_size) > 0) {
        if (sscanf(id.bytes, "%*[^/]/%31[^/]", h.kind) != 1) strcpy(h.kind, "hole");
        r = kinds ? see_hole(b, &h, &err) : time_hole(b, &h, &err);
        if (r) snprintf(why, why_size, "%s", err.msg);
    } else snprintf(why, why_size, "task_id, lang, prompt or suffix is missing");
    json_decref(o);
    return r;
}

int main(int argc, char **argv)
{
    bench *b = calloc(1, sizeof *b);
    const char *model = NULL;
    uint32_t threads = 1;
    int kinds = 0, cost = 0;
    const arg_opt opts[] = {OPT("model", 'm', ARG_TEXT, &model, "MODEL", "model file"),
                            OPT("kinds", 0, ARG_FLAG, &kinds, NULL, "how often drafts of each kind are right"),
                            OPT("costs", 0, ARG_FLAG, &cost, NULL, "time of passes with drafts"),
                            OPT_NUM("threads", 0, ARG_U32, &threads, "N", 1, 256, "threads (default 1)"), OPT_END};
    char why[512], *line;
    lacuna_error err;
    arg_list operands = {0};
    say_as("lossless");
    int r = args_parse(opts, argc - 1, argv + 1, &operands, why, sizeof why);
    if (!b || r || !model || operands.n)
        return say("%s", r == ARGS_USAGE ? why : "usage: lossless -m MODEL [--threads N] [--kinds | --costs] [<CASES]"), 2;
    r = lacuna_model_open(&b->m, model, NULL, &err);
    if (!r) r = lacuna_session_open(&b->s, b->m, &(lacuna_session_options){LACUNA_SESSION_INIT, .n_threads = threads}, &err);
    if (!r && cost) r = costs(b, &err);
    if (r) say("%s", err.msg);
    io_lines in = {.fd = 0};
    size_t n, number = 0;
    while (!r && !cost && io_line(&in, &line, &n) == IO_LINE) {
        number++;
        if ((r = one_line(b, kinds, line, n, why, sizeof why))) say("line %zu: %s", number, why);
    }
    if (!r && !cost) kinds ? show_kinds(b) : show_times(b);
    buf_free(&in.b);
    free(operands.v);
    lacuna_session_free(b->s);
    lacuna_model_free(b->m);
    free(b);
    return r ? 1 : 0;
}
