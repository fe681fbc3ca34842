/* The backward row functions for AVX2 with FMA and F16C. */
#include "kern/grad.h"

#include "kern/vec_avx2.h"

#ifdef VEC_LANES
#include "kern/grad_simd.h"

const lac_grad *const lac_grad_avx2 = &table;
#else
const lac_grad *const lac_grad_avx2 = NULL;
#endif
