/* lacuna score: exact log-likelihood of a text, of holes in a context, or of ids. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/json.h"
#include "common/marker.h"
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/engine.h"
#include "lacuna/report.h"
#include "lacuna/score.h"

void score_put_line(buf *b)
{
    buf_put(b, "\n");
    io_out(b->p, b->n);
    buf_free(b);
}

/* ---- text ---------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
    const lacuna_span *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

int score_spans(const score_options *o, const buf *text, lacuna_span **spans, size_t *n)
{
    char err[256];
    *n = o->ranges.n ? o->ranges.n : 1;
    *spans = xalloc(*n, sizeof **spans);
    if (!o->ranges.n) (*spans)[0] = (lacuna_span){0, text->n};
    for (size_t i = 0; i < o->ranges.n; i++) {
        int r = marker_range(text->p, text->n, o->ranges.v[i], &(*spans)[i], err, sizeof err);
        if (r == MARKER_SYNTAX) return cmd_usage("score", "option --range: %s", err);
        if (r != MARKER_OK) return say("option --range: %s", err), EXIT_FAILED;
    }
    qsort(*spans, *n, sizeof **spans, by_start);
    return GO_ON;
}

static void put_score(const score_options *o, const engine *e, const lacuna_score_result *r, const lacuna_span *spans,
                      size_t n)
{
    buf b = {0};
    int with_bound = o->s.n_orders > 1;
    if (o->json) {
        buf_put(&b, "{");
        report_score(&b, e->model, r, spans, n, with_bound);
        buf_put(&b, "}");
    } else {
        double bits = report_bits(r->logprob, spans, n);
        buf_fmt(&b, "logprob        %.6f\n", r->logprob);
        if (with_bound) buf_fmt(&b, "bound          %.6f\n", r->bound);
        if (isfinite(bits)) buf_fmt(&b, "bits_per_byte  %.6f\n", bits);
        buf_fmt(&b, "tokens         %zu", r->n);
    }
    score_put_line(&b);
}

/* Score a whole text: pieces of half a context each, every one given as much of what stands before it as fits. */
static int score_whole(const engine *e, const buf *text, const lacuna_score_options *o, size_t context, lacuna_score_result *sum,
                       buf *items, lacuna_error *err)
{
    lacuna_score_options s = *o;
    s.exact = 1; /* a text is no hole: nothing ends it */
    int64_t n = lacuna_encode(e->model, text->p, text->n, NULL, NULL, 0, err);
    if (n < 0) return (int)n;
    size_t *ends = xalloc((size_t)n, sizeof *ends), piece = context / 2, start = 0;
    lacuna_token *ids = xalloc((size_t)n, sizeof *ids);
    int64_t r = lacuna_encode(e->model, text->p, text->n, ids, ends, (size_t)n, err);
    if ((size_t)n < context) piece = (size_t)n; /* it fits as a whole */
    for (size_t i = piece - 1; r >= 0 && start < text->n; i += piece) {
        const lacuna_score_result *one;
        lacuna_span span = {start, i < (size_t)n ? ends[i] : text->n};
        while (span.end < text->n && (text->p[span.end] & 0xC0) == 0x80) span.end++; /* byte tokens: not inside a character */
        r = lacuna_score(e->session, text->p, span.end, &span, 1, &s, &one, err);
        if (r < 0) break;
        buf_add(items, (const char *)one->items, one->n * sizeof *one->items);
        sum->n += one->n;
        sum->logprob += one->logprob;
        sum->bound += one->bound;
        start = span.end;
    }
    sum->items = (const lacuna_score_item *)(const void *)items->p;
    free(ends);
    free(ids);
    return r < 0 ? (int)r : 0;
}

static int score_text(const score_options *o, const char *path)
{
    lacuna_score_result whole = {0};
    buf items = {0};
    buf text = {0};
    char why[512];
    lacuna_span *spans = NULL;
    size_t n;
    engine e = {0};
    lacuna_error err;
    const lacuna_score_result *r;
    int code = GO_ON;
    if (io_read(path, &text, why, sizeof why)) say("%s", why), code = EXIT_FAILED;
    if (code == GO_ON && !text.n) say("%s: nothing to score", path ? path : "standard input"), code = EXIT_FAILED;
    if (code == GO_ON) code = score_spans(o, &text, &spans, &n);
    if (code == GO_ON && engine_open(&e, &o->e)) code = EXIT_FAILED;
    lacuna_score_options s = o->s;
    if (code == GO_ON && engine_tag(&e, &o->e, path, text.p, text.n, &s.tag)) code = EXIT_FAILED;
    int rc = code != GO_ON      ? 0
             : o->ranges.n      ? lacuna_score(e.session, text.p, text.n, spans, n, &s, &r, &err)
                                : score_whole(&e, &text, &s, o->e.context ? o->e.context : e.info->n_context, &whole, &items, &err);
    if (!o->ranges.n) r = &whole;
    if (rc < 0) code = engine_failed(&err);
    if (code == GO_ON) put_score(o, &e, r, spans, n), code = EXIT_DONE;
    engine_close(&e);
    buf_free(&items);
    free(spans);
    buf_free(&text);
    return code;
}

