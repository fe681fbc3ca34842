/* The kernels as formulas: the table every other one is held against, and the one for a CPU without a
 * table of its own.  Sums are in double, in the order of the index. */
#include "kern/kern.h"

#include <math.h>

enum { CHUNK = 256 }; /* weights decoded at a time: a multiple of LAC_Q8_BLOCK, small on the stack */

static double row_dot(lac_type type, const float *x, const uint8_t *w, size_t K)
{
    float part[CHUNK];
    double sum = 0;
    for (size_t k = 0; k < K; k += CHUNK) {
        size_t n = K - k < CHUNK ? K - k : CHUNK;
        lac_row_decode(type, w + lac_row_bytes(type, k), n, part);
        for (size_t i = 0; i < n; i++) sum += (double)x[k + i] * (double)part[i];
    }
    return sum;
}

static void matmul(lac_type type, float *y, size_t ldy, const float *x, size_t ldx, const uint8_t *w, size_t N, size_t R, size_t K)
{
    size_t row = lac_row_bytes(type, K);
    for (size_t n = 0; n < N; n++)
        for (size_t r = 0; r < R; r++) y[n * ldy + r] = (float)row_dot(type, x + n * ldx, w + r * row, K);
}

static void matmul_f32(float *y, size_t ldy, const float *x, size_t ldx, const void *w, size_t N, size_t R, size_t K)
{
    matmul(LAC_F32, y, ldy, x, ldx, w, N, R, K);
}

static void matmul_bf16(float *y, size_t ldy, const float *x, size_t ldx, const void *w, size_t N, size_t R, size_t K)
{
    matmul(LAC_BF16, y, ldy, x, ldx, w, N, R, K);
}

static void matmul_q8_0(float *y, size_t ldy, const float *x, size_t ldx, const void *w, size_t N, size_t R, size_t K)
{
    matmul(LAC_Q8_0, y, ldy, x, ldx, w, N, R, K);
}

static float dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static float exp_sum(float *y, const float *x, float max, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)(y[i] = expf(x[i] - max));
    return (float)sum;
}

static void rms_norm(float *y, const float *x, const float *w, float eps, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    float scale = (float)(1.0 / sqrt(sum / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

static void layer_norm(float *y, const float *x, float eps, size_t n)
{
    double sum = 0, var = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) var += ((double)x[i] - mean) * ((double)x[i] - mean);
    double scale = 1.0 / sqrt(var / (double)n + (double)eps);
    for (size_t i = 0; i < n; i++) y[i] = (float)(((double)x[i] - mean) * scale);
}

/* x times the logistic function of u, with the limit 0 where both factors leave for infinity */
static float gated(float x, float u)
{
    return u < -150.0f ? -0.0f : x / (1.0f + expf(-u));
}

static void silu_mul(float *y, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = gated(gate[i], gate[i]) * up[i];
}

/* (1 + tanh u) / 2 is the logistic function of 2u, and in that form keeps its digits where tanh u nears -1. */
static void gelu_tanh(float *y, const float *x, size_t n)
{
    const float c = 0.7978845608028654f; /* sqrt(2 / pi) */
    for (size_t i = 0; i < n; i++) {
        float v = x[i] < -100.0f ? -100.0f : x[i]; /* 0 from there on; x^3 stays finite */
        y[i] = gated(v, 2.0f * c * (v + 0.044715f * v * v * v));
    }
}

static const lac_kern table = {
    "ref", matmul_f32, matmul_bf16, matmul_q8_0, dot, axpy, exp_sum, rms_norm, layer_norm, silu_mul, gelu_tanh,
};
const lac_kern *const lac_kern_ref = &table;
