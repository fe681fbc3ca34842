/* The state of a run: exact round trips, files that do not fit, and checkpoints that convert. */
#include "train/state.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include <jansson.h>

#include "base/rng.h"
#include "common/golden.h"
#include "common/hook.h"
#include "file/gguf.h"
#include "file/safetensors.h"
#include "file/safetensors_write.h"
#include "file/scratch.h"
#include "model/convert.h"

static const char META[] = "{\"step\": 12, \"name\": \"a \\\"b\\\" \\u00e4\\n\"}";
static lacuna_allocator mem;
static lac_params ps; /* tests/golden/house */

static lac_optim optim(bool ema, uint64_t seed)
{
    lac_optim s = {.step = 77};
    float **x[] = {&s.w, &s.m, &s.v, &s.ema};
    lac_rng rng = lac_rng_make(seed, 1);
    for (size_t k = 0; k < 4; k++) {
        if (k == 3 && !ema) continue;
        *x[k] = calloc(ps.total, sizeof **x[k]);
        for (size_t i = 0; seed && i < ps.n; i++)
            for (size_t j = 0; j < ps.p[i].n; j++) (*x[k])[ps.p[i].at + j] = (float)lac_rng_u01(&rng) - 0.5f;
    }
    return s;
}

static void optim_free(lac_optim *s) { free(s->w), free(s->m), free(s->v), free(s->ema); }

static void same(const float *a, const float *b) { assert_memory_equal(a, b, ps.total * sizeof *a); }

/* ---- round trips ---- */

static void round_trip(void **state)
{
    (void)state;
    const char *path = scratch_path("run.state");
    for (int i = 0; i < 4; i++) {
        const bool muon = i & 1, ema = i & 2;
        lac_optim a = optim(ema, 3), b = optim(ema, 4);
        char *meta;
        size_t size;
        WORKS(lac_state_save(path, &ps, &a, muon, META, &mem, e));
        WORKS(lac_state_load(path, &ps, &b, muon, &mem, e));
        same(a.w, b.w);
        same(a.m, b.m);
        if (ema) same(a.ema, b.ema);
        for (size_t k = 0; k < ps.n; k++) /* v of Muon's matrices is not kept and comes back as zeros */
            for (size_t j = ps.p[k].at; j < ps.p[k].at + ps.p[k].n; j++) assert_true(b.v[j] == (muon && ps.p[k].matrix ? 0 : a.v[j]));
        assert_int_equal(b.step, 77);
        WORKS(lac_state_meta(path, &meta, &size, &mem, e));
        assert_int_equal(size, sizeof META);
        assert_string_equal(meta, META);
        lac_mem_free(&mem, meta, size);
        WORKS(lac_state_save(path, &ps, &b, muon, META, &mem, e)); /* in place of the first; loads again */
        WORKS(lac_state_load(path, &ps, &a, muon, &mem, e));
        same(a.v, b.v);
        optim_free(&a);
        optim_free(&b);
    }
    assert_int_equal(scratch_count(".tmp"), 0);
}

/* A file with the weights alone: moments start at zero, the average at the weights. */
static void weights_alone(void **state)
{
    (void)state;
    const char *path = scratch_path("weights");
    lac_optim a = optim(false, 3), b = optim(true, 4), none = optim(true, 0);
    lac_safetensors_write w;
    WORKS(lac_safetensors_write_open(&w, path, &mem, e));
    for (size_t i = 0; i < ps.n; i++) {
        char name[80];
        snprintf(name, sizeof name, "w/%s", ps.p[i].name);
        lac_safetensors_write_tensor(&w, name, ps.p[i].rows, ps.p[i].cols);
    }
    WORKS(lac_safetensors_write_begin(&w, e));
    for (size_t i = 0; i < ps.n; i++) WORKS(lac_safetensors_write_data(&w, a.w + ps.p[i].at, ps.p[i].n, e));
    WORKS(lac_safetensors_write_end(&w, e));
    WORKS(lac_state_load(path, &ps, &b, true, &mem, e));
    same(a.w, b.w);
    same(a.w, b.ema);
    same(none.m, b.m);
    same(none.v, b.v);
    char *meta;
    size_t size;
    FAILS(lac_state_meta(path, &meta, &size, &mem, e), LACUNA_E_FORMAT, "weights", "lacuna");
    optim_free(&a);
    optim_free(&b);
    optim_free(&none);
}

/* ---- files that do not fit ---- */