/* ---- ids ----------------------------------------------------------------------------------- */

typedef struct {
    lacuna_token *ids;
    size_t *order;      /* NULL: to be drawn */
    size_t n;
} id_list;

static int load_ids(const char *path, id_list *l)
{
    buf text = {0};
    char why[512];
    json_error_t e;
    int64_t *ids = NULL, *order = NULL;
    size_t n_order = 0;
    if (io_read(path, &text, why, sizeof why)) return say("%s", why), -1;
    json_t *o = json_loadb(text.p, text.n, 0, &e);
    buf_free(&text);
    if (!o) return say("%s: not JSON: %s (line %d)", path, e.text, e.line), -1;
    int r = json_get_ints(o, "ids", 0, INT32_MAX, &ids, &l->n, why, sizeof why);
    if (r == 0) snprintf(why, sizeof why, "ids: missing");
    if (r > 0 && !l->n) snprintf(why, sizeof why, "ids: empty"), r = 0;
    int q = r > 0 ? json_get_ints(o, "order", 0, (int64_t)l->n - 1, &order, &n_order, why, sizeof why) : 0;
    if (q > 0 && n_order != l->n) {
        snprintf(why, sizeof why, "order: %zu ranks for %zu ids", n_order, l->n);
        q = -1;
    }
    if (r > 0 && q >= 0) {
        l->ids = xalloc(l->n, sizeof *l->ids);
        l->order = q ? xalloc(l->n, sizeof *l->order) : NULL;
        for (size_t i = 0; i < l->n; i++) l->ids[i] = (lacuna_token)ids[i];
        for (size_t i = 0; i < l->n && q; i++) l->order[i] = (size_t)order[i];
    } else {
        say("%s: %s", path, why);
    }
    free(ids);
    free(order);
    json_decref(o);
    return r > 0 && q >= 0 ? 0 : -1;
}

static int score_ids(const score_options *o)
{
    id_list l = {0};
    engine e = {0};
    lacuna_error err;
    if (load_ids(o->ids, &l)) return EXIT_FAILED;
    double *lp = xalloc(l.n, sizeof *lp), total = 0, bound = 0;
    size_t *used = xalloc(l.n, sizeof *used);
    int code = engine_open(&e, &o->e) ? EXIT_FAILED : GO_ON;
    /* The orders of the bound are drawn; an order that is given says which one the log-probabilities are of. */
    lacuna_score_options one = o->s;
    one.n_orders = 1;
    int drawn = !l.order && o->s.n_orders > 1;
    if (code == GO_ON && lacuna_score_ids(e.session, l.ids, l.n, l.order, 0, drawn ? &o->s : &one, lp, used,
                                          drawn ? &bound : NULL, &err) < 0)
        code = engine_failed(&err);
    double *scratch = l.order && o->s.n_orders > 1 ? xalloc(l.n, sizeof *scratch) : NULL;
    if (code == GO_ON && scratch &&
        lacuna_score_ids(e.session, l.ids, l.n, NULL, 0, &o->s, scratch, NULL, &bound, &err) < 0)
        code = engine_failed(&err);
    for (size_t i = 0; i < l.n; i++) total += lp[i];
    if (code == GO_ON) {
        buf b = {0};
        if (o->json) {
            buf_put(&b, "{\"logprobs\":[");
            for (size_t i = 0; i < l.n; i++) json_comma(&b), json_put_real(&b, lp[i]);
            buf_put(&b, "]");
            json_add_real(&b, "total", total);
            if (o->s.n_orders > 1) json_add_real(&b, "bound", bound);
            if (!l.order) {
                json_key(&b, "order");
                buf_put(&b, "[");
                for (size_t i = 0; i < l.n; i++) json_comma(&b), buf_fmt(&b, "%zu", used[i]);
                buf_put(&b, "]");
            }
            buf_put(&b, "}");
        } else {
            buf_fmt(&b, "logprob        %.6f\n", total);
            if (o->s.n_orders > 1) buf_fmt(&b, "bound          %.6f\n", bound);
            buf_fmt(&b, "tokens         %zu", l.n);
        }
        score_put_line(&b);
        code = EXIT_DONE;
    }
    engine_close(&e);
    free(scratch);
    free(used);
    free(lp);
    free(l.ids);
    free(l.order);
    return code;
}

