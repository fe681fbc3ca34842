#include "train/corpus.h"

#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "file/map.h"
#include "file/save.h"
#include "file/say.h"

#define SHUFFLE 0x53484152u /* stream of the order in which documents are saved */

/* A document: in the bytes of its source, <bos> and tag lie before token `at`. */
typedef struct {
    uint64_t at, n; /* first token, how many */
    uint32_t source; /* 0: the corpus's own memory; s: shard s - 1 */
    int32_t tag;    /* -1: <unk> */
} document;

struct lac_corpus {
    lacuna_allocator mem;
    const lac_tok *tok;
    int32_t bos, unk;
    lac_buf own;         /* documents added as text, as a shard has them */
    lac_map *shard;      /* [n_shards] */
    size_t n_shards, shard_cap;
    document *doc;       /* [n_docs] */
    size_t n_docs, doc_cap;
    uint64_t tokens;
};

int lac_corpus_open(lac_corpus **out, const lac_tok *tok, const lacuna_allocator *mem, lacuna_error *err)
{
    int32_t bos = lac_tok_find(tok, "<bos>"), unk = lac_tok_find(tok, "<unk>");
    *out = NULL;
    if (bos < 0 || unk < 0) return lac_err(err, LACUNA_E_FORMAT, 0, "the tokenizer has no %s: no corpus can be made with it", bos < 0 ? "<bos>" : "<unk>");
    if (lac_tok_vocab(tok) > 65536)
        return lac_err(err, LACUNA_E_FORMAT, 0, "the tokenizer has %u tokens, a corpus has at most 65536", (unsigned)lac_tok_vocab(tok));
    lac_corpus *c = lac_mem_zalloc(mem, sizeof *c);
    if (!c) return lac_nomem(err, "corpus");
    *c = (lac_corpus){.mem = *mem, .tok = tok, .bos = bos, .unk = unk};
    c->own.mem = &c->mem;
    *out = c;
    return 0;
}

void lac_corpus_free(lac_corpus *c)
{
    if (!c) return;
    lacuna_allocator mem = c->mem;
    for (size_t i = 0; i < c->n_shards; i++) lac_map_close(&c->shard[i]);
    lac_mem_free(&mem, c->shard, c->shard_cap * sizeof *c->shard);
    lac_mem_free(&mem, c->doc, c->doc_cap * sizeof *c->doc);
    lac_buf_free(&c->own);
    lac_mem_free(&mem, c, sizeof *c);
}

static int32_t token_at(const uint8_t *bytes, uint64_t i) { return bytes[2 * i] | bytes[2 * i + 1] << 8; }

static const uint8_t *bytes_of(const lac_corpus *c, const document *d)
{
    return d->source ? c->shard[d->source - 1].data : (const uint8_t *)c->own.data;
}

static bool add_document(lac_corpus *c, document d)
{
    void *p = c->doc;
    if (!lac_mem_grow(&c->mem, &p, &c->doc_cap, c->n_docs + 1, sizeof *c->doc)) return false;
    c->doc = p;
    if (d.tag == c->unk) d.tag = -1;
    c->doc[c->n_docs++] = d;
    c->tokens += d.n;
    return true;
}

/* Room for `more` bytes behind what is there. */
static bool reserve(lac_buf *b, size_t more)
{
    size_t want;
    void *p = b->data;
    if (!lac_add(b->len, more, &want) || !lac_mem_grow(b->mem, &p, &b->cap, want, 1)) return false;
    b->data = p;
    return true;
}

static void put(lac_buf *b, int32_t token)
{
    b->data[b->len++] = (char)(token & 255);
    b->data[b->len++] = (char)(token >> 8);
}

int lac_corpus_add_text(lac_corpus *c, const char *text, size_t len, int32_t tag, lacuna_error *err)
{
    size_t room = (len ? len : 1) * sizeof(int32_t); /* a token has at least one byte */
    int32_t *id = len < SIZE_MAX / 8 ? lac_mem_alloc(&c->mem, room) : NULL;
    if (!id) return lac_nomem(err, "text of a corpus");
    int64_t n = lac_tok_encode(c->tok, text, len, id, NULL, len, err);
    int r = n < 0 ? (int)n : 0;
    if (!r && !reserve(&c->own, ((size_t)n + 2) * 2)) r = lac_nomem(err, "corpus");
    if (!r && !add_document(c, (document){c->own.len / 2 + 2, (uint64_t)n, 0, tag})) r = lac_nomem(err, "corpus");
    if (!r) {
        put(&c->own, c->bos);
        put(&c->own, tag < 0 ? c->unk : tag);
        for (int64_t i = 0; i < n; i++) put(&c->own, id[i]);
    }
    lac_mem_free(&c->mem, id, room);
    return r;
}

