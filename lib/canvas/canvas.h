/* The canvas: a text with holes as entries and slots with position ids.
 *
 *   text             prefix                  [hole 0]   middle   [hole 1]   suffix
 *   positions   tag  kept  far  (gap)  near     slots     middle    slots     suffix  kept    0, 1, 2, ...
 *   entering    4    5     6           7                  1                   2       3
 *
 * What follows the first hole enters first, then the tag and what precedes it: typing at the cursor then appends to the list
 * of entries.  What enters first begins at a multiple of LAC_CANVAS_GAP, so that it stays where it is until the gap is typed
 * full.  The free positions are those behind what is far before the hole (lines before the last one or two): the last line, the
 * slots and what follows stand as close as they do in a text, and only that line slides to the left as it grows.  All this is a
 * function of what is asked, and of nothing that was asked before.  Each stretch of fixed text is tokenised by itself.
 *
 * Of a text that does not fit, a window around the holes is read (canvas/window.h), and lines from outside it that say most about it
 * are kept (canvas/keep.h), each on its own side of the holes and in the order of the text: what is kept from behind the window
 * stands behind it, for declarations that follow their use are what the model has seen texts to be like, and there they
 * enter before all that a key moves.  What is kept changes only where the window hops. */
#ifndef LAC_CANVAS_CANVAS_H
#define LAC_CANVAS_CANVAS_H

#include <stdbool.h>

#include "base/mem.h"
#include "canvas/heal.h"
#include "text/tok.h"

typedef struct {
    size_t first, n;     /* slots [first, first + n) of the canvas */
} lac_run;

typedef struct {
    int32_t *token, *pos; /* [n_context] fixed entries, in the order in which they enter */
    size_t n_context;
    lac_run *hole;       /* [n_holes] */
    size_t n_holes;
    size_t *hole_of;     /* [n_slots] */
    int32_t *slot_pos;   /* [n_slots] */
    size_t n_slots;
    lac_heal *heal;      /* [n_holes] what each fill begins with; those bytes are in no entry */
    size_t dropped;      /* bytes of text that are not in the context */
    lacuna_context_part *part; /* [n_parts] bytes of the fixed entries in text order: NEAR for the stretches around and between the holes;
                            what was taken back before a hole (heal) is in none.  None overlaps another or is empty */
    size_t n_parts;      /* 0 for a canvas of ids */
} lac_canvas;

/* Positions: what enters first begins at a multiple of the gap, or of a smaller power of two where room is short. */
#define LAC_CANVAS_GAP ((size_t)64)

/* What is near before the hole moves by so many positions at a time; up to one less are free between the slots and what follows.
 * More of them, or the whole gap, make fills of the default model run on: it takes the distance for a length. */
#define LAC_CANVAS_SLIDE ((size_t)2)

/* Of a text up to so many bytes a message says by how many tokens exactly it is too long; a longer one that cannot fit
 * is refused unread. */
#define LAC_CANVAS_COUNTED ((size_t)1 << 20)

/* What a text is to become. */
typedef struct {
    const lac_tok *tok;
    const char *text;
    size_t len;
    const lacuna_span *span; /* [n_holes], in order, not overlapping: lac_canvas_check */
    const size_t *slots;     /* [n_holes], each at least 1; a hole has those of the tokens taken back besides */
    size_t n_holes;
    int32_t tag;             /* token of the kind of text, -1: none */
    size_t limit;            /* positions there are */
    bool drop_far;           /* leave out text far from the holes where it does not fit */
    bool heal;               /* take back tokens that could run over the start of a hole */
    const lacuna_context_part *keep; /* [n_keep] whole lines of the text with their line feeds, most telling first; used with drop_far
                                where the text does not fit.  Advice: what is amiss in it is passed over */
    size_t n_keep;
} lac_canvas_want;

/* Are the spans in order, inside the text, and at UTF-8 boundaries?  ARG, err->where = the offset at fault. */
int lac_canvas_check(const char *text, size_t len, const lacuna_span *span, size_t n, lacuna_error *err);

/* Memory comes from the arena.  LIMIT (says by how many tokens), NOMEM. */
int lac_canvas_text(lac_canvas *c, const lac_canvas_want *want, lac_arena *arena, lacuna_error *err);

/* A canvas of ids: every negative id is a slot of the one hole, its position is its index; the others enter
 * left to right.  LIMIT, ARG (no slot), NOMEM. */
int lac_canvas_ids(lac_canvas *c, const int32_t *ids, size_t n, size_t limit, lac_arena *arena, lacuna_error *err);

#endif
