#include "net/loglik.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "net/rule.h"
#include "net/softmax.h"

double lac_loglik_mean(const double *x, size_t k)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < k; i++)
        if (x[i] > max) max = x[i];
    if (max == -INFINITY) return max;
    for (size_t i = 0; i < k; i++) sum += exp(x[i] - max);
    return max + log(sum / (double)k);
}

typedef struct {
    const int32_t *token;
    size_t n, v;
    const uint8_t *flags;
    uint8_t deny;
    const lac_kern *kern;
    double *logprob;
} job;

static int take(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    job *j = ctx;
    (void)p;
    size_t r = i - (j->n - 1);
    j->logprob[r] = logits[j->token[r]] - lac_softmax_of(logits, j->v, j->flags, j->deny, j->kern).norm;
    return isnan(j->logprob[r]) ? lac_err(err, LACUNA_E_INTERNAL, r, "the network gave no number at rank %zu", r) : 0;
}

int lac_loglik(lac_net *net, lac_kv *kv, const int32_t *token, const int32_t *pos, size_t n, const uint8_t *flags,
               uint8_t deny, const lac_loglik_room *room, double *logprob, lacuna_error *err)
{
    if (!n) return 0;
    memcpy(room->token, token, (n - 1) * sizeof *token);
    memcpy(room->pos, pos, (n - 1) * sizeof *pos);
    memcpy(room->pos + n - 1, pos, n * sizeof *pos);
    for (size_t r = 0; r < n; r++) room->token[n - 1 + r] = (int32_t)net->w->hp.mask;
    lac_rule_likelihood(n, room->sees);
    job j = {token, n, net->w->hp.vocab, flags, deny, net->kern, logprob};
    lac_part part = {kv, room->token, room->pos, room->sees, 2 * n - 1, 0, n - 1};
    return lac_net_forward(net, &(lac_pass){&part, 1, NULL}, take, &j, err);
}
