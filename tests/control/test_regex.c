/* control/regex: what expressions match, said by hand, by POSIX's own engine, and by what UTF-8 is; what they may cost. */
#include "common/unit.h"

#include <regex.h>
#include <stdio.h>

#include "base/utf8.h"
#include "common/hook.h"
#include "control/automaton.h"
#include "control/regex.h"

typedef struct {
    hook hook;
    lacuna_allocator mem;
    lac_arena arena;
    lac_rng rng;
    lacuna_error err;
} place;

static int open_place(void **state)
{
    place *p = calloc(1, sizeof *p);
    p->mem = hook_allocator(&p->hook);
    p->arena.mem = &p->mem;
    p->rng = lac_rng_make(5, 5);
    *state = p;
    return 0;
}

static int close_place(void **state)
{
    place *p = *state;
    lac_arena_free(&p->arena);
    const bool clean = !p->hook.live && !p->hook.blocks && !p->hook.wrong;
    free(p);
    return clean ? 0 : -1;
}

static lac_dfa compile(place *p, const char *expr)
{
    lac_dfa d;
    CHECK(lac_regex_compile(&d, expr, strlen(expr), &p->arena, &p->err) == 0, "%s: %s", expr, p->err.msg);
    const char *fault = automaton_fault(&d);
    CHECK(!fault, "%s: %s", expr, fault);
    return d;
}

static bool accepts(const lac_dfa *d, const char *text) { return automaton_accepts(d, text, strlen(text)); }

/* ---- by hand ---- */

