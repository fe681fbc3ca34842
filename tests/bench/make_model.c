/* make_model OUT LAYERS WIDTH HEADS FF VOCAB CONTEXT [TYPE [text]]: a model of the house variant with random weights, for timing.
 *
 * Weights are spread like those of a network at the start of training, so that no pass meets infinities; the bytes of
 * Q8_0, the default type, are drawn as they lie in the file.  The mask is the last token.
 *
 * With `text` it has a tokenizer, of made-up words:
 *
 *     <pad> <unk> <bos> <eom> | line feed | 256 bytes | printable ASCII | words, names, numbers, signs, blanks | <mask> */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/gguf_write.h"
#include "model/weights.h"

typedef struct {
    lac_gguf_write file;
    lacuna_error err;
    lac_hparams hp;
    lac_type type;    /* of the matrices */
    bool text;        /* with a tokenizer */
    uint64_t state;   /* of the noise */
    uint8_t *row;     /* bytes of the widest row */
} maker;

/* xorshift64*: eight bytes of noise as fast as they can be written. */
static uint64_t noise(maker *m)
{
    m->state ^= m->state >> 12, m->state ^= m->state << 25, m->state ^= m->state >> 27;
    return m->state * 2685821657736338717u;
}

/* A row of k weights, uniform in +- sqrt(3 / k). */
static void fill_row(maker *m, size_t k)
{
    const float most = sqrtf(3 / (float)k);
    if (m->type == LAC_Q8_0) {
        uint8_t block[LAC_Q8_BYTES];
        lac_row_encode(LAC_Q8_0, (float[LAC_Q8_BLOCK]){most}, LAC_Q8_BLOCK, block); /* for its scale */
        for (size_t at = 0; at < lac_row_bytes(LAC_Q8_0, k); at += LAC_Q8_BYTES) {
            memcpy(m->row + at, block, 2);
            for (size_t i = 2; i < LAC_Q8_BYTES; i += 8) memcpy(m->row + at + i, &(uint64_t){noise(m)}, 8);
        }
        return;
    }
    for (size_t i = 0; i < k; i++) {
        float x = most * (float)(int32_t)(noise(m) >> 32) * 0x1p-31f;
        lac_row_encode(m->type, &x, 1, m->row + i * lac_row_bytes(m->type, 1));
    }
}

enum { DECLARE, WRITE };

/* rows 0: a vector of ones. */
static int tensor(maker *m, int pass, const char *name, size_t rows, size_t cols)
{
    const float one = 1;
    int r = 0;
    if (pass == DECLARE) return lac_gguf_write_tensor(&m->file, name, rows ? m->type : LAC_F32, rows, cols, &m->err);
    for (size_t i = 0; !r && i < (rows ? rows : cols); i++) {
        if (rows) fill_row(m, cols);
        r = lac_gguf_write_data(&m->file, rows ? m->row : (const void *)&one, rows ? lac_row_bytes(m->type, cols) : sizeof one, &m->err);
    }
    return r;
}

/* All tensors, to be declared or written. */
static int tensors(maker *m, int pass)
{
    const size_t E = m->hp.width, F = m->hp.ff, D = m->hp.head_dim;
    const struct {
        const char *name;
        size_t rows, cols;
    } parts[] = {{"attn_norm", 0, E}, {"attn_qkv", 3 * E, E}, {"attn_q_norm", 0, D}, {"attn_k_norm", 0, D},
                 {"attn_output", E, E}, {"ffn_norm", 0, E}, {"ffn_up", 2 * F, E}, {"ffn_down", E, F}};
    int r = tensor(m, pass, "token_embd.weight", m->hp.vocab, E);
    for (uint32_t l = 0; !r && l < m->hp.layers; l++) {
        for (size_t i = 0; !r && i < sizeof parts / sizeof *parts; i++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%u.%s.weight", l, parts[i].name);
            r = tensor(m, pass, name, parts[i].rows, parts[i].cols);
        }
    }
    return r ? r : tensor(m, pass, "output_norm.weight", 0, E);
}

