/* --explain: a readable account of a fill, line by line. */
#ifndef LACUNA_EXPLAIN_H
#define LACUNA_EXPLAIN_H

#include "common/buf.h"
#include "lacuna.h"
#include "lacuna/fill.h"

/* Lines are added to b; holes, slots and steps count from 1. */
void explain_choices(buf *b, const hole_set *holes, const choice_rest *rest);     /* what was chosen, and how likely each was */
void explain_outcome(buf *b, lacuna_text text, const fill_outcome *out);          /* which lines were read, and why; how the fills rank */
/* Tokens refused, slots taken back.  candidate: its number, or -1 where there is one alone. */
void explain_step(buf *b, const lacuna_model *m, int64_t candidate, const lacuna_event *ev);
void explain_say(const buf *b);                                                   /* on standard error */

/* Lines of bytes [span) of the text, from 1, both included. */
void explain_lines(lacuna_text text, lacuna_span span, size_t *first, size_t *last);

#endif
