/* lacuna bench: what its parts share.  Every part prints its table and adds its field to the JSON. */
#ifndef LACUNA_BENCH_H
#define LACUNA_BENCH_H

#include "common/buf.h"
#include "lacuna.h"
#include "lacuna/timing.h"

enum { BENCH_CACHED = 512, BENCH_FILL = 32, BENCH_LEAST = 4 * BENCH_FILL }; /* entries of context; slots of a fill; tokens of a text */

typedef struct {
    lacuna_model *model;
    const lacuna_model_info *info;
    lacuna_session *session;
    uint32_t threads;           /* of the session */
    lacuna_machine machine;     /* what it could do */
    size_t kv_bytes;            /* keys and values of a cached entry, all layers */
    lacuna_text text;           /* for fills by a model that has a tokenizer */
    double pass8;               /* milliseconds of a pass of 8 masks with BENCH_CACHED entries cached */
    buf json;                   /* fields of the object of this number of threads */
    lacuna_error err;           /* of the call that failed */
} bench;

/* All return 0, or a negative code with b->err filled. */
int bench_pass(bench *b);       /* passes of few masks, beside their floors */
int bench_prefill(bench *b);    /* contexts read at once */
int bench_loaded(bench *b);     /* a pass while all processors are busy */
int bench_fill(bench *b);       /* a fill, by every way of filling */
int bench_long(bench *b);       /* generation from nothing beside MDLM, BD3-LM and AR */

/* To standard output. */
void bench_show(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* n ids that look like no text, the same for a seed; never the mask. */
void bench_ids(const bench *b, uint64_t seed, lacuna_token *ids, size_t n);

/* The plan 0, 1, 2, ... of n slots in groups of `size`; the last may be smaller. */
typedef struct {
    size_t *order, *groups; /* owned */
    size_t n_groups;
} bench_plan;

bench_plan bench_plan_make(size_t n, size_t size);
void bench_plan_use(const bench_plan *p, lacuna_infill_options *opt);
void bench_plan_free(bench_plan *p);

extern const char bench_default_text[];

#endif
