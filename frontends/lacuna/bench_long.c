/* lacuna bench: long texts from nothing, Eso-LM beside MDLM, BD3-LM and AR on the same network.
 *
 * A text of L slots takes n = L / g passes of g slots.  A step costs a + b T milliseconds, T being the entries cached;
 * it is timed at a few T, and the text's time is the sum over its steps.  MDLM runs all L entries in each step, of one slot or of g:
 * its steps are timed once for a length. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "lacuna/bench.h"
#include "lacuna/engine.h"

enum { LEVELS = 4, STEPS = 32, MDLM_STEPS = 3, BLOCK = 16 };
static const size_t lengths[] = {1024, 2048, 8192}, group_sizes[] = {1, BLOCK};
enum { LENGTHS = sizeof lengths / sizeof *lengths, SIZES = sizeof group_sizes / sizeof *group_sizes };

typedef enum { ESO, MDLM, BD3, AR } method;
static const char *const names[] = {"Eso-LM", "MDLM", "BD3-LM, block 16", "AR"};
enum { METHODS = sizeof names / sizeof *names };

typedef struct {
    linear cost;          /* of a step, milliseconds against cached entries */
    double seconds;     /* of the whole text */
    size_t timed;       /* steps that this rests on */
} outcome;

/* Points of cost against cached entries, of one slot a step by Eso-LM at all lengths. */
typedef struct {
    double cached[LENGTHS * LEVELS], ms[LENGTHS * LEVELS];
    size_t n;
} points;

/* A permutation of [0, n), the same for n. */
static void shuffle(size_t *v, size_t n)
{
    uint64_t x = 88172645463325252u + n;
    for (size_t i = 0; i < n; i++) v[i] = i;
    for (size_t i = n; i > 1; i--) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        size_t j = (size_t)(x % i), t = v[i - 1];
        v[i - 1] = v[j], v[j] = t;
    }
}

/* Time steps of g slots when T of L slots are revealed. */
static int time_steps(bench *b, method m, size_t L, size_t T, size_t g, timings *t)
{
    size_t n = m == ESO || m == MDLM ? L : T + 2 * BLOCK + STEPS * g, open = n - T, steps = m == MDLM ? MDLM_STEPS : STEPS, *order;
    lacuna_token *ids = xalloc(n, sizeof *ids);
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .alpha0 = 1, .block = BLOCK};
    const lacuna_event *ev;
    bench_plan plan = bench_plan_make(open, g);
    order = xalloc(n, sizeof *order);
    bench_ids(b, L, ids, n);
    if (m == ESO) { /* revealed slots lie anywhere, and so do those to come */
        shuffle(order, n);
        for (size_t i = T; i < n; i++) ids[order[i]] = -1;
        shuffle(plan.order, open);
    } else {
        for (size_t i = T; i < n; i++) ids[i] = -1;
        if (m == MDLM) shuffle(plan.order, open);
    }
    opt.rule = m == ESO ? LACUNA_RULE_PAPER : m == MDLM ? LACUNA_RULE_MDLM : m == BD3 ? LACUNA_RULE_BD3 : LACUNA_RULE_INDEPENDENT;
    if (m == BD3) opt.alpha0 = g > 1, opt.steps = (uint32_t)(open / g); /* plans are its own: one slot a step, or a block */
    else bench_plan_use(&plan, &opt);
    int r = lacuna_infill_ids(b->session, ids, n, &opt, &b->err);
    /* What comes first reads the T entries; then a block of BD3-LM, so that whole blocks are timed. */
    size_t before = m == MDLM ? 0 : m == BD3 ? BLOCK / g : 1;
    for (size_t i = 0; i < before && r >= 0; i++) r = lacuna_step(b->session, &ev, &b->err);
    if (r >= 0) r = 1;
    for (size_t i = 0; i < steps && r > 0; i++) {
        double start = engine_ms();
        r = lacuna_step(b->session, &ev, &b->err);
        if (r > 0) timings_add(t, engine_ms() - start);
    }
    bench_plan_free(&plan);
    free(order);
    free(ids);
    return r < 0 ? r : 0;
}

/* Mean for BD3-LM, where one step in a block is dearer; else the median. */
static double typical(method m, const timings *t)
{
    double sum = 0;
    if (m != BD3) return timings_spread(t).median;
    for (size_t i = 0; i < t->n; i++) sum += t->ms[i];
    return sum / (double)t->n;
}

