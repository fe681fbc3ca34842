#include "train/meta.h"

#include <string.h>

#include "base/err.h"
#include "file/say.h"
#include "train/state.h"
#include "train/objective.h"

/* ---- the options that belong to a run ---- */

typedef enum { A_U32, A_U64, A_INT, A_REAL } kind;

/* Where lo is below zero, a negative number means none. */
static const struct {
    const char *key;
    kind kind;
    size_t at;
    double lo, hi;
} saved[] = {
#define FIELD(name, kind, lo, hi) {#name, kind, offsetof(lacuna_train_options, name), lo, hi}
    FIELD(length, A_U32, 2, 1 << 20),
    FIELD(alpha0, A_REAL, 0, 1),
    FIELD(alpha0_set, A_INT, 0, 1),
    FIELD(split, A_REAL, -1e30, 1),
    FIELD(low_var, A_INT, 0, 1),
    FIELD(block, A_U32, 0, 1 << 20),
    FIELD(paper_share, A_REAL, 0, 1),
    FIELD(holes, A_U32, 0, 1 << 20),
    FIELD(next_weight, A_REAL, -1e30, 1e6),
    FIELD(cut_share, A_REAL, -1e30, 1),
    FIELD(batch, A_U32, 1, 1 << 20),
    FIELD(lanes, A_U32, 1, 1 << 12),
    FIELD(lr, A_REAL, 0, 1e6),
    FIELD(lr_muon, A_REAL, -1e30, 1e6),
    FIELD(decay, A_REAL, -1e30, 1e6),
    FIELD(clip, A_REAL, -1e30, 1e30),
    FIELD(ema, A_REAL, 0, 1),
    FIELD(warmup, A_U64, 0, 0x1p63),
    FIELD(steps, A_U64, 0, 0x1p63),
    FIELD(cool, A_REAL, -1e30, 1),
    FIELD(seed, A_U64, 0, 0x1p64),
#undef FIELD
};
enum { N_SAVED = sizeof saved / sizeof *saved };

static double value_of(const lacuna_train_options *o, size_t i)
{
    const char *p = (const char *)o + saved[i].at;
    uint32_t u;
    uint64_t l;
    int n;
    double d;
    switch (saved[i].kind) {
    case A_U32: return memcpy(&u, p, sizeof u), u;
    case A_U64: return memcpy(&l, p, sizeof l), (double)l;
    case A_INT: return memcpy(&n, p, sizeof n), n;
    default: return memcpy(&d, p, sizeof d), d;
    }
}

static int check(const lacuna_train_options *o, lacuna_code code, lacuna_error *err)
{
    for (size_t i = 0; i < N_SAVED; i++) {
        double v = value_of(o, i);
        if (v >= saved[i].lo && v <= saved[i].hi) continue;
        return lac_err(err, code, 0, "%s is %g; it must be from %g to %g", saved[i].key, v,
                       saved[i].lo < 0 ? 0 : saved[i].lo, saved[i].hi);
    }
    return 0;
}

static int find_objective(const char **name, lac_objective_kind *k, lacuna_error *err)
{
    const char *want = *name ? *name : lac_objective_name(LAC_INFILL);
    for (int i = 0; i < LAC_OBJECTIVES; i++) {
        *k = (lac_objective_kind)i;
        *name = lac_objective_name(*k);
        if (!strcmp(want, *name)) return 0;
    }
    return lac_err(err, LACUNA_E_ARG, 0, "objective '%s' is unknown: infill, eso-b, eso-a, mdlm, bd3, ar or fim",
                   lac_say_name((lacuna_text){want, strlen(want)}).s);
}

int lac_meta_settle(lacuna_train_options *o, lacuna_error *err)
{
    lac_objective_kind k;
    lac_objective d;
    lac_optim_options opt;
    int r = find_objective(&o->objective, &k, err);
    if (r) return r;
    lac_objective_default(&d, k);
    lac_optim_default(&opt);
#define DEFAULT(field, value) \
    if (o->field == 0) o->field = value
    DEFAULT(length, 512);
    if (!o->alpha0_set) DEFAULT(alpha0, d.alpha0);
    o->alpha0_set = 1;
    o->low_var = o->low_var != 0;
    DEFAULT(split, d.split);
    DEFAULT(block, (uint32_t)d.block);
    DEFAULT(holes, (uint32_t)d.holes);
    DEFAULT(next_weight, d.coef[LAC_PART_NEXT]);
    DEFAULT(cut_share, d.cut_share);
    DEFAULT(batch, 16);
    DEFAULT(lanes, 4);
    DEFAULT(lr, opt.lr);
    DEFAULT(lr_muon, opt.lr_muon);
    DEFAULT(decay, opt.decay);
    DEFAULT(clip, opt.clip);
    DEFAULT(warmup, opt.warmup);
    DEFAULT(cool, opt.cool);
#undef DEFAULT
    return check(o, LACUNA_E_ARG, err);
}

