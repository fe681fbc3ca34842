/* sample/pick against an implementation that sorts. */
#include "common/unit.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sample/pick.h"

enum { MOST = 400 };

typedef struct {
    size_t v;
    float logits[MOST];
    uint8_t flags[MOST];
    uint8_t deny;
    lac_cut cut;
} question;

static int better_first(const void *a, const void *b)
{
    const lac_cand *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? 1 : -1;
    return (x->token > y->token) - (x->token < y->token);
}

/* Sort, then cut from the end: returns how many of c stay. */
static size_t slow_cut(lac_cand *c, size_t n, const lac_cut *cut)
{
    qsort(c, n, sizeof *c, better_first);
    if (cut->top_k && cut->top_k < n) n = cut->top_k;
    if (cut->top_p > 0 && cut->top_p < 1) {
        double total = 0, have = 0;
        size_t k = 0;
        for (size_t i = 0; i < n; i++) total += exp(c[i].value - c[0].value);
        while (k < n && !(have > cut->top_p * total)) have += exp(c[k++].value - c[0].value);
        n = k;
    }
    if (cut->min_p > 0)
        while (n && c[n - 1].value < c[0].value + log(cut->min_p)) n--;
    return n;
}

static lac_pick slow_pick(const question *q, const double *uniform)
{
    lac_pick out = {.token = -1};
    lac_cand c[MOST];
    double p[MOST], sum = 0, race = -INFINITY, total = 0, second = 0;
    size_t n = 0;
    for (size_t i = 0; i < q->v; i++) sum += p[i] = q->flags[i] & LAC_TOKEN_NEVER ? 0 : exp((double)q->logits[i]);
    for (size_t i = 0; i < q->v; i++) {
        p[i] /= sum;
        if (p[i] > 0) out.entropy -= p[i] * log(p[i]);
        if (!(q->flags[i] & (q->deny | LAC_TOKEN_NEVER))) c[n++] = (lac_cand){q->logits[i], (int32_t)i};
    }
    if (!n) return out;
    for (size_t i = 0; i < n; i++) {
        double now = p[c[i].token];
        if (now > out.best) {
            second = out.best;
            out.best = now;
        } else if (now > second) second = now;
    }
    out.margin = out.best - second;
    if (q->cut.temperature == 0) {
        qsort(c, n, sizeof *c, better_first);
        out.token = c[0].token;
        out.prob = 1;
    } else {
        for (size_t i = 0; i < n; i++) c[i].value /= q->cut.temperature;
        n = slow_cut(c, n, &q->cut);
        for (size_t i = 0; i < n; i++) total += exp(c[i].value - c[0].value);
        for (size_t i = 0; i < n; i++) {
            double score = c[i].value - log(-log(uniform[c[i].token]));
            if (score <= race) continue;
            race = score;
            out.token = c[i].token;
            out.prob = exp(c[i].value - c[0].value) / total;
        }
    }
    out.logprob = log(p[out.token]);
    return out;
}

static void random_question(question *q, lac_rng *rng, int round)
{
    *q = (question){.v = 1 + lac_rng_below(rng, round % 4 ? 40 : MOST), .cut.temperature = round % 5 ? 0.2 + 2 * lac_rng_u01(rng) : 0};
    double scale = round % 3 ? 3 : 12;
    bool coarse = round % 2; /* many ties */
    for (size_t i = 0; i < q->v; i++) {
        double x = scale * (2 * lac_rng_u01(rng) - 1);
        q->logits[i] = (float)(coarse ? floor(x) : x);
        if (lac_rng_below(rng, 8) == 0) q->flags[i] = (uint8_t)(1 << lac_rng_below(rng, 3));
    }
    q->deny = (uint8_t)(lac_rng_below(rng, 4) << 1);
    if (lac_rng_below(rng, 2)) q->cut.top_k = (uint32_t)(1 + lac_rng_below(rng, q->v + 3));
    if (lac_rng_below(rng, 2)) q->cut.top_p = lac_rng_u01(rng);
    if (lac_rng_below(rng, 2)) q->cut.min_p = pow(lac_rng_u01(rng), 3);
}

