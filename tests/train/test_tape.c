/* Forward against the inference network on the same weights; backward against differences; what is not seen does not
 * count.  The official variant's gradients are held against the authors' in test_golden_loss. */
#include "common/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "common/tiny.h"
#include "net/net.h"
#include "net/rule.h"
#include "train/tape.h"

enum { V = 61, E = 32, L = 2, H = 2, N = 90 };

typedef struct {
    tiny model;
    lac_params ps;
    lac_math math;
    lac_tape *tape;
    float *w, *g;
    uint16_t *operand;
    lacuna_allocator mem;
    lac_example ex;
} rig;

static void rig_open(rig *r, const char *gemm)
{
    char folder[256], path[300];
    lacuna_error err;
    *r = (rig){.mem = lac_mem_system_or((lacuna_allocator){0}), .math = {lac_kern_pick(NULL), lac_grad_pick(NULL), lac_gemm_pick(gemm)}};
    snprintf(path, sizeof path, "%s/m.gguf", tiny_folder(folder));
    assert_int_equal(tiny_model(path, 1, V, E, L, H, 5), 0);
    tiny_open(&r->model, path);
    tiny_folder_remove(folder);
    CHECK(lac_params_open(&r->ps, &r->model.w.hp, 0, 0, &r->mem, &err) == 0, "%s", err.msg);
    r->w = calloc(r->ps.total, sizeof *r->w);
    r->g = calloc(lac_grad_size(&r->ps), sizeof *r->g);
    r->operand = calloc(r->ps.total, sizeof *r->operand);
    CHECK(lac_params_bind(&r->ps, &r->model.w, r->w, &err) == 0, "%s", err.msg);
    CHECK(lac_tape_open(&r->tape, &r->ps, &r->math, N, &r->mem, &err) == 0, "%s", err.msg);
    CHECK(lac_example_open(&r->ex, N, &r->mem, &err) == 0, "%s", err.msg);
}

static void rig_close(rig *r)
{
    lac_example_free(&r->ex, &r->mem);
    lac_tape_free(r->tape);
    lac_params_free(&r->ps);
    tiny_close(&r->model);
    free(r->w);
    free(r->g);
    free(r->operand);
}

/* Random tokens and rising positions; entry i sees what came before it and itself; every third has a target. */
static void causal(rig *r, uint64_t seed)
{
    lac_rng rng = lac_rng_make(seed, 1);
    lac_example *e = &r->ex;
    e->n = N;
    for (size_t i = 0; i < N; i++) {
        e->token[i] = (int32_t)lac_rng_below(&rng, V);
        e->pos[i] = (int32_t)lac_rng_below(&rng, 200);
        e->sees[i] = e->from[i] = (uint32_t)i;
        e->to[i] = (uint32_t)i + 1;
        e->target[i] = i % 3 == 2 ? (int32_t)lac_rng_below(&rng, V - 1) : -1; /* V - 1 is the mask */
        e->weight[i] = 0.5f + (float)lac_rng_u01(&rng);
        e->part[i] = (uint8_t)(i % LAC_PARTS);
    }
}

/* The same tokens under ranges of all kinds: blocks that see each other behind a prefix, an overlap of the two ranges, an
 * entry that sees only itself. */
static void ranges(rig *r, uint64_t seed)
{
    causal(r, seed);
    lac_example *e = &r->ex;
    for (size_t i = 0; i < N; i++) {
        size_t block = i / 16 * 16, end = block + 16 < N ? block + 16 : N;
        e->sees[i] = (uint32_t)(i % 5 == 0 ? 0 : i % 5 == 1 ? block / 2 : i % 5 == 2 ? N : block);
        e->from[i] = (uint32_t)(i % 7 == 0 ? i : block);
        e->to[i] = (uint32_t)(i % 7 == 0 ? i + 1 : end);
    }
}

static double loss_of(rig *r, const float *w, float *g, float *each, float *logits)
{
    lac_step_weights s;
    const double scale[LAC_PARTS] = {0.7, 1.1, 0.4, 0.9};
    double nll[LAC_PARTS] = {0}, sum = 0;
    lac_step_weights_make(&s, &r->ps, &r->math, w, r->operand, NULL);
    lac_tape_run(r->tape, &s, &r->ex, scale, nll, g, each, logits);
    for (size_t p = 0; p < LAC_PARTS; p++) sum += scale[p] * nll[p];
    return sum;
}

typedef struct { float *want; size_t n; double worst; const lac_example *ex; } compare;

static int take(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    compare *c = ctx;
    (void)p, (void)err;
    if (c->ex->target[i] < 0) return 0;
    for (size_t v = 0; v < V; v++) {
        double d = fabs((double)logits[v] - (double)c->want[c->n * V + v]);
        if (d > c->worst) c->worst = d;
    }
    c->n++;
    return 0;
}

