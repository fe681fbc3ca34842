/* One pass from the first byte to the last tensor info, with a cursor that never leaves the file.
 *
 * Invariant: every pointer in the tables points into the map, with as many bytes behind it as its length
 * says.  The two tables are the only allocations besides one scratch index for the search of
 * duplicates and overlaps; the numbers of keys and tensors are bounded by the bytes that are there. */
#define XXH_STATIC_LINKING_ONLY /* the hash state as a plain value: no allocation behind the hook's back */
#include "file/gguf.h"

#include <string.h>
#include <xxhash.h>

#include "base/err.h"
#include "file/map.h"
#include "file/say.h"
#include "file/sort.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensor data are used in place: little-endian machines only"
#endif

#define VERSION 3
#define MAX_ITEMS 65536     /* keys, and tensors: far above any model, far below what would hurt */
#define MAX_KEY 65535       /* bytes, as the format says */
#define MIN_KV 13           /* bytes of the smallest key-value pair: length, type, one byte */
#define MIN_INFO 32         /* of the smallest tensor info: length, n_dims, one dim, type, offset */
#define DEFAULT_ALIGN 32
#define MIN_ALIGN 8
#define MAX_ALIGN 65536
#define DIGITS 16           /* of a checksum */

typedef struct {
    lac_gguf *g;
    uint64_t at; /* next byte; never above g->size */
    lacuna_error *err;
} cursor;

static int truncated(cursor *c, const char *what, uint64_t need)
{
    return lac_err(c->err, LACUNA_E_FORMAT, c->at, "%s: %s needs %llu bytes at %llu, the file ends at %llu", c->g->name, what,
                   (unsigned long long)need, (unsigned long long)c->at, (unsigned long long)c->g->size);
}

/* n bytes; NULL with the error filled when the file ends before. */
static const uint8_t *take(cursor *c, uint64_t n, const char *what)
{
    if (n > c->g->size - c->at) {
        truncated(c, what, n);
        return NULL;
    }
    const uint8_t *p = c->g->map + c->at;
    c->at += n;
    return p;
}

static int take_u32(cursor *c, uint32_t *v, const char *what)
{
    const uint8_t *p = take(c, 4, what);
    if (!p) return LACUNA_E_FORMAT;
    memcpy(v, p, 4);
    return 0;
}

static int take_u64(cursor *c, uint64_t *v, const char *what)
{
    const uint8_t *p = take(c, 8, what);
    if (!p) return LACUNA_E_FORMAT;
    memcpy(v, p, 8);
    return 0;
}

static int take_text(cursor *c, lacuna_text *t, const char *what)
{
    uint64_t n;
    if (take_u64(c, &n, what)) return LACUNA_E_FORMAT;
    const uint8_t *p = take(c, n, what);
    if (!p) return LACUNA_E_FORMAT;
    *t = (lacuna_text){(const char *)p, (size_t)n};
    return 0;
}

/* Layout of a tensor type: elements of a block, bytes of a block. */
static bool block_of(uint32_t type, uint64_t *elems, uint64_t *bytes)
{
    switch (type) {
    case LAC_GGUF_F32: *elems = 1, *bytes = 4; return true;
    case LAC_GGUF_Q8_0: *elems = 32, *bytes = 34; return true;
    case LAC_GGUF_BF16: *elems = 1, *bytes = 2; return true;
    default: return false;
    }
}

uint64_t lac_gguf_row_bytes(uint32_t type, uint64_t k)
{
    uint64_t elems, bytes, n;
    if (!block_of(type, &elems, &bytes) || k % elems || __builtin_mul_overflow(k / elems, bytes, &n)) return 0;
    return n;
}

/* ---- header ---- */

static int parse_version(cursor *c)
{
    const char *name = c->g->name;
    uint32_t v;
    const uint8_t *magic = take(c, 4, "the header");
    if (!magic) return LACUNA_E_FORMAT;
    if (memcmp(magic, "GGUF", 4)) return lac_err(c->err, LACUNA_E_FORMAT, 0, "%s: not a GGUF file (no 'GGUF' at its start)", name);
    if (take_u32(c, &v, "the header")) return LACUNA_E_FORMAT;
    if (v && !(v & 0xFFFF)) { /* versions are small: the digits are at the other end */
        return lac_err(c->err, LACUNA_E_FORMAT, 4, "%s: a big-endian GGUF file; only little-endian is read", name);
    }
    if (v != VERSION) {
        return lac_err(c->err, LACUNA_E_VERSION, 4, "%s: GGUF version %lu, only version %d is read", name, (unsigned long)v, VERSION);
    }
    return 0;
}

