/* The terminal, if there is one: what it can show. */
#ifndef COMMON_TERM_H
#define COMMON_TERM_H

typedef struct {
    int moves;          /* output is a terminal that can move the cursor (TERM is not "dumb") */
    int colour;         /* and styles are wanted (NO_COLOR is unset or empty) */
    int utf8;           /* the locale's encoding is UTF-8 (LC_ALL, LC_CTYPE, LANG in this order) */
    unsigned rows, cols; /* at least 2 and 10; 24 x 80 when unknown */
} term;

term term_look(int fd);

#endif
