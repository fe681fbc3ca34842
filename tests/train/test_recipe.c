/* The C trainer against the GPU recipe: losses and gradients that models/recipe/train.py computed in double precision on
 * the network of tests/golden/house, and what its optimiser made of the gradient (tests/recipe/make_golden.py). */
#include "common/unit.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/objective.h"
#include "train/optim.h"
#include "train/tape.h"

#define CAP 80 /* entries of the longest example */

typedef struct {
    lac_params ps;
    lac_math math;
    lac_tape *tape;
    lac_step_weights weights;
    float *w, *g, *want;
    uint16_t *operand;
    lac_example ex;
    json_t *root, *examples;
    double scale[LAC_PARTS];
    lacuna_allocator mem;
} rig;

static void rig_open(rig *r, const lac_gemm *gemm)
{
    lacuna_error err;
    lac_config c;
    json_error_t why;
    *r = (rig){.mem = lac_mem_system_or((lacuna_allocator){0}), .math = {lac_kern_pick(NULL), lac_grad_pick(NULL), gemm}};
    CHECK(lac_config_load(&c, "tests/golden/house/config.json", &err) == 0, "%s", err.msg);
    CHECK(lac_params_open(&r->ps, &c.hp, 0, 0, &r->mem, &err) == 0, "%s", err.msg);
    r->w = calloc(r->ps.total, sizeof *r->w);
    r->g = calloc(lac_grad_size(&r->ps), sizeof *r->g);
    r->want = calloc(r->ps.total, sizeof *r->want);
    r->operand = calloc(r->ps.total, sizeof *r->operand);
    CHECK(lac_params_read(&r->ps, "tests/golden/house/house.safetensors", r->w, &err) == 0, "%s", err.msg);
    CHECK(lac_params_read(&r->ps, "tests/recipe/gradient.safetensors", r->want, &err) == 0, "%s", err.msg);
    CHECK(lac_tape_open(&r->tape, &r->ps, &r->math, CAP, &r->mem, &err) == 0, "%s", err.msg);
    CHECK(lac_example_open(&r->ex, CAP, &r->mem, &err) == 0, "%s", err.msg);
    lac_step_weights_make(&r->weights, &r->ps, &r->math, r->w, r->operand, NULL);
    r->root = json_load_file("tests/recipe/examples.json", 0, &why);
    CHECK(r->root != NULL, "examples.json: line %d: %s", why.line, why.text);
    r->examples = json_object_get(r->root, "examples");
    assert_true(json_array_size(r->examples) >= 5);
}

static void rig_close(rig *r)
{
    json_decref(r->root);
    lac_example_free(&r->ex, &r->mem);
    lac_tape_free(r->tape);
    lac_params_free(&r->ps);
    free(r->w);
    free(r->g);
    free(r->want);
    free(r->operand);
}

static double number(const json_t *row, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(row, key), i));
}

static void load(lac_example *e, const json_t *row)
{
    e->n = json_array_size(json_object_get(row, "tok"));
    assert_true(e->n > 0 && e->n <= CAP);
    for (size_t i = 0; i < e->n; i++) {
        e->token[i] = (int32_t)number(row, "tok", i);
        e->pos[i] = (int32_t)number(row, "pos", i);
        e->sees[i] = (uint32_t)number(row, "sees", i);
        e->from[i] = (uint32_t)number(row, "low", i);
        e->to[i] = (uint32_t)number(row, "high", i);
        e->target[i] = (int32_t)number(row, "target", i);
        e->weight[i] = (float)number(row, "weight", i);
        e->part[i] = (uint8_t)number(row, "part", i);
    }
    for (size_t p = 0; p < LAC_PARTS; p++) e->norm[p] = number(row, "norm", p);
}

/* scale[p] = coef[p] / (sum of norms) */
static void scales(rig *r)
{
    double sum[LAC_PARTS] = {0};
    const json_t *row;
    size_t k;
    json_array_foreach(r->examples, k, row)
        for (size_t p = 0; p < LAC_PARTS; p++) sum[p] += number(row, "norm", p);
    for (size_t p = 0; p < LAC_PARTS; p++) r->scale[p] = sum[p] > 0 ? number(r->root, "coef", p) / sum[p] : 0;
}

