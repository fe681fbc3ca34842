/* Where holes are cut into a text: what a person at an editor would leave open.
 *
 *   run      1 to 8 tokens                          .30  (.40 where there are no syntax nodes)
 *   line     the rest of a line                     .25  (.35)
 *   lines    one to five whole lines                .15
 *   long     1 to 64 tokens                         .10
 *   node     a syntax node                          .20  (none)
 *
 * Holes of lines end before a line feed.  A hole that is cut begins (run, line, long) and ends (run, long) at any character of
 * its first and last token instead of at a token. */
#ifndef LAC_TRAIN_HOLE_H
#define LAC_TRAIN_HOLE_H

#include <stdbool.h>

#include "base/rng.h"
#include "lacuna.h"

typedef enum { LAC_HOLE_RUN, LAC_HOLE_LINE, LAC_HOLE_LINES, LAC_HOLE_LONG, LAC_HOLE_NODE, LAC_HOLE_KINDS } lac_hole_kind;

#define LAC_HOLE_MOST ((size_t)64) /* tokens of a hole */
#define LAC_HOLE_END ((size_t)32)  /* tokens of a hole with nothing behind it */

/* A text as tokens, some of which may spell nothing. */
typedef struct {
    const char *text;
    size_t len;              /* bytes */
    const uint32_t *at;      /* [n + 1] token i spells text[at[i], at[i + 1]) */
    size_t n;
    const lacuna_span *node; /* [n_nodes] by start */
    size_t n_nodes;
} lac_hole_text;

lac_hole_kind lac_hole_kind_draw(lac_rng *r, bool nodes);

/* A hole of this kind inside tokens [lo, hi), lo < hi: not empty, at UTF-8 boundaries, touching at most LAC_HOLE_MOST tokens.
 * false: the place that was drawn has none. */
bool lac_hole_draw(const lac_hole_text *t, size_t lo, size_t hi, lac_hole_kind kind, bool cut, lac_rng *r, lacuna_span *out);

/* The last tokens of the text, 1 to LAC_HOLE_END. */
bool lac_hole_draw_end(const lac_hole_text *t, bool cut, lac_rng *r, lacuna_span *out);

/* Tokens that have bytes in the span. */
size_t lac_hole_tokens(const lac_hole_text *t, lacuna_span span);

#endif