/* A count of items of at least `least` bytes each. */
static int take_count(cursor *c, uint64_t *n, uint64_t least, const char *what)
{
    uint64_t at = c->at;
    if (take_u64(c, n, "the header")) return LACUNA_E_FORMAT;
    if (*n > (c->g->size - c->at) / least) {
        return lac_err(c->err, LACUNA_E_FORMAT, at, "%s: claims %llu %s, more than its %llu bytes can hold", c->g->name,
                       (unsigned long long)*n, what, (unsigned long long)c->g->size);
    }
    if (*n > MAX_ITEMS) {
        return lac_err(c->err, LACUNA_E_FORMAT, at, "%s: %llu %s, at most %d are read", c->g->name, (unsigned long long)*n, what,
                       MAX_ITEMS);
    }
    return 0;
}

/* ---- keys ---- */

/* Bytes of a value of fixed size; 0 for strings, arrays and unknown types. */
static uint64_t scalar_size(uint32_t type)
{
    static const uint8_t size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof size ? size[type] : 0;
}

static int bad_key(cursor *c, const lac_gguf_kv *kv, uint64_t at, const char *why)
{
    return lac_err(c->err, LACUNA_E_FORMAT, at, "%s: key '%s': %s", c->g->name, lac_say_name(kv->key).s, why);
}

static int parse_array(cursor *c, lac_gguf_kv *kv)
{
    uint64_t at = c->at, elem_size, bytes;
    uint32_t elem;
    char what[96] = "key '";
    strcat(strcat(what, lac_say_name(kv->key).s), "'");
    if (take_u32(c, &elem, what) || take_u64(c, &kv->n, what)) return LACUNA_E_FORMAT;
    if (elem == LAC_KV_ARRAY) return bad_key(c, kv, at, "an array of arrays");
    elem_size = scalar_size(elem);
    kv->elem = (lac_kv_type)elem;
    kv->at = c->at;
    kv->data = c->g->map + c->at;
    if (elem == LAC_KV_STRING) {
        for (uint64_t i = 0; i < kv->n; i++) {
            lacuna_text t;
            if (take_text(c, &t, what)) return LACUNA_E_FORMAT;
        }
        return 0;
    }
    if (!elem_size) return bad_key(c, kv, at, "an array of an unknown type");
    if (__builtin_mul_overflow(kv->n, elem_size, &bytes)) return bad_key(c, kv, at, "an array longer than the file");
    return take(c, bytes, what) ? 0 : LACUNA_E_FORMAT;
}

static int parse_kv(cursor *c, lac_gguf_kv *kv)
{
    uint64_t at = c->at;
    uint32_t type;
    char what[96] = "key '";
    if (take_text(c, &kv->key, "a key")) return LACUNA_E_FORMAT;
    if (!kv->key.len || kv->key.len > MAX_KEY) return bad_key(c, kv, at, "a key of 1 to 65535 bytes was expected");
    strcat(strcat(what, lac_say_name(kv->key).s), "'");
    at = c->at;
    if (take_u32(c, &type, what)) return LACUNA_E_FORMAT;
    kv->type = (lac_kv_type)type;
    if (type == LAC_KV_ARRAY) return parse_array(c, kv);
    if (type == LAC_KV_STRING) {
        lacuna_text t;
        if (take_text(c, &t, what)) return LACUNA_E_FORMAT;
        kv->data = (const uint8_t *)t.bytes;
        kv->n = t.len;
        kv->at = c->at - t.len;
        return 0;
    }
    if (!scalar_size(type)) return bad_key(c, kv, at, "a value of an unknown type");
    kv->at = c->at;
    kv->data = take(c, scalar_size(type), what);
    if (!kv->data) return LACUNA_E_FORMAT;
    if (type == LAC_KV_BOOL && *kv->data > 1) return bad_key(c, kv, kv->at, "a bool that is neither 0 nor 1");
    return 0;
}

