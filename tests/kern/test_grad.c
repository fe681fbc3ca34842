/* The backward row functions: the formulas of grad_ref.c against differences of the forward ones in double, every
 * table this CPU can run against grad_ref.c, and what must hold to the bit.
 *
 * Rows end at a page nobody may touch, or stand some floats before it, unaligned, among canaries. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "common/unit.h"

#include "kern/grad.h"

#include "kern/kern.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EPS 0x1p-24 /* half a unit in the last place of 1 */
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const table_names[] = {"ref", "avx2", "avx512", "neon"};
#define EACH_TABLE(grad)                               \
    for (size_t t_ = 0; t_ < COUNT(table_names); t_++) \
        for (const lac_grad *grad = lac_grad_pick(table_names[t_]); grad; grad = NULL)

/* two vectors and one of the longest vector, then the lengths of real rows */
static const size_t lengths[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17,  18,  19,
                                 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 64, 65, 256, 704, 1408, 8192};
enum { LONGEST = 8192, SHIFTS = 4, IN = 4, OUT = 3, ROWS = IN + OUT };

/* ---- help ---- */

static uint64_t seed = 1;
static uint32_t bits(void) { return (uint32_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 32); }
static float uniform(void) { return (float)(int32_t)bits() * 0x1p-31f; }
/* sign and digits at random, exponent in [-e, e] */
static float wild(int e) { return ldexpf(uniform(), (int)(bits() % (unsigned)(2 * e + 1)) - e); }

