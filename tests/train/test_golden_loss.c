/* Losses and gradients against the authors' code (tests/golden/README.md): the hybrid loss with every draw given, Eso-LM
 * (B) and (A), padding, either part alone; for m1 every element of three gradients, for m2 norm and sum of each tensor's. */
#include "common/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/golden.h"
#include "file/safetensors.h"
#include "train/objective.h"
#include "train/tape.h"

enum { MODELS = 2 };
static const char *const model_name[MODELS] = {"m1", "m2"};
static const double nll_allowed[MODELS] = {1e-4, 5e-4};

typedef struct {
    lac_params ps;
    lac_config config;
    float *w, *mod, *g;
    uint16_t *operand;
    lac_tape *tape;
    lac_math math;
    lacuna_allocator mem;
    lac_step_weights s;
} bench;

static void bench_open(bench *b, size_t model, const char *gemm)
{
    lacuna_error err;
    char path[128];
    *b = (bench){.mem = lac_mem_system_or((lacuna_allocator){0}), .math = {lac_kern_pick(NULL), lac_grad_pick(NULL), lac_gemm_pick(gemm)}};
    assert_non_null(b->math.gemm);
    snprintf(path, sizeof path, GOLDEN_DIR "/%s.config.json", model_name[model]);
    CHECK(lac_config_load(&b->config, path, &err) == 0, "%s", err.msg);
    CHECK(lac_params_open(&b->ps, &b->config.hp, b->config.cond, b->config.freq, &b->mem, &err) == 0, "%s", err.msg);
    b->w = calloc(b->ps.total, sizeof *b->w);
    b->operand = calloc(b->ps.total, sizeof *b->operand);
    b->mod = calloc(lac_mod_size(&b->ps) + 1, sizeof *b->mod);
    b->g = calloc(lac_grad_size(&b->ps), sizeof *b->g);
    snprintf(path, sizeof path, GOLDEN_DIR "/%s.safetensors", model_name[model]);
    CHECK(lac_params_read(&b->ps, path, b->w, &err) == 0, "%s", err.msg);
    CHECK(lac_tape_open(&b->tape, &b->ps, &b->math, 256, &b->mem, &err) == 0, "%s", err.msg);
    lac_step_weights_make(&b->s, &b->ps, &b->math, b->w, b->operand, b->mod);
}

static void bench_close(bench *b)
{
    lac_tape_free(b->tape);
    lac_params_free(&b->ps);
    free(b->w);
    free(b->operand);
    free(b->mod);
    free(b->g);
}

/* ---- one case ---- */

typedef struct {
    const json_t *c;
    size_t B, L, split; /* rows, length, rows with the diffusion loss */
    int32_t *x0, *valid;
    double loss[LAC_PARTS];
} batch;



/* Row r of the batch as an example. */
static void make(const batch *b, const lac_objective *o, size_t r, lac_example *e)
{
    bool diffusion = r < b->split;
    size_t row = diffusion ? r : r - b->split, L = b->L;
    int32_t *sort = golden_tensor(b->c, diffusion ? "dif_sort_idx" : "seq_sort_idx", "i32", NULL, NULL);
    int32_t *zt = golden_tensor(b->c, diffusion ? "dif_zt" : "seq_zt", "i32", NULL, NULL);
    float *alpha = diffusion ? golden_tensor(b->c, "dif_alpha_t", "f32", NULL, NULL) : NULL;
    size_t order[256];
    uint8_t hide[256] = {0};
    for (size_t i = 0; i < L; i++) {
        order[i] = (size_t)sort[row * L + i];
        hide[order[i]] = zt[row * L + i] == o->mask;
    }
    if (diffusion) {
        bool low = !strcmp(golden_mode(b->c, "loss_type"), "low_var") && golden_param(b->c, "train_mode") != 0;
        double weight = low ? 1 : -golden_scalar(b->c, "dif_dalpha_t") / (1 - (double)alpha[row]);
        lac_example_diffusion(e, o, b->x0 + r * L, order, hide, L, weight);
    } else lac_example_sequential(e, o, b->x0 + r * L, order, hide, L);
    double *norm = &e->norm[diffusion ? LAC_PART_DIFFUSION : LAC_PART_SEQUENTIAL];
    *norm = 0;
    for (size_t i = 0; i < L; i++) *norm += b->valid[r * L + i];
    for (size_t i = 0; i < e->n; i++)
        if (e->target[i] >= 0 && !b->valid[r * L + (size_t)e->pos[i]]) e->weight[i] = 0;
    free(sort);
    free(zt);
    free(alpha);
}

