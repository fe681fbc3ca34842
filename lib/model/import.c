#include "model/import.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "file/say.h"

typedef struct {
    lac_import *im;
    bool *used;    /* [st->n_tensors] */
    lacuna_error *err;
    int failed;    /* the first failure; from then on nothing is prepared */
} maker;

static int nomem(maker *k)
{
    return k->failed = lac_nomem(k->err, "import of a checkpoint");
}

/* ---- sources ---- */

/* "[3, 4]": what the file says, or what was expected. */
static void say_shape(char out[128], const uint64_t *dim, uint32_t n)
{
    size_t at = 1;
    strcpy(out, "[");
    for (uint32_t i = 0; i < n && at < 100; i++)
        at += (size_t)snprintf(out + at, 128 - at, "%s%llu", i ? ", " : "", (unsigned long long)dim[i]);
    snprintf(out + at, 128 - at, "]");
}

int lac_import_find(const lac_st_tensor **out, const lac_safetensors *st, const char *name, size_t rows, size_t cols, const char *by,
                    lacuna_error *err)
{
    char prefixed[96], is[128], want[128];
    const lac_st_tensor *t = lac_safetensors_find(st, name);
    if (!t) {
        snprintf(prefixed, sizeof prefixed, "backbone.%s", name);
        t = lac_safetensors_find(st, prefixed);
    }
    if (!t) return lac_err(err, LACUNA_E_FORMAT, 0, "%s: no tensor '%s'", st->name, name);
    bool fits = t->n_dims == (rows ? 2u : 1u) && t->dim[t->n_dims - 1] == cols && (!rows || t->dim[0] == rows);
    if (!fits) {
        say_shape(is, t->dim, t->n_dims);
        say_shape(want, (const uint64_t[]){rows ? rows : cols, cols}, rows ? 2 : 1);
        return lac_err(err, LACUNA_E_FORMAT, t->at, "%s: tensor '%s' has the shape %s, by %.60s it is %s", st->name, name, is, by, want);
    }
    if (t->type == LAC_ST_OTHER) {
        return lac_err(err, LACUNA_E_FORMAT, t->at, "%s: tensor '%s' has no type of F32, F16, BF16, F64", st->name, name);
    }
    *out = t;
    return 0;
}

/* The source tensor called name, of shape [rows, cols] ([cols] for rows 0); NULL after a failure. */
static const lac_st_tensor *source(maker *k, const char *name, size_t rows, size_t cols)
{
    const lac_st_tensor *t;
    if (k->failed) return NULL;
    k->failed = lac_import_find(&t, k->im->st, name, rows, cols, k->im->config->name, k->err);
    if (k->failed) return NULL;
    k->used[t - k->im->st->tensor] = true;
    if (cols > k->im->line_size) k->im->line_size = cols;
    return t;
}

static const lac_st_tensor *in_layer(maker *k, size_t i, const char *rest, size_t rows, size_t cols)
{
    char name[64];
    snprintf(name, sizeof name, "blocks.%zu.%s", i, rest);
    return source(k, name, rows, cols);
}

/* ---- our tensors ---- */

static void add(maker *k, lac_import_tensor t, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void add(maker *k, lac_import_tensor t, const char *fmt, ...)
{
    lac_import *im = k->im;
    if (k->failed) return;
    if (im->n_tensors == im->cap) { /* the table was sized for the configuration */
        k->failed = lac_err(k->err, LACUNA_E_INTERNAL, 0, "import makes more tensors than planned");
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t.name, sizeof t.name, fmt, ap);
    va_end(ap);
    im->tensor[im->n_tensors++] = t;
}

static void make_house(maker *k)
{
    const lac_hparams *hp = &k->im->config->hp;
    const size_t V = hp->vocab, E = hp->width, F = hp->ff, D = hp->head_dim;
    const struct {
        const char *to, *from;
        size_t rows, cols;
    } parts[] = {{"attn_norm.weight", "norm1.weight", 0, E},   {"attn_qkv.weight", "qkv.weight", 3 * E, E},
                 {"attn_output.weight", "out.weight", E, E},   {"ffn_norm.weight", "norm2.weight", 0, E},
                 {"ffn_up.weight", "up.weight", 2 * F, E},     {"ffn_down.weight", "down.weight", E, F},
                 {"attn_q_norm.weight", "qn.weight", 0, D},    {"attn_k_norm.weight", "kn.weight", 0, D}};
    const size_t n = sizeof parts / sizeof *parts - (hp->qk_norm ? 0 : 2);
    add(k, (lac_import_tensor){.rows = V, .cols = E, .src = source(k, "embed.weight", V, E)}, "token_embd.weight");
    add(k, (lac_import_tensor){.cols = E, .src = source(k, "norm.weight", 0, E)}, "output_norm.weight");
    for (size_t i = 0; i < hp->layers && !k->failed; i++) {
        for (size_t p = 0; p < n; p++) {
            add(k, (lac_import_tensor){.rows = parts[p].rows, .cols = parts[p].cols,
                                       .src = in_layer(k, i, parts[p].from, parts[p].rows, parts[p].cols)},
                "blk.%zu.%s", i, parts[p].to);
        }
    }
}

/* ---- folding ---- */

static double silu(double x) { return x / (1 + exp(-x)); }

/* y = W x + b in double; W [rows, cols], read a row at a time into a line of the arena; b may be NULL. */
static double *affine(maker *k, const lac_st_tensor *W, const lac_st_tensor *b, const double *x, size_t rows, size_t cols)
{
    lac_arena *a = &k->im->arena;
    if (k->failed) return NULL;
    double *y = lac_arena_array(a, rows, sizeof *y), *line = lac_arena_array(a, cols, sizeof *line);
    if (!y || !line) {
        nomem(k);
        return NULL;
    }
    if (b) lac_safetensors_read(b, 0, rows, y);
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        lac_safetensors_read(W, (uint64_t)r * cols, cols, line);
        for (size_t c = 0; c < cols; c++) sum += line[c] * x[c];
        y[r] += sum;
    }
    return y;
}

