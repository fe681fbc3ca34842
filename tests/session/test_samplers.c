/* Whole requests draw texts from the distributions they claim.  A tiny model over five ids: the likelihood of every text there is
 * gives each conditional, hence the probability of every outcome; 20,000 requests are judged against it by chi-square at a
 * false-alarm rate of 1e-9 (common/stat.h), and the same counts must be refused by claims with one thing wrong. */
#include "session/run.h"

#include "common/stat.h"
#include "common/tiny.h"
#include "sample/plan.h"
#include "sample/schedule.h"

enum { V = 5, MASK = 4, S = 4, TEXTS = 256, RUNS = 20000, POSITIONS = S + 1 };

static lacuna_model *model;
static lacuna_session *ses;

/* Text t has token t / 4^i % 4 in slot i; position 0 is given, the slots are positions 1 to 4. */
static lacuna_token token_of(size_t t, size_t slot) { return (lacuna_token)(t >> 2 * slot & 3); }

/* ln p of each rank of every text, under an order of the slots. */
typedef struct {
    double rank[TEXTS][S];
} table;

static void score_all(const size_t *plan, table *out)
{
    size_t order[POSITIONS] = {0};
    for (size_t i = 0; i < S; i++) order[i + 1] = plan[i] + 1;
    for (size_t t = 0; t < TEXTS; t++) {
        lacuna_token ids[POSITIONS] = {2};
        double logprob[POSITIONS], bound;
        lacuna_error err;
        for (size_t i = 0; i < S; i++) ids[i + 1] = token_of(t, i);
        CHECK(lacuna_score_ids(ses, ids, POSITIONS, order, 1, NULL, logprob, NULL, &bound, &err) == 0, "%s", err.msg);
        for (size_t i = 0; i < S; i++) out->rank[t][i] = logprob[i + 1];
    }
}

/* The filtered distribution of one slot, by the book. */
static void filter(const double *logp, double temperature, double top_p, double *q)
{
    int order[4] = {0, 1, 2, 3}, n = 4;
    double sum = 0, have = 0;
    for (int i = 1; i < 4; i++)
        for (int k = i; k && logp[order[k]] > logp[order[k - 1]]; k--) {
            int x = order[k];
            order[k] = order[k - 1];
            order[k - 1] = x;
        }
    for (int i = 0; i < 4; i++) sum += q[i] = exp(logp[i] / temperature);
    if (top_p > 0)
        for (int i = 0; i < n; i++)
            if ((have += q[order[i]] / sum) > top_p) n = i + 1;
    for (int i = n; i < 4; i++) q[order[i]] = 0;
    sum = q[0] + q[1] + q[2] + q[3];
    for (int i = 0; i < 4; i++) q[i] /= sum;
}

/* Probability of every text when the slots of plan come in groups of `group`: each group is a product of conditionals given the
 * groups before.  A conditional of the second slot of a group is the first one of its group under another order. */
static void claim(const size_t *plan, size_t group, double temperature, double top_p, double *prob)
{
    static table at[S];
    for (size_t r = 0; r < S; r++) { /* rank r moved to the front of its group */
        size_t p[S], first = r / group * group;
        memcpy(p, plan, sizeof p);
        p[first] = plan[r];
        p[r] = plan[first];
        score_all(p, &at[r]);
    }
    double total = 0;
    for (size_t t = 0; t < TEXTS; t++) {
        prob[t] = 1;
        for (size_t r = 0; r < S; r++) {
            double logp[4], q[4];
            for (size_t v = 0; v < 4; v++) logp[v] = at[r].rank[(t & ~((size_t)3 << 2 * plan[r])) | v << 2 * plan[r]][r / group * group];
            filter(logp, temperature, top_p, q);
            prob[t] *= q[token_of(t, plan[r])];
        }
        total += prob[t];
    }
    CHECK(fabs(total - 1) < 1e-9, "the texts have probability %.15g", total);
}

static void count(const lacuna_infill_options *opt, uint64_t *seen)
{
    static const lacuna_token ids[POSITIONS] = {2, -1, -1, -1, -1};
    memset(seen, 0, TEXTS * sizeof *seen);
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        lacuna_infill_options o = *opt;
        const lacuna_token *out;
        const lacuna_event *ev;
        size_t t = 0;
        o.seed = seed;
        assert_int_equal(lacuna_infill_ids(ses, ids, POSITIONS, &o, NULL), 0);
        while (lacuna_step(ses, &ev, NULL) > 0) continue;
        assert_int_equal(lacuna_fill_ids(ses, 0, &out, NULL), POSITIONS);
        assert_int_equal(out[0], 2);
        for (size_t i = 0; i < S; i++) {
            assert_true(out[i + 1] >= 0 && out[i + 1] < MASK);
            t |= (size_t)out[i + 1] << 2 * i;
        }
        seen[t]++;
    }
}

