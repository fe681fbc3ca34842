#include "net/net.h"

#include <math.h>
#include <string.h>

#include "base/err.h"

/* ---- memory ---- */

static size_t cache_bytes(const lac_net *net, size_t cap)
{
    const lac_hparams *hp = &net->w->hp;
    return (size_t)hp->layers * hp->width * cap * sizeof(float);
}

int lac_net_open(lac_net *net, const lac_weights *w, const lac_kern *kern, const lacuna_allocator *mem, lac_pool *pool,
                 atomic_bool *cancel, lacuna_error *err)
{
    *net = (lac_net){.w = w, .kern = kern, .mem = mem, .pool = pool, .cancel = cancel};
    size_t half = w->hp.head_dim / 2;
    net->inv_freq = lac_mem_alloc(mem, half * sizeof(float));
    if (!net->inv_freq) return lac_nomem(err, "network");
    for (size_t i = 0; i < half; i++)
        net->inv_freq[i] = (float)(1.0 / pow(w->hp.rope_base, 2.0 * (double)i / w->hp.head_dim));
    return 0;
}

void lac_net_free(lac_net *net)
{
    if (!net->mem) return;
    lac_mem_free(net->mem, net->key, cache_bytes(net, net->cap));
    lac_mem_free(net->mem, net->val, cache_bytes(net, net->cap));
    lac_mem_free(net->mem, net->scratch, net->scratch_bytes);
    lac_mem_free(net->mem, net->inv_freq, net->w->hp.head_dim / 2 * sizeof(float));
    *net = (lac_net){0};
}

size_t lac_net_size(const lac_net *net) { return 2 * cache_bytes(net, net->cap) + net->scratch_bytes; }

/* A larger copy of a [L, H, cap, D] cache. */
static float *regrow(const lac_net *net, const float *old, size_t cap)
{
    const lac_hparams *hp = &net->w->hp;
    float *now = lac_mem_alloc(net->mem, cache_bytes(net, cap));
    if (now && old && net->len)
        for (size_t i = 0; i < (size_t)hp->layers * hp->heads; i++)
            memcpy(now + i * cap * hp->head_dim, old + i * net->cap * hp->head_dim, net->len * hp->head_dim * sizeof(float));
    return now;
}

static bool carve(lac_net *net, size_t rows, size_t cap)
{
    const lac_hparams *hp = &net->w->hp;
    size_t up = hp->variant == LAC_HOUSE ? 2 * (size_t)hp->ff : hp->ff;
    size_t want[] = {rows * hp->width, rows * hp->width, rows * 3 * hp->width, rows * hp->width, rows * up, rows * hp->ff,
                     rows * hp->head_dim, lac_pool_threads(net->pool) * rows * (cap + 1), (size_t)LAC_LOGIT_ROWS * hp->vocab};
    float **at[] = {&net->x, &net->h, &net->qkv, &net->att, &net->up, &net->act, &net->angle, &net->score, &net->logits};
    size_t total = 0;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) total += want[i] = (want[i] + 15) & ~(size_t)15;
    float *now = lac_mem_alloc(net->mem, total * sizeof(float));
    if (!now) return false;
    lac_mem_free(net->mem, net->scratch, net->scratch_bytes);
    net->scratch = now;
    net->scratch_bytes = total * sizeof(float);
    net->rows = rows;
    for (size_t i = 0; i < sizeof want / sizeof *want; now += want[i++]) *at[i] = now;
    return true;
}

int lac_net_reserve(lac_net *net, size_t entries, size_t ahead, lacuna_error *err)
{
    size_t cap = net->cap, rows = ahead > LAC_CHUNK ? ahead : LAC_CHUNK;
    if (entries > INT32_MAX || rows > 1 << 20)
        return lac_err(err, LACUNA_E_LIMIT, 0, "%zu entries are more than a pass can hold", entries);
    if (entries > cap) {
        cap = (entries + 63) & ~(size_t)63;
        if (cap < net->cap + net->cap / 2) cap = net->cap + net->cap / 2;
    }
    if (rows < net->rows) rows = net->rows;
    if ((cap > net->cap || rows > net->rows) && !carve(net, rows, cap)) return lac_nomem(err, "scratch of a pass");
    if (cap > net->cap) {
        float *k = regrow(net, net->key, cap), *v = k ? regrow(net, net->val, cap) : NULL;
        if (!v) {
            lac_mem_free(net->mem, k, cache_bytes(net, cap));
            return lac_nomem(err, "cache");
        }
        lac_mem_free(net->mem, net->key, cache_bytes(net, net->cap));
        lac_mem_free(net->mem, net->val, cache_bytes(net, net->cap));
        net->key = k;
        net->val = v;
        net->cap = cap;
    }
    return 0;
}