static const struct {
    const char *expr;
    const char *yes[7], *no[7];
} meaning[] = {
    {"", {""}, {"a", " ", "\n"}},
    {"^$", {""}, {"^", "$"}},
    {"()", {""}, {"a"}},
    {"a|", {"a", ""}, {"|", "aa"}},
    {"(|a)b", {"b", "ab"}, {"a", ""}},
    {"^abc$", {"abc"}, {"ab", "abcd", "^abc$"}},
    {"a\\$", {"a$"}, {"a", "a\\"}},
    {"a\\\\$", {"a\\"}, {"a\\$", "a"}},
    {"a.c", {"abc", "a.c", "a\xC3\xA9" "c"}, {"ac", "a\nc", "a\xC3" "c", "abbc"}},
    {"ab*", {"a", "ab", "abbb"}, {"", "aab", "b"}},
    {"ab+", {"ab", "abb"}, {"a", ""}},
    {"ab?", {"a", "ab"}, {"abb", "b"}},
    {"(ab)*", {"", "ab", "abab"}, {"a", "aba"}},
    {"(?:ab|c)+d", {"abd", "cabcd"}, {"d", "abcab"}},
    {"a{3}", {"aaa"}, {"aa", "aaaa"}},
    {"a{2,}", {"aa", "aaaaa"}, {"a", ""}},
    {"a{,2}", {"", "a", "aa"}, {"aaa"}},
    {"a{1,3}", {"a", "aa", "aaa"}, {"", "aaaa"}},
    {"xa{0}y", {"xy"}, {"xay"}},
    {"(a{2}){2,3}", {"aaaa", "aaaaaa"}, {"aa", "aaaaa", "aaaaaaaa"}},
    {"(a|b*){2}", {"", "a", "aa", "abb", "bba", "bbbb"}, {"aba", "aaa"}},
    {"[abc]", {"a", "c"}, {"d", "", "ab"}},
    {"[^abc]", {"d", "\xE2\x82\xAC"}, {"a", "\n", "\x80", "\xE2\x82"}},
    {"[a-cx-z]", {"b", "y"}, {"d", "-"}},
    {"[]a]", {"]", "a"}, {"[", "b"}},
    {"[^]a]", {"b", "["}, {"]", "a"}},
    {"[a-]", {"a", "-"}, {"b"}},
    {"[-a]", {"a", "-"}, {"b"}},
    {"[+--]", {"+", ",", "-"}, {"*", "."}},
    {"[a\\-c]", {"a", "-", "c"}, {"b"}},
    {"[\\]\\\\[]", {"]", "\\", "["}, {"a"}},
    {"[.*+?(){}|^$]", {".", "*", "^", "$", "|", "}"}, {"a", "\\"}},
    {"[[:digit:]_]+", {"12_3"}, {"a", ":"}},
    {"[^[:alpha:]]", {"1", "\xC3\xA9"}, {"a", "Z", "\n"}},
    {"[[:space:]]", {" ", "\n", "\t", "\v"}, {"a"}},
    {"[[:punct:]]+", {"!/:@[`{~"}, {"a", " "}},
    {"[[:xdigit:][:blank:]]+", {"0 fF\t9"}, {"g", "\n"}},
    {"[[:alnum:]][[:upper:]][[:lower:]][[:graph:]][[:print:]][[:cntrl:]]", {"1Aa~ \x7F", "zZz! \x01"}, {"1aa~ \x7F", "1Aa  \x7F"}},
    {"\\d+\\.\\d", {"12.5"}, {"12x5", ".5", "12."}},
    {"\\w+", {"ab_9"}, {"", "a-b", "\xC3\xA9"}},
    {"\\s", {" ", "\n", "\r", "\f"}, {"x"}},
    {"\\D\\W\\S", {"a-b", "\xC3\xA9\xC3\xA9\xC3\xA9"}, {"1-b", "aab", "a- ", "\n-b"}},
    {"[\\d\\s]+", {"1 2\n3"}, {"a"}},
    {"[^\\d]", {"a"}, {"1", "\n"}},
    {"[\\D]", {"a"}, {"1", "\n"}},
    {"[^\\D]", {"1"}, {"a", "\n"}},
    {"[\\W\\d]", {"1", "-"}, {"a", "\n"}},
    {"\\n\\t\\r\\f\\v", {"\n\t\r\f\v"}, {"ntrfv"}},
    {"\\x41\\u{42}\\u{1F600}\\u{e9}", {"AB\xF0\x9F\x98\x80\xC3\xA9"}, {"AB"}},
    {"[\\x41-\\u{43}\\n]", {"A", "C", "\n"}, {"D"}},
    {"\\.\\[\\]\\(\\)\\*\\+\\?\\{\\}\\|\\^\\$\\\\\\/\\-\\\"", {".[]()*+?{}|^$\\/-\""}, {""}},
    {"a]}b", {"a]}b"}, {"ab"}},
    {"a\"-/,:=!<>&%#@~`';_b", {"a\"-/,:=!<>&%#@~`';_b"}, {""}},
    {"\"([^\"\\\\]|\\\\.)*\"", {"\"\"", "\"a\\\"b\"", "\"\\\\\""}, {"\"", "\"\\\"", "\"a\"b\"", "\"\n\""}},
    {"[0-9]{1,3}(\\.[0-9]{1,3}){3}", {"1.2.3.4", "127.0.0.1"}, {"1.2.3", "1.2.3.4444", "1.2.3.4."}},
    {"\xC3\xA9*", {"", "\xC3\xA9\xC3\xA9"}, {"\xC3", "\xC3\xA9\xA9"}},
    {"[\xC3\xA9-\xC3\xAB]", {"\xC3\xA9", "\xC3\xAA", "\xC3\xAB"}, {"\xC3", "\xA9", "\xC3\xAC", "\xC3\xA8"}},
    {"\xFF+x", {"\xFFx", "\xFF\xFFx"}, {"x", "\xFE" "x"}},
};

static void meanings(void **state)
{
    place *p = *state;
    for (size_t i = 0; i < sizeof meaning / sizeof *meaning; i++) {
        const lac_dfa d = compile(p, meaning[i].expr);
        for (size_t k = 0; k < 7 && meaning[i].yes[k]; k++)
            CHECK(accepts(&d, meaning[i].yes[k]), "%s does not match '%s'", meaning[i].expr, meaning[i].yes[k]);
        for (size_t k = 0; k < 7 && meaning[i].no[k]; k++)
            CHECK(!accepts(&d, meaning[i].no[k]), "%s matches '%s'", meaning[i].expr, meaning[i].no[k]);
    }
}

