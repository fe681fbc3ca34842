/* The kernels as formulas: the table every other one is held against, and the one for a CPU without a
 * table of its own.  Sums are in double, in the order of the index. */
#include "kern/attend.h"
#include "kern/pack.h"

#include <float.h>
#include <math.h>
#include <string.h>

static void prepare_q8(uint8_t *out, const float *x, size_t K)
{
    const size_t blocks = K / LAC_Q8_BLOCK;
    float *d = (float *)(void *)out;
    int32_t *c = (int32_t *)(void *)(out + 4 * blocks);
    int8_t *q = (int8_t *)(out + 8 * blocks);
    for (size_t b = 0; b < blocks; b++, x += LAC_Q8_BLOCK, q += LAC_Q8_BLOCK) {
        float amax = 0;
        for (size_t i = 0; i < LAC_Q8_BLOCK; i++) amax = fmaxf(amax, fabsf(x[i])); /* fmaxf passes a NaN over */
        amax = amax < LAC_Q8_LEAST ? 0 : amax > FLT_MAX ? FLT_MAX : amax;
        const float inverse = amax > 0 ? 127.0f / amax : 0.0f;
        d[b] = amax / 127.0f;
        c[b] = 0;
        for (size_t i = 0; i < LAC_Q8_BLOCK; i++) {
            q[i] = x[i] == x[i] ? (int8_t)rintf(fmaxf(-amax, fminf(amax, x[i])) * inverse) : 0;
            c[b] -= 128 * q[i];
        }
    }
}

static void prepare(lac_type type, void *out, const float *x, size_t K)
{
    memset(out, 0, lac_prepared_bytes(type, K));
    if (type == LAC_Q8_0) prepare_q8(out, x, K);
    else lac_row_encode(type, x, K, out);
}

/* One prepared row by one row of weights, decoded. */
static double row_dot(lac_type type, const uint8_t *x, const uint8_t *w, size_t r, size_t K)
{
    const size_t blocks = K / LAC_Q8_BLOCK, panel = lac_panel_bytes(type, K);
    const uint8_t *p = w + r / LAC_PANEL * panel;
    double sum = 0;
    if (type == LAC_Q8_0) {
        const float *d = (const float *)(const void *)x;
        const int32_t *c = (const int32_t *)(const void *)(x + 4 * blocks);
        const int8_t *q = (const int8_t *)(x + 8 * blocks);
        const uint8_t *group = p + panel - K / 4 * 64;
        for (size_t b = 0; b < blocks; b++) {
            uint8_t one[LAC_Q8_BYTES] = {0}; /* the scale, as a block whose first weight is 1 */
            float scale[LAC_Q8_BLOCK];
            memcpy(one, p + (b * LAC_PANEL + r % LAC_PANEL) * 2, 2);
            one[2] = 1;
            lac_row_decode(LAC_Q8_0, one, LAC_Q8_BLOCK, scale);
            int32_t whole = c[b];
            for (size_t k = 0; k < LAC_Q8_BLOCK; k++, q++)
                whole += *q * group[(b * LAC_Q8_BLOCK + k) / 4 * 64 + r % LAC_PANEL * 4 + k % 4];
            sum += (double)scale[0] * (double)d[b] * (double)whole;
        }
        return sum;
    }
    for (size_t k = 0; k < K; k++) {
        float a, b;
        size_t at = type == LAC_F32 ? k * 64 + r % LAC_PANEL * 4 : k / 2 * 64 + r % LAC_PANEL * 4 + 2 * (k & 1);
        lac_row_decode(type, x + k * (type == LAC_F32 ? 4 : 2), 1, &a);
        lac_row_decode(type, p + at, 1, &b);
        sum += (double)a * (double)b;
    }
    return sum;
}

static void matmul(lac_type type, float *y, size_t ldy, const void *x, size_t N, const void *w, size_t R, size_t K)
{
    const size_t row = lac_prepared_bytes(type, K);
    for (size_t n = 0; n < N; n++)
        for (size_t r = 0; r < R; r++) y[n * ldy + r] = (float)row_dot(type, (const uint8_t *)x + n * row, w, r, K);
}

/* One row of q over the keys it sees: scores, softmax, sum of values; no spans, the sums are in double. */
static void attend_row(const lac_attend *a, size_t n, double *score, double *sum, float *k, float *v)
{
    const uint32_t sees = a->sees[n], self = a->self[n], keys = sees + (self >= sees);
    const size_t D = a->D;
    double max = -INFINITY, total = 0;
    for (size_t d = 0; d < D; d++) sum[d] = 0;
    for (int pass = 0; pass < 2; pass++) /* the largest score first; then the sums: scores are made twice */
        for (uint32_t i = 0; i < keys; i++) {
            const uint32_t t = i < sees ? i : self;
            lac_page_get(a->type, a->page[t / LAC_PAGE] + a->offset, t % LAC_PAGE, D, k, v);
            *score = 0;
            for (size_t d = 0; d < D; d++) *score += (double)a->q[n * a->ldq + d] * (double)k[d];
            *score /= sqrt((double)D);
            if (!pass && *score > max) max = *score;
            if (!pass) continue;
            const double p = exp(*score - max);
            total += p;
            for (size_t d = 0; d < D; d++) sum[d] += p * (double)v[d];
        }
    for (size_t d = 0; d < D; d++) a->out[n * a->ldo + d] = (float)(sum[d] / total);
}

static void attend(const lac_attend *a)
{
    double score, sum[1024]; /* D is at most 1024 */
    float k[1024], v[1024];
    for (size_t n = 0; n < a->N; n++) attend_row(a, n, &score, sum, k, v);
}

static double spin(lac_type type, size_t turns)
{
    volatile float sum = 0;
    (void)type;
    for (size_t i = 0; i < turns; i++) sum += 1.0f;
    return (double)turns;
}

static float dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

static float max(const float *x, size_t n)
{
    float most = -INFINITY;
    for (size_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
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
    "ref", prepare, matmul, attend, spin, dot, max, exp_sum, rms_norm, layer_norm, silu_mul, gelu_tanh,
};
const lac_kern *const lac_kern_ref = &table;