/* ---- the tokenizer: a message of protocol buffers, see lib/text/spm_check.c ---- */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 6 };
enum { LEAST_VOCAB = 512, MOST_VOCAB = 100000 }; /* with a tokenizer */
#define BLANK "\xE2\x96\x81" /* how SentencePiece writes one */

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
    b->failed |= m->failed;
    add_bytes(b, field, m->data, m->len);
    lac_buf_free(m);
}

static void add_piece(lac_buf *b, const char *s, unsigned type)
{
    const float score = type == NORMAL ? -10 : 0; /* the fewest pieces win */
    lac_buf m = {.mem = b->mem};
    add_bytes(&m, 1, s, strlen(s));
    add_varint(&m, 2 << 3 | 5);
    lac_buf_add(&m, &score, sizeof score);
    add_number(&m, 3, type);
    add_message(b, 1, &m);
}

/* Word n, of 2 to 11 letters, unlike all others: syllables are the digits of a number, their consonants and vowels tell where each ends.
 * Returns its length. */
static int word(char *to, size_t n)
{
    static const char *const begins[] = {"b", "c", "d", "f", "l", "m", "p", "r", "st", "tr"}, *const vowels[] = {"a", "e", "io"},
                      *const ends[] = {"", "n", "s", "t", "nd", "l", "ng", "x"};
    int len = 0;
    const char *end = ends[n % 8];
    for (n = n / 8 + 1; n; n = (n - 1) / 30) len += sprintf(to + len, "%s%s", begins[(n - 1) % 10], vowels[(n - 1) / 10 % 3]);
    return len + sprintf(to + len, "%s", end);
}

/* Piece n of those that are no single characters: of ten, four are words behind a blank, three are words, two are of names or numbers,
 * and one is of signs or blanks. */
static void compound(char *to, size_t n)
{
    static const char signs[] = "()[]{}<>;:,.=+-*/&|!\"'";
    const size_t kind = n % 10, i = n / 10, k = sizeof signs - 1;
    if (kind < 4) word(to + sprintf(to, BLANK), 4 * i + kind);
    else if (kind < 7) word(to, 3 * i + kind - 4);
    else if (kind == 7) word(to + sprintf(to, "_"), i);
    else if (kind == 8 && i < 100) sprintf(to, "%02zu", i);
    else if (kind == 8) word(to, i), *to -= 'a' - 'A';
    else if (i < 24) for (size_t blanks = i + 2; blanks; blanks--) to += sprintf(to, BLANK);
    else sprintf(to, "%c%c%.1s", signs[i % k], signs[i / k % k], i < k * k ? "" : &signs[i / k / k % k]);
}

/* Into tok: as many pieces as the model has tokens. */
static void tokenizer(const maker *m, lac_buf *tok)
{
    char s[128];
    lac_buf spec = {.mem = tok->mem};
    uint32_t n = 5 + 256 + 95 + 1;
    add_piece(tok, "<pad>", CONTROL), add_piece(tok, "<unk>", UNKNOWN), add_piece(tok, "<bos>", CONTROL), add_piece(tok, "<eom>", CONTROL);
    add_piece(tok, "\n", USER_DEFINED);
    for (int i = 0; i < 256; i++) sprintf(s, "<0x%02X>", i), add_piece(tok, s, BYTE);
    for (char c = ' '; c <= '~'; c++) add_piece(tok, c == ' ' ? BLANK : (char[]){c, 0}, NORMAL);
    for (uint32_t i = 0; n + i < m->hp.vocab; i++) compound(s, i), add_piece(tok, s, NORMAL);
    add_piece(tok, "<mask>", CONTROL);
    add_number(&spec, 3, 1);  /* unigrams */
    add_number(&spec, 35, 1); /* with byte fallback */
    add_message(tok, 2, &spec);
    spec = (lac_buf){.mem = tok->mem};
    add_bytes(&spec, 1, "identity", 8);
    add_number(&spec, 3, 0); /* no dummy prefix */
    add_number(&spec, 4, 0); /* all blanks stay */
    add_message(tok, 3, &spec);
}

