/* Options that speak of one hole: `N:VALUE`, N the number of the hole in text order, from 1, or `*` for all of them. */
#ifndef LACUNA_CONTROL_H
#define LACUNA_CONTROL_H

#include "common/args.h"
#include "common/holes.h"

typedef struct {
    arg_list hole, regex, shape, choice, begin, end, ban;
    char **owned;   /* n_owned texts that holes point to */
    size_t n_owned;
} control;

#define CONTROL_OPTS(c)                                                                                                     \
    OPT_HEAD("what a hole is (N: its number in the text, from 1, or * for all; each may be repeated)"),                      \
    OPT("regex", 0, ARG_LIST, &(c)->regex, "N:EXPR", "the whole fill matches this expression"),                              \
    OPT("shape", 0, ARG_LIST, &(c)->shape, "N:NAME", "it is an identifier, integer, float, string, line, word or sentence"), \
    OPT("begin", 0, ARG_LIST, &(c)->begin, "N:TEXT", "it begins with this"),                                                 \
    OPT("end", 0, ARG_LIST, &(c)->end, "N:TEXT", "it ends with this"),                                                       \
    OPT("ban", 0, ARG_LIST, &(c)->ban, "N:TEXT", "this is nowhere in it"),                                                   \
    OPT("choice", 0, ARG_LIST, &(c)->choice, "N:A|B|C", "it is the likeliest of these (\\| and \\\\ stand for | and \\)"),   \
    OPT("hole", 0, ARG_LIST, &(c)->hole, "N:KEY=V,...", "limits of its own: max-tokens=, min-tokens=, temp=, exact, one-line")

/* Put what the options say into the holes, whose limits are those of all holes so far; of what is said twice the last counts.  max_tokens: of
 * all holes, 0: not said.  GO_ON, or the exit code (said).  The holes point into c. */
int control_apply(control *c, hole_set *holes, uint32_t max_tokens);
void control_free(control *c);

#endif
