/* Times of the same thing done again and again, and who else used the processor meanwhile. */
#include "lacuna/timing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/json.h"
#include "lacuna/engine.h"

void timings_add(timings *t, double ms)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 16;
        t->ms = xgrow(t->ms, t->cap, sizeof *t->ms);
    }
    t->ms[t->n++] = ms;
}

void timings_free(timings *t)
{
    free(t->ms);
    *t = (timings){0};
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

spread timings_spread(const timings *t)
{
    if (!t->n) return (spread){0};
    double *v = xalloc(t->n, sizeof *v);
    memcpy(v, t->ms, t->n * sizeof *v);
    qsort(v, t->n, sizeof *v, by_size);
    spread s = {(v[(t->n - 1) / 2] + v[t->n / 2]) / 2, v[0], v[t->n - 1], t->n};
    free(v);
    return s;
}

void json_add_spread(buf *b, const char *name, spread s)
{
    json_key(b, name);
    buf_put(b, "{");
    json_add_real(b, "median", s.median);
    json_add_real(b, "min", s.min);
    json_add_real(b, "max", s.max);
    json_add_uint(b, "n", s.n);
    buf_put(b, "}");
}

linear linear_fit(const double *x, const double *y, size_t n)
{
    double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    for (size_t i = 0; i < n; i++) mx += x[i] / (double)n, my += y[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        xy += (x[i] - mx) * (y[i] - my);
        yy += (y[i] - my) * (y[i] - my);
    }
    double b = xx > 0 ? xy / xx : 0;
    return (linear){my - b * mx, b, yy > 0 ? b * xy / yy : 1};
}

/* Seconds that all processors worked, for anybody: the first line of /proc/stat without idle and iowait; steal is work of others. */
static double machine_busy(void)
{
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    FILE *f = fopen("/proc/stat", "r");
    if (!f) return NAN;
    int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal);
    fclose(f);
    return n == 8 ? (double)(user + nice + system + irq + softirq + steal) / (double)sysconf(_SC_CLK_TCK) : NAN;
}

static double seconds_of(int who)
{
    struct rusage r;
    getrusage(who, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

cpu_mark cpu_now(void)
{
    return (cpu_mark){machine_busy(), seconds_of(RUSAGE_SELF) + seconds_of(RUSAGE_CHILDREN), engine_ms()};
}

double cpu_others(const cpu_mark *since)
{
    cpu_mark now = cpu_now();
    double all = (now.wall - since->wall) / 1e3 * (double)sysconf(_SC_NPROCESSORS_ONLN);
    double others = (now.busy - since->busy - (now.own - since->own)) / all;
    return others < 0 ? 0 : others; /* the machine's clock is coarse */
}
