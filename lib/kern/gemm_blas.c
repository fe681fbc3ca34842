/* Products of matrices by OpenBLAS. */
#include "kern/gemm.h"

#include <cblas.h>

/* BLAS refuses a stride of 0, even of a matrix without elements. */
static blasint stride(size_t ld) { return ld ? (blasint)ld : 1; }

static void run(bool ta, bool tb, size_t m, size_t n, size_t k, const void *A, size_t lda, const void *B, size_t ldb,
                bool add, float *C, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n,
                (blasint)k, 1, A, stride(lda), B, stride(ldb), add ? 1 : 0, C, stride(ldc));
}

static const lac_gemm table = {.name = "blas", .run = run};
const lac_gemm *const lac_gemm_blas = &table;
