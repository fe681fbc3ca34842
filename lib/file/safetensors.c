#include "file/safetensors.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "file/say.h"
#include "file/sort.h"

#define MAX_HEADER ((uint64_t)100000000) /* bytes of JSON: the limit of the format's own reader */
#define MAX_TENSORS 65536

typedef struct {
    const char *name;  /* of the file */
    const uint8_t *data;
    uint64_t at, size; /* offset in the file and bytes of the data */
    lacuna_error *err;
} context;

static const struct {
    const char *name;
    uint8_t bytes;
    lac_st_type type;
} TYPES[] = {{"F32", 4, LAC_ST_F32}, {"F16", 2, LAC_ST_F16}, {"BF16", 2, LAC_ST_BF16}, {"F64", 8, LAC_ST_F64},
             {"BOOL", 1, LAC_ST_OTHER}, {"U8", 1, LAC_ST_OTHER}, {"I8", 1, LAC_ST_OTHER},
             {"F8_E4M3", 1, LAC_ST_OTHER}, {"F8_E5M2", 1, LAC_ST_OTHER}, {"U16", 2, LAC_ST_OTHER},
             {"I16", 2, LAC_ST_OTHER}, {"U32", 4, LAC_ST_OTHER}, {"I32", 4, LAC_ST_OTHER},
             {"U64", 8, LAC_ST_OTHER}, {"I64", 8, LAC_ST_OTHER}};

static int bad(context *c, const char *tensor, const char *why)
{
    lacuna_text t = {tensor, strlen(tensor)};
    return lac_err(c->err, LACUNA_E_FORMAT, c->at, "%s: tensor '%s': %s", c->name, lac_say_name(t).s, why);
}

