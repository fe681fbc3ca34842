/* Conversion of a checkpoint to the file the library runs: import, element types, keys, container. */
#ifndef LAC_MODEL_CONVERT_H
#define LAC_MODEL_CONVERT_H

#include "base/mem.h"
#include "kern/kern.h"

/* As lacuna_convert().  type is that of the matrices (under Q8_0, those whose columns are no multiple of 32
 * stay F32); norms and biases are F32.
 *
 * tokenizer: bytes of a SentencePiece model to embed, or NULL; tokenizer_vocab its size, -1 when none;
 * tokenizer_mask the id of its <mask>, or -1.  The mask index is the configuration's mask_index, or else
 * the tokenizer's; if both are given they must agree.  The tokenizer must have as many pieces as the model has tokens,
 * or one less when the mask is the last token (as with the published models).
 *
 * Memory: the folding constants, one row of a matrix, the longest vector, the tokenizer; the checkpoint is mapped.
 * out may be the input.  IO, FORMAT, LIMIT, ARG, NOMEM; on failure out is as before. */
int lac_convert(const char *safetensors, const char *config, const char *out, lac_type type, const void *tokenizer,
                size_t tokenizer_size, int64_t tokenizer_vocab, int32_t tokenizer_mask, const char *name,
                const char *license, const lacuna_allocator *mem, lacuna_error *err);

#endif
