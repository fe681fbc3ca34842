/* Documents: kept, saved, read again, and refused. */
#include "train/corpus.h"

#include <stdio.h>

#include "base/rng.h"
#include "common/hook.h"
#include "common/tiny.h"
#include "train/text.h"

static struct {
    hook hook;
    lacuna_allocator mem;
    lac_tok *tok;
    char folder[256], path[300];
} all;

static lac_corpus *open_corpus(void)
{
    lac_corpus *c;
    lacuna_error err;
    CHECK(lac_corpus_open(&c, all.tok, &all.mem, &err) == 0, "%s", err.msg);
    return c;
}

static void write_shard(const uint8_t *bytes, size_t n)
{
    FILE *f = fopen(all.path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void texts_are_kept(void **state)
{
    (void)state;
    lac_corpus *c = open_corpus();
    text_add_hard(c, all.tok);
    text_add_files(c, all.tok);
    const size_t hard = sizeof hard_texts / sizeof *hard_texts, files = sizeof text_files / sizeof *text_files;
    assert_int_equal(lac_corpus_documents(c), hard + files);
    uint64_t tokens = 0;
    for (size_t d = 0; d < hard + files; d++) {
        int32_t tag, *x;
        size_t size = 0, n = (size_t)lac_corpus_length(c, d, &tag);
        char *want = d < hard ? NULL : load_file(text_files[d - hard].path, &size);
        if (d < hard) size = hard_texts[d].len;
        char *got = malloc(size + 1);
        x = malloc((n + 1) * sizeof *x);
        assert_true(got && x);
        lac_corpus_read(c, d, 0, n, x);
        assert_int_equal(text_spell(all.tok, x, n, got), size);
        assert_memory_equal(got, want ? want : hard_texts[d].text, size);
        assert_int_equal(tag, d >= hard ? lac_tok_find(all.tok, text_files[d - hard].tag) : d % 2 ? lac_tok_find(all.tok, "<py>") : -1);
        tokens += n;
        free(x);
        free(got);
        free(want);
    }
    assert_int_equal(lac_corpus_tokens(c), tokens);
    lac_corpus_free(c);
}

/* A document as one number, for telling the same from another; by tag, length and tokens. */
static uint64_t mark(const lac_corpus *c, size_t d)
{
    int32_t tag, t;
    uint64_t n = lac_corpus_length(c, d, &tag), h = lac_mix((uint64_t)(tag + 1)) ^ n;
    for (uint64_t i = 0; i < n; i++) {
        lac_corpus_read(c, d, i, 1, &t);
        h = lac_mix(h ^ (uint64_t)t);
    }
    return h;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void a_shard_has_the_same_documents(void **state)
{
    (void)state;
    lacuna_error err;
    lac_corpus *a = open_corpus(), *b = open_corpus();
    text_add_files(a, all.tok);
    text_add_hard(a, all.tok);
    CHECK(lac_corpus_save(a, all.path, 7, &err) == 0, "%s", err.msg);
    CHECK(lac_corpus_add_shard(b, all.path, &err) == 0, "%s", err.msg);
    enum { DOCS = sizeof text_files / sizeof *text_files + sizeof hard_texts / sizeof *hard_texts };
    assert_int_equal(lac_corpus_documents(b), DOCS);
    assert_int_equal(lac_corpus_tokens(a), lac_corpus_tokens(b));
    uint64_t x[DOCS], y[DOCS], moved = 0;
    for (size_t d = 0; d < DOCS; d++) {
        x[d] = mark(a, d);
        y[d] = mark(b, d);
        moved += x[d] != y[d];
    }
    assert_true(moved > DOCS / 2); /* shuffled */
    qsort(x, DOCS, sizeof *x, by_value);
    qsort(y, DOCS, sizeof *y, by_value);
    assert_memory_equal(x, y, sizeof x);
    /* saved again, shard and texts together, it reads twice */
    text_add_files(b, all.tok);
    CHECK(lac_corpus_add_shard(b, all.path, &err) == 0, "%s", err.msg);
    assert_int_equal(lac_corpus_documents(b), 2 * DOCS + sizeof text_files / sizeof *text_files);
    for (size_t d = 0; d < DOCS; d++) assert_int_equal(mark(b, d), mark(b, d + DOCS + sizeof text_files / sizeof *text_files));
    lac_corpus_free(a);
    lac_corpus_free(b);
}

static void shards_that_are_wrong(void **state)
{
    (void)state;
    const uint8_t bos = (uint8_t)lac_tok_find(all.tok, "<bos>"), tag = (uint8_t)lac_tok_find(all.tok, "<c>");
    const struct {
        uint8_t bytes[10];
        size_t n, where;
        const char *says;
    } bad[] = {
        {{bos, 0, tag, 0, 9}, 5, 5, "two a token"},
        {{tag, 0, 9, 0}, 4, 0, "begins with <bos>"},
        {{bos, 0, tag, 0, 9, 0, 255, 255}, 8, 6, "token 65535"},
        {{bos, 0}, 2, 0, "no tag"},
        {{bos, 0, tag, 0, 9, 0, bos, 0, bos, 0}, 10, 6, "no tag"},
        {{bos, 0, tag, 0, bos, 0}, 6, 4, "no tag"},
    };
    lac_corpus *c = open_corpus();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lacuna_error err = {0};
        write_shard(bad[i].bytes, bad[i].n);
        assert_int_equal(lac_corpus_add_shard(c, all.path, &err), LACUNA_E_FORMAT);
        CHECK(strstr(err.msg, bad[i].says), "case %zu: %s", i, err.msg);
        assert_int_equal(err.where, bad[i].where);
        assert_int_equal(lac_corpus_documents(c), 0);
        assert_int_equal(lac_corpus_tokens(c), 0);
    }
    lacuna_error err;
    assert_int_equal(lac_corpus_add_shard(c, "no/such/shard", &err), LACUNA_E_IO);
    write_shard((const uint8_t[]){bos, 0, tag, 0}, 4); /* a document of nothing */
    CHECK(lac_corpus_add_shard(c, all.path, &err) == 0, "%s", err.msg);
    assert_int_equal(lac_corpus_documents(c), 1);
    assert_int_equal(lac_corpus_epoch(c, 8), 0);
    lac_corpus_free(c);
}

static void memory_runs_out(void **state)
{
    (void)state;
    lacuna_error err;
    lac_corpus *from = open_corpus();
    text_add_files(from, all.tok);
    CHECK(lac_corpus_save(from, all.path, 1, &err) == 0, "%s", err.msg);
    lac_corpus_free(from);
    for (size_t fail = 1, done = 0; !done; fail++) {
        hook h = {.fail_at = fail};
        lacuna_allocator mem = hook_allocator(&h);
        lac_corpus *c;
        assert_true(fail < 1000);
        int r = lac_corpus_open(&c, all.tok, &mem, &err);
        if (!r) {
            r = lac_corpus_add_text(c, "int x;\n", 7, 6, &err);
            if (!r) r = lac_corpus_add_shard(c, all.path, &err);
            if (!r) r = lac_corpus_save(c, all.path, 2, &err);
            else assert_true(lac_corpus_documents(c) <= 1);
            lac_corpus_free(c);
        }
        assert_true(!r || r == LACUNA_E_NOMEM);
        assert_int_equal(h.live, 0);
        assert_int_equal(h.wrong, 0);
        done = !r;
    }
}

static int begin(void **state)
{
    (void)state;
    all.mem = hook_allocator(&all.hook);
    all.tok = text_tok(&all.mem);
    if (!tiny_folder(all.folder)) return -1;
    snprintf(all.path, sizeof all.path, "%s/shard.bin", all.folder);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    tiny_folder_remove(all.folder);
    lac_tok_free(all.tok);
    return all.hook.live || all.hook.wrong;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_kept),
        cmocka_unit_test(a_shard_has_the_same_documents),
        cmocka_unit_test(shards_that_are_wrong),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