/* The conditioning vector [cond] at sigma 0. */
static double *condition(maker *k)
{
    const size_t C = k->im->config->cond, Q = k->im->config->freq;
    const lac_st_tensor *W1 = source(k, "sigma_map.mlp.0.weight", C, Q), *b1 = source(k, "sigma_map.mlp.0.bias", 0, C);
    const lac_st_tensor *W2 = source(k, "sigma_map.mlp.2.weight", C, C), *b2 = source(k, "sigma_map.mlp.2.bias", 0, C);
    double *x = k->failed ? NULL : lac_arena_array(&k->im->arena, Q, sizeof *x);
    if (!k->failed && !x) nomem(k);
    if (k->failed) return NULL;
    for (size_t i = 0; i < Q / 2; i++) x[i] = 1; /* cos 0; the sines behind are 0 */
    double *h = affine(k, W1, b1, x, C, Q);
    for (size_t i = 0; h && i < C; i++) h[i] = silu(h[i]);
    double *t = h ? affine(k, W2, b2, h, C, C) : NULL;
    for (size_t i = 0; t && i < C; i++) t[i] = silu(t[i]);
    return t;
}

/* scale[i] = w[i] (1 + scale[i]): the norm's weight and the modulation become one factor a column. */
static void fold_norm(maker *k, const lac_st_tensor *w, double *scale, size_t E)
{
    for (size_t i = 0; i < E && !k->failed; i++) {
        double wi;
        lac_safetensors_read(w, i, 1, &wi);
        scale[i] = wi * (1 + scale[i]);
    }
}

static void make_block(maker *k, size_t i, const double *t)
{
    const lac_config *cf = k->im->config;
    const size_t E = cf->hp.width, F = cf->hp.ff, C = cf->cond;
    const lac_st_tensor *norm1 = in_layer(k, i, "norm1.weight", 0, E), *norm2 = in_layer(k, i, "norm2.weight", 0, E);
    const lac_st_tensor *qkv = in_layer(k, i, "attn_qkv.weight", 3 * E, E), *out = in_layer(k, i, "attn_out.weight", E, E);
    const lac_st_tensor *up = in_layer(k, i, "mlp.0.weight", F, E), *up_bias = in_layer(k, i, "mlp.0.bias", 0, F);
    const lac_st_tensor *down = in_layer(k, i, "mlp.2.weight", E, F), *down_bias = in_layer(k, i, "mlp.2.bias", 0, E);
    const lac_st_tensor *Wmod = in_layer(k, i, "adaLN_modulation.weight", 6 * E, C);
    const lac_st_tensor *bmod = in_layer(k, i, "adaLN_modulation.bias", 0, 6 * E);
    double *mod = affine(k, Wmod, bmod, t, 6 * E, C);
    if (!mod) return;
    double *shift1 = mod, *scale1 = mod + E, *gate1 = mod + 2 * E, *shift2 = mod + 3 * E, *scale2 = mod + 4 * E, *gate2 = mod + 5 * E;
    fold_norm(k, norm1, scale1, E);
    fold_norm(k, norm2, scale2, E);
    add(k, (lac_import_tensor){.rows = 3 * E, .cols = E, .src = qkv, .col_scale = scale1}, "blk.%zu.attn_qkv.weight", i);
    add(k, (lac_import_tensor){.cols = 3 * E, .src = qkv, .shift = shift1, .n_shift = E}, "blk.%zu.attn_qkv.bias", i);
    add(k, (lac_import_tensor){.rows = E, .cols = E, .src = out, .row_scale = gate1}, "blk.%zu.attn_output.weight", i);
    add(k, (lac_import_tensor){.rows = F, .cols = E, .src = up, .col_scale = scale2}, "blk.%zu.ffn_up.weight", i);
    add(k, (lac_import_tensor){.cols = F, .src = up, .shift = shift2, .n_shift = E, .bias = up_bias}, "blk.%zu.ffn_up.bias", i);
    add(k, (lac_import_tensor){.rows = E, .cols = F, .src = down, .row_scale = gate2}, "blk.%zu.ffn_down.weight", i);
    add(k, (lac_import_tensor){.cols = E, .src = down_bias, .col_scale = gate2}, "blk.%zu.ffn_down.bias", i);
}

