/* The tree of an expression. */
#ifndef LAC_CONTROL_REGEX_PARSE_H
#define LAC_CONTROL_REGEX_PARSE_H

#include "control/regex.h"
#include "control/regex_set.h"

#define LAC_REGEX_STATES ((uint32_t)200000) /* of the automaton with choices, at most */
#define LAC_REGEX_NESTED 200                /* groups in one another at most: what follows the tree may recurse */
#define LAC_REGEX_MANY UINT32_MAX           /* as the most of a repetition: any number */

typedef enum {
    LAC_REGEX_LITERAL,/* a character */
    LAC_REGEX_CLASS,  /* one of a set of characters */
    LAC_REGEX_CHAIN,  /* one behind the other; without parts: the empty text */
    LAC_REGEX_EITHER, /* one of the parts */
    LAC_REGEX_REPEAT  /* the part, from low to high times */
} lac_regex_kind;

typedef struct {
    lac_regex_kind kind;
    uint32_t size;      /* states that it needs, at least 1; at most LAC_REGEX_STATES */
    uint32_t last;      /* the last of its parts, or LAC_REGEX_NONE */
    uint32_t before;    /* the part before this one in its parent, or LAC_REGEX_NONE */
    uint32_t low, high; /* times; CLASS: [low, high) of the sequences */
    uint8_t byte[4];    /* LITERAL */
    uint8_t n;          /* of them */
} lac_regex_node;
#define LAC_REGEX_NONE UINT32_MAX

typedef struct {
    lac_regex_node *node; /* [n] */
    size_t n, cap;
    lac_regex_seqs seqs;  /* of all classes */
    uint32_t root;
} lac_regex_tree;

/* ARG, LIMIT, NOMEM.  To be freed in any case. */
int lac_regex_parse(lac_regex_tree *out, const char *expr, size_t len, const lacuna_allocator *mem, lacuna_error *err);
void lac_regex_tree_free(lac_regex_tree *t);

#endif
