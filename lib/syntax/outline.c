/* What of a text says most about a place in it: heads of what is around, imports, signatures.
 *
 * A head is the lines of a node from its first to the one on which its body begins, at most HEAD.  The tree is walked where something is declared: the
 * top, classes, and what the holes are in; never the bodies of other functions. */
#include <string.h>

#include "base/err.h"
#include "syntax/tree.h"

#define HEAD 4        /* lines of a head */
#define BODY_DEPTH 4  /* how deep in its node a body is looked for: a C typedef has it in its struct, a Go type in its spec's */

/* A part that may be told. */
typedef struct {
    TSNode node;
    unsigned kind;           /* of it */
    size_t far;              /* those with less are told first */
} part;

/* Those found for one reason: the farthest comes first, and goes first where there are too many. */
typedef struct {
    part *of;                /* [n] */
    size_t n, cap;
} heap;

#define WHYS ((size_t)LACUNA_CONTEXT_SIGNATURE + 1)

typedef struct {
    const lacuna_document *d;
    const lacuna_span *hole; /* [n] */
    size_t n;
    heap found[WHYS];        /* of each reason; none of LACUNA_CONTEXT_NEAR */
} outline;

/* ---- lines ---- */

static size_t line_start(const lacuna_document *d, size_t at)
{
    while (at && d->text[at - 1] != '\n') at--;
    return at;
}

/* Behind the line feed of the line with byte `at`. */
static size_t line_end(const lacuna_document *d, size_t at)
{
    const char *p = at < d->len ? memchr(d->text + at, '\n', d->len - at) : NULL;
    return p ? (size_t)(p - d->text) + 1 : d->len;
}

/* Where the body in the node at the cursor begins; its end where it has none. */
static size_t body_of(const lacuna_document *d, TSTreeCursor *at, size_t depth)
{
    const size_t none = ts_node_end_byte(ts_tree_cursor_current_node(at));
    size_t start = none;
    if (!depth || !ts_tree_cursor_goto_first_child(at)) return none;
    do {
        const TSNode c = ts_tree_cursor_current_node(at);
        const size_t end = ts_node_end_byte(c);
        if (lac_kinds_of(&d->kinds, ts_node_symbol(c)) & LAC_KIND_BODY) {
            start = ts_node_start_byte(c);
        } else {
            const size_t in = body_of(d, at, depth - 1);
            if (in < end) start = in;
        }
    } while (start == none && ts_tree_cursor_goto_next_sibling(at));
    ts_tree_cursor_goto_parent(at);
    return start;
}

/* The lines of a part's head. */
static lacuna_span head(const lacuna_document *d, const part *p)
{
    const size_t first = ts_node_start_byte(p->node);
    TSTreeCursor at = ts_tree_cursor_new(p->node);
    size_t body = p->kind & LAC_KIND_LINE ? first : body_of(d, &at, BODY_DEPTH);
    ts_tree_cursor_delete(&at);
    if (p->kind & LAC_KIND_TAIL && body < ts_node_end_byte(p->node)) { /* typedef struct { ... } name; */
        const size_t last = ts_node_end_byte(p->node) - 1;
        return (lacuna_span){line_start(d, last), line_end(d, last)};
    }
    lacuna_span s = {line_start(d, first), line_end(d, first)};
    while (body && body > s.end && d->text[body - 1] && strchr(" \t\r\n", d->text[body - 1])) body--; /* a body on a line of its own; the line feed at a node's end */
    for (int i = 1; i < HEAD && s.end < body; i++) s.end = line_end(d, s.end);
    return s;
}

/* ---- what is a part ---- */

/* Does the first line of a node say that it imports? */
static bool calls_import(const lacuna_document *d, TSNode node)
{
    const size_t start = ts_node_start_byte(node), end = line_end(d, start);
    const char *const text = d->text + start;
    const size_t n = end - start;
    for (const char *w = d->kinds.call; *w;) {
        const size_t k = strcspn(w, " "), first = *w == '^';
        for (size_t i = 0; i + (k - first) < n && (!first || !i); i++) /* and something behind it */
            if (!memcmp(text + i, w + first, k - first) && strchr(" (\"'", text[i + k - first]) && text[i + k - first]) return true;
        w += k + (w[k] == ' ');
    }
    return false;
}

/* Is a hole in the node, or where the node goes on? */
static bool encloses(const outline *o, TSNode node, unsigned kind)
{
    const size_t start = ts_node_start_byte(node), end = ts_node_end_byte(node);
    for (size_t i = 0; i < o->n; i++) {
        const size_t at = o->hole[i].start;
        if (at <= start) continue;
        if (at < end || (kind & LAC_KIND_TITLED && at == end)) return true;
        if (!o->d->kinds.by_indent) continue;
        size_t p = at; /* behind it, and deeper than its first line */
        while (p > end && o->d->text[p - 1] && strchr(" \t\r\n", o->d->text[p - 1])) p--;
        const size_t column = p == end && at > end ? at - line_start(o->d, at) : 0;
        if ((p == end && column > ts_node_start_point(node).column) || at == end) return true;
    }
    return false;
}

/* Bytes from a node to the nearest hole. */
static size_t distance(const outline *o, TSNode node)
{
    const size_t start = ts_node_start_byte(node), end = ts_node_end_byte(node);
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < o->n; i++) {
        const lacuna_span h = o->hole[i];
        const size_t far = end < h.start ? h.start - end : start > h.end ? start - h.end : 0;
        if (far < best) best = far;
    }
    return best;
}

static void swap(part *a, part *b)
{
    const part t = *a;
    *a = *b;
    *b = t;
}

static bool farther(const part *a, const part *b)
{
    return a->far > b->far || (a->far == b->far && ts_node_start_byte(a->node) > ts_node_start_byte(b->node));
}

