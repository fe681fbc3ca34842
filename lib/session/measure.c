/* What the machine can do, on the session's threads: bytes read and multiply-adds a second. */
#include "base/clock.h"
#include "base/err.h"
#include "kern/pack.h"
#include "session/session.h"

#define BLOCK ((size_t)256 << 20) /* far larger than the caches of any CPU this is for */
#define SHARE ((size_t)1 << 20)   /* of an item: long for the prefetcher, short beside the block */
#define PAGE ((size_t)4096)       /* bytes, the smallest there are */
#define ROUND_NS 2000000          /* a round of products: long beside a run of the pool */
#define ITEMS_A_THREAD 4          /* so that a thread that is late leaves its share to the others */

/* ---- bytes read ---- */

typedef uint64_t vec __attribute__((vector_size(16))); /* on every CPU; memory is slower than that */

typedef struct {
    vec *block; /* [BLOCK] bytes */
    vec *sum;   /* [BLOCK / SHARE], so that no reading is left out */
} reading;

/* Make the pages real: one that was never written is the same zero page everywhere, and read from a cache. */
static void touch_share(void *ctx, size_t item, size_t thread)
{
    const reading *r = ctx;
    (void)thread;
    for (size_t i = 0; i < SHARE; i += PAGE) r->block[(item * SHARE + i) / sizeof *r->block] = (vec){i, item};
}

/* Four streams at a time: about 8 % more than one, and wider vectors add nothing to that. */
static void read_share(void *ctx, size_t item, size_t thread)
{
    const reading *r = ctx;
    (void)thread;
    const size_t part = SHARE / 4 / sizeof(vec);
    const vec *p = r->block + item * 4 * part, *q = p + part, *u = q + part, *v = u + part;
    vec a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i < part; i += 4) { /* a cache line of each */
        a += p[i], a += p[i + 1], a += p[i + 2], a += p[i + 3];
        b += q[i], b += q[i + 1], b += q[i + 2], b += q[i + 3];
        c += u[i], c += u[i + 1], c += u[i + 2], c += u[i + 3];
        d += v[i], d += v[i + 1], d += v[i + 2], d += v[i + 3];
    }
    r->sum[item] = a + b + c + d;
}

static int measure_reading(lacuna_session *s, int64_t ns, double *best, lacuna_error *err)
{
    const lacuna_allocator *mem = &s->model->mem;
    const size_t items = BLOCK / SHARE;
    reading r = {lac_mem_alloc(mem, BLOCK), lac_mem_alloc(mem, items * sizeof *r.sum)};
    bool ok = r.block && r.sum;
    if (ok) {
        lac_pool_run(s->pool, touch_share, &r, items);
        int64_t begin = lac_clock_ns(), from, to = begin;
        do {
            from = to;
            lac_pool_run(s->pool, read_share, &r, items);
            to = lac_clock_ns();
            double speed = (double)BLOCK / ((double)(to - from) * 1e-9);
            if (speed > *best) *best = speed;
        } while (to - begin < ns);
    }
    lac_mem_free(mem, r.block, BLOCK);
    lac_mem_free(mem, r.sum, items * sizeof *r.sum);
    return ok ? 0 : lac_nomem(err, "block to read");
}

/* ---- multiply-adds ---- */

typedef struct {
    const lac_kern *kern;
    lac_type type;
    size_t turns;  /* of an item */
    double *done;  /* multiply-adds of an item */
} spinning;

static void spin_item(void *ctx, size_t item, size_t thread)
{
    const spinning *j = ctx;
    (void)thread;
    j->done[item] = j->kern->spin(j->type, j->turns);
}

static int measure_products(lacuna_session *s, int64_t ns, double *best, lacuna_error *err)
{
    const lacuna_allocator *mem = &s->model->mem;
    const size_t items = (size_t)lac_pool_threads(s->pool) * ITEMS_A_THREAD;
    spinning j = {s->model->kern, s->model->w.layer[0].qkv.type, 64, lac_mem_alloc(mem, items * sizeof *j.done)};
    if (!j.done) return lac_nomem(err, "products");
    int64_t begin = lac_clock_ns(), from, to = begin;
    do {
        from = to;
        lac_pool_run(s->pool, spin_item, &j, items);
        to = lac_clock_ns();
        double sum = 0;
        for (size_t i = 0; i < items; i++) sum += j.done[i];
        double speed = sum / ((double)(to - from) * 1e-9);
        if (to > from && speed > *best) *best = speed;
        if (to - from < ROUND_NS) j.turns *= 2;
    } while (to - begin < ns);
    lac_mem_free(mem, j.done, items * sizeof *j.done);
    return 0;
}

/* ---- the model's share ---- */

static void count(lacuna_machine *out, const lac_matrix *m)
{
    out->weight_bytes += lac_panels_bytes(m->type, m->rows, m->cols);
    out->weight_multiplies += m->rows * m->cols;
}

int lacuna_measure(lacuna_session *s, double seconds, lacuna_machine *out, lacuna_error *err)
{
    if (!s || !out) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_measure: session and out must not be NULL");
    *out = (lacuna_machine){0};
    if (!(seconds > 0 && seconds <= 60)) return lac_err(err, LACUNA_E_ARG, 0, "seconds must be in (0, 60]; it is %g", seconds);
    const lac_weights *w = &s->model->w;
    for (size_t i = 0; i < w->hp.layers; i++) {
        const lac_layer *l = &w->layer[i];
        count(out, &l->qkv), count(out, &l->out), count(out, &l->up), count(out, &l->down);
    }
    count(out, &w->output);
    const int64_t half = (int64_t)(seconds * 0.5e9);
    int r = measure_reading(s, half, &out->read_bytes, err);
    return r ? r : measure_products(s, half, &out->multiplies, err);
}
