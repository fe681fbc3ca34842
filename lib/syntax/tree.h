/* The inside of a lacuna_document, for the files of this folder. */
#ifndef LAC_SYNTAX_TREE_H
#define LAC_SYNTAX_TREE_H

#include <tree_sitter/api.h>

#include "syntax/document.h"
#include "syntax/grammar.h"
#include "syntax/kinds.h"

#define LAC_PARSE_MICROS ((uint64_t)2000000) /* a parse that takes longer is given up: a first one of 1 MB takes a tenth of it */

#define LAC_NESTS ((size_t)10000) /* brackets open at once: each is a few entries of tree-sitter's stack, which may not have 65,536 */

/* An ERROR or MISSING node, or something missing that has no node. */
typedef struct {
    uint32_t start, end; /* bytes; equal: MISSING, or an error without text */
    TSSymbol symbol;     /* of the node; 0: it has none */
    bool met;            /* paired with a node of the other tree */
} lac_fault;

typedef struct {
    lac_fault *of;       /* [n] */
    size_t n, cap;
} lac_faults;

/* A text in pieces. */
typedef struct {
    lacuna_text text;
    size_t start;        /* bytes before it */
} lac_piece;

struct lacuna_document {
    lacuna_allocator mem;
    lac_grammars *grammars;
    lac_kinds kinds;
    TSParser *parser;
    TSTree *tree;        /* of text; NULL: the text is empty, nothing has been set */
    char *text;          /* [len] */
    size_t len, cap;
    struct {             /* what is wrong anyhow, for the holes last asked for: requests ask for one set of holes again and again */
        bool known;
        lacuna_span *hole; /* [n] */
        size_t n, cap;
        lac_faults faults; /* where they are with the holes empty */
    } old;
    lac_faults faults;   /* scratch of a check */
    lac_piece *piece;    /* likewise */
    size_t cap_piece;
    lacuna_span *line;   /* likewise: lines of the holes, in the text with its fills */
    size_t cap_line;
};

/* The place behind n bytes that begin at `from`. */
TSPoint lac_point_after(TSPoint from, const char *text, size_t n);

/* To the child that holds a byte; false: none does, the cursor is anywhere. */
bool lac_cursor_child_at(TSTreeCursor *at, size_t byte);

#endif
