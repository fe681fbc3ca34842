#include <math.h>
#include <string.h>

#include "train/maker.h"

/* Eso-LM's hybrid loss (arXiv 2506.01928; constants as in the authors' code):
 *
 *   alpha_t = alpha_0 (1 - (1 - EPS) t),  t = EPS + (1 - EPS) u,  weight = -alpha'_t / (1 - alpha_t)
 *
 * The authors draw u antithetically over the diffusion rows of a batch.  An example here knows its index and not its batch, so u
 * is stratified over runs of 64 indices of diffusion examples instead, in bit-reversed order: any 2^k neighbours from a multiple of
 * 2^k on have one u in each 2^-k of [0, 1), up to a shift that is drawn anew for each run.  For the same reason diffusion and sequential
 * examples take turns evenly rather than at random: no batch is without one of them. */
#define EPS 1e-3
#define RUN 64
#define TIME 0x54494D45u /* stream: the shift of each run */

void lac_example_diffusion(lac_example *e, const lac_objective *o, const int32_t *x, const size_t *order, const uint8_t *hide, size_t n,
                           double weight)
{
    const lac_loss_part part = o->kind == LAC_MDLM ? LAC_PART_SLOTS : LAC_PART_DIFFUSION;
    size_t clean = n;
    lac_example_clear(e);
    for (size_t j = 0; j < n; j++) clean -= hide[j] != 0;
    for (size_t r = 0; r < n; r++) {
        const size_t j = order[r];
        const bool masked = hide[j];
        const int32_t token = masked ? o->mask : x[j];
        size_t i;
        if (o->kind == LAC_MDLM) i = lac_example_add(e, token, (int32_t)j, 0, 0, n);
        else if (o->kind == LAC_ESO_A && !masked) i = lac_example_add(e, token, (int32_t)j, 0, 0, clean);
        else i = lac_example_add(e, token, (int32_t)j, r, r, r + 1);
        if (masked) lac_example_aim(e, i, x[j], weight, part);
    }
    e->norm[part] = (double)n;
}

void lac_example_sequential(lac_example *e, const lac_objective *o, const int32_t *x, const size_t *order, const uint8_t *hide, size_t n)
{
    size_t clean = n;
    lac_example_clear(e);
    for (size_t j = 0; j < n; j++) clean -= hide[j] != 0;
    for (size_t r = 0; r < n && (r + 1 < n || clean == n); r++) {
        if (o->kind == LAC_ESO_A && r < clean) lac_example_add(e, x[order[r]], (int32_t)order[r], 0, 0, clean);
        else lac_example_add(e, x[order[r]], (int32_t)order[r], r, r, r + 1);
    }
    for (size_t r = clean; r < n; r++) {
        size_t i = lac_example_add(e, o->mask, (int32_t)order[r], r, e->n, e->n + 1);
        lac_example_aim(e, i, x[order[r]], 1, LAC_PART_SEQUENTIAL);
    }
    e->norm[LAC_PART_SEQUENTIAL] = (double)n;
}

bool lac_paper_pick(double share, uint64_t i, uint64_t *nth)
{
    const uint64_t before = (uint64_t)floor((double)i * share), with = (uint64_t)floor((double)(i + 1) * share);
    *nth = with > before ? before : i - before;
    return with > before;
}

double lac_paper_time(uint64_t seed, uint64_t i)
{
    const lac_rng shift = lac_rng_make(seed, TIME);
    uint64_t reversed = 0;
    for (uint64_t b = 1; b < RUN; b *= 2) reversed = reversed * 2 + ((i & b) != 0);
    double u = lac_u01(lac_rng_at(&shift, i / RUN)) + (double)reversed / RUN;
    return u - floor(u);
}

/* Hide each of the n tokens with probability 1 - alpha; returns how many. */
static size_t hide_some(lac_maker *m, lac_rng *r, size_t n, double alpha)
{
    size_t hidden = 0;
    for (size_t j = 0; j < n; j++) hidden += m->hide[j] = lac_rng_u01(r) >= alpha;
    return hidden;
}

/* Clean ones first, then masked ones, each left to right; then shuffle where asked. */
static void sort(lac_maker *m, lac_rng *r, size_t n, size_t hidden, bool shuffle_clean, bool shuffle_masked)
{
    size_t c = 0, h = n - hidden;
    for (size_t j = 0; j < n; j++) m->order[m->hide[j] ? h++ : c++] = j;
    if (shuffle_clean) lac_rng_shuffle(r, m->order, n - hidden);
    if (shuffle_masked) lac_rng_shuffle(r, m->order + n - hidden, hidden);
}

static void make_diffusion(lac_maker *m, double u, lac_rng *r, lac_example *e)
{
    const double t = EPS + (1 - EPS) * u, a0 = m->o.alpha0, alpha = a0 * (1 - (1 - EPS) * t);
    const size_t hidden = hide_some(m, r, m->n, alpha);
    sort(m, r, m->n, hidden, true, true);
    lac_example_diffusion(e, &m->o, m->x, m->order, m->hide, m->n, m->o.low_var ? 1 : (1 - EPS) * a0 / (1 - alpha));
}

/* The longest piece of the window of which clean entries and masks nearly always (three sigmas) fit; where they do not, what is
 * hidden is drawn again for one token less. */
static void make_sequential(lac_maker *m, lac_rng *r, lac_example *e)
{
    const double a0 = m->o.alpha0, room = (double)m->o.length + 1;
    const double spread = 3 * sqrt(a0 * (1 - a0));
    double root = (sqrt(spread * spread + 4 * (2 - a0) * room) - spread) / (2 * (2 - a0)); /* (2 - a0) n + spread sqrt(n) = room */
    size_t n = (size_t)(root * root + 1e-9), hidden, start;
    if (n > m->n) n = m->n;
    if (!n) n = 1;
    start = (size_t)lac_rng_below(r, m->n - n + 1);
    while ((hidden = hide_some(m, r, n, a0)) + n - 1 > m->o.length) n--;
    sort(m, r, n, hidden, m->o.kind != LAC_ESO_A, false);
    lac_example_sequential(e, &m->o, m->x + start, m->order, m->hide, n);
}

void lac_paper_make(lac_maker *m, uint64_t seed, uint64_t i, lac_rng *r, lac_example *e)
{
    const double split = m->o.alpha0 <= 0 ? 0 : m->o.alpha0 >= 1 ? 1 : m->o.split;
    uint64_t nth;
    if (m->o.kind == LAC_MDLM) make_diffusion(m, lac_paper_time(seed, i), r, e);
    else if (lac_paper_pick(split, i, &nth)) make_diffusion(m, lac_paper_time(seed, nth), r, e);
    else make_sequential(m, r, e);
}
