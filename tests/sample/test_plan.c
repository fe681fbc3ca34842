/* Plans ask for every slot once; the race of the dynamic policies. */
#include "common/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sample/plan.h"
#include "sample/schedule.h"

enum { MOST = 200 };

/* Groups of at least one slot that sum to the slots of the diffusion phase; where the order is fixed, every slot has one rank
 * and the sequential rest comes left to right. */
static void is_a_plan(const lac_plan *p, size_t S, lacuna_order policy, double alpha0, size_t T)
{
    size_t sum = 0;
    CHECK(p->diffused <= S, "%zu of %zu slots diffused", p->diffused, S);
    assert_int_equal(p->dynamic, policy >= LACUNA_ORDER_CONFIDENCE);
    if (alpha0 == 0 && policy != LACUNA_ORDER_STRIDE) assert_int_equal(p->diffused, 0);
    if (alpha0 == 1) assert_int_equal(p->diffused, S);
    if (policy == LACUNA_ORDER_ENTROPY) {
        assert_int_equal(p->n_groups, p->diffused);
        assert_true(fabs((double)p->diffused - (double)S * alpha0) <= 0.5);
        return;
    }
    assert_true(p->n_groups <= T + 1 && p->n_groups <= S);
    for (size_t g = 0; g < p->n_groups; g++) {
        assert_true(p->size[g] > 0);
        sum += p->size[g];
    }
    CHECK(sum == p->diffused, "groups of %zu slots, %zu are diffused", sum, p->diffused);
    if (p->dynamic) return;
    bool seen[MOST] = {false};
    for (size_t r = 0; r < S; r++) {
        CHECK(p->order[r] < S && !seen[p->order[r]], "rank %zu is slot %zu", r, p->order[r]);
        seen[p->order[r]] = true;
        if (policy == LACUNA_ORDER_LEFT) assert_int_equal(p->order[r], r);
        if (policy == LACUNA_ORDER_STRIDE && r > p->diffused) assert_true(p->order[r] > p->order[r - 1]);
    }
}

static void plans_partition_the_slots(void **state)
{
    (void)state;
    static const double alpha0[] = {0, 0.01, 0.3, 0.5, 0.999, 1};
    lac_rng rng = lac_rng_make(1, 1);
    for (uint64_t i = 0; i < 20000; i++) {
        /* exactly as much room as promised, so that a sanitizer sees one step too far */
        size_t S = 1 + (size_t)lac_rng_below(&rng, i % 3 ? 12 : MOST), T = 1 + (size_t)lac_rng_below(&rng, i % 5 ? 2 * S : 500);
        lacuna_order policy = (lacuna_order)lac_rng_below(&rng, 6);
        double a = i % 2 ? alpha0[i / 2 % 6] : lac_rng_u01(&rng);
        lac_plan p = {.order = malloc(S * sizeof *p.order), .size = malloc((S + 1) * sizeof *p.size)};
        lac_plan q = {.order = malloc(S * sizeof *p.order), .size = malloc((S + 1) * sizeof *p.size)};
        lac_plan_make(&p, S, policy, a, T, i);
        is_a_plan(&p, S, policy, a, T);
        lac_plan_make(&q, S, policy, a, T, i); /* and a function of its arguments */
        assert_int_equal(p.n_groups, q.n_groups);
        assert_int_equal(p.diffused, q.diffused);
        if (policy != LACUNA_ORDER_ENTROPY) assert_memory_equal(p.size, q.size, p.n_groups * sizeof *p.size);
        if (!p.dynamic) assert_memory_equal(p.order, q.order, S * sizeof *p.order);
        free(p.order);
        free(p.size);
        free(q.order);
        free(q.size);
    }
}

static void strides(void **state)
{
    (void)state;
    size_t order[10], size[11];
    lac_plan p = {.order = order, .size = size};
    lac_plan_make(&p, 10, LACUNA_ORDER_STRIDE, 1, 4, 0); /* 0 4 8 | 1 5 9 | 2 6 | 3 7 */
    static const size_t want[10] = {0, 4, 8, 1, 5, 9, 2, 6, 3, 7}, sizes[4] = {3, 3, 2, 2};
    assert_int_equal(p.n_groups, 4);
    assert_memory_equal(order, want, sizeof want);
    assert_memory_equal(size, sizes, sizeof sizes);
    lac_plan_make(&p, 10, LACUNA_ORDER_STRIDE, 0.5, 4, 0); /* the first two rows, then what is left from the left */
    static const size_t half[10] = {0, 4, 8, 1, 5, 9, 2, 3, 6, 7};
    assert_int_equal(p.n_groups, 2);
    assert_int_equal(p.diffused, 6);
    assert_memory_equal(order, half, sizeof half);
    lac_plan_make(&p, 10, LACUNA_ORDER_STRIDE, 1, 1000, 0); /* no more rows than slots */
    assert_int_equal(p.n_groups, 10);
}

