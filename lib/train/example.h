/* One training sequence: entries, who sees whom, what is to be predicted and how much it counts.
 *
 * The attention rule is two ranges an entry: entry i sees entries [0, sees[i]) and [from[i], to[i]), which holds i
 * itself.  That covers every objective on one network:
 *
 *   AR                      sees i                  from i        to i + 1
 *   MDLM                    sees 0                  from 0        to n
 *   Eso-LM (B), diffusion   sees i                  from i        to i + 1     (net/rule.h: PAPER)
 *   any-order likelihood    clean: i; mask of rank r: c + r       from i, to i + 1
 *   BD3-LM, noisy block b   sees b B (clean)        from, to: the noisy block
 *
 * A target is predicted from the output of its entry: at a mask for its own position, at a clean entry (AR, next-token
 * loss) for whatever the objective says.  The loss of a batch is
 *
 *   sum over parts p of  coef[p] * (sum of weight * nll over targets of part p) / (sum of norm[p] over examples) */
#ifndef LAC_TRAIN_EXAMPLE_H
#define LAC_TRAIN_EXAMPLE_H

#include "base/mem.h"

/* What a target is for; each part is a mean of its own. */
typedef enum {
    LAC_PART_SLOTS,      /* hole slots of an infill canvas; AR and FIM; MDLM, BD3-LM */
    LAC_PART_DIFFUSION,  /* diffusion half of the hybrid loss: the MDM term of the bound (Eso-LM) */
    LAC_PART_SEQUENTIAL, /* sequential half: the AR term */
    LAC_PART_NEXT,       /* auxiliary next-token loss on running context */
    LAC_PARTS
} lac_loss_part;

typedef struct {
    size_t n, cap;                /* entries, room */
    int32_t *token, *pos;         /* [cap] as the network reads them; the mask index for masks */
    uint32_t *sees, *from, *to;   /* [cap] see above; to[i] <= n, from[i] <= i < to[i] */
    int32_t *target;              /* [cap] -1: none */
    float *weight;                /* [cap] of the loss at i */
    uint8_t *part;                /* [cap] a lac_loss_part, where there is a target */
    double norm[LAC_PARTS];       /* what this example adds to the denominators */
    uint64_t bytes;               /* of text that the targets of SLOTS, DIFFUSION and SEQUENTIAL spell, each times its weight: by
                                     these the sum of weight * nll becomes bits a byte, the bound where weights make it one */
} lac_example;

/* Room for cap entries.  NOMEM. */
int lac_example_open(lac_example *e, size_t cap, const lacuna_allocator *mem, lacuna_error *err);
void lac_example_free(lac_example *e, const lacuna_allocator *mem);

void lac_example_clear(lac_example *e);
/* An entry without a target; its index. */
size_t lac_example_add(lac_example *e, int32_t token, int32_t pos, size_t sees, size_t from, size_t to);
/* What entry i is to predict. */
void lac_example_aim(lac_example *e, size_t i, int32_t target, double weight, lac_loss_part part);

#endif