/* ---- base64 ---- */

static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(lac_buf *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16;
        if (i + 1 < n) v |= (unsigned)p[i + 1] << 8;
        if (i + 2 < n) v |= p[i + 2];
        char q[4] = {digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=',
                     i + 2 < n ? digit[v & 63] : '='};
        lac_buf_add(out, q, 4);
    }
}

/* Bytes of out[n / 4 * 3] filled, or -1. */
static int64_t decode(const char *s, size_t n, uint8_t *out)
{
    size_t end = n >= 1 && s[n - 1] == '=' ? n - (n >= 2 && s[n - 2] == '=' ? 2 : 1) : n, at = 0;
    if (n % 4) return -1;
    for (size_t i = 0; i < n; i += 4) {
        unsigned v = 0;
        for (size_t j = i; j < i + 4; j++) {
            const char *d = j < end && s[j] ? strchr(digit, s[j]) : NULL;
            if (j < end && !d) return -1;
            v = v << 6 | (d ? (unsigned)(d - digit) : 0);
        }
        for (int j = 0; j < 3 && i + 1 + (size_t)j < end; j++) out[at++] = (uint8_t)(v >> (16 - 8 * j));
    }
    return (int64_t)at;
}

/* ---- writing ---- */

static json_t *options_json(const lacuna_train_options *o)
{
    json_t *j = json_object();
    json_object_set_new(j, "objective", json_string(o->objective));
    for (size_t i = 0; i < N_SAVED; i++) {
        uint64_t l;
        memcpy(&l, (const char *)o + saved[i].at, saved[i].kind == A_U64 ? sizeof l : 0);
        json_object_set_new(j, saved[i].key, saved[i].kind == A_REAL  ? json_real(value_of(o, i))
                                             : saved[i].kind == A_U64 ? json_integer((json_int_t)l)
                                                                      : json_integer((json_int_t)value_of(o, i)));
    }
    return j;
}

static int put(const char *bytes, size_t n, void *buf)
{
    lac_buf_add(buf, bytes, n);
    return 0;
}

static void count(json_t *o, const char *key, uint64_t n) { json_object_set_new(o, key, json_integer((json_int_t)n)); }

int lac_meta_write(const lac_meta *m, const void *tokenizer, size_t tokenizer_size, lac_buf *out, lacuna_error *err)
{
    json_t *root = json_object(), *corpus = json_object();
    lac_buf text = {.mem = out->mem};
    json_object_set_new(root, "options", options_json(&m->opt));
    json_object_set(root, "network", m->network);
    if (m->grammars) {
        json_t *g = json_object();
        json_object_set(g, "path", m->grammars);
        count(g, "n", m->n_grammars);
        json_object_set_new(root, "grammars", g);
    }
    count(root, "step", m->step);
    count(root, "examples", m->examples);
    count(root, "entries", m->entries);
    count(root, "targets", m->targets);
    count(corpus, "tokens", m->tokens);
    count(corpus, "documents", m->documents);
    json_object_set_new(root, "corpus", corpus);
    encode(&text, tokenizer, tokenizer_size);
    bool ok = !text.failed;
    ok = ok && json_object_set_new(root, "tokenizer", json_stringn(text.data ? text.data : "", text.len)) == 0;
    ok = ok && json_dump_callback(root, put, out, JSON_COMPACT) == 0;
    lac_buf_add(out, "", 1);
    lac_buf_free(&text);
    json_decref(root);
    return ok && !out->failed ? 0 : lac_nomem(err, "state of a run");
}

/* ---- reading ---- */

static int load(json_t **root, const char *path, const lacuna_allocator *mem, lacuna_error *err)
{
    char *text;
    size_t size;
    int r = lac_state_meta(path, &text, &size, mem, err);
    if (r) return r;
    json_error_t why;
    *root = json_loadb(text, size - 1, JSON_REJECT_DUPLICATES, &why);
    lac_mem_free(mem, text, size);
    if (json_is_object(*root)) return 0;
    json_decref(*root);
    return lac_err(err, LACUNA_E_FORMAT, 0, "%s: what it says of its run is not JSON", lac_say_path(path).s);
}

