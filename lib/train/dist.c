#include "train/dist.h"

#include "base/err.h"

#ifdef LAC_MPI

#include <mpi.h>

#define CHUNK ((size_t)1 << 26) /* elements a message: counts are int */

int lac_dist_open(lac_dist *d, lacuna_error *err)
{
    int on = 0, off = 0;
    *d = (lac_dist){0, 1};
    MPI_Initialized(&on);
    MPI_Finalized(&off);
    if (!on || off) return 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &d->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &d->ranks);
    if (!(d->ranks & (d->ranks - 1))) return 0;
    return lac_err(err, LACUNA_E_ARG, (uint64_t)d->ranks, "%d ranks: a power of two was expected", d->ranks);
}

/* Partners of a round differ in one bit of their rank.  Each adds the other's sum to its own, and as a + b = b + a
 * both have the same bits; after the last round all have.  An MPI that fails ends the program: that is its default. */
void lac_dist_sum(const lac_dist *d, float *x, size_t n, float *scratch)
{
    for (int bit = 1; bit < d->ranks; bit <<= 1) {
        for (size_t at = 0; at < n; at += CHUNK) {
            const int k = (int)(n - at < CHUNK ? n - at : CHUNK), other = d->rank ^ bit;
            MPI_Sendrecv(x + at, k, MPI_FLOAT, other, bit, scratch + at, k, MPI_FLOAT, other, bit, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
        for (size_t i = 0; i < n; i++) x[i] += scratch[i];
    }
}

void lac_dist_sum_double(const lac_dist *d, double *x, size_t n)
{
    double y[64];
    for (int bit = 1; bit < d->ranks; bit <<= 1) {
        const int other = d->rank ^ bit;
        MPI_Sendrecv(x, (int)n, MPI_DOUBLE, other, bit, y, (int)n, MPI_DOUBLE, other, bit, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        for (size_t i = 0; i < n; i++) x[i] += y[i];
    }
}

#else

int lac_dist_open(lac_dist *d, lacuna_error *err)
{
    (void)err;
    *d = (lac_dist){0, 1};
    return 0;
}

void lac_dist_sum(const lac_dist *d, float *x, size_t n, float *scratch)
{
    (void)d, (void)x, (void)n, (void)scratch;
}

void lac_dist_sum_double(const lac_dist *d, double *x, size_t n)
{
    (void)d, (void)x, (void)n;
}

#endif
