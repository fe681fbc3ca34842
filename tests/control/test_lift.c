/* Automata lifted to tokens against the automata themselves, byte by byte. */
#include "common/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "common/hook.h"
#include "control/lift.h"

enum { V = 300, STATES = 70, CLASSES = 6, NEVER = 1, ENDS = 4 };

typedef struct {
    char bytes[V][12];
    size_t len[V];
    uint8_t flags[V];
} vocabulary;

static lacuna_text bytes_of(const void *ctx, int32_t token)
{
    const vocabulary *v = ctx;
    return (lacuna_text){v->bytes[token], v->len[token]};
}

/* Any automaton, neither minimal nor trimmed: nothing here needs that. */
typedef struct {
    lac_dfa dfa;
    uint32_t next[STATES * CLASSES];
    uint8_t accept[STATES];
} automaton;

static void some_automaton(automaton *a, lac_rng *rng, uint32_t n, uint32_t classes, double alive)
{
    a->dfa = (lac_dfa){.n = n, .n_classes = classes, .next = a->next, .accept = a->accept};
    for (int b = 0; b < 256; b++) a->dfa.class_of[b] = (uint8_t)lac_rng_below(rng, classes);
    for (uint32_t i = 0; i < n * classes; i++) a->next[i] = lac_rng_u01(rng) < alive ? (uint32_t)lac_rng_below(rng, n) : LAC_DFA_DEAD;
    for (uint32_t s = 0; s < n; s++) a->accept[s] = lac_rng_u01(rng) < 0.4;
}

/* Tokens that begin as others do; some have no bytes, some several that are no ASCII. */
static void some_vocabulary(vocabulary *v, lac_rng *rng)
{
    memset(v, 0, sizeof *v);
    for (size_t i = 0; i < V; i++) {
        if (i && lac_rng_u01(rng) < 0.5) {
            const size_t of = (size_t)lac_rng_below(rng, i);
            v->len[i] = (size_t)lac_rng_below(rng, v->len[of] + 1);
            memcpy(v->bytes[i], v->bytes[of], v->len[i]);
        }
        const size_t more = lac_rng_u01(rng) < 0.05 ? 0 : 1 + (size_t)lac_rng_below(rng, 3);
        for (size_t k = 0; k < more && v->len[i] < sizeof v->bytes[i]; k++) v->bytes[i][v->len[i]++] = (char)lac_rng_below(rng, 256);
        v->flags[i] = (lac_rng_u01(rng) < 0.05 ? NEVER : 0) | (lac_rng_u01(rng) < 0.05 ? ENDS : 0);
    }
}

static uint32_t run(const lac_dfa *d, uint32_t s, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len && s != LAC_DFA_DEAD; i++) s = d->next[s * d->n_classes + d->class_of[(uint8_t)bytes[i]]];
    return s;
}

static void check_rows(const lac_lift *l, const automaton *a)
{
    assert_int_equal(l->n, a->dfa.n);
    assert_int_equal(l->row[0], 0);
    assert_memory_equal(l->accept, a->accept, l->n);
    for (uint32_t s = 0; s < l->n; s++) {
        uint64_t follows[LAC_LIFT_SET(STATES)] = {0};
        for (size_t i = l->row[s]; i < l->row[s + 1]; i++) {
            assert_true(l->edge[i].word < l->n_words && l->edge[i].next < l->n);
            assert_true(i == l->row[s] || l->edge[i].word > l->edge[i - 1].word);
            follows[l->edge[i].next / 64] |= (uint64_t)1 << l->edge[i].next % 64;
        }
        assert_memory_equal(follows, l->follows + s * LAC_LIFT_SET(l->n), LAC_LIFT_SET(l->n) * sizeof *follows);
    }
}

static bool tell_apart(const automaton *a, const vocabulary *v, size_t i, size_t k)
{
    for (uint32_t s = 0; s < a->dfa.n; s++)
        if (run(&a->dfa, s, v->bytes[i], v->len[i]) != run(&a->dfa, s, v->bytes[k], v->len[k])) return true;
    return false;
}

