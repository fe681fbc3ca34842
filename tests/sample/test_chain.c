/* Chains of slots against the plain enumeration of all that the slots may hold. */
#include "common/unit.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "common/hook.h"
#include "sample/chain.h"

enum { V = 8, EOM = V - 1, SLOTS = 5, STATES = 130, FREE = -1 };

/* Tokens are single bytes, all of classes of their own; the last is <eom>.  Words are what is left of them. */
typedef struct {
    lac_dfa dfa;
    uint32_t next[STATES * V];
    uint8_t accept[STATES];
    lac_arena arena;
    lac_lift lift;
    int32_t token_of[V + 2]; /* a token of each word */
} automaton;

static const lacuna_allocator *memory(void)
{
    static lacuna_allocator mem;
    mem = lac_mem_system_or((lacuna_allocator){0});
    return &mem;
}

static lacuna_text bytes_of(const void *ctx, int32_t token) { return (lacuna_text){(const char *)ctx + token, 1}; }

static void lift(automaton *a)
{
    static const char bytes[V] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t flags[V] = {0};
    a->arena = (lac_arena){.mem = memory()};
    assert_int_equal(lac_lift_make(&a->lift, &a->dfa, bytes_of, bytes, V, EOM, flags, 1, 2, &a->arena, NULL), 0);
    for (int32_t v = 0; v < V; v++) a->token_of[a->lift.word_of[v]] = v;
}

static void some_automaton(automaton *a, lac_rng *rng, uint32_t n)
{
    const uint32_t words = 3 + (uint32_t)lac_rng_below(rng, 4);
    const double alive = 0.15 + 0.85 * lac_rng_u01(rng), accept = 0.1 + 0.7 * lac_rng_u01(rng);
    a->dfa = (lac_dfa){.n = n, .n_classes = V, .next = a->next, .accept = a->accept};
    for (uint32_t b = 0; b < V; b++) a->dfa.class_of[b] = (uint8_t)b;
    for (uint32_t s = 0; s < n; s++) {
        a->accept[s] = lac_rng_u01(rng) < accept;
        for (uint32_t w = 0; w < V; w++) a->next[s * V + w] = w < words && lac_rng_u01(rng) < alive ? (uint32_t)lac_rng_below(rng, n) : LAC_DFA_DEAD;
    }
    lift(a);
}

/* ---- the enumeration ---- */

typedef struct {
    const automaton *a;
    size_t n, min, first;
    bool eom;
    uint32_t start;
    int32_t token[SLOTS];
    size_t n_asked, slot[SLOTS];
    double weight[SLOTS][V], closed[SLOTS];
    int want[SLOTS];         /* of each asked slot: its word, FREE */
    bool max;
} chance;

/* The state behind slot i with this word, and whether there is one; state n is the end. */
static bool moves(const chance *x, size_t i, uint32_t s, uint32_t w, uint32_t *to)
{
    const lac_lift *l = &x->a->lift;
    *to = l->n;
    if (s == l->n) return w == l->n_words;
    if (w == l->n_words) return x->eom && i >= x->min && l->accept[s];
    *to = w < l->n_words ? lac_lift_next(l, s, w) : LAC_DFA_DEAD;
    return *to != LAC_DFA_DEAD;
}

/* Sum (or largest) of the products of the weights of all that slots from i on may hold; those not asked for count 1 in all. */
static long double total(const chance *x, size_t i, uint32_t s, size_t k)
{
    const lac_lift *l = &x->a->lift;
    long double sum = 0;
    uint32_t to;
    if (i == x->n) return s == l->n || l->accept[s];
    const bool asked = k < x->n_asked && x->slot[k] == i;
    for (uint32_t w = 0; w <= l->n_words; w++) {
        if (x->token[i] >= 0 ? l->word_of[x->token[i]] != w : asked && x->want[k] != FREE && x->want[k] != (int)w) continue;
        if (!moves(x, i, s, w, &to)) continue;
        const long double weight = !asked ? 1 : s == l->n ? expl(x->closed[k]) : x->weight[k][w], y = weight * total(x, i + 1, to, k + asked);
        sum = !x->max && asked ? sum + y : y > sum ? y : sum;
    }
    return sum;
}

