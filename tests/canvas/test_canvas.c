/* Texts with holes become entries, slots and positions as the drawing in canvas.h has it. */
#include "common/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "canvas/canvas.h"
#include "canvas/parts.h"
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

/* The drawing: positions run tag, far, gap, near, slots, middle, slots, suffix; entries enter from behind the first hole on, then
 * the tag, then the prefix.  Only the gap, behind what is far, and fewer than LAC_CANVAS_SLIDE positions before what follows the
 * first hole are free. */
static void matches(const lac_canvas *c, const char *text, size_t len, const lacuna_span *span, const size_t *slots, size_t n, int32_t tag)
{
    static int32_t id[MOST];
    size_t slot = 0, entry = 0, prefix = encode(text, span[0].start, id, NULL), gaps = 0;
    int32_t pos = c->slot_pos[0], next;
    assert_int_equal(c->n_holes, n);
    for (size_t h = 0; h < n; h++) {
        assert_int_equal(c->hole[h].first, slot);
        assert_int_equal(c->hole[h].n, slots[h]);
        for (size_t k = 0; k < slots[h]; k++, slot++) {
            assert_int_equal(c->hole_of[slot], h);
            assert_int_equal(c->slot_pos[slot], pos++);
        }
        size_t to = h + 1 < n ? span[h + 1].start : len, m = encode(text + span[h].end, to - span[h].end, id, NULL);
        if (!h) pos = (pos + (int32_t)LAC_CANVAS_SLIDE - 1) / (int32_t)LAC_CANVAS_SLIDE * (int32_t)LAC_CANVAS_SLIDE;
        if (!h && m) assert_int_equal(c->pos[entry] % (int32_t)LAC_CANVAS_GAP, 0);
        for (size_t k = 0; k < m; k++, entry++) {
            assert_int_equal(c->token[entry], id[k]);
            assert_int_equal(c->pos[entry], h ? pos : c->pos[0] + (int32_t)k);
            pos = c->pos[entry] + 1;
        }
    }
    if (tag >= 0) {
        assert_int_equal(c->token[entry], tag);
        assert_int_equal(c->pos[entry++], 0);
    }
    encode(text, span[0].start, id, NULL);
    next = tag >= 0;
    for (size_t k = 0; k < prefix; k++, entry++) {
        assert_int_equal(c->token[entry], id[k]);
        assert_true(c->pos[entry] >= next);
        gaps += c->pos[entry] > next;
        next = c->pos[entry] + 1;
    }
    assert_true(gaps <= 1);
    assert_true(prefix == 0 || next == c->slot_pos[0]);
    assert_int_equal(c->n_context, entry);
    assert_int_equal(c->n_slots, slot);
    assert_int_equal(c->dropped, 0);
    for (size_t h = 0; h < n; h++) assert_int_equal(c->heal[h].rest.len + c->heal[h].n_tokens, 0);
}

static const char text[] = "static int sum(const int *v, int n)\n{\n    int s = 0;\n    for (int i = 0; i < n; i++) s += v[i];\n    return s;\n}\n";
enum { LEN = sizeof text - 1 };

