/* Binding: a good file gives every view at its place, and each thing that can be wrong with keys or tensors is
 * refused by name. */
#include "model/weights.h"

#include <math.h>

#include "common/hook.h"
#include "file/gguf_write.h"
#include "file/scratch.h"
#include "kern/pack.h"

enum { V = 11, E = 8, L = 2, H = 2, D = 4, F = 12, MASK = 5 };

typedef struct {
    bool house, qk_norm, tied;
    const char *arch, *variant;
    uint32_t vocab, width, layers, heads, head_dim, ff, context, mask;
    float eps, base;
    const char *skip_key;    /* not written */
    const char *skip;        /* tensor not written */
    const char *extra;       /* a tensor more */
    const char *misshape;    /* a column more */
    const char *wrong_dims;  /* a vector as a matrix of one row */
    const char *bf16;        /* this tensor in BF16 */
} recipe;

static const recipe HOUSE = {.house = true, .qk_norm = true, .tied = true, .arch = "eso", .variant = "house", .vocab = V, .width = E, .layers = L,
                             .heads = H, .head_dim = D, .ff = F, .context = 64, .mask = MASK, .eps = 1e-6f, .base = 1e4f};
static const recipe OFFICIAL = {.arch = "eso", .variant = "official", .vocab = V, .width = E, .layers = L, .heads = H, .head_dim = D, .ff = F,
                                .context = 64, .mask = MASK, .eps = 1e-5f, .base = 1e4f};

static bool same(const char *a, const char *b) { return a && !strcmp(a, b); }

/* ---- keys ---- */

static void text(lac_gguf_write *w, const recipe *r, const char *key, const char *v)
{
    if (!same(r->skip_key, key)) lac_gguf_write_text(w, key, v);
}

static void u32(lac_gguf_write *w, const recipe *r, const char *key, uint32_t v)
{
    if (!same(r->skip_key, key)) lac_gguf_write_u32(w, key, v);
}

static void f32(lac_gguf_write *w, const recipe *r, const char *key, float v)
{
    if (!same(r->skip_key, key)) lac_gguf_write_f32(w, key, v);
}

static void keys(lac_gguf_write *w, const recipe *r)
{
    text(w, r, "general.architecture", r->arch);
    text(w, r, "eso.variant", r->variant);
    u32(w, r, "eso.vocab_size", r->vocab);
    u32(w, r, "eso.context_length", r->context);
    u32(w, r, "eso.embedding_length", r->width);
    u32(w, r, "eso.block_count", r->layers);
    u32(w, r, "eso.feed_forward_length", r->ff);
    u32(w, r, "eso.attention.head_count", r->heads);
    u32(w, r, "eso.attention.head_dim", r->head_dim);
    f32(w, r, "eso.norm_epsilon", r->eps);
    f32(w, r, "eso.rope.freq_base", r->base);
    u32(w, r, "eso.mask_index", r->mask);
    lac_gguf_write_bool(w, "eso.qk_norm", r->qk_norm);
}

/* ---- tensors, in the sizes above ---- */

static size_t elems[64];
static size_t n_elems;

static void tensor(lac_gguf_write *w, const recipe *r, uint64_t rows, uint64_t cols, const char *name)
{
    if (same(r->skip, name)) return;
    if (same(r->misshape, name)) cols++;
    if (same(r->wrong_dims, name)) rows = 1;
    uint32_t type = same(r->bf16, name) ? LAC_BF16 : LAC_F32;
    WORKS(lac_gguf_write_tensor(w, name, type, rows, cols, e));
    elems[n_elems++] = (rows ? rows : 1) * cols * (type == LAC_BF16 ? 2 : 4);
}

static void layer(lac_gguf_write *w, const recipe *r, int i, const char *part, uint64_t rows, uint64_t cols)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s", i, part);
    tensor(w, r, rows, cols, name);
}

static void tensors(lac_gguf_write *w, const recipe *r)
{
    n_elems = 0;
    tensor(w, r, V, E, "token_embd.weight");
    if (!r->tied) tensor(w, r, V, E, "output.weight");
    if (r->house) tensor(w, r, 0, E, "output_norm.weight");
    else tensor(w, r, 0, V, "output.bias");
    for (int i = 0; i < L; i++) {
        layer(w, r, i, "attn_qkv.weight", 3 * E, E);
        layer(w, r, i, "attn_output.weight", E, E);
        layer(w, r, i, "ffn_up.weight", r->house ? 2 * F : F, E);
        layer(w, r, i, "ffn_down.weight", E, F);
        layer(w, r, i, r->house ? "attn_norm.weight" : "attn_qkv.bias", 0, r->house ? E : 3 * E);
        layer(w, r, i, r->house ? "ffn_norm.weight" : "ffn_up.bias", 0, r->house ? E : F);
        if (!r->house) layer(w, r, i, "ffn_down.bias", 0, E);
        if (r->qk_norm) {
            layer(w, r, i, "attn_q_norm.weight", 0, D);
            layer(w, r, i, "attn_k_norm.weight", 0, D);
        }
    }
    if (r->extra) tensor(w, r, 0, 3, r->extra);
}

