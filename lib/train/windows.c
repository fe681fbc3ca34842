#include "train/windows.h"

#include "base/err.h"
#include "base/rng.h"

#define ROUNDS 6
#define EPOCH 0x45504F43u /* stream: the keys of the epochs */

int lac_windows_open(lac_windows *w, const lac_corpus *c, size_t n, const lacuna_allocator *mem, lacuna_error *err)
{
    *w = (lac_windows){.c = c, .n = n, .docs = (size_t)lac_corpus_documents(c)};
    w->first = lac_mem_alloc(mem, (w->docs + 1) * sizeof *w->first);
    if (!w->first) return lac_nomem(err, "table of windows");
    uint64_t at = 0;
    for (size_t d = 0; d < w->docs; d++) {
        w->first[d] = at;
        at += (lac_corpus_length(c, d, NULL) + n - 1) / n;
    }
    w->first[w->docs] = at;
    return 0;
}

void lac_windows_free(lac_windows *w, const lacuna_allocator *mem)
{
    lac_mem_free(mem, w->first, (w->docs + 1) * sizeof *w->first);
    *w = (lac_windows){0};
}

/* Where the permutation of [0, n) under this key sends i. */
static uint64_t permute(uint64_t key, uint64_t i, uint64_t n)
{
    unsigned half = 1;
    while (half < 32 && (uint64_t)1 << (2 * half) < n) half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t l = i >> half, r = i & mask;
        for (uint64_t k = 0; k < ROUNDS; k++) {
            uint64_t t = l ^ (lac_mix(key ^ lac_mix(r << 8 | k)) & mask);
            l = r;
            r = t;
        }
        i = l << half | r;
    } while (i >= n); /* fewer than four values a window: four rounds on average at most */
    return i;
}

/* The document that window `at` of the list belongs to. */
static size_t find(const lac_windows *w, uint64_t at)
{
    size_t lo = 0, hi = w->docs; /* first[lo] <= at < first[hi] */
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->first[mid] <= at) lo = mid;
        else hi = mid;
    }
    return lo;
}

size_t lac_windows_get(const lac_windows *w, uint64_t seed, uint64_t i, int32_t *x, int32_t *tag)
{
    const uint64_t all = w->first[w->docs];
    *tag = -1;
    if (!all) return 0;
    const lac_rng epoch = lac_rng_make(seed, EPOCH);
    const uint64_t key = lac_rng_at(&epoch, i / all), at = permute(key, i % all, all);
    const size_t d = find(w, at);
    const uint64_t len = lac_corpus_length(w->c, d, tag), count = w->first[d + 1] - w->first[d];
    const uint64_t n = len < w->n ? len : w->n;
    const uint64_t shift = lac_mix(key ^ lac_mix(~(uint64_t)d)) % (count * w->n - len + 1);
    uint64_t start = (at - w->first[d]) * w->n;
    start = start > shift ? start - shift : 0;
    if (start > len - n) start = len - n;
    lac_corpus_read(w->c, d, start, (size_t)n, x);
    return (size_t)n;
}
