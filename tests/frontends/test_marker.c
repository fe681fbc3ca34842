/* Markers, and LINE:COL to bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/marker.h"

static size_t count(const char *text, const char *marker, lacuna_span *out)
{
    return marker_find(text, strlen(text), marker, strlen(marker), out, 4);
}

static void markers(void **state)
{
    (void)state;
    lacuna_span s[4];
    assert_int_equal(count("a<|fill|>b<|fill|>", MARKER_DEFAULT, s), 2);
    assert_int_equal(s[0].start, 1);
    assert_int_equal(s[0].end, 9);
    assert_int_equal(s[1].start, 10);
    assert_int_equal(count("aaaaa", "aa", s), 2);
    assert_int_equal(s[1].start, 2);
    assert_int_equal(count("<|fill|", MARKER_DEFAULT, s), 0);
    assert_int_equal(count("<<|fill|>", MARKER_DEFAULT, s), 1);
    assert_int_equal(count("", MARKER_DEFAULT, s), 0);
    assert_int_equal(count("abc", "", s), 0);
    assert_int_equal(count("xxxxxxxx", "x", s), 8); /* more than there is room for: still counted */
    assert_int_equal(marker_find("a\0b", 3, "\0b", 2, s, 4), 1);
}

static int at(const char *text, const char *spec, size_t *v)
{
    char err[256];
    return marker_at(text, strlen(text), spec, v, err, sizeof err);
}

static void places(void **state)
{
    (void)state;
    size_t v;
    static const struct { const char *spec; size_t v; } good[] = {{"1:1", 0}, {"1:3", 2}, {"2:1", 3}, {"2:4", 6}, {"3:1", 7}, {"4:1", 8}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(at("ab\ncde\n\n", good[i].spec, &v), MARKER_OK);
        assert_int_equal(v, good[i].v);
    }
    static const char *const outside[] = {"0:1", "1:0", "1:4", "3:2", "4:2", "5:1", "99999999:1", "1:99999999"};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) assert_int_equal(at("ab\ncde\n\n", outside[i], &v), MARKER_OUTSIDE);
    static const char *const nonsense[] = {"", "1", "1:", ":1", "a:b", "1:1x", " 1:1", "1:1-", "-1:1", "99999999999999999999:1", "1;1"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) assert_int_equal(at("ab\n", nonsense[i], &v), MARKER_SYNTAX);
    assert_int_equal(at("", "1:1", &v), MARKER_OK);
    assert_int_equal(at("", "2:1", &v), MARKER_OUTSIDE);
    assert_int_equal(at("a\r\nb", "1:3", &v), MARKER_OK); /* bytes: the carriage return is one */
}

static void limits_are_named(void **state)
{
    (void)state;
    char err[256];
    size_t v;
    marker_at("ab\ncd", 5, "9:1", &v, err, sizeof err);
    assert_non_null(strstr(err, "line 9"));
    assert_non_null(strstr(err, "line 2"));
    marker_at("ab\ncd", 5, "2:9", &v, err, sizeof err);
    assert_non_null(strstr(err, "from 1 to 3"));
}

static void ranges(void **state)
{
    (void)state;
    char err[256];
    lacuna_span s;
    assert_int_equal(marker_range("ab\ncd", 5, "1:2-2:2", &s, err, sizeof err), MARKER_OK);
    assert_int_equal(s.start, 1);
    assert_int_equal(s.end, 4);
    assert_int_equal(marker_range("ab\ncd", 5, "2:3-2:3", &s, err, sizeof err), MARKER_OK);
    assert_int_equal(marker_range("ab\ncd", 5, "2:1-1:1", &s, err, sizeof err), MARKER_OUTSIDE);
    assert_int_equal(marker_range("ab\ncd", 5, "1:1-3:1", &s, err, sizeof err), MARKER_OUTSIDE);
    assert_int_equal(marker_range("ab\ncd", 5, "1:1", &s, err, sizeof err), MARKER_SYNTAX);
    assert_int_equal(marker_range("ab\ncd", 5, "1:1-2:2-", &s, err, sizeof err), MARKER_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(markers), cmocka_unit_test(places), cmocka_unit_test(limits_are_named),
                                       cmocka_unit_test(ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
