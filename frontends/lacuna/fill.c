/* Fill the holes of a text: choices first, then one run or several candidates, of one length or several, ranked. */
#include "lacuna/fill.h"

#include <stdlib.h>
#include <string.h>

#include "common/wishes.h"
#include "lacuna/cmd.h"
#include "lacuna/engine.h"

enum {
    LANES_MOST = 64, /* candidates of one request */
    TRIES = 4,       /* fills made for each that is wanted, where many are alike */
    STALE = 256,     /* fills in a row that are all there already: there are no others worth waiting for */
    RANK_MOST = 4096 /* candidates of one ranking */
};
#define CANDIDATE_TEMPERATURE 0.8 /* of the candidates behind a greedy first one, which would all be equal */

typedef struct {
    lacuna_session *s;
    const fill_job *job;
    const fill_watch *watch;
    fill_outcome *out;
    lacuna_hole *holes;   /* [out->rest.n] with the length at hand */
    size_t first, made;   /* candidates in out->v before this length, and made of it */
    lacuna_error *err;
} filling;

static void free_one(fill_result *r)
{
    for (size_t i = 0; i < r->n_holes && r->fills; i++) buf_free(&r->fills[i]);
    free(r->fills);
}

void fill_free(fill_outcome *out)
{
    for (size_t i = 0; i < out->n; i++) free_one(&out->v[i]);
    free(out->v);
    free(out->context);
    choice_free(&out->rest);
    *out = (fill_outcome){0};
}

/* A result in which the choices stand already. */
static fill_result new_result(const filling *f)
{
    const hole_set *holes = f->job->holes;
    fill_result r = {.fills = xalloc(holes->n, sizeof(buf)), .n_holes = holes->n, .seed = f->job->opt.seed};
    for (size_t i = 0; i < f->out->rest.n_made; i++) {
        const choice_made *m = &f->out->rest.made[i];
        lacuna_text t = holes->more[m->hole].choice[m->best];
        buf_add(&r.fills[m->hole], t.bytes, t.len);
    }
    return r;
}

/* ---- a request ------------------------------------------------------------------------------- */

/* What an event says of one lane.  The lists have room for all that it says. */
typedef struct {
    lacuna_reveal *reveals;
    lacuna_refusal *refusals;
    lacuna_reopened *reopened;
} lane_lists;

/* Whether it says anything. */
static int of_lane(const choice_rest *rest, const lacuna_event *ev, size_t lane, const lane_lists *l, lacuna_event *of)
{
    *of = *ev;
    of->reveals = l->reveals, of->refusals = l->refusals, of->reopened = l->reopened;
    of->n = of->n_refusals = of->n_reopened = of->n_open = 0;
    for (size_t i = 0; i < ev->n; i++)
        if (ev->reveals[i].candidate == lane) l->reveals[of->n] = ev->reveals[i], l->reveals[of->n++].hole = rest->number[ev->reveals[i].hole];
    for (size_t i = 0; i < ev->n_refusals; i++)
        if (ev->refusals[i].candidate == lane)
            l->refusals[of->n_refusals] = ev->refusals[i], l->refusals[of->n_refusals++].hole = rest->number[ev->refusals[i].hole];
    for (size_t i = 0; i < ev->n_reopened; i++)
        if (ev->reopened[i].candidate == lane)
            l->reopened[of->n_reopened] = ev->reopened[i], l->reopened[of->n_reopened++].hole = rest->number[ev->reopened[i].hole];
    return of->n || of->n_reopened;
}

/* Tell the watcher of each candidate what this step did of it. */
static int tell(const filling *f, const lacuna_event *ev, const fill_result *r, size_t n)
{
    const choice_rest *rest = &f->out->rest;
    lane_lists l = {xalloc(ev->n + 1, sizeof *l.reveals), xalloc(ev->n_refusals + 1, sizeof *l.refusals),
                    xalloc(ev->n_reopened + 1, sizeof *l.reopened)};
    int64_t rc = 0;
    for (size_t c = 0; c < n && rc >= 0; c++) {
        lacuna_event of;
        if (!of_lane(rest, ev, c, &l, &of)) continue;
        for (size_t h = 0; h < rest->n && rc >= 0; h++) {
            const lacuna_token *ids;
            rc = lacuna_candidate_ids(f->s, c, h, &ids, f->err);
            for (int64_t i = 0; i < rc; i++) of.n_open += ids[i] < 0;
        }
        if (rc >= 0) f->watch->step(f->watch->ctx, r[c].candidate, c, &of);
    }
    free(l.reveals), free(l.refusals), free(l.reopened);
    return rc < 0 ? (int)rc : 1;
}

