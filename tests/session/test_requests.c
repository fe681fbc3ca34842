/* What a request may be: every error that lacuna.h documents, and what must hold of every request that is accepted. */
#include "session/run.h"

#include "base/rng.h"
#include "common/tiny.h"
#include "common/tinytok.h"

enum { CONTEXT = 96 };
static lacuna_model *model, *bare; /* with and without a tokenizer */
static lacuna_session *ses, *ids_only;
static lacuna_token eom;

static const char text[] = "def f(x):\n    y = x + 1\n    return y\n\n\ndef g(x):\n    return f(x) * 2\n"; /* 69 bytes */
enum { LEN = sizeof text - 1 };

static lacuna_infill_options some(void) { return (lacuna_infill_options){LACUNA_INFILL_INIT, .max_tokens = 6}; }

/* lacuna_infill must fail with this code, at this place, with a message that has these words; no request is in progress then. */
static void refused(const char *t, size_t len, const lacuna_hole *hole, size_t n, const lacuna_infill_options *opt, int code, uint64_t where,
                    const char *words)
{
    lacuna_error err = {0};
    const lacuna_event *ev;
    lacuna_text fill;
    int r = lacuna_infill(ses, t, len, hole, n, opt, &err);
    CHECK(r == code, "%s: %s (%d), should be %s", words, lacuna_code_name(r), r, lacuna_code_name(code));
    CHECK(err.code == code && err.where == where, "%s: where = %llu, should be %llu: %s", words, (unsigned long long)err.where,
          (unsigned long long)where, err.msg);
    CHECK(strstr(err.msg, words) != NULL, "'%s' is not in '%s'", words, err.msg);
    assert_int_equal(lacuna_infill(ses, t, len, hole, n, opt, NULL), code); /* err may be NULL */
    assert_int_equal(lacuna_step(ses, &ev, &err), LACUNA_E_ARG);
    assert_null(ev);
    assert_int_equal(lacuna_fill(ses, 0, &fill, &err), LACUNA_E_ARG);
    assert_int_equal(fill.len, 0);
}

static void holes_that_make_no_sense(void **state)
{
    (void)state;
    lacuna_infill_options o = some();
#define HOLES(...) (const lacuna_hole[]){__VA_ARGS__}, sizeof((const lacuna_hole[]){__VA_ARGS__}) / sizeof(lacuna_hole), &o, LACUNA_E_ARG
    refused(text, LEN, HOLES({.span = {5, 9}}, {.span = {8, 12}}), 8, "inside or before hole 0");
    refused(text, LEN, HOLES({.span = {20, 22}}, {.span = {5, 9}}), 5, "inside or before hole 0");
    refused(text, LEN, HOLES({.span = {9, 5}}), 9, "before its start");
    refused(text, LEN, HOLES({.span = {5, LEN + 1}}), LEN + 1, "the text has 69");
    refused(text, LEN, HOLES({.span = {SIZE_MAX, SIZE_MAX}}), UINT64_MAX, "the text has 69");
    refused(text, LEN, NULL, 0, &o, LACUNA_E_ARG, 0, "no hole");
    o.max_tokens = 0;
    refused(text, LEN, HOLES({.span = {5, 9}, .exact = 1}), 5, "exactly max_tokens");
    o = some();
    assert_int_equal(lacuna_infill(ses, text, LEN, &(lacuna_hole){.span = {5, 9}, .exact = 1}, 1, &o, NULL), 0); /* the request's 6 */
    refused(text, LEN, HOLES({.span = {5, 9}, .max_tokens = 3, .min_tokens = 4}), 5, "at least 4 tokens and at most 3");
    refused(text, LEN, HOLES({.span = {5, 9}, .min_tokens = 7}), 5, "at least 7 tokens and at most 6");
    const char wide[] = "a\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80 b"; /* 2, 3 and 4 bytes at 1, 4 and 8 */
    refused(wide, sizeof wide - 1, HOLES({.span = {2, 3}}), 2, "inside a UTF-8 sequence");
    refused(wide, sizeof wide - 1, HOLES({.span = {1, 6}}), 6, "inside a UTF-8 sequence");
    refused(wide, sizeof wide - 1, HOLES({.span = {0, 1}}, {.span = {4, 11}}), 11, "hole 1: byte 11");
    refused(NULL, 4, HOLES({.span = {0, 0}}), 0, "NULL");
    refused(text, LEN, NULL, 1, &o, LACUNA_E_ARG, 0, "NULL");
    assert_int_equal(lacuna_infill(NULL, text, LEN, NULL, 0, NULL, NULL), LACUNA_E_ARG);
    assert_int_equal(lacuna_infill_ids(NULL, NULL, 0, NULL, NULL), LACUNA_E_ARG);
}

static void settings_that_make_no_sense(void **state)
{
    (void)state;
    const lacuna_hole hole = {.span = {20, 25}};
    const double bad[] = {NAN, INFINITY, -INFINITY, -0.5, -1e-300};
    static const char *const names[] = {"alpha0", "temperature", "top_p", "min_p", "gamma"};
    for (int field = 0; field < 5; field++)
        for (int i = 0; i < 7; i++) {
            lacuna_infill_options o = some();
            double *at[] = {&o.alpha0, &o.temperature, &o.top_p, &o.min_p, &o.gamma};
            if (i >= 5 && (field == 1 || field == 4)) continue; /* 1.5 is a temperature */
            *at[field] = i < 5 ? bad[i] : i == 5 ? 1.5 : 1 + 1e-9;
            refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, 0, names[field]);
            assert_int_equal(lacuna_infill_ids(ids_only, (lacuna_token[]){-1}, 1, &o, NULL), LACUNA_E_ARG);
        }
    for (int k = -1; k <= 6; k += 7) {
        lacuna_infill_options o = some();
        o.order = (lacuna_order)k;
        refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, 0, "order");
    }
    for (int k = -1; k <= 4; k += 5) {
        lacuna_infill_options o = some();
        o.rule = (lacuna_rule)k;
        refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, 0, "rule");
    }
    lacuna_infill_options o = some();
    o.steps = 1000001;
    refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, 0, "steps");
    o = some();
    o.tag = "cobol";
    refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, 0, "cobol");
    o.tag = "";
    refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, 0, "kind of text");
}

