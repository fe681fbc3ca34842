/* Keys and values of clean entries: a list of entries in rank order, kept in pages.
 *
 *   kv      tokens, positions   e0 e1 ... e15 | e16 ... e31 | e32 ...            len entries
 *           page table            page 0          page 1       page 2            pages of LAC_PAGE entries
 *   page    [L, H] x (K, V)     of its 16 entries, as attend.h says
 *
 * Pages belong to a store, which takes them from the allocator and keeps those given back.  A branch is a kv that
 * begins as another does: it borrows the full pages of the common beginning and has a copy of the last, partial
 * one.  While it lives, the other must not be cropped below where the branch began, nor be freed. */
#ifndef LAC_NET_KV_H
#define LAC_NET_KV_H

#include "base/mem.h"
#include "kern/attend.h"
#include "model/weights.h"

typedef struct {
    const lacuna_allocator *mem;
    lac_type type;        /* of keys and values: LAC_F32 or LAC_BF16 */
    size_t heads, D;      /* heads of all layers, L H; head dimension */
    size_t page_bytes;    /* of all layers and heads */
    char **idle;          /* [idle_cap] pages not in use */
    size_t n_idle, idle_cap;
    size_t n_pages;       /* pages in all */
} lac_kv_store;

typedef struct {
    lac_kv_store *store;
    char **page;          /* [page_cap] the first n_pages are there */
    size_t n_pages, page_cap;
    size_t borrowed;      /* the first so many pages belong to another kv */
    size_t len;           /* entries */
    int32_t *token, *pos; /* [token_cap], [pos_cap] of each entry */
    size_t token_cap, pos_cap;
} lac_kv;

void lac_kv_store_init(lac_kv_store *s, const lac_hparams *hp, lac_type type, const lacuna_allocator *mem);
void lac_kv_store_free(lac_kv_store *s); /* after all its kv */
size_t lac_kv_store_size(const lac_kv_store *s); /* bytes, idle pages included */
void lac_kv_store_trim(lac_kv_store *s);         /* give idle pages back to the allocator */

void lac_kv_init(lac_kv *kv, lac_kv_store *s);   /* empty; allocates nothing */
void lac_kv_free(lac_kv *kv);                    /* pages go back to the store; kv is then empty */

/* Room for `entries` entries in all.  NOMEM; kv is then as before. */
int lac_kv_reserve(lac_kv *kv, size_t entries, lacuna_error *err);
size_t lac_kv_room(const lac_kv *kv); /* entries there is room for, those it has included */

/* The longest common beginning of kv's entries and these. */
size_t lac_kv_match(const lac_kv *kv, const int32_t *token, const int32_t *pos, size_t n);
void lac_kv_crop(lac_kv *kv, size_t n); /* forget all entries of rank n and above; pages stay reserved */
void lac_kv_fit(lac_kv *kv);            /* pages beyond the entries go back to the store */

/* Make an empty kv a branch of `from` after its first n entries, with room for `entries` in all.  NOMEM.  `from` may get
 * these entries later, if it has room for them: then the branch is made anew, which allocates nothing, with the same n. */
int lac_kv_branch(lac_kv *kv, const lac_kv *from, size_t n, size_t entries, lacuna_error *err);
void lac_kv_rebranch(lac_kv *kv, const lac_kv *from, size_t n);

#endif
