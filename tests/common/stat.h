/* Goodness of fit.  All draws of the tests have fixed seeds, so a test passes always or never; the rate is
 * the chance that a correct program would have met an unlucky seed when the test was written. */
#ifndef TESTS_COMMON_STAT_H
#define TESTS_COMMON_STAT_H

#include <stddef.h>
#include <stdint.h>

#define STAT_ALARM 1e-9   /* false-alarm rate of every test of this kind */
#define STAT_SIGMAS 6.2   /* the same for a mean, two-sided, in standard errors */

/* P(X > x) for X chi-square with df degrees of freedom. */
double stat_chi2_tail(double x, double df);

/* Pearson's test of counts seen[n] against prob[n] (sums to 1): the p-value.  Cells with fewer than 10 expected
 * are pooled; a count in a cell of probability 0 gives 0. */
double stat_chi2(const uint64_t *seen, const double *prob, size_t n);

/* Binomial(n, p): prob[n + 1]. */
void stat_binomial(size_t n, double p, double *prob);

#endif
