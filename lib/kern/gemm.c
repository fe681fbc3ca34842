/* Which table of large products this CPU runs. */
#include "kern/gemm.h"
#include "kern/kern.h"

#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* Leaf 7.1, which __builtin_cpu_supports does not always know; the wide registers are kern.h's question. */
static bool has_bf16(void)
{
    unsigned a, b, c, d;
    return lac_kern_pick("avx512") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
}
#else
static bool has_bf16(void) { return false; }
#endif

const lac_gemm *lac_gemm_pick(const char *name)
{
    const lac_gemm *best_first[] = {has_bf16() ? lac_gemm_bf16 : NULL, lac_gemm_blas, lac_gemm_ref};
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++)
        if (best_first[i] && (!name || strcmp(name, best_first[i]->name) == 0)) return best_first[i];
    return NULL;
}
