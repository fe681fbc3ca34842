/* Holes obey: 2,000 random expressions with a member that fits, in all orders, in groups, lossless, one to four candidates; every fill
 * matches, by POSIX regexec.  And everything else that a hole may ask for, alone and together, and what cannot be. */
#include "session/run.h"

#include <locale.h>
#include <regex.h>

#include "base/rng.h"
#include "common/tinytok.h"

static lacuna_model *model;
static lacuna_session *ses;
static lac_rng rng;

static size_t below(size_t n) { return (size_t)lac_rng_below(&rng, n); }

/* ---- random expressions, each with a text that it matches ---- */

typedef struct {
    char expr[512], posix[512], member[256];
} specimen;

static void put(char *to, size_t room, const char *s)
{
    const size_t n = strlen(to);
    snprintf(to + n, room - n, "%s", s);
}

static void both(specimen *x, const char *s)
{
    put(x->expr, sizeof x->expr, s);
    put(x->posix, sizeof x->posix, s);
}

static void grow(specimen *x, int depth, bool tell);

/* One letter or class; tell: it is part of the member. */
static void leaf(specimen *x, bool tell)
{
    static const struct { const char *expr, *posix, *from; } k[] = {
        {"[a-f]", "[a-f]", "abcdef"}, {"\\d", "[0-9]", "0123456789"}, {"\\w", "[0-9A-Za-z_]", "aZ_9e"}, {"[^a]", "[^a\n]", "b .x("},
        {"\\s", "[ \t\n\v\f\r]", " \n\t"}, {".", "[^\n]", "a( ;"}, {"[[:upper:]]", "[A-Z]", "AQZ"}, {"\\.", "\\.", "."}, {"\\(", "\\(", "("},
    };
    char one[2] = "";
    if (below(2)) {
        static const char letters[] = "abcdeinrst_=;,0 19";
        one[0] = letters[below(sizeof letters - 1)];
        both(x, one);
    } else {
        const size_t i = below(sizeof k / sizeof *k);
        put(x->expr, sizeof x->expr, k[i].expr);
        put(x->posix, sizeof x->posix, k[i].posix);
        one[0] = k[i].from[below(strlen(k[i].from))];
    }
    if (tell) put(x->member, sizeof x->member, one);
}

/* a{n,m} and its kin: so often the member has it. */
static void repeated(specimen *x, int depth, bool tell)
{
    char inner[256], old[256], mark[16];
    specimen y = {{0}, {0}, {0}};
    const size_t lo = below(3), hi = lo + below(3), times = lo + (hi > lo ? below(hi - lo + 1) : 0);
    grow(&y, depth - 1, true);
    snprintf(inner, sizeof inner, "%s", y.member);
    const char *sign = mark;
    if (lo == 0 && below(2)) sign = "*";
    else if (lo == 1 && below(2)) sign = "+";
    else if (lo == 0 && hi == 1) sign = "?";
    else if (below(3) == 0) snprintf(mark, sizeof mark, "{%zu,}", lo);
    else snprintf(mark, sizeof mark, "{%zu,%zu}", lo, hi);
    put(x->expr, sizeof x->expr, "("), put(x->expr, sizeof x->expr, y.expr), put(x->expr, sizeof x->expr, ")"), put(x->expr, sizeof x->expr, sign);
    put(x->posix, sizeof x->posix, "("), put(x->posix, sizeof x->posix, y.posix), put(x->posix, sizeof x->posix, ")");
    put(x->posix, sizeof x->posix, sign);
    snprintf(old, sizeof old, "%s", x->member);
    for (size_t i = 0; tell && i < times; i++) put(x->member, sizeof x->member, inner);
}

static void grow(specimen *x, int depth, bool tell)
{
    const size_t kind = depth ? below(5) : 4;
    if (kind == 0) { /* one of two */
        const bool left = below(2);
        both(x, "(");
        grow(x, depth - 1, tell && left);
        both(x, "|");
        grow(x, depth - 1, tell && !left);
        both(x, ")");
    } else if (kind == 1 || kind == 2) {
        grow(x, depth - 1, tell);
        grow(x, depth - 1, tell);
    } else if (kind == 3) repeated(x, depth, tell);
    else leaf(x, tell);
}

