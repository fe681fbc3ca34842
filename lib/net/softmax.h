/* The distribution that a row of logits is: what sampling and likelihood both divide by, one arithmetic for both. */
#ifndef LAC_NET_SOFTMAX_H
#define LAC_NET_SOFTMAX_H

#include <stddef.h>
#include <stdint.h>

typedef float lac_exp_sum(float *y, const float *x, float max, size_t n); /* kern.h */

typedef struct {
    double norm;    /* ln of the sum of e^x: x - norm is the log-probability of a token */
    double entropy; /* nats */
} lac_softmax;

/* Of the tokens t with !(flags[t] & which); flags NULL: of all v.  With exp_sum, e^x is in float and sums of
 * LAC_SOFTMAX_CHUNK of them are added in double: within 1e-6 of what NULL gives, all in double, in a tenth of the time. */
lac_softmax lac_softmax_of(const float *logits, size_t v, const uint8_t *flags, uint8_t which, lac_exp_sum *exp_sum);

#define LAC_SOFTMAX_CHUNK 256

/* x[0, n) with `instead` where a flag of `which` is set; returns the largest.  n is at most LAC_SOFTMAX_CHUNK. */
float lac_softmax_without(float *out, const float *x, const uint8_t *flags, uint8_t which, size_t n, float instead);

#endif
