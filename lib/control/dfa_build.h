/* An automaton in the making: states and edges as they are found, in any order, then trimmed, made minimal and numbered.
 *
 * States are numbered breadth first, bytes ascending, and classes by their smallest byte: automata of the same language are the same. */
#ifndef LAC_CONTROL_DFA_BUILD_H
#define LAC_CONTROL_DFA_BUILD_H

#include "control/dfa.h"
#include "control/dfa_min.h"

#define LAC_DFA_BUILD_STATES (4 * LAC_DFA_STATES)    /* before it is minimal, at most */
#define LAC_DFA_BUILD_EDGES ((size_t)1 << 20)        /* at most: 56 MiB of scratch memory in all */

typedef struct {
    const lacuna_allocator *mem;
    const char *what;      /* for messages: "expression" */
    uint8_t class_of[256]; /* of a byte */
    uint32_t n_classes;
    uint8_t *accept;       /* [n_states]; state 0 is the start */
    size_t n_states, cap_states;
    lac_dfa_edge *edge;    /* [n_edges] labelled with classes; at most one for each state and class */
    size_t n_edges, cap_edges;
} lac_dfa_build;

lac_dfa_build lac_dfa_build_begin(const lacuna_allocator *mem, const char *what);

/* The classes are intervals: one begins at byte 0 and at each byte with cut[byte]. */
void lac_dfa_build_cut(lac_dfa_build *b, const uint8_t cut[256]);

int lac_dfa_build_state(lac_dfa_build *b, bool accept, lacuna_error *err); /* 0; LIMIT, NOMEM */
int lac_dfa_build_edge(lac_dfa_build *b, uint32_t from, uint32_t label, uint32_t to, lacuna_error *err); /* 0; LIMIT, NOMEM */

/* *out in the arena, from the states that are there; b is as before.  LIMIT, NOMEM. */
int lac_dfa_build_end(const lac_dfa_build *b, lac_dfa *out, lac_arena *arena, lacuna_error *err);

void lac_dfa_build_free(lac_dfa_build *b);

#endif
