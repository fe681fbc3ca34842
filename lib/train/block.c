#include "train/block.h"

#include <math.h>
#include <string.h>

void lac_op_set(const lac_tape *t, void *op, size_t at, const float *x, size_t n)
{
    if (t->math->gemm->bf16) t->math->grad->to_bf16((uint16_t *)op + at, x, n);
    else memcpy((float *)op + at, x, n * sizeof *x);
}

/* Sixteen maxima side by side, which the compiler turns into vectors. */
float lac_row_max(const float *x, size_t n)
{
    float m[16], max = -INFINITY;
    for (size_t j = 0; j < 16; j++) m[j] = -INFINITY;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t j = 0; j < 16; j++) m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (; i < n; i++) max = x[i] > max ? x[i] : max;
    for (size_t j = 0; j < 16; j++) max = m[j] > max ? m[j] : max;
    return max;
}

lac_block_mod lac_block_mod_of(const lac_params *ps, size_t l)
{
    const lac_param_block *b = &ps->block[l];
    if (ps->hp.variant == LAC_HOUSE) return (lac_block_mod){.a1 = b->norm1, .a2 = b->norm2};
    size_t e = ps->hp.width, at = l * 6 * e;
    return (lac_block_mod){at, at + e, at + 2 * e, at + 3 * e, at + 4 * e, at + 5 * e};
}

/* ---- norms ---- */

void lac_norm_row(const lac_tape *t, float *y, const float *x, const float *a, const float *b)
{
    const lac_hparams *hp = &t->ps->hp;
    if (hp->variant == LAC_HOUSE) {
        t->math->kern->rms_norm(y, x, a, hp->norm_eps, hp->width);
        return;
    }
    t->math->kern->layer_norm(y, x, hp->norm_eps, hp->width);
    for (size_t i = 0; i < hp->width; i++) y[i] = y[i] * a[i] + b[i];
}

void lac_norm_row_back(const lac_tape *t, float *dx, float *da, float *db, const float *x, const float *a, const float *dy)
{
    const lac_hparams *hp = &t->ps->hp;
    if (hp->variant == LAC_HOUSE) t->math->grad->rms_norm(dx, da, x, a, dy, hp->norm_eps, hp->width);
    else t->math->grad->layer_norm(dx, da, db, x, a, dy, hp->norm_eps, hp->width);
}

static void norm_rows(const lac_tape *t, void *op, const float *x, const float *a, const float *b, size_t n)
{
    size_t e = t->ps->hp.width;
    for (size_t i = 0; i < n; i++) {
        lac_norm_row(t, t->row, x + i * e, a, b);
        lac_op_set(t, op, i * e, t->row, e);
    }
}

/* ---- rows between products ---- */

static void add_to_rows(const lac_tape *t, float *y, const float *x, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++) t->math->grad->add(y + i * width, x, width);
}

static void sum_rows(const lac_tape *t, float *y, const float *x, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i++) t->math->grad->add(y, x + i * width, width);
}

/* out = x + branch, or x + gate * branch with the branch kept. */
static void join(const lac_tape *t, float *out, const float *x, const float *branch, float *kept, const float *gate, size_t n)
{
    size_t e = t->ps->hp.width;
    if (!gate) {
        if (out != x) memcpy(out, x, n * e * sizeof *x);
        t->math->grad->add(out, branch, n * e);
        return;
    }
    memcpy(kept, branch, n * e * sizeof *kept);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < e; k++) out[i * e + k] = x[i * e + k] + gate[k] * branch[i * e + k];
}

/* The gradient of a branch from that of the stream, as an operand in t->dxo (and, behind a gate, as floats in `plain`);
 * returns the floats. */
static const float *fork_back(lac_tape *t, const float *kept, const float *gate, float *dgate, float *plain, size_t n)
{
    size_t e = t->ps->hp.width;
    const float *d = t->dx;
    if (gate) {
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < e; k++) {
                dgate[k] += t->dx[i * e + k] * kept[i * e + k];
                plain[i * e + k] = t->dx[i * e + k] * gate[k];
            }
        d = plain;
    }
    lac_op_set(t, t->dxo, 0, d, n * e);
    return d;
}

