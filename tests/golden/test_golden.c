/* The library against outputs of the authors' code, case by case and kernel table by kernel table.
 *
 * The two checkpoints go the way of every model: conversion (which folds adaLN), GGUF, binding, network.
 * Tolerances are those of README.md beside this file. */
#include "common/unit.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/golden.h"
#include "common/tiny.h"
#include "net/loglik.h"
#include "net/rule.h"
#include "sample/pick.h"
#include "sample/schedule.h"

enum { F32, BF16, Q8_0, TYPES, MODELS = 2 };
static const char *const type_name[TYPES] = {"f32", "bf16", "q8_0"};

static const struct {
    const char *name;
    double logits, token, sequence; /* largest absolute difference allowed */
} model[MODELS] = {{"m1", 1e-4, 1e-4, 5e-4}, {"m2", 5e-4, 5e-4, 2e-3}};

/* ---- what all tests share: made once, read only but for the figures ---- */

static struct {
    golden cases;
    tiny model[MODELS][TYPES];
    const lac_kern *kern[KERNS];
    size_t n_kern;
} all;

typedef struct { /* the initial state of a test */
    const json_t *c; /* its case */
    size_t kern, model;
    char name[96];
} job;

enum { DIFFUSION, SEQUENTIAL, CACHED, TOKEN, SEQUENCE, BOUND, KINDS };
static const char *const kind_name[KINDS] = {"diffusion", "sequential", "cached", "log p token", "log p sequence", "bound"};
static double seen[KERNS][MODELS][KINDS]; /* largest differences met */

static void close_to(const job *j, int kind, double got, double want, double tolerance)
{
    double d = fabs(got - want);
    if (!(d <= seen[j->kern][j->model][kind])) seen[j->kern][j->model][kind] = d;
    CHECK(d < tolerance, "%s: %s %.8g, expected %.8g, allowed %g", j->name, kind_name[kind], got, want, tolerance);
}

/* ---- a network for one test ---- */

typedef struct {
    lac_weights w; /* a copy: the mask index may differ */
    lac_net net;
    lac_kv_store store;
    lac_kv kv;
    lac_pool *pool;
    lacuna_allocator mem;
    atomic_bool cancel;
    uint8_t *flags; /* [V], NEVER at the mask index */
} engine;

static void engine_open(engine *e, const lac_weights *w, size_t kern, uint32_t mask, size_t entries)
{
    lacuna_error err;
    *e = (engine){.w = *w, .mem = lac_mem_system_or((lacuna_allocator){0})};
    e->w.hp.mask = mask;
    e->flags = calloc(w->hp.vocab, 1);
    assert_non_null(e->flags);
    e->flags[mask] = LAC_TOKEN_NEVER;
    CHECK(lac_pool_open(&e->pool, &e->mem, 2, &err) == 0, "%s", err.msg);
    CHECK(lac_net_open(&e->net, &e->w, all.kern[kern], &e->mem, e->pool, &e->cancel, &err) == 0, "%s", err.msg);
    CHECK(lac_net_reserve(&e->net, entries, &err) == 0, "%s", err.msg);
    lac_kv_store_init(&e->store, &e->w.hp, LAC_F32, &e->mem);
    lac_kv_init(&e->kv, &e->store);
    CHECK(lac_kv_reserve(&e->kv, entries, &err) == 0, "%s", err.msg);
}

static void engine_close(engine *e)
{
    lac_kv_free(&e->kv);
    lac_kv_store_free(&e->store);
    lac_net_free(&e->net);
    lac_pool_free(e->pool);
    free(e->flags);
}

typedef struct {
    float *to; /* where row `first` goes */
    size_t first, v;
} sink;

static int sink_row(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    sink *s = ctx;
    (void)p, (void)err;
    memcpy(s->to + (i - s->first) * s->v, logits, s->v * sizeof *logits);
    return 0;
}

static void forward(engine *e, const int32_t *token, const int32_t *pos, const uint32_t *sees, size_t n, size_t keep, size_t first,
                    float *to)
{
    lacuna_error err;
    sink s = {to, first, e->w.hp.vocab};
    lac_part part = {&e->kv, token, pos, sees, n, keep, first};
    CHECK(lac_net_forward(&e->net, &(lac_pass){&part, 1, NULL}, sink_row, &s, &err) == 0, "%s", err.msg);
}

/* Instances of a batch, or orders, to run.  The scalar table needs a minute for m2: where the CPU has a faster table that
 * runs everything, it does only some of each case. */
