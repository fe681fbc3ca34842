/* The GGUF reader and writer: what one writes the other reads; what is wrong is named; nothing crashes. */
#include "common/hook.h"
#include "file/gguf.h"

#include "base/rng.h"
#include "file/gguf_write.h"
#include "file/scratch.h"
#include "kern/kern.h"

/* ---- a small file by the writer ---- */

static const float ROW[64] = {1, -2, 3.5f, 0, 1e-3f, 1e6f, -0.25f, 7};

static void write_sample(const char *path)
{
    lac_gguf_write w;
    lacuna_allocator mem = system_allocator();
    uint8_t bytes_of[256], q8[2 * LAC_Q8_BYTES], bf[3 * 20];
    for (int i = 0; i < 256; i++) bytes_of[i] = (uint8_t)i;
    WORKS(lac_gguf_write_open(&w, path, &mem, e));
    lac_gguf_write_text(&w, "general.architecture", "eso");
    lac_gguf_write_u32(&w, "a.number", 4000000000u);
    lac_gguf_write_f32(&w, "a.float", 0.1f);
    lac_gguf_write_bool(&w, "a.true", true);
    lac_gguf_write_bool(&w, "a.false", false);
    lac_gguf_write_text(&w, "empty", "");
    lac_gguf_write_bytes(&w, "blob", bytes_of, sizeof bytes_of);
    WORKS(lac_gguf_write_tensor(&w, "vector", LAC_F32, 0, 5, e));
    WORKS(lac_gguf_write_tensor(&w, "q8", LAC_Q8_0, 2, 32, e));
    WORKS(lac_gguf_write_tensor(&w, "bf16", LAC_BF16, 3, 10, e));
    WORKS(lac_gguf_write_tensor(&w, "last", LAC_F32, 1, 1, e));
    WORKS(lac_gguf_write_begin(&w, e));
    WORKS(lac_gguf_write_data(&w, ROW, 12, e)); /* a tensor in two pieces */
    WORKS(lac_gguf_write_data(&w, ROW + 3, 8, e));
    lac_row_encode(LAC_Q8_0, ROW, 32, q8);
    lac_row_encode(LAC_Q8_0, ROW + 32, 32, q8 + LAC_Q8_BYTES);
    WORKS(lac_gguf_write_data(&w, q8, sizeof q8, e));
    for (int i = 0; i < 3; i++) lac_row_encode(LAC_BF16, ROW + i, 10, bf + 20 * i);
    WORKS(lac_gguf_write_data(&w, bf, sizeof bf, e));
    WORKS(lac_gguf_write_data(&w, ROW, 4, e));
    WORKS(lac_gguf_write_end(&w, e));
}

static void round_trip(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    const char *path = scratch_path("m.gguf");
    lac_gguf g;
    uint32_t u;
    float f;
    bool b;
    lacuna_text t;
    write_sample(path);
    WORKS(lac_gguf_open(&g, path, true, &mem, e));
    WORKS(lac_gguf_verify_data(&g, e));
    assert_string_equal(g.name, "m.gguf");
    WORKS(lac_gguf_u32(&g, "a.number", NULL, &u, e));
    assert_int_equal(u, 4000000000u);
    WORKS(lac_gguf_u32(&g, "none", &(uint32_t){7}, &u, e));
    assert_int_equal(u, 7);
    WORKS(lac_gguf_f32(&g, "a.float", NULL, &f, e));
    assert_true(f == 0.1f);
    WORKS(lac_gguf_bool(&g, "a.true", NULL, &b, e));
    assert_true(b);
    WORKS(lac_gguf_bool(&g, "a.false", NULL, &b, e));
    assert_false(b);
    WORKS(lac_gguf_text(&g, "empty", &t, e));
    assert_true(t.bytes && t.len == 0);
    WORKS(lac_gguf_text(&g, "nothing", &t, e));
    assert_null(t.bytes);
    WORKS(lac_gguf_text(&g, "blob", &t, e));
    assert_int_equal(t.len, 256);
    for (size_t i = 0; i < 256; i++) assert_int_equal((uint8_t)t.bytes[i], i);
    WORKS(lac_gguf_u32(&g, "general.alignment", NULL, &u, e));
    assert_int_equal(u, LAC_GGUF_ALIGN);

    assert_int_equal(g.n_tensors, 4);
    const lac_gguf_tensor *v = lac_gguf_find_tensor(&g, "vector"), *q = lac_gguf_find_tensor(&g, "q8");
    const lac_gguf_tensor *bf = lac_gguf_find_tensor(&g, "bf16");
    float row[32];
    assert_non_null(v);
    assert_int_equal(v->n_dims, 1);
    assert_int_equal(v->dim[0], 5);
    assert_int_equal((uintptr_t)v->data % 64, 0);
    assert_memory_equal(v->data, ROW, 20);
    assert_non_null(q);
    assert_int_equal(q->dim[0], 32);
    assert_int_equal(q->dim[1], 2);
    assert_int_equal(q->bytes, 68);
    assert_int_equal(q->at % 64, 0);
    assert_non_null(bf);
    lac_row_decode(LAC_BF16, bf->data + 20, 10, row);
    assert_true(row[0] == -2 && row[1] == 3.5f);
    assert_null(lac_gguf_find_tensor(&g, "vecto"));
    lac_gguf_close(&g);
}

