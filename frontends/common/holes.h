/* The holes of a request, by options or by fields, with what lacuna_hole only points to. */
#ifndef COMMON_HOLES_H
#define COMMON_HOLES_H

#include <stddef.h>

#include "lacuna.h"

typedef struct {
    lacuna_text *choice; /* n_choices texts of which the likeliest fills the hole; the array is owned */
    size_t n_choices;    /* 0: the hole is filled by the sampler */
    lacuna_text *ban;    /* what lacuna_hole.ban points to; the array is owned */
    int is_node;         /* the hole is the node around span.start, once there is a tree */
} hole_more;

typedef struct {
    lacuna_hole *v;  /* n, owned */
    hole_more *more; /* n, owned */
    size_t n;
} hole_set;

hole_set holes_make(size_t n); /* n holes of zeroes */
void holes_free(hole_set *s);

void holes_ban(hole_set *s, size_t hole, lacuna_text t);    /* one text more */
void holes_choice(hole_set *s, size_t hole, lacuna_text t);

int holes_any_exact(const hole_set *s); /* is the number of tokens of one of them given? */

/* What is wrong with a hole, in words, where max_tokens is that of the request (0: not said): wishes that do not go together.  sep: what
 * stands in the names between words, '-' or '_'.  0, or -1. */
int holes_check(const hole_set *s, size_t hole, uint32_t max_tokens, char sep, char *err, size_t err_size);

/* A message of the library that begins with "hole K": K becomes number[K] (NULL: K), counted from `first`. */
void holes_renumber(lacuna_error *err, const size_t *number, size_t n, size_t first);

/* Put each hole that is a node where it belongs.  d NULL: there is no tree.  0, or ARG. */
int holes_find_nodes(hole_set *s, const lacuna_document *d, lacuna_error *err);

#endif
