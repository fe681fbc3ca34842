#include "train/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "kern/kern.h"
#include "model/hparams.h"
#include "model/import.h"

#define GAP ((size_t)16)        /* tensors begin at multiples of a cache line */
#define STREAM 0x7374617274u    /* of random numbers: "start" */

/* ---- layout ---- */

static size_t add(lac_params *ps, bool matrix, size_t rows, size_t cols, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Append a tensor; its place in the array.  The table has room, and hyper-parameters keep all products below 2^63. */
static size_t add(lac_params *ps, bool matrix, size_t rows, size_t cols, const char *fmt, ...)
{
    lac_param *p = &ps->p[ps->n++];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->name, sizeof p->name, fmt, ap);
    va_end(ap);
    p->rows = rows;
    p->cols = cols;
    p->n = (rows ? rows : 1) * cols;
    p->at = ps->total;
    p->matrix = matrix;
    ps->total += (p->n + GAP - 1) / GAP * GAP;
    return p->at;
}

static void lay_house(lac_params *ps)
{
    const size_t V = ps->hp.vocab, E = ps->hp.width, F = ps->hp.ff, D = ps->hp.head_dim;
    ps->embed = ps->output = add(ps, false, V, E, "embed.weight");
    for (size_t i = 0; i < ps->hp.layers; i++) {
        lac_param_block *b = &ps->block[i];
        b->norm1 = add(ps, false, 0, E, "blocks.%zu.norm1.weight", i);
        b->norm2 = add(ps, false, 0, E, "blocks.%zu.norm2.weight", i);
        b->qkv = add(ps, true, 3 * E, E, "blocks.%zu.qkv.weight", i);
        b->out = add(ps, true, E, E, "blocks.%zu.out.weight", i);
        b->up = add(ps, true, 2 * F, E, "blocks.%zu.up.weight", i);
        b->down = add(ps, true, E, F, "blocks.%zu.down.weight", i);
        if (!ps->hp.qk_norm) continue;
        b->q_norm = add(ps, false, 0, D, "blocks.%zu.qn.weight", i);
        b->k_norm = add(ps, false, 0, D, "blocks.%zu.kn.weight", i);
    }
    ps->norm = add(ps, false, 0, E, "norm.weight");
}

static void lay_official(lac_params *ps)
{
    const size_t V = ps->hp.vocab, E = ps->hp.width, F = ps->hp.ff, C = ps->cond, Q = ps->freq;
    ps->embed = add(ps, false, V, E, "vocab_embed.embedding");
    ps->sigma0_w = add(ps, false, C, Q, "sigma_map.mlp.0.weight");
    ps->sigma0_b = add(ps, false, 0, C, "sigma_map.mlp.0.bias");
    ps->sigma2_w = add(ps, false, C, C, "sigma_map.mlp.2.weight");
    ps->sigma2_b = add(ps, false, 0, C, "sigma_map.mlp.2.bias");
    for (size_t i = 0; i < ps->hp.layers; i++) {
        lac_param_block *b = &ps->block[i];
        b->norm1 = add(ps, false, 0, E, "blocks.%zu.norm1.weight", i);
        b->qkv = add(ps, true, 3 * E, E, "blocks.%zu.attn_qkv.weight", i);
        b->out = add(ps, true, E, E, "blocks.%zu.attn_out.weight", i);
        b->norm2 = add(ps, false, 0, E, "blocks.%zu.norm2.weight", i);
        b->up = add(ps, true, F, E, "blocks.%zu.mlp.0.weight", i);
        b->up_bias = add(ps, false, 0, F, "blocks.%zu.mlp.0.bias", i);
        b->down = add(ps, true, E, F, "blocks.%zu.mlp.2.weight", i);
        b->down_bias = add(ps, false, 0, E, "blocks.%zu.mlp.2.bias", i);
        b->mod_w = add(ps, false, 6 * E, C, "blocks.%zu.adaLN_modulation.weight", i);
        b->mod_b = add(ps, false, 0, 6 * E, "blocks.%zu.adaLN_modulation.bias", i);
    }
    ps->norm = add(ps, false, 0, E, "output_layer.norm_final.weight");
    ps->output = add(ps, false, V, E, "output_layer.linear.weight");
    ps->output_bias = add(ps, false, 0, V, "output_layer.linear.bias");
    ps->final_mod_w = add(ps, false, 2 * E, C, "output_layer.adaLN_modulation.weight");
    ps->final_mod_b = add(ps, false, 0, 2 * E, "output_layer.adaLN_modulation.bias");
}

static size_t tensors(const lac_hparams *hp)
{
    if (hp->variant == LAC_HOUSE) return 2 + (size_t)hp->layers * (hp->qk_norm ? 8 : 6);
    return 10 + (size_t)hp->layers * 10;
}

int lac_params_open(lac_params *ps, const lac_hparams *hp, uint32_t cond, uint32_t freq, const lacuna_allocator *mem,
                    lacuna_error *err)
{
    const bool house = hp->variant == LAC_HOUSE;
    *ps = (lac_params){.hp = *hp, .cond = house ? 0 : cond, .freq = house ? 0 : freq, .mem = *mem};
    int r = lac_hparams_check(hp, "the network", err);
    if (r) return r;
    if (!house && (!cond || cond > 1u << 16 || freq < 2 || freq > 1u << 16)) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "conditioning of width %lu on %lu features; 1 to 65536 on 2 to 65536 was expected",
                       (unsigned long)cond, (unsigned long)freq);
    }
    ps->p = lac_mem_zalloc(mem, tensors(hp) * sizeof *ps->p);
    ps->block = lac_mem_zalloc(mem, hp->layers * sizeof *ps->block);
    if (!ps->p || !ps->block) {
        lac_params_free(ps);
        return lac_nomem(err, "table of parameters");
    }
    if (house) lay_house(ps);
    else lay_official(ps);
    if (ps->total <= SIZE_MAX / 64) return 0;
    lac_params_free(ps);
    return lac_err(err, LACUNA_E_LIMIT, 0, "the parameters are more than the memory of this machine can address");
}

