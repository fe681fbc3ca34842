#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

/* A run publishes fn, ctx and n, then `left`, then `open`.  Who takes an item (open - 1 by compare and swap) has taken it
 * of the run in progress, whichever run he had looked at before, and reads fn only then; the run ends when `left` is 0,
 * so fn and ctx do not change under anybody who has an item.  A thread that the system has put aside costs
 * nothing unless it has one.
 *
 * Who sleeps says so (`asleep`, `waiting`) under the lock before a last look at what he waits for; who changes that looks
 * for sleepers after the change.  All of it is sequentially consistent: one of the two sees the other. */
struct lac_pool {
    const lacuna_allocator *mem;
    lacuna_parallel host;       /* run NULL: threads of our own */
    unsigned n;                 /* threads, the caller included */
    pthread_t *threads;         /* [n - 1] */
    struct worker *workers;     /* [n - 1] */
    pthread_mutex_t lock;
    pthread_cond_t wake, done;  /* workers wait for items, the caller for the last one */
    lac_pool_fn fn;             /* of this run */
    void *ctx;
    size_t items;
    _Alignas(64) atomic_size_t open; /* items nobody has taken */
    _Alignas(64) atomic_size_t left; /* items that are not finished */
    _Alignas(64) atomic_uint asleep; /* workers that sleep and have not been called */
    atomic_bool waiting;             /* the caller sleeps */
    atomic_bool stop;
};
struct worker {
    lac_pool *pool;
    size_t index;
};

/* Before sleeping: longer than what lies between two runs of a pass, and less than a sleeper takes to come back. */
#define SPIN_NS 50000
#define MOST 256 /* threads */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool idle(lac_pool *p) { return !atomic_load(&p->open) && !atomic_load(&p->stop); }
static bool busy(lac_pool *p) { return atomic_load(&p->left); }

/* Turn while it is so, for a moment; true: it is so no longer. */
static bool spin(lac_pool *p, bool (*so)(lac_pool *))
{
    int64_t end = 0;
    do {
        for (int i = 0; i < 32; i++) {
            if (!so(p)) return true;
            relax();
        }
        if (!end) end = lac_clock_ns() + SPIN_NS;
    } while (lac_clock_ns() < end);
    return false;
}

/* Take items until none is left. */
static void work(lac_pool *p, size_t thread)
{
    size_t n = 0;
    for (size_t k = atomic_load(&p->open); k; k = atomic_load(&p->open))
        if (atomic_compare_exchange_weak(&p->open, &k, k - 1)) {
            p->fn(p->ctx, p->items - k, thread);
            n++;
        }
    if (n && atomic_fetch_sub(&p->left, n) == n && atomic_load(&p->waiting)) {
        pthread_mutex_lock(&p->lock); /* the caller is asleep, or sees left */
        pthread_mutex_unlock(&p->lock);
        pthread_cond_signal(&p->done);
    }
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    lac_pool *p = w->pool;
    while (!atomic_load(&p->stop)) {
        if (!spin(p, idle)) {
            pthread_mutex_lock(&p->lock);
            atomic_fetch_add(&p->asleep, 1);
            if (idle(p)) pthread_cond_wait(&p->wake, &p->lock); /* once: who was called too late spins, more may come */
            pthread_mutex_unlock(&p->lock);
        }
        work(p, w->index);
    }
    return NULL;
}

/* A pool of the caller alone. */
static lac_pool *make(const lacuna_allocator *mem)
{
    lac_pool *p = lac_mem_zalloc(mem, sizeof *p);
    if (!p) return NULL;
    p->mem = mem;
    p->n = 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    return p;
}

int lac_pool_open(lac_pool **out, const lacuna_allocator *mem, unsigned n_threads, lacuna_error *err)
{
    *out = NULL;
    if (n_threads > MOST) return lac_err(err, LACUNA_E_ARG, 0, "%u threads are asked for, at most %d are possible", n_threads, MOST);
    lac_pool *p = make(mem);
    if (!p) return lac_nomem(err, "thread pool");
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

int lac_pool_wrap(lac_pool **out, const lacuna_allocator *mem, const lacuna_parallel *host, lacuna_error *err)
{
    *out = NULL;
    if (!host->run) return lac_err(err, LACUNA_E_ARG, 0, "the host's threads are given without run");
    if (!host->n_threads || host->n_threads > MOST)
        return lac_err(err, LACUNA_E_ARG, 0, "the host gives %u threads, 1 to %d are possible", (unsigned)host->n_threads, MOST);
    if (!(*out = make(mem))) return lac_nomem(err, "thread pool");
    (*out)->host = *host;
    (*out)->n = host->n_threads;
    return 0;
}

void lac_pool_free(lac_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_mutex_unlock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    for (unsigned i = 1; p->workers && i < p->n; i++)
        if (p->workers[i - 1].pool) pthread_join(p->threads[i - 1], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    if (p->threads) lac_mem_free(p->mem, p->threads, (p->n - 1) * sizeof *p->threads);
    if (p->workers) lac_mem_free(p->mem, p->workers, (p->n - 1) * sizeof *p->workers);
    lac_mem_free(p->mem, p, sizeof *p);
}

unsigned lac_pool_threads(const lac_pool *p) { return p->n; }

/* Call all sleepers. */
static void call(lac_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->asleep, 0);
    pthread_mutex_unlock(&p->lock);
    pthread_cond_broadcast(&p->wake);
}

static void wait_for_last(lac_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, true);
    while (busy(p)) pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->lock);
}

void lac_pool_run(lac_pool *p, lac_pool_fn fn, void *ctx, size_t n)
{
    if (p->n <= 1 || n <= 1) {
        for (size_t i = 0; i < n; i++) fn(ctx, i, 0);
        return;
    }
    if (p->host.run) {
        p->host.run(p->host.ctx, fn, ctx, n);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->items = n;
    atomic_store(&p->left, n);
    atomic_store(&p->open, n);
    if (atomic_load(&p->asleep)) call(p);
    work(p, 0);
    if (!spin(p, busy)) wait_for_last(p);
}