static const size_t left[S] = {0, 1, 2, 3}, mixed[S] = {2, 0, 3, 1}, ones[S] = {1, 1, 1, 1}, twos[2] = {2, 2}, whole[1] = {4};

static void judge(const char *what, const lacuna_infill_options *opt, const size_t *plan, size_t group, const double *mutant)
{
    double prob[TEXTS];
    uint64_t seen[TEXTS];
    claim(plan, group, opt->temperature, opt->top_p, prob);
    count(opt, seen);
    double p = stat_chi2(seen, prob, TEXTS);
    CHECK(p > STAT_ALARM, "%s: p = %g", what, p);
    if (mutant) {
        p = stat_chi2(seen, mutant, TEXTS);
        CHECK(p < STAT_ALARM, "%s: the mutant passes with p = %g", what, p);
    }
}

#define PLAN(order, size, n) .plan = (order), .groups = (size), .n_groups = (n)

static void likelihoods_sum_to_one(void **state)
{
    (void)state;
    static table t;
    const size_t *plan[2] = {left, mixed};
    for (int k = 0; k < 2; k++) {
        double total = 0;
        score_all(plan[k], &t);
        for (size_t i = 0; i < TEXTS; i++) total += exp(t.rank[i][0] + t.rank[i][1] + t.rank[i][2] + t.rank[i][3]);
        CHECK(fabs(total - 1) < 1e-6, "%.15g", total); /* e^x in float: net/softmax.h */
    }
}

static void one_at_a_time_left(void **state)
{
    (void)state;
    double wrong[TEXTS];
    claim(mixed, 1, 1, 0, wrong); /* mutant: another order; a network's orders do not agree on a joint distribution */
    judge("left", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1}, left, 1, wrong);
}

static void one_at_a_time_in_a_given_order(void **state)
{
    (void)state;
    double wrong[TEXTS];
    claim(left, 1, 1, 0, wrong);
    judge("given", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1, PLAN(mixed, ones, 4)}, mixed, 1, wrong);
}

static void in_groups_of_two(void **state)
{
    (void)state;
    double wrong[TEXTS];
    claim(mixed, 1, 1, 0, wrong); /* mutant: the second of a group drawn as if it saw the first */
    judge("groups", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1, PLAN(mixed, twos, 2)}, mixed, 2, wrong);
}

static void all_at_once(void **state)
{
    (void)state;
    double wrong[TEXTS];
    claim(left, 1, 1, 0, wrong);
    judge("at once", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1, PLAN(left, whole, 1)}, left, 4, wrong);
    /* the same as published: one step of diffusion, in whatever order */
    judge("T 1", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1, .alpha0 = 1, .steps = 1, .order = LACUNA_ORDER_RANDOM}, left, 4, wrong);
}

static void with_temperature(void **state)
{
    (void)state;
    double wrong[TEXTS];
    claim(mixed, 1, 0.75, 0, wrong); /* mutant: 7 % off */
    judge("temperature 0.7", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 0.7, PLAN(mixed, ones, 4)}, mixed, 1, wrong);
    judge("temperature 0.7, groups", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 0.7, PLAN(mixed, twos, 2)}, mixed, 2, wrong);
}

static void with_top_p(void **state)
{
    (void)state;
    double wrong[TEXTS];
    claim(left, 1, 1, 0.7, wrong);
    judge("top-p 0.8", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1, .top_p = 0.8}, left, 1, wrong);
    claim(left, 1, 1, 0, wrong);
    judge("top-p 0.8, temperature 0.7", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 0.7, .top_p = 0.8}, left, 1, wrong);
    judge("top-p 0.8, groups", &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1, .top_p = 0.8, PLAN(mixed, twos, 2)}, mixed, 2, wrong);
}

/* ---- the rule of the paper in groups: conditionals from the logits themselves ---- */

typedef struct {
    double logp[17][S][4]; /* by state: 0 the first group, 1 + outcome of it the second */
    bool have[17][S];
    size_t state;
} seen_logits;

