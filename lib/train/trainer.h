/* A step of training: a batch of examples, cut into lanes.
 *
 * Step t trains on the examples t * batch and on.  Example b of a batch belongs to lane b % lanes; a lane runs its
 * examples one after the other on one thread and sums their gradients in an array of its own.  The lanes are then
 * summed in a fixed tree of pairs,
 *
 *   ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))
 *
 * whose lower levels lie inside a rank, which owns neighbouring lanes, and whose upper levels are the sum over
 * ranks (dist.h).  So losses and weights depend on the number of lanes but on neither threads nor ranks.
 *
 * All memory is taken when the trainer is opened. */
#ifndef LAC_TRAIN_TRAINER_H
#define LAC_TRAIN_TRAINER_H

#include <stdatomic.h>

#include "base/pool.h"
#include "train/dist.h"
#include "train/objective.h"
#include "train/optim.h"
#include "train/tape.h"

typedef struct {
    lac_objective objective;
    lac_optim_options optim;
    uint64_t seed;
    size_t batch, lanes;   /* examples a step; lanes: a power of two that divides batch, a multiple of the ranks */
    unsigned threads;      /* more than this rank's lanes are not started */
    lac_math math;
} lac_trainer_options;

/* What examples add up to; doubles, so that all of it is summed alike (counts are exact up to 2^53). */
typedef struct {
    double nll[LAC_PARTS];  /* sum of weight * nll */
    double norm[LAC_PARTS]; /* sum of the examples' norms */
    double entries, targets, bytes;
    double pairs;           /* entries seen, summed over entries: what attention works on */
} lac_tally;

typedef struct lac_lane lac_lane;

typedef struct {
    const lac_params *ps;
    const lac_tok *tok;
    lac_trainer_options opt;
    lac_dist dist;
    size_t lanes;             /* of this rank */
    size_t first;             /* its first lane */
    size_t per_lane;          /* examples a lane has */
    lac_lane *lane;           /* [lanes] */
    lac_pool *pool;
    lac_tape **tape;          /* [threads] */
    lac_maker **maker;        /* [threads] */
    lac_optim optim;          /* the weights and their state: the caller fills them in before the first step */
    lac_optim_room *room;
    uint16_t *operand;        /* [total] or NULL: weights as BF16 */
    float *mod;               /* [lac_mod_size] or NULL */
    float *scratch;           /* [lac_grad_size] of the sum over ranks; NULL with one */
    atomic_bool cancel;       /* set from anywhere; looked at between examples, and cleared by what it ends */
    lac_arena arena;          /* all arrays */
    lacuna_allocator mem;
} lac_trainer;

/* ps, c and tok must outlive it, and t must stay where it is.  The weights and moments are zero.  ARG: sizes that do not
 * fit together, no text in c.  NOMEM, IO. */
int lac_trainer_open(lac_trainer *t, const lac_params *ps, const lac_corpus *c, const lac_tok *tok,
                     const lac_trainer_options *opt, const lacuna_allocator *mem, lacuna_error *err);
void lac_trainer_close(lac_trainer *t);

/* Step t->optim.step.  *sum: of the whole batch; *norm: of the gradient, before clipping.  INTERNAL: the loss or the
 * gradient is not finite, and nothing has changed.  NOMEM. */
int lac_trainer_step(lac_trainer *t, lac_tally *sum, double *norm, lacuna_error *err);

/* Loss over examples 0 to n - 1 of another corpus under another seed, with the average of the weights if there is one.
 * NOMEM, ARG (no text), CANCELLED. */
int lac_trainer_eval(lac_trainer *t, const lac_corpus *c, uint64_t seed, uint64_t n, lac_tally *sum, lacuna_error *err);

/* The loss that a tally stands for: sum over parts of coef * nll / norm. */
double lac_tally_loss(const lac_tally *sum, const lac_objective *o);

/* Floating-point operations of a step forward and backward, products of matrices only: 6 for every entry and weight of
 * the blocks, 6 for every target and weight of the output, and 12 E L for every pair of entries of which one sees the
 * other (two products of E multiplications forward, four backward; a multiplication and an addition are two). */
double lac_tally_flops(const lac_tally *sum, const lac_params *ps);

#endif
