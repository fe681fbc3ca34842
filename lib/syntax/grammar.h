/* Syntax: tree-sitter grammars found at run time, and the byte spans of the nodes of a text.
 *
 * A grammar is a shared object with the function tree_sitter_<language>.  In each folder of a search path, in turn, these
 * names are tried:
 *
 *   <folder>/<language>.so    <folder>/libtree-sitter-<language>.so    <folder>/parser/<language>.so
 *
 * Loading a grammar runs code of the file: the search path is to be trusted. */
#ifndef LAC_SYNTAX_GRAMMAR_H
#define LAC_SYNTAX_GRAMMAR_H

#include "base/mem.h"

typedef struct lac_grammars lac_grammars; /* owns the shared objects */
typedef struct lac_grammar lac_grammar;   /* of one language; lives as long as the lac_grammars */

/* path: folders separated by ':', copied; nothing is looked for yet.  NOMEM. */
int lac_grammars_open(lac_grammars **out, const char *path, const lacuna_allocator *mem, lacuna_error *err);
void lac_grammars_free(lac_grammars *g); /* NULL is allowed */

/* 1: the grammar of this language is there (now, or since an earlier call); 0: no folder has it.  ARG (a name that is not
 * lower-case letters, digits and '_'), FORMAT (no shared object, or not of this language), VERSION (of another tree-sitter), NOMEM. */
int lac_grammars_load(lac_grammars *g, const char *language, lacuna_error *err);

/* NULL where it has not been loaded, or g is NULL.  Any thread, while none loads. */
const lac_grammar *lac_grammars_find(const lac_grammars *g, const char *language);

/* What tree-sitter knows it by. */
const struct TSLanguage *lac_grammar_language(const lac_grammar *g);

/* A parser: one a thread. */
typedef struct lac_parser lac_parser;
int lac_parser_open(lac_parser **out, const lacuna_allocator *mem, lacuna_error *err); /* NOMEM */
void lac_parser_free(lac_parser *p);                                                   /* NULL is allowed */

/* Spans of the named nodes of text[0, len) that have min to max bytes and no syntax error in them, by start, a larger one before
 * what it holds, each span once; at most cap.  Returns how many.  The text may be a fragment. */
size_t lac_parser_nodes(lac_parser *p, const lac_grammar *g, const char *text, size_t len, size_t min, size_t max, lacuna_span *span,
                        size_t cap);

#endif
