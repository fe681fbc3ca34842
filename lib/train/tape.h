/* Forward and backward of one example on one thread.
 *
 * The forward pass keeps what the backward pass needs; nothing is recomputed but the norms.  All heads of a layer
 * keep their softmax, so memory grows as L H n^2.  Products are the gemm table's; where it wants BF16, activations
 * and weights are rounded to BF16 as they enter a product, and everything else (residual stream, norms, softmax, sums,
 * gradients of parameters) stays float32.
 *
 * With float32 products, the logits are those of net/net.h on the same weights up to rounding. */
#ifndef LAC_TRAIN_TAPE_H
#define LAC_TRAIN_TAPE_H

#include "kern/gemm.h"
#include "kern/grad.h"
#include "kern/kern.h"
#include "train/example.h"
#include "train/params.h"

typedef struct {
    const lac_kern *kern;
    const lac_grad *grad;
    const lac_gemm *gemm;
} lac_math;

typedef struct lac_tape lac_tape;

/* Room for examples of at most cap entries with at most cap targets.  ps, math and mem must outlive it.  NOMEM. */
int lac_tape_open(lac_tape **out, const lac_params *ps, const lac_math *math, size_t cap, const lacuna_allocator *mem,
                  lacuna_error *err);
void lac_tape_free(lac_tape *t);

/* What all examples of a step share: the weights as operands of products, and official's modulation, a constant of the
 * network (adaLN at sigma 0): norm j of a block is a (layer norm) + b and its branch is multiplied by g. */
typedef struct {
    const float *w;       /* [total] */
    const void *operand;  /* [total] w as the gemm table reads it: w itself, or BF16 */
    const float *mod;     /* official: [L, 6, E] then [2, E]: per block a1, b1, g1, a2, b2, g2; then a, b of the last norm */
} lac_step_weights;

size_t lac_grad_size(const lac_params *ps);  /* floats of a gradient array: total, then that of mod */
size_t lac_mod_size(const lac_params *ps);   /* floats of mod; 0 for house */
/* Fill operand (uint16_t [total], where the gemm table wants BF16; else ignored) and mod from w. */
void lac_step_weights_make(lac_step_weights *s, const lac_params *ps, const lac_math *math, const float *w, uint16_t *operand, float *mod);
/* Gradients of mod (at the end of g) into those of the norms, the modulation and the sigma map.  House: nothing. */
void lac_step_weights_back(const lac_step_weights *s, const lac_params *ps, float *g);

/* One example.  nll[p] += sum of weight * nll over the targets of part p.  With g [lac_grad_size], which is added to:
 * the gradient of sum_p scale[p] nll[p].  each: not NULL, [ex->n], the nll of every target.  logits: not NULL, receives
 * the raw logits [V] of every target, in order of entry.  exclude the mask index from the softmax in any case. */
void lac_tape_run(lac_tape *t, const lac_step_weights *s, const lac_example *ex, const double scale[LAC_PARTS],
                  double nll[LAC_PARTS], float *g, float *each, float *logits);

#endif