void lac_net_crop(lac_net *net, size_t n)
{
    if (n < net->len) net->len = n;
}

/* ---- a linear map, cut by rows of the weights ---- */

#define ROWS_AN_ITEM 64

typedef struct {
    const lac_net *net;
    const lac_matrix *m;
    const float *bias; /* [m->rows] or NULL */
    const float *x;
    float *y;
    size_t n, ldx, ldy;
} linear_job;

static void linear_item(void *ctx, size_t item, size_t thread)
{
    const linear_job *j = ctx;
    (void)thread;
    size_t r = item * ROWS_AN_ITEM, rows = j->m->rows - r < ROWS_AN_ITEM ? j->m->rows - r : ROWS_AN_ITEM;
    const char *w = (const char *)j->m->data + r * lac_row_bytes(j->m->type, j->m->cols);
    lac_matmul(j->net->kern, j->m->type, j->y + r, j->ldy, j->x, j->ldx, w, j->n, rows, j->m->cols);
    if (j->bias)
        for (size_t i = 0; i < j->n; i++)
            for (size_t k = 0; k < rows; k++) j->y[i * j->ldy + r + k] += j->bias[r + k];
}

static void linear(const lac_net *net, const lac_matrix *m, const float *bias, const float *x, float *y, size_t n)
{
    linear_job j = {net, m, bias, x, y, n, m->cols, m->rows};
    lac_pool_run(net->pool, linear_item, &j, (m->rows + ROWS_AN_ITEM - 1) / ROWS_AN_ITEM);
}

/* ---- one chunk of entries through the layers ---- */

typedef struct {
    lac_net *net;
    const lac_pass *p;
    const lac_layer *layer;
    size_t l;    /* layer */
    size_t a, n; /* entries [a, a + n) of the pass are rows 0 to n - 1 of the scratch */
    size_t skip; /* rows before this one need no output of this layer */
} chunk;

static void norm(const lac_net *net, float *y, const float *x, const float *weight)
{
    const lac_hparams *hp = &net->w->hp;
    if (weight) net->kern->rms_norm(y, x, weight, hp->norm_eps, hp->width);
    else net->kern->layer_norm(y, x, hp->norm_eps, hp->width);
}

static void norm1_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    size_t e = c->net->w->hp.width;
    (void)thread;
    norm(c->net, c->net->h + i * e, c->net->x + i * e, c->layer->norm1);
}

/* Half rotation of one head by the angles of its row. */
static void rotate(float *v, const float *angle, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float x = v[i], y = v[half + i], c = angle[i], s = angle[half + i];
        v[i] = x * c - y * s;
        v[half + i] = y * c + x * s;
    }
}

/* Normalise and rotate q and k of one row, and put k and v into the cache. */
static void store_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    lac_net *net = c->net;
    const lac_hparams *hp = &net->w->hp;
    size_t e = hp->width, d = hp->head_dim, slot = net->len + c->a + i;
    float *q = net->qkv + i * 3 * e, *k = q + e, *v = k + e;
    const float *angle = net->angle + i * d;
    float tmp[1024]; /* head_dim is at most 1024 */
    (void)thread;
    for (size_t h = 0; h < hp->heads; h++) {
        float *part[2] = {q + h * d, k + h * d};
        const float *weight[2] = {c->layer->q_norm, c->layer->k_norm};
        for (int t = 0; t < 2; t++) {
            if (weight[t]) {
                net->kern->rms_norm(tmp, part[t], weight[t], hp->norm_eps, d);
                memcpy(part[t], tmp, d * sizeof *tmp);
            }
            rotate(part[t], angle, d / 2);
        }
        size_t at = ((c->l * hp->heads + h) * net->cap + slot) * d;
        memcpy(net->key + at, k + h * d, d * sizeof(float));
        memcpy(net->val + at, v + h * d, d * sizeof(float));
    }
}