static void note_logits(void *ctx, size_t step, size_t slot, const float *logits, size_t v)
{
    seen_logits *k = ctx;
    double top = -INFINITY, sum = 0, logp[4];
    (void)step;
    assert_int_equal(v, V);
    for (int i = 0; i < 4; i++)
        if (logits[i] > top) top = logits[i];
    for (int i = 0; i < 4; i++) sum += exp(logits[i] - top);
    for (int i = 0; i < 4; i++) logp[i] = logits[i] - top - log(sum);
    if (k->have[k->state][slot]) assert_memory_equal(logp, k->logp[k->state][slot], sizeof logp); /* a function of what was revealed */
    memcpy(k->logp[k->state][slot], logp, sizeof logp);
    k->have[k->state][slot] = true;
}

/* Requests in two groups of two; conditionals by what the first group drew. */
static void groups_by_logits(lacuna_rule rule, uint64_t *seen, double *prob)
{
    static const lacuna_token ids[POSITIONS] = {2, -1, -1, -1, -1};
    static seen_logits k;
    memset(&k, 0, sizeof k);
    memset(seen, 0, TEXTS * sizeof *seen);
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        lacuna_infill_options o = {LACUNA_INFILL_INIT, .temperature = 1, .rule = rule, .seed = seed, PLAN(mixed, twos, 2), .on_logits = note_logits,
                                   .on_logits_ctx = &k};
        const lacuna_event *ev;
        size_t t = 0;
        assert_int_equal(lacuna_infill_ids(ses, ids, POSITIONS, &o, NULL), 0);
        for (k.state = 0; lacuna_step(ses, &ev, NULL) > 0; ) {
            for (size_t i = 0; i < ev->n; i++) t |= (size_t)ev->reveals[i].token << 2 * ev->reveals[i].slot;
            k.state = 1 + (t >> 2 * mixed[0] & 3) + 4 * (t >> 2 * mixed[1] & 3);
        }
        seen[t]++;
    }
    double total = 0;
    for (size_t t = 0; t < TEXTS; t++) {
        size_t second = 1 + (t >> 2 * mixed[0] & 3) + 4 * (t >> 2 * mixed[1] & 3);
        prob[t] = 1;
        for (size_t r = 0; r < S; r++) prob[t] *= k.have[r / 2 ? second : 0][mixed[r]] ? exp(k.logp[r / 2 ? second : 0][mixed[r]][token_of(t, mixed[r])]) : 0;
        total += prob[t];
    }
    assert_true(total > 0.99 && total < 1 + 1e-9); /* an outcome of the first group that never came is not known */
}

static void rules_in_groups(void **state)
{
    (void)state;
    uint64_t seen[2][TEXTS];
    double prob[2][TEXTS], book[TEXTS];
    groups_by_logits(LACUNA_RULE_INDEPENDENT, seen[0], prob[0]);
    groups_by_logits(LACUNA_RULE_PAPER, seen[1], prob[1]);
    claim(mixed, 2, 1, 0, book);
    for (size_t t = 0; t < TEXTS; t++) /* the conditionals of independent masks are those of the likelihood */
        CHECK(prob[0][t] == 0 || fabs(prob[0][t] / book[t] - 1) < 1e-9, "text %zu: %g and %g", t, prob[0][t], book[t]);
    double p = stat_chi2(seen[1], prob[1], TEXTS), wrong = stat_chi2(seen[1], prob[0], TEXTS);
    CHECK(p > STAT_ALARM, "paper: p = %g", p);
    CHECK(wrong < STAT_ALARM, "paper judged as independent: p = %g", wrong);
}

/* ---- policies that look at the logits ---- */

enum { LONG = 24 };
typedef struct {
    double best[LONG], margin[LONG], entropy[LONG];
    lacuna_token top[LONG];
    bool asked[LONG];
    size_t n;
} rows;

static void note_rows(void *ctx, size_t step, size_t slot, const float *logits, size_t v)
{
    rows *k = ctx;
    double sum = 0, first = -1, second = -1, entropy = 0, p[V];
    (void)step;
    for (size_t i = 0; i < v; i++) sum += i == MASK ? 0 : exp(logits[i]);
    for (size_t i = 0; i < v; i++) {
        if (i == MASK) continue;
        p[i] = exp(logits[i]) / sum;
        entropy -= p[i] * log(p[i]);
        if (p[i] > first) {
            second = first;
            first = p[i];
            k->top[slot] = (lacuna_token)i;
        } else if (p[i] > second) second = p[i];
    }
    k->best[slot] = first;
    k->margin[slot] = first - second;
    k->entropy[slot] = entropy;
    k->asked[slot] = true;
    k->n++;
}

