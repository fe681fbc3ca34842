/* The network's state and its one door: a pass over new entries against a cache of clean ones.
 *
 *   rank       0 ........ T-1 | T ........ T+c-1 | ........ T+N-1
 *   entries    cached clean   | new clean        | new masks
 *   K, V       kept           | kept if asked    | dropped after the pass
 *
 * K (after RoPE) and V are stored [L, H, cap, D], so that a head reads its keys as one matrix [T, D].
 * Everything that runs the network calls lac_net_forward: both phases of sampling, likelihood,
 * verification and the baselines; they differ in entries and in the attention rule (net/rule.h) only.
 *
 * Invariant: the output of an entry is a function of the entries it sees, in rank order, and of nothing
 * else: not of what was cached or new, of the other rows of the pass, or of threads (kern.h, batch
 * invariance).  Hence a text does not depend on what a session did before. */
#ifndef LAC_NET_NET_H
#define LAC_NET_NET_H

#include <stdatomic.h>

#include "base/pool.h"
#include "model/weights.h"

typedef struct {
    const lac_weights *w;
    const lac_kern *kern;
    const lacuna_allocator *mem;
    lac_pool *pool;
    atomic_bool *cancel; /* looked at between layers */

    /* cache */
    float *key, *val;    /* [L, H, cap, D] */
    size_t cap;          /* entries there is room for */
    size_t len;          /* T, entries cached */

    /* scratch for `rows` entries at a time; one block, carved up by reserve */
    float *scratch;
    size_t scratch_bytes, rows;
    float *x, *h, *qkv, *att, *up, *act; /* [rows, E] [rows, E] [rows, 3E] [rows, E] [rows, F or 2F] [rows, F] */
    float *angle;        /* [rows, D]: cosines, then sines */
    float *score;        /* [threads, rows, cap + 1] */
    float *logits;       /* [LAC_LOGIT_ROWS, V] */
    float *inv_freq;     /* [D / 2] */
} lac_net;

#define LAC_CHUNK 64      /* entries that go through the layers together: activations stay in L2 */
#define LAC_LOGIT_ROWS 16 /* rows of logits made at a time */

/* One pass. */
typedef struct {
    const int32_t *token;  /* [n]; the mask index for mask entries */
    const int32_t *pos;    /* [n] position ids, for RoPE */
    const uint32_t *sees;  /* [n], see net/rule.h; at most n */
    size_t n;              /* N, new entries */
    size_t keep;           /* the first `keep` of them stay in the cache */
    size_t first;          /* entries [first, n) get logits */
} lac_pass;

/* Receives the raw logits [V] of entry i, in order of i.  Non-zero stops the pass with that code. */
typedef int (*lac_row_fn)(void *ctx, size_t i, const float *logits, lacuna_error *err);

/* w, kern, mem, pool and cancel must outlive the net.  NOMEM. */
int lac_net_open(lac_net *net, const lac_weights *w, const lac_kern *kern, const lacuna_allocator *mem, lac_pool *pool,
                 atomic_bool *cancel, lacuna_error *err);
void lac_net_free(lac_net *net);
size_t lac_net_size(const lac_net *net); /* bytes held */

/* Make room for `entries` in cache and pass together, and for passes where at most `ahead` entries see one another
 * (a block, all of a bidirectional pass; 0 for the causal rules: they are cut into chunks).  What is cached stays.
 * After this, forward allocates nothing.  NOMEM; the net is then as before. */
int lac_net_reserve(lac_net *net, size_t entries, size_t ahead, lacuna_error *err);

/* Run one pass.  0; CANCELLED; LIMIT when reserve was too small; what fn returned.  After a failure the
 * cache is as before the call. */
int lac_net_forward(lac_net *net, const lac_pass *p, lac_row_fn fn, void *ctx, lacuna_error *err);

/* Forget all entries of rank n and above.  n is at most len. */
void lac_net_crop(lac_net *net, size_t n);

#endif
