/* control/dfa: beginnings, ends, bans and intersections against the plain meaning of the words, text by text. */
#include "common/unit.h"

#include <stdio.h>

#include "common/hook.h"
#include "control/automaton.h"
#include "control/dfa_build.h"

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
    p->rng = lac_rng_make(7, 7);
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

static void check(const lac_dfa *d, const char *what)
{
    const char *fault = automaton_fault(d);
    CHECK(!fault, "%s: %s", what, fault);
}

/* ---- what the words mean ---- */

static bool holds_begin(const char *t, size_t n, const lacuna_text *w, size_t k)
{
    (void)k;
    return n >= w->len && (!w->len || !memcmp(t, w->bytes, w->len));
}

static bool holds_end(const char *t, size_t n, const lacuna_text *w, size_t k)
{
    (void)k;
    return n >= w->len && (!w->len || !memcmp(t + n - w->len, w->bytes, w->len));
}

static bool holds_without(const char *t, size_t n, const lacuna_text *w, size_t k)
{
    for (size_t i = 0; i < k; i++)
        for (size_t at = 0; at + w[i].len <= n; at++)
            if (!memcmp(t + at, w[i].bytes, w[i].len)) return false;
    return true;
}

/* All texts of four bytes of these up to a length, one after the other; false behind the last. */
static bool next_text(char *t, size_t *n, size_t most)
{
    static const char letters[] = {'a', 'b', '\n', '\xFF'};
    size_t i = *n;
    while (i-- > 0) {
        const char *at = memchr(letters, t[i], sizeof letters);
        if (at < letters + sizeof letters - 1) return t[i] = at[1], true;
        t[i] = letters[0];
    }
    if (*n == most) return false;
    t[(*n)++] = letters[0];
    return true;
}

static lacuna_text random_word(place *p, char *room, size_t most)
{
    static const char letters[] = {'a', 'b', '\n', '\xFF'};
    const size_t n = 1 + lac_rng_below(&p->rng, most);
    for (size_t i = 0; i < n; i++) room[i] = letters[lac_rng_below(&p->rng, 1 + lac_rng_below(&p->rng, 4))];
    return (lacuna_text){room, n};
}

static void compare(const lac_dfa *d, bool (*holds)(const char *, size_t, const lacuna_text *, size_t), const lacuna_text *w, size_t k,
                    const char *what)
{
    char t[8];
    size_t n = 0;
    check(d, what);
    do CHECK(automaton_accepts(d, t, n) == holds(t, n, w, k), "%s: a text of %zu bytes", what, n);
    while (next_text(t, &n, 6));
}

static void words(void **state)
{
    place *p = *state;
    for (size_t round = 0; round < 60; round++) {
        char room[3][8];
        lacuna_text w[3];
        lac_dfa d;
        for (size_t i = 0; i < 3; i++) w[i] = random_word(p, room[i], 5);
        assert_int_equal(lac_dfa_begins(&d, w[0], &p->arena, &p->err), 0);
        assert_int_equal(d.n, w[0].len + 1);
        compare(&d, holds_begin, w, 1, "begin");
        assert_int_equal(lac_dfa_ends(&d, w[0], &p->arena, &p->err), 0);
        assert_int_equal(d.n, w[0].len + 1);
        compare(&d, holds_end, w, 1, "end");
        for (size_t k = 0; k <= 3; k++) {
            assert_int_equal(lac_dfa_without(&d, w, k, &p->arena, &p->err), 0);
            compare(&d, holds_without, w, k, "ban");
        }
        lac_arena_reset(&p->arena);
    }
}

static void empty_words_allow_everything(void **state)
{
    place *p = *state;
    lac_dfa d[3];
    assert_int_equal(lac_dfa_begins(d, (lacuna_text){0}, &p->arena, &p->err), 0);
    assert_int_equal(lac_dfa_ends(d + 1, (lacuna_text){0}, &p->arena, &p->err), 0);
    assert_int_equal(lac_dfa_without(d + 2, NULL, 0, &p->arena, &p->err), 0);
    for (size_t i = 0; i < 3; i++) {
        check(d + i, "everything");
        assert_int_equal(d[i].n, 1);
        assert_int_equal(d[i].n_classes, 1);
        assert_true(automaton_accepts(d + i, "\xC3\n", 2));
    }
}

static void a_run_goes_on_from_a_state(void **state)
{
    place *p = *state;
    lac_dfa d;
    assert_int_equal(lac_dfa_ends(&d, (lacuna_text){"abab", 4}, &p->arena, &p->err), 0);
    const uint32_t q = lac_dfa_run(&d, 0, "xab", 3);
    assert_int_equal(lac_dfa_run(&d, q, "ab", 2), lac_dfa_run(&d, 0, "abab", 4));
    assert_int_equal(lac_dfa_run(&d, q, "", 0), q);
    assert_int_equal(lac_dfa_run(&d, LAC_DFA_DEAD, "ab", 2), LAC_DFA_DEAD);
}

/* ---- intersections of random automata ---- */

static void random_build(place *p, lac_dfa_build *b)
{
    const uint32_t n = 1 + (uint32_t)lac_rng_below(&p->rng, 7);
    uint8_t cut[256] = {0};
    for (int i = 0; i < 4; i++) cut[lac_rng_below(&p->rng, 256)] = 1;
    cut['b'] = 1;
    *b = lac_dfa_build_begin(&p->mem, "random");
    lac_dfa_build_cut(b, cut);
    for (uint32_t q = 0; q < n; q++) assert_int_equal(lac_dfa_build_state(b, lac_rng_below(&p->rng, 3) == 0, &p->err), 0);
    for (uint32_t q = 0; q < n; q++)
        for (uint32_t c = 0; c < b->n_classes; c++)
            if (lac_rng_below(&p->rng, 4)) assert_int_equal(lac_dfa_build_edge(b, q, c, (uint32_t)lac_rng_below(&p->rng, n), &p->err), 0);
}

