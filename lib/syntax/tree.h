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

/* ---- faults.c ---- */

bool lac_faults_of(lacuna_document *d, const TSTree *tree, lac_faults *out); /* false: out of memory */

/* ---- filled.c ---- */

/* A text with its holes filled. */
typedef struct {
    const lacuna_document *d;
    const lacuna_span *hole; /* [n] */
    const lacuna_text *fill; /* [n] */
    size_t n;
} lac_filled;

/* Its tree; d->piece has room for it.  *n_read, if not NULL: the bytes that the parser has read.  NULL: it took too long. */
TSTree *lac_filled_parse(lacuna_document *d, const lac_filled *t, size_t *n_read);
bool lac_filled_lines(lacuna_document *d, const lac_filled *t);             /* the lines of the holes: d->line; false: out of memory */
bool lac_filled_touches(const lac_filled *t, const lac_fault *f);           /* does a fault begin or end on them? */
uint32_t lac_filled_before(const lac_filled *t, uint32_t byte);             /* the place of a byte off the fills in the text with its holes empty */

/* ---- probe.c ---- */

/* d->old: what is wrong without the fills, as in the last call where the holes are the same.  LIMIT, NOMEM. */
int lac_document_learn(lacuna_document *d, const lacuna_span *hole, size_t n, lacuna_error *err);

/* ---- document.c, node.c ---- */

/* The place behind n bytes that begin at `from`. */
TSPoint lac_point_after(TSPoint from, const char *text, size_t n);

/* To the child that holds a byte; false: none does, the cursor is anywhere. */
bool lac_cursor_child_at(TSTreeCursor *at, size_t byte);

#endif
