/* What the node types of a language's grammar are for: one table a language, and names that speak for themselves for all others. */
#ifndef LAC_SYNTAX_KINDS_H
#define LAC_SYNTAX_KINDS_H

#include "base/mem.h"

struct TSLanguage;

enum {
    LAC_KIND_IMPORT = 1 << 0,   /* an import or include */
    LAC_KIND_CALL = 1 << 1,     /* an import if its first line says so: lac_kinds.call */
    LAC_KIND_FUNCTION = 1 << 2, /* has a head; what is inside matters only on the way to a hole */
    LAC_KIND_CLASS = 1 << 3,    /* has a head, and what is declared inside matters everywhere */
    LAC_KIND_DECLARES = 1 << 4, /* has a head, which matters outside of functions */
    LAC_KIND_BLOCK = 1 << 5,    /* has a head, which matters where it encloses a hole: if, for */
    LAC_KIND_THROUGH = 1 << 6,  /* has no head, and is looked into */
    LAC_KIND_BODY = 1 << 7,     /* where a head ends */
    LAC_KIND_LINE = 1 << 8,     /* its head is its first line */
    LAC_KIND_TITLED = 1 << 9,   /* its head is that of its first child, if that declares something */
    LAC_KIND_PART = 1 << 10,    /* no hole of its own: a delimiter, the content of a string */
    LAC_KIND_OPEN = 1 << 11,    /* a named node that opens a literal */
    LAC_KIND_CLOSE = 1 << 12,   /* and closes it */
    LAC_KIND_INNER = 1 << 13,   /* no hole with its brackets: an argument list */
    LAC_KIND_TAIL = 1 << 14,    /* a name behind a body: its last line is its head */
    LAC_KIND_QUOTED = 1 << 15   /* a leaf that begins and ends with a byte of quoting */
};

typedef struct {
    uint16_t *of;       /* [n] LAC_KIND_* of each symbol */
    size_t n;
    const char *call;   /* words of an import that is a call, by blanks; ^: at its beginning */
    bool by_indent;     /* blocks end where lines are indented less, not by a token */
} lac_kinds;

/* NOMEM. */
int lac_kinds_open(lac_kinds *out, const struct TSLanguage *language, const char *name, const lacuna_allocator *mem, lacuna_error *err);
void lac_kinds_free(lac_kinds *k, const lacuna_allocator *mem);

/* Of a symbol; those of tree-sitter itself (errors) are looked through. */
static inline unsigned lac_kinds_of(const lac_kinds *k, uint16_t symbol) { return symbol < k->n ? k->of[symbol] : LAC_KIND_THROUGH; }

#endif
