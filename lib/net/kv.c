#include "net/kv.h"

#include <string.h>

#include "base/err.h"

/* ---- store ---- */

void lac_kv_store_init(lac_kv_store *s, const lac_hparams *hp, lac_type type, const lacuna_allocator *mem)
{
    *s = (lac_kv_store){.mem = mem, .type = type, .heads = (size_t)hp->layers * hp->heads, .D = hp->head_dim};
    s->page_bytes = s->heads * lac_page_bytes(type, s->D);
}

void lac_kv_store_trim(lac_kv_store *s)
{
    while (s->n_idle) {
        lac_mem_free(s->mem, s->idle[--s->n_idle], s->page_bytes);
        s->n_pages--;
    }
}

void lac_kv_store_free(lac_kv_store *s)
{
    if (!s->mem) return;
    lac_kv_store_trim(s);
    lac_mem_free(s->mem, s->idle, s->idle_cap * sizeof *s->idle);
    *s = (lac_kv_store){0};
}

size_t lac_kv_store_size(const lac_kv_store *s) { return s->n_pages * s->page_bytes + s->idle_cap * sizeof *s->idle; }

/* A page, all finite numbers: lanes of keys nobody sees are multiplied by 0. */
static char *take(lac_kv_store *s)
{
    if (s->n_idle) return s->idle[--s->n_idle];
    void *idle = s->idle; /* room to give it back, which must not fail */
    if (!lac_mem_grow(s->mem, &idle, &s->idle_cap, s->n_pages + 1, sizeof *s->idle)) return NULL;
    s->idle = idle;
    char *page = lac_mem_zalloc(s->mem, s->page_bytes);
    if (page) s->n_pages++;
    return page;
}

static void give(lac_kv_store *s, char *page) { s->idle[s->n_idle++] = page; }

/* ---- lists ---- */

void lac_kv_init(lac_kv *kv, lac_kv_store *s) { *kv = (lac_kv){.store = s}; }

void lac_kv_free(lac_kv *kv)
{
    lac_kv_store *s = kv->store;
    if (!s) return;
    for (size_t i = kv->borrowed; i < kv->n_pages; i++) give(s, kv->page[i]);
    lac_mem_free(s->mem, kv->page, kv->page_cap * sizeof *kv->page);
    lac_mem_free(s->mem, kv->token, kv->token_cap * sizeof *kv->token);
    lac_mem_free(s->mem, kv->pos, kv->pos_cap * sizeof *kv->pos);
    lac_kv_init(kv, s);
}

size_t lac_kv_room(const lac_kv *kv) { return kv->n_pages * LAC_PAGE; }

/* Tables for `entries` entries; their contents stay. */
static bool grow_tables(lac_kv *kv, size_t entries)
{
    const lacuna_allocator *mem = kv->store->mem;
    void *page = kv->page, *token = kv->token, *pos = kv->pos;
    bool ok = lac_mem_grow(mem, &page, &kv->page_cap, entries / LAC_PAGE + 1, sizeof *kv->page) &&
              lac_mem_grow(mem, &token, &kv->token_cap, entries, sizeof *kv->token) &&
              lac_mem_grow(mem, &pos, &kv->pos_cap, entries, sizeof *kv->pos);
    kv->page = page;
    kv->token = token;
    kv->pos = pos;
    return ok;
}

int lac_kv_reserve(lac_kv *kv, size_t entries, lacuna_error *err)
{
    if (entries > INT32_MAX) return lac_err(err, LACUNA_E_LIMIT, 0, "%zu entries are more than a list can hold", entries);
    const size_t want = (entries + LAC_PAGE - 1) / LAC_PAGE, had = kv->n_pages;
    if (want <= had) return 0;
    if (!grow_tables(kv, want * LAC_PAGE)) return lac_nomem(err, "cache");
    for (; kv->n_pages < want; kv->n_pages++)
        if (!(kv->page[kv->n_pages] = take(kv->store))) {
            while (kv->n_pages > had) give(kv->store, kv->page[--kv->n_pages]);
            return lac_nomem(err, "cache");
        }
    return 0;
}

size_t lac_kv_match(const lac_kv *kv, const int32_t *token, const int32_t *pos, size_t n)
{
    size_t k = 0;
    while (k < n && k < kv->len && kv->token[k] == token[k] && kv->pos[k] == pos[k]) k++;
    return k;
}

void lac_kv_crop(lac_kv *kv, size_t n)
{
    if (n < kv->len) kv->len = n;
}

void lac_kv_fit(lac_kv *kv)
{
    const size_t most = (kv->len + LAC_PAGE - 1) / LAC_PAGE;
    while (kv->n_pages > most && kv->n_pages > kv->borrowed) give(kv->store, kv->page[--kv->n_pages]);
}

int lac_kv_branch(lac_kv *kv, const lac_kv *from, size_t n, size_t entries, lacuna_error *err)
{
    const size_t whole = n / LAC_PAGE;
    if (entries < n) entries = n;
    if (!grow_tables(kv, entries + LAC_PAGE)) return lac_nomem(err, "cache");
    for (size_t i = 0; i < whole; i++) kv->page[i] = from->page[i];
    kv->n_pages = kv->borrowed = whole;
    int r = lac_kv_reserve(kv, entries, err);
    if (r) {
        kv->n_pages = kv->borrowed = 0;
        return r;
    }
    lac_kv_rebranch(kv, from, n);
    return 0;
}

void lac_kv_rebranch(lac_kv *kv, const lac_kv *from, size_t n)
{
    const size_t whole = n / LAC_PAGE;
    if (n % LAC_PAGE) memcpy(kv->page[whole], from->page[whole], kv->store->page_bytes);
    if (n) {
        memcpy(kv->token, from->token, n * sizeof *kv->token);
        memcpy(kv->pos, from->pos, n * sizeof *kv->pos);
    }
    kv->len = n;
}