void lac_params_free(lac_params *ps)
{
    lac_mem_free(&ps->mem, ps->p, tensors(&ps->hp) * sizeof *ps->p);
    lac_mem_free(&ps->mem, ps->block, ps->hp.layers * sizeof *ps->block);
    *ps = (lac_params){0};
}

/* ---- start values ---- */

static bool ends_in(const char *name, const char *tail)
{
    size_t n = strlen(name), m = strlen(tail);
    return n >= m && !strcmp(name + n - m, tail);
}

/* Standard deviation of a matrix. */
static double spread(const lac_params *ps, const lac_param *p)
{
    const bool house = ps->hp.variant == LAC_HOUSE;
    if (p->at == ps->embed) return 0.02;
    if (house && (ends_in(p->name, "out.weight") || ends_in(p->name, "down.weight"))) return 0;
    if (!house && (p->at == ps->output || ends_in(p->name, "adaLN_modulation.weight"))) return 0;
    return 1 / sqrt((double)p->cols);
}

void lac_params_init(const lac_params *ps, uint64_t seed, float *w)
{
    memset(w, 0, ps->total * sizeof *w);
    for (size_t i = 0; i < ps->n; i++) {
        const lac_param *p = &ps->p[i];
        const double s = p->rows ? spread(ps, p) : 0;
        lac_rng rng = lac_rng_make(seed, STREAM + i);
        if (!p->rows && !ends_in(p->name, ".bias"))
            for (size_t k = 0; k < p->n; k++) w[p->at + k] = 1;
        for (size_t k = 0; s > 0 && k < p->n; k++) { /* Box and Muller */
            double r = sqrt(-2 * log(lac_rng_u01(&rng)));
            w[p->at + k] = (float)(s * r * cos(6.283185307179586 * lac_rng_u01(&rng)));
        }
    }
}

/* ---- from a checkpoint ---- */

int lac_params_read(const lac_params *ps, const char *safetensors, float *w, lacuna_error *err)
{
    static const char by[] = "the configuration";
    lac_safetensors st;
    const lac_st_tensor *t;
    int r = lac_safetensors_open(&st, safetensors, &ps->mem, err);
    if (r) return r;
    bool *used = lac_mem_zalloc(&ps->mem, st.n_tensors * sizeof *used);
    if (!used) r = lac_nomem(err, "table of tensors");
    for (size_t i = 0; !r && i < ps->n; i++) {
        r = lac_import_find(&t, &st, ps->p[i].name, ps->p[i].rows, ps->p[i].cols, by, err);
        if (!r) used[t - st.tensor] = true;
    }
    if (!r) r = lac_import_leftovers(&st, used, by, err);
    if (!r) memset(w, 0, ps->total * sizeof *w);
    for (size_t i = 0; !r && i < ps->n; i++) { /* all are there: w is whole or as it was */
        r = lac_import_find(&t, &st, ps->p[i].name, ps->p[i].rows, ps->p[i].cols, by, err);
        if (!r) lac_safetensors_read_f32(t, 0, ps->p[i].n, w + ps->p[i].at);
    }
    lac_mem_free(&ps->mem, used, st.n_tensors * sizeof *used);
    lac_safetensors_close(&st);
    return r;
}

/* ---- from a model file ---- */

static bool same_sizes(const lac_hparams *a, const lac_hparams *b)
{
    return a->vocab == b->vocab && a->width == b->width && a->layers == b->layers && a->heads == b->heads && a->ff == b->ff &&
           !a->qk_norm == !b->qk_norm;
}

static void decode(const lac_matrix *m, float *out)
{
    const size_t bytes = lac_row_bytes(m->type, m->cols);
    for (size_t r = 0; r < m->rows; r++) lac_row_decode(m->type, (const uint8_t *)m->data + r * bytes, m->cols, out + r * m->cols);
}

int lac_params_bind(const lac_params *ps, const lac_weights *from, float *w, lacuna_error *err)
{
    const size_t E = ps->hp.width * sizeof *w, D = ps->hp.head_dim * sizeof *w;
    if (from->hp.variant != LAC_HOUSE || ps->hp.variant != LAC_HOUSE) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "weights of the official variant are folded in a model file; train from the checkpoint");
    }
    if (!same_sizes(&ps->hp, &from->hp)) return lac_err(err, LACUNA_E_FORMAT, 0, "the model file has other sizes than the network");
    if (from->output.data != from->embed.data) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "tensor 'output.weight' has no place in training, where the embedding is the output");
    }
    memset(w, 0, ps->total * sizeof *w);
    decode(&from->embed, w + ps->embed);
    memcpy(w + ps->norm, from->norm, E);
    for (size_t i = 0; i < ps->hp.layers; i++) {
        const lac_param_block *b = &ps->block[i];
        const lac_layer *l = &from->layer[i];
        memcpy(w + b->norm1, l->norm1, E);
        memcpy(w + b->norm2, l->norm2, E);
        decode(&l->qkv, w + b->qkv);
        decode(&l->out, w + b->out);
        decode(&l->up, w + b->up);
        decode(&l->down, w + b->down);
        if (ps->hp.qk_norm) memcpy(w + b->q_norm, l->q_norm, D);
        if (ps->hp.qk_norm) memcpy(w + b->k_norm, l->k_norm, D);
    }
    return 0;
}