static size_t tokens_of(const char *s)
{
    lacuna_error err;
    const int64_t n = lacuna_encode(model, s, strlen(s), NULL, NULL, 0, &err);
    CHECK(n >= 0, "%s", err.msg);
    return (size_t)n;
}

static bool posix_matches(const char *expr, lacuna_text t)
{
    char whole[600], s[1024];
    regex_t re;
    snprintf(whole, sizeof whole, "^(%s)$", expr);
    CHECK(regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) == 0, "regcomp refuses %s", whole);
    assert_true(t.len < sizeof s);
    for (size_t i = 0; i < t.len; i++) s[i] = t.bytes[i] ? t.bytes[i] : 1; /* a control character as good as another, and no end */
    s[t.len] = 0;
    const bool yes = regexec(&re, s, 0, NULL, 0) == 0;
    regfree(&re);
    return yes;
}

/* All orders, groups of one to sixteen slots, lossless, at several temperatures. */
static lacuna_infill_options some_options(size_t slots)
{
    lacuna_infill_options o = {LACUNA_INFILL_INIT, .seed = lac_rng_next(&rng), .n_candidates = 1 + (uint32_t)below(4)};
    static const double heat[] = {0, 0.7, 1, 1.5};
    o.temperature = heat[below(4)];
    if (below(4) == 0) o.top_p = 0.9;
    if (below(4) == 0) o.top_k = 5;
    const size_t way = below(8);
    if (way < 6) {
        o.order = (lacuna_order)way;
        o.alpha0 = below(4) ? 1 : 0.5;
        o.steps = (uint32_t)((slots + 15) / (1 + below(16)));
        if (o.order == LACUNA_ORDER_ENTROPY) o.gamma = 3;
        if (!o.steps) o.steps = 1;
        if (below(4) == 0) o.rule = LACUNA_RULE_PAPER;
    } else if (way == 6) o.lossless = 1;
    return o;
}

static const char plain[] = "x = ; y";
static const char typed[] = "pri = prin; y";

static void random_expressions(void **state)
{
    (void)state;
    size_t done = 0, tried = 0, ends = 0;
    rng = lac_rng_make(11, 5);
    for (; done < 2000; tried++) {
        specimen x = {{0}, {0}, {0}};
        lacuna_error err;
        grow(&x, 1 + (int)below(3), true);
        if (strlen(x.member) > 60 || strlen(x.expr) > 200) continue;
        CHECK(posix_matches(x.posix, (lacuna_text){x.member, strlen(x.member)}), "the member '%s' of %s is none", x.member, x.posix);
        const size_t n = tokens_of(x.member) + 1, slots = n + below(5);
        const bool healed = below(3) == 0;
        lacuna_infill_options o = some_options(slots);
        lacuna_hole hole = {.span = {4, 4}, .max_tokens = (uint32_t)slots, .regex = {x.expr, strlen(x.expr)}};
        if (healed) hole.span = (lacuna_span){10, 10}, o.heal = 1;
        const char *text = healed ? typed : plain;
        run got;
        int r = lacuna_infill(ses, text, strlen(text), &hole, 1, &o, &err);
        CHECK(r == 0, "case %zu: %s, member '%s', %zu slots: %s", done, x.expr, x.member, slots, err.msg);
        const lacuna_event *ev;
        while ((r = lacuna_step(ses, &ev, &err)) > 0) assert_true(ev->n > 0);
        CHECK(r == 0, "case %zu: %s, order %d: %s", done, x.expr, (int)o.order, err.msg);
        for (size_t c = 0; c < o.n_candidates; c++) {
            lacuna_text fill;
            assert_int_equal(lacuna_candidate_fill(ses, c, 0, &fill, &err), 0);
            CHECK(posix_matches(x.posix, fill), "case %zu: '%.*s' does not match %s (order %d, steps %u, lossless %d, candidate %zu)", done, (int)fill.len,
                  fill.bytes, x.expr, (int)o.order, (unsigned)o.steps, o.lossless, c);
            ends += fill.len > 0;
        }
        (void)got;
        done++;
    }
    assert_true(ends > 1000 && tried < 20000);
}

/* ---- the rest of what a hole may ask for ---- */

#define TEXT(s) {(s), sizeof(s) - 1}

