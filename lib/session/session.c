/* lacuna_session: threads, scratch and cache of one user; the cache as a few lists of entries, one a text. */
#include "session/session.h"

#include "base/err.h"

#define CACHE_BYTES ((size_t)256 << 20)

/* ---- open and free ---- */

static int check(const lacuna_session_options *o, lacuna_error *err)
{
    if (o->n_context > INT32_MAX / 4) return lac_err(err, LACUNA_E_LIMIT, 0, "%u positions are too many", (unsigned)o->n_context);
    if ((int)o->cache_type < LACUNA_CACHE_AUTO || (int)o->cache_type > LACUNA_CACHE_BF16)
        return lac_err(err, LACUNA_E_ARG, 0, "cache_type %d is unknown", (int)o->cache_type);
    if (o->parallel.run && o->n_threads > 1)
        return lac_err(err, LACUNA_E_ARG, 0, "n_threads is %u and the host's threads are given: one of them", (unsigned)o->n_threads);
    return 0;
}

static lac_type cache_type(const lacuna_model *m, lacuna_cache_type asked)
{
    if (asked == LACUNA_CACHE_AUTO) return m->w.layer[0].qkv.type == LAC_F32 ? LAC_F32 : LAC_BF16;
    return asked == LACUNA_CACHE_F32 ? LAC_F32 : LAC_BF16;
}

int lacuna_session_open(lacuna_session **out, lacuna_model *m, const lacuna_session_options *options, lacuna_error *err)
{
    lacuna_session_options opt;
    if (!out || !m) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_session_open: out and model must not be NULL");
    *out = NULL;
    int r = lac_session_options(&opt, sizeof opt, options, "session", err);
    if (r || (r = check(&opt, err))) return r;
    lacuna_session *s = lac_mem_zalloc(&m->mem, sizeof *s);
    if (!s) return lac_nomem(err, "session");
    s->model = m;
    atomic_fetch_add(&m->refs, 1);
    s->limit = opt.n_context ? opt.n_context : m->info.n_context;
    s->cache_bytes = opt.cache_bytes ? opt.cache_bytes : CACHE_BYTES;
    s->arena.mem = &m->mem;
    atomic_init(&s->cancel, false);
    lac_kv_store_init(&s->store, &m->w.hp, cache_type(m, opt.cache_type), &m->mem);
    for (size_t i = 0; i < LAC_CACHE_LANES; i++) lac_kv_init(&s->lane[i].kv, &s->store);
    if (opt.parallel.run) r = lac_pool_wrap(&s->pool, &m->mem, &opt.parallel, err);
    else r = lac_pool_open(&s->pool, &m->mem, opt.n_threads, err);
    if (!r) r = lac_model_pack(m, err);
    if (!r) r = lac_net_open(&s->net, &m->w, m->kern, &m->mem, s->pool, &s->cancel, err);
    if (r) {
        lacuna_session_free(s);
        return r;
    }
    *out = s;
    return 0;
}

void lacuna_session_free(lacuna_session *s)
{
    if (!s) return;
    lacuna_model *m = s->model;
    lac_request_drop(&s->req);
    lac_arena_free(&s->arena);
    lac_net_free(&s->net);
    for (size_t i = 0; i < LAC_CACHE_LANES; i++) lac_kv_free(&s->lane[i].kv);
    lac_kv_store_free(&s->store);
    lac_pool_free(s->pool);
    lac_mem_free(&m->mem, s, sizeof *s);
    lacuna_model_free(m);
}

size_t lacuna_session_size(const lacuna_session *s)
{
    size_t size = sizeof *s + lac_net_size(&s->net) + s->arena.held + lac_kv_store_size(&s->store);
    for (size_t i = 0; i < LAC_CACHE_LANES; i++) {
        const lac_kv *kv = &s->lane[i].kv;
        size += kv->page_cap * sizeof *kv->page + kv->token_cap * sizeof *kv->token + kv->pos_cap * sizeof *kv->pos;
    }
    return size;
}

void lacuna_cancel(lacuna_session *s) { atomic_store(&s->cancel, true); }

int lac_session_cancelled(lacuna_session *s, lacuna_error *err)
{
    return atomic_exchange(&s->cancel, false) ? lac_err(err, LACUNA_E_CANCELLED, 0, "cancelled") : 0;
}

/* ---- texts that were worked on ---- */

static size_t pages_of(size_t entries) { return (entries + LAC_PAGE - 1) / LAC_PAGE; }

static bool fits(const lacuna_session *s, size_t pages) { return pages <= s->cache_bytes / s->store.page_bytes; }

/* The lane that has most in common with these entries, *k of them; of equals the one that has least beside them. */
static lac_cache_lane *closest(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n, size_t *k)
{
    lac_cache_lane *best = NULL;
    for (lac_cache_lane *l = s->lane; l < s->lane + LAC_CACHE_LANES; l++) {
        size_t same = lac_kv_match(&l->kv, token, pos, n);
        if (best && (same < *k || (same == *k && l->kv.len >= best->kv.len))) continue;
        best = l;
        *k = same;
    }
    return best;
}

/* The least recently used lane but `keep`, empty ones before all others; with `full` of those only that have pages.
 * NULL: there is none. */
static lac_cache_lane *oldest(lacuna_session *s, const lac_cache_lane *keep, bool full)
{
    lac_cache_lane *old = NULL;
    for (lac_cache_lane *l = s->lane; l < s->lane + LAC_CACHE_LANES; l++)
        if (l != keep && (l->kv.n_pages || !full) && (!old || l->used < old->used)) old = l;
    return old;
}

static void empty(lac_cache_lane *l)
{
    lac_kv_free(&l->kv);
    l->used = 0;
}

/* Pages in use once the lane has room for `entries`. */
static size_t pages_with(const lacuna_session *s, const lac_cache_lane *lane, size_t entries)
{
    const size_t want = pages_of(entries), has = lane->kv.n_pages;
    return s->store.n_pages - s->store.n_idle + (want > has ? want - has : 0);
}

/* Room for `entries` in the lane; where the pages of all would be too many, at the cost of the others. */
static int make_room(lacuna_session *s, lac_cache_lane *lane, size_t entries, lacuna_error *err)
{
    lac_cache_lane *old;
    if (!fits(s, pages_with(s, lane, entries)))
        for (size_t i = 0; i < LAC_CACHE_LANES; i++) lac_kv_fit(&s->lane[i].kv);
    while (!fits(s, pages_with(s, lane, entries)) && (old = oldest(s, lane, true))) empty(old);
    int r = lac_kv_reserve(&lane->kv, entries, err);
    if (!fits(s, s->store.n_pages)) lac_kv_store_trim(&s->store);
    return r;
}

int lac_session_take(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n, size_t entries, lac_kv **kv, lacuna_error *err)
{
    size_t k = 0;
    lac_cache_lane *lane = closest(s, token, pos, n, &k);
    /* Another text, not a new state of this one: this one stays, if there is room for both. */
    if (2 * k < lane->kv.len && 2 * k < n && fits(s, pages_of(lane->kv.len) + pages_of(entries))) {
        lac_cache_lane *old = oldest(s, NULL, false);
        if (old != lane) k = 0;
        lane = old;
    }
    lac_kv_crop(&lane->kv, k);
    lane->used = ++s->taken;
    *kv = &lane->kv;
    int r = make_room(s, lane, entries, err);
    return r ? r : lac_net_reserve(&s->net, 0, err);
}
