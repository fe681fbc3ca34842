/* What is asked of the fills beside how they are sampled. */
#include "common/wishes.h"

#include <stdio.h>

const char *const syntax_modes[] = {"auto", "on", "off", NULL};

int wishes_settle(wishes *w, sampler *s, const char *dash, char sep, char *err, size_t err_size)
{
    const char *bad = w->grammar ? "grammar" : w->repairs_seen ? "repairs" : NULL;
    if (w->syntax == SYNTAX_OFF && bad) return snprintf(err, err_size, "%s%s cannot be used with %ssyntax off", dash, bad, dash), -1;
    if (w->n_lengths && w->limits_seen)
        return snprintf(err, err_size, "%slengths says how many tokens a hole gets: %smax%ctokens, %smin%ctokens and %sexact do not go with it",
                        dash, dash, sep, dash, sep, dash), -1;
    if (sampling_is_baseline((int)s->o.rule)) { /* there to be compared with as it was published */
        bad = w->syntax == SYNTAX_ON ? "syntax on" : bad;
        if (bad) return snprintf(err, err_size, "%s%s cannot be used with %srule %s", dash, bad, dash, sampling_rules[s->o.rule]), -1;
        w->syntax = SYNTAX_OFF;
    }
    s->o.repairs = w->repairs_seen ? w->repairs : WISHES_REPAIRS;
    s->o.explain = w->explain;
    return 0;
}

int wishes_several(const wishes *w)
{
    return w->candidates > 1 || w->n_lengths > 1;
}

lacuna_hole wishes_length(lacuna_hole h, uint32_t length)
{
    if (!h.max_tokens) h.max_tokens = length, h.min_tokens = 0, h.exact = 1;
    return h;
}
