/* The tokenizer: same ids as SentencePiece, and no byte lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/rng.h"
#include "text/load.h"
#include "text/tok.h"

static char *blob;
static size_t blob_size;
static lacuna_allocator mem;
static lac_tok *tok;

static int setup(void **state)
{
    (void)state;
    lacuna_error err;
    mem = lac_mem_system_or((lacuna_allocator){0});
    blob = load_file(MODEL_PATH, &blob_size);
    return !blob || lac_tok_open(&tok, blob, blob_size, MODEL_PATH, &mem, &err);
}

static int teardown(void **state)
{
    (void)state;
    lac_tok_free(tok);
    free(blob);
    return 0;
}

/* Ids that SentencePiece 0.1.97 gives by its Python module for the same model. */
static const struct {
    const char *text;
    size_t n;
    int32_t ids[44];
} golden[] = {
    {"",
     0, {0}},
    {"a",
     1, {8103}},
    {" ",
     1, {8097}},
    {"\n",
     1, {8}},
    {"\t\t\tif (x)\n",
     8, {9, 9, 9, 307, 319, 8131, 8118, 8}},
    {"int main(void)\n{\n    return 0;\n}\n",
     16, {347, 3484, 8119, 818, 8118, 8, 8157, 8, 12, 386, 8097, 8146, 8138, 8, 8158, 8}},
    {"def f(self, x: int = 42) -> str:\n        return f\"{x!r}\"\n",
     26, {345, 299, 8119, 326, 8117, 687, 8126, 600, 291, 8097, 8167, 8150, 8118, 1020, 1084, 8126, 8, 14, 386, 299,
         7204, 8131, 8183, 8101, 4873, 8}},
    {"The quick brown fox jumps over the lazy dog.",
     18, {570, 1403, 1199, 310, 1112, 8104, 299, 4991, 927, 8111, 2047, 1270, 294, 935, 4407, 703, 8116, 8115}},
    {"  leading, trailing  ",
     6, {10, 290, 5148, 8117, 7813, 10}},
    {"for (size_t i = 0; i < n; i++) sum += a[i] * b[i];",
     27, {426, 319, 608, 8109, 8099, 397, 291, 8097, 8146, 8138, 397, 493, 314, 8138, 397, 1751, 3369, 1163, 285, 8155,
         8102, 8156, 301, 310, 8155, 8102, 1125}},
    {"#include <stdio.h>\n#define MAX(a, b) ((a) > (b) \? (a) : (b))\n",
     32, {8153, 800, 493, 8024, 8115, 8114, 8149, 8, 8153, 802, 4679, 8119, 8103, 8117, 310, 8118, 1187, 8103, 8118,
         862, 319, 8121, 8118, 1771, 319, 8103, 8118, 507, 319, 8121, 495, 8}},
    {"na\303\257ve caf\303\251 \342\200\224 \342\200\234quoted\342\200\235 \344\270\255\346\226\207 \360\237\230\200\360\237\247\221\342\200\215\360\237\222\273",
     44, {3750, 214, 194, 388, 1447, 8112, 214, 188, 8097, 245, 147, 167, 8097, 245, 147, 175, 3988, 311, 245, 147, 176,
         8097, 247, 203, 192, 249, 169, 154, 8097, 259, 178, 171, 147, 259, 178, 186, 164, 245, 147, 160, 259, 178, 165,
         206}},
    {"<mask><eom><0x41><unk><bos>",
     16, {8174, 1635, 4037, 8098, 768, 4037, 8146, 8131, 8167, 8147, 4037, 1553, 4037, 691, 8100, 8149}},
    {"                                     x",
     3, {18, 15, 687}},
    {"1234567890 0xDEADBEEF 3.14e-10",
     27, {8147, 8150, 8161, 8167, 8169, 8168, 8182, 8171, 8181, 8146, 8097, 8146, 8131, 637, 908, 3399, 8129, 8151,
         8097, 8161, 8115, 8147, 8167, 8098, 8120, 8147, 8146}},
    {"a\r\nb\r\n",
     6, {8103, 32, 8, 8121, 32, 8}},
    {"\357\277\275\357\273\277\302\255\314\201",
     10, {258, 210, 208, 258, 206, 210, 213, 192, 223, 148}},
    {"class Tokenizer:\n    \"\"\"Lossless: byte fallback.\"\"\"\n    def __init__(self, path):\n        self.sp = None\n",
     34, {660, 372, 5051, 3522, 8126, 8, 12, 497, 2004, 320, 1974, 8126, 2493, 299, 4508, 1858, 8, 12, 345, 939, 876,
         1224, 326, 8117, 1415, 387, 8, 14, 326, 8115, 963, 291, 628, 8}},
};

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        int32_t ids[64];
        int64_t n = lac_tok_encode(tok, golden[i].text, strlen(golden[i].text), ids, NULL, 64, NULL);
        assert_int_equal(n, golden[i].n);
        assert_memory_equal(ids, golden[i].ids, golden[i].n * sizeof *ids);
    }
}

