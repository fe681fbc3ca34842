/* Holes: where each kind may lie, and how often each comes. */
#include "train/hole.h"

#include "base/utf8.h"
#include "common/hook.h"
#include "common/stat.h"
#include "train/text.h"

enum { TEXTS = sizeof hard_texts / sizeof *hard_texts + 1, MOST = 20000, DRAWS = 3000 };

static struct {
    hook hook;
    lacuna_allocator mem;
    lac_tok *tok;
    uint32_t at[MOST + 1];
    char file[1 << 16];
} all;

/* Text i, tokenised: those that are hard to cut, and a source file. */
static lac_hole_text text(size_t i)
{
    static int32_t id[MOST];
    static size_t end[MOST];
    lac_hole_text t = {.at = all.at};
    lacuna_error err;
    if (i + 1 < TEXTS) {
        t.text = hard_texts[i].text;
        t.len = hard_texts[i].len;
    } else {
        size_t len;
        char *p = load_file("lib/canvas/canvas.c", &len);
        assert_non_null(p);
        t.len = len < sizeof all.file ? len : sizeof all.file;
        memcpy(all.file, p, t.len);
        free(p);
        t.text = all.file;
    }
    int64_t n = lac_tok_encode(all.tok, t.text, t.len, id, end, MOST, &err);
    assert_true(n >= 0 && n <= MOST);
    t.n = (size_t)n;
    for (size_t k = 0; k < t.n; k++) all.at[k + 1] = (uint32_t)end[k];
    return t;
}

static bool is_token_boundary(const lac_hole_text *t, size_t at)
{
    for (size_t k = 0; k <= t->n; k++)
        if (t->at[k] == at) return true;
    return false;
}

/* A node for every line and every pair of lines. */
static lacuna_span nodes[MOST];

static size_t make_nodes(const lac_hole_text *t)
{
    size_t n = 0, start = 0;
    for (size_t i = 0; i < t->len; i++) {
        if (t->text[i] != '\n') continue;
        if (i > start) nodes[n++] = (lacuna_span){start, i};
        start = i + 1;
    }
    return n;
}

static void check_hole(const lac_hole_text *t, size_t lo, size_t hi, lac_hole_kind kind, bool cut, lacuna_span s)
{
    assert_true(s.start < s.end && s.end <= t->len);
    assert_true(lac_utf8_boundary(t->text, t->len, s.start) && lac_utf8_boundary(t->text, t->len, s.end));
    const size_t tokens = lac_hole_tokens(t, s);
    assert_true(tokens >= 1 && tokens <= LAC_HOLE_MOST);
    if (kind == LAC_HOLE_RUN) assert_true(tokens <= 8 + 6); /* 6: byte tokens of the characters at both ends */
    assert_true(s.start + 4 > t->at[lo] && s.end < t->at[hi] + 4);
    if (kind == LAC_HOLE_LINE || kind == LAC_HOLE_LINES) assert_true(s.end < t->len && t->text[s.end] == '\n');
    if (kind == LAC_HOLE_LINE) assert_null(memchr(t->text + s.start, '\n', s.end - s.start));
    if (kind == LAC_HOLE_LINES) {
        size_t lines = 1;
        for (size_t i = s.start; i < s.end; i++) lines += t->text[i] == '\n';
        assert_true(s.start && t->text[s.start - 1] == '\n' && lines <= 5);
    }
    if (kind == LAC_HOLE_NODE) {
        bool is = false;
        for (size_t i = 0; i < t->n_nodes; i++) is |= t->node[i].start == s.start && t->node[i].end == s.end;
        assert_true(is);
    }
    if (cut || kind == LAC_HOLE_LINES || kind == LAC_HOLE_NODE) return;
    bool split = false; /* a character of several byte tokens may move an end */
    for (size_t k = 0; k <= t->n; k++) split |= !lac_utf8_boundary(t->text, t->len, t->at[k]);
    if (!split) assert_true(is_token_boundary(t, s.start) && (kind == LAC_HOLE_LINE || is_token_boundary(t, s.end)));
}

