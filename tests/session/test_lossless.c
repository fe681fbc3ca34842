/* Several slots a pass give the text of one slot a pass, bit for bit: on a small model, where holes end in every way, and on the
 * default model over holes cut from the files of this tree, greedy and not. */
#include "session/run.h"

#include "common/tinytok.h"

static lacuna_model *small, *real;

/* ---- cases ---- */

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    CHECK(f, "%s", path);
    char *text = malloc(1 << 20);
    *len = fread(text, 1, 1 << 20, f);
    fclose(f);
    return text;
}

static const char *const files[] = {"lib/net/net.c", "lib/canvas/canvas.c", "lib/base/mem.c", "lib/text/tok.c", "models/default/measure.py",
                                    "lib/sample/pick.c", "models/recipe/train.py", "doc/ARCHITECTURE.md"};
enum { FILES = 6 }; /* those that there are for certain come first */

static bool boundary(const char *t, size_t len, size_t at) { return at >= len || (t[at] & 0xC0) != 0x80; }

/* Hole i of a file: a stretch of up to 40 bytes somewhere, with up to 600 bytes of the file around it. */
static void cut(const char *file, size_t len, size_t i, const char **text, size_t *n, lacuna_hole *hole)
{
    size_t at = (i * 7919 + 131) % (len - 60), width = i % 41, from = at > 400 ? at - 400 : 0, to = at + 240 < len ? at + 240 : len;
    while (!boundary(file, len, from)) from++;
    while (!boundary(file, len, to)) to--;
    while (!boundary(file, len, at)) at++;
    while (!boundary(file, len, at + width)) width++;
    *text = file + from;
    *n = to - from;
    *hole = (lacuna_hole){.span = {at - from, at - from + width}, .max_tokens = 4 + (uint32_t)(i % 13), .min_tokens = i % 5 == 2 ? 3 : 0,
                          .exact = i % 7 == 3, .one_line = i % 3 == 1};
}

/* The same reveals, in fewer steps or as many. */
static void same_text(const run *a, const run *b, const char *what, size_t i)
{
    CHECK(a->n == b->n && b->steps <= a->steps, "%s %zu: %zu reveals in %zu steps, %zu in %zu", what, i, a->n, a->steps, b->n, b->steps);
    for (size_t k = 0; k < a->n; k++) {
        const lacuna_reveal *x = &a->reveal[k], *y = &b->reveal[k];
        CHECK(x->hole == y->hole && x->slot == y->slot && x->token == y->token && a->phase[k] == b->phase[k], "%s %zu: reveal %zu is token %d and %d",
              what, i, k, (int)x->token, (int)y->token);
        CHECK(!memcmp(&x->logprob, &y->logprob, sizeof x->logprob) && !memcmp(&x->prob, &y->prob, sizeof x->prob) &&
                  !memcmp(&x->entropy, &y->entropy, sizeof x->entropy),
              "%s %zu: reveal %zu: log-probability %.17g and %.17g", what, i, k, x->logprob, y->logprob);
    }
    CHECK(b->stats.n_accepted <= b->stats.n_drafted && b->stats.n_accepted + b->steps == b->n, "%zu drafts of %zu are right, %zu reveals in %zu steps",
          b->stats.n_accepted, b->stats.n_drafted, b->n, b->steps);
}

static void compare(lacuna_model *m, lacuna_infill_options opt, size_t cases, const char *what)
{
    static run one, many;
    lacuna_session *s = session_of(m, 2);
    size_t tokens = 0, passes = 0, drafted = 0;
    for (size_t k = 0; k < FILES; k++) {
        size_t len, n;
        char *file = read_file(files[k], &len);
        for (size_t i = k; i < cases; i += FILES) {
            const char *text;
            lacuna_hole hole;
            cut(file, len, i, &text, &n, &hole);
            opt.drop_far = 1;
            opt.seed = i;
            opt.lossless = 0;
            run_text(s, text, n, &hole, 1, &opt, &one);
            opt.lossless = 1;
            run_text(s, text, n, &hole, 1, &opt, &many);
            same_text(&one, &many, what, i);
            tokens += many.n;
            passes += many.steps;
            drafted += many.stats.n_drafted;
        }
        free(file);
    }
    CHECK(drafted || opt.temperature > 0, "%s: no draft was made", what); /* random weights hardly repeat what was drawn */
    printf("report: %s: %zu tokens in %zu passes, %.3f a pass\n", what, tokens, passes, (double)tokens / (double)passes);
    lacuna_session_free(s);
}

#ifdef __SANITIZE_ADDRESS__
enum { CASES = 40 };
#elif defined(__SANITIZE_THREAD__)
enum { CASES = 40 };
#else
enum { CASES = 500 };
#endif

static void greedy(void **state)
{
    (void)state;
    compare(real, (lacuna_infill_options){LACUNA_INFILL_INIT, .max_tokens = 0}, CASES, "greedy");
}

static void sampled(void **state)
{
    (void)state;
    compare(real, (lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 0.8, .top_p = 0.9}, CASES / 5, "temperature 0.8");
}

static void healed(void **state)
{
    (void)state;
    compare(real, (lacuna_infill_options){LACUNA_INFILL_INIT, .heal = 1}, CASES / 2, "healed");
}