static void row_sizes_agree_with_the_kernels(void **state)
{
    (void)state;
    for (uint32_t type = 0; type < 40; type++)
        for (size_t k = 1; k < 200; k++) assert_int_equal(lac_gguf_row_bytes(type, k), lac_row_bytes((lac_type)type, k));
    assert_int_equal(LAC_GGUF_F32, LAC_F32);
    assert_int_equal(LAC_GGUF_BF16, LAC_BF16);
    assert_int_equal(LAC_GGUF_Q8_0, LAC_Q8_0);
    assert_int_equal(lac_gguf_row_bytes(LAC_F32, UINT64_MAX / 2), 0);
}

static void writer_misuse_leaves_nothing(void **state)
{
    (void)state;
    lac_gguf_write w;
    lacuna_allocator mem = system_allocator();
    const char *path = scratch_path("never.gguf");
    WORKS(lac_gguf_write_open(&w, path, &mem, e));
    FAILS(lac_gguf_write_tensor(&w, "t", LAC_Q8_0, 1, 33, e), LACUNA_E_INTERNAL, "GGUF", "shape");
    lac_gguf_write_u32(&w, "ignored", 1);
    FAILS(lac_gguf_write_tensor(&w, "t", LAC_F32, 1, 32, e), LACUNA_E_INTERNAL, "GGUF", "closed");
    FAILS(lac_gguf_write_begin(&w, e), LACUNA_E_INTERNAL, "GGUF", "closed");
    lac_gguf_write_drop(&w);
    WORKS(lac_gguf_write_open(&w, path, &mem, e));
    WORKS(lac_gguf_write_tensor(&w, "t", LAC_F32, 2, 2, e));
    WORKS(lac_gguf_write_begin(&w, e));
    FAILS(lac_gguf_write_data(&w, ROW, 17, e), LACUNA_E_INTERNAL, "GGUF", "more data");
    WORKS(lac_gguf_write_open(&w, path, &mem, e));
    WORKS(lac_gguf_write_tensor(&w, "t", LAC_F32, 2, 2, e));
    WORKS(lac_gguf_write_begin(&w, e));
    WORKS(lac_gguf_write_data(&w, ROW, 12, e));
    FAILS(lac_gguf_write_end(&w, e), LACUNA_E_INTERNAL, "GGUF", "before all data");
    assert_int_equal(scratch_count("never"), 0);
    assert_int_equal(scratch_count(".tmp"), 0);
}

/* ---- files by hand, each wrong in one way ---- */

static int parse(const bytes *x, bool verify, lacuna_error *e)
{
    lacuna_allocator mem = system_allocator();
    lac_gguf g;
    uint8_t *copy = malloc(x->n ? x->n : 1); /* exactly as long: a sanitizer sees a step too far */
    memcpy(copy, x->b, x->n);
    int r = lac_gguf_parse(&g, copy, x->n, "dir/bad.gguf", verify, &mem, e);
    if (!r) lac_gguf_close(&g);
    free(copy);
    return r;
}

