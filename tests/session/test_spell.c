/* Healed holes: a fill begins with the bytes that were taken back, in whatever order its slots come, and gives what follows them. */
#include "session/run.h"

#include "common/tinytok.h"
#include "session/session.h"

static lacuna_model *small, *real;

static const char text[] = "#include <stdio.h>\n\nint main(void)\n{\n    int count = 0;\n    for (int i = 0; i < 10; i++) {\n        count += i;\n"
                           "        pri\n    }\n    printf(\"%d\\n\", count);\n    return 0;\n}\n";
enum { LEN = sizeof text - 1 };

/* Of the tokens of a hole, those that hold nothing new: each is the next of those that were taken back, or spells the rest of them. */
static size_t old_tokens(lacuna_session *s, size_t hole, const lacuna_token *ids)
{
    const lac_heal *heal = &s->req.canvas.heal[hole];
    lacuna_text rest = heal->rest;
    size_t old = 0;
    for (size_t i = 0; rest.len; i++) {
        const lacuna_text b = lacuna_token_bytes(s->model, ids[i]);
        assert_true(i < heal->n_tokens && (ids[i] == heal->id[i] || lac_heal_spells(b, rest)));
        old += b.len <= rest.len;
        rest = lac_spell_after(rest, b);
    }
    return old;
}

/* A hole is what it was asked to be: the healed bytes in front, its tokens spell its fill, max_tokens, min_tokens and exact count what is new. */
static void check_hole(lacuna_session *s, size_t h, const lacuna_hole *hole, const char *what)
{
    lacuna_text fill;
    const lacuna_token *ids, eom = s->model->info.eom;
    char said[1024];
    size_t all = 0, n = 0;
    const size_t at = hole->span.start;
    assert_int_equal(lacuna_fill(s, h, &fill, NULL), 0);
    const int64_t slots = lacuna_fill_ids(s, h, &ids, NULL);
    for (; n < (size_t)slots && ids[n] != eom; n++) {
        const lacuna_text b = lacuna_token_bytes(s->model, ids[n]);
        if (b.len) memcpy(said + all, b.bytes, b.len);
        all += b.len;
    }
    for (size_t i = n; i < (size_t)slots; i++) assert_int_equal(ids[i], eom);
    assert_true(all >= fill.len);
    const size_t healed = all - fill.len, fresh = n - old_tokens(s, h, ids);
    assert_int_equal(healed, s->req.canvas.heal[h].rest.len);
    CHECK(!memcmp(said, s->req.canvas.heal[h].rest.bytes, healed) && !memcmp(said, text + at - healed, healed),
          "%s: hole %zu begins with '%.*s', the text before it ends with '%.*s'", what, h, (int)healed, said, (int)healed, text + at - healed);
    assert_memory_equal(said + healed, fill.bytes, fill.len);
    CHECK(fresh <= hole->max_tokens && fresh >= (hole->exact ? hole->max_tokens : hole->min_tokens), "%s: hole %zu has %zu new tokens", what, h, fresh);
    if (hole->one_line) assert_null(memchr(fill.bytes, '\n', fill.len));
}

/* Run a request with these holes; where slots are revealed in parallel, those that spell come first and alone. */
static void heal_holes(lacuna_session *s, const lacuna_hole *hole, size_t n, lacuna_infill_options opt, run *r, const char *what)
{
    lacuna_error err;
    const lacuna_event *ev;
    size_t len[3] = {0}, open = SIZE_MAX;
    lacuna_text rest[3];
    int code;
    opt.heal = 1;
    memset(r, 0, sizeof *r);
    CHECK(lacuna_infill(s, text, LEN, hole, n, &opt, &err) == 0, "%s: %s", what, err.msg);
    for (size_t h = 0; h < n; h++) rest[h] = s->req.canvas.heal[h].rest;
    while ((code = lacuna_step(s, &ev, &err)) > 0) {
        size_t alone = 0, spelling = 0;
        assert_true(ev->n > 0 && ev->n_open < open);
        open = ev->n_open;
        for (size_t i = 0; i < ev->n; i++) {
            const lacuna_reveal *v = &ev->reveals[i];
            r->reveal[r->n++] = *v;
            len[v->hole] += v->text.len;
            assert_true(isfinite(v->logprob) && v->logprob <= 1e-9);
            spelling |= (size_t)(rest[v->hole].len != 0) << v->hole;
            alone += rest[v->hole].len != 0;
            rest[v->hole] = lac_spell_after(rest[v->hole], lacuna_token_bytes(s->model, v->token));
        }
        if (alone && !opt.lossless) CHECK(alone == ev->n && alone == (spelling & 1) + (spelling >> 1 & 1) + (spelling >> 2), "%s: not alone", what);
    }
    CHECK(code == 0, "%s: %s", what, err.msg);
    assert_int_equal(open, 0);
    for (size_t h = 0; h < n; h++) {
        lacuna_text fill;
        check_hole(s, h, &hole[h], what);
        assert_int_equal(lacuna_fill(s, h, &fill, NULL), 0);
        assert_int_equal(len[h], fill.len);
    }
}

