/* GGUF version 3, writing: keys, then tensor infos, then the data of the tensors as a stream.
 *
 *   lac_gguf_write_open -> keys and tensors, in any order -> lac_gguf_write_begin
 *     -> lac_gguf_write_data, tensor after tensor in the order of declaration -> lac_gguf_write_end
 *
 * Data pass through and are not kept.  The file has alignment 64 (general.alignment), both checksums of
 * gguf.h, and appears under its name only at the end (save.h).  Any call that fails drops the file; it is
 * safe, and needed on a failure of the caller's own, to call lac_gguf_write_drop. */
#ifndef LAC_FILE_GGUF_WRITE_H
#define LAC_FILE_GGUF_WRITE_H

#include "base/mem.h"
#include "file/save.h"

#define LAC_GGUF_ALIGN 64

typedef struct {
    lac_save save;
    lac_buf kv, info;            /* as they will stand in the file */
    uint64_t *plan;              /* [n_tensors] bytes of each, without padding */
    size_t n_tensors, cap;
    uint64_t n_kv;
    uint64_t data_end;           /* offset behind the tensors declared so far, padded */
    size_t at_tensor;            /* whose data come next */
    uint64_t left;               /* bytes it still lacks */
    uint64_t meta_at, data_at;   /* offsets in the file of the values of the two checksums */
    uint64_t meta_sum;
    void *hash;                  /* state of the sum over the data */
    lacuna_allocator mem;
} lac_gguf_write;

int lac_gguf_write_open(lac_gguf_write *w, const char *path, const lacuna_allocator *mem, lacuna_error *err);

/* Keys.  Running out of memory is reported by lac_gguf_write_begin.  Each key once: the reader refuses
 * duplicates; general.alignment and eso.checksum.* are written by this file. */
void lac_gguf_write_u32(lac_gguf_write *w, const char *key, uint32_t v);
void lac_gguf_write_f32(lac_gguf_write *w, const char *key, float v);
void lac_gguf_write_bool(lac_gguf_write *w, const char *key, bool v);
void lac_gguf_write_text(lac_gguf_write *w, const char *key, const char *v);
void lac_gguf_write_bytes(lac_gguf_write *w, const char *key, const void *p, size_t n); /* array of U8 */

/* Declare a tensor: rows of cols elements (rows 0: a vector, one dimension).  type is a number of
 * gguf.h.  INTERNAL (type or shape that has no size), NOMEM. */
int lac_gguf_write_tensor(lac_gguf_write *w, const char *name, uint32_t type, uint64_t rows, uint64_t cols,
                          lacuna_error *err);

/* Write everything before the data.  NOMEM, IO. */
int lac_gguf_write_begin(lac_gguf_write *w, lacuna_error *err);

/* The next n bytes of data; they may end in the middle of a tensor but not reach into the next one. */
int lac_gguf_write_data(lac_gguf_write *w, const void *p, size_t n, lacuna_error *err);

/* Checksums, sync, rename.  INTERNAL when data are missing; IO.  The writer is closed in any case. */
int lac_gguf_write_end(lac_gguf_write *w, lacuna_error *err);

void lac_gguf_write_drop(lac_gguf_write *w); /* allowed on a closed writer */

#endif
