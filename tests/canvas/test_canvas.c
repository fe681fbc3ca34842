/* Texts with holes become entries, slots and positions as the drawing in canvas.h has it. */
#include "common/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "canvas/canvas.h"
#include "text/load.h"

enum { TAG = 6, MOST = 4096 };

static lac_tok *tok;
static lacuna_allocator mem;

static size_t encode(const char *t, size_t len, int32_t *id, size_t *end)
{
    int64_t n = lac_tok_encode(tok, t, len, id, end, MOST, NULL);
    assert_true(n >= 0 && n <= MOST);
    return (size_t)n;
}

/* The drawing, by the book: positions run tag, prefix, slots, middle, slots, suffix; entries enter from behind the first hole
 * on, then the tag, then the prefix. */
static void matches(const lac_canvas *c, const char *text, size_t len, const lacuna_span *span, const size_t *slots, size_t n, int32_t tag)
{
    static int32_t id[MOST];
    int32_t pos = tag >= 0;
    size_t slot = 0, entry = 0, prefix = encode(text, span[0].start, id, NULL);
    assert_int_equal(c->n_holes, n);
    pos += (int32_t)prefix;
    for (size_t h = 0; h < n; h++) {
        assert_int_equal(c->hole[h].first, slot);
        assert_int_equal(c->hole[h].n, slots[h]);
        for (size_t k = 0; k < slots[h]; k++, slot++) {
            assert_int_equal(c->hole_of[slot], h);
            assert_int_equal(c->slot_pos[slot], pos++);
        }
        size_t to = h + 1 < n ? span[h + 1].start : len, m = encode(text + span[h].end, to - span[h].end, id, NULL);
        for (size_t k = 0; k < m; k++, entry++) {
            assert_int_equal(c->token[entry], id[k]);
            assert_int_equal(c->pos[entry], pos++);
        }
    }
    if (tag >= 0) {
        assert_int_equal(c->token[entry], tag);
        assert_int_equal(c->pos[entry++], 0);
    }
    encode(text, span[0].start, id, NULL);
    for (size_t k = 0; k < prefix; k++, entry++) {
        assert_int_equal(c->token[entry], id[k]);
        assert_int_equal(c->pos[entry], (int32_t)k + (tag >= 0));
    }
    assert_int_equal(c->n_context, entry);
    assert_int_equal(c->n_slots, slot);
    assert_int_equal(c->dropped, 0);
    assert_int_equal((size_t)pos, c->n_context + c->n_slots); /* every position is taken once */
}

static const char text[] = "static int sum(const int *v, int n)\n{\n    int s = 0;\n    for (int i = 0; i < n; i++) s += v[i];\n    return s;\n}\n";
enum { LEN = sizeof text - 1 };

static void made(const lacuna_span *span, const size_t *slots, size_t n, int32_t tag)
{
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    lacuna_error err;
    lac_canvas_want w = {tok, text, LEN, span, slots, n, tag, 512, false, false};
    CHECK(lac_canvas_check(text, LEN, span, n, &err) == 0, "%s", err.msg);
    CHECK(lac_canvas_text(&c, &w, &a, &err) == 0, "%s", err.msg);
    matches(&c, text, LEN, span, slots, n, tag);
    lac_arena_free(&a);
}

static void as_drawn(void **state)
{
    (void)state;
    const lacuna_span one = {48, 52}, three[3] = {{11, 14}, {48, 52}, {90, 90}}, ends[3] = {{0, 0}, {40, 40}, {LEN, LEN}}, all = {0, LEN},
                      touching[3] = {{5, 8}, {8, 8}, {8, 20}};
    const size_t slots[3] = {4, 1, 9};
    for (int32_t tag = -1; tag <= TAG; tag += TAG + 1) {
        made(&one, slots, 1, tag);
        made(three, slots, 3, tag);
        made(ends, slots, 3, tag);
        made(&all, slots, 1, tag);
        made(touching, slots, 3, tag);
    }
}

static void as_drawn_at_random(void **state)
{
    (void)state;
    lac_rng rng = lac_rng_make(1, 2);
    for (int i = 0; i < 300; i++) {
        lacuna_span span[5];
        size_t slots[5], at = 0, n = 1 + (size_t)lac_rng_below(&rng, 5);
        for (size_t h = 0; h < n; h++) {
            span[h].start = at += lac_rng_below(&rng, 20);
            span[h].end = at += lac_rng_below(&rng, 4);
            slots[h] = 1 + (size_t)lac_rng_below(&rng, 12);
        }
        made(span, slots, n, i & 1 ? TAG : -1);
    }
}

/* Typing before the hole keeps what has entered: the list of entries grows at its end. */
static void typing_appends(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lac_canvas c, d;
    const char before[] = "int a;\nint b;\n}\n", after[] = "int a;\nint b;\nint cc;\n}\n";
    const size_t slots = 5;
    lac_canvas_want w = {tok, before, sizeof before - 1, &(lacuna_span){14, 14}, &slots, 1, TAG, 512, false, false};
    assert_int_equal(lac_canvas_text(&c, &w, &a, NULL), 0);
    w.text = after;
    w.len = sizeof after - 1;
    w.span = &(lacuna_span){22, 22};
    assert_int_equal(lac_canvas_text(&d, &w, &a, NULL), 0);
    assert_true(d.n_context > c.n_context);
    assert_memory_equal(c.token, d.token, c.n_context * sizeof *c.token);
    lac_arena_free(&a);
}

