/* Safetensors, writing: notes and tensors are declared, then the data of the tensors pass through as a stream.
 *
 *   lac_safetensors_write_open -> notes and tensors, in any order -> lac_safetensors_write_begin
 *     -> lac_safetensors_write_data, tensor after tensor in the order of declaration -> lac_safetensors_write_end
 *
 * All tensors are F32.  The file appears under its name only at the end (save.h).  Any call that fails drops the file;
 * on a failure of the caller's own, lac_safetensors_write_drop does. */
#ifndef LAC_FILE_SAFETENSORS_WRITE_H
#define LAC_FILE_SAFETENSORS_WRITE_H

#include "file/save.h"

typedef struct {
    lac_save save;
    lac_buf notes, tensors; /* members of JSON objects, as they will stand in the file */
    bool bad;               /* something declared cannot be written */
    uint64_t size, done;    /* bytes of data: declared, written */
    lacuna_allocator mem;
} lac_safetensors_write;

/* IO, NOMEM, ARG (path without a file name). */
int lac_safetensors_write_open(lac_safetensors_write *w, const char *path, const lacuna_allocator *mem, lacuna_error *err);

/* Declarations; what is wrong with them is reported by lac_safetensors_write_begin.  Each key and name once. */
void lac_safetensors_write_note(lac_safetensors_write *w, const char *key, const char *value); /* into "__metadata__" */
void lac_safetensors_write_tensor(lac_safetensors_write *w, const char *name, uint64_t rows, uint64_t cols); /* rows 0: a vector */

/* Write everything before the data.  NOMEM, IO, ARG (a text that is not UTF-8, a shape larger than any file). */
int lac_safetensors_write_begin(lac_safetensors_write *w, lacuna_error *err);

/* The next n numbers. */
int lac_safetensors_write_data(lac_safetensors_write *w, const float *x, size_t n, lacuna_error *err);

/* Sync, rename.  INTERNAL when the data are not as many as declared; IO.  The writer is closed in any case. */
int lac_safetensors_write_end(lac_safetensors_write *w, lacuna_error *err);

void lac_safetensors_write_drop(lac_safetensors_write *w); /* allowed on a closed writer */

#endif