static void keys(maker *m)
{
    lac_gguf_write_text(&m->file, "general.architecture", "eso");
    lac_gguf_write_text(&m->file, "general.name", "random");
    lac_gguf_write_text(&m->file, "eso.variant", "house");
    lac_gguf_write_u32(&m->file, "eso.vocab_size", m->hp.vocab);
    lac_gguf_write_u32(&m->file, "eso.context_length", m->hp.context);
    lac_gguf_write_u32(&m->file, "eso.embedding_length", m->hp.width);
    lac_gguf_write_u32(&m->file, "eso.block_count", m->hp.layers);
    lac_gguf_write_u32(&m->file, "eso.feed_forward_length", m->hp.ff);
    lac_gguf_write_u32(&m->file, "eso.attention.head_count", m->hp.heads);
    lac_gguf_write_u32(&m->file, "eso.attention.head_dim", m->hp.head_dim);
    lac_gguf_write_f32(&m->file, "eso.norm_epsilon", 1e-6f);
    lac_gguf_write_f32(&m->file, "eso.rope.freq_base", 10000);
    lac_gguf_write_u32(&m->file, "eso.mask_index", m->hp.vocab - 1);
    lac_gguf_write_bool(&m->file, "eso.qk_norm", true);
}

static int make(maker *m, const char *path)
{
    lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lac_buf tok = {.mem = &mem};
    int r = lac_gguf_write_open(&m->file, path, &mem, &m->err);
    if (r) return r;
    keys(m);
    if (m->text) {
        tokenizer(m, &tok);
        lac_gguf_write_bytes(&m->file, "tokenizer.sentencepiece", tok.data, tok.len);
        m->file.kv.failed |= tok.failed;
        lac_buf_free(&tok);
    }
    r = tensors(m, DECLARE);
    if (!r) r = lac_gguf_write_begin(&m->file, &m->err);
    if (!r) r = tensors(m, WRITE);
    if (!r) r = lac_gguf_write_end(&m->file, &m->err);
    lac_gguf_write_drop(&m->file);
    return r;
}

int main(int argc, char **argv)
{
    static const lac_type types[] = {LAC_F32, LAC_BF16, LAC_Q8_0};
    maker m = {.type = LAC_Q8_0, .state = 88172645463325252u};
    uint32_t *number[] = {&m.hp.layers, &m.hp.width, &m.hp.heads, &m.hp.ff, &m.hp.vocab, &m.hp.context};
    int bad = argc < 8 || argc > 10;
    for (int i = 0; !bad && i < 6; i++) bad = !(*number[i] = (uint32_t)strtoul(argv[2 + i], NULL, 10));
    for (int i = 0; !bad && i < 3 && argc >= 9; i++)
        if (!strcmp(lac_type_name(types[i]), argv[8])) m.type = types[i];
    m.text = argc == 10 && !strcmp(argv[9], "text");
    bad = bad || (argc == 10 && (!m.text || m.hp.vocab < LEAST_VOCAB || m.hp.vocab > MOST_VOCAB)) || m.hp.width % m.hp.heads ||
          (argc >= 9 && strcmp(lac_type_name(m.type), argv[8])) || !lac_row_bytes(m.type, m.hp.width) || !lac_row_bytes(m.type, m.hp.ff);
    if (bad) return fputs("usage: make_model OUT LAYERS WIDTH HEADS FF VOCAB CONTEXT [F32|BF16|Q8_0 [text]]\n", stderr), 2;
    m.hp.head_dim = m.hp.width / m.hp.heads;
    m.row = malloc(4 * (size_t)(m.hp.width > m.hp.ff ? m.hp.width : m.hp.ff));
    if (!m.row) return fputs("make_model: out of memory\n", stderr), 1;
    int r = make(&m, argv[1]);
    if (r) fprintf(stderr, "make_model: %s\n", m.err.msg);
    free(m.row);
    return r != 0;
}
