/* Running a request to its end and looking at every event on the way. */
#ifndef TESTS_SESSION_RUN_H
#define TESTS_SESSION_RUN_H

#include "common/unit.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lacuna.h"

#define DEFAULT_MODEL "models/default/default.gguf" /* tests run from the top of the tree */
#define RUN_SLOTS 600

/* What a request revealed, in order. */
typedef struct {
    size_t n;
    lacuna_reveal reveal[RUN_SLOTS]; /* without text: it belongs to the session */
    size_t step[RUN_SLOTS];
    lacuna_phase phase[RUN_SLOTS];
    size_t steps;                    /* events */
    lacuna_stats stats;
} run;

static inline lacuna_session *session_of(lacuna_model *m, unsigned threads)
{
    lacuna_session *s;
    lacuna_error err;
    int r = lacuna_session_open(&s, m, &(lacuna_session_options){LACUNA_SESSION_INIT, .n_threads = threads}, &err);
    CHECK(r == 0, "%s", err.msg);
    return s;
}

static inline lacuna_model *default_model(void)
{
    lacuna_model *m;
    lacuna_error err;
    CHECK(lacuna_model_open(&m, DEFAULT_MODEL, NULL, &err) == 0, "%s", err.msg);
    return m;
}

/* Step to the end.  What every event must say of itself is checked here; 0, or what lacuna_step failed with. */
static inline int run_steps(lacuna_session *s, run *out, lacuna_error *err)
{
    const lacuna_event *ev;
    size_t open = SIZE_MAX, entries = 0;
    double sum = 0;
    int r;
    memset(out, 0, sizeof *out);
    while ((r = lacuna_step(s, &ev, err)) > 0) {
        CHECK(ev->step == out->steps++, "event %zu calls itself %zu", out->steps - 1, ev->step);
        CHECK(ev->n > 0, "step %zu revealed nothing", ev->step);
        CHECK(ev->n_open < open, "step %zu leaves %zu slots open, before it were %zu", ev->step, ev->n_open, open);
        CHECK(ev->n_entries >= ev->n, "step %zu: %zu entries for %zu reveals", ev->step, ev->n_entries, ev->n);
        open = ev->n_open;
        entries += ev->n_entries;
        for (size_t i = 0; i < ev->n; i++, out->n++) {
            assert_true(out->n < RUN_SLOTS);
            out->reveal[out->n] = ev->reveals[i];
            out->reveal[out->n].text = (lacuna_text){"", 0};
            out->step[out->n] = ev->step;
            out->phase[out->n] = ev->phase;
            sum += ev->reveals[i].logprob;
            assert_true(ev->reveals[i].logprob <= 1e-9 && ev->reveals[i].prob > 0 && ev->reveals[i].prob <= 1 + 1e-9);
            assert_true(ev->reveals[i].entropy >= -1e-9);
        }
    }
    assert_null(ev);
    out->stats = lacuna_get_stats(s);
    if (r < 0) return r;
    CHECK(open == 0, "%zu slots are open at the end", open);
    assert_int_equal(out->stats.nfe, out->steps);
    assert_int_equal(out->stats.n_tokens, out->n);
    assert_int_equal(out->stats.n_entries, entries);
    assert_true(out->stats.n_reused <= out->stats.n_context);
    assert_true(fabs(out->stats.logprob - sum) < 1e-9);
    return 0;
}

static inline void run_text(lacuna_session *s, const char *text, size_t len, const lacuna_hole *hole, size_t n,
                            const lacuna_infill_options *opt, run *out)
{
    lacuna_error err;
    CHECK(lacuna_infill(s, text, len, hole, n, opt, &err) == 0, "infill: %s", err.msg);
    CHECK(run_steps(s, out, &err) == 0, "step: %s", err.msg);
}

static inline void run_ids(lacuna_session *s, const lacuna_token *ids, size_t n, const lacuna_infill_options *opt, run *out)
{
    lacuna_error err;
    CHECK(lacuna_infill_ids(s, ids, n, opt, &err) == 0, "infill_ids: %s", err.msg);
    CHECK(run_steps(s, out, &err) == 0, "step: %s", err.msg);
}

/* The same slots, tokens and bits of every number. */
static inline void same_run(const run *a, const run *b, const char *what)
{
    CHECK(a->n == b->n && a->steps == b->steps, "%s: %zu reveals in %zu steps, %zu in %zu", what, a->n, a->steps, b->n, b->steps);
    for (size_t i = 0; i < a->n; i++) {
        const lacuna_reveal *x = &a->reveal[i], *y = &b->reveal[i];
        CHECK(x->hole == y->hole && x->slot == y->slot && x->token == y->token && a->step[i] == b->step[i] && a->phase[i] == b->phase[i],
              "%s: reveal %zu is hole %zu slot %zu token %d, and hole %zu slot %zu token %d", what, i, x->hole, x->slot, (int)x->token, y->hole,
              y->slot, (int)y->token);
        CHECK(!memcmp(&x->logprob, &y->logprob, sizeof x->logprob) && !memcmp(&x->prob, &y->prob, sizeof x->prob) &&
                  !memcmp(&x->entropy, &y->entropy, sizeof x->entropy),
              "%s: reveal %zu: log-probability %.17g and %.17g, drawn with %.17g and %.17g", what, i, x->logprob, y->logprob, x->prob, y->prob);
    }
}

#endif