/* Encode, check ends and bytes of every token, return how many. */
static size_t round_trip(const char *s, size_t len)
{
    lacuna_error err;
    size_t cap = len + 1, at = 0, *ends = malloc(cap * sizeof *ends);
    int32_t *ids = malloc(cap * sizeof *ids);
    assert_true(ids && ends);
    int64_t n = lac_tok_encode(tok, s, len, ids, ends, cap, &err);
    assert_true(n >= 0 && (size_t)n <= len); /* every token has a byte at least */
    for (int64_t i = 0; i < n; i++) {
        lacuna_text b = lac_tok_bytes(tok, ids[i]);
        assert_true(b.len > 0 && b.len <= len - at);
        if (memcmp(b.bytes, s + at, b.len)) fail_msg("token %d at byte %zu is not the text", ids[i], at);
        at += b.len;
        assert_int_equal(ends[i], at);
    }
    assert_int_equal(at, len);
    free(ids);
    free(ends);
    return (size_t)n;
}

static size_t put_char(char *to, uint32_t c)
{
    if (c < 0x80) return to[0] = (char)c, 1;
    if (c < 0x800) return to[0] = (char)(0xC0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return to[0] = (char)(0xE0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63)), to[2] = (char)(0x80 | (c & 63)), 3;
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

static void test_random_bytes(void **state)
{
    (void)state;
    lac_rng r = lac_rng_make(1, 1);
    for (int i = 0; i < 5000; i++) {
        char s[96];
        size_t len = (size_t)lac_rng_below(&r, sizeof s + 1);
        for (size_t k = 0; k < len; k++) s[k] = (char)lac_rng_below(&r, 256);
        round_trip(s, len);
    }
}

static void test_random_utf8(void **state)
{
    (void)state;
    static const char *const bits[] = {"\xE2\x96\x81", "\n", "\t", " ", "        ", "\r\n", "\xEF\xBF\xBD", "\xEF\xBB\xBF", "the ",
                                       "return 0;", "\xF0\x9F\x98\x80", "<0x41>", "<mask>", "\xC3", "\xE2\x96", "\xED\xA0\x80",
                                       "\xF4\x90\x80\x80", "\xC0\x80", "\x80"};
    lac_rng r = lac_rng_make(2, 1);
    for (int i = 0; i < 5000; i++) {
        char s[1024];
        size_t len = 0, n = (size_t)lac_rng_below(&r, 60);
        for (size_t k = 0; k < n; k++) {
            switch (lac_rng_below(&r, 5)) {
            case 0: len += put_char(s + len, (uint32_t)lac_rng_below(&r, 128)); break;
            case 1: len += put_char(s + len, (uint32_t)lac_rng_below(&r, 0xD800)); break;
            case 2: len += put_char(s + len, 0xE000 + (uint32_t)lac_rng_below(&r, 0x110000 - 0xE000)); break;
            case 3: s[len++] = ' '; break;
            default: {
                size_t which = (size_t)lac_rng_below(&r, sizeof bits / sizeof *bits);
                memcpy(s + len, bits[which], strlen(bits[which]));
                len += strlen(bits[which]);
            }
            }
        }
        round_trip(s, len);
    }
}

/* Every char of the Basic Multilingual Plane and a sample beyond, each alone and between letters. */
static void test_every_char(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : c < 0x10000 ? 13 : 997) {
        char s[8] = "a";
        if (c >= 0xD800 && c < 0xE000) continue;
        size_t n = put_char(s + 1, c);
        s[1 + n] = 'b';
        round_trip(s + 1, n);
        round_trip(s, n + 2);
    }
}

static void test_special(void **state)
{
    (void)state;
    int32_t ids[16];
    size_t ends[16];
    /* NUL, U+2581 and invalid bytes are cut out; a NUL goes the way SentencePiece would send it. */
    const char s[] = "a\0b\xE2\x96\x81" "a\xFF";
    const int32_t want[] = {8103, 19, 8121, 245, 169, 148, 8103, 274};
    assert_int_equal(lac_tok_encode(tok, s, sizeof s - 1, ids, ends, 16, NULL), 8);
    assert_memory_equal(ids, want, sizeof want);
    for (size_t i = 0; i < 8; i++) assert_int_equal(ends[i], i + 1);
    /* Names of control pieces are text like any other. */
    assert_true(lac_tok_encode(tok, "<mask>", 6, ids, NULL, 16, NULL) > 1);
    for (int i = 0; i < 2; i++) assert_null(lac_tok_control(tok, ids[i]));
}

