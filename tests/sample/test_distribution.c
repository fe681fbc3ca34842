/* The samplers draw from the distributions they claim: chi-square tests at a false-alarm rate of 1e-9
 * (common/stat.h), each with a mutant that the same statistic must reject. */
#include "common/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/stat.h"
#include "common/tiny.h"
#include "net/net.h"
#include "net/rule.h"
#include "sample/pick.h"
#include "sample/schedule.h"

enum { V = 40, DRAWS = 200000 };

static const uint8_t flags[V] = {[0] = LAC_TOKEN_NEVER, [7] = LAC_TOKEN_EOM, [21] = LAC_TOKEN_LINE};

static void some_logits(float *logits, uint64_t seed)
{
    lac_rng rng = lac_rng_make(seed, 99);
    for (int i = 0; i < V; i++) logits[i] = (float)(5 * lac_rng_u01(&rng) + (i % 9 == 0) * 2);
    logits[12] = logits[13] = logits[14]; /* ties */
}

/* The claim, by the book: softmax of logits / temperature over the allowed, cut by rank, mass and floor. */
static void claimed(const float *logits, uint8_t deny, const lac_cut *cut, double *q)
{
    int order[V], n = 0;
    double sum = 0, have = 0;
    for (int i = 0; i < V; i++) {
        q[i] = 0;
        if (!(flags[i] & (deny | LAC_TOKEN_NEVER))) order[n++] = i;
    }
    for (int i = 1; i < n; i++) /* by logit, ties by id */
        for (int k = i; k && logits[order[k]] > logits[order[k - 1]]; k--) {
            int t = order[k];
            order[k] = order[k - 1];
            order[k - 1] = t;
        }
    double top = logits[order[0]];
    if (cut->top_k && (int)cut->top_k < n) n = (int)cut->top_k;
    for (int i = 0; i < n; i++) sum += exp((logits[order[i]] - top) / cut->temperature);
    if (cut->top_p > 0 && cut->top_p < 1)
        for (int i = 0; i < n; i++) {
            have += exp((logits[order[i]] - top) / cut->temperature) / sum;
            if (have > cut->top_p) n = i + 1;
        }
    while (cut->min_p > 0 && exp((logits[order[n - 1]] - top) / cut->temperature) < cut->min_p) n--;
    sum = 0;
    for (int i = 0; i < n; i++) sum += q[order[i]] = exp((logits[order[i]] - top) / cut->temperature);
    for (int i = 0; i < V; i++) q[i] /= sum;
}

static void draw(const float *logits, uint8_t deny, const lac_cut *cut, uint64_t seed, uint64_t *seen)
{
    lac_cand room[V];
    lac_rng rng = lac_rng_make(seed, LAC_RNG_TOKEN);
    memset(seen, 0, V * sizeof *seen);
    for (uint64_t d = 0; d < DRAWS; d++) seen[lac_pick_token(logits, V, flags, deny, cut, &rng, d, NULL, room).token]++;
}

/* Also: the probability the pick reports is the one it was drawn with. */
static void fits(const char *what, uint8_t deny, lac_cut cut, uint64_t seed)
{
    float logits[V];
    double q[V], u[V];
    uint64_t seen[V];
    lac_cand room[V];
    some_logits(logits, seed);
    claimed(logits, deny, &cut, q);
    draw(logits, deny, &cut, seed, seen);
    double p = stat_chi2(seen, q, V);
    CHECK(p > STAT_ALARM, "%s: p = %g", what, p);
    for (int i = 0; i < V; i++) {
        for (int k = 0; k < V; k++) u[k] = k == i ? 1 - 1e-16 : 0.01;
        lac_pick t = lac_pick_token(logits, V, flags, deny, &cut, NULL, 0, u, room);
        if (q[i] > 0) CHECK(t.token == i && fabs(t.prob - q[i]) < 1e-12, "%s: token %d (%d) says %g, is %g", what, t.token, i, t.prob, q[i]);
        else assert_int_not_equal(t.token, i);
    }
}

