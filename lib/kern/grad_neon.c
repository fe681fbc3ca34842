/* The backward row functions for 64-bit ARM, which always has NEON. */
#include "kern/grad.h"

#include "kern/vec_neon.h"

#ifdef VEC_LANES
#include "kern/grad_simd.h"

const lac_grad *const lac_grad_neon = &table;
#else
const lac_grad *const lac_grad_neon = NULL;
#endif
