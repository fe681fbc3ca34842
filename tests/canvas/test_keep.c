/* Of a text that does not fit, lines that say most are kept: by priority, in text order, within their share, and still from key to key. */
#include "common/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rng.h"
#include "canvas/canvas.h"
#include "canvas/keep.h"
#include "canvas/parts.h"
#include "common/hook.h"
#include "text/load.h"

enum { TAG = 6, LINE = 24, LINES = 2000, LEN = LINE * LINES, LIMIT = 512, SLOTS = 8 };

static lac_tok *tok;
static lacuna_allocator mem;
static char text[LEN + 1]; /* lines of LINE bytes, each with its number */

static lacuna_context_part line_part(size_t line, lacuna_context_why why)
{
    return (lacuna_context_part){{line * LINE, (line + 1) * LINE}, why};
}

static size_t tokens_of(lacuna_span s)
{
    static int32_t id[PLACES];
    int64_t n = lac_tok_encode(tok, text + s.start, s.end - s.start, id, NULL, PLACES, NULL);
    assert_true(n >= 0 && n <= PLACES);
    return (size_t)n;
}

/* ---- the choice ---- */

static lac_keep chosen(lacuna_span outside, const lacuna_context_part *list, size_t n, size_t most, lac_arena *a)
{
    lac_keep k;
    lacuna_error err;
    CHECK(lac_keep_choose(&k, tok, text, outside, list, n, most, a, &err) == 0, "%s", err.msg);
    size_t end = outside.start, tokens = 0, bytes = 0;
    for (size_t i = 0; i < k.n_items; i++) {
        const lacuna_span s = k.item[i].part.span;
        assert_true(s.start >= end && s.start < s.end && s.end <= outside.end);
        for (size_t j = 0, at = s.start; j < k.item[i].n; j++) {
            const lacuna_text t = lac_tok_bytes(tok, k.item[i].id[j]);
            assert_memory_equal(t.bytes, text + at, t.len);
            at += t.len;
            if (j + 1 == k.item[i].n) assert_int_equal(at, s.end);
        }
        end = s.end;
        tokens += k.item[i].n;
        bytes += s.end - s.start;
    }
    assert_int_equal(tokens, k.tokens);
    assert_int_equal(bytes, k.bytes);
    assert_true(tokens <= most);
    return k;
}

static bool has(const lac_keep *k, lacuna_span s)
{
    for (size_t i = 0; i < k->n_items; i++)
        if (k->item[i].part.span.start == s.start && k->item[i].part.span.end == s.end) return true;
    return false;
}

static void first_come(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lacuna_context_part list[40];
    for (size_t i = 0; i < 40; i++) list[i] = line_part(i * 7 % 40 * 3, LACUNA_CONTEXT_SIGNATURE);
    size_t need = 0;
    for (size_t n = 0; n < 40; need += tokens_of(list[n++].span)) { /* the first n, with room for just so many */
        lac_keep k = chosen((lacuna_span){0, LEN}, list, 40, need, &a);
        assert_int_equal(k.n_items, n);
        assert_int_equal(k.tokens, need);
        for (size_t i = 0; i < n; i++) assert_true(has(&k, list[i].span));
        lac_arena_reset(&a);
    }
    lac_arena_free(&a);
}

/* One that does not fit is passed over; a later one that does is taken; but not after many have not fitted. */
static void too_long_ones(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lacuna_context_part list[40] = {{{0, LEN}, LACUNA_CONTEXT_IMPORT}, {{0, 40 * LINE}, LACUNA_CONTEXT_IMPORT},
                                    line_part(50, LACUNA_CONTEXT_SIGNATURE)};
    lac_keep k = chosen((lacuna_span){0, LEN}, list, 3, 60, &a);
    assert_int_equal(k.n_items, 1);
    assert_int_equal(k.item[0].part.why, LACUNA_CONTEXT_SIGNATURE);
    assert_true(has(&k, list[2].span));
    for (size_t i = 0; i < 39; i++) list[i] = list[0];
    list[39] = line_part(50, LACUNA_CONTEXT_SIGNATURE);
    k = chosen((lacuna_span){0, LEN}, list, 40, 60, &a);
    assert_int_equal(k.n_items, 0);
    lac_arena_free(&a);
}

