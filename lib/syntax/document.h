/* A text and its tree: lacuna_document of lacuna.h, and what the library asks of it. */
#ifndef LAC_SYNTAX_DOCUMENT_H
#define LAC_SYNTAX_DOCUMENT_H

#include "base/mem.h"

/* Is this the document's text? */
bool lac_document_is(const lacuna_document *d, const char *text, size_t len);

/* ---- outline.c: what of a text says most about a place in it ---- */

/* Whole lines outside the holes, most telling first: heads of what encloses the holes (innermost first), imports (in text order), signatures
 * (nearest first).  No two overlap.  At most cap are written; returns how many.  Only the top of the tree and the path to the holes are walked. */
size_t lac_document_outline(const lacuna_document *d, const lacuna_span *hole, size_t n_holes, lacuna_context_part *out, size_t cap);

/* ---- check.c: what fills do to the tree ---- */

typedef struct {
    size_t n;     /* ERROR and MISSING nodes that the fills add: all but those that begin and end off the lines of the holes and are in the text
                     without the fills too: as it is, or with something else in the holes that makes fewer (check.c says what) */
    size_t hole;  /* where the first of them (or the nearest hole before it) is */
    size_t at;    /* bytes of that fill before it; the length of the fill: behind it; 0: before it */
    size_t n_read; /* bytes of the text that the parser has read: what the check cost, but for what is learned once */
} lac_syntax_faults;

/* hole[n], in text order, replaced by fill[n].  Parses what is new; the document stays as it is.  LIMIT (it takes more than seconds to
 * parse), NOMEM. */
int lac_document_check(lacuna_document *d, const lacuna_span *hole, const lacuna_text *fill, size_t n, lac_syntax_faults *out,
                       lacuna_error *err);

#endif