static int text_order(lacuna_text a, lacuna_text b)
{
    int r = memcmp(a.bytes, b.bytes, a.len < b.len ? a.len : b.len);
    return r ? r : (a.len > b.len) - (a.len < b.len);
}

static bool key_less(const void *ctx, uint32_t a, uint32_t b)
{
    const lac_gguf_kv *kv = ctx;
    return text_order(kv[a].key, kv[b].key) < 0;
}

static bool name_less(const void *ctx, uint32_t a, uint32_t b)
{
    const lac_gguf_tensor *t = ctx;
    return text_order(t[a].name, t[b].name) < 0;
}

static bool place_less(const void *ctx, uint32_t a, uint32_t b)
{
    const lac_gguf_tensor *t = ctx;
    return t[a].at != t[b].at ? t[a].at < t[b].at : t[a].bytes < t[b].bytes;
}

static int parse_keys(cursor *c, uint32_t *idx)
{
    lac_gguf *g = c->g;
    for (uint64_t i = 0; i < g->n_kv; i++)
        if (parse_kv(c, &g->kv[i])) return LACUNA_E_FORMAT;
    lac_sort_index(idx, g->n_kv, key_less, g->kv);
    for (uint64_t i = 1; i < g->n_kv; i++) {
        const lac_gguf_kv *a = &g->kv[idx[i - 1]], *b = &g->kv[idx[i]];
        if (!text_order(a->key, b->key)) return bad_key(c, b, a->at > b->at ? a->at : b->at, "given twice");
    }
    return 0;
}

/* ---- tensors ---- */

static int bad_tensor(cursor *c, const lac_gguf_tensor *t, uint64_t at, const char *why)
{
    return lac_err(c->err, LACUNA_E_FORMAT, at, "%s: tensor '%s': %s", c->g->name, lac_say_name(t->name).s, why);
}

/* Bytes of the data of a tensor whose type is known; its rows are dim[0] long. */
static int tensor_bytes(cursor *c, lac_gguf_tensor *t, uint64_t at)
{
    uint64_t n = lac_gguf_row_bytes(t->type, t->dim[0]);
    if (!n) return bad_tensor(c, t, at, "the row length does not fit the type");
    for (uint32_t i = 1; i < t->n_dims; i++)
        if (__builtin_mul_overflow(n, t->dim[i], &n)) return bad_tensor(c, t, at, "the shape is larger than any file");
    t->bytes = n;
    return 0;
}

/* Reads one info; t->at is left as the offset from the start of the data, which is not known yet. */
static int parse_info(cursor *c, lac_gguf_tensor *t)
{
    uint64_t at = c->at;
    char what[96] = "tensor '";
    if (take_text(c, &t->name, "the name of a tensor")) return LACUNA_E_FORMAT;
    if (!t->name.len || t->name.len > MAX_KEY) return bad_tensor(c, t, at, "a name of 1 to 65535 bytes was expected");
    strcat(strcat(what, lac_say_name(t->name).s), "'");
    if (take_u32(c, &t->n_dims, what)) return LACUNA_E_FORMAT;
    if (t->n_dims < 1 || t->n_dims > 4) return bad_tensor(c, t, at, "1 to 4 dimensions were expected");
    for (uint32_t i = 0; i < 4; i++) t->dim[i] = 1;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        if (take_u64(c, &t->dim[i], what)) return LACUNA_E_FORMAT;
        if (!t->dim[i]) return bad_tensor(c, t, at, "a dimension is 0");
    }
    if (take_u32(c, &t->type, what) || take_u64(c, &t->at, what)) return LACUNA_E_FORMAT;
    uint64_t elems, bytes;
    return block_of(t->type, &elems, &bytes) ? tensor_bytes(c, t, at) : 0;
}

static int place_tensor(cursor *c, lac_gguf_tensor *t, uint64_t align)
{
    lac_gguf *g = c->g;
    uint64_t room = g->size - g->data_at;
    if (t->at % align) {
        return lac_err(c->err, LACUNA_E_FORMAT, g->data_at, "%s: tensor '%s': offset %llu is not a multiple of the alignment %llu", g->name,
                       lac_say_name(t->name).s, (unsigned long long)t->at, (unsigned long long)align);
    }
    if (t->at > room || t->bytes > room - t->at) {
        return lac_err(c->err, LACUNA_E_FORMAT, g->data_at, "%s: tensor '%s' needs %llu bytes at %llu of the data, the file has %llu",
                       g->name, lac_say_name(t->name).s, (unsigned long long)t->bytes, (unsigned long long)t->at,
                       (unsigned long long)room);
    }
    t->at += g->data_at;
    if (t->bytes) t->data = g->map + t->at;
    return 0;
}

