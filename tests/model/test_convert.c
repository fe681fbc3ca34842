/* Conversion: the folded maps equal the unfolded ones, the house variant passes unchanged, types and keys are
 * as asked, and what does not fit is refused by name. */
#include "model/convert.h"

#include <math.h>

#include "base/rng.h"
#include "common/hook.h"
#include "file/scratch.h"
#include "model/config.h"
#include "model/weights.h"

enum { V = 11, E = 32, L = 2, H = 4, D = 8, F = 64, C = 6, Q = 10, MASK = 4 };

/* ---- a checkpoint made here, whose values stay at hand ---- */

typedef struct {
    char name[64];
    size_t rows, cols; /* rows 0: a vector */
    float *x;
} part;

static part parts[64];
static size_t n_parts;
static lac_rng rng;

static void add(const char *name, size_t rows, size_t cols, double mean)
{
    part *p = &parts[n_parts++];
    size_t n = (rows ? rows : 1) * cols;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->rows = rows;
    p->cols = cols;
    p->x = malloc(n * sizeof *p->x);
    for (size_t i = 0; i < n; i++) p->x[i] = (float)(mean + 2 * lac_rng_u01(&rng) - 1);
}

static void add_layer(int i, const char *rest, size_t rows, size_t cols, double mean)
{
    char name[64];
    snprintf(name, sizeof name, "blocks.%d.%s", i, rest);
    add(name, rows, cols, mean);
}

static void forget(void)
{
    while (n_parts) free(parts[--n_parts].x);
}

static part *get(const char *name)
{
    for (size_t i = 0; i < n_parts; i++)
        if (!strcmp(parts[i].name, name)) return &parts[i];
    fail_msg("no part %s", name);
    return NULL;
}

static part *get_layer(int i, const char *rest)
{
    char name[64];
    snprintf(name, sizeof name, "blocks.%d.%s", i, rest);
    return get(name);
}

static void make_official(void)
{
    forget();
    rng = lac_rng_make(3, 0);
    add("vocab_embed.embedding", V, E, 0);
    add("sigma_map.mlp.0.weight", C, Q, 0);
    add("sigma_map.mlp.0.bias", 0, C, 0);
    add("sigma_map.mlp.2.weight", C, C, 0);
    add("sigma_map.mlp.2.bias", 0, C, 0);
    add("rotary_emb.inv_freq", 0, D / 2, 0);
    for (int i = 0; i < L; i++) {
        add_layer(i, "norm1.weight", 0, E, 1);
        add_layer(i, "attn_qkv.weight", 3 * E, E, 0);
        add_layer(i, "attn_out.weight", E, E, 0);
        add_layer(i, "norm2.weight", 0, E, 1);
        add_layer(i, "mlp.0.weight", F, E, 0);
        add_layer(i, "mlp.0.bias", 0, F, 0);
        add_layer(i, "mlp.2.weight", E, F, 0);
        add_layer(i, "mlp.2.bias", 0, E, 0);
        add_layer(i, "adaLN_modulation.weight", 6 * E, C, 0);
        add_layer(i, "adaLN_modulation.bias", 0, 6 * E, 0);
    }
    add("output_layer.norm_final.weight", 0, E, 1);
    add("output_layer.linear.weight", V, E, 0);
    add("output_layer.linear.bias", 0, V, 0);
    add("output_layer.adaLN_modulation.weight", 2 * E, C, 0);
    add("output_layer.adaLN_modulation.bias", 0, 2 * E, 0);
}

static void make_house(size_t ff)
{
    forget();
    rng = lac_rng_make(4, 0);
    add("embed.weight", V, E, 0);
    for (int i = 0; i < L; i++) {
        add_layer(i, "norm1.weight", 0, E, 1);
        add_layer(i, "norm2.weight", 0, E, 1);
        add_layer(i, "qkv.weight", 3 * E, E, 0);
        add_layer(i, "out.weight", E, E, 0);
        add_layer(i, "up.weight", 2 * ff, E, 0);
        add_layer(i, "down.weight", E, ff, 0);
        add_layer(i, "qn.weight", 0, D, 1);
        add_layer(i, "kn.weight", 0, D, 1);
    }
    add("norm.weight", 0, E, 1);
}

