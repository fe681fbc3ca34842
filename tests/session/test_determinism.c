/* The same request gives the same bits: whatever the number of threads, whatever the session did before, and whoever else uses
 * the model at the same time.  Built with -fsanitize=thread this is also the test for data races. */
#include "session/run.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "common/tinytok.h"

static const char text[] = "#include <stdlib.h>\n\nint main(int argc, char **argv)\n{\n    int sum = 0;\n    for (int i = 1; i < argc; i++)\n"
                           "        sum += atoi(argv[i]);\n    return sum;\n}\n";
enum { LEN = sizeof text - 1, KINDS = 8 };

/* Eight requests that have little in common. */
static void begin_kind(lacuna_session *s, int kind, uint64_t seed)
{
    static const lacuna_order order[] = {LACUNA_ORDER_LEFT, LACUNA_ORDER_RANDOM, LACUNA_ORDER_STRIDE, LACUNA_ORDER_CONFIDENCE, LACUNA_ORDER_MARGIN,
                                         LACUNA_ORDER_ENTROPY};
    const lacuna_hole hole[2] = {{.span = {61, 73}, .max_tokens = 7}, {.span = {100 + (size_t)kind, 120}, .max_tokens = 9}};
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .order = order[kind % 6], .alpha0 = (kind % 3 + 1) / 3.0, .rule = kind & 1 ? LACUNA_RULE_PAPER : 0,
                                 .steps = kind & 2 ? 5 : 0, .temperature = kind & 4 ? 0 : 0.9, .top_p = 0.95, .seed = seed, .tag = kind & 1 ? "c" : NULL};
    lacuna_error err;
    int r;
    if (kind == 7) {
        lacuna_token ids[40];
        opt.tag = NULL;
        for (int i = 0; i < 40; i++) ids[i] = i % 3 ? -1 : 100 + i;
        r = lacuna_infill_ids(s, ids, 40, &opt, &err);
    } else r = lacuna_infill(s, text, LEN, hole + (kind == 5), kind == 5 ? 1 : 2, &opt, &err);
    CHECK(r == 0, "kind %d: %s", kind, err.msg);
}

static void run_kind(lacuna_session *s, int kind, uint64_t seed, run *r)
{
    lacuna_error err;
    begin_kind(s, kind, seed);
    CHECK(run_steps(s, r, &err) == 0, "%s", err.msg);
}

static void threads_do_not_matter(lacuna_model *m, int kinds)
{
    static run want[KINDS], got;
    static const unsigned threads[] = {0, 1, 2, 4, 2};
    lacuna_session *s = session_of(m, 0);
    for (int k = 0; k < kinds; k++) run_kind(s, k, 7, &want[k]);
    lacuna_session_free(s);
    for (int t = 0; t < 5; t++) {
        s = session_of(m, threads[t]);
        for (int k = kinds - 1; k >= 0; k--) { /* in another order: with another cache */
            run_kind(s, k, 7, &got);
            same_run(&want[k], &got, "threads");
        }
        lacuna_session_free(s);
    }
}

static void one_two_and_four_threads(void **state)
{
    lacuna_model *m = *state;
    threads_do_not_matter(m, KINDS);
}

static void one_two_and_four_threads_on_the_default_model(void **state)
{
    (void)state;
    lacuna_model *m = default_model();
    threads_do_not_matter(m, 3);
    lacuna_model_free(m);
}

/* With a warm cache, with that of another text, after a request dropped midway and after a failure: as in a fresh session. */
static void history_does_not_matter(void **state)
{
    lacuna_model *m = *state;
    static run want, got;
    const lacuna_event *ev;
    for (int k = 0; k < KINDS; k++) {
        lacuna_session *fresh = session_of(m, 0), *s = session_of(m, 0);
        run_kind(fresh, k, 3, &want);
        assert_int_equal(want.stats.n_reused, 0);
        for (int other = 0; other < KINDS; other++) {
            run_kind(s, other, 4, &got);
            begin_kind(s, (other + 3) % KINDS, 5);
            for (int i = 0; i < other % 3; i++) assert_int_equal(lacuna_step(s, &ev, NULL), 1);
            if (other % 4 == 1) assert_int_equal(lacuna_infill(s, text, LEN, NULL, 0, NULL, NULL), LACUNA_E_ARG);
            if (other % 4 == 2) {
                const lacuna_score_result *res;
                assert_int_equal(lacuna_score(s, text, LEN, &(lacuna_span){20, 30}, 1, NULL, &res, NULL), 0);
            }
            if (other % 4 == 3) {
                lacuna_cancel(s);
                assert_int_equal(lacuna_step(s, &ev, NULL), LACUNA_E_CANCELLED);
            }
            run_kind(s, k, 3, &got);
            same_run(&want, &got, "history");
        }
        run_kind(s, k, 3, &got);
        same_run(&want, &got, "again");
        CHECK(got.stats.n_reused == got.stats.n_context, "%zu of %zu context entries were reused", got.stats.n_reused, got.stats.n_context);
        lacuna_session_free(fresh);
        lacuna_session_free(s);
    }
}

