/* lacuna bench: fills of 32 tokens in a context that is cached, by every way of filling, and key by key.
 *
 * A model with a tokenizer fills holes in a text, where 32 tokens of it are taken away; one without gets ids that are no
 * text, and writes on behind them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/lang.h"
#include "lacuna/bench.h"
#include "lacuna/engine.h"

enum { PLACES = 4, KEYS = 8, LEAST_ROUNDS = 3, MOST_ROUNDS = 60 };
#define BUDGET_MS 2000.0

typedef enum { SEQUENTIAL, GROUPS, LOSSLESS, KEYSTROKE } way;

static const struct {
    const char *name;
    way way;
    size_t group; /* slots a pass, where it is given */
} ways[] = {
    {"one at a time", SEQUENTIAL, 0}, {"groups of 2", GROUPS, 2}, {"groups of 4", GROUPS, 4}, {"groups of 8", GROUPS, 8},
    {"groups of 16", GROUPS, 16}, {"lossless", LOSSLESS, 0}, {"a key more, groups of 8", KEYSTROKE, 8},
};
enum { WAYS = sizeof ways / sizeof *ways };

typedef struct {
    bench *b;
    size_t context;     /* tokens around the hole */
    size_t places;      /* holes to fill, one after the other */
    lacuna_token *ids;  /* without a tokenizer: [context + KEYS + BENCH_FILL]; owned */
    size_t *ends;       /* with one: [context + BENCH_FILL] byte offset behind each token of the text; owned */
    const char *tag;
    bench_plan plan[WAYS];
    lacuna_token one[PLACES][BENCH_FILL]; /* the fills of one at a time */
} filler;

typedef struct {
    timings t, begin;         /* whole fills, and lacuna_infill() alone */
    size_t passes, tokens, fills;
    size_t reused, wanted;    /* entries of context found in the cache, and in all */
    size_t drafted, accepted;
    size_t same;              /* fills that are those of one at a time */
} tally;

/* Begin to fill place `p` when `typed` more tokens stand before the hole. */
static int begin(filler *f, size_t p, size_t typed, const lacuna_infill_options *opt)
{
    bench *b = f->b;
    if (!b->info->has_tokenizer) {
        for (size_t i = 0; i < BENCH_FILL; i++) f->ids[f->context + typed + i] = -1;
        bench_ids(b, BENCH_CACHED, f->ids, f->context + typed);
        return lacuna_infill_ids(b->session, f->ids, f->context + typed + BENCH_FILL, opt, &b->err);
    }
    size_t at = (p + 1) * f->context / (f->places + 1), n = f->context + BENCH_FILL; /* the hole's first token */
    lacuna_hole hole = {.span = {f->ends[at - 1 + typed], f->ends[at - 1 + BENCH_FILL]}, .max_tokens = BENCH_FILL, .exact = 1};
    return lacuna_infill(b->session, b->text.bytes, f->ends[n - 1], &hole, 1, opt, &b->err);
}

/* One fill from begin to end; t NULL: only to have it done. */
static int fill(filler *f, size_t w, size_t p, size_t typed, tally *t)
{
    bench *b = f->b;
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = f->tag, .lossless = ways[w].way == LOSSLESS};
    const lacuna_event *ev;
    const lacuna_token *ids;
    int r;
    if (ways[w].group) bench_plan_use(&f->plan[w], &opt);
    double start = engine_ms();
    if ((r = begin(f, p, typed, &opt)) < 0) return r;
    double begun = engine_ms();
    while ((r = lacuna_step(b->session, &ev, &b->err)) > 0) {}
    if (r < 0 || !t) return r;
    timings_add(&t->t, engine_ms() - start);
    timings_add(&t->begin, begun - start);
    lacuna_stats st = lacuna_get_stats(b->session);
    int64_t n = lacuna_fill_ids(b->session, 0, &ids, &b->err);
    if (n < BENCH_FILL) return n < 0 ? (int)n : LACUNA_E_INTERNAL;
    ids += n - BENCH_FILL; /* without a tokenizer the ids are those of the whole canvas */
    if (ways[w].way == SEQUENTIAL) memcpy(f->one[p], ids, sizeof f->one[p]);
    t->same += !memcmp(f->one[p], ids, sizeof f->one[p]);
    t->fills++;
    t->passes += st.nfe, t->tokens += st.n_tokens;
    t->reused += st.n_reused, t->wanted += st.n_context;
    t->drafted += st.n_drafted, t->accepted += st.n_accepted;
    return 0;
}

/* Every way at one place, so that what disturbs one disturbs the others. */
static int one_round(filler *f, size_t p, tally *t)
{
    int r = 0;
    for (size_t w = 0; w < WAYS && !r; w++) {
        r = fill(f, w, p, 0, NULL);
        if (ways[w].way == KEYSTROKE)
            for (size_t key = 1; key <= KEYS && !r; key++) r = fill(f, w, p, key, &t[w]);
        else if (!r) r = fill(f, w, p, 0, &t[w]);
    }
    return r;
}

