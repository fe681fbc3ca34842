/* Every allocation made to fail in turn, once and from there on: an error comes back, nothing leaks, and what lives goes on
 * working.  And a step allocates nothing. */
#include "session/run.h"

#include "common/hook.h"
#include "common/tiny.h"
#include "common/tinytok.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_MALLOC 0 /* the sanitizers have a malloc of their own */
static volatile size_t mallocs;
#else
#define COUNTS_MALLOC 1
/* What the hook does not see: a function of the C library that allocates, or C++. */
static volatile size_t mallocs;
#define SEEN __attribute__((visibility("default"))) /* by the C library too */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
SEEN void *malloc(size_t n) { mallocs++; return __libc_malloc(n); }
SEEN void *calloc(size_t n, size_t size) { mallocs++; return __libc_calloc(n, size); }
SEEN void *realloc(void *p, size_t n) { mallocs++; return __libc_realloc(p, n); }
#endif

static char folder[256], path[300];

static const char text[] = "int add(int a, int b)\n{\n    return a + b;\n}\n\nint main(void)\n{\n    return add(1, 2);\n}\n";
enum { LEN = sizeof text - 1 };
static const lacuna_hole holes[2] = {{.span = {26, 35}, .max_tokens = 5}, {.span = {60, 60}, .max_tokens = 60, .exact = 1}};

/* One attempt at everything, with the k-th allocation failing.  Says how far it came. */
enum { OPEN, SESSION, INFILL, STEP, SCORE, SCORE_IDS, DONE };

typedef struct {
    hook h;
    lacuna_model *m;
    lacuna_session *s, *t; /* one fills; one scores, with memory of its own */
    int stage;
    lacuna_error err;
    run r;
} attempt;

static int everything(attempt *a)
{
    const lacuna_score_result *res;
    lacuna_token ids[4] = {300, 301, 302, 303};
    double lp[4];
    int r;
    a->stage = OPEN;
    if ((r = lacuna_model_open(&a->m, path, &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&a->h)}, &a->err))) return r;
    a->stage = SESSION;
    if ((r = lacuna_session_open(&a->s, a->m, &(lacuna_session_options){LACUNA_SESSION_INIT, .n_threads = 2}, &a->err))) return r;
    a->stage = INFILL;
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .order = LACUNA_ORDER_RANDOM, .temperature = 1, .seed = 4, .tag = "c"};
    if ((r = lacuna_infill(a->s, text, LEN, holes, 2, &opt, &a->err))) return r;
    a->stage = STEP;
    if ((r = run_steps(a->s, &a->r, &a->err))) return r;
    if ((r = lacuna_session_open(&a->t, a->m, NULL, &a->err))) return r;
    a->stage = SCORE;
    if ((r = lacuna_score(a->t, text, LEN, &holes[0].span, 1, &(lacuna_score_options){LACUNA_SCORE_INIT, .n_orders = 3, .order = LACUNA_ORDER_RANDOM}, &res,
                          &a->err)))
        return r;
    a->stage = SCORE_IDS;
    if ((r = lacuna_score_ids(a->s, ids, 4, NULL, 0, NULL, lp, NULL, NULL, &a->err))) return r;
    a->stage = DONE;
    return 0;
}

static void balanced(const hook *h, const char *what)
{
    CHECK(h->live == 0 && h->blocks == 0 && h->wrong == 0, "%s: %zu bytes in %zu blocks are left, %zu were given back wrongly", what, h->live, h->blocks,
          h->wrong);
}

