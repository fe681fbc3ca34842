#include "net/rule.h"

void lac_rule_sees(lac_rule rule, size_t c, size_t m, uint32_t *sees)
{
    size_t n = c + m;
    for (size_t i = 0; i < n; i++) {
        size_t before = i; /* causal */
        switch (rule) {
        case LAC_RULE_PAPER: break;
        case LAC_RULE_INDEPENDENT: before = i < c ? i : c; break;
        case LAC_RULE_BIDIRECTIONAL: before = n; break;
        case LAC_RULE_MIXED: before = i < c ? i : n; break;
        case LAC_RULE_PREFIX: before = i < c ? c : i; break;
        }
        sees[i] = (uint32_t)before;
    }
}

void lac_rule_blocks(size_t n, size_t block, uint32_t *sees)
{
    for (size_t i = 0; i < n; i++) {
        size_t end = (i / block + 1) * block;
        sees[i] = (uint32_t)(end < n ? end : n);
    }
}

void lac_rule_likelihood(size_t n, uint32_t *sees)
{
    for (size_t i = 0; i + 1 < n; i++) sees[i] = (uint32_t)i;
    for (size_t r = 0; r < n; r++) sees[n - 1 + r] = (uint32_t)r;
}
