/* What fills do to the tree.
 *
 *   text      a a a HOLE b b b HOLE c c        the document's tree
 *   probed    a a a x)   b b b x)   c c        the fewest faults of a few: old
 *   filled    a a a FILL b b b FILL c c        its faults are old or the fills'
 *
 * The other trees are parsed from the document's, edited, over pieces of the text: what is far from the holes is not read.  A fault is old if it
 * begins and ends off the lines of the holes and there is the same one without the fills: in the text as it is, where that has something in its
 * holes and no fault on their lines; else in the text with probes in its holes.  A bracket that is open before an empty hole makes faults of
 * anything, often far from it; with a probe that closes it they are gone, and a fill that leaves it open is found out.
 *
 * Held-out files of C and Python, 700 holes where one types (the rest of a line, a statement, arguments); right fills held for wrong, and wrong ones
 * (cut short, mutated) that go unseen:  no other fault: none, none with the text in its holes; none, 0.6 % where they are empty (8 % if
 * empty ones are old).  A byte of punctuation gone elsewhere: 0.7 %, 0.3 %; 3.6 %, 1.0 % (5 %, 8 %). */
#include <string.h>

#include "base/err.h"
#include "syntax/tree.h"

#define PROBES 24        /* are parsed, before the best of them is taken */
#define BRACKETS 4       /* are closed by a probe */
#define TAILS 5          /* of probes */
#define WINDOW 4096      /* bytes before a hole that are searched for what is open */
#define INDENT 40        /* bytes of a line's indentation that a probe may have */
#define FAULTS ((size_t)4096) /* of a tree: more are not looked at */
#define SYMBOL_ERROR ((TSSymbol)-1)
#define SYMBOL_HIDDEN ((TSSymbol)0) /* of a fault that the tree does not show: the end of a text, which is never missing */

/* ---- a text in pieces ---- */

typedef struct {
    const lac_piece *piece;
    size_t n;
    size_t at;              /* piece read last */
} reader;

static const char *read_piece(void *ctx, uint32_t byte, TSPoint point, uint32_t *n)
{
    reader *r = ctx;
    (void)point;
    *n = 0;
    if (!r->n) return "";
    while (r->at && r->piece[r->at].start > byte) r->at--;
    while (r->at + 1 < r->n && r->piece[r->at + 1].start <= byte) r->at++;
    const lac_piece *p = &r->piece[r->at];
    const size_t skip = byte - p->start;
    if (skip >= p->text.len) return "";
    *n = (uint32_t)(p->text.len - skip);
    return p->text.bytes + skip;
}

/* The text with the fills, without empty pieces: one would be its end. */
static size_t pieces(lacuna_document *d, const lacuna_span *hole, const lacuna_text *fill, size_t n)
{
    size_t at = 0, k = 0, total = 0;
    for (size_t i = 0; i <= n; i++) {
        const lacuna_text part[] = {{d->text + at, (i < n ? hole[i].start : d->len) - at}, i < n ? fill[i] : (lacuna_text){0}};
        for (size_t j = 0; j < 2; j++) {
            if (!part[j].len) continue;
            d->piece[k++] = (lac_piece){part[j], total};
            total += part[j].len;
        }
        if (i < n) at = hole[i].end;
    }
    return k;
}

/* NULL: it took too long. */
static TSTree *parse(lacuna_document *d, const lacuna_span *hole, const lacuna_text *fill, size_t n)
{
    reader r = {.piece = d->piece, .n = pieces(d, hole, fill, n)};
    TSTree *old = ts_tree_copy(d->tree);
    TSPoint point = {0, 0};
    size_t byte = 0, at = 0; /* in the new text, in the old one */
    for (size_t i = 0; i < n; i++) {
        const lacuna_text f = fill[i];
        const size_t gap = hole[i].start - at, gone = hole[i].end - hole[i].start;
        TSInputEdit e = {.start_byte = (uint32_t)(byte + gap), .start_point = lac_point_after(point, d->text + at, gap)};
        e.old_end_byte = e.start_byte + (uint32_t)gone;
        e.old_end_point = lac_point_after(e.start_point, d->text + hole[i].start, gone);
        e.new_end_byte = e.start_byte + (uint32_t)f.len;
        e.new_end_point = f.len ? lac_point_after(e.start_point, f.bytes, f.len) : e.start_point;
        if (gone || f.len) ts_tree_edit(old, &e);
        byte = e.new_end_byte;
        point = e.new_end_point;
        at = hole[i].end;
    }
    TSTree *tree = ts_parser_parse(d->parser, old, (TSInput){&r, read_piece, TSInputEncodingUTF8});
    ts_tree_delete(old);
    if (!tree) ts_parser_reset(d->parser);
    return tree;
}