static void misfits(void **state)
{
    (void)state;
    const char *path = scratch_path("run");
    lac_optim a = optim(true, 3), b = optim(true, 4), kept = optim(true, 4), bare = optim(false, 4);
    lac_params other;
    lacuna_error err;
    WORKS(lac_state_save(path, &ps, &a, true, META, &mem, e));
    FAILS(lac_state_load(path, &ps, &b, false, &mem, e), LACUNA_E_FORMAT, "run", "v/blocks.0.qkv.weight"); /* missing */
    FAILS(lac_state_load(path, &ps, &bare, true, &mem, e), LACUNA_E_FORMAT, "run", "ema/embed.weight");    /* left over */
    lac_hparams hp = ps.hp;
    hp.ff -= 2;
    WORKS(lac_params_open(&other, &hp, 0, 0, &mem, e)); /* smaller: arrays of ps will do */
    FAILS(lac_state_load(path, &other, &b, true, &mem, e), LACUNA_E_FORMAT, "run", "w/blocks.0.up.weight");
    lac_params_free(&other);
    WORKS(lac_state_save(path, &ps, &bare, true, META, &mem, e));
    FAILS(lac_state_load(path, &ps, &b, true, &mem, e), LACUNA_E_FORMAT, "run", "ema/embed.weight"); /* missing */
    FAILS(lac_state_load(GOLDEN_DIR "/house/house.safetensors", &ps, &b, true, &mem, e), LACUNA_E_FORMAT, "house", "w/embed.weight");
    FAILS(lac_state_load("/nowhere/run", &ps, &b, true, &mem, e), LACUNA_E_IO, "/nowhere/run", "");
    size_t n;
    uint8_t *whole = scratch_get(path, &n); /* a file that was cut */
    for (size_t len = 0; len < n; len = len < 400 ? len + 1 : len + n / 7) {
        if (!len) continue; /* an empty file cannot be mapped */
        scratch_put(path, whole, len);
        int r = lac_state_load(path, &ps, &b, true, &mem, &err);
        CHECK(r == LACUNA_E_FORMAT, "%zu of %zu bytes: %d", len, n, r);
    }
    free(whole);
    same(kept.w, b.w); /* after all that, nothing was touched */
    same(kept.m, b.m);
    same(kept.v, b.v);
    same(kept.ema, b.ema);
    optim_free(&a), optim_free(&b), optim_free(&kept), optim_free(&bare);
}

/* One wrong bit anywhere in text or tensors is told. */
static void damage(void **state)
{
    (void)state;
    const char *path = scratch_path("flip");
    lac_optim a = optim(true, 3);
    char *meta;
    size_t size, n, head;
    WORKS(lac_state_save(path, &ps, &a, true, META, &mem, e));
    uint8_t *whole = scratch_get(path, &n);
    head = 8 + (size_t)(whole[0] | whole[1] << 8 | whole[2] << 16);
    for (size_t at = head; at < n; at += (n - head) / 23 + 1) {
        whole[at] ^= 1;
        scratch_put(path, whole, n);
        FAILS(lac_state_meta(path, &meta, &size, &mem, e), LACUNA_E_FORMAT, "flip", "damaged");
        whole[at] ^= 1;
    }
    scratch_put(path, whole, n);
    WORKS(lac_state_meta(path, &meta, &size, &mem, e));
    lac_mem_free(&mem, meta, size);
    free(whole);
    optim_free(&a);
}

static void disk_full(void **state)
{
    (void)state;
    const char *path = scratch_path("full");
    lac_optim a = optim(true, 3), b = optim(true, 4);
    struct rlimit was;
    lacuna_error err;
    WORKS(lac_state_save(path, &ps, &a, true, META, &mem, e));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    struct rlimit low = {200000, was.rlim_max}; /* stands in for a full disk */
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    int r = lac_state_save(path, &ps, &b, true, META, &mem, &err);
    int x = lac_state_export(path, &ps, b.w, &mem, NULL);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
    CHECK(r == LACUNA_E_IO && x == LACUNA_E_IO && strstr(err.msg, "full"), "%d, %d: %s", r, x, err.msg);
    assert_int_equal(scratch_count(".tmp"), 0);
    WORKS(lac_state_load(path, &ps, &b, true, &mem, e)); /* the old one is whole */
    same(a.w, b.w);
    FAILS(lac_state_save("/dev/full", &ps, &a, true, META, &mem, e), LACUNA_E_IO, "/dev/full", "regular");
    optim_free(&a);
    optim_free(&b);
}