/* Find the documents of shard `source`. */
static int scan(lac_corpus *c, const lac_map *map, uint32_t source, const char *path, lacuna_error *err)
{
    const uint64_t n = map->size / 2;
    const int32_t vocab = (int32_t)lac_tok_vocab(c->tok);
    if (map->size % 2)
        return lac_err(err, LACUNA_E_FORMAT, map->size, "%s: %llu bytes, a shard has two a token", lac_say_path(path).s, (unsigned long long)map->size);
    if (token_at(map->data, 0) != c->bos)
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: a shard begins with <bos> (%d), this file with %d", lac_say_path(path).s, (int)c->bos,
                       (int)token_at(map->data, 0));
    for (uint64_t at = 0, end; at < n; at = end) {
        int32_t tag = at + 1 < n ? token_at(map->data, at + 1) : c->bos;
        if (tag == c->bos)
            return lac_err(err, LACUNA_E_FORMAT, 2 * at, "%s: the document at byte %llu has no tag", lac_say_path(path).s, (unsigned long long)(2 * at));
        for (end = at + 1; end < n && token_at(map->data, end) != c->bos; end++) {
            const int32_t t = token_at(map->data, end);
            if (t >= vocab)
                return lac_err(err, LACUNA_E_FORMAT, 2 * end, "%s: token %d at byte %llu, the tokenizer has %d", lac_say_path(path).s, (int)t,
                               (unsigned long long)(2 * end), (int)vocab);
        }
        if (!add_document(c, (document){at + 2, end - at - 2, source, tag})) return lac_nomem(err, "corpus");
    }
    return 0;
}

int lac_corpus_add_shard(lac_corpus *c, const char *path, lacuna_error *err)
{
    const size_t docs = c->n_docs;
    const uint64_t tokens = c->tokens;
    lac_map map;
    void *p = c->shard;
    if (!lac_mem_grow(&c->mem, &p, &c->shard_cap, c->n_shards + 1, sizeof *c->shard)) return lac_nomem(err, "corpus");
    c->shard = p;
    int r = lac_map_open(&map, path, err);
    if (r) return r;
    r = scan(c, &map, (uint32_t)c->n_shards + 1, path, err);
    if (r) {
        c->n_docs = docs;
        c->tokens = tokens;
        lac_map_close(&map);
        return r;
    }
    c->shard[c->n_shards++] = map;
    return 0;
}

int lac_corpus_save(const lac_corpus *c, const char *path, uint64_t seed, lacuna_error *err)
{
    const size_t size = (c->n_docs ? c->n_docs : 1) * sizeof(size_t);
    size_t *order = lac_mem_alloc(&c->mem, size);
    if (!order) return lac_nomem(err, "order of documents");
    for (size_t i = 0; i < c->n_docs; i++) order[i] = i;
    lac_rng rng = lac_rng_make(seed, SHUFFLE);
    lac_rng_shuffle(&rng, order, c->n_docs);
    lac_save s;
    int r = lac_save_open(&s, path, &c->mem, err);
    for (size_t i = 0; !r && i < c->n_docs; i++) {
        const document *d = &c->doc[order[i]];
        r = lac_save_write(&s, bytes_of(c, d) + (d->at - 2) * 2, (size_t)(d->n + 2) * 2, err);
    }
    lac_mem_free(&c->mem, order, size);
    if (r) lac_save_drop(&s);
    else r = lac_save_commit(&s, err);
    return r;
}

uint64_t lac_corpus_tokens(const lac_corpus *c) { return c->tokens; }
uint64_t lac_corpus_documents(const lac_corpus *c) { return c->n_docs; }

uint64_t lac_corpus_length(const lac_corpus *c, size_t d, int32_t *tag)
{
    if (tag) *tag = c->doc[d].tag;
    return c->doc[d].n;
}

void lac_corpus_read(const lac_corpus *c, size_t d, uint64_t at, size_t n, int32_t *x)
{
    const uint8_t *bytes = bytes_of(c, &c->doc[d]) + 2 * (c->doc[d].at + at);
    for (size_t i = 0; i < n; i++) x[i] = token_at(bytes, i);
}

uint64_t lac_corpus_epoch(const lac_corpus *c, size_t n)
{
    uint64_t windows = 0;
    for (size_t d = 0; d < c->n_docs; d++) windows += (c->doc[d].n + n - 1) / n;
    return windows;
}
