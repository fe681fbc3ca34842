/* Holes that are given a few texts to choose from: the likeliest is taken, given all that is fixed on both sides, before the rest is filled. */
#ifndef LACUNA_CHOICE_H
#define LACUNA_CHOICE_H

#include "common/buf.h"
#include "common/holes.h"
#include "lacuna.h"

/* How a hole was closed. */
typedef struct {
    size_t hole;             /* which, of all */
    size_t best;             /* of its texts */
    lacuna_rank_item *items; /* [n] of each text; owned */
    size_t n;
    size_t at, len;          /* bytes of it in the text with the choices made */
} choice_made;

/* What is left to fill. */
typedef struct {
    buf text;            /* with the choices made; owned */
    lacuna_hole *holes;  /* n that are open, by the bytes of text; owned */
    size_t *number;      /* [n] which of all holes each is; owned */
    size_t n;
    choice_made *made;   /* n_made, in text order; owned */
    size_t n_made;
} choice_rest;

/* Choose for every hole that has texts to choose from, in text order.  opt: tag, drop_far and heal are used.  Free *out in any case. */
int choice_settle(lacuna_session *s, lacuna_text text, const hole_set *holes, const lacuna_infill_options *opt, choice_rest *out,
                  lacuna_error *err);
void choice_free(choice_rest *r);

/* Byte of the text that was given, from one of r->text. */
size_t choice_back(const choice_rest *r, const hole_set *holes, size_t at);

#endif