static void the_zero_byte_is_a_character(void **state)
{
    place *p = *state;
    lac_dfa d, e;
    assert_int_equal(lac_regex_compile(&d, "a\0+", 3, &p->arena, &p->err), 0);
    assert_int_equal(lac_regex_compile(&e, "a\\x00+", 6, &p->arena, &p->err), 0);
    assert_true(automaton_accepts(&d, "a\0\0", 3));
    assert_true(automaton_same(&d, &e));
    assert_int_equal(lac_regex_compile(&d, "[\0a]\0", 5, &p->arena, &p->err), 0);
    assert_true(automaton_accepts(&d, "\0\0", 2));
    assert_int_equal(lac_regex_compile(&d, "\\\0", 2, &p->arena, &p->err), LACUNA_E_ARG);
    assert_int_equal(lac_regex_compile(&d, "[[\0]", 4, &p->arena, &p->err), 0);
}

static const struct {
    const char *expr;
    uint32_t n; /* states of the minimal automaton */
} sizes[] = {
    {"", 1},           {"a", 2},          {"a*", 1},           {"(a|a)*b", 2},  {"(a*)*", 1},     {"((a*)+|(b?)*)*", 1}, {"(x+x+)+y", 4},
    {"abc|abd", 4},    {"a(b|c)d|aed", 4}, {"[ab]*a[ab]{3}", 16}, {"a{1,100}", 101}, {"(a{3})*", 3}, {".*", 8},             {".{0,80}", 641},
    {"[^\\x00-\\u{10FFFF}]", 0},
    {"[^\\x00-\\u{10FFFF}]|b", 2}, {"([^\\x00-\\u{10FFFF}])*", 1}, {"[A-Za-z_][A-Za-z0-9_]*", 2},
    {"(foo|foobar|bar)", 7}, {"a?a?a?aaa", 7}, {"(.*a){1,50}", 9},
};

static void automata_are_minimal(void **state)
{
    place *p = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const lac_dfa d = compile(p, sizes[i].expr);
        CHECK(d.n == sizes[i].n, "%s: %u states", sizes[i].expr, d.n);
    }
}

static void one_language_one_automaton(void **state)
{
    static const char *const same[][2] = {
        {"a|b|c", "[a-c]"},       {"(a*b*)*", "[ab]*"},     {"a+", "aa*"},     {"(ab|a)(c|bc)", "abc|ac|abbc"}, {"a{2,4}", "aa(a|aa)?"},
        {"\\d", "[[:digit:]]"},   {"\\w", "[[:alnum:]_]"},  {".", "[^\\n]"},   {"[\\s\\S]", "\\n|."},           {"(a|b)*a(a|b)", "[ab]*a[ab]"},
        {"\\u{41}", "\\x41"},     {"[^\\S]", "[ \\t\\v\\f\\r]"}, {"x{0,}", "x*"}, {"[\\u{D000}-\\u{E000}]", "[\\u{D000}-\\u{D7FF}\\u{E000}]"},
    };
    place *p = *state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const lac_dfa a = compile(p, same[i][0]), b = compile(p, same[i][1]);
        CHECK(automaton_same(&a, &b), "%s and %s differ", same[i][0], same[i][1]);
    }
}

