/* net/rule: the one number an entry against masks written out from the papers' definitions. */
#include "common/unit.h"

#include "net/rule.h"

enum { MOST = 7 };

static int visible(const uint32_t *sees, size_t q, size_t k) { return k == q || k < sees[q]; }

static int want(lac_rule rule, size_t c, size_t q, size_t k)
{
    switch (rule) {
    case LAC_RULE_PAPER: return k <= q;
    case LAC_RULE_INDEPENDENT: return k == q || (k < c && k < q);
    case LAC_RULE_BIDIRECTIONAL: return 1;
    case LAC_RULE_MIXED: return q < c ? k <= q : 1;
    case LAC_RULE_PREFIX: return q < c ? k < c : k <= q;
    }
    return -1;
}

static void rules_as_defined(void **state)
{
    (void)state;
    for (int rule = LAC_RULE_PAPER; rule <= LAC_RULE_PREFIX; rule++)
        for (size_t c = 0; c <= MOST; c++)
            for (size_t m = 0; m <= MOST; m++) {
                uint32_t sees[2 * MOST + 1];
                sees[c + m] = 0xC0FFEE;
                lac_rule_sees((lac_rule)rule, c, m, sees);
                assert_int_equal(sees[c + m], 0xC0FFEE);
                for (size_t q = 0; q < c + m; q++) {
                    CHECK(sees[q] <= c + m, "rule %d, %zu + %zu: entry %zu sees %u", rule, c, m, q, sees[q]);
                    for (size_t k = 0; k < c + m; k++)
                        CHECK(visible(sees, q, k) == want((lac_rule)rule, c, q, k), "rule %d, %zu clean + %zu masks: %zu -> %zu",
                              rule, c, m, q, k);
                }
            }
}

static void clean_entries_never_see_masks(void **state) /* what makes a cache of clean entries possible */
{
    (void)state;
    const lac_rule cached[] = {LAC_RULE_PAPER, LAC_RULE_INDEPENDENT, LAC_RULE_PREFIX};
    for (size_t r = 0; r < 3; r++)
        for (size_t c = 0; c <= MOST; c++) {
            uint32_t sees[2 * MOST];
            lac_rule_sees(cached[r], c, MOST, sees);
            for (size_t q = 0; q < c; q++) assert_true(sees[q] <= c);
        }
}

static void one_mask_is_the_same_in_both_rules(void **state)
{
    (void)state;
    for (size_t c = 0; c <= MOST; c++) {
        uint32_t a[MOST + 1], b[MOST + 1];
        lac_rule_sees(LAC_RULE_PAPER, c, 1, a);
        lac_rule_sees(LAC_RULE_INDEPENDENT, c, 1, b);
        assert_memory_equal(a, b, (c + 1) * sizeof *a);
    }
}

static void blocks_see_themselves_and_before(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 20; n++)
        for (size_t block = 1; block <= 22; block++) {
            uint32_t sees[21];
            sees[n] = 0xC0FFEE;
            lac_rule_blocks(n, block, sees);
            assert_int_equal(sees[n], 0xC0FFEE);
            for (size_t q = 0; q < n; q++) {
                assert_true(sees[q] <= n);
                for (size_t k = 0; k < n; k++) assert_int_equal(visible(sees, q, k), k / block <= q / block);
            }
        }
}

static void likelihood_masks_see_earlier_truth(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n++) {
        uint32_t sees[2 * MOST];
        sees[2 * n - 1] = 0xC0FFEE;
        lac_rule_likelihood(n, sees);
        assert_int_equal(sees[2 * n - 1], 0xC0FFEE);
        for (size_t q = 0; q < 2 * n - 1; q++)
            for (size_t k = 0; k < 2 * n - 1; k++) {
                int w = q < n - 1 ? k <= q : k == q || (k < n - 1 && k < q - (n - 1));
                CHECK(visible(sees, q, k) == w, "n %zu: %zu -> %zu", n, q, k);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_as_defined),
        cmocka_unit_test(clean_entries_never_see_masks),
        cmocka_unit_test(one_mask_is_the_same_in_both_rules),
        cmocka_unit_test(blocks_see_themselves_and_before),
        cmocka_unit_test(likelihood_masks_see_earlier_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
