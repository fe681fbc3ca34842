/* A step of the optimiser against the formulas in double; schedule, clipping, average; bits whatever the threads. */
#include "train/optim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "common/hook.h"
#include "common/unit.h"

static lacuna_allocator mem;
static lac_params ps; /* matrices tall, square and wide; an embedding of more than one piece */
static lac_math math; /* the reference tables unless a test says otherwise */

static float *zeros(void)
{
    float *x = calloc(ps.total, sizeof *x);
    assert_non_null(x);
    return x;
}

static double normal(lac_rng *rng) { return sqrt(-2 * log(lac_rng_u01(rng))) * cos(6.283185307179586 * lac_rng_u01(rng)); }

/* Random numbers of spread s in all tensors; the gaps stay zero. */
static void fill(float *x, double s, uint64_t seed)
{
    lac_rng rng = lac_rng_make(seed, 1);
    for (size_t i = 0; i < ps.n; i++)
        for (size_t k = 0; k < ps.p[i].n; k++) x[ps.p[i].at + k] = (float)(s * normal(&rng));
}

/* An optimiser with its room: weights of seed 1, no moments. */
typedef struct {
    lac_optim s;
    lac_pool *pool;
    lac_optim_room *room;
    float *g;
} run;

static void run_open(run *r, unsigned threads, bool ema)
{
    lacuna_error err;
    *r = (run){.s = {.w = zeros(), .m = zeros(), .v = zeros(), .ema = ema ? zeros() : NULL}, .g = zeros()};
    fill(r->s.w, 0.3, 1);
    if (ema) memcpy(r->s.ema, r->s.w, ps.total * sizeof *r->s.w);
    CHECK(!lac_pool_open(&r->pool, &mem, threads, &err), "%s", err.msg);
    CHECK(!lac_optim_room_open(&r->room, &ps, threads, &mem, &err), "%s", err.msg);
}

static void run_close(run *r)
{
    lac_optim_room_free(r->room);
    lac_pool_free(r->pool);
    free(r->s.w), free(r->s.m), free(r->s.v), free(r->s.ema), free(r->g);
}

/* A step with the gradient of the seed; its norm. */
static double run_step(run *r, const lac_optim_options *o, double s, uint64_t seed)
{
    lacuna_error err;
    double norm;
    fill(r->g, s, seed);
    CHECK(!lac_optim_step(&r->s, o, &ps, &math, r->pool, r->room, r->g, &norm, &err), "%s", err.msg);
    return norm;
}

static lac_optim_options plain(void) /* full rate from the first step, no clipping */
{
    lac_optim_options o;
    lac_optim_default(&o);
    o.warmup = 0;
    o.clip = 0;
    return o;
}

static const lac_param *param(const char *name)
{
    for (size_t i = 0; i < ps.n; i++)
        if (!strcmp(ps.p[i].name, name)) return &ps.p[i];
    fail_msg("no '%s'", name);
    return NULL;
}

/* ---- AdamW ---- */

