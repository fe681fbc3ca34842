#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

/* One round = one lac_pool_run.  `ticket` holds round << 32 | items not yet taken: a worker that wakes late
 * cannot take an item of another round, and reads fn only for an item it has taken.  The caller leaves a
 * round only when `left` (items not finished) is 0, so fn and ctx do not change under anybody. */
struct lac_pool {
    const lacuna_allocator *mem;
    unsigned n;               /* threads, the caller included */
    pthread_t *threads;       /* [n - 1] */
    struct worker *workers;   /* [n - 1] */
    pthread_mutex_t lock;     /* guards round and stop for sleepers */
    pthread_cond_t wake;
    lac_pool_fn fn;           /* of this round; written before ticket is published */
    void *ctx;
    atomic_uint_fast64_t ticket;
    atomic_size_t left;
    atomic_uint round;
    atomic_bool stop;
};
struct worker {
    lac_pool *pool;
    size_t index;
};

#define SPIN 2000 /* turns before sleeping: about 20 us, less than a layer takes */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Take items of `round` until none is left. */
static void work(lac_pool *p, unsigned round, size_t thread)
{
    for (;;) {
        uint64_t t = atomic_load(&p->ticket);
        do
            if ((unsigned)(t >> 32) != round || !(uint32_t)t) return;
        while (!atomic_compare_exchange_weak(&p->ticket, &t, t - 1));
        p->fn(p->ctx, (uint32_t)t - 1, thread);
        atomic_fetch_sub(&p->left, 1);
    }
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    lac_pool *p = w->pool;
    unsigned seen = 0;
    for (;;) {
        unsigned now = seen;
        for (int i = 0; i < SPIN && (now = atomic_load(&p->round)) == seen && !atomic_load(&p->stop); i++) relax();
        if (now == seen) {
            pthread_mutex_lock(&p->lock);
            while ((now = atomic_load(&p->round)) == seen && !atomic_load(&p->stop)) pthread_cond_wait(&p->wake, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        if (atomic_load(&p->stop)) return NULL;
        seen = now;
        work(p, now, w->index);
    }
}

int lac_pool_open(lac_pool **out, const lacuna_allocator *mem, unsigned n_threads, lacuna_error *err)
{
    *out = NULL;
    if (n_threads > 256) return lac_err(err, LACUNA_E_ARG, 0, "%u threads asked for, at most 256", n_threads);
    lac_pool *p = lac_mem_zalloc(mem, sizeof *p);
    if (!p) return lac_nomem(err, "thread pool");
    p->mem = mem;
    p->n = 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    if (n_threads > 1) {
        p->threads = lac_mem_zalloc(mem, (n_threads - 1) * sizeof *p->threads);
        p->workers = lac_mem_zalloc(mem, (n_threads - 1) * sizeof *p->workers);
        if (!p->threads || !p->workers) {
            lac_mem_free(mem, p->threads, (n_threads - 1) * sizeof *p->threads);
            lac_mem_free(mem, p->workers, (n_threads - 1) * sizeof *p->workers);
            p->threads = NULL;
            p->workers = NULL;
            lac_pool_free(p);
            return lac_nomem(err, "thread pool");
        }
    }
    for (; p->n < n_threads; p->n++) {
        p->workers[p->n - 1] = (struct worker){p, p->n};
        /* The host's signals are for the host's threads: a worker is born with all of them blocked. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int e = pthread_create(&p->threads[p->n - 1], NULL, run_worker, &p->workers[p->n - 1]);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (e) {
            unsigned made = p->n;
            p->n = n_threads; /* sizes of the arrays, for free */
            for (unsigned i = made; i < n_threads; i++) p->workers[i - 1].pool = NULL;
            lac_pool_free(p);
            return lac_err(err, LACUNA_E_IO, 0, "thread %u of %u could not be started (error %d)", made + 1, n_threads, e);
        }
    }
    *out = p;
    return 0;
}

void lac_pool_free(lac_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 1; i < p->n; i++)
        if (p->workers[i - 1].pool) pthread_join(p->threads[i - 1], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    if (p->threads) lac_mem_free(p->mem, p->threads, (p->n - 1) * sizeof *p->threads);
    if (p->workers) lac_mem_free(p->mem, p->workers, (p->n - 1) * sizeof *p->workers);
    lac_mem_free(p->mem, p, sizeof *p);
}

unsigned lac_pool_threads(const lac_pool *p) { return p->n; }

void lac_pool_run(lac_pool *p, lac_pool_fn fn, void *ctx, size_t n)
{
    if (p->n <= 1 || n <= 1 || n > UINT32_MAX) { /* the ticket has 32 bits for items */
        for (size_t i = 0; i < n; i++) fn(ctx, i, 0);
        return;
    }
    unsigned round = atomic_load(&p->round) + 1;
    p->fn = fn;
    p->ctx = ctx;
    atomic_store(&p->left, n);
    atomic_store(&p->ticket, (uint64_t)round << 32 | n);
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->round, round);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    work(p, round, 0);
    for (int i = 0; atomic_load(&p->left); i++) {
        if (i < SPIN) relax();
        else sched_yield();
    }
}
