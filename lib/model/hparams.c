#include "model/hparams.h"

#include <math.h>

#include "base/err.h"

/* Limits: far above any model; they keep products of two sizes below 2^63. */
#define MAX_VOCAB (1u << 24)
#define MAX_WIDTH (1u << 16)
#define MAX_LAYERS 1024u
#define MAX_HEAD 1024u
#define MAX_FF (1u << 18)
#define MAX_CONTEXT (1u << 24)

static int in_range(const char *file, const char *what, uint32_t v, uint32_t most, lacuna_error *err)
{
    if (!v) return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the %s is 0", file, what);
    if (v <= most) return 0;
    return lac_err(err, LACUNA_E_LIMIT, 0, "%s: the %s is %lu, at most %lu is handled", file, what, (unsigned long)v, (unsigned long)most);
}

int lac_hparams_check(const lac_hparams *hp, const char *file, lacuna_error *err)
{
    int r = in_range(file, "vocabulary size", hp->vocab, MAX_VOCAB, err);
    if (!r) r = in_range(file, "width (embedding length)", hp->width, MAX_WIDTH, err);
    if (!r) r = in_range(file, "number of layers", hp->layers, MAX_LAYERS, err);
    if (!r) r = in_range(file, "number of heads", hp->heads, MAX_WIDTH, err);
    if (!r) r = in_range(file, "head dimension", hp->head_dim, MAX_HEAD, err);
    if (!r) r = in_range(file, "feed-forward length", hp->ff, MAX_FF, err);
    if (!r) r = in_range(file, "context length", hp->context, MAX_CONTEXT, err);
    if (r) return r;
    if ((uint64_t)hp->heads * hp->head_dim != hp->width) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: %lu heads of %lu do not make a width of %lu", file, (unsigned long)hp->heads,
                       (unsigned long)hp->head_dim, (unsigned long)hp->width);
    }
    if (hp->head_dim % 2) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the head dimension %lu is odd (RoPE turns pairs)", file, (unsigned long)hp->head_dim);
    }
    if (hp->mask >= hp->vocab) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the mask index %lu lies outside a vocabulary of %lu", file, (unsigned long)hp->mask,
                       (unsigned long)hp->vocab);
    }
    if (!(isfinite(hp->norm_eps) && hp->norm_eps >= 0)) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the norm epsilon %g is not a number >= 0", file, (double)hp->norm_eps);
    }
    if (!(isfinite(hp->rope_base) && hp->rope_base > 0)) {
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the RoPE base %g is not a number > 0", file, (double)hp->rope_base);
    }
    return 0;
}
