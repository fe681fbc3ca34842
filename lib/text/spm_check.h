/* Is this blob a SentencePiece model that can be trusted to a C++ parser, and that keeps text as it is? */
#ifndef LAC_TEXT_SPM_CHECK_H
#define LAC_TEXT_SPM_CHECK_H

#include "lacuna.h"

#define LAC_SPM_MAX_SIZE ((size_t)64 << 20)       /* bytes of a model; a million pieces take about 30 MiB */
#define LAC_SPM_MAX_PIECES ((uint32_t)1 << 20)
#define LAC_SPM_MAX_PIECE 1024u                   /* bytes; SentencePiece recurses once a character of unused pieces */
#define LAC_SPM_MAX_SYMBOL 64u                    /* characters of a user-defined piece: see spm_check.c */
#define LAC_SPM_MAX_SELF_TEST ((size_t)64 << 10)  /* bytes; they are encoded at open, at some 300 bytes a byte */
#define LAC_SPM_MAX_SPEC ((size_t)1 << 20)        /* bytes of everything that is not pieces, all together */

/* Walk the blob, allocating nothing, and refuse what tok.h does not promise to read.  0 with *n_pieces set
 * (it may be NULL), or FORMAT; err->where is an offset in the blob.  name: for messages. */
int lac_spm_check(const void *blob, size_t size, const char *name, uint32_t *n_pieces, lacuna_error *err);

/* Offset of piece `id` in a blob that passed the check, or size. */
size_t lac_spm_where(const void *blob, size_t size, uint32_t id);

#endif