static void memory_runs_out(void **state)
{
    (void)state;
    const char *path = scratch_path("nomem");
    lac_optim a = optim(true, 3), b = optim(true, 4);
    lacuna_error err;
    for (size_t at = 1, done = 0; !done; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator hooked = hook_allocator(&h);
        char *meta = NULL;
        size_t size = 0;
        int r = lac_state_save(path, &ps, &a, true, META, &hooked, &err);
        if (!r) r = lac_state_meta(path, &meta, &size, &hooked, &err);
        if (!r) lac_mem_free(&hooked, meta, size);
        if (!r) r = lac_state_load(path, &ps, &b, true, &hooked, &err);
        if (!r) r = lac_state_export(path, &ps, a.w, &hooked, &err);
        CHECK(!r || r == LACUNA_E_NOMEM, "%s", err.msg);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
        assert_int_equal(scratch_count(".tmp"), 0);
        done = !r;
    }
    optim_free(&a);
    optim_free(&b);
}

/* ---- checkpoints ---- */

/* The metadata of a checkpoint as a configuration. */
static void write_config(const char *checkpoint, const char *path)
{
    lac_safetensors st;
    json_t *o = json_object();
    WORKS(lac_safetensors_open(&st, checkpoint, &mem, e));
    for (size_t i = 0; i < st.n_notes; i++) json_object_set_new(o, st.note[i].key, json_string(st.note[i].value));
    lac_safetensors_close(&st);
    assert_int_equal(json_dump_file(o, path, 0), 0);
    json_decref(o);
}

/* Weights in, checkpoint out: the model files made of both hold the same keys and tensors. */
static void converts(const char *checkpoint, const char *config)
{
    const char *out = scratch_path("out.safetensors"), *json = scratch_path("out.json");
    const char *a = scratch_path("a.gguf"), *b = scratch_path("b.gguf");
    lac_params p;
    lac_config c, back;
    WORKS(lac_config_load(&c, config, e));
    WORKS(lac_params_open(&p, &c.hp, c.cond, c.freq, &mem, e));
    float *w = malloc(p.total * sizeof *w);
    WORKS(lac_params_read(&p, checkpoint, w, e));
    WORKS(lac_state_export(out, &p, w, &mem, e));
    write_config(out, json);
    WORKS(lac_config_load(&back, json, e));
    assert_memory_equal(&back.hp, &c.hp, sizeof c.hp);
    assert_true(back.has_mask && back.cond == c.cond && back.freq == c.freq);
    WORKS(lac_convert(checkpoint, config, a, LAC_F32, NULL, 0, -1, -1, "m", NULL, &mem, e));
    WORKS(lac_convert(out, json, b, LAC_F32, NULL, 0, -1, -1, "m", NULL, &mem, e));
    size_t n, m;
    uint8_t *x = scratch_get(a, &n), *y = scratch_get(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
    free(w);
    lac_params_free(&p);
}

static void checkpoints(void **state)
{
    (void)state;
    converts(GOLDEN_DIR "/m1.safetensors", GOLDEN_DIR "/m1.config.json");
    converts(GOLDEN_DIR "/m2.safetensors", GOLDEN_DIR "/m2.config.json");
    converts(GOLDEN_DIR "/house/house.safetensors", GOLDEN_DIR "/house/config.json");
}

/* Ratios of ff to the width that are no short numbers come back exactly, as any that a configuration can have. */
static void odd_ratio(void **state)
{
    (void)state;
    const char *out = scratch_path("odd.safetensors"), *json = scratch_path("odd.json");
    for (uint32_t ff = 1; ff < 300; ff += 7) {
        if ((double)ff / 22 * 22 != ff) continue; /* then no double is such a ratio */
        lac_hparams hp = {.variant = LAC_OFFICIAL, .vocab = 5, .width = 22, .layers = 1, .heads = 1, .head_dim = 22, .ff = ff, .context = 8,
                          .mask = 4, .norm_eps = 1e-5f, .rope_base = 500000};
        lac_params p;
        lac_config c;
        WORKS(lac_params_open(&p, &hp, 3, 4, &mem, e));
        float *w = calloc(p.total, sizeof *w);
        WORKS(lac_state_export(out, &p, w, &mem, e));
        write_config(out, json);
        WORKS(lac_config_load(&c, json, e));
        assert_memory_equal(&c.hp, &hp, sizeof hp);
        free(w);
        lac_params_free(&p);
    }
}

static int setup(void **state)
{
    lacuna_error err;
    lac_config c;
    mem = system_allocator();
    if (lac_config_load(&c, GOLDEN_DIR "/house/config.json", &err) || lac_params_open(&ps, &c.hp, 0, 0, &mem, &err)) return -1;
    return scratch_setup(state);
}

static int teardown(void **state)
{
    lac_params_free(&ps);
    return scratch_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(weights_alone), cmocka_unit_test(misfits), cmocka_unit_test(damage), cmocka_unit_test(disk_full),
        cmocka_unit_test(memory_runs_out), cmocka_unit_test(checkpoints), cmocka_unit_test(odd_ratio),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