static void at_temperature_1(void **s) { (void)s; fits("T 1", 0, (lac_cut){.temperature = 1}, 1); }
static void at_temperature_0_7(void **s) { (void)s; fits("T 0.7", 0, (lac_cut){.temperature = 0.7}, 2); }
static void at_temperature_1_5(void **s) { (void)s; fits("T 1.5", 0, (lac_cut){.temperature = 1.5}, 3); }
static void with_top_p(void **s) { (void)s; fits("top-p 0.8", 0, (lac_cut){.temperature = 1, .top_p = 0.8}, 4); }
static void with_top_k(void **s) { (void)s; fits("top-k 7", 0, (lac_cut){.temperature = 1, .top_k = 7}, 5); }
static void with_min_p(void **s) { (void)s; fits("min-p 0.1", 0, (lac_cut){.temperature = 1, .min_p = 0.1}, 6); }
static void with_denied_tokens(void **s)
{
    (void)s;
    fits("denied", LAC_TOKEN_EOM | LAC_TOKEN_LINE, (lac_cut){.temperature = 1}, 7);
}
static void with_everything(void **s)
{
    (void)s;
    fits("all cuts", LAC_TOKEN_LINE, (lac_cut){.temperature = 1.3, .top_k = 25, .top_p = 0.9, .min_p = 0.05}, 8);
}

/* ---- mutants: programs with one thing wrong, which the tests above must not let pass ---- */

static double judged(lac_cut is, lac_cut claims, uint64_t seed)
{
    float logits[V];
    double q[V];
    uint64_t seen[V];
    some_logits(logits, seed);
    claimed(logits, 0, &claims, q);
    draw(logits, 0, &is, seed, seen);
    return stat_chi2(seen, q, V);
}

static void mutants_are_caught(void **state)
{
    (void)state;
    const struct { const char *what; lac_cut is, claims; } m[] = {
        {"temperature 5 % high", {.temperature = 1.05}, {.temperature = 1}},
        {"temperature 5 % low", {.temperature = 0.665}, {.temperature = 0.7}},
        {"top-p not applied", {.temperature = 1}, {.temperature = 1, .top_p = 0.8}},
        {"top-k one too many", {.temperature = 1, .top_k = 8}, {.temperature = 1, .top_k = 7}},
        {"top-k one too few", {.temperature = 1, .top_k = 6}, {.temperature = 1, .top_k = 7}},
        {"min-p not applied", {.temperature = 1}, {.temperature = 1, .min_p = 0.1}},
    };
    for (size_t i = 0; i < sizeof m / sizeof *m; i++) {
        double p = judged(m[i].is, m[i].claims, 10 + i);
        CHECK(p < STAT_ALARM, "%s: p = %g", m[i].what, p);
    }
    /* noise shared by two tokens that tie: each alone looks right, together they do not */
    float logits[V];
    double q[V];
    uint64_t seen[V] = {0};
    lac_cand room[V];
    lac_rng rng = lac_rng_make(20, LAC_RNG_TOKEN);
    lac_cut one = {.temperature = 1};
    some_logits(logits, 20);
    claimed(logits, 0, &one, q);
    for (uint64_t d = 0; d < DRAWS; d++) {
        double u[V];
        for (int i = 0; i < V; i++) u[i] = lac_u01(lac_rng_at(&rng, d << 32 | (uint32_t)i / 2));
        seen[lac_pick_token(logits, V, flags, 0, &one, NULL, 0, u, room).token]++;
    }
    assert_true(stat_chi2(seen, q, V) < STAT_ALARM);
}

/* Draws of one request must be independent of one another: pairs of neighbours. */
static void draws_are_independent(void **state)
{
    (void)state;
    enum { W = 6 };
    float logits[W] = {0.3f, 1.1f, -0.4f, 0.9f, 0, 0.5f};
    uint8_t none[W] = {0};
    double q[W], sum = 0, pair[W * W];
    uint64_t seen[W * W] = {0};
    lac_cand room[W];
    for (int i = 0; i < W; i++) sum += q[i] = exp(logits[i]);
    for (int i = 0; i < W * W; i++) pair[i] = q[i / W] * q[i % W] / sum / sum;
    for (uint64_t seed = 0; seed < 1000; seed++) { /* small seeds in a row are what people use */
        lac_rng rng = lac_rng_make(seed, LAC_RNG_TOKEN);
        for (uint64_t d = 0; d < 200; d += 2) {
            lac_pick a = lac_pick_token(logits, W, none, 0, &(lac_cut){.temperature = 1}, &rng, d, NULL, room);
            lac_pick b = lac_pick_token(logits, W, none, 0, &(lac_cut){.temperature = 1}, &rng, d + 1, NULL, room);
            seen[a.token * W + b.token]++;
        }
    }
    double p = stat_chi2(seen, pair, W * W);
    CHECK(p > STAT_ALARM, "p = %g", p);
}

