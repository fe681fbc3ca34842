/* Drafts: what the next slots may hold, guessed at little cost and believed by nobody (session/lossless.c).
 *
 * The text has been here before: a draft is what followed the longest match of the tokens before the slot.  Its kind is how many
 * tokens match, and whether something else has followed as long a match; how often drafts of a kind are right is counted as they
 * are checked. */
#ifndef LAC_SAMPLE_DRAFT_H
#define LAC_SAMPLE_DRAFT_H

#include <stddef.h>
#include <stdint.h>

#define LAC_DRAFT_MATCH 8  /* tokens compared at most */
#define LAC_DRAFT_KINDS 15 /* 3 for matches of each of 1, 2, 3, 4 to 7, 8 tokens: others differ, there are no others, others agree */

typedef struct {
    int32_t token; /* -1: none */
    int kind;      /* below LAC_DRAFT_KINDS */
} lac_draft;

/* A draft of line[at] from the n tokens of a text in order, -1 where open: the nearest of the longest matches, what stands before
 * first. */
lac_draft lac_draft_repeat(const int32_t *line, size_t n, size_t at);

/* How often drafts of each kind were right. */
typedef struct {
    double tried[LAC_DRAFT_KINDS], right[LAC_DRAFT_KINDS];
} lac_draft_record;

void lac_draft_begin(lac_draft_record *r); /* what was measured on other texts, as a few trials */
double lac_draft_hope(const lac_draft_record *r, int kind);
void lac_draft_note(lac_draft_record *r, int kind, int right);

#endif
