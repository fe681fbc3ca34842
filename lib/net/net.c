#include "net/net.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "kern/pack.h"

/* ---- memory ---- */

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
    lac_mem_free(net->mem, net->scratch, net->scratch_bytes);
    lac_mem_free(net->mem, net->inv_freq, net->w->hp.head_dim / 2 * sizeof(float));
    *net = (lac_net){0};
}

size_t lac_net_size(const lac_net *net) { return net->scratch_bytes; }

/* Bytes of the widest prepared row: of any type, for conversion may leave a matrix in another than the rest. */
static size_t act_bytes(const lac_net *net)
{
    const lac_hparams *hp = &net->w->hp;
    return lac_prepared_bytes(LAC_F32, hp->ff > hp->width ? hp->ff : hp->width);
}

int lac_net_reserve(lac_net *net, size_t ahead, lacuna_error *err)
{
    const lac_hparams *hp = &net->w->hp;
    size_t rows = ahead > LAC_CHUNK ? ahead : LAC_CHUNK, up = hp->variant == LAC_HOUSE ? 2 * (size_t)hp->ff : hp->ff;
    if (rows > 1 << 20) return lac_err(err, LACUNA_E_LIMIT, 0, "%zu entries that see one another are more than a pass can hold", rows);
    if (rows <= net->rows) return 0;
    if (up < hp->width) up = hp->width;
    const struct {
        void **at;
        size_t bytes;
    } want[] = {{(void **)&net->x, rows * hp->width * sizeof(float)},
                {(void **)&net->h, rows * hp->width * sizeof(float)},
                {(void **)&net->qkv, rows * 3 * hp->width * sizeof(float)},
                {(void **)&net->up, rows * up * sizeof(float)},
                {(void **)&net->act, rows * act_bytes(net)},
                {(void **)&net->angle, rows * hp->head_dim * sizeof(float)},
                {(void **)&net->room, lac_pool_threads(net->pool) * lac_attend_room(rows, hp->head_dim) * sizeof(float)},
                {(void **)&net->logits, (size_t)LAC_LOGIT_ROWS * hp->vocab * sizeof(float)},
                {(void **)&net->sees, rows * sizeof(uint32_t)},
                {(void **)&net->self, rows * sizeof(uint32_t)},
                {(void **)&net->part, rows * sizeof(uint32_t)},
                {(void **)&net->entry, rows * sizeof(uint32_t)}};
    size_t total = 0;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) total += (want[i].bytes + LAC_ALIGN - 1) / LAC_ALIGN * LAC_ALIGN;
    char *now = lac_mem_alloc(net->mem, total);
    if (!now) return lac_nomem(err, "scratch of a pass");
    lac_mem_free(net->mem, net->scratch, net->scratch_bytes);
    net->scratch = now;
    net->scratch_bytes = total;
    net->rows = rows;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        memcpy(want[i].at, &now, sizeof now);
        now += (want[i].bytes + LAC_ALIGN - 1) / LAC_ALIGN * LAC_ALIGN;
    }
    return 0;
}

/* ---- order of items ---- */

/* Item k of n in the order in which they are handed out -> which it is: every thread goes through a stretch of its own,
 * as long as each takes the next in turn, for products and attention fetch what follows. */
static size_t own_stretch(const lac_net *net, size_t k, size_t n)
{
    const size_t threads = lac_pool_threads(net->pool), t = k % threads;
    return n / threads * t + (t < n % threads ? t : n % threads) + k / threads;
}

/* ---- a linear map, cut by panels of the weights ---- */

#define PANELS_AN_ITEM 8 /* 128 rows: some 100 KiB of weights, microseconds of work */

typedef struct {
    const lac_net *net;
    const lac_matrix *m;
    const float *bias;     /* [m->rows] or NULL */
    float *y;              /* [n, m->rows] */
    size_t n;
    const uint8_t *wanted; /* [panels] or NULL: see lac_pass */
} linear_job;

/* Panels [a, b) of the output. */
static void linear_panels(const linear_job *j, size_t a, size_t b)
{
    const lac_matrix *m = j->m;
    size_t r = a * LAC_PANEL, end = b * LAC_PANEL < m->rows ? b * LAC_PANEL : m->rows;
    if (j->wanted && !j->wanted[a]) {
        for (size_t i = 0; i < j->n; i++)
            for (size_t k = r; k < end; k++) j->y[i * m->rows + k] = -INFINITY;
        return;
    }
    const char *w = (const char *)m->panels + a * lac_panel_bytes(m->type, m->cols);
    j->net->kern->matmul(m->type, j->y + r, m->rows, j->net->act, j->n, w, end - r, m->cols);
    if (j->bias)
        for (size_t i = 0; i < j->n; i++)
            for (size_t k = r; k < end; k++) j->y[i * m->rows + k] += j->bias[k];
}

