#include "file/safetensors_write.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

void lac_safetensors_write_drop(lac_safetensors_write *w)
{
    lac_save_drop(&w->save);
    if (w->notes.mem) lac_buf_free(&w->notes);
    if (w->tensors.mem) lac_buf_free(&w->tensors);
    /* Declarations are ignored from now on. */
    *w = (lac_safetensors_write){.save = {.fd = -1, .dir = -1}, .notes.failed = true, .tensors.failed = true};
}

int lac_safetensors_write_open(lac_safetensors_write *w, const char *path, const lacuna_allocator *mem, lacuna_error *err)
{
    *w = (lac_safetensors_write){.save = {.fd = -1, .dir = -1}, .mem = *mem};
    w->notes.mem = w->tensors.mem = &w->mem;
    int r = lac_save_open(&w->save, path, mem, err);
    if (r) lac_safetensors_write_drop(w);
    return r;
}

/* ---- the header ---- */

static void add(lac_buf *b, const char *s) { lac_buf_add(b, s, strlen(s)); }

/* A JSON string (RFC 8259, section 7). */
static void add_string(lac_safetensors_write *w, lac_buf *b, const char *s)
{
    const size_t len = strlen(s);
    size_t from = 0;
    char code[8];
    if (lac_utf8_valid(s, len) != len) w->bad = true;
    add(b, "\"");
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] >= 32 && s[i] != '"' && s[i] != '\\') continue;
        snprintf(code, sizeof code, "\\u%04x", (unsigned)(unsigned char)s[i]);
        lac_buf_add(b, s + from, i - from);
        add(b, code);
        from = i + 1;
    }
    lac_buf_add(b, s + from, len - from);
    add(b, "\"");
}

void lac_safetensors_write_note(lac_safetensors_write *w, const char *key, const char *value)
{
    if (w->notes.len) add(&w->notes, ",");
    add_string(w, &w->notes, key);
    add(&w->notes, ":");
    add_string(w, &w->notes, value);
}

void lac_safetensors_write_tensor(lac_safetensors_write *w, const char *name, uint64_t rows, uint64_t cols)
{
    uint64_t bytes;
    char text[160], dims[48];
    if (__builtin_mul_overflow(cols, sizeof(float) * (rows ? rows : 1), &bytes) || rows > INT64_MAX / 4 || bytes > INT64_MAX - w->size) {
        w->bad = true;
        return;
    }
    if (rows) snprintf(dims, sizeof dims, "%llu,%llu", (unsigned long long)rows, (unsigned long long)cols);
    else snprintf(dims, sizeof dims, "%llu", (unsigned long long)cols);
    snprintf(text, sizeof text, ":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%llu,%llu]}", dims, (unsigned long long)w->size,
             (unsigned long long)(w->size + bytes));
    add(&w->tensors, ",");
    add_string(w, &w->tensors, name);
    add(&w->tensors, text);
    w->size += bytes;
}

int lac_safetensors_write_begin(lac_safetensors_write *w, lacuna_error *err)
{
    lac_buf head = {.mem = &w->mem};
    uint64_t n;
    int r = w->bad ? lac_err(err, LACUNA_E_ARG, 0, "writing safetensors: a text that is not UTF-8 or a shape too large") : 0;
    if (r || w->save.fd < 0) {
        if (!r) r = lac_err(err, LACUNA_E_INTERNAL, 0, "writing safetensors: data for a closed file");
        lac_safetensors_write_drop(w);
        return r;
    }
    add(&head, "{\"__metadata__\":{");
    lac_buf_add(&head, w->notes.data, w->notes.len);
    add(&head, "}");
    lac_buf_add(&head, w->tensors.data, w->tensors.len);
    add(&head, "}");
    while (head.len % 8 && !head.failed) add(&head, " ");
    n = head.len;
    if (head.failed || w->notes.failed || w->tensors.failed) r = lac_nomem(err, "safetensors header");
    if (!r) r = lac_save_write(&w->save, &n, sizeof n, err);
    if (!r) r = lac_save_write(&w->save, head.data, head.len, err);
    lac_buf_free(&head);
    if (r) lac_safetensors_write_drop(w);
    return r;
}

/* ---- the data ---- */

int lac_safetensors_write_data(lac_safetensors_write *w, const float *x, size_t n, lacuna_error *err)
{
    int r = lac_save_write(&w->save, x, n * sizeof *x, err);
    w->done += n * sizeof *x;
    if (r) lac_safetensors_write_drop(w);
    return r;
}

int lac_safetensors_write_end(lac_safetensors_write *w, lacuna_error *err)
{
    int r = w->done == w->size ? lac_save_commit(&w->save, err)
                               : lac_err(err, LACUNA_E_INTERNAL, w->done, "writing safetensors: %llu bytes of data, %llu were declared",
                                         (unsigned long long)w->done, (unsigned long long)w->size);
    lac_safetensors_write_drop(w);
    return r;
}
