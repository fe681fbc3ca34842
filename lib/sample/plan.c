#include "sample/plan.h"

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

static bool before(const lac_racer *x, const lac_racer *y)
{
    return x->key > y->key || (x->key == y->key && x->index < y->index);
}

/* Insertion: qsort may allocate (glibc does from 1 KiB on), and steps do not. */
static void sort(lac_racer *r, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        lac_racer x = r[i];
        size_t k = i;
        for (; k && before(&x, &r[k - 1]); k--) r[k] = r[k - 1];
        r[k] = x;
    }
}

size_t lac_plan_choose(lac_racer *r, size_t n, lacuna_order policy, size_t size, double gamma)
{
    sort(r, n);
    if (size > n) size = n;
    if (policy != LACUNA_ORDER_ENTROPY || !size) return size;
    size_t k = 1;
    for (double spent = r[0].entropy; k < size && (spent += r[k].entropy) <= gamma;) k++;
    return k;
}