static double key_of(const rows *k, lacuna_order order, size_t slot)
{
    return order == LACUNA_ORDER_CONFIDENCE ? k->best[slot] : order == LACUNA_ORDER_MARGIN ? k->margin[slot] : -k->entropy[slot];
}

/* Every step of the diffusion phase asks for all open slots and reveals those with the largest keys, largest first; a later
 * step of another policy would reveal others (the mutant: judged by the key of `other`). */
static size_t follow(lacuna_order order, lacuna_order other, double temperature, double alpha0, uint32_t steps, uint64_t seed)
{
    lacuna_token ids[LONG];
    rows k = {.n = 0};
    const lacuna_event *ev;
    size_t open = LONG, strange = 0, diffused = 0;
    for (size_t i = 0; i < LONG; i++) ids[i] = -1;
    lacuna_infill_options o = {LACUNA_INFILL_INIT, .order = order, .temperature = temperature, .alpha0 = alpha0, .steps = steps, .gamma = 1.5,
                               .seed = seed, .on_logits = note_rows, .on_logits_ctx = &k};
    assert_int_equal(lacuna_infill_ids(ses, ids, LONG, &o, NULL), 0);
    for (; lacuna_step(ses, &ev, NULL) > 0; memset(&k, 0, sizeof k), open = ev->n_open) {
        bool out[LONG] = {false};
        double spent = 0;
        if (ev->phase == LACUNA_PHASE_SEQUENTIAL) {
            assert_int_equal(k.n, 1);
            continue;
        }
        assert_int_equal(k.n, open);
        diffused += ev->n;
        for (size_t i = 0; i < ev->n; i++) {
            const lacuna_reveal *r = &ev->reveals[i];
            out[r->slot] = true;
            spent += k.entropy[r->slot];
            assert_true(fabs(r->entropy - k.entropy[r->slot]) < 1e-6);
            if (temperature == 0) assert_int_equal(r->token, k.top[r->slot]);
            if (i) assert_true(key_of(&k, order, ev->reveals[i - 1].slot) >= key_of(&k, order, r->slot) - 1e-6);
        }
        if (order == LACUNA_ORDER_ENTROPY && ev->n > 1) CHECK(spent <= 1.5 + 1e-6, "%zu slots for %g nats", ev->n, spent);
        for (size_t i = 0; i < LONG; i++)
            for (size_t j = 0; k.asked[i] && !out[i] && j < ev->n; j++) {
                size_t slot = ev->reveals[j].slot;
                CHECK(key_of(&k, order, slot) >= key_of(&k, order, i) - 1e-12, "slot %zu was revealed before %zu", slot, i);
                strange += key_of(&k, other, slot) < key_of(&k, other, i) - 1e-12;
                if (order == LACUNA_ORDER_ENTROPY && alpha0 == 1)
                    CHECK(spent + k.entropy[i] > 1.5 - 1e-9, "slot %zu with %g nats would have fitted beside %g", i, k.entropy[i], spent);
            }
    }
    assert_int_equal(open, 0);
    CHECK(diffused <= (size_t)LONG, "%zu slots", diffused);
    if (order == LACUNA_ORDER_ENTROPY) CHECK(diffused == (size_t)(LONG * alpha0 + 0.5), "entropy: %zu slots were diffused at alpha_0 %g", diffused, alpha0);
    return strange;
}

static void policies_follow_their_keys(void **state)
{
    (void)state;
    static const lacuna_order order[] = {LACUNA_ORDER_CONFIDENCE, LACUNA_ORDER_MARGIN, LACUNA_ORDER_ENTROPY};
    for (int k = 0; k < 3; k++) {
        size_t strange = 0;
        for (uint64_t seed = 0; seed < 20; seed++)
            for (int i = 0; i < 8; i++)
                strange += follow(order[k], order[(k + 1) % 3], i & 1 ? 1 : 0, i & 2 ? 0.4 : 1, i & 4 ? 5 : 0, seed);
        assert_true(strange > 0);
    }
}

/* ---- the schedule of the published sampler ---- */

/* Means over seeds of the number of passes, of the slots diffused and of the size of the first group, against the probability
 * with which each step unmasks a slot. */