/* Loshchilov and Hutter's Algorithm 2 in double; the rate multiplies the decay too. */
static void test_adamw(void **state)
{
    (void)state;
    static const char *const tables[] = {"ref", "avx2", "avx512", "neon"};
    lac_optim_options o = plain();
    o.lr_muon = 0;
    o.decay = 0.1;
    double *w = calloc(ps.total, sizeof *w), *m = calloc(ps.total, sizeof *m), *v = calloc(ps.total, sizeof *v);
    for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
        run r;
        math.grad = lac_grad_pick(tables[k]);
        if (!math.grad) continue;
        run_open(&r, 2, false);
        for (size_t i = 0; i < ps.total; i++) w[i] = (double)r.s.w[i], m[i] = v[i] = 0;
        for (int t = 1; t <= 5; t++) {
            double norm = run_step(&r, &o, 0.02, 100 + (uint64_t)t), sum = 0;
            fill(r.g, 0.02, 100 + (uint64_t)t); /* the step may have changed it */
            for (size_t i = 0; i < ps.n; i++) {
                const lac_param *p = &ps.p[i];
                for (size_t j = p->at; j < p->at + p->n; j++) {
                    double g = (double)r.g[j];
                    sum += g * g;
                    m[j] = o.beta1 * m[j] + (1 - o.beta1) * g;
                    v[j] = o.beta2 * v[j] + (1 - o.beta2) * g * g;
                    double m1 = m[j] / (1 - pow(o.beta1, t)), v1 = v[j] / (1 - pow(o.beta2, t));
                    w[j] -= o.lr * (m1 / (sqrt(v1) + o.eps) + (p->rows ? o.decay : 0) * w[j]);
                    CHECK(fabs(w[j] - (double)r.s.w[j]) < 2e-6, "%s, %s, step %d: %g, not %g", tables[k], p->name, t, (double)r.s.w[j], w[j]);
                }
            }
            CHECK(fabs(norm - sqrt(sum)) < 1e-9 * norm, "norm %g, not %g", norm, sqrt(sum));
            assert_int_equal(r.s.step, t);
        }
        run_close(&r);
    }
    free(w), free(m), free(v);
    math.grad = lac_grad_pick("ref");
}

/* ---- Muon ---- */

/* y = x y' in double; x [n, k], y [m, k]: out [n, m]. */
static void product(double *out, const double *x, const double *y, size_t n, size_t m, size_t k)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) {
            double sum = 0;
            for (size_t l = 0; l < k; l++) sum += x[i * k + l] * y[j * k + l];
            out[i * m + j] = sum;
        }
}

static void transpose(double *out, const double *x, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) out[j * rows + i] = x[i * cols + j];
}

/* X = a X + (b A + c A A) X with A = X X', five times, as published: a tall x is turned over. */
static void newton_schulz(double *x, size_t rows, size_t cols)
{
    const size_t n = rows * cols, k = rows < cols ? rows : cols, l = rows < cols ? cols : rows;
    double *t = malloc(n * sizeof *t), *u = malloc(n * sizeof *u), *A = malloc(k * k * sizeof *A), *B = malloc(k * k * sizeof *B);
    double norm = 0;
    for (size_t i = 0; i < n; i++) norm += x[i] * x[i];
    for (size_t i = 0; i < n; i++) x[i] /= sqrt(norm) + 1e-7;
    if (rows > cols) transpose(t, x, rows, cols), memcpy(x, t, n * sizeof *x);
    for (int step = 0; step < 5; step++) {
        product(A, x, x, k, k, l);
        product(B, A, A, k, k, k); /* A is symmetric */
        for (size_t i = 0; i < k * k; i++) B[i] = -4.7750 * A[i] + 2.0315 * B[i];
        transpose(t, x, k, l);
        product(u, B, t, k, l, k);
        for (size_t i = 0; i < n; i++) x[i] = 3.4445 * x[i] + u[i];
    }
    if (rows > cols) transpose(t, x, cols, rows), memcpy(x, t, n * sizeof *x);
    free(t), free(u), free(A), free(B);
}

