/* What is asked of the fills, by options or by fields, beside how they are sampled: valid syntax, the best of several, of several lengths. */
#ifndef COMMON_WISHES_H
#define COMMON_WISHES_H

#include "common/sampling.h"

enum { SYNTAX_AUTO, SYNTAX_ON, SYNTAX_OFF };
extern const char *const syntax_modes[];
enum { WISHES_REPAIRS = 16, WISHES_REPAIRS_MOST = 256, WISHES_CANDIDATES_MOST = 10000 };

typedef struct {
    int syntax;           /* SYNTAX_AUTO: if there is a grammar for the text; ON: it is an error if not; OFF */
    const char *grammar;  /* the text's language, as tree-sitter names it; NULL: by name, tag and contents */
    uint32_t repairs;     /* of a candidate; not said: WISHES_REPAIRS */
    uint32_t candidates;  /* at least 1 */
    uint32_t *lengths;    /* n_lengths: tokens of the holes that do not say, one after the other; owned */
    size_t n_lengths;
    int explain;
    int repairs_seen, limits_seen; /* limits: max_tokens, min_tokens or exact of all holes */
} wishes;

/* What they mean for each other and for the sampler (settled already).  As sampling_settle(); sep as of holes_check(). */
int wishes_settle(wishes *w, sampler *s, const char *dash, char sep, char *err, size_t err_size);

/* May there be more than one result? */
int wishes_several(const wishes *w);

/* A hole with that length, unless it says its own. */
lacuna_hole wishes_length(lacuna_hole h, uint32_t length);

#endif
