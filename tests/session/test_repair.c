/* Fills that are checked: what ends, ends without faults or says how many; what steps tell adds up to the fill; nothing of what was taken back is
 * left in the cache.  Skipped where build/grammars has no C. */
#include "session/run.h"

#include <regex.h>

#include "common/tinytok.h"
#include "session/session.h"
#include "syntax/tree.h"

#define GRAMMARS "build/grammars"
enum { MOST_HOLES = 3, MOST_CANDIDATES = 4, SLOTS = 64 };

static lacuna_model *small, *real;
static lacuna_document *doc, *judge;

static const char text[] = "#include <stdio.h>\n\nstatic int twice(int x) { return 2 * x; }\n\nint main(int argc, char **argv)\n{\n    int count = 0;\n"
                           "    for (int i = 0; i < argc; i++) {\n        count += twice(i);\n        printf(\"%s\\n\", argv[i]);\n    }\n"
                           "    if (count > 3) count = twice(count - 1);\n    printf(\"%d\\n\", count);\n    return 0;\n}\n";
enum { LEN = sizeof text - 1 };

static lacuna_span span_of(const char *needle)
{
    const size_t at = (size_t)(strstr(text, needle) - text);
    return (lacuna_span){at, at + strlen(needle)};
}

/* The text with the fills of a candidate, parsed from scratch, has an error. */
static bool has_error(lacuna_session *s, size_t candidate, const lacuna_hole *hole, size_t n)
{
    static char all[8192];
    size_t len = 0, at = 0;
    lacuna_text fill;
    for (size_t h = 0; h <= n; h++) {
        const size_t to = h < n ? hole[h].span.start : LEN;
        memcpy(all + len, text + at, to - at);
        len += to - at;
        if (h == n) break;
        assert_int_equal(lacuna_candidate_fill(s, candidate, h, &fill, NULL), 0);
        assert_true(len + fill.len + LEN < sizeof all);
        memcpy(all + len, fill.bytes, fill.len);
        len += fill.len;
        at = hole[h].span.end;
    }
    assert_int_equal(lacuna_document_set(judge, "", 0, NULL), 0);
    assert_int_equal(lacuna_document_set(judge, all, len, NULL), 0);
    return ts_node_has_error(ts_tree_root_node(judge->tree));
}

/* What a host that listens to the events knows: -1 open; slots of all holes of all candidates. */
typedef struct {
    lacuna_token token[MOST_CANDIDATES][MOST_HOLES][SLOTS];
    size_t reopened, steps;
} view;

static void listen(view *v, lacuna_session *s, const lacuna_event *ev)
{
    for (size_t i = 0; i < ev->n; i++) v->token[ev->reveals[i].candidate][ev->reveals[i].hole][ev->reveals[i].slot] = ev->reveals[i].token;
    for (size_t i = 0; i < ev->n_reopened; i++) v->token[ev->reopened[i].candidate][ev->reopened[i].hole][ev->reopened[i].slot] = -1;
    v->reopened += ev->n_reopened;
    v->steps++;
    size_t open = 0;
    for (size_t c = 0; c < s->req.n_fills; c++)
        for (size_t h = 0; h < s->req.canvas.n_holes; h++) {
            const lacuna_token *ids, *seen = v->token[c][h], eom = s->model->info.eom;
            const size_t n = (size_t)lacuna_candidate_ids(s, c, h, &ids, NULL);
            bool ended = false;
            for (size_t i = 0; i < n; i++) {
                open += ids[i] < 0;
                if (!ended && seen[i] != ids[i]) assert_true(seen[i] == -1 && ids[i] == eom); /* left over by the spelling */
                if (ended) assert_int_equal(ids[i], eom);
                ended |= ids[i] == eom;
            }
        }
    assert_int_equal(open, ev->n_open);
}

