/* The safetensors reader: what it reads, and that no damaged file gets past it or breaks it. */
#include "file/safetensors.h"

#include <math.h>

#include "base/rng.h"
#include "common/hook.h"
#include "file/scratch.h"

static const char GOOD[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
    "\"half\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]},"
    "\"wide\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[36,44]},"
    "\"brain\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[32,36]},"
    "\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[44,52]},"
    "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[52,52]}}   ";

static bytes file_of(const char *json, size_t data)
{
    bytes x = {.n = 0};
    put_text(&x, json);
    while (data--) put_u8(&x, 0);
    return x;
}

static bytes sample(void)
{
    static const float a[6] = {1, 2, 3, -4, 5, 1e-3f};
    static const uint16_t half[4] = {0x3C00, 0x8001, 0x7BFF, 0xFC00}, brain[2] = {0x3F80, 0xC040};
    bytes x = file_of(GOOD, 0);
    put(&x, a, sizeof a);
    put(&x, half, sizeof half);
    put(&x, brain, sizeof brain);
    put(&x, &(double){0.1}, 8);
    put_u64(&x, 9);
    return x;
}

static void check_sample(const lac_safetensors *s)
{
    double v[6];
    assert_int_equal(s->n_tensors, 6);
    const lac_st_tensor *t = lac_safetensors_find(s, "a.weight");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 2);
    assert_true(t->dim[0] == 2 && t->dim[1] == 3);
    lac_safetensors_read(t, 3, 3, v);
    assert_true(v[0] == -4 && v[1] == 5 && v[2] == (double)1e-3f);
    lac_safetensors_read(lac_safetensors_find(s, "half"), 0, 4, v);
    assert_true(v[0] == 1 && v[1] == -0x1p-24 && v[2] == 65504 && isinf(v[3]) && v[3] < 0);
    lac_safetensors_read(lac_safetensors_find(s, "brain"), 0, 2, v);
    assert_true(v[0] == 1 && v[1] == -3);
    lac_safetensors_read(lac_safetensors_find(s, "wide"), 0, 1, v);
    assert_true(v[0] == 0.1);
    assert_int_equal(lac_safetensors_find(s, "ids")->type, LAC_ST_OTHER);
    assert_int_equal(lac_safetensors_find(s, "none")->bytes, 0);
    assert_null(lac_safetensors_find(s, "__metadata__"));
    assert_null(lac_safetensors_find(s, "a"));
}

static void reads(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    lac_safetensors s;
    bytes x = sample();
    WORKS(lac_safetensors_parse(&s, x.b, x.n, "x", &mem, e));
    check_sample(&s);
    lac_safetensors_close(&s);
    scratch_put(scratch_path("a.safetensors"), x.b, x.n);
    WORKS(lac_safetensors_open(&s, scratch_path("a.safetensors"), &mem, e));
    check_sample(&s);
    lac_safetensors_close(&s);
    lac_safetensors_close(&s);
    FAILS(lac_safetensors_open(&s, scratch_path("absent"), &mem, e), LACUNA_E_IO, "absent", "No such file");
}

static void halves_are_exact(void **state)
{
    (void)state;
    uint16_t h[1024 * 31];
    static double v[1024 * 31];
    for (size_t i = 0; i < 1024 * 31; i++) h[i] = (uint16_t)i;
    lac_st_tensor t = {.type = LAC_ST_F16, .data = (const uint8_t *)h, .bytes = sizeof h};
    lac_safetensors_read(&t, 0, 1024 * 31, v);
    for (size_t i = 0; i < 1024; i++) assert_true(v[i] == (double)i * 0x1p-24);
    for (size_t i = 1024; i < 1024 * 31; i++) assert_true(v[i] == (1 + (double)(i % 1024) / 1024) * pow(2, (double)(i / 1024) - 15));
    h[0] = 0x7E00;
    lac_safetensors_read(&t, 0, 1, v);
    assert_true(isnan(v[0]));
}

static int parse(const bytes *x, lacuna_error *e)
{
    gauge g = {0, 0};
    lacuna_allocator mem = gauge_allocator(&g);
    lac_safetensors s;
    uint8_t *copy = malloc(x->n ? x->n : 1);
    memcpy(copy, x->b, x->n);
    int r = lac_safetensors_parse(&s, copy, x->n, "dir/bad.st", &mem, e);
    if (!r) {
        double v[64];
        for (size_t i = 0; i < s.n_tensors; i++) {
            const lac_st_tensor *t = &s.tensor[i];
            uint64_t n = 1;
            for (uint32_t d = 0; d < t->n_dims; d++) n *= t->dim[d];
            for (uint64_t at = 0; at < n && t->type != LAC_ST_OTHER; at += 64) lac_safetensors_read(t, at, n - at < 64 ? n - at : 64, v);
        }
        lac_safetensors_close(&s);
    }
    assert_int_equal(g.live, 0);
    assert_true(g.largest < (size_t)64 << 20);
    free(copy);
    return r;
}

