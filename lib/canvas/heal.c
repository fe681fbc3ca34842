#include "canvas/heal.h"

size_t lac_heal_tokens(const lac_tok *tok, const char *text, const size_t *end, size_t n)
{
    size_t found = 0, most = 0;
    const size_t stop = n ? end[n - 1] : 0;
    while (most < n && stop - (most + 1 < n ? end[n - most - 2] : 0) <= LAC_HEAL_BYTES) most++;
    for (uint32_t v = 0; found < most && v < lac_tok_vocab(tok); v++) {
        const lacuna_text t = lac_tok_bytes(tok, (int32_t)v);
        for (size_t k = most; k > found; k--) { /* the last k tokens: text[from, stop) */
            const size_t from = k < n ? end[n - k - 1] : 0;
            if (t.len > stop - from && !memcmp(t.bytes, text + from, stop - from)) found = k;
        }
    }
    return found;
}
