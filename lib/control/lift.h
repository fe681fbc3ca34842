/* An automaton over bytes, lifted to the tokens of a vocabulary.
 *
 *   token -> word: its bytes as classes of the automaton; tokens that no state tells apart are one word
 *   (state, word) -> state, listed where it is not dead
 *
 * A vocabulary of 16,000 tokens has a few dozen words under [0-9]+, so that a slot's probabilities are added up once, by word,
 * and what is done for each state is small. */
#ifndef LAC_CONTROL_LIFT_H
#define LAC_CONTROL_LIFT_H

#include "control/dfa.h"

#define LAC_LIFT_EDGES ((size_t)4 << 20) /* of all states at most */

typedef struct {
    uint32_t word, next;
} lac_lift_edge;

/* State n is the end: behind an <eom>, which leads there from accepting states. */
typedef struct {
    uint32_t n;            /* states of the automaton */
    uint32_t n_words;
    uint32_t *word_of;     /* [V] word of each token; n_words: <eom>, and what stands for it; n_words + 1: no state lives through it */
    uint32_t *token;       /* [V] all tokens, by word, then ascending */
    uint32_t *first;       /* [n_words + 3] where the tokens of each word begin, those behind the last word included */
    size_t *row;           /* [n + 1] where the edges of each state begin */
    lac_lift_edge *edge;   /* [row[n]] by state, then word; next is below n */
    uint8_t *accept;       /* [n] */
    uint64_t *follows;     /* [n, LAC_LIFT_SET(n)] the states one token behind each, without the end */
} lac_lift;

/* A set of states, the end included: words of 64 bits. */
#define LAC_LIFT_SET(n) (((size_t)(n) + 1 + 63) / 64)

/* bytes: of each token.  Tokens with flags[v] & never are not lifted (mask, control tokens); those with flags[v] & ends stand for <eom> where it is
 * allowed (as a line feed does in a hole of one line), unless they are never lifted.  eom: -1 where there is none.  LIMIT (edges), NOMEM. */
int lac_lift_make(lac_lift *out, const lac_dfa *dfa, lacuna_text (*bytes)(const void *ctx, int32_t token), const void *ctx, uint32_t n_vocab,
                  int32_t eom, const uint8_t *flags, uint8_t never, uint8_t ends, lac_arena *arena, lacuna_error *err);

/* The state behind a word (below n_words), from a state of the automaton on; LAC_DFA_DEAD. */
uint32_t lac_lift_next(const lac_lift *l, uint32_t state, uint32_t word);

#endif
