/* The weights of a network: views into a mapped GGUF file, bound and shape-checked once.
 *
 * One struct serves both variants; what a variant lacks is NULL:
 *
 *                 official (folded)                        house
 *   norms         LayerNorm without weight                 RMSNorm with weight
 *   qkv           [3E, E] + bias [3E]                      [3E, E]
 *   q, k          RoPE                                     RMSNorm over each head [D], then RoPE
 *   out           [E, E]                                   [E, E]
 *   up            [F, E] + bias, tanh-GELU                 [2F, E]: gate rows, then value rows; SiLU(gate) * value
 *   down          [E, F] + bias                            [E, F]
 *   output        [V, E] + bias [V]                        the embedding (tied)
 *
 * qkv rows: q of all heads, k of all heads, v of all heads.  RoPE: half rotation, base rope_base, angles
 * formed in float32 as position times inv_freq (as the authors do). */
#ifndef LAC_MODEL_WEIGHTS_H
#define LAC_MODEL_WEIGHTS_H

#include "base/mem.h"
#include "file/gguf.h"
#include "kern/kern.h"

typedef enum { LAC_OFFICIAL, LAC_HOUSE } lac_variant;

typedef struct {
    lac_variant variant;
    uint32_t vocab, width, layers, heads, head_dim, ff, context; /* V, E, L, H, D, F; positions trained with */
    uint32_t mask;     /* mask index, < vocab */
    float norm_eps, rope_base;
    int qk_norm;       /* house: RMSNorm on the heads of q and k */
} lac_hparams;

typedef struct {
    lac_type type;
    const void *data;  /* [rows, cols], in the mapped file; NULL: absent */
    size_t rows, cols;
    const void *panels; /* packed for products (kern/pack.h), 64-byte aligned; NULL before lac_weights_pack */
} lac_matrix;

typedef struct {
    const float *norm1, *norm2;    /* [E] or NULL */
    lac_matrix qkv;                /* [3E, E] */
    const float *qkv_bias;         /* [3E] or NULL */
    const float *q_norm, *k_norm;  /* [D] or NULL */
    lac_matrix out;                /* [E, E] */
    lac_matrix up;                 /* [F, E] or [2F, E] */
    const float *up_bias;          /* [F] or NULL */
    lac_matrix down;               /* [E, F] */
    const float *down_bias;        /* [E] or NULL */
} lac_layer;

typedef struct {
    lac_hparams hp;
    lac_matrix embed;              /* [V, E] */
    lac_matrix output;             /* [V, E]; the embedding when tied */
    const float *output_bias;      /* [V] or NULL */
    const float *norm;             /* [E] or NULL */
    lac_layer *layer;              /* [L] */
    uint64_t n_params;
    const lac_gguf *file;
    void *packed;                  /* the panels of all matrices, one block; NULL before lac_weights_pack */
    size_t packed_bytes;
    lacuna_allocator mem;
} lac_weights;

/* Bind the tensors of an open file, which must outlive the weights.  Every shape is checked against the
 * hyper-parameters, which are checked for sense first (eso.* keys: see lacuna-model.5).  FORMAT, LIMIT, NOMEM. */
int lac_weights_bind(lac_weights *out, const lac_gguf *g, const lacuna_allocator *mem, lacuna_error *err);
void lac_weights_free(lac_weights *w);

/* Pack the matrices for products, which is what the network reads from then on (and of the embedding rows, from the file),
 * and let go of the pages of the file that this brought in.  Again: nothing.  NOMEM; w is then as before. */
int lac_weights_pack(lac_weights *w, lacuna_error *err);

#endif