static const struct {
    const char *expr;
    lacuna_code code;
    uint64_t where;
    const char *says;
} faults[] = {
    {"*a", LACUNA_E_ARG, 0, "nothing before *"},
    {"a|+b", LACUNA_E_ARG, 2, "nothing before +"},
    {"a(?b)", LACUNA_E_ARG, 1, "(? is only followed by :"},
    {"a({2})", LACUNA_E_ARG, 2, "nothing before {"},
    {"^*", LACUNA_E_ARG, 1, "nothing before *"},
    {"a**", LACUNA_E_ARG, 2, "repetition of a repetition"},
    {"a+?", LACUNA_E_ARG, 2, "repetition of a repetition"},
    {"a{2}{3}", LACUNA_E_ARG, 4, "repetition of a repetition"},
    {"ab(cd", LACUNA_E_ARG, 2, "( without )"},
    {"a(b(c)", LACUNA_E_ARG, 1, "( without )"},
    {"ab)c", LACUNA_E_ARG, 2, ") without ("},
    {"a^b", LACUNA_E_ARG, 1, "only at the beginning"},
    {"(^a)", LACUNA_E_ARG, 1, "only at the beginning"},
    {"a$b", LACUNA_E_ARG, 1, "only at the end"},
    {"a[bc", LACUNA_E_ARG, 1, "[ without ]"},
    {"[]", LACUNA_E_ARG, 0, "[ without ]"},
    {"[", LACUNA_E_ARG, 0, "[ without ]"},
    {"[^", LACUNA_E_ARG, 0, "[ without ]"},
    {"x[z-a]", LACUNA_E_ARG, 2, "ends before it begins"},
    {"[a-c-e]", LACUNA_E_ARG, 4, "a range of three"},
    {"[a-\\d]", LACUNA_E_ARG, 1, "a range from or to a class"},
    {"[\\w-z]", LACUNA_E_ARG, 1, "a range from or to a class"},
    {"[[:alpah:]]", LACUNA_E_ARG, 1, "no class [:alpah:]"},
    {"[[:word:]]", LACUNA_E_ARG, 1, "no class [:word:]"},
    {"[[:alpha]]", LACUNA_E_ARG, 1, "[: without"},
    {"[[.a.]]", LACUNA_E_ARG, 1, "[. ... .] is not known"},
    {"[[=a=]]", LACUNA_E_ARG, 1, "[= ... =] is not known"},
    {"[a\xFF]", LACUNA_E_ARG, 2, "no UTF-8"},
    {"ab\\", LACUNA_E_ARG, 2, "nothing behind the last \\"},
    {"ab\\b", LACUNA_E_ARG, 2, "\\b means nothing"},
    {"(a)\\1", LACUNA_E_ARG, 3, "\\1 means nothing"},
    {"\\\xC3\xA9", LACUNA_E_ARG, 0, "\\\xC3\xA9 means nothing"},
    {"a\\xZZ", LACUNA_E_ARG, 1, "two hexadecimal digits"},
    {"a\\x4", LACUNA_E_ARG, 1, "two hexadecimal digits"},
    {"\\x80", LACUNA_E_ARG, 0, "\\u{80}"},
    {"\\u1234", LACUNA_E_ARG, 0, "followed by {"},
    {"\\u{}", LACUNA_E_ARG, 0, "one to six"},
    {"\\u{1234567}", LACUNA_E_ARG, 0, "one to six"},
    {"\\u{110000}", LACUNA_E_ARG, 0, "\\u{110000} is no character"},
    {"\\u{D800}", LACUNA_E_ARG, 0, "\\u{D800} is no character"},
    {"a{", LACUNA_E_ARG, 1, "{ is followed by"},
    {"a{}", LACUNA_E_ARG, 1, "{ is followed by"},
    {"a{,}", LACUNA_E_ARG, 1, "{ is followed by"},
    {"a{1,2", LACUNA_E_ARG, 1, "{ is followed by"},
    {"a{1;2}", LACUNA_E_ARG, 1, "{ is followed by"},
    {"a{-1}", LACUNA_E_ARG, 1, "{ is followed by"},
    {"ba{3,2}", LACUNA_E_ARG, 2, "from 3 to 2 times"},
    {"((a{1,100}){1,100}){1,100}", LACUNA_E_LIMIT, 19, "more than 200000 states"},
    {"a{999999999999999999999}", LACUNA_E_LIMIT, 1, "more than 200000 states"},
    {"((){60000}){60000}", LACUNA_E_LIMIT, 11, "more than 200000 states"},
    {"[ab]*a[ab]{14}", LACUNA_E_LIMIT, 0, "more than 16384 states on the way"},
    {"[ab]*a[ab]{12}", LACUNA_E_LIMIT, 0, "8192 states, 4096 are allowed"},
    {"((a{1,30}){1,30}){1,30}", LACUNA_E_LIMIT, 0, "too many ways"},
};

