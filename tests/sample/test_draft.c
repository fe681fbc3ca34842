#include "sample/draft.h"

#include "common/unit.h"

/* The nearest of the longest matches, what stands before first. */
static void repeats(void **state)
{
    (void)state;
    const int32_t line[] = {1, 2, 3, 9, 2, 3, 7, 1, 2, 3, -1, 5, 3, 8};
    lac_draft d = lac_draft_repeat(line, 14, 10); /* 1 2 3 has been followed by 9 */
    assert_int_equal(d.token, 9);
    assert_int_equal(d.kind, 2);
    d = lac_draft_repeat(line + 3, 11, 7); /* 2 3 by 7 */
    assert_int_equal(d.token, 7);
    assert_int_equal(d.kind, 1);
    d = lac_draft_repeat(line + 9, 5, 1); /* 3 by 8, behind the slot */
    assert_int_equal(d.token, 8);
    assert_int_equal(d.kind, 0);
    assert_int_equal(lac_draft_repeat(line, 14, 0).token, -1); /* nothing before it */
    assert_int_equal(lac_draft_repeat((const int32_t[]){1, -1, 1, -1}, 4, 3).token, -1); /* what followed is open */
}

/* Hope goes where the trials go, and not all the way. */
static void hope(void **state)
{
    (void)state;
    lac_draft_record r;
    lac_draft_begin(&r);
    for (int kind = 0; kind < LAC_DRAFT_KINDS; kind++) {
        const double before = lac_draft_hope(&r, kind);
        for (int i = 0; i < 5; i++) lac_draft_note(&r, kind, 0);
        const double after = lac_draft_hope(&r, kind);
        assert_true(before > after && after > 0);
        for (int i = 0; i < 40; i++) lac_draft_note(&r, kind, 1);
        assert_true(lac_draft_hope(&r, kind) > before && lac_draft_hope(&r, kind) < 1);
    }
    for (double p = 0; p <= 1; p += 0.01) assert_true(lac_draft_guess(3, p).kind >= 4 && lac_draft_guess(3, p).kind < LAC_DRAFT_KINDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(repeats), cmocka_unit_test(hope)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