static const char *make(const recipe *r)
{
    lacuna_allocator mem = system_allocator();
    lac_gguf_write w;
    float x[1024];
    const char *path = scratch_path("w.gguf");
    WORKS(lac_gguf_write_open(&w, path, &mem, e));
    keys(&w, r);
    tensors(&w, r);
    WORKS(lac_gguf_write_begin(&w, e));
    for (size_t i = 0; i < n_elems; i++) {
        for (size_t k = 0; k < 1024; k++) x[k] = (float)i;
        assert_true(elems[i] <= sizeof x);
        WORKS(lac_gguf_write_data(&w, x, elems[i], e));
    }
    WORKS(lac_gguf_write_end(&w, e));
    return path;
}

static int bind(const recipe *r, lacuna_error *e)
{
    lacuna_allocator mem = system_allocator();
    lac_gguf g;
    lac_weights w;
    int rc = lac_gguf_open(&g, make(r), true, &mem, e);
    if (rc) return rc;
    rc = lac_weights_bind(&w, &g, &mem, e);
    if (!rc) lac_weights_free(&w);
    lac_gguf_close(&g);
    return rc;
}

/* ---- good files ---- */

static void house(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    lac_gguf g;
    lac_weights w;
    WORKS(lac_gguf_open(&g, make(&HOUSE), true, &mem, e));
    WORKS(lac_weights_bind(&w, &g, &mem, e));
    assert_int_equal(w.hp.variant, LAC_HOUSE);
    assert_true(w.hp.vocab == V && w.hp.width == E && w.hp.layers == L && w.hp.heads == H && w.hp.head_dim == D && w.hp.ff == F);
    assert_true(w.hp.context == 64 && w.hp.mask == MASK && w.hp.norm_eps == 1e-6f && w.hp.rope_base == 1e4f && w.hp.qk_norm);
    assert_true(w.output.data == w.embed.data && w.output.rows == V && w.output.cols == E);
    assert_non_null(w.norm);
    assert_null(w.output_bias);
    for (int i = 0; i < L; i++) {
        const lac_layer *l = &w.layer[i];
        assert_true(l->qkv.rows == 3 * E && l->qkv.cols == E && l->up.rows == 2 * F && l->down.cols == F && l->out.rows == E);
        assert_true(l->norm1 && l->norm2 && l->q_norm && l->k_norm && !l->qkv_bias && !l->up_bias && !l->down_bias);
        assert_true(l->norm1[E - 1] == (float)(6 + 8 * i) && l->k_norm[0] == (float)(9 + 8 * i)); /* the number of the tensor */
    }
    assert_int_equal(w.n_params, V * E + E + L * (4 * E * E + 3 * E * F + 2 * E + 2 * D));
    lac_weights_free(&w);
    lac_weights_free(&w);
    lac_gguf_close(&g);
    recipe r = HOUSE;
    r.qk_norm = false;
    r.tied = false;
    WORKS(bind(&r, e));
}

static void official(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    lac_gguf g;
    lac_weights w;
    recipe r = OFFICIAL;
    r.bf16 = "blk.1.ffn_up.weight";
    WORKS(lac_gguf_open(&g, make(&r), true, &mem, e));
    WORKS(lac_weights_bind(&w, &g, &mem, e));
    assert_int_equal(w.hp.variant, LAC_OFFICIAL);
    assert_true(w.output.data != w.embed.data && w.output_bias && !w.norm);
    assert_int_equal(w.layer[0].up.type, LAC_F32);
    assert_int_equal(w.layer[1].up.type, LAC_BF16);
    for (int i = 0; i < L; i++) {
        const lac_layer *l = &w.layer[i];
        assert_true(l->qkv_bias && l->up_bias && l->down_bias && !l->norm1 && !l->norm2 && !l->q_norm && !l->k_norm);
        assert_true(l->up.rows == F && l->qkv_bias[3 * E - 1] == (float)(7 + 7 * i) && l->down_bias[0] == (float)(9 + 7 * i));
    }
    lac_weights_free(&w);
    lac_gguf_close(&g);
    r.tied = true;
    WORKS(bind(&r, e));
}

/* ---- wrong files ---- */