static void ladder(bool from_then)
{
    static attempt a;
    static run whole;
    size_t at[DONE + 1] = {0}, all;
    a = (attempt){0};
    CHECK(everything(&a) == 0, "%s", a.err.msg);
    whole = a.r;
    all = a.h.calls;
    lacuna_session_free(a.s);
    lacuna_session_free(a.t);
    lacuna_model_free(a.m);
    balanced(&a.h, "without failures");
    assert_true(all > 20);
    for (size_t k = 1; k <= all; k++) {
        a = (attempt){.h = {.fail_at = k, .from_then = from_then}};
        int r = everything(&a);
        CHECK(r == LACUNA_E_NOMEM, "allocation %zu of %zu: %s at stage %d", k, all, lacuna_code_name(r), a.stage);
        assert_int_equal(a.err.code, LACUNA_E_NOMEM);
        assert_true(strlen(a.err.msg) > 5);
        at[a.stage]++;
        if (a.stage == OPEN) assert_null(a.m);
        if (a.stage <= SESSION) assert_null(a.s);
        if (a.stage == OPEN) balanced(&a.h, "open");
        if (a.stage == STEP) assert_true(a.r.n > 0 && !a.t); /* the opening of the second session, not a step */
        if (a.stage > SESSION) { /* the session is usable, and gives what it would have given */
            const lacuna_event *ev;
            lacuna_text fill;
            run again;
            assert_int_equal(lacuna_step(a.s, &ev, NULL), LACUNA_E_ARG);
            assert_int_equal(lacuna_fill(a.s, 0, &fill, NULL), a.stage == INFILL || a.stage == SCORE_IDS ? LACUNA_E_ARG : 0);
            a.h.fail_at = 0;
            lacuna_infill_options opt = {LACUNA_INFILL_INIT, .order = LACUNA_ORDER_RANDOM, .temperature = 1, .seed = 4, .tag = "c"};
            run_text(a.s, text, LEN, holes, 2, &opt, &again);
            same_run(&whole, &again, "after a failed allocation");
            const lacuna_score_result *res;
            if (a.t) assert_int_equal(lacuna_score(a.t, text, LEN, &holes[0].span, 1, NULL, &res, NULL), 0);
        } else if (a.m) { /* the model is */
            a.h.fail_at = 0;
            a.s = session_of(a.m, 0);
        }
        lacuna_session_free(a.s);
        lacuna_session_free(a.t);
        lacuna_model_free(a.m);
        balanced(&a.h, "after a failed allocation");
    }
    assert_true(at[OPEN] && at[SESSION] && at[INFILL] && at[SCORE]);
    printf("report: %zu allocations failed%s: %zu in open, %zu in session open, %zu in infill, %zu in score\n", all, from_then ? " from there on" : " once",
           at[OPEN], at[SESSION], at[INFILL], at[SCORE] + at[SCORE_IDS]);
}

static void each_fails_once(void **state)
{
    (void)state;
    ladder(false);
}

static void each_fails_from_there_on(void **state)
{
    (void)state;
    ladder(true);
}

/* A request that outgrows what the session has: caches of the earlier one must survive the failure. */
static void growing_fails(void **state)
{
    (void)state;
    hook h = {0};
    lacuna_model *m;
    lacuna_error err;
    static run small, large, got;
    char long_[600];
    for (size_t i = 0; i < sizeof long_; i++) long_[i] = "if (a) b = c;\n"[i % 14];
    const lacuna_hole hole = {.span = {300, 300}, .max_tokens = 40, .exact = 1}, first = {.span = {26, 35}, .max_tokens = 5};
    assert_int_equal(lacuna_model_open(&m, path, &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&h)}, &err), 0);
    lacuna_session *s = session_of(m, 0);
    run_text(s, text, LEN, &first, 1, NULL, &small);
    run_text(s, long_, sizeof long_, &hole, 1, NULL, &large);
    lacuna_session_free(s);
    size_t failed = 0;
    for (size_t k = 1;; k++) {
        s = session_of(m, 0);
        run_text(s, text, LEN, &first, 1, NULL, &got);
        size_t before = lacuna_session_size(s);
        h.fail_at = h.calls + k;
        int r = lacuna_infill(s, long_, sizeof long_, &hole, 1, NULL, &err);
        if (r == 0) break;
        h.fail_at = 0;
        failed++;
        assert_int_equal(r, LACUNA_E_NOMEM);
        assert_true(lacuna_session_size(s) >= before / 2);
        run_text(s, text, LEN, &first, 1, NULL, &got);
        same_run(&small, &got, "the old request");
        CHECK(got.stats.n_reused == got.stats.n_context, "%zu of %zu entries were still cached", got.stats.n_reused, got.stats.n_context);
        run_text(s, long_, sizeof long_, &hole, 1, NULL, &got);
        same_run(&large, &got, "the new request");
        lacuna_session_free(s);
    }
    h.fail_at = 0;
    assert_true(failed >= 4); /* arena, cache, scratch, list of entries */
    lacuna_session_free(s);
    lacuna_model_free(m);
    balanced(&h, "growing");
}

