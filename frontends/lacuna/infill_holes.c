/* Where the holes of `lacuna infill` are: at markers, at places, or around nodes of the syntax. */
#include <stdlib.h>
#include <string.h>

#include "common/marker.h"
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/infill.h"

lacuna_hole infill_hole(const infill_options *o, lacuna_span span)
{
    return (lacuna_hole){.span = span, .max_tokens = o->s.o.max_tokens, .min_tokens = o->min_tokens, .exact = o->exact,
                         .one_line = o->one_line};
}

static int by_start(const void *a, const void *b)
{
    const lacuna_hole *x = a, *y = b;
    if (x->span.start != y->span.start) return x->span.start < y->span.start ? -1 : 1;
    return (x->span.end > y->span.end) - (x->span.end < y->span.end);
}

/* The node around a place. */
static int node_at(const infill_text *c, const infill_options *o, syntax *s, const char *spec, lacuna_span *span)
{
    lacuna_document *d;
    lacuna_error err;
    const char *kind;
    if (syntax_of(s, &o->w, 1, c->path, o->e.lang, (lacuna_text){c->text.p, c->text.n}, &d, &err) < 0)
        return say("option --%s: %s", o->w.grammar ? "grammar" : "node", err.msg), EXIT_FAILED;
    int r = lacuna_document_node(d, span->start, span, &kind, &err);
    if (r < 0) return say("option --node: %s", err.msg), EXIT_FAILED;
    if (r == 0) return say("option --node: '%s': there is no node of the syntax", spec), EXIT_FAILED;
    if (o->e.verbose) say("--node %s: %s, bytes %zu-%zu", spec, kind, span->start, span->end);
    return GO_ON;
}

/* The place of one option, by its kind: 0 --at, 1 --range, 2 --node. */
static int place(const infill_text *c, const infill_options *o, syntax *s, int kind, const char *spec, lacuna_span *span)
{
    static const char *const name[] = {"--at", "--range", "--node"};
    char err[256];
    int r = kind == 1 ? marker_range(c->text.p, c->text.n, spec, span, err, sizeof err)
                      : marker_at(c->text.p, c->text.n, spec, &span->start, err, sizeof err);
    if (kind != 1) span->end = span->start;
    if (r == MARKER_SYNTAX) return cmd_usage("infill", "option %s: %s", name[kind], err);
    if (r != MARKER_OK) return say("option %s: %s", name[kind], err), EXIT_FAILED;
    return kind == 2 ? node_at(c, o, s, spec, span) : GO_ON;
}

/* Holes by --at, --range and --node; the markers in the text are then text. */
static int holes_given(infill_text *c, const infill_options *o, syntax *s)
{
    const arg_list *lists[] = {&o->at, &o->ranges, &o->nodes};
    size_t n = 0;
    c->holes = holes_make(o->at.n + o->ranges.n + o->nodes.n);
    for (int kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < lists[kind]->n; i++) {
            lacuna_span span = {0, 0};
            int code = place(c, o, s, kind, lists[kind]->v[i], &span);
            if (code != GO_ON) return code;
            c->holes.v[n++] = infill_hole(o, span);
        }
    qsort(c->holes.v, n, sizeof *c->holes.v, by_start);
    for (size_t i = 1; i < n; i++) {
        lacuna_span a = c->holes.v[i - 1].span, b = c->holes.v[i].span;
        if (b.start < a.end || b.start == a.start)
            return say("two holes overlap: bytes %zu-%zu and %zu-%zu", a.start, a.end, b.start, b.end), EXIT_FAILED;
    }
    return GO_ON;
}

/* Holes at the markers, which are taken out: they are no part of the text, and no syntax knows them. */
static int holes_marked(infill_text *c, const infill_options *o)
{
    size_t length = strlen(o->marker), n = marker_find(c->text.p, c->text.n, o->marker, length, NULL, 0);
    if (!n) {
        say("%s: no hole: put the marker %s where text is missing (--marker sets another), or give --at LINE:COL, "
            "--range L:C-L:C or --node LINE:COL", c->path ? c->path : "standard input", o->marker);
        return EXIT_FAILED;
    }
    buf text = {0};
    size_t at = 0;
    lacuna_span *spans = xalloc(n, sizeof *spans);
    marker_find(c->text.p, c->text.n, o->marker, length, spans, n);
    c->holes = holes_make(n);
    for (size_t i = 0; i < n; i++) {
        buf_add(&text, c->text.p + at, spans[i].start - at);
        c->holes.v[i] = infill_hole(o, (lacuna_span){text.n, text.n});
        at = spans[i].end;
    }
    buf_add(&text, c->text.p + at, c->text.n - at);
    buf_free(&c->text);
    c->text = text;
    free(spans);
    return GO_ON;
}

int infill_find_holes(const infill_options *o, syntax *s, infill_text *c)
{
    return o->at.n + o->ranges.n + o->nodes.n ? holes_given(c, o, s) : holes_marked(c, o);
}