static size_t few(const job *j, size_t n, size_t some)
{
    bool slow = j->model && all.n_kern > 1 && !strcmp(all.kern[j->kern]->name, "ref");
    return slow && n > some ? some : n;
}

static uint32_t mask_of(const job *j) /* the case's own, or the model's */
{
    const json_t *v = json_object_get(json_object_get(j->c, "params"), "mask_index");
    return v ? (uint32_t)json_integer_value(v) : all.model[j->model][F32].w.hp.mask;
}

/* ---- cases that run a network ---- */

static lac_rule rule_of(const char *mode)
{
    if (!strcmp(mode, "causal")) return LAC_RULE_PAPER;
    if (!strcmp(mode, "bidirectional")) return LAC_RULE_BIDIRECTIONAL;
    if (!strcmp(mode, "mixed")) return LAC_RULE_MIXED;
    assert_string_equal(mode, "mixed2");
    return LAC_RULE_PREFIX;
}

static void diffusion_forward(void **state)
{
    const job *j = *state;
    size_t shape[3], v = all.model[j->model][F32].w.hp.vocab;
    float *want = golden_tensor(j->c, "logits", "f32", shape, NULL);
    int32_t *zt = golden_tensor(j->c, "zt", "i32", NULL, NULL), *sort_idx = golden_tensor(j->c, "sort_idx", "i32", NULL, NULL);
    int32_t *cutoffs = golden_tensor(j->c, "cutoffs", "i32", NULL, NULL);
    size_t n = shape[1];
    float *got = malloc(n * v * sizeof *got);
    uint32_t *sees = malloc(n * sizeof *sees);
    engine e;
    engine_open(&e, &all.model[j->model][F32].w, j->kern, mask_of(j), n);
    for (size_t b = 0; b < few(j, shape[0], 1); b++) {
        size_t c = cutoffs ? (size_t)cutoffs[b] : 0;
        lac_rule_sees(rule_of(golden_mode(j->c, "attn_mode")), c, n - c, sees);
        forward(&e, zt + b * n, sort_idx + b * n, sees, n, 0, 0, got);
        for (size_t i = 0; i < n * v; i++) close_to(j, DIFFUSION, got[i], want[b * n * v + i], model[j->model].logits);
    }
    engine_close(&e);
    free(want), free(zt), free(sort_idx), free(cutoffs), free(got), free(sees);
}

/* zt and x0 as one pass: the n entries of x0 (clean), then the n of zt, each of which sees itself and the x0
 * entries of lower rank. */
static void sequential_sees(const char *mode, size_t n, size_t cutoff, uint32_t *sees)
{
    lac_rule_sees(strcmp(mode, "mixed") ? LAC_RULE_PAPER : LAC_RULE_PREFIX, cutoff, n - cutoff, sees);
    for (size_t i = 0; i < n; i++) sees[n + i] = (uint32_t)i;
}

static void sequential_forward(void **state)
{
    const job *j = *state;
    size_t shape[3], v = all.model[j->model][F32].w.hp.vocab;
    float *want = golden_tensor(j->c, "logits", "f32", shape, NULL);
    int32_t *zt = golden_tensor(j->c, "zt", "i32", NULL, NULL), *sort_idx = golden_tensor(j->c, "sort_idx", "i32", NULL, NULL);
    int32_t *x0 = golden_tensor(j->c, "x0", "i32", NULL, NULL), *cutoffs = golden_tensor(j->c, "cutoffs", "i32", NULL, NULL);
    size_t n = shape[1];
    float *got = malloc(n * v * sizeof *got);
    uint32_t *sees = malloc(2 * n * sizeof *sees);
    int32_t *token = malloc(2 * n * sizeof *token), *pos = malloc(2 * n * sizeof *pos);
    engine e;
    engine_open(&e, &all.model[j->model][F32].w, j->kern, mask_of(j), 2 * n);
    for (size_t b = 0; b < few(j, shape[0], 1); b++) {
        memcpy(token, x0 + b * n, n * sizeof *token);
        memcpy(token + n, zt + b * n, n * sizeof *token);
        memcpy(pos, sort_idx + b * n, n * sizeof *pos);
        memcpy(pos + n, sort_idx + b * n, n * sizeof *pos);
        sequential_sees(golden_mode(j->c, "attn_mode"), n, (size_t)cutoffs[b], sees);
        forward(&e, token, pos, sees, 2 * n, 0, n, got);
        for (size_t i = 0; i < n * v; i++) close_to(j, SEQUENTIAL, got[i], want[b * n * v + i], model[j->model].logits);
    }
    engine_close(&e);
    free(want), free(zt), free(sort_idx), free(x0), free(cutoffs), free(got), free(sees), free(token), free(pos);
}