/* ---- the window ---- */

static char *long_text(size_t len)
{
    char *t = malloc(len);
    for (size_t i = 0; i < len; i++) t[i] = "if (x == 10) return y;\n"[i % 23];
    return t;
}

/* All that was kept is the text around the hole; the rest is counted. */
static void window(size_t before, size_t after, size_t slots, size_t limit, int32_t tag, size_t want_prefix, size_t want_suffix)
{
    static int32_t id[MOST];
    static size_t end[MOST];
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    lacuna_error err;
    char *t = long_text(before + after);
    lac_canvas_want w = {tok, t, before + after, &(lacuna_span){before, before}, &slots, 1, tag, limit, true, false};
    CHECK(lac_canvas_text(&c, &w, &a, &err) == 0, "%s", err.msg);
    assert_int_equal(c.n_context, want_prefix + want_suffix + (tag >= 0));
    assert_true(c.n_context + c.n_slots <= limit);
    size_t dropped = 0, p = encode(t, before, id, end);
    assert_true(p >= want_prefix);
    if (p > want_prefix) dropped += end[p - want_prefix - 1];
    for (size_t k = 0; k < want_prefix; k++) {
        assert_int_equal(c.token[c.n_context - want_prefix + k], id[p - want_prefix + k]);
        assert_int_equal(c.pos[c.n_context - want_prefix + k], (int32_t)k + (tag >= 0));
    }
    size_t q = encode(t + before, after, id, end);
    assert_true(q >= want_suffix);
    dropped += after - (want_suffix ? end[want_suffix - 1] : 0);
    for (size_t k = 0; k < want_suffix; k++) {
        assert_int_equal(c.token[k], id[k]);
        assert_int_equal(c.pos[k], (int32_t)(want_prefix + (tag >= 0) + slots + k));
    }
    CHECK(c.dropped == dropped, "%zu bytes are said to be dropped, %zu were", c.dropped, dropped);
    lac_arena_free(&a);
    free(t);
}

static void windows(void **state)
{
    (void)state;
    static int32_t id[MOST];
    char *t = long_text(2300);
    size_t line = encode(t, 23, id, NULL), ten = encode(t, 230, id, NULL);
    assert_int_equal(ten, 10 * line); /* every line has as many tokens */
    free(t);
    window(1150, 1150, 10, 100, -1, 60, 30);                  /* both too long: two thirds and one third of 90 */
    window(1150, 1150, 10, 101, TAG, 60, 30);                 /* the tag takes a position */
    window(1150, 1150, 10, 102, -1, 62, 30);                  /* thirds are rounded for the prefix */
    window(1150, 23, 10, 100, -1, 90 - line, line);           /* a short suffix stays whole */
    window(23, 1150, 10, 100, -1, line, 90 - line);           /* so does a short prefix */
    window(0, 1150, 10, 100, -1, 0, 90);
    window(1150, 0, 10, 100, -1, 90, 0);
    window(23, 23, 10, 10 + 2 * line, -1, line, line);        /* what fits is not touched */
    window(46, 23, 10, 10 + 3 * line - 1, -1, 2 * line, line - 1); /* one token too many: the suffix has more than its third */
    window(1150, 1150, 100, 100, -1, 0, 0);                   /* slots only */
    window(1150, 1150, 99, 101, TAG, 1, 0);
}

/* Text beyond what could ever fit is not even tokenised, and is counted all the same. */
static void a_window_of_a_megabyte(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    const size_t len = 1 << 20, slots = 10, limit = 100;
    char *t = long_text(len);
    lac_canvas_want w = {tok, t, len, &(lacuna_span){len / 2, len / 2}, &slots, 1, -1, limit, true, false};
    assert_int_equal(lac_canvas_text(&c, &w, &a, NULL), 0);
    assert_int_equal(c.n_context, 90);
    size_t bytes = 0;
    for (size_t i = 0; i < c.n_context; i++) bytes += lac_tok_bytes(tok, c.token[i]).len;
    assert_int_equal(c.dropped + bytes, len);
    assert_true(a.held < len / 4);
    lac_arena_free(&a);
    free(t);
}