static bool same(float a, float b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

static void check_near(const char *what, const char *table, size_t n, size_t i, double got, double want, double tol)
{
    bool near = isnan(want) ? isnan(got) : isinf(want) ? got == want : fabs(got - want) <= tol;
    CHECK(near, "%s of %s, n = %zu, at %zu: got %.9g, want %.9g within %.3g", what, table, n, i, got, want, tol);
}
static void check_same(const char *what, const char *table, size_t n, const float *got, const float *want)
{
    for (size_t i = 0; i < n; i++)
        CHECK(same(got[i], want[i]), "%s of %s, n = %zu, at %zu: got %.9g, want %.9g", what, table, n, i, (double)got[i], (double)want[i]);
}

/* Memory for one row, up to a forbidden page. */
typedef struct {
    char *map;
    size_t bytes, page;
} space;

static space space_of_row[ROWS];

static int spaces_open(void **state)
{
    (void)state;
    for (size_t r = 0; r < ROWS; r++) {
        space *s = &space_of_row[r];
        s->page = (size_t)sysconf(_SC_PAGESIZE);
        s->bytes = ((LONGEST + 2 * SHIFTS) * sizeof(float) + s->page - 1) / s->page * s->page;
        s->map = mmap(NULL, s->bytes + s->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s->map == MAP_FAILED || mprotect(s->map + s->bytes, s->page, PROT_NONE)) return -1;
    }
    return 0;
}
static int spaces_close(void **state)
{
    (void)state;
    for (size_t r = 0; r < ROWS; r++) munmap(space_of_row[r].map, space_of_row[r].bytes + space_of_row[r].page);
    return 0;
}

/* Row r with a copy of n elements of `size` bytes; `shift` of them, canaries, stand between it and the forbidden page. */
static void *place(size_t r, const void *from, size_t n, size_t size, size_t shift)
{
    char *p = space_of_row[r].map + space_of_row[r].bytes - (n + shift) * size;
    memset(p - size, 0xA5, (n + shift + 1) * size);
    return memcpy(p, from, n * size);
}
static void check_canaries(const char *what, const char *table, const void *row, size_t n, size_t size, size_t shift)
{
    const unsigned char *p = row;
    for (size_t i = 0; i < size; i++) CHECK(p[-1 - (int)i] == 0xA5, "%s of %s, n = %zu: writes before its row", what, table, n);
    for (size_t i = 0; i < shift * size; i++) CHECK(p[n * size + i] == 0xA5, "%s of %s, n = %zu: writes past its row", what, table, n);
}

/* ---- the functions, forward and backward ---- */

/* One of the functions that have a gradient.  in[0 .. ins) are the rows it depends on, in[ins] is dy; out[k] is the
 * gradient by in[k]. */
typedef struct {
    const char *name;
    size_t ins, outs;  /* outs <= ins */
    bool accumulates;  /* += */
    void (*run)(const lac_grad *grad, float *const out[], float *const in[], size_t n);
    /* forward: y of the rows in double */
    void (*forward)(double *y, double *const in[], size_t n);
    /* tol[k][i]: what rounding may do to out[k][i], in units of EPS, not counting the addition */
    void (*bound)(double *const tol[], float *const in[], size_t n);
} function;

static const float eps = 1e-6f;

/* Roundings of a sum of n at random sign go with the root of n; the seed is fixed. */
static double chain(size_t n) { return sqrt((double)n) / 2 + 8; }

static void rms_run(const lac_grad *grad, float *const out[], float *const in[], size_t n)
{
    grad->rms_norm(out[0], out[1], in[0], in[1], in[2], eps, n);
}
static void rms_forward(double *y, double *const in[], size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += in[0][i] * in[0][i];
    for (size_t i = 0; i < n; i++) y[i] = in[0][i] * in[1][i] / sqrt(sum / (double)n + (double)eps);
}
static void rms_bound(double *const tol[], float *const in[], size_t n)
{
    double square = 0, along = 0;
    for (size_t i = 0; i < n; i++) {
        square += (double)in[0][i] * (double)in[0][i];
        along += fabs((double)in[0][i] * (double)in[1][i] * (double)in[2][i]);
    }
    double r = 1 / sqrt(square / (double)n + (double)eps);
    for (size_t i = 0; i < n; i++) {
        double x = fabs((double)in[0][i]), w = fabs((double)in[1][i]), dy = fabs((double)in[2][i]);
        tol[0][i] = r * chain(n) * (w * dy + 2 * x * r * r / (double)n * along);
        tol[1][i] = chain(n) * dy * x * r;
    }
}

static void layer_run(const lac_grad *grad, float *const out[], float *const in[], size_t n)
{
    grad->layer_norm(out[0], out[1], out[2], in[0], in[1], in[3], eps, n);
}
static void mean_and_r(double *mean, double *r, double *const x, size_t n)
{
    double sum = 0, var = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) var += (x[i] - *mean) * (x[i] - *mean);
    *r = 1 / sqrt(var / (double)n + (double)eps);
}
static void layer_forward(double *y, double *const in[], size_t n)
{
    double mean, r;
    mean_and_r(&mean, &r, in[0], n);
    for (size_t i = 0; i < n; i++) y[i] = in[1][i] * (in[0][i] - mean) * r + in[2][i];
}
static void layer_bound(double *const tol[], float *const in[], size_t n)
{
    double mean, r, g_mean = 0, gh_mean = 0;
    static double x[LONGEST];
    for (size_t i = 0; i < n; i++) x[i] = (double)in[0][i];
    mean_and_r(&mean, &r, x, n);
    for (size_t i = 0; i < n; i++) {
        double g = fabs((double)in[1][i] * (double)in[3][i]);
        g_mean += g / (double)n;
        gh_mean += g * fabs((x[i] - mean) * r) / (double)n;
    }
    /* The mean is a sum in float, of numbers like its own size and then of what is left, whose size is 1 / r. */
    double off = 1 + fabs(mean) * chain(n) * EPS * r;
    for (size_t i = 0; i < n; i++) {
        double h = fabs((x[i] - mean) * r) + off, dy = fabs((double)in[3][i]), g = fabs((double)in[1][i]) * dy;
        tol[0][i] = r * chain(n) * (g + g_mean + h * (gh_mean + off * g_mean));
        tol[1][i] = chain(n) * dy * h;
        tol[2][i] = 0;
    }
}

static double logistic(double x) { return 1 / (1 + exp(-x)); }