static void test_table(void **state)
{
    (void)state;
    assert_int_equal(lac_tok_vocab(tok), 8192);
    assert_int_equal(lac_tok_find(tok, "<pad>"), 0);
    assert_int_equal(lac_tok_find(tok, "<unk>"), 1);
    assert_int_equal(lac_tok_find(tok, "<bos>"), 2);
    assert_string_equal(lac_tok_control(tok, lac_tok_find(tok, "<mask>")), "<mask>");
    assert_string_equal(lac_tok_control(tok, lac_tok_find(tok, "<eom>")), "<eom>");
    assert_int_equal(lac_tok_find(tok, "<nothing>"), -1);
    assert_int_equal(lac_tok_find(tok, ""), -1);
    assert_int_equal(lac_tok_find(tok, NULL), -1);
    assert_int_equal(lac_tok_find(tok, "\n"), -1);    /* there, but not a control piece */
    assert_int_equal(lac_tok_find(tok, "<0x41>"), -1);
    assert_int_equal(lac_tok_bytes(tok, lac_tok_find(tok, "<mask>")).len, 0);
    const int32_t outside[] = {-1, INT32_MIN, 8192, INT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(lac_tok_bytes(tok, outside[i]).len, 0);
        assert_non_null(lac_tok_bytes(tok, outside[i]).bytes);
        assert_null(lac_tok_control(tok, outside[i]));
    }
    size_t controls = 0;
    for (int32_t i = 0; i < 8192; i++) {
        controls += lac_tok_control(tok, i) != NULL;
        assert_true((lac_tok_control(tok, i) != NULL) == !lac_tok_bytes(tok, i).len);
    }
    assert_int_equal(controls, 8); /* pad unk bos mask eom py c prose */
    lacuna_text t = lac_tok_bytes(tok, 307);
    assert_int_equal(t.len, 2);
    assert_memory_equal(t.bytes, "if", 2);
    t = lac_tok_bytes(tok, 386); /* with a blank in front */
    assert_int_equal(t.len, 6);
    assert_memory_equal(t.bytes, "return", 6);
}

static void test_cap(void **state)
{
    (void)state;
    const char *s = golden[5].text;
    size_t len = strlen(s), n = golden[5].n;
    for (size_t cap = 0; cap <= n + 2; cap++) {
        int32_t ids[32];
        size_t ends[32];
        for (size_t i = 0; i < 32; i++) ids[i] = -7, ends[i] = 7777;
        assert_int_equal(lac_tok_encode(tok, s, len, cap ? ids : NULL, cap ? ends : NULL, cap, NULL), n);
        size_t put = cap < n ? cap : n;
        assert_memory_equal(ids, golden[5].ids, put * sizeof *ids);
        for (size_t i = put; i < 32; i++) assert_true(ids[i] == -7 && ends[i] == 7777);
    }
    lacuna_error err;
    assert_int_equal(lac_tok_encode(tok, NULL, 0, NULL, NULL, 0, NULL), 0);
    assert_int_equal(lac_tok_encode(tok, NULL, 1, NULL, NULL, 0, &err), LACUNA_E_ARG);
    assert_int_equal(lac_tok_encode(tok, "a", 1, NULL, NULL, 1, &err), LACUNA_E_ARG);
}

/* A long text of lines gets the tokens of its lines: cutting behind a line feed changes nothing. */
static void test_cut_at_line(void **state)
{
    (void)state;
    size_t len = 300000, n = 0, made = 0;
    char *s = malloc(len);
    int32_t *whole = malloc(len * sizeof *whole), *lines = malloc(len * sizeof *lines);
    lac_rng r = lac_rng_make(3, 1);
    while (made < len) {
        const char *line = golden[3 + lac_rng_below(&r, sizeof golden / sizeof *golden - 3)].text;
        for (; *line && made < len; line++) s[made++] = *line;
        if (made < len) s[made++] = lac_rng_below(&r, 4) ? ' ' : '\n';
    }
    int64_t got = lac_tok_encode(tok, s, len, whole, NULL, len, NULL);
    for (size_t at = 0, end; at < len; at = end) {
        for (end = at; end < len && s[end++] != '\n';) continue;
        int64_t k = lac_tok_encode(tok, s + at, end - at, lines + n, NULL, len - n, NULL);
        assert_true(k >= 0);
        n += (size_t)k;
    }
    assert_int_equal(got, n);
    assert_memory_equal(whole, lines, n * sizeof *whole);
    free(s);
    free(whole);
    free(lines);
}

