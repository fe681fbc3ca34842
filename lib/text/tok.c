#include "text/tok.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "text/spm_check.h"
#include "text/spm_shim.h"

/* One allocation:
 *
 *     lac_tok | at[n + 1] | kind[n] | bytes of token 0, NUL, bytes of token 1, NUL, ...
 *
 * Token i has the bytes [at[i], at[i + 1] - 1): what it stands for in a text, or the name of a control piece.
 *
 * Encoding cuts the text into runs that SentencePiece keeps, and checks that each did come back:
 *
 *     any byte that is in no valid UTF-8 sequence   -> its byte token
 *     U+2581, which would come back as a blank      -> three byte tokens
 *     NUL                                           -> its byte token
 *     what lies between                             -> SentencePiece, at most RUN bytes at a time
 *
 * A run longer than GOOD is cut behind the first line feed at or beyond that and within RUN bytes, else
 * behind the last one before, else (a line of more than RUN bytes) at the last character that ends within
 * RUN bytes; the rest is treated in the same way.  So where cuts lie depends on nothing but the bytes of
 * the run, and no token reaches over them.  In a BPE model with the line feed as a user-defined piece (SentencePiece
 * never merges those with a neighbour) a cut behind one changes no token.
 */

#define GOOD ((size_t)4 << 10) /* SentencePiece slows down as its heap outgrows the caches: 2.2 MB/s, 1.4 at 64 KiB */
#define RUN ((size_t)64 << 10) /* and takes some 300 bytes a byte while it encodes: 20 MiB */

enum { PLAIN, CONTROL, BYTE };

struct lac_tok {
    lacuna_allocator mem;
    size_t size;             /* of this allocation */
    lac_spm *spm;
    uint32_t n;              /* tokens */
    size_t longest;          /* bytes of the longest of them */
    int32_t of_byte[256];    /* byte -> its byte token */
    uint32_t *at;            /* [n + 1] offsets in bytes */
    unsigned char *kind;     /* [n] PLAIN, CONTROL (also unknown) or BYTE */
    char *bytes;
};

static const char blank[3] = {'\xE2', '\x96', '\x81'}; /* U+2581, how SentencePiece writes a blank */

/* Bytes of a plain piece: the same with ' ' for U+2581; `to` has room for len.  Returns how many. */
static size_t unescape(char *to, const char *piece, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        if (len - i >= sizeof blank && !memcmp(piece + i, blank, sizeof blank)) {
            to[n++] = ' ';
            i += sizeof blank;
        } else {
            to[n++] = piece[i++];
        }
    }
    return n;
}

/* "<0xHH>"; the form has been checked. */
static unsigned char byte_of(const char *piece)
{
    unsigned v = 0;
    for (int i = 3; i < 5; i++) v = v * 16 + (unsigned)(piece[i] <= '9' ? piece[i] - '0' : piece[i] - 'A' + 10);
    return (unsigned char)v;
}

static uint32_t fill_token(lac_tok *t, uint32_t id, uint32_t at)
{
    size_t len;
    const char *piece = lac_spm_piece(t->spm, id, &len);
    t->at[id] = at;
    if (lac_spm_is_byte(t->spm, id)) {
        t->kind[id] = BYTE;
        t->bytes[at] = (char)byte_of(piece);
        t->of_byte[byte_of(piece)] = (int32_t)id;
        len = 1;
    } else if (lac_spm_is_control(t->spm, id) || lac_spm_is_unknown(t->spm, id)) {
        t->kind[id] = CONTROL;
        memcpy(t->bytes + at, piece, len);
    } else {
        t->kind[id] = PLAIN;
        len = unescape(t->bytes + at, piece, len);
    }
    t->bytes[at + len] = 0;
    return at + (uint32_t)len + 1;
}

int lac_tok_open(lac_tok **out, const void *blob, size_t size, const char *name, const lacuna_allocator *mem, lacuna_error *err)
{
    lac_spm *spm = NULL;
    lac_tok *t;
    uint32_t n = 0;
    size_t total, table, text = 0;
    char why[160];
    *out = NULL;
    if (!name) name = "model";
    int r = lac_spm_check(blob, size, name, &n, err);
    if (r) return r;
    r = lac_spm_open(&spm, blob, size, why, sizeof why);
    if (r == LAC_SPM_NOMEM) return lac_nomem(err, "tokenizer");
    if (r) return lac_err(err, LACUNA_E_FORMAT, 0, "%s: tokenizer: SentencePiece refuses the model: %s", name, why);
    if (lac_spm_count(spm) != n) {
        r = lac_err(err, LACUNA_E_FORMAT, 0, "%s: tokenizer: %u pieces in the blob, SentencePiece finds %u", name, (unsigned)n,
                    (unsigned)lac_spm_count(spm));
        goto fail;
    }
    for (uint32_t i = 0; i < n; i++) {
        size_t len;
        const char *piece = lac_spm_piece(spm, i, &len);
        if (lac_spm_find(spm, piece, len) != (int32_t)i) { /* once as a control and once as a plain piece */
            size_t where = lac_spm_where(blob, size, i);
            r = lac_err(err, LACUNA_E_FORMAT, where, "%s: tokenizer: piece %u '%.*s' is there twice at byte %zu", name, (unsigned)i,
                        (int)(len < 64 ? len : 64), piece, where);
            goto fail;
        }
        text += len + 1; /* at most the size of the blob: fits 32 bits */
    }
    /* n <= 2^20 and text <= 2^27: no overflow. */
    table = sizeof *t + ((size_t)n + 1) * sizeof *t->at;
    total = table + n + text;
    t = lac_mem_zalloc(mem, total);
    if (!t) {
        r = lac_nomem(err, "tokenizer");
        goto fail;
    }
    t->mem = *mem;
    t->size = total;
    t->spm = spm;
    t->n = n;
    t->at = (uint32_t *)(t + 1);
    t->kind = (unsigned char *)t + table;
    t->bytes = (char *)t->kind + n;
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) at = fill_token(t, i, at);
    t->at[n] = at;
    for (uint32_t i = 0; i < n; i++)
        if (t->at[i + 1] - t->at[i] - 1 > t->longest) t->longest = t->at[i + 1] - t->at[i] - 1;
    *out = t;
    return 0;