/* ---- faults of a tree ---- */

static bool add(lacuna_document *d, lac_faults *to, size_t start, size_t end, TSSymbol symbol)
{
    if (!lac_mem_grow(&d->mem, (void **)&to->of, &to->cap, to->n + 1, sizeof *to->of)) return false;
    to->of[to->n++] = (lac_fault){(uint32_t)start, (uint32_t)end, symbol, false};
    return true;
}

static bool is_fault(TSNode node) { return ts_node_symbol(node) == SYMBOL_ERROR || ts_node_is_missing(node); }

/* Missing tokens that no node stands for, as the grammar gives them no name: a line feed in Python, a semicolon in JavaScript.  The node has an error
 * and no child of it has.  Where others have one too, line feeds are seen by the statements that have none between them. */
static bool add_hidden(lacuna_document *d, TSTreeCursor *at, lac_faults *to)
{
    const TSNode node = ts_tree_cursor_current_node(at);
    const bool lines = d->kinds.by_indent && (ts_node_eq(node, ts_tree_root_node(node.tree)) ||
                                              lac_kinds_of(&d->kinds, ts_node_symbol(node)) & LAC_KIND_BODY);
    bool seen = false, ok = true, apart = true;
    uint32_t row = 0; /* on which the statement before ends */
    if (!ts_tree_cursor_goto_first_child(at)) return true;
    do {
        const TSNode c = ts_tree_cursor_current_node(at);
        const bool statement = ts_node_is_named(c) && !is_fault(c);
        if (ts_node_has_error(c) || ts_node_is_missing(c)) seen = true;
        if (ts_node_is_extra(c) && statement) continue; /* a comment */
        if (lines && statement && !apart && ts_node_start_point(c).row == row) {
            ok = add(d, to, ts_node_start_byte(c), ts_node_start_byte(c), SYMBOL_HIDDEN);
            seen = true;
        }
        apart = !statement;
        row = ts_node_end_point(c).row;
    } while (ok && to->n < FAULTS && ts_tree_cursor_goto_next_sibling(at));
    ts_tree_cursor_goto_parent(at);
    if (!seen && ok) ok = add(d, to, ts_node_end_byte(node), ts_node_end_byte(node), SYMBOL_HIDDEN);
    return ok;
}

/* ERROR and MISSING nodes, and what is missing without one; false: out of memory. */
static bool collect(lacuna_document *d, const TSTree *tree, lac_faults *out)
{
    bool ok = true, more = ts_node_has_error(ts_tree_root_node(tree));
    size_t depth = 0;
    out->n = 0;
    TSTreeCursor at = ts_tree_cursor_new(ts_tree_root_node(tree));
    while (more && ok && out->n < FAULTS) {
        const TSNode node = ts_tree_cursor_current_node(&at);
        if (is_fault(node))
            ok = add(d, out, ts_node_start_byte(node), ts_node_end_byte(node), ts_node_symbol(node));
        else if (ts_node_has_error(node))
            ok = add_hidden(d, &at, out);
        if (ts_node_has_error(node) && ts_tree_cursor_goto_first_child(&at)) {
            depth++;
            continue;
        }
        while (!(more = ts_tree_cursor_goto_next_sibling(&at)) && depth) {
            ts_tree_cursor_goto_parent(&at);
            depth--;
        }
    }
    ts_tree_cursor_delete(&at);
    return ok;
}

/* ---- old and new ---- */

/* A text with its holes filled, as far as a fault asks. */
typedef struct {
    const lacuna_document *d;
    const lacuna_span *hole; /* [n] */
    const lacuna_text *fill; /* [n] */
    size_t n;
} filled;

/* The lines of the holes; false: out of memory. */
static bool find_lines(lacuna_document *d, const filled *t)
{
    size_t byte = 0, at = 0;
    if (!lac_mem_grow(&d->mem, (void **)&d->line, &d->cap_line, t->n, sizeof *d->line)) return false;
    for (size_t i = 0; i < t->n; i++) {
        const size_t gap = t->hole[i].start - at, after = t->hole[i].end, next = i + 1 < t->n ? t->hole[i + 1].start : d->len;
        size_t lo = gap;
        while (lo && d->text[at + lo - 1] != '\n') lo--;
        const char *feed = next > after ? memchr(d->text + after, '\n', next - after) : NULL;
        const size_t rest = (feed ? (size_t)(feed - d->text) : next) - after;
        d->line[i] = (lacuna_span){byte + lo, byte + gap + t->fill[i].len + rest};
        byte += gap + t->fill[i].len;
        at = after;
    }
    return true;
}

