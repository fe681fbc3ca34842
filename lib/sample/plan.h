/* The plan of a request: which slots are asked for in which step, as far as it is known beforehand.
 *
 *   diffusion phase   groups size[0..n_groups): of order[] where the order is fixed, else of the open slots
 *                     that the policy puts first
 *   sequential phase  the slots that are left, one a step, left to right */
#ifndef LAC_SAMPLE_PLAN_H
#define LAC_SAMPLE_PLAN_H

#include <stdbool.h>

#include "lacuna.h"
#include "sample/pick.h"

typedef struct {
    size_t *order;     /* [S] rank -> slot; unused when dynamic */
    size_t *size;      /* [S + 1] slots of each diffusion step */
    size_t n_groups;   /* steps of the diffusion phase */
    size_t diffused;   /* slots of the diffusion phase */
    bool dynamic;      /* the policy looks at the logits of all open slots: confidence, margin, entropy */
} lac_plan;

/* Fill a plan whose arrays have room for S and S + 1.  T: steps of the diffusion phase, at least 1.  The entropy
 * policy has no sizes: n_groups is then diffused, an upper bound.  The random numbers come from seed. */
void lac_plan_make(lac_plan *p, size_t S, lacuna_order policy, double alpha0, size_t T, uint64_t seed);

/* One open slot in the race of a dynamic policy. */
typedef struct {
    size_t index;      /* into the asked slots */
    double key;        /* larger goes first */
    double entropy;
} lac_racer;

/* The key of a slot under a dynamic policy. */
double lac_plan_key(lacuna_order policy, const lac_pick *pick);

/* Order racers by key (ties: lower index first) and return how many of them this step reveals: size of them,
 * or for the entropy policy the first of them, at most size, that keep the summed entropy under gamma, and at
 * least one.  Allocates nothing. */
size_t lac_plan_choose(lac_racer *r, size_t n, lacuna_order policy, size_t size, double gamma);

#endif
