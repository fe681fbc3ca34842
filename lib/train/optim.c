#include "train/optim.h"

#include <math.h>
#include <string.h>

#include "base/err.h"

#define PIECE ((size_t)32768) /* floats: the unit of sums and of AdamW, whatever the number of threads */

typedef struct {
    size_t tensor; /* index into ps->p */
    size_t at, n;  /* floats [at, at + n) of the array, all of that tensor */
} piece;

struct lac_optim_room {
    piece *piece;      /* [n_pieces] all tensors, in order */
    double *sum;       /* [n_pieces] of squares */
    size_t *matrix;    /* [n_matrices] indices of the hidden matrices */
    float *muon;       /* [threads, n_muon]: x and operand [big], then three of [small] */
    size_t n_pieces, n_matrices, n_muon;
    size_t big, small; /* floats of the largest matrix, and of its Gram matrix */
    unsigned threads;
    lacuna_allocator mem;
};

/* One call of lac_optim_step, for its items. */
typedef struct {
    lac_optim *s;
    const lac_params *ps;
    const lac_math *math;
    const lac_optim_options *o;
    lac_optim_room *room;
    float *g;
    bool muon;
    float gscale;              /* what clipping leaves of g */
    float lr, lr_muon, c1, c2; /* of this step */
    float keep;                /* share of the average that the step keeps */
} job;

void lac_optim_default(lac_optim_options *o)
{
    *o = (lac_optim_options){.lr = 0.003, .lr_muon = 0.02, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .momentum = 0.95, .decay = 0.01,
                             .decay_muon = 0.01, .clip = 1, .warmup = 30, .cool = 0.3};
}

double lac_optim_rate(const lac_optim_options *o, uint64_t t)
{
    double up = o->warmup ? (double)(t + 1) / (double)o->warmup : 1;
    double down = o->total && o->cool > 0 ? (1 - (double)t / (double)o->total) / o->cool : 1;
    return fmax(0, fmin(1, fmin(up, down)));
}

/* ---- room ---- */

static size_t pieces_of(const lac_param *p) { return (p->n + PIECE - 1) / PIECE; }

static void cut(lac_optim_room *r, const lac_params *ps)
{
    size_t k = 0, m = 0;
    for (size_t i = 0; i < ps->n; i++) {
        const lac_param *p = &ps->p[i];
        for (size_t at = 0; at < p->n; at += PIECE) r->piece[k++] = (piece){i, p->at + at, p->n - at < PIECE ? p->n - at : PIECE};
        if (p->matrix) r->matrix[m++] = i;
    }
}

int lac_optim_room_open(lac_optim_room **out, const lac_params *ps, unsigned threads, const lacuna_allocator *mem, lacuna_error *err)
{
    lac_optim_room *r = *out = lac_mem_zalloc(mem, sizeof *r);
    size_t bytes;
    if (!r) return lac_nomem(err, "optimiser");
    r->mem = *mem;
    r->threads = threads ? threads : 1;
    for (size_t i = 0; i < ps->n; i++) {
        const lac_param *p = &ps->p[i];
        size_t side = p->rows < p->cols ? p->rows : p->cols;
        r->n_pieces += pieces_of(p);
        if (!p->matrix) continue;
        r->n_matrices++;
        if (p->n > r->big) r->big = p->n;
        if (side * side > r->small) r->small = side * side;
    }
    r->n_muon = 2 * r->big + 3 * r->small;
    r->piece = lac_mem_alloc(mem, r->n_pieces * sizeof *r->piece);
    r->sum = lac_mem_alloc(mem, r->n_pieces * sizeof *r->sum);
    r->matrix = lac_mem_alloc(mem, r->n_matrices * sizeof *r->matrix);
    if (lac_mul(r->n_muon * sizeof *r->muon, r->threads, &bytes)) r->muon = lac_mem_alloc(mem, bytes);
    if (!r->piece || !r->sum || !r->matrix || !r->muon) {
        lac_optim_room_free(r);
        *out = NULL;
        return lac_nomem(err, "optimiser");
    }
    cut(r, ps);
    return 0;
}

void lac_optim_room_free(lac_optim_room *r)
{
    if (!r) return;
    const lacuna_allocator mem = r->mem;
    lac_mem_free(&mem, r->piece, r->n_pieces * sizeof *r->piece);
    lac_mem_free(&mem, r->sum, r->n_pieces * sizeof *r->sum);
    lac_mem_free(&mem, r->matrix, r->n_matrices * sizeof *r->matrix);
    lac_mem_free(&mem, r->muon, r->n_muon * sizeof *r->muon * r->threads);
    lac_mem_free(&mem, r, sizeof *r);
}

/* ---- the global norm ---- */

static double squares(const float *x, size_t n)
{
    double lane[8] = {0}, sum = 0; /* eight chains of additions at once */
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) lane[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < n; i++) sum += (double)x[i] * (double)x[i];
    for (size_t k = 0; k < 8; k++) sum += lane[k];
    return sum;
}

static void sum_piece(void *ctx, size_t i, size_t thread)
{
    const job *j = ctx;
    const piece *p = &j->room->piece[i];
    (void)thread;
    j->room->sum[i] = squares(j->g + p->at, p->n);
}

static int global_norm(job *j, lac_pool *pool, double *norm, lacuna_error *err)
{
    double sum = 0;
    lac_pool_run(pool, sum_piece, j, j->room->n_pieces);
    for (size_t i = 0; i < j->room->n_pieces; i++) {
        const size_t t = j->room->piece[i].tensor;
        if (!isfinite(j->room->sum[i])) return lac_err(err, LACUNA_E_INTERNAL, t, "the gradient of '%s' is not finite", j->ps->p[t].name);
        sum += j->room->sum[i];
    }
    *norm = sqrt(sum);
    return 0;
}