static void report(bench *b, size_t w, const tally *t, double one, double lossless_same)
{
    spread s = timings_spread(&t->t), of_begin = timings_spread(&t->begin);
    double fills = (double)t->fills, passes = (double)t->passes / fills;
    bench_show("%-24s %7.1f %9.2f %9.2f %9.2f %9.2f %8.2f %9.2f %9.2f %8.1f%%\n", ways[w].name, passes, (double)t->tokens / (double)t->passes,
               s.median, s.min, s.max, of_begin.median, one / s.median, s.median / b->pass8, 100 * (double)t->reused / (double)t->wanted);
    json_comma(&b->json);
    buf_put(&b->json, "{");
    json_add_name(&b->json, "way", ways[w].name);
    json_add_real(&b->json, "passes", passes);
    json_add_real(&b->json, "tokens_a_pass", (double)t->tokens / (double)t->passes);
    json_add_spread(&b->json, "ms", s);
    json_add_spread(&b->json, "begin_ms", of_begin);
    json_add_real(&b->json, "times_faster", one / s.median);
    json_add_real(&b->json, "passes_of_8", s.median / b->pass8);
    json_add_real(&b->json, "reused", (double)t->reused / (double)t->wanted);
    if (ways[w].way == LOSSLESS) {
        json_add_real(&b->json, "same_text", lossless_same);
        json_add_real(&b->json, "accepted", t->drafted ? (double)t->accepted / (double)t->drafted : 0);
    }
    buf_put(&b->json, "}");
}

static int measure(filler *f)
{
    bench *b = f->b;
    tally t[WAYS] = {{.fills = 0}};
    double end = engine_ms() + BUDGET_MS;
    int r = 0;
    for (size_t i = 0; i < MOST_ROUNDS * f->places && !r && (i < LEAST_ROUNDS * f->places || engine_ms() < end); i++)
        r = one_round(f, i % f->places, t);
    if (!r) {
        bench_show("\nfill of %d, %zu cached    passes  tokens/p        ms       min       max    begin  x faster  passes(8)   reused\n", BENCH_FILL,
                   f->context);
        json_key(&b->json, "fill");
        buf_put(&b->json, "[");
        for (size_t w = 0; w < WAYS; w++) {
            double one = timings_spread(&t[0].t).median;
            report(b, w, &t[w], one, (double)t[w].same / (double)t[w].fills);
            if (ways[w].way == LOSSLESS && t[w].same < t[w].fills)
                bench_show("lossless: %zu of %zu fills differ from one at a time\n", t[w].fills - t[w].same, t[w].fills);
        }
        buf_put(&b->json, "]");
        bench_show("begin: ms to take the text apart; passes(8): the time in passes of 8 masks; reused: context found in the cache\n");
    }
    for (size_t w = 0; w < WAYS; w++) timings_free(&t[w].t), timings_free(&t[w].begin);
    return r;
}

/* Where the tokens of the text end; as many of them as the model's context has room for. */
static int cut_text(filler *f)
{
    bench *b = f->b;
    size_t room = b->info->n_context > BENCH_CACHED + BENCH_FILL + 1 ? BENCH_CACHED : b->info->n_context - BENCH_FILL - 1; /* a tag */
    int64_t n = lacuna_encode(b->model, b->text.bytes, b->text.len, NULL, NULL, 0, &b->err);
    if (n < 0) return (int)n;
    lacuna_token *ids = xalloc((size_t)n, sizeof *ids);
    f->ends = xalloc((size_t)n + 1, sizeof *f->ends);
    n = lacuna_encode(b->model, b->text.bytes, b->text.len, ids, f->ends, (size_t)n, &b->err);
    free(ids);
    if (n < 0) return (int)n;
    f->context = (size_t)n < room + BENCH_FILL ? (size_t)n - BENCH_FILL : room;
    f->places = PLACES;
    f->tag = lang_guess(b->info, NULL, b->text.bytes, b->text.len);
    return 0;
}

int bench_fill(bench *b)
{
    filler f = {.b = b, .context = BENCH_CACHED, .places = 1};
    int r = 0;
    if (b->info->has_tokenizer) r = cut_text(&f);
    else f.ids = xalloc(f.context + KEYS + BENCH_FILL, sizeof *f.ids);
    for (size_t w = 0; w < WAYS; w++)
        if (ways[w].group) f.plan[w] = bench_plan_make(BENCH_FILL, ways[w].group);
    if (!r) r = measure(&f);
    for (size_t w = 0; w < WAYS; w++) bench_plan_free(&f.plan[w]);
    free(f.ids);
    free(f.ends);
    return r;
}
