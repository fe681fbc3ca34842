/* Every tensor is asked for by name with its shape; what remains unasked is unknown and an error, so a file
 * that binds is understood completely. */
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "file/say.h"
#include "kern/pack.h"
#include "model/hparams.h"

typedef struct {
    const lac_gguf *g;
    lac_weights *w;
    bool *used;    /* [n_tensors] */
    lacuna_error *err;
    int failed;    /* the first failure; from then on nothing is bound */
} binder;

/* ---- hyper-parameters ---- */

static int is_text(lacuna_text t, const char *s)
{
    return t.len == strlen(s) && !memcmp(t.bytes, s, t.len);
}

static int read_text(const lac_gguf *g, const char *key, lacuna_text *t, lacuna_error *err)
{
    int r = lac_gguf_text(g, key, t, err);
    if (!r && !t->bytes) r = lac_err(err, LACUNA_E_FORMAT, 0, "%s: no key '%s'", g->name, key);
    return r;
}

static int read_hparams(lac_hparams *hp, const lac_gguf *g, lacuna_error *err)
{
    const struct {
        const char *key;
        uint32_t *v;
    } numbers[] = {{"eso.vocab_size", &hp->vocab},         {"eso.context_length", &hp->context},
                   {"eso.embedding_length", &hp->width},   {"eso.block_count", &hp->layers},
                   {"eso.feed_forward_length", &hp->ff},   {"eso.attention.head_count", &hp->heads},
                   {"eso.attention.head_dim", &hp->head_dim}, {"eso.mask_index", &hp->mask}};
    lacuna_text arch, variant;
    bool qk_norm = false;
    int r = read_text(g, "general.architecture", &arch, err);
    if (!r && !is_text(arch, "eso")) {
        r = lac_err(err, LACUNA_E_FORMAT, 0, "%s: architecture '%s', 'eso' was expected", g->name, lac_say_name(arch).s);
    }
    if (!r) r = read_text(g, "eso.variant", &variant, err);
    if (!r && !is_text(variant, "official") && !is_text(variant, "house")) {
        r = lac_err(err, LACUNA_E_FORMAT, 0, "%s: eso.variant is '%s', 'official' or 'house' was expected", g->name,
                    lac_say_name(variant).s);
    }
    for (size_t i = 0; !r && i < sizeof numbers / sizeof *numbers; i++) r = lac_gguf_u32(g, numbers[i].key, NULL, numbers[i].v, err);
    if (!r) r = lac_gguf_f32(g, "eso.norm_epsilon", NULL, &hp->norm_eps, err);
    if (!r) r = lac_gguf_f32(g, "eso.rope.freq_base", NULL, &hp->rope_base, err);
    if (!r) r = lac_gguf_bool(g, "eso.qk_norm", &(bool){false}, &qk_norm, err);
    if (r) return r;
    hp->variant = is_text(variant, "house") ? LAC_HOUSE : LAC_OFFICIAL;
    hp->qk_norm = qk_norm;
    if (qk_norm && hp->variant == LAC_OFFICIAL) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: eso.qk_norm with the official variant, which has none", g->name);
    }
    return lac_hparams_check(hp, g->name, err);
}

/* ---- tensors ---- */

static int shape_error(binder *b, const lac_gguf_tensor *t, const char *want)
{
    char dims[96] = "";
    for (uint32_t i = 0; i < t->n_dims; i++) { /* ours: rows first */
        size_t at = strlen(dims);
        snprintf(dims + at, sizeof dims - at, "%s%llu", i ? ", " : "", (unsigned long long)t->dim[t->n_dims - 1 - i]);
    }
    return lac_err(b->err, LACUNA_E_FORMAT, t->at, "%s: tensor '%s' has the shape [%s], %s was expected", b->g->name,
                   lac_say_name(t->name).s, dims, want);
}

