/* Deterministic automata over bytes: what the text of a hole may be.
 *
 * Every control is a regular language: an expression (regex.h), a beginning, an end, strings that are banned, no line feed.
 * A hole obeys the intersection of those asked for: one automaton. */
#ifndef LAC_CONTROL_DFA_H
#define LAC_CONTROL_DFA_H

#include <stdbool.h>

#include "base/mem.h"

#define LAC_DFA_STATES ((uint32_t)4096) /* of a finished automaton at most */
#define LAC_DFA_DEAD UINT32_MAX

/* Minimal and trimmed: no two states are alike, and acceptance can be reached from each.  State 0 is the start; n == 0: no text
 * at all is accepted. */
typedef struct {
    uint32_t n;            /* states */
    uint32_t n_classes;    /* of bytes that no state tells apart, at least 1 */
    uint8_t class_of[256];
    uint32_t *next;        /* [n, n_classes] state, or LAC_DFA_DEAD */
    uint8_t *accept;       /* [n] */
} lac_dfa;

/* The state behind these bytes, from a state on; LAC_DFA_DEAD. */
uint32_t lac_dfa_run(const lac_dfa *d, uint32_t state, const char *bytes, size_t len);

/* What follows makes *out in the arena; scratch memory is taken from mem and given back.  LIMIT (more than LAC_DFA_STATES
 * states, or too much work on the way), NOMEM. */

int lac_dfa_begins(lac_dfa *out, lacuna_text with, lac_arena *arena, lacuna_error *err);  /* with .* */
int lac_dfa_ends(lac_dfa *out, lacuna_text with, lac_arena *arena, lacuna_error *err);    /* .* with */
int lac_dfa_without(lac_dfa *out, const lacuna_text *banned, size_t n, lac_arena *arena, lacuna_error *err); /* none of these (not empty) anywhere */
int lac_dfa_both(lac_dfa *out, const lac_dfa *a, const lac_dfa *b, lac_arena *arena, lacuna_error *err);     /* intersection */

#endif