/* Run a request; every candidate keeps to its budget, its numbers add up, and its fills have the faults that it says. */
static void repair(lacuna_session *s, const lacuna_hole *hole, size_t n, lacuna_infill_options opt, view *v, const char *what)
{
    lacuna_error err;
    const lacuna_event *ev;
    int r;
    memset(v, -1, sizeof *v);
    v->reopened = v->steps = 0;
    opt.document = doc;
    CHECK(lacuna_infill(s, text, LEN, hole, n, &opt, &err) == 0, "%s: %s", what, err.msg);
    while ((r = lacuna_step(s, &ev, &err)) > 0) listen(v, s, ev);
    CHECK(r == 0, "%s: %s", what, err.msg);
    for (size_t c = 0; c < s->req.n_fills; c++) {
        const lacuna_stats stats = lacuna_candidate_stats(s, c);
        CHECK(stats.n_repairs <= opt.repairs, "%s: %zu repairs of %u", what, stats.n_repairs, (unsigned)opt.repairs);
        CHECK(!stats.n_faults || stats.n_repairs || !opt.repairs, "%s: a fault, and nothing was tried", what);
        CHECK(has_error(s, c, hole, n) == (stats.n_faults != 0), "%s: candidate %zu says %zu faults", what, c, stats.n_faults);
        assert_true(isfinite(stats.logprob) && stats.logprob <= 1e-9);
        for (size_t h = 0; h < n; h++)
            if (hole[h].one_line) {
                lacuna_text fill;
                assert_int_equal(lacuna_candidate_fill(s, c, h, &fill, NULL), 0);
                assert_true(!fill.len || !memchr(fill.bytes, '\n', fill.len));
            }
    }
}

/* ---- tests ---- */

static void need_grammar(void)
{
    if (!doc) skip();
}

static size_t holes_of(lacuna_hole *hole, size_t k)
{
    static const char *const at[][MOST_HOLES] = {{"(count - 1)"}, {"i = 0; i < argc; i++"}, {"twice(i);", "argv[i]);"},
                                                 {"\"%s\\n\", argv[i]", "count > 3", "\"%d\\n\", count"}, {"return 2 * x; }"}, {"count = 0;\n"}};
    size_t n = 0;
    for (const char *const *p = at[k % 6]; n < MOST_HOLES && p[n]; n++)
        hole[n] = (lacuna_hole){.span = span_of(p[n]), .max_tokens = 3 + (uint32_t)(k + n) % 8, .one_line = (k + n) % 3 == 0};
    return n;
}

/* Faults become fewer, mostly none: the default model knows C.  What is left are heads of loops in fewer slots than they need. */
static void faults_go(void **state)
{
    (void)state;
    need_grammar();
    static view v;
    lacuna_session *s = session_of(real, 0);
    size_t first = 0, left = 0;
    for (size_t k = 0; k < 24; k++) {
        lacuna_hole hole[MOST_HOLES];
        const size_t n = holes_of(hole, k);
        lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = "c", .heal = k % 2};
        repair(s, hole, n, opt, &v, "unrepaired");
        const bool faulty = lacuna_get_stats(s).n_faults != 0;
        assert_true(!v.reopened && !lacuna_get_stats(s).n_repairs);
        opt.repairs = 16;
        repair(s, hole, n, opt, &v, "repaired");
        const lacuna_stats now = lacuna_get_stats(s);
        assert_true(faulty || !now.n_repairs);
        assert_true(!faulty || now.n_repairs);
        first += faulty;
        left += now.n_faults != 0;
    }
    CHECK(first >= 5 && left * 3 <= first, "of %zu faulty fills %zu are left", first, left);
    lacuna_session_free(s);
}

