/* The thread pool: every item once, whatever the number of threads; meant to be run under TSan too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/pool.h"

static lacuna_allocator mem;

static int setup(void **state)
{
    (void)state;
    mem = lac_mem_system_or((lacuna_allocator){0});
    return 0;
}

enum { ITEMS = 1000 };
typedef struct {
    unsigned char done[ITEMS]; /* plain: two threads on one item are a race, and lost counts */
    size_t bad;                /* written by the item that sees something wrong */
    unsigned n_threads;
} job;

static void mark(void *ctx, size_t item, size_t thread)
{
    job *j = ctx;
    if (thread >= j->n_threads) j->bad++;
    j->done[item]++;
}

static void test_once(void **state)
{
    (void)state;
    for (unsigned n_threads = 0; n_threads <= 8; n_threads++) {
        lac_pool *p;
        assert_int_equal(lac_pool_open(&p, &mem, n_threads, NULL), 0);
        assert_int_equal(lac_pool_threads(p), n_threads ? n_threads : 1);
        for (size_t n = 0; n <= ITEMS; n = n < 20 ? n + 1 : n * 3 / 2) {
            job j = {.n_threads = lac_pool_threads(p)};
            lac_pool_run(p, mark, &j, n);
            for (size_t i = 0; i < ITEMS; i++) assert_int_equal(j.done[i], i < n);
            assert_int_equal(j.bad, 0);
        }
        lac_pool_run(p, NULL, NULL, 0);
        lac_pool_free(p);
    }
}

/* Rounds far shorter than it takes to wake a thread: late workers meet rounds that are over, and each
 * round has its own context on the stack, which nobody may touch after it. */
static void test_short_rounds(void **state)
{
    (void)state;
    for (unsigned n_threads = 2; n_threads <= 8; n_threads += 3) {
        lac_pool *p;
        assert_int_equal(lac_pool_open(&p, &mem, n_threads, NULL), 0);
        for (int round = 0; round < 10000; round++) {
            job j = {.n_threads = n_threads};
            size_t n = (size_t)round % 7;
            lac_pool_run(p, mark, &j, n);
            size_t sum = 0;
            for (size_t i = 0; i < 8; i++) sum += j.done[i];
            if (sum != n || j.bad) fail_msg("%u threads, round %d: %zu of %zu items", n_threads, round, sum, n);
        }
        lac_pool_free(p);
    }
}

/* What a round wrote, the next reads, in any thread. */
typedef struct {
    uint64_t from[64], to[64];
} chain;

static void step(void *ctx, size_t item, size_t thread)
{
    chain *c = ctx;
    (void)thread;
    c->to[item] = c->from[item] + c->from[(item + 1) % 64];
}

static void test_visible(void **state)
{
    (void)state;
    chain one = {.from = {1}}, many = {.from = {1}};
    for (unsigned n_threads = 1; n_threads <= 4; n_threads += 3) {
        chain *c = n_threads == 1 ? &one : &many;
        lac_pool *p;
        assert_int_equal(lac_pool_open(&p, &mem, n_threads, NULL), 0);
        for (int round = 0; round < 2000; round++) {
            lac_pool_run(p, step, c, 64);
            memcpy(c->from, c->to, sizeof c->from);
        }
        lac_pool_free(p);
    }
    assert_memory_equal(&one, &many, sizeof one);
}

static void nap(void)
{
    struct timespec t = {0, 3000000}; /* long enough for workers to stop spinning */
    nanosleep(&t, NULL);
}

static void test_sleep(void **state)
{
    (void)state;
    lac_pool *p;
    assert_int_equal(lac_pool_open(&p, &mem, 4, NULL), 0);
    for (int round = 0; round < 20; round++) {
        job j = {.n_threads = 4};
        nap();
        lac_pool_run(p, mark, &j, 100);
        for (size_t i = 0; i < 100; i++) assert_int_equal(j.done[i], 1);
    }
    nap();
    lac_pool_free(p); /* of sleepers */
    for (int i = 0; i < 50; i++) { /* and of threads that have hardly begun */
        assert_int_equal(lac_pool_open(&p, &mem, 8, NULL), 0);
        lac_pool_free(p);
    }
    lac_pool_free(NULL);
}

/* Two pools in two threads do not meet. */
static void *own_pool(void *arg)
{
    lac_pool *p;
    if (lac_pool_open(&p, &mem, 3, NULL)) return NULL;
    for (int round = 0; round < 2000; round++) {
        job j = {.n_threads = 3};
        lac_pool_run(p, mark, &j, 9);
        for (size_t i = 0; i < 9; i++)
            if (j.done[i] != 1) arg = NULL;
    }
    lac_pool_free(p);
    return arg;
}

