/* net/softmax: against plain sums in long double; the fast form within what it promises. */
#include "common/unit.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "kern/kern.h"
#include "net/softmax.h"

enum { V = 2000, HIDDEN = 2 };

static void compare(const float *x, const uint8_t *flags, size_t v, const lac_kern *kern, double within)
{
    long double max = -INFINITY, sum = 0, weighted = 0;
    for (size_t i = 0; i < v; i++)
        if (!(flags && flags[i] & HIDDEN) && x[i] > max) max = x[i];
    for (size_t i = 0; i < v; i++) {
        if (flags && flags[i] & HIDDEN) continue;
        sum += expl(x[i] - max);
        if (isfinite(x[i])) weighted += expl(x[i] - max) * (x[i] - max);
    }
    lac_softmax p = lac_softmax_of(x, v, flags, HIDDEN, kern);
    CHECK(fabs(p.norm - (double)(max + logl(sum))) <= within * fmax(1, fabs((double)max)), "norm of %zu: %.17g", v, p.norm);
    CHECK(fabs(p.entropy - (double)(logl(sum) - weighted / sum)) <= within * 20 * fmax(1, fabs((double)max)), "entropy of %zu: %.17g", v, p.entropy);
}

static void sums(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 7, 8, 9, 255, 256, 257, 511, V};
    static const char *const tables[KERNS] = {KERN_TABLES};
    lac_rng rng = lac_rng_make(1, 5);
    for (int round = 0; round < 20; round++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            float *x = malloc(sizes[s] * sizeof *x); /* to the byte, for the sanitizer */
            uint8_t *flags = malloc(sizes[s]);
            const double spread = pow(10, round % 4 - 1);
            for (size_t i = 0; i < sizes[s]; i++) {
                x[i] = (float)(spread * 4 * (lac_rng_u01(&rng) - 0.5));
                flags[i] = (uint8_t)(i && lac_rng_u01(&rng) < 0.3 ? HIDDEN | 1 : 1);
                if (flags[i] & HIDDEN) x[i] += 1000; /* what is left out is not looked at */
            }
            compare(x, flags, sizes[s], NULL, 1e-13);
            for (size_t k = 0; k < KERNS; k++)
                if (lac_kern_pick(tables[k])) compare(x, flags, sizes[s], lac_kern_pick(tables[k]), 1e-6);
            for (size_t i = 0; i < sizes[s]; i++)
                if (flags[i] & HIDDEN) x[i] -= 1000;
            compare(x, NULL, sizes[s], lac_kern_pick(NULL), 1e-6);
            free(x), free(flags);
        }
}

static void extremes(void **state)
{
    (void)state;
    const lac_kern *fast = lac_kern_pick(NULL);
    float x[300];
    for (int i = 0; i < 300; i++) x[i] = i == 290 ? 50.0f : -3e38f; /* one token is certain */
    for (int k = 0; k < 2; k++) {
        lac_softmax p = lac_softmax_of(x, 300, NULL, 0, k ? fast : NULL);
        assert_true(p.norm == 50 && fabs(p.entropy) < 1e-12);
    }
    x[7] = NAN;
    assert_true(isnan(lac_softmax_of(x, 300, NULL, 0, fast).norm));
    assert_true(isnan(lac_softmax_of(x, 300, NULL, 0, NULL).norm));
    float y[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, out[9];
    uint8_t flags[9] = {0, 0, 0, 0, 0, 0, 0, 0, HIDDEN};
    assert_true(lac_softmax_without(out, y, flags, HIDDEN, 9, -1, fast) == 8 && out[8] == -1 && out[0] == 1);
    assert_true(lac_softmax_without(out, y, NULL, HIDDEN, 9, -1, NULL) == 9 && out[8] == 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums), cmocka_unit_test(extremes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
