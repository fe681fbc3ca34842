/* UTF-8 against a decoder written the other way round: from code points to bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/utf8.h"

static size_t encode(unsigned char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (unsigned char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, c >>= 6) to[i] = (unsigned char)(0x80 | (c & 63));
    to[0] = (unsigned char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c);
    return n;
}

static void test_every_char(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        unsigned char s[5];
        size_t n = encode(s, c);
        bool surrogate = c >= 0xD800 && c < 0xE000;
        s[n] = 'x';
        if (lac_utf8_char((char *)s, n) != (surrogate ? 0 : n) || lac_utf8_char((char *)s, n + 1) != (surrogate ? 0 : n))
            fail_msg("U+%04X", c);
        for (size_t cut = 0; cut < n; cut++)
            if (lac_utf8_char((char *)s, cut) || lac_utf8_valid((char *)s, cut)) fail_msg("U+%04X cut", c);
    }
}

/* Exactly the sequences of the test above are valid: all of 1 and 2 bytes, all of 3, and all leads of 4. */
static void test_nothing_else(void **state)
{
    (void)state;
    size_t valid[5] = {0};
    for (uint32_t v = 0; v < 1u << 24; v++) {
        char s[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        size_t n = lac_utf8_char(s, 3);
        if (n == 3 || (n == 2 && !s[2]) || (n == 1 && !s[1] && !s[2])) valid[n]++;
        assert_true(n < 4);
    }
    assert_int_equal(valid[1], 128);
    assert_int_equal(valid[2], 0x800 - 0x80);
    assert_int_equal(valid[3], 0x10000 - 0x800 - 0x800);
    for (uint32_t v = 0; v < 1u << 16; v++) { /* the last two bytes: three values that matter each */
        static const unsigned char tail[] = {0x7F, 0x80, 0xBF, 0xC0};
        for (int i = 0; i < 16; i++) {
            char s[4] = {(char)(v >> 8), (char)v, (char)tail[i / 4], (char)tail[i % 4]};
            if (lac_utf8_char(s, 4) == 4) valid[4]++;
        }
    }
    assert_int_equal(valid[4], (0x110000 - 0x10000) / 4096 * 4);
}

static void test_valid(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        size_t n, valid;
    } cases[] = {
        {"", 0, 0}, {"abc", 3, 3}, {"a\0b", 3, 3}, {"ab\x80", 3, 2}, {"\xC3", 1, 0}, {"a\xC3\xA9", 3, 3}, {"a\xC3\xA9\xC3", 4, 3},
        {"\xC0\x80", 2, 0}, {"\xC1\xBF", 2, 0}, {"\xE0\x80\x80", 3, 0}, {"\xE0\x9F\xBF", 3, 0}, {"\xE0\xA0\x80", 3, 3},
        {"\xED\x9F\xBF", 3, 3}, {"\xED\xA0\x80", 3, 0}, {"\xF0\x8F\xBF\xBF", 4, 0}, {"\xF0\x90\x80\x80", 4, 4},
        {"\xF4\x8F\xBF\xBF", 4, 4}, {"\xF4\x90\x80\x80", 4, 0}, {"\xF5\x80\x80\x80", 4, 0}, {"\xF8\x88\x80\x80\x80", 5, 0},
        {"\xFE", 1, 0}, {"\xFF", 1, 0}, {"\xE2\x82", 2, 0}, {"\xE2\x82z", 3, 0}, {"\xF0\x9F\x98\x80!", 5, 5},
        {"0123456789\x80", 11, 10}, {"0123456\xC3\xA9" "89abcdef", 17, 17}, {"01234567\xC3", 9, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *s = malloc(cases[i].n + 1); /* of just that size, for ASan; + 1 since malloc(0) may be NULL */
        memcpy(s + 1, cases[i].s, cases[i].n);
        assert_int_equal(lac_utf8_valid(s + 1, cases[i].n), cases[i].valid);
        free(s);
    }
}

/* By definition: inside some valid sequence? */
static bool inside(const char *s, size_t n, size_t at)
{
    for (size_t from = 0; from < at; from++) {
        size_t len = lac_utf8_char(s + from, n - from);
        if (len && from + len > at) return true;
    }
    return false;
}

static void test_boundary(void **state)
{
    (void)state;
    lac_rng r = lac_rng_make(1, 1);
    for (int i = 0; i < 200000; i++) {
        static const unsigned char some[] = {'a', 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xC3, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0xFF, 0};
        char s[8];
        size_t n = (size_t)lac_rng_below(&r, 9);
        for (size_t k = 0; k < n; k++) s[k] = (char)some[lac_rng_below(&r, sizeof some)];
        for (size_t at = 0; at <= n; at++) assert_int_equal(lac_utf8_boundary(s, n, at), !inside(s, n, at));
        assert_false(lac_utf8_boundary(s, n, n + 1));
    }
    assert_true(lac_utf8_boundary("", 0, 0));
    assert_false(lac_utf8_boundary("", 0, SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_char), cmocka_unit_test(test_nothing_else),
                                       cmocka_unit_test(test_valid), cmocka_unit_test(test_boundary)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
