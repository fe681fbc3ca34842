#include "common/tiny.h"

#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "common/unit.h"

typedef struct {
    FILE *data, *head; /* tensors, and the JSON that describes them */
    lac_rng rng;
    uint64_t at;       /* bytes of data */
} writer;

static double normal(lac_rng *rng) /* Box and Muller */
{
    double r = sqrt(-2 * log(lac_rng_u01(rng)));
    return r * cos(6.283185307179586 * lac_rng_u01(rng));
}

/* A tensor [rows, cols], or [cols] when rows is 0, of normal numbers around mean. */
__attribute__((format(printf, 6, 7)))
static void add(writer *w, uint32_t rows, uint32_t cols, double mean, double spread, const char *name, ...)
{
    char full[96];
    va_list ap;
    va_start(ap, name);
    vsnprintf(full, sizeof full, name, ap);
    va_end(ap);
    uint64_t n = (uint64_t)(rows ? rows : 1) * cols;
    for (uint64_t i = 0; i < n; i++) {
        float x = (float)(mean + spread * normal(&w->rng));
        fwrite(&x, sizeof x, 1, w->data);
    }
    fprintf(w->head, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", w->at ? "," : "{", full);
    if (rows) fprintf(w->head, "%u,", rows);
    fprintf(w->head, "%u],\"data_offsets\":[%llu,%llu]}", cols, (unsigned long long)w->at, (unsigned long long)(w->at + 4 * n));
    w->at += 4 * n;
}

static void add_house(writer *w, uint32_t v, uint32_t e, uint32_t layers, uint32_t heads, uint32_t ff)
{
    double s = 1 / sqrt(e);
    add(w, v, e, 0, 1.5 * s, "embed.weight");
    for (uint32_t l = 0; l < layers; l++) {
        add(w, 0, e, 1, 0.2, "blocks.%u.norm1.weight", l);
        add(w, 0, e, 1, 0.2, "blocks.%u.norm2.weight", l);
        add(w, 3 * e, e, 0, s, "blocks.%u.qkv.weight", l);
        add(w, e, e, 0, 0.5 * s, "blocks.%u.out.weight", l);
        add(w, 2 * ff, e, 0, s, "blocks.%u.up.weight", l);
        add(w, e, ff, 0, 0.5 / sqrt(ff), "blocks.%u.down.weight", l);
        add(w, 0, e / heads, 1, 0.2, "blocks.%u.qn.weight", l);
        add(w, 0, e / heads, 1, 0.2, "blocks.%u.kn.weight", l);
    }
    add(w, 0, e, 1, 0.2, "norm.weight");
}

static void add_official(writer *w, uint32_t v, uint32_t e, uint32_t layers, uint32_t ff, uint32_t cond)
{
    double s = 1 / sqrt(e);
    add(w, v, e, 0, 1, "vocab_embed.embedding");
    add(w, cond, 256, 0, 0.1, "sigma_map.mlp.0.weight");
    add(w, 0, cond, 0, 0.5, "sigma_map.mlp.0.bias");
    add(w, cond, cond, 0, 1 / sqrt(cond), "sigma_map.mlp.2.weight");
    add(w, 0, cond, 0, 0.5, "sigma_map.mlp.2.bias");
    for (uint32_t l = 0; l < layers; l++) {
        add(w, 0, e, 1, 0.2, "blocks.%u.norm1.weight", l);
        add(w, 3 * e, e, 0, s, "blocks.%u.attn_qkv.weight", l);
        add(w, e, e, 0, s, "blocks.%u.attn_out.weight", l);
        add(w, 0, e, 1, 0.2, "blocks.%u.norm2.weight", l);
        add(w, ff, e, 0, s, "blocks.%u.mlp.0.weight", l);
        add(w, 0, ff, 0, 0.2, "blocks.%u.mlp.0.bias", l);
        add(w, e, ff, 0, 1 / sqrt(ff), "blocks.%u.mlp.2.weight", l);
        add(w, 0, e, 0, 0.2, "blocks.%u.mlp.2.bias", l);
        add(w, 6 * e, cond, 0, 0.3, "blocks.%u.adaLN_modulation.weight", l);
        add(w, 0, 6 * e, 0, 0.4, "blocks.%u.adaLN_modulation.bias", l);
    }
    add(w, 0, e, 1, 0.2, "output_layer.norm_final.weight");
    add(w, v, e, 0, 1.2 * s, "output_layer.linear.weight");
    add(w, 0, v, 0, 0.3, "output_layer.linear.bias");
    add(w, 2 * e, cond, 0, 0.1, "output_layer.adaLN_modulation.weight");
    add(w, 0, 2 * e, 0, 0.1, "output_layer.adaLN_modulation.bias");
}

/* u64 length, header padded to 8 bytes, data. */
static int join(const char *path, const char *head, size_t len, const char *data, size_t size)
{
    uint8_t n[8];
    size_t padded = (len + 7) & ~(size_t)7;
    FILE *f = fopen(path, "wb");
    if (!f) return LACUNA_E_IO;
    for (int i = 0; i < 8; i++) n[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    fwrite(n, 1, 8, f);
    fwrite(head, 1, len, f);
    for (size_t i = len; i < padded; i++) fputc(' ', f);
    fwrite(data, 1, size, f);
    return fclose(f) ? LACUNA_E_IO : 0;
}

int tiny_model_as(const char *path, int house, uint32_t vocab, uint32_t width, uint32_t layers, uint32_t heads, uint64_t seed,
                  const char *type, uint32_t mask)
{
    char st[512], config[512], *head = NULL, *data = NULL;
    size_t head_len = 0, data_len = 0;
    uint32_t ff = house ? 2 * width : 4 * width, cond = 16;
    snprintf(st, sizeof st, "%s.safetensors", path);
    snprintf(config, sizeof config, "%s.json", path);
    writer w = {open_memstream(&data, &data_len), open_memstream(&head, &head_len), lac_rng_make(seed, 4711), 0};
    if (!w.data || !w.head) return LACUNA_E_NOMEM;
    if (house) add_house(&w, vocab, width, layers, heads, ff);
    else add_official(&w, vocab, width, layers, ff, cond);
    fputc('}', w.head);
    int r = fclose(w.data) || fclose(w.head) ? LACUNA_E_NOMEM : join(st, head, head_len, data, data_len);
    free(head);
    free(data);
    FILE *f = r ? NULL : fopen(config, "w");
    if (f) {
        if (house)
            fprintf(f, "{\"dim\": %u, \"layers\": %u, \"heads\": %u, \"ff\": %u, \"vocab\": %u, \"qk_norm\": true, \"mask_index\": %u}\n",
                    width, layers, heads, ff, vocab, mask);
        else
            fprintf(f, "{\"hidden_size\": %u, \"n_blocks\": %u, \"n_heads\": %u, \"mlp_ratio\": 4, \"cond_dim\": %u, \"vocab_size\": %u, "
                    "\"mask_index\": %u, \"length\": 64}\n", width, layers, heads, cond, vocab, mask);
        lacuna_error err;
        r = fclose(f) ? LACUNA_E_IO
                      : lacuna_convert(st, config, path, &(lacuna_convert_options){LACUNA_CONVERT_INIT, .type = type, .name = "tiny"}, &err);
        if (r < 0) fprintf(stderr, "tiny model: %s\n", err.msg);
    } else if (!r) r = LACUNA_E_IO;
    remove(st);
    remove(config);
    return r;
}

int tiny_model(const char *path, int house, uint32_t vocab, uint32_t width, uint32_t layers, uint32_t heads, uint64_t seed)
{
    return tiny_model_as(path, house, vocab, width, layers, heads, seed, "f32", vocab - 1);
}

void tiny_open(tiny *t, const char *path)
{
    lacuna_error err;
    lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    CHECK(lac_gguf_open(&t->file, path, true, &mem, &err) == 0, "%s", err.msg);
    CHECK(lac_weights_bind(&t->w, &t->file, &mem, &err) == 0, "%s", err.msg);
    CHECK(lac_weights_pack(&t->w, &err) == 0, "%s", err.msg);
}

void tiny_close(tiny *t)
{
    lac_weights_free(&t->w);
    lac_gguf_close(&t->file);
}

const char *tiny_folder(char path[256])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, 256, "%s/lacuna-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    CHECK(mkdtemp(path), "%s: cannot make a folder", path);
    return path;
}

void tiny_folder_remove(const char *path)
{
    DIR *d = opendir(path);
    if (!d) return;
    for (const struct dirent *e; (e = readdir(d));) {
        char file[768];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlink(file);
    }
    closedir(d);
    rmdir(path);
}