static bool natural(const json_t *v, uint64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static int parse_type(context *c, lac_st_tensor *t, const char *name, const json_t *v, uint64_t *elem)
{
    const char *s = json_string_value(v);
    for (size_t i = 0; s && i < sizeof TYPES / sizeof *TYPES; i++) {
        if (strcmp(s, TYPES[i].name)) continue;
        t->type = TYPES[i].type;
        *elem = TYPES[i].bytes;
        return 0;
    }
    return bad(c, name, s ? "an unknown dtype" : "no string 'dtype'");
}

static int parse_tensor(context *c, lac_st_tensor *t, const char *name, const json_t *v)
{
    uint64_t bytes = 0, start, end;
    const json_t *shape = json_object_get(v, "shape"), *place = json_object_get(v, "data_offsets");
    if (!json_is_object(v)) return bad(c, name, "an object was expected");
    if (parse_type(c, t, name, json_object_get(v, "dtype"), &bytes)) return LACUNA_E_FORMAT;
    if (!json_is_array(shape) || json_array_size(shape) > 8) return bad(c, name, "'shape' is not an array of at most 8 numbers");
    t->n_dims = (uint32_t)json_array_size(shape);
    for (uint32_t i = 0; i < t->n_dims; i++) {
        if (!natural(json_array_get(shape, i), &t->dim[i])) return bad(c, name, "'shape' is not an array of at most 8 numbers");
        if (__builtin_mul_overflow(bytes, t->dim[i], &bytes)) return bad(c, name, "the shape is larger than any file");
    }
    if (json_array_size(place) != 2 || !natural(json_array_get(place, 0), &start) || !natural(json_array_get(place, 1), &end) ||
        start > end) {
        return bad(c, name, "'data_offsets' is not [start, end]");
    }
    if (end > c->size) {
        return lac_err(c->err, LACUNA_E_FORMAT, c->at, "%s: tensor '%s' ends at %llu of the data, the file has %llu", c->name,
                       lac_say_name((lacuna_text){name, strlen(name)}).s, (unsigned long long)end, (unsigned long long)c->size);
    }
    if (end - start != bytes) {
        return lac_err(c->err, LACUNA_E_FORMAT, c->at, "%s: tensor '%s': its shape needs %llu bytes, its offsets hold %llu", c->name,
                       lac_say_name((lacuna_text){name, strlen(name)}).s, (unsigned long long)bytes,
                       (unsigned long long)(end - start));
    }
    t->data = c->data + start;
    t->at = c->at + start;
    t->bytes = bytes;
    return 0;
}

static bool place_less(const void *ctx, uint32_t a, uint32_t b)
{
    const lac_st_tensor *t = ctx;
    return t[a].at != t[b].at ? t[a].at < t[b].at : t[a].bytes < t[b].bytes;
}

/* The tensors follow each other from the first byte of the data to the last. */
static int check_places(context *c, const lac_safetensors *s)
{
    size_t size = (s->n_tensors + 1) * sizeof(uint32_t);
    uint32_t *idx = lac_mem_alloc(&s->mem, size);
    uint64_t end = c->at;
    int r = 0;
    if (!idx) return lac_nomem(c->err, "tensor index");
    lac_sort_index(idx, s->n_tensors, place_less, s->tensor);
    for (size_t i = 0; !r && i < s->n_tensors; i++) {
        const lac_st_tensor *t = &s->tensor[idx[i]];
        if (t->at < end) r = bad(c, t->name.bytes, "overlaps another tensor");
        else if (t->at > end) r = bad(c, t->name.bytes, "there is a gap before it");
        end = t->at + t->bytes;
    }
    if (!r && end != c->at + c->size) {
        r = lac_err(c->err, LACUNA_E_FORMAT, end, "%s: the tensors end at %llu, the file at %llu", c->name, (unsigned long long)end,
                    (unsigned long long)(c->at + c->size));
    }
    lac_mem_free(&s->mem, idx, size);
    return r;
}

/* ---- tables ---- */

static int check_notes(const lac_safetensors *s, const json_t *notes, lacuna_error *err)
{
    const char *key;
    json_t *x, *o = (json_t *)(uintptr_t)notes;
    bool ok = !notes || json_is_object(notes);
    json_object_foreach(o, key, x) ok = ok && json_is_string(x);
    return ok ? 0 : lac_err(err, LACUNA_E_FORMAT, 8, "%s: '__metadata__' is not an object of strings", s->name);
}

/* Room for the tensors, the notes and their names. */
static int make_tables(lac_safetensors *s, json_t *root, json_t *notes, lacuna_error *err)
{
    const char *key;
    json_t *v;
    const size_t n = json_object_size(root) - (notes != NULL), n_notes = json_object_size(notes);
    if (!n) return lac_err(err, LACUNA_E_FORMAT, 8, "%s: there are no tensors", s->name);
    if (n > MAX_TENSORS) return lac_err(err, LACUNA_E_FORMAT, 8, "%s: %zu tensors, at most %d are read", s->name, n, MAX_TENSORS);
    json_object_foreach(root, key, v) s->names_size += strlen(key) + 1;
    json_object_foreach(notes, key, v) s->names_size += strlen(key) + 1 + json_string_length(v) + 1;
    s->names = lac_mem_alloc(&s->mem, s->names_size);
    s->tensor = lac_mem_zalloc(&s->mem, n * sizeof *s->tensor);
    s->note = lac_mem_zalloc(&s->mem, n_notes * sizeof *s->note);
    if (s->tensor) s->n_tensors = n;
    if (s->note) s->n_notes = n_notes;
    return s->names && s->tensor && (s->note || !n_notes) ? 0 : lac_nomem(err, "tensor table");
}

/* Copy text to *to, which moves behind it; the copy. */
static const char *keep(char **to, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = memcpy(*to, text, size);
    *to += size;
    return copy;
}

static int parse_root(lac_safetensors *s, context *c, json_t *root)
{
    const char *key;
    json_t *v, *notes = json_object_get(root, "__metadata__");
    size_t i = 0;
    if (!json_is_object(root)) return lac_err(c->err, LACUNA_E_FORMAT, 8, "%s: the header is not an object", s->name);
    int r = check_notes(s, notes, c->err);
    if (!r) r = make_tables(s, root, notes, c->err);
    if (r) return r;
    char *to = s->names;
    json_object_foreach(notes, key, v)
    {
        s->note[i].key = keep(&to, key);
        s->note[i++].value = keep(&to, json_string_value(v));
    }
    i = 0;
    json_object_foreach(root, key, v)
    {
        if (!strcmp(key, "__metadata__")) continue;
        s->tensor[i].name = (lacuna_text){keep(&to, key), strlen(key)};
        if ((r = parse_tensor(c, &s->tensor[i++], key, v))) return r;
    }
    return check_places(c, s);
}

static int parse(lac_safetensors *s, const uint8_t *p, uint64_t size, lacuna_error *err)
{
    uint64_t n;
    json_error_t why;
    if (size < 8) return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the file ends before its header", s->name);
    memcpy(&n, p, 8);
    if (n > MAX_HEADER || n > size - 8) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: claims a header of %llu bytes, of %llu in the file (not safetensors?)", s->name,
                       (unsigned long long)n, (unsigned long long)size);
    }
    json_t *root = json_loadb((const char *)p + 8, (size_t)n, JSON_REJECT_DUPLICATES, &why);
    if (!root && json_error_code(&why) == json_error_out_of_memory) return lac_nomem(err, "safetensors header");
    if (!root) {
        return lac_err(err, LACUNA_E_FORMAT, 8 + (uint64_t)(why.position > 0 ? why.position : 0), "%s: the header is not JSON: %s", s->name,
                       lac_say_name((lacuna_text){why.text, strlen(why.text)}).s);
    }
    context c = {s->name, p + 8 + n, 8 + n, size - 8 - n, err};
    int r = parse_root(s, &c, root);
    json_decref(root);
    return r;
}

