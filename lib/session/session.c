/* lacuna_session: cache, scratch and threads of one user; the cache as a list of entries. */
#include "session/session.h"

#include <string.h>

#include "base/err.h"

int lacuna_session_open(lacuna_session **out, lacuna_model *m, const lacuna_session_options *options, lacuna_error *err)
{
    lacuna_session_options opt;
    if (!out || !m) return lac_err(err, LACUNA_E_ARG, 0, "lacuna_session_open: out and model must not be NULL");
    *out = NULL;
    int r = lac_session_options(&opt, sizeof opt, options, "session", err);
    if (r) return r;
    if (opt.n_context > INT32_MAX / 4) return lac_err(err, LACUNA_E_LIMIT, 0, "%u positions are too many", (unsigned)opt.n_context);
    lacuna_session *s = lac_mem_zalloc(&m->mem, sizeof *s);
    if (!s) return lac_nomem(err, "session");
    s->model = m;
    atomic_fetch_add(&m->refs, 1);
    s->limit = opt.n_context ? opt.n_context : m->info.n_context;
    s->arena.mem = &m->mem;
    atomic_init(&s->cancel, false);
    r = lac_pool_open(&s->pool, &m->mem, opt.n_threads, err);
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
    lac_arena_free(&s->arena);
    lac_net_free(&s->net);
    lac_pool_free(s->pool);
    lac_mem_free(&m->mem, s->seen_token, s->seen_token_cap * sizeof *s->seen_token);
    lac_mem_free(&m->mem, s->seen_pos, s->seen_pos_cap * sizeof *s->seen_pos);
    lac_mem_free(&m->mem, s, sizeof *s);
    lacuna_model_free(m);
}

size_t lacuna_session_size(const lacuna_session *s)
{
    return sizeof *s + lac_net_size(&s->net) + s->arena.held + s->seen_token_cap * sizeof *s->seen_token +
           s->seen_pos_cap * sizeof *s->seen_pos;
}

void lacuna_cancel(lacuna_session *s) { atomic_store(&s->cancel, true); }

int lac_session_cancelled(lacuna_session *s, lacuna_error *err)
{
    return atomic_exchange(&s->cancel, false) ? lac_err(err, LACUNA_E_CANCELLED, 0, "cancelled") : 0;
}

int lac_session_reserve(lacuna_session *s, size_t entries, lacuna_error *err)
{
    const lacuna_allocator *mem = &s->model->mem;
    void *token = s->seen_token, *pos = s->seen_pos;
    bool ok = lac_mem_grow(mem, &token, &s->seen_token_cap, entries, sizeof *s->seen_token) &&
              lac_mem_grow(mem, &pos, &s->seen_pos_cap, entries, sizeof *s->seen_pos);
    s->seen_token = token;
    s->seen_pos = pos;
    if (!ok) return lac_nomem(err, "session");
    return lac_net_reserve(&s->net, entries, 0, err);
}

size_t lac_session_reconcile(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n)
{
    size_t k = 0;
    while (k < n && k < s->net.len && s->seen_token[k] == token[k] && s->seen_pos[k] == pos[k]) k++;
    lac_net_crop(&s->net, k);
    return k;
}

void lac_session_note(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n)
{
    if (!n) return;
    memcpy(s->seen_token + s->net.len - n, token, n * sizeof *token);
    memcpy(s->seen_pos + s->net.len - n, pos, n * sizeof *pos);
}
