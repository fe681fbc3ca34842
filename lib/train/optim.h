/* The optimiser: Muon for hidden matrices, AdamW for the rest; clipping by the global norm; learning rate by step;
 * an average of the weights.
 *
 *   Muon   M = mu M + (1 - mu) G;  U = orthogonal(mu M + (1 - mu) G) by five Newton-Schulz steps of the quintic
 *          (3.4445, -4.7750, 2.0315);  W -= lr (sqrt(max(1, rows / cols)) U + decay W)    (Jordan et al., 2024, github.com/KellerJordan/Muon)
 *   EMA    A += (1 - d) (W - A), d = min(ema, (1 + t) / (10 + t))
 *
 * Everything is a function of the arrays and of the step: no state besides them.  Threads share a step by tensor, and
 * within AdamW by pieces of fixed size, so that bits do not depend on their number. */
#ifndef LAC_TRAIN_OPTIM_H
#define LAC_TRAIN_OPTIM_H

#include "base/pool.h"
#include "train/params.h"
#include "train/tape.h"

typedef struct {
    double lr, lr_muon;       /* peaks; lr_muon 0: AdamW for the matrices as well */
    double beta1, beta2, eps, momentum, decay, decay_muon;
    double clip;              /* largest global norm of the gradient; 0: none */
    double ema;               /* 0: no average */
    uint64_t warmup;          /* steps from 0 to the peak, linear */
    uint64_t total;           /* steps in all; 0: no end */
    double cool;              /* last share of total in which the rate falls to 0, linear */
} lac_optim_options;

void lac_optim_default(lac_optim_options *o);

typedef struct {
    float *w, *m, *v, *ema;   /* [total] each; v is unused for Muon's tensors; ema NULL without */
    uint64_t step;            /* steps done */
} lac_optim;

/* Factor of the peak rates at step t (from 0): warm-up, plateau, cool-down. */
double lac_optim_rate(const lac_optim_options *o, uint64_t t);

/* Apply gradient g [ps->total], which is destroyed.  *norm: its global norm before clipping.  A gradient that is not finite
 * changes nothing: INTERNAL, err->where the index of the tensor. */
typedef struct lac_optim_room lac_optim_room; /* scratch of Muon */
int lac_optim_room_open(lac_optim_room **out, const lac_params *ps, unsigned threads, const lacuna_allocator *mem, lacuna_error *err);
void lac_optim_room_free(lac_optim_room *r);
int lac_optim_step(lac_optim *s, const lac_optim_options *o, const lac_params *ps, const lac_math *math, lac_pool *pool,
                   lac_optim_room *room, float *g, double *norm, lacuna_error *err);

#endif