/* In every order, by groups, lossless, with candidates, healed; a random model that writes no C at all. */
static void every_order(void **state)
{
    (void)state;
    need_grammar();
    static view v;
    lacuna_model *model[2] = {small, real};
    size_t reopened = 0;
    for (int m = 0; m < 2; m++) {
        lacuna_session *s = session_of(model[m], 0);
        for (int order = LACUNA_ORDER_LEFT; order <= LACUNA_ORDER_ENTROPY; order++)
            for (size_t k = 0; k < 6; k++) {
                lacuna_hole hole[MOST_HOLES];
                const size_t n = holes_of(hole, k);
                repair(s, hole, n, (lacuna_infill_options){LACUNA_INFILL_INIT, .order = (lacuna_order)order, .alpha0 = 1, .steps = k % 3 ? 2 : 0, .heal = k % 2,
                       .temperature = k % 2 ? 0 : 0.9, .seed = k, .n_candidates = 1 + (uint32_t)k % MOST_CANDIDATES, .repairs = (uint32_t)k * 2,
                       .rule = k & 2 ? LACUNA_RULE_PAPER : LACUNA_RULE_INDEPENDENT, .explain = k % 4 == 1}, &v, "order");
                reopened += v.reopened;
            }
        lacuna_session_free(s);
    }
    assert_true(reopened > 0);
}

/* What a candidate holds in the end. */
static void same_fills(lacuna_session *a, lacuna_session *b, const char *what)
{
    assert_int_equal(a->req.n_fills, b->req.n_fills);
    for (size_t c = 0; c < a->req.n_fills; c++) {
        const lac_fill *x = &a->req.fill[c], *y = &b->req.fill[c];
        CHECK(!memcmp(x->token, y->token, a->req.canvas.n_slots * sizeof *x->token), "%s: the text of candidate %zu differs", what, c);
        CHECK(x->repairs == y->repairs && x->faults == y->faults && !memcmp(&x->logprob, &y->logprob, sizeof x->logprob), "%s: candidate %zu: %.17g, %.17g", what, c,
              x->logprob, y->logprob);
    }
}

/* A session that has repaired much gives what a fresh one gives; several slots a pass give what one gives. */
static void nothing_is_left(void **state)
{
    (void)state;
    need_grammar();
    static view v, w;
    lacuna_model *model[2] = {small, real};
    for (int m = 0; m < 2; m++) {
        lacuna_session *s = session_of(model[m], 0);
        for (size_t k = 0; k < 12; k++) {
            lacuna_hole hole[MOST_HOLES];
            const size_t n = holes_of(hole, k);
            lacuna_infill_options opt = {LACUNA_INFILL_INIT, .temperature = k % 3 / 2.0, .seed = k, .repairs = 9, .heal = k % 2, .n_candidates = 1 + (uint32_t)k / 6};
            lacuna_session *fresh = session_of(model[m], 0), *fast = session_of(model[m], 0);
            repair(s, hole, n, opt, &v, "used");
            repair(fresh, hole, n, opt, &w, "fresh");
            same_fills(s, fresh, "fresh");
            assert_int_equal(v.steps, w.steps);
            opt.lossless = 1;
            repair(fast, hole, n, opt, &w, "lossless");
            same_fills(fresh, fast, "lossless");
            lacuna_session_free(fresh);
            lacuna_session_free(fast);
        }
        lacuna_session_free(s);
    }
}

/* The entries of a list are those of what stands: a pass over them anew gives the same numbers. */
static void entries_stand(void **state)
{
    (void)state;
    need_grammar();
    lacuna_error err;
    const lacuna_event *ev;
    lacuna_session *s = session_of(small, 0);
    for (size_t k = 0; k < 12; k++) {
        lacuna_hole hole[MOST_HOLES];
        const size_t n = holes_of(hole, k);
        const lacuna_infill_options opt = {LACUNA_INFILL_INIT, .document = doc, .repairs = 12, .order = (lacuna_order)(k % 6), .alpha0 = 1, .steps = 2};
        assert_int_equal(lacuna_infill(s, text, LEN, hole, n, &opt, &err), 0);
        while (lacuna_step(s, &ev, &err) > 0) {
            const lac_fill *f = &s->req.fill[0];
            const lac_canvas *c = &s->req.canvas;
            size_t entered = 0;
            for (size_t i = c->n_context; i < f->kv->len; i++) {
                size_t slot = 0;
                while (c->slot_pos[slot] != f->kv->pos[i]) slot++;
                assert_int_equal(f->token[slot], f->kv->token[i]);
                for (size_t j = c->n_context; j < i; j++) assert_int_not_equal(f->kv->pos[i], f->kv->pos[j]);
                entered++;
            }
            assert_int_equal(entered + f->n_pending, f->n_tokens);
        }
    }
    lacuna_session_free(s);
}

