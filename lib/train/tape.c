#include "train/tape.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "train/block.h"

/* ---- memory ---- */

static size_t max2(size_t a, size_t b) { return a > b ? a : b; }

static int carve_block(lac_tape *t, lac_block_tape *b)
{
    const lac_hparams *hp = &t->ps->hp;
    size_t n = t->cap, e = hp->width, op = lac_op_size(t);
    lac_arena *a = &t->arena;
    bool ok = (b->x = lac_arena_array(a, n * e, 4)) && (b->h1 = lac_arena_array(a, n * e, op)) &&
              (b->qkv = lac_arena_array(a, n * 3 * e, 4)) && (b->rot = lac_arena_array(a, n * 3 * e, op)) &&
              (b->p = lac_arena_array(a, hp->heads * n * n, op)) && (b->att = lac_arena_array(a, n * e, op)) &&
              (b->mid = lac_arena_array(a, n * e, 4)) && (b->h2 = lac_arena_array(a, n * e, op)) &&
              (b->up = lac_arena_array(a, n * t->up_rows, 4)) && (b->act = lac_arena_array(a, n * hp->ff, op));
    if (ok && hp->variant == LAC_OFFICIAL) ok = (b->o1 = lac_arena_array(a, n * e, 4)) && (b->o2 = lac_arena_array(a, n * e, 4));
    return ok;
}

static int carve(lac_tape *t)
{
    const lac_hparams *hp = &t->ps->hp;
    size_t n = t->cap, e = hp->width, op = lac_op_size(t), rows = LAC_HEAD_ROWS;
    lac_arena *a = &t->arena;
    if (!(t->block = lac_arena_array(a, hp->layers, sizeof *t->block))) return 0;
    for (size_t l = 0; l < hp->layers; l++)
        if (!carve_block(t, &t->block[l])) return 0;
    return (t->x = lac_arena_array(a, n * e, 4)) && (t->dx = lac_arena_array(a, n * e, 4)) && (t->row = lac_arena_array(a, t->wide, 4)) &&
           (t->d = lac_arena_array(a, n * max2(3 * e, t->up_rows), 4)) && (t->da = lac_arena_array(a, n * max2(e, hp->ff), 4)) &&
           (t->dop = lac_arena_array(a, n * max2(3 * e, t->up_rows), op)) && (t->dxo = lac_arena_array(a, n * e, op)) &&
           (t->score = lac_arena_array(a, LAC_ATTEND_ROWS * n, 4)) && (t->sop = lac_arena_array(a, LAC_ATTEND_ROWS * n, op)) &&
           (t->angle = lac_arena_array(a, n * hp->head_dim, 4)) && (t->inv_freq = lac_arena_array(a, hp->head_dim / 2, 4)) &&
           (t->logits = lac_arena_array(a, rows * hp->vocab, 4)) && (t->lop = lac_arena_array(a, rows * hp->vocab, op)) &&
           (t->hop = lac_arena_array(a, rows * e, op)) && (t->dhead = lac_arena_array(a, rows * e, 4));
}

int lac_tape_open(lac_tape **out, const lac_params *ps, const lac_math *math, size_t cap, const lacuna_allocator *mem, lacuna_error *err)
{
    const lac_hparams *hp = &ps->hp;
    *out = NULL;
    lac_tape *t = lac_mem_zalloc(mem, sizeof *t);
    if (!t) return lac_nomem(err, "tape");
    *t = (lac_tape){.ps = ps, .math = math, .mem = mem, .arena.mem = mem, .cap = cap};
    t->up_rows = hp->variant == LAC_HOUSE ? 2 * hp->ff : hp->ff;
    t->wide = max2(max2(3 * hp->width, t->up_rows), cap);
    if (!carve(t)) {
        lac_tape_free(t);
        return lac_nomem(err, "tape");
    }
    for (size_t i = 0; i < hp->head_dim / 2; i++)
        t->inv_freq[i] = (float)(1.0 / pow(hp->rope_base, 2.0 * (double)i / hp->head_dim));
    *out = t;
    return 0;
}

void lac_tape_free(lac_tape *t)
{
    if (!t) return;
    lac_arena_free(&t->arena);
    lac_mem_free(t->mem, t, sizeof *t);
}

/* ---- the first and the last layer ---- */

static void enter(lac_tape *t, const lac_step_weights *s, const lac_example *ex)
{
    const lac_hparams *hp = &t->ps->hp;
    size_t e = hp->width, half = hp->head_dim / 2;
    float *x = t->block[0].x;
    for (size_t i = 0; i < ex->n; i++) {
        memcpy(x + i * e, s->w + t->ps->embed + (size_t)ex->token[i] * e, e * sizeof *x);
        for (size_t k = 0; k < half; k++) {
            float angle = (float)ex->pos[i] * t->inv_freq[k]; /* in float32, as in net.c */
            t->angle[i * 2 * half + k] = cosf(angle);
            t->angle[i * 2 * half + half + k] = sinf(angle);
        }
    }
}

