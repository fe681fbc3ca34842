/* The distribution that a row of logits is: what sampling and likelihood both divide by, one arithmetic for both. */
#ifndef LAC_NET_SOFTMAX_H
#define LAC_NET_SOFTMAX_H

#include "kern/kern.h"

typedef struct {
    double norm;    /* ln of the sum of e^x: x - norm is the log-probability of a token */
    double entropy; /* nats */
} lac_softmax;

/* Of the tokens t with !(flags[t] & which); flags NULL: of all v.  With a table, e^x is in float and sums of
 * LAC_SOFTMAX_CHUNK of them are added in double: within 1e-6 times the largest logit of what NULL gives,
 * all in double, in a tenth of the time. */
lac_softmax lac_softmax_of(const float *logits, size_t v, const uint8_t *flags, uint8_t which, const lac_kern *kern);

#define LAC_SOFTMAX_CHUNK 256

/* x[0, n) with `instead` where a flag of `which` is set; returns the largest, found by the table (NULL: the scalar one).
 * n is at most LAC_SOFTMAX_CHUNK. */
float lac_softmax_without(float *out, const float *x, const uint8_t *flags, uint8_t which, size_t n, float instead, const lac_kern *kern);

#endif
