/* Names and shapes of the parameters are those of the checkpoints; start values; reading back from each kind of file. */
#include "train/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/golden.h"
#include "common/hook.h"
#include "common/tiny.h"
#include "common/unit.h"
#include "file/safetensors.h"

static lacuna_allocator mem;

static void open_from(lac_params *ps, const char *config, const lacuna_allocator *a)
{
    lacuna_error err;
    lac_config c;
    CHECK(!lac_config_load(&c, config, &err), "%s", err.msg);
    CHECK(!lac_params_open(ps, &c.hp, c.cond, c.freq, a, &err), "%s", err.msg);
}

static float *array(const lac_params *ps)
{
    float *w = malloc(ps->total * sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < ps->total; i++) w[i] = NAN;
    return w;
}

static size_t count(const lac_params *ps)
{
    size_t n = 0;
    for (size_t i = 0; i < ps->n; i++) n += ps->p[i].n;
    return n;
}

/* Tensors follow each other in the array, at multiples of 16, and w holds zeros between them. */
static void check_gaps(const lac_params *ps, const float *w)
{
    size_t at = 0;
    for (size_t i = 0; i < ps->n; i++) {
        assert_int_equal(ps->p[i].at % 16, 0);
        for (; at < ps->p[i].at; at++) assert_true(w[at] == 0);
        assert_int_equal(at, ps->p[i].at);
        at += ps->p[i].n;
    }
    for (; at < ps->total; at++) assert_true(w[at] == 0);
}

static size_t find(const lac_params *ps, const char *name)
{
    for (size_t i = 0; i < ps->n; i++)
        if (!strcmp(ps->p[i].name, name)) return i;
    fail_msg("no parameter '%s'", name);
    return 0;
}

/* ---- the authors' checkpoint ---- */

static void test_official(void **state)
{
    (void)state;
    lacuna_error err;
    lac_params ps;
    lac_safetensors st;
    open_from(&ps, GOLDEN_DIR "/m1.config.json", &mem);
    assert_int_equal(count(&ps), 150625); /* as the authors' code counts */
    assert_int_equal(ps.n, 30);
    float *w = array(&ps);
    CHECK(!lac_params_read(&ps, GOLDEN_DIR "/m1.safetensors", w, &err), "%s", err.msg);
    check_gaps(&ps, w);
    CHECK(!lac_safetensors_open(&st, GOLDEN_DIR "/m1.safetensors", &mem, &err), "%s", err.msg);
    for (size_t i = 0; i < ps.n; i++) {
        char name[96];
        snprintf(name, sizeof name, "backbone.%s", ps.p[i].name);
        const lac_st_tensor *t = lac_safetensors_find(&st, ps.p[i].name);
        if (!t) t = lac_safetensors_find(&st, name);
        CHECK(t && t->type == LAC_ST_F32 && t->bytes == 4 * ps.p[i].n, "tensor '%s'", ps.p[i].name);
        assert_memory_equal(t->data, w + ps.p[i].at, t->bytes);
    }
    lac_safetensors_close(&st);
    const lac_param_block *b = &ps.block[1];
    assert_int_equal(ps.p[find(&ps, "blocks.1.attn_qkv.weight")].at, b->qkv);
    assert_int_equal(ps.p[find(&ps, "blocks.1.mlp.2.bias")].at, b->down_bias);
    assert_int_equal(ps.p[find(&ps, "output_layer.norm_final.weight")].at, ps.norm);
    assert_int_equal(ps.p[find(&ps, "output_layer.linear.bias")].at, ps.output_bias);
    for (size_t i = 0; i < ps.n; i++) {
        const lac_param *p = &ps.p[i];
        bool hidden = p->at == ps.block[0].qkv || p->at == ps.block[0].out || p->at == ps.block[0].up || p->at == ps.block[0].down ||
                      p->at == b->qkv || p->at == b->out || p->at == b->up || p->at == b->down;
        assert_int_equal(p->matrix, hidden);
    }
    free(w);
    lac_params_free(&ps);
}

/* ---- ours ---- */