/* ---- AdamW ---- */

static void average(const job *j, size_t at, size_t n)
{
    const float *w = j->s->w + at, take = 1 - j->keep;
    float *a = j->s->ema + at;
    if (!j->s->ema) return;
    for (size_t i = 0; i < n; i++) a[i] += take * (w[i] - a[i]);
}

static void adamw(const job *j, const piece *p)
{
    const lac_optim *s = j->s;
    const lac_optim_options *o = j->o;
    const float decay = j->ps->p[p->tensor].rows ? (float)o->decay : 0; /* norms and biases are not pulled to zero */
    j->math->grad->adamw(s->w + p->at, s->m + p->at, s->v + p->at, j->g + p->at, j->gscale, j->lr, (float)o->beta1, (float)o->beta2,
                         (float)o->eps, decay, j->c1, j->c2, p->n);
    average(j, p->at, p->n);
}

/* ---- Muon ---- */

/* x as the products want it, at the place `at`. */
static const void *operand(const lac_math *math, void *at, const float *x, size_t n)
{
    if (math->gemm->bf16) math->grad->to_bf16(at, x, n);
    else memcpy(at, x, n * sizeof *x);
    return at;
}

/* x [rows, cols], of norm at most 1, becomes nearly orthogonal: five times X = a X + (b G + c G G) X with G = X X', or
 * for a tall x, X = a X + X (b G + c G G) with G = X' X; G is [k, k], k the smaller side.  The rest is scratch: xo as x, the
 * others [k, k]. */
static void orthogonalise(const lac_math *math, float *x, size_t rows, size_t cols, float *xo, float *gram, float *gram2, float *go)
{
    static const float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    const bool tall = rows > cols;
    const size_t n = rows * cols, k = tall ? cols : rows;
    for (int step = 0; step < 5; step++) {
        const void *X = operand(math, xo, x, n);
        math->gemm->run(tall, !tall, k, k, tall ? rows : cols, X, cols, X, cols, false, gram, k);
        const void *G = operand(math, go, gram, k * k);
        math->gemm->run(false, false, k, k, k, G, k, G, k, false, gram2, k);
        for (size_t i = 0; i < k * k; i++) gram[i] = b * gram[i] + c * gram2[i];
        G = operand(math, go, gram, k * k);
        math->grad->scale(x, a, n);
        if (tall) math->gemm->run(false, false, rows, cols, k, X, cols, G, k, true, x, cols);
        else math->gemm->run(false, false, rows, cols, k, G, k, X, cols, true, x, cols);
    }
}

static void muon(const job *j, const lac_param *p, float *room)
{
    const size_t big = j->room->big, small = j->room->small;
    const float mu = (float)j->o->momentum, rest = (float)(1 - j->o->momentum);
    const double ratio = (double)p->rows / (double)p->cols;
    const float step = j->lr_muon * (float)sqrt(fmax(1, ratio)), stay = (float)(1 - (double)j->lr_muon * j->o->decay_muon);
    float *w = j->s->w + p->at, *m = j->s->m + p->at, *x = room;
    const float *g = j->g + p->at;
    for (size_t i = 0; i < p->n; i++) {
        float gi = j->gscale * g[i];
        m[i] = mu * m[i] + rest * gi;
        x[i] = mu * m[i] + rest * gi;
    }
    j->math->grad->scale(x, (float)(1 / (sqrt(squares(x, p->n)) + 1e-7)), p->n);
    orthogonalise(j->math, x, p->rows, p->cols, x + big, x + 2 * big, x + 2 * big + small, x + 2 * big + 2 * small);
    for (size_t i = 0; i < p->n; i++) w[i] = stay * w[i] - step * x[i];
    average(j, p->at, p->n);
}

/* ---- the step ---- */

/* Matrices first: they are the long items, and the pieces then fill what a thread has left. */
static void update(void *ctx, size_t i, size_t thread)
{
    const job *j = ctx;
    const lac_optim_room *r = j->room;
    if (j->muon && i < r->n_matrices) {
        muon(j, &j->ps->p[r->matrix[i]], r->muon + thread * r->n_muon);
        return;
    }
    const piece *p = &r->piece[i - (j->muon ? r->n_matrices : 0)];
    if (!j->muon || !j->ps->p[p->tensor].matrix) adamw(j, p);
}

int lac_optim_step(lac_optim *s, const lac_optim_options *o, const lac_params *ps, const lac_math *math, lac_pool *pool,
                   lac_optim_room *room, float *g, double *norm, lacuna_error *err)
{
    job j = {.s = s, .ps = ps, .math = math, .o = o, .room = room, .g = g, .muon = o->lr_muon > 0};
    const double rate = lac_optim_rate(o, s->step), t = (double)s->step;
    int r = global_norm(&j, pool, norm, err);
    if (r) return r;
    j.gscale = o->clip > 0 && *norm > o->clip ? (float)(o->clip / *norm) : 1;
    j.lr = (float)(rate * o->lr);
    j.lr_muon = (float)(rate * o->lr_muon);
    j.c1 = (float)(1 / (1 - pow(o->beta1, t + 1)));
    j.c2 = (float)(1 / (1 - pow(o->beta2, t + 1)));
    j.keep = (float)fmin(o->ema, (1 + t) / (10 + t));
    lac_pool_run(pool, update, &j, room->n_pieces + (j.muon ? room->n_matrices : 0));
    s->step++;
    return 0;
}