/* The tensor called name with the shape [rows, cols] ([cols] for rows 0); NULL when it may be absent and is,
 * or after a failure. */
static const lac_gguf_tensor *find(binder *b, const char *name, bool optional, size_t rows, size_t cols)
{
    char want[64];
    if (b->failed) return NULL;
    const lac_gguf_tensor *t = lac_gguf_find_tensor(b->g, name);
    if (!t) {
        if (!optional) b->failed = lac_err(b->err, LACUNA_E_FORMAT, 0, "%s: no tensor '%s'", b->g->name, name);
        return NULL;
    }
    if (t->n_dims != (rows ? 2u : 1u) || t->dim[0] != cols || (rows && t->dim[1] != rows)) {
        if (rows) snprintf(want, sizeof want, "[%zu, %zu]", rows, cols);
        else snprintf(want, sizeof want, "[%zu]", cols);
        b->failed = shape_error(b, t, want);
        return NULL;
    }
    if (!t->data) {
        b->failed = lac_err(b->err, LACUNA_E_FORMAT, t->at, "%s: tensor '%s' has type number %lu; F32, BF16 or Q8_0 was expected",
                            b->g->name, name, (unsigned long)t->type);
        return NULL;
    }
    b->used[t - b->g->tensor] = true;
    b->w->n_params += (uint64_t)cols * (rows ? rows : 1);
    return t;
}

static lac_matrix matrix(binder *b, const char *name, bool optional, size_t rows, size_t cols)
{
    const lac_gguf_tensor *t = find(b, name, optional, rows, cols);
    return t ? (lac_matrix){(lac_type)t->type, t->data, rows, cols, NULL} : (lac_matrix){0};
}

static const float *vector(binder *b, const char *name, size_t n)
{
    const lac_gguf_tensor *t = find(b, name, false, 0, n);
    if (!t) return NULL;
    if (t->type != LAC_F32 || (uintptr_t)t->data % sizeof(float)) {
        b->failed = lac_err(b->err, LACUNA_E_FORMAT, t->at, "%s: tensor '%s' is %s, F32 at a multiple of 4 bytes was expected", b->g->name, name,
                            t->type == LAC_F32 ? "not aligned" : lac_type_name((lac_type)t->type));
        return NULL;
    }
    return (const float *)(const void *)t->data;
}

/* Name of a tensor of layer i; valid until the next call with the same buffer. */
static const char *in_layer(char (*buf)[64], size_t i, const char *rest)
{
    snprintf(*buf, sizeof *buf, "blk.%zu.%s", i, rest);
    return *buf;
}

static void bind_layer(binder *b, size_t i)
{
    const lac_hparams *hp = &b->w->hp;
    const size_t E = hp->width, F = hp->ff;
    const bool house = hp->variant == LAC_HOUSE;
    lac_layer *l = &b->w->layer[i];
    char s[64];
    l->qkv = matrix(b, in_layer(&s, i, "attn_qkv.weight"), false, 3 * E, E);
    l->out = matrix(b, in_layer(&s, i, "attn_output.weight"), false, E, E);
    l->up = matrix(b, in_layer(&s, i, "ffn_up.weight"), false, house ? 2 * F : F, E);
    l->down = matrix(b, in_layer(&s, i, "ffn_down.weight"), false, E, F);
    if (house) {
        l->norm1 = vector(b, in_layer(&s, i, "attn_norm.weight"), E);
        l->norm2 = vector(b, in_layer(&s, i, "ffn_norm.weight"), E);
    } else {
        l->qkv_bias = vector(b, in_layer(&s, i, "attn_qkv.bias"), 3 * E);
        l->up_bias = vector(b, in_layer(&s, i, "ffn_up.bias"), F);
        l->down_bias = vector(b, in_layer(&s, i, "ffn_down.bias"), E);
    }
    if (hp->qk_norm) {
        l->q_norm = vector(b, in_layer(&s, i, "attn_q_norm.weight"), hp->head_dim);
        l->k_norm = vector(b, in_layer(&s, i, "attn_k_norm.weight"), hp->head_dim);
    }
}

