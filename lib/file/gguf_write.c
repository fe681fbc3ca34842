#define XXH_STATIC_LINKING_ONLY /* the hash state as a plain value */
#include "file/gguf_write.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/err.h"
#include "file/gguf.h"

#define DIGITS 16
static const char ZEROS[DIGITS + 1] = "0000000000000000"; /* stand for a checksum until it is known */
static const uint8_t PADDING[LAC_GGUF_ALIGN];

void lac_gguf_write_drop(lac_gguf_write *w)
{
    lac_save_drop(&w->save);
    if (w->kv.mem) lac_buf_free(&w->kv);
    if (w->info.mem) lac_buf_free(&w->info);
    lac_mem_free(&w->mem, w->plan, w->cap * sizeof *w->plan);
    lac_mem_free(&w->mem, w->hash, sizeof(XXH64_state_t));
    *w = (lac_gguf_write){.save = {.fd = -1, .dir = -1}, .kv.failed = true, .info.failed = true}; /* keys are ignored now */
}

int lac_gguf_write_open(lac_gguf_write *w, const char *path, const lacuna_allocator *mem, lacuna_error *err)
{
    *w = (lac_gguf_write){.save = {.fd = -1, .dir = -1}, .mem = *mem};
    w->kv.mem = w->info.mem = &w->mem;
    w->hash = lac_mem_alloc(mem, sizeof(XXH64_state_t));
    int r = w->hash ? lac_save_open(&w->save, path, mem, err) : lac_nomem(err, "checksum state");
    if (r) {
        lac_gguf_write_drop(w);
        return r;
    }
    XXH64_reset(w->hash, 0);
    lac_gguf_write_u32(w, "general.alignment", LAC_GGUF_ALIGN);
    return 0;
}

/* ---- keys ---- */

static void add_u32(lac_buf *b, uint32_t v) { lac_buf_add(b, &v, sizeof v); }
static void add_u64(lac_buf *b, uint64_t v) { lac_buf_add(b, &v, sizeof v); }

static void add_text(lac_buf *b, const char *s)
{
    add_u64(b, strlen(s));
    lac_buf_add(b, s, strlen(s));
}

static void add_key(lac_gguf_write *w, const char *key, uint32_t type)
{
    add_text(&w->kv, key);
    add_u32(&w->kv, type);
    w->n_kv++;
}

void lac_gguf_write_u32(lac_gguf_write *w, const char *key, uint32_t v)
{
    add_key(w, key, LAC_KV_U32);
    add_u32(&w->kv, v);
}

void lac_gguf_write_f32(lac_gguf_write *w, const char *key, float v)
{
    add_key(w, key, LAC_KV_F32);
    lac_buf_add(&w->kv, &v, sizeof v);
}

void lac_gguf_write_bool(lac_gguf_write *w, const char *key, bool v)
{
    add_key(w, key, LAC_KV_BOOL);
    lac_buf_add(&w->kv, &(uint8_t){v}, 1);
}

void lac_gguf_write_text(lac_gguf_write *w, const char *key, const char *v)
{
    add_key(w, key, LAC_KV_STRING);
    add_text(&w->kv, v);
}

void lac_gguf_write_bytes(lac_gguf_write *w, const char *key, const void *p, size_t n)
{
    add_key(w, key, LAC_KV_ARRAY);
    add_u32(&w->kv, LAC_KV_U8);
    add_u64(&w->kv, n);
    lac_buf_add(&w->kv, p, n);
}

/* ---- tensors ---- */

static uint64_t pad_of(uint64_t at) { return (LAC_GGUF_ALIGN - at % LAC_GGUF_ALIGN) % LAC_GGUF_ALIGN; }

/* Fail for a misuse by the caller. */
static int misuse(lac_gguf_write *w, lacuna_error *err, const char *why)
{
    lac_gguf_write_drop(w);
    return lac_err(err, LACUNA_E_INTERNAL, 0, "writing GGUF: %s", why);
}