static void sift_down(part *p, size_t n)
{
    for (size_t i = 0, far = 0;; i = far) {
        for (size_t kid = 2 * i + 1; kid < 2 * i + 3 && kid < n; kid++)
            if (farther(&p[kid], &p[far])) far = kid;
        if (far == i) return;
        swap(&p[i], &p[far]);
    }
}

/* Keep the nearest. */
static void keep(heap *h, part p)
{
    if (h->n == h->cap) {
        if (!farther(h->of, &p)) return;
        *h->of = p;
        sift_down(h->of, h->n);
        return;
    }
    h->of[h->n] = p;
    for (size_t i = h->n++; i && farther(&h->of[i], &h->of[(i - 1) / 2]); i = (i - 1) / 2) swap(&h->of[i], &h->of[(i - 1) / 2]);
}

/* The nearest first. */
static void sort(heap *h)
{
    for (size_t n = h->n; n > 1; n--) {
        swap(&h->of[0], &h->of[n - 1]);
        sift_down(h->of, n - 1);
    }
}

/* ---- the walk ---- */

/* A node on the way to a hole: functions and classes first, then the deepest first. */
static void visit_enclosing(outline *o, TSNode node, unsigned kind, uint32_t depth)
{
    const unsigned large = LAC_KIND_FUNCTION | LAC_KIND_CLASS;
    if (kind & LAC_KIND_TITLED) {
        node = ts_node_child(node, 0);
        kind = lac_kinds_of(&o->d->kinds, ts_node_symbol(node));
    }
    if (kind & (large | LAC_KIND_DECLARES | LAC_KIND_BLOCK))
        keep(&o->found[LACUNA_CONTEXT_ENCLOSING], (part){node, kind, (kind & large ? 0 : SIZE_MAX / 2) + UINT32_MAX - depth});
}

/* Any node that the walk comes to. */
static void visit(outline *o, TSNode node, unsigned kind, bool on_path, uint32_t depth, bool in_function)
{
    const unsigned declares = LAC_KIND_FUNCTION | LAC_KIND_CLASS | (in_function ? 0 : LAC_KIND_DECLARES);
    if (kind & LAC_KIND_IMPORT || (kind & LAC_KIND_CALL && calls_import(o->d, node)))
        keep(&o->found[LACUNA_CONTEXT_IMPORT], (part){node, kind, ts_node_start_byte(node)}); /* in text order */
    else if (on_path)
        visit_enclosing(o, node, kind, depth);
    else if (kind & declares)
        keep(&o->found[LACUNA_CONTEXT_SIGNATURE], (part){node, kind, distance(o, node)});
}

static void walk(outline *o)
{
    const unsigned open = LAC_KIND_CLASS | LAC_KIND_THROUGH | LAC_KIND_BODY;
    uint32_t depth = 0, function = UINT32_MAX; /* depth of the outermost function that a hole is in */
    TSTreeCursor at = ts_tree_cursor_new(ts_tree_root_node(o->d->tree));
    bool more = ts_tree_cursor_goto_first_child(&at);
    while (more) {
        const TSNode node = ts_tree_cursor_current_node(&at);
        const unsigned kind = lac_kinds_of(&o->d->kinds, ts_node_symbol(node));
        const bool on_path = encloses(o, node, kind);
        if (depth <= function) function = UINT32_MAX;
        if (ts_node_is_named(node)) visit(o, node, kind, on_path, depth, function != UINT32_MAX);
        if ((on_path || kind & open) && ts_tree_cursor_goto_first_child(&at)) {
            if (kind & LAC_KIND_FUNCTION && function == UINT32_MAX) function = depth;
            depth++;
            continue;
        }
        while (!(more = ts_tree_cursor_goto_next_sibling(&at)) && depth) {
            ts_tree_cursor_goto_parent(&at);
            depth--;
        }
    }
    ts_tree_cursor_delete(&at);
}

/* ---- the result ---- */

/* Take from s the lines from those of a hole on, or of what is told already. */
static void take_away(lacuna_span *s, size_t start, size_t end)
{
    if (s->end <= start || s->start >= end) return;
    if (s->start < start)
        s->end = start;
    else
        s->start = s->end = 0;
}

static size_t tell(const outline *o, lacuna_context_part *out, size_t cap)
{
    size_t n = 0;
    for (size_t why = LACUNA_CONTEXT_ENCLOSING; why < WHYS; why++)
        for (size_t i = 0; i < o->found[why].n && n < cap; i++) {
            lacuna_span s = head(o->d, &o->found[why].of[i]);
            for (size_t h = 0; h < o->n; h++) take_away(&s, line_start(o->d, o->hole[h].start), line_end(o->d, o->hole[h].end));
            for (size_t k = 0; k < n; k++) take_away(&s, out[k].span.start, out[k].span.end);
            if (s.start < s.end) out[n++] = (lacuna_context_part){s, (lacuna_context_why)why};
        }
    return n;
}

size_t lac_document_outline(const lacuna_document *d, const lacuna_span *hole, size_t n_holes, lacuna_context_part *out, size_t cap)
{
    size_t size;
    if (!d->tree || !cap || !lac_mul(cap, WHYS * sizeof(part), &size)) return 0;
    part *parts = lac_mem_alloc(&d->mem, size);
    if (!parts) return 0;
    outline o = {.d = d, .hole = hole, .n = n_holes};
    for (size_t why = 0; why < WHYS; why++) o.found[why] = (heap){parts + why * cap, 0, cap};
    walk(&o);
    for (size_t why = 0; why < WHYS; why++) sort(&o.found[why]);
    const size_t n = tell(&o, out, cap);
    lac_mem_free(&d->mem, parts, size);
    return n;
}
