/* What the commands print with --json and what `serve` replies: the same fields everywhere. */
#ifndef LACUNA_REPORT_H
#define LACUNA_REPORT_H

#include "common/buf.h"
#include "lacuna.h"
#include "lacuna/fill.h"

/* Fields of an object that is open in b (no braces of their own). */
void report_step(buf *b, const lacuna_event *ev, size_t nfe, int explain); /* step phase nfe reveals reopened? refusals? open */
void report_fills(buf *b, const fill_result *r);                /* fills logprob tokens nfe ms seed dropped faults repairs */
void report_choices(buf *b, const hole_set *holes, const choice_rest *rest); /* choices?: of each hole that had some */
void report_context(buf *b, lacuna_text text, const fill_outcome *out);      /* context: what was read, and why */
void report_rank(buf *b, const lacuna_rank_item *item);         /* logprob tokens prob */
void report_candidates(buf *b, const fill_result *r, size_t n);  /* candidates: candidate and the above, of each */
void report_score(buf *b, const lacuna_model *m, const lacuna_score_result *r, const lacuna_span *spans,
                  size_t n_spans, int with_bound);              /* logprob bound? tokens bits_per_byte */
void report_info(buf *b, const char *path, const lacuna_model_info *info);

/* Bits per byte of what the spans cover; NaN when they cover nothing. */
double report_bits(double logprob, const lacuna_span *spans, size_t n_spans);

#endif
