/* A row of slots whose text must be accepted by an automaton: which tokens keep a match in reach, and the model's distribution of
 * several slots conditioned on it.
 *
 *   position   0        1        2        3        n
 *   slots      [  0  ]  [  1  ]  [  2  ]  ...
 *   forward    states that can be here after what stands left of it         (sets, or weights: alpha)
 *   backward   states from which what stands right of it can be completed   (sets, or weights: beta)
 *
 * A slot holds a token, or is open.  A slot that is asked for has weights (of words, lift.h); one that is not asked for may hold any
 * token.  The joint distribution of the slots asked for is the product of their weights, conditioned on acceptance: computed by
 * backward messages, drawn by forward sampling, one slot after the other.  With `max` sums are maxima, and what is
 * drawn greedily is the likeliest of all matches (Viterbi).
 *
 * <eom> leads from an accepting state to the end; nothing but closed slots may follow. */
#ifndef LAC_SAMPLE_CHAIN_H
#define LAC_SAMPLE_CHAIN_H

#include "control/lift.h"

typedef struct lac_chain lac_chain; /* lives in an arena */

typedef struct {
    const lac_lift *lift;  /* outlives the chain */
    size_t n;              /* slots */
    int32_t eom;           /* its token, -1: the slots are filled to the last */
    size_t min;            /* no <eom> before this slot */
    size_t asks;           /* slots that are asked for together at most */
} lac_chain_want;

/* Everything open.  All memory is taken here.  NOMEM. */
int lac_chain_open(lac_chain **out, const lac_chain_want *want, lac_arena *arena, lacuna_error *err);

/* Take over what stands: token[n], -1 open, <eom> in all slots behind the end.  start: the state before slot `first`; slots before it
 * are not looked at.  Cheap where little has changed since the last call. */
void lac_chain_look(lac_chain *c, const int32_t *token, size_t first, uint32_t start);

/* Can all that is open be filled so that the whole is accepted? */
bool lac_chain_possible(const lac_chain *c);

/* The same from a state of the automaton before a slot on. */
bool lac_chain_completes(const lac_chain *c, size_t slot, uint32_t state);

/* How many tokens the shortest fill needs when everything is open, <eom> not counted; SIZE_MAX: more than the slots there are. */
size_t lac_chain_shortest(const lac_chain *c);

/* allowed[n_words + 1]: the words (the last: <eom>) that an open slot may hold, so that the rest can be filled.  All slots but this one count
 * as they stand; open ones may hold anything: <eom> also where one left of it must be <eom>. */
void lac_chain_allowed(const lac_chain *c, size_t slot, uint8_t *allowed);

/* ---- several slots ---- */

/* weight[asked][n_words + 1]: of each word, finite and not negative, on a scale of its own for each slot; slot[]: ascending, open, and all
 * slots that are open before the last of them.  closed[asked]: ln of what the slot counts where it is behind an <eom>, on its scale: of the
 * sum of the weights of all tokens, those without a word too; NULL: 0, as where weights are shares.  false: the weights leave no match.
 * weight[][] is read until the last lac_chain_take; what the chain looks at must not change until then. */
bool lac_chain_weigh(lac_chain *c, const size_t *slot, size_t n_asked, const double *const *weight, const double *closed, bool max);

/* Walk through the asked slots from the first on.  For the k-th: ln of what each word is worth apart from its weight, given what was taken
 * before (-INFINITY: not allowed; the largest is 0): bias[n_words + 1].  A draw from weight * exp(bias) is a draw
 * from the conditional distribution of the joint.  Behind an <eom> that was taken all are 0: what is drawn there means nothing.  A slot
 * that one left of it may close, being left open, is <eom> then. */
void lac_chain_bias(const lac_chain *c, size_t k, double *bias);

/* The k-th is settled: it holds this word (any, behind an <eom> that was taken); or, with LAC_CHAIN_LEFT, it is left open and all its words
 * count by their weights.  k ascends from 0, each after its lac_chain_bias (which may be left out for those left open). */
#define LAC_CHAIN_LEFT UINT32_MAX
void lac_chain_take(lac_chain *c, size_t k, uint32_t word);

#endif