/* As it was made, edge by edge. */
static bool build_accepts(const lac_dfa_build *b, const char *t, size_t len)
{
    uint32_t q = 0;
    for (size_t i = 0; i < len; i++) {
        size_t e = 0;
        while (e < b->n_edges && (b->edge[e].from != q || b->edge[e].label != b->class_of[(unsigned char)t[i]])) e++;
        if (e == b->n_edges) return false;
        q = b->edge[e].to;
    }
    return b->accept[q];
}

static void intersections(void **state)
{
    place *p = *state;
    size_t empty = 0;
    for (size_t round = 0; round < 300; round++) {
        lac_dfa_build made[2];
        lac_dfa d[2], both, again;
        for (size_t i = 0; i < 2; i++) {
            random_build(p, made + i);
            assert_int_equal(lac_dfa_build_end(made + i, d + i, &p->arena, &p->err), 0);
            check(d + i, "random");
        }
        assert_int_equal(lac_dfa_both(&both, d, d + 1, &p->arena, &p->err), 0);
        assert_int_equal(lac_dfa_both(&again, d + 1, d, &p->arena, &p->err), 0);
        check(&both, "intersection");
        assert_true(automaton_same(&both, &again));
        char t[8];
        size_t n = 0;
        do {
            const bool a = build_accepts(made, t, n), b = build_accepts(made + 1, t, n);
            assert_int_equal(automaton_accepts(d, t, n), a);
            assert_int_equal(automaton_accepts(&both, t, n), a && b);
        } while (next_text(t, &n, 5));
        assert_int_equal(lac_dfa_both(&again, &both, d, &p->arena, &p->err), 0); /* nothing new */
        assert_true(automaton_same(&both, &again));
        empty += !both.n;
        for (size_t i = 0; i < 2; i++) lac_dfa_build_free(made + i);
        lac_arena_reset(&p->arena);
    }
    assert_in_range(empty, 10, 290);
}

/* ---- limits and failures ---- */

static void too_much_is_refused(void **state)
{
    place *p = *state;
    static char long_word[LAC_DFA_STATES * 5];
    lac_dfa d, e;
    memset(long_word, 'a', sizeof long_word);
    assert_int_equal(lac_dfa_begins(&d, (lacuna_text){long_word, LAC_DFA_STATES - 1}, &p->arena, &p->err), 0);
    assert_int_equal(lac_dfa_ends(&e, (lacuna_text){long_word, LAC_DFA_STATES - 1}, &p->arena, &p->err), 0);
    assert_int_equal(d.n, LAC_DFA_STATES);
    assert_int_equal(e.n, LAC_DFA_STATES);
    for (size_t n = LAC_DFA_STATES; n <= sizeof long_word; n += sizeof long_word - LAC_DFA_STATES) {
        lacuna_text w = {long_word, n};
        assert_int_equal(lac_dfa_begins(&d, w, &p->arena, &p->err), LACUNA_E_LIMIT);
        assert_int_equal(lac_dfa_ends(&d, w, &p->arena, &p->err), LACUNA_E_LIMIT);
    }
    const lacuna_text w = {long_word, sizeof long_word};
    assert_int_equal(lac_dfa_without(&d, &w, 1, &p->arena, &p->err), LACUNA_E_LIMIT);
    /* lengths that are multiples of 127 and of 131: 16,637 states */
    lac_dfa_build ring[2];
    lac_dfa rings[2];
    for (size_t i = 0; i < 2; i++) {
        const uint32_t n = i ? 131 : 127;
        ring[i] = lac_dfa_build_begin(&p->mem, "ring");
        for (uint32_t q = 0; q < n; q++) assert_int_equal(lac_dfa_build_state(ring + i, !q, &p->err), 0);
        for (uint32_t q = 0; q < n; q++) assert_int_equal(lac_dfa_build_edge(ring + i, q, 0, (q + 1) % n, &p->err), 0);
        assert_int_equal(lac_dfa_build_end(ring + i, rings + i, &p->arena, &p->err), 0);
        assert_int_equal(rings[i].n, n);
        lac_dfa_build_free(ring + i);
    }
    assert_int_equal(lac_dfa_both(&d, rings, rings + 1, &p->arena, &p->err), LACUNA_E_LIMIT);
    assert_non_null(strstr(p->err.msg, "intersection"));
}

static void out_of_memory_at_every_place(void **state)
{
    place *p = *state;
    const lacuna_text w[2] = {{"abab", 4}, {"baa", 3}};
    for (size_t fail = 1, done = 0; !done; fail++) {
        lac_dfa d[4];
        p->hook.calls = 0;
        p->hook.fail_at = fail;
        int rc = lac_dfa_begins(d, w[0], &p->arena, &p->err);
        if (!rc) rc = lac_dfa_ends(d + 1, w[1], &p->arena, &p->err);
        if (!rc) rc = lac_dfa_without(d + 2, w, 2, &p->arena, &p->err);
        if (!rc) rc = lac_dfa_both(d + 3, d, d + 1, &p->arena, &p->err);
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
        T(words), T(empty_words_allow_everything), T(a_run_goes_on_from_a_state), T(intersections),
        T(too_much_is_refused), T(out_of_memory_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
