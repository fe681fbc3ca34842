#define XXH_STATIC_LINKING_ONLY /* the hash state as a plain value */
#include "train/state.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/err.h"
#include "file/safetensors.h"
#include "file/safetensors_write.h"
#include "model/import.h"

#define NOTE "lacuna"
#define SUM "lacuna.sum"

/* ---- save ---- */

/* The arrays of a state; x NULL: absent. */
typedef struct {
    const char *prefix;
    float *x; /* [total] */
} array;

enum { W, M, V, EMA, PARTS };

static void arrays_of(const lac_optim *s, array a[PARTS])
{
    a[W] = (array){"w/", s->w};
    a[M] = (array){"m/", s->m};
    a[V] = (array){"v/", s->v};
    a[EMA] = (array){"ema/", s->ema};
}

static bool holds(const array *a, int k, const lac_param *p, bool muon)
{
    return a[k].x && !(k == V && muon && p->matrix);
}

typedef struct { char s[72]; } full_name;

static full_name name_of(const array *a, const lac_param *p)
{
    full_name n;
    snprintf(n.s, sizeof n.s, "%s%s", a->prefix, p->name);
    return n;
}

typedef struct { char s[17]; } sum_text;

static sum_text digits(const XXH64_state_t *h)
{
    sum_text t;
    snprintf(t.s, sizeof t.s, "%016llx", (unsigned long long)XXH64_digest(h));
    return t;
}

/* Of what is about to be written, in the order of the file. */
static sum_text sum_of(const array *a, const lac_params *ps, bool muon, const char *meta)
{
    XXH64_state_t h;
    XXH64_reset(&h, 0);
    XXH64_update(&h, meta, strlen(meta));
    for (int k = 0; k < PARTS; k++)
        for (size_t i = 0; i < ps->n; i++)
            if (holds(a, k, &ps->p[i], muon)) XXH64_update(&h, a[k].x + ps->p[i].at, ps->p[i].n * sizeof(float));
    return digits(&h);
}

int lac_state_save(const char *path, const lac_params *ps, const lac_optim *s, bool muon, const char *meta, const lacuna_allocator *mem,
                   lacuna_error *err)
{
    lac_safetensors_write w;
    array a[PARTS];
    int r = lac_safetensors_write_open(&w, path, mem, err);
    if (r) return r;
    arrays_of(s, a);
    lac_safetensors_write_note(&w, NOTE, meta);
    lac_safetensors_write_note(&w, SUM, sum_of(a, ps, muon, meta).s);
    for (int k = 0; k < PARTS; k++)
        for (size_t i = 0; i < ps->n; i++)
            if (holds(a, k, &ps->p[i], muon))
                lac_safetensors_write_tensor(&w, name_of(&a[k], &ps->p[i]).s, ps->p[i].rows, ps->p[i].cols);
    r = lac_safetensors_write_begin(&w, err);
    for (int k = 0; k < PARTS; k++)
        for (size_t i = 0; !r && i < ps->n; i++)
            if (holds(a, k, &ps->p[i], muon)) r = lac_safetensors_write_data(&w, a[k].x + ps->p[i].at, ps->p[i].n, err);
    return r ? r : lac_safetensors_write_end(&w, err);
}

/* ---- load ---- */

/* The same of a file, whose tensors cover its data without a gap. */
static int check_sum(const lac_safetensors *st, const char *meta, lacuna_error *err)
{
    const char *want = lac_safetensors_note(st, SUM);
    XXH64_state_t h;
    if (!want) return 0;
    XXH64_reset(&h, 0);
    XXH64_update(&h, meta, strlen(meta));
    const uint8_t *data = NULL;
    uint64_t bytes = 0;
    for (size_t i = 0; i < st->n_tensors; i++, bytes += st->tensor[i - 1].bytes)
        if (!data || st->tensor[i].data < data) data = st->tensor[i].data;
    XXH64_update(&h, data, bytes);
    sum_text is = digits(&h);
    return strcmp(is.s, want) ? lac_err(err, LACUNA_E_FORMAT, 0, "%s: damaged: its checksum is %s, the file says %.16s", st->name, is.s, want) : 0;
}

int lac_state_meta(const char *path, char **meta, size_t *size, const lacuna_allocator *mem, lacuna_error *err)
{
    lac_safetensors st;
    int r = lac_safetensors_open(&st, path, mem, err);
    if (r) return r;
    const char *text = lac_safetensors_note(&st, NOTE);
    if (!text) r = lac_err(err, LACUNA_E_FORMAT, 8, "%s: no state of a run: its metadata have no '" NOTE "'", st.name);
    if (!r) r = check_sum(&st, text, err);
    if (!r) {
        *size = strlen(text) + 1;
        *meta = lac_mem_alloc(mem, *size);
        if (*meta) memcpy(*meta, text, *size);
        else r = lac_nomem(err, "metadata of a state");
    }
    lac_safetensors_close(&st);
    return r;
}