static void keys_are_required(void **state)
{
    (void)state;
    static const char *const names[] = {"general.architecture", "eso.variant", "eso.vocab_size", "eso.context_length",
        "eso.embedding_length", "eso.block_count", "eso.feed_forward_length", "eso.attention.head_count",
        "eso.attention.head_dim", "eso.norm_epsilon", "eso.rope.freq_base", "eso.mask_index"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        recipe r = HOUSE;
        r.skip_key = names[i];
        FAILS(bind(&r, e), LACUNA_E_FORMAT, "w.gguf", names[i]);
    }
}

static void values_must_make_sense(void **state)
{
    (void)state;
    recipe r;
#define VALUE(field, value, code, thing) (r = HOUSE, r.field = (value)); FAILS(bind(&r, e), code, "w.gguf", thing)
    VALUE(arch, "llama", LACUNA_E_FORMAT, "'llama'");
    VALUE(variant, "mine", LACUNA_E_FORMAT, "'mine'");
    VALUE(vocab, 0, LACUNA_E_FORMAT, "vocabulary");
    VALUE(vocab, (1u << 24) + 1, LACUNA_E_LIMIT, "vocabulary");
    VALUE(width, 0, LACUNA_E_FORMAT, "width");
    VALUE(width, (1u << 16) + 2, LACUNA_E_LIMIT, "width");
    VALUE(layers, 0, LACUNA_E_FORMAT, "layers");
    VALUE(layers, 1025, LACUNA_E_LIMIT, "layers");
    VALUE(layers, UINT32_MAX, LACUNA_E_LIMIT, "layers");
    VALUE(heads, 0, LACUNA_E_FORMAT, "heads");
    VALUE(heads, 4, LACUNA_E_FORMAT, "4 heads of 4");
    VALUE(heads, 1u << 30, LACUNA_E_LIMIT, "heads");
    VALUE(head_dim, 0, LACUNA_E_FORMAT, "head dimension");
    VALUE(head_dim, 1026, LACUNA_E_LIMIT, "head dimension");
    VALUE(ff, 0, LACUNA_E_FORMAT, "feed-forward");
    VALUE(ff, (1u << 18) + 1, LACUNA_E_LIMIT, "feed-forward");
    VALUE(context, 0, LACUNA_E_FORMAT, "context");
    VALUE(context, (1u << 24) + 1, LACUNA_E_LIMIT, "context");
    VALUE(mask, V, LACUNA_E_FORMAT, "mask index 11");
    VALUE(mask, UINT32_MAX, LACUNA_E_FORMAT, "mask index");
    VALUE(eps, -1e-9f, LACUNA_E_FORMAT, "epsilon");
    VALUE(eps, NAN, LACUNA_E_FORMAT, "epsilon");
    VALUE(eps, INFINITY, LACUNA_E_FORMAT, "epsilon");
    VALUE(base, 0, LACUNA_E_FORMAT, "RoPE base");
    VALUE(base, NAN, LACUNA_E_FORMAT, "RoPE base");
    VALUE(base, INFINITY, LACUNA_E_FORMAT, "RoPE base");
#undef VALUE
    r = HOUSE;
    r.heads = 8, r.head_dim = 1;
    FAILS(bind(&r, e), LACUNA_E_FORMAT, "w.gguf", "odd");
    r = OFFICIAL;
    r.qk_norm = true;
    FAILS(bind(&r, e), LACUNA_E_FORMAT, "w.gguf", "eso.qk_norm");
    r = HOUSE;
    r.eps = 0;
    WORKS(bind(&r, e));
}

static void tensors_are_required_in_shape(void **state)
{
    (void)state;
    static const char *const house_names[] = {"token_embd.weight", "output_norm.weight", "blk.0.attn_qkv.weight", "blk.1.attn_output.weight",
        "blk.1.ffn_up.weight", "blk.0.ffn_down.weight", "blk.1.attn_norm.weight", "blk.0.ffn_norm.weight", "blk.1.attn_q_norm.weight",
        "blk.0.attn_k_norm.weight"};
    static const char *const official_names[] = {"output.bias", "blk.0.attn_qkv.bias", "blk.1.ffn_up.bias", "blk.1.ffn_down.bias"};
    for (size_t i = 0; i < 14; i++) {
        const recipe *from = i < 10 ? &HOUSE : &OFFICIAL;
        const char *name = i < 10 ? house_names[i] : official_names[i - 10];
        recipe r = *from;
        r.skip = name;
        FAILS(bind(&r, e), LACUNA_E_FORMAT, "w.gguf: no tensor", name);
        r = *from;
        r.misshape = name;
        FAILS(bind(&r, e), LACUNA_E_FORMAT, "w.gguf", name);
        FAILS(bind(&r, e), LACUNA_E_FORMAT, "has the shape [", "was expected");
        bool is_vector = strstr(name, "norm") || strstr(name, "bias");
        r = *from;
        r.bf16 = name;
        if (is_vector) FAILS(bind(&r, e), LACUNA_E_FORMAT, name, "BF16, F32");
        else WORKS(bind(&r, e));
        if (!is_vector) continue;
        r = *from;
        r.wrong_dims = name;
        FAILS(bind(&r, e), LACUNA_E_FORMAT, name, "has the shape [1, ");
    }
    recipe r = OFFICIAL;
    r.misshape = "output.weight";
    FAILS(bind(&r, e), LACUNA_E_FORMAT, "w.gguf", "'output.weight'");
}

