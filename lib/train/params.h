/* The parameters of a network in training: named tensors in one flat array of floats.
 *
 * Names, shapes and order are those of the checkpoints that `lacuna convert` reads (model/import.c): house as
 * this project names them, official as the authors do, with adaLN unfolded (its constants are parameters too).
 * Gradients, moments and averages are arrays of the same layout. */
#ifndef LAC_TRAIN_PARAMS_H
#define LAC_TRAIN_PARAMS_H

#include "base/mem.h"
#include "model/config.h"

typedef struct {
    char name[64];
    size_t rows, cols; /* rows 0: a vector of cols */
    size_t at, n;      /* elements [at, at + n) of the array; at is a multiple of 16 */
    bool matrix;       /* a hidden matrix (Muon's share); embedding, output, modulation and vectors are not */
} lac_param;

/* Where the parts of a block are: indices into the array. */
typedef struct {
    size_t norm1, norm2;                 /* [E] */
    size_t qkv, out, up, down;           /* [3E, E] [E, E] [F or 2F, E] [E, F] */
    size_t q_norm, k_norm;               /* [D], house with QK-norm */
    size_t up_bias, down_bias;           /* [F] [E], official */
    size_t mod_w, mod_b;                 /* [6E, cond] [6E], official: shift, scale, gate of attention, then of the MLP */
} lac_param_block;

typedef struct {
    lac_hparams hp;
    uint32_t cond, freq;                 /* official: width of the conditioning, features of the sigma embedding */
    lac_param *p;                        /* [n] */
    size_t n, total;                     /* tensors; floats in the array (gaps are zero) */
    size_t embed, norm;                  /* [V, E] [E] */
    size_t output, output_bias;          /* official: [V, E] [V]; house: output == embed */
    size_t sigma0_w, sigma0_b, sigma2_w, sigma2_b; /* official: [cond, freq] [cond] [cond, cond] [cond] */
    size_t final_mod_w, final_mod_b;     /* official: [2E, cond] [2E]: shift, scale */
    lac_param_block *block;              /* [L] */
    lacuna_allocator mem;
} lac_params;

/* hp is checked (model/hparams.h); cond and freq count for official only.  NOMEM, FORMAT, LIMIT. */
int lac_params_open(lac_params *ps, const lac_hparams *hp, uint32_t cond, uint32_t freq, const lacuna_allocator *mem,
                    lacuna_error *err);
void lac_params_free(lac_params *ps);

/* Start values in w [total]: matrices normal with standard deviation 1 / sqrt(columns), embeddings 0.02, out and down
 * (house) and modulation and output (official, as published) zero, norms one.  A function of seed. */
void lac_params_init(const lac_params *ps, uint64_t seed, float *w);

/* The same numbers from a safetensors checkpoint (any float type) or from a bound model file (house only: folded
 * official weights cannot be unfolded).  FORMAT names the tensor at fault. */
int lac_params_read(const lac_params *ps, const char *safetensors, float *w, lacuna_error *err);
int lac_params_bind(const lac_params *ps, const lac_weights *from, float *w, lacuna_error *err);

#endif