static int check_tensors(cursor *c, uint32_t *idx)
{
    const lac_gguf *g = c->g;
    lac_sort_index(idx, g->n_tensors, name_less, g->tensor);
    for (uint64_t i = 1; i < g->n_tensors; i++) {
        const lac_gguf_tensor *a = &g->tensor[idx[i - 1]], *b = &g->tensor[idx[i]];
        if (!text_order(a->name, b->name)) return bad_tensor(c, b, b->at, "given twice");
    }
    const lac_gguf_tensor *last = NULL; /* of those whose size is known */
    lac_sort_index(idx, g->n_tensors, place_less, g->tensor);
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        const lac_gguf_tensor *t = &g->tensor[idx[i]];
        if (!t->data) continue;
        if (last && t->at < last->at + last->bytes) {
            return lac_err(c->err, LACUNA_E_FORMAT, t->at, "%s: tensors '%.40s' and '%.40s' overlap", g->name,
                           lac_say_name(last->name).s, lac_say_name(t->name).s);
        }
        last = t;
    }
    return 0;
}

static int parse_tensors(cursor *c, uint32_t *idx)
{
    lac_gguf *g = c->g;
    uint32_t align = 0;
    const lac_gguf_kv *kv = lac_gguf_find(g, "general.alignment");
    if (lac_gguf_u32(g, "general.alignment", &(uint32_t){DEFAULT_ALIGN}, &align, c->err)) return LACUNA_E_FORMAT;
    if (align < MIN_ALIGN || align > MAX_ALIGN || (align & (align - 1))) {
        return bad_key(c, kv, kv->at, "a power of two from 8 to 65536 was expected");
    }
    for (uint64_t i = 0; i < g->n_tensors; i++)
        if (parse_info(c, &g->tensor[i])) return LACUNA_E_FORMAT;
    uint64_t pad = (align - c->at % align) % align;
    if (pad > g->size - c->at) {
        if (g->n_tensors) return truncated(c, "the space before the tensor data", pad);
        pad = g->size - c->at;
    }
    g->data_at = c->at + pad;
    for (uint64_t i = 0; i < g->n_tensors; i++)
        if (place_tensor(c, &g->tensor[i], align)) return LACUNA_E_FORMAT;
    return check_tensors(c, idx);
}

/* ---- checksums ---- */


static int read_sum(const lac_gguf *g, const lac_gguf_kv *kv, uint64_t *sum, lacuna_error *err)
{
    bool ok = kv->type == LAC_KV_STRING && kv->n == DIGITS;
    *sum = 0;
    for (uint64_t i = 0; ok && i < DIGITS; i++) {
        int d = kv->data[i];
        ok = (d >= '0' && d <= '9') || (d >= 'a' && d <= 'f');
        *sum = *sum << 4 | (uint64_t)(d <= '9' ? d - '0' : d - 'a' + 10);
    }
    if (ok) return 0;
    return lac_err(err, LACUNA_E_FORMAT, kv->at, "%s: key '%s': a string of 16 hexadecimal digits was expected", g->name,
                   lac_say_name(kv->key).s);
}

static int compare_sum(const lac_gguf *g, const char *what, uint64_t at, uint64_t want, uint64_t got, lacuna_error *err)
{
    if (want == got) return 0;
    return lac_err(err, LACUNA_E_FORMAT, at, "%s: the %s damaged: checksum %016llx, %016llx was expected", g->name, what,
                   (unsigned long long)got, (unsigned long long)want);
}