static void tensors_that_do_not_belong(void **state)
{
    (void)state;
    static const char *const extra[] = {"blk.2.attn_qkv.weight", "blk.0.attn_qkv.weights", "blk.00.ffn_up.weight", "noise", "output.bias"};
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
        recipe r = HOUSE;
        r.extra = extra[i];
        FAILS(bind(&r, e), LACUNA_E_FORMAT, "w.gguf", extra[i]);
    }
    recipe r = OFFICIAL;
    r.extra = "blk.0.attn_norm.weight";
    FAILS(bind(&r, e), LACUNA_E_FORMAT, "blk.0.attn_norm.weight", "official");
}

/* From bytes at an odd address, vectors cannot be used in place. */
static void misaligned_vectors(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    size_t n;
    uint8_t *p = scratch_get(make(&HOUSE), &n), *odd = malloc(n + 1);
    memcpy(odd + 1, p, n);
    lac_gguf g;
    lac_weights w;
    WORKS(lac_gguf_parse(&g, odd + 1, n, "odd", true, &mem, e));
    FAILS(lac_weights_bind(&w, &g, &mem, e), LACUNA_E_FORMAT, "odd", "not aligned");
    lac_gguf_close(&g);
    free(odd);
    free(p);
}

/* Packed rows are the rows of the file, for every matrix that products read and no other. */
static void packing(void **state)
{
    (void)state;
    const recipe recipes[] = {HOUSE, OFFICIAL};
    for (size_t k = 0; k < 2; k++) {
        hook h = {0};
        lacuna_allocator sys = system_allocator(), mem = hook_allocator(&h);
        lac_gguf g;
        lac_weights w;
        WORKS(lac_gguf_open(&g, make(&recipes[k]), true, &sys, e));
        WORKS(lac_weights_bind(&w, &g, &mem, e));
        size_t blocks = h.blocks;
        h.fail_at = h.calls + 1;
        FAILS(lac_weights_pack(&w, e), LACUNA_E_NOMEM, "packed", "memory");
        assert_true(!w.packed && !w.output.panels && h.blocks == blocks);
        WORKS(lac_weights_pack(&w, e));
        const void *before = w.packed;
        WORKS(lac_weights_pack(&w, e));
        assert_true(w.packed == before && h.blocks == blocks + 1);
        for (size_t i = 0; i < 4 * L + 1; i++) {
            const lac_layer *l = &w.layer[i / 4 % L];
            const lac_matrix *m = i == 4 * L ? &w.output : (const lac_matrix *[]){&l->qkv, &l->out, &l->up, &l->down}[i % 4];
            float want[2 * F], got[2 * F];
            assert_true((uintptr_t)m->panels % 64 == 0);
            for (size_t r = 0; r < m->rows; r++) {
                lac_row_decode(m->type, (const char *)m->data + r * lac_row_bytes(m->type, m->cols), m->cols, want);
                lac_unpack_row(m->type, m->panels, r, m->cols, got);
                assert_memory_equal(want, got, m->cols * sizeof *want);
            }
        }
        lac_weights_free(&w);
        lac_gguf_close(&g);
        assert_true(!h.blocks && !h.wrong);
    }
}

static void memory_runs_out(void **state)
{
    (void)state;
    lacuna_allocator sys = system_allocator();
    lac_gguf g;
    WORKS(lac_gguf_open(&g, make(&HOUSE), true, &sys, e));
    for (size_t at = 1; at <= 3; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator mem = hook_allocator(&h);
        lac_weights w;
        lacuna_error err = {0};
        int r = lac_weights_bind(&w, &g, &mem, &err);
        assert_int_equal(r, at <= 2 ? LACUNA_E_NOMEM : 0);
        if (!r) lac_weights_free(&w);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
    }
    lac_gguf_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(house),
        cmocka_unit_test(official),
        cmocka_unit_test(keys_are_required),
        cmocka_unit_test(values_must_make_sense),
        cmocka_unit_test(tensors_are_required_in_shape),
        cmocka_unit_test(tensors_that_do_not_belong),
        cmocka_unit_test(misaligned_vectors),
        cmocka_unit_test(packing),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
