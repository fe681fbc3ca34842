/* Bytes as a model file: parsed, bound, checksummed; every byte that the tables promise is touched. */
#include "model/weights.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void touch(const void *p, size_t n)
{
    const uint8_t *b = p;
    if (b && n) sink ^= b[0] ^ b[n / 2] ^ b[n - 1];
}

static void touch_matrix(const lac_matrix *m)
{
    touch(m->data, m->rows * lac_row_bytes(m->type, m->cols));
}

static void touch_weights(const lac_weights *w)
{
    const lac_hparams *hp = &w->hp;
    const size_t E = hp->width * sizeof(float), F = hp->ff * sizeof(float), D = hp->head_dim * sizeof(float);
    touch_matrix(&w->embed);
    touch_matrix(&w->output);
    touch(w->output_bias, hp->vocab * sizeof(float));
    touch(w->norm, E);
    for (uint32_t i = 0; i < hp->layers; i++) {
        const lac_layer *l = &w->layer[i];
        touch_matrix(&l->qkv), touch_matrix(&l->out), touch_matrix(&l->up), touch_matrix(&l->down);
        touch(l->norm1, E), touch(l->norm2, E), touch(l->qkv_bias, 3 * E), touch(l->up_bias, F), touch(l->down_bias, E);
        touch(l->q_norm, D), touch(l->k_norm, D);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lacuna_error err;
    lac_gguf g;
    lac_weights w;
    if (!lac_gguf_parse(&g, data, size, "fuzz", true, &mem, &err)) lac_gguf_close(&g);
    if (lac_gguf_parse(&g, data, size, "fuzz", false, &mem, &err)) return 0;
    for (uint64_t i = 0; i < g.n_kv; i++) {
        lacuna_text t;
        if (g.kv[i].type == LAC_KV_STRING) touch(g.kv[i].data, g.kv[i].n);
        char key[64];
        if (g.kv[i].key.len >= sizeof key) continue;
        memcpy(key, g.kv[i].key.bytes, g.kv[i].key.len);
        key[g.kv[i].key.len] = 0;
        if (!lac_gguf_text(&g, key, &t, &err)) touch(t.bytes, t.len);
    }
    for (uint64_t i = 0; i < g.n_tensors; i++) touch(g.tensor[i].data, g.tensor[i].bytes);
    if (!lac_weights_bind(&w, &g, &mem, &err)) {
        touch_weights(&w);
        lac_weights_free(&w);
    }
    lac_gguf_verify_data(&g, &err);
    lac_gguf_close(&g);
    return 0;
}
