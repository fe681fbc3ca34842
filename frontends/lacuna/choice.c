/* Holes that are given a few texts to choose from. */
#include "lacuna/choice.h"

#include <stdlib.h>
#include <string.h>

/* Rank the texts of r->holes[i], the others open. */
static int rank(lacuna_session *s, const choice_rest *r, size_t i, const hole_more *more, const lacuna_infill_options *opt,
                const lacuna_rank_item **out, lacuna_error *err)
{
    lacuna_score_options so = {LACUNA_SCORE_INIT, .tag = opt->tag, .drop_far = opt->drop_far, .heal = opt->heal};
    lacuna_text *fills = xalloc(more->n_choices * r->n, sizeof *fills);
    lacuna_span *spans = xalloc(r->n, sizeof *spans);
    for (size_t h = 0; h < r->n; h++) spans[h] = r->holes[h].span;
    for (size_t c = 0; c < more->n_choices; c++) fills[c * r->n + i] = more->choice[c];
    int rc = lacuna_rank(s, r->text.p, r->text.n, spans, r->n, fills, more->n_choices, &so, out, err);
    free(spans);
    free(fills);
    return rc;
}

/* Put t in the place of r->holes[i], which is then a hole no more. */
static void close_hole(choice_rest *r, size_t i, lacuna_text t)
{
    lacuna_span of = r->holes[i].span;
    buf now = {0};
    buf_room(&now, r->text.n + t.len);
    buf_add(&now, r->text.p, of.start);
    buf_add(&now, t.bytes, t.len);
    buf_add(&now, r->text.p + of.end, r->text.n - of.end);
    buf_free(&r->text);
    r->text = now;
    memmove(r->holes + i, r->holes + i + 1, (r->n - i - 1) * sizeof *r->holes);
    memmove(r->number + i, r->number + i + 1, (r->n - i - 1) * sizeof *r->number);
    r->n--;
    for (; i < r->n; i++) {
        r->holes[i].span.start += t.len - (of.end - of.start);
        r->holes[i].span.end += t.len - (of.end - of.start);
    }
}

int choice_settle(lacuna_session *s, lacuna_text text, const hole_set *holes, const lacuna_infill_options *opt, choice_rest *out,
                  lacuna_error *err)
{
    choice_rest *r = out;
    *r = (choice_rest){.n = holes->n};
    buf_room(&r->text, text.len);
    buf_add(&r->text, text.bytes, text.len);
    r->holes = xalloc(r->n, sizeof *r->holes);
    r->number = xalloc(r->n, sizeof *r->number);
    for (size_t i = 0; i < r->n; i++) r->holes[i] = holes->v[i], r->number[i] = i;
    for (size_t i = 0; i < r->n;) {
        const hole_more *more = &holes->more[r->number[i]];
        const lacuna_rank_item *items;
        choice_made m = {.hole = r->number[i], .n = more->n_choices, .at = r->holes[i].span.start};
        if (!m.n) {
            i++;
            continue;
        }
        int rc = rank(s, r, i, more, opt, &items, err);
        if (rc < 0) return rc;
        m.items = xalloc(m.n, sizeof *m.items);
        memcpy(m.items, items, m.n * sizeof *items);
        for (size_t c = 1; c < m.n; c++)
            if (items[c].logprob > items[m.best].logprob) m.best = c;
        m.len = more->choice[m.best].len;
        r->made = xgrow(r->made, r->n_made + 1, sizeof *r->made);
        r->made[r->n_made++] = m;
        close_hole(r, i, more->choice[m.best]);
    }
    return 0;
}

void choice_free(choice_rest *r)
{
    for (size_t i = 0; i < r->n_made; i++) free(r->made[i].items);
    free(r->made);
    free(r->number);
    free(r->holes);
    buf_free(&r->text);
    *r = (choice_rest){0};
}

size_t choice_back(const choice_rest *r, const hole_set *holes, size_t at)
{
    size_t given = at; /* as if nothing had been replaced after the last choice passed */
    for (size_t i = 0; i < r->n_made && at > r->made[i].at; i++) {
        const choice_made *m = &r->made[i];
        lacuna_span of = holes->v[m->hole].span;
        given = at < m->at + m->len ? of.start : of.end + (at - m->at - m->len);
    }
    return given;
}
