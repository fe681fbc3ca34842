/* Products of matrices as one would write them down. */
#include "kern/gemm.h"


static float at(const float *M, size_t ld, bool transposed, size_t row, size_t col)
{
    return transposed ? M[col * ld + row] : M[row * ld + col];
}

static void run(bool ta, bool tb, size_t m, size_t n, size_t k, const void *A, size_t lda, const void *B, size_t ldb,
                bool add, float *C, size_t ldc)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = add ? (double)C[i * ldc + j] : 0;
            for (size_t l = 0; l < k; l++) sum += (double)at(A, lda, ta, i, l) * (double)at(B, ldb, tb, l, j);
            C[i * ldc + j] = (float)sum;
        }
}

static const lac_gemm table = {.name = "ref", .run = run};
const lac_gemm *const lac_gemm_ref = &table;
