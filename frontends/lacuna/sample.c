/* lacuna sample: unconditional generation, also on models without a tokenizer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/engine.h"
#include "lacuna/fill.h"
#include "lacuna/view.h"

typedef struct {
    engine_options e;
    sampler s;
    uint32_t length;    /* 0: the plan's, else the model's context */
    int greedy, ids, json, stream;
    uint32_t pace;
    const char *plan, *logits;
} sample_options;

typedef struct {
    size_t *order, *groups;
    size_t n, n_groups;
} plan;

/* ---- plan ---------------------------------------------------------------------------------- */

static size_t *to_sizes(const int64_t *v, size_t n)
{
    size_t *out = xalloc(n, sizeof *out);
    for (size_t i = 0; i < n; i++) out[i] = (size_t)v[i];
    return out;
}

/* order must be a permutation, groups must sum to its length. */
static int check_plan(const plan *p, char *why, size_t why_size)
{
    unsigned char *seen = xalloc(p->n, 1);
    size_t sum = 0;
    int bad = 0;
    for (size_t i = 0; i < p->n && !bad; i++) {
        if (seen[p->order[i]]++) {
            snprintf(why, why_size, "order: not a permutation, slot %zu comes twice", p->order[i]);
            bad = -1;
        }
    }
    free(seen);
    for (size_t i = 0; i < p->n_groups; i++) sum += p->groups[i];
    if (!bad && sum != p->n) {
        snprintf(why, why_size, "groups: sum to %zu, the order has %zu slots", sum, p->n);
        bad = -1;
    }
    return bad;
}

static int load_plan(const char *path, plan *p)
{
    buf text = {0};
    char why[512] = "expected an object with order and groups";
    json_error_t e;
    int64_t *order = NULL, *groups = NULL;
    if (io_read(path, &text, why, sizeof why)) return say("%s", why), -1;
    json_t *o = json_loadb(text.p, text.n, 0, &e);
    buf_free(&text);
    if (!o) return say("%s: not JSON: %s (line %d)", path, e.text, e.line), -1;
    size_t length = json_array_size(json_object_get(o, "order"));
    int r = json_get_ints(o, "order", 0, (int64_t)length - 1, &order, &p->n, why, sizeof why);
    if (r == 0 || (r > 0 && !p->n)) snprintf(why, sizeof why, "order: %s", r ? "empty" : "missing"), r = -1;
    if (r > 0) r = json_get_ints(o, "groups", 1, (int64_t)length, &groups, &p->n_groups, why, sizeof why);
    if (r == 0) snprintf(why, sizeof why, "groups: missing"), r = -1;
    if (r > 0) {
        p->order = to_sizes(order, p->n);
        p->groups = to_sizes(groups, p->n_groups);
        r = check_plan(p, why, sizeof why) ? -1 : 1;
    }
    free(order);
    free(groups);
    json_decref(o);
    if (r < 0) say("%s: %s", path, why);
    return r < 0 ? -1 : 0;
}

/* ---- logits -------------------------------------------------------------------------------- */

typedef struct {
    io_file file;
    int failed;
    char why[512];
} logits_file;

static void on_logits(void *ctx, size_t step, size_t slot, const float *logits, size_t n)
{
    logits_file *l = ctx;
    (void)step;
    (void)slot;
    for (size_t i = 0; i < n && !l->failed; i++) {
        uint32_t u;
        memcpy(&u, &logits[i], 4);
        unsigned char le[4] = {(unsigned char)u, (unsigned char)(u >> 8), (unsigned char)(u >> 16), (unsigned char)(u >> 24)};
        l->failed = io_file_add(&l->file, le, 4, l->why, sizeof l->why) != 0;
    }
}

/* ---- run ----------------------------------------------------------------------------------- */

static void put_result(const sample_options *o, const engine *e, double ms)
{
    const lacuna_token *ids;
    lacuna_error err;
    int64_t n = lacuna_fill_ids(e->session, 0, &ids, &err);
    lacuna_stats st = lacuna_get_stats(e->session);
    buf b = {0}, text = {0};
    for (int64_t i = 0; i < n && !o->ids; i++) {
        lacuna_text t = lacuna_token_bytes(e->model, ids[i]);
        buf_add(&text, t.bytes, t.len);
    }
    if (o->json) {
        buf_put(&b, "{\"ids\":[");
        for (int64_t i = 0; i < n; i++) json_comma(&b), buf_fmt(&b, "%d", (int)ids[i]);
        buf_put(&b, "]");
        json_add_uint(&b, "nfe", st.nfe);
        if (!o->ids) {
            json_add_text(&b, "text", text.p, text.n);
            json_add_real(&b, "logprob", st.logprob);
            json_key(&b, "ms");
            buf_fmt(&b, "%.3f", ms);
            json_add_uint(&b, "seed", o->s.o.seed);
        }
        buf_put(&b, "}\n");
    } else if (o->ids) {
        for (int64_t i = 0; i < n; i++) buf_fmt(&b, "%s%d", i ? " " : "", (int)ids[i]);
        buf_put(&b, "\n");
    } else {
        buf_add(&b, text.p, text.n);
        if (!text.n || text.p[text.n - 1] != '\n') buf_put(&b, "\n");
    }
    io_out(b.p, b.n);
    buf_free(&text);
    buf_free(&b);
}

