/* The kernels for AVX-512 with VNNI: products of bytes in one instruction. */
#include "kern/kern.h"

#include "kern/vec_avx512.h"

#if defined(VEC_LANES) && defined(__AVX512VNNI__)
#undef VEC_NAME
#define VEC_NAME "avx512vnni"
#include "kern/kern_simd.h"

const lac_kern *const lac_kern_avx512vnni = &table;
#else
const lac_kern *const lac_kern_avx512vnni = NULL;
#endif