/* Several holes, each cut inside words that stand elsewhere: where one ends its drafts go on into the next, which spells first. */
static void several_healed(void **state)
{
    (void)state;
    static const char line[] = "    total = total + twice(count);\n";
    enum { LINES = 6, LEN = sizeof line - 1 };
    static run one, many;
    lacuna_session *s = session_of(real, 2);
    char text[LINES * LEN + 1] = "";
    for (size_t i = 0; i < LINES; i++) strcat(text, line);
    for (size_t i = 0; i < CASES / 2; i++) {
        lacuna_hole hole[3];
        for (size_t h = 0; h < 3; h++) {
            const size_t from = (1 + 2 * h) * LEN + 4 + (i * (7 + h) + h) % (LEN - 6), to = from + 1 + (i + h) % 5;
            hole[h] = (lacuna_hole){.span = {from, to < (2 + 2 * h) * LEN ? to : from}, .max_tokens = 1 + (uint32_t)(i / 3 + h) % 4};
        }
        lacuna_infill_options opt = {LACUNA_INFILL_INIT, .heal = 1, .tag = "c"};
        run_text(s, text, strlen(text), hole, 3, &opt, &one);
        opt.lossless = 1;
        run_text(s, text, strlen(text), hole, 3, &opt, &many);
        same_text(&one, &many, "several healed holes", i);
    }
    lacuna_session_free(s);
}

static void small_greedy(void **state)
{
    (void)state;
    compare(small, (lacuna_infill_options){LACUNA_INFILL_INIT, .max_tokens = 0}, 100, "small, greedy");
}

static void small_sampled(void **state)
{
    (void)state;
    compare(small, (lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 0.3, .draft = 3}, 100, "small, temperature 0.3");
    compare(small, (lacuna_infill_options){LACUNA_INFILL_INIT, .temperature = 1, .top_k = 40, .rule = LACUNA_RULE_PAPER}, 100, "small, temperature 1");
}

/* Several holes, of which some end early: drafts go on in the next hole. */
static void several_holes(void **state)
{
    (void)state;
    static const char text[] = "for (int i = 0; i < n; i++) sum += a[i];\nfor (int j = 0; j < n; j++) sum += b[j];\nfor (int k = 0; k < n; k++) sum += c[k];\n";
    const lacuna_hole hole[3] = {{.span = {5, 20}, .max_tokens = 9}, {.span = {50, 60}, .max_tokens = 7, .one_line = 1}, {.span = {90, 100}, .max_tokens = 5}};
    static run one, many;
    lacuna_model *model[2] = {small, real};
    for (int m = 0; m < 2; m++) {
        lacuna_session *s = session_of(model[m], 0);
        for (uint64_t seed = 0; seed < 30; seed++) {
            lacuna_infill_options opt = {LACUNA_INFILL_INIT, .temperature = 0.1 * (double)(seed % 10), .seed = seed};
            run_text(s, text, sizeof text - 1, hole, 3, &opt, &one);
            opt.lossless = 1;
            run_text(s, text, sizeof text - 1, hole, 3, &opt, &many);
            same_text(&one, &many, "three holes", seed);
        }
        lacuna_session_free(s);
    }
}

/* In a given order of single slots, of a text and of ids. */
static void given_orders(void **state)
{
    (void)state;
    size_t plan[12], ones[12];
    lacuna_token ids[30];
    static run one, many;
    static const char text[] = "int a = b;\nint b = c;\nint c = d;\nint d = e;\n";
    const lacuna_hole hole = {.span = {22, 33}, .max_tokens = 12};
    lacuna_session *s = session_of(small, 0);
    for (size_t i = 0; i < 12; i++) plan[i] = i * 5 % 12, ones[i] = 1;
    for (int i = 0; i < 30; i++) ids[i] = i % 5 < 3 ? 100 + i % 5 : -1;
    for (uint64_t seed = 0; seed < 20; seed++) {
        lacuna_infill_options opt = {LACUNA_INFILL_INIT, .temperature = 0.1 * (double)(seed % 8), .seed = seed, .plan = plan, .groups = ones, .n_groups = 12};
        run_text(s, text, sizeof text - 1, &hole, 1, &opt, &one);
        opt.lossless = 1;
        run_text(s, text, sizeof text - 1, &hole, 1, &opt, &many);
        same_text(&one, &many, "given order", seed);
        run_ids(s, ids, 30, &opt, &many);
        opt.lossless = 0;
        run_ids(s, ids, 30, &opt, &one);
        same_text(&one, &many, "given order of ids", seed);
    }
    lacuna_session_free(s);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const lacuna_token ids[4] = {5, -1, -1, 6};
    const size_t plan[2] = {0, 1}, group[1] = {2};
    const lacuna_infill_options bad[] = {
        {LACUNA_INFILL_INIT, .lossless = 1, .order = LACUNA_ORDER_RANDOM},
        {LACUNA_INFILL_INIT, .lossless = 1, .order = LACUNA_ORDER_CONFIDENCE},
        {LACUNA_INFILL_INIT, .lossless = 1, .rule = LACUNA_RULE_MDLM},
        {LACUNA_INFILL_INIT, .lossless = 1, .rule = LACUNA_RULE_BD3},
        {LACUNA_INFILL_INIT, .lossless = 1, .plan = plan, .groups = group, .n_groups = 1},
    };
    lacuna_session *s = session_of(small, 0);
    lacuna_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(lacuna_infill_ids(s, ids, 4, &bad[i], &err), LACUNA_E_ARG);
        assert_non_null(strstr(err.msg, "lossless"));
    }
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy), cmocka_unit_test(sampled), cmocka_unit_test(healed), cmocka_unit_test(several_healed), cmocka_unit_test(small_greedy), cmocka_unit_test(small_sampled),
        cmocka_unit_test(several_holes), cmocka_unit_test(given_orders), cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, open_models, free_models);
}