static double u01(void *ctx) { return lac_rng_u01(ctx); }

/* Slots leave the mask independently of one another, so the counts of the schedule are binomial: the first group
 * with its own probability, and the whole with 1 - (1 - alpha_0) / (1 - alpha_0 eps). */
static void groups_are_binomial(void **state)
{
    (void)state;
    enum { N = 24, T = 6 };
    const double alpha0[] = {0.125, 0.5, 0.9, 1};
    for (size_t a = 0; a < 4; a++) {
        uint64_t first[N + 1] = {0}, whole[N + 1] = {0}, wrong[N + 1] = {0};
        double prob[N + 1];
        size_t size[N], diffused;
        lac_rng rng = lac_rng_make(a, LAC_RNG_SCHEDULE);
        for (int d = 0; d < 50000; d++) {
            lac_rng now = rng, peek = rng;
            first[lac_schedule_binomial(u01, &peek, N, lac_schedule_prob(0, T, alpha0[a]))]++;
            size_t g = lac_schedule_draw(N, T, alpha0[a], u01, &now, size, &diffused);
            whole[diffused]++;
            wrong[g]++;
            rng = now;
        }
        stat_binomial(N, (alpha0[a] - alpha0[a] * LAC_NOISE_EPS) / T / (1 - alpha0[a] * LAC_NOISE_EPS), prob);
        double p = stat_chi2(first, prob, N + 1);
        CHECK(p > STAT_ALARM, "alpha_0 %g, first group: p = %g", alpha0[a], p);
        assert_true(stat_chi2(wrong, prob, N + 1) < STAT_ALARM); /* mutant: groups counted for slots */
        stat_binomial(N, 1 - (1 - alpha0[a]) / (1 - alpha0[a] * LAC_NOISE_EPS), prob);
        p = stat_chi2(whole, prob, N + 1);
        CHECK(p > STAT_ALARM, "alpha_0 %g, diffused: p = %g", alpha0[a], p);
        if (alpha0[a] < 1) { /* mutant: 5 % more diffusion */
            stat_binomial(N, alpha0[a] * 1.05, prob);
            assert_true(stat_chi2(whole, prob, N + 1) < STAT_ALARM);
        }
    }
}

static size_t rank_of(const size_t *p, size_t n) /* of a permutation, 0 to n! - 1 */
{
    size_t r = 0;
    for (size_t i = 0; i < n; i++) {
        size_t less = 0;
        for (size_t k = i + 1; k < n; k++) less += p[k] < p[i];
        r = r * (n - i) + less;
    }
    return r;
}

static void orders_are_uniform(void **state)
{
    (void)state;
    uint64_t seen[120] = {0}, biased[120] = {0};
    double prob[120];
    for (int i = 0; i < 120; i++) prob[i] = 1.0 / 120;
    for (uint64_t seed = 0; seed < 120000; seed++) {
        size_t p[5] = {0, 1, 2, 3, 4}, b[5] = {0, 1, 2, 3, 4};
        lac_rng rng = lac_rng_make(seed, LAC_RNG_ORDER);
        lac_rng_shuffle(&rng, p, 5);
        seen[rank_of(p, 5)]++;
        for (size_t i = 0; i < 5; i++) { /* mutant: the well-known wrong shuffle */
            size_t j = (size_t)lac_rng_below(&rng, 5), t = b[i];
            b[i] = b[j];
            b[j] = t;
        }
        biased[rank_of(b, 5)]++;
    }
    double p = stat_chi2(seen, prob, 120);
    CHECK(p > STAT_ALARM, "p = %g", p);
    assert_true(stat_chi2(biased, prob, 120) < STAT_ALARM);
}