/* The text's time, from the cost of a step. */
static void sum_up(size_t L, size_t g, outcome *o)
{
    double n = (double)(L / g);
    o->seconds = 1e-3 * (n * o->cost.a + o->cost.b * (double)g * n * (n - 1) / 2);
}

/* Time a method at one L and g. */
static int time_method(bench *b, method m, size_t L, size_t g, points *all, outcome *out)
{
    double cached[LEVELS], ms[LEVELS];
    size_t levels = m == MDLM ? 1 : LEVELS;
    for (size_t i = 0; i < levels; i++) {
        timings t = {0};
        size_t T = m == MDLM ? 0 : (2 * i + 1) * L / (2 * LEVELS);
        int r = time_steps(b, m, L, T, g, &t);
        cached[i] = (double)T, ms[i] = typical(m, &t);
        out->timed += t.n;
        timings_free(&t);
        if (r) return r;
        if (m == ESO && g == 1) all->cached[all->n] = cached[i], all->ms[all->n++] = ms[i];
    }
    out->cost = levels > 1 ? linear_fit(cached, ms, levels) : (linear){ms[0], 0, 1};
    return 0;
}

static void report(bench *b, size_t L, size_t g, const outcome o[METHODS])
{
    for (size_t m = 0; m < METHODS; m++) {
        if (m == AR && g > 1) continue; /* one token a pass is what it is */
        double ratio = o[m].seconds / o[ESO].seconds;
        bench_show("%6zu %7zu  %-18s %10.2f %10.2f %7zu %10.3f %10.3f %8.3f\n", L, L / g, names[m], o[m].seconds, ratio, o[m].timed,
                   o[m].cost.a, 1e3 * o[m].cost.b, o[m].cost.r2);
        json_comma(&b->json);
        buf_put(&b->json, "{");
        json_add_uint(&b->json, "length", L);
        json_add_uint(&b->json, "passes", L / g);
        json_add_name(&b->json, "method", names[m]);
        json_add_real(&b->json, "seconds", o[m].seconds);
        json_add_real(&b->json, "times_eso", ratio);
        json_add_uint(&b->json, "steps_timed", o[m].timed);
        json_add_real(&b->json, "step_ms", o[m].cost.a);
        json_add_real(&b->json, "step_ms_a_cached_entry", o[m].cost.b);
        json_add_real(&b->json, "r2", o[m].cost.r2);
        buf_put(&b->json, "}");
    }
}

int bench_long(bench *b)
{
    points all = {.n = 0};
    bench_show("\na text from nothing, threads %u; whole texts are reckoned from the steps timed: a + b T, T cached entries\n"
               "     L  passes  method                 seconds  times Eso   timed       a ms  b ms/1000       R2\n", b->threads);
    json_key(&b->json, "long");
    buf_put(&b->json, "[");
    for (size_t l = 0; l < LENGTHS; l++) {
        outcome mdlm = {{0, 0, 0}, 0, 0};
        int r = time_method(b, MDLM, lengths[l], 1, &all, &mdlm);
        for (size_t i = 0; i < SIZES && !r; i++) {
            outcome o[METHODS] = {[MDLM] = mdlm};
            for (size_t m = 0; m < METHODS && !r; m++) {
                if (m != MDLM && (m != AR || group_sizes[i] == 1)) r = time_method(b, (method)m, lengths[l], group_sizes[i], &all, &o[m]);
                sum_up(lengths[l], group_sizes[i], &o[m]);
            }
            if (r) return r;
            report(b, lengths[l], group_sizes[i], o);
        }
        if (r) return r;
    }
    linear fit = linear_fit(all.cached, all.ms, all.n);
    buf_put(&b->json, "]");
    json_key(&b->json, "eso_step");
    buf_put(&b->json, "{");
    json_add_real(&b->json, "ms", fit.a);
    json_add_real(&b->json, "ms_a_cached_entry", fit.b);
    json_add_real(&b->json, "r2", fit.r2);
    buf_put(&b->json, "}");
    bench_show("a step of Eso-LM, one slot, all lengths: %.3f ms + %.3f ms for each 1000 entries cached, R2 %.4f\n", fit.a, 1e3 * fit.b, fit.r2);
    return 0;
}
