/* What of a text is kept besides what is near: whole lines from outside the window, most telling first.
 *
 *     text    #include..  class A:  ....  def f():  ....|======[hole]=======|....  def g():  ....
 *     kept    <-------->  <------>        <------>            window               <------>
 *
 * Which those are is a function of the list, of where the window ends, and of the room that there is; where the window moves in
 * hops, so does the choice.  An item is clipped to what is outside the window: what it has inside is near already.  The list is
 * advice, and never makes a request fail: an item that is no span of the text, or that overlaps one taken before it, is passed over. */
#ifndef LAC_CANVAS_KEEP_H
#define LAC_CANVAS_KEEP_H

#include "base/mem.h"
#include "text/tok.h"

/* Tokens that are kept on a side of the holes: a quarter of the side's room, and no more than so many (some fifty lines). */
#define LAC_KEEP_MOST ((size_t)512)

static inline size_t lac_keep_share(size_t room) { return room / 4 < LAC_KEEP_MOST ? room / 4 : LAC_KEEP_MOST; }

typedef struct {
    lacuna_context_part part; /* clipped */
    const int32_t *id;        /* [n] tokens of its bytes, in the arena */
    size_t n;
} lac_kept;

typedef struct {
    lac_kept *item;   /* [n_items] in text order, not overlapping; in the arena */
    size_t n_items;
    size_t tokens;    /* of all items */
    size_t bytes;
} lac_keep;

/* Of list[n], most telling first, what lies in text[outside): an item that does not fit in what is left of `most` tokens is passed over,
 * and a few of those end the choice.  NOMEM. */
int lac_keep_choose(lac_keep *k, const lac_tok *tok, const char *text, lacuna_span outside, const lacuna_context_part *list, size_t n,
                    size_t most, lac_arena *arena, lacuna_error *err);

#endif