static int bad(const char *path, const char *key, lacuna_error *err)
{
    return lac_err(err, LACUNA_E_FORMAT, 0, "%s: key '%s' of the run is missing or makes no sense",
                   lac_say_path(path).s, key);
}

static bool set_value(lacuna_train_options *o, size_t i, const json_t *v)
{
    char *p = (char *)o + saved[i].at;
    if (saved[i].kind == A_REAL) {
        double d = json_number_value(v);
        memcpy(p, &d, sizeof d);
        return json_is_number(v);
    }
    json_int_t n = json_integer_value(v);
    uint64_t l = (uint64_t)n;
    uint32_t u = (uint32_t)n;
    int d = (int)n;
    if (!json_is_integer(v)) return false;
    if (saved[i].kind == A_U64) return memcpy(p, &l, sizeof l), true;
    if (saved[i].kind == A_U32) return memcpy(p, &u, sizeof u), n >= 0 && n <= UINT32_MAX;
    return memcpy(p, &d, sizeof d), n == 0 || n == 1;
}

static int read_options(lacuna_train_options *o, const json_t *j, const char *path, lacuna_error *err)
{
    lac_objective_kind k;
    *o = (lacuna_train_options){.size = LACUNA_TRAIN_INIT};
    if (!(o->objective = json_string_value(json_object_get(j, "objective")))) return bad(path, "objective", err);
    int r = find_objective(&o->objective, &k, err);
    if (r) return r;
    for (size_t i = 0; i < N_SAVED; i++)
        if (!set_value(o, i, json_object_get(j, saved[i].key))) return bad(path, saved[i].key, err);
    return check(o, LACUNA_E_FORMAT, err);
}

static bool read_count(const json_t *o, const char *key, uint64_t *out)
{
    const json_t *v = json_object_get(o, key);
    *out = (uint64_t)json_integer_value(v);
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

int lac_meta_read(lac_meta *m, const char *path, const lacuna_allocator *mem, lacuna_error *err)
{
    json_t *root;
    *m = (lac_meta){0};
    int r = load(&root, path, mem, err);
    if (r) return r;
    const json_t *corpus = json_object_get(root, "corpus");
    r = read_options(&m->opt, json_object_get(root, "options"), path, err);
    if (!r && !json_is_object(json_object_get(root, "network"))) r = bad(path, "network", err);
    if (!r && !read_count(root, "step", &m->step)) r = bad(path, "step", err);
    if (!r && !read_count(root, "examples", &m->examples)) r = bad(path, "examples", err);
    if (!r && !read_count(root, "entries", &m->entries)) r = bad(path, "entries", err);
    if (!r && !read_count(root, "targets", &m->targets)) r = bad(path, "targets", err);
    if (!r && !(read_count(corpus, "tokens", &m->tokens) && read_count(corpus, "documents", &m->documents)))
        r = bad(path, "corpus", err);
    json_t *g = json_object_get(root, "grammars"), *path_of = json_object_get(g, "path");
    if (!r && g && !(json_is_string(path_of) && read_count(g, "n", &m->n_grammars))) r = bad(path, "grammars", err);
    if (!r && g) m->grammars = json_incref(path_of);
    if (!r) m->network = json_incref(json_object_get(root, "network"));
    json_decref(root);
    return r;
}

void lac_meta_free(lac_meta *m)
{
    json_decref(m->network);
    json_decref(m->grammars);
    *m = (lac_meta){0};
}

int lac_meta_tokenizer(const char *path, void **bytes, size_t *size, const lacuna_allocator *mem, lacuna_error *err)
{
    json_t *root;
    int r = load(&root, path, mem, err);
    if (r) return r;
    const json_t *v = json_object_get(root, "tokenizer");
    size_t n = json_string_length(v), room = n / 4 * 3;
    *bytes = NULL;
    if (!n) r = bad(path, "tokenizer", err);
    else if (!(*bytes = lac_mem_alloc(mem, room))) r = lac_nomem(err, "tokenizer");
    int64_t got = r ? 0 : decode(json_string_value(v), n, *bytes);
    json_decref(root);
    if (!r && got <= 0) r = bad(path, "tokenizer", err);
    if (!r && (size_t)got < room) { /* blocks are freed with their size: make it exact */
        void *exact = mem->fn(mem->ctx, *bytes, room, (size_t)got, LAC_ALIGN);
        if (exact) *bytes = exact, room = (size_t)got;
        else r = lac_nomem(err, "tokenizer");
    }
    *size = room;
    if (r) lac_mem_free(mem, *bytes, room), *bytes = NULL;
    return r;
}