static void clipped(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    const lacuna_span outside = {10 * LINE, 20 * LINE};
    const lacuna_context_part list[] = {{{0, 10 * LINE}, 1}, {{9 * LINE, 11 * LINE}, 1}, {{19 * LINE, 30 * LINE}, 1}, {{20 * LINE, 21 * LINE}, 1}};
    lac_keep k = chosen(outside, list, 4, 200, &a);
    assert_int_equal(k.n_items, 2);
    assert_true(has(&k, line_part(10, 1).span) && has(&k, line_part(19, 1).span));
    lac_arena_free(&a);
}

/* Spans that are none, lie elsewhere, or overlap one that is taken. */
static void hostile(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    const lacuna_context_part list[] = {
        {{5, 3}, 1},
        {{LEN, LEN + 100}, 1},
        {{SIZE_MAX, SIZE_MAX}, 1},
        {{SIZE_MAX, 0}, 1},
        {{7, 7}, 1},
        line_part(3, 2),
        line_part(3, 2),
        {{3 * LINE + 1, 3 * LINE + 2}, 1},
        {{2 * LINE, 4 * LINE}, 1},
        {{LEN - 5, SIZE_MAX}, 99},
    };
    lac_keep k = chosen((lacuna_span){0, LEN}, list, sizeof list / sizeof *list, 100, &a);
    assert_int_equal(k.n_items, 2);
    assert_true(has(&k, line_part(3, 2).span) && has(&k, (lacuna_span){LEN - 5, LEN}));
    k = chosen((lacuna_span){9, 9}, list, sizeof list / sizeof *list, 100, &a);
    assert_int_equal(k.n_items, 0);
    k = chosen((lacuna_span){0, LEN}, NULL, 0, 100, &a);
    assert_int_equal(k.n_items, 0);
    lac_arena_free(&a);
}

/* ---- the canvas ---- */

static lac_canvas_want asking(lacuna_span *span, const size_t *slots, const lacuna_context_part *keep, size_t n)
{
    return (lac_canvas_want){tok, text, LEN, span, slots, 1, TAG, LIMIT, true, false, keep, n};
}

static const size_t slots[3] = {SLOTS, 3, 5};

static lac_canvas made(const lac_canvas_want *w, lac_arena *a)
{
    lac_canvas c;
    lacuna_error err;
    CHECK(lac_canvas_text(&c, w, a, &err) == 0, "%s", err.msg);
    parts_match(tok, &c, w);
    enters_in_order(&c, w);
    return c;
}

static size_t kept_tokens(const lac_canvas *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_parts; i++)
        if (c->part[i].why != LACUNA_CONTEXT_NEAR) n += tokens_of(c->part[i].span);
    return n;
}

static bool same(const lac_canvas *c, const lac_canvas *d)
{
    return c->n_context == d->n_context && c->n_slots == d->n_slots && c->dropped == d->dropped && c->n_parts == d->n_parts &&
           !memcmp(c->token, d->token, c->n_context * sizeof *c->token) && !memcmp(c->pos, d->pos, c->n_context * sizeof *c->pos) &&
           !memcmp(c->slot_pos, d->slot_pos, c->n_slots * sizeof *c->slot_pos);
}

/* Far lines on both sides stand where the text has them, each on its own side; most of the room is the window's. */
static void on_both_sides(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    const lacuna_context_part keep[] = {line_part(3, LACUNA_CONTEXT_ENCLOSING), line_part(1900, LACUNA_CONTEXT_SIGNATURE),
                                        line_part(0, LACUNA_CONTEXT_IMPORT), line_part(1000, LACUNA_CONTEXT_SIGNATURE),
                                        line_part(1800, LACUNA_CONTEXT_SIGNATURE)};
    lac_canvas_want w = asking(&(lacuna_span){1000 * LINE + 9, 1000 * LINE + 12}, slots, keep, 5);
    lac_canvas c = made(&w, &a);
    assert_int_equal(c.n_parts, 6);
    static const lacuna_context_why why[6] = {LACUNA_CONTEXT_IMPORT, LACUNA_CONTEXT_ENCLOSING, LACUNA_CONTEXT_NEAR, LACUNA_CONTEXT_NEAR,
                                              LACUNA_CONTEXT_SIGNATURE, LACUNA_CONTEXT_SIGNATURE};
    for (size_t i = 0; i < 6; i++) assert_int_equal(c.part[i].why, why[i]);
    assert_int_equal(c.part[0].span.start, 0);
    assert_int_equal(c.part[1].span.start, 3 * LINE);
    assert_int_equal(c.part[2].span.end, w.span->start);
    assert_int_equal(c.part[3].span.start, w.span->end);
    assert_int_equal(c.part[4].span.start, 1800 * LINE);
    assert_int_equal(c.part[3].span.end % LINE, 0); /* lines are kept behind it: it ends with one */
    lac_arena_free(&a);
}

