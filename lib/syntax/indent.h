/* The indentation style of a text, as an expression that the lines of a fill obey. */
#ifndef LAC_SYNTAX_INDENT_H
#define LAC_SYNTAX_INDENT_H

#include <stddef.h>

#define LAC_INDENT_REGEX ((size_t)128)

/* Writes an expression (control/regex.h) of all texts whose lines, behind their first, are indented as those of text: with tabs, or with
 * blanks in the multiples that nearly all of its lines have; empty lines are allowed.  Returns 0 where the text does not tell. */
int lac_indent_regex(const char *text, size_t len, char out[LAC_INDENT_REGEX]);

#endif