static bytes start(uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
    bytes x = {.n = 0};
    put(&x, "GGUF", 4);
    put_u32(&x, version);
    put_u64(&x, n_tensors);
    put_u64(&x, n_kv);
    return x;
}

static void key(bytes *x, const char *name, uint32_t type)
{
    put_text(x, name);
    put_u32(x, type);
}

static void info(bytes *x, const char *name, uint32_t type, uint64_t cols, uint64_t rows, uint64_t at)
{
    put_text(x, name);
    put_u32(x, 2);
    put_u64(x, cols);
    put_u64(x, rows);
    put_u32(x, type);
    put_u64(x, at);
}

static void data(bytes *x, size_t n)
{
    while (x->n % 32) put_u8(x, 0);
    while (n--) put_u8(x, 1);
}

#define BAD(x, thing) FAILS(parse(x, false, e), LACUNA_E_FORMAT, "bad.gguf", thing)

static void header_errors(void **state)
{
    (void)state;
    bytes x = {.n = 0};
    BAD(&x, "header");
    put(&x, "ggml", 4);
    BAD(&x, "not a GGUF file");
    x = start(0x03000000, 0, 0);
    BAD(&x, "big-endian");
    x = start(2, 0, 0);
    FAILS(parse(&x, false, e), LACUNA_E_VERSION, "bad.gguf", "version 2");
    x = start(4, 0, 0);
    FAILS(parse(&x, false, e), LACUNA_E_VERSION, "bad.gguf", "version 4");
    x = start(3, 0, 0);
    WORKS(parse(&x, true, e));
    x = start(3, UINT64_MAX, 0);
    BAD(&x, "tensors");
    x = start(3, 0, UINT64_MAX / 2);
    BAD(&x, "keys");
    x = start(3, 1, 0);
    BAD(&x, "1 tensors");
}

static void key_errors(void **state)
{
    (void)state;
    bytes x = start(3, 0, 1);
    put_u64(&x, UINT64_MAX - 3);
    put_u64(&x, 0);
    BAD(&x, "a key needs");
    x = start(3, 0, 1);
    put_text(&x, "");
    put_u64(&x, 0);
    BAD(&x, "1 to 65535");
    x = start(3, 0, 1);
    key(&x, "k\n\xff", 13);
    put_u64(&x, 0);
    BAD(&x, "'k?" "?': a value of an unknown type");
    x = start(3, 0, 1);
    key(&x, "flag", LAC_KV_BOOL);
    put_u8(&x, 2);
    BAD(&x, "'flag': a bool");
    x = start(3, 0, 1);
    key(&x, "text", LAC_KV_STRING);
    put_u64(&x, 100);
    BAD(&x, "'text' needs 100 bytes");
    x = start(3, 0, 2);
    key(&x, "twice", LAC_KV_U8);
    put_u8(&x, 2);
    key(&x, "twice", LAC_KV_U32);
    put_u32(&x, 2);
    BAD(&x, "'twice': given twice");
    x = start(3, 0, 1);
    key(&x, "nest", LAC_KV_ARRAY);
    put_u32(&x, LAC_KV_ARRAY);
    put_u64(&x, 1);
    BAD(&x, "'nest': an array of arrays");
    x = start(3, 0, 1);
    key(&x, "odd", LAC_KV_ARRAY);
    put_u32(&x, 77);
    put_u64(&x, 1);
    BAD(&x, "'odd': an array of an unknown type");
    x = start(3, 0, 1);
    key(&x, "long", LAC_KV_ARRAY);
    put_u32(&x, LAC_KV_U64);
    put_u64(&x, UINT64_MAX / 4);
    BAD(&x, "'long': an array longer");
    x = start(3, 0, 1);
    key(&x, "list", LAC_KV_ARRAY);
    put_u32(&x, LAC_KV_STRING);
    put_u64(&x, 3);
    put_text(&x, "one");
    BAD(&x, "'list' needs");
}