/* From lacuna_infill to the last step, no allocation: not through the hook, and not past it. */
static void steps_allocate_nothing(void **state)
{
    (void)state;
    hook h = {0};
    lacuna_model *m;
    lacuna_error err;
    size_t steps = 0, known = mallocs;
    char *volatile copy = strdup("the count sees what the C library allocates");
    free(copy);
    assert_int_equal(mallocs - known, COUNTS_MALLOC);
    assert_int_equal(lacuna_model_open(&m, path, &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&h)}, &err), 0);
    lacuna_session *s = session_of(m, 2);
    for (int order = LACUNA_ORDER_LEFT; order <= LACUNA_ORDER_ENTROPY; order++)
        for (int k = 0; k < 6; k++) {
            const lacuna_event *ev;
            lacuna_text fill;
            const lacuna_token *ids;
            lacuna_infill_options opt = {LACUNA_INFILL_INIT, .order = (lacuna_order)order, .alpha0 = k & 1 ? 1 : 0.5, .steps = k & 2 ? 7 : 0,
                                         .temperature = k & 1 ? 0.8 : 0, .top_p = 0.9, .top_k = 50, .min_p = 0.01, .rule = (lacuna_rule)(k & 1), .n_candidates = k < 4 ? 0 : 3, .heal = k >= 4,
                                         .lossless = k == 5 && order == LACUNA_ORDER_LEFT};
            int r = lacuna_infill(s, text, LEN, holes, 2, &opt, &err);
            size_t calls = h.calls, all = mallocs, live = h.live, size = lacuna_session_size(s);
            assert_int_equal(r, 0);
            while ((r = lacuna_step(s, &ev, &err)) > 0) {
                steps++;
                if (lacuna_fill(s, 1, &fill, &err) || lacuna_fill_ids(s, 1, &ids, &err) < 0) break;
            }
            size_t hooked = h.calls - calls, others = mallocs - all;
            assert_int_equal(r, 0);
            CHECK(hooked == 0 && others == 0, "order %d: %zu allocations through the hook, %zu others", order, hooked, others);
            assert_int_equal(h.live, live);
            assert_int_equal(lacuna_session_size(s), size);
        }
    printf("report: %zu steps without an allocation%s\n", steps, COUNTS_MALLOC ? ", by the hook and by malloc" : ", by the hook");
    lacuna_session_free(s);
    lacuna_model_free(m);
    balanced(&h, "steps");
}

/* A session that repeats requests of one size stops allocating. */
static void the_same_again_allocates_nothing(void **state)
{
    (void)state;
    hook h = {0};
    lacuna_model *m;
    static run r;
    assert_int_equal(lacuna_model_open(&m, path, &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&h)}, NULL), 0);
    lacuna_session *s = session_of(m, 0);
    size_t calls = 0;
    for (int i = 0; i < 12; i++) {
        if (i == 8) calls = h.calls;
        run_text(s, text, LEN, holes, 2, NULL, &r);
    }
    assert_int_equal(h.calls, calls);
    lacuna_session_free(s);
    lacuna_model_free(m);
    balanced(&h, "again");
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/tiny.gguf", tiny_folder(folder));
    return tinytok_model(path, 512, 5);
}

static int tear_down(void **state)
{
    (void)state;
    tiny_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fails_once),
        cmocka_unit_test(each_fails_from_there_on),
        cmocka_unit_test(growing_fails),
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(the_same_again_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