/* What of the share is not used is the window's. */
static void the_rest_is_near(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    const lacuna_context_part keep[] = {line_part(3, LACUNA_CONTEXT_IMPORT), line_part(1900, LACUNA_CONTEXT_SIGNATURE)};
    lac_canvas_want w = asking(&(lacuna_span){1000 * LINE + 9, 1000 * LINE + 12}, slots, keep, 2);
    for (w.limit = LIMIT; w.limit <= PLACES; w.limit *= 2) {
        w.n_keep = 2;
        lac_canvas c = made(&w, &a);
        w.n_keep = 0;
        lac_canvas plain = made(&w, &a);
        assert_int_equal(c.n_parts, 4);
        CHECK(c.n_context + LAC_CANVAS_GAP >= plain.n_context, "limit %zu: %zu entries, and %zu without kept lines", w.limit,
              c.n_context, plain.n_context);
        lac_arena_reset(&a);
    }
    lac_arena_free(&a);
}

/* Of a long text nothing is read but what is near and what is kept: the rest of its pages cannot be. */
static void reads_nothing_else(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), len = 64 * 4 * page, at = 32 * 4 * page;
    const int zero = open("/dev/zero", O_RDWR);
    char *t = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    assert_true(zero >= 0 && t != MAP_FAILED);
    for (size_t i = 0; i < len; i += LINE) memcpy(t + i, text + i % LEN, len - i < LINE ? len - i : LINE);
    assert_int_equal(mprotect(t + page, at - 4 * page - page, PROT_NONE), 0);
    assert_int_equal(mprotect(t + at + 4 * page, len - at - 4 * page - page, PROT_NONE), 0);
    const size_t last = (len / LINE - 1) * LINE;
    const lacuna_context_part keep[] = {line_part(2, LACUNA_CONTEXT_IMPORT), {{last, last + LINE}, LACUNA_CONTEXT_SIGNATURE},
                                        {{0, len}, LACUNA_CONTEXT_ENCLOSING}};
    lac_canvas_want w = asking(&(lacuna_span){at, at}, slots, keep, 3);
    w.text = t;
    w.len = len;
    lac_canvas c = made(&w, &a);
    assert_int_equal(c.n_parts, 4);
    assert_int_equal(munmap(t, len), 0);
    close(zero);
    lac_arena_free(&a);
}

static void ignored_where_all_fits(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    const lacuna_context_part keep[] = {line_part(0, LACUNA_CONTEXT_IMPORT), line_part(9, LACUNA_CONTEXT_SIGNATURE)};
    for (int drop = 0; drop < 2; drop++) {
        lac_canvas_want w = asking(&(lacuna_span){5 * LINE, 5 * LINE}, slots, keep, 2);
        w.len = 12 * LINE;
        w.drop_far = drop != 0;
        lac_canvas c = made(&w, &a);
        w.n_keep = 0;
        lac_canvas d = made(&w, &a);
        assert_true(same(&c, &d) && c.dropped == 0);
        for (size_t i = 0; i < c.n_parts; i++) assert_int_equal(c.part[i].why, LACUNA_CONTEXT_NEAR);
    }
    lac_arena_free(&a);
}

