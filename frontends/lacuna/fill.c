/* Fill the holes of a text: one run or several candidates, ranked. */
#include "lacuna/fill.h"

#include <stdlib.h>
#include <string.h>

#include "lacuna/cmd.h"
#include "lacuna/engine.h"

enum { LANES_MOST = 64 }; /* candidates of one request */
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

/* ---- a request ------------------------------------------------------------------------------- */

/* Tell the watcher of each candidate what this step did of it.  one: room for all reveals of the step. */
static int tell(lacuna_session *s, const fill_watch *watch, const lacuna_event *ev, const fill_result *r, size_t n, lacuna_error *err)
{
    lacuna_reveal *one = xalloc(ev->n ? ev->n : 1, sizeof *one);
    int64_t rc = 0;
    for (size_t c = 0; c < n && rc >= 0; c++) {
        lacuna_event of = *ev;
        of.reveals = one, of.n = of.n_open = 0;
        for (size_t i = 0; i < ev->n; i++)
            if (ev->reveals[i].candidate == c) one[of.n++] = ev->reveals[i];
        if (!of.n) continue;
        for (size_t h = 0; h < r[c].n_holes && rc >= 0; h++) {
            const lacuna_token *ids;
            rc = lacuna_candidate_ids(s, c, h, &ids, err);
            for (int64_t i = 0; i < rc; i++) of.n_open += ids[i] < 0;
        }
        if (rc >= 0) watch->fn(watch->ctx, r[c].candidate, &of);
    }
    free(one);
    return rc < 0 ? (int)rc : 1;
}

/* Run one request of n candidates to its end. */
static int run(lacuna_session *s, const char *text, size_t len, const lacuna_hole *holes, const lacuna_infill_options *opt,
               const fill_watch *watch, fill_result *r, size_t n, lacuna_error *err)
{
    const lacuna_event *ev;
    double start = engine_ms();
    int rc = lacuna_infill(s, text, len, holes, r->n_holes, opt, err);
    for (size_t c = 0; c < n && rc >= 0 && watch; c++) watch->fn(watch->ctx, r[c].candidate, NULL);
    while (rc >= 0 && (rc = lacuna_step(s, &ev, err)) > 0)
        if (watch) rc = tell(s, watch, ev, r, n, err);
    for (size_t c = 0; c < n && rc == 0; c++) {
        for (size_t i = 0; i < r[c].n_holes && rc == 0; i++) {
            lacuna_text t;
            rc = lacuna_candidate_fill(s, c, i, &t, err);
            if (rc == 0) buf_add(&r[c].fills[i], t.bytes, t.len);
        }
        lacuna_stats st = lacuna_candidate_stats(s, c);
        r[c].logprob = st.logprob;
        r[c].tokens = st.n_tokens;
        r[c].nfe = st.nfe;
        r[c].dropped = st.n_dropped;
        r[c].ms = engine_ms() - start;
    }
    return rc;
}

/* ---- candidates ------------------------------------------------------------------------------ */

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

/* How many of the candidates from i on one request makes. */
static size_t lanes(const lacuna_infill_options *opt, size_t i, size_t n)
{
    if (!i && opt->temperature == 0) return 1; /* the greedy one */
    return n - i < LANES_MOST ? n - i : LANES_MOST;
}

int fill_candidates(lacuna_session *s, const char *text, size_t len, const lacuna_hole *holes, size_t n_holes,
                    const lacuna_infill_options *opt, size_t n, const fill_watch *watch, fill_result **out,
                    size_t *n_out, lacuna_error *err)
{
    fill_result *all = xalloc(n, sizeof *all);
    size_t have = 0, some;
    for (size_t i = 0; i < n; i += some) {
        fill_result r[LANES_MOST];
        lacuna_infill_options o = *opt;
        some = lanes(opt, i, n);
        o.seed = opt->seed + i;
        o.n_candidates = (uint32_t)some;
        if (i && o.temperature == 0) o.temperature = CANDIDATE_TEMPERATURE;
        for (size_t c = 0; c < some; c++)
            r[c] = (fill_result){.fills = xalloc(n_holes, sizeof(buf)), .n_holes = n_holes, .candidate = i + c, .seed = o.seed + c};
        int rc = run(s, text, len, holes, &o, watch, r, some, err);
        for (size_t c = 0; c < some; c++) {
            if (rc == 0 && watch && watch->done) watch->done(watch->ctx, &r[c]);
            size_t k = 0;
            while (k < have && !same(&all[k], &r[c])) k++;
            if (rc == 0 && k < have && better_first(&r[c], &all[k]) < 0) {
                fill_result worse = all[k]; /* the same text in fewer or likelier tokens */
                all[k] = r[c], r[c] = worse;
            }
            if (rc < 0 || k < have) free_one(&r[c]);
            else all[have++] = r[c];
        }
        if (rc < 0) return fill_free(all, have), rc;
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

/* ---- options --------------------------------------------------------------------------------- */

int sampler_settle(const char *command, sampler *s)
{
    char err[256];
    return sampling_settle(s, "--", err, sizeof err) ? cmd_usage(command, "%s", err) : GO_ON;
}