static double relative(double got, double want) { return fabs(got - want) / fmax(1, fabs(want)); }

/* Largest difference of a tensor's gradient, as a share of its largest element; over all tensors. */
static double gradient_error(const rig *r)
{
    double most = 0;
    for (size_t k = 0; k < r->ps.n; k++) {
        const lac_param *p = &r->ps.p[k];
        double diff = 0, size = 0;
        for (size_t i = p->at; i < p->at + p->n; i++) {
            diff = fmax(diff, fabs((double)r->g[i] - (double)r->want[i]));
            size = fmax(size, fabs((double)r->want[i]));
        }
        CHECK(size > 0, "%s: no gradient to compare", p->name);
        if (!(diff / size <= most)) most = diff / size;
    }
    return most;
}

/* Losses and the gradient with one table of products, within tolerances. */
static void hold(const char *name, double loss_tolerance, double gradient_tolerance)
{
    const lac_gemm *gemm = lac_gemm_pick(name);
    rig r;
    const json_t *row;
    size_t k;
    double loss = 0, worst = 0;
    if (!gemm) return;
    rig_open(&r, gemm);
    scales(&r);
    json_array_foreach(r.examples, k, row) {
        double nll[LAC_PARTS] = {0};
        float each[CAP];
        size_t target = 0;
        load(&r.ex, row);
        lac_tape_run(r.tape, &r.weights, &r.ex, r.scale, nll, r.g, each, NULL);
        for (size_t p = 0; p < LAC_PARTS; p++) {
            worst = fmax(worst, relative(nll[p], number(row, "nll", p)));
            loss += r.scale[p] * nll[p];
        }
        for (size_t i = 0; i < r.ex.n; i++)
            if (r.ex.target[i] >= 0) worst = fmax(worst, relative((double)each[i], number(row, "each", target++)));
        CHECK(worst <= loss_tolerance, "%s, %s: a loss is off by %.2g", name, json_string_value(json_object_get(row, "name")), worst);
    }
    worst = fmax(worst, relative(loss, json_number_value(json_object_get(r.root, "loss"))));
    double gradient = gradient_error(&r);
    printf("report: recipe in double against \"%s\": losses within %.1e, gradients within %.1e of a tensor's largest\n",
           name, worst, gradient);
    CHECK(worst <= loss_tolerance, "%s: loss off by %.2g", name, worst);
    CHECK(gradient <= gradient_tolerance, "%s: gradient off by %.2g", name, gradient);
    rig_close(&r);
}

/* The same sequences made by this library from what was drawn for them, where that is kept. */
static void made_here(void **state)
{
    rig r;
    const json_t *row;
    size_t k, made = 0;
    (void)state;
    rig_open(&r, lac_gemm_pick("ref"));
    json_array_foreach(r.examples, k, row) {
        const char *name = json_string_value(json_object_get(row, "name"));
        const double none[LAC_PARTS] = {0};
        double nll[LAC_PARTS] = {0};
        int32_t x[CAP];
        size_t order[CAP], n = json_array_size(json_object_get(row, "x"));
        uint8_t hide[CAP];
        if (!n) continue;
        assert_true(n <= CAP / 2);
        for (size_t i = 0; i < n; i++) {
            x[i] = (int32_t)number(row, "x", i);
            order[i] = (size_t)number(row, "order", i);
            hide[i] = (uint8_t)number(row, "hide", i);
        }
        const double w = json_number_value(json_object_get(row, "w"));
        lac_objective o = {.kind = LAC_ESO_B, .mask = (int32_t)r.ps.hp.mask};
        if (!strncmp(name, "mdlm", 4)) o.kind = LAC_MDLM;
        if (!strncmp(name, "eso-a", 5)) o.kind = LAC_ESO_A;
        if (strstr(name, "diffusion")) lac_example_diffusion(&r.ex, &o, x, order, hide, n, w);
        else lac_example_sequential(&r.ex, &o, x, order, hide, n);
        lac_tape_run(r.tape, &r.weights, &r.ex, none, nll, NULL, NULL, NULL);
        for (size_t p = 0; p < LAC_PARTS; p++) {
            const double want = number(row, "nll", p);
            CHECK(relative(nll[p], want) <= 1e-5, "%s: part %zu: %.9g, expected %.9g", name, p, nll[p], want);
            CHECK(r.ex.norm[p] == number(row, "norm", p), "%s: part %zu: norm %g", name, p, r.ex.norm[p]);
        }
        made++;
    }
    assert_int_equal(made, 5);
    rig_close(&r);
}