static bool completes(const chance *x)
{
    chance plain = *x;
    plain.n_asked = 0;
    return x->start < x->a->lift.n && total(&plain, x->first, x->start, 0) > 0;
}

/* ---- random cases ---- */

/* What stands is mostly part of something that matches. */
static void some_tokens(chance *x, lac_rng *rng)
{
    const lac_lift *l = &x->a->lift;
    bool ended = false;
    for (size_t i = 0; i < x->n; i++) x->token[i] = -1;
    for (size_t i = x->first; i < x->n; i++) {
        int32_t fits[V];
        size_t n_fits = 0;
        if (ended) {
            x->token[i] = EOM;
            continue;
        }
        for (uint32_t w = 0; w <= l->n_words; w++) {
            x->token[i] = x->a->token_of[w];
            if ((w < l->n_words || x->eom) && (lac_rng_u01(rng) < 0.1 || completes(x))) fits[n_fits++] = x->token[i];
        }
        x->token[i] = n_fits ? fits[lac_rng_below(rng, n_fits)] : -1;
        ended = x->token[i] == EOM;
    }
    for (size_t i = x->n, closed = lac_rng_u01(rng) < 0.5; i-- > x->first;) { /* <eom> stays in the last slots, or nowhere */
        closed &= x->token[i] == EOM && lac_rng_u01(rng) < 0.8;
        if (!closed && (x->token[i] == EOM || lac_rng_u01(rng) < 0.6)) x->token[i] = -1;
    }
    for (size_t i = 0; i < x->first; i++) x->token[i] = (int32_t)lac_rng_below(rng, V);
}

/* small: weights down to that power of ten. */
static void some_weights(chance *x, lac_rng *rng, double small)
{
    const uint32_t words = x->a->lift.n_words;
    const size_t last = x->first + (size_t)lac_rng_below(rng, x->n - x->first + 1);
    x->n_asked = 0;
    for (size_t i = x->first; i < x->n; i++)
        if (x->token[i] < 0 && (i <= last || !x->n_asked)) {
            const size_t k = x->n_asked++;
            const double scale = pow(10, 500 * lac_rng_u01(rng) - 250);
            double sum = 0;
            x->slot[k] = i;
            for (uint32_t w = 0; w < V; w++) {
                x->weight[k][w] = scale * (w != words && lac_rng_u01(rng) < 0.1 ? 0 : 0.001 + lac_rng_u01(rng));
                if (lac_rng_u01(rng) < 0.7) x->weight[k][w] *= pow(10, small * lac_rng_u01(rng));
                if (w == words) x->weight[k][w] = fmax(x->weight[k][w], DBL_MIN); /* where a slot may turn out closed it can be taken */
                sum += w <= words + 1 ? x->weight[k][w] : 0;
            }
            x->closed[k] = log(sum);
            x->want[k] = FREE;
        }
}

static void some_chance(chance *x, automaton *a, lac_rng *rng)
{
    some_automaton(a, rng, lac_rng_u01(rng) < 0.1 ? 65 + (uint32_t)lac_rng_below(rng, 65) : 1 + (uint32_t)lac_rng_below(rng, 6));
    *x = (chance){.a = a, .n = 1 + (size_t)lac_rng_below(rng, SLOTS), .eom = lac_rng_u01(rng) < 0.7};
    x->min = (size_t)lac_rng_below(rng, x->n + 1) * (lac_rng_u01(rng) < 0.4);
    if (lac_rng_u01(rng) < 0.3) {
        x->first = (size_t)lac_rng_below(rng, x->n);
        x->start = lac_rng_u01(rng) < 0.1 ? LAC_DFA_DEAD : (uint32_t)lac_rng_below(rng, a->dfa.n);
    }
    some_tokens(x, rng);
}

