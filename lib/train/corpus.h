/* Documents to train on, as tokens: shards that are mapped, texts that are encoded when added.
 *
 * A shard is a flat file of little-endian uint16:
 *
 *   <bos> tag token token ... <bos> tag token ...        one document after the other; <bos> nowhere else
 *
 * Sample i of a run is a place in the documents, a function of (seed, i) alone: the corpus is cut into windows of n
 * tokens (with an offset drawn anew each epoch) and an epoch visits each window once, in an order drawn anew.  So a run
 * resumes at the exact sample, and ranks and threads need not agree on anything but i. */
#ifndef LAC_TRAIN_CORPUS_H
#define LAC_TRAIN_CORPUS_H

#include "base/mem.h"
#include "base/rng.h"
#include "text/tok.h"

typedef struct lac_corpus lac_corpus;

/* tok must outlive the corpus and have <bos> and at most 65536 pieces.  FORMAT, NOMEM. */
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

/* Window i of a run with this seed and window length n: at most n tokens of one document into x, no <bos>, no tag; the
 * document's tag into *tag.  Returns how many, at least 1; 0 when the corpus is empty. */
size_t lac_corpus_window(const lac_corpus *c, uint64_t seed, uint64_t i, size_t n, int32_t *x, int32_t *tag);

/* Windows an epoch has; sample i is in epoch i / epoch. */
uint64_t lac_corpus_epoch(const lac_corpus *c, size_t n);

#endif
