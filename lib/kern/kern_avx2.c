/* The kernels for AVX2 with FMA and F16C: 8 lanes, 16 registers. */
#include "kern/kern.h"

#include "kern/vec_avx2.h"

#ifdef VEC_LANES
#include "kern/kern_simd.h"

const lac_kern *const lac_kern_avx2 = &table;
#else
const lac_kern *const lac_kern_avx2 = NULL;
#endif
