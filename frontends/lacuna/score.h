/* Options of `lacuna score`, for its ways of working. */
#ifndef LACUNA_SCORE_COMMAND_H
#define LACUNA_SCORE_COMMAND_H

#include "common/buf.h"
#include "lacuna/engine.h"

typedef struct {
    engine_options e;
    lacuna_score_options s;
    int order, order_seen, bound_seen, strict, json; /* bound: --alpha0 or --orders */
    arg_list ranges;
    const char *ids;    /* --ids FILE or NULL */
    int holes, no_heal;
    arg_list fills;
    const char *marker;
    int marker_seen;
} score_options;

/* GO_ON with the spans of --range, in text order (none: the whole text), the caller's to free; or the exit code (said). */
int score_spans(const score_options *o, const buf *text, lacuna_span **spans, size_t *n);

void score_put_line(buf *b); /* print and free */

/* All of `lacuna score --holes`; returns the exit code. */
int score_holes(const score_options *o, const char *path);

#endif
