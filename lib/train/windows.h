/* Windows: a corpus cut into pieces of n tokens, and an order in which an epoch visits them.
 *
 * A document of l tokens has ceil(l / n) windows.  They are all of n tokens (of l, where that is less), so neighbours may
 * overlap; where they begin is drawn anew each epoch:
 *
 *   document        |------------------------------|
 *   windows of n    |<-------->|      |<-------->|
 *                        |<-------->|   |<-------->|
 *
 * Window i of a run is a function of (seed, i) alone: an epoch visits each window once, in an order drawn anew.  The order is a
 * permutation that is computed, not stored: a Feistel network on the smallest even number of bits that holds the count, applied
 * again while it leads out of the range.  So a run resumes at the exact sample, and ranks and threads agree on i only. */
#ifndef LAC_TRAIN_WINDOWS_H
#define LAC_TRAIN_WINDOWS_H

#include "train/corpus.h"

typedef struct {
    const lac_corpus *c;
    size_t n, docs;
    uint64_t *first; /* [docs + 1] windows before document d */
} lac_windows;

/* c must outlive it and stay as it is.  NOMEM. */
int lac_windows_open(lac_windows *w, const lac_corpus *c, size_t n, const lacuna_allocator *mem, lacuna_error *err);
void lac_windows_free(lac_windows *w, const lacuna_allocator *mem);

/* Window i of the run with this seed: at most n tokens of one document into x, no <bos>, no tag; the document's tag, or -1,
 * into *tag.  Returns how many, at least 1; 0 when the corpus is empty. */
size_t lac_windows_get(const lac_windows *w, uint64_t seed, uint64_t i, int32_t *x, int32_t *tag);

#endif