static void faults_are_placed(void **state)
{
    place *p = *state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        lac_dfa d;
        const int rc = lac_regex_compile(&d, faults[i].expr, strlen(faults[i].expr), &p->arena, &p->err);
        CHECK(rc == (int)faults[i].code, "%s: %s", faults[i].expr, rc < 0 ? p->err.msg : "no error");
        CHECK(p->err.where == faults[i].where && strstr(p->err.msg, faults[i].says),
              "%s: %s at %u", faults[i].expr, p->err.msg, (unsigned)p->err.where);
        assert_int_equal(lac_regex_compile(&d, faults[i].expr, strlen(faults[i].expr), &p->arena, NULL), faults[i].code);
    }
}

/* ---- POSIX's engine ---- */

typedef struct {
    char own[400], posix[700];
    size_t n_own, n_posix;
    lac_rng *rng;
} pair;

static uint64_t dice(pair *e, uint64_t n) { return lac_rng_below(e->rng, n); }

static void write_both(pair *e, const char *own, const char *posix)
{
    e->n_own += (size_t)snprintf(e->own + e->n_own, sizeof e->own - e->n_own, "%s", own);
    e->n_posix += (size_t)snprintf(e->posix + e->n_posix, sizeof e->posix - e->n_posix, "%s", posix);
    assert_true(e->n_own < sizeof e->own && e->n_posix < sizeof e->posix);
}

static void write_atom(pair *e)
{
    static const char *const atom[][2] = {
        {"a", "a"}, {"b", "b"}, {"0", "0"}, {"ab", "ab"}, {" ", " "}, {"_", "_"}, {".", "."}, {"\\.", "[.]"}, {"\\d", "[0-9]"}, {"\\w", "[0-9A-Za-z_]"},
        {"\\s", "[[:space:]]"}, {"\\D", "[^0-9]"}, {"\\W", "[^0-9A-Za-z_]"}, {"\\S", "[^[:space:]]"}, {"[ab]", "[ab]"}, {"[^a]", "[^a]"},
        {"[a-c\\d]", "[a-c0-9]"}, {"[[:alpha:]_]", "[[:alpha:]_]"}, {"[^[:punct:]]", "[^[:punct:]]"}, {"[^b\\s]", "[^b[:space:]]"}, {"\\-", "-"},
        {"\\x61", "a"}, {"\\u{62}", "b"}, {"[]-]", "[]-]"}, {"[\\]\\-]", "[]-]"}, {"(?:0|a)", "(0|a)"}, {"\\*", "[*]"}, {"[^]a]", "[^]a]"},
    };
    const uint64_t i = dice(e, sizeof atom / sizeof *atom);
    write_both(e, atom[i][0], atom[i][1]);
}

static void write_expression(pair *e, unsigned depth)
{
    static const char *const repeat[] = {"*", "+", "?", "{2}", "{0,2}", "{1,3}", "{2,}", "{,2}"};
    for (uint64_t branches = 1 + dice(e, 3) / 2; branches-- > 0;) {
        for (uint64_t parts = 1 + dice(e, 3); parts-- > 0;) {
            const bool group = depth && dice(e, 3) == 0;
            if (group) {
                write_both(e, "(", "(");
                write_expression(e, depth - 1);
                write_both(e, ")", ")");
            } else write_atom(e);
            const uint64_t r = dice(e, 16);
            if (r < 8) write_both(e, repeat[r], r == 7 ? "{0,2}" : repeat[r]);
        }
        if (branches) write_both(e, "|", "|");
    }
}

/* A text of printable ASCII and tabs that follows the automaton as far as it can, now and then with a letter changed. */
static void write_text(lac_rng *r, const lac_dfa *d, char *t, size_t most)
{
    static const char letters[] = "ab01c_ .-]*Z\t";
    size_t n = 0, stop = lac_rng_below(r, most);
    for (uint32_t q = 0; n < stop && q != LAC_DFA_DEAD && d->n; n++) {
        for (int tries = 0; tries < 30; tries++) {
            t[n] = tries < 20 ? letters[lac_rng_below(r, sizeof letters - 1)] : (char)(' ' + lac_rng_below(r, 95));
            if (lac_dfa_run(d, q, t + n, 1) != LAC_DFA_DEAD) break;
        }
        q = lac_dfa_run(d, q, t + n, 1);
        if (q != LAC_DFA_DEAD && d->accept[q] && lac_rng_below(r, 6) == 0) stop = n + 1;
    }
    if (n && lac_rng_below(r, 4) == 0) t[lac_rng_below(r, n)] = letters[lac_rng_below(r, sizeof letters - 1)];
    t[n] = 0;
}