static void silu_run(const lac_grad *grad, float *const out[], float *const in[], size_t n)
{
    grad->silu_mul(out[0], out[1], in[0], in[1], in[2], n);
}
static void silu_forward(double *y, double *const in[], size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = in[0][i] * logistic(in[0][i]) * in[1][i];
}
/* Below -87 a float has hardly digits for e^x: there the error is that absolute one, 1e-35. */
static void silu_bound(double *const tol[], float *const in[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)in[0][i], p = logistic(x), u = fabs((double)in[1][i]), dy = fabs((double)in[2][i]);
        tol[0][i] = 8 * dy * u * (p * (1 + fabs(x) * (1 - p)) + 1e-28);
        tol[1][i] = 8 * dy * (fabs(x) * p + 1e-28);
    }
}

static void gelu_run(const lac_grad *grad, float *const out[], float *const in[], size_t n) { grad->gelu_tanh(out[0], in[0], in[1], n); }
static const double root = 0.79788456080286535588; /* sqrt(2 / pi) */
static void gelu_forward(double *y, double *const in[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = in[0][i];
        y[i] = x / 2 * (1 + tanh(root * (x + 0.044715 * x * x * x)));
    }
}
/* The rounding of the exponent shows in the result times its size. */
static void gelu_bound(double *const tol[], float *const in[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = fmax(-10, fmin(10, (double)in[0][i])), u = 2 * root * (x + 0.044715 * x * x * x), p = logistic(u);
        double slope = 2 * root * (1 + 3 * 0.044715 * x * x);
        tol[0][i] = fabs((double)in[1][i]) * ((8 + 3 * fabs(u) * (1 - p)) * p * (1 + fabs(x) * (1 - p) * slope) + 1e-26);
    }
}

/* in[0] are logits here, as the gradient is by them; the function wants their softmax. */
static const float softmax_scale = 0.125f;
static void soften(double *y, const double *s, size_t n)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) max = fmax(max, s[i]);
    for (size_t i = 0; i < n; i++) sum += y[i] = exp((double)softmax_scale * (s[i] - max));
    for (size_t i = 0; i < n; i++) y[i] /= sum;
}
static void softmax_forward(double *y, double *const in[], size_t n) { soften(y, in[0], n); }
static void softmax_probabilities(float *p, const float *s, size_t n)
{
    static double x[LONGEST], y[LONGEST];
    for (size_t i = 0; i < n; i++) x[i] = (double)s[i];
    soften(y, x, n);
    for (size_t i = 0; i < n; i++) p[i] = (float)y[i];
}
static void softmax_run(const lac_grad *grad, float *const out[], float *const in[], size_t n)
{
    static float p[LONGEST];
    softmax_probabilities(p, in[0], n);
    grad->softmax(out[0], p, in[1], softmax_scale, n);
}
static void softmax_bound(double *const tol[], float *const in[], size_t n)
{
    static float p[LONGEST];
    softmax_probabilities(p, in[0], n);
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += (double)p[i] * fabs((double)in[1][i]);
    for (size_t i = 0; i < n; i++) tol[0][i] = (double)softmax_scale * (double)p[i] * chain(n) * (fabs((double)in[1][i]) + mean);
}

static const function functions[] = {
    {"rms_norm", 2, 2, true, rms_run, rms_forward, rms_bound},
    {"layer_norm", 3, 3, true, layer_run, layer_forward, layer_bound},
    {"silu_mul", 2, 2, false, silu_run, silu_forward, silu_bound},
    {"gelu_tanh", 1, 1, false, gelu_run, gelu_forward, gelu_bound},
    {"softmax", 1, 1, false, softmax_run, softmax_forward, softmax_bound},
};

/* ---- ref against differences ---- */

/* sum dy y */
static double loss(const function *f, double *const in[], size_t n)
{
    double y[64], sum = 0;
    f->forward(y, in, n);
    for (size_t i = 0; i < n; i++) sum += in[f->ins][i] * y[i];
    return sum;
}