static bool has_any(const lac_safetensors *st, const array *a)
{
    for (size_t i = 0; i < st->n_tensors; i++)
        if (!strncmp(st->tensor[i].name.bytes, a->prefix, strlen(a->prefix))) return true;
    return false;
}

/* The tensors of st are those of the first n arrays and nothing else: checked, or read. */
static int walk(const lac_safetensors *st, const lac_params *ps, const array *a, int n, bool muon, bool read, bool *used, lacuna_error *err)
{
    static const char by[] = "the configuration";
    int r = 0;
    for (int k = 0; k < n; k++) {
        for (size_t i = 0; !r && i < ps->n; i++) {
            const lac_param *p = &ps->p[i];
            const lac_st_tensor *t;
            if (!holds(a, k, p, muon)) continue;
            r = lac_import_find(&t, st, name_of(&a[k], p).s, p->rows, p->cols, by, err);
            if (!r) used[t - st->tensor] = true;
            if (!r && read) lac_safetensors_read_f32(t, 0, p->n, a[k].x + p->at);
        }
    }
    return r ? r : lac_import_leftovers(st, used, by, err);
}

int lac_state_load(const char *path, const lac_params *ps, lac_optim *s, bool muon, const lacuna_allocator *mem, lacuna_error *err)
{
    lac_safetensors st;
    array a[PARTS];
    const size_t size = ps->total * sizeof(float);
    int r = lac_safetensors_open(&st, path, mem, err);
    if (r) return r;
    bool *used = lac_mem_zalloc(mem, st.n_tensors * sizeof *used);
    arrays_of(s, a);
    const bool fresh = !has_any(&st, &a[M]) && !has_any(&st, &a[V]) && !has_any(&st, &a[EMA]);
    const int n = fresh ? W + 1 : PARTS;
    r = used ? walk(&st, ps, a, n, muon, false, used, err) : lac_nomem(err, "table of tensors");
    if (!r) { /* nothing can fail any more: a state is loaded whole or not at all */
        for (int k = 0; k < PARTS; k++)
            if (a[k].x) memset(a[k].x, 0, size);
        r = walk(&st, ps, a, n, muon, true, used, err);
        if (fresh && s->ema) memcpy(s->ema, s->w, size);
    }
    lac_mem_free(mem, used, st.n_tensors * sizeof *used);
    lac_safetensors_close(&st);
    return r;
}

/* ---- export ---- */

/* A number as JSON has it, whatever the locale; digits: of a real number. */
static void note(lac_safetensors_write *w, const char *key, json_t *number, size_t digits, bool *nomem)
{
    char text[40];
    size_t n = number ? json_dumpb(number, text, sizeof text - 1, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits)) : 0;
    if (n && n < sizeof text) text[n] = 0, lac_safetensors_write_note(w, key, text);
    else *nomem = true;
    json_decref(number);
}

static void note_hparams(lac_safetensors_write *w, const lac_params *ps, bool *nomem)
{
    const lac_hparams *hp = &ps->hp;
    const bool house = hp->variant == LAC_HOUSE;
    const struct {
        const char *house, *official; /* keys; NULL: not written */
        uint32_t v;
    } counts[] = {{"dim", "hidden_size", hp->width}, {"heads", "n_heads", hp->heads},   {"layers", "n_blocks", hp->layers},
                  {"ff", NULL, hp->ff},              {"vocab", "vocab_size", hp->vocab}, {"context_length", "length", hp->context},
                  {NULL, "cond_dim", ps->cond},      {NULL, "frequency_embedding_size", ps->freq}, {"mask_index", "mask_index", hp->mask}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const char *key = house ? counts[i].house : counts[i].official;
        if (key) note(w, key, json_integer(counts[i].v), 0, nomem);
    }
    if (house) lac_safetensors_write_note(w, "qk_norm", hp->qk_norm ? "True" : "False");
    note(w, house ? "norm_eps" : "layernorm_eps", json_real((double)hp->norm_eps), 9, nomem);
    note(w, "rope_base", json_real((double)hp->rope_base), 9, nomem);
    if (house) return;
    note(w, "mlp_ratio", json_real((double)hp->ff / hp->width), 17, nomem); /* all digits: times the width it must be ff again */
}

int lac_state_export(const char *path, const lac_params *ps, const float *w, const lacuna_allocator *mem, lacuna_error *err)
{
    lac_safetensors_write to;
    bool nomem = false;
    int r = lac_safetensors_write_open(&to, path, mem, err);
    if (r) return r;
    note_hparams(&to, ps, &nomem);
    for (size_t i = 0; i < ps->n; i++) lac_safetensors_write_tensor(&to, ps->p[i].name, ps->p[i].rows, ps->p[i].cols);
    r = nomem ? lac_nomem(err, "metadata of a checkpoint") : lac_safetensors_write_begin(&to, err);
    for (size_t i = 0; !r && i < ps->n; i++) r = lac_safetensors_write_data(&to, w + ps->p[i].at, ps->p[i].n, err);
    if (!r) return lac_safetensors_write_end(&to, err);
    lac_safetensors_write_drop(&to);
    return r;
}