/* Take over what the session knows of candidate c. */
static int collect(const filling *f, fill_result *r, size_t c, double start)
{
    const choice_rest *rest = &f->out->rest;
    for (size_t i = 0; i < rest->n; i++) {
        lacuna_text t;
        int rc = lacuna_candidate_fill(f->s, c, i, &t, f->err);
        if (rc < 0) return rc;
        buf_add(&r->fills[rest->number[i]], t.bytes, t.len);
    }
    lacuna_stats st = lacuna_candidate_stats(f->s, c);
    r->logprob = st.logprob;
    r->tokens = st.n_tokens;
    r->faults = st.n_faults;
    r->repairs = st.n_repairs;
    r->nfe = st.nfe;
    r->dropped = st.n_dropped;
    r->ms = engine_ms() - start;
    return 0;
}

/* What the first request reads of the text, for the account. */
static int note_context(const filling *f)
{
    fill_outcome *out = f->out;
    const lacuna_context_part *parts;
    if (!f->job->opt.explain || out->context) return 0;
    int64_t n = lacuna_context(f->s, &parts, f->err);
    if (n < 0) return (int)n;
    out->context = xalloc((size_t)n, sizeof *parts);
    out->n_context = (size_t)n;
    for (size_t i = 0; i < out->n_context; i++) {
        lacuna_span at = parts[i].span;
        out->context[i] = (lacuna_context_part){
            {choice_back(&out->rest, f->job->holes, at.start), choice_back(&out->rest, f->job->holes, at.end)}, parts[i].why};
    }
    return 0;
}

