/* What is asked of the sampler: what follows from it, and what does not go together. */
#include "common/sampling.h"

#include <stdio.h>

const char *const sampling_orders[] = {"left", "random", "stride", "confidence", "margin", "entropy", NULL};
const char *const sampling_rules[] = {"independent", "paper", "mdlm", "bd3", NULL};

int sampling_is_baseline(int rule)
{
    return rule == LACUNA_RULE_MDLM || rule == LACUNA_RULE_BD3;
}

/* What was said beside lossless and contradicts it, or NULL. */
static const char *against_lossless(const sampler *s)
{
    return s->order_seen && s->order != LACUNA_ORDER_LEFT        ? "order"
           : s->rule_seen && s->rule != LACUNA_RULE_INDEPENDENT ? "rule"
           : s->alpha0_seen                                     ? "alpha0"
           : s->steps_seen                                      ? "steps"
                                                                : NULL;
}

/* 0, or -1 with a message. */
static int check(const sampler *s, const char *d, char *err, size_t err_size)
{
    const char *bad = s->lossless ? against_lossless(s) : NULL, *rule = sampling_rules[s->rule];
    if (bad)
        return snprintf(err, err_size, "%s%s cannot be used with %slossless, which gives the text of one slot a pass, left to right "
                        "(order left, rule independent)", d, bad, d), -1;
    if (s->draft_seen && !s->lossless) return snprintf(err, err_size, "%sdraft needs %slossless", d, d), -1;
    if (s->block_seen && s->rule != LACUNA_RULE_BD3) return snprintf(err, err_size, "%sblock needs %srule bd3", d, d), -1;
    if (s->gamma_seen && s->order != LACUNA_ORDER_ENTROPY) return snprintf(err, err_size, "%sgamma needs %sorder entropy", d, d), -1;
    if (s->lossless || !sampling_is_baseline(s->rule)) return 0;
    if (s->heal) return snprintf(err, err_size, "%sheal cannot be used with %srule %s (only with independent and paper)", d, d, rule), -1;
    if (s->order >= LACUNA_ORDER_CONFIDENCE)
        return snprintf(err, err_size, "%srule %s goes with %sorder left, random or stride, not with %s", d, rule, d,
                        sampling_orders[s->order]), -1;
    return 0;
}

int sampling_settle(sampler *s, const char *dash, char *err, size_t err_size)
{
    if (check(s, dash, err, err_size)) return -1;
    /* An order, a number of steps or a baseline speaks of parallel slots: without alpha0 it is of all of them. */
    if (!s->alpha0_seen && (s->order != LACUNA_ORDER_LEFT || s->steps_seen || sampling_is_baseline(s->rule))) s->o.alpha0 = 1;
    if (s->lossless) s->order = LACUNA_ORDER_LEFT, s->rule = LACUNA_RULE_INDEPENDENT, s->o.alpha0 = 0;
    s->o.order = (lacuna_order)s->order;
    s->o.rule = (lacuna_rule)s->rule;
    s->o.lossless = s->lossless;
    return 0;
}

int sampling_heals(const lacuna_infill_options *opt, int exact)
{
    return !sampling_is_baseline((int)opt->rule) && !exact;
}