/* Repairs keep what a hole asks for. */
static void promises_stand(void **state)
{
    (void)state;
    need_grammar();
    static view v;
    static const char *const expr[] = {"[(){};]{1,6}", "(x|\\(|\\))+;?", "[a-z]+ [a-z(]+"};
    lacuna_session *s = session_of(small, 0);
    size_t reopened = 0;
    for (size_t k = 0; k < 24; k++) {
        regex_t re;
        char whole[64], said[256];
        lacuna_text fill;
        const char *e = expr[k % 3];
        const lacuna_hole hole = {.span = span_of("count > 3"), .max_tokens = 8, .regex = {e, strlen(e)}, .one_line = k % 5 == 0};
        repair(s, &hole, 1, (lacuna_infill_options){LACUNA_INFILL_INIT, .repairs = 8, .order = (lacuna_order)(k % 6), .alpha0 = k % 2, .seed = k, .heal = k % 4 > 1,
               .temperature = 0.7, .lossless = k % 6 == 0, .explain = 1}, &v, e);
        reopened += v.reopened;
        snprintf(whole, sizeof whole, "^(%s)$", e);
        assert_int_equal(regcomp(&re, whole, REG_EXTENDED | REG_NOSUB), 0);
        assert_int_equal(lacuna_fill(s, 0, &fill, NULL), 0);
        snprintf(said, sizeof said, "%.*s", (int)fill.len, fill.bytes);
        CHECK(regexec(&re, said, 0, NULL, 0) == 0, "'%s' does not match %s", said, e);
        regfree(&re);
    }
    assert_true(reopened > 0);
    lacuna_session_free(s);
}

/* A request that is stopped, or dropped, in the middle of a repair leaves a session as good as new. */
static void cancel_between(void **state)
{
    (void)state;
    need_grammar();
    static view v;
    lacuna_error err;
    const lacuna_event *ev;
    lacuna_hole hole[MOST_HOLES];
    const size_t n = holes_of(hole, 3);
    const lacuna_infill_options opt = {LACUNA_INFILL_INIT, .document = doc, .repairs = 9, .n_candidates = 2};
    lacuna_session *s = session_of(small, 0), *fresh = session_of(small, 0);
    for (int stop = 0; stop < 2; stop++) {
        bool reopened = false;
        assert_int_equal(lacuna_infill(s, text, LEN, hole, n, &opt, &err), 0);
        while (!reopened && lacuna_step(s, &ev, &err) > 0) reopened = ev->n_reopened != 0;
        assert_true(reopened);
        if (stop) {
            lacuna_cancel(s);
            assert_int_equal(lacuna_step(s, &ev, &err), LACUNA_E_CANCELLED);
        }
        repair(s, hole, n, opt, &v, "after");
        repair(fresh, hole, n, opt, &v, "fresh");
        same_fills(s, fresh, "after a stop");
    }
    lacuna_session_free(s);
    lacuna_session_free(fresh);
}

/* Without faults nothing changes: the tokens and numbers of a request without a document. */
static void good_fills_stay(void **state)
{
    (void)state;
    need_grammar();
    static run plain, checked;
    lacuna_session *s = session_of(real, 0);
    const lacuna_hole hole = {.span = span_of("count = 0"), .max_tokens = 8};
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = "c", .heal = 1};
    run_text(s, text, LEN, &hole, 1, &opt, &plain);
    opt.document = doc;
    opt.repairs = 4;
    run_text(s, text, LEN, &hole, 1, &opt, &checked);
    assert_int_equal(checked.stats.n_faults, 0);
    same_run(&plain, &checked, "checked");
    lacuna_session_free(s);
}