static void enter_back(lac_tape *t, const lac_example *ex, float *g)
{
    size_t e = t->ps->hp.width;
    for (size_t i = 0; i < ex->n; i++) t->math->grad->add(g + t->ps->embed + (size_t)ex->token[i] * e, t->dx + i * e, e);
}

/* -ln softmax(z)[target] without the mask index; z becomes the softmax times c, minus c at the target. */
static double cross_entropy(const lac_tape *t, float *z, int32_t target, float c)
{
    size_t v = t->ps->hp.vocab;
    z[t->ps->hp.mask] = -INFINITY;
    float max = lac_row_max(z, v), at = z[target], sum = t->math->kern->exp_sum(z, z, max, v);
    t->math->grad->scale(z, c / sum, v);
    z[target] -= c;
    return log((double)sum) + (double)max - (double)at;
}

/* Up to LAC_HEAD_ROWS targets. */
typedef struct {
    const lac_step_weights *s;
    const lac_example *ex;
    const double *scale;
    double *nll;
    float *g, *each, *logits;
    size_t entry[LAC_HEAD_ROWS];
} head_job;

static void head(lac_tape *t, const head_job *j, size_t n)
{
    const lac_params *ps = t->ps;
    const lac_gemm *mm = t->math->gemm;
    size_t e = ps->hp.width, v = ps->hp.vocab, final = ps->hp.layers * 6 * e;
    bool official = ps->hp.variant == LAC_OFFICIAL;
    const float *a = official ? j->s->mod + final : j->s->w + ps->norm;
    const void *out = lac_op_of(t, j->s->operand, ps->output);
    for (size_t i = 0; i < n; i++) {
        lac_norm_row(t, t->row, t->x + j->entry[i] * e, a, a + e);
        lac_op_set(t, t->hop, i * e, t->row, e);
    }
    mm->run(false, true, n, v, e, t->hop, e, out, e, false, t->logits, v);
    for (size_t i = 0; i < n; i++) {
        size_t k = j->entry[i];
        float *z = t->logits + i * v;
        if (official) t->math->grad->add(z, j->s->w + ps->output_bias, v);
        if (j->logits) memcpy(j->logits + i * v, z, v * sizeof *z);
        double nll = cross_entropy(t, z, j->ex->target[k], (float)(j->scale[j->ex->part[k]] * j->ex->weight[k]));
        j->nll[j->ex->part[k]] += nll * j->ex->weight[k];
        if (j->each) j->each[k] = (float)nll;
        if (official && j->g) t->math->grad->add(j->g + ps->output_bias, z, v);
    }
    if (!j->g) return;
    lac_op_set(t, t->lop, 0, t->logits, n * v);
    mm->run(true, false, v, e, n, t->lop, v, t->hop, e, true, j->g + ps->output, e);
    mm->run(false, false, n, e, v, t->lop, v, out, e, false, t->dhead, e);
    float *da = official ? j->g + ps->total + final : j->g + ps->norm;
    for (size_t i = 0; i < n; i++) {
        size_t k = j->entry[i];
        lac_norm_row_back(t, t->dx + k * e, da, da + e, t->x + k * e, a, t->dhead + i * e);
    }
}

void lac_tape_run(lac_tape *t, const lac_step_weights *s, const lac_example *ex, const double scale[LAC_PARTS], double nll[LAC_PARTS],
                  float *g, float *each, float *logits)
{
    size_t layers = t->ps->hp.layers;
    enter(t, s, ex);
    for (size_t l = 0; l < layers; l++) lac_block_forward(t, s, ex, l, l + 1 < layers ? t->block[l + 1].x : t->x);
    memset(t->dx, 0, ex->n * t->ps->hp.width * sizeof *t->dx);
    head_job j = {.s = s, .ex = ex, .scale = scale, .nll = nll, .g = g, .each = each, .logits = logits};
    size_t n = 0;
    for (size_t i = 0; i < ex->n; i++) {
        if (ex->target[i] >= 0) j.entry[n++] = i;
        if (n < LAC_HEAD_ROWS && (i + 1 < ex->n || n == 0)) continue;
        head(t, &j, n);
        if (j.logits) j.logits += n * t->ps->hp.vocab;
        n = 0;
    }
    if (!g) return;
    for (size_t l = layers; l-- > 0;) lac_block_back(t, s, ex, l, g);
    enter_back(t, ex, g);
}
