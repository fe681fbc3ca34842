/* control/shape: what the named expressions match, in each kind of text. */
#include "common/unit.h"

#include <stdio.h>

#include "control/automaton.h"
#include "control/regex.h"
#include "control/shape.h"

static const struct {
    const char *name, *tag;
    const char *yes[16], *no[16];
} cases[] = {
    {"identifier", "c", {"a", "_", "snake_case9", "X"}, {"", "9a", "a b", "a-b", "\xC3\xA9"}},
    {"integer", NULL, {"0", "42", "-7", "+1", "007"}, {"", "-", "1.5", "0x1F", "1e3"}},
    {"integer", "c", {"0", "-42", "0x1F", "0XfF", "017", "42u", "1UL", "1llu", "0xFFull"}, {"", "0x", "08", "1_000", "0b1", "1lul", "1.0", "1f"}},
    {"integer", "py", {"0", "00", "-42", "0x1F", "0o17", "0b101", "1_000"}, {"", "017", "1__0", "_1", "1_", "42u", "0x", "1.0"}},
    {"float", NULL, {"1.5", "-0.25", "1e9", "1.5e-3"}, {"1", "1.", ".5", "1.5f", "e9", ""}},
    {"float", "c", {"1.5", "1.", ".5", "-1e9", "1.5f", "1e-3L"}, {"1", ".", "1.5ff", "e9", "1f", "1_0.0"}},
    {"float", "py", {"1.5", "1.", ".5", "-1e9", "1_0.0", "1.e5"}, {"1", ".", "1.5f", "1__0.0", "_.5"}},
    {"string", NULL, {"\"\"", "\"a\"", "\"\\\"\"", "\"\xC3\xA9\""}, {"", "\"", "\"a\"b\"", "'a'", "\"\n\"", "\"\\\"", "\"\xC3\""}},
    {"string", "c", {"\"\"", "\"%d\\n\"", "\"\\\"\"", "\"\\\\\"", "\"\\0\\x1b[0m\"", "\"\\x41\\x42\"", "\"\xE2\x82\xAC'\"", "\"\\x41\"", "\"\\x41g\\101\""},
     {"\"", "'a'", "\"\n\"", "\"\\\n\"", "\"\\d\"", "\"a\"\"", "\"\\\"", "\"\\x41b\"", "\"\\xg\""}},
    {"string", "py", {"''", "\"\"", "'a\"b'", "\"it's\"", "'\\''", "r'\\d+'", "R\"\\\"\"", "b'\\x00'", "b'a\"'", "b\"a'\"", "f'{name}: {{}}'", "u'\xC3\xA9'", "'\\n\\x41'"},
     {"'", "'a\"", "'\n'", "'\\d'", "b'\xC3\xA9'", "f'{'", "f'{1 +}'", "r'\\'", "''a'", "x'a'", "\"\"\"a\"\"\"", "rb'a'"}},
    {"line", "prose", {"", "a b\tc", "\xE2\x82\xAC"}, {"\n", "a\n", "\xE2\x82"}},
    {"word", "prose", {"a", "Don't", "well-known", "l\xE2\x80\x99\xC3\xA9t\xC3\xA9", "\xD0\xB4\xD0\xB0", "\xE6\xBC\xA2\xE5\xAD\x97"},
     {"", "-a", "a-", "a--b", "a b", "a1", "a.", "\xC3\x97", "\xF0\x9F\x98\x80"}},
    {"sentence", "prose", {"A.", "Is it so?", "It costs 3.5, not more!", "\xC3\x89t\xC3\xA9.", "He went to the U.S.A.", "What?!", "So, \"yes\" (or no)."},
     {"", "a.", "A", "A. B.", "No! Yes.", "A\nb.", ".", "Wait... what?", " A.", "A. "}},
};

static lac_dfa compile(lac_arena *arena, const char *name, const char *tag)
{
    lac_dfa d;
    lacuna_error err;
    const char *expr = lac_shape_regex(name, tag);
    CHECK(expr, "no shape %s", name);
    CHECK(lac_regex_compile(&d, expr, strlen(expr), arena, &err) == 0, "%s: %s at %u of %s", name, err.msg, (unsigned)err.where, expr);
    return d;
}

static void shapes_match(void **state)
{
    (void)state;
    const lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lac_arena arena = {.mem = &mem};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lac_dfa d = compile(&arena, cases[i].name, cases[i].tag);
        const char *tag = cases[i].tag ? cases[i].tag : "-";
        for (size_t k = 0; k < 16 && cases[i].yes[k]; k++)
            CHECK(automaton_accepts(&d, cases[i].yes[k], strlen(cases[i].yes[k])), "%s %s does not match %s", tag, cases[i].name, cases[i].yes[k]);
        for (size_t k = 0; k < 16 && cases[i].no[k]; k++)
            CHECK(!automaton_accepts(&d, cases[i].no[k], strlen(cases[i].no[k])), "%s %s matches %s", tag, cases[i].name, cases[i].no[k]);
    }
    lac_arena_free(&arena);
}

static void shapes_are_small(void **state)
{
    static const char *const tags[] = {NULL, "c", "py", "prose", "unheard of"};
    (void)state;
    const lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lac_arena arena = {.mem = &mem};
    size_t n = 0;
    for (; lac_shape_names[n]; n++)
        for (size_t t = 0; t < sizeof tags / sizeof *tags; t++) {
            const lac_dfa d = compile(&arena, lac_shape_names[n], tags[t]);
            const char *fault = automaton_fault(&d);
            CHECK(!fault, "%s: %s", lac_shape_names[n], fault);
            assert_in_range(d.n, 2, 100);
        }
    assert_int_equal(n, 7);
    lac_arena_free(&arena);
}

static void other_names_are_no_shapes(void **state)
{
    (void)state;
    assert_null(lac_shape_regex("integers", NULL));
    assert_null(lac_shape_regex("", "c"));
    assert_ptr_equal(lac_shape_regex("integer", "unheard of"), lac_shape_regex("integer", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shapes_match), cmocka_unit_test(shapes_are_small), cmocka_unit_test(other_names_are_no_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
