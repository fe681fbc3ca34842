/* Foreign tokenizer models: each thing that is refused, by name and place, and damage of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "text/load.h"
#include "text/spm_check.h"
#include "text/tok.h"

static lacuna_allocator mem;

static int setup(void **state)
{
    (void)state;
    mem = lac_mem_system_or((lacuna_allocator){0});
    return 0;
}

/* ---- models made here ---- */

static void add_varint(lac_buf *b, uint64_t v)
{
    do {
        char c = (char)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
        lac_buf_add(b, &c, 1);
    } while (v >>= 7);
}

static void add_number(lac_buf *b, unsigned field, uint64_t v)
{
    add_varint(b, field << 3);
    add_varint(b, v);
}

static void add_bytes(lac_buf *b, unsigned field, const void *p, size_t n)
{
    add_varint(b, field << 3 | 2);
    add_varint(b, n);
    lac_buf_add(b, p, n);
}

static void add_message(lac_buf *b, unsigned field, lac_buf *m)
{
    add_bytes(b, field, m->data, m->len);
    lac_buf_free(m);
}

static void add_piece(lac_buf *b, const char *s, size_t n, float score, unsigned type)
{
    lac_buf m = {.mem = &mem};
    add_bytes(&m, 1, s, n);
    add_varint(&m, 2 << 3 | 5);
    lac_buf_add(&m, &score, 4);
    if (type != 1) add_number(&m, 3, type);
    add_message(b, 1, &m);
}

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };
enum { UNIGRAM = 1, BPE = 2 };

/* What every model needs; skip_byte: this byte piece is left out (256: none is). */
static void add_base(lac_buf *b, unsigned skip_byte)
{
    add_piece(b, "<unk>", 5, 0, UNKNOWN);
    add_piece(b, "<mask>", 6, 0, CONTROL);
    for (unsigned i = 0; i < 256; i++) {
        char s[8];
        snprintf(s, sizeof s, "<0x%02X>", i);
        if (i != skip_byte) add_piece(b, s, 6, 0, BYTE);
    }
    const char *normal[] = {"a", "b", "c", "\xE2\x96\x81", "ab", "abc", "\342\226\201a", "\n"};
    for (unsigned i = 0; i < 8; i++) add_piece(b, normal[i], strlen(normal[i]), i < 4 ? -9.0f : -(float)i, NORMAL);
}

static void add_trainer(lac_buf *b, unsigned type)
{
    lac_buf m = {.mem = &mem};
    add_number(&m, 3, type);
    add_number(&m, 35, 1);
    add_message(b, 2, &m);
}

static void add_normalizer(lac_buf *b)
{
    lac_buf m = {.mem = &mem};
    add_bytes(&m, 1, "identity", 8);
    add_bytes(&m, 2, "", 0);
    add_number(&m, 3, 0);
    add_number(&m, 4, 0);
    add_message(b, 3, &m);
}

static lac_buf make_model(unsigned type)
{
    lac_buf b = {.mem = &mem};
    add_base(&b, 256);
    add_trainer(&b, type);
    add_normalizer(&b);
    return b;
}

/* ---- what is asked of a model ---- */

static void round_trip(const lac_tok *t, const char *s, size_t len)
{
    int32_t ids[512];
    size_t ends[512], at = 0;
    assert_true(len <= 512);
    int64_t n = lac_tok_encode(t, s, len, ids, ends, 512, NULL);
    assert_true(n >= 0 && n <= 512);
    for (int64_t i = 0; i < n; i++) {
        lacuna_text b = lac_tok_bytes(t, ids[i]);
        assert_true(b.len && b.len <= len - at);
        assert_memory_equal(b.bytes, s + at, b.len);
        at += b.len;
        assert_int_equal(ends[i], at);
    }
    assert_int_equal(at, len);
}

/* An error that says something, or a tokenizer that loses nothing.  The blob is copied to a block of just
 * its size, so that ASan sees a read beyond it.  Returns 1 if it opened. */