static int check_meta(const lac_gguf *g, lacuna_error *err)
{
    static const char zeros[DIGITS + 1] = "0000000000000000";
    const lac_gguf_kv *meta = lac_gguf_find(g, "eso.checksum.meta"), *data = lac_gguf_find(g, "eso.checksum.data");
    uint64_t want, unused, at = 0;
    if (!meta) return 0;
    int r = read_sum(g, meta, &want, err);
    if (!r && data) r = read_sum(g, data, &unused, err);
    if (r) return r;
    const lac_gguf_kv *hole[2] = {meta, data}; /* the values that are read as zeros, in file order */
    if (data && data->at < meta->at) hole[0] = data, hole[1] = meta;
    XXH64_state_t h;
    XXH64_reset(&h, 0);
    for (int i = 0; i < 2 && hole[i]; i++) {
        XXH64_update(&h, g->map + at, hole[i]->at - at);
        XXH64_update(&h, zeros, DIGITS);
        at = hole[i]->at + DIGITS;
    }
    XXH64_update(&h, g->map + at, g->data_at - at);
    return compare_sum(g, "metadata are", meta->at, want, XXH64_digest(&h), err);
}

int lac_gguf_verify_data(const lac_gguf *g, lacuna_error *err)
{
    const lac_gguf_kv *kv = lac_gguf_find(g, "eso.checksum.data");
    uint64_t want;
    if (!kv) return lac_err(err, LACUNA_E_FORMAT, 0, "%s: no key 'eso.checksum.data' to compare the tensor data with", g->name);
    int r = read_sum(g, kv, &want, err);
    if (r) return r;
    return compare_sum(g, "tensor data are", g->data_at, want, XXH64(g->map + g->data_at, g->size - g->data_at, 0), err);
}

/* ---- open and close ---- */

static int parse(lac_gguf *g, bool verify_meta, lacuna_error *err)
{
    cursor c = {g, 0, err};
    uint64_t n_tensors, n_kv;
    int r = parse_version(&c);
    if (r) return r;
    if (take_count(&c, &n_tensors, MIN_INFO, "tensors") || take_count(&c, &n_kv, MIN_KV, "keys")) return LACUNA_E_FORMAT;
    uint64_t n_idx = n_tensors > n_kv ? n_tensors : n_kv;
    if (n_kv) g->kv = lac_mem_zalloc(&g->mem, n_kv * sizeof *g->kv);
    if (g->kv) g->n_kv = n_kv;
    if (n_tensors) g->tensor = lac_mem_zalloc(&g->mem, n_tensors * sizeof *g->tensor);
    if (g->tensor) g->n_tensors = n_tensors;
    uint32_t *idx = lac_mem_alloc(&g->mem, (n_idx + 1) * sizeof *idx);
    if (g->n_kv != n_kv || g->n_tensors != n_tensors || !idx) r = lac_nomem(err, "GGUF tables");
    if (!r) r = parse_keys(&c, idx);
    if (!r) r = parse_tensors(&c, idx);
    if (!r && verify_meta) r = check_meta(g, err);
    lac_mem_free(&g->mem, idx, (n_idx + 1) * sizeof *idx);
    return r;
}

int lac_gguf_parse(lac_gguf *g, const void *bytes, uint64_t size, const char *name, bool verify_meta,
                   const lacuna_allocator *mem, lacuna_error *err)
{
    *g = (lac_gguf){.map = bytes, .size = size, .mem = *mem};
    lac_say_base(g->name, sizeof g->name, name);
    int r = parse(g, verify_meta, err);
    if (r) lac_gguf_close(g);
    return r;
}

int lac_gguf_open(lac_gguf *g, const char *path, bool verify_meta, const lacuna_allocator *mem, lacuna_error *err)
{
    *g = (lac_gguf){0};
    lac_map m;
    int r = lac_map_open(&m, path, err);
    if (r) return r;
    r = lac_gguf_parse(g, m.data, m.size, path, verify_meta, mem, err);
    if (r) lac_map_close(&m);
    else g->mapped = true;
    return r;
}

void lac_gguf_close(lac_gguf *g)
{
    lac_mem_free(&g->mem, g->kv, g->n_kv * sizeof *g->kv);
    lac_mem_free(&g->mem, g->tensor, g->n_tensors * sizeof *g->tensor);
    if (g->mapped) lac_map_close(&(lac_map){g->map, g->size});
    *g = (lac_gguf){0};
}

void lac_gguf_release(const lac_gguf *g)
{
    if (g->mapped) lac_map_release(&(lac_map){g->map, g->size});
}

/* ---- looking up ---- */

static bool is(lacuna_text t, const char *name, size_t len)
{
    return t.len == len && !memcmp(t.bytes, name, len);
}