int lac_safetensors_parse(lac_safetensors *s, const void *bytes, uint64_t size, const char *name,
                          const lacuna_allocator *mem, lacuna_error *err)
{
    *s = (lac_safetensors){.mem = *mem};
    lac_say_base(s->name, sizeof s->name, name);
    int r = parse(s, bytes, size, err);
    if (r) lac_safetensors_close(s);
    return r;
}

int lac_safetensors_open(lac_safetensors *s, const char *path, const lacuna_allocator *mem, lacuna_error *err)
{
    *s = (lac_safetensors){0};
    lac_map m;
    int r = lac_map_open(&m, path, err);
    if (r) return r;
    r = lac_safetensors_parse(s, m.data, m.size, path, mem, err);
    if (r) lac_map_close(&m);
    else s->map = m;
    return r;
}

void lac_safetensors_close(lac_safetensors *s)
{
    lac_mem_free(&s->mem, s->tensor, s->n_tensors * sizeof *s->tensor);
    lac_mem_free(&s->mem, s->note, s->n_notes * sizeof *s->note);
    lac_mem_free(&s->mem, s->names, s->names_size);
    lac_map_close(&s->map);
    *s = (lac_safetensors){0};
}

const lac_st_tensor *lac_safetensors_find(const lac_safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (!strcmp(s->tensor[i].name.bytes, name)) return &s->tensor[i];
    return NULL;
}

const char *lac_safetensors_note(const lac_safetensors *s, const char *key)
{
    for (size_t i = 0; i < s->n_notes; i++)
        if (!strcmp(s->note[i].key, key)) return s->note[i].value;
    return NULL;
}

/* IEEE half: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static double half(uint16_t h)
{
    int e = h >> 10 & 31;
    double f = h & 1023, x;
    if (e == 31) x = h & 1023 ? NAN : INFINITY;
    else x = e ? ldexp(f + 1024, e - 25) : ldexp(f, -24);
    return h >> 15 ? -x : x;
}

void lac_safetensors_read(const lac_st_tensor *t, uint64_t first, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t k = first + i;
        uint16_t h;
        uint32_t w;
        float f;
        switch (t->type) {
        case LAC_ST_F64: memcpy(&out[i], t->data + 8 * k, 8); break;
        case LAC_ST_F32: memcpy(&f, t->data + 4 * k, 4), out[i] = (double)f; break;
        case LAC_ST_F16: memcpy(&h, t->data + 2 * k, 2), out[i] = half(h); break;
        case LAC_ST_BF16: memcpy(&h, t->data + 2 * k, 2), w = (uint32_t)h << 16, memcpy(&f, &w, 4), out[i] = (double)f; break;
        case LAC_ST_OTHER: out[i] = NAN; break;
        }
    }
}

void lac_safetensors_read_f32(const lac_st_tensor *t, uint64_t first, size_t n, float *out)
{
    double line[256];
    if (t->type == LAC_ST_F32) {
        memcpy(out, t->data + 4 * first, 4 * n);
        return;
    }
    for (size_t at = 0; at < n; at += sizeof line / sizeof *line) {
        const size_t left = n - at, k = left < sizeof line / sizeof *line ? left : sizeof line / sizeof *line;
        lac_safetensors_read(t, first + at, k, line);
        for (size_t i = 0; i < k; i++) out[at + i] = (float)line[i];
    }
}
