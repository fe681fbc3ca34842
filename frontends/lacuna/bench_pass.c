/* lacuna bench: single passes, few masks over a cached context and whole contexts at once, beside the least time they could take. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/json.h"
#include "lacuna/bench.h"
#include "lacuna/engine.h"

enum { LEAST_TIMES = 7, MOST_TIMES = 400 };
#define BUDGET_MS 150.0 /* for the timings of one line */

/* Time the pass of `masks` slots behind `cached` ids, which are found in the cache. */
static int time_pass(bench *b, size_t cached, size_t masks, timings *t)
{
    lacuna_token *ids = xalloc(cached + masks, sizeof *ids);
    bench_plan plan = bench_plan_make(masks, masks);
    lacuna_infill_options opt = {.size = LACUNA_INFILL_INIT};
    const lacuna_event *ev;
    int r = 0;
    bench_ids(b, cached, ids, cached);
    for (size_t i = 0; i < masks; i++) ids[cached + i] = -1;
    bench_plan_use(&plan, &opt);
    double end = 0;
    for (size_t i = 0; i <= MOST_TIMES && (i <= LEAST_TIMES || engine_ms() < end); i++) {
        if ((r = lacuna_infill_ids(b->session, ids, cached + masks, &opt, &b->err)) < 0) break;
        double start = engine_ms();
        if ((r = lacuna_step(b->session, &ev, &b->err)) < 0) break;
        if (i) timings_add(t, engine_ms() - start);
        else end = engine_ms() + BUDGET_MS; /* the first time loads the context */
    }
    bench_plan_free(&plan);
    free(ids);
    return r < 0 ? r : 0;
}

/* Least milliseconds: weights read once or all products made, whichever is longer, and the cache read. */
static double pass_floor(const bench *b, size_t cached, size_t masks)
{
    const lacuna_machine *m = &b->machine;
    double read = (double)m->weight_bytes / m->read_bytes, work = (double)masks * (double)m->weight_multiplies / m->multiplies;
    return 1e3 * ((read > work ? read : work) + (double)cached * (double)b->kv_bytes / m->read_bytes);
}

int bench_pass(bench *b)
{
    static const size_t contexts[] = {BENCH_CACHED, 2048}, masks[] = {1, 2, 4, 8, 16, 32};
    bench_show("\none pass            masks   cached        us       min       max  weights GB/s  floor us  times floor\n");
    json_key(&b->json, "pass");
    buf_put(&b->json, "[");
    for (size_t c = 0; c < sizeof contexts / sizeof *contexts; c++) {
        for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
            timings t = {0};
            int r = time_pass(b, contexts[c], masks[i], &t);
            spread s = timings_spread(&t);
            timings_free(&t);
            if (r) return r;
            double floor = pass_floor(b, contexts[c], masks[i]), rate = (double)b->machine.weight_bytes / s.median * 1e3;
            if (contexts[c] == BENCH_CACHED && masks[i] == 8) b->pass8 = s.median;
            bench_show("threads %2u         %8zu %8zu %9.0f %9.0f %9.0f %13.1f %9.0f %12.2f\n", b->threads, masks[i], contexts[c],
                       1e3 * s.median, 1e3 * s.min, 1e3 * s.max, rate / 1e9, 1e3 * floor, s.median / floor);
            json_comma(&b->json);
            buf_put(&b->json, "{");
            json_add_uint(&b->json, "masks", masks[i]);
            json_add_uint(&b->json, "cached", contexts[c]);
            json_add_spread(&b->json, "ms", s);
            json_add_real(&b->json, "weights_per_second", rate);
            json_add_real(&b->json, "floor_ms", floor);
            json_add_real(&b->json, "times_floor", s.median / floor);
            buf_put(&b->json, "}");
        }
    }
    buf_put(&b->json, "]");
    bench_show("the floor has the weights come from memory: below 1 times it, caches hold them\n");
    return 0;
}

/* ---- a context read at once ---- */