/* q and k of one row through QK-norm and RoPE. */
static void turn_row(lac_tape *t, const lac_step_weights *s, const lac_param_block *pb, lac_block_tape *b, size_t i)
{
    const lac_hparams *hp = &t->ps->hp;
    size_t e = hp->width, d = hp->head_dim;
    const float *from = b->qkv + i * 3 * e, *cos = t->angle + i * d;
    memcpy(t->row, from, 3 * e * sizeof *from);
    for (size_t h = 0; h < 2 * hp->heads; h++) {
        float *v = t->row + h * d;
        if (hp->qk_norm) t->math->kern->rms_norm(v, from + h * d, s->w + (h < hp->heads ? pb->q_norm : pb->k_norm), hp->norm_eps, d);
        t->math->grad->rotate(v, cos, cos + d / 2, d / 2, 0);
    }
    lac_op_set(t, b->rot, i * 3 * e, t->row, 3 * e);
}

/* Gradient of one row of qkv, in t->d, back through RoPE and QK-norm, in place. */
static void turn_row_back(lac_tape *t, const lac_step_weights *s, const lac_param_block *pb, const lac_block_tape *b, size_t i, float *g)
{
    const lac_hparams *hp = &t->ps->hp;
    size_t e = hp->width, d = hp->head_dim;
    const float *from = b->qkv + i * 3 * e, *cos = t->angle + i * d;
    for (size_t h = 0; h < 2 * hp->heads; h++) {
        float *v = t->d + i * 3 * e + h * d;
        size_t w = h < hp->heads ? pb->q_norm : pb->k_norm;
        t->math->grad->rotate(v, cos, cos + d / 2, d / 2, 1);
        if (!hp->qk_norm) continue;
        memset(t->row, 0, d * sizeof *t->row);
        t->math->grad->rms_norm(t->row, g + w, from + h * d, s->w + w, v, hp->norm_eps, d);
        memcpy(v, t->row, d * sizeof *v);
    }
}

/* ---- the block ---- */

static void activate(lac_tape *t, lac_block_tape *b, size_t n)
{
    size_t f = t->ps->hp.ff, u = t->up_rows;
    for (size_t i = 0; i < n; i++) {
        if (u == 2 * f) t->math->kern->silu_mul(t->row, b->up + i * u, b->up + i * u + f, f);
        else t->math->kern->gelu_tanh(t->row, b->up + i * u, f);
        lac_op_set(t, b->act, i * f, t->row, f);
    }
}

/* From the gradient of the activation, t->da, to that of up, t->d. */
static void activate_back(lac_tape *t, const lac_block_tape *b, size_t n)
{
    size_t f = t->ps->hp.ff, u = t->up_rows;
    for (size_t i = 0; i < n; i++) {
        float *d = t->d + i * u;
        if (u == 2 * f) t->math->grad->silu_mul(d, d + f, b->up + i * u, b->up + i * u + f, t->da + i * f, f);
        else t->math->grad->gelu_tanh(d, b->up + i * u, t->da + i * f, f);
    }
}