static int run(const sample_options *o, const engine *e, const lacuna_infill_options *opt, size_t length, double *ms)
{
    lacuna_error err;
    const lacuna_event *ev;
    lacuna_hole hole = {.max_tokens = (uint32_t)length};
    lacuna_token *ids = xalloc(length, sizeof *ids);
    for (size_t i = 0; i < length; i++) ids[i] = -1;
    double start = engine_ms();
    hole.exact = 1;
    /* with a tag: a text that is one hole behind the tag */
    int rc = opt->tag ? lacuna_infill(e->session, "", 0, &hole, 1, opt, &err) : lacuna_infill_ids(e->session, ids, length, opt, &err);
    view *v = NULL;
    if (rc >= 0 && o->stream && !o->json && view_possible()) v = view_open(e->model, e->session, "", 0, &hole, 1, o->pace);
    if (v) view_draw(v, NULL);
    while (rc >= 0 && (rc = lacuna_step(e->session, &ev, &err)) > 0)
        if (v) view_draw(v, ev);
    if (v) view_close(v, rc < 0);
    free(ids);
    if (rc < 0) return engine_failed(&err);
    *ms = engine_ms() - start;
    if (o->e.verbose) say("%zu passes, %.1f ms", lacuna_get_stats(e->session).nfe, *ms);
    return EXIT_DONE;
}

/* The file of logits appears before the result is printed, and only if all went well. */
static int run_and_print(const sample_options *o, const engine *e, lacuna_infill_options *opt, size_t length)
{
    logits_file l = {.file.fd = -1};
    double ms = 0;
    if (o->logits && io_file_open(&l.file, o->logits, l.why, sizeof l.why)) return say("%s", l.why), EXIT_FAILED;
    if (o->logits) opt->on_logits = on_logits;
    opt->on_logits_ctx = &l;
    int code = run(o, e, opt, length, &ms);
    if (code == EXIT_DONE && o->logits && !l.failed) l.failed = io_file_commit(&l.file, l.why, sizeof l.why) != 0;
    if (code == EXIT_DONE && l.failed) say("%s", l.why), code = EXIT_FAILED;
    io_file_drop(&l.file);
    if (code == EXIT_DONE) put_result(o, e, ms);
    return code;
}

static int sample(const sample_options *o)
{
    engine e = {0};
    plan p = {0};
    lacuna_infill_options opt = o->s.o;
    int code = GO_ON;
    if (o->plan && load_plan(o->plan, &p)) code = EXIT_FAILED;
    if (code == GO_ON && p.n && o->length && p.n != o->length) {
        say("%s: the order has %zu slots, --length is %u", o->plan, p.n, o->length);
        code = EXIT_FAILED;
    }
    if (code == GO_ON && engine_open(&e, &o->e)) code = EXIT_FAILED;
    if (code == GO_ON && o->e.lang && engine_tag(&e, &o->e, NULL, "", 0, &opt.tag)) code = EXIT_FAILED;
    if (code == GO_ON && !o->ids && !e.info->has_tokenizer) {
        say("%s has no tokenizer: use --ids", e.path);
        code = EXIT_FAILED;
    }
    if (code == GO_ON) {
        opt.plan = p.order, opt.groups = p.groups, opt.n_groups = p.n_groups;
        code = run_and_print(o, &e, &opt, p.n ? p.n : o->length ? o->length : e.info->n_context - (opt.tag != NULL));
    }
    engine_close(&e);
    free(p.order);
    free(p.groups);
    return code;
}

int cmd_sample(int argc, char **argv)
{
    sample_options o = {.s = {.o = {LACUNA_INFILL_INIT, .alpha0 = 1, .temperature = 1},
                              .order = LACUNA_ORDER_RANDOM, .rule = LACUNA_RULE_PAPER}};
    const arg_opt opts[] = {
        OPT_NUM("length", 0, ARG_U32, &o.length, "L", 1, 4294967295.0, "slots (default: the plan's, else the model's context)"),
        OPT("plan", 0, ARG_TEXT, &o.plan, "FILE.json", "order and groups: {\"order\":[rank -> slot],\"groups\":[slots a step]}"),
        OPT("greedy", 0, ARG_FLAG, &o.greedy, NULL, "the most likely token everywhere, as --temp 0"),
        OPT("ids", 0, ARG_FLAG, &o.ids, NULL, "print token ids instead of text"),
        OPT("json", 0, ARG_FLAG, &o.json, NULL, "one JSON object"),
        OPT("logits", 0, ARG_TEXT, &o.logits, "OUT.f32", "write the raw logits of all mask entries, step after step"),
        OPT("stream", 0, ARG_FLAG, &o.stream, NULL, "on a terminal: show the text while it is written"),
        OPT_NUM("pace", 0, ARG_U32, &o.pace, "MS", 0, 10000, "with --stream: milliseconds a step stands at least, for watching"),
        SAMPLER_OPTS(&o.s),
        ENGINE_OPTS(&o.e),
        OPT_END,
    };
    arg_list files = {0};
    int code = cmd_args("sample", "[OPTION...]",
                        "Write a text from nothing, as published: --alpha0 1, --order random, --rule paper and --temp 1 by default.",
                        opts, argc, argv, 0, &files);
    free(files.v);
    if (code == GO_ON && o.greedy && o.s.temp_seen) code = cmd_usage("sample", "--greedy and --temp exclude each other");
    if (code == GO_ON) code = sampler_settle("sample", &o.s);
    if (code == GO_ON && o.plan && o.s.o.rule == LACUNA_RULE_BD3)
        code = cmd_usage("sample", "--plan cannot be used with --rule bd3, which goes block by block");
    if (code != GO_ON) return code;
    if (o.greedy) o.s.o.temperature = 0;
    return sample(&o);
}
