/* The kernels for AVX-512 (F, BW, VL, DQ): 16 lanes, 32 registers. */
#include "kern/kern.h"

#include "kern/vec_avx512.h"

#ifdef VEC_LANES
#define VEC_TILE 6 /* 6 x 4 sums, 6 of x, 1 of w: 31 registers */
#include "kern/kern_simd.h"

const lac_kern *const lac_kern_avx512 = &table;
#else
const lac_kern *const lac_kern_avx512 = NULL;
#endif