static void test_muon(void **state)
{
    (void)state;
    static const struct {
        const char *gemm;
        double tolerance; /* of an entry of U, which are about 0.2 */
    } tables[] = {{"ref", 2e-5}, {"blas", 2e-5}, {"bf16", 0.03}};
    const lac_optim_options o = plain();
    double *w = malloc(ps.total * sizeof *w), *m = calloc(ps.total, sizeof *m), *u = malloc(ps.total * sizeof *u);
    for (size_t k = 0; k < 3; k++) {
        run r;
        math.gemm = lac_gemm_pick(tables[k].gemm);
        if (!math.gemm) continue;
        run_open(&r, 1, false);
        for (size_t i = 0; i < ps.total; i++) w[i] = (double)r.s.w[i], m[i] = 0;
        for (int t = 1; t <= 3; t++) {
            run_step(&r, &o, 0.02, 200 + (uint64_t)t);
            fill(r.g, 0.02, 200 + (uint64_t)t);
            for (size_t i = 0; i < ps.n; i++) {
                const lac_param *p = &ps.p[i];
                if (!p->matrix) continue;
                const double scale = sqrt(fmax(1, (double)p->rows / (double)p->cols));
                for (size_t j = 0; j < p->n; j++) {
                    m[p->at + j] = o.momentum * m[p->at + j] + (1 - o.momentum) * (double)r.g[p->at + j];
                    u[j] = o.momentum * m[p->at + j] + (1 - o.momentum) * (double)r.g[p->at + j];
                }
                newton_schulz(u, p->rows, p->cols);
                for (size_t j = 0; j < p->n; j++) {
                    double *wj = &w[p->at + j], got = (double)r.s.w[p->at + j];
                    *wj -= o.lr_muon * (scale * u[j] + o.decay_muon * *wj);
                    CHECK(fabs(got - *wj) < t * o.lr_muon * scale * tables[k].tolerance, "%s, %s, step %d: %g, not %g", tables[k].gemm,
                          p->name, t, got, *wj);
                }
            }
        }
        for (size_t i = 0; i < ps.n; i++)
            for (size_t j = 0; ps.p[i].matrix && j < ps.p[i].n; j++) assert_true(r.s.v[ps.p[i].at + j] == 0);
        run_close(&r);
    }
    free(w), free(m), free(u);
    math.gemm = lac_gemm_pick("ref");
}

/* What Muon moves a matrix by is nearly orthogonal: the quintic takes singular values to between 0.7 and 1.2. */
static void test_orthogonal(void **state)
{
    (void)state;
    lac_optim_options o = plain();
    run r;
    o.lr_muon = 1;
    o.decay_muon = 0;
    static const char *const gemms[] = {"ref", "blas", "bf16"};
    for (size_t k = 0; k < 3; k++) {
        if (!(math.gemm = lac_gemm_pick(gemms[k]))) continue;
        run_open(&r, 1, false);
        memset(r.s.w, 0, ps.total * sizeof *r.s.w);
        run_step(&r, &o, 0.02, 7);
        for (size_t i = 0; i < ps.n; i++) {
            const lac_param *p = &ps.p[i];
            const size_t side = p->rows < p->cols ? p->rows : p->cols, other = p->n / (side ? side : 1);
            if (!p->matrix || side == other) continue; /* a square one may have a singular value near 0, which stays there */
            const double scale = sqrt(fmax(1, (double)p->rows / (double)p->cols));
            double *x = malloc(p->n * sizeof *x), *t = malloc(p->n * sizeof *t), *A = malloc(side * side * sizeof *A);
            for (size_t j = 0; j < p->n; j++) x[j] = (double)r.s.w[p->at + j] / -scale;
            if (p->rows > p->cols) transpose(t, x, p->rows, p->cols), memcpy(x, t, p->n * sizeof *x);
            product(A, x, x, side, side, other);
            for (size_t a = 0; a < side; a++)
                for (size_t b = 0; b < side; b++)
                    CHECK(fabs(A[a * side + b] - (a == b)) < 0.5, "%s, %s: [%zu, %zu] of X X' is %g", gemms[k], p->name, a, b, A[a * side + b]);
            double trace = 0;
            for (size_t a = 0; a < side; a++) trace += A[a * side + a];
            CHECK(trace / (double)side > 0.6 && trace / (double)side < 1.2, "%s: mean of squares %g", p->name, trace / (double)side);
            free(x), free(t), free(A);
        }
        run_close(&r);
    }
    math.gemm = lac_gemm_pick("ref");
}

/* A gradient of zero moves a matrix by its decay alone. */
static void test_nothing_to_learn(void **state)
{
    (void)state;
    const lac_optim_options o = plain();
    run r;
    run_open(&r, 1, false);
    const size_t at = param("blocks.0.qkv.weight")->at;
    const float before = r.s.w[at];
    assert_true(run_step(&r, &o, 0, 1) == 0);
    CHECK(fabsf(r.s.w[at] - before * (float)(1 - o.lr_muon * o.decay_muon)) < 1e-7f, "%g became %g", (double)before, (double)r.s.w[at]);
    assert_true(r.s.w[param("norm.weight")->at] != 0);
    run_close(&r);
}

