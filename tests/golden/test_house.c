/* The house variant against double precision: logits of a small random network, computed apart in PyTorch (tests/golden/README.md). */
#include "common/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/tiny.h"
#include "net/net.h"
#include "net/rule.h"

#define MAX 64
#define TOLERANCE 3e-5 /* float32 against double; logits have a spread of 4 */

typedef struct {
    const float *want;
    size_t first, v;
    double worst;
} job;

static int compare(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    job *j = ctx;
    (void)p, (void)err;
    for (size_t k = 0; k < j->v; k++) {
        double d = fabs(logits[k] - j->want[(i - j->first) * j->v + k]);
        if (!(d <= j->worst)) j->worst = d;
    }
    return 0;
}

static size_t load(const char *name, void *out, size_t size, size_t cap)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/house/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, size, cap, f);
    assert_true(n > 0 && n < cap);
    fclose(f);
    return n;
}

static double worst(const char *name, size_t clean, const char *table)
{
    static float want[MAX * 97];
    int32_t token[MAX], pos[MAX];
    uint32_t sees[MAX];
    char file[64], folder[256], path[300];
    snprintf(file, sizeof file, "%s.token.i32", name);
    size_t n = load(file, token, 4, MAX);
    snprintf(file, sizeof file, "%s.pos.i32", name);
    assert_int_equal(load(file, pos, 4, MAX), n);
    snprintf(file, sizeof file, "%s.logits.f32", name);
    assert_int_equal(load(file, want, 4, MAX * 97), (n - clean) * 97);
    if (name[0] == 'l') lac_rule_likelihood((n + 1) / 2, sees);
    else lac_rule_sees(name[0] == 'p' ? LAC_RULE_PAPER : LAC_RULE_INDEPENDENT, clean, n - clean, sees);

    lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lacuna_convert_options o = {LACUNA_CONVERT_INIT, .type = "f32"};
    lacuna_error err;
    tiny t;
    lac_pool *pool;
    lac_net net;
    lac_kv_store store;
    lac_kv kv;
    atomic_bool cancel = false;
    tiny_folder(folder);
    snprintf(path, sizeof path, "%s/house.gguf", folder);
    assert_int_equal(lacuna_convert("tests/golden/house/house.safetensors", "tests/golden/house/config.json", path, &o, &err), 0);
    tiny_open(&t, path);
    assert_int_equal(t.w.hp.variant, LAC_HOUSE);
    assert_int_equal(lac_pool_open(&pool, &mem, 1, &err), 0);
    assert_int_equal(lac_net_open(&net, &t.w, lac_kern_pick(table), &mem, pool, &cancel, &err), 0);
    assert_int_equal(lac_net_reserve(&net, 0, &err), 0);
    lac_kv_store_init(&store, &t.w.hp, LAC_F32, &mem);
    lac_kv_init(&kv, &store);
    assert_int_equal(lac_kv_reserve(&kv, n, &err), 0);
    job j = {want, clean, 97, 0};
    lac_part part = {&kv, token, pos, sees, n, clean, clean};
    assert_int_equal(lac_net_forward(&net, &(lac_pass){&part, 1, NULL}, compare, &j, &err), 0);
    lac_kv_free(&kv);
    lac_kv_store_free(&store);
    lac_net_free(&net);
    lac_pool_free(pool);
    tiny_close(&t);
    tiny_folder_remove(folder);
    return j.worst;
}

static void house(void **state)
{
    static const char *const tables[KERNS] = {KERN_TABLES};
    double most = 0;
    (void)state;
    for (size_t i = 0; i < KERNS; i++) {
        if (!lac_kern_pick(tables[i])) continue;
        double d[3] = {worst("paper", 10, tables[i]), worst("independent", 10, tables[i]), worst("likelihood", 23, tables[i])};
        for (int k = 0; k < 3; k++) {
            assert_true(d[k] < TOLERANCE);
            if (d[k] > most) most = d[k];
        }
    }
    printf("report: house variant, F32 against double: largest difference of logits %.2g\n", most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(house)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
