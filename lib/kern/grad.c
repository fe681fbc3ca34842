/* Which backward table this CPU runs: that with whose name the name of its forward one begins. */
#include "kern/grad.h"

#include "kern/kern.h"

#include <string.h>

const lac_grad *lac_grad_pick(const char *name)
{
    const lac_kern *kern = lac_kern_pick(name);
    const lac_grad *tables[] = {lac_grad_avx512, lac_grad_avx2, lac_grad_neon, lac_grad_ref};
    for (size_t i = 0; kern && i < sizeof tables / sizeof *tables; i++)
        if (tables[i] && strncmp(kern->name, tables[i]->name, strlen(tables[i]->name)) == 0) return tables[i];
    return NULL;
}