/* Lists of all kinds over holes anywhere: they never make a request fail, and no more than the share is theirs. */
static void at_random(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lac_rng rng = lac_rng_make(3, 4);
    for (int i = 0; i < 500; i++) {
        lacuna_context_part keep[64];
        lacuna_span span[3];
        const size_t n = (size_t)lac_rng_below(&rng, 65), holes = 1 + (size_t)lac_rng_below(&rng, 3);
        const size_t len = (size_t)lac_rng_below(&rng, i % 3 ? LEN : 3000);
        size_t at = (size_t)lac_rng_below(&rng, len + 1);
        for (size_t k = 0; k < n; k++) {
            const size_t line = (size_t)lac_rng_below(&rng, LINES), more = (size_t)lac_rng_below(&rng, 5);
            keep[k] = (lacuna_context_part){{line * LINE, (line + more) * LINE}, 1 + (lacuna_context_why)lac_rng_below(&rng, 3)};
            if (lac_rng_below(&rng, 8) == 0) keep[k].span.start = (size_t)lac_rng_below(&rng, 2 * LEN);
            if (lac_rng_below(&rng, 8) == 0) keep[k].span.end = (size_t)lac_rng_below(&rng, 2 * LEN);
        }
        for (size_t h = 0; h < holes; h++) {
            span[h].start = at;
            if ((at += lac_rng_below(&rng, 40)) > len) at = len;
            span[h].end = at;
            if ((at += lac_rng_below(&rng, 40)) > len) at = len;
        }
        lac_canvas_want w = {tok, text, len, span, slots, holes, i & 1 ? TAG : -1, 60 + (size_t)lac_rng_below(&rng, 700), true, i % 4 == 0, keep, n};
        lac_canvas c = made(&w, &a);
        const size_t most = kept_tokens(&c);
        CHECK(most * 4 <= w.limit, "%zu tokens kept of %zu", most, w.limit);
        if (i % 5 == 0) { /* a text without lines */
            static char one[LEN];
            for (size_t k = 0; k < len; k++) one[k] = text[k] == '\n' ? ' ' : text[k];
            w.text = one;
            c = made(&w, &a);
        }
        w.n_keep = 0;
        lac_canvas d = made(&w, &a);
        if (c.n_context && c.pos[0] > c.slot_pos[0]) assert_int_equal(c.pos[0], d.pos[0]); /* what enters first stays where it is */
        assert_int_equal(c.n_slots, d.n_slots);
        assert_true(c.n_context * 3 + 3 >= d.n_context * 2);
        lac_arena_reset(&a);
    }
    lac_arena_free(&a);
}

/* A share of a large room is bounded, and so is what is read of a list without end. */
static void many_items(void **state)
{
    (void)state;
    hook h = {0};
    const lacuna_allocator counted = hook_allocator(&h);
    lac_arena a = {.mem = &counted};
    enum { N = 100000 };
    lacuna_context_part *keep = malloc(N * sizeof *keep);
    for (size_t i = 0; i < N; i++) keep[i] = line_part(i % LINES, LACUNA_CONTEXT_SIGNATURE);
    lac_canvas_want w = asking(&(lacuna_span){1990 * LINE, 1990 * LINE}, slots, keep, N);
    for (w.limit = LIMIT; w.limit <= PLACES; w.limit *= 2) {
        lac_canvas c = made(&w, &a);
        const size_t n = kept_tokens(&c), share = lac_keep_share(w.limit);
        CHECK(n <= share && n * 2 >= share / 2, "%zu tokens kept of %zu", n, share);
        assert_true(a.held < (size_t)1 << 20);
        lac_arena_reset(&a);
    }
    lac_arena_free(&a);
    assert_int_equal(h.live + h.wrong, 0);
    free(keep);
}

/* Lists change nothing about what is too long. */
static void limits(void **state)
{
    (void)state;
    lac_arena a = {.mem = &mem};
    lacuna_context_part keep[100];
    for (size_t i = 0; i < 100; i++) keep[i] = line_part(i * 20, LACUNA_CONTEXT_SIGNATURE);
    for (size_t limit = 1; limit < 120; limit++)
        for (int drop = 0; drop < 2; drop++) {
            lac_canvas c;
            lacuna_error with, without;
            lacuna_span span[2] = {{1000 * LINE, 1000 * LINE}, {1001 * LINE, 1002 * LINE}};
            lac_canvas_want w = {tok, text, LEN, span, slots, 2, TAG, limit, drop != 0, false, keep, 100};
            const int r = lac_canvas_text(&c, &w, &a, &with);
            w.n_keep = 0;
            assert_int_equal(lac_canvas_text(&c, &w, &a, &without), r);
            if (r) assert_string_equal(with.msg, without.msg);
            w.n_keep = 100;
            if (!r) made(&w, &a);
            lac_arena_reset(&a);
        }
    lac_arena_free(&a);
}

static void out_of_memory(void **state)
{
    (void)state;
    hook h = {0};
    const lacuna_allocator failing = hook_allocator(&h);
    const lacuna_context_part keep[] = {line_part(3, LACUNA_CONTEXT_ENCLOSING), line_part(1900, LACUNA_CONTEXT_SIGNATURE)};
    lac_canvas_want w = asking(&(lacuna_span){1000 * LINE, 1000 * LINE}, slots, keep, 2);
    int r = LACUNA_E_NOMEM;
    for (h.fail_at = 1; r; h.fail_at++) {
        lac_arena a = {.mem = &failing};
        lac_canvas c;
        lacuna_error err;
        h.calls = 0;
        r = lac_canvas_text(&c, &w, &a, &err);
        if (r) assert_int_equal(r, LACUNA_E_NOMEM);
        lac_arena_free(&a);
        assert_int_equal(h.live + h.wrong, 0);
    }
    assert_true(h.fail_at > 2);
}