static void header_errors(void **state)
{
    (void)state;
    static const struct {
        const char *json, *thing;
        size_t data;
    } bad[] = {
        {"", "not JSON", 0},
        {"{", "not JSON", 0},
        {"[]", "not an object", 0},
        {"{}", "no tensors", 0},
        {"{} x", "not JSON", 0},
        {"{\"__metadata__\":{}}", "no tensors", 0},
        {"{\"__metadata__\":{\"a\":1},\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "__metadata__", 4},
        {"{\"t\":1}", "'t': an object", 0},
        {"{\"t\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", "'t': no string 'dtype'", 4},
        {"{\"t\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", "'t': an unknown dtype", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "'t': 'shape'", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "'t': 'shape'", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "'t': 'shape'", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", "'t': 'shape'", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,4]}}", "'t': the shape", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", "not JSON", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", "'t': 'data_offsets'", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "'t': 'data_offsets'", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,5]}}", "'t' ends at 5", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "'t': its shape needs 8", 4},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "the tensors end at", 5},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}", "'t': there is a gap", 5},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"u\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[3,7]}}",
         "'u': overlaps", 7},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         "duplicate", 8},
        {"{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "duplicate", 4},
        {"{\"\xff\":{}}", "not JSON", 0},
        {"{\"a\\u0000b\":{}}", "not JSON", 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bytes x = file_of(bad[i].json, bad[i].data);
        FAILS(parse(&x, e), LACUNA_E_FORMAT, "bad.st", bad[i].thing);
    }
    bytes x = {.n = 7};
    FAILS(parse(&x, e), LACUNA_E_FORMAT, "bad.st", "before its header");
    x = file_of("{}", 0);
    x.b[0] = 3;
    FAILS(parse(&x, e), LACUNA_E_FORMAT, "bad.st", "header of 3 bytes");
    memset(x.b, 0xFF, 8);
    FAILS(parse(&x, e), LACUNA_E_FORMAT, "bad.st", "header of 18446744073709551615 bytes");
}

static void deep_nesting(void **state)
{
    (void)state;
    static const char *const open[] = {"[", "{\"a\":"};
    for (int kind = 0; kind < 2; kind++) {
        size_t step = strlen(open[kind]), n = 5000000 / step * step;
        uint8_t *p = malloc(8 + n);
        uint64_t len = n;
        memcpy(p, &len, 8);
        for (size_t i = 0; i < n; i += step) memcpy(p + 8 + i, open[kind], step);
        lacuna_allocator mem = system_allocator();
        lac_safetensors s;
        FAILS(lac_safetensors_parse(&s, p, 8 + n, "deep", &mem, e), LACUNA_E_FORMAT, "deep", "not JSON");
        free(p);
    }
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    bytes x = sample();
    const size_t n = x.n;
    WORKS(parse(&x, e));
    for (x.n = 0; x.n < n; x.n++) FAILS(parse(&x, e), LACUNA_E_FORMAT, "bad.st", "");
}

static void flipped_bytes(void **state)
{
    (void)state;
    bytes x = sample();
    lac_rng rng = lac_rng_make(2, 0);
    size_t refused = 0;
    for (int i = 0; i < 2000; i++) {
        size_t at = (size_t)lac_rng_below(&rng, x.n);
        uint8_t old = x.b[at];
        lacuna_error err = {0};
        x.b[at] = (uint8_t)(old ^ (1 + lac_rng_below(&rng, 255)));
        int r = parse(&x, &err);
        CHECK(!r || (r == LACUNA_E_FORMAT && strstr(err.msg, "bad.st")), "byte %zu: %d %s", at, r, err.msg);
        refused += r != 0;
        x.b[at] = old;
    }
    assert_true(refused > 500); /* the format has no checksum: a flip in a name or in the data goes unseen */
}

static void memory_runs_out(void **state)
{
    (void)state;
    bytes x = sample();
    for (size_t at = 1;; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator mem = hook_allocator(&h);
        lac_safetensors s;
        lacuna_error err = {0};
        int r = lac_safetensors_parse(&s, x.b, x.n, "x", &mem, &err);
        if (!r) lac_safetensors_close(&s);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
        if (!r) break;
        assert_int_equal(r, LACUNA_E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(header_errors),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(flipped_bytes),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