static lac_chain *chain_of(const chance *x, lac_arena *arena)
{
    lac_chain *c;
    const lac_chain_want want = {&x->a->lift, x->n, x->eom ? EOM : -1, x->min, SLOTS};
    assert_int_equal(lac_chain_open(&c, &want, arena, NULL), 0);
    lac_chain_look(c, x->token, x->first, x->start);
    return c;
}

/* ---- one slot ---- */

static void check_allowed(const chance *x, const lac_chain *c)
{
    const uint32_t words = x->a->lift.n_words;
    uint8_t allowed[V];
    assert_int_equal(lac_chain_possible(c), completes(x));
    for (size_t i = x->first; i < x->n; i++) {
        if (x->token[i] >= 0) continue;
        lac_chain_allowed(c, i, allowed);
        for (uint32_t w = 0; w <= words; w++) {
            chance with = *x;
            with.token[i] = w == words ? EOM : x->a->token_of[w];
            CHECK(allowed[w] == completes(&with), "slot %zu, word %u of %u", i, w, words);
        }
    }
}

static void allowed_is_what_can_be_completed(void **state)
{
    (void)state;
    static automaton a;
    lac_rng rng = lac_rng_make(11, 1);
    int possible = 0;
    for (int round = 0; round < 2000; round++) {
        chance x;
        some_chance(&x, &a, &rng);
        lac_arena arena = {.mem = memory()};
        check_allowed(&x, chain_of(&x, &arena));
        possible += completes(&x);
        lac_arena_free(&arena);
        lac_arena_free(&a.arena);
    }
    assert_in_range(possible, 600, 1900);
}

static void shortest(void **state)
{
    (void)state;
    static automaton a;
    lac_rng rng = lac_rng_make(12, 1);
    for (int round = 0; round < 500; round++) {
        chance x;
        some_chance(&x, &a, &rng);
        lac_arena arena = {.mem = memory()};
        const size_t got = lac_chain_shortest(chain_of(&x, &arena)), most = x.n - x.first;
        size_t want = 0;
        for (x.eom = false, x.min = 0, x.n = x.first; want <= most; want++, x.n++) {
            for (size_t i = x.first; i < x.n; i++) x.token[i] = -1;
            if (completes(&x)) break;
        }
        assert_true(got == (want <= most ? want : SIZE_MAX));
        lac_arena_free(&arena);
        lac_arena_free(&a.arena);
    }
}

/* ---- several slots ---- */

/* What each word of the k-th slot is worth, given those before: bias, and with their weights the distribution. */
static void check_bias(chance *x, size_t k, const double *bias)
{
    const uint32_t words = x->a->lift.n_words;
    long double value[V], most = 0, all = 0, sum = 0;
    for (uint32_t w = 0; w <= words; w++) {
        x->want[k] = (int)w;
        value[w] = total(x, x->first, x->start, 0);
        all += value[w];
        sum += x->weight[k][w] > 0 ? x->weight[k][w] * expl(bias[w]) : 0;
        if (x->weight[k][w] > 0) value[w] /= x->weight[k][w];
        if (x->weight[k][w] > 0 && value[w] > most) most = value[w];
    }
    x->want[k] = FREE;
    double shift = -INFINITY, largest = -INFINITY; /* of the words that have a weight, and of all */
    for (uint32_t w = 0; w <= words; w++) {
        largest = fmax(largest, bias[w]);
        if (x->weight[k][w] > 0) shift = fmax(shift, bias[w]);
    }
    assert_true(largest == 0);
    for (uint32_t w = 0; w <= words; w++) {
        if (x->weight[k][w] == 0) continue;
        if (value[w] == 0) {
            assert_true(bias[w] == -INFINITY);
            continue;
        }
        const double ln = (double)logl(value[w] / most), p = (double)(value[w] * x->weight[k][w] / all);
        CHECK(fabs(bias[w] - shift - ln) < 1e-10 * (1 - ln), "word %u: ln %.15g is %.15g", w, bias[w] - shift, ln);
        const double q = (double)(x->weight[k][w] * expl(bias[w]) / sum);
        if (!x->max) CHECK(fabs(q - p) < 1e-12 && (p < 1e-290 || fabs(q / p - 1) < 1e-9), "word %u: %.15g is %.15g", w, q, p);
    }
}