/* Another seed gives another text (of all seeds here), and the seed counts at temperature 0 for the order only. */
static void seeds_matter(void **state)
{
    lacuna_model *m = *state;
    static run a, b;
    lacuna_session *s = session_of(m, 0);
    run_kind(s, 0, 0, &a);
    for (uint64_t seed = 1; seed < 20; seed++) {
        run_kind(s, 0, seed, &b);
        bool same = a.n == b.n;
        for (size_t i = 0; same && i < a.n; i++) same = a.reveal[i].token == b.reveal[i].token;
        assert_false(same);
    }
    lacuna_infill_options greedy = {LACUNA_INFILL_INIT, .temperature = 0};
    const lacuna_hole hole = {.span = {61, 73}, .max_tokens = 12};
    run_text(s, text, LEN, &hole, 1, &greedy, &a);
    greedy.seed = UINT64_MAX;
    run_text(s, text, LEN, &hole, 1, &greedy, &b);
    same_run(&a, &b, "greedy");
    run_text(s, text, LEN, &hole, 1, NULL, &b);
    same_run(&a, &b, "default options"); /* the default is greedy, seed 0 */
    lacuna_session_free(s);
}

/* ---- threads of the host ---- */

typedef struct {
    lacuna_model *m;
    int kind;
    run got[3];
    double score;
    int failed;
} user;

/* A check that fails outside cmocka's thread ends the program, which is failure enough; what can be compared later is. */
static void *use(void *ctx)
{
    user *u = ctx;
    lacuna_session *s;
    const lacuna_score_result *res;
    lacuna_error err;
    if (lacuna_session_open(&s, u->m, &(lacuna_session_options){LACUNA_SESSION_INIT, .n_threads = u->kind % 4 == 3 ? 2 : 0}, &err) < 0) {
        u->failed = 1;
        return NULL;
    }
    for (uint64_t i = 0; i < 3; i++) run_kind(s, (u->kind + (int)i) % KINDS, i, &u->got[i]);
    lacuna_token ids[8];
    u->failed |= lacuna_encode(u->m, text, LEN, ids, NULL, 8, NULL) < 8; /* the tokenizer is shared too */
    u->failed |= lacuna_score(s, text, LEN, &(lacuna_span){40, 70}, 1, &(lacuna_score_options){LACUNA_SCORE_INIT, .order = LACUNA_ORDER_RANDOM, .seed = 2},
                              &res, &err) != 0;
    u->score = u->failed ? 0 : res->logprob;
    lacuna_session_free(s);
    return NULL;
}

static void sessions_in_threads(lacuna_model *m)
{
    static user alone[8], together[8];
    pthread_t thread[8];
    for (int i = 0; i < 8; i++) {
        alone[i] = together[i] = (user){.m = m, .kind = i};
        use(&alone[i]);
    }
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&thread[i], NULL, use, &together[i]), 0);
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(alone[i].failed, 0);
        assert_int_equal(together[i].failed, 0);
        assert_memory_equal(&alone[i].score, &together[i].score, sizeof alone[i].score);
        for (int k = 0; k < 3; k++) same_run(&alone[i].got[k], &together[i].got[k], "8 threads");
    }
}

static void eight_sessions_in_eight_threads(void **state) { sessions_in_threads(*state); }

static void eight_sessions_on_the_default_model(void **state)
{
    (void)state;
    lacuna_model *m = default_model();
    sessions_in_threads(m);
    lacuna_model_free(m);
}

/* Cancel from another thread, again and again until it has been noticed: no clock is needed. */
typedef struct {
    lacuna_session *s;
    atomic_int go, stop;
} canceller;

static void *cancel_loop(void *ctx)
{
    canceller *c = ctx;
    while (!atomic_load(&c->go)) sched_yield();
    while (!atomic_load(&c->stop)) {
        lacuna_cancel(c->s);
        sched_yield();
    }
    return NULL;
}

