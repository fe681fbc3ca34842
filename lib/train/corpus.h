/* Documents to train on, as tokens: shards that are mapped, texts that are encoded when added.
 *
 * A shard is a flat file of little-endian uint16:
 *
 *   <bos> tag token token ... <bos> tag token ...        one document after the other; <bos> nowhere else
 *
 * The tag is <unk> where the kind of text is not known. */
#ifndef LAC_TRAIN_CORPUS_H
#define LAC_TRAIN_CORPUS_H

#include "base/mem.h"
#include "text/tok.h"

typedef struct lac_corpus lac_corpus;

/* tok must outlive the corpus and have <bos>, <unk> and at most 65536 pieces.  FORMAT, NOMEM. */
int lac_corpus_open(lac_corpus **out, const lac_tok *tok, const lacuna_allocator *mem, lacuna_error *err);
void lac_corpus_free(lac_corpus *c);

/* A document; tag is the token of its kind, or -1 (then <unk> stands in its place).  NOMEM. */
int lac_corpus_add_text(lac_corpus *c, const char *text, size_t len, int32_t tag, lacuna_error *err);

/* A shard.  IO; FORMAT: odd size, a token outside the vocabulary, no <bos> at the beginning, a <bos> without a tag. */
int lac_corpus_add_shard(lac_corpus *c, const char *path, lacuna_error *err);

/* Write all documents as one shard, in an order drawn from seed.  IO, NOMEM. */
int lac_corpus_save(const lac_corpus *c, const char *path, uint64_t seed, lacuna_error *err);

uint64_t lac_corpus_tokens(const lac_corpus *c);
uint64_t lac_corpus_documents(const lac_corpus *c);

/* Document d: how many tokens it has, without <bos> and tag; its tag, -1 for <unk>.  tag may be NULL. */
uint64_t lac_corpus_length(const lac_corpus *c, size_t d, int32_t *tag);
/* n tokens of document d from token `at` on; all must exist. */
void lac_corpus_read(const lac_corpus *c, size_t d, uint64_t at, size_t n, int32_t *x);

/* Windows of n tokens that an epoch has (windows.h); sample i is in epoch i / that. */
uint64_t lac_corpus_epoch(const lac_corpus *c, size_t n);

#endif
