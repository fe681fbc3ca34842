#include "train/trainer.h"

#include <math.h>
#include <string.h>

#include "base/err.h"

#define CHUNK ((size_t)1 << 15) /* floats of a gradient that are summed as one piece of work */

struct lac_lane {
    lac_example *example;     /* [per_lane] */
    float *g;                 /* [lac_grad_size] */
    lac_tally sum;
    lacuna_error err;
    int failed;               /* a lacuna_code */
};

/* ---- sums ---- */

static void tally_add(lac_tally *a, const lac_tally *b)
{
    for (int p = 0; p < LAC_PARTS; p++) a->nll[p] += b->nll[p], a->norm[p] += b->norm[p];
    a->entries += b->entries;
    a->targets += b->targets;
    a->bytes += b->bytes;
    a->pairs += b->pairs;
}

static void tally_example(lac_tally *s, const lac_example *e)
{
    for (int p = 0; p < LAC_PARTS; p++) s->norm[p] += e->norm[p];
    s->entries += (double)e->n;
    s->bytes += (double)e->bytes;
    for (size_t i = 0; i < e->n; i++) {
        s->targets += e->target[i] >= 0;
        s->pairs += (double)e->sees[i] + (double)(e->to[i] - e->from[i]);
    }
}

/* The lanes' tallies, over this rank and all others. */
static lac_tally tally_all(lac_trainer *t)
{
    for (size_t gap = 1; gap < t->lanes; gap *= 2)
        for (size_t l = 0; l + gap < t->lanes; l += 2 * gap) tally_add(&t->lane[l].sum, &t->lane[l + gap].sum);
    lac_tally s = t->lane[0].sum;
    double x[2 * LAC_PARTS + 4] = {s.entries, s.targets, s.bytes, s.pairs};
    for (int p = 0; p < LAC_PARTS; p++) x[4 + p] = s.nll[p], x[4 + LAC_PARTS + p] = s.norm[p];
    lac_dist_sum_double(&t->dist, x, sizeof x / sizeof *x);
    s = (lac_tally){.entries = x[0], .targets = x[1], .bytes = x[2], .pairs = x[3]};
    for (int p = 0; p < LAC_PARTS; p++) s.nll[p] = x[4 + p], s.norm[p] = x[4 + LAC_PARTS + p];
    return s;
}

double lac_tally_loss(const lac_tally *s, const lac_objective *o)
{
    double loss = 0;
    for (int p = 0; p < LAC_PARTS; p++)
        if (s->norm[p] > 0) loss += o->coef[p] * s->nll[p] / s->norm[p];
    return loss;
}

double lac_tally_flops(const lac_tally *s, const lac_params *ps)
{
    double body = 0, width = (double)ps->hp.heads * ps->hp.head_dim;
    for (size_t i = 0; i < ps->n; i++)
        if (ps->p[i].matrix) body += (double)ps->p[i].n;
    return 6 * body * s->entries + 6 * (double)ps->hp.vocab * ps->hp.width * s->targets +
           12 * width * ps->hp.layers * s->pairs;
}

static void sum_chunk(void *ctx, size_t item, size_t thread)
{
    lac_trainer *t = ctx;
    (void)thread;
    size_t all = lac_grad_size(t->ps), at = item * CHUNK, n = all - at < CHUNK ? all - at : CHUNK;
    for (size_t gap = 1; gap < t->lanes; gap *= 2)
        for (size_t l = 0; l + gap < t->lanes; l += 2 * gap)
            t->opt.math.grad->add(t->lane[l].g + at, t->lane[l + gap].g + at, n);
}

/* ---- what a lane does ---- */

static void make_lane(void *ctx, size_t item, size_t thread)
{
    lac_trainer *t = ctx;
    lac_lane *l = &t->lane[item];
    uint64_t at = t->optim.step * t->opt.batch + t->first + item;
    l->sum = (lac_tally){0};
    l->failed = 0;
    for (size_t i = 0; i < t->per_lane && !l->failed; i++, at += t->opt.lanes) {
        l->failed = lac_maker_make(t->maker[thread], t->opt.seed, at, &l->example[i], &l->err);
        if (!l->failed) tally_example(&l->sum, &l->example[i]);
    }
}

typedef struct {
    lac_trainer *t;
    const lac_step_weights *w;
    double scale[LAC_PARTS];
} train_job;

static void train_lane(void *ctx, size_t item, size_t thread)
{
    train_job *job = ctx;
    lac_trainer *t = job->t;
    lac_lane *l = &t->lane[item];
    l->sum = (lac_tally){0};
    memset(l->g, 0, lac_grad_size(t->ps) * sizeof *l->g);
    for (size_t i = 0; i < t->per_lane && !atomic_load(&t->cancel); i++)
        lac_tape_run(t->tape[thread], job->w, &l->example[i], job->scale, l->sum.nll, l->g, NULL, NULL);
}

