#include "text/spm_check.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

/* A SentencePiece model is one protocol-buffer message (sentencepiece_model.proto); a message is a row of
 *
 *     varint: field << 3 | wire type     0 varint   1 eight bytes   2 varint length, bytes   5 four bytes
 *     value
 *
 * The fields that matter here, with their defaults:
 *
 *     1 pieces, repeated     1 piece (string)   2 score (float)   3 type (1 normal 2 unknown 3 control
 *                                                                   4 user-defined 5 unused 6 byte) = 1
 *     2 trainer_spec         3 model_type (1 unigram 2 BPE) = 1   35 byte_fallback = false
 *     3 normalizer_spec      2 precompiled_charsmap = ""   3 add_dummy_prefix = true
 *                            4 remove_extra_whitespaces = true   5 escape_whitespaces = true
 *     4 self_test_data
 *     5 denormalizer_spec    2 precompiled_charsmap = ""
 *
 * Protocol buffers merge a message that comes twice and let the last scalar win.  The rules below hold for
 * every occurrence, so the merged message obeys them too, whatever the order.
 *
 * Why the limits are here, and not left to SentencePiece 0.1.97:
 *  - precompiled_charsmap is a double-array trie that is followed without a bounds check;
 *  - the user-defined pieces that begin a text are collected in an array of 64, and their number, which may
 *    be larger, is then taken as its length (it crashes).  Pieces are valid UTF-8, so those that are prefixes of one text
 *    differ in their number of characters: pieces of at most 64 characters give at most 64 matches;
 *  - a piece with a NUL byte is cut at it in the tries, a NaN score breaks the order of a heap;
 *  - many empty strings take 20 times their bytes when parsed, hence the limit on all but the pieces.
 */

typedef struct {
    const unsigned char *blob; /* the whole model */
    const char *name;          /* for messages */
    lacuna_error *err;
} check;

typedef struct {
    size_t at, end; /* what is left of the message, offsets in the blob */
} message;

typedef struct {
    size_t at;       /* offset of the key */
    uint64_t number; /* field number */
    unsigned wire;   /* wire type */
    uint64_t value;  /* varint, or little-endian bits; for wire type 2 unused */
    size_t start, len; /* wire type 2: the bytes, offsets in the blob */
} field;

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, UNUSED = 5, BYTE = 6 };

static int bad(const check *c, size_t at, const char *what)
{
    return lac_err(c->err, LACUNA_E_FORMAT, at, "%s: tokenizer: %s at byte %zu", c->name, what, at);
}

/* Read a varint; false if it runs over the end or over 64 bits. */
static bool read_varint(const unsigned char *blob, message *m, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        unsigned char b = blob[m->at++];
        if (shift == 63 && b > 1) return false;
        *value |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) return true;
    }
    return false;
}

