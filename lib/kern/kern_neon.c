/* The kernels for 64-bit ARM, which always has NEON: 4 lanes, 32 registers. */
#include "kern/kern.h"

#include "kern/vec_neon.h"

#ifdef VEC_LANES
#include "kern/kern_simd.h"

const lac_kern *const lac_kern_neon = &table;
#else
const lac_kern *const lac_kern_neon = NULL;
#endif