static void linear_item(void *ctx, size_t item, size_t thread)
{
    const linear_job *j = ctx;
    const size_t panels = (j->m->rows + LAC_PANEL - 1) / LAC_PANEL;
    size_t a = own_stretch(j->net, item, (panels + PANELS_AN_ITEM - 1) / PANELS_AN_ITEM) * PANELS_AN_ITEM;
    size_t end = a + PANELS_AN_ITEM < panels ? a + PANELS_AN_ITEM : panels;
    (void)thread;
    while (a < end) { /* runs of panels that are wanted, or not */
        size_t b = a + 1;
        while (b < end && (!j->wanted || !j->wanted[b] == !j->wanted[a])) b++;
        linear_panels(j, a, b);
        a = b;
    }
}

/* The prepared rows in net->act through m. */
static void linear(const lac_net *net, const lac_matrix *m, const float *bias, float *y, size_t n, const uint8_t *wanted)
{
    linear_job j = {net, m, bias, y, n, wanted};
    size_t panels = (m->rows + LAC_PANEL - 1) / LAC_PANEL;
    lac_pool_run(net->pool, linear_item, &j, (panels + PANELS_AN_ITEM - 1) / PANELS_AN_ITEM);
}

/* ---- one chunk of entries through the layers ----
 *
 * Its rows are entries of one or more parts.  Those without logits come first: the last layer leaves them out. */

typedef struct {
    lac_net *net;
    const lac_pass *p;
    size_t l;    /* layer */
    size_t n;    /* rows */
    size_t from; /* rows [from, n) get logits */
    size_t skip; /* rows before this one need no output of this layer */
} chunk;

#define ROWS_ALONE 3 /* so few rows are done by the caller: less work than waking others */

/* fn for rows [from, n) */
static void each_row(chunk *c, lac_pool_fn fn, size_t from)
{
    size_t n = c->n - from;
    c->skip = from;
    if (n > ROWS_ALONE) lac_pool_run(c->net->pool, fn, c, n);
    else
        for (size_t i = 0; i < n; i++) fn(c, i, 0);
}

static const lac_layer *layer(const chunk *c) { return &c->net->w->layer[c->l]; }

static void norm(const lac_net *net, float *y, const float *x, const float *weight)
{
    const lac_hparams *hp = &net->w->hp;
    if (weight) net->kern->rms_norm(y, x, weight, hp->norm_eps, hp->width);
    else net->kern->layer_norm(y, x, hp->norm_eps, hp->width);
}

/* Row r of what goes into m: prepared row r - skip. */
static void prepare(const chunk *c, const lac_matrix *m, const float *x, size_t r)
{
    c->net->kern->prepare(m->type, c->net->act + (r - c->skip) * lac_prepared_bytes(m->type, m->cols), x, m->cols);
}

static void add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

static void norm1_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    lac_net *net = c->net;
    size_t e = net->w->hp.width, r = c->skip + i;
    (void)thread;
    norm(net, net->h + r * e, net->x + r * e, layer(c)->norm1);
    prepare(c, &layer(c)->qkv, net->h + r * e, r);
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

/* Normalise and rotate q and k of one row and head, and put k and v on the row's list. */
static void store(const chunk *c, size_t r, size_t h)
{
    lac_net *net = c->net;
    const lac_hparams *hp = &net->w->hp;
    const lac_kv *kv = c->p->part[net->part[r]].kv;
    size_t e = hp->width, d = hp->head_dim, rank = net->self[r];
    enum { LONGEST = 1024 }; /* head_dim */
    float *q = net->qkv + r * 3 * e + h * d, *k = q + e, *v = k + e, tmp[LONGEST];
    _Alignas(LAC_ALIGN) char code[2][LONGEST * sizeof(float)];
    float *part[2] = {q, k};
    const float *weight[2] = {layer(c)->q_norm, layer(c)->k_norm};
    for (int t = 0; t < 2; t++) {
        if (weight[t]) {
            net->kern->rms_norm(tmp, part[t], weight[t], hp->norm_eps, d);
            memcpy(part[t], tmp, d * sizeof *tmp);
        }
        rotate(part[t], net->angle + r * d, d / 2);
    }
    char *at = kv->page[rank / LAC_PAGE] + (c->l * hp->heads + h) * lac_page_bytes(kv->store->type, d);
    net->kern->prepare(kv->store->type, code[0], k, d);
    net->kern->prepare(kv->store->type, code[1], v, d);
    lac_page_put(kv->store->type, at, rank % LAC_PAGE, d, code[0], code[1]);
}

