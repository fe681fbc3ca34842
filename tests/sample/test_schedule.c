/* sample/schedule: what must hold for every n, T and alpha_0, and the means the paper gives. */
#include "common/unit.h"

#include <math.h>
#include <stdbool.h>

#include "common/stat.h"
#include "sample/schedule.h"

enum { MOST = 300, CANARY = 0x5A5A };

static double u01(void *ctx) { return lac_rng_u01(ctx); }

static void alpha_runs_from_alpha0_to_nearly_nothing(void **state)
{
    (void)state;
    for (double a = 0; a <= 1; a += 0.125) {
        CHECK(lac_schedule_alpha(0, a) == a, "alpha(0) of %g", a);
        CHECK(fabs(lac_schedule_alpha(1, a) - a * LAC_NOISE_EPS) < 1e-15, "alpha(1) of %g", a);
        for (double t = 0; t < 1; t += 0.1) assert_true(lac_schedule_alpha(t + 0.1, a) <= lac_schedule_alpha(t, a));
    }
}

static void probabilities_lie_in_unit_interval(void **state)
{
    (void)state;
    const size_t steps[] = {1, 2, 3, 8, 100, 1024, 1000000};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (double a = 0; a <= 1; a += 0.0625)
            for (size_t k = 0; k < steps[i]; k += k < 5 || k + 5 > steps[i] ? 1 : steps[i] / 7 + 1) {
                double p = lac_schedule_prob(k, steps[i], a);
                CHECK(p >= 0 && p <= 1, "step %zu of %zu, alpha_0 %g: %g", k, steps[i], a, p);
                if (a == 0) assert_true(p == 0);
            }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) assert_true(lac_schedule_prob(steps[i] - 1, steps[i], 1) == 1);
}

static void draws_keep_their_promises(void **state)
{
    (void)state;
    lac_rng rng = lac_rng_make(1, LAC_RNG_SCHEDULE);
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + lac_rng_below(&rng, round % 3 ? 12 : MOST), T = 1 + lac_rng_below(&rng, round % 5 ? 10 : 400);
        double a = round % 7 == 0 ? 1 : round % 7 == 1 ? 0 : lac_rng_u01(&rng);
        size_t room = n < T + 1 ? n : T + 1, size[MOST + 1], diffused = 12345, sum = 0;
        for (size_t i = 0; i <= MOST; i++) size[i] = CANARY;
        size_t g = lac_schedule_draw(n, T, a, u01, &rng, size, &diffused);
        CHECK(g <= room, "n %zu, T %zu: %zu groups", n, T, g);
        for (size_t i = 0; i < g; i++) {
            CHECK(size[i] > 0 && size[i] <= n, "group %zu of %zu slots", i, size[i]);
            sum += size[i];
        }
        for (size_t i = room; i <= MOST; i++) assert_int_equal(size[i], CANARY);
        assert_int_equal(sum, diffused);
        assert_true(diffused <= n);
        if (a == 1) assert_int_equal(diffused, n);
        if (a == 0) assert_int_equal(g + diffused, 0);
    }
}

static void same_uniforms_same_groups(void **state)
{
    (void)state;
    size_t a[64], b[64], da, db;
    lac_rng x = lac_rng_make(3, LAC_RNG_SCHEDULE), y = x;
    assert_int_equal(lac_schedule_draw(64, 16, 0.6, u01, &x, a, &da), lac_schedule_draw(64, 16, 0.6, u01, &y, b, &db));
    assert_int_equal(da, db);
    assert_memory_equal(a, b, sizeof *a * 4);
}