/* Logits of causal and independent-mask entries are those of inference. */
static void check_forward(const char *gemm, double allowed)
{
    rig r;
    lacuna_error err;
    rig_open(&r, gemm);
    for (int rule = 0; rule < 2; rule++) {
        causal(&r, 11 + (uint64_t)rule);
        if (rule == 1)
            for (size_t i = N / 2; i < N; i++) r.ex.sees[i] = (uint32_t)(i - N / 2); /* masks that see clean ones only */
        float *logits = calloc((size_t)N * V, sizeof *logits);
        loss_of(&r, r.w, NULL, NULL, logits);
        lac_net net;
        lac_kv_store store;
        lac_kv kv;
        lac_pool *pool;
        atomic_bool cancel = false;
        assert_int_equal(lac_pool_open(&pool, &r.mem, 1, &err), 0);
        assert_int_equal(lac_net_open(&net, &r.model.w, r.math.kern, &r.mem, pool, &cancel, &err), 0);
        assert_int_equal(lac_net_reserve(&net, 0, &err), 0);
        lac_kv_store_init(&store, &r.model.w.hp, LAC_F32, &r.mem);
        lac_kv_init(&kv, &store);
        assert_int_equal(lac_kv_reserve(&kv, N, &err), 0);
        lac_part part = {&kv, r.ex.token, r.ex.pos, r.ex.sees, N, 0, 0};
        compare c = {.want = logits, .ex = &r.ex};
        CHECK(lac_net_forward(&net, &(lac_pass){&part, 1, NULL}, take, &c, &err) == 0, "%s", err.msg);
        assert_int_equal(c.n, N / 3);
        CHECK(c.worst < allowed, "%s: logits differ by %g", gemm, c.worst);
        CHECK(c.worst > 0 || !strcmp(gemm, "ref"), "nothing was compared");
        lac_kv_free(&kv);
        lac_kv_store_free(&store);
        lac_net_free(&net);
        lac_pool_free(pool);
        free(logits);
    }
    rig_close(&r);
}

static void forward_ref(void **state) { (void)state, check_forward("ref", 2e-5); }
static void forward_blas(void **state) { (void)state, check_forward("blas", 2e-5); }
static void forward_bf16(void **state)
{
    (void)state;
    if (!lac_gemm_pick("bf16")) skip();
    check_forward("bf16", 0.1);
}

/* Tensor by tensor, the loss along the direction of the gradient rises by its norm. */
static void check_backward(void (*fill)(rig *, uint64_t))
{
    rig r;
    rig_open(&r, "ref");
    fill(&r, 3);
    loss_of(&r, r.w, r.g, NULL, NULL);
    float *moved = malloc(r.ps.total * sizeof *moved);
    for (size_t i = 0; i < r.ps.n; i++) {
        const lac_param *p = &r.ps.p[i];
        double norm = 0, side[2];
        for (size_t k = 0; k < p->n; k++) norm += (double)r.g[p->at + k] * (double)r.g[p->at + k];
        norm = sqrt(norm);
        CHECK(norm > 1e-4, "%s has no gradient", p->name);
        double h = 2e-3 / (norm > 0.1 ? norm : 0.1);
        for (int t = 0; t < 2; t++) {
            memcpy(moved, r.w, r.ps.total * sizeof *moved);
            for (size_t k = 0; k < p->n; k++) moved[p->at + k] += (float)((t ? -h : h) * (double)r.g[p->at + k]);
            side[t] = loss_of(&r, moved, NULL, NULL, NULL);
        }
        double slope = (side[0] - side[1]) / (2 * h * norm);
        CHECK(fabs(slope - norm) < 0.02 * norm, "%s: slope %g, gradient %g", p->name, slope, norm);
    }
    free(moved);
    rig_close(&r);
}

static void backward_causal(void **state) { (void)state, check_backward(causal); }
static void backward_ranges(void **state) { (void)state, check_backward(ranges); }

/* Entries that a target does not see do not move its loss; gradients add up; twice the same bits. */
static void blind_and_sums(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, "blas");
    causal(&r, 9);
    float first[N], second[N];
    loss_of(&r, r.w, r.g, first, NULL);
    float *again = calloc(r.ps.total, sizeof *again);
    loss_of(&r, r.w, again, second, NULL);
    assert_memory_equal(r.g, again, r.ps.total * sizeof *again);
    loss_of(&r, r.w, again, NULL, NULL);
    for (size_t k = 0; k < r.ps.total; k++) CHECK(fabsf(again[k] - 2 * r.g[k]) <= 1e-5f * (1 + fabsf(r.g[k])), "gradients do not add up at %zu", k);
    for (size_t i = N / 2; i < N; i++) r.ex.token[i] = (r.ex.token[i] + 1) % V;
    loss_of(&r, r.w, NULL, second, NULL);
    for (size_t i = 2; i < N; i += 3)
        if (i < N / 2) CHECK(fabsf(first[i] - second[i]) < 1e-6f, "entry %zu sees what comes after it", i);
        else CHECK(first[i] != second[i], "entry %zu does not see itself", i);
    free(again);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_ref), cmocka_unit_test(forward_blas), cmocka_unit_test(forward_bf16),
        cmocka_unit_test(backward_causal), cmocka_unit_test(backward_ranges), cmocka_unit_test(blind_and_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
