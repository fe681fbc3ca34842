/* Fill the holes of a text: one run or several candidates, ranked. */
#include "lacuna/fill.h"

#include <stdlib.h>
#include <string.h>

#include "lacuna/engine.h"

#define CANDIDATE_TEMPERATURE 0.8 /* of the candidates behind a greedy first one, which would all be equal */

static void free_one(fill_result *r)
{
    for (size_t i = 0; i < r->n_holes && r->fills; i++) buf_free(&r->fills[i]);
    free(r->fills);
}

void fill_free(fill_result *r, size_t n)
{
    for (size_t i = 0; i < n; i++) free_one(&r[i]);
    free(r);
}

/* Run one request to its end. */
static int run(lacuna_session *s, const char *text, size_t len, const lacuna_hole *holes, const lacuna_infill_options *opt,
               const fill_watch *watch, fill_result *r, lacuna_error *err)
{
    const lacuna_event *ev;
    double start = engine_ms();
    int rc = lacuna_infill(s, text, len, holes, r->n_holes, opt, err);
    if (rc >= 0 && watch) watch->fn(watch->ctx, r->candidate, NULL);
    while (rc >= 0 && (rc = lacuna_step(s, &ev, err)) > 0)
        if (watch) watch->fn(watch->ctx, r->candidate, ev);
    for (size_t i = 0; i < r->n_holes && rc == 0; i++) {
        lacuna_text t;
        rc = lacuna_fill(s, i, &t, err);
        if (rc == 0) buf_add(&r->fills[i], t.bytes, t.len);
    }
    if (rc < 0) return rc;
    lacuna_stats st = lacuna_get_stats(s);
    r->logprob = st.logprob;
    r->tokens = st.n_tokens;
    r->nfe = st.nfe;
    r->dropped = st.n_dropped;
    r->ms = engine_ms() - start;
    return 0;
}

static int same(const fill_result *a, const fill_result *b)
{
    for (size_t i = 0; i < a->n_holes; i++)
        if (a->fills[i].n != b->fills[i].n || memcmp(a->fills[i].p, b->fills[i].p, a->fills[i].n)) return 0;
    return 1;
}

static double per_token(const fill_result *r)
{
    return r->tokens ? r->logprob / (double)r->tokens : r->logprob;
}

static int better_first(const void *a, const void *b)
{
    const fill_result *x = a, *y = b;
    double px = per_token(x), py = per_token(y);
    if (px != py) return px > py ? -1 : 1;
    return x->candidate < y->candidate ? -1 : 1;
}

int fill_candidates(lacuna_session *s, const char *text, size_t len, const lacuna_hole *holes, size_t n_holes,
                    const lacuna_infill_options *opt, size_t n, const fill_watch *watch, fill_result **out,
                    size_t *n_out, lacuna_error *err)
{
    fill_result *all = xalloc(n, sizeof *all);
    size_t have = 0;
    for (size_t i = 0; i < n; i++) {
        lacuna_infill_options o = *opt;
        o.seed = opt->seed + i;
        if (i && o.temperature == 0) o.temperature = CANDIDATE_TEMPERATURE;
        fill_result r = {.fills = xalloc(n_holes, sizeof(buf)), .n_holes = n_holes, .candidate = i, .seed = o.seed};
        int rc = run(s, text, len, holes, &o, watch, &r, err);
        if (rc < 0) {
            free_one(&r);
            fill_free(all, have);
            return rc;
        }
        if (watch && watch->done) watch->done(watch->ctx, &r);
        size_t k = 0;
        while (k < have && !same(&all[k], &r)) k++;
        if (k < have) free_one(&r);
        else all[have++] = r;
    }
    qsort(all, have, sizeof *all, better_first);
    *out = all;
    *n_out = have;
    return 0;
}

void fill_text(buf *out, const char *text, size_t len, const lacuna_hole *holes, const fill_result *r)
{
    size_t at = 0;
    for (size_t i = 0; i < r->n_holes; i++) {
        buf_add(out, text + at, holes[i].span.start - at);
        buf_add(out, r->fills[i].p, r->fills[i].n);
        at = holes[i].span.end;
    }
    buf_add(out, text + at, len - at);
}