/* alpha_0 = 1: steps are bins and slots balls, so that the number of groups is the number of bins hit. */
static void nfe_has_the_published_mean(void **state)
{
    (void)state;
    const struct { size_t n, T; } c[] = {{32, 8}, {32, 64}, {128, 128}, {1024, 1024}, {1024, 4096}};
    lac_rng rng = lac_rng_make(5, LAC_RNG_SCHEDULE);
    static size_t size[1024];
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        double T = (double)c[i].T, L = (double)c[i].n, sum = 0, mean = T * (1 - pow(1 - 1 / T, L));
        double var = T * (T - 1) * pow(1 - 2 / T, L) + T * pow(1 - 1 / T, L) - T * T * pow(1 - 1 / T, 2 * L);
        int rounds = c[i].n > 500 ? 60 : 2000;
        size_t diffused;
        for (int r = 0; r < rounds; r++) sum += (double)lac_schedule_draw(c[i].n, c[i].T, 1, u01, &rng, size, &diffused);
        double bound = STAT_SIGMAS * sqrt(var / rounds) + 1e-9;
        CHECK(fabs(sum / rounds - mean) <= bound, "L %zu, T %zu: mean NFE %g, expected %g within %g", c[i].n, c[i].T,
              sum / rounds, mean, bound);
    }
}

static void binomial_counts_uniforms_below_p(void **state)
{
    (void)state;
    lac_rng a = lac_rng_make(9, 1), b = a;
    for (size_t n = 0; n < 50; n++) {
        double p = (double)n / 50;
        size_t want = 0, got = lac_schedule_binomial(u01, &a, n, p);
        for (size_t i = 0; i < n; i++) want += lac_rng_u01(&b) < p;
        assert_int_equal(got, want);
    }
    assert_true(a.at == b.at); /* one uniform a trial, no more */
}

static void blocks_partition_the_slots(void **state)
{
    (void)state;
    lac_rng rng = lac_rng_make(11, LAC_RNG_ORDER);
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + lac_rng_below(&rng, round % 3 ? 12 : MOST), G = 1 + lac_rng_below(&rng, n);
        double a = round % 5 == 0 ? 1 : round % 5 == 1 ? 0 : lac_rng_u01(&rng);
        lac_rng *shuffle = round & 1 ? &rng : NULL;
        size_t order[MOST + 1], size[MOST + 1], diffused = 12345, sum = 0, rows = (size_t)((double)G * a);
        bool seen[MOST] = {0};
        for (size_t i = 0; i <= MOST; i++) order[i] = size[i] = CANARY;
        size_t groups = lac_schedule_blocks(n, G, a, shuffle, order, size, &diffused), at = 0;
        for (size_t i = n; i <= MOST; i++) CHECK(order[i] == CANARY && size[i] == CANARY, "n %zu, G %zu: wrote behind", n, G);
        for (size_t i = 0; i < n; i++) {
            CHECK(order[i] < n && !seen[order[i]], "n %zu, G %zu: rank %zu is slot %zu", n, G, i, order[i]);
            seen[order[i]] = true;
        }
        assert_int_equal(groups, rows + n - diffused);
        for (size_t g = 0; g < groups; g++) sum += size[g];
        assert_int_equal(sum, n);
        bool row_seen[MOST] = {0};
        for (size_t g = 0; g < rows; at += size[g++]) { /* a row is one class modulo G, all of it */
            size_t class = order[at] % G;
            assert_int_equal(size[g], (n - class + G - 1) / G);
            assert_false(row_seen[class]);
            row_seen[class] = true;
            for (size_t i = 0; i < size[g]; i++) {
                assert_int_equal(order[at + i] % G, class);
                if (!shuffle) assert_int_equal(order[at + i], g + i * G);
            }
        }
        assert_int_equal(at, diffused);
        for (size_t g = rows; g < groups; g++) assert_int_equal(size[g], 1);
        for (size_t i = diffused + 1; i < n; i++) assert_true(order[i] > order[i - 1]); /* left to right */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alpha_runs_from_alpha0_to_nearly_nothing),
        cmocka_unit_test(probabilities_lie_in_unit_interval),
        cmocka_unit_test(draws_keep_their_promises),
        cmocka_unit_test(same_uniforms_same_groups),
        cmocka_unit_test(nfe_has_the_published_mean),
        cmocka_unit_test(binomial_counts_uniforms_below_p),
        cmocka_unit_test(blocks_partition_the_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
