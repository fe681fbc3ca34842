/* Which table this CPU runs. */
#include "kern/kern.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* __builtin_cpu_supports also asks whether the system saves the wide registers.  F16C, which not every
 * compiler's list has, lives in the same registers as AVX2. */
static bool has_avx2(void)
{
    unsigned a, b, c = 0, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

/* Leaf 7, subleaf 1, which __builtin_cpu_supports does not always know. */
static bool leaf_7_1(unsigned bit)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << bit);
}

static bool has_avx2vnni(void) { return has_avx2() && leaf_7_1(4); }
static bool has_avx512vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
static bool has_avx512bf16(void) { return has_avx512vnni() && leaf_7_1(5); }
#else
static bool has_avx2(void) { return false; }
static bool has_avx2vnni(void) { return false; }
static bool has_avx512(void) { return false; }
static bool has_avx512vnni(void) { return false; }
static bool has_avx512bf16(void) { return false; }
#endif

const lac_kern *lac_kern_pick(const char *name)
{
    const lac_kern *best_first[] = {
        has_avx512bf16() ? lac_kern_avx512bf16 : NULL,
        has_avx512vnni() ? lac_kern_avx512vnni : NULL,
        has_avx512() ? lac_kern_avx512 : NULL,
        has_avx2vnni() ? lac_kern_avx2vnni : NULL,
        has_avx2() ? lac_kern_avx2 : NULL,
        lac_kern_neon, /* every aarch64 has it */
        lac_kern_ref,
    };
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++)
        if (best_first[i] && (!name || strcmp(name, best_first[i]->name) == 0)) return best_first[i];
    return NULL;
}