/* The sampler's own trace: the tokens fed are those chosen here, not those of the file. */
static void kv_cached_sampling(void **state)
{
    const job *j = *state;
    size_t shape[3], n_steps, v = all.model[j->model][F32].w.hp.vocab, fed = 0;
    float *want = golden_tensor(j->c, "logits", "f32", shape, NULL);
    int32_t *sort_idx = golden_tensor(j->c, "sort_idx", "i32", NULL, NULL), *tokens = golden_tensor(j->c, "tokens_rank", "i32", NULL, NULL);
    int32_t *groups = golden_tensor(j->c, "groups", "i32", NULL, &n_steps), *steps = golden_tensor(j->c, "steps", "i32", NULL, NULL);
    double *u = golden_tensor(j->c, "u", "f64", NULL, NULL);
    size_t n = shape[1];
    bool gumbel = !strcmp(golden_mode(j->c, "choice"), "gumbel");
    assert_true(gumbel == (u != NULL));
    lac_cut cut = {.temperature = gumbel ? 1 : 0, .top_p = golden_param(j->c, "p_nucleus")};
    float *got = malloc(n * v * sizeof *got);
    uint32_t *sees = malloc(n * sizeof *sees);
    int32_t *token = malloc(n * sizeof *token);
    lac_cand *room = malloc(v * sizeof *room);
    engine e;
    engine_open(&e, &all.model[j->model][F32].w, j->kern, mask_of(j), n);
    for (size_t b = 0; b < few(j, shape[0], 1); b++) {
        size_t from = 0, at = 0; /* first rank fed, first rank fed as a mask */
        lac_kv_crop(&e.kv, 0);
        for (size_t i = 0; i < n; i++) token[i] = (int32_t)e.w.hp.mask;
        for (size_t s = 0; s < n_steps; s++) {
            size_t m = (size_t)groups[s], c = at - from;
            assert_true((size_t)steps[3 * s] == from && (size_t)steps[3 * s + 1] == at && (size_t)steps[3 * s + 2] == at + m);
            assert_int_equal(e.kv.len, from);
            lac_rule_sees(LAC_RULE_PAPER, c, m, sees);
            forward(&e, token + from, sort_idx + b * n + from, sees, c + m, c, c, got);
            fed += c + m;
            for (size_t i = 0; i < m; i++) {
                size_t rank = b * n + at + i;
                for (size_t k = 0; k < v; k++) close_to(j, CACHED, got[i * v + k], want[rank * v + k], model[j->model].logits);
                lac_pick p = lac_pick_token(got + i * v, v, e.flags, 0, &cut, NULL, 0, u ? u + rank * v : NULL, room);
                CHECK(p.token == tokens[rank], "%s: step %zu chose %d at rank %zu, expected %d", j->name, s, p.token, at + i, tokens[rank]);
                token[at + i] = p.token;
            }
            from = at;
            at += m;
        }
        assert_int_equal(at, n);
    }
    assert_int_equal(fed, few(j, shape[0], 1) * (2 * n - (size_t)groups[n_steps - 1]));
    engine_close(&e);
    free(want), free(sort_idx), free(tokens), free(groups), free(steps), free(u), free(got), free(sees), free(token), free(room);
}

/* logprob[n] of x0[n] in natural order, under an order rank -> position. */
static void log_likelihood_of(engine *e, const int32_t *x0, const int32_t *order, size_t n, double *logprob)
{
    lacuna_error err;
    int32_t *token = malloc(n * sizeof *token);
    lac_part part;
    lac_loglik_room room = {malloc(2 * n * sizeof(int32_t)), malloc(2 * n * sizeof(int32_t)), malloc(2 * n * sizeof(uint32_t)), &part};
    const lac_loglik_list list = {&e->kv, token, order, n, logprob};
    for (size_t r = 0; r < n; r++) token[r] = x0[order[r]];
    CHECK(lac_loglik(&e->net, &list, 1, e->flags, LAC_TOKEN_NEVER, &room, &err) == 0, "%s", err.msg);
    assert_int_equal(e->kv.len, 0);
    free(token), free(room.token), free(room.pos), free(room.sees);
}

