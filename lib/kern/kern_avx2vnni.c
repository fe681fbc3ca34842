/* The kernels for AVX2 with AVX-VNNI, as small cores have it: products of bytes in one instruction. */
#include "kern/kern.h"

#include "kern/vec_avx2.h"

#if defined(VEC_LANES) && defined(__AVXVNNI__)
#undef VEC_NAME
#define VEC_NAME "avx2vnni"
#include "kern/kern_simd.h"

const lac_kern *const lac_kern_avx2vnni = &table;
#else
const lac_kern *const lac_kern_avx2vnni = NULL;
#endif
