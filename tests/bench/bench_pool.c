/* The thread pool: what a run costs, and a pass of 60 runs of about 50 us of work for each thread, with the machine idle and with as many
 * busy processes beside it as it has cores.  TSV: threads, what, median and 9th decile in us, idle and loaded, and the ratio of the medians. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/pool.h"

enum { ROUNDS = 301, RUNS = 60, ITEMS = 16, RUN_US = 50, BUSY = 64 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void nothing(void *ctx, size_t item, size_t thread) { (void)ctx, (void)item, (void)thread; }

/* Work of a fixed amount, not of a fixed time: `turns` dependent multiplications. */
static volatile uint64_t sink[256 * 8];
static void turn(void *ctx, size_t item, size_t thread)
{
    uint64_t x = item;
    for (size_t i = *(const size_t *)ctx; i; i--) x = x * 6364136223846793005u + 1;
    sink[thread * 8] = x;
}

typedef struct {
    lac_pool *pool;
    lac_pool_fn fn;
    size_t turns;  /* of an item */
    size_t n, runs;
} load;

static double once(const load *l)
{
    double t = now_us();
    for (size_t i = 0; i < l->runs; i++) lac_pool_run(l->pool, l->fn, (void *)&l->turns, l->n);
    return now_us() - t;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct {
    double median, p90;
} figure;

static figure measure(const load *l)
{
    double t[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) t[i] = once(l) / (l->fn == nothing ? (double)l->runs : 1);
    qsort(t, ROUNDS, sizeof *t, by_size);
    return (figure){t[ROUNDS / 2], t[ROUNDS * 9 / 10]};
}

static size_t start_busy(pid_t *busy)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    if (n > BUSY) n = BUSY;
    for (long i = 0; i < n; i++)
        if (!(busy[i] = fork()))
            for (;;) sink[0]++;
    usleep(100000);
    return (size_t)n;
}

static void stop_busy(const pid_t *busy, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (busy[i] > 0) kill(busy[i], SIGKILL), waitpid(busy[i], NULL, 0);
}

int main(void)
{
    lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    size_t turns = 10000;
    double best = 1e30;
    for (int i = 0; i < 50; i++) {
        double t = now_us();
        turn(&turns, 0, 0);
        if ((t = now_us() - t) < best) best = t;
    }
    turns = (size_t)((double)turns * RUN_US / best / ITEMS);
    puts("threads\twhat\tidle_us\tidle_p90\tloaded_us\tloaded_p90\tratio");
    for (unsigned threads = 1; threads <= 2; threads++) {
        lac_pool *p;
        if (lac_pool_open(&p, &mem, threads, NULL)) return 1;
        const struct {
            const char *what;
            load l;
        } row[] = {{"run of 2 items", {p, nothing, 0, 2, 200}},
                   {"run of 16 items", {p, nothing, 0, 16, 200}},
                   {"pass of 60 runs", {p, turn, turns * threads, ITEMS, RUNS}}};
        figure idle[3], loaded[3];
        pid_t busy[BUSY];
        for (int i = 0; i < 3; i++) idle[i] = measure(&row[i].l);
        size_t n = start_busy(busy);
        for (int i = 0; i < 3; i++) loaded[i] = measure(&row[i].l);
        stop_busy(busy, n);
        for (int i = 0; i < 3; i++)
            printf("%u\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\n", threads, row[i].what, idle[i].median, idle[i].p90, loaded[i].median, loaded[i].p90,
                   loaded[i].median / idle[i].median);
        lac_pool_free(p);
    }
    return 0;
}