static int survive(const char *blob, size_t size, lac_rng *r)
{
    lacuna_error err = {0};
    lac_tok *t;
    char *exact = malloc(size ? size : 1), s[200];
    memcpy(exact, blob, size);
    int code = lac_tok_open(&t, exact, size, "m", &mem, &err);
    free(exact);
    if (code) {
        assert_null(t);
        assert_true(code == LACUNA_E_FORMAT && err.code == code && err.where <= size && !strncmp(err.msg, "m: tokenizer", 12));
        return 0;
    }
    static const char text[] = "int main(void)\n{\n\treturn abc ab  \xC3\xA9\xE2\x96\x81\xF0\x9F\x98\x80\xFF;\n}\n<mask><0x41>aaaaaaaaaaaaaaaabbbbcccc";
    round_trip(t, text, sizeof text); /* with its NUL */
    for (int i = 0; i < 3; i++) {
        size_t len = (size_t)lac_rng_below(r, sizeof s);
        for (size_t k = 0; k < len; k++) s[k] = "abc \n\xE2\x96\x81\xC3\xA9<\0"[lac_rng_below(r, 12)];
        round_trip(t, s, len);
    }
    lac_tok_free(t);
    return 1;
}

/* The blob is refused at `where` with these words. */
static void refused(lac_buf *b, size_t where, const char *words)
{
    lacuna_error err = {0};
    lac_tok *t;
    assert_false(b->failed);
    assert_int_equal(lac_tok_open(&t, b->data, b->len, "m.gguf", &mem, &err), LACUNA_E_FORMAT);
    if (err.where != where || !strstr(err.msg, words) || strncmp(err.msg, "m.gguf: tokenizer", 17))
        fail_msg("wanted '%s' at %zu, got '%s' at %zu", words, where, err.msg, (size_t)err.where);
    assert_int_equal(lac_tok_open(&t, b->data, b->len, NULL, &mem, NULL), LACUNA_E_FORMAT);
    lac_buf_free(b);
}

static void test_made(void **state)
{
    (void)state;
    lac_rng r = lac_rng_make(1, 1);
    for (unsigned type = UNIGRAM; type <= BPE; type++) {
        lac_buf b = make_model(type);
        uint32_t n = 0;
        assert_int_equal(lac_spm_check(b.data, b.len, "m", &n, NULL), 0);
        assert_int_equal(n, 266);
        assert_int_equal(lac_spm_where(b.data, b.len, 0), 0);
        assert_int_equal(lac_spm_where(b.data, b.len, 266), b.len);
        assert_true(survive(b.data, b.len, &r));
        lac_tok *t;
        assert_int_equal(lac_tok_open(&t, b.data, b.len, "m", &mem, NULL), 0);
        int32_t ids[8];
        assert_int_equal(lac_tok_encode(t, "abc a\n", 6, ids, NULL, 8, NULL), 3);
        assert_int_equal(ids[0], 258 + 5);
        assert_int_equal(ids[1], 258 + 6);
        assert_int_equal(ids[2], 258 + 7);
        lac_tok_free(t);
        lac_buf_free(&b);
    }
}