/* Any word that has a share. */
static uint32_t some_word(const chance *x, size_t k, const double *bias, lac_rng *rng)
{
    for (;;) {
        const uint32_t w = (uint32_t)lac_rng_below(rng, x->a->lift.n_words + 1);
        if (x->weight[k][w] > 0 && bias[w] > -INFINITY) return w;
    }
}

/* Walk through the slots: some take a word, some are left. */
static void check_walk(chance *x, lac_chain *c, double leave, lac_rng *rng)
{
    const uint32_t eom = x->a->lift.n_words;
    const double *weight[SLOTS];
    double bias[V];
    bool ended = false; /* by an <eom> that was taken */
    for (size_t k = 0; k < x->n_asked; k++) weight[k] = x->weight[k], x->want[k] = FREE;
    const bool possible = x->start < x->a->lift.n && total(x, x->first, x->start, 0) > 0;
    assert_int_equal(lac_chain_weigh(c, x->slot, x->n_asked, weight, x->closed, x->max), possible);
    for (size_t k = 0; possible && k < x->n_asked; k++) {
        const bool left = lac_rng_u01(rng) < leave;
        if (!left || lac_rng_u01(rng) < 0.5) lac_chain_bias(c, k, bias);
        if (ended) {
            if (!left) for (uint32_t w = 0; w <= eom; w++) assert_true(bias[w] == 0);
            lac_chain_take(c, k, left ? LAC_CHAIN_LEFT : (uint32_t)lac_rng_below(rng, eom + 1));
            continue;
        }
        if (!left) {
            check_bias(x, k, bias);
            x->want[k] = (int)some_word(x, k, bias, rng);
            ended = x->want[k] == (int)eom;
        }
        lac_chain_take(c, k, left ? LAC_CHAIN_LEFT : (uint32_t)x->want[k]);
    }
}

static void check_joint(uint64_t seed, int rounds, double small, bool max)
{
    static automaton a;
    lac_rng rng = lac_rng_make(seed, 1);
    for (int round = 0; round < rounds; round++) {
        chance x;
        some_chance(&x, &a, &rng);
        some_weights(&x, &rng, small);
        x.max = max;
        lac_arena arena = {.mem = memory()};
        lac_chain *c = chain_of(&x, &arena);
        for (int walk = 0; walk < 3; walk++) check_walk(&x, c, walk * 0.4, &rng);
        lac_arena_free(&arena);
        lac_arena_free(&a.arena);
    }
}

static void joint_is_the_conditional(void **state) { (void)state; check_joint(13, 3000, -1, false); }
static void joint_of_weights_far_apart(void **state) { (void)state; check_joint(14, 3000, -300, false); }
static void largest_of_all(void **state) { (void)state; check_joint(15, 1500, -1, true); }
static void largest_of_weights_far_apart(void **state) { (void)state; check_joint(16, 1500, -300, true); }

