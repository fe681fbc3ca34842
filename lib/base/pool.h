/* A few threads that run one loop together: owned by a session, made at open, joined at free; or the host's own.
 *
 * lac_pool_run cuts [0, n) into items; any thread takes any item, so an item must not depend on which
 * thread runs it nor on how many there are: then the bits do not depend on it either.  Between runs the
 * workers spin for a moment, then sleep: a session that waits for a person costs nothing. */
#ifndef LAC_BASE_POOL_H
#define LAC_BASE_POOL_H

#include "base/mem.h"

typedef struct lac_pool lac_pool;
typedef void (*lac_pool_fn)(void *ctx, size_t item, size_t thread);

/* n_threads counts the caller; at most 256.  With 0 or 1 no thread is made.  NOMEM or IO. */
int lac_pool_open(lac_pool **out, const lacuna_allocator *mem, unsigned n_threads, lacuna_error *err);
/* A pool that hands every run to the host's threads (lacuna.h).  ARG, NOMEM. */
int lac_pool_wrap(lac_pool **out, const lacuna_allocator *mem, const lacuna_parallel *host, lacuna_error *err);
void lac_pool_free(lac_pool *p); /* NULL is allowed */
unsigned lac_pool_threads(const lac_pool *p);

/* fn(ctx, i, thread) for every i in [0, n), each once, 0 <= thread < n_threads; returns when all are done, and
 * what the items wrote is then visible.  One run at a time: not from inside an item, nor from two threads. */
void lac_pool_run(lac_pool *p, lac_pool_fn fn, void *ctx, size_t n);

#endif
