/* Products of large matrices, for training: one table per way of computing them.
 *
 *   name     operands  where
 *   "bf16"   BF16      AVX512-BF16: packed panels, 6 x 64 tiles, sums in float32; subnormal numbers count as 0
 *   "blas"   float32   OpenBLAS sgemm
 *   "ref"    float32   three nested loops, sums in double
 *
 * A product runs on the calling thread.  (OpenBLAS decides on its own threads by a setting of the whole process;
 * the program, not this library, sets it: lacuna_train.h.)  Same operands, same table, same shape: same bits.
 *
 * Sums are over k; the letters are those of BLAS and not the alphabet of kern.h. */
#ifndef LAC_KERN_GEMM_H
#define LAC_KERN_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name;
    bool bf16; /* operands are uint16_t: the upper half of a float; else float */

    /* C = op(A) op(B), or C += with `add`.  C [m, n] float, row stride ldc.  A is [m, k] with row stride lda, or with
     * ta [k, m]; B is [k, n] with row stride ldb, or with tb [n, k].  Strides count elements.  No alignment is asked
     * for.  C overlaps neither A nor B.  k == 0 gives zero (or leaves C, with add). */
    void (*run)(bool ta, bool tb, size_t m, size_t n, size_t k, const void *A, size_t lda, const void *B, size_t ldb,
                bool add, float *C, size_t ldc);
} lac_gemm;

/* The tables; NULL where the compiler cannot make it.  Use lac_gemm_pick. */
extern const lac_gemm *const lac_gemm_ref, *const lac_gemm_blas, *const lac_gemm_bf16;

/* The table called `name`, or the fastest this CPU has for NULL; NULL when the name is unknown, the CPU cannot run
 * it, or it was left out of the build. */
const lac_gemm *lac_gemm_pick(const char *name);

#endif
