/* Healed holes: a fill begins with the bytes that were taken back, in whatever order its slots come, and gives what follows them. */
#include "session/run.h"

#include "common/tinytok.h"
#include "session/session.h"

static lacuna_model *small, *real;

static const char text[] = "#include <stdio.h>\n\nint main(void)\n{\n    int count = 0;\n    for (int i = 0; i < 10; i++) {\n        count += i;\n"
                           "        pri\n    }\n    printf(\"%d\\n\", count);\n    return 0;\n}\n";
enum { LEN = sizeof text - 1 };

/* Run a request with holes at these places; the tokens of each hole, the healed bytes in front, must spell its fill. */
static void heal(lacuna_session *s, const size_t *at, size_t n, lacuna_infill_options opt, run *r, const char *what)
{
    lacuna_hole hole[3];
    lacuna_error err;
    const lacuna_event *ev;
    char said[3][1024];
    size_t len[3] = {0}, open = SIZE_MAX;
    int code;
    opt.heal = 1;
    memset(r, 0, sizeof *r);
    for (size_t h = 0; h < n; h++) hole[h] = (lacuna_hole){.span = {at[h], at[h]}, .max_tokens = 8, .one_line = h == 1};
    CHECK(lacuna_infill(s, text, LEN, hole, n, &opt, &err) == 0, "%s: %s", what, err.msg);
    while ((code = lacuna_step(s, &ev, &err)) > 0) {
        assert_true(ev->n > 0 && ev->n_open < open);
        open = ev->n_open;
        for (size_t i = 0; i < ev->n; i++) {
            r->reveal[r->n++] = ev->reveals[i];
            len[ev->reveals[i].hole] += ev->reveals[i].text.len;
            assert_true(isfinite(ev->reveals[i].logprob) && ev->reveals[i].logprob <= 1e-9);
        }
    }
    CHECK(code == 0, "%s: %s", what, err.msg);
    for (size_t h = 0; h < n; h++) {
        lacuna_text fill;
        const lacuna_token *ids;
        size_t all = 0;
        assert_int_equal(lacuna_fill(s, h, &fill, NULL), 0);
        const int64_t k = lacuna_fill_ids(s, h, &ids, NULL);
        for (int64_t i = 0; i < k; i++) {
            const lacuna_text b = lacuna_token_bytes(s->model, ids[i]);
            if (b.len) memcpy(said[h] + all, b.bytes, b.len);
            all += b.len;
        }
        assert_true(all >= fill.len);
        const size_t healed = all - fill.len;
        assert_true(healed <= 16 && healed <= at[h]);
        CHECK(!memcmp(said[h], text + at[h] - healed, healed), "%s: hole %zu begins with '%.*s', the text before it ends with '%.*s'", what, h,
              (int)healed, said[h], (int)healed, text + at[h] - healed);
        assert_memory_equal(said[h] + healed, fill.bytes, fill.len);
        assert_int_equal(len[h], fill.len);
        if (h == 1) assert_null(memchr(fill.bytes, '\n', fill.len));
    }
}

static size_t behind(const char *needle) { return (size_t)(strstr(text, needle) - text) + strlen(needle); }

static void every_order(void **state)
{
    (void)state;
    const size_t at[3] = {behind("for (int i = 0; i < 10; i"), behind("        pri"), behind("printf(\"%d\\n\", cou")};
    static run r;
    lacuna_model *model[2] = {small, real};
    for (int m = 0; m < 2; m++) {
        lacuna_session *s = session_of(model[m], 0);
        for (int order = LACUNA_ORDER_LEFT; order <= LACUNA_ORDER_ENTROPY; order++)
            for (uint64_t k = 0; k < (m ? 3 : 12); k++)
                heal(s, at, 3, (lacuna_infill_options){LACUNA_INFILL_INIT, .order = (lacuna_order)order, .alpha0 = 1, .steps = k % 3 ? 2 : 0,
                                                       .temperature = k % 2 ? 0.9 : 0, .seed = k, .rule = k & 2 ? LACUNA_RULE_PAPER : 0}, &r, "order");
        lacuna_session_free(s);
    }
}

/* The line feed and the indentation before a hole of one line are taken back too. */
static void every_place(void **state)
{
    (void)state;
    static run r, fast;
    lacuna_session *s = session_of(small, 0);
    for (size_t i = 0; i < LEN; i++) {
        const size_t at[2] = {i / 2, i};
        heal(s, at, 2, (lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 0.5, .seed = i}, &r, "place");
        heal(s, at, 2, (lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 0.5, .seed = i, .lossless = 1}, &fast, "place, lossless");
        assert_int_equal(r.n, fast.n);
        for (size_t k = 0; k < r.n; k++)
            assert_true(r.reveal[k].token == fast.reveal[k].token && !memcmp(&r.reveal[k].logprob, &fast.reveal[k].logprob, sizeof(double)));
    }
    lacuna_session_free(s);
}

/* "pri" before a hole: the model says printf when it may. */
static void the_name_is_finished(void **state)
{
    (void)state;
    lacuna_session *s = session_of(real, 0);
    const size_t at = behind("        pri");
    lacuna_text fill;
    static run r;
    heal(s, &at, 1, (lacuna_infill_options){LACUNA_INFILL_INIT, .tag = "c"}, &r, "pri");
    assert_int_equal(lacuna_fill(s, 0, &fill, NULL), 0);
    CHECK(fill.len >= 3 && !memcmp(fill.bytes, "ntf", 3), "pri is followed by '%.*s'", (int)fill.len, fill.bytes);
    lacuna_session_free(s);
}

static int open_models(void **state)
{
    (void)state;
    small = tinytok_open(512, 11, NULL);
    real = default_model();
    return 0;
}

static int free_models(void **state)
{
    (void)state;
    lacuna_model_free(small);
    lacuna_model_free(real);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_order), cmocka_unit_test(every_place), cmocka_unit_test(the_name_is_finished)};
    return cmocka_run_group_tests(tests, open_models, free_models);
}