static void cancel_stops_a_long_run(void **state)
{
    lacuna_model *m = *state;
    lacuna_session *s = session_of(m, 2);
    canceller c = {.s = s};
    pthread_t thread;
    const lacuna_event *ev;
    const lacuna_hole hole = {.span = {61, 73}, .max_tokens = 400, .exact = 1};
    static run r, want;
    lacuna_error err;
    int code = 0;
    size_t steps = 0;
    run_kind(s, 1, 1, &want);
    assert_int_equal(pthread_create(&thread, NULL, cancel_loop, &c), 0);
    while (code != LACUNA_E_CANCELLED) { /* another round, should 400 steps be over before the thread runs */
        assert_int_equal(lacuna_infill(s, text, LEN, &hole, 1, NULL, &err), 0);
        for (steps = 0; (code = lacuna_step(s, &ev, &err)) > 0; steps++)
            if (steps == 5) atomic_store(&c.go, 1);
    }
    assert_int_equal(err.code, LACUNA_E_CANCELLED);
    atomic_store(&c.stop, 1);
    pthread_join(thread, NULL);
    assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_ARG); /* the request is over */
    begin_kind(s, 1, 1);
    lacuna_step(s, &ev, &err); /* may meet the last cancel */
    run_kind(s, 1, 1, &r);     /* the session is not */
    same_run(&want, &r, "after a cancel");
    lacuna_session_free(s);
}

static void cancel_stops_a_score(void **state)
{
    lacuna_model *m = *state;
    lacuna_session *s = session_of(m, 0);
    canceller c = {.s = s};
    pthread_t thread;
    const lacuna_score_result *res;
    lacuna_error err;
    int code = 0;
    lacuna_score_options opt = {LACUNA_SCORE_INIT, .order = LACUNA_ORDER_RANDOM, .n_orders = 50};
    assert_int_equal(pthread_create(&thread, NULL, cancel_loop, &c), 0);
    atomic_store(&c.go, 1);
    while (code != LACUNA_E_CANCELLED) {
        code = lacuna_score(s, text, LEN, &(lacuna_span){0, LEN}, 1, &opt, &res, &err);
        if (code) assert_null(res);
    }
    atomic_store(&c.stop, 1);
    pthread_join(thread, NULL);
    lacuna_score(s, text, LEN, &(lacuna_span){0, LEN}, 1, &opt, &res, &err); /* may meet the last cancel */
    CHECK(lacuna_score(s, text, LEN, &(lacuna_span){0, LEN}, 1, &opt, &res, &err) == 0, "%s", err.msg);
    assert_true(res->bound < 0 && isfinite(res->bound));
    lacuna_session_free(s);
}

/* A cancel is for the next step or score, whatever begins in between. */
static void cancel_is_for_the_next_step(void **state)
{
    lacuna_model *m = *state;
    lacuna_session *s = session_of(m, 0);
    const lacuna_event *ev;
    const lacuna_score_result *res;
    lacuna_error err;
    static run r;
    begin_kind(s, 0, 1);
    lacuna_cancel(s);
    assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_CANCELLED);
    assert_null(ev);
    begin_kind(s, 0, 1);
    assert_int_equal(run_steps(s, &r, &err), 0);
    lacuna_cancel(s);
    assert_int_equal(lacuna_score(s, text, LEN, &(lacuna_span){40, 70}, 1, NULL, &res, &err), LACUNA_E_CANCELLED);
    assert_int_equal(lacuna_score(s, text, LEN, &(lacuna_span){40, 70}, 1, NULL, &res, &err), 0);
    lacuna_cancel(s);
    begin_kind(s, 0, 1);
    assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_CANCELLED);
    begin_kind(s, 0, 1);
    assert_int_equal(run_steps(s, &r, &err), 0);
    lacuna_session_free(s);
}

static void sessions_keep_their_model(void **state)
{
    (void)state;
    static run a, b;
    lacuna_model *m = tinytok_open(256, 9, NULL);
    lacuna_session *one = session_of(m, 0), *two = session_of(m, 2);
    lacuna_model_free(m);
    run_kind(one, 0, 1, &a);
    lacuna_session_free(one);
    run_kind(two, 0, 1, &b);
    same_run(&a, &b, "after the model was freed");
    lacuna_session_free(two);
    lacuna_session_free(NULL);
    lacuna_model_free(NULL);
}

static int set_up(void **state)
{
    *state = tinytok_open(512, 2, NULL);
    return 0;
}

static int tear_down(void **state)
{
    lacuna_model_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_two_and_four_threads),
        cmocka_unit_test(one_two_and_four_threads_on_the_default_model),
        cmocka_unit_test(history_does_not_matter),
        cmocka_unit_test(seeds_matter),
        cmocka_unit_test(eight_sessions_in_eight_threads),
        cmocka_unit_test(eight_sessions_on_the_default_model),
        cmocka_unit_test(cancel_stops_a_long_run),
        cmocka_unit_test(cancel_stops_a_score),
        cmocka_unit_test(cancel_is_for_the_next_step),
        cmocka_unit_test(sessions_keep_their_model),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