void lac_block_forward(lac_tape *t, const lac_step_weights *s, const lac_example *ex, size_t l, float *out)
{
    const lac_hparams *hp = &t->ps->hp;
    const lac_param_block *pb = &t->ps->block[l];
    const lac_gemm *mm = t->math->gemm;
    lac_block_tape *b = &t->block[l];
    size_t n = ex->n, e = hp->width, f = hp->ff, u = t->up_rows;
    bool official = hp->variant == LAC_OFFICIAL;
    lac_block_mod k = lac_block_mod_of(t->ps, l);
    const float *m = lac_mod_values(t->ps, s), *gate1 = official ? m + k.g1 : NULL, *gate2 = official ? m + k.g2 : NULL;

    norm_rows(t, b->h1, b->x, m + k.a1, m + k.b1, n);
    mm->run(false, true, n, 3 * e, e, b->h1, e, lac_op_of(t, s->operand, pb->qkv), e, false, b->qkv, 3 * e);
    for (size_t i = 0; i < n; i++) turn_row(t, s, pb, b, i);
    lac_attend_forward(t, ex, l);
    mm->run(false, true, n, e, e, b->att, e, lac_op_of(t, s->operand, pb->out), e, false, t->da, e);
    join(t, b->mid, b->x, t->da, b->o1, gate1, n);

    norm_rows(t, b->h2, b->mid, m + k.a2, m + k.b2, n);
    mm->run(false, true, n, u, e, b->h2, e, lac_op_of(t, s->operand, pb->up), e, false, b->up, u);
    if (official) add_to_rows(t, b->up, s->w + pb->up_bias, n, u);
    activate(t, b, n);
    mm->run(false, true, n, e, f, b->act, f, lac_op_of(t, s->operand, pb->down), f, false, t->da, e);
    if (official) add_to_rows(t, t->da, s->w + pb->down_bias, n, e);
    join(t, out, b->mid, t->da, b->o2, gate2, n);
}

void lac_block_back(lac_tape *t, const lac_step_weights *s, const lac_example *ex, size_t l, float *g)
{
    const lac_hparams *hp = &t->ps->hp;
    const lac_param_block *pb = &t->ps->block[l];
    const lac_gemm *mm = t->math->gemm;
    lac_block_tape *b = &t->block[l];
    size_t n = ex->n, e = hp->width, f = hp->ff, u = t->up_rows;
    bool official = hp->variant == LAC_OFFICIAL;
    lac_block_mod k = lac_block_mod_of(t->ps, l);
    const float *m = lac_mod_values(t->ps, s), *gate1 = official ? m + k.g1 : NULL, *gate2 = official ? m + k.g2 : NULL;
    float *dm = lac_mod_grads(t->ps, g);

    const float *d = fork_back(t, b->o2, gate2, dm + k.g2, t->d, n);
    if (official) sum_rows(t, g + pb->down_bias, d, n, e);
    mm->run(true, false, e, f, n, t->dxo, e, b->act, f, true, g + pb->down, f);
    mm->run(false, false, n, f, e, t->dxo, e, lac_op_of(t, s->operand, pb->down), f, false, t->da, f);
    activate_back(t, b, n);
    if (official) sum_rows(t, g + pb->up_bias, t->d, n, u);
    lac_op_set(t, t->dop, 0, t->d, n * u);
    mm->run(true, false, u, e, n, t->dop, u, b->h2, e, true, g + pb->up, e);
    mm->run(false, false, n, e, u, t->dop, u, lac_op_of(t, s->operand, pb->up), e, false, t->da, e);
    for (size_t i = 0; i < n; i++) lac_norm_row_back(t, t->dx + i * e, dm + k.a2, dm + k.b2, b->mid + i * e, m + k.a2, t->da + i * e);

    fork_back(t, b->o1, gate1, dm + k.g1, t->d, n);
    mm->run(true, false, e, e, n, t->dxo, e, b->att, e, true, g + pb->out, e);
    mm->run(false, false, n, e, e, t->dxo, e, lac_op_of(t, s->operand, pb->out), e, false, t->da, e);
    lac_attend_back(t, ex, l);
    for (size_t i = 0; i < n; i++) turn_row_back(t, s, pb, b, i, g);
    lac_op_set(t, t->dop, 0, t->d, n * 3 * e);
    mm->run(true, false, 3 * e, e, n, t->dop, 3 * e, b->h1, e, true, g + pb->qkv, e);
    mm->run(false, false, n, e, 3 * e, t->dop, 3 * e, lac_op_of(t, s->operand, pb->qkv), e, false, t->da, e);
    for (size_t i = 0; i < n; i++) lac_norm_row_back(t, t->dx + i * e, dm + k.a1, dm + k.b1, b->x + i * e, m + k.a1, t->da + i * e);
}