typedef struct {
    lac_trainer *t;
    const lac_step_weights *w;
    lac_maker **maker;   /* [threads] */
    uint64_t seed, n;
} eval_job;

static void eval_lane(void *ctx, size_t item, size_t thread)
{
    static const double none[LAC_PARTS] = {0};
    eval_job *job = ctx;
    lac_trainer *t = job->t;
    lac_lane *l = &t->lane[item];
    l->sum = (lac_tally){0};
    l->failed = 0;
    for (uint64_t i = t->first + item; i < job->n && !l->failed && !atomic_load(&t->cancel); i += t->opt.lanes) {
        l->failed = lac_maker_make(job->maker[thread], job->seed, i, l->example, &l->err);
        if (l->failed) return;
        tally_example(&l->sum, l->example);
        lac_tape_run(t->tape[thread], job->w, l->example, none, l->sum.nll, NULL, NULL, NULL);
    }
}

/* The first lane's failure, if one failed. */
static int failure(const lac_trainer *t, lacuna_error *err)
{
    for (size_t l = 0; l < t->lanes; l++) {
        if (!t->lane[l].failed) continue;
        if (err) *err = t->lane[l].err;
        return t->lane[l].failed;
    }
    return 0;
}

/* Was this rank, or another, asked to stop?  All of them get the same answer. */
static int cancelled(lac_trainer *t, lacuna_error *err)
{
    double any = atomic_exchange(&t->cancel, false);
    lac_dist_sum_double(&t->dist, &any, 1);
    return any > 0 ? lac_err(err, LACUNA_E_CANCELLED, 0, "cancelled") : 0;
}

/* ---- open and close ---- */

static int check(const lac_trainer *t, const lac_corpus *c, lacuna_error *err)
{
    size_t lanes = t->opt.lanes, batch = t->opt.batch, ranks = (size_t)t->dist.ranks;
    if (!lanes || (lanes & (lanes - 1)) || !batch || batch % lanes)
        return lac_err(err, LACUNA_E_ARG, 0,
                       "%zu lanes and a batch of %zu: lanes must be a power of two that divides the batch", lanes,
                       batch);
    if (lanes % ranks)
        return lac_err(err, LACUNA_E_ARG, 0, "%zu lanes cannot be shared out to %zu ranks", lanes, ranks);
    if (!lac_corpus_tokens(c)) return lac_err(err, LACUNA_E_ARG, 0, "there is no text to train on");
    return 0;
}

static int open_makers(const lac_trainer *t, lac_maker **maker, const lac_corpus *c, lacuna_error *err)
{
    int r = 0;
    for (unsigned i = 0; !r && i < lac_pool_threads(t->pool); i++)
        r = lac_maker_open(&maker[i], &t->opt.objective, c, t->tok, &t->mem, err);
    return r;
}

static void free_makers(const lac_trainer *t, lac_maker **maker)
{
    for (unsigned i = 0; i < lac_pool_threads(t->pool); i++) lac_maker_free(maker[i]);
}

static int open_arrays(lac_trainer *t, lacuna_error *err)
{
    lac_arena *a = &t->arena;
    size_t total = t->ps->total, grad = lac_grad_size(t->ps), mod = lac_mod_size(t->ps),
           threads = lac_pool_threads(t->pool);
    bool ok = (t->lane = lac_arena_array(a, t->lanes, sizeof *t->lane)) &&
              (t->tape = lac_arena_array(a, threads, sizeof *t->tape)) &&
              (t->maker = lac_arena_array(a, threads, sizeof *t->maker)) &&
              (t->optim.w = lac_arena_array(a, total, sizeof(float))) &&
              (t->optim.m = lac_arena_array(a, total, sizeof(float))) &&
              (t->optim.v = lac_arena_array(a, total, sizeof(float)));
    if (ok && t->opt.optim.ema > 0) ok = (t->optim.ema = lac_arena_array(a, total, sizeof(float))) != NULL;
    if (ok && t->opt.math.gemm->bf16) ok = (t->operand = lac_arena_array(a, total, sizeof *t->operand)) != NULL;
    if (ok && mod) ok = (t->mod = lac_arena_array(a, mod, sizeof(float))) != NULL;
    if (ok && t->dist.ranks > 1) ok = (t->scratch = lac_arena_array(a, grad, sizeof(float))) != NULL;
    for (size_t l = 0; ok && l < t->lanes; l++)
        ok = (t->lane[l].g = lac_arena_array(a, grad, sizeof(float))) &&
             (t->lane[l].example = lac_arena_array(a, t->per_lane, sizeof *t->lane[l].example));
    return ok ? 0 : lac_nomem(err, "trainer");
}

