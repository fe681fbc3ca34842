/* The backward row functions as formulas: the table every other one is held against.  Arithmetic and sums in double, in the
 * order of the index. */
#include "kern/grad.h"

#include "kern/kern.h"

#include <math.h>

static void rms_norm(float *dx, float *dw, const float *x, const float *w, const float *dy, float eps, size_t n)
{
    double square = 0, along = 0;
    for (size_t i = 0; i < n; i++) {
        square += (double)x[i] * (double)x[i];
        along += (double)w[i] * (double)dy[i] * (double)x[i];
    }
    double r = 1 / sqrt(square / (double)n + (double)eps), c = r * r * along / (double)n;
    for (size_t i = 0; i < n; i++) {
        dx[i] += (float)(r * ((double)w[i] * (double)dy[i] - (double)x[i] * c));
        dw[i] += (float)((double)dy[i] * (double)x[i] * r);
    }
}

static void layer_norm(float *dx, float *da, float *db, const float *x, const float *a, const float *dy, float eps, size_t n)
{
    double sum = 0, var = 0, g_sum = 0, gh_sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) var += ((double)x[i] - mean) * ((double)x[i] - mean);
    double r = 1 / sqrt(var / (double)n + (double)eps);
    for (size_t i = 0; i < n; i++) {
        double g = (double)a[i] * (double)dy[i];
        g_sum += g;
        gh_sum += g * ((double)x[i] - mean) * r;
    }
    for (size_t i = 0; i < n; i++) {
        double h = ((double)x[i] - mean) * r, g = (double)a[i] * (double)dy[i];
        dx[i] += (float)(r * (g - g_sum / (double)n - h * gh_sum / (double)n));
        da[i] += (float)((double)dy[i] * h);
        db[i] += dy[i];
    }
}

/* The derivative of x p(u(x)), p the logistic function, is p (1 + x (1 - p) u'); the x of both functions below is cut
 * where the derivative has reached its limit, so that no product is infinity by 0. */
static double gated_slope(double x, double u, double du)
{
    double e = exp(-u), p = 1 / (1 + e);
    return p * (1 + x * (e * p) * du);
}

static double cut(double x, double at) { return x < -at ? -at : x > at ? at : x; }

static void silu_mul(float *dg, float *du, const float *g, const float *u, const float *dy, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)g[i], near = cut(x, 500), silu = (x < 0 ? near : x) / (1 + exp(-near));
        dg[i] = (float)((double)dy[i] * (double)u[i] * gated_slope(near, near, 1));
        du[i] = (float)((double)dy[i] * silu);
    }
}

/* (1 + tanh u) / 2 is the logistic function of 2u. */
static void gelu_tanh(float *dx, const float *x, const float *dy, size_t n)
{
    const double c = 2 * 0.79788456080286535588; /* 2 sqrt(2 / pi) */
    for (size_t i = 0; i < n; i++) {
        double v = cut((double)x[i], 20);
        dx[i] = (float)((double)dy[i] * gated_slope(v, c * (v + 0.044715 * v * v * v), c * (1 + 3 * 0.044715 * v * v)));
    }
}

static void softmax(float *ds, const float *p, const float *dp, float scale, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += (double)p[i] * (double)dp[i];
    for (size_t i = 0; i < n; i++) ds[i] = (float)((double)scale * (double)p[i] * ((double)dp[i] - mean));
}

static void rotate(float *v, const float *cos, const float *sin, size_t half, int back)
{
    for (size_t i = 0; i < half; i++) {
        double a = (double)v[i], b = (double)v[half + i], c = (double)cos[i], s = back ? -(double)sin[i] : (double)sin[i];
        v[i] = (float)(a * c - b * s);
        v[half + i] = (float)(b * c + a * s);
    }
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale(float *y, float a, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] *= a;
}

static void to_bf16(uint16_t *y, const float *x, size_t n) { lac_row_encode(LAC_BF16, x, n, y); }
static void from_bf16(float *y, const uint16_t *x, size_t n) { lac_row_decode(LAC_BF16, x, n, y); }

static void adamw(float *w, float *m, float *v, const float *g, float gscale, float lr, float b1, float b2, float eps,
                  float decay, float c1, float c2, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double d = (double)gscale * (double)g[i];
        m[i] = (float)((double)b1 * (double)m[i] + (1 - (double)b1) * d);
        v[i] = (float)((double)b2 * (double)v[i] + (1 - (double)b2) * d * d);
        double step = (double)m[i] * (double)c1 / (sqrt((double)v[i] * (double)c2) + (double)eps);
        w[i] = (float)((double)w[i] - (double)lr * (step + (double)decay * (double)w[i]));
    }
}

static const lac_grad table = {
    "ref", rms_norm, layer_norm, silu_mul, gelu_tanh, softmax, rotate, add, scale, to_bf16, from_bf16, adamw,
};
const lac_grad *const lac_grad_ref = &table;
