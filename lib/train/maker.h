/* What a maker of examples is inside, for the files that make them: objective.c (a window as it is), paper.c (Eso-LM),
 * infill.c (the canvas). */
#ifndef LAC_TRAIN_MAKER_H
#define LAC_TRAIN_MAKER_H

#include "base/rng.h"
#include "train/hole.h"
#include "train/objective.h"
#include "train/windows.h"

/* A stretch of text as tokens: m->id[first, first + n). */
typedef struct {
    size_t first, n;
} lac_stretch;

/* All arrays lie in the arena. */
struct lac_maker {
    lac_objective o;
    const lac_tok *tok;
    lacuna_allocator mem;
    lac_windows windows;
    lac_arena arena;
    /* the window */
    int32_t *x;               /* [length + 1] its tokens; paper.c, MDLM, BD3: the tag before them */
    size_t n;                 /* how many */
    int32_t tag;              /* -1: none */
    size_t *order;            /* [length + 1] rank -> position; infill.c: entering order of the context */
    uint8_t *hide;            /* [length + 1] */
    /* its text, and the holes in it */
    char *text;               /* [text_cap] */
    uint32_t *at;             /* [length + 2] lac_hole_text */
    size_t text_cap;
    lac_hole_text source;
    const lac_grammar *grammar; /* of the tag; NULL: none */
    lac_parser *parser;       /* NULL without grammars */
    lacuna_span *node;        /* [LAC_NODES] */
    bool parsed;              /* source.node is that of this window */
    lacuna_span *hole;        /* [holes] in order */
    size_t *slack, *used;     /* [holes] slots beyond the hole's tokens; slots that are trained */
    size_t n_holes;
    lac_stretch *stretch;     /* [2 holes + 1] text, hole, text, ... */
    int32_t *id;              /* [text_cap] */
    int32_t *pos;             /* [text_cap] positions of id */
    int32_t *slot_token, *slot_pos; /* [slot_cap] */
    size_t *slot_order;       /* [slot_cap] */
    size_t slot_cap;
};

#define LAC_NODES 4096 /* of a window: more are not offered as holes */

/* paper.c: the example at place i of a run of Eso-LM examples, from the window in m. */
void lac_paper_make(lac_maker *m, uint64_t seed, uint64_t i, lac_rng *r, lac_example *e);
/* Is i among the share of all numbers, evenly spaced?  *nth: how many of its kind come before it. */
bool lac_paper_pick(double share, uint64_t i, uint64_t *nth);
/* Uniform in [0, 1), low-discrepancy over runs of 64 neighbouring indices. */
double lac_paper_time(uint64_t seed, uint64_t i);

/* infill.c */
int lac_infill_make(lac_maker *m, lac_rng *r, lac_example *e, lacuna_error *err);
int lac_infill_fim(lac_maker *m, lac_rng *r, lac_example *e, lacuna_error *err);

#endif