/* Fill one hole with many seeds and orders; check() says what is wrong with a fill. */
static void always(const char *text, lacuna_hole hole, bool heal, bool (*good)(lacuna_text fill, const lacuna_hole *hole))
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        lacuna_infill_options o = some_options(hole.max_tokens);
        lacuna_error err;
        lacuna_text fill;
        const lacuna_event *ev;
        int r;
        o.heal = heal;
        o.seed = seed;
        o.n_candidates = 1;
        CHECK((r = lacuna_infill(ses, text, strlen(text), &hole, 1, &o, &err)) == 0, "%s", err.msg);
        while ((r = lacuna_step(ses, &ev, &err)) > 0) {}
        CHECK(r == 0, "%s", err.msg);
        assert_int_equal(lacuna_fill(ses, 0, &fill, &err), 0);
        CHECK(good(fill, &hole), "seed %d, order %d, lossless %d: '%.*s'", (int)seed, (int)o.order, o.lossless, (int)fill.len, fill.bytes);
    }
}

static bool has(lacuna_text in, lacuna_text what)
{
    for (size_t i = 0; i + what.len <= in.len; i++)
        if (!memcmp(in.bytes + i, what.bytes, what.len)) return true;
    return false;
}

static bool framed(lacuna_text fill, const lacuna_hole *h)
{
    if (fill.len < h->begin.len || fill.len < h->end.len) return false;
    if (h->begin.len && memcmp(fill.bytes, h->begin.bytes, h->begin.len)) return false;
    if (h->end.len && memcmp(fill.bytes + fill.len - h->end.len, h->end.bytes, h->end.len)) return false;
    for (size_t i = 0; i < h->n_ban; i++)
        if (has(fill, h->ban[i])) return false;
    return !h->one_line || !memchr(fill.bytes, '\n', fill.len);
}

static void begin_and_end(void **state)
{
    (void)state;
    static const lacuna_text ban[] = {TEXT("a"), TEXT("in"), TEXT("\n\n")};
    rng = lac_rng_make(3, 5);
    always(plain, (lacuna_hole){.span = {4, 4}, .max_tokens = 8, .begin = TEXT("foo(")}, false, framed);
    always(plain, (lacuna_hole){.span = {4, 4}, .max_tokens = 8, .end = TEXT(");")}, false, framed);
    always(plain, (lacuna_hole){.span = {4, 4}, .max_tokens = 8, .ban = ban, .n_ban = 3}, false, framed);
    always(typed, (lacuna_hole){.span = {10, 10}, .max_tokens = 8, .begin = TEXT("t("), .end = TEXT(")"), .ban = ban, .n_ban = 3}, true, framed);
    always(plain, (lacuna_hole){.span = {4, 4}, .max_tokens = 12, .begin = TEXT("f"), .end = TEXT("\n}"), .ban = ban, .n_ban = 3}, false, framed);
    always(plain, (lacuna_hole){.span = {4, 4}, .max_tokens = 8, .one_line = 1, .end = TEXT(";")}, false, framed);
}

static bool three_digits(lacuna_text t, const lacuna_hole *h)
{
    (void)h;
    return t.len == 3 && posix_matches("[0-9]{3}", t);
}

static bool word(lacuna_text t, const lacuna_hole *h)
{
    (void)h;
    return posix_matches("[A-Za-z_][A-Za-z0-9_]*", t);
}

static void numbers_of_tokens(void **state)
{
    (void)state;
    rng = lac_rng_make(4, 5);
    always(plain, (lacuna_hole){.span = {4, 4}, .max_tokens = 3, .exact = 1, .regex = TEXT("\\d{3}")}, false, three_digits);
    always(plain, (lacuna_hole){.span = {4, 4}, .max_tokens = 3, .min_tokens = 2, .regex = TEXT("\\d+"), .end = TEXT("7")}, false, framed);
    always(plain, (lacuna_hole){.span = {4, 4}, .max_tokens = 6, .shape = "identifier"}, false, word);
    always(typed, (lacuna_hole){.span = {10, 10}, .max_tokens = 6, .shape = "identifier"}, true, word);
}