static void test_house(void **state)
{
    (void)state;
    lacuna_error err;
    char folder[256], path[300];
    lac_params ps, other;
    tiny t;
    open_from(&ps, GOLDEN_DIR "/house/config.json", &mem);
    assert_int_equal(ps.output, ps.embed);
    float *w = array(&ps), *bound = array(&ps);
    CHECK(!lac_params_read(&ps, GOLDEN_DIR "/house/house.safetensors", w, &err), "%s", err.msg);
    check_gaps(&ps, w);
    snprintf(path, sizeof path, "%s/m.gguf", tiny_folder(folder));
    static const struct {
        const char *type;
        float step; /* bound on the error of a weight, of its own size or of its block's largest */
    } types[] = {{"f32", 0}, {"bf16", 1.f / 256}, {"q8_0", 1.f / 128}};
    for (size_t k = 0; k < 3; k++) {
        lacuna_convert_options opt = {LACUNA_CONVERT_INIT, .type = types[k].type};
        CHECK(!lacuna_convert(GOLDEN_DIR "/house/house.safetensors", GOLDEN_DIR "/house/config.json", path, &opt, &err), "%s", err.msg);
        tiny_open(&t, path);
        CHECK(!lac_params_bind(&ps, &t.w, bound, &err), "%s", err.msg);
        tiny_close(&t);
        check_gaps(&ps, bound);
        for (size_t i = 0; i < ps.n; i++) {
            float most = 0;
            for (size_t j = 0; j < ps.p[i].n; j++) most = fmaxf(most, fabsf(w[ps.p[i].at + j]));
            for (size_t j = ps.p[i].at; j < ps.p[i].at + ps.p[i].n; j++)
                CHECK(fabsf(w[j] - bound[j]) <= types[k].step * (ps.p[i].rows ? most : 0), "%s: %s", types[k].type, ps.p[i].name);
        }
    }
    lac_hparams hp = ps.hp;
    hp.ff += 2;
    CHECK(!lac_params_open(&other, &hp, 0, 0, &mem, &err), "%s", err.msg);
    tiny_open(&t, path);
    assert_int_equal(lac_params_bind(&other, &t.w, bound, &err), LACUNA_E_FORMAT);
    tiny_close(&t);
    lac_params_free(&other);
    assert_int_equal(tiny_model(path, 0, 97, 64, 1, 4, 1), 0); /* folded: cannot be trained on */
    tiny_open(&t, path);
    assert_int_equal(lac_params_bind(&ps, &t.w, bound, &err), LACUNA_E_FORMAT);
    tiny_close(&t);
    tiny_folder_remove(folder);
    free(w);
    free(bound);
    lac_params_free(&ps);
}

/* ---- start values ---- */

static double deviation(const float *w, size_t n)
{
    double sum = 0, sq = 0;
    for (size_t i = 0; i < n; i++) sum += (double)w[i], sq += (double)w[i] * (double)w[i];
    return sqrt(sq / (double)n - sum / (double)n * (sum / (double)n));
}

static void near(double x, double want)
{
    CHECK(fabs(x - want) < 0.05 * want, "%g, %g was expected", x, want);
}

static bool all(const float *w, size_t n, float x)
{
    for (size_t i = 0; i < n; i++)
        if (w[i] != x) return false;
    return true;
}

static void test_init(void **state)
{
    (void)state;
    lac_params ps;
    open_from(&ps, GOLDEN_DIR "/house/config.json", &mem);
    const size_t E = ps.hp.width, F = ps.hp.ff, V = ps.hp.vocab;
    float *w = array(&ps), *again = array(&ps);
    lac_params_init(&ps, 5, w);
    check_gaps(&ps, w);
    near(deviation(w + ps.embed, V * E), 0.02);
    near(deviation(w + ps.block[1].qkv, 3 * E * E), 1 / sqrt((double)E));
    near(deviation(w + ps.block[1].up, 2 * F * E), 1 / sqrt((double)E));
    assert_true(all(w + ps.block[0].out, E * E, 0) && all(w + ps.block[1].down, E * F, 0));
    assert_true(all(w + ps.norm, E, 1) && all(w + ps.block[0].norm2, E, 1) && all(w + ps.block[1].q_norm, ps.hp.head_dim, 1));
    assert_memory_not_equal(w + ps.block[0].qkv, w + ps.block[1].qkv, 3 * E * E * sizeof *w);
    lac_params_init(&ps, 5, again);
    assert_memory_equal(w, again, ps.total * sizeof *w);
    lac_params_init(&ps, 6, again);
    assert_memory_not_equal(w, again, ps.total * sizeof *w);
    free(w);
    free(again);
    lac_params_free(&ps);
}