/* Does a fault begin or end on the lines of a hole? */
static bool touches(const filled *t, const lac_fault *f)
{
    for (size_t i = 0; i < t->n; i++) {
        const lacuna_span s = t->d->line[i];
        if ((f->start >= s.start && f->start <= s.end) || (f->end > s.start && f->end <= s.end)) return true;
    }
    return false;
}

/* The place of a byte off the fills in the text with its holes empty. */
static uint32_t before_fills(const filled *t, uint32_t byte)
{
    size_t less = 0, gone = 0; /* bytes of the fills, of the holes before fill i */
    for (size_t i = 0; i < t->n; i++) {
        if (byte < t->hole[i].start - gone + less + t->fill[i].len) break;
        less += t->fill[i].len;
        gone += t->hole[i].end - t->hole[i].start;
    }
    return (uint32_t)(byte - less);
}

static bool is_old(const filled *t, const lac_fault *f, lac_faults *old)
{
    if (touches(t, f)) return false;
    const uint32_t start = before_fills(t, f->start), end = before_fills(t, f->end);
    for (size_t i = 0; i < old->n; i++) {
        lac_fault *o = &old->of[i];
        if (o->met || o->start != start || o->end != end || o->symbol != f->symbol) continue;
        o->met = true;
        return true;
    }
    return false;
}

/* ---- probes ---- */

/* A text that could stand in a hole. */
typedef struct {
    char text[64];           /* [n] */
    size_t n;
} probe;

/* What is open before a hole, by bytes that nearly all languages have for it. */
typedef struct {
    char quote[4];           /* [n_quote] what closes the string or the comment */
    char bracket[BRACKETS];  /* [n_brackets] what closes those that are open, innermost first */
    size_t n_quote, n_brackets;
    size_t likely;           /* brackets that are closed in the hole, if all is well: those up to a block, less those that the line closes */
    const char *indent;      /* [n_indent] of the line */
    size_t n_indent;
    bool by_indent, word;    /* blocks end by indentation; a word ends at the hole */
} opened;

static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/* The closing of a string or a comment that begins here; 0: none does. */
static size_t quote_at(const char *at, const char *end, bool by_indent, char quote[4])
{
    const bool two = end - at > 1;
    const char *closed = NULL;
    if (*at == '"' || *at == '\'') {
        const size_t n = end - at > 2 && at[1] == *at && at[2] == *at ? 3 : 1;
        memset(quote, *at, n);
        return n;
    }
    if (by_indent ? *at == '#' : two && at[0] == '/' && at[1] == '/') closed = "\n";
    else if (two && at[0] == '/' && at[1] == '*') closed = "*/";
    else return 0;
    memcpy(quote, closed, strlen(closed));
    return strlen(closed);
}

static void look_before(const char *at, const char *end, bool by_indent, opened *o)
{
    char open[WINDOW];
    size_t n = 0;
    *o = (opened){.indent = at, .by_indent = by_indent, .word = at < end && is_word(end[-1])};
    while (at < end) {
        size_t step = 1;
        if (*at == '\n') o->indent = at + 1;
        if (o->n_quote) {
            const bool line = *at == '\n' && o->n_quote == 1; /* only three quotes, and comments, go over lines */
            if (line || ((size_t)(end - at) >= o->n_quote && !memcmp(at, o->quote, o->n_quote))) {
                step = line ? 1 : o->n_quote;
                o->n_quote = 0;
            } else if (*at == '\\') step = 2;
        } else if ((o->n_quote = quote_at(at, end, by_indent, o->quote))) step = *at == '/' ? 2 : o->n_quote;
        else if (*at == '(' || *at == '[' || *at == '{') open[n++] = *at == '(' ? ')' : *at == '[' ? ']' : '}';
        else if (n && *at == open[n - 1]) n--;
        at += step;
    }
    if (o->n_quote && *o->quote == '\n') o->n_quote = 0;
    while (n && o->n_brackets < BRACKETS) o->bracket[o->n_brackets++] = open[--n];
    while (o->likely < o->n_brackets && (by_indent || o->bracket[o->likely] != '}')) o->likely++;
    while (o->indent + o->n_indent < end && (o->indent[o->n_indent] == ' ' || o->indent[o->n_indent] == '\t')) o->n_indent++;
}

