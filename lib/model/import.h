/* A checkpoint as the tensors of our own architecture: renamed, checked, and for the official variant folded.
 *
 * Official.  adaLN is conditioned on sigma, which is always 0: shift s, scale c and gate g of every block
 * are constants, and LayerNorm's weight w and they move into the projections (exact; in double):
 *
 *   t    = SiLU(W2 SiLU(W1 [1..1 0..0] + b1) + b2)         the sigma embedding at 0: cosines, then sines
 *   c, s, g = chunks of Wmod t + bmod                      order: shift, scale, gate; attention, then MLP
 *   W (w (1 + c) h + s) = W diag(w (1 + c)) h + W s        qkv, up, output: columns scaled, bias gained
 *   g (W h + b) = diag(g) W h + g b                        attention output, down: rows scaled
 *
 * So the network that runs has norms without weights and no conditioning (Eso-LM, models/dit.py; weights.h).
 * House.  Names change, values do not. */
#ifndef LAC_MODEL_IMPORT_H
#define LAC_MODEL_IMPORT_H

#include "file/safetensors.h"
#include "model/config.h"

typedef struct {
    char name[64];               /* in our file */
    size_t rows, cols;           /* rows 0: a vector of cols elements */
    const lac_st_tensor *src;    /* where the values come from */
    const double *row_scale;     /* [rows] or NULL: 1 */
    const double *col_scale;     /* [cols] or NULL: 1 */
    const double *shift;         /* not NULL: the vector is src shift + bias, src a matrix of cols rows */
    size_t n_shift;              /* length of shift: the columns of src */
    const lac_st_tensor *bias;   /* with shift: added; or NULL */
} lac_import_tensor;

typedef struct {
    lac_import_tensor *tensor;   /* in the order of our file */
    size_t n_tensors, cap;
    double *line;                /* [line_size] one row of a source */
    size_t line_size;
    const lac_safetensors *st;   /* the caller's; outlives this */
    const lac_config *config;    /* the same */
    lac_arena arena;             /* folding constants: 6 E doubles a layer */
} lac_import;

/* Check names and shapes of st against the configuration and prepare the folding.  Names may begin with
 * "backbone.".  A tensor that is missing, misshapen, or left over (buffers "...inv_freq" excepted) is FORMAT.
 * NOMEM. */
int lac_import_open(lac_import *im, const lac_safetensors *st, const lac_config *config, const lacuna_allocator *mem,
                    lacuna_error *err);
void lac_import_close(lac_import *im);

/* The tensor called name, or "backbone." and name, of shape [rows, cols] ([cols] for rows 0) and of a float type.  by: for
 * messages, what asks for the shape.  FORMAT. */
int lac_import_find(const lac_st_tensor **out, const lac_safetensors *st, const char *name, size_t rows, size_t cols, const char *by,
                    lacuna_error *err);

/* FORMAT for a tensor that was not used [st->n_tensors] and is no buffer. */
int lac_import_leftovers(const lac_safetensors *st, const bool *used, const char *by, lacuna_error *err);

/* Row `row` of a matrix, or a whole vector (row 0): cols floats. */
void lac_import_row(lac_import *im, const lac_import_tensor *t, size_t row, float *out);

#endif