static const char OFFICIAL[] = "{\"hidden_size\":32,\"n_heads\":4,\"n_blocks\":2,\"cond_dim\":6,\"vocab_size\":11,\"mask_index\":4,"
                               "\"length\":48,\"mlp_ratio\":2,\"frequency_embedding_size\":10,\"rope_base\":10000.0,"
                               "\"layernorm_eps\":1e-05,\"noise_eps\":0.001,\"tie_word_embeddings\":false,\"buffers\":[1]}";
static const char HOUSE[] = "{\"dim\":\"32\",\"layers\":\"2\",\"heads\":\"4\",\"ff\":\"64\",\"vocab\":\"11\",\"qk_norm\":\"True\",\"bf16\":\"True\","
                            "\"entries\":12345678901,\"steps\":3130}";

/* Write the parts as safetensors.  prefix stands before each name; type 4: F32, 2: BF16, 8: F64. */
static const char *write_parts(const char *prefix, int type)
{
    static char json[16384];
    size_t at = 0, n = 0;
    for (size_t i = 0; i < n_parts; i++) {
        const part *p = &parts[i];
        size_t size = (p->rows ? p->rows : 1) * p->cols * (size_t)type;
        n += (size_t)snprintf(json + n, sizeof json - n, "%s\"%s%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "{", prefix, p->name,
                              type == 4 ? "F32" : type == 2 ? "BF16" : "F64");
        if (p->rows) n += (size_t)snprintf(json + n, sizeof json - n, "%zu,", p->rows);
        n += (size_t)snprintf(json + n, sizeof json - n, "%zu],\"data_offsets\":[%zu,%zu]}", p->cols, at, at + size);
        at += size;
    }
    n += (size_t)snprintf(json + n, sizeof json - n, "}");
    assert_true(n < sizeof json);
    FILE *f = fopen(scratch_path("c.safetensors"), "wb");
    fwrite(&(uint64_t){n}, 8, 1, f);
    fwrite(json, 1, n, f);
    for (size_t i = 0; i < n_parts; i++) {
        for (size_t k = 0; k < (parts[i].rows ? parts[i].rows : 1) * parts[i].cols; k++) {
            float x = parts[i].x[k];
            if (type == 2) fwrite((char *)&x + 2, 2, 1, f); /* cut, not rounded: the reader does not care */
            else if (type == 8) fwrite(&(double){(double)x}, 8, 1, f);
            else fwrite(&x, 4, 1, f);
        }
    }
    assert_int_equal(fclose(f), 0);
    return scratch_path("c.safetensors");
}

static int convert(const char *config, lac_type type, int64_t vocab, int32_t mask, const lacuna_allocator *mem, lacuna_error *e)
{
    lacuna_allocator sys = system_allocator();
    scratch_put(scratch_path("c.json"), config, strlen(config));
    return lac_convert(scratch_path("c.safetensors"), scratch_path("c.json"), scratch_path("c.gguf"), type, vocab >= 0 ? "spm\0bytes" : NULL,
                       vocab >= 0 ? 9 : 0, vocab, mask, "a name", "MIT", mem ? mem : &sys, e);
}

typedef struct {
    lac_gguf g;
    lac_weights w;
} opened;

static void open_result(opened *o)
{
    lacuna_allocator mem = system_allocator();
    WORKS(lac_gguf_open(&o->g, scratch_path("c.gguf"), true, &mem, e));
    WORKS(lac_gguf_verify_data(&o->g, e));
    WORKS(lac_weights_bind(&o->w, &o->g, &mem, e));
}

static void close_result(opened *o)
{
    lac_weights_free(&o->w);
    lac_gguf_close(&o->g);
}

/* ---- folding ---- */

static double silu(double x) { return x / (1 + exp(-x)); }

/* y[r] = b[r] + sum_c W[r, c] x[c]; returns through scale the sum of the absolute terms. */
static void linear(double *y, double *scale, const float *W, const float *b, const double *x, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        y[r] = b ? b[r] : 0;
        if (scale) scale[r] = fabs(y[r]);
        for (size_t c = 0; c < cols; c++) {
            y[r] += W[r * cols + c] * x[c];
            if (scale) scale[r] += fabs(W[r * cols + c] * x[c]);
        }
    }
}