static void cuts_equal_sorting(void **state)
{
    (void)state;
    lac_rng rng = lac_rng_make(1, LAC_RNG_TOKEN);
    static question q;
    for (int round = 0; round < 2000; round++) {
        lac_cand a[MOST], b[MOST];
        random_question(&q, &rng, round);
        for (size_t i = 0; i < q.v; i++) a[i] = b[i] = (lac_cand){q.logits[i], (int32_t)i};
        size_t n = lac_pick_cut(a, q.v, &q.cut), want = slow_cut(b, q.v, &q.cut);
        CHECK(n == want, "round %d: %zu of %zu kept, expected %zu (k %u, p %g, min-p %g)", round, n, q.v, want,
              q.cut.top_k, q.cut.top_p, q.cut.min_p);
        qsort(a, n, sizeof *a, better_first);
        for (size_t i = 0; i < n; i++) CHECK(a[i].token == b[i].token, "round %d: token %d at %zu", round, a[i].token, i);
        qsort(a, q.v, sizeof *a, better_first); /* nothing lost or doubled */
    }
}

static void picks_equal_sorting(void **state)
{
    (void)state;
    lac_rng rng = lac_rng_make(2, LAC_RNG_TOKEN);
    static question q;
    size_t none = 0;
    for (int round = 0; round < 2000; round++) {
        double u[MOST];
        lac_cand room[MOST];
        random_question(&q, &rng, round);
        for (size_t i = 0; i < q.v; i++) u[i] = lac_rng_u01(&rng);
        lac_pick want = slow_pick(&q, u);
        lac_pick got = lac_pick_token(q.logits, q.v, q.flags, q.deny, &q.cut, NULL, 0, u, room);
        CHECK(got.token == want.token, "round %d: token %d, expected %d", round, got.token, want.token);
        if (got.token < 0) {
            none++;
            continue;
        }
        CHECK(fabs(got.logprob - want.logprob) < 1e-11, "round %d: logprob %.15g, expected %.15g", round, got.logprob, want.logprob);
        CHECK(fabs(got.prob - want.prob) < 1e-12, "round %d: prob %.15g, expected %.15g", round, got.prob, want.prob);
        CHECK(fabs(got.entropy - want.entropy) < 1e-11, "round %d: entropy %.15g, expected %.15g", round, got.entropy, want.entropy);
        CHECK(fabs(got.best - want.best) < 1e-12, "round %d: best %.15g, expected %.15g", round, got.best, want.best);
        CHECK(fabs(got.margin - want.margin) < 1e-12, "round %d: margin %.15g, expected %.15g", round, got.margin, want.margin);
    }
    assert_true(none > 0); /* all denied: met too */
}

static void ties_go_to_the_lower_id(void **state)
{
    (void)state;
    float logits[9] = {0, 2, 1, 2, 2, 0, 2, 1, 2};
    uint8_t flags[9] = {0};
    lac_cand room[9];
    lac_cut cut = {0};
    lac_pick p = lac_pick_token(logits, 9, flags, 0, &cut, NULL, 0, NULL, room);
    assert_int_equal(p.token, 1);
    assert_true(p.margin == 0);
    flags[1] = LAC_TOKEN_EOM;
    assert_int_equal(lac_pick_token(logits, 9, flags, LAC_TOKEN_EOM, &cut, NULL, 0, NULL, room).token, 3);
    for (int i = 0; i < 9; i++) room[i] = (lac_cand){logits[i], i};
    assert_int_equal(lac_pick_cut(room, 9, &(lac_cut){.top_k = 3}), 3);
    int sum = 0;
    for (int i = 0; i < 3; i++) sum |= 1 << room[i].token;
    assert_int_equal(sum, 1 << 1 | 1 << 3 | 1 << 4);
    double u[9] = {.5, .5, .5, .5, .5, .5, .5, .5, .5};
    assert_int_equal(lac_pick_token(logits, 9, flags, 0, &(lac_cut){.temperature = 1}, NULL, 0, u, room).token, 1);
}

