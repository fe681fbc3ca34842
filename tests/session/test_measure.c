/* lacuna_measure: what it counts, what it refuses, and that it leaves the session as it was.  Speeds are not judged. */
#include "session/run.h"

#include "common/hook.h"
#include "common/tiny.h"
#include "kern/pack.h"

enum { VOCAB = 96, WIDTH = 64, LAYERS = 2, FF = 2 * WIDTH };

static void counts_and_speeds(void **state)
{
    static const char *const type[] = {"f32", "bf16", "q8_0"};
    static const lac_type of[] = {LAC_F32, LAC_BF16, LAC_Q8_0};
    (void)state;
    for (unsigned t = 0; t < 3; t++) {
        char folder[256], path[300];
        lacuna_model *m;
        lacuna_machine got;
        lacuna_error err;
        snprintf(path, sizeof path, "%s/m.gguf", tiny_folder(folder));
        CHECK(tiny_model_as(path, 1, VOCAB, WIDTH, LAYERS, 2, 5, type[t], VOCAB - 1) == 0, "no tiny model");
        CHECK(lacuna_model_open(&m, path, NULL, &err) == 0, "%s", err.msg);
        tiny_folder_remove(folder);
        lacuna_session *s = session_of(m, t);
        CHECK(lacuna_measure(s, 0.01, &got, &err) == 0, "%s", err.msg);
        assert_true(got.read_bytes > 0 && isfinite(got.read_bytes));
        assert_true(got.multiplies > 0 && isfinite(got.multiplies));
        const size_t a_layer = 3 * WIDTH * WIDTH + WIDTH * WIDTH + 2 * FF * WIDTH + WIDTH * FF;
        assert_int_equal(got.weight_multiplies, LAYERS * a_layer + VOCAB * WIDTH);
        assert_int_equal(got.weight_bytes, LAYERS * (lac_panels_bytes(of[t], 3 * WIDTH, WIDTH) + lac_panels_bytes(of[t], WIDTH, WIDTH) +
                                                     lac_panels_bytes(of[t], 2 * FF, WIDTH) + lac_panels_bytes(of[t], WIDTH, FF)) +
                                               lac_panels_bytes(of[t], VOCAB, WIDTH));
        lacuna_session_free(s);
        lacuna_model_free(m);
    }
}

static void refusals_and_a_request_in_progress(void **state)
{
    (void)state;
    char folder[256], path[300];
    static run want;
    hook h = {0};
    lacuna_model *m;
    lacuna_machine out;
    lacuna_error err;
    const lacuna_event *ev;
    lacuna_token ids[12];
    for (int i = 0; i < 12; i++) ids[i] = i % 3 ? -1 : i;
    snprintf(path, sizeof path, "%s/m.gguf", tiny_folder(folder));
    CHECK(tiny_model(path, 1, VOCAB, WIDTH, LAYERS, 2, 5) == 0, "no tiny model");
    CHECK(lacuna_model_open(&m, path, &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&h)}, &err) == 0, "%s", err.msg);
    tiny_folder_remove(folder);
    lacuna_session *s = session_of(m, 1);
    run_ids(s, ids, 12, NULL, &want);
    assert_int_equal(lacuna_infill_ids(s, ids, 12, NULL, &err), 0);

    static const double bad[] = {0, -1, 60.5, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(lacuna_measure(s, bad[i], &out, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_measure(s, 1, NULL, &err), LACUNA_E_ARG);
    const size_t live = h.live;
    for (size_t k = 1; k <= 3; k++) {
        h.fail_at = h.calls + k;
        assert_int_equal(lacuna_measure(s, 0.001, &out, &err), LACUNA_E_NOMEM);
        assert_int_equal(h.live, live);
    }
    h.fail_at = 0;
    assert_int_equal(lacuna_measure(s, 0.001, &out, &err), 0);
    assert_int_equal(h.live, live);

    size_t n = 0;
    int r;
    while ((r = lacuna_step(s, &ev, &err)) > 0)
        for (size_t i = 0; i < ev->n; i++, n++) {
            assert_int_equal(ev->reveals[i].token, want.reveal[n].token);
            assert_true(ev->reveals[i].logprob == want.reveal[n].logprob);
        }
    assert_int_equal(r, 0);
    assert_int_equal(n, want.n);
    lacuna_session_free(s);
    lacuna_model_free(m);
    assert_int_equal(h.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_and_speeds), cmocka_unit_test(refusals_and_a_request_in_progress)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