static void test_init_official(void **state)
{
    (void)state;
    lac_params ps;
    open_from(&ps, GOLDEN_DIR "/m1.config.json", &mem);
    const size_t E = ps.hp.width, F = ps.hp.ff, V = ps.hp.vocab, C = ps.cond;
    float *w = array(&ps);
    lac_params_init(&ps, 5, w);
    near(deviation(w + ps.block[0].down, E * F), 1 / sqrt((double)F));
    near(deviation(w + ps.sigma0_w, C * ps.freq), 1 / sqrt((double)ps.freq));
    assert_true(all(w + ps.output, V * E, 0) && all(w + ps.output_bias, V, 0) && all(w + ps.final_mod_w, 2 * E * C, 0));
    assert_true(all(w + ps.block[1].mod_w, 6 * E * C, 0) && all(w + ps.block[1].mod_b, 6 * E, 0) && all(w + ps.block[1].up_bias, F, 0));
    assert_true(all(w + ps.norm, E, 1));
    free(w);
    lac_params_free(&ps);
}

/* ---- what cannot be read ---- */

static void test_misfits(void **state)
{
    (void)state;
    lacuna_error err;
    lac_params ps;
    lac_config c;
    CHECK(!lac_config_load(&c, GOLDEN_DIR "/house/config.json", &err), "%s", err.msg);
    const lac_hparams good = c.hp;
    const struct {
        lac_hparams hp;
        const char *names; /* the tensor at fault */
    } cases[] = {{.hp = good, .names = "blocks.2.norm1.weight"}, {.hp = good, .names = "blocks.1.norm1.weight"},
                 {.hp = good, .names = "blocks.0.up.weight"},    {.hp = good, .names = "blocks.0.qn.weight"}};
    for (size_t i = 0; i < 4; i++) {
        lac_hparams hp = cases[i].hp;
        if (i == 0) hp.layers = 3;       /* one is missing */
        else if (i == 1) hp.layers = 1;  /* one is left over */
        else if (i == 2) hp.ff = 98;     /* another shape */
        else hp.qk_norm = 0;
        CHECK(!lac_params_open(&ps, &hp, 0, 0, &mem, &err), "%s", err.msg);
        float *w = array(&ps);
        assert_int_equal(lac_params_read(&ps, GOLDEN_DIR "/house/house.safetensors", w, &err), LACUNA_E_FORMAT);
        CHECK(strstr(err.msg, cases[i].names), "'%s' does not name %s", err.msg, cases[i].names);
        for (size_t k = 0; k < ps.total; k++) assert_true(isnan(w[k])); /* untouched */
        assert_int_equal(lac_params_read(&ps, "/nowhere", w, &err), LACUNA_E_IO);
        free(w);
        lac_params_free(&ps);
    }
    c.hp.variant = LAC_OFFICIAL;
    assert_int_equal(lac_params_open(&ps, &c.hp, 0, 256, &mem, &err), LACUNA_E_FORMAT);
    assert_int_equal(lac_params_open(&ps, &c.hp, 32, 1, &mem, &err), LACUNA_E_FORMAT);
    c.hp.layers = 1u << 30;
    assert_int_equal(lac_params_open(&ps, &c.hp, 32, 256, &mem, &err), LACUNA_E_LIMIT);
}

static void test_memory(void **state)
{
    (void)state;
    lacuna_error err;
    lac_params ps;
    lac_config c;
    CHECK(!lac_config_load(&c, GOLDEN_DIR "/m1.config.json", &err), "%s", err.msg);
    bool done = false;
    for (size_t at = 1; !done; at++) {
        hook h = {.fail_at = at};
        lacuna_allocator a = hook_allocator(&h);
        int r = lac_params_open(&ps, &c.hp, c.cond, c.freq, &a, &err);
        if (!r) {
            float *w = array(&ps);
            r = lac_params_read(&ps, GOLDEN_DIR "/m1.safetensors", w, &err);
            done = !r;
            free(w);
            lac_params_free(&ps);
        }
        CHECK(!r || r == LACUNA_E_NOMEM, "%s", err.msg);
        assert_int_equal(h.blocks, 0);
        assert_int_equal(h.wrong, 0);
    }
}

int main(void)
{
    mem = lac_mem_system_or((lacuna_allocator){0});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_official),      cmocka_unit_test(test_house),   cmocka_unit_test(test_init),
        cmocka_unit_test(test_init_official), cmocka_unit_test(test_misfits), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