static void check_gradient(const function *f, size_t n, float size)
{
    float x[IN][64], dx[OUT][64], *in[IN], *out[OUT];
    double d[IN][64], *din[IN];
    for (size_t r = 0; r < IN; r++) {
        in[r] = x[r], din[r] = d[r];
        for (size_t i = 0; i < n; i++) d[r][i] = (double)(x[r][i] = size * uniform());
    }
    for (size_t r = 0; r < OUT; r++) {
        out[r] = dx[r];
        for (size_t i = 0; i < n; i++) dx[r][i] = 1;
    }
    f->run(lac_grad_ref, out, in, n);
    for (size_t r = 0; r < f->outs; r++)
        for (size_t i = 0; i < n; i++) {
            double h = 1e-5, at = d[r][i];
            d[r][i] = at + h;
            double more = loss(f, din, n);
            d[r][i] = at - h;
            double less = loss(f, din, n), want = (more - less) / (2 * h);
            d[r][i] = at;
            if (f->accumulates) want += 1;
            check_near(f->name, "ref", n, i, (double)dx[r][i], want, 1e-6 * (1 + fabs(want)));
        }
}

static void test_ref_is_the_gradient(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(functions); k++)
        for (size_t n = 1; n <= 64; n = n < 5 ? n + 1 : 2 * n)
            for (int size = 1; size <= 4; size *= 2) check_gradient(&functions[k], n, (float)size);
}

/* ---- tables against ref ---- */

/* Of a row: about 1; of all sizes; far from 0, by much more than they differ; large; small. */
enum { KINDS = 5 };
static float value(size_t kind)
{
    float x = kind == 1 ? wild(8) : uniform();
    return kind == 2 ? x + 1e5f : kind == 3 ? x * 1e6f : kind == 4 ? x * 1e-6f : x;
}

static void check_function(const function *f, size_t n, size_t kind)
{
    static float data[ROWS][LONGEST], want[OUT][LONGEST], first[OUT][LONGEST];
    static double tol[OUT][LONGEST];
    float *in[IN], *out[OUT];
    double *ptol[OUT];
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < n; i++) data[r][i] = value(r == 0 ? kind : r < f->ins ? kind % 2 : 0);
    for (size_t r = 0; r < IN; r++) in[r] = data[r];
    for (size_t r = 0; r < OUT; r++) {
        out[r] = want[r], ptol[r] = tol[r];
        memcpy(want[r], data[IN + r], n * sizeof **want);
    }
    f->run(lac_grad_ref, out, in, n);
    f->bound(ptol, in, n);

    EACH_TABLE(grad)
    for (size_t shift = 0; shift < SHIFTS; shift++) {
        for (size_t r = 0; r < IN; r++) in[r] = place(r, data[r], n, sizeof(float), shift);
        for (size_t r = 0; r < OUT; r++) out[r] = place(IN + r, data[IN + r], n, sizeof(float), shift);
        f->run(grad, out, in, n);
        for (size_t r = 0; r < IN; r++) check_same("input", grad->name, n, in[r], data[r]);
        for (size_t r = 0; r < OUT; r++) {
            check_canaries(f->name, grad->name, out[r], n, sizeof(float), shift);
            if (r >= f->outs) check_same("row of others", grad->name, n, out[r], data[IN + r]);
            if (r >= f->outs) continue;
            for (size_t i = 0; i < n; i++) {
                double sum = f->accumulates ? 2 * fabs((double)data[IN + r][i]) + 2 * fabs((double)want[r][i]) : 0;
                check_near(f->name, grad->name, n, i, (double)out[r][i], (double)want[r][i], EPS * (tol[r][i] + sum) + 0x1p-140);
            }
            if (shift == 0) memcpy(first[r], out[r], n * sizeof **first);
            check_same("at another address", grad->name, n, out[r], first[r]);
        }
    }
}

static void test_tables_agree(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(functions); k++)
        for (size_t l = 0; l < COUNT(lengths); l++)
            for (size_t kind = 0; kind < KINDS; kind++) check_function(&functions[k], lengths[l], kind);
}

/* Entries that may put the result where an input was. */
static void test_in_place(void **state)
{
    (void)state;
    static float x[LONGEST], dy[LONGEST], apart[LONGEST], within[LONGEST];
    for (size_t l = 0; l < COUNT(lengths); l++) {
        size_t n = lengths[l];
        for (size_t i = 0; i < n; i++) x[i] = fabsf(uniform()), dy[i] = uniform();
        EACH_TABLE(grad)
        {
            grad->gelu_tanh(apart, x, dy, n);
            memcpy(within, dy, sizeof dy);
            grad->gelu_tanh(within, x, within, n);
            check_same("gelu_tanh in place", grad->name, n, within, apart);
            grad->softmax(apart, x, dy, 0.5f, n);
            memcpy(within, dy, sizeof dy);
            grad->softmax(within, x, within, 0.5f, n);
            check_same("softmax in place", grad->name, n, within, apart);
        }
    }
}