static opened look_around(const lacuna_document *d, const lacuna_span *hole)
{
    opened o;
    look_before(d->text + (hole->start > WINDOW ? hole->start - WINDOW : 0), d->text + hole->start, d->kinds.by_indent, &o);
    for (size_t i = hole->end; o.likely && i < d->len && d->text[i] != '\n'; i++) o.likely -= d->text[i] == o.bracket[o.likely - 1];
    return o;
}

/* Probe i: with a name or without, so many brackets closed, and a tail.  0: there is none, -1: there are no more. */
static int write_probe(const opened *o, size_t i, probe *out)
{
    static const char *const tails[2][TAILS] = {{"", ";", " {", ",", "()"}, {"", ":", ":\n", ",", "():"}};
    const char *tail = tails[o->by_indent][i / 2 % TAILS];
    size_t closed = i / 2 / TAILS, n = 0;
    const bool name = i % 2 == 0, body = strchr(tail, '\n') != NULL;
    if (closed > o->n_brackets) return -1;
    if (body && o->n_indent > INDENT) return 0;
    closed = !closed ? o->likely : closed <= o->likely ? closed - 1 : closed; /* likely ones first */
    if (o->n_quote && !name) {
        memcpy(out->text, o->quote, o->n_quote);
        n = o->n_quote;
    }
    if (name && o->word) out->text[n++] = ' ';
    if (name) out->text[n++] = 'x';
    memcpy(out->text + n, o->bracket, closed);
    n += closed;
    memcpy(out->text + n, tail, strlen(tail));
    n += strlen(tail);
    if (body) {
        memcpy(out->text + n, o->indent, o->n_indent);
        n += o->n_indent;
        memcpy(out->text + n, " x", 2);
        n += 2;
    }
    out->n = n;
    return 1;
}

/* A search for what goes into the holes with the fewest faults; of as many, the fewest bytes in them. */
typedef struct {
    lacuna_document *d;
    const lacuna_span *hole; /* [n] */
    lacuna_text *fill;       /* [n] what is in them */
    probe *kept;             /* [n] the texts of that */
    size_t n, cap_fill, cap_kept;
    lac_faults trial;        /* scratch: of one tree */
    size_t faults, bytes;    /* of the best */
    bool touched;            /* by one of them: a line of a hole */
} search;

/* The faults of a tree are the old ones, if they are fewer than those so far: 1.  On the lines of the holes none is old. */
static int keep_fewer(search *s, const TSTree *tree, lacuna_error *err)
{
    lacuna_document *d = s->d;
    const filled t = {d, s->hole, s->fill, s->n};
    lac_faults *f = &s->trial;
    size_t bytes = 0, n = 0;
    if (!collect(d, tree, f) || !find_lines(d, &t)) return lac_nomem(err, "syntax errors");
    for (size_t i = 0; i < f->n; i++) bytes += f->of[i].end - f->of[i].start;
    if (f->n > s->faults || (f->n == s->faults && bytes >= s->bytes)) return 0;
    s->faults = f->n;
    s->bytes = bytes;
    for (size_t i = 0; i < f->n; i++) {
        const lac_fault o = f->of[i];
        if (!touches(&t, &o)) f->of[n++] = (lac_fault){before_fills(&t, o.start), before_fills(&t, o.end), o.symbol, false};
    }
    s->touched = n < f->n;
    f->n = n;
    const lac_faults was = d->old.faults;
    d->old.faults = *f;
    *f = was;
    return 1;
}

/* Puts a probe into a hole, where it stays if it is better than what was there. */
static int try_probe(search *s, size_t hole, const probe *p, lacuna_error *err)
{
    const lacuna_text was = s->fill[hole];
    s->fill[hole] = (lacuna_text){p->text, p->n};
    TSTree *tree = parse(s->d, s->hole, s->fill, s->n);
    if (!tree) return lac_err(err, LACUNA_E_LIMIT, 0, "the text with something else in its holes takes too long to parse");
    const int r = keep_fewer(s, tree, err);
    ts_tree_delete(tree);
    s->fill[hole] = was;
    if (r <= 0) return r;
    s->kept[hole] = *p;
    s->fill[hole] = (lacuna_text){s->kept[hole].text, p->n};
    return 0;
}

