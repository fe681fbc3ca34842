#include "kern/grad.h"

const lac_grad *const lac_grad_neon = NULL;