/* Lines are indented as the text is, unless it is asked otherwise; a baseline is asked nothing. */
static void indentation(void **state)
{
    (void)state;
    need_grammar();
    static run got;
    lacuna_error err;
    lacuna_text fill;
    lacuna_session *s = session_of(small, 0);
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .document = doc, .temperature = 1};
    lacuna_hole hole = {.span = {span_of("    if (count").start, span_of("    if (count").start}, .max_tokens = 12, .begin = {"\n", 1}};
    for (opt.seed = 0; opt.seed < 20; opt.seed++) {
        run_text(s, text, LEN, &hole, 1, &opt, &got);
        assert_int_equal(lacuna_fill(s, 0, &fill, &err), 0);
        for (size_t i = 0; i + 1 < fill.len; i++) assert_false(fill.bytes[i] == '\n' && fill.bytes[i + 1] == '\t');
    }
    hole.begin = (lacuna_text){"\n\tx", 3};
    run_text(s, text, LEN, &hole, 1, &opt, &got);
    assert_int_equal(lacuna_fill(s, 0, &fill, &err), 0);
    assert_true(fill.len >= 3 && !memcmp(fill.bytes, "\n\tx", 3));
    hole.begin.len = 0;
    opt.rule = LACUNA_RULE_MDLM;
    opt.alpha0 = 1;
    run_text(s, text, LEN, &hole, 1, &opt, &got);
    lacuna_session_free(s);
}

static void bad_options(void **state)
{
    (void)state;
    need_grammar();
    lacuna_error err;
    const lacuna_hole hole = {.span = span_of("count > 3")};
    const lacuna_infill_options bad[] = {{LACUNA_INFILL_INIT, .repairs = 1},
                                         {LACUNA_INFILL_INIT, .document = doc, .repairs = 100000},
                                         {LACUNA_INFILL_INIT, .document = doc, .repairs = 1, .rule = LACUNA_RULE_MDLM},
                                         {LACUNA_INFILL_INIT, .document = doc, .repairs = 1, .rule = LACUNA_RULE_BD3}};
    lacuna_session *s = session_of(small, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(lacuna_infill(s, text, LEN, &hole, 1, &bad[i], &err), LACUNA_E_ARG);
    char longer[3 * LEN + 1] = ""; /* than the model reads: nothing of the document is looked at before it is known to be of this text */
    for (int i = 0; i < 3; i++) memcpy(longer + i * (int)LEN, text, LEN);
    const lacuna_hole far = {.span = {2 * LEN, 2 * LEN}};
    const lacuna_infill_options other = {LACUNA_INFILL_INIT, .document = doc, .drop_far = 1};
    assert_int_equal(lacuna_infill(s, longer, 3 * LEN, &far, 1, &other, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_infill_ids(s, (lacuna_token[]){9, -1}, 2, &other, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_infill(s, text, LEN - 1, &hole, 1, &(lacuna_infill_options){LACUNA_INFILL_INIT, .document = doc}, &err), LACUNA_E_ARG);
    CHECK(strstr(err.msg, "another text"), "%s", err.msg);
    lacuna_session_free(s);
}

static int open_all(void **state)
{
    (void)state;
    small = tinytok_open(512, 11, NULL);
    real = default_model();
    if (lacuna_document_open(&doc, GRAMMARS, "c", NULL, NULL) != 1) return 0;
    return lacuna_document_open(&judge, GRAMMARS, "c", NULL, NULL) == 1 && !lacuna_document_set(doc, text, LEN, NULL) ? 0 : -1;
}

static int free_all(void **state)
{
    (void)state;
    lacuna_document_free(doc);
    lacuna_document_free(judge);
    lacuna_model_free(small);
    lacuna_model_free(real);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(faults_go),      cmocka_unit_test(every_order),    cmocka_unit_test(nothing_is_left),
                                       cmocka_unit_test(entries_stand),  cmocka_unit_test(promises_stand), cmocka_unit_test(cancel_between),
                                       cmocka_unit_test(good_fills_stay), cmocka_unit_test(indentation), cmocka_unit_test(bad_options)};
    return cmocka_run_group_tests(tests, open_all, free_all);
}
