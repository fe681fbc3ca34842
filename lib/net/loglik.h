/* Exact log-likelihood of entries under a given order: one pass over two entries a slot. */
#ifndef LAC_NET_LOGLIK_H
#define LAC_NET_LOGLIK_H

#include "net/net.h"

/* What lac_loglik needs of the caller, who owns it: room for 2n - 1 entries. */
typedef struct {
    int32_t *token, *pos;
    uint32_t *sees;
} lac_loglik_room;

/* logprob[r] = ln p(token[r] at pos[r] | the entries on the list and ranks before r), r < n, in rank order: Eso-LM eq. 22
 * for K = 1 (one order).  Tokens v with flags[v] & deny are excluded from the softmax.  The list must have room
 * (lac_kv_reserve) for 2n - 1 more entries, and is as before when done.  As lac_net_forward. */
int lac_loglik(lac_net *net, lac_kv *kv, const int32_t *token, const int32_t *pos, size_t n, const uint8_t *flags,
               uint8_t deny, const lac_loglik_room *room, double *logprob, lacuna_error *err);

/* ln of the mean of exp(x[k]): the importance-weighted bound from K sums (Eso-LM eq. 22). */
double lac_loglik_mean(const double *x, size_t k);

#endif
