/* Writing safetensors: what is written is read back; texts are escaped; failures leave nothing behind. */
#include "file/safetensors_write.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "common/hook.h"
#include "file/safetensors.h"
#include "file/scratch.h"

static const float values[] = {1, -2.5f, 1e-40f, INFINITY, 0x1p-149f, 3};

static int write_sample(const char *path, const char *key, const char *value, const lacuna_allocator *mem, lacuna_error *err)
{
    lac_safetensors_write w;
    int r = lac_safetensors_write_open(&w, path, mem, err);
    lac_safetensors_write_tensor(&w, "a.weight", 2, 2);
    lac_safetensors_write_note(&w, key, value);
    lac_safetensors_write_tensor(&w, "b", 0, 2);
    lac_safetensors_write_note(&w, "second", "");
    if (!r) r = lac_safetensors_write_begin(&w, err);
    if (!r) r = lac_safetensors_write_data(&w, values, 3, err); /* ends inside a tensor */
    if (!r) r = lac_safetensors_write_data(&w, values + 3, 3, err);
    return r ? r : lac_safetensors_write_end(&w, err);
}

static void round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "plain", "{\"a\": \"b\\n\"}\n\t\x01\x1f/", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\\\"", "\x7f"};
    lacuna_allocator mem = system_allocator();
    const char *path = scratch_path("m.safetensors");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lac_safetensors st;
        float x[4];
        WORKS(write_sample(path, "k\"ey", texts[i], &mem, e));
        WORKS(lac_safetensors_open(&st, path, &mem, e));
        assert_string_equal(lac_safetensors_note(&st, "k\"ey"), texts[i]);
        assert_string_equal(lac_safetensors_note(&st, "second"), "");
        assert_null(lac_safetensors_note(&st, "third"));
        assert_int_equal(st.n_tensors, 2);
        const lac_st_tensor *a = lac_safetensors_find(&st, "a.weight"), *b = lac_safetensors_find(&st, "b");
        assert_true(a && a->type == LAC_ST_F32 && a->n_dims == 2 && a->dim[0] == 2 && a->dim[1] == 2);
        assert_true(b && b->n_dims == 1 && b->dim[0] == 2);
        assert_int_equal(a->at % 8, 0);
        lac_safetensors_read_f32(a, 0, 4, x);
        assert_memory_equal(x, values, sizeof x);
        lac_safetensors_read_f32(b, 1, 1, x);
        assert_true(x[0] == 3);
        lac_safetensors_close(&st);
    }
    assert_int_equal(scratch_count(".tmp"), 0);
}

/* Other types are read as the nearest floats, in pieces. */
static void as_float(void **state)
{
    (void)state;
    uint8_t data[8 * 600];
    float x[600];
    for (size_t i = 0; i < 600; i++) memcpy(data + 8 * i, &(double){(double)i + 1e-12}, 8);
    lac_st_tensor t = {.type = LAC_ST_F64, .data = data, .bytes = sizeof data};
    lac_safetensors_read_f32(&t, 1, 599, x);
    for (size_t i = 0; i < 599; i++) assert_true(x[i] == (float)((double)(i + 1) + 1e-12));
}

static void misuse(void **state)
{
    (void)state;
    lacuna_allocator mem = system_allocator();
    lac_safetensors_write w;
    const char *path = scratch_path("old");
    scratch_put(path, "old", 3);
    FAILS(write_sample(path, "key", "\xff", &mem, e), LACUNA_E_ARG, "UTF-8", "");
    FAILS(write_sample("/dev/full", "key", "", &mem, e), LACUNA_E_IO, "/dev/full", "regular");
    FAILS(write_sample("/nowhere/x", "key", "", &mem, e), LACUNA_E_IO, "/nowhere/x", "");
    for (int i = 0; i < 3; i++) {
        WORKS(lac_safetensors_write_open(&w, path, &mem, e));
        lac_safetensors_write_tensor(&w, "a", 1, i == 2 ? UINT64_MAX / 4 : 3);
        if (i == 2) {
            FAILS(lac_safetensors_write_begin(&w, e), LACUNA_E_ARG, "too large", "");
            break;
        }
        WORKS(lac_safetensors_write_begin(&w, e));
        WORKS(lac_safetensors_write_data(&w, values, i ? 4 : 2, e));
        FAILS(lac_safetensors_write_end(&w, e), LACUNA_E_INTERNAL, "12 were declared", i ? "16" : "8");
    }
    FAILS(lac_safetensors_write_begin(&w, e), LACUNA_E_INTERNAL, "closed", "");
    FAILS(lac_safetensors_write_data(&w, values, 1, e), LACUNA_E_INTERNAL, "closed", "");
    lac_safetensors_write_drop(&w);
    size_t n;
    uint8_t *was = scratch_get(path, &n);
    assert_true(n == 3 && !memcmp(was, "old", 3));
    free(was);
    assert_int_equal(scratch_count(".tmp"), 0);
}

/* A file size limit stands in for a full disk. */
static void disk_full(void **state)
{
    (void)state;
    enum { N = 1 << 17 };
    lacuna_allocator mem = system_allocator();
    lac_safetensors_write w;
    struct rlimit was, low;
    const char *path = scratch_path("full");
    float *x = calloc(N, sizeof *x);
    scratch_put(path, "old", 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    low = (struct rlimit){N * 2, was.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    WORKS(lac_safetensors_write_open(&w, path, &mem, e));
    lac_safetensors_write_tensor(&w, "a", 0, N);
    WORKS(lac_safetensors_write_begin(&w, e));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    lacuna_error err;
    int r = lac_safetensors_write_data(&w, x, N, &err);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
    CHECK(r == LACUNA_E_IO && strstr(err.msg, "full"), "%d: %s", r, err.msg);
    FAILS(lac_safetensors_write_end(&w, e), LACUNA_E_INTERNAL, "closed", "");
    size_t n;
    free(scratch_get(path, &n));
    assert_int_equal(n, 3);
    assert_int_equal(scratch_count(".tmp"), 0);
    free(x);
}

static void memory_runs_out(void **state)
{
    (void)state;
    const char *path = scratch_path("nomem");
    int r = LACUNA_E_NOMEM;
    lacuna_error err;
    for (size_t at = 1; r; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator mem = hook_allocator(&h);
        r = write_sample(path, "key", "value", &mem, &err);
        CHECK(!r || r == LACUNA_E_NOMEM, "%s", err.msg);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
        assert_int_equal(scratch_count("nomem"), !r);
        assert_int_equal(scratch_count(".tmp"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(as_float), cmocka_unit_test(misuse),
        cmocka_unit_test(disk_full), cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
