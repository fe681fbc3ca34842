/* Attention rules: which of the new entries of a pass an entry sees.
 *
 * Every entry sees all T entries on its list, itself, and the first sees[i] new entries: that one number an
 * entry is the whole rule.  New entries are c clean ones, then m mask entries (N = c + m):
 *
 *   rule                     clean i        mask j (entry c + j)   source
 *   LAC_RULE_PAPER           i              c + j                  Eso-LM (B): causal in rank
 *   LAC_RULE_INDEPENDENT     i              c                      the any-order conditional of each slot
 *   LAC_RULE_BIDIRECTIONAL   N              N                      MDLM; BD3-LM inside a block
 *   LAC_RULE_MIXED           i              N                      authors' "mixed"
 *   LAC_RULE_PREFIX          c              c + j                  authors' "mixed2": Eso-LM (A), diffusion
 *
 * Block-causal (BD3-LM) is BIDIRECTIONAL over the entries of the current block against the cache of the
 * finished ones; lac_rule_blocks() writes the same rule for many blocks in one pass. */
#ifndef LAC_NET_RULE_H
#define LAC_NET_RULE_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    LAC_RULE_PAPER, LAC_RULE_INDEPENDENT, LAC_RULE_BIDIRECTIONAL, LAC_RULE_MIXED, LAC_RULE_PREFIX
} lac_rule;

void lac_rule_sees(lac_rule rule, size_t c, size_t m, uint32_t *sees);  /* sees[c + m] */
void lac_rule_blocks(size_t n, size_t block, uint32_t *sees);           /* sees[n]: to the end of its own block */

/* Likelihood of n entries in rank order in one pass (Eso-LM section 4, the 2L form): the first n - 1 ranks as
 * clean entries, then all n as mask entries; the mask of rank r sees the clean ones before r.  sees[2n - 1]. */
void lac_rule_likelihood(size_t n, uint32_t *sees);

#endif