fail:
    lac_spm_free(spm);
    return r;
}

void lac_tok_free(lac_tok *t)
{
    if (!t) return;
    lacuna_allocator mem = t->mem;
    lac_spm_free(t->spm);
    lac_mem_free(&mem, t, t->size);
}

uint32_t lac_tok_vocab(const lac_tok *t) { return t->n; }

size_t lac_tok_longest(const lac_tok *t) { return t->longest; }

static lacuna_text text_of(const lac_tok *t, int32_t id)
{
    return (lacuna_text){t->bytes + t->at[id], t->at[id + 1] - t->at[id] - 1};
}

lacuna_text lac_tok_bytes(const lac_tok *t, int32_t id)
{
    if (id < 0 || (uint32_t)id >= t->n || t->kind[id] == CONTROL) return (lacuna_text){"", 0};
    return text_of(t, id);
}

const char *lac_tok_control(const lac_tok *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->n && t->kind[id] == CONTROL ? text_of(t, id).bytes : NULL;
}

int32_t lac_tok_find(const lac_tok *t, const char *piece)
{
    if (!piece) return -1;
    int32_t id = lac_spm_find(t->spm, piece, strlen(piece));
    const char *name = lac_tok_control(t, id);
    return name && !strcmp(name, piece) ? id : -1; /* an unknown name gets the id of <unk> */
}

/* ---- encoding ---- */

typedef struct {
    const lac_tok *t;
    int32_t *ids;
    size_t *ends;
    size_t cap, n; /* room, and tokens so far, which may be more */
    size_t at;     /* bytes of the text done */
    lac_spm_ids *scratch;
} out;

static void put(out *o, int32_t id, size_t len)
{
    o->at += len;
    if (o->n < o->cap) {
        o->ids[o->n] = id;
        if (o->ends) o->ends[o->n] = o->at;
    }
    o->n++;
}

static void put_bytes(out *o, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) put(o, o->t->of_byte[(unsigned char)s[i]], 1);
}

/* Do the tokens spell s[0, len)? */
static bool spells(const lac_tok *t, const int32_t *ids, size_t n, const char *s, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        lacuna_text b = lac_tok_bytes(t, ids[i]);
        if (!b.len || b.len > len - at || memcmp(s + at, b.bytes, b.len)) return false;
        at += b.len;
    }
    return at == len;
}

static int encode_run(out *o, const char *s, size_t len, lacuna_error *err)
{
    const int32_t *ids;
    size_t n;
    if (!o->scratch && !(o->scratch = lac_spm_ids_new())) return lac_nomem(err, "encoding");
    int r = lac_spm_encode(o->t->spm, s, len, o->scratch, &ids, &n);
    if (r == LAC_SPM_NOMEM) return lac_nomem(err, "encoding");
    if (r || !spells(o->t, ids, n, s, len)) {
        put_bytes(o, s, len);
        return 0;
    }
    for (size_t i = 0; i < n; i++) put(o, ids[i], text_of(o->t, ids[i]).len);
    return 0;
}

/* Bytes of valid UTF-8 before the first NUL or U+2581 of s[0, len). */
static size_t before_special(const char *s, size_t len)
{
    size_t at = 0;
    while (at < len && s[at] && !(s[at] == blank[0] && s[at + 1] == blank[1] && s[at + 2] == blank[2])) at++;
    return at; /* a valid E2 has two bytes behind it */
}

/* Where to cut a run: see the head of this file. */
static size_t cut_run(const char *s, size_t len)
{
    if (len <= GOOD) return len;
    size_t at = len < RUN ? len : RUN;
    const char *line = memchr(s + GOOD - 1, '\n', at - (GOOD - 1));
    if (line) return (size_t)(line - s) + 1;
    if (len <= RUN) return len;
    for (size_t i = GOOD; i; i--)
        if (s[i - 1] == '\n') return i;
    while (!lac_utf8_boundary(s, len, at)) at--;
    return at;
}

static int encode_valid(out *o, const char *s, size_t len, lacuna_error *err)
{
    while (len) {
        size_t run = before_special(s, len), done = 0;
        while (done < run) {
            size_t cut = cut_run(s + done, run - done);
            int r = encode_run(o, s + done, cut, err);
            if (r) return r;
            done += cut;
        }
        s += run;
        len -= run;
        size_t special = !len ? 0 : *s ? sizeof blank : 1;
        put_bytes(o, s, special);
        s += special;
        len -= special;
    }
    return 0;
}

int64_t lac_tok_encode(const lac_tok *t, const char *text, size_t len, int32_t *ids, size_t *ends, size_t cap, lacuna_error *err)
{
    if ((!text && len) || (!ids && cap)) return lac_err(err, LACUNA_E_ARG, 0, "encode: no %s", text || !len ? "room for ids" : "text");
    out o = {.t = t, .ids = ids, .ends = ends, .cap = cap};
    int r = 0;
    while (!r && o.at < len) {
        size_t valid = lac_utf8_valid(text + o.at, len - o.at);
        r = encode_valid(&o, text + o.at, valid, err);
        if (!r && o.at < len) put_bytes(&o, text + o.at, 1); /* the byte that ended it */
    }
    lac_spm_ids_free(o.scratch);
    return r ? r : (int64_t)o.n;
}