static void made(const lacuna_span *span, const size_t *slots, size_t n, int32_t tag)
{
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    lacuna_error err;
    lac_canvas_want w = {tok, text, LEN, span, slots, n, tag, 512, false, false, NULL, 0};
    CHECK(lac_canvas_check(text, LEN, span, n, &err) == 0, "%s", err.msg);
    CHECK(lac_canvas_text(&c, &w, &a, &err) == 0, "%s", err.msg);
    matches(&c, text, LEN, span, slots, n, tag);
    parts_match(tok, &c, &w);
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

/* Typing before the hole keeps what has entered before what is near, positions too. */
static void typing_appends(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lac_canvas c, d;
    char after[LEN + 2];
    const size_t slots = 5, at = (size_t)(strstr(text, "s += v") - text);
    lac_canvas_want w = {tok, text, LEN, &(lacuna_span){at, at}, &slots, 1, TAG, 512, false, false, NULL, 0};
    memcpy(after, text, at);
    memcpy(after + at, "x ", 2);
    memcpy(after + at + 2, text + at, LEN - at);
    assert_int_equal(lac_canvas_text(&c, &w, &a, NULL), 0);
    w.text = after;
    w.len = sizeof after;
    w.span = &(lacuna_span){at + 2, at + 2};
    assert_int_equal(lac_canvas_text(&d, &w, &a, NULL), 0);
    size_t same = 0;
    while (same < c.n_context && c.token[same] == d.token[same] && c.pos[same] == d.pos[same]) same++;
    assert_true(d.n_context > c.n_context && same * 2 > c.n_context);
    lac_arena_free(&a);
}

/* Where all of the text fits only without a gap, or with a smaller one, it is there. */
static void gaps_that_do_not_fit(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    static int32_t id[MOST];
    const size_t slots = 7, p = encode(text, 48, id, NULL), q = encode(text + 48, LEN - 48, id, NULL), all = p + slots + q;
    for (int drop = 0; drop < 2; drop++)
        for (size_t limit = all; limit < all + 80; limit++) {
            lac_canvas c;
            lac_canvas_want w = {tok, text, LEN, &(lacuna_span){48, 48}, &slots, 1, -1, limit, drop != 0, false, NULL, 0};
            assert_int_equal(lac_canvas_text(&c, &w, &a, NULL), 0);
            assert_int_equal(c.n_context, p + q);
            assert_int_equal(c.dropped, 0);
            size_t after = (size_t)c.pos[0];
            assert_true(after >= p + slots && after + q <= limit);
            if (limit == all) assert_int_equal(after, p + slots);
            lac_arena_reset(&a);
        }
    lac_arena_free(&a);
}

/* ---- healing ---- */

/* The text before each hole is that of the entries and what the fill begins with; nothing else moves. */
static void heals(const char *t, size_t len, const lacuna_span *span, size_t n)
{
    lac_arena a = {.mem = &mem};
    lac_canvas c, d;
    const size_t slots[3] = {4, 5, 6};
    lac_canvas_want w = {tok, t, len, span, slots, n, TAG, 512, false, false, NULL, 0};
    assert_int_equal(lac_canvas_text(&c, &w, &a, NULL), 0);
    w.heal = true;
    assert_int_equal(lac_canvas_text(&d, &w, &a, NULL), 0);
    size_t taken = 0;
    for (size_t h = 0; h < n; h++) {
        lacuna_text rest = d.heal[h].rest;
        taken += d.heal[h].n_tokens;
        assert_true(rest.len <= span[h].start - (h ? span[h - 1].end : 0) && rest.len <= LAC_HEAL_BYTES);
        assert_memory_equal(rest.bytes, t + span[h].start - rest.len, rest.len);
        assert_int_equal(d.hole[h].n, slots[h] + d.heal[h].n_tokens);
        for (size_t k = 0, at = 0; k < d.heal[h].n_tokens; k++) {
            const lacuna_text t_k = lac_tok_bytes(tok, d.heal[h].id[k]);
            assert_true(at + t_k.len <= rest.len && !memcmp(t_k.bytes, rest.bytes + at, t_k.len));
            at += t_k.len;
        }
        size_t last = d.hole[h].first + d.hole[h].n - 1, was = c.hole[h].first + c.hole[h].n - 1;
        assert_int_equal(d.slot_pos[last], c.slot_pos[was]);
        for (size_t k = d.hole[h].first; k < last; k++) assert_int_equal(d.slot_pos[k] + 1, d.slot_pos[k + 1]);
    }
    assert_int_equal(d.n_context + taken, c.n_context);
    assert_int_equal(d.n_slots, c.n_slots + taken);
    assert_int_equal(d.dropped, 0);
    parts_match(tok, &d, &w);
    lac_arena_free(&a);
}

static size_t rest_of(const char *t, char rest[LAC_HEAL_BYTES])
{
    static int32_t id[MOST];
    size_t len;
    lac_heal_tokens(tok, id, encode(t, strlen(t), id, NULL), rest, &len);
    return len;
}

static void healing(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rest;
    } cases[] = {{"x = pri", " pri"}, {"    retur", "retur"}, {"a;\n", ""}, {"\n     ", " "}, {"return ", " "}, {"\n    ", ""},
                 {"x =  ", ""}, {"\t\t", ""}, {"/* The backwar", " backwar"}, {"", ""}};
    char rest[LAC_HEAL_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = rest_of(cases[i].text, rest);
        CHECK(len == strlen(cases[i].rest) && !memcmp(rest, cases[i].rest, len), "'%s': '%.*s'", cases[i].text, (int)len, rest);
    }
    for (size_t at = 0; at <= LEN; at++) {
        /* exactly the longest run of last tokens that begins a longer token, by trying all; no line feed, no indentation */
        static int32_t id[MOST];
        size_t n = encode(text, at, id, NULL), best = 0, len = 0;
        for (size_t k = 1; k <= n; k++) {
            len += lac_tok_bytes(tok, id[n - k]).len;
            const char *rest_k = text + at - len;
            if (memchr(rest_k, '\n', len)) break;
            if (strspn(rest_k, " \t") >= len && (len > 1 || *rest_k != ' ')) continue;
            for (uint32_t v = 0; len <= LAC_HEAL_BYTES && v < lac_tok_vocab(tok); v++) {
                lacuna_text b = lac_tok_bytes(tok, (int32_t)v);
                if (b.len > len && !memcmp(b.bytes, text + at - len, len)) best = k;
            }
            if (len > LAC_HEAL_BYTES) break;
        }
        assert_int_equal(lac_heal_tokens(tok, id, n, rest, &len), best);
        assert_memory_equal(rest, text + at - len, len);
    }
    for (size_t at = 0; at < LEN; at++) heals(text, LEN, (lacuna_span[]){{at / 2, at / 2}, {at, at + 1}, {LEN, LEN}}, 3);
    assert_true(lac_heal_spells((lacuna_text){"printf", 6}, (lacuna_text){"pri", 3}));
    assert_true(lac_heal_spells((lacuna_text){"pri", 3}, (lacuna_text){"pri", 3}));
    assert_false(lac_heal_spells((lacuna_text){"pr", 2}, (lacuna_text){"pri", 3}));
    assert_false(lac_heal_spells((lacuna_text){"paint", 5}, (lacuna_text){"pri", 3}));
    assert_false(lac_heal_spells((lacuna_text){"", 0}, (lacuna_text){"pri", 3}));
}

