/* The error struct: always one line of UTF-8 that fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "base/utf8.h"

static void test_fields(void **state)
{
    (void)state;
    lacuna_error err;
    memset(&err, 0x55, sizeof err);
    assert_int_equal(lac_err(&err, LACUNA_E_FORMAT, UINT64_MAX, "%s: %d of %zu", "m.gguf", 3, (size_t)7), LACUNA_E_FORMAT);
    assert_int_equal(err.code, LACUNA_E_FORMAT);
    assert_true(err.where == UINT64_MAX);
    assert_string_equal(err.msg, "m.gguf: 3 of 7");
    assert_int_equal(lac_nomem(&err, "cache"), LACUNA_E_NOMEM);
    assert_string_equal(err.msg, "out of memory (cache)");
    assert_int_equal(err.where, 0);
    lac_err_clear(&err);
    assert_int_equal(err.code, LACUNA_OK);
    assert_string_equal(err.msg, "");
    assert_int_equal(lac_err(&err, LACUNA_E_IO, 0, "%s", ""), LACUNA_E_IO);
    assert_string_equal(err.msg, "");
}

static void test_null(void **state)
{
    (void)state;
    assert_int_equal(lac_err(NULL, LACUNA_E_IO, 1, "%s", "x"), LACUNA_E_IO);
    assert_int_equal(lac_nomem(NULL, "x"), LACUNA_E_NOMEM);
    lac_err_clear(NULL);
}

/* Cut within each of the bytes of a sequence of 1 to 4 bytes: what is complete stays, the rest goes. */
static void test_cut(void **state)
{
    (void)state;
    static const char *const last[] = {"z", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80"};
    const size_t room = sizeof((lacuna_error *)NULL)->msg - 1;
    for (size_t k = 0; k < 4; k++)
        for (size_t before = room - 6; before <= room + 2; before++) {
            char s[300];
            lacuna_error err;
            size_t n = strlen(last[k]);
            memset(s, 'a', before);
            memcpy(s + before, last[k], n);
            memset(s + before + n, 'b', 10);
            s[before + n + 10] = 0;
            lac_err(&err, LACUNA_E_ARG, 0, "%s", s);
            size_t len = strlen(err.msg), want = before + n <= room || before > room ? room : before;
            assert_int_equal(len, want);
            assert_memory_equal(err.msg, s, len);
        }
    char fits[240]; /* all of it used, nothing cut, the last character complete */
    lacuna_error err;
    memset(fits, 'a', 237);
    strcpy(fits + 237, "\xC3\xA9");
    lac_err(&err, LACUNA_E_ARG, 0, "%s", fits);
    assert_string_equal(err.msg, fits);
}

static void test_control(void **state)
{
    (void)state;
    lacuna_error err;
    lac_err(&err, LACUNA_E_IO, 0, "%s", "a\nb\tc\x1B[31m\x7F\r!");
    assert_string_equal(err.msg, "a?b?c?[31m?\?!");
    lac_err(&err, LACUNA_E_IO, 0, "%s", "\xC2\x9B" "31m \xC2\xA0 \xC3\xA9"); /* U+009B is an escape too */
    assert_string_equal(err.msg, "??31m \xC2\xA0 \xC3\xA9");
    lac_err(&err, LACUNA_E_IO, 0, "%s", "x\xFFy\xC3z\x80\xC3"); /* not cut: a partial sequence is just wrong */
    assert_string_equal(err.msg, "x?y?z??");
}

/* Any bytes, any length: UTF-8 without control characters, and never shorter than it has to be. */
static void test_random(void **state)
{
    (void)state;
    lac_rng r = lac_rng_make(1, 1);
    for (int i = 0; i < 20000; i++) {
        char s[400];
        lacuna_error err;
        size_t len = (size_t)lac_rng_below(&r, sizeof s);
        for (size_t k = 0; k < len; k++) s[k] = (char)(lac_rng_below(&r, 2) ? 0x80 + lac_rng_below(&r, 128) : 1 + lac_rng_below(&r, 255));
        s[len] = 0;
        lac_err(&err, LACUNA_E_ARG, 0, "%s", s);
        size_t got = strlen(err.msg), room = sizeof err.msg - 1;
        assert_true(got == len || (len > room && got <= room && got >= room - 3));
        assert_int_equal(lac_utf8_valid(err.msg, got), got);
        for (size_t k = 0; k < got; k++) {
            unsigned char c = (unsigned char)err.msg[k];
            assert_true(c >= 32 && c != 127);
            assert_true(err.msg[k] == s[k] || c == '?');
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(lacuna_code_name(0), "OK");
    assert_string_equal(lacuna_code_name(LACUNA_E_NOMEM), "NOMEM");
    assert_string_equal(lacuna_code_name(LACUNA_E_LIMIT), "LIMIT");
    assert_string_equal(lacuna_code_name(LACUNA_E_INTERNAL), "INTERNAL");
    assert_string_equal(lacuna_code_name(1), "?");
    assert_string_equal(lacuna_code_name(LACUNA_E_INTERNAL - 1), "?");
    assert_string_equal(lacuna_code_name(INT32_MIN), "?");
    assert_string_equal(lacuna_version(), "0.1.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields),  cmocka_unit_test(test_null),   cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_control), cmocka_unit_test(test_random), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
