#include "canvas/heal.h"

/* Blanks only, and not just one. */
static bool is_gap(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != ' ' && bytes[i] != '\t') return false;
    return len != 1 || bytes[0] != ' ';
}

size_t lac_heal_tokens(const lac_tok *tok, const int32_t *id, size_t n, char bytes[LAC_HEAL_BYTES], size_t *len)
{
    char tail[LAC_HEAL_BYTES]; /* what the last tokens spell stands at its end */
    size_t from[LAC_HEAL_BYTES + 1] = {LAC_HEAL_BYTES}, most = 0, found = 0; /* the last k tokens are tail[from[k]...] */
    for (; most < n && most < LAC_HEAL_BYTES; most++) {
        const lacuna_text t = lac_tok_bytes(tok, id[n - most - 1]);
        if (!t.len || t.len > from[most] || memchr(t.bytes, '\n', t.len)) break;
        from[most + 1] = from[most] - t.len;
        memcpy(tail + from[most + 1], t.bytes, t.len);
    }
    for (uint32_t v = 0; found < most && v < lac_tok_vocab(tok); v++) {
        const lacuna_text t = lac_tok_bytes(tok, (int32_t)v);
        for (size_t k = most; k > found; k--) {
            const lacuna_text rest = {tail + from[k], LAC_HEAL_BYTES - from[k]};
            if (t.len > rest.len && lac_heal_spells(t, rest) && !is_gap(rest.bytes, rest.len)) found = k;
        }
    }
    *len = LAC_HEAL_BYTES - from[found];
    memcpy(bytes, tail + from[found], *len);
    return found;
}