static void check_tokens(const lac_lift *l, const automaton *a, const vocabulary *v, int32_t eom)
{
    uint8_t used[V] = {0};
    uint32_t n_used = 0;
    assert_true(l->n_words <= V);
    for (size_t i = 0; i < V; i++) {
        const uint32_t w = l->word_of[i];
        bool lives = false;
        if ((int32_t)i == eom) {
            assert_int_equal(w, l->n_words);
            continue;
        }
        if (v->flags[i]) {
            assert_int_equal(w, l->n_words + ((v->flags[i] & NEVER) != 0));
            continue;
        }
        for (uint32_t s = 0; s < l->n; s++) {
            const uint32_t to = run(&a->dfa, s, v->bytes[i], v->len[i]);
            lives |= to != LAC_DFA_DEAD;
            CHECK((w < l->n_words ? lac_lift_next(l, s, w) : LAC_DFA_DEAD) == to, "token %zu from state %u", i, s);
        }
        assert_int_equal(w < l->n_words, lives);
        if (!lives) assert_int_equal(w, l->n_words + 1);
        for (size_t k = 0; k < i; k++)
            if (lives && (int32_t)k != eom && !v->flags[k]) assert_int_equal(w != l->word_of[k], tell_apart(a, v, i, k));
        if (lives) n_used += !used[w], used[w] = 1;
    }
    assert_int_equal(n_used, l->n_words);
    assert_int_equal(l->first[0], 0);
    assert_int_equal(l->first[l->n_words + 2], V);
    for (uint32_t w = 0; w < l->n_words + 2; w++)
        for (uint32_t i = l->first[w]; i < l->first[w + 1]; i++) {
            assert_int_equal(l->word_of[l->token[i]], w);
            assert_true(i == l->first[w] || l->token[i - 1] < l->token[i]);
        }
}

static void as_the_automaton(void **state)
{
    (void)state;
    static vocabulary v;
    static automaton a;
    lac_rng rng = lac_rng_make(5, 1);
    const lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    for (int round = 0; round < 60; round++) {
        lac_arena arena = {.mem = &mem};
        lac_lift l;
        const uint32_t n = round == 0 ? 0 : round < 20 ? (uint32_t)round : 1 + (uint32_t)lac_rng_below(&rng, STATES);
        const int32_t eom = round % 3 ? (int32_t)lac_rng_below(&rng, V) : -1;
        some_automaton(&a, &rng, n, 1 + (uint32_t)lac_rng_below(&rng, CLASSES), 0.1 + 0.9 * lac_rng_u01(&rng));
        some_vocabulary(&v, &rng);
        assert_int_equal(lac_lift_make(&l, &a.dfa, bytes_of, &v, V, eom, v.flags, NEVER, ENDS, &arena, NULL), 0);
        check_rows(&l, &a);
        check_tokens(&l, &a, &v, eom);
        lac_arena_free(&arena);
    }
}

/* [0-9]+: one word, whatever the number of digits. */
static void digits_are_one_word(void **state)
{
    (void)state;
    static vocabulary v;
    uint32_t next[4] = {LAC_DFA_DEAD, 1, LAC_DFA_DEAD, 1};
    uint8_t accept[2] = {0, 1};
    lac_dfa d = {.n = 2, .n_classes = 2, .next = next, .accept = accept};
    for (int c = '0'; c <= '9'; c++) d.class_of[c] = 1;
    memset(&v, 0, sizeof v);
    for (size_t i = 0; i < V; i++) v.len[i] = (size_t)snprintf(v.bytes[i], sizeof v.bytes[i], i % 3 ? "%zu" : "x%zu", i);
    const lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lac_arena arena = {.mem = &mem};
    lac_lift l;
    assert_int_equal(lac_lift_make(&l, &d, bytes_of, &v, V, -1, v.flags, NEVER, ENDS, &arena, NULL), 0);
    assert_int_equal(l.n_words, 1);
    for (size_t i = 0; i < V; i++) assert_int_equal(l.word_of[i], i % 3 ? 0 : 2);
    lac_arena_free(&arena);
}