static void alignment_errors(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 1, 4, 24, 33, 131072, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bytes x = start(3, 0, 1);
        key(&x, "general.alignment", LAC_KV_U32);
        put_u32(&x, wrong[i]);
        BAD(&x, "general.alignment");
    }
    bytes x = start(3, 0, 1);
    key(&x, "general.alignment", LAC_KV_STRING);
    put_text(&x, "64");
    BAD(&x, "general.alignment");
}

static void tensor_errors(void **state)
{
    (void)state;
    bytes x = start(3, 1, 0);
    put_text(&x, "t");
    put_u32(&x, 5);
    for (int i = 0; i < 7; i++) put_u64(&x, 1);
    BAD(&x, "'t': 1 to 4 dimensions");
    x = start(3, 1, 0);
    info(&x, "t", LAC_F32, 4, 0, 0);
    data(&x, 64);
    BAD(&x, "'t': a dimension is 0");
    x = start(3, 1, 0);
    info(&x, "t", LAC_Q8_0, 33, 1, 0);
    data(&x, 64);
    BAD(&x, "'t': the row length");
    x = start(3, 1, 0);
    info(&x, "t", LAC_F32, UINT64_MAX / 2, 1, 0);
    data(&x, 64);
    BAD(&x, "'t': the row length");
    x = start(3, 1, 0);
    info(&x, "t", LAC_F32, (uint64_t)1 << 40, (uint64_t)1 << 40, 0);
    data(&x, 64);
    BAD(&x, "'t': the shape");
    x = start(3, 1, 0);
    info(&x, "t", LAC_F32, 4, 4, 16);
    data(&x, 128);
    BAD(&x, "'t': offset 16");
    x = start(3, 1, 0);
    info(&x, "t", LAC_F32, 4, 4, 32);
    data(&x, 95);
    BAD(&x, "'t' needs 64 bytes at 32");
    x = start(3, 1, 0);
    info(&x, "t", LAC_F32, 4, 4, UINT64_MAX - 31);
    data(&x, 64);
    BAD(&x, "'t' needs");
    x = start(3, 2, 0);
    info(&x, "t", LAC_F32, 4, 2, 0);
    info(&x, "t", LAC_F32, 4, 2, 32);
    data(&x, 64);
    BAD(&x, "'t': given twice");
    x = start(3, 2, 0);
    info(&x, "first", LAC_F32, 4, 4, 0);
    info(&x, "second", LAC_F32, 4, 2, 32);
    data(&x, 64);
    BAD(&x, "'first' and 'second' overlap");
    x = start(3, 3, 0);
    info(&x, "second", LAC_F32, 4, 2, 32);
    info(&x, "first", LAC_F32, 4, 2, 0);
    info(&x, "other", 12, 256, 2, 0); /* a type whose size is not known here */
    data(&x, 64);
    WORKS(parse(&x, true, e));
}

