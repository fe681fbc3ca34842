/* Candidates side by side give what each would give alone with its seed, bit for bit: under every order and rule. */
#include "session/run.h"

#include "common/tinytok.h"

static lacuna_model *model;
static lacuna_session *ses, *alone;

static const char text[] = "#include <stdlib.h>\n\nint main(int argc, char **argv)\n{\n    int sum = 0;\n    for (int i = 1; i < argc; i++)\n"
                           "        sum += atoi(argv[i]);\n    return sum;\n}\n";
enum { LEN = sizeof text - 1, MOST = 5 };

/* What each candidate revealed. */
static void run_candidates(const lacuna_hole *hole, size_t n, const lacuna_infill_options *opt, run *out)
{
    const lacuna_event *ev;
    lacuna_error err;
    int r;
    memset(out, 0, MOST * sizeof *out);
    CHECK(lacuna_infill(ses, text, LEN, hole, n, opt, &err) == 0, "%s", err.msg);
    while ((r = lacuna_step(ses, &ev, &err)) > 0)
        for (size_t i = 0; i < ev->n; i++) {
            const lacuna_reveal *v = &ev->reveals[i];
            run *c = &out[v->candidate];
            assert_true(v->candidate < opt->n_candidates);
            c->step[c->n] = ev->step;
            c->reveal[c->n++] = *v;
        }
    CHECK(r == 0, "%s", err.msg);
}

static void compare(lacuna_infill_options opt, const char *what)
{
    static run got[MOST], want;
    const lacuna_hole hole[2] = {{.span = {61, 73}, .max_tokens = 7}, {.span = {100, 120}, .max_tokens = 9, .one_line = 1}};
    size_t differ = 0;
    opt.n_candidates = MOST;
    run_candidates(hole, 2, &opt, got);
    for (size_t c = 0; c < MOST; c++) {
        lacuna_infill_options o = opt;
        o.n_candidates = 0;
        o.seed += c;
        run_text(alone, text, LEN, hole, 2, &o, &want);
        CHECK(got[c].n == want.n, "%s: candidate %zu has %zu reveals, alone %zu", what, c, got[c].n, want.n);
        for (size_t i = 0; i < want.n; i++) {
            const lacuna_reveal *x = &got[c].reveal[i], *y = &want.reveal[i];
            CHECK(x->hole == y->hole && x->slot == y->slot && x->token == y->token && got[c].step[i] == want.step[i] &&
                      !memcmp(&x->logprob, &y->logprob, sizeof x->logprob) && !memcmp(&x->prob, &y->prob, sizeof x->prob),
                  "%s: candidate %zu, reveal %zu: token %d, alone %d", what, c, i, (int)x->token, (int)y->token);
            differ += c && i < got[0].n && x->token != got[0].reveal[i].token;
        }
        assert_int_equal(lacuna_candidate_stats(ses, c).n_tokens, want.stats.n_tokens);
        assert_true(fabs(lacuna_candidate_stats(ses, c).logprob - want.stats.logprob) < 1e-12);
        for (size_t h = 0; h < 2; h++) {
            lacuna_text a, b;
            const lacuna_token *p, *q;
            assert_int_equal(lacuna_candidate_fill(ses, c, h, &a, NULL), 0);
            assert_int_equal(lacuna_fill(alone, h, &b, NULL), 0);
            assert_true(a.len == b.len && !memcmp(a.bytes, b.bytes, a.len));
            const int64_t n = lacuna_candidate_ids(ses, c, h, &p, NULL);
            assert_int_equal(n, lacuna_fill_ids(alone, h, &q, NULL));
            assert_memory_equal(p, q, (size_t)n * sizeof *p);
        }
    }
    assert_true(opt.temperature < 0.7 || differ > 0);
}

static void every_order(void **state)
{
    (void)state;
    for (int order = LACUNA_ORDER_LEFT; order <= LACUNA_ORDER_ENTROPY; order++)
        for (int rule = LACUNA_RULE_INDEPENDENT; rule <= LACUNA_RULE_PAPER; rule++)
            for (int k = 0; k < 4; k++)
                compare((lacuna_infill_options){LACUNA_INFILL_INIT, .order = (lacuna_order)order, .rule = (lacuna_rule)rule, .alpha0 = k / 3.0, .steps = k == 2 ? 4 : 0,
                                                .temperature = k ? 0.9 : 0, .seed = (uint64_t)k * 17}, "order");
}

/* Each spells its own way, and closes what it leaves over. */
static void healed(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 24; seed++)
        compare((lacuna_infill_options){LACUNA_INFILL_INIT, .heal = 1, .order = (lacuna_order)(seed % 6), .alpha0 = seed % 2 ? 1 : 0, .steps = seed % 3 ? 3 : 0,
                                        .temperature = seed % 4 ? 0.9 : 0, .seed = seed, .lossless = seed % 12 == 6}, "healed");
}

static void lossless(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++)
        compare((lacuna_infill_options){LACUNA_INFILL_INIT, .lossless = 1, .temperature = 0.2 * (double)(seed % 5), .seed = seed}, "lossless");
}

static void baselines(void **state)
{
    (void)state;
    for (int rule = LACUNA_RULE_MDLM; rule <= LACUNA_RULE_BD3; rule++)
        for (int k = 0; k < 4; k++)
            compare((lacuna_infill_options){LACUNA_INFILL_INIT, .order = LACUNA_ORDER_RANDOM, .rule = (lacuna_rule)rule, .alpha0 = 1, .steps = k & 1 ? 4 : 0,
                                            .block = k & 2 ? 4 : 0, .temperature = 0.8, .seed = 3}, "baseline");
}

static void what_is_refused(void **state)
{
    (void)state;
    const lacuna_hole hole = {.span = {61, 73}};
    lacuna_text fill;
    const lacuna_token *ids;
    lacuna_error err;
    assert_int_equal(lacuna_infill(ses, text, LEN, &hole, 1, &(lacuna_infill_options){LACUNA_INFILL_INIT, .n_candidates = 65}, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_infill(ses, text, LEN, &hole, 1, &(lacuna_infill_options){LACUNA_INFILL_INIT, .n_candidates = 3}, &err), 0);
    assert_int_equal(lacuna_candidate_fill(ses, 2, 0, &fill, &err), 0);
    assert_int_equal(lacuna_candidate_fill(ses, 3, 0, &fill, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_candidate_ids(ses, 3, 0, &ids, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_infill(ses, text, LEN, &hole, 1, &(lacuna_infill_options){LACUNA_INFILL_INIT, .n_candidates = 64}, &err), 0);
}

static int set_up(void **state)
{
    (void)state;
    model = tinytok_open(512, 5, NULL);
    ses = session_of(model, 0);
    alone = session_of(model, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lacuna_session_free(ses);
    lacuna_session_free(alone);
    lacuna_model_free(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_order), cmocka_unit_test(healed), cmocka_unit_test(lossless), cmocka_unit_test(baselines), cmocka_unit_test(what_is_refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