/* A long token is a long way, no more. */
static lacuna_text long_bytes(const void *ctx, int32_t token) { return (lacuna_text){ctx, token ? 100000 : 1}; }

static void long_tokens(void **state)
{
    (void)state;
    static char text[100000];
    uint32_t next[2] = {1, 0};
    uint8_t accept[2] = {1, 0}, flags[2] = {0};
    const lac_dfa d = {.n = 2, .n_classes = 1, .next = next, .accept = accept};
    const lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lac_arena arena = {.mem = &mem};
    lac_lift l;
    assert_int_equal(lac_lift_make(&l, &d, long_bytes, text, 2, -1, flags, NEVER, ENDS, &arena, NULL), 0);
    assert_int_equal(lac_lift_next(&l, 0, l.word_of[0]), 1);
    assert_int_equal(lac_lift_next(&l, 0, l.word_of[1]), 0);
    lac_arena_free(&arena);
}

/* ---- too much ---- */

enum { MANY = 4096 };

static lacuna_text two_bytes(const void *ctx, int32_t token) { return (lacuna_text){(const char *)ctx + 2 * token, 2}; }

/* State s goes on to s * a + b, with a and b of the byte: no two tokens are alike. */
static void too_many_edges(void **state)
{
    (void)state;
    static uint32_t next[MANY * 256];
    static uint8_t accept[MANY], flags[MANY];
    static char text[2 * MANY];
    lac_dfa d = {.n = MANY, .n_classes = 256, .next = next, .accept = accept};
    for (uint32_t c = 0; c < 256; c++) {
        d.class_of[c] = (uint8_t)c;
        for (uint32_t s = 0; s < MANY; s++) next[s * 256 + c] = (s * (2 * c + 1) + c) % MANY;
    }
    for (int i = 0; i < MANY; i++) text[2 * i] = (char)(i % 256), text[2 * i + 1] = (char)(i / 256);
    hook h = {0};
    const lacuna_allocator mem = hook_allocator(&h);
    lac_arena arena = {.mem = &mem};
    lac_lift l;
    lacuna_error err = {0};
    assert_int_equal(lac_lift_make(&l, &d, two_bytes, text, MANY, -1, flags, NEVER, ENDS, &arena, &err), LACUNA_E_LIMIT);
    assert_non_null(strstr(err.msg, "4096 states"));
    lac_arena_free(&arena);
    assert_true(!h.blocks && !h.wrong);
}

static void without_memory(void **state)
{
    (void)state;
    static vocabulary v;
    static automaton a;
    lac_rng rng = lac_rng_make(6, 1);
    some_automaton(&a, &rng, 40, 5, 0.7);
    some_vocabulary(&v, &rng);
    for (size_t fail = 1, r = 1; r; fail++) {
        hook h = {.fail_at = fail, .from_then = fail % 2};
        const lacuna_allocator mem = hook_allocator(&h);
        lac_arena arena = {.mem = &mem};
        lac_lift l;
        lacuna_error err = {0};
        const int got = lac_lift_make(&l, &a.dfa, bytes_of, &v, V, 3, v.flags, NEVER, ENDS, &arena, &err);
        assert_true(got == 0 || got == LACUNA_E_NOMEM);
        assert_int_equal(got, err.code);
        if (!got) {
            assert_true(fail > 8);
            check_tokens(&l, &a, &v, 3);
            r = 0;
        }
        lac_arena_free(&arena);
        assert_true(!h.blocks && !h.live && !h.wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_automaton), cmocka_unit_test(digits_are_one_word), cmocka_unit_test(long_tokens),
        cmocka_unit_test(too_many_edges),   cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