/* Taking the best word of each slot in turn gives the best of all matches. */
static void greedy_is_the_best_match(void **state)
{
    (void)state;
    static automaton a;
    lac_rng rng = lac_rng_make(17, 1);
    for (int round = 0; round < 1000; round++) {
        chance x;
        some_chance(&x, &a, &rng);
        some_weights(&x, &rng, round % 2 ? -100 : -1);
        x.max = true;
        lac_arena arena = {.mem = memory()};
        lac_chain *c = chain_of(&x, &arena);
        const double *weight[SLOTS];
        bool ended = false;
        for (size_t k = 0; k < x.n_asked; k++) weight[k] = x.weight[k];
        const long double best = x.start < a.lift.n ? total(&x, x.first, x.start, 0) : 0;
        assert_int_equal(lac_chain_weigh(c, x.slot, x.n_asked, weight, x.closed, true), best > 0);
        for (size_t k = 0; best > 0 && k < x.n_asked; k++) {
            double bias[V];
            uint32_t top = a.lift.n_words;
            lac_chain_bias(c, k, bias);
            for (uint32_t w = 0; !ended && w < a.lift.n_words; w++)
                if (log(weight[k][w]) + bias[w] > log(weight[k][top]) + bias[top]) top = w;
            ended |= top == a.lift.n_words;
            x.want[k] = (int)top;
            lac_chain_take(c, k, top);
        }
        if (best > 0) assert_true(fabs((double)logl(total(&x, x.first, x.start, 0) / best)) < 1e-9);
        lac_arena_free(&arena);
        lac_arena_free(&a.arena);
    }
}

/* ---- what has changed since the last look ---- */

enum { MANY = 24 };

static void same(lac_chain *c, lac_chain *fresh, const int32_t *token, size_t first, uint32_t words, lac_rng *rng)
{
    uint8_t a[V], b[V];
    double weight[MANY][V], x[V], y[V];
    const double *row[MANY];
    size_t slot[MANY], n = 0;
    assert_int_equal(lac_chain_possible(c), lac_chain_possible(fresh));
    assert_true(lac_chain_shortest(c) == lac_chain_shortest(fresh));
    for (size_t i = first; i < MANY; i++) {
        if (token[i] >= 0) continue;
        lac_chain_allowed(c, i, a);
        lac_chain_allowed(fresh, i, b);
        assert_memory_equal(a, b, words + 1);
        for (uint32_t w = 0; w < V; w++) weight[n][w] = lac_rng_u01(rng);
        row[n] = weight[n];
        slot[n++] = i;
    }
    n = (size_t)lac_rng_below(rng, n + 1);
    assert_int_equal(lac_chain_weigh(c, slot, n, row, NULL, false), lac_chain_weigh(fresh, slot, n, row, NULL, false));
    for (size_t k = 0; lac_chain_possible(c) && k < n; k++) {
        lac_chain_bias(c, k, x);
        lac_chain_bias(fresh, k, y);
        assert_memory_equal(x, y, (words + 1) * sizeof *x);
        lac_chain_take(c, k, LAC_CHAIN_LEFT);
        lac_chain_take(fresh, k, LAC_CHAIN_LEFT);
    }
}

/* A slot or a few take something, or are given back; now and then the beginning moves. */
static void change(int32_t *token, size_t *first, uint32_t *start, uint32_t n, bool eom, lac_rng *rng)
{
    for (uint64_t k = lac_rng_below(rng, 4); k--;) {
        const size_t i = (size_t)lac_rng_below(rng, MANY);
        token[i] = lac_rng_u01(rng) < 0.5 ? -1 : (int32_t)lac_rng_below(rng, V - 2);
    }
    for (size_t i = MANY; i-- > 0 && token[i] == EOM;) token[i] = -1;
    if (eom && lac_rng_u01(rng) < 0.3)
        for (size_t i = MANY - 1 - (size_t)lac_rng_below(rng, 8); i < MANY; i++) token[i] = EOM;
    if (lac_rng_u01(rng) > 0.1) return;
    *first = (size_t)lac_rng_below(rng, MANY + 1);
    *start = lac_rng_u01(rng) < 0.2 ? LAC_DFA_DEAD : (uint32_t)lac_rng_below(rng, n);
}

