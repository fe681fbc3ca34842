/* Drafts: what the next slots may hold, guessed at no or little cost and believed by nobody (session/lossless.c).
 *
 *   a repeat   the text has been here before: what followed the longest earlier match of the tokens before the slot
 *   a guess    what a mask of an earlier pass said of the slot, from less than what is known now
 *
 * How often drafts of a kind are right is counted as they are checked. */
#ifndef LAC_SAMPLE_DRAFT_H
#define LAC_SAMPLE_DRAFT_H

#include <stddef.h>
#include <stdint.h>

#define LAC_DRAFT_MATCH 8 /* tokens compared at most */
#define LAC_DRAFT_SHARES 8 /* classes of guesses by their probability */
#define LAC_DRAFT_KINDS (LAC_DRAFT_MATCH + LAC_DRAFT_SHARES) /* repeats by the tokens that match, then guesses */

typedef struct {
    int32_t token; /* -1: none */
    int kind;      /* below LAC_DRAFT_KINDS */
} lac_draft;

/* A draft of line[at] from the n tokens of a text in order, -1 where open. */
lac_draft lac_draft_repeat(const int32_t *line, size_t n, size_t at);

/* A draft from a guess that had this probability. */
lac_draft lac_draft_guess(int32_t token, double prob);

/* How often drafts of each kind were right. */
typedef struct {
    double tried[LAC_DRAFT_KINDS], right[LAC_DRAFT_KINDS];
} lac_draft_record;

void lac_draft_begin(lac_draft_record *r); /* what was measured on other texts, as a few trials */
double lac_draft_hope(const lac_draft_record *r, int kind);
void lac_draft_note(lac_draft_record *r, int kind, int right);

#endif
