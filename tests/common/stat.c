#include "common/stat.h"

#include <math.h>

/* Regularised incomplete gamma function, upper part: series below a + 1, Lentz's continued fraction above. */
double stat_chi2_tail(double x, double df)
{
    double a = df / 2, z = x / 2;
    if (!(z > 0)) return 1;
    double front = exp(a * log(z) - z - lgamma(a));
    if (z < a + 1) {
        double term = 1 / a, sum = term;
        for (double k = a + 1; term > sum * 1e-16; k++) sum += term *= z / k;
        return 1 - front * sum;
    }
    double b = z + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int k = 1; k < 10000; k++) {
        double an = -k * (k - a), step;
        b += 2;
        d = an * d + b;
        if (fabs(d) < 1e-300) d = 1e-300;
        c = b + an / c;
        if (fabs(c) < 1e-300) c = 1e-300;
        d = 1 / d;
        h *= step = d * c;
        if (fabs(step - 1) < 1e-15) break;
    }
    return front * h;
}

double stat_chi2(const uint64_t *seen, const double *prob, size_t n)
{
    double total = 0, x = 0, pool_seen = 0, pool_want = 0;
    size_t cells = 0;
    for (size_t i = 0; i < n; i++) total += (double)seen[i];
    for (size_t i = 0; i < n; i++) {
        double want = prob[i] * total, got = (double)seen[i];
        if (prob[i] <= 0) {
            if (seen[i]) return 0;
        } else if (want < 10) {
            pool_seen += got;
            pool_want += want;
        } else {
            x += (got - want) * (got - want) / want;
            cells++;
        }
    }
    if (pool_want >= 10) {
        x += (pool_seen - pool_want) * (pool_seen - pool_want) / pool_want;
        cells++;
    } else if (pool_seen > 60) return 0; /* Poisson with mean 10: less than 1e-24 */
    return cells > 1 ? stat_chi2_tail(x, (double)cells - 1) : 1;
}

void stat_binomial(size_t n, double p, double *prob)
{
    for (size_t k = 0; k <= n; k++)
        if (p <= 0) prob[k] = k == 0;
        else if (p >= 1) prob[k] = k == n;
        else
            prob[k] = exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) +
                          (double)k * log(p) + (double)(n - k) * log1p(-p));
}