static void close_to(const double *got, const double *want, const double *scale, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        CHECK(fabs(got[i] - want[i]) <= 4e-7 * (1 + scale[i]), "%s[%zu]: %.9g, %.9g was expected", what, i, got[i], want[i]);
}

/* Everything the folded network does linearly, against the network as published. */
static void folding_is_exact(void **state)
{
    (void)state;
    double q[Q] = {0}, t1[C], t[C], x[F], h[F], y[V > 3 * E ? V : 3 * E], z[3 * E], s[3 * E], mod[6 * E];
    make_official();
    write_parts("backbone.", 4);
    WORKS(convert(OFFICIAL, LAC_F32, -1, -1, NULL, e));
    opened o;
    open_result(&o);
    assert_int_equal(o.w.hp.mask, MASK);
    for (int i = 0; i < Q / 2; i++) q[i] = 1;
    linear(t1, NULL, get("sigma_map.mlp.0.weight")->x, get("sigma_map.mlp.0.bias")->x, q, C, Q);
    for (int i = 0; i < C; i++) t1[i] = silu(t1[i]);
    linear(t, NULL, get("sigma_map.mlp.2.weight")->x, get("sigma_map.mlp.2.bias")->x, t1, C, C);
    for (int i = 0; i < C; i++) t[i] = silu(t[i]);
    for (int trial = 0; trial < 5; trial++) {
        for (int i = 0; i < F; i++) x[i] = 4 * lac_rng_u01(&rng) - 2;
        for (int b = 0; b < L; b++) {
            const lac_layer *l = &o.w.layer[b];
            linear(mod, NULL, get_layer(b, "adaLN_modulation.weight")->x, get_layer(b, "adaLN_modulation.bias")->x, t, 6 * E, C);
            for (int i = 0; i < E; i++) h[i] = (double)get_layer(b, "norm1.weight")->x[i] * x[i] * (1 + mod[E + i]) + mod[i];
            linear(z, s, get_layer(b, "attn_qkv.weight")->x, NULL, h, 3 * E, E);
            linear(y, NULL, l->qkv.data, l->qkv_bias, x, 3 * E, E);
            close_to(y, z, s, 3 * E, "qkv");
            linear(z, s, get_layer(b, "attn_out.weight")->x, NULL, x, E, E);
            for (int i = 0; i < E; i++) z[i] *= mod[2 * E + i];
            linear(y, NULL, l->out.data, NULL, x, E, E);
            close_to(y, z, s, E, "out");
            for (int i = 0; i < E; i++) h[i] = (double)get_layer(b, "norm2.weight")->x[i] * x[i] * (1 + mod[4 * E + i]) + mod[3 * E + i];
            linear(z, s, get_layer(b, "mlp.0.weight")->x, get_layer(b, "mlp.0.bias")->x, h, F, E);
            linear(y, NULL, l->up.data, l->up_bias, x, F, E);
            close_to(y, z, s, F, "up");
            linear(z, s, get_layer(b, "mlp.2.weight")->x, get_layer(b, "mlp.2.bias")->x, x, E, F);
            for (int i = 0; i < E; i++) z[i] *= mod[5 * E + i];
            linear(y, NULL, l->down.data, l->down_bias, x, E, F);
            close_to(y, z, s, E, "down");
        }
        linear(mod, NULL, get("output_layer.adaLN_modulation.weight")->x, get("output_layer.adaLN_modulation.bias")->x, t, 2 * E, C);
        for (int i = 0; i < E; i++) h[i] = (double)get("output_layer.norm_final.weight")->x[i] * x[i] * (1 + mod[E + i]) + mod[i];
        linear(z, s, get("output_layer.linear.weight")->x, get("output_layer.linear.bias")->x, h, V, E);
        linear(y, NULL, o.w.output.data, o.w.output_bias, x, V, E);
        close_to(y, z, s, V, "output");
    }
    assert_memory_equal(o.w.embed.data, get("vocab_embed.embedding")->x, V * E * sizeof(float));
    close_result(&o);
}

