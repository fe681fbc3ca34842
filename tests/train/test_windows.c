/* Windows: an epoch visits each once and covers every token; what a window is depends on seed and index alone. */
#include "train/windows.h"

#include "base/rng.h"
#include "common/hook.h"
#include "common/stat.h"
#include "train/text.h"

static struct {
    hook hook;
    lacuna_allocator mem;
    lac_tok *tok;
} all;

/* Documents of so many tokens; which one it is, its tag says. */
static lac_corpus *numbered(const size_t *len, size_t docs)
{
    lac_corpus *c;
    lacuna_error err;
    CHECK(lac_corpus_open(&c, all.tok, &all.mem, &err) == 0, "%s", err.msg);
    for (size_t d = 0; d < docs; d++) {
        char *text = malloc(len[d] + 1);
        assert_non_null(text);
        memset(text, '\n', len[d]); /* a line feed is one token, whatever is beside it */
        CHECK(lac_corpus_add_text(c, text, len[d], 3 + (int32_t)d, &err) == 0, "%s", err.msg);
        assert_int_equal(lac_corpus_length(c, d, NULL), len[d]);
        free(text);
    }
    return c;
}

static lac_windows open_windows(const lac_corpus *c, size_t n)
{
    lac_windows w;
    lacuna_error err;
    CHECK(lac_windows_open(&w, c, n, &all.mem, &err) == 0, "%s", err.msg);
    return w;
}

static void an_epoch_has_each_window_once(void **state)
{
    (void)state;
    const size_t len[] = {0, 1, 7, 8, 9, 16, 100, 0, 3, 257};
    enum { DOCS = sizeof len / sizeof *len };
    lac_corpus *c = numbered(len, DOCS);
    for (size_t n = 1; n < 40; n += n < 10 ? 1 : 7) {
        lac_windows w = open_windows(c, n);
        const uint64_t windows = lac_corpus_epoch(c, n);
        for (uint64_t e = 0; e < 5; e++) {
            uint64_t seen[DOCS] = {0};
            for (uint64_t i = 0; i < windows; i++) {
                int32_t x[64], tag;
                size_t k = lac_windows_get(&w, 11, e * windows + i, x, &tag), d = (size_t)(tag - 3);
                assert_true(tag >= 3 && d < DOCS);
                assert_int_equal(k, len[d] < n ? len[d] : n);
                seen[d]++;
            }
            for (size_t d = 0; d < DOCS; d++) assert_int_equal(seen[d], (len[d] + n - 1) / n);
        }
        lac_windows_free(&w, &all.mem);
    }
    lac_corpus_free(c);
}

/* Which token a window begins with is told by a text in which no stretch of N tokens comes twice. */
static void windows_cover_every_token(void **state)
{
    (void)state;
    enum { N = 32 };
    lac_corpus *c;
    lacuna_error err;
    CHECK(lac_corpus_open(&c, all.tok, &all.mem, &err) == 0, "%s", err.msg);
    text_add_files(c, all.tok);
    lac_windows w = open_windows(c, N);
    const uint64_t windows = lac_corpus_epoch(c, N);
    size_t docs = (size_t)lac_corpus_documents(c), starts = 0, loose = 0; /* a document whose windows have room to move */
    uint64_t first_start = 0; /* of the first epoch that has one behind the beginning */
    bool anew = false;
    while (loose < docs && (lac_corpus_length(c, loose, NULL) < 4 * N || (lac_corpus_length(c, loose, NULL) - 1) % N > N / 2)) loose++;
    assert_true(loose < docs);
    for (uint64_t e = 0; e < 5; e++) {
        uint8_t **hit = calloc(docs, sizeof *hit);
        int32_t **doc = calloc(docs, sizeof *doc);
        assert_true(hit && doc);
        for (size_t d = 0; d < docs; d++) {
            size_t n = (size_t)lac_corpus_length(c, d, NULL);
            hit[d] = calloc(n, 1);
            doc[d] = malloc(n * sizeof **doc);
            assert_true(hit[d] && doc[d]);
            lac_corpus_read(c, d, 0, n, doc[d]);
        }
        for (uint64_t i = 0; i < windows; i++) {
            int32_t x[N], tag;
            size_t k = lac_windows_get(&w, 5, e * windows + i, x, &tag), found = 0;
            for (size_t d = 0; d < docs; d++) /* where it may be: everywhere it occurs counts, its own place is among them */
                for (size_t at = 0, n = (size_t)lac_corpus_length(c, d, NULL); at + k <= n; at++)
                    if (doc[d][at] == x[0] && !memcmp(doc[d] + at, x, k * sizeof *x)) {
                        memset(hit[d] + at, 1, k);
                        found++;
                        if (d != loose || !at || at >= N) continue;
                        if (!starts++) first_start = at;
                        anew |= at != first_start;
                    }
            assert_true(found);
        }
        for (size_t d = 0; d < docs; d++) {
            assert_null(memchr(hit[d], 0, (size_t)lac_corpus_length(c, d, NULL)));
            free(hit[d]);
            free(doc[d]);
        }
        free(hit);
        free(doc);
    }
    assert_true(anew); /* windows begin elsewhere in another epoch */
    lac_windows_free(&w, &all.mem);
    lac_corpus_free(c);
}