static void getter_errors(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    bytes x = start(3, 0, 6);
    key(&x, "i8", LAC_KV_I8);
    put_u8(&x, 0xFF);
    key(&x, "u64", LAC_KV_U64);
    put_u64(&x, (uint64_t)1 << 32);
    key(&x, "i64", LAC_KV_I64);
    put_u64(&x, 5);
    key(&x, "text", LAC_KV_STRING);
    put_text(&x, "x");
    key(&x, "f64", LAC_KV_F64);
    put(&x, &(double){0.5}, 8);
    key(&x, "f64 huge", LAC_KV_F64);
    put(&x, &(double){1e300}, 8);
    lac_gguf g;
    uint32_t u;
    float f;
    bool b;
    lacuna_text t;
    WORKS(lac_gguf_parse(&g, x.b, x.n, "bad.gguf", true, &mem, e));
    FAILS(lac_gguf_u32(&g, "i8", NULL, &u, e), LACUNA_E_FORMAT, "bad.gguf", "'i8'");
    FAILS(lac_gguf_u32(&g, "u64", NULL, &u, e), LACUNA_E_FORMAT, "bad.gguf", "'u64'");
    FAILS(lac_gguf_u32(&g, "text", &(uint32_t){1}, &u, e), LACUNA_E_FORMAT, "bad.gguf", "'text'");
    FAILS(lac_gguf_u32(&g, "none", NULL, &u, e), LACUNA_E_FORMAT, "bad.gguf", "'none'");
    FAILS(lac_gguf_f32(&g, "i8", NULL, &f, e), LACUNA_E_FORMAT, "bad.gguf", "'i8'");
    FAILS(lac_gguf_f32(&g, "f64 huge", NULL, &f, e), LACUNA_E_FORMAT, "bad.gguf", "'f64 huge'");
    FAILS(lac_gguf_f32(&g, "none", NULL, &f, e), LACUNA_E_FORMAT, "bad.gguf", "'none'");
    FAILS(lac_gguf_bool(&g, "i8", NULL, &b, e), LACUNA_E_FORMAT, "bad.gguf", "'i8'");
    FAILS(lac_gguf_bool(&g, "none", NULL, &b, e), LACUNA_E_FORMAT, "bad.gguf", "'none'");
    FAILS(lac_gguf_text(&g, "u64", &t, e), LACUNA_E_FORMAT, "bad.gguf", "'u64'");
    FAILS(lac_gguf_verify_data(&g, e), LACUNA_E_FORMAT, "bad.gguf", "eso.checksum.data");
    WORKS(lac_gguf_u32(&g, "i64", NULL, &u, e));
    assert_int_equal(u, 5);
    WORKS(lac_gguf_f32(&g, "f64", NULL, &f, e));
    assert_true(f == 0.5f);
    lac_gguf_close(&g);
}

static void checksum_errors(void **state)
{
    (void)state;
    bytes x = start(3, 0, 1);
    key(&x, "eso.checksum.meta", LAC_KV_STRING);
    put_text(&x, "0123456789abcdef");
    FAILS(parse(&x, true, e), LACUNA_E_FORMAT, "bad.gguf", "metadata are damaged");
    WORKS(parse(&x, false, e));
    x.b[x.n - 1] = 'F';
    FAILS(parse(&x, true, e), LACUNA_E_FORMAT, "bad.gguf", "16 hexadecimal digits");
    x = start(3, 0, 1);
    key(&x, "eso.checksum.meta", LAC_KV_U32);
    put_u32(&x, 1);
    FAILS(parse(&x, true, e), LACUNA_E_FORMAT, "bad.gguf", "16 hexadecimal digits");
}

static void files_that_cannot_be_mapped(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    lac_gguf g;
    FAILS(lac_gguf_open(&g, scratch_path("absent"), true, &mem, e), LACUNA_E_IO, "absent", "No such file");
    FAILS(lac_gguf_open(&g, scratch_dir, true, &mem, e), LACUNA_E_IO, scratch_dir, "directory");
    scratch_put(scratch_path("void"), "", 0);
    FAILS(lac_gguf_open(&g, scratch_path("void"), true, &mem, e), LACUNA_E_FORMAT, "void", "empty");
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    FAILS(lac_gguf_open(&g, scratch_path("fifo"), true, &mem, e), LACUNA_E_IO, "fifo", "regular file");
    FAILS(lac_gguf_open(&g, "/dev/zero", true, &mem, e), LACUNA_E_IO, "/dev/zero", "regular file");
    unlink(scratch_path("fifo"));
}

/* ---- damage ---- */

