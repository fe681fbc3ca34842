/* Ranks that train together: MPI where the build has it (make MPI=1), one rank otherwise.
 *
 * Sums over ranks are made in a fixed tree (recursive doubling over a power of two of ranks), so that a run
 * of R ranks gives the bits of any other power of two that divides the lanes (trainer.h). */
#ifndef LAC_TRAIN_DIST_H
#define LAC_TRAIN_DIST_H

#include <stddef.h>

#include "lacuna.h"

typedef struct { int rank, ranks; } lac_dist;

/* Joins the ranks that the program was started with (the program calls MPI_Init; without it, or without MPI: one rank).
 * ARG: the number of ranks is not a power of two. */
int lac_dist_open(lac_dist *d, lacuna_error *err);

/* x[i] = sum over ranks, the same bits on every rank. */
void lac_dist_sum(const lac_dist *d, float *x, size_t n, float *scratch);      /* scratch [n] */
void lac_dist_sum_double(const lac_dist *d, double *x, size_t n);              /* n <= 64 */

#endif
