/* What is asked of the sampler, by options or by the fields of a request: what follows from it, and what does not go together. */
#ifndef COMMON_SAMPLING_H
#define COMMON_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "lacuna.h"

enum { SAMPLING_MAX_TOKENS = 16 }; /* slots of a hole that does not say (lacuna.h) */

typedef struct {
    lacuna_infill_options o;
    int order, rule;            /* indices into sampling_orders, sampling_rules */
    int lossless, heal;         /* heal: asked for in words */
    int order_seen, rule_seen, temp_seen, alpha0_seen, steps_seen, draft_seen, block_seen, gamma_seen; /* said at all */
} sampler;

extern const char *const sampling_orders[], *const sampling_rules[]; /* names of lacuna_order and lacuna_rule */

/* Take over into s->o what is said, and what it means for the rest.  0, or -1 with a message that names what does not go
 * together; dash is put before each name: "--" for options, "" for fields. */
int sampling_settle(sampler *s, const char *dash, char *err, size_t err_size);

/* Is a lacuna_rule one of the published methods to compare with? */
int sampling_is_baseline(int rule);

/* Is a hole healed where nothing is said about it?  With every order (models/default/CARD.md), but not where its number of
 * tokens is given, nor by the baselines. */
int sampling_heals(const lacuna_infill_options *opt, int exact);

#endif