/* Several holes, each with wishes of its own, and one without. */
static void several_holes(void **state)
{
    (void)state;
    static const char text[] = "a = ;\nb = ;\nc = ;\n";
    rng = lac_rng_make(6, 5);
    for (uint64_t seed = 0; seed < 60; seed++) {
        const lacuna_hole hole[] = {{.span = {4, 4}, .max_tokens = 4, .regex = TEXT("0x[0-9a-f]+")},
                                    {.span = {10, 10}, .max_tokens = 5},
                                    {.span = {16, 16}, .max_tokens = 6, .regex = TEXT("0x[0-9a-f]+")}};
        lacuna_infill_options o = some_options(15);
        lacuna_error err;
        lacuna_text fill;
        run got;
        o.n_candidates = 1;
        run_text(ses, text, sizeof text - 1, hole, 3, &o, &got);
        for (size_t h = 0; h < 3; h += 2) {
            assert_int_equal(lacuna_fill(ses, h, &fill, &err), 0);
            CHECK(posix_matches("0x[0-9a-f]+", fill), "hole %zu: '%.*s'", h, (int)fill.len, fill.bytes);
        }
    }
}

/* A hole that is greedy beside one that is not. */
static void own_temperature(void **state)
{
    (void)state;
    static const char text[] = "a = ;\nb = ;\n";
    char first[2][128] = {"", ""};
    bool differ = false;
    for (uint64_t seed = 0; seed < 6; seed++) {
        const lacuna_hole hole[] = {{.span = {4, 4}, .max_tokens = 4, .temperature = -1}, {.span = {10, 10}, .max_tokens = 6}};
        const lacuna_infill_options o = {LACUNA_INFILL_INIT, .temperature = 1.2, .seed = seed};
        run got;
        lacuna_text fill;
        lacuna_error err;
        run_text(ses, text, sizeof text - 1, hole, 2, &o, &got);
        for (size_t h = 0; h < 2; h++) {
            char now[128];
            assert_int_equal(lacuna_fill(ses, h, &fill, &err), 0);
            snprintf(now, sizeof now, "%.*s", (int)fill.len, fill.bytes);
            if (!seed) strcpy(first[h], now);
            else if (h) differ |= strcmp(first[h], now) != 0;
            else assert_string_equal(first[h], now);
        }
    }
    assert_true(differ);
}

/* ---- what cannot be ---- */

static void refused(lacuna_hole hole, const lacuna_infill_options *opt, int code, uint64_t where, const char *words)
{
    lacuna_error err;
    const lacuna_infill_options o = opt ? *opt : (lacuna_infill_options){LACUNA_INFILL_INIT, .max_tokens = 16};
    hole.span = (lacuna_span){4, 4};
    const int r = lacuna_infill(ses, plain, sizeof plain - 1, &hole, 1, &o, &err);
    CHECK(r == code, "%d: %s", r, r ? err.msg : "accepted");
    CHECK(strstr(err.msg, words), "'%s' does not say '%s'", err.msg, words);
    CHECK(err.where == where, "%s: at %d", err.msg, (int)err.where);
    const lacuna_event *ev;
    assert_int_equal(lacuna_step(ses, &ev, &err), LACUNA_E_ARG); /* nothing has begun */
}