/* The same with holes at these places, limits by turns. */
static void heal(lacuna_session *s, const size_t *at, size_t n, lacuna_infill_options opt, run *r, const char *what)
{
    lacuna_hole hole[3];
    for (size_t h = 0; h < n; h++)
        hole[h] = (lacuna_hole){.span = {at[h], at[h]}, .max_tokens = 1 + (uint32_t)(opt.seed + h) % 8, .min_tokens = (opt.seed + h) % 3 == 1, .exact = (opt.seed + h) % 4 == 3,
                                .one_line = h == 1};
    heal_holes(s, hole, n, opt, r, what);
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

/* And several slots a pass give the same. */
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
    heal_holes(s, &(lacuna_hole){.span = {at, at}, .max_tokens = 8}, 1, (lacuna_infill_options){LACUNA_INFILL_INIT, .tag = "c"}, &r, "pri");
    assert_int_equal(lacuna_fill(s, 0, &fill, NULL), 0);
    CHECK(fill.len >= 3 && !memcmp(fill.bytes, "ntf", 3), "pri is followed by '%.*s'", (int)fill.len, fill.bytes);
    lacuna_session_free(s);
}

/* What a word takes to be spelled is not taken from the hole. */
static void new_tokens_count(void **state)
{
    (void)state;
    static run r;
    static const char *const before[] = {"/* The backwar", "int f(int a)\n{\n    ret", "int f(int a)\n{\n    return ", "x = pri", "while (argc"};
    static const char *const after[] = {"d row functions */\nint x;\n", ";\n}\n", ";\n}\n", "(1)\n", " > 1) argc--;\n"};
    lacuna_model *model[2] = {small, real};
    for (int m = 0; m < 2; m++) {
        lacuna_session *s = session_of(model[m], 0);
        for (size_t i = 0; i < sizeof before / sizeof *before; i++)
            for (uint32_t k = 0; k < 48; k++) {
                char both[128];
                const lacuna_token *ids, eom = s->model->info.eom;
                const size_t at = strlen(before[i]), len = (size_t)snprintf(both, sizeof both, "%s%s", before[i], after[i]), min = k / 8 % 3;
                const lacuna_hole hole = {.span = {at, at}, .max_tokens = 1 + k % 8, .min_tokens = min < k % 8 ? (uint32_t)min : 0, .exact = k >= 24};
                run_text(s, both, len, &hole, 1, &(lacuna_infill_options){LACUNA_INFILL_INIT, .heal = 1, .order = (lacuna_order)(k % 6), .alpha0 = k % 3 / 2.0,
                         .temperature = k & 1 ? 0.9 : 0, .seed = k}, &r);
                size_t n = 0;
                const size_t slots = (size_t)lacuna_fill_ids(s, 0, &ids, NULL);
                while (n < slots && ids[n] != eom) n++;
                assert_true(s->req.canvas.heal->n_tokens > 0);
                n -= old_tokens(s, 0, ids);
                CHECK(n <= hole.max_tokens && n >= (hole.exact ? hole.max_tokens : hole.min_tokens), "'%s': %zu new tokens", before[i], n);
            }
        lacuna_session_free(s);
    }
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_order), cmocka_unit_test(every_place), cmocka_unit_test(the_name_is_finished),
                                       cmocka_unit_test(new_tokens_count)};
    return cmocka_run_group_tests(tests, open_models, free_models);
}