static void log_likelihood(void **state)
{
    const job *j = *state;
    size_t shape[3];
    float *want = golden_tensor(j->c, "logp_per_token", "f32", shape, NULL), *sums = golden_tensor(j->c, "logp_per_seq", "f32", NULL, NULL);
    int32_t *x0 = golden_tensor(j->c, "x0", "i32", NULL, NULL), *order = golden_tensor(j->c, "sort_idx", "i32", NULL, NULL);
    size_t n = shape[1];
    double *got = malloc(n * sizeof *got);
    engine e;
    engine_open(&e, &all.model[j->model][F32].w, j->kern, mask_of(j), 2 * n - 1);
    for (size_t b = 0; b < few(j, shape[0], 1); b++) {
        double sum = 0;
        log_likelihood_of(&e, x0 + b * n, order, n, got);
        for (size_t r = 0; r < n; r++) {
            close_to(j, TOKEN, got[r], want[b * n + r], model[j->model].token);
            sum += got[r];
        }
        close_to(j, SEQUENCE, sum, sums[b], model[j->model].sequence);
    }
    engine_close(&e);
    free(want), free(sums), free(x0), free(order), free(got);
}

static void importance_weighted(void **state)
{
    const job *j = *state;
    size_t shape[3], order_shape[3];
    int32_t *x0 = golden_tensor(j->c, "x0", "i32", shape, NULL), *order = golden_tensor(j->c, "sort_idx", "i32", order_shape, NULL);
    float *each = golden_tensor(j->c, "logp", "f32", NULL, NULL), *bound = golden_tensor(j->c, "logp_iw", "f32", NULL, NULL);
    size_t n = shape[1], orders = order_shape[0];
    size_t sequences = few(j, shape[0], 1), some = few(j, orders, 2);
    double *got = malloc(n * sizeof *got), *sum = malloc(orders * sizeof *sum), total = 0;
    engine e;
    engine_open(&e, &all.model[j->model][F32].w, j->kern, mask_of(j), 2 * n - 1);
    for (size_t b = 0; b < sequences; b++) {
        for (size_t k = 0; k < some; k++) {
            log_likelihood_of(&e, x0 + b * n, order + k * n, n, got);
            sum[k] = 0;
            for (size_t r = 0; r < n; r++) sum[k] += got[r];
            close_to(j, SEQUENCE, sum[k], each[b * orders + k], model[j->model].sequence);
        }
        if (some < orders) continue;
        double mean = lac_loglik_mean(sum, orders);
        close_to(j, BOUND, mean, bound[b], model[j->model].sequence);
        total -= mean;
    }
    double tokens = golden_param(j->c, "num_tokens");
    CHECK(sequences < shape[0] || fabs(total / tokens - golden_scalar(j->c, "loss")) < 1e-5, "loss %.8g, expected %.8g", total / tokens, golden_scalar(j->c, "loss"));
    engine_close(&e);
    free(x0), free(order), free(each), free(bound), free(got), free(sum);
}

/* The network's own angles, as it leaves them behind for the entries of a pass. */
static void rope_table(void **state)
{
    const job *j = *state;
    size_t shape[3];
    float *cosines = golden_tensor(j->c, "cos", "f32", shape, NULL), *sines = golden_tensor(j->c, "sin", "f32", NULL, NULL), *unused;
    size_t n = shape[0], half = shape[1];
    engine e;
    engine_open(&e, &all.model[j->model][F32].w, j->kern, mask_of(j), n);
    assert_int_equal(half * 2, e.w.hp.head_dim);
    unused = malloc(e.w.hp.vocab * sizeof *unused);
    for (int32_t pos = 0; pos < (int32_t)n; pos++) {
        forward(&e, &(int32_t){0}, &pos, &(uint32_t){0}, 1, 0, 0, unused);
        for (size_t k = 0; k < half; k++) {
            size_t at = (size_t)pos * half + k;
            CHECK(fabsf(e.net.angle[k] - cosines[at]) < 2e-5f, "cos(%d, %zu): %g, expected %g", pos, k, e.net.angle[k], cosines[at]);
            CHECK(fabsf(e.net.angle[half + k] - sines[at]) < 2e-5f, "sin(%d, %zu): %g, expected %g", pos, k, e.net.angle[half + k], sines[at]);
        }
    }
    engine_close(&e);
    free(cosines), free(sines), free(unused);
}

/* ---- quantised weights: the same logits, nearly ---- */

