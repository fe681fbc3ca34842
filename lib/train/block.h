/* One block of the network, forward and backward, and the memory of a tape.
 *
 *   x ---> norm1 --- qkv --- q, k norm and RoPE --- attention --- out --(g1)--> + ---> mid
 *     |______________________________________________________________________|
 *   mid -> norm2 --- up --- SwiGLU or GELU --- down --(g2)--> + ---> the next block's x
 *     |_______________________________________________________|
 *
 * An operand is an array in the type that the gemm table reads: BF16 or float32. */
#ifndef LAC_TRAIN_BLOCK_H
#define LAC_TRAIN_BLOCK_H

#include "train/tape.h"

enum {
    LAC_ATTEND_ROWS = 64, /* queries whose scores are made together: [64, n] floats stay in L2 */
    LAC_HEAD_ROWS = 256   /* targets whose logits are made together */
};

/* What a block keeps for the way back. */
typedef struct {
    float *x;      /* [cap, E] the stream as it enters */
    void *h1;      /* operand [cap, E] norm1's output */
    float *qkv;    /* [cap, 3E] before QK-norm and RoPE */
    void *rot;     /* operand [cap, 3E] after them */
    void *p;       /* operand [H, cap, cap] softmax */
    void *att;     /* operand [cap, E] attention's output, before `out` */
    float *o1, *o2; /* [cap, E] the two branches before their gates; official only, else NULL */
    float *mid;    /* [cap, E] */
    void *h2;      /* operand [cap, E] */
    float *up;     /* [cap, F] or [cap, 2F], bias included */
    void *act;     /* operand [cap, F] */
} lac_block_tape;

struct lac_tape {
    const lac_params *ps;
    const lac_math *math;
    const lacuna_allocator *mem;
    lac_arena arena;
    size_t cap, wide;      /* entries; floats of `row`: max(3E, F or 2F, cap) */
    size_t up_rows;        /* F or 2F */
    lac_block_tape *block; /* [L] */
    float *x;              /* [cap, E] the stream behind the last block */
    float *dx;             /* [cap, E] its gradient, on the way back that of every stream */
    float *row;            /* [wide] one row */
    float *d;              /* [cap, max(3E, F or 2F)] gradient of a wide activation */
    float *da;             /* [cap, max(E, F)] */
    void *dop, *dxo;       /* operands of the shapes of d and of [cap, E] */
    float *score;          /* [LAC_ATTEND_ROWS, cap] */
    void *sop;             /* operand of the same shape */
    float *angle;          /* [cap, D] cosines, then sines */
    float *inv_freq;       /* [D / 2] */
    float *logits;         /* [LAC_HEAD_ROWS, V] */
    void *lop, *hop;       /* operands [LAC_HEAD_ROWS, V] [LAC_HEAD_ROWS, E] */
    float *dhead;          /* [LAC_HEAD_ROWS, E] */
};

/* Operands. */
static inline size_t lac_op_size(const lac_tape *t) { return t->math->gemm->bf16 ? 2 : 4; }
static inline void *lac_op_at(const lac_tape *t, void *base, size_t i) { return (char *)base + i * lac_op_size(t); }
static inline const void *lac_op_of(const lac_tape *t, const void *base, size_t i) { return (const char *)base + i * lac_op_size(t); }
void lac_op_set(const lac_tape *t, void *op, size_t at, const float *x, size_t n); /* op[at, at + n) = x */

/* The largest of n numbers; -inf of none. */
float lac_row_max(const float *x, size_t n);

/* The norm of one row: y = norm(x) a + b (b: official only); and back: dx, da, db +=. */
void lac_norm_row(const lac_tape *t, float *y, const float *x, const float *a, const float *b);
void lac_norm_row_back(const lac_tape *t, float *dx, float *da, float *db, const float *x, const float *a, const float *dy);

/* Where the constants of the norms and gates of block l are: house, norms in the array of parameters; official, in that of
 * the modulation.  b and g are official's only. */
typedef struct { size_t a1, b1, g1, a2, b2, g2; } lac_block_mod;
lac_block_mod lac_block_mod_of(const lac_params *ps, size_t l);
/* That array, and the part of the gradient array that goes with it. */
static inline const float *lac_mod_values(const lac_params *ps, const lac_step_weights *s) { return ps->hp.variant == LAC_HOUSE ? s->w : s->mod; }
static inline float *lac_mod_grads(const lac_params *ps, float *g) { return ps->hp.variant == LAC_HOUSE ? g : g + ps->total; }

/* Block l: tape's block[l].x to `out` [n, E]. */
void lac_block_forward(lac_tape *t, const lac_step_weights *s, const lac_example *ex, size_t l, float *out);
/* t->dx: from the gradient by the block's output to that by its input; g is added to. */
void lac_block_back(lac_tape *t, const lac_step_weights *s, const lac_example *ex, size_t l, float *g);

/* Attention of block l over t->block[l].rot: fills p and att; and back: from t->da [n, E] to t->d [n, 3E]. */
void lac_attend_forward(lac_tape *t, const lac_example *ex, size_t l);
void lac_attend_back(lac_tape *t, const lac_example *ex, size_t l);

#endif