static void official_keys(void **state)
{
    (void)state;
    make_official();
    write_parts("", 8);
    WORKS(convert(OFFICIAL, LAC_F32, 11, 4, NULL, e));
    opened o;
    open_result(&o);
    const lac_hparams *hp = &o.w.hp;
    assert_int_equal(hp->variant, LAC_OFFICIAL);
    assert_true(hp->vocab == V && hp->width == E && hp->layers == L && hp->heads == H && hp->head_dim == D && hp->ff == F);
    assert_true(hp->context == 48 && hp->mask == MASK && hp->norm_eps == 1e-5f && hp->rope_base == 1e4f && !hp->qk_norm);
    lacuna_text v;
    WORKS(lac_gguf_text(&o.g, "general.name", &v, e));
    assert_true(v.len == 6 && !memcmp(v.bytes, "a name", 6));
    WORKS(lac_gguf_text(&o.g, "general.license", &v, e));
    assert_true(v.len == 3 && !memcmp(v.bytes, "MIT", 3));
    WORKS(lac_gguf_text(&o.g, "tokenizer.sentencepiece", &v, e));
    assert_true(v.len == 9 && !memcmp(v.bytes, "spm\0bytes", 9));
    close_result(&o);
}

/* ---- house ---- */

static void house_is_renamed_only(void **state)
{
    (void)state;
    make_house(F);
    write_parts("", 4);
    WORKS(convert(HOUSE, LAC_F32, V, 3, NULL, e));
    opened o;
    open_result(&o);
    const lac_hparams *hp = &o.w.hp;
    assert_true(hp->variant == LAC_HOUSE && hp->qk_norm && hp->mask == 3 && hp->context == 512 && hp->norm_eps == 1e-6f && hp->ff == F);
    assert_true(hp->head_dim == D && hp->rope_base == 1e4f);
    assert_memory_equal(o.w.embed.data, get("embed.weight")->x, V * E * sizeof(float));
    assert_true(o.w.output.data == o.w.embed.data);
    assert_memory_equal(o.w.norm, get("norm.weight")->x, E * sizeof(float));
    for (int b = 0; b < L; b++) {
        const lac_layer *l = &o.w.layer[b];
        assert_memory_equal(l->norm1, get_layer(b, "norm1.weight")->x, E * sizeof(float));
        assert_memory_equal(l->norm2, get_layer(b, "norm2.weight")->x, E * sizeof(float));
        assert_memory_equal(l->qkv.data, get_layer(b, "qkv.weight")->x, 3 * E * E * sizeof(float));
        assert_memory_equal(l->out.data, get_layer(b, "out.weight")->x, E * E * sizeof(float));
        assert_memory_equal(l->up.data, get_layer(b, "up.weight")->x, 2 * F * E * sizeof(float));
        assert_memory_equal(l->down.data, get_layer(b, "down.weight")->x, E * F * sizeof(float));
        assert_memory_equal(l->q_norm, get_layer(b, "qn.weight")->x, D * sizeof(float));
        assert_memory_equal(l->k_norm, get_layer(b, "kn.weight")->x, D * sizeof(float));
    }
    close_result(&o);
}