static void test_wire(void **state)
{
    (void)state;
    lac_buf b = {.mem = &mem};
    refused(&b, 0, "empty");
    static const struct {
        const char *bytes;
        size_t n, where; /* where: from the end of a good model */
        const char *words;
    } cases[] = {
        {"\x0A", 1, 0, "malformed length"},
        {"\x0A\x80", 2, 0, "malformed length"},
        {"\x0A\x05zz", 4, 0, "field longer"},
        {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, 0, "field longer"},
        {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, 0, "malformed length"},
        {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12, 0, "malformed length"},
        {"\x80", 1, 0, "malformed field key"},
        {"\x02\x00", 2, 0, "malformed field key"}, /* field 0 */
        {"\xFA\xFF\xFF\xFF\xFF\x01\x00", 7, 0, "malformed field key"}, /* field above 2^29 */
        {"\x30\xFF", 2, 0, "malformed varint"},
        {"\x35\x00\x00\x00", 4, 0, "truncated number"},
        {"\x31\x00\x00\x00\x00\x00\x00\x00", 8, 0, "truncated number"},
        {"\x33\x34", 2, 0, "unknown wire type"}, /* a group */
        {"\x36", 1, 0, "unknown wire type"},
        {"\x08\x01", 2, 0, "a number where a message belongs"},
        {"\x0A\x00", 2, 0, "empty piece"},
        {"\x0A\x02\x0A\x00", 4, 0, "empty piece"},
        {"\x0A\x02\x0A\x01", 4, 2, "field longer"},
        {"\x0A\x03\x0A\x01\xFF", 5, 2, "not UTF-8"},
        {"\x0A\x05\x0A\x03\xED\xA0\x80", 7, 2, "not UTF-8"},
        {"\x0A\x05\x0A\x03z\0z", 7, 2, "NUL byte"},
        {"\x0A\x02\x08\x01", 4, 2, "not one string"},
        {"\x0A\x06\x0A\x01x\x0A\x01y", 8, 5, "not one string"},
        {"\x0A\x05\x0A\x01x\x10\x01", 7, 5, "score that is not one number"},
        {"\x0A\x08\x0A\x01x\x15\x00\x00\xC0\x7F", 10, 5, "not finite"},
        {"\x0A\x08\x0A\x01x\x15\x00\x00\x80\x7F", 10, 5, "not finite"},
        {"\x0A\x08\x0A\x01x\x15\x00\x00\x80\xFF", 10, 5, "not finite"},
        {"\x0A\x05\x0A\x01x\x18\x00", 7, 5, "unknown piece type"},
        {"\x0A\x05\x0A\x01x\x18\x07", 7, 5, "unknown piece type"},
        {"\x0A\x05\x0A\x01x\x1A\x00", 7, 5, "type that is not one number"},
        {"\x0A\x05\x0A\x01x\x18\x06", 7, 2, "not of the form"},
        {"\x0A\x0A\x0A\x06<0x4g>\x18\x06", 12, 2, "not of the form"},
        {"\x0A\x0A\x0A\x06<0x4a>\x18\x06", 12, 2, "not of the form"},
        {"\x0A\x0A\x0A\x06<0x4A>\x18\x06", 12, 2, "there before"},
        {"\x12\x02\x18\x00", 4, 2, "model_type"},
        {"\x12\x02\x18\x03", 4, 2, "model_type"},
        {"\x12\x02\x18\x04", 4, 2, "model_type"},
        {"\x12\x02\x1A\x00", 4, 2, "model_type"},
        {"\x12\x03\x98\x02\x00", 5, 2, "byte_fallback is false"},
        {"\x1A\x03\x12\x01x", 5, 2, "normalizer_spec.precompiled_charsmap"},
        {"\x1A\x02\x18\x01", 4, 2, "add_dummy_prefix is true"},
        {"\x1A\x02\x18\x02", 4, 2, "add_dummy_prefix is true"},
        {"\x1A\x02\x20\x01", 4, 2, "remove_extra_whitespaces is true"},
        {"\x1A\x02\x28\x00", 4, 2, "escape_whitespaces is false"},
        {"\x2A\x03\x12\x01x", 5, 2, "denormalizer_spec.precompiled_charsmap"},
        {"\x22\x03\x0A\x01\xFF", 5, 4, "malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lac_buf m = make_model(BPE);
        size_t end = m.len;
        lac_buf_add(&m, cases[i].bytes, cases[i].n);
        refused(&m, end + cases[i].where, cases[i].words);
    }
}

static void test_missing(void **state)
{
    (void)state;
    lac_buf b = {.mem = &mem};
    add_trainer(&b, BPE);
    add_normalizer(&b);
    refused(&b, b.len, "no pieces");

    add_base(&b, 0x7F);
    add_trainer(&b, BPE);
    add_normalizer(&b);
    refused(&b, b.len, "no byte piece <0x7F>");

    add_base(&b, 256);
    add_trainer(&b, BPE);
    refused(&b, b.len, "no normalizer_spec");

    for (unsigned field = 3; field <= 4; field++) { /* one of the two is set to false, the other left alone */
        lac_buf m = {.mem = &mem};
        add_base(&b, 256);
        add_trainer(&b, BPE);
        size_t at = b.len;
        add_number(&m, field, 0);
        add_message(&b, 3, &m);
        refused(&b, at, field == 4 ? "add_dummy_prefix is true by default" : "remove_extra_whitespaces is true by default");
    }

    add_base(&b, 256);
    add_normalizer(&b);
    refused(&b, b.len, "byte_fallback is false by default");

    for (unsigned i = 0; i < 256; i++) { /* and no unknown piece: SentencePiece says so */
        char s[8];
        snprintf(s, sizeof s, "<0x%02X>", i);
        add_piece(&b, s, 6, 0, BYTE);
    }
    add_trainer(&b, BPE);
    add_normalizer(&b);
    refused(&b, 0, "unk is not defined");
}

static void test_limits(void **state)
{
    (void)state;
    lac_rng r = lac_rng_make(2, 1);
    char big[2000];
    memset(big, 'a', sizeof big);

    lac_buf b = make_model(BPE);
    size_t at = b.len;
    add_piece(&b, big, 1024, 0, NORMAL);
    assert_true(survive(b.data, b.len, &r));
    add_piece(&b, big, 1025, 0, NORMAL);
    refused(&b, at + 1024 + 13 + 1, "more than 1024 bytes");

    b = make_model(BPE);
    at = b.len;
    add_piece(&b, big, 65, 0, USER_DEFINED);
    refused(&b, at + 2, "more than 64 characters");

    b = make_model(BPE); /* duplicates */
    add_piece(&b, "ab", 2, 0, NORMAL);
    refused(&b, 0, "ab is already defined");
    b = make_model(BPE); /* SentencePiece keeps two tables and misses this one */
    at = b.len;
    add_piece(&b, "<mask>", 6, 0, NORMAL);
    refused(&b, at, "'<mask>' is there twice");
    b = make_model(BPE);
    add_piece(&b, "abc", 3, 0, CONTROL);
    refused(&b, lac_spm_where(b.data, b.len, 263), "'abc' is there twice");

    b = make_model(BPE);
    at = b.len;
    char *junk = calloc(1, LAC_SPM_MAX_SPEC);
    add_bytes(&b, 200, junk, LAC_SPM_MAX_SPEC); /* an extension */
    refused(&b, at, "more than 1 MiB");
    b = make_model(BPE);
    at = b.len;
    add_bytes(&b, 4, junk, LAC_SPM_MAX_SELF_TEST + 1);
    refused(&b, at, "more than 64 KiB");
    free(junk);

    lacuna_error err;
    static const char one[1] = {0};
    assert_int_equal(lac_spm_check(one, LAC_SPM_MAX_SIZE + 1, "m", NULL, &err), LACUNA_E_FORMAT); /* not read */
    assert_int_equal(err.where, LAC_SPM_MAX_SIZE);

    b = make_model(BPE);
    uint32_t n = 266;
    for (; n < LAC_SPM_MAX_PIECES; n++) {
        snprintf(big, sizeof big, "z%x", n);
        add_bytes(&b, 1, "\x0A\x06z00000", 8);
        memcpy(b.data + b.len - 6 + (6 - strlen(big)), big, strlen(big)); /* distinct, though few bytes */
    }
    assert_int_equal(lac_spm_check(b.data, b.len, "m", &n, &err), 0);
    assert_int_equal(n, LAC_SPM_MAX_PIECES);
    at = b.len;
    add_piece(&b, "q", 1, 0, NORMAL);
    assert_int_equal(lac_spm_check(b.data, b.len, "m", &n, &err), LACUNA_E_FORMAT);
    assert_int_equal(err.where, at);
    lac_buf_free(&b);
}

/* The largest shapes that pass: 64 user-defined pieces that begin each other, a chain of unused pieces that
 * SentencePiece takes apart by recursion, scores of both ends of float. */
static void test_hostile(void **state)
{
    (void)state;
    lac_rng r = lac_rng_make(3, 1);
    char big[1024];
    memset(big, 'a', sizeof big);
    for (unsigned type = UNIGRAM; type <= BPE; type++) {
        lac_buf b = make_model(type);
        for (unsigned i = 2; i <= 64; i++) add_piece(&b, big, i, 0, USER_DEFINED);
        assert_true(survive(b.data, b.len, &r));
        lac_buf_free(&b);

        b = make_model(type);
        for (unsigned i = 2; i <= 1024; i++) add_piece(&b, big, i, (float)i, UNUSED);
        assert_true(survive(b.data, b.len, &r));
        lac_tok *t;
        assert_int_equal(lac_tok_open(&t, b.data, b.len, "m", &mem, NULL), 0);
        assert_int_equal(lac_tok_encode(t, big, 1024, NULL, NULL, 0, NULL), 1024);
        lac_tok_free(t);
        lac_buf_free(&b);

        b = make_model(type);
        add_piece(&b, "aa", 2, 3.4e38f, NORMAL);
        add_piece(&b, "bb", 2, -3.4e38f, NORMAL);
        add_piece(&b, "aaaa", 4, 3.4e38f, USER_DEFINED);
        add_piece(&b, "a b", 3, 1, NORMAL); /* a blank as itself: never matched */
        add_piece(&b, " ", 1, 1, USER_DEFINED);
        add_piece(&b, "a\n", 2, 1, USER_DEFINED);
        assert_true(survive(b.data, b.len, &r));
        lac_buf_free(&b);
    }
}

/* Nothing is written to stderr, not even when SentencePiece has something to say: self-test samples that fail
 * are what it logs at open. */
static void test_silent(void **state)
{
    (void)state;
    lac_buf b = make_model(BPE), sample = {.mem = &mem}, data = {.mem = &mem};
    size_t size;
    add_bytes(&sample, 1, "abc", 3);
    add_bytes(&sample, 2, "a b c", 5);
    add_message(&data, 1, &sample);
    add_message(&b, 4, &data);
    char *real = load_file(MODEL_PATH, &size);
    FILE *f = tmpfile();
    assert_true(f && real);
    fflush(stderr);
    int keep = dup(2);
    dup2(fileno(f), 2);
    lac_tok *t, *u;
    lacuna_error err;
    int failed = lac_tok_open(&t, b.data, b.len, "m", &mem, &err), good = lac_tok_open(&u, real, size, "m", &mem, NULL);
    int64_t n = good ? -1 : lac_tok_encode(u, "a\xFF\0\xE2\x96\x81", 6, NULL, NULL, 0, NULL);
    fflush(stderr);
    dup2(keep, 2);
    close(keep);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    assert_int_equal(ftell(f), 0);
    fclose(f);
    assert_int_equal(failed, LACUNA_E_FORMAT);
    assert_non_null(strstr(err.msg, "SentencePiece refuses"));
    assert_int_equal(n, 6);
    lac_tok_free(u);
    lac_buf_free(&b);
    free(real);
}

/* The file of a real model, cut short anywhere. */
static void test_truncated(void **state)
{
    (void)state;
    size_t size = 0, opened = 0;
    char *blob = load_file(MODEL_PATH, &size);
    lac_rng r = lac_rng_make(4, 1);
    assert_non_null(blob);
    for (size_t i = 0; i < 400; i++) /* the last 100 bytes, and 300 points before */
        opened += (size_t)survive(blob, i < 100 ? size - 1 - i : (i - 100) * (size - 101) / 299, &r);
    assert_int_equal(opened, 0); /* what matters comes last in this file */
    free(blob);
}

static void test_flipped(void **state)
{
    (void)state;
    size_t size = 0, opened = 0;
    char *blob = load_file(MODEL_PATH, &size);
    lac_rng r = lac_rng_make(5, 1);
    assert_non_null(blob);
    for (int i = 0; i < 2000; i++) {
        size_t at = (size_t)lac_rng_below(&r, size);
        if (i & 1) at = i & 2 ? size - 1 - at % 600 : at % 6000; /* the settings; the first pieces, bytes among them */
        char was = blob[at];
        blob[at] = (char)(was ^ (i & 4 ? 1 << lac_rng_below(&r, 8) : (int)(1 + lac_rng_below(&r, 255))));
        opened += (size_t)survive(blob, size, &r);
        blob[at] = was;
    }
    print_message("report: spm_check: %zu of 2000 damaged models open\n", opened);
    assert_true(opened > 0 && opened < 2000);
    free(blob);
}

/* Small models take more damage: 8,000 with up to six changes each, of both types. */
static void test_mutated(void **state)
{
    (void)state;
    size_t opened = 0;
    lac_rng r = lac_rng_make(6, 1);
    for (unsigned type = UNIGRAM; type <= BPE; type++) {
        lac_buf b = make_model(type);
        add_piece(&b, "aaaa", 4, 1, USER_DEFINED);
        add_piece(&b, "bc", 2, 1, UNUSED);
        char *copy = malloc(b.len);
        for (int i = 0; i < 4000; i++) {
            memcpy(copy, b.data, b.len);
            size_t size = b.len, n = 1 + (size_t)lac_rng_below(&r, 6);
            for (size_t k = 0; k < n; k++) {
                size_t at = (size_t)lac_rng_below(&r, size);
                if (lac_rng_below(&r, 2)) at = size - 1 - at % 200;
                copy[at] = (char)lac_rng_below(&r, lac_rng_below(&r, 2) ? 256 : 8);
            }
            opened += (size_t)survive(copy, size, &r);
        }
        free(copy);
        lac_buf_free(&b);
    }
    print_message("report: spm_check: %zu of 8000 mutated models open\n", opened);
    assert_true(opened > 0 && opened < 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),    cmocka_unit_test(test_wire),      cmocka_unit_test(test_missing), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_silent),    cmocka_unit_test(test_truncated), cmocka_unit_test(test_flipped), cmocka_unit_test(test_mutated),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