static void look_again_as_afresh(void **state)
{
    (void)state;
    static automaton a;
    lac_rng rng = lac_rng_make(18, 1);
    for (int round = 0; round < 40; round++) {
        some_automaton(&a, &rng, 1 + (uint32_t)lac_rng_below(&rng, round % 4 ? 12 : STATES));
        hook h = {0};
        const lacuna_allocator mem = hook_allocator(&h);
        lac_arena arena = {.mem = memory()}, hooked = {.mem = &mem};
        const lac_chain_want want = {&a.lift, MANY, round % 3 ? EOM : -1, round % 5 ? 0 : 7, MANY};
        lac_chain *c;
        int32_t token[MANY];
        size_t first = 0;
        uint32_t start = 0;
        assert_int_equal(lac_chain_open(&c, &want, &hooked, NULL), 0);
        const size_t calls = h.calls;
        for (size_t i = 0; i < MANY; i++) token[i] = -1;
        for (int step = 0; step < 40; step++) {
            lac_chain *fresh;
            change(token, &first, &start, a.lift.n, want.eom >= 0, &rng);
            lac_arena_reset(&arena);
            assert_int_equal(lac_chain_open(&fresh, &want, &arena, NULL), 0);
            lac_chain_look(c, token, first, start);
            lac_chain_look(fresh, token, first, start);
            same(c, fresh, token, first, a.lift.n_words, &rng);
        }
        assert_int_equal(h.calls, calls); /* all memory is taken when it is opened */
        lac_arena_free(&arena);
        lac_arena_free(&hooked);
        lac_arena_free(&a.arena);
    }
}

/* ---- by hand ---- */

/* An automaton without states accepts nothing; one without slots what its start does. */
static void nothing_at_all(void **state)
{
    (void)state;
    static automaton a;
    uint8_t allowed[V];
    for (uint32_t n = 0; n < 2; n++)
        for (size_t slots = 0; slots < 2; slots++)
            for (int accept = 0; accept < 2; accept++) {
                a.dfa = (lac_dfa){.n = n, .n_classes = 1, .next = a.next, .accept = a.accept};
                a.next[0] = LAC_DFA_DEAD;
                a.accept[0] = (uint8_t)accept;
                lift(&a);
                const lac_chain_want want = {&a.lift, slots, EOM, 0, 1};
                lac_arena arena = {.mem = memory()};
                lac_chain *c;
                assert_int_equal(lac_chain_open(&c, &want, &arena, NULL), 0);
                assert_int_equal(lac_chain_possible(c), n && accept);
                assert_true(lac_chain_shortest(c) == (n && accept ? 0 : SIZE_MAX));
                if (slots) lac_chain_allowed(c, 0, allowed);
                if (slots) assert_int_equal(allowed[0], n && accept); /* <eom> alone */
                lac_arena_free(&arena);
                lac_arena_free(&a.arena);
            }
}

/* A way that doubles lose is the best where the weight that leads there is as large as the way is small.  Words of slot 0 lead to states 1 and 2;
 * from 1 on two ways, by states 3 and 4, to the end at 5; from 2 on one. */
static void a_lost_way_that_counts(void **state)
{
    (void)state;
    static automaton a;
    a.dfa = (lac_dfa){.n = 6, .n_classes = V, .next = a.next, .accept = a.accept};
    const uint32_t way[][3] = {{0, 0, 1}, {0, 1, 2}, {1, 2, 3}, {1, 3, 4}, {2, 2, 3}, {3, 4, 5}, {4, 5, 5}};
    for (uint32_t b = 0; b < V; b++) a.dfa.class_of[b] = (uint8_t)b;
    for (size_t i = 0; i < 6 * V; i++) a.next[i] = LAC_DFA_DEAD;
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) a.next[way[i][0] * V + way[i][1]] = way[i][2];
    for (uint32_t s = 0; s < 6; s++) a.accept[s] = s == 5;
    lift(&a);
    chance x = {.a = &a, .n = 3, .token = {-1, -1, -1}, .n_asked = 3, .slot = {0, 1, 2}, .want = {FREE, FREE, FREE}};
    for (size_t k = 0; k < 3; k++)
        for (uint32_t w = 0; w < V; w++) x.weight[k][w] = 1;
    x.weight[1][a.lift.word_of[2]] = 1e-200;
    x.weight[1][a.lift.word_of[3]] = 1e200;
    x.weight[2][a.lift.word_of[4]] = 1e160;
    x.weight[2][a.lift.word_of[5]] = 1e-160;
    lac_rng rng = lac_rng_make(20, 1);
    lac_arena arena = {.mem = memory()};
    for (int walk = 0; walk < 40; walk++) check_walk(&x, chain_of(&x, &arena), 0.5 * (walk % 2), &rng);
    lac_arena_free(&arena);
    lac_arena_free(&a.arena);
}