/* ---- the window ---- */

static char *long_text(size_t len)
{
    char *t = malloc(len);
    for (size_t i = 0; i < len; i++) t[i] = "if (x == 10) return y;\n"[i % 23];
    return t;
}

/* What is kept is text around the hole, of every length on both sides; the rest is counted. */
static void window(size_t before, size_t after, size_t slots, size_t limit, int32_t tag)
{
    static int32_t id[MOST];
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    lacuna_error err;
    char *t = long_text(before + after);
    lac_canvas_want w = {tok, t, before + after, &(lacuna_span){before, before}, &slots, 1, tag, limit, true, false, NULL, 0};
    CHECK(lac_canvas_text(&c, &w, &a, &err) == 0, "%s", err.msg);
    size_t q = 0, p, bytes = 0, whole_p = encode(t, before, id, NULL), whole_q = encode(t + before, after, id, NULL);
    size_t slot = c.slot_pos[0] ? (size_t)c.slot_pos[0] : 0;
    while (q < c.n_context && (size_t)c.pos[q] >= slot + slots) q++;
    p = c.n_context - q - (tag >= 0);
    for (size_t k = 0; k < q; k++) {
        assert_int_equal(c.token[k], id[k]);
        assert_int_equal(c.pos[k], c.pos[0] + (int32_t)k);
    }
    if (q) assert_true((size_t)c.pos[q - 1] < limit);
    assert_true(slot >= p + (tag >= 0));
    assert_true(!q || (size_t)c.pos[0] < slot + slots + LAC_CANVAS_SLIDE || slot == p + (tag >= 0));
    encode(t, before, id, NULL);
    for (size_t k = 0; k < p; k++) {
        assert_int_equal(c.token[c.n_context - p + k], id[whole_p - p + k]);
        assert_true(c.pos[c.n_context - p + k] >= (int32_t)k + (tag >= 0) && (size_t)c.pos[c.n_context - p + k] < slot);
    }
    for (size_t k = 0; k < c.n_context; k++) bytes += lac_tok_bytes(tok, c.token[k]).len;
    assert_int_equal(c.dropped + bytes, before + after);
    parts_match(tok, &c, &w);
    for (size_t i = 0; i < c.n_parts; i++) assert_int_equal(c.part[i].why, LACUNA_CONTEXT_NEAR);
    const size_t room = limit - slots - (tag >= 0), kept = p + q;
    if (whole_p + whole_q <= room) assert_int_equal(kept, whole_p + whole_q);
    else CHECK(room < 400 ? kept * 2 + 2 >= room : kept * 3 >= room * 2, "%zu + %zu tokens before and after, room for %zu: %zu + %zu kept", whole_p, whole_q, room, p, q);
    assert_true(q >= (whole_q < room / 3 ? whole_q : room / 3));
    lac_arena_free(&a);
    free(t);
}