static void quantised(const job *j, int type, double agree, double rms_limit)
{
    size_t shape[3], v = all.model[j->model][F32].w.hp.vocab, mask = all.model[j->model][F32].w.hp.mask, same = 0, rows = 0;
    float *want = golden_tensor(j->c, "logits", "f32", shape, NULL);
    int32_t *zt = golden_tensor(j->c, "zt", "i32", NULL, NULL), *sort_idx = golden_tensor(j->c, "sort_idx", "i32", NULL, NULL);
    size_t n = shape[1];
    float *got = malloc(n * v * sizeof *got);
    uint32_t *sees = malloc(n * sizeof *sees);
    double largest = 0, squares = 0;
    engine e;
    engine_open(&e, &all.model[j->model][type].w, j->kern, (uint32_t)mask, n);
    lac_rule_sees(LAC_RULE_PAPER, n, 0, sees);
    for (size_t b = 0; b < few(j, shape[0], 1); b++) {
        forward(&e, zt + b * n, sort_idx + b * n, sees, n, 0, 0, got);
        for (size_t i = 0; i < n; i++) {
            const float *x = got + i * v, *y = want + (b * n + i) * v;
            size_t best = mask ? 0 : 1, true_best = best;
            for (size_t k = 0; k < v; k++) {
                double d = fabs((double)x[k] - y[k]);
                if (!(d <= largest)) largest = d;
                squares += d * d;
                if (k != mask && x[k] > x[best]) best = k;
                if (k != mask && y[k] > y[true_best]) true_best = k;
            }
            same += best == true_best;
            rows++;
        }
    }
    double share = 100.0 * (double)same / (double)rows, rms = sqrt(squares / (double)(rows * v));
    if (j->kern + 1 == all.n_kern) /* the tables agree but for rounding: one line is enough */
        printf("report: %s %s: argmax agrees in %.1f %% of %zu rows; logits differ by at most %.3f, rms %.4f\n", model[j->model].name,
               type_name[type], share, rows, largest, rms);
    CHECK(share > agree, "%s: agreement %.1f %%", j->name, share);
    CHECK(rms < rms_limit, "%s: rms difference %g", j->name, rms);
    engine_close(&e);
    free(want), free(zt), free(sort_idx), free(got), free(sees);
}

/* Floors from what was measured (98.8, 98.0; 98.8, 91.7 %), with margin: a rounding error of 0.5 % of each weight of
 * these small, random and sharp networks adds up to 6 % of the spread of m2's logits. */
static void bf16_agrees(void **state) { quantised(*state, BF16, 95, ((const job *)*state)->model ? 0.08 : 0.03); }
static void q8_0_agrees(void **state)
{
    const job *j = *state;
    quantised(j, Q8_0, j->model ? 88 : 95, j->model ? 0.2 : 0.08);
}

/* ---- cases without a network ---- */

static void attention_masks(void **state)
{
    const job *j = *state;
    static const char *const modes[] = {"causal", "bidirectional", "mixed", "mixed2"};
    size_t n = (size_t)golden_param(j->c, "length"), count;
    int32_t *cutoffs = golden_tensor(j->c, "cutoffs", "i32", NULL, &count);
    uint32_t *sees = malloc(2 * n * sizeof *sees);
    for (size_t m = 0; m < 4; m++) {
        uint8_t *mask = golden_tensor(j->c, modes[m], "u8", NULL, NULL);
        for (size_t b = 0; b < count; b++) {
            lac_rule_sees(rule_of(modes[m]), (size_t)cutoffs[b], n - (size_t)cutoffs[b], sees);
            for (size_t q = 0; q < n; q++)
                for (size_t k = 0; k < n; k++)
                    CHECK((k == q || k < sees[q]) == mask[(b * n + q) * n + k], "%s, cutoff %d: %zu -> %zu", modes[m], cutoffs[b], q, k);
        }
        free(mask);
    }
    for (int mixed = 0; mixed < 2; mixed++) { /* rows and columns of the file: zt, then x0; here: x0, then zt */
        uint8_t *mask = golden_tensor(j->c, mixed ? "sequential_mixed" : "sequential_causal", "u8", NULL, NULL);
        for (size_t b = 0; b < count; b++) {
            sequential_sees(mixed ? "mixed" : "causal", n, (size_t)cutoffs[b], sees);
            for (size_t q = 0; q < 2 * n; q++)
                for (size_t k = 0; k < 2 * n; k++) {
                    int want = mask[(b * 2 * n + (q + n) % (2 * n)) * 2 * n + (k + n) % (2 * n)];
                    CHECK((k == q || k < sees[q]) == want, "sequential %d, cutoff %d: %zu -> %zu", mixed, cutoffs[b], q, k);
                }
            if (mixed) continue;
            lac_rule_likelihood(n, sees); /* the same without the last entry of x0, which no other sees */
            for (size_t q = 0; q < 2 * n - 1; q++)
                for (size_t k = 0; k < 2 * n - 1; k++) {
                    size_t row = q < n - 1 ? n + q : q - (n - 1), col = k < n - 1 ? n + k : k - (n - 1);
                    CHECK((k == q || k < sees[q]) == mask[(b * 2 * n + row) * 2 * n + col], "likelihood: %zu -> %zu", q, k);
                }
            for (size_t q = 0; q < 2 * n - 1; q++) assert_int_equal(mask[(b * 2 * n + q) * 2 * n + 2 * n - 1], 0);
        }
        free(mask);
    }
    free(cutoffs), free(sees);
}