/* What goes with --holes, and what needs it. */
static int ranking(const score_options *o)
{
    if (!o->holes && (o->fills.n || o->marker_seen || o->no_heal))
        return cmd_usage("score", "--%s needs --holes", o->fills.n ? "fill" : o->marker_seen ? "marker" : "no-heal");
    if (!o->holes) return GO_ON;
    if (!o->fills.n) return cmd_usage("score", "--holes needs candidates: --fill TEXT, once for each");
    if (o->ids || o->order_seen || o->bound_seen)
        return cmd_usage("score", "--holes ranks from left to right; --ids, --order, --alpha0 and --orders do not go with it");
    if (o->marker_seen && o->ranges.n) return cmd_usage("score", "--marker cannot be used with --range");
    return *o->marker ? GO_ON : cmd_usage("score", "option --marker: the marker is empty");
}

int cmd_score(int argc, char **argv)
{
    static const char *const orders[] = {"left", "random", NULL};
    score_options o = {.s = {LACUNA_SCORE_INIT, .alpha0 = 1}, .marker = MARKER_DEFAULT};
    const arg_opt opts[] = {
        OPT("range", 0, ARG_LIST, &o.ranges, "L:C-L:C", "score this part given the rest; may be repeated (default: the whole text)"),
        OPT("ids", 0, ARG_TEXT, &o.ids, "FILE.json", "score {\"ids\":[...],\"order\":[rank -> position]} instead of a text"),
        OPT("json", 0, ARG_FLAG, &o.json, NULL, "one JSON object, with every token"),
        OPT_HEAD("ranking"),
        OPT("holes", 0, ARG_FLAG, &o.holes, NULL, "rank the texts given by --fill for the holes of FILE, at markers or --range"),
        OPT("fill", 0, ARG_LIST, &o.fills, "TEXT",
            "a candidate; of several holes, a JSON array with a string for each (null: it stays open); repeat it"),
        OPT_SEEN("marker", 0, ARG_TEXT, &o.marker, "STR", "text that stands for a hole (default <|fill|>)", &o.marker_seen),
        OPT("no-heal", 0, ARG_FLAG, &o.no_heal, NULL, "take the text before a hole as it stands"),
        OPT_HEAD("scoring"),
        OPT_ONE_OF("order", &o.order, "ORDER", orders, "left or random", &o.order_seen),
        OPT_NUM_SEEN("alpha0", ARG_REAL, &o.s.alpha0, "A", 0, 1, "random order: share of random slots (default 1)", &o.bound_seen),
        OPT_NUM_SEEN("orders", ARG_U32, &o.s.n_orders, "K", 1, 1000000, "importance-weighted bound over K orders (random by default)", &o.bound_seen),
        OPT("seed", 0, ARG_U64, &o.s.seed, "S", "seed of the orders (default 0)"),
        OPT("no-end", 0, ARG_FLAG, &o.s.no_end, NULL, "do not score the <eom> that closes each part"),
        OPT_NUM("spare", 0, ARG_U32, &o.s.spare, "N", 1, 1000000, "slots each part has beyond its text (default 8)"),
        OPT("exact", 0, ARG_FLAG, &o.s.exact, NULL, "the parts have no slot beyond their text, and no end is scored"),
        ENGINE_OPTS(&o.e),
        OPT("strict-context", 0, ARG_FLAG, &o.strict, NULL, "fail when the text does not fit (default: leave out what is far)"),
        OPT_END,
    };
    arg_list files = {0};
    int code = cmd_args("score", "[OPTION...] [FILE]", "Exact log-likelihood, in nats, of FILE (default: standard input).", opts, argc,
                        argv, 1, &files);
    if (code == GO_ON) code = ranking(&o);
    if (code == GO_ON && o.ids && (files.n || o.ranges.n)) code = cmd_usage("score", "--ids cannot be used with FILE or --range");
    if (code == GO_ON) {
        if (!o.order_seen && o.s.n_orders > 1) o.order = 1;
        o.s.order = o.order && o.s.alpha0 > 0 ? LACUNA_ORDER_RANDOM : LACUNA_ORDER_LEFT; /* no random slot: left to right */
        o.s.drop_far = !o.strict;
        const char *path = files.n ? files.v[0] : NULL;
        code = o.ids ? score_ids(&o) : o.holes ? score_holes(&o, path) : score_text(&o, path);
    }
    free(files.v);
    free(o.ranges.v);
    free(o.fills.v);
    return code;
}
