/* The indentation style of a text: the expression, and what it matches, by an automaton of it. */
#include "syntax/indent.h"

#include <string.h>

#include "common/hook.h"
#include "common/unit.h"
#include "control/regex.h"

#define FOUR "def f():\n    a\n    if b:\n        c\n    d\n\ndef g():\n    e\n"
#define TWO "if (a) {\n  b;\n  if (c) {\n    d;\n  }\n  e;\n}\n"
#define TABS "int f()\n{\n\ta;\n\tif (b)\n\t\tc(d,\n\t\t  e);\n}\n"
#define STARS "/* a\n * b\n * c\n */\nint f()\n{\n    a;\n    b;\n    c;\n    d;\n}\n"

static bool matches(const lac_dfa *a, const char *fill)
{
    const uint32_t at = lac_dfa_run(a, 0, fill, strlen(fill));
    return at != LAC_DFA_DEAD && a->accept[at];
}

static const struct {
    const char *text, *fill;
    bool yes;
} cases[] = {
    {FOUR, "x", true}, {FOUR, "", true}, {FOUR, "  x", true}, {FOUR, "\t x", true}, {FOUR, "x\n    y", true}, {FOUR, "x\n        y\nz\n", true},
    {FOUR, "x\n\n\n    y\n", true}, {FOUR, "x\n    ", true}, {FOUR, "x\n  y", false}, {FOUR, "x\n\ty", false}, {FOUR, "x\n    \ty", false},
    {FOUR, "x\n     y", false}, {FOUR, "x\n    y z  w\t\n", true}, {FOUR, "\xC3\xA9\n    \xC3\xA9", true},
    {TWO, "x\n  y", true}, {TWO, "x\n    y", true}, {TWO, "x\n   y", false}, {TWO, "x\n\ty", false},
    {TABS, "x\n\ty", true}, {TABS, "x\n\t\ty\n\n", true}, {TABS, "x\n\t  y", true}, {TABS, "x\n    y", false}, {TABS, "x\n \ty", false},
    {TABS, "x\ny", true}, {TABS, "x\n\t", true}, {TABS, "x\n\t \ty", false},
    {STARS, "x\n * y\n */\n    z", true}, {STARS, "x\n     * y", true}, {STARS, "x\n y", false}, {STARS, "x\n  y", false},
    {"a\n     b\n  c\n       d\n   e\n", "x\n y", true}, {"a\n     b\n  c\n       d\n   e\n", "x\n\ty", false}, /* no unit: blanks */
    {"a\n        b\n", "x\n   y", true},                                                                         /* too few lines for one */
};

static void fills_keep_the_style(void **state)
{
    (void)state;
    hook h = {0};
    const lacuna_allocator mem = hook_allocator(&h);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expr[LAC_INDENT_REGEX];
        lac_arena arena = {.mem = &mem};
        lac_dfa a;
        lacuna_error err;
        CHECK(lac_indent_regex(cases[i].text, strlen(cases[i].text), expr), "%s", cases[i].text);
        CHECK(lac_regex_compile(&a, expr, strlen(expr), &arena, &err) == 0, "%s: %s", expr, err.msg);
        CHECK(matches(&a, cases[i].fill) == cases[i].yes, "%s: '%s'", expr, cases[i].fill);
        lac_arena_free(&arena);
    }
    assert_int_equal(h.live, 0);
}

static void units_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says; /* NULL: nothing */
    } text[] = {
        {FOUR, "{4}"}, {TWO, "{2}"}, {TABS, "\\t+"}, {STARS, "{4}"}, {"", NULL}, {"a\nb\n", NULL}, {"\n\n\n", NULL},
        {"a\n\tb\n    c\n\td\n    e\n", NULL},                                               /* both */
        {"f(a,\n  b)\n    c\n    d\n    e\n    f\ng(h +\n  i)\n", "{4}"},                    /* lines that go on do not count */
        {"a\r\n    b\r\n    c\r\n\r\n    d\r\n        e\r\n", "{4}"}, {"a\n        b\n        c\n        d\n        e\n", "{8}"},
    };
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        char expr[LAC_INDENT_REGEX] = "";
        const int r = lac_indent_regex(text[i].text, strlen(text[i].text), expr);
        CHECK(r == (text[i].says != NULL), "%s: %d %s", text[i].text, r, expr);
        if (r) CHECK(strstr(expr, text[i].says), "%s: %s", text[i].text, expr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fills_keep_the_style), cmocka_unit_test(units_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