/* Run one request of n candidates to its end. */
static int run(const filling *f, const lacuna_infill_options *opt, fill_result *r, size_t n)
{
    const choice_rest *rest = &f->out->rest;
    const fill_watch *watch = f->watch;
    const lacuna_event *ev;
    double start = engine_ms();
    int rc = lacuna_infill(f->s, rest->text.p, rest->text.n, f->holes, rest->n, opt, f->err);
    if (rc >= 0) rc = note_context(f);
    for (size_t c = 0; c < n && rc >= 0 && watch; c++) watch->step(watch->ctx, r[c].candidate, c, NULL);
    while (rc >= 0 && (rc = lacuna_step(f->s, &ev, f->err)) > 0)
        if (watch) rc = tell(f, ev, r, n);
    for (size_t c = 0; c < n && rc == 0; c++) rc = collect(f, &r[c], c, start);
    return rc;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static int same(const fill_result *a, const fill_result *b)
{
    for (size_t i = 0; i < a->n_holes; i++)
        if (a->fills[i].n != b->fills[i].n || (a->fills[i].n && memcmp(a->fills[i].p, b->fills[i].p, a->fills[i].n))) return 0;
    return 1;
}

/* Keep r, or free it where its text is there already. */
static void keep(fill_outcome *out, fill_result *r)
{
    for (size_t k = 0; k < out->n; k++)
        if (same(&out->v[k], r)) {
            free_one(r);
            return;
        }
    out->v = xgrow(out->v, out->n + 1, sizeof *out->v);
    out->v[out->n++] = *r;
}

/* One request, of as many candidates as are missing. */
static int round_of(filling *f, size_t missing)
{
    fill_result r[LANES_MOST];
    lacuna_infill_options o = f->job->opt;
    int several = f->job->candidates > 1;
    size_t n = several && !f->made && o.temperature == 0 ? 1 : missing < LANES_MOST ? missing : LANES_MOST; /* the greedy one is alone */
    o.seed += f->made;
    o.n_candidates = (uint32_t)n;
    if (!o.document) o.repairs = 0; /* nothing tells what to repair */
    if (f->made && o.temperature == 0) o.temperature = CANDIDATE_TEMPERATURE;
    for (size_t c = 0; c < n; c++) {
        r[c] = new_result(f);
        r[c].candidate = f->first + f->made + c;
        r[c].seed = o.seed + c;
    }
    int rc = run(f, &o, r, n);
    f->made += n;
    for (size_t c = 0; c < n; c++) {
        if (rc == 0 && f->watch && f->watch->done) f->watch->done(f->watch->ctx, &r[c]);
        if (rc == 0) keep(f->out, &r[c]);
        else free_one(&r[c]);
    }
    return rc;
}

/* All candidates of the length at hand. */
static int fill_holes(filling *f)
{
    size_t before = f->out->n, have = 0, most = f->job->candidates > 1 ? TRIES * f->job->candidates : 1;
    int rc = 0;
    f->first += f->made, f->made = 0;
    for (size_t news = 0; rc == 0 && have < f->job->candidates && f->made < most && f->made - news < STALE;) {
        size_t missing = f->job->candidates - have, had = have;
        rc = round_of(f, missing < most - f->made ? missing : most - f->made);
        have = f->out->n - before;
        if (have > had) news = f->made;
    }
    return rc;
}

static int fill_lengths(filling *f)
{
    const fill_job *job = f->job;
    const choice_rest *rest = &f->out->rest;
    int rc = 0;
    for (size_t k = 0; k < (job->n_lengths ? job->n_lengths : 1); k++) {
        for (size_t i = 0; i < rest->n; i++) f->holes[i] = job->n_lengths ? wishes_length(rest->holes[i], job->lengths[k]) : rest->holes[i];
        rc = fill_holes(f);
        if (rc < 0 && !(rc == LACUNA_E_CONSTRAINT && job->n_lengths)) return rc;
    }
    return f->out->n ? 0 : rc;
}

/* ---- rank ------------------------------------------------------------------------------------ */

static int better_first(const void *a, const void *b)
{
    const fill_result *x = a, *y = b;
    double px = x->logprob / (double)(x->tokens ? x->tokens : 1), py = y->logprob / (double)(y->tokens ? y->tokens : 1);
    if (!x->faults != !y->faults) return x->faults ? 1 : -1;
    if (px != py) return px > py ? -1 : 1;
    return x->candidate < y->candidate ? -1 : 1;
}

/* Exact log-probabilities of r[n], each of all its fills. */
static int rank_some(const filling *f, fill_result *r, size_t n)
{
    const choice_rest *rest = &f->out->rest;
    const lacuna_infill_options *opt = &f->job->opt;
    lacuna_score_options so = {LACUNA_SCORE_INIT, .tag = opt->tag, .drop_far = opt->drop_far, .heal = opt->heal, .exact = 1};
    lacuna_text *fills = xalloc(n * rest->n, sizeof *fills);
    lacuna_span *spans = xalloc(rest->n, sizeof *spans);
    const lacuna_rank_item *items;
    for (size_t h = 0; h < rest->n; h++) {
        spans[h] = rest->holes[h].span;
        so.exact &= rest->holes[h].exact; /* those alone whose length was given: then nothing ends them */
        for (size_t c = 0; c < n; c++) {
            const buf *b = &r[c].fills[rest->number[h]];
            fills[c * rest->n + h] = (lacuna_text){b->n ? b->p : "", b->n};
        }
    }
    int rc = lacuna_rank(f->s, rest->text.p, rest->text.n, spans, rest->n, fills, n, &so, &items, f->err);
    for (size_t c = 0; c < n && rc >= 0; c++) r[c].logprob = items[c].logprob, r[c].tokens = items[c].n_tokens;
    free(spans);
    free(fills);
    return rc < 0 ? rc : 0;
}

static int rank(const filling *f)
{
    fill_outcome *out = f->out;
    int rc = 0;
    for (size_t i = 0; i < out->n && rc == 0; i += RANK_MOST) rc = rank_some(f, out->v + i, out->n - i < RANK_MOST ? out->n - i : RANK_MOST);
    if (rc == 0) qsort(out->v, out->n, sizeof *out->v, better_first);
    return rc;
}

int fill_run(lacuna_session *s, const fill_job *job, const fill_watch *watch, fill_outcome *out, lacuna_error *err)
{
    filling f = {.s = s, .job = job, .watch = watch, .out = out, .err = err};
    const choice_rest *rest = &out->rest;
    *out = (fill_outcome){0};
    int rc = choice_settle(s, job->text, job->holes, &job->opt, &out->rest, err);
    if (rc >= 0 && rest->n_made && job->opt.document) rc = lacuna_document_set(job->opt.document, rest->text.p, rest->text.n, err);
    if (rc < 0) return rc;
    if (watch && watch->begin) watch->begin(watch->ctx, rest);
    if (!rest->n) {
        fill_result r = new_result(&f);
        keep(out, &r);
        return 0;
    }
    f.holes = xalloc(rest->n, sizeof *f.holes);
    rc = fill_lengths(&f);
    if (rc < 0) holes_renumber(err, rest->number, rest->n, 0);
    if (rc == 0 && (job->candidates > 1 || job->n_lengths)) rc = rank(&f);
    free(f.holes);
    return rc;
}

void fill_text(buf *out, lacuna_text text, const hole_set *holes, const fill_result *r)
{
    size_t at = 0;
    for (size_t i = 0; i < r->n_holes; i++) {
        buf_add(out, text.bytes + at, holes->v[i].span.start - at);
        buf_add(out, r->fills[i].p, r->fills[i].n);
        at = holes->v[i].span.end;
    }
    buf_add(out, text.bytes + at, text.len - at);
}

/* ---- options --------------------------------------------------------------------------------- */

int sampler_settle(const char *command, sampler *s)
{
    char err[256];
    return sampling_settle(s, "--", err, sizeof err) ? cmd_usage(command, "%s", err) : GO_ON;
}