static void limits(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    lacuna_error err;
    static int32_t id[MOST];
    const lacuna_span span[2] = {{23, 23}, {69, 69}};
    char *t = long_text(92), words[80];
    size_t outer = 2 * encode(t, 23, id, NULL), middle = encode(t + 23, 46, id, NULL), slots[2] = {5, 6};
    size_t all = outer + middle + 11;
    for (int drop = 0; drop < 2; drop++)
        for (int32_t tag = -1; tag <= TAG; tag += TAG + 1)
            for (size_t limit = 1; limit <= all + 2; limit++) {
                size_t fixed = tag >= 0;
                lac_canvas_want w = {tok, t, 92, span, slots, 2, tag, limit, drop != 0, false};
                int r = lac_canvas_text(&c, &w, &a, &err);
                if (limit >= all + fixed || (drop && limit >= middle + 11 + fixed)) {
                    assert_int_equal(r, 0);
                    assert_true(c.n_context + c.n_slots <= limit && c.n_context >= middle + fixed);
                    assert_int_equal(c.n_context + c.n_slots, limit < all + fixed ? limit : all + fixed);
                    continue;
                }
                assert_int_equal(r, LACUNA_E_LIMIT);
                if (limit < middle + 11 + fixed) snprintf(words, sizeof words, "are %zu more than the %zu positions", middle + 11 + fixed - limit, limit);
                else snprintf(words, sizeof words, "the context is %zu tokens too long", all + fixed - limit);
                CHECK(strstr(err.msg, words) != NULL, "limit %zu: '%s' is not in '%s'", limit, words, err.msg);
            }
    slots[0] = slots[1] = SIZE_MAX;
    lac_canvas_want w = {tok, t, 92, span, slots, 2, -1, 512, true, false};
    assert_int_equal(lac_canvas_text(&c, &w, &a, &err), LACUNA_E_LIMIT);
    lac_arena_free(&a);
    free(t);
}

static void checks(void **state)
{
    (void)state;
    lacuna_error err;
    const char s[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z\xFF\x80y"; /* boundaries: 0 1 3 6 10 11 12 13 14 */
    const size_t n = sizeof s - 1;
    static const bool boundary[] = {1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1};
    assert_int_equal(n, 14);
    for (size_t i = 0; i <= n; i++) {
        int r = lac_canvas_check(s, n, &(lacuna_span){i, n}, 1, &err), q = lac_canvas_check(s, n, &(lacuna_span){0, i}, 1, &err);
        CHECK((r == 0) == boundary[i] && (q == 0) == boundary[i], "byte %zu: %d %d", i, r, q);
        if (q) assert_int_equal(err.where, i);
    }
    assert_int_equal(lac_canvas_check(s, n, &(lacuna_span){3, 1}, 1, &err), LACUNA_E_ARG);
    assert_int_equal(lac_canvas_check(s, n, &(lacuna_span){n, n + 1}, 1, &err), LACUNA_E_ARG);
    assert_int_equal(lac_canvas_check(s, n, (lacuna_span[]){{0, 3}, {1, 3}}, 2, &err), LACUNA_E_ARG);
    assert_int_equal(err.where, 1);
    assert_int_equal(lac_canvas_check(s, n, (lacuna_span[]){{0, 3}, {3, 3}, {3, 6}}, 3, &err), 0);
    assert_int_equal(lac_canvas_check(s, n, NULL, 0, &err), LACUNA_E_ARG);
}

static void of_ids(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    lacuna_error err;
    const int32_t ids[7] = {9, -1, 8, -5, -1, 7, INT32_MIN};
    assert_int_equal(lac_canvas_ids(&c, ids, 7, 7, &a, &err), 0);
    static const int32_t slot_pos[4] = {1, 3, 4, 6}, pos[3] = {0, 2, 5}, token[3] = {9, 8, 7};
    assert_int_equal(c.n_holes, 1);
    assert_int_equal(c.hole[0].first, 0);
    assert_int_equal(c.hole[0].n, 4);
    assert_int_equal(c.n_slots, 4);
    assert_int_equal(c.n_context, 3);
    assert_memory_equal(c.slot_pos, slot_pos, sizeof slot_pos);
    assert_memory_equal(c.pos, pos, sizeof pos);
    assert_memory_equal(c.token, token, sizeof token);
    for (size_t i = 0; i < 4; i++) assert_int_equal(c.hole_of[i], 0);
    assert_int_equal(lac_canvas_ids(&c, ids, 7, 6, &a, &err), LACUNA_E_LIMIT);
    assert_int_equal(lac_canvas_ids(&c, ids, 1, 7, &a, &err), LACUNA_E_ARG);
    assert_int_equal(lac_canvas_ids(&c, NULL, 0, 7, &a, &err), LACUNA_E_ARG);
    lac_arena_free(&a);
}

static int set_up(void **state)
{
    size_t size;
    lacuna_error err;
    (void)state;
    mem = lac_mem_system_or((lacuna_allocator){0});
    char *blob = load_file(MODEL_PATH, &size);
    assert_non_null(blob);
    CHECK(lac_tok_open(&tok, blob, size, MODEL_PATH, &mem, &err) == 0, "%s", err.msg);
    free(blob);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lac_tok_free(tok);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_drawn),
        cmocka_unit_test(as_drawn_at_random),
        cmocka_unit_test(typing_appends),
        cmocka_unit_test(windows),
        cmocka_unit_test(a_window_of_a_megabyte),
        cmocka_unit_test(limits),
        cmocka_unit_test(checks),
        cmocka_unit_test(of_ids),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