/* Far out the slopes are 0 and 1 and stay finite; NaN stays NaN. */
static void test_limits(void **state)
{
    (void)state;
    static const float x[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1e20f, -1e20f, FLT_MAX, -FLT_MAX, 1e-40f, -1e-40f, 88, -88, 100, -100, 120, -200, 600, -600, 20};
    enum { N = COUNT(x) };
    float one[N], d[N], du[N];
    for (size_t i = 0; i < N; i++) one[i] = 1;
    EACH_TABLE(grad)
    {
        grad->gelu_tanh(d, x, one, N);
        for (size_t i = 0; i < N; i++)
            check_near("gelu_tanh", grad->name, N, i, (double)d[i], isnan(x[i]) ? (double)NAN : fabsf(x[i]) < 1 ? 0.5 : x[i] > 0, 1e-30);
        grad->silu_mul(d, du, x, one, one, N);
        for (size_t i = 0; i < N; i++) {
            double slope = isnan(x[i]) ? (double)NAN : fabsf(x[i]) < 1 ? 0.5 : x[i] > 0;
            check_near("silu_mul", grad->name, N, i, (double)d[i], slope, x[i] == 20 ? 1e-7 : 1e-30);
            check_near("silu", grad->name, N, i, (double)du[i], x[i] < 0 ? 0 : (double)x[i] * slope, x[i] == 20 ? 1e-5 : 1e-30);
        }
    }
}

/* ---- rotation ---- */

static void test_rotate(void **state)
{
    (void)state;
    static float v[2 * LONGEST], cs[LONGEST], sn[LONGEST];
    for (size_t l = 0; l < COUNT(lengths); l++) {
        size_t half = lengths[l] / 2;
        for (size_t i = 0; i < half; i++) {
            double angle = 10 * (double)uniform();
            cs[i] = (float)cos(angle), sn[i] = (float)sin(angle);
            v[i] = wild(4), v[half + i] = wild(4);
        }
        EACH_TABLE(grad)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            float *c = place(0, cs, half, sizeof *cs, shift), *s = place(1, sn, half, sizeof *sn, shift);
            float *turned = place(2, v, 2 * half, sizeof *v, shift);
            grad->rotate(turned, c, s, half, 0);
            check_canaries("rotate", grad->name, turned, 2 * half, sizeof *v, shift);
            for (size_t i = 0; i < half; i++) {
                double a = (double)v[i], b = (double)v[half + i], dc = (double)cs[i], ds = (double)sn[i];
                double tol = 2 * EPS * (fabs(a) + fabs(b));
                check_near("rotate", grad->name, half, i, (double)turned[i], a * dc - b * ds, tol);
                check_near("rotate", grad->name, half, half + i, (double)turned[half + i], b * dc + a * ds, tol);
            }
            grad->rotate(turned, c, s, half, 1);
            for (size_t i = 0; i < 2 * half; i++) {
                double tol = 8 * EPS * (fabs((double)v[i]) + fabs((double)v[(i + half) % (2 * half)]));
                check_near("rotate and back", grad->name, half, i, (double)turned[i], (double)v[i], tol);
            }
        }
    }
}

/* ---- numbers ---- */

static void test_add_and_scale(void **state)
{
    (void)state;
    static float x[LONGEST], y[LONGEST], sum[LONGEST], scaled[LONGEST];
    for (size_t l = 0; l < COUNT(lengths); l++) {
        size_t n = lengths[l];
        float a = wild(3);
        for (size_t i = 0; i < n; i++) {
            x[i] = wild(20), y[i] = wild(20);
            sum[i] = y[i] + x[i], scaled[i] = a * y[i];
        }
        EACH_TABLE(grad)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            float *px = place(0, x, n, sizeof *x, shift), *py = place(1, y, n, sizeof *y, shift);
            grad->add(py, px, n);
            check_same("add", grad->name, n, py, sum);
            check_canaries("add", grad->name, py, n, sizeof *y, shift);
            py = place(1, y, n, sizeof *y, shift);
            grad->scale(py, a, n);
            check_same("scale", grad->name, n, py, scaled);
            check_canaries("scale", grad->name, py, n, sizeof *y, shift);
        }
    }
}

