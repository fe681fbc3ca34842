#include "sample/draft.h"

#define PRIOR 8    /* trials that what was measured elsewhere is worth */
#define MEMORY 0.9 /* what an older trial is worth, at each new one of its kind */

/* How others of the longest matches go on. */
enum { DIFFER, ALONE, AGREE };

/* Shares that were right on the even cases of models/default/heldout.jsonl, holes of a line at most (tests/eval/lossless.c).  In
 * longer ones, which repeat themselves, more are right: that is counted soon enough. */
static const double usual[LAC_DRAFT_KINDS] = {0.22, 0.22, 0.41, 0.40, 0.54, 0.72, 0.39, 0.65, 0.77, 0.40, 0.77, 0.92, 0.50, 0.75, 0.81};

/* Tokens before i and before at that are the same, up to LAC_DRAFT_MATCH. */
static size_t match(const int32_t *line, size_t i, size_t at)
{
    size_t m = 0;
    while (m < LAC_DRAFT_MATCH && m < i && m < at && line[i - 1 - m] == line[at - 1 - m] && line[at - 1 - m] >= 0) m++;
    return m;
}

lac_draft lac_draft_repeat(const int32_t *line, size_t n, size_t at)
{
    size_t best = 0, from = 0;
    int others = ALONE;
    for (size_t k = 1; k < n; k++) { /* what stands before, from the slot on, then what stands behind */
        const size_t i = k < at ? at - k : k;
        if (i == at || line[i] < 0) continue;
        const size_t m = match(line, i, at);
        if (m > best) best = m, from = i, others = ALONE;
        else if (best && m == best && others != DIFFER) others = line[i] == line[from] ? AGREE : DIFFER;
    }
    if (!best) return (lac_draft){-1, 0};
    return (lac_draft){line[from], 3 * (best < 4 ? (int)best - 1 : best < LAC_DRAFT_MATCH ? 3 : 4) + others};
}

void lac_draft_begin(lac_draft_record *r)
{
    for (int k = 0; k < LAC_DRAFT_KINDS; k++) {
        r->tried[k] = PRIOR;
        r->right[k] = PRIOR * usual[k];
    }
}

double lac_draft_hope(const lac_draft_record *r, int kind) { return r->right[kind] / r->tried[kind]; }

void lac_draft_note(lac_draft_record *r, int kind, int right)
{
    const double old = PRIOR + (r->tried[kind] - PRIOR) * MEMORY; /* what was measured elsewhere is not forgotten */
    r->right[kind] = r->right[kind] * old / r->tried[kind] + (right != 0);
    r->tried[kind] = old + 1;
}
