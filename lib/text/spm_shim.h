/* SentencePiece behind C: the only C++ of the library.
 *
 * No exception leaves.  The blob must have passed lac_spm_check().  Memory is C++'s own.  SentencePiece logs
 * to stderr; the first open raises its process-wide log level so that it does not, the one thing outside
 * its handles that the library changes. */
#ifndef LAC_TEXT_SPM_SHIM_H
#define LAC_TEXT_SPM_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lac_spm lac_spm;         /* immutable, any thread */
typedef struct lac_spm_ids lac_spm_ids; /* ids of one run, and room for the next; one thread */

enum { LAC_SPM_OK = 0, LAC_SPM_NOMEM = -1, LAC_SPM_FAILED = -2 };

/* OK with *out set; NOMEM; FAILED with the reason in why (cut to size, NUL-terminated). */
int lac_spm_open(lac_spm **out, const void *blob, size_t size, char *why, size_t why_size);
void lac_spm_free(lac_spm *m); /* NULL is allowed */

uint32_t lac_spm_count(const lac_spm *m);
/* Bytes of a piece as the model spells it (U+2581 for a blank); valid while m lives.  id < count here and below. */
const char *lac_spm_piece(const lac_spm *m, uint32_t id, size_t *len);
/* Id that SentencePiece gives to a piece; that of the unknown piece where there is none; -1 on failure. */
int32_t lac_spm_find(const lac_spm *m, const char *piece, size_t len);
bool lac_spm_is_control(const lac_spm *m, uint32_t id);
bool lac_spm_is_unknown(const lac_spm *m, uint32_t id);
bool lac_spm_is_byte(const lac_spm *m, uint32_t id);
bool lac_spm_is_unused(const lac_spm *m, uint32_t id);

lac_spm_ids *lac_spm_ids_new(void); /* NULL: out of memory */
void lac_spm_ids_free(lac_spm_ids *ids);

/* Encode s[0, n), valid UTF-8.  OK with *ids (valid until the next call with this scratch) and *count; NOMEM; FAILED. */
int lac_spm_encode(const lac_spm *m, const char *s, size_t n, lac_spm_ids *scratch, const int32_t **ids, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
