/* The faults of a tree: ERROR and MISSING nodes, and what is missing without a node. */
#include "syntax/tree.h"

#define FAULTS ((size_t)4096) /* of a tree: more are not looked at */
#define SYMBOL_ERROR ((TSSymbol)-1)
#define SYMBOL_HIDDEN ((TSSymbol)0) /* of a fault that the tree does not show: the end of a text, which is never missing */

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

bool lac_faults_of(lacuna_document *d, const TSTree *tree, lac_faults *out)
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
