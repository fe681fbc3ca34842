/* The kernels for AVX-512 (F, BW, VL, DQ): 16 lanes, 32 registers. */
#include "kern/kern.h"

#include "kern/vec_avx512.h"

#ifdef VEC_LANES
#include "kern/kern_simd.h"

const lac_kern *const lac_kern_avx512 = &table;
#else
const lac_kern *const lac_kern_avx512 = NULL;
#endif