static void windows(void **state)
{
    (void)state;
    static const size_t length[] = {0, 1, 22, 23, 46, 200, 500, 1150, 2300, 4000}, limits[] = {20, 100, 101, 512};
    for (int32_t tag = -1; tag <= TAG; tag += TAG + 1)
        for (size_t i = 0; i < 10; i++)
            for (size_t k = 0; k < 10; k++)
                for (size_t l = 0; l < 4; l++)
                    for (size_t slots = 1; slots < limits[l]; slots += 9 * limits[l] / 20) window(length[i], length[k], slots, limits[l], tag);
    window(1150, 1150, 100, 100, -1);
}

/* Texts without lines, and of many tokens a byte: something of what is near is kept. */
static void windows_without_lines(void **state)
{
    (void)state;
    static char t[6000];
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < sizeof t; i++) t[i] = kind == 0 ? 'a' : kind == 1 ? (char)(128 + i % 64) : "\xE4\xB8\x96"[i % 3];
        for (size_t limit = 8; limit <= 512; limit *= 4)
            for (size_t at = 0; at <= sizeof t; at += 600) {
                lac_arena a = {.mem = &mem};
                lac_canvas c;
                const size_t slots = 4;
                lac_canvas_want w = {tok, t, sizeof t, &(lacuna_span){at, at}, &slots, 1, -1, limit, true, false, NULL, 0};
                assert_int_equal(lac_canvas_text(&c, &w, &a, NULL), 0);
                assert_true(c.n_context + slots <= limit);
                CHECK((c.n_context + 1) * 2 >= limit - slots, "kind %d, limit %zu, at %zu: %zu entries", kind, limit, at, c.n_context);
                size_t bytes = 0;
                for (size_t i = 0; i < c.n_context; i++) bytes += lac_tok_bytes(tok, c.token[i]).len;
                assert_int_equal(c.dropped + bytes, sizeof t);
                lac_arena_free(&a);
            }
    }
}

/* Text beyond what could ever fit is not even tokenised, and is counted all the same. */
static void a_window_of_a_megabyte(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    const size_t len = 1 << 20, slots = 10, limit = 100;
    char *t = long_text(len);
    lac_canvas_want w = {tok, t, len, &(lacuna_span){len / 2, len / 2}, &slots, 1, -1, limit, true, false, NULL, 0};
    assert_int_equal(lac_canvas_text(&c, &w, &a, NULL), 0);
    assert_true(c.n_context >= 60 && c.n_context <= 90);
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
                lac_canvas_want w = {tok, t, 92, span, slots, 2, tag, limit, drop != 0, false, NULL, 0};
                int r = lac_canvas_text(&c, &w, &a, &err);
                if (limit >= all + fixed || (drop && limit >= middle + 11 + fixed)) {
                    assert_int_equal(r, 0);
                    assert_true(c.n_context + c.n_slots <= limit && c.n_context >= middle + fixed);
                    if (limit >= all + fixed) assert_int_equal(c.n_context + c.n_slots, all + fixed);
                    continue;
                }
                assert_int_equal(r, LACUNA_E_LIMIT);
                if (limit < middle + 11 + fixed) snprintf(words, sizeof words, "are %zu more than the %zu positions", middle + 11 + fixed - limit, limit);
                else snprintf(words, sizeof words, "the context is %zu tokens too long", all + fixed - limit);
                CHECK(strstr(err.msg, words) != NULL, "limit %zu: '%s' is not in '%s'", limit, words, err.msg);
            }
    slots[0] = slots[1] = SIZE_MAX;
    lac_canvas_want w = {tok, t, 92, span, slots, 2, -1, 512, true, false, NULL, 0};
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
    assert_int_equal(c.n_parts, 0);
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
    (void)state;
    mem = lac_mem_system_or((lacuna_allocator){0});
    tok = load_tok(&mem);
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
        cmocka_unit_test(gaps_that_do_not_fit),
        cmocka_unit_test(healing),
        cmocka_unit_test(windows),
        cmocka_unit_test(windows_without_lines),
        cmocka_unit_test(a_window_of_a_megabyte),
        cmocka_unit_test(limits),
        cmocka_unit_test(checks),
        cmocka_unit_test(of_ids),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
