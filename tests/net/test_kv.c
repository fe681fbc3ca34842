/* net/kv: lists, pages, branches; what they hold is never looked at here, but marked page by page. */
#include "common/unit.h"

#include <string.h>

#include "common/hook.h"
#include "net/kv.h"

typedef struct {
    hook hook;
    lacuna_allocator mem;
    lac_kv_store store;
} rig;

static void rig_open(rig *r, lac_type type)
{
    const lac_hparams hp = {.layers = 2, .heads = 3, .head_dim = 4, .width = 12};
    *r = (rig){.mem = hook_allocator(&r->hook)};
    lac_kv_store_init(&r->store, &hp, type, &r->mem);
}

static void rig_close(rig *r)
{
    lac_kv_store_free(&r->store);
    assert_int_equal(r->hook.blocks, 0);
    assert_int_equal(r->hook.live, 0);
    assert_int_equal(r->hook.wrong, 0);
}

static void fill(lac_kv *kv, size_t n, int32_t from)
{
    for (; kv->len < n; kv->len++) {
        kv->token[kv->len] = from + (int32_t)kv->len;
        kv->pos[kv->len] = 7 * (int32_t)kv->len;
        kv->page[kv->len / LAC_PAGE][kv->len % LAC_PAGE] = (char)(from + (int32_t)kv->len);
    }
}

static void reserve(lac_kv *kv, size_t n)
{
    lacuna_error err;
    CHECK(lac_kv_reserve(kv, n, &err) == 0, "%s", err.msg);
}

static void growing_keeps_what_is_there(void **state)
{
    (void)state;
    rig r;
    lac_kv kv;
    rig_open(&r, LAC_F32);
    assert_int_equal(r.store.page_bytes, 2 * 3 * 2 * LAC_PAGE * 4 * sizeof(float));
    lac_kv_init(&kv, &r.store);
    assert_int_equal(lac_kv_room(&kv), 0);
    for (size_t n = 1; n < 200; n += 13) {
        reserve(&kv, n);
        assert_true(lac_kv_room(&kv) >= n && lac_kv_room(&kv) < n + LAC_PAGE);
        fill(&kv, n, 0);
    }
    for (size_t i = 0; i < kv.len; i++) {
        assert_int_equal(kv.token[i], i);
        assert_int_equal(kv.page[i / LAC_PAGE][i % LAC_PAGE], (char)i);
    }
    lac_kv_free(&kv);
    rig_close(&r);
}

static void pages_go_round(void **state)
{
    (void)state;
    rig r;
    lac_kv a, b;
    rig_open(&r, LAC_BF16);
    assert_int_equal(r.store.page_bytes, 2 * 3 * 2 * LAC_PAGE * 4 * 2);
    lac_kv_init(&a, &r.store);
    lac_kv_init(&b, &r.store);
    reserve(&a, 64);
    size_t bytes = lac_kv_store_size(&r.store);
    assert_int_equal(bytes >= 4 * r.store.page_bytes, 1);
    lac_kv_free(&a);
    reserve(&b, 64);
    assert_int_equal(lac_kv_store_size(&r.store), bytes); /* the same pages */
    assert_int_equal(b.len, 0);
    lac_kv_free(&b);
    lac_kv_store_trim(&r.store);
    assert_true(lac_kv_store_size(&r.store) < r.store.page_bytes);
    reserve(&a, 16);
    lac_kv_free(&a);
    rig_close(&r);
}