/* Parse n bytes with the data verified: 0 when everything is accepted. */
static int accept(const uint8_t *p, size_t n, bool verify, bool *summed)
{
    gauge gg = {0, 0};
    lacuna_allocator mem = gauge_allocator(&gg);
    lacuna_error err = {0};
    lac_gguf g;
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, p, n);
    int r = lac_gguf_parse(&g, copy, n, "m.gguf", verify, &mem, &err);
    if (!r) {
        *summed = lac_gguf_find(&g, "eso.checksum.meta") != NULL;
        volatile uint8_t sink = 0; /* every byte that the tables promise is there */
        for (uint64_t i = 0; i < g.n_kv; i++) sink ^= g.kv[i].type == LAC_KV_STRING || g.kv[i].type == LAC_KV_ARRAY ? 0 : *g.kv[i].data;
        for (uint64_t i = 0; i < g.n_tensors; i++)
            for (uint64_t k = 0; g.tensor[i].data && k < g.tensor[i].bytes; k++) sink ^= g.tensor[i].data[k];
        r = lac_gguf_verify_data(&g, &err);
        lac_gguf_close(&g);
    }
    if (r) {
        CHECK(err.code == r && strstr(err.msg, "m.gguf"), "message '%s'", err.msg);
        CHECK(r == LACUNA_E_FORMAT || r == LACUNA_E_VERSION, "%s: %s", lacuna_code_name(r), err.msg);
        CHECK(err.where <= n, "place %llu of %zu", (unsigned long long)err.where, n);
    }
    assert_int_equal(gg.live, 0);
    assert_true(gg.largest < (size_t)64 << 20);
    free(copy);
    return r;
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    size_t n;
    bool summed;
    write_sample(scratch_path("m.gguf"));
    uint8_t *p = scratch_get(scratch_path("m.gguf"), &n);
    assert_int_equal(accept(p, n, true, &summed), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_not_equal(accept(p, i, true, &summed), 0);
        assert_int_not_equal(accept(p, i, false, &summed), 0);
    }
    free(p);
}

static void flipped_bytes(void **state)
{
    (void)state;
    size_t n, loose = 0;
    write_sample(scratch_path("m.gguf"));
    uint8_t *p = scratch_get(scratch_path("m.gguf"), &n);
    lac_rng rng = lac_rng_make(1, 0);
    for (int i = 0; i < 2000; i++) {
        size_t at = (size_t)lac_rng_below(&rng, n);
        uint8_t old = p[at];
        bool summed = false;
        p[at] = (uint8_t)(old ^ (1 + lac_rng_below(&rng, 255)));
        /* Unnoticed only where the key of the sum itself was hit: a file without one passes. */
        if (!accept(p, n, true, &summed)) CHECK(!summed, "byte %zu: unnoticed", at);
        loose += accept(p, n, false, &summed) == 0;
        p[at] = old;
    }
    assert_true(loose > 10); /* names and values may change unseen: the sum is what notices */
    free(p);
}

static void memory_runs_out(void **state)
{
    (void)state;
    const char *path = scratch_path("m.gguf");
    write_sample(path);
    for (size_t at = 1;; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator mem = hook_allocator(&h);
        lac_gguf g;
        lacuna_error err = {0};
        int r = lac_gguf_open(&g, path, true, &mem, &err);
        if (!r) lac_gguf_close(&g);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
        if (!r) break;
        assert_int_equal(r, LACUNA_E_NOMEM);
        assert_true(at < 10);
    }
    for (size_t at = 1; at < 20; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator mem = hook_allocator(&h);
        lac_gguf_write w;
        lacuna_error err = {0};
        int r = lac_gguf_write_open(&w, scratch_path("n.gguf"), &mem, &err);
        if (!r) lac_gguf_write_text(&w, "key", "value");
        if (!r) r = lac_gguf_write_tensor(&w, "t", LAC_F32, 0, 4, &err);
        if (!r) r = lac_gguf_write_begin(&w, &err);
        if (!r) r = lac_gguf_write_data(&w, ROW, 16, &err);
        if (!r) r = lac_gguf_write_end(&w, &err);
        lac_gguf_write_drop(&w);
        CHECK(!r || r == LACUNA_E_NOMEM, "%s", err.msg);
        assert_int_equal(r == 0, h.calls < at);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
        assert_int_equal(scratch_count(".tmp"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(row_sizes_agree_with_the_kernels),
        cmocka_unit_test(writer_misuse_leaves_nothing),
        cmocka_unit_test(header_errors),
        cmocka_unit_test(key_errors),
        cmocka_unit_test(alignment_errors),
        cmocka_unit_test(tensor_errors),
        cmocka_unit_test(getter_errors),
        cmocka_unit_test(checksum_errors),
        cmocka_unit_test(files_that_cannot_be_mapped),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(flipped_bytes),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