const lac_gguf_kv *lac_gguf_find(const lac_gguf *g, const char *key)
{
    size_t len = strlen(key);
    for (uint64_t i = 0; i < g->n_kv; i++)
        if (is(g->kv[i].key, key, len)) return &g->kv[i];
    return NULL;
}

const lac_gguf_tensor *lac_gguf_find_tensor(const lac_gguf *g, const char *name)
{
    size_t len = strlen(name);
    for (uint64_t i = 0; i < g->n_tensors; i++)
        if (is(g->tensor[i].name, name, len)) return &g->tensor[i];
    return NULL;
}

static int absent(const lac_gguf *g, const char *key, lacuna_error *err)
{
    return lac_err(err, LACUNA_E_FORMAT, 0, "%s: no key '%s'", g->name, key);
}

static int mistyped(const lac_gguf *g, const lac_gguf_kv *kv, const char *want, lacuna_error *err)
{
    static const char *const names[] = {"U8", "I8", "U16", "I16", "U32", "I32", "F32", "BOOL", "STRING", "ARRAY", "U64", "I64", "F64"};
    return lac_err(err, LACUNA_E_FORMAT, kv->at, "%s: key '%s': %s was expected, the file has %s", g->name,
                   lac_say_name(kv->key).s, want, names[kv->type]);
}

/* Value of a key of any integer type, if it is one and not negative. */
static bool whole(const lac_gguf_kv *kv, uint64_t *v)
{
    bool sign = kv->type == LAC_KV_I8 || kv->type == LAC_KV_I16 || kv->type == LAC_KV_I32 || kv->type == LAC_KV_I64;
    bool plain = kv->type == LAC_KV_U8 || kv->type == LAC_KV_U16 || kv->type == LAC_KV_U32 || kv->type == LAC_KV_U64;
    uint64_t n = scalar_size(kv->type);
    if (!sign && !plain) return false;
    *v = 0;
    memcpy(v, kv->data, n);
    return !(sign && *v >> (8 * n - 1));
}

int lac_gguf_u32(const lac_gguf *g, const char *key, const uint32_t *def, uint32_t *out, lacuna_error *err)
{
    const lac_gguf_kv *kv = lac_gguf_find(g, key);
    uint64_t v;
    if (!kv && !def) return absent(g, key, err);
    if (kv && (!whole(kv, &v) || v > UINT32_MAX)) return mistyped(g, kv, "a whole number from 0 to 4294967295", err);
    *out = kv ? (uint32_t)v : *def;
    return 0;
}

int lac_gguf_f32(const lac_gguf *g, const char *key, const float *def, float *out, lacuna_error *err)
{
    const lac_gguf_kv *kv = lac_gguf_find(g, key);
    if (!kv && !def) return absent(g, key, err);
    if (!kv) *out = *def;
    else if (kv->type == LAC_KV_F32) memcpy(out, kv->data, 4);
    else if (kv->type == LAC_KV_F64) {
        double d;
        memcpy(&d, kv->data, 8);
        if (!(d >= -3.0e38 && d <= 3.0e38)) return mistyped(g, kv, "a number in the range of F32", err);
        *out = (float)d;
    } else return mistyped(g, kv, "F32", err);
    return 0;
}

int lac_gguf_bool(const lac_gguf *g, const char *key, const bool *def, bool *out, lacuna_error *err)
{
    const lac_gguf_kv *kv = lac_gguf_find(g, key);
    if (!kv && !def) return absent(g, key, err);
    if (kv && kv->type != LAC_KV_BOOL) return mistyped(g, kv, "BOOL", err);
    *out = kv ? *kv->data != 0 : *def;
    return 0;
}

int lac_gguf_text(const lac_gguf *g, const char *key, lacuna_text *out, lacuna_error *err)
{
    const lac_gguf_kv *kv = lac_gguf_find(g, key);
    *out = (lacuna_text){0};
    if (!kv) return 0;
    if (kv->type != LAC_KV_STRING && !(kv->type == LAC_KV_ARRAY && kv->elem == LAC_KV_U8)) {
        return mistyped(g, kv, "STRING or an array of U8", err);
    }
    *out = (lacuna_text){(const char *)kv->data, (size_t)kv->n};
    return 0;
}
