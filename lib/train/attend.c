/* Attention of a block in training: scores of some rows at a time by one product, each row's own softmax over the
 * two ranges that it sees, and the way back.
 *
 * Columns behind the last one that any row of a group sees are never made.  Inside, what a row does not see is an exact
 * zero of p, so the products on both ways need no mask. */
#include <math.h>
#include <string.h>

#include "train/block.h"

/* Columns that some of the rows [a, a + n) see. */
static size_t columns(const lac_example *ex, size_t a, size_t n)
{
    size_t end = 0;
    for (size_t i = a; i < a + n; i++) {
        if (ex->sees[i] > end) end = ex->sees[i];
        if (ex->to[i] > end) end = ex->to[i];
    }
    return end;
}

/* Softmax of scale s over [0, sees) and [from, to); zero elsewhere in [0, end). */
static void soften(const lac_tape *t, const lac_example *ex, size_t i, float *s, size_t end, float scale)
{
    const lac_kern *k = t->math->kern;
    size_t sees = ex->sees[i], from = ex->from[i] > sees ? ex->from[i] : sees, to = ex->to[i] > from ? ex->to[i] : from;
    t->math->grad->scale(s, scale, sees);
    t->math->grad->scale(s + from, scale, to - from);
    float max = fmaxf(lac_row_max(s, sees), lac_row_max(s + from, to - from));
    float sum = k->exp_sum(s, s, max, sees) + k->exp_sum(s + from, s + from, max, to - from);
    memset(s + sees, 0, (from - sees) * sizeof *s);
    memset(s + to, 0, (end - to) * sizeof *s);
    t->math->grad->scale(s, 1 / sum, to);
}

void lac_attend_forward(lac_tape *t, const lac_example *ex, size_t l)
{
    const lac_hparams *hp = &t->ps->hp;
    const lac_gemm *mm = t->math->gemm;
    lac_block_tape *b = &t->block[l];
    size_t e = hp->width, d = hp->head_dim, ld = 3 * e;
    float scale = 1 / sqrtf((float)d);
    for (size_t a = 0; a < ex->n; a += LAC_ATTEND_ROWS) {
        size_t n = ex->n - a < LAC_ATTEND_ROWS ? ex->n - a : LAC_ATTEND_ROWS, end = columns(ex, a, n);
        for (size_t h = 0; h < hp->heads; h++) {
            size_t at = (h * t->cap + a) * t->cap;
            mm->run(false, true, n, end, d, lac_op_at(t, b->rot, a * ld + h * d), ld, lac_op_at(t, b->rot, e + h * d), ld, false,
                    t->score, t->cap);
            for (size_t i = 0; i < n; i++) {
                soften(t, ex, a + i, t->score + i * t->cap, end, scale);
                lac_op_set(t, b->p, at + i * t->cap, t->score + i * t->cap, end);
            }
            mm->run(false, false, n, d, end, lac_op_at(t, b->p, at), t->cap, lac_op_at(t, b->rot, 2 * e + h * d), ld, false,
                    t->da + a * e + h * d, e);
        }
    }
    lac_op_set(t, b->att, 0, t->da, ex->n * e);
}

void lac_attend_back(lac_tape *t, const lac_example *ex, size_t l)
{
    const lac_hparams *hp = &t->ps->hp;
    const lac_gemm *mm = t->math->gemm;
    lac_block_tape *b = &t->block[l];
    size_t e = hp->width, d = hp->head_dim, ld = 3 * e;
    float scale = 1 / sqrtf((float)d);
    lac_op_set(t, t->dxo, 0, t->da, ex->n * e);
    memset(t->d, 0, ex->n * ld * sizeof *t->d);
    for (size_t a = 0; a < ex->n; a += LAC_ATTEND_ROWS) {
        size_t n = ex->n - a < LAC_ATTEND_ROWS ? ex->n - a : LAC_ATTEND_ROWS, end = columns(ex, a, n);
        for (size_t h = 0; h < hp->heads; h++) {
            void *p = lac_op_at(t, b->p, (h * t->cap + a) * t->cap), *dout = lac_op_at(t, t->dxo, a * e + h * d);
            const void *q = lac_op_at(t, b->rot, a * ld + h * d), *k = lac_op_at(t, b->rot, e + h * d), *v = lac_op_at(t, b->rot, 2 * e + h * d);
            float *dq = t->d + a * ld + h * d, *dk = t->d + e + h * d, *dv = t->d + 2 * e + h * d;
            mm->run(true, false, end, d, n, p, t->cap, dout, e, true, dv, ld);             /* dV += P^T dO */
            mm->run(false, true, n, end, d, dout, e, v, ld, false, t->score, t->cap);      /* dP = dO V^T */
            for (size_t i = 0; i < n; i++) {
                float *s = t->score + i * t->cap;
                const float *pi = lac_op_at(t, p, i * t->cap);
                if (mm->bf16) {
                    t->math->grad->from_bf16(t->row, lac_op_at(t, p, i * t->cap), end);
                    pi = t->row;
                }
                t->math->grad->softmax(s, pi, s, scale, end);
                lac_op_set(t, t->sop, i * t->cap, s, end);
            }
            mm->run(false, false, n, d, end, t->sop, t->cap, k, ld, false, dq, ld);        /* dQ = dS K */
            mm->run(true, false, end, d, n, t->sop, t->cap, q, ld, true, dk, ld);          /* dK += dS^T Q */
        }
    }
}