static uint64_t read_fixed(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* Next field of a message that has one.  NULL, or what is wrong with it. */
static const char *next_field(const unsigned char *blob, message *m, field *f)
{
    uint64_t key, len;
    *f = (field){.at = m->at};
    if (!read_varint(blob, m, &key) || key >> 3 > 0x1FFFFFFF || !(key >> 3)) return "malformed field key";
    f->number = key >> 3;
    f->wire = key & 7;
    switch (f->wire) {
    case VARINT:
        return read_varint(blob, m, &f->value) ? NULL : "malformed varint";
    case FIXED32:
    case FIXED64: {
        unsigned bytes = f->wire == FIXED32 ? 4 : 8;
        if (m->end - m->at < bytes) return "truncated number";
        f->value = read_fixed(blob + m->at, bytes);
        m->at += bytes;
        return NULL;
    }
    case BYTES:
        if (!read_varint(blob, m, &len)) return "malformed length";
        if (len > m->end - m->at) return "field longer than what is left";
        f->start = m->at;
        f->len = (size_t)len;
        m->at += f->len;
        return NULL;
    default:
        return "unknown wire type";
    }
}

static int hex(unsigned char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Byte piece "<0xHH>" -> its byte, or -1. */
static int byte_of(const unsigned char *p, size_t len)
{
    if (len != 6 || memcmp(p, "<0x", 3) || p[5] != '>' || hex(p[3]) < 0 || hex(p[4]) < 0) return -1;
    return hex(p[3]) * 16 + hex(p[4]);
}

static size_t count_chars(const unsigned char *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += (p[i] & 0xC0) != 0x80;
    return n;
}

static int check_piece(const check *c, const field *whole, unsigned char seen[256])
{
    message m = {whole->start, whole->start + whole->len};
    field piece = {0}, f;
    uint64_t type = 0;
    bool scored = false;
    while (m.at < m.end) {
        const char *wrong = next_field(c->blob, &m, &f);
        if (wrong) return bad(c, f.at, wrong);
        if (f.number == 1) {
            if (f.wire != BYTES || piece.number) return bad(c, f.at, "a piece that is not one string");
            piece = f;
        } else if (f.number == 2) {
            if (f.wire != FIXED32 || scored) return bad(c, f.at, "a score that is not one number");
            uint32_t bits = (uint32_t)f.value;
            float score;
            memcpy(&score, &bits, sizeof score);
            if (!isfinite(score)) return bad(c, f.at, "a score that is not finite");
            scored = true;
        } else if (f.number == 3) {
            if (f.wire != VARINT || type) return bad(c, f.at, "a piece type that is not one number");
            if (f.value < NORMAL || f.value > BYTE) return bad(c, f.at, "unknown piece type");
            type = f.value;
        }
    }
    const unsigned char *p = c->blob + piece.start;
    if (!piece.number || !piece.len) return bad(c, whole->at, "empty piece");
    if (piece.len > LAC_SPM_MAX_PIECE) return bad(c, piece.at, "piece of more than 1024 bytes");
    if (memchr(p, 0, piece.len)) return bad(c, piece.at, "piece with a NUL byte");
    if (lac_utf8_valid((const char *)p, piece.len) != piece.len) return bad(c, piece.at, "piece that is not UTF-8");
    if (type == USER_DEFINED && count_chars(p, piece.len) > LAC_SPM_MAX_SYMBOL)
        return bad(c, piece.at, "user-defined piece of more than 64 characters");
    if (type == BYTE) {
        int b = byte_of(p, piece.len);
        if (b < 0) return bad(c, piece.at, "byte piece that is not of the form <0xHH>");
        if (seen[b]) return bad(c, piece.at, "byte piece that was there before");
        seen[b] = 1;
    }
    return 0;
}

static int check_trainer(const check *c, const field *whole, bool *fallback)
{
    message m = {whole->start, whole->start + whole->len};
    field f;
    while (m.at < m.end) {
        const char *wrong = next_field(c->blob, &m, &f);
        if (wrong) return bad(c, f.at, wrong);
        if (f.number == 3 && (f.wire != VARINT || f.value < 1 || f.value > 2))
            return bad(c, f.at, "trainer_spec.model_type is neither UNIGRAM nor BPE");
        if (f.number == 35) {
            if (f.wire != VARINT || !f.value) return bad(c, f.at, "trainer_spec.byte_fallback is false");
            *fallback = true;
        }
    }
    return 0;
}

/* normalizer_spec, or with plain == NULL denormalizer_spec, of which only the map is ever used. */
static int check_normalizer(const check *c, const field *whole, unsigned *plain)
{
    message m = {whole->start, whole->start + whole->len};
    field f;
    while (m.at < m.end) {
        const char *wrong = next_field(c->blob, &m, &f);
        if (wrong) return bad(c, f.at, wrong);
        if (f.number == 2 && (f.wire != BYTES || f.len))
            return bad(c, f.at, plain ? "normalizer_spec.precompiled_charsmap is not empty (only the identity keeps text)"
                                      : "denormalizer_spec.precompiled_charsmap is not empty");
        if (!plain) continue;
        if (f.number == 3 && (f.wire != VARINT || f.value)) return bad(c, f.at, "normalizer_spec.add_dummy_prefix is true");
        if (f.number == 4 && (f.wire != VARINT || f.value))
            return bad(c, f.at, "normalizer_spec.remove_extra_whitespaces is true");
        if (f.number == 5 && (f.wire != VARINT || !f.value))
            return bad(c, f.at, "normalizer_spec.escape_whitespaces is false");
        if (f.number == 3) *plain |= 1;
        if (f.number == 4) *plain |= 2;
    }
    return 0;
}

/* self_test_data: SentencePiece encodes these samples when it loads. */
static int check_self_test(const check *c, const field *whole)
{
    message m = {whole->start, whole->start + whole->len};
    field f, g;
    if (whole->len > LAC_SPM_MAX_SELF_TEST) return bad(c, whole->at, "more than 64 KiB of self-test samples");
    while (m.at < m.end) {
        const char *wrong = next_field(c->blob, &m, &f);
        if (wrong) return bad(c, f.at, wrong);
        if (f.number != 1 || f.wire != BYTES) continue;
        message sample = {f.start, f.start + f.len};
        while (sample.at < sample.end) {
            wrong = next_field(c->blob, &sample, &g);
            if (wrong) return bad(c, g.at, wrong);
        }
    }
    return 0;
}

int lac_spm_check(const void *blob, size_t size, const char *name, uint32_t *n_pieces, lacuna_error *err)
{
    const check c = {blob, name ? name : "model", err};
    message m = {0, size};
    field f, normalizer = {0}, trainer = {0};
    unsigned char seen[256] = {0}; /* byte pieces */
    unsigned plain = 0;            /* 1: add_dummy_prefix was set to false; 2: remove_extra_whitespaces too */
    bool fallback = false;
    uint32_t n = 0;
    size_t rest = 0; /* bytes of all but the pieces */
    int r = 0;
    if (!blob || !size) return lac_err(err, LACUNA_E_FORMAT, 0, "%s: tokenizer is empty", c.name);
    if (size > LAC_SPM_MAX_SIZE)
        return lac_err(err, LACUNA_E_FORMAT, LAC_SPM_MAX_SIZE, "%s: tokenizer of %zu bytes, at most %zu are read", c.name, size,
                       LAC_SPM_MAX_SIZE);
    while (m.at < m.end) {
        const char *wrong = next_field(c.blob, &m, &f);
        if (wrong) return bad(&c, f.at, wrong);
        if (f.number != 1 && (rest += m.at - f.at) > LAC_SPM_MAX_SPEC)
            return bad(&c, f.at, "more than 1 MiB that is not pieces,");
        if (f.number > 5) continue; /* an extension: skipped */
        if (f.wire != BYTES) return bad(&c, f.at, "a number where a message belongs");
        switch (f.number) {
        case 1:
            if (n++ == LAC_SPM_MAX_PIECES) return bad(&c, f.at, "more than 1048576 pieces");
            r = check_piece(&c, &f, seen);
            break;
        case 2:
            r = check_trainer(&c, &f, &fallback);
            trainer = f;
            break;
        case 3:
            r = check_normalizer(&c, &f, &plain);
            normalizer = f;
            break;
        case 4: r = check_self_test(&c, &f); break;
        case 5: r = check_normalizer(&c, &f, NULL); break;
        }
        if (r) return r;
    }
    /* Only now is it known what the blob does not say. */
    if (!n) return bad(&c, size, "no pieces");
    if (!normalizer.number) return bad(&c, size, "no normalizer_spec (the default changes text)");
    if (!(plain & 1)) return bad(&c, normalizer.at, "normalizer_spec.add_dummy_prefix is true by default");
    if (!(plain & 2)) return bad(&c, normalizer.at, "normalizer_spec.remove_extra_whitespaces is true by default");
    for (unsigned b = 0; b < 256; b++)
        if (!seen[b])
            return lac_err(err, LACUNA_E_FORMAT, size, "%s: tokenizer: no byte piece <0x%02X> among %u pieces (%zu bytes)", c.name,
                           b, (unsigned)n, size);
    if (!fallback) return bad(&c, trainer.number ? trainer.at : size, "trainer_spec.byte_fallback is false by default");
    if (n_pieces) *n_pieces = n;
    return 0;
}

size_t lac_spm_where(const void *blob, size_t size, uint32_t id)
{
    message m = {0, size};
    field f;
    while (m.at < m.end && !next_field(blob, &m, &f))
        if (f.number == 1 && !id--) return f.at;
    return size;
}