static void bind_all(binder *b)
{
    lac_weights *w = b->w;
    const size_t V = w->hp.vocab, E = w->hp.width;
    w->embed = matrix(b, "token_embd.weight", false, V, E);
    w->output = matrix(b, "output.weight", true, V, E);
    if (!w->output.data) w->output = w->embed;
    if (w->hp.variant == LAC_HOUSE) w->norm = vector(b, "output_norm.weight", E);
    else w->output_bias = vector(b, "output.bias", V);
    for (size_t i = 0; i < w->hp.layers && !b->failed; i++) bind_layer(b, i);
    for (uint64_t i = 0; i < b->g->n_tensors && !b->failed; i++) {
        if (b->used[i]) continue;
        const lac_gguf_tensor *t = &b->g->tensor[i];
        b->failed = lac_err(b->err, LACUNA_E_FORMAT, t->at, "%s: tensor '%s' does not belong to the %s variant with %lu layers%s",
                            b->g->name, lac_say_name(t->name).s, w->hp.variant == LAC_HOUSE ? "house" : "official",
                            (unsigned long)w->hp.layers, w->hp.qk_norm ? " and QK norm" : "");
    }
}

int lac_weights_bind(lac_weights *out, const lac_gguf *g, const lacuna_allocator *mem, lacuna_error *err)
{
    *out = (lac_weights){.mem = *mem, .file = g};
    int r = read_hparams(&out->hp, g, err);
    if (r) return r;
    binder b = {g, out, lac_mem_zalloc(mem, g->n_tensors + 1), err, 0};
    out->layer = lac_mem_zalloc(mem, out->hp.layers * sizeof *out->layer);
    if (!b.used || !out->layer) b.failed = lac_nomem(err, "layer table");
    else bind_all(&b);
    lac_mem_free(mem, b.used, g->n_tensors + 1);
    if (b.failed) lac_weights_free(out);
    return b.failed;
}

void lac_weights_free(lac_weights *w)
{
    lac_mem_free(&w->mem, w->layer, w->hp.layers * sizeof *w->layer);
    lac_mem_free(&w->mem, w->packed, w->packed_bytes);
    *w = (lac_weights){0};
}

/* ---- packing ---- */

/* Matrix i of those that products read: four a layer, then the output; NULL past the last. */
static lac_matrix *nth(lac_weights *w, size_t i)
{
    if (i / 4 == w->hp.layers) return i % 4 ? NULL : &w->output;
    lac_layer *l = &w->layer[i / 4];
    return (lac_matrix *[]){&l->qkv, &l->out, &l->up, &l->down}[i % 4];
}

int lac_weights_pack(lac_weights *w, lacuna_error *err)
{
    size_t total = 0;
    if (w->packed) return 0;
    for (size_t i = 0; nth(w, i); i++) {
        size_t bytes = lac_panels_bytes(nth(w, i)->type, nth(w, i)->rows, nth(w, i)->cols);
        if (!bytes || !lac_add(total, bytes, &total)) return lac_nomem(err, "packed weights");
    }
    uint8_t *at = w->packed = lac_mem_alloc(&w->mem, total);
    if (!at) return lac_nomem(err, "packed weights");
    lac_mem_huge(at, total); /* 4 to 6 % of a pass, fewer misses of the address cache */
    w->packed_bytes = total;
    for (size_t i = 0; nth(w, i); i++) {
        lac_matrix *m = nth(w, i);
        lac_pack(m->type, m->data, m->rows, m->cols, 0, (m->rows + LAC_PANEL - 1) / LAC_PANEL, at);
        m->panels = at;
        at += lac_panels_bytes(m->type, m->rows, m->cols);
    }
    lac_gguf_release(w->file);
    return 0;
}
