/* Safetensors, reading: a mapped file as a table of named tensors.
 *
 *   u64 n | n bytes of JSON {"name": {"dtype": "F32", "shape": [R, K], "data_offsets": [start, end]}, ...} | data
 *
 * Row-major, little-endian; offsets count from the end of the JSON.  As the format demands, the tensors cover
 * the data without gap or overlap, each with exactly the bytes of its shape.  The JSON parser allocates with
 * malloc, in proportion to the JSON. */
#ifndef LAC_FILE_SAFETENSORS_H
#define LAC_FILE_SAFETENSORS_H

#include "base/mem.h"
#include "file/map.h"

typedef enum { LAC_ST_OTHER, LAC_ST_F64, LAC_ST_F32, LAC_ST_F16, LAC_ST_BF16 } lac_st_type; /* OTHER: integers, ... */

typedef struct {
    lacuna_text name;    /* in the table's own memory; NUL-terminated */
    lac_st_type type;
    uint32_t n_dims;     /* 0 to 8 */
    uint64_t dim[8];     /* as in the file: the last is the fastest */
    const uint8_t *data; /* in the map; not aligned */
    uint64_t bytes;
    uint64_t at;         /* byte offset of the data in the file */
} lac_st_tensor;

typedef struct {
    lac_st_tensor *tensor;
    size_t n_tensors;
    struct lac_st_note { const char *key, *value; } *note; /* [n_notes] "__metadata__"; in the table's own memory */
    size_t n_notes;
    char *names;         /* names_size bytes: names of tensors, notes */
    size_t names_size;
    lac_map map;         /* open when lac_safetensors_close is to unmap */
    char name[96];       /* base name of the path, for messages */
    lacuna_allocator mem;
} lac_safetensors;

/* IO, FORMAT, NOMEM. */
int lac_safetensors_open(lac_safetensors *s, const char *path, const lacuna_allocator *mem, lacuna_error *err);

/* The same over bytes in memory, which must outlive s. */
int lac_safetensors_parse(lac_safetensors *s, const void *bytes, uint64_t size, const char *name,
                          const lacuna_allocator *mem, lacuna_error *err);
void lac_safetensors_close(lac_safetensors *s);

const lac_st_tensor *lac_safetensors_find(const lac_safetensors *s, const char *name); /* NULL: absent */

/* Elements [first, first + n) as double (exact).  They must exist and the type must not be OTHER. */
void lac_safetensors_read(const lac_st_tensor *t, uint64_t first, size_t n, double *out);

/* The same as float: the nearest. */
void lac_safetensors_read_f32(const lac_st_tensor *t, uint64_t first, size_t n, float *out);

/* The text at key of "__metadata__"; NULL: absent.  Lives as long as s. */
const char *lac_safetensors_note(const lac_safetensors *s, const char *key);

#endif