/* Every upper half with the lower halves at which the rounding turns: infinities, NaN, denormals and ties are all
 * among them. */
static void test_bf16_values(void **state)
{
    (void)state;
    static const uint32_t low[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
    enum { N = 65536 };
    float *x = malloc(N * sizeof *x), *wide = malloc(N * sizeof *wide);
    uint16_t *want = malloc(N * sizeof *want), *got = malloc(N * sizeof *got);
    assert_true(x && wide && want && got);
    for (size_t k = 0; k < COUNT(low); k++) {
        for (uint32_t i = 0; i < N; i++) {
            uint32_t u = i << 16 | low[k];
            memcpy(x + i, &u, sizeof u);
        }
        lac_row_encode(LAC_BF16, x, N, want);
        EACH_TABLE(grad)
        {
            memset(got, 0, N * sizeof *got);
            grad->to_bf16(got, x, N);
            for (size_t i = 0; i < N; i++)
                CHECK(got[i] == want[i], "%s: %08zx becomes %04x, not %04x", grad->name, i << 16 | low[k], got[i], want[i]);
        }
    }
    for (size_t i = 0; i < N; i++) got[i] = (uint16_t)i;
    lac_row_decode(LAC_BF16, got, N, x);
    EACH_TABLE(grad)
    {
        memset(wide, 0, N * sizeof *wide);
        grad->from_bf16(wide, got, N);
        assert_memory_equal(wide, x, N * sizeof *x);
    }
    free(x), free(wide), free(want), free(got);
}

static void test_bf16_rows(void **state)
{
    (void)state;
    static float x[LONGEST], back[LONGEST];
    static uint16_t want[LONGEST];
    for (size_t l = 0; l < COUNT(lengths); l++) {
        size_t n = lengths[l];
        for (size_t i = 0; i < n; i++) x[i] = wild(40), back[i] = 0, want[i] = 0;
        lac_row_encode(LAC_BF16, x, n, want);
        EACH_TABLE(grad)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            float *px = place(0, x, n, sizeof *x, shift), *py = place(1, back, n, sizeof *back, shift);
            uint16_t *half = place(2, back, n, sizeof *half, shift);
            grad->to_bf16(half, px, n);
            check_canaries("to_bf16", grad->name, half, n, sizeof *half, shift);
            assert_memory_equal(half, want, n * sizeof *want);
            grad->from_bf16(py, half, n);
            check_canaries("from_bf16", grad->name, py, n, sizeof *py, shift);
            for (size_t i = 0; i < n; i++) check_near("there and back", grad->name, n, i, (double)py[i], (double)x[i], 0x1p-8 * fabs((double)x[i]));
        }
    }
}

/* ---- AdamW ---- */

static const float lr = 3e-3f, b1 = 0.9f, b2 = 0.95f, adam_eps = 1e-8f, decay = 0.1f;

/* One weight through a few steps, as in the paper. */
static void test_adamw_is_the_paper(void **state)
{
    (void)state;
    static const float g[] = {0.5f, -2, 1e-3f, 3, 0, -1, -1e4f, 7};
    EACH_TABLE(grad)
    {
        float w = 0.25f, m = 0, v = 0;
        double pw = 0.25, pm = 0, pv = 0;
        for (size_t t = 1; t <= COUNT(g); t++) {
            double gt = (double)g[t - 1] / 2, c1 = 1 / (1 - pow((double)b1, (double)t)), c2 = 1 / (1 - pow((double)b2, (double)t));
            pm = (double)b1 * pm + (1 - (double)b1) * gt;
            pv = (double)b2 * pv + (1 - (double)b2) * gt * gt;
            pw -= (double)lr * (pm * c1 / (sqrt(pv * c2) + (double)adam_eps) + (double)decay * pw);
            grad->adamw(&w, &m, &v, &g[t - 1], 0.5f, lr, b1, b2, adam_eps, decay, (float)c1, (float)c2, 1);
            check_near("m", grad->name, 1, t, (double)m, pm, 10 * EPS * 1e4);
            check_near("v", grad->name, 1, t, (double)v, pv, 10 * EPS * 1e8);
            check_near("w", grad->name, 1, t, (double)w, pw, 1e-7);
        }
    }
}

