/* Times of the same thing done again and again, and who else used the processor meanwhile. */
#ifndef LACUNA_TIMING_H
#define LACUNA_TIMING_H

#include <stddef.h>

#include "common/buf.h"

typedef struct {
    double *ms;         /* n, in the order taken; owned */
    size_t n, cap;
} timings;

void timings_add(timings *t, double ms);
void timings_free(timings *t); /* empty again */

typedef struct {
    double median, min, max; /* milliseconds */
    size_t n;
} spread;

spread timings_spread(const timings *t); /* all zero when empty */

/* "name":{"median":...,"min":...,"max":...,"n":...}, in milliseconds */
void json_add_spread(buf *b, const char *name, spread s);

/* y = a + b x by least squares; r2: share of the variance explained. */
typedef struct {
    double a, b, r2;
} linear;

linear linear_fit(const double *x, const double *y, size_t n);

/* Processor time since a moment, of the machine and of this process with its children. */
typedef struct {
    double busy, own;   /* seconds */
    double wall;        /* milliseconds, as engine_ms */
} cpu_mark;

cpu_mark cpu_now(void);
/* Share of the machine's processors that others took since then, 0 to 1; NaN where the system does not tell. */
double cpu_others(const cpu_mark *since);

#endif
