/* How many slots each step unmasks, and in which order: drawn before the first step (Eso-LM section 4). */
#ifndef LAC_SAMPLE_SCHEDULE_H
#define LAC_SAMPLE_SCHEDULE_H

#include <stddef.h>

#include "base/rng.h"

#define LAC_NOISE_EPS 1e-3 /* alpha_1 = alpha_0 * eps: the authors' log-linear schedule does not reach 0 */

double lac_schedule_alpha(double t, double alpha0); /* alpha_t = alpha_0 (1 - (1 - eps) t) */

/* Probability that a slot still masked is unmasked in step k of T (k from 0; t = 1 - k / T, s = t - 1 / T, s of
 * the last step 0): (alpha_s - alpha_t) / (1 - alpha_t). */
double lac_schedule_prob(size_t k, size_t T, double alpha0);

/* Binomial(n, p): how many of the next n uniforms are below p. */
size_t lac_schedule_binomial(double (*uniform)(void *), void *ctx, size_t n, double p);

/* Sizes of the groups of the diffusion phase over n slots in T steps: steps that would unmask nothing are
 * left out, and for alpha_0 = 1 a rest becomes one last group.  size[] has room for min(n, T + 1).
 * *diffused = sum of the sizes; the other slots belong to the sequential phase, one each.  Returns their number. */
size_t lac_schedule_draw(size_t n, size_t T, double alpha0, double (*uniform)(void *), void *ctx, size_t *size,
                         size_t *diffused);

/* The block schedule (the authors' "subcontext"): slots at stride G apart go together.  order[n]: rank -> slot,
 * size[]: room for n.  With rng: rows and the slots inside each row are shuffled.  Rows from int(G alpha_0) on
 * are sequential: their slots come left to right, one a group.  The last row may be short.  1 <= G <= n.
 * *diffused = slots in the diffusion phase.  Returns the number of groups. */
size_t lac_schedule_blocks(size_t n, size_t G, double alpha0, lac_rng *rng, size_t *order, size_t *size, size_t *diffused);

/* Sort slots ascending: the tail of an order, which goes left to right. */
void lac_schedule_sort(size_t *slot, size_t n);

#endif