/* The smallest temperature there is: logits divided by it are infinite. */
static void the_coldest_temperature(void **state)
{
    (void)state;
    const lacuna_hole hole = {.span = {20, 25}, .max_tokens = 6};
    static run cold, none;
    run_text(ses, text, LEN, &hole, 1, &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 5e-324}, &cold);
    run_text(ses, text, LEN, &hole, 1, NULL, &none);
    same_run(&none, &cold, "cold");
    run_text(ses, text, LEN, &hole, 1, &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1e-9}, &cold);
    for (size_t i = 0; i < none.n; i++) assert_int_equal(none.reveal[i].token, cold.reveal[i].token);
    run_text(ses, text, LEN, &hole, 1, &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1e6}, &cold);
}

static void sizes_of_options(void **state)
{
    (void)state;
    const lacuna_hole hole = {.span = {20, 25}};
    lacuna_infill_options o = some();
    o.size = 0;
    refused(text, LEN, &hole, 1, &o, LACUNA_E_VERSION, 0, "_INIT");
    o.size = sizeof(size_t) - 1;
    refused(text, LEN, &hole, 1, &o, LACUNA_E_VERSION, 0, "_INIT");
    o.size = SIZE_MAX;
    refused(text, LEN, &hole, 1, &o, LACUNA_E_VERSION, 0, "_INIT");
    struct {
        lacuna_infill_options known;
        char more[24];
    } newer = {some(), {0}};
    newer.known.size = sizeof newer;
    lacuna_error err;
    CHECK(lacuna_infill(ses, text, LEN, &hole, 1, &newer.known, &err) == 0, "a zero tail: %s", err.msg);
    newer.more[23] = 1;
    refused(text, LEN, &hole, 1, &newer.known, LACUNA_E_VERSION, 0, "_INIT");
    run r; /* an older caller, whose struct ends behind max_tokens */
    o = (lacuna_infill_options){.size = offsetof(lacuna_infill_options, alpha0), .max_tokens = 3, .temperature = NAN, .order = (lacuna_order)99};
    run_text(ses, text, LEN, &hole, 1, &o, &r);
    assert_true(r.n <= 3);
    lacuna_session *s = NULL;
    lacuna_model *m = NULL;
    const lacuna_score_result *res;
    assert_int_equal(lacuna_session_open(&s, model, &(lacuna_session_options){.size = 1}, NULL), LACUNA_E_VERSION);
    assert_null(s);
    assert_int_equal(lacuna_model_open(&m, DEFAULT_MODEL, &(lacuna_model_options){.size = 1}, NULL), LACUNA_E_VERSION);
    assert_null(m);
    assert_int_equal(lacuna_score(ses, text, LEN, &hole.span, 1, &(lacuna_score_options){.size = 1}, &res, NULL), LACUNA_E_VERSION);
    assert_int_equal(lacuna_convert("a", "b", "c", &(lacuna_convert_options){.size = 1}, NULL), LACUNA_E_VERSION);
}