static void noise_schedule(void **state)
{
    const job *j = *state;
    size_t nt, na;
    double *t = golden_tensor(j->c, "t", "f64", NULL, &nt), *a = golden_tensor(j->c, "alpha_0", "f64", NULL, &na);
    double *alpha = golden_tensor(j->c, "alpha_t", "f64", NULL, NULL), *slope = golden_tensor(j->c, "dalpha_t", "f64", NULL, NULL);
    assert_true(golden_param(j->c, "eps") == LAC_NOISE_EPS);
    for (size_t i = 0; i < na; i++) {
        for (size_t k = 0; k < nt; k++) {
            double got = lac_schedule_alpha(t[k], a[i]);
            CHECK(fabs(got - alpha[i * nt + k]) < 1e-14, "alpha_0 %g, t %g: %.17g, expected %.17g", a[i], t[k], got, alpha[i * nt + k]);
        }
        assert_true(fabs(lac_schedule_alpha(1, a[i]) - lac_schedule_alpha(0, a[i]) - slope[i]) < 1e-14);
    }
    free(t), free(a), free(alpha), free(slope);
}

typedef struct {
    const double *u;
    size_t at, n;
} given;

static double next_given(void *ctx)
{
    given *g = ctx;
    CHECK(g->at < g->n, "more than the %zu uniforms of the file were asked for", g->n);
    return g->u[g->at++];
}

static void unmasking_counts(void **state)
{
    const job *j = *state;
    size_t L = (size_t)golden_param(j->c, "L"), T = (size_t)golden_param(j->c, "T"), n_groups, n_u = 0, diffused, trials = 0, at = 0;
    double alpha0 = golden_param(j->c, "alpha_0");
    double *t = golden_tensor(j->c, "t", "f64", NULL, NULL), *s = golden_tensor(j->c, "s", "f64", NULL, NULL);
    double *alpha_t = golden_tensor(j->c, "alpha_t", "f64", NULL, NULL), *alpha_s = golden_tensor(j->c, "alpha_s", "f64", NULL, NULL);
    double *prob = golden_tensor(j->c, "probability", "f64", NULL, NULL), *u = golden_tensor(j->c, "u", "f64", NULL, &n_u);
    int32_t *remaining = golden_tensor(j->c, "remaining", "i32", NULL, NULL), *outcome = golden_tensor(j->c, "outcome", "i32", NULL, NULL);
    int32_t *counts = golden_tensor(j->c, "counts", "i32", NULL, &n_groups);
    size_t *size = malloc((T + 1 < L ? T + 1 : L) * sizeof *size);
    for (size_t k = 0; k < T; k++) {
        double got = lac_schedule_prob(k, T, alpha0);
        CHECK(fabs(got - prob[k]) < 1e-14, "step %zu: probability %.17g, expected %.17g", k, got, prob[k]);
        assert_true(fabs(lac_schedule_alpha(t[k], alpha0) - alpha_t[k]) < 1e-14);
        assert_true(fabs(lac_schedule_alpha(s[k], alpha0) - alpha_s[k]) < 1e-14);
        trials += (size_t)remaining[k];
    }
    bool real = u != NULL;
    if (!real) { /* no uniforms in the file: some that give its outcomes */
        u = malloc(trials * sizeof *u);
        for (size_t k = 0; k < T; k++)
            for (int32_t i = 0; i < remaining[k]; i++) u[n_u++] = i < outcome[k] ? 0 : 1 - 0x1p-53;
    }
    assert_int_equal(n_u, trials);
    given g = {u, 0, n_u};
    for (size_t k = 0; k < T; k++) {
        size_t got = lac_schedule_binomial(next_given, &g, (size_t)remaining[k], lac_schedule_prob(k, T, alpha0));
        CHECK(got == (size_t)outcome[k], "step %zu: %zu of %d, expected %d", k, got, remaining[k], outcome[k]);
    }
    g.at = 0;
    size_t groups = lac_schedule_draw(L, T, alpha0, next_given, &g, size, &diffused);
    assert_int_equal(groups, n_groups);
    assert_int_equal(diffused, (size_t)golden_param(j->c, "total"));
    for (; at < groups; at++) CHECK(size[at] == (size_t)counts[at], "group %zu: %zu, expected %d", at, size[at], counts[at]);
    free(t), free(s), free(alpha_t), free(alpha_s), free(prob), free(u), free(remaining), free(outcome), free(counts), free(size);
}

