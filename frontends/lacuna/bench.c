/* lacuna bench: how fast a model runs here, beside what the machine could do. */
#include "lacuna/bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/json.h"
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/engine.h"
#include "lacuna/report.h"

enum {
    MOST_THREADS = 8,           /* numbers in --threads */
    SHORT_CONTEXT = 2048 + 64,  /* positions that all but long texts need */
    LONG_CONTEXT = 8192 + 512
};
#define MEASURE_SECONDS 0.6     /* for bandwidth and peak */
#define OTHERS_MOST 0.05        /* share of the processors that others may take before it is said */

typedef struct {
    engine_options e;
    const char *threads, *json, *text;
    int long_texts, loaded;
} bench_options;

/* ---- what the parts share -------------------------------------------------------------------- */

void bench_show(const char *fmt, ...)
{
    char row[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(row, sizeof row, fmt, ap);
    va_end(ap);
    io_out(row, n < 0 ? 0 : (size_t)n < sizeof row ? (size_t)n : sizeof row - 1);
}

void bench_ids(const bench *b, uint64_t seed, lacuna_token *ids, size_t n)
{
    uint64_t x = seed * 2685821657736338717u + 88172645463325252u;
    for (size_t i = 0; i < n; i++) {
        do x = x * 6364136223846793005u + 1442695040888963407u, ids[i] = (lacuna_token)((x >> 33) % b->info->n_vocab);
        while (ids[i] == b->info->mask);
    }
}

bench_plan bench_plan_make(size_t n, size_t size)
{
    bench_plan p = {xalloc(n, sizeof *p.order), xalloc(n, sizeof *p.groups), 0};
    for (size_t i = 0; i < n; i++) p.order[i] = i;
    for (size_t i = 0; i < n; i += size) p.groups[p.n_groups++] = n - i < size ? n - i : size;
    return p;
}

void bench_plan_use(const bench_plan *p, lacuna_infill_options *opt)
{
    opt->plan = p->order, opt->groups = p->groups, opt->n_groups = p->n_groups;
}

void bench_plan_free(bench_plan *p)
{
    free(p->order);
    free(p->groups);
    *p = (bench_plan){0};
}

/* ---- one number of threads ------------------------------------------------------------------- */

static int open_session(bench *b, const bench_options *o, uint32_t context)
{
    lacuna_session_options so = engine_session_options(&o->e, b->threads);
    so.n_context = context;
    lacuna_session_free(b->session);
    return lacuna_session_open(&b->session, b->model, &so, &b->err);
}

static int measure_machine(bench *b)
{
    lacuna_machine *m = &b->machine;
    int r = lacuna_measure(b->session, MEASURE_SECONDS, m, &b->err);
    if (r < 0) return r;
    bench_show("\nthreads %u: memory read at %.1f GB/s, %.0f G multiply-adds/s in registers; a pass reads %.1f MB of weights, an entry "
               "needs %.1f M multiply-adds\n", b->threads, m->read_bytes / 1e9, m->multiplies / 1e9, (double)m->weight_bytes / 1e6,
               (double)m->weight_multiplies / 1e6);
    json_add_uint(&b->json, "threads", b->threads);
    json_key(&b->json, "machine");
    buf_put(&b->json, "{");
    json_add_real(&b->json, "read_bytes", m->read_bytes);
    json_add_real(&b->json, "multiplies", m->multiplies);
    json_add_uint(&b->json, "weight_bytes", m->weight_bytes);
    json_add_uint(&b->json, "weight_multiplies", m->weight_multiplies);
    json_add_uint(&b->json, "kv_bytes", b->kv_bytes);
    buf_put(&b->json, "}");
    return 0;
}

/* What a session holds that works on one text of 2048 entries; the session is new. */
static int measure_memory(bench *b)
{
    enum { ENTRIES = 2048 };
    lacuna_token ids[ENTRIES];
    lacuna_infill_options opt = {.size = LACUNA_INFILL_INIT};
    const lacuna_event *ev;
    bench_ids(b, 1, ids, ENTRIES);
    ids[ENTRIES - 1] = -1;
    int r = lacuna_infill_ids(b->session, ids, ENTRIES, &opt, &b->err);
    if (r >= 0) r = lacuna_step(b->session, &ev, &b->err);
    if (r < 0) return r;
    size_t held = lacuna_session_size(b->session);
    bench_show("\na session with 2048 entries holds %.1f MiB\n", (double)held / (1 << 20));
    json_add_uint(&b->json, "session_bytes_2048", held);
    return 0;
}

/* All parts with this number of threads; long texts only with the last. */
static int run_threads(bench *b, const bench_options *o, int last)
{
    int r = open_session(b, o, SHORT_CONTEXT);
    if (!r) r = measure_machine(b);
    if (!r) r = measure_memory(b);
    if (!r) r = bench_pass(b);
    if (!r) r = bench_prefill(b);
    if (!r) r = bench_fill(b);
    if (!r && o->loaded) r = bench_loaded(b);
    if (!r && o->long_texts && last) {
        r = open_session(b, o, LONG_CONTEXT);
        if (!r) r = bench_long(b);
    }
    return r;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* "1,2": how many numbers, 0 when it is no such list. */
static size_t read_threads(const char *list, uint32_t *out)
{
    size_t n = 0;
    for (const char *at = list;; at++) {
        char *end;
        unsigned long v = *at >= '1' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (v < 1 || v > 256 || n == MOST_THREADS) return 0;
        out[n++] = (uint32_t)v;
        at = end;
        if (!*at) return n;
        if (*at != ',') return 0;
    }
}

static int write_json(const char *path, const buf *b)
{
    io_file f = {.fd = -1};
    char why[512];
    int bad = io_file_open(&f, path, why, sizeof why) || io_file_add(&f, b->p, b->n, why, sizeof why) || io_file_commit(&f, why, sizeof why);
    io_file_drop(&f);
    if (bad) say("%s", why);
    return bad ? -1 : 0;
}

static void begin_json(buf *b, const engine *e)
{
    buf_put(b, "{");
    json_key(b, "model");
    buf_put(b, "{");
    report_info(b, e->path, e->info);
    buf_put(b, "}");
    json_add_int(b, "processors", sysconf(_SC_NPROCESSORS_ONLN));
    json_key(b, "runs");
    buf_put(b, "[");
}

static void end_json(buf *b, double others)
{
    buf_put(b, "]");
    json_add_real(b, "others", others);
    buf_put(b, "}\n");
}

/* Entries are cached as F32 where the weights are F32 or it was asked for, else as BF16. */
static size_t kv_bytes(const lacuna_model_info *info, int cache_type)
{
    int f32 = cache_type == LACUNA_CACHE_F32 || (cache_type == LACUNA_CACHE_AUTO && !strcmp(info->weights, "F32"));
    return (size_t)2 * info->n_layer * info->n_embd * (f32 ? 4 : 2);
}

static int run(const bench_options *o, const engine *e, lacuna_text text, const uint32_t *threads, size_t n)
{
    bench b = {.model = e->model, .info = e->info, .text = text, .kv_bytes = kv_bytes(e->info, o->e.cache_type)};
    buf json = {0};
    cpu_mark start = cpu_now();
    int r = 0, code = EXIT_DONE;
    begin_json(&json, e);
    bench_show("%s: %s, %u layers, width %u, feed-forward %u, vocabulary %u, kernel %s\n", e->path, e->info->weights, e->info->n_layer,
               e->info->n_embd, e->info->n_ff, e->info->n_vocab, e->info->kernel);
    for (size_t i = 0; i < n && !r; i++) {
        b.threads = threads[i];
        buf_put(&b.json, "{");
        r = run_threads(&b, o, i + 1 == n);
        json_comma(&json);
        buf_put(&json, b.json.p);
        buf_put(&json, "}");
        buf_free(&b.json);
    }
    lacuna_session_free(b.session);
    double others = cpu_others(&start);
    end_json(&json, others);
    if (r < 0) say("%s", b.err.msg), code = EXIT_FAILED;
    else if (others > OTHERS_MOST) bench_show("\nwarning: others took %.0f %% of the processors meanwhile\n", 100 * others);
    if (code == EXIT_DONE && o->json && write_json(o->json, &json)) code = EXIT_FAILED;
    buf_free(&json);
    return code;
}

/* Is all that the run needs there?  Known before it begins, for it is long. */
static int check(const bench_options *o, const engine *e, lacuna_text text)
{
    char why[512];
    lacuna_error err;
    if (o->json && io_file_try(o->json, why, sizeof why)) return say("%s", why), -1;
    if (!e->info->has_tokenizer) return 0;
    int64_t n = lacuna_encode(e->model, text.bytes, text.len, NULL, NULL, 0, &err);
    if (n < 0) return say("%s", err.msg), -1;
    if (n >= BENCH_LEAST) return 0;
    say("%s: %lld tokens, and at least %d are needed", o->text ? o->text : "the text of the bench", (long long)n, BENCH_LEAST);
    return -1;
}

int cmd_bench(int argc, char **argv)
{
    bench_options o = {.threads = "1,2"};
    uint32_t threads[MOST_THREADS];
    const arg_opt opts[] = {
        OPT("model", 'm', ARG_TEXT, &o.e.model, "MODEL", "the same as the operand"),
        OPT("threads", 0, ARG_TEXT, &o.threads, "LIST", "numbers of threads, one run for each (default 1,2)"),
        CACHE_OPT(&o.e),
        OPT("text", 0, ARG_TEXT, &o.text, "FILE", "text to make holes in (default: a program that is built in)"),
        OPT("long", 0, ARG_FLAG, &o.long_texts, NULL, "also texts of up to 8192 tokens from nothing, beside MDLM, BD3-LM and AR"),
        OPT("loaded", 0, ARG_FLAG, &o.loaded, NULL, "also with a busy process on each processor"),
        OPT("json", 0, ARG_TEXT, &o.json, "FILE", "write all figures as one JSON object"),
        OPT_END,
    };
    arg_list files = {0};
    int code = cmd_args("bench", "[OPTION...] [MODEL]", "Tell how fast a model runs here (default: the model that infill would use).", opts,
                        argc, argv, 1, &files);
    if (code == GO_ON && files.n && o.e.model) code = cmd_usage("bench", "the model is given twice");
    if (files.n) o.e.model = files.v[0];
    free(files.v);
    size_t n = read_threads(o.threads, threads);
    if (code == GO_ON && !n)
        code = cmd_usage("bench", "option --threads: '%.60s' is no list of 1 to %d numbers from 1 to 256, as 1,2", o.threads, MOST_THREADS);
    if (code != GO_ON) return code;
    engine e = {0};
    buf text = {0};
    char why[512];
    if (o.text && io_read(o.text, &text, why, sizeof why)) return say("%s", why), EXIT_FAILED;
    if (engine_open_model(&e, &o.e)) return buf_free(&text), EXIT_FAILED;
    lacuna_text of = {o.text ? text.p : bench_default_text, o.text ? text.n : strlen(bench_default_text)};
    code = check(&o, &e, of) ? EXIT_FAILED : run(&o, &e, of, threads, n);
    engine_close(&e);
    buf_free(&text);
    return code;
}