static void types_of_matrices(void **state)
{
    (void)state;
    static const lac_type types[] = {LAC_F32, LAC_BF16, LAC_Q8_0};
    float row[F], want[F];
    uint8_t packed[F * 4];
    make_house(40); /* not a multiple of 32: down stays F32 under Q8_0 */
    write_parts("", 2);
    char config[sizeof HOUSE];
    memcpy(config, HOUSE, sizeof HOUSE);
    memcpy(strstr(config, "\"64\""), "\"40\"", 4);
    for (size_t i = 0; i < 3; i++) {
        WORKS(convert(config, types[i], V, 3, NULL, e));
        opened o;
        open_result(&o);
        const lac_layer *l = &o.w.layer[1];
        assert_int_equal(o.w.embed.type, types[i]);
        assert_int_equal(l->qkv.type, types[i]);
        assert_int_equal(l->up.type, types[i]);
        assert_int_equal(l->down.type, types[i] == LAC_Q8_0 ? LAC_F32 : types[i]);
        for (size_t r = 0; r < 3 * E; r++) {
            for (size_t c = 0; c < E; c++) { /* what the file has: BF16, cut */
                float x = get_layer(1, "qkv.weight")->x[r * E + c];
                uint32_t u;
                memcpy(&u, &x, 4);
                u &= 0xFFFF0000u;
                memcpy(&want[c], &u, 4);
            }
            lac_row_encode(types[i], want, E, packed);
            assert_memory_equal((const char *)l->qkv.data + r * lac_row_bytes(types[i], E), packed, lac_row_bytes(types[i], E));
            lac_row_decode(types[i], packed, E, row);
            for (size_t c = 0; c < E; c++) CHECK(fabsf(row[c] - want[c]) < 0.005f, "row %zu", r);
        }
        close_result(&o);
    }
}

/* ---- what is refused ---- */

static void masks(void **state)
{
    (void)state;
    make_official();
    write_parts("", 4);
    FAILS(convert(OFFICIAL, LAC_F32, 11, 5, NULL, e), LACUNA_E_FORMAT, "c.json", "mask_index");
    FAILS(convert(OFFICIAL, LAC_F32, 10, -1, NULL, e), LACUNA_E_FORMAT, "c.json", "the tokenizer 10"); /* 4 is not the last */
    FAILS(convert(OFFICIAL, LAC_F32, 12, 4, NULL, e), LACUNA_E_FORMAT, "c.json", "the tokenizer 12");
    char config[sizeof OFFICIAL + 8];
    snprintf(config, sizeof config, "%s", OFFICIAL);
    char *m = strstr(config, "\"mask_index\":4");
    memcpy(m, "\"mask_indey\":4", 14);
    FAILS(convert(config, LAC_F32, 11, -1, NULL, e), LACUNA_E_FORMAT, "c.json", "mask_index");
    FAILS(convert(config, LAC_F32, 11, 11, NULL, e), LACUNA_E_FORMAT, "c.json", "outside");
    WORKS(convert(config, LAC_F32, 11, 0, NULL, e));
    char *last = strstr(config, "\"mask_indey\":4,");
    memcpy(last, "\"mask_index\":10", 15);
    memmove(last + 16, last + 15, strlen(last + 15) + 1);
    last[15] = ',';
    WORKS(convert(config, LAC_F32, 10, -1, NULL, e)); /* as published: the mask follows the tokenizer's pieces */
    make_house(F);
    write_parts("", 4);
    FAILS(convert(HOUSE, LAC_F32, -1, -1, NULL, e), LACUNA_E_FORMAT, "c.json", "mask_index");
}