static int time_prefill(bench *b, size_t n, timings *t)
{
    lacuna_token *ids = xalloc(n + 1, sizeof *ids);
    lacuna_infill_options opt = {.size = LACUNA_INFILL_INIT};
    const lacuna_event *ev;
    int r = 0;
    ids[n] = -1;
    double end = engine_ms() + 4 * BUDGET_MS;
    for (uint64_t i = 0; i < MOST_TIMES && (i < 4 || engine_ms() < end); i++) {
        bench_ids(b, 1000 * n + i, ids, n); /* another text each time: nothing of it is cached */
        if ((r = lacuna_infill_ids(b->session, ids, n + 1, &opt, &b->err)) < 0) break;
        double start = engine_ms();
        if ((r = lacuna_step(b->session, &ev, &b->err)) < 0) break;
        if (i) timings_add(t, engine_ms() - start);
    }
    free(ids);
    return r < 0 ? r : 0;
}

int bench_prefill(bench *b)
{
    static const size_t contexts[] = {BENCH_CACHED, 2048};
    size_t body = b->machine.weight_multiplies - (size_t)b->info->n_vocab * b->info->n_embd; /* an entry without logits */
    bench_show("\na context at once   tokens        ms       min       max  tokens/s  floor ms  times floor\n");
    json_key(&b->json, "prefill");
    buf_put(&b->json, "[");
    for (size_t c = 0; c < sizeof contexts / sizeof *contexts; c++) {
        timings t = {0};
        int r = time_prefill(b, contexts[c], &t);
        spread s = timings_spread(&t);
        timings_free(&t);
        if (r) return r;
        double n = (double)contexts[c], seen = n * n / 2 * 2 * b->info->n_layer * b->info->n_embd; /* multiply-adds of attention */
        double floor = 1e3 * (n * (double)body + seen) / b->machine.multiplies;
        bench_show("threads %2u         %8zu %9.1f %9.1f %9.1f %9.0f %9.1f %12.2f\n", b->threads, contexts[c], s.median, s.min, s.max,
                   1e3 * n / s.median, floor, s.median / floor);
        json_comma(&b->json);
        buf_put(&b->json, "{");
        json_add_uint(&b->json, "tokens", contexts[c]);
        json_add_spread(&b->json, "ms", s);
        json_add_real(&b->json, "tokens_per_second", 1e3 * n / s.median);
        json_add_real(&b->json, "floor_ms", floor);
        json_add_real(&b->json, "times_floor", s.median / floor);
        buf_put(&b->json, "}");
    }
    buf_put(&b->json, "]");
    return 0;
}

/* ---- on a busy machine ---- */

/* A process that does nothing, with all its might, for as long as this one lives. */
static pid_t busy(void)
{
    pid_t parent = getpid(), pid = fork();
    if (pid) return pid;
    while (getppid() == parent)
        for (volatile unsigned i = 0; i < 1000000; i++) {}
    _exit(0);
}

int bench_loaded(bench *b)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pid_t *pid = xalloc((size_t)cores, sizeof *pid);
    timings t = {0};
    for (long i = 0; i < cores; i++) pid[i] = busy();
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    int r = time_pass(b, BENCH_CACHED, 8, &t);
    for (long i = 0; i < cores; i++)
        if (pid[i] > 0) kill(pid[i], SIGKILL), waitpid(pid[i], NULL, 0);
    free(pid);
    spread s = timings_spread(&t);
    timings_free(&t);
    if (r) return r;
    bench_show("\n8 masks while each of %ld processors has another busy process: %.0f us (%.0f to %.0f), %.2f times the idle machine's\n", cores,
               1e3 * s.median, 1e3 * s.min, 1e3 * s.max, s.median / b->pass8);
    json_key(&b->json, "loaded");
    buf_put(&b->json, "{");
    json_add_int(&b->json, "busy_processes", cores);
    json_add_spread(&b->json, "ms", s);
    json_add_real(&b->json, "times_idle", s.median / b->pass8);
    buf_put(&b->json, "}");
    return 0;
}
