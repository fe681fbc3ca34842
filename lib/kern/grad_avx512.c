#include "kern/grad.h"

const lac_grad *const lac_grad_avx512 = NULL;