static void check_adamw(size_t n, size_t kind)
{
    static float data[4][LONGEST], want[3][LONGEST], first[3][LONGEST];
    for (size_t i = 0; i < n; i++) {
        data[0][i] = uniform();
        for (size_t r = 1; r < 4; r++) data[r][i] = value(kind);
        data[2][i] *= data[2][i]; /* a mean of squares */
        if (i % 7 == 3) data[1][i] = data[2][i] = data[3][i] = 0;
    }
    const float gscale = 0.3f, c1 = 1 / (1 - b1), c2 = 1 / (1 - b2);
    memcpy(want, data, sizeof want);
    lac_grad_ref->adamw(want[0], want[1], want[2], data[3], gscale, lr, b1, b2, adam_eps, decay, c1, c2, n);
    EACH_TABLE(grad)
    for (size_t shift = 0; shift < SHIFTS; shift++) {
        float *p[4];
        for (size_t r = 0; r < 4; r++) p[r] = place(r, data[r], n, sizeof(float), shift);
        grad->adamw(p[0], p[1], p[2], p[3], gscale, lr, b1, b2, adam_eps, decay, c1, c2, n);
        check_same("g", grad->name, n, p[3], data[3]);
        for (size_t r = 0; r < 3; r++) {
            check_canaries("adamw", grad->name, p[r], n, sizeof(float), shift);
            if (shift == 0) memcpy(first[r], p[r], n * sizeof **first);
            check_same("adamw at another address", grad->name, n, p[r], first[r]);
        }
        for (size_t i = 0; i < n; i++) {
            double d = (double)gscale * (double)data[3][i], m = fabs((double)data[1][i]) + fabs(d), w = fabs((double)data[0][i]);
            double step = m * (double)c1 / (sqrt((double)want[2][i] * (double)c2) + (double)adam_eps);
            check_near("m", grad->name, n, i, (double)p[1][i], (double)want[1][i], 4 * EPS * m + 0x1p-140);
            check_near("v", grad->name, n, i, (double)p[2][i], (double)want[2][i], 6 * EPS * (double)want[2][i] + 0x1p-140);
            check_near("w", grad->name, n, i, (double)p[0][i], (double)want[0][i], EPS * (2 * w + 10 * (double)lr * (step + w)));
        }
    }
}

static void test_adamw(void **state)
{
    (void)state;
    for (size_t l = 0; l < COUNT(lengths); l++)
        for (size_t kind = 0; kind < KINDS; kind++) check_adamw(lengths[l], kind);
}

/* ---- choice ---- */

static void test_pick(void **state)
{
    (void)state;
    assert_null(lac_grad_pick("no such table"));
    assert_null(lac_grad_pick(""));
    assert_ptr_equal(lac_grad_pick("ref"), lac_grad_ref);
    assert_non_null(strstr(lac_kern_pick(NULL)->name, lac_grad_pick(NULL)->name)); /* "avx512" serves "avx512bf16" */
    for (size_t i = 0; i < COUNT(table_names); i++) {
        const lac_grad *grad = lac_grad_pick(table_names[i]);
        assert_int_equal(grad != NULL, lac_kern_pick(table_names[i]) != NULL);
        if (grad) assert_string_equal(grad->name, table_names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pick),          cmocka_unit_test(test_ref_is_the_gradient), cmocka_unit_test(test_tables_agree),
        cmocka_unit_test(test_in_place),      cmocka_unit_test(test_limits),              cmocka_unit_test(test_rotate),
        cmocka_unit_test(test_add_and_scale), cmocka_unit_test(test_bf16_values),         cmocka_unit_test(test_bf16_rows),
        cmocka_unit_test(test_adamw_is_the_paper), cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests(tests, spaces_open, spaces_close);
}
