#include "sample/draft.h"

#define PRIOR 4    /* trials that what was measured elsewhere is worth */
#define MEMORY 0.9 /* what an older trial is worth, at each new one of its kind */

/* Shares that were right on held-out code (tests/eval/lossless.c). */
static const double usual[LAC_DRAFT_KINDS] = {0.15, 0.30, 0.45, 0.45, 0.65, 0.65, 0.65, 0.65, 0.15, 0.15, 0.35, 0.35, 0.35, 0.60, 0.60, 0.85};

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
    for (size_t i = at; i-- > 1 && best < LAC_DRAFT_MATCH;) { /* the nearest of the longest, first what stands before */
        if (line[i] < 0) continue;
        const size_t m = match(line, i, at);
        if (m > best) best = m, from = i;
    }
    for (size_t i = at + 1; i < n && best < LAC_DRAFT_MATCH; i++) {
        if (line[i] < 0) continue;
        const size_t m = match(line, i, at);
        if (m > best) best = m, from = i;
    }
    if (!best) return (lac_draft){-1, 0};
    return (lac_draft){line[from], (int)best - 1};
}

lac_draft lac_draft_guess(int32_t token, double prob)
{
    const int share = (int)(prob * LAC_DRAFT_SHARES);
    return (lac_draft){token, LAC_DRAFT_MATCH + (share < LAC_DRAFT_SHARES ? share : LAC_DRAFT_SHARES - 1)};
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
