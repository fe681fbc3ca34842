/* Bytes <-> tokens.  Nothing else in the library knows SentencePiece.
 *
 * Lossless on any bytes: stretches that SentencePiece cannot keep (invalid UTF-8, and U+2581, which it
 * would turn into a space) go in as byte tokens; decoding is a table id -> bytes.  Every stretch is
 * checked to decode to what went in. */
#ifndef LAC_TEXT_TOK_H
#define LAC_TEXT_TOK_H

#include <stdbool.h>

#include "base/mem.h"

typedef struct lac_tok lac_tok;

/* From the bytes of a SentencePiece model (copied).  name: for messages.  FORMAT (not a model, a
 * normalizer that changes text, no byte tokens), NOMEM. */
int lac_tok_open(lac_tok **out, const void *blob, size_t size, const char *name, const lacuna_allocator *mem,
                 lacuna_error *err);
void lac_tok_free(lac_tok *t); /* NULL is allowed */

uint32_t lac_tok_vocab(const lac_tok *t);
size_t lac_tok_longest(const lac_tok *t);                       /* bytes of the longest token */
lacuna_text lac_tok_bytes(const lac_tok *t, int32_t id);        /* empty for control tokens and ids out of range */
int32_t lac_tok_find(const lac_tok *t, const char *piece);      /* id of a control piece such as "<eom>", or -1 */
const char *lac_tok_control(const lac_tok *t, int32_t id);      /* name of a control (or unknown) piece, NULL for others */

/* As lacuna_encode().  Any thread. */
int64_t lac_tok_encode(const lac_tok *t, const char *text, size_t len, int32_t *ids, size_t *ends, size_t cap,
                       lacuna_error *err);

#endif