/* The nll of every target against the authors' per-token losses. */
static void compare_each(const batch *b, size_t r, const lac_example *e, const float *each, double allowed)
{
    bool diffusion = r < b->split;
    size_t row = diffusion ? r : r - b->split, L = b->L, met = 0;
    float *want = golden_tensor(b->c, diffusion ? "dif_nll_low_var" : "seq_nll_per_token", "f32", NULL, NULL);
    int32_t *sort = golden_tensor(b->c, diffusion ? "dif_sort_idx" : "seq_sort_idx", "i32", NULL, NULL);
    int32_t *zt = golden_tensor(b->c, diffusion ? "dif_zt" : "seq_zt", "i32", NULL, NULL);
    for (size_t rank = 0; rank < L; rank++) {
        if (zt[row * L + rank] != (int32_t)golden_param(b->c, "mask_index")) continue;
        for (size_t i = 0; i < e->n; i++)
            if (e->target[i] >= 0 && e->pos[i] == sort[row * L + rank]) {
                double d = fabs((double)each[i] - (double)want[row * L + rank]);
                CHECK(d < allowed, "%s row %zu rank %zu: %g, expected %g", golden_text(b->c, "id"), r, rank, (double)each[i],
                      (double)want[row * L + rank]);
                met++;
            }
    }
    size_t targets = 0;
    for (size_t i = 0; i < e->n; i++) targets += e->target[i] >= 0;
    assert_int_equal(met, targets);
    free(want);
    free(sort);
    free(zt);
}

static void compare_gradients(bench *t, const json_t *c)
{
    const char *file = golden_mode(c, "gradients");
    lacuna_error err;
    lac_safetensors st;
    char path[128];
    snprintf(path, sizeof path, GOLDEN_DIR "/%s", file);
    CHECK(lac_safetensors_open(&st, path, &t->mem, &err) == 0, "%s", err.msg);
    double worst = 0;
    for (size_t i = 0; i < t->ps.n; i++) {
        const lac_param *p = &t->ps.p[i];
        const lac_st_tensor *s = lac_safetensors_find(&st, p->name);
        assert_non_null(s);
        double largest = 0, off = 0;
        for (size_t k = 0; k < p->n; k++) {
            double want;
            lac_safetensors_read(s, k, 1, &want);
            double d = fabs((double)t->g[p->at + k] - want);
            if (fabs(want) > largest) largest = fabs(want);
            if (d > off) off = d;
        }
        if (off / largest > worst) worst = off / largest;
        CHECK(off <= 1e-4 * largest, "%s: gradient of %s off by %g, largest element %g", golden_text(c, "id"), p->name, off, largest);
    }
    print_message("report: %s, gradients: largest error %.1e of the largest element of its tensor\n", golden_text(c, "id"), worst);
    lac_safetensors_close(&st);
}

static void compare_norms(bench *t, const json_t *c)
{
    double *l2 = golden_tensor(c, "grad_l2", "f64", NULL, NULL), *sum = golden_tensor(c, "grad_sum", "f64", NULL, NULL);
    if (!l2) return;
    for (size_t i = 0; i < t->ps.n; i++) { /* parameter_order is that of lac_params */
        const lac_param *p = &t->ps.p[i];
        double q = 0, s = 0;
        for (size_t k = 0; k < p->n; k++) {
            q += (double)t->g[p->at + k] * (double)t->g[p->at + k];
            s += (double)t->g[p->at + k];
        }
        CHECK(fabs(sqrt(q) - l2[i]) <= 1e-4 * l2[i], "%s: norm of the gradient of %s is %g, expected %g", golden_text(c, "id"), p->name, sqrt(q), l2[i]);
        CHECK(fabs(s - sum[i]) <= 1e-4 * l2[i] * sqrt((double)p->n), "%s: sum of the gradient of %s is %g, expected %g",
              golden_text(c, "id"), p->name, s, sum[i]);
    }
    free(l2);
    free(sum);
}