int lac_trainer_open(lac_trainer *t, const lac_params *ps, const lac_corpus *c, const lac_tok *tok,
                     const lac_trainer_options *opt, const lacuna_allocator *mem, lacuna_error *err)
{
    *t = (lac_trainer){.ps = ps, .tok = tok, .opt = *opt, .mem = *mem};
    t->arena.mem = &t->mem;
    int r = lac_dist_open(&t->dist, err);
    if (!r) r = check(t, c, err);
    if (r) return r;
    t->lanes = opt->lanes / (size_t)t->dist.ranks;
    t->first = t->lanes * (size_t)t->dist.rank;
    t->per_lane = opt->batch / opt->lanes;
    unsigned threads = opt->threads < t->lanes ? opt->threads : (unsigned)t->lanes;
    if ((r = lac_pool_open(&t->pool, &t->mem, threads ? threads : 1, err)) || (r = open_arrays(t, err))) goto fail;
    for (unsigned i = 0; !r && i < lac_pool_threads(t->pool); i++)
        r = lac_tape_open(&t->tape[i], ps, &t->opt.math, opt->objective.length, &t->mem, err);
    for (size_t i = 0; !r && i < t->lanes * t->per_lane; i++)
        r = lac_example_open(&t->lane[i / t->per_lane].example[i % t->per_lane], opt->objective.length, &t->mem, err);
    if (!r) r = open_makers(t, t->maker, c, err);
    if (!r) r = lac_optim_room_open(&t->room, ps, lac_pool_threads(t->pool), &t->mem, err);
    if (!r) return 0;
fail:
    lac_trainer_close(t);
    return r;
}

void lac_trainer_close(lac_trainer *t)
{
    if (t->maker) free_makers(t, t->maker);
    for (unsigned i = 0; t->tape && i < lac_pool_threads(t->pool); i++) lac_tape_free(t->tape[i]);
    for (size_t l = 0; t->lane && l < t->lanes; l++)
        for (size_t i = 0; t->lane[l].example && i < t->per_lane; i++)
            lac_example_free(&t->lane[l].example[i], &t->mem);
    lac_optim_room_free(t->room);
    lac_pool_free(t->pool);
    lac_arena_free(&t->arena);
    *t = (lac_trainer){0};
}

/* ---- a step ---- */

int lac_trainer_step(lac_trainer *t, lac_tally *sum, double *norm, lacuna_error *err)
{
    /* The denominators of the loss must be known before the first backward pass: all examples are made first. */
    lac_pool_run(t->pool, make_lane, t, t->lanes);
    int r = failure(t, err);
    if (r) return r;
    *sum = tally_all(t);
    lac_step_weights w;
    train_job job = {.t = t, .w = &w};
    for (int p = 0; p < LAC_PARTS; p++) job.scale[p] = sum->norm[p] > 0 ? t->opt.objective.coef[p] / sum->norm[p] : 0;
    lac_step_weights_make(&w, t->ps, &t->opt.math, t->optim.w, t->operand, t->mod);
    lac_pool_run(t->pool, train_lane, &job, t->lanes);
    if ((r = cancelled(t, err))) return r;
    lac_tally nll = tally_all(t);
    memcpy(sum->nll, nll.nll, sizeof sum->nll);

    float *g = t->lane[0].g;
    size_t n = lac_grad_size(t->ps);
    lac_pool_run(t->pool, sum_chunk, t, (n + CHUNK - 1) / CHUNK);
    lac_dist_sum(&t->dist, g, n, t->scratch);
    double loss = lac_tally_loss(sum, &t->opt.objective);
    if (!isfinite(loss))
        return lac_err(err, LACUNA_E_INTERNAL, t->optim.step,
                       "step %llu: the loss is %g; a lower learning rate may help", (unsigned long long)t->optim.step,
                       loss);
    lac_step_weights_back(&w, t->ps, g);
    return lac_optim_step(&t->optim, &t->opt.optim, t->ps, &t->opt.math, t->pool, t->room, g, norm, err);
}

int lac_trainer_eval(lac_trainer *t, const lac_corpus *c, uint64_t seed, uint64_t n, lac_tally *sum, lacuna_error *err)
{
    if (!lac_corpus_tokens(c)) return lac_err(err, LACUNA_E_ARG, 0, "there is no text to measure on");
    size_t size = lac_pool_threads(t->pool) * sizeof(lac_maker *);
    lac_maker **maker = lac_mem_zalloc(&t->mem, size);
    if (!maker) return lac_nomem(err, "evaluation");
    int r = open_makers(t, maker, c, err);
    if (!r) {
        lac_step_weights w;
        lac_step_weights_make(&w, t->ps, &t->opt.math, t->optim.ema ? t->optim.ema : t->optim.w, t->operand, t->mod);
        lac_pool_run(t->pool, eval_lane, &(eval_job){t, &w, maker, seed, n}, t->lanes);
        if (!(r = failure(t, err)) && !(r = cancelled(t, err))) *sum = tally_all(t);
    }
    free_makers(t, maker);
    lac_mem_free(&t->mem, maker, size);
    return r;
}