static void matching_and_cropping(void **state)
{
    (void)state;
    rig r;
    lac_kv kv;
    int32_t token[40], pos[40];
    rig_open(&r, LAC_F32);
    lac_kv_init(&kv, &r.store);
    reserve(&kv, 40);
    fill(&kv, 30, 5);
    for (int32_t i = 0; i < 40; i++) token[i] = 5 + i, pos[i] = 7 * i;
    assert_int_equal(lac_kv_match(&kv, token, pos, 40), 30);
    assert_int_equal(lac_kv_match(&kv, token, pos, 12), 12);
    assert_int_equal(lac_kv_match(&kv, token, pos, 0), 0);
    token[20]++;
    assert_int_equal(lac_kv_match(&kv, token, pos, 40), 20);
    pos[9]++; /* the same token elsewhere is another entry */
    assert_int_equal(lac_kv_match(&kv, token, pos, 40), 9);
    lac_kv_crop(&kv, 100);
    assert_int_equal(kv.len, 30);
    lac_kv_crop(&kv, 9);
    assert_int_equal(kv.len, 9);
    assert_int_equal(lac_kv_match(&kv, token, pos, 40), 9);
    lac_kv_free(&kv);
    rig_close(&r);
}

static void branches(void **state)
{
    (void)state;
    static const size_t at[] = {0, 1, LAC_PAGE - 1, LAC_PAGE, LAC_PAGE + 1, 3 * LAC_PAGE};
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
        rig r;
        lac_kv a, b, c;
        lacuna_error err;
        rig_open(&r, LAC_F32);
        lac_kv_init(&a, &r.store);
        lac_kv_init(&b, &r.store);
        lac_kv_init(&c, &r.store);
        reserve(&a, 60);
        fill(&a, 60, 0);
        CHECK(lac_kv_branch(&b, &a, at[k], 70, &err) == 0, "%s", err.msg);
        CHECK(lac_kv_branch(&c, &a, at[k], 70, &err) == 0, "%s", err.msg);
        assert_int_equal(b.len, at[k]);
        assert_true(lac_kv_room(&b) >= 70);
        fill(&b, 70, 50);
        fill(&c, 70, 60);
        for (size_t i = 0; i < 70; i++) { /* each has its own end, and the beginning is everybody's */
            int32_t first = i < at[k] ? 0 : 50;
            assert_int_equal(b.token[i], first + (int32_t)i);
            assert_int_equal(b.pos[i], 7 * (int32_t)i);
            assert_int_equal(b.page[i / LAC_PAGE][i % LAC_PAGE], (char)(first + (int32_t)i));
            assert_int_equal(c.page[i / LAC_PAGE][i % LAC_PAGE], (char)((i < at[k] ? 0 : 60) + (int32_t)i));
            if (i < 60) assert_int_equal(a.page[i / LAC_PAGE][i % LAC_PAGE], (char)i);
        }
        lac_kv_free(&b);
        lac_kv_free(&c);
        assert_int_equal(a.page[0][0], 0);
        lac_kv_free(&a);
        rig_close(&r);
    }
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    lacuna_error err;
    size_t calls = 1, failed = 0;
    for (size_t at = 0; at <= calls; at++) {
        rig r;
        lac_kv a, b;
        rig_open(&r, LAC_F32);
        lac_kv_init(&a, &r.store);
        lac_kv_init(&b, &r.store);
        reserve(&a, 20);
        fill(&a, 20, 0);
        size_t before = r.hook.calls;
        r.hook.fail_at = at ? before + at : 0;
        int grown = lac_kv_reserve(&a, 100, &err);
        CHECK(a.len == 20 && lac_kv_room(&a) == (grown ? 32 : 112), "room for %zu", lac_kv_room(&a));
        for (int32_t i = 0; i < 20; i++) CHECK(a.token[i] == i && a.page[i / LAC_PAGE][i % LAC_PAGE] == i, "entry %d", i);
        int branched = lac_kv_branch(&b, &a, 20, 100, &err);
        if (branched) CHECK(!b.len && !lac_kv_room(&b) && err.code == LACUNA_E_NOMEM, "a branch of %zu", b.len);
        if (!at) calls = r.hook.calls - before;
        else failed += grown || branched;
        lac_kv_free(&b);
        lac_kv_free(&a);
        rig_close(&r);
    }
    assert_true(failed >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing_keeps_what_is_there), cmocka_unit_test(pages_go_round), cmocka_unit_test(matching_and_cropping),
        cmocka_unit_test(branches), cmocka_unit_test(memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