static void posix_agrees(void **state)
{
    place *p = *state;
    size_t matched = 0, texts = 0, refused = 0;
    for (size_t round = 0; round < 3000; round++) {
        pair e = {.rng = &p->rng};
        regex_t posix;
        e.n_posix = (size_t)snprintf(e.posix, sizeof e.posix, "^(");
        write_expression(&e, round % 32 ? 1 + round % 2 : 3);
        snprintf(e.posix + e.n_posix, sizeof e.posix - e.n_posix, ")$");
        lac_dfa d;
        if (lac_regex_compile(&d, e.own, e.n_own, &p->arena, &p->err) == LACUNA_E_LIMIT) { /* POSIX's engine is lazy */
            refused++;
            continue;
        }
        d = compile(p, e.own);
        CHECK(regcomp(&posix, e.posix, REG_EXTENDED | REG_NOSUB) == 0, "%s", e.posix);
        for (size_t k = 0; k < 20; k++) {
            char t[32];
            write_text(&p->rng, &d, t, k ? 24 : 1);
            const bool want = regexec(&posix, t, 0, NULL, 0) == 0;
            CHECK(accepts(&d, t) == want, "%s, in POSIX %s: '%s' %s", e.own, e.posix, t, want ? "should match" : "should not match");
            matched += want;
            texts++;
        }
        regfree(&posix);
        lac_arena_reset(&p->arena);
    }
    assert_in_range(matched, texts / 4, texts * 9 / 10);
    assert_in_range(refused, 0, 40);
}

/* ---- UTF-8 ---- */

static size_t encode(uint32_t c, char *s)
{
    if (c < 0x80) return s[0] = (char)c, 1;
    if (c < 0x800) return s[0] = (char)(0xC0 | c >> 6), s[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000) return s[0] = (char)(0xE0 | c >> 12), s[1] = (char)(0x80 | (c >> 6 & 63)), s[2] = (char)(0x80 | (c & 63)), 3;
    return s[0] = (char)(0xF0 | c >> 18),
           s[1] = (char)(0x80 | (c >> 12 & 63)), s[2] = (char)(0x80 | (c >> 6 & 63)), s[3] = (char)(0x80 | (c & 63)), 4;
}

/* Near an edge of UTF-8, or anywhere. */
static uint32_t random_code(lac_rng *r)
{
    static const uint32_t edge[] = {0, 0x80, 0x800, 0xD800, 0xE000, 0x10000, 0x40000, 0x10FFFF, 0x1000, 0x100000, 0xFC0};
    uint32_t c = edge[lac_rng_below(r, sizeof edge / sizeof *edge)];
    c = lac_rng_below(r, 2) ? c + (uint32_t)lac_rng_below(r, 130) - 65 : (uint32_t)lac_rng_below(r, 0x110000);
    return c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0x2028 : c;
}

static void classes_hold_whole_characters(void **state)
{
    place *p = *state;
    for (size_t round = 0; round < 60; round++) {
        char expr[200];
        uint32_t low[3], high[3];
        const bool inverted = round % 3 == 2;
        size_t n = (size_t)sprintf(expr, inverted ? "[^" : "[");
        for (size_t i = 0; i < 3; i++) {
            low[i] = random_code(&p->rng), high[i] = random_code(&p->rng);
            if (low[i] > high[i]) high[i] = low[i];
            n += (size_t)sprintf(expr + n, "\\u{%X}-\\u{%X}", low[i], high[i]);
        }
        sprintf(expr + n, "]");
        const lac_dfa d = compile(p, expr);
        for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x1100 || (c & 63) >= 62 || (c & 63) < 2 ? 1 : 7) {
            char s[4];
            const size_t len = encode(c, s);
            bool in = false;
            for (size_t i = 0; i < 3; i++) in |= low[i] <= c && c <= high[i];
            if (inverted) in = !in && c != '\n';
            if (c >= 0xD800 && c <= 0xDFFF) in = false;
            if (automaton_accepts(&d, s, len) != in) fail_msg("%s: U+%04X", expr, c);
        }
        lac_arena_reset(&p->arena);
    }
}