/* ---- around both ---- */

static void test_rate(void **state)
{
    (void)state;
    lac_optim_options o = {.warmup = 4, .total = 100, .cool = 0.2};
    const struct {
        uint64_t t;
        double rate;
    } want[] = {{0, 0.25}, {1, 0.5}, {3, 1}, {4, 1}, {50, 1}, {80, 1}, {81, 0.95}, {90, 0.5}, {99, 0.05}, {100, 0}, {1000, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        CHECK(fabs(lac_optim_rate(&o, want[i].t) - want[i].rate) < 1e-12, "step %d: %g", (int)want[i].t, lac_optim_rate(&o, want[i].t));
    o.total = 0; /* no end, no cool-down */
    assert_true(lac_optim_rate(&o, 1000000) == 1);
    o = (lac_optim_options){.total = 10};
    assert_true(lac_optim_rate(&o, 0) == 1 && lac_optim_rate(&o, 9) == 1);
    o = (lac_optim_options){.warmup = 8, .total = 8, .cool = 1}; /* both at once */
    assert_true(fabs(lac_optim_rate(&o, 4) - 0.5) < 1e-12);
    for (int i = 0; i < 2; i++) { /* both kinds of tensors follow it */
        run r;
        run_open(&r, 1, false);
        o = plain();
        o.warmup = i ? 1000000000 : 0;
        const float *w = r.s.w, was[2] = {w[param("blocks.0.up.weight")->at], w[ps.embed]};
        run_step(&r, &o, 0.02, 3);
        assert_int_equal(fabsf(w[param("blocks.0.up.weight")->at] - was[0]) > 1e-6f, !i);
        assert_int_equal(fabsf(w[ps.embed] - was[1]) > 1e-6f, !i);
        run_close(&r);
    }
}

static void test_clip(void **state)
{
    (void)state;
    lac_optim_options o = plain();
    run clipped, scaled;
    run_open(&clipped, 1, false);
    run_open(&scaled, 1, false);
    double norm = run_step(&scaled, &o, 0.02, 9);
    run_close(&scaled);
    run_open(&scaled, 1, false);
    o.clip = norm / 3;
    assert_true(run_step(&clipped, &o, 0.02, 9) == norm); /* that before clipping */
    double less = run_step(&scaled, &o, 0.02 / 3.0001, 9);
    assert_true(less < o.clip); /* passes as it is */
    for (size_t i = 0; i < ps.total; i++)
        CHECK(fabsf(clipped.s.m[i] - scaled.s.m[i]) <= 1e-4f * fabsf(scaled.s.m[i]), "%g, not %g", (double)clipped.s.m[i], (double)scaled.s.m[i]);
    run_close(&clipped);
    run_close(&scaled);
}

static void test_average(void **state)
{
    (void)state;
    lac_optim_options o = plain();
    run r;
    o.ema = 0.25; /* reached at the third step: 1/10, 2/11, 3/12, 4/13 */
    run_open(&r, 2, true);
    double *a = malloc(ps.total * sizeof *a);
    for (size_t i = 0; i < ps.total; i++) a[i] = (double)r.s.ema[i];
    for (int t = 0; t < 4; t++) {
        const double d = fmin(0.25, (1.0 + t) / (10.0 + t));
        run_step(&r, &o, 0.02, (uint64_t)t);
        for (size_t i = 0; i < ps.total; i++) {
            a[i] += (1 - d) * ((double)r.s.w[i] - a[i]);
            CHECK(fabs(a[i] - (double)r.s.ema[i]) < 1e-6, "step %d: %g, not %g", t, (double)r.s.ema[i], a[i]);
        }
    }
    free(a);
    run_close(&r);
}

static void test_not_finite(void **state)
{
    (void)state;
    lacuna_error err;
    const lac_optim_options o = plain();
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const size_t size = ps.total * sizeof(float);
    run r;
    run_open(&r, 2, true);
    run_step(&r, &o, 0.02, 1);
    float *was[] = {malloc(size), malloc(size), malloc(size), malloc(size)};
    float *const now[] = {r.s.w, r.s.m, r.s.v, r.s.ema};
    for (int k = 0; k < 4; k++) memcpy(was[k], now[k], size);
    for (size_t k = 0; k < 3; k++) {
        const size_t tensor = ps.n - 3;
        double norm;
        fill(r.g, 0.02, 2);
        r.g[ps.p[tensor].at + ps.p[tensor].n - 1] = bad[k];
        assert_int_equal(lac_optim_step(&r.s, &o, &ps, &math, r.pool, r.room, r.g, &norm, &err), LACUNA_E_INTERNAL);
        assert_int_equal(err.where, tensor);
        assert_non_null(strstr(err.msg, ps.p[tensor].name));
        assert_int_equal(r.s.step, 1);
        for (int i = 0; i < 4; i++) assert_memory_equal(was[i], now[i], size);
    }
    for (int k = 0; k < 4; k++) free(was[k]);
    run_close(&r);
}

static void test_threads(void **state)
{
    (void)state;
    static const char *const gemms[] = {"ref", "bf16"};
    const size_t size = ps.total * sizeof(float);
    lac_optim_options o = plain();
    o.clip = 1;
    o.ema = 0.9;
    math.grad = lac_grad_pick(NULL);
    for (size_t k = 0; k < 2; k++) {
        if (!(math.gemm = lac_gemm_pick(gemms[k]))) continue;
        run one, many;
        run_open(&one, 1, true);
        double norm = run_step(&one, &o, 0.02, 1);
        run_step(&one, &o, 0.02, 2);
        for (unsigned threads = 2; threads <= 4; threads += 2) {
            run_open(&many, threads, true);
            assert_true(run_step(&many, &o, 0.02, 1) == norm);
            run_step(&many, &o, 0.02, 2);
            assert_memory_equal(one.s.w, many.s.w, size);
            assert_memory_equal(one.s.m, many.s.m, size);
            assert_memory_equal(one.s.v, many.s.v, size);
            assert_memory_equal(one.s.ema, many.s.ema, size);
            run_close(&many);
        }
        for (size_t i = 0, at = 0; i < ps.n; at = ps.p[i].at + ps.p[i].n, i++) /* gaps stay zero */
            for (; at < ps.p[i].at; at++) assert_true(one.s.w[at] == 0 && one.s.m[at] == 0 && one.s.v[at] == 0 && one.s.ema[at] == 0);
        run_close(&one);
    }
    math.grad = lac_grad_pick("ref");
    math.gemm = lac_gemm_pick("ref");
}

static void test_memory(void **state)
{
    (void)state;
    lacuna_error err;
    lac_optim_room *room;
    int r = LACUNA_E_NOMEM;
    for (size_t at = 1; r; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator a = hook_allocator(&h);
        r = lac_optim_room_open(&room, &ps, 3, &a, &err);
        if (!r) lac_optim_room_free(room);
        else assert_int_equal(r, LACUNA_E_NOMEM);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
    }
    lac_optim_room_free(NULL);
}

int main(void)
{
    lacuna_error err;
    const lac_hparams hp = {.variant = LAC_HOUSE, .vocab = 1100, .width = 32, .layers = 2, .heads = 2, .head_dim = 16, .ff = 42,
                            .context = 64, .mask = 3, .norm_eps = 1e-6f, .rope_base = 10000, .qk_norm = 1};
    mem = lac_mem_system_or((lacuna_allocator){0});
    math = (lac_math){lac_kern_pick("ref"), lac_grad_pick("ref"), lac_gemm_pick("ref")};
    if (lac_params_open(&ps, &hp, 0, 0, &mem, &err)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw), cmocka_unit_test(test_muon),    cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_nothing_to_learn), cmocka_unit_test(test_rate), cmocka_unit_test(test_clip),
        cmocka_unit_test(test_average), cmocka_unit_test(test_not_finite), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_memory),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    lac_params_free(&ps);
    return r;
}
