/* GGUF version 3, reading: a mapped file as a table of keys and a table of tensors.
 *
 *   "GGUF" | u32 version | u64 n_tensors | u64 n_kv | kv... | tensor infos... | pad | tensor data
 *
 * Keys and tensors are views into the map; every length is checked against the file before it is used,
 * and nothing is allocated in proportion to a number that the file merely claims.  Little-endian only.
 *
 * Two checksums (XXH64, as strings of 16 lower-case hexadecimal digits):
 * eso.checksum.meta covers all bytes before the tensor data, with both checksum values read as sixteen '0';
 * eso.checksum.data covers the tensor data up to the end of the file. */
#ifndef LAC_FILE_GGUF_H
#define LAC_FILE_GGUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

typedef enum {
    LAC_KV_U8, LAC_KV_I8, LAC_KV_U16, LAC_KV_I16, LAC_KV_U32, LAC_KV_I32, LAC_KV_F32, LAC_KV_BOOL,
    LAC_KV_STRING, LAC_KV_ARRAY, LAC_KV_U64, LAC_KV_I64, LAC_KV_F64
} lac_kv_type;

/* Tensor types whose size is known here: GGML's numbers, those of lac_type in kern.h. */
enum { LAC_GGUF_F32 = 0, LAC_GGUF_Q8_0 = 8, LAC_GGUF_BF16 = 30 };

/* Bytes of a row of k elements; 0 when k does not fit the type or the type is unknown. */
uint64_t lac_gguf_row_bytes(uint32_t type, uint64_t k);

typedef struct {
    lacuna_text key;
    lac_kv_type type;
    lac_kv_type elem;    /* of an array */
    uint64_t n;          /* elements of an array; bytes of a string */
    const uint8_t *data; /* the value; not aligned */
    uint64_t at;         /* byte offset of the value in the file */
} lac_gguf_kv;

typedef struct {
    lacuna_text name;
    uint32_t type;       /* GGML type number */
    uint32_t n_dims;     /* 1 to 4 */
    uint64_t dim[4];     /* as in the file: dim[0] is the fastest (columns) */
    const uint8_t *data; /* checked to lie inside the file; NULL for types unknown here */
    uint64_t at;         /* byte offset of the data in the file */
    uint64_t bytes;
} lac_gguf_tensor;

typedef struct {
    const uint8_t *map;  /* the whole file, read-only */
    uint64_t size;
    uint64_t data_at;    /* where tensor data begin */
    lac_gguf_kv *kv;
    uint64_t n_kv;
    lac_gguf_tensor *tensor;
    uint64_t n_tensors;
    lacuna_allocator mem;
    char name[96];       /* base name of the path, for messages */
    bool mapped;         /* lac_gguf_close unmaps */
} lac_gguf;

/* Map and check a file; messages name it.  verify_meta: compare eso.checksum.meta (a file without one passes).
 * IO, FORMAT, VERSION, NOMEM. */
int lac_gguf_open(lac_gguf *g, const char *path, bool verify_meta, const lacuna_allocator *mem, lacuna_error *err);

/* The same over bytes in memory, which must outlive g. */
int lac_gguf_parse(lac_gguf *g, const void *bytes, uint64_t size, const char *name, bool verify_meta,
                   const lacuna_allocator *mem, lacuna_error *err);
void lac_gguf_close(lac_gguf *g);
/* What was read of a mapped file need not stay in memory: it comes back when it is read again.  Any thread. */
void lac_gguf_release(const lac_gguf *g);

/* Compare eso.checksum.data.  0; FORMAT when it differs or is missing. */
int lac_gguf_verify_data(const lac_gguf *g, lacuna_error *err);

const lac_gguf_kv *lac_gguf_find(const lac_gguf *g, const char *key);            /* NULL: absent */
const lac_gguf_tensor *lac_gguf_find_tensor(const lac_gguf *g, const char *name);

/* Value of a key as a number of the kind asked for (any integer type that fits); FORMAT when absent or of another type.
 * def: not NULL, the value used when the key is absent. */
int lac_gguf_u32(const lac_gguf *g, const char *key, const uint32_t *def, uint32_t *out, lacuna_error *err);
int lac_gguf_f32(const lac_gguf *g, const char *key, const float *def, float *out, lacuna_error *err);
int lac_gguf_bool(const lac_gguf *g, const char *key, const bool *def, bool *out, lacuna_error *err);
/* A string (or an array of U8) as bytes; {NULL, 0} when absent, FORMAT for another type. */
int lac_gguf_text(const lac_gguf *g, const char *key, lacuna_text *out, lacuna_error *err);

#endif