static void what_matches_is_utf8(void **state)
{
    static const unsigned char edge[] = {0x0A, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF,
                                         0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5, 0xFF};
    place *p = *state;
    const lac_dfa any = compile(p, "(.|\\n)*"), two = compile(p, ".{2}"), odd = compile(p, "[^a]([^a][^a])*");
    for (size_t i = 0; i < sizeof edge * sizeof edge * sizeof edge * sizeof edge; i++) {
        char s[4];
        for (size_t k = 0, x = i; k < 4; k++, x /= sizeof edge) s[k] = (char)edge[x % sizeof edge];
        for (size_t n = 0, chars = 0; n <= 4; n++) {
            const bool valid = lac_utf8_valid(s, n) == n, feed = memchr(s, '\n', n);
            chars = 0;
            for (size_t at = 0; valid && at < n; at += lac_utf8_char(s + at, n - at)) chars++;
            if (automaton_accepts(&any, s, n) != valid) fail_msg("any: text %zu of %zu bytes", i, n);
            if (automaton_accepts(&two, s, n) != (valid && !feed && chars == 2)) fail_msg("two: text %zu of %zu bytes", i, n);
            if (automaton_accepts(&odd, s, n) != (valid && !feed && chars % 2)) fail_msg("odd: text %zu of %zu bytes", i, n);
        }
    }
}

/* ---- limits ---- */

/* An expression of many parts, repeated. */
static int compile_many(place *p, const char *part, size_t times, const char *after, size_t after_times, lac_dfa *d)
{
    char *expr = malloc(strlen(part) * times + strlen(after) * after_times + 1), *at = expr;
    *at = 0;
    while (times--) at = strcpy(at, part) + strlen(part);
    while (after_times--) at = strcpy(at, after) + strlen(after);
    const int rc = lac_regex_compile(d, expr, strlen(expr), &p->arena, &p->err);
    free(expr);
    return rc;
}

static void long_and_deep_ones_are_bounded(void **state)
{
    place *p = *state;
    lac_dfa d;
    assert_int_equal(compile_many(p, "a", LAC_DFA_STATES - 1, "", 0, &d), 0);
    assert_int_equal(d.n, LAC_DFA_STATES);
    assert_int_equal(compile_many(p, "a", 10000, "", 0, &d), LACUNA_E_LIMIT);
    assert_non_null(strstr(p->err.msg, "10001 states"));
    assert_int_equal(compile_many(p, "a", LAC_REGEX_BYTES + 1, "", 0, &d), LACUNA_E_LIMIT);
    assert_int_equal(compile_many(p, "(a?b?c?)*", 1100, "d", 1, &d), 0);
    assert_int_equal(d.n, 2);
    assert_int_equal(compile_many(p, "a?", 5000, "", 0, &d), LACUNA_E_LIMIT);
    assert_int_equal(compile_many(p, "a?", 500, "a", 500, &d), 0);
    assert_int_equal(d.n, 1001);
    assert_int_equal(compile_many(p, ".*", 5000, "", 0, &d), 0);
    assert_int_equal(d.n, 8);
    assert_int_equal(compile_many(p, "a|", 30000, "b", 1, &d), 0);
    assert_int_equal(d.n, 2);
    assert_int_equal(compile_many(p, "(", 200, "a)*", 1, &d), LACUNA_E_ARG);
    assert_int_equal(compile_many(p, "(", 30000, ")", 30000, &d), LACUNA_E_LIMIT);
    assert_int_equal(p->err.where, 200);
    assert_int_equal(compile_many(p, "[", 60000, "]", 1, &d), 0);
    assert_int_equal(compile_many(p, "\\w", 20000, "", 0, &d), LACUNA_E_LIMIT);
    assert_int_equal(compile_many(p, "(.*a){0,9}.{0,9}", 300, "", 0, &d), LACUNA_E_LIMIT);
}

