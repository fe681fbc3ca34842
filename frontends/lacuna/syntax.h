/* The syntax tree of the text at hand, kept from one text to the next: what has changed alone is parsed anew. */
#ifndef LACUNA_SYNTAX_H
#define LACUNA_SYNTAX_H

#include "common/wishes.h"
#include "lacuna.h"

typedef struct {
    char *path;              /* folders with grammars; NULL until they are looked for; owned */
    char *language;          /* of the document; owned */
    lacuna_document *doc;    /* or NULL */
} syntax;

/* The document of a text that has this name and tag (either may be NULL): 1 with *out set to it, which is s's; 0 with *out NULL where there is
 * no grammar and none is insisted on (by w, or by needed); or a negative code. */
int syntax_of(syntax *s, const wishes *w, int needed, const char *path, const char *tag, lacuna_text text, lacuna_document **out,
              lacuna_error *err);
void syntax_close(syntax *s);

#endif
