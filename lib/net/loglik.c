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
    const lac_loglik_list *list;
    size_t v;
    const uint8_t *flags;
    uint8_t deny;
    const lac_kern *kern;
} job;

static int take(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    job *j = ctx;
    const lac_loglik_list *l = &j->list[p];
    const size_t r = i - (l->n - 1);
    l->logprob[r] = logits[l->token[r]] - lac_softmax_of(logits, j->v, j->flags, j->deny, j->kern).norm;
    return isnan(l->logprob[r]) ? lac_err(err, LACUNA_E_INTERNAL, r, "the network gave no number at rank %zu", r) : 0;
}

/* The two entries a slot of a list, from entry `at` of the room on. */
static lac_part part_of(const lac_loglik_list *l, const lac_loglik_room *room, size_t at, int32_t mask)
{
    int32_t *token = room->token + at, *pos = room->pos + at;
    const size_t n = l->n, clean = n ? n - 1 : 0;
    memcpy(token, l->token, clean * sizeof *token);
    memcpy(pos, l->pos, clean * sizeof *pos);
    memcpy(pos + clean, l->pos, n * sizeof *pos);
    for (size_t r = 0; r < n; r++) token[clean + r] = mask;
    lac_rule_likelihood(n, room->sees + at);
    return (lac_part){l->kv, token, pos, room->sees + at, clean + n, 0, clean};
}

int lac_loglik(lac_net *net, const lac_loglik_list *list, size_t n_lists, const uint8_t *flags, uint8_t deny, const lac_loglik_room *room,
               lacuna_error *err)
{
    for (size_t k = 0, at = 0; k < n_lists; at += room->part[k++].n) room->part[k] = part_of(&list[k], room, at, (int32_t)net->w->hp.mask);
    return lac_net_forward(net, &(lac_pass){room->part, n_lists, NULL}, take, &(job){list, net->w->hp.vocab, flags, deny, net->kern}, err);
}
