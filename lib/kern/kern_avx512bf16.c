/* The kernels for AVX-512 with VNNI and BF16: products of bytes and of pairs of BF16 in one instruction.  That of BF16,
 * vdpbf16ps, takes denormals for 0, in what it multiplies and in the sums. */
#include "kern/kern.h"

#include "kern/vec_avx512.h"

#if defined(VEC_LANES) && defined(__AVX512VNNI__) && defined(__AVX512BF16__)
#undef VEC_NAME
#define VEC_NAME "avx512bf16"
#include "kern/kern_simd.h"

const lac_kern *const lac_kern_avx512bf16 = &table;
#else
const lac_kern *const lac_kern_avx512bf16 = NULL;
#endif