static void test_two_pools(void **state)
{
    (void)state;
    pthread_t t;
    void *ok;
    assert_int_equal(pthread_create(&t, NULL, own_pool, &mem), 0);
    assert_non_null(own_pool(&mem));
    pthread_join(t, &ok);
    assert_non_null(ok);
}

/* Workers block every signal that can be blocked; the caller's mask is as it was. */
typedef struct {
    sigset_t mask[8];
    unsigned char seen[8];
} masks;

static void note_mask(void *ctx, size_t item, size_t thread)
{
    masks *m = ctx;
    (void)item;
    pthread_sigmask(SIG_BLOCK, NULL, &m->mask[thread]);
    m->seen[thread] = 1;
    nap();
}

static void test_signals(void **state)
{
    (void)state;
    masks m = {0};
    sigset_t before, after;
    lac_pool *p;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(lac_pool_open(&p, &mem, 4, NULL), 0);
    lac_pool_run(p, note_mask, &m, 12);
    lac_pool_free(p);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    const int some[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD, SIGUSR1, SIGPIPE};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        assert_int_equal(sigismember(&before, some[i]), sigismember(&after, some[i]));
        for (size_t t = 1; t < 4; t++)
            if (m.seen[t]) assert_int_equal(sigismember(&m.mask[t], some[i]), 1);
    }
}

/* Runs whose last item ends long after the caller has nothing left to do, and one that no worker can help with. */
static void linger(void *ctx, size_t item, size_t thread)
{
    mark(ctx, item, thread);
    if (item % 2) nap();
}

static void test_last_item(void **state)
{
    (void)state;
    for (unsigned n_threads = 2; n_threads <= 5; n_threads += 3) {
        lac_pool *p;
        assert_int_equal(lac_pool_open(&p, &mem, n_threads, NULL), 0);
        for (int round = 0; round < 40; round++) {
            job j = {.n_threads = n_threads};
            size_t n = 1 + (size_t)round % 9;
            lac_pool_run(p, linger, &j, n);
            for (size_t i = 0; i < 12; i++) assert_int_equal(j.done[i], i < n);
        }
        lac_pool_free(p);
    }
}

/* The host's threads: every run with more than one item is handed over as it is. */
typedef struct {
    size_t runs;
} host;

static void run_backwards(void *ctx, void (*fn)(void *arg, size_t item, size_t thread), void *arg, size_t n)
{
    ((host *)ctx)->runs++;
    for (size_t i = n; i--;) fn(arg, i, i % 3);
}

static void test_wrap(void **state)
{
    (void)state;
    host h = {0};
    lac_pool *p;
    lacuna_error err;
    assert_int_equal(lac_pool_wrap(&p, &mem, &(lacuna_parallel){run_backwards, &h, 3}, &err), 0);
    assert_int_equal(lac_pool_threads(p), 3);
    for (size_t n = 0; n < 20; n++) {
        job j = {.n_threads = 3};
        lac_pool_run(p, mark, &j, n);
        for (size_t i = 0; i < ITEMS; i++) assert_int_equal(j.done[i], i < n);
        assert_int_equal(j.bad, 0);
    }
    assert_int_equal(h.runs, 18);
    lac_pool_free(p);
    const lacuna_parallel bad[] = {{NULL, &h, 3}, {run_backwards, &h, 0}, {run_backwards, &h, 257}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p = (lac_pool *)&mem;
        assert_int_equal(lac_pool_wrap(&p, &mem, &bad[i], &err), LACUNA_E_ARG);
        assert_null(p);
    }
}

static void *fail_later(void *ctx, void *p, size_t old, size_t now, size_t align)
{
    int *left = ctx;
    if (now && !(*left)--) return NULL;
    lacuna_allocator a = lac_mem_system_or((lacuna_allocator){0});
    return a.fn(a.ctx, p, old, now, align);
}

static void test_failures(void **state)
{
    (void)state;
    lac_pool *p = (lac_pool *)&mem;
    lacuna_error err;
    assert_int_equal(lac_pool_open(&p, &mem, 257, &err), LACUNA_E_ARG);
    assert_null(p);
    for (int budget = 0; budget < 3; budget++) {
        int left = budget;
        lacuna_allocator a = {fail_later, &left};
        assert_int_equal(lac_pool_open(&p, &a, 4, &err), LACUNA_E_NOMEM);
        assert_null(p);
    }
    int left = 0;
    assert_int_equal(lac_pool_wrap(&p, &(lacuna_allocator){fail_later, &left}, &(lacuna_parallel){run_backwards, NULL, 2}, &err), LACUNA_E_NOMEM);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once),      cmocka_unit_test(test_short_rounds), cmocka_unit_test(test_visible),
                                       cmocka_unit_test(test_sleep),     cmocka_unit_test(test_two_pools),    cmocka_unit_test(test_signals),
                                       cmocka_unit_test(test_last_item), cmocka_unit_test(test_wrap),         cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
