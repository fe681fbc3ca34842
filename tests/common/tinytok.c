#include "common/tinytok.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "common/tiny.h"
#include "common/unit.h"

enum { V = 8192, E = 32, LAYERS = 2, HEADS = 2, FF = 64, MASK = 3, EOM = 4, CONTROL = 8 };

#define TOKENIZER "tests/data/bpe8k.model"

typedef struct {
    char *head;
    size_t at, len; /* bytes of data, of head */
    FILE *f;        /* the data */
    lac_rng rng;
} writer;

static double normal(lac_rng *rng)
{
    double r = sqrt(-2 * log(lac_rng_u01(rng)));
    return r * cos(6.283185307179586 * lac_rng_u01(rng));
}

static void declare(writer *w, const char *name, size_t rows, size_t cols)
{
    size_t n = 4 * (rows ? rows : 1) * cols;
    char shape[64];
    if (rows) snprintf(shape, sizeof shape, "%zu,%zu", rows, cols);
    else snprintf(shape, sizeof shape, "%zu", cols);
    w->len += (size_t)sprintf(w->head + w->len, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", w->at ? ',' : '{',
                              name, shape, w->at, w->at + n);
    w->at += n;
}

static void put(writer *w, double x)
{
    float f = (float)x;
    fwrite(&f, sizeof f, 1, w->f);
}

static void tensor(writer *w, const char *name, size_t rows, size_t cols, double mean, double spread)
{
    declare(w, name, rows, cols);
    for (size_t i = 0; i < (rows ? rows : 1) * cols; i++) put(w, mean + spread * normal(&w->rng));
}

/* Coordinate 0 of the (tied) embedding makes tokens likely: it is large in the mask, which every question is asked with, and so
 * is a bias that a token has there. */
static void embedding(writer *w)
{
    declare(w, "embed.weight", V, E);
    for (size_t v = 0; v < V; v++) {
        double likely = v < CONTROL ? 0 : v % 41 == 8 ? 1.6 * lac_rng_u01(&w->rng) : 0;
        put(w, v == MASK ? 4 : v == EOM ? 1.9 : likely);
        for (size_t i = 1; i < E; i++) put(w, 0.27 * normal(&w->rng));
    }
}

static void tensors(writer *w)
{
    double s = 1 / sqrt(E);
    char name[64];
#define OF(what) (snprintf(name, sizeof name, "blocks.%d." what ".weight", l), name)
    embedding(w);
    for (int l = 0; l < LAYERS; l++) {
        tensor(w, OF("norm1"), 0, E, 1, 0.2);
        tensor(w, OF("norm2"), 0, E, 1, 0.2);
        tensor(w, OF("qkv"), 3 * E, E, 0, s);
        tensor(w, OF("out"), E, E, 0, 0.5 * s);
        tensor(w, OF("up"), 2 * FF, E, 0, s);
        tensor(w, OF("down"), E, FF, 0, 0.5 / sqrt(FF));
        tensor(w, OF("qn"), 0, E / HEADS, 1, 0.2);
        tensor(w, OF("kn"), 0, E / HEADS, 1, 0.2);
    }
    tensor(w, "norm.weight", 0, E, 1, 0.1);
#undef OF
}

static int checkpoint(const char *path, uint64_t seed)
{
    char *data = NULL;
    size_t size = 0;
    writer w = {.head = calloc(1, 16384), .f = open_memstream(&data, &size), .rng = lac_rng_make(seed, 815)};
    if (!w.head || !w.f) return LACUNA_E_NOMEM;
    tensors(&w);
    w.head[w.len++] = '}';
    while (w.len % 8) w.head[w.len++] = ' ';
    int r = fclose(w.f);
    FILE *f = r ? NULL : fopen(path, "wb");
    if (f) {
        for (int i = 0; i < 8; i++) fputc((int)(w.len >> 8 * i & 255), f);
        fwrite(w.head, 1, w.len, f);
        fwrite(data, 1, size, f);
        r = fclose(f);
    }
    free(w.head);
    free(data);
    return f && !r ? 0 : LACUNA_E_IO;
}

int tinytok_model(const char *path, uint32_t context, uint64_t seed)
{
    char st[512], config[512];
    snprintf(st, sizeof st, "%s.safetensors", path);
    snprintf(config, sizeof config, "%s.json", path);
    lacuna_error err = {.msg = "cannot write"};
    int r = checkpoint(st, seed);
    FILE *f = r ? NULL : fopen(config, "w");
    if (f) {
        fprintf(f, "{\"dim\": %d, \"layers\": %d, \"heads\": %d, \"ff\": %d, \"vocab\": %d, \"qk_norm\": true, \"context_length\": %u}\n", E, LAYERS,
                HEADS, FF, V, (unsigned)context);
        lacuna_convert_options opt = {LACUNA_CONVERT_INIT, .type = "f32", .name = "tiny", .tokenizer = TOKENIZER};
        r = fclose(f) ? LACUNA_E_IO : lacuna_convert(st, config, path, &opt, &err);
    } else if (!r) r = LACUNA_E_IO;
    if (r) fprintf(stderr, "tiny model with a tokenizer: %s\n", err.msg);
    remove(st);
    remove(config);
    return r;
}

lacuna_model *tinytok_open(uint32_t context, uint64_t seed, const lacuna_model_options *opt)
{
    char folder[256], path[300];
    lacuna_model *m;
    lacuna_error err;
    snprintf(path, sizeof path, "%s/tiny.gguf", tiny_folder(folder));
    int r = tinytok_model(path, context, seed);
    if (r == 0) r = lacuna_model_open(&m, path, opt, &err); /* mapped: the file may go */
    tiny_folder_remove(folder);
    CHECK(r == 0, "%s", err.msg);
    return m;
}