/* Attention of one head: all rows against their keys in rank order, then each row's own softmax. */
static void attend_head(void *ctx, size_t h, size_t thread)
{
    const chunk *c = ctx;
    lac_net *net = c->net;
    const lac_hparams *hp = &net->w->hp;
    size_t e = hp->width, d = hp->head_dim, ld = net->cap + 1;
    const float *key = net->key + (c->l * hp->heads + h) * net->cap * d, *val = net->val + (c->l * hp->heads + h) * net->cap * d;
    float *score = net->score + thread * net->rows * ld;
    float scale = 1 / sqrtf((float)d);
    size_t shared = 0; /* keys that some row sees as a prefix */
    for (size_t i = c->skip; i < c->n; i++)
        if (net->len + c->p->sees[c->a + i] > shared) shared = net->len + c->p->sees[c->a + i];
    const float *q = net->qkv + c->skip * 3 * e + h * d;
    if (shared) net->kern->matmul_f32(score + c->skip * ld, ld, q, 3 * e, key, c->n - c->skip, shared, d);
    for (size_t i = c->skip; i < c->n; i++) {
        size_t own = net->len + c->a + i, n = net->len + c->p->sees[c->a + i];
        float *s = score + i * ld, *out = net->att + i * e + h * d, max = -INFINITY;
        bool self = n <= own; /* not in the prefix: the entry itself comes last */
        if (self) net->kern->matmul_f32(s + n, ld, net->qkv + i * 3 * e + h * d, 3 * e, key + own * d, 1, 1, d);
        for (size_t t = 0; t < n + self; t++) {
            s[t] *= scale;
            if (s[t] > max) max = s[t];
        }
        float sum = net->kern->exp_sum(s, s, max, n + self);
        memset(out, 0, d * sizeof *out);
        for (size_t t = 0; t < n; t++) net->kern->axpy(out, s[t], val + t * d, d);
        if (self) net->kern->axpy(out, s[n], val + own * d, d);
        for (size_t t = 0; t < d; t++) out[t] /= sum;
    }
}

/* x += the attention's output; then the norm before the MLP. */
static void norm2_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    size_t e = c->net->w->hp.width;
    float *x = c->net->x + (c->skip + i) * e, *h = c->net->h + (c->skip + i) * e;
    (void)thread;
    for (size_t k = 0; k < e; k++) x[k] += h[k];
    norm(c->net, h, x, c->layer->norm2);
}

static void activate_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    const lac_hparams *hp = &c->net->w->hp;
    size_t f = hp->ff, r = c->skip + i;
    (void)thread;
    if (hp->variant == LAC_HOUSE)
        c->net->kern->silu_mul(c->net->act + r * f, c->net->up + r * 2 * f, c->net->up + r * 2 * f + f, f);
    else c->net->kern->gelu_tanh(c->net->act + r * f, c->net->up + r * f, f);
}

static void run_layer(chunk *c)
{
    lac_net *net = c->net;
    const lac_layer *y = c->layer;
    size_t e = net->w->hp.width, f = net->w->hp.ff, rows = c->n - c->skip, o = c->skip;
    lac_pool_run(net->pool, norm1_row, c, c->n);
    linear(net, &y->qkv, y->qkv_bias, net->h, net->qkv, c->n);
    lac_pool_run(net->pool, store_row, c, c->n);
    if (!rows) return;
    lac_pool_run(net->pool, attend_head, c, net->w->hp.heads);
    linear(net, &y->out, NULL, net->att + o * e, net->h + o * e, rows);
    lac_pool_run(net->pool, norm2_row, c, rows);
    linear(net, &y->up, y->up_bias, net->h + o * e, net->up + o * y->up.rows, rows);
    lac_pool_run(net->pool, activate_row, c, rows);
    linear(net, &y->down, y->down_bias, net->act + o * f, net->h + o * e, rows);
    for (size_t k = o * e; k < c->n * e; k++) net->x[k] += net->h[k];
}