/* Six slots in three rows of two: 3! orders of the rows, 2 of each row. */
static void shuffled_blocks_are_uniform(void **state)
{
    (void)state;
    uint64_t seen[720] = {0};
    double prob[720] = {0};
    for (size_t i = 0; i < 6; i++)
        for (size_t bits = 0; bits < 8; bits++) {
            static const size_t rows[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
            size_t p[6];
            for (size_t r = 0; r < 3; r++) {
                p[2 * r] = rows[i][r] + 3 * (bits >> r & 1);
                p[2 * r + 1] = rows[i][r] + 3 * (~bits >> r & 1);
            }
            prob[rank_of(p, 6)] = 1.0 / 48;
        }
    for (uint64_t seed = 0; seed < 48000; seed++) {
        size_t order[6], size[6], diffused;
        lac_rng rng = lac_rng_make(seed, LAC_RNG_ORDER);
        lac_schedule_blocks(6, 3, 1, &rng, order, size, &diffused);
        seen[rank_of(order, 6)]++;
    }
    double p = stat_chi2(seen, prob, 720);
    CHECK(p > STAT_ALARM, "p = %g", p);
}

/* ---- a whole run: four slots, five tokens, all 625 texts ---- */

enum { SLOTS = 4, WORDS = 5, TEXTS = 625, RUNS = 25000 };
static const int32_t place[SLOTS] = {2, 0, 3, 1}; /* rank -> position */
static const uint8_t only_mask[WORDS + 1] = {[WORDS] = LAC_TOKEN_NEVER};

typedef struct {
    tiny model;
    lac_net net;
    lac_kv_store store;
    lac_kv kv;
    lac_pool *pool;
    lacuna_allocator mem;
    atomic_bool cancel;
    float logits[SLOTS][WORDS + 1];
} world;

static int world_row(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    world *w = ctx;
    (void)p, (void)err;
    memcpy(w->logits[i], logits, sizeof w->logits[i]);
    return 0;
}

/* Clean entries of ranks [from, at), then masks of ranks [at, at + m), whose logits are wanted. */
static void world_pass(world *w, lac_rule rule, const int32_t *text, size_t from, size_t at, size_t m, size_t keep)
{
    int32_t token[SLOTS];
    uint32_t sees[SLOTS];
    lacuna_error err;
    for (size_t i = 0; from + i < at + m; i++) token[i] = from + i < at ? text[from + i] : WORDS;
    lac_rule_sees(rule, at - from, m, sees);
    lac_part part = {&w->kv, token, place + from, sees, at + m - from, keep, at - from};
    CHECK(lac_net_forward(&w->net, &(lac_pass){&part, 1, NULL}, world_row, w, &err) == 0, "%s", err.msg);
}

static size_t text_index(const int32_t *text)
{
    size_t n = 0;
    for (size_t i = 0; i < SLOTS; i++) n = n * WORDS + (size_t)text[i];
    return n;
}

/* p(text) = product over groups and slots of softmax(logits | groups before): every pass from an empty cache. */
static void exact(world *w, lac_rule rule, const size_t *group, double temperature, double *prob)
{
    for (size_t t = 0; t < TEXTS; t++) {
        int32_t text[SLOTS] = {(int32_t)(t / 125), (int32_t)(t / 25 % 5), (int32_t)(t / 5 % 5), (int32_t)(t % 5)};
        prob[t] = 1;
        for (size_t at = 0, g = 0; at < SLOTS; at += group[g++]) {
            lac_kv_crop(&w->kv, 0);
            world_pass(w, rule, text, 0, at, group[g], 0);
            for (size_t i = 0; i < group[g]; i++) {
                double sum = 0;
                for (int k = 0; k < WORDS; k++) sum += exp(w->logits[at + i][k] / temperature);
                prob[t] *= exp(w->logits[at + i][text[at + i]] / temperature) / sum;
            }
        }
    }
}

/* The cached sampler: each step feeds the tokens of the step before, then the masks of this one. */
static void run_many(world *w, lac_rule rule, const size_t *group, double temperature, uint64_t seed, uint64_t *seen)
{
    lac_cand room[WORDS + 1];
    lac_cut cut = {.temperature = temperature};
    memset(seen, 0, TEXTS * sizeof *seen);
    for (uint64_t r = 0; r < RUNS; r++) {
        lac_rng rng = lac_rng_make(seed * RUNS + r, LAC_RNG_TOKEN);
        int32_t text[SLOTS];
        size_t from = 0;
        lac_kv_crop(&w->kv, 0);
        for (size_t at = 0, g = 0; at < SLOTS; at += group[g++]) {
            world_pass(w, rule, text, from, at, group[g], at - from);
            for (size_t i = 0; i < group[g]; i++)
                text[at + i] = lac_pick_token(w->logits[at - from + i], WORDS + 1, only_mask, 0, &cut, &rng, at + i, NULL, room).token;
            from = at;
        }
        seen[text_index(text)]++;
    }
}

static void whole_texts(void **state)
{
    (void)state;
    static const size_t groups[][SLOTS] = {{1, 1, 1, 1}, {2, 1, 1}, {3, 1}, {4}};
    static double prob[TEXTS];
    static uint64_t seen[TEXTS];
    char folder[256], path[512];
    lacuna_error err;
    tiny_folder(folder);
    for (int house = 0; house < 2; house++) {
        world w = {.mem = lac_mem_system_or((lacuna_allocator){0})};
        snprintf(path, sizeof path, "%s/tiny.gguf", folder);
        assert_int_equal(tiny_model(path, house, WORDS + 1, 16, 2, 2, 5), 0);
        tiny_open(&w.model, path);
        assert_int_equal(lac_pool_open(&w.pool, &w.mem, 1, &err), 0);
        assert_int_equal(lac_net_open(&w.net, &w.model.w, lac_kern_pick(NULL), &w.mem, w.pool, &w.cancel, &err), 0);
        assert_int_equal(lac_net_reserve(&w.net, 0, &err), 0);
        lac_kv_store_init(&w.store, &w.model.w.hp, LAC_F32, &w.mem);
        lac_kv_init(&w.kv, &w.store);
        assert_int_equal(lac_kv_reserve(&w.kv, 2 * SLOTS, &err), 0);
        for (size_t g = 0; g < 4; g++) {
            lac_rule rule = g % 2 ? LAC_RULE_PAPER : LAC_RULE_INDEPENDENT;
            double temperature = g == 1 ? 1.3 : 1, sum = 0;
            exact(&w, rule, groups[g], temperature, prob);
            for (size_t t = 0; t < TEXTS; t++) sum += prob[t];
            assert_true(fabs(sum - 1) < 1e-6);
            run_many(&w, rule, groups[g], temperature, 1 + g, seen);
            double p = stat_chi2(seen, prob, TEXTS);
            CHECK(p > STAT_ALARM, "house %d, groups %zu: p = %g", house, g, p);
            if (g == 0) continue;
            run_many(&w, rule, groups[g - 1], temperature, 9, seen); /* mutant: the next smaller groups */
            p = stat_chi2(seen, prob, TEXTS);
            CHECK(p < STAT_ALARM, "house %d, groups %zu for %zu: p = %g", house, g - 1, g, p);
        }
        lac_kv_free(&w.kv);
        lac_kv_store_free(&w.store);
        lac_net_free(&w.net);
        lac_pool_free(w.pool);
        tiny_close(&w.model);
    }
    tiny_folder_remove(folder);
}

static void the_statistic_itself(void **state)
{
    (void)state;
    assert_true(fabs(stat_chi2_tail(3.841458820694124, 1) - 0.05) < 1e-12);
    assert_true(fabs(stat_chi2_tail(18.307038053275146, 10) - 0.05) < 1e-12);
    assert_true(fabs(stat_chi2_tail(124.34211340400407, 100) - 0.05) < 1e-12);
    assert_true(fabs(stat_chi2_tail(50, 20) / 2.215e-4 - 1) < 1e-2);
    assert_true(stat_chi2_tail(400, 20) < 1e-60);
    double q[3] = {0.5, 0.5, 0};
    assert_true(stat_chi2((uint64_t[]){100, 100, 0}, q, 3) == 1);
    assert_true(stat_chi2((uint64_t[]){100, 100, 1}, q, 3) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_statistic_itself),
        cmocka_unit_test(at_temperature_1),
        cmocka_unit_test(at_temperature_0_7),
        cmocka_unit_test(at_temperature_1_5),
        cmocka_unit_test(with_top_p),
        cmocka_unit_test(with_top_k),
        cmocka_unit_test(with_min_p),
        cmocka_unit_test(with_denied_tokens),
        cmocka_unit_test(with_everything),
        cmocka_unit_test(mutants_are_caught),
        cmocka_unit_test(draws_are_independent),
        cmocka_unit_test(groups_are_binomial),
        cmocka_unit_test(orders_are_uniform),
        cmocka_unit_test(shuffled_blocks_are_uniform),
        cmocka_unit_test(whole_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
