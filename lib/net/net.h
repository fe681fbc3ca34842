/* The network's state and its one door: a pass over new entries against lists of clean ones.
 *
 *   rank       0 ........ T-1 | T ........ T+c-1 | ........ T+N-1
 *   entries    cached clean   | new clean        | new masks
 *   K, V       kept           | kept if asked    | dropped after the pass
 *
 * Entries come in parts, one for each list (kv.h) that they go on: several candidates, which share a context and
 * differ from there on, run in one pass as several parts.
 * Everything that runs the network calls lac_net_forward: both phases of sampling, likelihood,
 * verification and the baselines; they differ in entries and in the attention rule (net/rule.h) only.
 *
 * Invariant: the output of an entry is a function of the entries it sees, in rank order, and of nothing
 * else: not of what was cached or new, of the other rows and parts of the pass, or of threads (kern.h, batch
 * invariance).  Hence a text does not depend on what a session did before. */
#ifndef LAC_NET_NET_H
#define LAC_NET_NET_H

#include <stdatomic.h>

#include "base/pool.h"
#include "model/weights.h"
#include "net/kv.h"

#define LAC_CHUNK 64      /* entries that go through the layers together: activations stay in L2 */
#define LAC_LOGIT_ROWS 32 /* rows of logits made at a time */

typedef struct {
    const lac_weights *w; /* packed: lac_weights_pack */
    const lac_kern *kern;
    const lacuna_allocator *mem;
    lac_pool *pool;
    atomic_bool *cancel;  /* looked at between layers */

    /* scratch for `rows` entries at a time; one block, carved up by reserve */
    char *scratch;
    size_t scratch_bytes, rows;
    float *x, *h, *qkv, *up; /* [rows, E] [rows, E] [rows, 3E] [rows, F or 2F] */
    char *act;            /* [rows] prepared activations of the widest product (pack.h) */
    float *angle;         /* [rows, D]: cosines, then sines */
    float *room;          /* [threads, lac_attend_room] */
    float *logits;        /* [LAC_LOGIT_ROWS, V] */
    uint32_t *sees, *self; /* [rows] ranks, as attend.h has them */
    uint32_t *part, *entry; /* [rows] which entry of which part */
    float *inv_freq;      /* [D / 2] */
} lac_net;

/* The entries of a pass that go on one list. */
typedef struct {
    lac_kv *kv;            /* room for len + n entries; no two parts of a pass have the same */
    const int32_t *token;  /* [n]; the mask index for mask entries */
    const int32_t *pos;    /* [n] position ids, for RoPE */
    const uint32_t *sees;  /* [n], see net/rule.h; at most n */
    size_t n;              /* N, new entries */
    size_t keep;           /* the first `keep` of them stay on the list */
    size_t first;          /* entries [first, n) get logits */
} lac_part;

/* One pass. */
typedef struct {
    const lac_part *part;
    size_t n_parts;
    const uint8_t *panels; /* [V / LAC_PANEL, rounded up] non-zero: logits of these 16 tokens are wanted, the others are -inf;
                              NULL: all */
} lac_pass;

/* Receives the raw logits [V] of entry i of part p, in order of p, then i.  Non-zero stops the pass with that code. */
typedef int (*lac_row_fn)(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err);

/* w, kern, mem, pool and cancel must outlive the net.  NOMEM. */
int lac_net_open(lac_net *net, const lac_weights *w, const lac_kern *kern, const lacuna_allocator *mem, lac_pool *pool,
                 atomic_bool *cancel, lacuna_error *err);
void lac_net_free(lac_net *net);
size_t lac_net_size(const lac_net *net); /* bytes held */

/* Make room for passes where at most `ahead` entries see one another (a block, all of a bidirectional pass; 0 for the
 * causal rules: they are cut into chunks).  After this, forward allocates nothing.  NOMEM; the net is then as before. */
int lac_net_reserve(lac_net *net, size_t ahead, lacuna_error *err);

/* Run one pass.  0; CANCELLED; LIMIT when a list or the scratch has too little room; what fn returned.  After a
 * failure the lists are as before the call. */
int lac_net_forward(lac_net *net, const lac_pass *p, lac_row_fn fn, void *ctx, lacuna_error *err);

#endif