static void denied_tokens_are_never_drawn(void **state)
{
    (void)state;
    float logits[6] = {9, 1, 9, 1, 0, 9};
    uint8_t flags[6] = {LAC_TOKEN_NEVER, 0, LAC_TOKEN_EOM, LAC_TOKEN_LINE, 0, LAC_TOKEN_EOM | LAC_TOKEN_LINE};
    lac_cand room[6];
    lac_rng rng = lac_rng_make(4, LAC_RNG_TOKEN);
    lac_cut cut = {.temperature = 1};
    unsigned seen[8] = {0};
    for (uint64_t d = 0; d < 40000; d++)
        for (uint8_t deny = 0; deny < 8; deny++)
            seen[deny] |= 1u << lac_pick_token(logits, 6, flags, deny, &cut, &rng, d, NULL, room).token;
    for (unsigned deny = 0; deny < 8; deny++) {
        unsigned want = 0;
        for (unsigned i = 0; i < 6; i++)
            if (!(flags[i] & (deny | LAC_TOKEN_NEVER))) want |= 1u << i;
        CHECK(seen[deny] == want || (deny & 6) == 0, "deny %u: tokens %x, expected %x", deny, seen[deny], want);
        CHECK((seen[deny] & ~want) == 0, "deny %u: tokens %x of %x", deny, seen[deny], want);
    }
}

/* What a slot may not say still belongs to the model's distribution; the mask does not. */
static void denied_tokens_keep_their_mass(void **state)
{
    (void)state;
    float logits[4] = {5, 1, 1, 1};
    uint8_t flags[4] = {LAC_TOKEN_NEVER, LAC_TOKEN_EOM, 0, 0};
    lac_cand room[4];
    lac_pick p = lac_pick_token(logits, 4, flags, LAC_TOKEN_EOM, &(lac_cut){0}, NULL, 0, NULL, room);
    assert_int_equal(p.token, 2);
    assert_true(fabs(p.logprob + log(3)) < 1e-14 && fabs(p.entropy - log(3)) < 1e-14 && fabs(p.best - 1.0 / 3) < 1e-14);
}

static void everything_denied(void **state)
{
    (void)state;
    float logits[3] = {1, 2, 3};
    uint8_t flags[3] = {LAC_TOKEN_NEVER, LAC_TOKEN_EOM, LAC_TOKEN_EOM};
    lac_cand room[3];
    lac_rng rng = lac_rng_make(1, 1);
    for (int t = 0; t < 2; t++) {
        lac_cut cut = {.temperature = t, .top_k = 1, .top_p = 0.5, .min_p = 0.5};
        assert_int_equal(lac_pick_token(logits, 3, flags, LAC_TOKEN_EOM, &cut, &rng, 0, NULL, room).token, -1);
    }
}

static void temperature_zero_ignores_cuts_and_noise(void **state)
{
    (void)state;
    lac_rng rng = lac_rng_make(6, LAC_RNG_TOKEN);
    static question q;
    for (int round = 0; round < 500; round++) {
        lac_cand room[MOST];
        random_question(&q, &rng, round);
        q.cut.temperature = 0;
        lac_pick a = lac_pick_token(q.logits, q.v, q.flags, q.deny, &q.cut, NULL, 0, NULL, room);
        lac_pick b = lac_pick_token(q.logits, q.v, q.flags, q.deny, &(lac_cut){0}, &rng, 77, NULL, room);
        assert_int_equal(a.token, b.token);
        if (a.token >= 0) assert_true(a.prob == 1 && a.logprob == b.logprob);
    }
}