/* One head: keys and values of all rows, then the attention of those that need an output, run by run of one list. */
static void head_item(void *ctx, size_t item, size_t thread)
{
    const chunk *c = ctx;
    lac_net *net = c->net;
    const lac_hparams *hp = &net->w->hp;
    const size_t e = hp->width, d = hp->head_dim, h = own_stretch(net, item, hp->heads);
    for (size_t r = 0; r < c->n; r++) store(c, r, h);
    for (size_t r = c->skip, end; r < c->n; r = end) {
        for (end = r + 1; end < c->n && net->part[end] == net->part[r];) end++;
        const lac_kv *kv = c->p->part[net->part[r]].kv;
        net->kern->attend(&(lac_attend){
            .type = kv->store->type, .D = d, .page = (const char *const *)kv->page,
            .offset = (c->l * hp->heads + h) * lac_page_bytes(kv->store->type, d),
            .q = net->qkv + r * 3 * e + h * d, .ldq = 3 * e, .N = end - r, .sees = net->sees + r, .self = net->self + r,
            .out = net->h + r * e + h * d, .ldo = e,
            .room = net->room + thread * lac_attend_room(net->rows, d)});
    }
}

static void attended_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    size_t r = c->skip + i;
    (void)thread;
    prepare(c, &layer(c)->out, c->net->h + r * c->net->w->hp.width, r);
}

/* x += the attention's output; then the norm before the MLP. */
static void norm2_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    lac_net *net = c->net;
    size_t e = net->w->hp.width, r = c->skip + i;
    (void)thread;
    add(net->x + r * e, net->qkv + i * e, e);
    norm(net, net->h + r * e, net->x + r * e, layer(c)->norm2);
    prepare(c, &layer(c)->up, net->h + r * e, r);
}

static void activate_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    const lac_hparams *hp = &c->net->w->hp;
    size_t f = hp->ff;
    float *up = c->net->up + i * layer(c)->up.rows;
    (void)thread;
    if (hp->variant == LAC_HOUSE) c->net->kern->silu_mul(up, up, up + f, f);
    else c->net->kern->gelu_tanh(up, up, f);
    prepare(c, &layer(c)->down, up, c->skip + i);
}

static void add_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    size_t e = c->net->w->hp.width;
    (void)thread;
    add(c->net->x + (c->skip + i) * e, c->net->qkv + i * e, e);
}

/* Rows [skip, n) of the layer; the others end at their keys and values. */
static void run_layer(chunk *c, size_t skip)
{
    lac_net *net = c->net;
    const lac_layer *y = layer(c);
    size_t n = c->n - skip;
    each_row(c, norm1_row, 0);
    linear(net, &y->qkv, y->qkv_bias, net->qkv, c->n, NULL);
    c->skip = skip;
    lac_pool_run(net->pool, head_item, c, net->w->hp.heads);
    if (!n) return;
    each_row(c, attended_row, skip);
    linear(net, &y->out, NULL, net->qkv, n, NULL);
    each_row(c, norm2_row, skip);
    linear(net, &y->up, y->up_bias, net->up, n, NULL);
    each_row(c, activate_row, skip);
    linear(net, &y->down, y->down_bias, net->qkv, n, NULL);
    each_row(c, add_row, skip);
}

/* Tokens to rows, and the angles of their positions, formed in float32 as the authors do. */
static void enter_row(void *ctx, size_t r, size_t thread)
{
    const chunk *c = ctx;
    lac_net *net = c->net;
    const lac_hparams *hp = &net->w->hp;
    const lac_part *part = &c->p->part[net->part[r]];
    size_t i = net->entry[r], row = lac_row_bytes(net->w->embed.type, hp->width), half = hp->head_dim / 2;
    (void)thread;
    lac_row_decode(net->w->embed.type, (const char *)net->w->embed.data + (size_t)part->token[i] * row, hp->width, net->x + r * hp->width);
    for (size_t k = 0; k < half; k++) {
        float a = (float)part->pos[i] * net->inv_freq[k];
        net->angle[r * hp->head_dim + k] = cosf(a);
        net->angle[r * hp->head_dim + half + k] = sinf(a);
    }
    net->self[r] = (uint32_t)(part->kv->len + i);
    net->sees[r] = (uint32_t)(part->kv->len + part->sees[i]);
}

static void last_row(void *ctx, size_t i, size_t thread)
{
    const chunk *c = ctx;
    lac_net *net = c->net;
    size_t e = net->w->hp.width, r = c->skip + i;
    (void)thread;
    norm(net, net->h + r * e, net->x + r * e, net->w->norm);
    prepare(c, &net->w->output, net->h + r * e, r);
}