static void opening(void **state)
{
    (void)state;
    lacuna_model *m = bare;
    lacuna_session *s = ses;
    lacuna_error err;
    assert_int_equal(lacuna_model_open(&m, "/nonexistent/model.gguf", NULL, &err), LACUNA_E_IO);
    assert_null(m);
    assert_non_null(strstr(err.msg, "model.gguf"));
    assert_int_equal(lacuna_model_open(&m, "tests/data/bpe8k.model", NULL, &err), LACUNA_E_FORMAT);
    assert_int_equal(lacuna_model_open(&m, DEFAULT_MODEL, &(lacuna_model_options){LACUNA_MODEL_INIT, .kernel = "abacus"}, &err), LACUNA_E_ARG);
    assert_non_null(strstr(err.msg, "abacus"));
    assert_int_equal(lacuna_model_open(NULL, DEFAULT_MODEL, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_model_open(&m, NULL, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_session_open(&s, NULL, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_session_open(NULL, model, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_session_open(&s, model, &(lacuna_session_options){LACUNA_SESSION_INIT, .n_threads = 257}, &err), LACUNA_E_ARG);
    assert_null(s);
    assert_int_equal(lacuna_session_open(&s, model, &(lacuna_session_options){LACUNA_SESSION_INIT, .n_context = UINT32_MAX}, &err), LACUNA_E_LIMIT);
    assert_null(s);
    CHECK(lacuna_model_open(&m, DEFAULT_MODEL, &(lacuna_model_options){LACUNA_MODEL_INIT, .verify = 1}, &err) == 0, "%s", err.msg);
    assert_int_equal(lacuna_model_verify(m, &err), 0);
    lacuna_model_free(m);
    assert_string_equal(lacuna_code_name(LACUNA_E_LIMIT), "LIMIT");
    assert_string_equal(lacuna_code_name(12345), "?");
}

/* ---- limits ---- */

static char *long_text(size_t len)
{
    char *t = malloc(len + 1);
    for (size_t i = 0; i < len; i++) t[i] = "if (a) b = c;\n"[i % 14];
    t[len] = 0;
    return t;
}

static size_t tokens(const char *t, size_t len) { return (size_t)lacuna_encode(model, t, len, NULL, NULL, 0, NULL); }

static void context_too_long(void **state)
{
    (void)state;
    char *t = long_text(700), words[64];
    const lacuna_hole hole = {.span = {350, 352}, .max_tokens = 10};
    lacuna_infill_options o = some();
    size_t n = tokens(t, 350) + tokens(t + 352, 348);
    assert_true(n + 10 > CONTEXT);
    snprintf(words, sizeof words, "%zu tokens too long", n + 10 - CONTEXT);
    refused(t, 700, &hole, 1, &o, LACUNA_E_LIMIT, 0, words);
    o.tag = "c"; /* one position more */
    snprintf(words, sizeof words, "%zu tokens too long", n + 11 - CONTEXT);
    refused(t, 700, &hole, 1, &o, LACUNA_E_LIMIT, 0, words);
    o.tag = NULL;
    o.drop_far = 1;
    run r;
    run_text(ses, t, 700, &hole, 1, &o, &r);
    assert_int_equal(r.stats.n_context + 10, CONTEXT);
    /* what was dropped: bytes at both ends, so that what is left has as many tokens as there is room for */
    assert_true(r.stats.n_dropped > 0 && r.stats.n_dropped < 700);
    static lacuna_token id[700];
    static size_t end[700];
    size_t p = tokens(t, 350), q = tokens(t + 352, 348), room = CONTEXT - 10, keep_q = room / 3, keep_p = room - keep_q;
    assert_true(p > keep_p && q > keep_q);
    lacuna_encode(model, t, 350, id, end, 700, NULL);
    size_t dropped = end[p - keep_p - 1];
    lacuna_encode(model, t + 352, 348, id, end, 700, NULL);
    dropped += 348 - end[keep_q - 1];
    assert_int_equal(r.stats.n_dropped, dropped);
    /* a text that fits loses nothing */
    run_text(ses, text, LEN, &(lacuna_hole){.span = {20, 25}}, 1, &o, &r);
    assert_int_equal(r.stats.n_dropped, 0);
    /* dropped text does not matter */
    run a, b;
    run_text(ses, t, 700, &hole, 1, &o, &a);
    char *other = long_text(700);
    memset(other, '#', 60);
    memset(other + 640, '#', 60);
    run_text(ses, other, 700, &hole, 1, &o, &b);
    assert_true(a.stats.n_dropped > 120);
    same_run(&a, &b, "dropped text");
    const lacuna_score_result *res;
    lacuna_error err;
    assert_int_equal(lacuna_score(ses, t, 700, &hole.span, 1, NULL, &res, &err), LACUNA_E_LIMIT);
    assert_int_equal(lacuna_score(ses, t, 700, &hole.span, 1, &(lacuna_score_options){LACUNA_SCORE_INIT, .drop_far = 1}, &res, &err), 0);
    free(other);
    free(t);
}

static void too_many_slots(void **state)
{
    (void)state;
    lacuna_infill_options o = some();
    lacuna_hole hole[2] = {{.span = {20, 25}, .max_tokens = CONTEXT + 1}, {.span = {30, 30}, .max_tokens = UINT32_MAX}};
    refused(text, LEN, hole, 1, &o, LACUNA_E_LIMIT, 0, "97 slots");
    refused(text, LEN, hole, 2, &o, LACUNA_E_LIMIT, 0, "positions");
    o.drop_far = 1; /* slots cannot be dropped, nor what lies between holes */
    refused(text, LEN, hole, 1, &o, LACUNA_E_LIMIT, 0, "97 slots");
    char *t = long_text(700);
    hole[0] = (lacuna_hole){.span = {10, 10}};
    hole[1] = (lacuna_hole){.span = {690, 690}};
    refused(t, 700, hole, 2, &o, LACUNA_E_LIMIT, 0, "between the holes");
    free(t);
    run r; /* all positions slots */
    run_text(ses, "", 0, &(lacuna_hole){.span = {0, 0}, .max_tokens = CONTEXT, .exact = 1}, 1, NULL, &r);
    assert_int_equal(r.n, CONTEXT);
    lacuna_token many[CONTEXT + 1];
    lacuna_error err;
    for (int i = 0; i <= CONTEXT; i++) many[i] = -1;
    assert_int_equal(lacuna_infill_ids(ses, many, CONTEXT + 1, NULL, &err), LACUNA_E_LIMIT);
    assert_int_equal(lacuna_infill_ids(ses, many, CONTEXT, NULL, &err), 0);
    double lp[CONTEXT + 1];
    for (int i = 0; i <= CONTEXT; i++) many[i] = 100;
    assert_int_equal(lacuna_score_ids(ses, many, CONTEXT + 1, NULL, 0, NULL, lp, NULL, NULL, &err), LACUNA_E_LIMIT);
    lacuna_session *s; /* more positions than the model was trained with are allowed */
    assert_int_equal(lacuna_session_open(&s, model, &(lacuna_session_options){LACUNA_SESSION_INIT, .n_context = 200}, &err), 0);
    assert_int_equal(lacuna_score_ids(s, many, CONTEXT + 1, NULL, 0, NULL, lp, NULL, NULL, &err), 0);
    lacuna_session_free(s);
}

static void a_megabyte(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    char *t = long_text(len);
    memset(t + 1000, 0, 50);
    lacuna_infill_options o = some();
    o.drop_far = 1;
    run r;
    const size_t at[] = {0, 500000, len};
    for (int i = 0; i < 3; i++) {
        run_text(ses, t, len, &(lacuna_hole){.span = {at[i], at[i]}}, 1, &o, &r);
        assert_true(r.stats.n_context <= CONTEXT - 6 && r.stats.n_context >= CONTEXT / 2); /* whole hops of the window (canvas/window.h) */
        assert_true(r.stats.n_dropped > len - 32 * CONTEXT);
    }
    const lacuna_score_result *res;
    assert_int_equal(lacuna_score(ses, t, len, &(lacuna_span){500000, 500020}, 1, &(lacuna_score_options){LACUNA_SCORE_INIT, .drop_far = 1}, &res, NULL), 0);
    free(t);
}

/* ---- plans ---- */

static void plans_that_make_no_sense(void **state)
{
    (void)state;
    const lacuna_hole hole = {.span = {20, 25}, .max_tokens = 4};
    static const struct { size_t plan[5], groups[5], n; uint64_t where; const char *words; } bad[] = {
        {{0, 1, 2, 2}, {4}, 1, 3, "twice"}, {{0, 1, 2, 4}, {4}, 1, 3, "slot 4"}, {{0, 1, 2, 3}, {3}, 1, 0, "3 slots of 4"},
        {{0, 1, 2, 3}, {4, 1}, 2, 1, "more than the 4"}, {{0, 1, 2, 3}, {2, 0, 2}, 3, 1, "empty"}, {{0, 1, 2, 3}, {SIZE_MAX, 5}, 2, 0, "more than the 4"},
        {{0, 1, 2, 3}, {4}, 0, 0, "0 slots of 4"}, {{0, SIZE_MAX, 2, 3}, {4}, 1, 1, "rank 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lacuna_infill_options o = some();
        o.plan = bad[i].plan;
        o.groups = bad[i].groups;
        o.n_groups = bad[i].n;
        refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, bad[i].where, bad[i].words);
    }
    lacuna_infill_options o = some();
    o.plan = bad[0].plan;
    refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, 0, "go together");
    o.plan = NULL;
    o.groups = bad[0].groups;
    refused(text, LEN, &hole, 1, &o, LACUNA_E_ARG, 0, "go together");
}

/* A good plan is followed to the letter, and nothing of the caller's memory is looked at after lacuna_infill. */
static void a_plan_is_followed(void **state)
{
    (void)state;
    static const size_t want[7] = {4, 0, 6, 1, 5, 3, 2};
    size_t plan[7], groups[3] = {2, 4, 1};
    char copy[LEN + 1], tag[2] = "c";
    lacuna_hole hole[2] = {{.span = {20, 25}, .max_tokens = 3, .exact = 1}, {.span = {30, 30}, .max_tokens = 4, .exact = 1}};
    lacuna_error err;
    run r;
    memcpy(plan, want, sizeof plan);
    memcpy(copy, text, sizeof copy);
    lacuna_infill_options o = {LACUNA_INFILL_INIT, .plan = plan, .groups = groups, .n_groups = 3, .order = LACUNA_ORDER_CONFIDENCE, .tag = tag};
    assert_int_equal(lacuna_infill(ses, copy, LEN, hole, 2, &o, &err), 0);
    memset(plan, 0xff, sizeof plan);
    memset(groups, 0xff, sizeof groups);
    memset(copy, 0xff, sizeof copy);
    memset(hole, 0xff, sizeof hole);
    memset(tag, 0xff, sizeof tag);
    memset(&o, 0xff, sizeof o);
    assert_int_equal(run_steps(ses, &r, &err), 0);
    assert_int_equal(r.n, 7);
    static const size_t step[7] = {0, 0, 1, 1, 1, 1, 2};
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(r.reveal[i].hole, want[i] >= 3);
        assert_int_equal(r.reveal[i].slot, want[i] >= 3 ? want[i] - 3 : want[i]);
        assert_int_equal(r.step[i], step[i]);
        assert_int_equal(r.phase[i], LACUNA_PHASE_DIFFUSION);
    }
}

/* ---- calls out of place ---- */

static void calls_out_of_place(void **state)
{
    (void)state;
    lacuna_session *s = session_of(model, 0);
    const lacuna_event *ev = (const lacuna_event *)&ev;
    const lacuna_token *ids = (const lacuna_token *)&ids;
    lacuna_text fill = {"x", 1};
    lacuna_error err;
    run r;
    assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_ARG);
    assert_null(ev);
    assert_int_equal(lacuna_fill(s, 0, &fill, &err), LACUNA_E_ARG);
    assert_int_equal(fill.len, 0);
    assert_int_equal(lacuna_fill_ids(s, 0, &ids, &err), LACUNA_E_ARG);
    assert_null(ids);
    assert_int_equal(lacuna_get_stats(s).nfe, 0);
    assert_int_equal(lacuna_step(NULL, &ev, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_step(s, NULL, &err), LACUNA_E_ARG);
    run_text(s, text, LEN, &(lacuna_hole){.span = {20, 25}}, 1, NULL, &r);
    assert_int_equal(lacuna_fill(s, 1, &fill, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_fill_ids(s, 1, &ids, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_fill(s, 0, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_fill_ids(s, 0, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_fill(s, 0, &fill, &err), 0);
    assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_ARG); /* it is finished */
    assert_int_equal(lacuna_fill(s, 0, &fill, &err), 0);       /* and its text stays */
    const lacuna_score_result *res;
    assert_int_equal(lacuna_score(s, text, LEN, &(lacuna_span){20, 25}, 1, NULL, &res, &err), 0);
    assert_int_equal(lacuna_fill(s, 0, &fill, &err), LACUNA_E_ARG); /* a score drops it */
    assert_int_equal(lacuna_infill(s, text, LEN, &(lacuna_hole){.span = {20, 25}}, 1, NULL, &err), 0);
    assert_int_equal(lacuna_step(s, &ev, &err), 1);
    assert_int_equal(lacuna_score(s, text, LEN, &(lacuna_span){20, 25}, 1, NULL, &res, &err), 0);
    assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_ARG);
    lacuna_session_free(s);
}

static void models_without_a_tokenizer(void **state)
{
    (void)state;
    lacuna_error err;
    const lacuna_score_result *res;
    lacuna_token id;
    run r;
    assert_int_equal(lacuna_model_get_info(bare)->has_tokenizer, 0);
    assert_int_equal(lacuna_model_get_info(bare)->eom, -1);
    assert_int_equal(lacuna_infill(ids_only, text, LEN, &(lacuna_hole){.span = {1, 2}}, 1, NULL, &err), LACUNA_E_ARG);
    assert_non_null(strstr(err.msg, "tokenizer"));
    assert_int_equal(lacuna_score(ids_only, text, LEN, &(lacuna_span){1, 2}, 1, NULL, &res, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_encode(bare, text, LEN, &id, NULL, 1, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_token_bytes(bare, 1).len, 0);
    const lacuna_token ids[6] = {3, -1, -1, 2, -7, INT32_MIN};
    run_ids(ids_only, ids, 6, NULL, &r);
    assert_int_equal(r.n, 4);
    const lacuna_token *out;
    lacuna_text fill;
    assert_int_equal(lacuna_fill_ids(ids_only, 0, &out, &err), 6);
    assert_int_equal(out[0], 3);
    assert_int_equal(out[3], 2);
    assert_int_equal(lacuna_fill(ids_only, 0, &fill, &err), 0);
    assert_int_equal(fill.len, 0);
}

static void ids_that_make_no_sense(void **state)
{
    (void)state;
    lacuna_error err;
    uint32_t v = lacuna_model_get_info(bare)->n_vocab;
    lacuna_token mask = lacuna_model_get_info(bare)->mask, ids[4] = {1, -1, (lacuna_token)v, 1};
    double lp[4];
    size_t order[4] = {0, 1, 2, 3};
    assert_int_equal(lacuna_infill_ids(ids_only, ids, 4, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(err.where, 2);
    assert_int_equal(lacuna_infill_ids(ids_only, (lacuna_token[]){1, 2}, 2, NULL, &err), LACUNA_E_ARG); /* no slot */
    assert_int_equal(lacuna_infill_ids(ids_only, NULL, 0, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_infill_ids(ids_only, NULL, 3, NULL, &err), LACUNA_E_ARG);
#define SCORE(...) lacuna_score_ids(ids_only, __VA_ARGS__, lp, NULL, NULL, &err)
    ids[1] = 0, ids[2] = 2;
    assert_int_equal(SCORE(ids, 4, order, 0, NULL), 0);
    assert_int_equal(SCORE(ids, 4, NULL, 0, NULL), 0);
    assert_int_equal(SCORE(ids, 4, order, 5, NULL), LACUNA_E_ARG);
    assert_int_equal(SCORE(ids, 4, order, 4, NULL), 0); /* nothing is left to score: a sum of nothing */
    assert_int_equal(SCORE(ids, 0, NULL, 0, NULL), LACUNA_E_ARG);
    assert_int_equal(SCORE(NULL, 4, NULL, 0, NULL), LACUNA_E_ARG);
    assert_int_equal(lacuna_score_ids(ids_only, ids, 4, NULL, 0, NULL, NULL, NULL, NULL, &err), LACUNA_E_ARG);
    order[2] = 1;
    assert_int_equal(SCORE(ids, 4, order, 0, NULL), LACUNA_E_ARG);
    assert_int_equal(err.where, 2);
    order[2] = 4;
    assert_int_equal(SCORE(ids, 4, order, 0, NULL), LACUNA_E_ARG);
    order[2] = 2;
    ids[3] = mask;
    assert_int_equal(SCORE(ids, 4, order, 0, NULL), LACUNA_E_ARG);
    assert_non_null(strstr(err.msg, "mask"));
    assert_int_equal(SCORE(ids, 4, (size_t[]){3, 0, 1, 2}, 1, NULL), LACUNA_E_ARG); /* nor may it be context */
    ids[3] = -1;
    assert_int_equal(SCORE(ids, 4, order, 0, NULL), LACUNA_E_ARG);
    ids[3] = (lacuna_token)v;
    assert_int_equal(SCORE(ids, 4, order, 0, NULL), LACUNA_E_ARG);
    ids[3] = 1;
    lacuna_score_options o = {LACUNA_SCORE_INIT, .order = LACUNA_ORDER_RANDOM};
    assert_int_equal(SCORE(ids, 4, NULL, 1, &o), LACUNA_E_ARG);
    o.order = LACUNA_ORDER_CONFIDENCE;
    assert_int_equal(SCORE(ids, 4, NULL, 0, &o), LACUNA_E_ARG);
    for (int i = 0; i < 3; i++) {
        o = (lacuna_score_options){LACUNA_SCORE_INIT, .alpha0 = i == 0 ? NAN : i == 1 ? -1 : 1.5};
        assert_int_equal(SCORE(ids, 4, NULL, 0, &o), LACUNA_E_ARG);
    }
    o = (lacuna_score_options){LACUNA_SCORE_INIT, .n_orders = 1000001};
    assert_int_equal(SCORE(ids, 4, NULL, 0, &o), LACUNA_E_LIMIT);
#undef SCORE
}

/* A score's order is the one it says it used; the bound is the mean over the orders. */
static void scores_of_drawn_orders(void **state)
{
    (void)state;
    const lacuna_token ids[6] = {1, 4, 2, 0, 3, 3};
    double lp[6], again[6], bound, mean = 0;
    size_t order[6];
    lacuna_error err;
    enum { K = 7 };
    for (uint64_t k = 0; k < K; k++) {
        double sum = 0;
        lacuna_score_options o = {LACUNA_SCORE_INIT, .order = LACUNA_ORDER_RANDOM, .alpha0 = k % 2 ? 0.5 : 0, .seed = k};
        assert_int_equal(lacuna_score_ids(ids_only, ids, 6, NULL, 0, &o, lp, order, &bound, &err), 0);
        for (int i = 0; i < 6; i++) sum += lp[i];
        assert_true(fabs(sum - bound) < 1e-12);
        assert_int_equal(lacuna_score_ids(ids_only, ids, 6, order, 0, NULL, again, NULL, NULL, &err), 0);
        assert_memory_equal(lp, again, sizeof lp);
        o.alpha0 = 0;
        assert_int_equal(lacuna_score_ids(ids_only, ids, 6, NULL, 0, &o, lp, NULL, &bound, &err), 0);
        mean += exp(bound) / K;
    }
    lacuna_score_options o = {LACUNA_SCORE_INIT, .order = LACUNA_ORDER_RANDOM, .n_orders = K};
    assert_int_equal(lacuna_score_ids(ids_only, ids, 6, NULL, 0, &o, lp, NULL, &bound, &err), 0);
    CHECK(fabs(bound - log(mean)) < 1e-9, "%g and %g", bound, log(mean)); /* order k has seed + k */
}

/* ---- odd texts ---- */

static void odd_texts(void **state)
{
    (void)state;
    run r;
    lacuna_text fill;
    run_text(ses, "", 0, &(lacuna_hole){.span = {0, 0}}, 1, NULL, &r);
    run_text(ses, NULL, 0, &(lacuna_hole){.span = {0, 0}}, 1, NULL, &r);
    run_text(ses, text, LEN, &(lacuna_hole){.span = {0, LEN}}, 1, NULL, &r); /* everything is the hole */
    assert_int_equal(r.stats.n_context, 0);
    run_text(ses, text, LEN, (lacuna_hole[]){{.span = {0, 0}, .max_tokens = 2}, {.span = {0, 0}, .max_tokens = 2}, {.span = {LEN, LEN}, .max_tokens = 2}}, 3,
             NULL, &r); /* two holes at one place */
    const char nul[] = "a\0b\0\0c";
    run_text(ses, nul, sizeof nul, &(lacuna_hole){.span = {3, 4}}, 1, NULL, &r);
    assert_int_equal(lacuna_fill(ses, 0, &fill, NULL), 0);
    /* invalid UTF-8 in the context: its tokens are its bytes, and a hole may stand between two bytes of no sequence */
    const char bad[] = "x\xFF\xFEy\xC3(\xE2\x82 \x80\x80 \xED\xA0\x80 \xF8z\xE2\x96\x81";
    run_text(ses, bad, sizeof bad - 1, &(lacuna_hole){.span = {2, 3}}, 1, NULL, &r);
    lacuna_token id[64];
    size_t end[64], at = 0;
    int64_t n = lacuna_encode(model, bad, sizeof bad - 1, id, end, 64, NULL);
    assert_true(n > 0 && n <= 64);
    for (int64_t i = 0; i < n; i++) {
        lacuna_text b = lacuna_token_bytes(model, id[i]);
        assert_int_equal(end[i], at + b.len);
        assert_memory_equal(b.bytes, bad + at, b.len);
        at += b.len;
    }
    assert_int_equal(at, sizeof bad - 1);
    assert_int_equal(lacuna_encode(model, bad, sizeof bad - 1, NULL, NULL, 0, NULL), n);
    const lacuna_score_result *res; /* a score of such bytes: its items have the spans of the bytes */
    lacuna_error err;
    CHECK(lacuna_score(ses, bad, sizeof bad - 1, &(lacuna_span){1, 6}, 1, NULL, &res, &err) == 0, "%s", err.msg);
    size_t from = 1;
    for (size_t i = 0; i + 1 < res->n; i++) {
        assert_int_equal(res->items[i].span.start, from);
        from = res->items[i].span.end;
    }
    assert_int_equal(from, 6);
    assert_int_equal(res->items[res->n - 1].token, eom);
    assert_int_equal(res->items[res->n - 1].span.start, res->items[res->n - 1].span.end);
}

/* Weights that are no numbers: an error, and the session lives on to give the same again. */
static void damaged_weights(void **state)
{
    (void)state;
    char folder[256], path[300];
    lacuna_model *m;
    lacuna_error err;
    const lacuna_event *ev;
    double lp[3];
    snprintf(path, sizeof path, "%s/damaged.gguf", tiny_folder(folder));
    assert_int_equal(tiny_model(path, 1, 6, 16, 2, 2, 3), 0);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -512, SEEK_END), 0);
    for (int i = 0; i < 512; i++) fputc(0xff, f);
    assert_int_equal(fclose(f), 0);
    CHECK(lacuna_model_open(&m, path, NULL, &err) == 0, "%s", err.msg); /* tensor data are not read at open */
    assert_int_equal(lacuna_model_verify(m, &err), LACUNA_E_FORMAT);
    lacuna_session *s = session_of(m, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lacuna_infill_ids(s, (lacuna_token[]){1, -1, 2}, 3, NULL, &err), 0);
        assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_INTERNAL);
        assert_non_null(strstr(err.msg, "no number"));
        assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_ARG);
        assert_int_equal(lacuna_score_ids(s, (lacuna_token[]){1, 3, 2}, 3, NULL, 0, NULL, lp, NULL, NULL, &err), LACUNA_E_INTERNAL);
    }
    lacuna_session_free(s);
    lacuna_model_free(m);
    tiny_folder_remove(folder);
}

/* Scores of nothing, and without ends. */
static void odd_scores(void **state)
{
    (void)state;
    const lacuna_score_result *res = NULL;
    lacuna_error err;
    lacuna_score_options no_end = {LACUNA_SCORE_INIT, .no_end = 1};
    assert_int_equal(lacuna_score(ses, "", 0, &(lacuna_span){0, 0}, 1, NULL, &res, &err), 0);
    assert_int_equal(res->n, 1); /* an empty fill is an <eom> */
    assert_int_equal(lacuna_score(ses, "", 0, &(lacuna_span){0, 0}, 1, &no_end, &res, &err), 0);
    assert_int_equal(res->n, 0);
    assert_true(res->logprob == 0 && res->bound == 0);
    assert_int_equal(lacuna_score(ses, text, LEN, (lacuna_span[]){{4, 4}, {10, 20}, {30, 30}}, 3, NULL, &res, &err), 0);
    for (size_t i = 0; i < res->n; i++) assert_true(res->items[i].logprob < 0);
    assert_int_equal(lacuna_score(ses, text, LEN, NULL, 0, NULL, &res, &err), LACUNA_E_ARG);
    assert_null(res);
    assert_int_equal(lacuna_score(ses, text, LEN, (lacuna_span[]){{4, 9}, {8, 20}}, 2, NULL, &res, &err), LACUNA_E_ARG);
    assert_int_equal(err.where, 8);
    assert_int_equal(lacuna_score(ses, text, LEN, &(lacuna_span){4, 9}, 1, NULL, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_score(NULL, text, LEN, &(lacuna_span){4, 9}, 1, NULL, &res, &err), LACUNA_E_ARG);
    no_end.tag = "cobol";
    assert_int_equal(lacuna_score(ses, text, LEN, &(lacuna_span){4, 9}, 1, &no_end, &res, &err), LACUNA_E_ARG);
    no_end = (lacuna_score_options){LACUNA_SCORE_INIT, .order = LACUNA_ORDER_ENTROPY};
    assert_int_equal(lacuna_score(ses, text, LEN, &(lacuna_span){4, 9}, 1, &no_end, &res, &err), LACUNA_E_ARG);
    no_end = (lacuna_score_options){LACUNA_SCORE_INIT, .spare = UINT32_MAX};
    assert_int_equal(lacuna_score(ses, text, LEN, &(lacuna_span){4, 9}, 1, &no_end, &res, &err), LACUNA_E_LIMIT);
}

/* ---- what holds of every request ---- */

typedef struct {
    lacuna_hole hole[3];
    size_t holes, slots;
    lacuna_infill_options opt;
} request;

static request random_request(uint64_t seed, lacuna_order order, double alpha0, lacuna_rule rule, size_t holes)
{
    lac_rng rng = lac_rng_make(seed, 31);
    request q = {.holes = holes,
                 .opt = {LACUNA_INFILL_INIT, .order = order, .alpha0 = alpha0, .rule = rule, .seed = seed, .gamma = seed % 3,
                         .steps = (uint32_t)lac_rng_below(&rng, 9), .temperature = (double)lac_rng_below(&rng, 4) / 3,
                         .top_k = (uint32_t)(lac_rng_below(&rng, 3) * 30), .top_p = (double)lac_rng_below(&rng, 11) / 10,
                         .min_p = (double)lac_rng_below(&rng, 4) / 20, .tag = seed % 5 == 0 ? "py" : NULL}};
    size_t at = 0;
    for (size_t h = 0; h < holes; h++) {
        at += lac_rng_below(&rng, 18);
        q.hole[h].span.start = at;
        at += lac_rng_below(&rng, 5);
        q.hole[h].span.end = at;
        q.hole[h].max_tokens = 1 + (uint32_t)lac_rng_below(&rng, 9);
        q.hole[h].exact = lac_rng_below(&rng, 5) == 0;
        q.hole[h].min_tokens = lac_rng_below(&rng, 2) ? (uint32_t)lac_rng_below(&rng, q.hole[h].max_tokens + 1) : 0;
        q.hole[h].one_line = lac_rng_below(&rng, 3) == 0;
        q.slots += q.hole[h].max_tokens;
    }
    return q;
}

/* What run_steps does not see: tokens, ends, lines, texts. */
static void check_request(const request *q, const run *r, size_t *ended)
{
    bool seen[3][16] = {{false}};
    for (size_t i = 0; i < r->n; i++) {
        const lacuna_reveal *x = &r->reveal[i];
        assert_true(x->hole < q->holes && x->slot < q->hole[x->hole].max_tokens);
        CHECK(!seen[x->hole][x->slot], "hole %zu slot %zu was revealed twice", x->hole, x->slot);
        seen[x->hole][x->slot] = true;
        if (x->token != eom) assert_true(lacuna_token_bytes(model, x->token).len > 0); /* no control token, no mask */
        if (i) assert_true(r->phase[i] >= r->phase[i - 1]);
        if (r->phase[i] == LACUNA_PHASE_SEQUENTIAL && i) assert_true(r->step[i] != r->step[i - 1]); /* one a step */
    }
    for (size_t h = 0; h < q->holes; h++) {
        const lacuna_hole *hole = &q->hole[h];
        const lacuna_token *ids;
        char whole[16 * 64];
        size_t len = 0, end;
        lacuna_text fill;
        assert_int_equal(lacuna_fill_ids(ses, h, &ids, NULL), hole->max_tokens);
        for (end = 0; end < hole->max_tokens && ids[end] != eom; end++) {
            lacuna_text b = lacuna_token_bytes(model, ids[end]);
            CHECK(ids[end] >= 0 && seen[h][end], "hole %zu slot %zu holds %d and was %s", h, end, (int)ids[end], seen[h][end] ? "revealed" : "not revealed");
            if (hole->one_line) assert_null(memchr(b.bytes, '\n', b.len));
            memcpy(whole + len, b.bytes, b.len);
            len += b.len;
        }
        for (size_t i = end; i < hole->max_tokens; i++) CHECK(ids[i] == eom, "a token stands behind the end of hole %zu", h);
        CHECK(end >= hole->min_tokens, "hole %zu has %zu tokens, at least %u were asked", h, end, (unsigned)hole->min_tokens);
        if (hole->exact) assert_int_equal(end, hole->max_tokens);
        if (end < hole->max_tokens) {
            assert_true(seen[h][end]); /* the <eom> that closes it was reported */
            ++*ended;
        }
        assert_int_equal(lacuna_fill(ses, h, &fill, NULL), 0);
        assert_int_equal(fill.len, len);
        assert_memory_equal(fill.bytes, whole, len);
    }
}

static void all_orders_rules_and_shares(void **state)
{
    (void)state;
    static const double alpha0[] = {0, 0.3, 1};
    size_t ended = 0, holes = 0, n = 0;
    for (int order = LACUNA_ORDER_LEFT; order <= LACUNA_ORDER_ENTROPY; order++)
        for (int a = 0; a < 3; a++)
            for (int rule = 0; rule < 2; rule++)
                for (size_t h = 1; h <= 3; h++)
                    for (uint64_t k = 0; k < 8; k++, n++) {
                        static run r;
                        request q = random_request(n, (lacuna_order)order, alpha0[a], (lacuna_rule)rule, h);
                        run_text(ses, text, LEN, q.hole, q.holes, &q.opt, &r);
                        check_request(&q, &r, &ended);
                        assert_true(r.steps <= q.slots); /* a pass reveals something, so no emptied group cost one */
                        holes += h;
                    }
    printf("report: %zu random requests, %zu of %zu holes ended by <eom>\n", n, ended, holes);
    assert_true(ended > holes / 20 && ended < holes);
}

/* Left to right one at a time, a pass is a token: the slots behind an <eom> cost nothing. */
static void emptied_groups_cost_no_pass(void **state)
{
    (void)state;
    size_t early = 0;
    static run r;
    for (uint64_t seed = 0; seed < 40; seed++) {
        lacuna_infill_options o = {LACUNA_INFILL_INIT, .temperature = 1, .seed = seed, .max_tokens = 12};
        size_t plan[12], groups[12], tokens_;
        const lacuna_token *ids;
        for (size_t i = 0; i < 12; i++) plan[i] = i, groups[i] = 1;
        for (int given = 0; given < 2; given++) {
            if (given) o.plan = plan, o.groups = groups, o.n_groups = 12;
            run_text(ses, text, LEN, &(lacuna_hole){.span = {20, 25}}, 1, &o, &r);
            assert_int_equal(lacuna_fill_ids(ses, 0, &ids, NULL), 12);
            for (tokens_ = 0; tokens_ < 12 && ids[tokens_] != eom; tokens_++) continue;
            assert_int_equal(r.stats.nfe, tokens_ + (tokens_ < 12));
            assert_int_equal(r.n, r.stats.nfe);
            early += tokens_ < 12;
        }
    }
    assert_true(early > 20);
}

/* <eom> among ids is a token like any other. */
static void ends_among_ids(void **state)
{
    (void)state;
    size_t seen = 0;
    static run r;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const lacuna_token ids[8] = {50, -1, -1, -1, 60, -1, -1, 70};
        run_ids(ses, ids, 8, &(lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1, .seed = seed}, &r);
        assert_int_equal(r.n, 5); /* and closes nothing */
        for (size_t i = 0; i < r.n; i++) seen += r.reveal[i].token == eom;
    }
    assert_true(seen > 0);
}

/* A request dropped at any step, then begun again, is as if nothing had been; so is a different one after it. */
static void dropped_and_begun_again(void **state)
{
    (void)state;
    static run want, got;
    const lacuna_event *ev;
    lacuna_session *s = session_of(model, 0);
    for (uint64_t k = 0; k < 12; k++) {
        request q = random_request(1000 + k, (lacuna_order)(k % 6), 0.5, (lacuna_rule)(k & 1), 2);
        run_text(ses, text, LEN, q.hole, q.holes, &q.opt, &want);
        for (size_t stop = 0; stop <= want.steps; stop++) {
            assert_int_equal(lacuna_infill(s, text, LEN, q.hole, q.holes, &q.opt, NULL), 0);
            for (size_t i = 0; i < stop; i++) assert_int_equal(lacuna_step(s, &ev, NULL), 1);
            run_text(s, text, LEN, q.hole, q.holes, &q.opt, &got);
            same_run(&want, &got, "begun again");
        }
    }
    lacuna_session_free(s);
}

/* A fill as it grows: the tokens up to the first open slot. */
static void fills_grow(void **state)
{
    (void)state;
    size_t plan[4] = {1, 0, 3, 2}, ones[4] = {1, 1, 1, 1};
    lacuna_infill_options o = {LACUNA_INFILL_INIT, .temperature = 1, .seed = 3, .plan = plan, .groups = ones, .n_groups = 4};
    const lacuna_token *ids;
    const lacuna_event *ev;
    lacuna_text fill;
    assert_int_equal(lacuna_infill(ses, text, LEN, &(lacuna_hole){.span = {20, 25}, .max_tokens = 4, .exact = 1}, 1, &o, NULL), 0);
    static const size_t stands[5] = {0, 0, 2, 2, 4};
    for (size_t k = 0; k < 5; k++) {
        size_t len = 0;
        assert_int_equal(lacuna_fill_ids(ses, 0, &ids, NULL), 4);
        for (size_t i = 0; i < 4; i++) {
            bool open = true;
            for (size_t j = 0; j < k; j++) open &= plan[j] != i;
            assert_int_equal(ids[i] < 0, open);
            if (i < stands[k]) len += lacuna_token_bytes(model, ids[i]).len;
        }
        assert_int_equal(lacuna_fill(ses, 0, &fill, NULL), 0);
        assert_int_equal(fill.len, len);
        assert_int_equal(lacuna_step(ses, &ev, NULL), k < 4);
        if (k < 4) {
            lacuna_text b = lacuna_token_bytes(model, ev->reveals[0].token);
            assert_int_equal(ev->reveals[0].text.len, b.len);
            assert_memory_equal(ev->reveals[0].text.bytes, b.bytes, b.len);
        }
    }
}

static int set_up(void **state)
{
    char folder[256], path[300];
    lacuna_error err;
    (void)state;
    snprintf(path, sizeof path, "%s/bare.gguf", tiny_folder(folder));
    CHECK(tiny_model(path, 1, 6, 16, 2, 2, 3) == 0, "no model");
    int r = lacuna_model_open(&bare, path, NULL, &err);
    tiny_folder_remove(folder);
    CHECK(r == 0, "%s", err.msg);
    model = tinytok_open(CONTEXT, 1, NULL);
    eom = lacuna_model_get_info(model)->eom;
    assert_true(eom >= 0);
    assert_int_equal(lacuna_model_get_info(model)->n_context, CONTEXT);
    ses = session_of(model, 0);
    ids_only = session_of(bare, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lacuna_session_free(ses);
    lacuna_session_free(ids_only);
    lacuna_model_free(model);
    lacuna_model_free(bare);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_that_make_no_sense),
        cmocka_unit_test(settings_that_make_no_sense),
        cmocka_unit_test(the_coldest_temperature),
        cmocka_unit_test(sizes_of_options),
        cmocka_unit_test(opening),
        cmocka_unit_test(context_too_long),
        cmocka_unit_test(too_many_slots),
        cmocka_unit_test(a_megabyte),
        cmocka_unit_test(plans_that_make_no_sense),
        cmocka_unit_test(a_plan_is_followed),
        cmocka_unit_test(calls_out_of_place),
        cmocka_unit_test(models_without_a_tokenizer),
        cmocka_unit_test(ids_that_make_no_sense),
        cmocka_unit_test(scores_of_drawn_orders),
        cmocka_unit_test(odd_texts),
        cmocka_unit_test(damaged_weights),
        cmocka_unit_test(odd_scores),
        cmocka_unit_test(all_orders_rules_and_shares),
        cmocka_unit_test(emptied_groups_cost_no_pass),
        cmocka_unit_test(ends_among_ids),
        cmocka_unit_test(dropped_and_begun_again),
        cmocka_unit_test(fills_grow),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