int lac_gguf_write_tensor(lac_gguf_write *w, const char *name, uint32_t type, uint64_t rows, uint64_t cols,
                          lacuna_error *err)
{
    uint64_t bytes = lac_gguf_row_bytes(type, cols);
    if (w->save.fd < 0) return misuse(w, err, "a tensor for a closed file");
    if (!bytes || __builtin_mul_overflow(bytes, rows ? rows : 1, &bytes) || bytes > INT64_MAX / 4 - w->data_end) {
        return misuse(w, err, "a tensor type or shape that has no size");
    }
    void *plan = w->plan;
    bool grown = lac_mem_grow(&w->mem, &plan, &w->cap, w->n_tensors + 1, sizeof *w->plan);
    w->plan = plan;
    if (!grown) {
        lac_gguf_write_drop(w);
        return lac_nomem(err, "tensor table");
    }
    w->plan[w->n_tensors++] = bytes;
    add_text(&w->info, name);
    add_u32(&w->info, rows ? 2 : 1);
    add_u64(&w->info, cols);
    if (rows) add_u64(&w->info, rows);
    add_u32(&w->info, type);
    add_u64(&w->info, w->data_end);
    w->data_end += bytes;
    w->data_end += pad_of(w->data_end);
    return 0;
}

int lac_gguf_write_begin(lac_gguf_write *w, lacuna_error *err)
{
    lac_buf head = {.mem = &w->mem};
    if (w->save.fd < 0) return misuse(w, err, "data for a closed file");
    lac_gguf_write_text(w, "eso.checksum.meta", ZEROS);
    w->meta_at = 24 + w->kv.len - DIGITS; /* 24: magic, version, two counts */
    lac_gguf_write_text(w, "eso.checksum.data", ZEROS);
    w->data_at = 24 + w->kv.len - DIGITS;
    lac_buf_add(&head, "GGUF", 4);
    add_u32(&head, 3);
    add_u64(&head, w->n_tensors);
    add_u64(&head, w->n_kv);
    lac_buf_add(&head, w->kv.data, w->kv.len);
    lac_buf_add(&head, w->info.data, w->info.len);
    lac_buf_add(&head, PADDING, pad_of(head.len));
    int r = w->kv.failed || w->info.failed || head.failed ? lac_nomem(err, "GGUF header") : 0;
    if (!r) r = lac_save_write(&w->save, head.data, head.len, err);
    if (!r) w->meta_sum = XXH64(head.data, head.len, 0);
    lac_buf_free(&head);
    if (!r) w->left = w->n_tensors ? w->plan[0] : 0;
    else lac_gguf_write_drop(w);
    return r;
}

static int put(lac_gguf_write *w, const void *p, size_t n, lacuna_error *err)
{
    XXH64_update(w->hash, p, n);
    int r = lac_save_write(&w->save, p, n, err);
    if (r) lac_gguf_write_drop(w);
    return r;
}

int lac_gguf_write_data(lac_gguf_write *w, const void *p, size_t n, lacuna_error *err)
{
    if (n > w->left) return misuse(w, err, "more data than the tensor holds");
    if (!n) return 0;
    int r = put(w, p, n, err);
    if (r) return r;
    w->left -= n;
    if (w->left) return 0;
    uint64_t pad = pad_of(w->plan[w->at_tensor]);
    if (++w->at_tensor < w->n_tensors) w->left = w->plan[w->at_tensor];
    return pad ? put(w, PADDING, (size_t)pad, err) : 0;
}

int lac_gguf_write_end(lac_gguf_write *w, lacuna_error *err)
{
    char meta[DIGITS + 1], data[DIGITS + 1];
    if (w->save.fd < 0 || w->at_tensor != w->n_tensors) return misuse(w, err, "closed before all data were there");
    snprintf(meta, sizeof meta, "%016llx", (unsigned long long)w->meta_sum);
    snprintf(data, sizeof data, "%016llx", (unsigned long long)XXH64_digest(w->hash));
    int r = lac_save_patch(&w->save, w->meta_at, meta, DIGITS, err);
    if (!r) r = lac_save_patch(&w->save, w->data_at, data, DIGITS, err);
    if (!r) r = lac_save_commit(&w->save, err);
    lac_gguf_write_drop(w);
    return r;
}