/* What every block schedule is, whoever drew its permutations. */
static void check_blocks(const size_t *order, const size_t *size, size_t groups, size_t n, size_t G, double alpha0)
{
    size_t rows = (size_t)((double)G * alpha0), at = 0;
    bool *used = calloc(n, sizeof *used);
    assert_true(groups >= rows);
    for (size_t i = 0; i < n; i++) {
        assert_true(order[i] < n && !used[order[i]]);
        used[order[i]] = true;
    }
    for (size_t g = 0; g < rows; at += size[g++]) {
        assert_int_equal(size[g], n / G);
        for (size_t i = 0; i < size[g]; i++) assert_int_equal(order[at + i] % G, order[at] % G);
    }
    assert_int_equal(groups - rows, n - at);
    for (size_t g = rows; g < groups; g++) assert_int_equal(size[g], 1);
    for (size_t i = at + 1; i < n; i++) assert_true(order[i] > order[i - 1]);
    free(used);
}

static void block_schedule(void **state)
{
    const job *j = *state;
    size_t n = (size_t)golden_param(j->c, "L"), G = (size_t)golden_param(j->c, "subcontext_len"), n_groups, groups, diffused;
    double alpha0 = golden_param(j->c, "alpha_0");
    int32_t *sort_idx = golden_tensor(j->c, "sort_idx", "i32", NULL, NULL), *counts = golden_tensor(j->c, "groups", "i32", NULL, &n_groups);
    int32_t *rows = golden_tensor(j->c, "group_permutation", "i32", NULL, NULL), *inside = golden_tensor(j->c, "row_permutations", "i32", NULL, NULL);
    size_t *order = malloc(n * sizeof *order), *size = malloc(n * sizeof *size);
    assert_true((rows != NULL) == (golden_param(j->c, "shuffle") != 0));
    groups = lac_schedule_blocks(n, G, alpha0, NULL, order, size, &diffused);
    assert_int_equal(groups, n_groups);
    for (size_t g = 0; g < groups; g++) assert_int_equal(size[g], counts[g]);
    if (!rows)
        for (size_t i = 0; i < n; i++) CHECK(order[i] == (size_t)sort_idx[i], "rank %zu is %zu, expected %d", i, order[i], sort_idx[i]);
    else { /* the given permutations of rows and of slots inside a row turn our plain order into theirs */
        size_t width = n / G, *plain = malloc(n * sizeof *plain);
        assert_int_equal(lac_schedule_blocks(n, G, 1, NULL, plain, size, &diffused), G);
        groups = lac_schedule_blocks(n, G, alpha0, NULL, order, size, &diffused);
        for (size_t i = 0; i < diffused; i++) {
            size_t row = (size_t)rows[i / width];
            CHECK(plain[row * width + (size_t)inside[row * width + i % width]] == (size_t)sort_idx[i], "rank %zu", i);
        }
        for (size_t i = 0; i < n; i++) order[i] = (size_t)sort_idx[i];
        check_blocks(order, size, groups, n, G, alpha0);
        for (uint64_t seed = 0; seed < 100; seed++) {
            lac_rng rng = lac_rng_make(seed, LAC_RNG_ORDER);
            groups = lac_schedule_blocks(n, G, alpha0, &rng, order, size, &diffused);
            assert_int_equal(groups, n_groups);
            check_blocks(order, size, groups, n, G, alpha0);
        }
        free(plain);
    }
    free(sort_idx), free(counts), free(rows), free(inside), free(order), free(size);
}

static void nucleus(void **state)
{
    const job *j = *state;
    size_t shape[3];
    float *logits = golden_tensor(j->c, "logits", "f32", shape, NULL);
    size_t v = shape[1];
    lac_cand *c = malloc(v * sizeof *c);
    uint8_t *kept = malloc(v);
    for (int half = 0; half < 2; half++) {
        uint8_t *keep = golden_tensor(j->c, half ? "keep_p50" : "keep_p90", "u8", NULL, NULL);
        for (size_t i = 0; i < shape[0]; i++) {
            for (size_t k = 0; k < v; k++) c[k] = (lac_cand){logits[i * v + k], (int32_t)k};
            size_t n = lac_pick_cut(c, v, &(lac_cut){.top_p = half ? 0.5 : 0.9});
            memset(kept, 0, v);
            for (size_t k = 0; k < n; k++) kept[c[k].token] = 1;
            for (size_t k = 0; k < v; k++) CHECK(kept[k] == keep[i * v + k], "row %zu, token %zu: kept %d", i, k, kept[k]);
        }
        free(keep);
    }
    free(logits), free(c), free(kept);
}

