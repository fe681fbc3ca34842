/* What is true of every finished automaton, found out in another way than it was made. */
#ifndef TESTS_CONTROL_AUTOMATON_H
#define TESTS_CONTROL_AUTOMATON_H

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "control/dfa.h"

static inline int automaton_ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Are no two states alike?  Moore: what tells states apart is refined, as hashes, until it tells no more apart. */
static inline bool automaton_minimal(const lac_dfa *d)
{
    uint64_t *sig = malloc((3 * (size_t)d->n + 1) * sizeof *sig), *next = sig + d->n, *sorted = next + d->n;
    size_t found = 0, before;
    for (uint32_t q = 0; q < d->n; q++) sig[q] = lac_mix(d->accept[q]);
    do {
        before = found;
        memcpy(sorted, sig, d->n * sizeof *sig);
        qsort(sorted, d->n, sizeof *sorted, automaton_ascending);
        found = d->n > 0;
        for (uint32_t q = 1; q < d->n; q++) found += sorted[q] != sorted[q - 1];
        for (uint32_t q = 0; q < d->n; q++) {
            next[q] = lac_mix(sig[q]);
            for (uint32_t c = 0; c < d->n_classes; c++) {
                const uint32_t to = d->next[(size_t)q * d->n_classes + c];
                next[q] = lac_mix(next[q] + (to == LAC_DFA_DEAD ? 1 : sig[to]));
            }
        }
        memcpy(sig, next, d->n * sizeof *sig);
    } while (found > before && found < d->n);
    free(sig);
    return found == d->n;
}

/* NULL, or what is wrong with it. */
static inline const char *automaton_fault(const lac_dfa *d)
{
    const size_t K = d->n_classes, n = d->n;
    if (n > LAC_DFA_STATES || !K || K > 256) return "numbers out of range";
    uint32_t seen = 0;
    for (size_t byte = 0; byte < 256; byte++) {
        if (d->class_of[byte] > seen || d->class_of[byte] >= K) return "classes are not numbered by their smallest byte";
        seen += d->class_of[byte] == seen;
    }
    if (seen != K) return "a class without a byte";
    seen = n > 0;
    for (size_t i = 0; i < n * K; i++) {
        const uint32_t to = d->next[i];
        if (to == LAC_DFA_DEAD) continue;
        if (to >= n) return "an edge to nowhere";
        if (to > seen || (to == seen && i / K >= seen)) return "states are not numbered as they are reached";
        seen += to == seen;
    }
    if (seen != n) return "a state that is not reached";
    for (size_t a = 0; a < K; a++)
        for (size_t b = 0; b < a; b++) {
            size_t q = 0;
            while (q < n && d->next[q * K + a] == d->next[q * K + b]) q++;
            if (q == n) return "classes that no state tells apart";
        }
    uint8_t *lives = calloc(n + 1, 1);
    size_t alive = 0, before = SIZE_MAX;
    for (; alive != before;) {
        before = alive;
        for (size_t q = n; q-- > 0;) {
            bool any = d->accept[q];
            for (size_t c = 0; c < K && !any; c++) any = d->next[q * K + c] != LAC_DFA_DEAD && lives[d->next[q * K + c]];
            alive += any && !lives[q];
            lives[q] |= any;
        }
    }
    free(lives);
    return alive < n ? "a state from which acceptance cannot be reached" : !automaton_minimal(d) ? "states that are alike" : NULL;
}

static inline bool automaton_accepts(const lac_dfa *d, const char *text, size_t len)
{
    const uint32_t q = lac_dfa_run(d, 0, text, len);
    return q != LAC_DFA_DEAD && d->accept[q];
}

/* The same language? */
static inline bool automaton_same(const lac_dfa *a, const lac_dfa *b)
{
    return a->n == b->n && a->n_classes == b->n_classes && !memcmp(a->class_of, b->class_of, 256) &&
           !memcmp(a->next, b->next, (size_t)a->n * a->n_classes * sizeof *a->next) && !memcmp(a->accept, b->accept, a->n);
}

#endif
