/* lacuna_measure: what it counts, what it refuses, and that it leaves the session as it was.  Speeds are not judged. */
#include "session/run.h"

#include "common/hook.h"
#include "common/tiny.h"
#include "kern/pack.h"

enum { VOCAB = 96, WIDTH = 64, LAYERS = 2, FF = 2 * WIDTH, N = 12 };

typedef struct {
    hook memory;
    lacuna_model *model;
    lacuna_session *session;
} fixture;

static int setup(void **state)
{
    static fixture f;
    char folder[256], path[300];
    lacuna_error err;
    snprintf(path, sizeof path, "%s/m.gguf", tiny_folder(folder));
    CHECK(tiny_model_as(path, 1, VOCAB, WIDTH, LAYERS, 2, 5, "q8_0", VOCAB - 1) == 0, "no tiny model");
    lacuna_model_options opt = {LACUNA_MODEL_INIT, .allocator = hook_allocator(&f.memory)};
    CHECK(lacuna_model_open(&f.model, path, &opt, &err) == 0, "%s", err.msg);
    tiny_folder_remove(folder);
    f.session = session_of(f.model, 2);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    lacuna_session_free(f->session);
    lacuna_model_free(f->model);
    return f->memory.live || f->memory.wrong;
}

static void refusals(void **state)
{
    fixture *f = *state;
    lacuna_machine out;
    lacuna_error err;
    static const double bad[] = {0, -1, 60.5, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(lacuna_measure(f->session, bad[i], &out, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_measure(f->session, 1, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_measure(NULL, 1, &out, &err), LACUNA_E_ARG);
    const size_t live = f->memory.live;
    for (size_t k = 1; k <= 3; k++) { /* the block, its sums, the products */
        f->memory.fail_at = f->memory.calls + k;
        assert_int_equal(lacuna_measure(f->session, 0.001, &out, &err), LACUNA_E_NOMEM);
        assert_int_equal(f->memory.live, live);
    }
    f->memory.fail_at = 0;
}

static size_t panels(size_t R, size_t K) { return lac_panels_bytes(LAC_Q8_0, R, K); }

/* In the middle of a request, which goes on as if nothing had been. */
static void counts_and_speeds(void **state)
{
    fixture *f = *state;
    static run want;
    lacuna_machine got;
    lacuna_error err;
    const lacuna_event *ev;
    lacuna_token ids[N];
    for (int i = 0; i < N; i++) ids[i] = i % 3 ? -1 : i;
    run_ids(f->session, ids, N, NULL, &want);
    assert_int_equal(lacuna_infill_ids(f->session, ids, N, NULL, &err), 0);

    const size_t live = f->memory.live;
    CHECK(lacuna_measure(f->session, 0.01, &got, &err) == 0, "%s", err.msg);
    assert_int_equal(f->memory.live, live);
    assert_true(got.read_bytes > 0 && isfinite(got.read_bytes));
    assert_true(got.multiplies > 0 && isfinite(got.multiplies));
    assert_int_equal(got.weight_multiplies, LAYERS * WIDTH * (3 * WIDTH + WIDTH + 2 * FF + FF) + VOCAB * WIDTH);
    assert_int_equal(got.weight_bytes, LAYERS * (panels(3 * WIDTH, WIDTH) + panels(WIDTH, WIDTH) + panels(2 * FF, WIDTH) + panels(WIDTH, FF)) +
                                           panels(VOCAB, WIDTH));

    size_t n = 0;
    int r;
    while ((r = lacuna_step(f->session, &ev, &err)) > 0)
        for (size_t i = 0; i < ev->n; i++, n++) {
            assert_int_equal(ev->reveals[i].token, want.reveal[n].token);
            assert_true(ev->reveals[i].logprob == want.reveal[n].logprob);
        }
    assert_int_equal(r, 0);
    assert_int_equal(n, want.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refusals), cmocka_unit_test(counts_and_speeds)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