static void make_official(maker *k)
{
    const lac_config *cf = k->im->config;
    const size_t V = cf->hp.vocab, E = cf->hp.width, C = cf->cond;
    const double *t = condition(k);
    const lac_st_tensor *norm = source(k, "output_layer.norm_final.weight", 0, E);
    const lac_st_tensor *out = source(k, "output_layer.linear.weight", V, E), *bias = source(k, "output_layer.linear.bias", 0, V);
    const lac_st_tensor *Wmod = source(k, "output_layer.adaLN_modulation.weight", 2 * E, C);
    const lac_st_tensor *bmod = source(k, "output_layer.adaLN_modulation.bias", 0, 2 * E);
    add(k, (lac_import_tensor){.rows = V, .cols = E, .src = source(k, "vocab_embed.embedding", V, E)}, "token_embd.weight");
    double *mod = affine(k, Wmod, bmod, t, 2 * E, C);
    if (!mod) return;
    fold_norm(k, norm, mod + E, E);
    add(k, (lac_import_tensor){.rows = V, .cols = E, .src = out, .col_scale = mod + E}, "output.weight");
    add(k, (lac_import_tensor){.cols = V, .src = out, .shift = mod, .n_shift = E, .bias = bias}, "output.bias");
    for (size_t i = 0; i < cf->hp.layers && !k->failed; i++) make_block(k, i, t);
}

/* ---- open, read, close ---- */

static bool is_buffer(const char *name)
{
    static const char tail[] = "inv_freq"; /* RoPE's table: follows from rope_base */
    size_t n = strlen(name), m = sizeof tail - 1;
    return n >= m && !strcmp(name + n - m, tail);
}

int lac_import_leftovers(const lac_safetensors *st, const bool *used, const char *by, lacuna_error *err)
{
    for (size_t i = 0; i < st->n_tensors; i++) {
        if (used[i] || is_buffer(st->tensor[i].name.bytes)) continue;
        return lac_err(err, LACUNA_E_FORMAT, st->tensor[i].at, "%s: tensor '%s' has no place in the architecture that %.60s describes",
                       st->name, lac_say_name(st->tensor[i].name).s, by);
    }
    return 0;
}

int lac_import_open(lac_import *im, const lac_safetensors *st, const lac_config *config, const lacuna_allocator *mem,
                    lacuna_error *err)
{
    *im = (lac_import){.st = st, .config = config, .arena.mem = mem, .cap = 3 + (size_t)config->hp.layers * 8};
    maker k = {im, lac_mem_zalloc(mem, st->n_tensors + 1), err, 0};
    im->tensor = lac_arena_array(&im->arena, im->cap, sizeof *im->tensor);
    if (!k.used || !im->tensor) nomem(&k);
    else if (config->hp.variant == LAC_HOUSE) make_house(&k);
    else make_official(&k);
    if (!k.failed) k.failed = lac_import_leftovers(st, k.used, config->name, err);
    if (!k.failed) im->line = lac_arena_array(&im->arena, im->line_size, sizeof *im->line);
    if (!k.failed && !im->line) nomem(&k);
    lac_mem_free(mem, k.used, st->n_tensors + 1);
    if (k.failed) lac_import_close(im);
    return k.failed;
}

void lac_import_close(lac_import *im)
{
    if (im->arena.mem) lac_arena_free(&im->arena);
    *im = (lac_import){0};
}

void lac_import_row(lac_import *im, const lac_import_tensor *t, size_t row, float *out)
{
    double *line = im->line;
    if (t->shift) {
        for (size_t i = 0; i < t->cols; i++) {
            double sum = 0;
            if (t->bias) lac_safetensors_read(t->bias, i, 1, &sum);
            lac_safetensors_read(t->src, (uint64_t)i * t->n_shift, t->n_shift, line);
            for (size_t c = 0; c < t->n_shift; c++) sum += line[c] * t->shift[c];
            out[i] = (float)sum;
        }
        return;
    }
    lac_safetensors_read(t->src, (uint64_t)row * t->cols, t->cols, line);
    for (size_t c = 0; c < t->cols; c++) {
        double x = line[c];
        if (t->row_scale) x *= t->row_scale[row];
        if (t->col_scale) x *= t->col_scale[c];
        out[c] = (float)x;
    }
}