static void groups_nest_to_the_limit(void **state)
{
    place *p = *state;
    char expr[1001] = "";
    lac_dfa d;
    for (size_t i = 0; i < 200; i++) strcat(expr, "(");
    strcat(expr, "a");
    for (size_t i = 0; i < 200; i++) strcat(expr, ")*");
    assert_int_equal(lac_regex_compile(&d, expr, strlen(expr), &p->arena, &p->err), 0);
    assert_int_equal(d.n, 1);
    const char deeper[] = "(b|((x)(";
    memmove(expr + sizeof deeper - 1, expr, strlen(expr) + 1);
    memcpy(expr, deeper, sizeof deeper - 1);
    strcat(expr, ")))");
    assert_int_equal(lac_regex_compile(&d, expr, strlen(expr), &p->arena, &p->err), LACUNA_E_LIMIT);
}

/* The most memory out at once. */
typedef struct {
    lacuna_allocator inner;
    size_t live, peak;
} gauge;

static void *gauge_fn(void *ctx, void *q, size_t old, size_t now, size_t align)
{
    gauge *g = ctx;
    void *r = g->inner.fn(g->inner.ctx, q, old, now, align);
    if (now && !r) return NULL;
    if (g->live + now > g->peak) g->peak = g->live + now; /* while growing both are there */
    g->live = g->live + now - (q ? old : 0);
    return r;
}

static void memory_is_bounded(void **state)
{
    static const char *const hungry[] = {
        "[ab]*a[ab]{14}", "((a{1,30}){1,30}){1,30}", ".{0,2000}", "(.|a){0,1000}", "(\\w{0,99}\\d){0,99}",
        "[\\u{100}-\\u{10FFFF}]{0,400}", "([^a]{0,20}.b){0,60}", "(a|[^b]c){200}",
    };
    place *p = *state;
    gauge g = {.inner = p->mem};
    const lacuna_allocator mem = {gauge_fn, &g};
    for (size_t i = 0; i < sizeof hungry / sizeof *hungry; i++) {
        lac_arena arena = {.mem = &mem};
        lac_dfa d;
        const int rc = lac_regex_compile(&d, hungry[i], strlen(hungry[i]), &arena, &p->err);
        CHECK(rc == 0 || rc == LACUNA_E_LIMIT, "%s: %s", hungry[i], p->err.msg);
        lac_arena_free(&arena);
    }
    assert_in_range(g.peak, (size_t)1 << 20, (size_t)64 << 20);
}

static void out_of_memory_at_every_place(void **state)
{
    static const char *const expr[] = {"(a|[^b-\\u{1234}]\\D){2,4}x*", "[[:punct:]\\w]{3}|abc"};
    place *p = *state;
    for (size_t i = 0; i < 2; i++)
        for (size_t fail = 1, done = 0; !done; fail++) {
            lac_dfa d;
            p->hook.calls = 0;
            p->hook.fail_at = fail;
            const int rc = lac_regex_compile(&d, expr[i], strlen(expr[i]), &p->arena, &p->err);
            done = p->hook.calls < fail;
            assert_int_equal(rc, done ? 0 : LACUNA_E_NOMEM);
            if (!done) assert_int_equal(p->err.code, LACUNA_E_NOMEM);
            lac_arena_free(&p->arena);
            assert_int_equal(p->hook.live, 0);
        }
    p->hook.fail_at = 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)
    const struct CMUnitTest tests[] = {
        T(meanings), T(the_zero_byte_is_a_character), T(automata_are_minimal), T(one_language_one_automaton), T(faults_are_placed), T(posix_agrees),
        T(classes_hold_whole_characters), T(what_matches_is_utf8), T(long_and_deep_ones_are_bounded), T(groups_nest_to_the_limit), T(memory_is_bounded),
        T(out_of_memory_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