static void group_sizes_follow_the_schedule(void **state)
{
    (void)state;
    enum { N = 16, SEEDS = 3000 };
    lacuna_token ids[N];
    for (size_t i = 0; i < N; i++) ids[i] = -1;
    const struct { double alpha0; uint32_t T; } c[] = {{1, 4}, {1, 16}, {0.5, 6}, {0.25, 16}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        double x[3] = {0}, xx[3] = {0}, want[3] = {0}, masked = 1, all_masked = 1;
        for (uint32_t k = 0; k < c[i].T; k++) {
            double p = lac_schedule_prob(k, c[i].T, c[i].alpha0), here = masked * p;
            want[0] += 1 - pow(1 - here, N);
            want[1] += N * here;
            want[2] += all_masked * N * p;
            masked *= 1 - p;
            all_masked *= pow(1 - p, N);
        }
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            double y[3] = {0};
            const lacuna_event *ev;
            lacuna_infill_options o = {LACUNA_INFILL_INIT, .order = LACUNA_ORDER_RANDOM, .alpha0 = c[i].alpha0, .steps = c[i].T, .seed = seed};
            assert_int_equal(lacuna_infill_ids(ses, ids, N, &o, NULL), 0);
            while (lacuna_step(ses, &ev, NULL) > 0) {
                if (ev->phase == LACUNA_PHASE_SEQUENTIAL) {
                    assert_int_equal(ev->n, 1);
                    continue;
                }
                if (ev->step == 0) y[2] = (double)ev->n;
                y[0] += 1;
                y[1] += (double)ev->n;
            }
            for (int k = 0; k < 3; k++) x[k] += y[k], xx[k] += y[k] * y[k];
        }
        for (int k = 0; k < 3; k++) {
            double mean = x[k] / SEEDS, sd = sqrt(fmax(xx[k] / SEEDS - mean * mean, 1e-12) / SEEDS);
            CHECK(fabs(mean - want[k]) < STAT_SIGMAS * sd + 1e-9, "alpha_0 %g, T %u, quantity %d: %g, should be %g (standard error %g)", c[i].alpha0,
                  (unsigned)c[i].T, k, mean, want[k], sd);
            if (sd > 1e-3) CHECK(fabs(mean - want[k] * 1.2) > STAT_SIGMAS * sd, "20 %% more would pass"); /* mutant */
        }
    }
}

/* The order of a drawn plan is uniform: first slot revealed, and the pair of the first two. */
static void drawn_orders_are_uniform(void **state)
{
    (void)state;
    uint64_t seen[S * S] = {0};
    double prob[S * S];
    lacuna_token ids[S] = {-1, -1, -1, -1};
    for (size_t i = 0; i < S * S; i++) prob[i] = i / S == i % S ? 0 : 1.0 / (S * (S - 1));
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        lacuna_infill_options o = {LACUNA_INFILL_INIT, .order = LACUNA_ORDER_RANDOM, .alpha0 = 1, .steps = 1000, .seed = seed};
        size_t slot[S], n = 0;
        const lacuna_event *ev;
        assert_int_equal(lacuna_infill_ids(ses, ids, S, &o, NULL), 0);
        while (lacuna_step(ses, &ev, NULL) > 0)
            for (size_t i = 0; i < ev->n; i++) slot[n++] = ev->reveals[i].slot;
        assert_int_equal(n, S);
        seen[slot[0] * S + slot[1]]++;
    }
    double p = stat_chi2(seen, prob, S * S);
    CHECK(p > STAT_ALARM, "p = %g", p);
}

static int set_up(void **state)
{
    char folder[256], path[300];
    lacuna_error err;
    (void)state;
    snprintf(path, sizeof path, "%s/five.gguf", tiny_folder(folder));
    CHECK(tiny_model(path, 1, V, 16, 2, 2, 3) == 0, "no model");
    int r = lacuna_model_open(&model, path, NULL, &err);
    tiny_folder_remove(folder);
    CHECK(r == 0, "%s", err.msg);
    assert_int_equal(lacuna_model_get_info(model)->mask, MASK);
    ses = session_of(model, 0);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(likelihoods_sum_to_one),
        cmocka_unit_test(one_at_a_time_left),
        cmocka_unit_test(one_at_a_time_in_a_given_order),
        cmocka_unit_test(in_groups_of_two),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(with_temperature),
        cmocka_unit_test(with_top_p),
        cmocka_unit_test(rules_in_groups),
        cmocka_unit_test(policies_follow_their_keys),
        cmocka_unit_test(group_sizes_follow_the_schedule),
        cmocka_unit_test(drawn_orders_are_uniform),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