/* ---- typing ---- */

/* Keys at the cursor in the middle of the text: how much of each list of entries was in the last, and how often what is kept changed. */
typedef struct {
    size_t entries, common, changes;
} reuse;

static reuse type_keys(const char *keys, const lacuna_context_part *keep, size_t n)
{
    static char t[LEN + PLACES];
    static int32_t token[LIMIT], pos[LIMIT];
    lacuna_context_part moved[64];
    lac_arena arena[2] = {{.mem = &mem}, {.mem = &mem}};
    lac_canvas c, last = {0};
    reuse u = {0};
    size_t len = LEN, at = 1000 * LINE, n_last = 0;
    memcpy(t, text, LEN);
    for (size_t k = 0; keys[k]; k++) {
        memmove(t + at + 1, t + at, len - at);
        t[at++] = keys[k];
        len++;
        for (size_t i = 0; i < n; i++) {
            moved[i] = keep[i];
            if (keep[i].span.start >= 1000 * LINE) moved[i].span.start += k + 1, moved[i].span.end += k + 1;
        }
        lac_canvas_want w = {tok, t, len, &(lacuna_span){at, at}, slots, 1, TAG, LIMIT, true, true, moved, n};
        lac_arena_reset(&arena[k % 2]);
        c = made(&w, &arena[k % 2]);
        size_t i = 0;
        while (i < n_last && i < c.n_context && c.token[i] == token[i] && c.pos[i] == pos[i]) i++;
        if (k) {
            u.entries += c.n_context;
            u.common += i;
            u.changes += c.n_parts != last.n_parts || c.part[0].span.start != last.part[0].span.start;
        }
        n_last = c.n_context;
        memcpy(token, c.token, n_last * sizeof *token);
        memcpy(pos, c.pos, n_last * sizeof *pos);
        last = c;
    }
    lac_arena_free(&arena[0]);
    lac_arena_free(&arena[1]);
    return u;
}

static void typing_reuses(void **state)
{
    (void)state;
    lacuna_context_part keep[60];
    char keys[1201] = "";
    for (size_t i = 0; strlen(keys) + 40 < sizeof keys; i++)
        sprintf(keys + strlen(keys), i % 5 ? "    x%zu = f(a, %zu);\n" : "\n/* part %zu */\n", i, i + 3);
    for (size_t i = 0; i < 60; i++) /* nearest first, on both sides in turn, as an outline has them */
        keep[i] = line_part(i % 2 ? 1010 + i * 6 : 998 - i, i ? LACUNA_CONTEXT_SIGNATURE : LACUNA_CONTEXT_ENCLOSING);
    const reuse with = type_keys(keys, keep, 60), without = type_keys(keys, NULL, 0);
    const double share = (double)with.common / (double)with.entries, plain = (double)without.common / (double)without.entries;
    printf("report: %zu keys in a text that does not fit: %.2f%% of the entries are reused, without kept lines %.2f%%; "
           "what is kept changed %zu times\n",
           strlen(keys), 100 * share, 100 * plain, with.changes);
    assert_true(share >= 0.98);
    assert_true(with.changes * 40 < strlen(keys));
}

static int set_up(void **state)
{
    (void)state;
    mem = lac_mem_system_or((lacuna_allocator){0});
    tok = load_tok(&mem);
    for (size_t i = 0; i < LINES; i++) sprintf(text + i * LINE, "int value_%04zu(void *);%c", i, '\n');
    return text[LEN - 1] != '\n' || strlen(text) != LEN;
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
        cmocka_unit_test(first_come),
        cmocka_unit_test(too_long_ones),
        cmocka_unit_test(clipped),
        cmocka_unit_test(hostile),
        cmocka_unit_test(on_both_sides),
        cmocka_unit_test(the_rest_is_near),
        cmocka_unit_test(reads_nothing_else),
        cmocka_unit_test(ignored_where_all_fits),
        cmocka_unit_test(at_random),
        cmocka_unit_test(many_items),
        cmocka_unit_test(limits),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(typing_reuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
