/* One token from one row of logits: what the model says, what is allowed, what is cut, what is drawn.
 *
 *   logits -> the model's distribution p (tokens it never says excluded)      -> logprob, entropy
 *          -> denied tokens removed -> / temperature -> top-k -> top-p -> min-p -> q -> Gumbel argmax -> token
 *
 * All in double, but for the normaliser of the first step (net/softmax.h): float32 Gumbel noise truncates the tail,
 * which lowers the temperature unnoticed (Zheng et al., arXiv 2409.02908).  Ties go to the lower id, so that nothing depends on the sorting. */
#ifndef LAC_SAMPLE_PICK_H
#define LAC_SAMPLE_PICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "net/softmax.h"

/* Properties of a token; a slot denies some of them. */
enum {
    LAC_TOKEN_NEVER = 1, /* mask and control tokens: no part of the model's distribution either */
    LAC_TOKEN_EOM = 2,   /* ends a hole */
    LAC_TOKEN_LINE = 4,  /* contains a line feed */
    LAC_TOKEN_OUT = 8    /* not what the hole asks for, as things stand */
};

typedef struct {
    double temperature; /* 0: argmax */
    uint32_t top_k;     /* 0: all */
    double top_p;       /* 0 or >= 1: all */
    double min_p;       /* 0: all */
    const lac_kern *kern; /* for the model's distribution; NULL: exp in double */
} lac_cut;

typedef struct { /* a token that is still in the race */
    double value;    /* logit / temperature */
    int32_t token;
} lac_cand;

typedef struct {
    int32_t token;   /* -1: every token is denied */
    double logprob;  /* ln p(token) */
    double prob;     /* q(token); 1 for argmax */
    double entropy;  /* of p, nats */
    double best;     /* probability under p of the most likely allowed token */
    double margin;   /* best minus the second best */
} lac_pick;

/* Cut a list of candidates to those kept, in no particular order; returns how many.
 * top-p: from the top until the mass exceeds p, the one that crosses included, at least one (nucleus). */
size_t lac_pick_cut(lac_cand *c, size_t n, const lac_cut *cut);

/* A token from a list whose values are ln weights, as they are: nothing is cut.  top: the largest; total: the sum of e^(value - top).  Only token
 * (-1 where the list is empty) and prob are set. */
lac_pick lac_pick_listed(const lac_cand *c, size_t n, size_t v, double top, double total, const lac_rng *rng, uint64_t draw);

/* flags[v]: properties of each token.  deny: those not allowed here (LAC_TOKEN_NEVER is always denied).
 * room[v] is scratch.  Noise: -log(-log u) with u = uniform[token] if uniform is not NULL, else the number of
 * rng at index draw * v + token: a token's noise does not depend on what is cut. */
lac_pick lac_pick_token(const float *logits, size_t v, const uint8_t *flags, uint8_t deny, const lac_cut *cut,
                        const lac_rng *rng, uint64_t draw, const double *uniform, lac_cand *room);

#endif