static void seeds_and_orders(void **state)
{
    (void)state;
    size_t order[2][16], size[2][17], differ = 0;
    for (uint64_t seed = 1; seed < 30; seed++) {
        lac_plan a = {.order = order[0], .size = size[0]}, b = {.order = order[1], .size = size[1]};
        lac_plan_make(&a, 16, LACUNA_ORDER_RANDOM, 1, 16, 0);
        lac_plan_make(&b, 16, LACUNA_ORDER_RANDOM, 1, 16, seed);
        differ += memcmp(order[0], order[1], sizeof order[0]) != 0;
        lac_plan_make(&b, 16, LACUNA_ORDER_RANDOM, 1, 3, 0); /* the steps do not change the order */
        assert_memory_equal(order[0], order[1], sizeof order[0]);
    }
    assert_int_equal(differ, 29);
}

static void keys(void **state)
{
    (void)state;
    lac_pick p = {.best = 0.5, .margin = 0.2, .entropy = 1.5};
    assert_true(lac_plan_key(LACUNA_ORDER_CONFIDENCE, &p) == 0.5);
    assert_true(lac_plan_key(LACUNA_ORDER_MARGIN, &p) == 0.2);
    assert_true(lac_plan_key(LACUNA_ORDER_ENTROPY, &p) == -1.5);
}

static void chosen_by_key(void **state)
{
    (void)state;
    lac_racer r[5] = {{0, 0.1, 2}, {1, 0.9, 0.1}, {2, 0.5, 0.4}, {3, 0.9, 0.1}, {4, 0.3, 1}}, c[5];
    static const size_t order[5] = {1, 3, 2, 4, 0}; /* ties: the lower index */
    for (size_t size = 1; size < 8; size++) {
        memcpy(c, r, sizeof r);
        assert_int_equal(lac_plan_choose(c, 5, LACUNA_ORDER_CONFIDENCE, size, 0), size < 5 ? size : 5);
        for (size_t i = 0; i < 5; i++) assert_int_equal(c[i].index, order[i]);
    }
    for (size_t i = 0; i < 5; i++) r[i].key = -r[i].entropy;
    static const struct { double gamma; size_t size, want; } e[] = {{0.05, 5, 1}, {0.1, 5, 1}, {0.2, 5, 2}, {0.59, 5, 2}, {0.61, 5, 3},
                                                                   {100, 5, 5},  {100, 3, 3}, {100, 1, 1}, {0, 5, 1}};
    for (size_t i = 0; i < sizeof e / sizeof *e; i++) {
        memcpy(c, r, sizeof r);
        size_t n = lac_plan_choose(c, 5, LACUNA_ORDER_ENTROPY, e[i].size, e[i].gamma);
        CHECK(n == e[i].want, "gamma %g: %zu slots, should be %zu", e[i].gamma, n, e[i].want);
    }
}

static void chosen_at_random(void **state)
{
    (void)state;
    lac_rng rng = lac_rng_make(3, 3);
    for (int i = 0; i < 2000; i++) {
        lac_racer r[MOST];
        bool seen[MOST] = {false};
        size_t n = 1 + (size_t)lac_rng_below(&rng, MOST), size = 1 + (size_t)lac_rng_below(&rng, n);
        for (size_t k = 0; k < n; k++) r[k] = (lac_racer){k, (double)lac_rng_below(&rng, 20), lac_rng_u01(&rng)};
        assert_int_equal(lac_plan_choose(r, n, LACUNA_ORDER_MARGIN, size, 0), size);
        for (size_t k = 0; k < n; k++) {
            assert_true(r[k].index < n && !seen[r[k].index]);
            seen[r[k].index] = true;
            if (k) assert_true(r[k - 1].key > r[k].key || (r[k - 1].key == r[k].key && r[k - 1].index < r[k].index));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_partition_the_slots),
        cmocka_unit_test(strides),
        cmocka_unit_test(seeds_and_orders),
        cmocka_unit_test(keys),
        cmocka_unit_test(chosen_by_key),
        cmocka_unit_test(chosen_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
