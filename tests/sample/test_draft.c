#include "sample/draft.h"

#include "common/unit.h"

/* The nearest of the longest matches, what stands before first; its kind says whether others go on in the same way. */
static void repeats(void **state)
{
    (void)state;
    const int32_t line[] = {1, 2, 3, 9, 2, 3, 7, 1, 2, 3, -1, 5, 3, 8};
    const struct {
        const int32_t *line;
        size_t n, at;
        int32_t token;
        int kind;
    } cases[] = {
        {line, 14, 10, 9, 7},    /* 1 2 3 has been followed by 9, and that once */
        {line + 3, 11, 7, 7, 4}, /* 2 3 by 7 */
        {line + 9, 5, 1, 8, 1},  /* 3 by 8, behind the slot */
        {line + 1, 13, 9, 7, 3}, /* 2 3 by 7, and by 9 */
        {line, 14, 0, -1, 0},    /* nothing before it */
        {(const int32_t[]){1, -1, 1, -1}, 4, 3, -1, 0}, /* what followed is open */
        {(const int32_t[]){1, 4, 2, 4, 3, 1, -1, 1, 4}, 9, 6, 4, 2}, /* 1 by 4, twice */
        {(const int32_t[]){1, 2, 3, 4, 5, 6, 1, 2, 3, 4, -1}, 11, 10, 5, 10},
        {(const int32_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1}, 13, 12, 1, 14},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lac_draft d = lac_draft_repeat(cases[i].line, cases[i].n, cases[i].at);
        CHECK(d.token == cases[i].token && (d.token < 0 || d.kind == cases[i].kind), "case %zu: token %d of kind %d", i, (int)d.token, d.kind);
    }
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(repeats), cmocka_unit_test(hope)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
