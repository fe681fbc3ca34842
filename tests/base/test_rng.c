/* The generator: statistics with fixed seeds.  Each statistical assertion states the chance that a
 * perfect generator would fail it; the seeds being fixed, a pass stays a pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "base/rng.h"

static double chi_square(const uint64_t *count, size_t n, double total)
{
    double x = 0, want = total / (double)n;
    for (size_t i = 0; i < n; i++) x += ((double)count[i] - want) * ((double)count[i] - want) / want;
    return x;
}

/* Which of the 24 orders of four. */
static size_t order_of(const size_t p[4])
{
    size_t k = 0;
    for (size_t i = 0; i < 4; i++) {
        size_t less = 0;
        for (size_t j = i + 1; j < 4; j++) less += p[j] < p[i];
        k = k * (4 - i) + less;
    }
    return k;
}

/* The well-known wrong shuffle, that swaps with any place: the test must see it. */
static void naive_shuffle(lac_rng *r, size_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = (size_t)lac_rng_below(r, n), t = p[i];
        p[i] = p[j];
        p[j] = t;
    }
}

static double shuffle_statistic(void (*shuffle)(lac_rng *, size_t *, size_t))
{
    enum { ROUNDS = 240000 };
    uint64_t count[24] = {0};
    lac_rng r = lac_rng_make(20, LAC_RNG_ORDER);
    for (int i = 0; i < ROUNDS; i++) {
        size_t p[4] = {0, 1, 2, 3};
        shuffle(&r, p, 4);
        count[order_of(p)]++;
    }
    return chi_square(count, 24, ROUNDS);
}

#define CHI_23 89.116 /* P(chi-square, 23 degrees of freedom, exceeds it) = 1e-9 */
#define CHI_6 53.345
#define CHI_255 414.545

static void test_shuffle(void **state)
{
    (void)state;
    assert_true(shuffle_statistic(lac_rng_shuffle) < CHI_23);
    assert_true(shuffle_statistic(naive_shuffle) > CHI_23);
    lac_rng r = lac_rng_make(0, 0);
    size_t p[1] = {7};
    lac_rng_shuffle(&r, p, 0);
    lac_rng_shuffle(&r, p, 1);
    assert_int_equal(p[0], 7);
    size_t big[100], seen[100] = {0};
    for (size_t i = 0; i < 100; i++) big[i] = i;
    lac_rng_shuffle(&r, big, 100);
    for (size_t i = 0; i < 100; i++) seen[big[i]]++;
    for (size_t i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
}

static void test_below(void **state)
{
    (void)state;
    enum { ROUNDS = 700000 };
    uint64_t count[7] = {0}, third[3] = {0};
    lac_rng r = lac_rng_make(21, 1);
    for (int i = 0; i < ROUNDS; i++) count[lac_rng_below(&r, 7)]++;
    assert_true(chi_square(count, 7, ROUNDS) < CHI_6);
    /* n = 3/4 of 2^64: taking the remainder would give the lowest third twice the share of the others. */
    const uint64_t n = 3ull << 62;
    for (int i = 0; i < 30000; i++) {
        uint64_t x = lac_rng_below(&r, n);
        assert_true(x < n);
        third[x >> 62]++;
    }
    assert_true(chi_square(third, 3, 30000) < 41.446532); /* 2 degrees of freedom: exp(-x / 2) = 1e-9 */
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(lac_rng_below(&r, 1), 0);
        assert_true(lac_rng_below(&r, 2) < 2);
    }
    (void)lac_rng_below(&r, UINT64_MAX);
}

static void test_u01(void **state)
{
    (void)state;
    static const uint64_t bits[] = {0, 1, 0x7FF, 0x800, 0xFFF, 0x1000, UINT64_MAX, UINT64_MAX - 0x7FF, UINT64_MAX - 0x800,
                                    UINT64_MAX - 0xFFF, UINT64_MAX - 0x1000, (uint64_t)1 << 63, ((uint64_t)1 << 63) - 1};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        double u = lac_u01(bits[i]);
        assert_true(u > 0 && u < 1);
        assert_true(isfinite(-log(-log(u)))); /* Gumbel noise */
        assert_true(lac_u01(~bits[i]) == 1 - u); /* symmetric about 1/2 */
    }
    enum { ROUNDS = 256000 };
    uint64_t count[256] = {0};
    lac_rng r = lac_rng_make(22, LAC_RNG_TOKEN);
    for (int i = 0; i < ROUNDS; i++) {
        double u = lac_rng_u01(&r);
        assert_true(u > 0 && u < 1);
        count[(size_t)(u * 256)]++;
    }
    assert_true(chi_square(count, 256, ROUNDS) < CHI_255);
}

/* A draw depends on seed, stream and index and nothing else; neighbours in each share nothing. */
static void test_counter(void **state)
{
    (void)state;
    lac_rng r = lac_rng_make(5, 6);
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t x = lac_rng_at(&r, i); /* r.at moves with each draw: not part of the answer */
        lac_rng s = lac_rng_make(5, 6);
        assert_true(lac_rng_at(&s, i) == x && lac_rng_next(&r) == x);
    }
    uint64_t bit[64] = {0};
    for (uint64_t seed = 0; seed < 32; seed++)
        for (uint64_t stream = 0; stream < 32; stream++)
            for (uint64_t i = 0; i < 8; i++) {
                lac_rng a = lac_rng_make(seed, stream), b = lac_rng_make(seed + 1, stream), c = lac_rng_make(seed, stream + 1);
                uint64_t x = lac_rng_at(&a, i);
                for (int k = 0; k < 64; k++)
                    bit[k] += ((x ^ lac_rng_at(&b, i)) >> k & 1) + ((x ^ lac_rng_at(&c, i)) >> k & 1) + ((x ^ lac_rng_at(&a, i + 1)) >> k & 1);
            }
    /* 24576 pairwise independent coins a bit: mean 12288, deviation 78.4, nearly normal; outside 6.8 deviations
     * for any of the 64 bits with a chance of 64 * 1.05e-11 = 7e-10. */
    for (int k = 0; k < 64; k++) assert_true(bit[k] > 12288 - 533 && bit[k] < 12288 + 533);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shuffle), cmocka_unit_test(test_below), cmocka_unit_test(test_u01),
                                       cmocka_unit_test(test_counter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