static void run_case(bench *t, size_t model, const json_t *c, const char *gemm)
{
    size_t shape[3];
    batch b = {.c = c, .split = (size_t)golden_param(c, "split_batch")};
    b.x0 = golden_tensor(c, "x0", "i32", shape, NULL);
    b.valid = golden_tensor(c, "valid_tokens", "i32", NULL, NULL);
    b.B = shape[0];
    b.L = shape[1];
    lac_objective o;
    lac_objective_default(&o, strcmp(golden_mode(c, "diffusion_attn_mode"), "mixed2") ? LAC_ESO_B : LAC_ESO_A);
    o.mask = (int32_t)golden_param(c, "mask_index");
    lacuna_error err;
    lac_example ex[8];
    double norm[LAC_PARTS] = {0}, scale[LAC_PARTS] = {0}, nll[LAC_PARTS] = {0};
    for (size_t r = 0; r < b.B; r++) {
        CHECK(lac_example_open(&ex[r], 2 * b.L, &t->mem, &err) == 0, "%s", err.msg);
        make(&b, &o, r, &ex[r]);
        for (size_t p = 0; p < LAC_PARTS; p++) norm[p] += ex[r].norm[p];
    }
    for (size_t p = 0; p < LAC_PARTS; p++) scale[p] = norm[p] > 0 ? 1 / norm[p] : 0;
    memset(t->g, 0, lac_grad_size(&t->ps) * sizeof *t->g);
    bool exact = !t->math.gemm->bf16;
    for (size_t r = 0; r < b.B; r++) {
        float each[512];
        lac_tape_run(t->tape, &t->s, &ex[r], scale, nll, t->g, each, NULL);
        compare_each(&b, r, &ex[r], each, exact ? nll_allowed[model] : 0.5);
        lac_example_free(&ex[r], &t->mem);
    }
    lac_step_weights_back(&t->s, &t->ps, t->g);
    double dif = nll[LAC_PART_DIFFUSION] * scale[LAC_PART_DIFFUSION], seq = nll[LAC_PART_SEQUENTIAL] * scale[LAC_PART_SEQUENTIAL];
    double allowed = exact ? 1e-5 : 0.03;
    CHECK(fabs(dif - golden_scalar(c, "loss_dif")) < allowed, "%s %s: diffusion %.7g, expected %.7g", gemm, golden_text(c, "id"), dif, golden_scalar(c, "loss_dif"));
    CHECK(fabs(seq - golden_scalar(c, "loss_seq")) < allowed, "%s %s: sequential %.7g, expected %.7g", gemm, golden_text(c, "id"), seq, golden_scalar(c, "loss_seq"));
    if (exact) {
        compare_norms(t, c);
        if (golden_mode(c, "gradients")[0]) compare_gradients(t, c);
    }
    free(b.x0);
    free(b.valid);
}

static void run_all(const char *gemm)
{
    golden cases;
    golden_open(&cases);
    size_t met = 0;
    for (size_t m = 0; m < MODELS; m++) {
        bench t;
        bench_open(&t, m, gemm);
        for (size_t i = 0; i < golden_count(&cases); i++) {
            const json_t *c = golden_case(&cases, i);
            if (strcmp(golden_text(c, "kind"), "loss") || strcmp(golden_text(c, "model"), model_name[m])) continue;
            run_case(&t, m, c, gemm);
            met++;
        }
        bench_close(&t);
    }
    assert_int_equal(met, 18);
    golden_close(&cases);
}

static void blas(void **state) { (void)state, run_all("blas"); }
static void ref(void **state) { (void)state, run_all("ref"); }
static void bf16(void **state)
{
    (void)state;
    if (!lac_gemm_pick("bf16")) skip();
    run_all("bf16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blas), cmocka_unit_test(ref), cmocka_unit_test(bf16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