static void tensors_must_fit(void **state)
{
    (void)state;
    static const char *const names[] = {"sigma_map.mlp.0.weight", "sigma_map.mlp.2.bias", "blocks.1.norm1.weight", "blocks.0.attn_qkv.weight",
        "blocks.1.attn_out.weight", "blocks.0.norm2.weight", "blocks.1.mlp.0.weight", "blocks.0.mlp.0.bias", "blocks.1.mlp.2.weight",
        "blocks.1.mlp.2.bias", "blocks.0.adaLN_modulation.weight", "blocks.1.adaLN_modulation.bias", "output_layer.norm_final.weight",
        "output_layer.linear.weight", "output_layer.linear.bias", "output_layer.adaLN_modulation.weight", "vocab_embed.embedding"};
    make_official();
    scratch_put(scratch_path("c.gguf"), "old", 3);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        part *p = get(names[i]);
        p->name[0] ^= 1;
        write_parts("", 4);
        FAILS(convert(OFFICIAL, LAC_F32, -1, -1, NULL, e), LACUNA_E_FORMAT, "c.safetensors: no tensor", names[i]);
        p->name[0] ^= 1;
        p->cols--;
        write_parts("backbone.", 4);
        FAILS(convert(OFFICIAL, LAC_F32, -1, -1, NULL, e), LACUNA_E_FORMAT, names[i], "c.json");
        p->cols++;
    }
    add("blocks.2.norm1.weight", 0, E, 0);
    write_parts("", 4);
    FAILS(convert(OFFICIAL, LAC_F32, -1, -1, NULL, e), LACUNA_E_FORMAT, "c.safetensors", "blocks.2.norm1.weight");
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        make_official();
        get("blocks.1.mlp.0.weight")->x[77] = bad[i];
        write_parts("", 4);
        FAILS(convert(OFFICIAL, LAC_Q8_0, -1, -1, NULL, e), LACUNA_E_FORMAT, "c.safetensors", "blocks.1.mlp.0.");
    }
    make_house(F);
    get("blocks.0.out.weight")->x[5] = 1e7f;
    write_parts("", 4);
    FAILS(convert(HOUSE, LAC_Q8_0, V, 3, NULL, e), LACUNA_E_FORMAT, "blocks.0.out.weight", "Q8_0");
    WORKS(convert(HOUSE, LAC_BF16, V, 3, NULL, e));
    FAILS(convert(HOUSE, (lac_type)2, V, 3, NULL, e), LACUNA_E_ARG, "type 2", "");
}

static void failure_keeps_the_old_file(void **state)
{
    (void)state;
    make_official();
    get("blocks.1.mlp.2.bias")->x[3] = NAN; /* noticed at the last tensor, when most is written */
    write_parts("", 4);
    scratch_put(scratch_path("c.gguf"), "old", 3);
    FAILS(convert(OFFICIAL, LAC_F32, -1, -1, NULL, e), LACUNA_E_FORMAT, "blocks.1.mlp.2.bias", "");
    size_t n;
    uint8_t *p = scratch_get(scratch_path("c.gguf"), &n);
    assert_true(n == 3 && !memcmp(p, "old", 3));
    free(p);
    assert_int_equal(scratch_count(".tmp"), 0);
}

static void memory_runs_out(void **state)
{
    (void)state;
    bool done = false;
    make_official();
    write_parts("", 4);
    for (size_t at = 1; !done && at < 100; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator mem = hook_allocator(&h);
        lacuna_error err = {0};
        int r = convert(OFFICIAL, LAC_Q8_0, -1, -1, &mem, &err);
        CHECK(!r || r == LACUNA_E_NOMEM, "%s", err.msg);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
        assert_int_equal(scratch_count(".tmp"), 0);
        done = h.calls < at;
        assert_true(!done || !r);
    }
    assert_true(done);
}

/* ---- configurations ---- */

static int config(const char *json, lac_config *c, lacuna_error *e)
{
    return lac_config_parse(c, json, strlen(json), "dir/conf.json", e);
}