static void impossible(void **state)
{
    (void)state;
    static const lacuna_text ban[] = {TEXT("b")};
    refused((lacuna_hole){.regex = TEXT("a(b")}, NULL, LACUNA_E_ARG, 1, "hole 0: expression");
    refused((lacuna_hole){.regex = TEXT("a+"), .end = TEXT("c")}, NULL, LACUNA_E_CONSTRAINT, 0, "exclude each other");
    refused((lacuna_hole){.regex = TEXT("ab+"), .ban = ban, .n_ban = 1}, NULL, LACUNA_E_CONSTRAINT, 0, "ban");
    refused((lacuna_hole){.regex = TEXT("[ab]{200}"), .max_tokens = 4}, NULL, LACUNA_E_CONSTRAINT, 0, "4 slots");
    refused((lacuna_hole){.regex = TEXT("\\d"), .max_tokens = 3, .exact = 1}, NULL, LACUNA_E_CONSTRAINT, 0, "exactly 3");
    refused((lacuna_hole){.regex = TEXT("\\d"), .max_tokens = 3, .min_tokens = 2}, NULL, LACUNA_E_CONSTRAINT, 0, "2 to 3");
    refused((lacuna_hole){.regex = TEXT("\n"), .one_line = 1}, NULL, LACUNA_E_CONSTRAINT, 0, "line");
    refused((lacuna_hole){.shape = "novel"}, NULL, LACUNA_E_ARG, 0, "novel");
    refused((lacuna_hole){.shape = "word", .regex = TEXT("[0-9]+")}, NULL, LACUNA_E_CONSTRAINT, 0, "exclude each other");
    refused((lacuna_hole){.ban = &(lacuna_text){"", 0}, .n_ban = 1}, NULL, LACUNA_E_ARG, 0, "empty ban");
    refused((lacuna_hole){.n_ban = 1}, NULL, LACUNA_E_ARG, 0, "no bytes");
    refused((lacuna_hole){.begin = {NULL, 4}}, NULL, LACUNA_E_ARG, 0, "no bytes");
    refused((lacuna_hole){.regex = TEXT("(a{900}){900}")}, NULL, LACUNA_E_LIMIT, 8, "states");
    refused((lacuna_hole){.regex = TEXT("a")}, &(lacuna_infill_options){LACUNA_INFILL_INIT, .rule = LACUNA_RULE_MDLM, .alpha0 = 1}, LACUNA_E_ARG, 0, "rules");
    refused((lacuna_hole){.temperature = NAN}, NULL, LACUNA_E_ARG, 0, "temperature");
}

/* ---- explained ---- */

static void explained(void **state)
{
    (void)state;
    static const lacuna_text ban[] = {TEXT("a"), TEXT("e"), TEXT("i"), TEXT("o"), TEXT("u"), TEXT("\n")};
    const struct { lacuna_hole hole; lacuna_refused why; } k[] = {
        {{.max_tokens = 6, .regex = TEXT("[0-9]+")}, LACUNA_REFUSED_REGEX}, {{.max_tokens = 6, .begin = TEXT("0x")}, LACUNA_REFUSED_BEGIN},
        {{.max_tokens = 6, .end = TEXT("}")}, LACUNA_REFUSED_END}, {{.max_tokens = 8, .ban = ban, .n_ban = 6}, LACUNA_REFUSED_BAN},
        {{.max_tokens = 6, .min_tokens = 6}, LACUNA_REFUSED_SHORT},
    };
    for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
        size_t seen = 0, other = 0;
        for (uint64_t seed = 0; seed < 20; seed++) {
            lacuna_hole hole = k[i].hole;
            const lacuna_infill_options o = {LACUNA_INFILL_INIT, .explain = 1, .temperature = 1, .seed = seed};
            const lacuna_event *ev;
            lacuna_error err;
            int r;
            hole.span = (lacuna_span){4, 4};
            CHECK(lacuna_infill(ses, plain, sizeof plain - 1, &hole, 1, &o, &err) == 0, "%s", err.msg);
            while ((r = lacuna_step(ses, &ev, &err)) > 0)
                for (size_t n = 0; n < ev->n_refusals; n++) {
                    const lacuna_refusal *f = &ev->refusals[n];
                    assert_true(f->prob > 0 && f->prob <= 1 && f->hole == 0 && f->token >= 0);
                    seen += f->why == k[i].why;
                    other += f->why != k[i].why;
                }
            CHECK(r == 0, "%s", err.msg);
        }
        CHECK(seen > 5 && other <= seen, "%s: told %zu times, other reasons %zu times", lacuna_refused_name(k[i].why), seen, other);
    }
    assert_string_equal(lacuna_refused_name(99), "?");
}

static int set_up(void **state)
{
    (void)state;
    model = tinytok_open(512, 5, NULL);
    ses = session_of(model, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lacuna_session_free(ses);
    lacuna_model_free(model);
    return 0;
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8"); /* regexec knows characters */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_expressions), cmocka_unit_test(begin_and_end), cmocka_unit_test(numbers_of_tokens), cmocka_unit_test(several_holes),
        cmocka_unit_test(own_temperature), cmocka_unit_test(impossible), cmocka_unit_test(explained),
    };
    return cmocka_run_group_tests_name("obey", tests, set_up, tear_down);
}
