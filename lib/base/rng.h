/* Random numbers as a function of (seed, stream, index): counter based, no state to carry.
 *
 * A draw depends only on what it is for, never on what was drawn before, so cutting, filtering or
 * reordering work does not change a text, and threads need not agree on a sequence.  The mixer is
 * SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) applied to seed, stream and index in turn. */
#ifndef LAC_BASE_RNG_H
#define LAC_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t lac_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

typedef struct {
    uint64_t key; /* seed and stream, mixed */
    uint64_t at;  /* next index */
} lac_rng;

/* Streams of one request: what the numbers are for. */
enum { LAC_RNG_ORDER = 1, LAC_RNG_SCHEDULE = 2, LAC_RNG_TOKEN = 3 };

static inline lac_rng lac_rng_make(uint64_t seed, uint64_t stream)
{
    return (lac_rng){lac_mix(lac_mix(seed) ^ lac_mix(stream * 0xD1342543DE82EF95u)), 0};
}

static inline uint64_t lac_rng_at(const lac_rng *r, uint64_t index) { return lac_mix(r->key ^ lac_mix(index)); }
static inline uint64_t lac_rng_next(lac_rng *r) { return lac_rng_at(r, r->at++); }

/* 52 bits and a half, strictly between 0 and 1: safe under log, also twice.  (Not 53: 2^53 - 1 + 0.5 is no
 * double and rounds up to 2^53, which would give 1.) */
static inline double lac_u01(uint64_t bits) { return ((double)(bits >> 12) + 0.5) * 0x1p-52; }
static inline double lac_rng_u01(lac_rng *r) { return lac_u01(lac_rng_next(r)); }

/* Uniform in [0, n), n > 0; without bias (rejection). */
static inline uint64_t lac_rng_below(lac_rng *r, uint64_t n)
{
    uint64_t x, low = (uint64_t)-n % n; /* 2^64 mod n: so many values would be counted twice */
    do x = lac_rng_next(r);
    while (x < low);
    return x % n;
}

/* A random permutation of the n numbers in p (Fisher and Yates). */
static inline void lac_rng_shuffle(lac_rng *r, size_t *p, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)lac_rng_below(r, i), t = p[i - 1];
        p[i - 1] = p[j];
        p[j] = t;
    }
}

#endif
