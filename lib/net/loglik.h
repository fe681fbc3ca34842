/* Exact log-likelihood of entries under a given order: one pass over two entries a slot. */
#ifndef LAC_NET_LOGLIK_H
#define LAC_NET_LOGLIK_H

#include "net/net.h"

/* Entries that follow those on a list. */
typedef struct {
    lac_kv *kv;                 /* room (lac_kv_reserve) for 2n - 1 more; no two of a pass have the same */
    const int32_t *token, *pos; /* [n] in rank order */
    size_t n;
    double *logprob;            /* [n] out: ln p(token[r] at pos[r] | the entries on the list and ranks before r) */
} lac_loglik_list;

/* What lac_loglik needs of the caller, who owns it: room for 2n - 1 entries of each list, one list's behind another's. */
typedef struct {
    int32_t *token, *pos;
    uint32_t *sees;
    lac_part *part;             /* [n_lists] */
} lac_loglik_room;

/* The likelihood of each list's entries, in one pass: Eso-LM eq. 22 for K = 1 (one order).  Tokens v with flags[v] & deny are excluded
 * from the softmax.  What a list gets does not depend on the others; all are as before when done.  As lac_net_forward. */
int lac_loglik(lac_net *net, const lac_loglik_list *list, size_t n_lists, const uint8_t *flags, uint8_t deny, const lac_loglik_room *room,
               lacuna_error *err);

/* ln of the mean of exp(x[k]): the importance-weighted bound from K sums (Eso-LM eq. 22). */
double lac_loglik_mean(const double *x, size_t k);

#endif