/* Nothing matches but <eom> in slot 0, which is left open: slot 1 is closed, whatever its weights. */
static void closed_by_one_left_open(void **state)
{
    (void)state;
    static automaton a;
    a.dfa = (lac_dfa){.n = 2, .n_classes = V, .next = a.next, .accept = a.accept};
    for (uint32_t b = 0; b < V; b++) a.dfa.class_of[b] = (uint8_t)b;
    for (size_t i = 0; i < 2 * V; i++) a.next[i] = i % V < 2 ? 1 : LAC_DFA_DEAD;
    a.accept[0] = 1;
    a.accept[1] = 0;
    lift(&a);
    const lac_chain_want want = {&a.lift, 2, EOM, 0, 2};
    const size_t slot[2] = {0, 1};
    const double row[V] = {1, 0}, none[V] = {1, 0}, *weight[2] = {row, none};
    double bias[V], open[V] = {1, 1, 1, 1};
    lac_arena arena = {.mem = memory()};
    lac_chain *c;
    assert_int_equal(a.lift.n_words, 1);
    assert_int_equal(lac_chain_open(&c, &want, &arena, NULL), 0);
    assert_false(lac_chain_weigh(c, slot, 2, weight, NULL, false)); /* <eom> has no weight in slot 0 */
    weight[0] = open;
    assert_true(lac_chain_weigh(c, slot, 2, weight, NULL, false));
    lac_chain_take(c, 0, LAC_CHAIN_LEFT);
    lac_chain_bias(c, 1, bias);
    assert_true(bias[0] == -INFINITY && bias[1] == 0);
    lac_arena_free(&arena);
    lac_arena_free(&a.arena);
}

static void without_memory(void **state)
{
    (void)state;
    static automaton a;
    lac_rng rng = lac_rng_make(19, 1);
    some_automaton(&a, &rng, STATES);
    const lac_chain_want want = {&a.lift, 300, EOM, 0, 16};
    bool opened = false;
    for (size_t fail = 1; !opened; fail++) {
        hook h = {.fail_at = fail};
        const lacuna_allocator mem = hook_allocator(&h);
        lac_arena arena = {.mem = &mem};
        lac_chain *c;
        lacuna_error err = {0};
        opened = !lac_chain_open(&c, &want, &arena, &err);
        if (!opened) assert_true(!c && err.code == LACUNA_E_NOMEM);
        else assert_true(fail > 2);
        lac_arena_free(&arena);
        assert_true(!h.blocks && !h.wrong);
    }
    lac_arena_free(&a.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed_is_what_can_be_completed),
        cmocka_unit_test(shortest),
        cmocka_unit_test(joint_is_the_conditional),
        cmocka_unit_test(joint_of_weights_far_apart),
        cmocka_unit_test(largest_of_all),
        cmocka_unit_test(largest_of_weights_far_apart),
        cmocka_unit_test(greedy_is_the_best_match),
        cmocka_unit_test(look_again_as_afresh),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(a_lost_way_that_counts),
        cmocka_unit_test(closed_by_one_left_open),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