/* Each in one hole after the other. */
static int try_probes(search *s, lacuna_error *err)
{
    size_t parses = 0;
    int any = 0; /* -1: no hole has a probe of this number */
    for (size_t i = 0; any >= 0; i++) {
        any = -1;
        for (size_t h = 0; h < s->n; h++) {
            const opened o = look_around(s->d, &s->hole[h]);
            probe p;
            const int has = write_probe(&o, i, &p);
            if (has > any) any = has;
            if (has <= 0) continue;
            if (!s->faults || parses++ == PROBES) return 0;
            const int r = try_probe(s, h, &p, err);
            if (r) return r;
        }
    }
    return 0;
}

static int find_old(search *s, lacuna_error *err)
{
    bool any = false;
    if (!lac_mem_grow(&s->d->mem, (void **)&s->fill, &s->cap_fill, s->n, sizeof *s->fill) ||
        !lac_mem_grow(&s->d->mem, (void **)&s->kept, &s->cap_kept, s->n, sizeof *s->kept))
        return lac_nomem(err, "holes of a document");
    for (size_t i = 0; i < s->n; i++) {
        s->fill[i] = (lacuna_text){s->d->text + s->hole[i].start, s->hole[i].end - s->hole[i].start};
        any |= s->fill[i].len > 0;
    }
    int r = keep_fewer(s, s->d->tree, err);
    return r < 0 ? r : s->touched || !any ? try_probes(s, err) : 0;
}

/* What is wrong without the fills, as in the last call where the holes are the same. */
static int learn_old(lacuna_document *d, const lacuna_span *hole, size_t n, lacuna_error *err)
{
    if (d->old.known && d->old.n == n && !memcmp(d->old.hole, hole, n * sizeof *hole)) return 0;
    d->old.known = false;
    if (!lac_mem_grow(&d->mem, (void **)&d->old.hole, &d->old.cap, n, sizeof *hole)) return lac_nomem(err, "holes of a document");
    search s = {.d = d, .hole = hole, .n = n, .faults = SIZE_MAX};
    const int r = find_old(&s, err);
    lac_mem_free(&d->mem, s.trial.of, s.trial.cap * sizeof *s.trial.of);
    lac_mem_free(&d->mem, s.fill, s.cap_fill * sizeof *s.fill);
    lac_mem_free(&d->mem, s.kept, s.cap_kept * sizeof *s.kept);
    if (r) return r;
    memcpy(d->old.hole, hole, n * sizeof *hole);
    d->old.n = n;
    d->old.known = true;
    return 0;
}

/* Where in a fill a fault is. */
static void place(const filled *t, const lac_fault *f, lac_syntax_faults *out)
{
    size_t byte = 0, at = 0;
    for (size_t i = 0; i < t->n; i++) {
        const size_t start = byte + (t->hole[i].start - at), end = start + t->fill[i].len;
        if (f->start < start && (!i || f->end > start)) { /* before all of them, or over this one */
            out->hole = i;
            out->at = 0;
            return;
        }
        if (f->start >= start) {
            out->hole = i;
            out->at = f->start < end ? f->start - start : t->fill[i].len;
        }
        byte = end;
        at = t->hole[i].end;
    }
}

int lac_document_check(lacuna_document *d, const lacuna_span *hole, const lacuna_text *fill, size_t n, lac_syntax_faults *out, lacuna_error *err)
{
    *out = (lac_syntax_faults){0};
    if (!d->tree || !n) return 0;
    if (!lac_mem_grow(&d->mem, (void **)&d->piece, &d->cap_piece, 2 * n + 1, sizeof *d->piece)) return lac_nomem(err, "pieces of a text");
    TSTree *tree = parse(d, hole, fill, n);
    if (!tree) return lac_err(err, LACUNA_E_LIMIT, 0, "the text with its fills takes too long to parse");
    const bool ok = collect(d, tree, &d->faults);
    ts_tree_delete(tree);
    if (!ok) return lac_nomem(err, "syntax errors");
    if (!d->faults.n) return 0;
    const int r = learn_old(d, hole, n, err);
    if (r) return r;
    const filled t = {d, hole, fill, n};
    if (!find_lines(d, &t)) return lac_nomem(err, "syntax errors");
    for (size_t i = 0; i < d->old.faults.n; i++) d->old.faults.of[i].met = false;
    const lac_fault *first = NULL;
    for (size_t i = 0; i < d->faults.n; i++) {
        const lac_fault *f = &d->faults.of[i];
        if (is_old(&t, f, &d->old.faults)) continue;
        if (!first || f->start < first->start) first = f;
        out->n++;
    }
    if (first) place(&t, first, out);
    return 0;
}