/* Lines around the limits: cut at a character, never inside one, whatever its length. */
static void test_cut_in_line(void **state)
{
    (void)state;
    static const char *const unit[] = {"x", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80", "ab "};
    const size_t limit[] = {4096, 65536, 131072};
    char *s = malloc(140000);
    for (size_t u = 0; u < 5; u++)
        for (size_t l = 0; l < 3; l++)
            for (size_t shift = 0; shift < 4; shift++) {
                size_t len = 0, k = strlen(unit[u]);
                for (; len < shift; len++) s[len] = 'a';
                for (; len < limit[l] + 6; len += k) memcpy(s + len, unit[u], k);
                round_trip(s, len);
                s[limit[l] / 2] = '\n';
                round_trip(s, len);
            }
    free(s);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One megabyte of each kind that could be slow; the bound is for sanitizers on a loaded machine, 20 times
 * what they take, and far below what anything quadratic would. */
static void test_long(void **state)
{
    (void)state;
    size_t len = 1000000;
    char *s = malloc(len + 4);
    lac_rng r = lac_rng_make(4, 1);
    for (int kind = 0; kind < 9; kind++) {
        const char *unit[] = {"The quick brown fox jumps over the lazy dog.\n", NULL, "a", " ", "\n", "\xE2\x96\x81", "\xE4\xB8\xAD", "", "\xFF"};
        for (size_t i = 0, k = 0; i < len; i++)
            if (kind == 1) s[i] = (char)lac_rng_below(&r, 256);
            else s[i] = unit[kind][k], k = k + 1 < strlen(unit[kind]) ? k + 1 : 0;
        double t = seconds();
        size_t n = round_trip(s, len);
        t = seconds() - t;
        print_message("report: tok kind %d: %.1f MB/s, %.2f bytes/token\n", kind, (double)len / t * 1e-6, (double)len / (double)n);
        assert_true(t < 60);
    }
    free(s);
}

static void *encode_many(void *arg)
{
    int64_t *sum = arg;
    for (int round = 0; round < 200; round++)
        for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
            int32_t ids[64];
            int64_t n = lac_tok_encode(tok, golden[i].text, strlen(golden[i].text), ids, NULL, 64, NULL);
            if (n != (int64_t)golden[i].n || memcmp(ids, golden[i].ids, golden[i].n * sizeof *ids)) return NULL;
            *sum += n;
        }
    return arg;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t thread[4];
    int64_t sum[4] = {0};
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, encode_many, &sum[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *ok;
        pthread_join(thread[i], &ok);
        assert_non_null(ok);
        assert_int_equal(sum[i], sum[0]);
    }
}

/* Opening at the same time in several threads, as models may be. */
static void *open_one(void *arg)
{
    lac_tok *t;
    if (lac_tok_open(&t, blob, blob_size, NULL, &mem, NULL)) return NULL;
    lac_tok_free(t);
    return arg;
}

static void test_open_threads(void **state)
{
    (void)state;
    pthread_t thread[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, open_one, blob), 0);
    for (int i = 0; i < 4; i++) {
        void *ok;
        pthread_join(thread[i], &ok);
        assert_non_null(ok);
    }
}

static void *no_memory(void *ctx, void *p, size_t old, size_t now, size_t align)
{
    (void)ctx, (void)p, (void)old, (void)now, (void)align;
    return NULL;
}

static void test_nomem(void **state)
{
    (void)state;
    lacuna_allocator none = {no_memory, NULL};
    lacuna_error err;
    lac_tok *t = tok;
    assert_int_equal(lac_tok_open(&t, blob, blob_size, "m", &none, &err), LACUNA_E_NOMEM);
    assert_null(t);
    lac_tok_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),       cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_random_utf8),
        cmocka_unit_test(test_every_char),   cmocka_unit_test(test_special),      cmocka_unit_test(test_table),
        cmocka_unit_test(test_cap),          cmocka_unit_test(test_cut_at_line),  cmocka_unit_test(test_cut_in_line), cmocka_unit_test(test_long),
        cmocka_unit_test(test_threads),      cmocka_unit_test(test_open_threads), cmocka_unit_test(test_nomem),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
