/* The backward row functions for AVX-512 (F, BW, VL, DQ). */
#include "kern/grad.h"

#include "kern/vec_avx512.h"

#ifdef VEC_LANES
#include "kern/grad_simd.h"

const lac_grad *const lac_grad_avx512 = &table;
#else
const lac_grad *const lac_grad_avx512 = NULL;
#endif
