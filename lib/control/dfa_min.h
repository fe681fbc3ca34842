/* Which states of an automaton no text tells apart.
 *
 * A. Valmari, Fast brief practical DFA minimization (2012): blocks of states and sets of edges ("cords") are split by one another
 * until neither changes, the smaller half each time: m log m steps for m edges, and edges that are not there cost nothing. */
#ifndef LAC_CONTROL_DFA_MIN_H
#define LAC_CONTROL_DFA_MIN_H

#include "base/mem.h"

typedef struct {
    uint32_t from, to; /* states */
    uint32_t label;    /* class of bytes */
} lac_dfa_edge;

/* block[q], below the number returned, is the same for states that are alike.  The automaton is trimmed: each of its n > 0 states
 * can be reached, and acceptance from it.  NOMEM. */
int64_t lac_dfa_min(uint32_t *block, const lac_dfa_edge *edge, uint32_t m, const uint8_t *accept, uint32_t n, uint32_t n_labels,
                    const lacuna_allocator *mem, lacuna_error *err);

/* at[q], at[q + 1]: where in list[m] those edges are that lead to state q, or from it.  at: [n + 2], zeroed. */
void lac_dfa_min_list(const lac_dfa_edge *edge, uint32_t m, uint32_t n, bool from, uint32_t *at, uint32_t *list);

#endif
