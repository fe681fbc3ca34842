/* Keys and values of one head in pages, and attention over them.
 *
 * A page holds LAC_PAGE = 16 entries.  Of one layer and head it has, in elements of F32 or BF16:
 *
 *   F32    K [D, 16]      then V [16, D]           a vector of 16 lanes is one dimension of 16 keys
 *   BF16   K [D/2, 16, 2] then V [16/2, D, 2]      pairs along the dimension (K) and along the entries (V)
 *
 * D is even.  Rank t is entry t mod 16 of page t / 16 of a list of pages. */
#ifndef LAC_KERN_ATTEND_H
#define LAC_KERN_ATTEND_H

#include "kern/kern.h"

#define LAC_PAGE 16
#define LAC_SPAN 128 /* ranks whose scores are made before the sums move on: the steps of the online softmax */

struct lac_attend {
    lac_type type;            /* of keys and values: LAC_F32 or LAC_BF16 */
    size_t D;                 /* head dimension */
    const char *const *page;  /* pages in rank order */
    size_t offset;            /* bytes from the start of a page to K of this layer and head */
    const float *q;           /* [N, ldq] */
    size_t ldq, N;
    const uint32_t *sees;     /* [N] row n sees ranks [0, sees[n]) ... */
    const uint32_t *self;     /* [N] ... and rank self[n], unless it is among them */
    float *out;               /* [N, ldo] */
    size_t ldo;
    float *room;              /* scratch: lac_attend_room floats */
};

/* Online softmax (Milakov and Gimelshein, arXiv 1805.02867) over spans of LAC_SPAN ranks, which begin at multiples
 * of it; the row's own entry counts as the rank after those it sees.  What a row gives depends on its keys in this
 * order and on nothing else: not on where its own entry lies.  A row has at least one key.  Keys and values that no
 * row sees may hold any finite number. */
size_t lac_attend_room(size_t N, size_t D);

size_t lac_page_bytes(lac_type type, size_t D); /* of one layer and head */

/* Put k and v [D], encoded as rows of the type (lac_row_encode, or `prepare` of a table), at place t (below LAC_PAGE) of a
 * page, at the K of their layer and head; and back as floats. */
void lac_page_put(lac_type type, void *at, size_t t, size_t D, const void *k, const void *v);
void lac_page_get(lac_type type, const void *at, size_t t, size_t D, float *k, float *v);

#endif