/* A token's noise belongs to it and to the draw: cutting other tokens away does not change the winner. */
static void noise_does_not_depend_on_cuts(void **state)
{
    (void)state;
    lac_rng rng = lac_rng_make(7, LAC_RNG_TOKEN), noise = lac_rng_make(8, LAC_RNG_TOKEN);
    static question q;
    size_t other = 0;
    for (int round = 0; round < 2000; round++) {
        lac_cand room[MOST], all[MOST];
        random_question(&q, &rng, round);
        q.cut.temperature = 1;
        lac_pick wide = lac_pick_token(q.logits, q.v, q.flags, q.deny, &(lac_cut){.temperature = 1}, &noise, (uint64_t)round, NULL, room);
        lac_pick cut = lac_pick_token(q.logits, q.v, q.flags, q.deny, &q.cut, &noise, (uint64_t)round, NULL, room);
        if (wide.token < 0) continue;
        size_t n = 0;
        bool kept = false;
        for (size_t i = 0; i < q.v; i++)
            if (!(q.flags[i] & (q.deny | LAC_TOKEN_NEVER))) all[n++] = (lac_cand){q.logits[i], (int32_t)i};
        n = slow_cut(all, n, &q.cut);
        for (size_t i = 0; i < n; i++) kept |= all[i].token == wide.token;
        if (kept) assert_int_equal(cut.token, wide.token);
        else other++;
    }
    assert_true(other > 0);
}

/* A broken network must not take the process down or lead outside the vocabulary. */
static void strange_numbers_do_no_harm(void **state)
{
    (void)state;
    const float strange[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0, 1};
    lac_rng rng = lac_rng_make(9, LAC_RNG_TOKEN);
    static question q;
    for (int round = 0; round < 20000; round++) {
        lac_cand room[MOST];
        random_question(&q, &rng, round);
        size_t only = round % 8 == 0 ? lac_rng_below(&rng, 3) : 7; /* a whole row of one kind, too */
        for (size_t i = 0; i < q.v; i++)
            if (only < 3) q.logits[i] = strange[only];
            else if (lac_rng_below(&rng, 3) == 0) q.logits[i] = strange[lac_rng_below(&rng, 7)];
        lac_pick p = lac_pick_token(q.logits, q.v, q.flags, q.deny, &q.cut, &rng, (uint64_t)round, NULL, room);
        CHECK(p.token >= -1 && p.token < (int32_t)q.v, "token %d", p.token);
        if (p.token >= 0) assert_false(q.flags[p.token] & (q.deny | LAC_TOKEN_NEVER));
    }
}

static void a_single_candidate(void **state)
{
    (void)state;
    float logits[1] = {-1e30f};
    uint8_t flags[1] = {0};
    lac_cand room[1];
    lac_rng rng = lac_rng_make(1, 1);
    lac_cut cut = {.temperature = 0.01, .top_k = 1, .top_p = 1e-9, .min_p = 1};
    lac_pick p = lac_pick_token(logits, 1, flags, 0, &cut, &rng, 0, NULL, room);
    assert_int_equal(p.token, 0);
    assert_true(p.prob == 1 && p.logprob == 0 && p.entropy == 0 && p.best == 1 && p.margin == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_equal_sorting),
        cmocka_unit_test(picks_equal_sorting),
        cmocka_unit_test(ties_go_to_the_lower_id),
        cmocka_unit_test(denied_tokens_are_never_drawn),
        cmocka_unit_test(denied_tokens_keep_their_mass),
        cmocka_unit_test(everything_denied),
        cmocka_unit_test(temperature_zero_ignores_cuts_and_noise),
        cmocka_unit_test(noise_does_not_depend_on_cuts),
        cmocka_unit_test(strange_numbers_do_no_harm),
        cmocka_unit_test(a_single_candidate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
