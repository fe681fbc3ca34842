/* What makes a run besides its arrays, as the JSON text of a state file (state.h):
 *
 *   {"options": {"objective": "infill", "length": 512, ...},      lacuna_train_options with the defaults filled in
 *    "network": {"dim": 256, ..., "mask_index": 3},               as model/config.h reads it
 *    "grammars": {"path": "...", "n": 2},                         where there are any: holes depend on them
 *    "step": 120, "examples": 1920, "entries": ..., "targets": ...,
 *    "corpus": {"tokens": ..., "documents": ...},                 what the run was trained on, to recognise it
 *    "tokenizer": "..."}                                          the SentencePiece model, base64
 *
 * A seed is written as the signed number of the same 64 bits: JSON integers end there. */
#ifndef LAC_TRAIN_META_H
#define LAC_TRAIN_META_H

#include <jansson.h>

#include "base/mem.h"
#include "lacuna_train.h"

typedef struct {
    lacuna_train_options opt;                  /* texts are not used, but for objective, which is static */
    json_t *network;                           /* owned */
    json_t *grammars;                          /* path, a string; owned; NULL: none */
    uint64_t n_grammars;                       /* found there */
    uint64_t step, examples, entries, targets; /* done, and seen so far */
    uint64_t tokens, documents;                /* of the corpus */
} lac_meta;

/* The text, NUL-terminated, into out.  NOMEM. */
int lac_meta_write(const lac_meta *m, const void *tokenizer, size_t tokenizer_size, lac_buf *out, lacuna_error *err);

/* From a state file.  IO, FORMAT, NOMEM. */
int lac_meta_read(lac_meta *m, const char *path, const lacuna_allocator *mem, lacuna_error *err);
void lac_meta_free(lac_meta *m);

/* The tokenizer of a state file, to be freed with lac_mem_free(mem, *bytes, *size).  IO, FORMAT, NOMEM. */
int lac_meta_tokenizer(const char *path, void **bytes, size_t *size, const lacuna_allocator *mem, lacuna_error *err);

/* Fill in the defaults: afterwards zero means zero, and negative none.  ARG names the option and its value. */
int lac_meta_settle(lacuna_train_options *o, lacuna_error *err);

#endif
