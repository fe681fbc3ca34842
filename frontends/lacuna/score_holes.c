/* lacuna score --holes: which of the given texts fills the holes best. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "common/marker.h"
#include "common/rpc_fields.h"
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/report.h"
#include "lacuna/score.h"

typedef struct {
    buf text;
    lacuna_span *spans;  /* n holes */
    size_t n;
    json_t **arrays;     /* [fills.n] that the texts point into, NULL where an option is the text itself */
    lacuna_text *fills;  /* [fills.n][n] */
} task;

static int find_holes(const score_options *o, const char *path, task *t)
{
    size_t length = strlen(o->marker);
    if (o->ranges.n) return score_spans(o, &t->text, &t->spans, &t->n);
    t->n = marker_find(t->text.p, t->text.n, o->marker, length, NULL, 0);
    if (!t->n)
        return say("%s: no hole: put the marker %s where a text belongs (--marker sets another), or give --range L:C-L:C",
                   path ? path : "standard input", o->marker), EXIT_FAILED;
    t->spans = xalloc(t->n, sizeof *t->spans);
    marker_find(t->text.p, t->text.n, o->marker, length, t->spans, t->n);
    return GO_ON;
}

static int read_fills(const score_options *o, task *t)
{
    t->arrays = xalloc(o->fills.n, sizeof(json_t *));
    t->fills = xalloc(o->fills.n * t->n, sizeof *t->fills);
    for (size_t c = 0; c < o->fills.n; c++) {
        const char *v = o->fills.v[c];
        char err[200] = "expected a JSON array with a string for each of the holes";
        if (t->n == 1) {
            t->fills[c] = (lacuna_text){v, strlen(v)};
            continue;
        }
        t->arrays[c] = json_loads(v, JSON_ALLOW_NUL, NULL);
        if (!t->arrays[c] || rpc_get_fill(t->arrays[c], t->n, t->fills + c * t->n, err, sizeof err))
            return cmd_usage("score", "option --fill: %s, got '%.60s'", err, v);
    }
    return GO_ON;
}

/* Numbers of the candidates, the likeliest first. */
static size_t *sorted(const lacuna_rank_item *items, size_t n)
{
    size_t *rank = xalloc(n, sizeof *rank);
    for (size_t i = 0; i < n; i++) {
        size_t k = i;
        for (; k && items[rank[k - 1]].logprob < items[i].logprob; k--) rank[k] = rank[k - 1];
        rank[k] = i;
    }
    return rank;
}

static void put_fills(buf *b, const task *t, size_t c)
{
    buf_put(b, "[");
    for (size_t h = 0; h < t->n; h++) {
        lacuna_text f = t->fills[c * t->n + h];
        json_comma(b);
        if (f.bytes) json_put_string(b, f.bytes, f.len);
        else buf_put(b, "null");
    }
    buf_put(b, "]");
}

static void put_ranking(const score_options *o, const task *t, const lacuna_rank_item *items)
{
    size_t n = o->fills.n, *rank = sorted(items, n);
    buf b = {0};
    buf_put(&b, o->json ? "{\"candidates\":[" : "prob      logprob       tokens  fill");
    for (size_t i = 0; i < n; i++) {
        size_t c = rank[i];
        if (o->json) {
            json_comma(&b);
            buf_put(&b, "{");
            json_add_uint(&b, "candidate", c);
            json_key(&b, "fills");
            put_fills(&b, t, c);
            report_rank(&b, &items[c]);
            buf_put(&b, "}");
        } else {
            buf_fmt(&b, "\n%.6f  %-12.6f  %-6zu  ", items[c].prob, items[c].logprob, items[c].n_tokens);
            if (t->n == 1) json_put_string(&b, t->fills[c].bytes, t->fills[c].len);
            else put_fills(&b, t, c);
        }
    }
    if (o->json) buf_put(&b, "]}");
    score_put_line(&b);
    free(rank);
}

int score_holes(const score_options *o, const char *path)
{
    task t = {0};
    engine e = {0};
    char why[512];
    lacuna_error err;
    lacuna_score_options s = o->s;
    const lacuna_rank_item *items;
    int code = GO_ON;
    s.heal = !o->no_heal;
    if (io_read(path, &t.text, why, sizeof why)) say("%s", why), code = EXIT_FAILED;
    if (code == GO_ON) code = find_holes(o, path, &t);
    if (code == GO_ON) code = read_fills(o, &t);
    if (code == GO_ON && engine_open(&e, &o->e)) code = EXIT_FAILED;
    if (code == GO_ON && engine_tag(&e, &o->e, path, t.text.p, t.text.n, &s.tag)) code = EXIT_FAILED;
    if (code == GO_ON && lacuna_rank(e.session, t.text.p, t.text.n, t.spans, t.n, t.fills, o->fills.n, &s, &items, &err) < 0)
        code = engine_failed(&err);
    if (code == GO_ON) put_ranking(o, &t, items), code = EXIT_DONE;
    for (size_t c = 0; c < o->fills.n && t.arrays; c++) json_decref(t.arrays[c]);
    engine_close(&e);
    free(t.arrays);
    free(t.fills);
    free(t.spans);
    buf_free(&t.text);
    return code;
}
