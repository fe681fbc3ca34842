#include "model/convert.h"

#include <math.h>

#include "base/err.h"
#include "file/gguf_write.h"
#include "file/say.h"
#include "model/import.h"

#define Q8_MOST (127.0f * 65504.0f) /* largest weight that the scale of a block, a half, can reach */

/* ---- what the tokenizer and the configuration say of each other ---- */

static int settle_mask(lac_config *c, int64_t vocab, int32_t mask, lacuna_error *err)
{
    if (mask >= 0 && c->has_mask && (uint32_t)mask != c->hp.mask) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: key 'mask_index' is %lu, the tokenizer's <mask> is %ld", c->name,
                       (unsigned long)c->hp.mask, (long)mask);
    }
    if (mask < 0 && !c->has_mask) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: key 'mask_index': missing, and no tokenizer has a <mask>", c->name);
    }
    if (!c->has_mask) c->hp.mask = (uint32_t)mask;
    if (c->hp.mask >= c->hp.vocab) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the tokenizer's <mask> is %ld, outside the vocabulary of %lu", c->name, (long)mask,
                       (unsigned long)c->hp.vocab);
    }
    bool extra_mask = vocab >= 0 && (uint64_t)vocab + 1 == c->hp.vocab && c->hp.mask == (uint64_t)vocab;
    if (vocab >= 0 && (uint64_t)vocab != c->hp.vocab && !extra_mask) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the model has %lu tokens, the tokenizer %lld", c->name, (unsigned long)c->hp.vocab,
                       (long long)vocab);
    }
    return 0;
}

/* ---- the file ---- */

static lac_type type_of(const lac_import_tensor *t, lac_type type)
{
    if (!t->rows) return LAC_F32;
    return lac_row_bytes(type, t->cols) ? type : LAC_F32;
}

static void write_keys(lac_gguf_write *w, const lac_config *c, const char *name, const char *license)
{
    const lac_hparams *hp = &c->hp;
    lac_gguf_write_text(w, "general.architecture", "eso");
    lac_gguf_write_text(w, "general.name", name);
    if (license) lac_gguf_write_text(w, "general.license", license);
    lac_gguf_write_text(w, "eso.variant", hp->variant == LAC_HOUSE ? "house" : "official");
    lac_gguf_write_u32(w, "eso.vocab_size", hp->vocab);
    lac_gguf_write_u32(w, "eso.context_length", hp->context);
    lac_gguf_write_u32(w, "eso.embedding_length", hp->width);
    lac_gguf_write_u32(w, "eso.block_count", hp->layers);
    lac_gguf_write_u32(w, "eso.feed_forward_length", hp->ff);
    lac_gguf_write_u32(w, "eso.attention.head_count", hp->heads);
    lac_gguf_write_u32(w, "eso.attention.head_dim", hp->head_dim);
    lac_gguf_write_f32(w, "eso.norm_epsilon", hp->norm_eps);
    lac_gguf_write_f32(w, "eso.rope.freq_base", hp->rope_base);
    lac_gguf_write_u32(w, "eso.mask_index", hp->mask);
    lac_gguf_write_bool(w, "eso.qk_norm", hp->qk_norm != 0);
}

static int check_values(const float *x, size_t n, const lac_import *im, const lac_import_tensor *t, lac_type type, lacuna_error *err)
{
    const float most = type == LAC_Q8_0 ? Q8_MOST : INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(x[i]) && fabsf(x[i]) <= most) continue;
        return lac_err(err, LACUNA_E_FORMAT, t->src->at, "%s: tensor '%s' gives a weight of %g, which %s cannot hold", im->st->name,
                       lac_say_name(t->src->name).s, (double)x[i], isfinite(x[i]) ? lac_type_name(type) : "a model");
    }
    return 0;
}

static int write_tensor(lac_gguf_write *w, lac_import *im, const lac_import_tensor *t, lac_type want, float *row, void *bytes,
                        lacuna_error *err)
{
    const lac_type type = type_of(t, want);
    const size_t size = lac_row_bytes(type, t->cols), rows = t->rows ? t->rows : 1;
    int r = 0;
    for (size_t i = 0; !r && i < rows; i++) {
        lac_import_row(im, t, i, row);
        r = check_values(row, t->cols, im, t, type, err);
        if (r) break;
        lac_row_encode(type, row, t->cols, bytes);
        r = lac_gguf_write_data(w, bytes, size, err);
    }
    return r;
}

static int write_file(lac_gguf_write *w, lac_import *im, lac_type type, const lacuna_allocator *mem, lacuna_error *err)
{
    size_t most = 0;
    int r = 0;
    for (size_t i = 0; !r && i < im->n_tensors; i++) {
        const lac_import_tensor *t = &im->tensor[i];
        if (t->cols > most) most = t->cols;
        r = lac_gguf_write_tensor(w, t->name, (uint32_t)type_of(t, type), t->rows, t->cols, err);
    }
    if (!r) r = lac_gguf_write_begin(w, err);
    if (r) return r;
    const size_t size = most * sizeof(float); /* no type takes more */
    float *row = lac_mem_alloc(mem, size);
    void *bytes = lac_mem_alloc(mem, size);
    if (!row || !bytes) r = lac_nomem(err, "row of a tensor");
    for (size_t i = 0; !r && i < im->n_tensors; i++) r = write_tensor(w, im, &im->tensor[i], type, row, bytes, err);
    lac_mem_free(mem, row, size);
    lac_mem_free(mem, bytes, size);
    return r ? r : lac_gguf_write_end(w, err);
}

int lac_convert(const char *safetensors, const char *config, const char *out, lac_type type, const void *tokenizer,
                size_t tokenizer_size, int64_t tokenizer_vocab, int32_t tokenizer_mask, const char *name,
                const char *license, const lacuna_allocator *mem, lacuna_error *err)
{
    lac_config c;
    lac_safetensors st;
    lac_import im;
    lac_gguf_write w;
    if (type != LAC_F32 && type != LAC_BF16 && type != LAC_Q8_0) {
        return lac_err(err, LACUNA_E_ARG, 0, "unknown type %d of weights; F32, BF16 or Q8_0 was expected", (int)type);
    }
    int r = lac_config_load(&c, config, err);
    if (!r) r = settle_mask(&c, tokenizer_vocab, tokenizer_mask, err);
    if (r) return r;
    if ((r = lac_safetensors_open(&st, safetensors, mem, err))) return r;
    if ((r = lac_import_open(&im, &st, &c, mem, err))) goto close_st;
    if ((r = lac_gguf_write_open(&w, out, mem, err))) goto close_import;
    write_keys(&w, &c, name ? name : st.name, license);
    if (tokenizer) lac_gguf_write_bytes(&w, "tokenizer.sentencepiece", tokenizer, tokenizer_size);
    r = write_file(&w, &im, type, mem, err);
    lac_gguf_write_drop(&w);
close_import:
    lac_import_close(&im);
close_st:
    lac_safetensors_close(&st);
    return r;
}
