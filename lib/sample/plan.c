#include "sample/plan.h"

#include <stdlib.h>

#include "sample/schedule.h"

static double uniform(void *ctx) { return lac_rng_u01(ctx); }

void lac_plan_make(lac_plan *p, size_t S, lacuna_order policy, double alpha0, size_t T, uint64_t seed)
{
    lac_rng schedule = lac_rng_make(seed, LAC_RNG_SCHEDULE), order = lac_rng_make(seed, LAC_RNG_ORDER);
    p->dynamic = policy >= LACUNA_ORDER_CONFIDENCE;
    if (policy == LACUNA_ORDER_STRIDE) {
        size_t groups = lac_schedule_blocks(S, T < S ? T : S, alpha0, NULL, p->order, p->size, &p->diffused);
        p->n_groups = groups - (S - p->diffused);
        return;
    }
    if (policy == LACUNA_ORDER_ENTROPY) {
        p->n_groups = p->diffused = (size_t)((double)S * alpha0 + 0.5);
        return;
    }
    p->n_groups = lac_schedule_draw(S, T, alpha0, uniform, &schedule, p->size, &p->diffused);
    for (size_t i = 0; i < S; i++) p->order[i] = i;
    if (policy == LACUNA_ORDER_RANDOM) lac_rng_shuffle(&order, p->order, S);
}

double lac_plan_key(lacuna_order policy, const lac_pick *pick)
{
    return policy == LACUNA_ORDER_CONFIDENCE ? pick->best : policy == LACUNA_ORDER_MARGIN ? pick->margin : -pick->entropy;
}

static int larger_first(const void *a, const void *b)
{
    const lac_racer *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

size_t lac_plan_choose(lac_racer *r, size_t n, lacuna_order policy, size_t size, double gamma)
{
    qsort(r, n, sizeof *r, larger_first);
    if (policy != LACUNA_ORDER_ENTROPY) return size < n ? size : n;
    size_t k = 1;
    for (double spent = r[0].entropy; k < n && (spent += r[k].entropy) <= gamma;) k++;
    return k;
}