static void seed_and_index_are_all(void **state)
{
    (void)state;
    enum { N = 48, SAMPLES = 400 };
    lac_corpus *c;
    lacuna_error err;
    CHECK(lac_corpus_open(&c, all.tok, &all.mem, &err) == 0, "%s", err.msg);
    text_add_files(c, all.tok);
    lac_windows a = open_windows(c, N), b = open_windows(c, N);
    size_t other_seed = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        int32_t x[N] = {0}, y[N] = {0}, z[N] = {0}, tag, tag2;
        size_t n = lac_windows_get(&a, 3, i, x, &tag);
        lac_windows_get(&b, 4, SAMPLES - i, z, &tag2);
        other_seed += memcmp(x, z, sizeof x) != 0;
        assert_int_equal(lac_windows_get(&b, 3, i, y, &tag2), n);
        assert_int_equal(tag, tag2);
        assert_memory_equal(x, y, sizeof x);
    }
    assert_true(other_seed > SAMPLES / 2);
    lac_windows_free(&a, &all.mem);
    lac_windows_free(&b, &all.mem);
    lac_corpus_free(c);
}

/* The document that comes first in an epoch is any of them alike: 8 documents of a window each, 8000 epochs. */
static void the_order_is_uniform(void **state)
{
    (void)state;
    const size_t len[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    lac_corpus *c = numbered(len, 8);
    lac_windows w = open_windows(c, 4);
    uint64_t first[8] = {0}, pair[64] = {0};
    double p1[8], p2[64];
    for (uint64_t e = 0; e < 8000; e++) {
        int32_t x[4], a, b;
        lac_windows_get(&w, 9, 8 * e, x, &a);
        lac_windows_get(&w, 9, 8 * e + 1, x, &b);
        first[a - 3]++;
        pair[(a - 3) * 8 + b - 3]++;
    }
    for (int i = 0; i < 8; i++) p1[i] = 1.0 / 8;
    for (int i = 0; i < 64; i++) p2[i] = i / 8 == i % 8 ? 0 : 1.0 / 56;
    CHECK(stat_chi2(first, p1, 8) > STAT_ALARM, "p = %g", stat_chi2(first, p1, 8));
    CHECK(stat_chi2(pair, p2, 64) > STAT_ALARM, "p = %g", stat_chi2(pair, p2, 64));
    lac_windows_free(&w, &all.mem);
    lac_corpus_free(c);
}

static void nothing_gives_nothing(void **state)
{
    (void)state;
    lac_corpus *c = numbered((const size_t[]){0, 0}, 2);
    lac_windows w = open_windows(c, 4);
    int32_t x[4], tag;
    assert_int_equal(lac_windows_get(&w, 1, 0, x, &tag), 0);
    assert_int_equal(tag, -1);
    lac_windows_free(&w, &all.mem);
    lac_corpus_free(c);
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
        cmocka_unit_test(an_epoch_has_each_window_once), cmocka_unit_test(windows_cover_every_token), cmocka_unit_test(seed_and_index_are_all),
        cmocka_unit_test(the_order_is_uniform),          cmocka_unit_test(nothing_gives_nothing),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