static void every_kind_is_where_it_should_be(void **state)
{
    (void)state;
    size_t of_kind[LAC_HOLE_KINDS] = {0}, inside = 0, cuts = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        lac_hole_text t = text(i);
        if (!t.n) continue;
        t.node = nodes;
        t.n_nodes = make_nodes(&t);
        lac_rng r = lac_rng_make(i, 1);
        for (int k = 0; k < DRAWS; k++) {
            const lac_hole_kind kind = (lac_hole_kind)(k % LAC_HOLE_KINDS);
            const bool cut = k / LAC_HOLE_KINDS % 2;
            const size_t lo = (size_t)lac_rng_below(&r, t.n), hi = lo + 1 + (size_t)lac_rng_below(&r, t.n - lo);
            lacuna_span s;
            if (!lac_hole_draw(&t, lo, hi, kind, cut, &r, &s)) continue;
            check_hole(&t, lo, hi, kind, cut, s);
            of_kind[kind]++;
            cuts += cut && kind == LAC_HOLE_RUN;
            inside += cut && kind == LAC_HOLE_RUN && !is_token_boundary(&t, s.start);
        }
    }
    for (int k = 0; k < LAC_HOLE_KINDS; k++) CHECK(of_kind[k] > 20, "kind %d: %zu holes", k, of_kind[k]);
    assert_true(inside > cuts / 10);
}

static void the_end_is_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEXTS; i++) {
        lac_hole_text t = text(i);
        lac_rng r = lac_rng_make(i, 2);
        for (int k = 0; t.n && k < 200; k++) {
            lacuna_span s;
            if (!lac_hole_draw_end(&t, k % 2, &r, &s)) continue;
            assert_true(s.end == t.len && s.start < s.end && lac_utf8_boundary(t.text, t.len, s.start));
            assert_true(lac_hole_tokens(&t, s) <= LAC_HOLE_END + 3);
        }
    }
}

static void the_shares_are_as_written(void **state)
{
    (void)state;
    const double want[2][LAC_HOLE_KINDS] = {{.40, .35, .15, .10, 0}, {.30, .25, .15, .10, .20}};
    for (int nodes_too = 0; nodes_too < 2; nodes_too++) {
        uint64_t seen[LAC_HOLE_KINDS] = {0};
        lac_rng r = lac_rng_make(77, (uint64_t)nodes_too);
        for (int i = 0; i < 100000; i++) seen[lac_hole_kind_draw(&r, nodes_too)]++;
        double p = stat_chi2(seen, want[nodes_too], LAC_HOLE_KINDS);
        CHECK(p > STAT_ALARM, "nodes %d: p = %g", nodes_too, p);
    }
}

/* Runs have 1 to 8 tokens, each as often, where there is room. */
static void lengths_are_uniform(void **state)
{
    (void)state;
    lac_hole_text t = text(TEXTS - 1);
    uint64_t seen[9] = {0};
    double want[9] = {0, .125, .125, .125, .125, .125, .125, .125, .125};
    lac_rng r = lac_rng_make(5, 5);
    for (int i = 0; i < 20000; i++) {
        lacuna_span s;
        if (!lac_hole_draw(&t, 0, t.n, LAC_HOLE_RUN, false, &r, &s) || s.start >= t.at[t.n - 8]) continue;
        seen[lac_hole_tokens(&t, s)]++;
    }
    double p = stat_chi2(seen, want, 9);
    CHECK(p > STAT_ALARM, "p = %g", p);
}

static int begin(void **state)
{
    (void)state;
    all.mem = hook_allocator(&all.hook);
    all.tok = text_tok(&all.mem);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    lac_tok_free(all.tok);
    return all.hook.live || all.hook.wrong;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_where_it_should_be),
        cmocka_unit_test(the_end_is_the_end),
        cmocka_unit_test(the_shares_are_as_written),
        cmocka_unit_test(lengths_are_uniform),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