/* Norm of w - from, and a sum in which places and signs count. */
static void digest(const lac_param *p, const float *w, const float *from, double out[2])
{
    double squares = 0;
    out[1] = 0;
    for (size_t i = 0; i < p->n; i++) {
        double d = (double)w[p->at + i] - (double)from[p->at + i];
        squares += d * d;
        out[1] += d * (double)((int)(i * 7919 % 13) - 6);
    }
    out[0] = sqrt(squares);
}

/* Three steps with the golden gradient move weights and their average as far as the recipe's. */
static void optimiser(void **state)
{
    rig r;
    lacuna_error err;
    lac_pool *pool;
    lac_optim_room *room;
    double norm, worst = 0;
    (void)state;
    rig_open(&r, lac_gemm_pick("ref"));
    const json_t *o = json_object_get(r.root, "steps"), *moved = json_object_get(r.root, "moved");
    lac_optim_options opt;
    lac_optim_default(&opt);
    opt.lr = json_number_value(json_object_get(o, "lr"));
    opt.lr_muon = json_number_value(json_object_get(o, "lr_muon"));
    opt.decay = opt.decay_muon = json_number_value(json_object_get(o, "decay"));
    opt.clip = json_number_value(json_object_get(o, "clip"));
    opt.ema = json_number_value(json_object_get(o, "ema"));
    opt.cool = json_number_value(json_object_get(o, "cool"));
    opt.warmup = (uint64_t)json_integer_value(json_object_get(o, "warmup"));
    opt.total = (uint64_t)json_integer_value(json_object_get(o, "steps"));
    const size_t size = r.ps.total * sizeof(float);
    lac_optim s = {.w = malloc(size), .m = calloc(1, size), .v = calloc(1, size), .ema = malloc(size)};
    memcpy(s.w, r.w, size);
    memcpy(s.ema, r.w, size);
    assert_int_equal(lac_pool_open(&pool, &r.mem, 1, &err), 0);
    assert_int_equal(lac_optim_room_open(&room, &r.ps, 1, &r.mem, &err), 0);
    for (int t = 0; t < 3; t++) {
        memcpy(r.g, r.want, size);
        CHECK(lac_optim_step(&s, &opt, &r.ps, &r.math, pool, room, r.g, &norm, &err) == 0, "%s", err.msg);
        assert_true(norm > opt.clip); /* clipping is part of the test */
    }
    for (size_t k = 0; k < r.ps.n; k++) {
        const lac_param *p = &r.ps.p[k];
        double got[4];
        digest(p, s.w, r.w, got);
        digest(p, s.ema, r.w, got + 2);
        for (size_t i = 0; i < 4; i++) { /* a sum may cancel: it is measured against the norm */
            double want = number(moved, p->name, i), off = fabs(got[i] - want) / number(moved, p->name, i & 2);
            if (!(off <= worst)) worst = off;
            CHECK(off <= 1e-3, "%s: value %zu is %.7g, expected %.7g", p->name, i, got[i], want);
        }
    }
    printf("report: recipe's optimiser against ours, float32: three steps within %.1e\n", worst);
    lac_optim_room_free(room);
    lac_pool_free(pool);
    free(s.w);
    free(s.m);
    free(s.v);
    free(s.ema);
    rig_close(&r);
}

static void float32_reference(void **state)
{
    (void)state;
    hold("ref", 1e-5, 1e-4);
}

static void float32_blas(void **state)
{
    (void)state;
    hold("blas", 1e-5, 1e-4);
}

/* BF16 has 8 bits: products are off by some 2^-9, and these random weights make losses of up to 20 nats. */
static void bf16(void **state)
{
    (void)state;
    hold("bf16", 0.1, 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(float32_reference), cmocka_unit_test(float32_blas), cmocka_unit_test(bf16),
                                       cmocka_unit_test(made_here), cmocka_unit_test(optimiser)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