/* The logits of rows [from, n). */
static int leave(chunk *c, lac_row_fn fn, void *ctx, lacuna_error *err)
{
    lac_net *net = c->net;
    const size_t v = net->w->hp.vocab, all = c->n;
    for (size_t r = c->from; r < all; r = c->n) {
        c->n = all - r < LAC_LOGIT_ROWS ? all : r + LAC_LOGIT_ROWS;
        each_row(c, last_row, r);
        linear(net, &net->w->output, net->w->output_bias, net->logits, c->n - r, c->p->panels);
        for (size_t k = r; k < c->n; k++) {
            int code = fn(ctx, net->part[k], net->entry[k], net->logits + (k - r) * v, err);
            if (code) return code;
        }
    }
    return 0;
}

static int run_chunk(chunk *c, lac_row_fn fn, void *ctx, lacuna_error *err)
{
    lac_net *net = c->net;
    each_row(c, enter_row, 0);
    for (c->l = 0; c->l < net->w->hp.layers; c->l++) {
        if (atomic_load_explicit(net->cancel, memory_order_relaxed)) return lac_err(err, LACUNA_E_CANCELLED, 0, "cancelled");
        run_layer(c, c->l + 1 == net->w->hp.layers ? c->from : 0);
    }
    return leave(c, fn, ctx, err);
}

/* ---- a pass, cut into chunks ---- */

/* End of the set of entries that begins at i and see ahead in it: such sets stay whole. */
static size_t set_end(const lac_part *part, size_t i)
{
    size_t end = i + 1;
    for (; i < end; i++)
        if (part->sees[i] > end) end = part->sees[i];
    return end;
}

/* Where a pass stands: entry i of part p is next. */
typedef struct {
    size_t p, i;
} place;

/* The place behind as many whole sets as LAC_CHUNK holds, at least one, from `at` on. */
static place chunk_end(const lac_pass *p, place at, size_t *rows)
{
    *rows = 0;
    while (at.p < p->n_parts) {
        if (at.i == p->part[at.p].n) {
            at = (place){at.p + 1, 0};
            continue;
        }
        size_t end = set_end(&p->part[at.p], at.i);
        if (*rows && *rows + end - at.i > LAC_CHUNK) break;
        *rows += end - at.i;
        at.i = end;
    }
    return at;
}

/* List the rows between two places: those without logits, then those with. */
static void list_rows(chunk *c, place at, place end)
{
    for (int logits = 0; logits < 2; logits++) {
        if (logits) c->from = c->n;
        for (size_t p = at.p; p < c->p->n_parts && p <= end.p; p++) {
            size_t i = p == at.p ? at.i : 0, to = p == end.p ? end.i : c->p->part[p].n, first = c->p->part[p].first;
            if (logits && i < first) i = first;
            if (!logits && to > first) to = first;
            for (; i < to; i++, c->n++) {
                c->net->part[c->n] = (uint32_t)p;
                c->net->entry[c->n] = (uint32_t)i;
            }
        }
    }
}

static int check(const lac_net *net, const lac_part *part, size_t p, lacuna_error *err)
{
    if (part->kv->len + part->n > lac_kv_room(part->kv))
        return lac_err(err, LACUNA_E_LIMIT, 0, "a pass of %zu entries after %zu does not fit %zu", part->n, part->kv->len, lac_kv_room(part->kv));
    for (size_t i = 0; i < part->n; i++)
        if (part->sees[i] > part->n || part->pos[i] < 0)
            return lac_err(err, LACUNA_E_INTERNAL, i, "entry %zu of part %zu of %zu: sees %u, position %d", i, p, part->n,
                           (unsigned)part->sees[i], (int)part->pos[i]);
        else if (part->token[i] < 0 || (uint32_t)part->token[i] >= net->w->hp.vocab)
            return lac_err(err, LACUNA_E_ARG, i, "token %d is outside the vocabulary of %u", (int)part->token[i], (unsigned)net->w->hp.vocab);
    return 0;
}

int lac_net_forward(lac_net *net, const lac_pass *p, lac_row_fn fn, void *ctx, lacuna_error *err)
{
    int r;
    for (size_t k = 0; k < p->n_parts; k++)
        if ((r = check(net, &p->part[k], k, err))) return r;
    for (place at = {0, 0}, end; at.p < p->n_parts; at = end) {
        chunk c = {.net = net, .p = p};
        size_t rows;
        end = chunk_end(p, at, &rows);
        if (!rows) break;
        if (rows > net->rows) return lac_err(err, LACUNA_E_LIMIT, 0, "%zu entries see each other, room is for %zu", rows, net->rows);
        list_rows(&c, at, end);
        if ((r = run_chunk(&c, fn, ctx, err))) return r;
    }
    for (size_t k = 0; k < p->n_parts; k++) {
        lac_kv *kv = p->part[k].kv;
        for (size_t i = 0; i < p->part[k].keep; i++, kv->len++) {
            kv->token[kv->len] = p->part[k].token[i];
            kv->pos[kv->len] = p->part[k].pos[i];
        }
    }
    return 0;
}
