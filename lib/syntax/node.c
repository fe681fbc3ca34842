/* The node that makes a hole around a place.
 *
 * Of the nodes on the way from the root to the byte, the smallest that is one of
 *
 *   a named node                  foo   1.5   a + b   return x;        but not all of a text that has parts, and no piece of a literal
 *   what brackets hold            f(a, b)   t[i]   { x(); y(); }       gives  a, b   i   x(); y();
 *   what quotes hold              "a b"                                gives  a b
 *
 * Brackets and quotes belong to what they hold; behind the last one of a node the node ends.  A place is looked at from both sides, as a
 * cursor stands behind what has just been written: a word on either side is taken first (the right one before the left one), then the
 * smaller node. */
#include <string.h>

#include "base/err.h"
#include "syntax/tree.h"

typedef struct {
    lacuna_span span;
    const char *kind;       /* NULL: nothing found */
    bool word;              /* a leaf: an identifier, a number */
} found;

static unsigned kind_of(const lacuna_document *d, TSNode node) { return lac_kinds_of(&d->kinds, ts_node_symbol(node)); }

/* Blanks at the ends go where something is between them. */
static lacuna_span trimmed(const lacuna_document *d, lacuna_span s)
{
    lacuna_span t = s;
    while (t.start < t.end && strchr(" \t\r\n", d->text[t.start]) && d->text[t.start]) t.start++;
    while (t.start < t.end && strchr(" \t\r\n", d->text[t.end - 1]) && d->text[t.end - 1]) t.end--;
    return t.start < t.end ? t : s;
}

/* The closing token to an opening one among the children of a node; NULL: it opens nothing. */
static const char *closing(const char *open)
{
    static const char *const pair[][2] = {{"(", ")"}, {"[", "]"}, {"{", "}"}, {"\"", "\""}, {"'", "'"}, {"`", "`"}, {"do", "done"}, {"<", ">"}};
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        if (!strcmp(pair[i][0], open)) return pair[i][1];
    return NULL;
}

/* What brackets or quotes among the children of a node hold, where byte is in it or on one of them.  In a node without errors none of these
 * children nest: what is inside of a pair is a child of its own. */
static bool inside(const lacuna_document *d, TSTreeCursor *at, size_t byte, lacuna_span *out)
{
    const char *close = NULL; /* token that ends the pair that is open, "": a node that closes; NULL: none is open */
    bool yes = false, first = true;
    size_t start = 0;         /* of the pair */
    if (!ts_tree_cursor_goto_first_child(at)) return false;
    do {
        const TSNode c = ts_tree_cursor_current_node(at);
        const unsigned kind = kind_of(d, c);
        const char *token = ts_node_is_named(c) || ts_node_is_missing(c) ? "" : ts_node_type(c);
        if (!close) {
            if (ts_node_start_byte(c) > byte) break;
            close = kind & LAC_KIND_OPEN ? "" : closing(token);
            if (close && *close == '>' && !first) close = NULL; /* a < b > c */
            start = ts_node_start_byte(c);
            out->start = ts_node_end_byte(c);
        } else if (*close ? !strcmp(token, close) : kind & LAC_KIND_CLOSE) {
            out->end = ts_node_start_byte(c);
            yes = start <= byte && byte < ts_node_end_byte(c);
            if (yes && *close && !strchr("\"'`", *close)) *out = trimmed(d, *out);
            close = NULL;
        }
        first = false;
    } while (!yes && ts_tree_cursor_goto_next_sibling(at));
    ts_tree_cursor_goto_parent(at);
    return yes;
}

/* Is the node at the cursor one, byte being in it?  behind: the place is the one behind byte. */
static void consider(const lacuna_document *d, TSTreeCursor *at, size_t byte, bool behind, found *best)
{
    const TSNode node = ts_tree_cursor_current_node(at), root = ts_tree_root_node(d->tree);
    const unsigned kind = kind_of(d, node);
    const lacuna_span s = {ts_node_start_byte(node), ts_node_end_byte(node)};
    const bool whole = s.start == ts_node_start_byte(root) && s.end == ts_node_end_byte(root);
    lacuna_span in = {0};
    if (!ts_node_is_named(node) || ts_node_symbol(node) == (TSSymbol)-1 || (kind & LAC_KIND_PART) || s.start == s.end) return;
    if (inside(d, at, byte, &in) && !(behind && byte >= in.end && byte + 1 == s.end)) {
        *best = (found){in, ts_node_type(node), false};
    } else if (kind & LAC_KIND_QUOTED && s.end - s.start >= 2) {
        *best = (found){{s.start + 1, s.end - 1}, ts_node_type(node), true};
    } else if (kind & LAC_KIND_INNER && strchr("([{", d->text[s.start])) {
        return;
    } else if (!(whole && kind & LAC_KIND_THROUGH)) {
        *best = (found){s, ts_node_type(node), !ts_node_child_count(node)};
    }
}

/* The smallest node around one byte of the text. */
static found around(const lacuna_document *d, size_t byte, bool behind)
{
    found best = {0};
    TSTreeCursor at = ts_tree_cursor_new(ts_tree_root_node(d->tree));
    while (lac_cursor_child_at(&at, byte)) consider(d, &at, byte, behind, &best);
    ts_tree_cursor_delete(&at);
    return best;
}

int lacuna_document_node(const lacuna_document *d, size_t at, lacuna_span *out, const char **kind, lacuna_error *err)
{
    if (at > d->len) return lac_err(err, LACUNA_E_ARG, at, "byte %zu lies outside the text: it has %zu", at, d->len);
    if (!d->len || !d->tree) return 0;
    found best = at < d->len ? around(d, at, false) : (found){0};
    if (at && !(best.kind && best.word)) { /* what ends here, or holds both sides */
        const found left = around(d, at - 1, true);
        if (left.kind && left.span.start <= at && at <= left.span.end &&
            (!best.kind || left.word || left.span.end - left.span.start <= best.span.end - best.span.start))
            best = left;
    }
    if (!best.kind) {
        const TSNode root = ts_tree_root_node(d->tree);
        if (ts_node_child_count(root) || ts_node_start_byte(root) == ts_node_end_byte(root)) return 0;
        best = (found){{ts_node_start_byte(root), ts_node_end_byte(root)}, ts_node_type(root), true};
    }
    while (best.span.end > best.span.start + 1 && (d->text[best.span.end - 1] == '\n' || d->text[best.span.end - 1] == '\r'))
        best.span.end--; /* a directive holds its line's end */
    *out = best.span;
    if (kind) *kind = best.kind;
    return 1;
}