/* ---- the list of tests: one a case, those that run a network once a kernel table ---- */

static const struct {
    const char *kind;
    CMUnitTestFunction run;
    bool network;
} kinds[] = {
    {"diffusion_forward", diffusion_forward, true},
    {"sequential_forward", sequential_forward, true},
    {"kv_cached_sampling", kv_cached_sampling, true},
    {"log_likelihood", log_likelihood, true},
    {"importance_weighted", importance_weighted, true},
    {"rope_table", rope_table, true},
    {"attention_masks", attention_masks, false},
    {"noise_schedule", noise_schedule, false},
    {"unmasking_counts", unmasking_counts, false},
    {"block_schedule", block_schedule, false},
    {"nucleus", nucleus, false},
};

static char folder[256];

static int open_all(void **state)
{
    (void)state;
    tiny_folder(folder);
    for (size_t m = 0; m < MODELS; m++)
        for (size_t t = 0; t < TYPES; t++) {
            char in[64], config[64], out[512];
            lacuna_error err;
            snprintf(in, sizeof in, GOLDEN_DIR "/%s.safetensors", model[m].name);
            snprintf(config, sizeof config, GOLDEN_DIR "/%s.config.json", model[m].name);
            snprintf(out, sizeof out, "%s/%s-%s.gguf", folder, model[m].name, type_name[t]);
            lacuna_convert_options o = {LACUNA_CONVERT_INIT, .type = type_name[t]};
            CHECK(lacuna_convert(in, config, out, &o, &err) == 0, "%s", err.msg);
            tiny_open(&all.model[m][t], out);
        }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++)
        for (size_t t = 0; t < TYPES; t++) tiny_close(&all.model[m][t]);
    tiny_folder_remove(folder);
    for (size_t k = 0; k < all.n_kern; k++)
        for (size_t m = 0; m < MODELS; m++) {
            printf("report: %s f32 %s: largest difference", model[m].name, all.kern[k]->name);
            for (int i = 0; i < KINDS; i++) printf("%s %s %.1e", i ? "," : "", kind_name[i], seen[k][m][i]);
            printf("\n");
        }
    return 0;
}

int main(void)
{
    static const char *const tables[KERNS] = {KERN_TABLES};
    for (size_t i = 0; i < KERNS; i++)
        if ((all.kern[all.n_kern] = lac_kern_pick(tables[i]))) all.n_kern++;
    golden_open(&all.cases);
    size_t count = golden_count(&all.cases), n = 0, most = KERNS * (count + 2 * MODELS);
    struct CMUnitTest *tests = calloc(most, sizeof *tests);
    job *jobs = calloc(most, sizeof *jobs);
    if (!tests || !jobs) return 1;
    for (size_t k = 0; k < all.n_kern; k++)
        for (size_t i = 0; i < count; i++) {
            const json_t *c = golden_case(&all.cases, i);
            const char *id = golden_text(c, "id");
            size_t m = !strcmp(golden_text(c, "model"), "m2");
            for (size_t t = 0; t < sizeof kinds / sizeof *kinds; t++) {
                if (strcmp(kinds[t].kind, golden_text(c, "kind")) != 0 || (k && !kinds[t].network)) continue;
                job *j = &jobs[n];
                *j = (job){c, k, m, ""};
                if (kinds[t].network) snprintf(j->name, sizeof j->name, "%s %s", all.kern[k]->name, id);
                else snprintf(j->name, sizeof j->name, "%s", id);
                tests[n++] = (struct CMUnitTest){j->name, kinds[t].run, NULL, NULL, j};
            }
            for (int type = BF16; type <= Q8_0 && strstr(id, "/a_causal"); type++) {
                job *j = &jobs[n];
                *j = (job){c, k, m, ""};
                snprintf(j->name, sizeof j->name, "%s %s %s", all.kern[k]->name, id, type_name[type]);
                tests[n++] = (struct CMUnitTest){j->name, type == BF16 ? bf16_agrees : q8_0_agrees, NULL, NULL, j};
            }
        }
    int r = n < 60 ? 1 : _cmocka_run_group_tests("golden", tests, n, open_all, close_all);
    golden_close(&all.cases);
    free(tests);
    free(jobs);
    return r ? 1 : 0;
}