static void configurations(void **state)
{
    (void)state;
    lac_config c;
    WORKS(config("{\"dim\":32,\"layers\":2.0,\"heads\":\"4\",\"ff\":\"1e2\",\"vocab\":11,\"qk_norm\":false,\"context_length\":\"1024\",\"mask_index\":7,"
                 "\"norm_eps\":\"1e-05\",\"rope_base\":5e5}", &c, e));
    assert_true(c.hp.ff == 100 && c.hp.layers == 2 && c.hp.context == 1024 && c.has_mask && c.hp.mask == 7 && !c.hp.qk_norm);
    assert_true(c.hp.norm_eps == 1e-5f && c.hp.rope_base == 5e5f && c.hp.head_dim == 8);
    WORKS(config("{\"hidden_size\":768,\"n_heads\":12,\"n_blocks\":12,\"cond_dim\":128,\"vocab_size\":50258,\"length\":1024}", &c, e));
    assert_true(c.hp.ff == 3072 && c.freq == 256 && c.cond == 128 && !c.has_mask && c.hp.norm_eps == 1e-5f && c.hp.head_dim == 64);
#define HOUSE_WITH(x) "{\"dim\":32,\"layers\":2,\"heads\":4,\"vocab\":11," x "}"
    static const struct {
        const char *json, *thing;
        lacuna_code code;
    } bad[] = {
        {"", "not JSON", LACUNA_E_FORMAT},
        {"[1]", "object", LACUNA_E_FORMAT},
        {"{}", "neither", LACUNA_E_FORMAT},
        {"{\"dim\":1,\"hidden_size\":1}", "both", LACUNA_E_FORMAT},
        {"{\"dim\":1,\"dim\":2}", "not JSON", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"x\":1"), "'ff': missing", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":null"), "'ff': missing", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":[]"), "'ff': a number", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":true"), "'ff': a number", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":\"\""), "'ff': a number", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":\"12x\""), "'ff': a number", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":\"0x10\""), "'ff': a number", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":\"inf\""), "'ff': a number", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":\"1e999\""), "'ff': a number", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":-1"), "'ff': a whole", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":1.5"), "'ff': a whole", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":4294967296"), "'ff': a whole", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":0"), "feed-forward", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":300000"), "feed-forward", LACUNA_E_LIMIT},
        {HOUSE_WITH("\"ff\":4,\"qk_norm\":\"yes\""), "'qk_norm'", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":4,\"mask_index\":11"), "mask index 11", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":4,\"norm_eps\":-1"), "epsilon", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":4,\"rope_base\":0"), "RoPE", LACUNA_E_FORMAT},
        {HOUSE_WITH("\"ff\":4,\"rope_base\":1e300"), "RoPE", LACUNA_E_FORMAT},
        {"{\"dim\":32,\"layers\":2,\"heads\":5,\"vocab\":11,\"ff\":4}", "'heads'", LACUNA_E_FORMAT},
        {"{\"hidden_size\":8,\"n_heads\":2,\"n_blocks\":1,\"cond_dim\":0,\"vocab_size\":5,\"length\":4}", "'cond_dim'", LACUNA_E_FORMAT},
        {"{\"hidden_size\":8,\"n_heads\":2,\"n_blocks\":1,\"cond_dim\":4,\"vocab_size\":5}", "'length': missing", LACUNA_E_FORMAT},
        {"{\"hidden_size\":8,\"n_heads\":2,\"n_blocks\":1,\"cond_dim\":4,\"vocab_size\":5,\"length\":4,\"mlp_ratio\":0.1}", "'mlp_ratio'",
         LACUNA_E_FORMAT},
        {"{\"hidden_size\":8,\"n_heads\":2,\"n_blocks\":1,\"cond_dim\":4,\"vocab_size\":5,\"length\":4,\"tie_word_embeddings\":true}",
         "'tie_word_embeddings'", LACUNA_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) FAILS(config(bad[i].json, &c, e), bad[i].code, "conf.json", bad[i].thing);
    FAILS(lac_config_load(&c, scratch_path("absent.json"), e), LACUNA_E_IO, "absent.json", "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_is_exact),
        cmocka_unit_test(official_keys),
        cmocka_unit_test(house_is_renamed_only),
        cmocka_unit_test(types_of_matrices),
        cmocka_unit_test(masks),
        cmocka_unit_test(tensors_must_fit),
        cmocka_unit_test(failure_keeps_the_old_file),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(configurations),
    };
    int r = cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
    forget();
    return r;
}