/* Tokens to rows, and the angles of their positions, formed in float32 as the authors do. */
static void enter(chunk *c)
{
    lac_net *net = c->net;
    const lac_hparams *hp = &net->w->hp;
    size_t row = lac_row_bytes(net->w->embed.type, hp->width), half = hp->head_dim / 2;
    for (size_t i = 0; i < c->n; i++) {
        size_t token = (size_t)c->p->token[c->a + i];
        lac_row_decode(net->w->embed.type, (const char *)net->w->embed.data + token * row, hp->width, net->x + i * hp->width);
        for (size_t k = 0; k < half; k++) {
            float angle = (float)c->p->pos[c->a + i] * net->inv_freq[k];
            net->angle[i * 2 * half + k] = cosf(angle);
            net->angle[i * 2 * half + half + k] = sinf(angle);
        }
    }
}

/* Logits of rows [from, n) of the chunk, LAC_LOGIT_ROWS at a time. */
static int leave(chunk *c, size_t from, lac_row_fn fn, void *ctx, lacuna_error *err)
{
    lac_net *net = c->net;
    size_t e = net->w->hp.width, v = net->w->hp.vocab;
    for (size_t i = from; i < c->n; i++) norm(net, net->h + i * e, net->x + i * e, net->w->norm);
    for (size_t i = from; i < c->n; i += LAC_LOGIT_ROWS) {
        size_t n = c->n - i < LAC_LOGIT_ROWS ? c->n - i : LAC_LOGIT_ROWS;
        linear(net, &net->w->output, net->w->output_bias, net->h + i * e, net->logits, n);
        for (size_t k = 0; k < n; k++) {
            int r = fn(ctx, c->a + i + k, net->logits + k * v, err);
            if (r) return r;
        }
    }
    return 0;
}

/* End of the chunk that begins at a.  Entries that see ahead go with what they see: such sets stay whole, and as
 * many sets as LAC_CHUNK holds, at least one, make a chunk. */
static size_t chunk_end(const lac_pass *p, size_t a)
{
    size_t end = a;
    while (end < p->n) {
        size_t to = end + 1;
        for (size_t i = end; i < to; i++)
            if (p->sees[i] > to) to = p->sees[i];
        if (end > a && to - a > LAC_CHUNK) break;
        end = to;
    }
    return end;
}

int lac_net_forward(lac_net *net, const lac_pass *p, lac_row_fn fn, void *ctx, lacuna_error *err)
{
    const lac_hparams *hp = &net->w->hp;
    if (net->len + p->n > net->cap)
        return lac_err(err, LACUNA_E_LIMIT, 0, "a pass of %zu entries after %zu does not fit %zu", p->n, net->len, net->cap);
    for (size_t i = 0; i < p->n; i++)
        if (p->sees[i] > p->n || p->pos[i] < 0)
            return lac_err(err, LACUNA_E_INTERNAL, i, "entry %zu of a pass of %zu: sees %u, position %d", i, p->n,
                           (unsigned)p->sees[i], (int)p->pos[i]);
        else if (p->token[i] < 0 || (uint32_t)p->token[i] >= hp->vocab)
            return lac_err(err, LACUNA_E_ARG, i, "token %d is outside the vocabulary of %u", (int)p->token[i], (unsigned)hp->vocab);
    for (size_t a = 0; a < p->n;) {
        size_t b = chunk_end(p, a);
        if (b - a > net->rows) return lac_err(err, LACUNA_E_LIMIT, 0, "%zu entries see each other, room is for %zu", b - a, net->rows);
        chunk c = {.net = net, .p = p, .a = a, .n = b - a};
        size_t first = p->first <= a ? 0 : p->first >= b ? c.n : p->first - a;
        enter(&c);
        for (c.l = 0; c.l < hp->layers; c.l++) {
            if (atomic_load_explicit(net->cancel, memory_order_relaxed)) return lac_err(err, LACUNA_E_CANCELLED, 0, "cancelled");
            c.layer = &net->w->layer[c.l];
            c.skip = c.l + 1 == hp->layers ? first : 0; /* the last layer of an entry without logits ends at K and V */
            run_layer(&c);
        }
        if (first < c.n) {
            int r = leave(&c, first, fn, ctx, err);
            if (r) return r;
        }
        a = b;
    }
    net->len += p->keep;
    return 0;
}
