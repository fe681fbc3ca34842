/* bench_control MODEL: what it costs that a hole obeys: steps of holes of 16 slots in 512 tokens of text, with an expression and without.
 *
 * Prints TSV: microseconds a step and their ratio; and what lacuna_infill takes more, once, to compile an expression and lift it to the
 * vocabulary.  All ways of a row run in turn, again and again, so that what disturbs one disturbs the others; medians.  Holes are filled
 * to the last slot: with and without, the same slots are asked for, over the same context. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lacuna.h"

enum { CONTEXT = 512, SLOTS = 16, GROUP = 8, STEPS = 4 /* at most, of a hole */, ROUNDS = 400 };
#define BUDGET 0.45 /* seconds, of each row's ways */

static const char *const banned[] = {"TODO", "FIXME", "XXX", "goto ", "strcpy(", "strcat(", "sprintf(", "gets(", "system(", "alloca(",
                                     "password", "secret", "<<<<", ">>>>", "====", "#if 0", "\t", "  \n", "//", "/*"};
enum { BANNED = sizeof banned / sizeof *banned };

static const struct {
    const char *name, *regex;
} wishes[] = {
    {"nothing", NULL},
    {"[0-9]+", "[0-9]+"},
    {"identifier", "[A-Za-z_][A-Za-z0-9_]*"},
    {"[^\\n]*;", "[^\\n]*;"},
    {"8 words", "([a-z_]{1,12}, ){7}[a-z_]{1,12}"},
    {"20 bans", NULL},
};
enum { NOTHING, WISHES = sizeof wishes / sizeof *wishes, BANS = WISHES - 1 };

static const char *const ways[] = {"left to right", "confidence, 8 a step", "groups of 8"};
enum { LEFT, CONFIDENCE, GROUPS, WAYS };

typedef struct {
    lacuna_model *model;
    lacuna_session *session;
    char *text;
    size_t len, at;          /* bytes; where the hole is */
    lacuna_error err;
} bench;

typedef struct {
    double begin[ROUNDS], step[STEPS][ROUNDS]; /* seconds */
    size_t n_steps, entries;
} times;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *t, size_t n)
{
    qsort(t, n, sizeof *t, by_size);
    return t[n / 2];
}

/* Lines of C, cut behind CONTEXT tokens; the hole is in the middle. */
static int make_text(bench *b)
{
    enum { LINES = 200, LINE = 64 };
    lacuna_token *ids = malloc(LINES * LINE * sizeof *ids);
    size_t *ends = malloc(LINES * LINE * sizeof *ends);
    if (!ids || !ends || !(b->text = malloc(LINES * LINE))) return LACUNA_E_NOMEM;
    for (int i = 0; i < LINES; i++) b->len += (size_t)sprintf(b->text + b->len, "    total_%d += weight[%d] * count(row, %d);\n", i % 7, i, 3 * i);
    const int64_t n = lacuna_encode(b->model, b->text, b->len, ids, ends, LINES * LINE, &b->err);
    if (n > CONTEXT) {
        b->len = ends[CONTEXT - 1];
        b->at = ends[CONTEXT / 2 - 1];
    }
    free(ids), free(ends);
    return n < 0 ? (int)n : 0;
}

/* One hole, from its beginning for some steps, the i-th time. */
static int fill(bench *b, int way, int wish, double temperature, times *t, size_t i)
{
    static const size_t plan[SLOTS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, groups[SLOTS / GROUP] = {GROUP, GROUP};
    lacuna_text ban[BANNED];
    lacuna_hole hole = {.span = {b->at, b->at}, .max_tokens = SLOTS, .min_tokens = SLOTS};
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .temperature = temperature, .seed = 3};
    const lacuna_event *ev;
    int r = 1;
    for (size_t k = 0; k < BANNED; k++) ban[k] = (lacuna_text){banned[k], strlen(banned[k])};
    if (wishes[wish].regex) hole.regex = (lacuna_text){wishes[wish].regex, strlen(wishes[wish].regex)};
    if (wish == BANS) hole.ban = ban, hole.n_ban = BANNED;
    if (way == CONFIDENCE) opt.order = LACUNA_ORDER_CONFIDENCE, opt.alpha0 = 1, opt.steps = SLOTS / GROUP;
    if (way == GROUPS) opt.plan = plan, opt.groups = groups, opt.n_groups = SLOTS / GROUP;
    const double begin = now();
    if (lacuna_infill(b->session, b->text, b->len, &hole, 1, &opt, &b->err) < 0) return b->err.code;
    double from = now();
    t->begin[i] = from - begin;
    t->entries = t->n_steps = 0;
    while (t->n_steps < STEPS && (r = lacuna_step(b->session, &ev, &b->err)) > 0) {
        const double to = now();
        t->step[t->n_steps++][i] = to - from;
        t->entries += ev->n_entries;
        from = now();
    }
    return r < 0 ? r : 0;
}

/* Seconds a step, all steps of a hole counting the same. */
static double a_step(times *t, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < t->n_steps; k++) sum += median(t->step[k], n);
    return sum / (double)t->n_steps;
}

static int measure(bench *b, unsigned threads, int way, double temperature)
{
    static times t[WISHES];
    size_t n = 0;
    int r = 0;
    for (int wish = 0; wish < WISHES && !r; wish++) r = fill(b, way, wish, temperature, &t[wish], 0); /* the context is cached then */
    for (const double end = now() + BUDGET; !r && n < ROUNDS && (n < 5 || now() < end); n++)
        for (int wish = 0; wish < WISHES && !r; wish++) r = fill(b, way, wish, temperature, &t[wish], n);
    if (r) return r;
    const double plain = a_step(&t[NOTHING], n), begin = median(t[NOTHING].begin, n);
    for (int wish = 1; wish < WISHES; wish++) {
        const double step = a_step(&t[wish], n);
        if (t[wish].entries != t[NOTHING].entries || t[wish].n_steps != t[NOTHING].n_steps) return LACUNA_E_INTERNAL;
        printf("%s\t%u\t%g\t%s\t%.0f\t%.0f\t%.3f\t%.0f\n", ways[way], threads, temperature, wishes[wish].name, 1e6 * plain, 1e6 * step, step / plain,
               1e6 * (median(t[wish].begin, n) - begin));
    }
    return 0;
}

static int on_threads(bench *b, unsigned threads)
{
    const lacuna_session_options opt = {LACUNA_SESSION_INIT, .n_threads = threads};
    int r = lacuna_session_open(&b->session, b->model, &opt, &b->err);
    for (int way = 0; way < WAYS; way++)
        for (int warm = 0; warm < 2 && !r; warm++) r = measure(b, threads, way, warm);
    lacuna_session_free(b->session);
    return r;
}

int main(int argc, char **argv)
{
    static bench b;
    int r = lacuna_model_open(&b.model, argc > 1 ? argv[1] : "build/bench/30m.gguf", NULL, &b.err);
    if (!r) r = make_text(&b);
    if (!r) printf("a hole that obeys\tthreads\ttemperature\twish\tus without\tus with\tratio\tus once\n");
    for (unsigned threads = 1; threads <= 2 && !r; threads++) r = on_threads(&b, threads);
    if (r) fprintf(stderr, "bench_control: %s\n", b.err.code ? b.err.msg : lacuna_code_name(r));
    free(b.text);
    lacuna_model_free(b.model);
    return r != 0;
}
