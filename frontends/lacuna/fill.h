/* Fill the holes of a text: choices first, then one run or several candidates, of one length or several, ranked. */
#ifndef LACUNA_FILL_H
#define LACUNA_FILL_H

#include "common/args.h"
#include "common/buf.h"
#include "common/holes.h"
#include "common/sampling.h"
#include "lacuna.h"
#include "lacuna/choice.h"

/* What is to be filled, and how.  All of it must outlive the run. */
typedef struct {
    lacuna_text text;
    const hole_set *holes;        /* in text order; none is a node any more */
    lacuna_infill_options opt;    /* document: of this text */
    size_t candidates;            /* distinct fills wanted */
    const uint32_t *lengths;      /* n_lengths, or NULL */
    size_t n_lengths;
} fill_job;

/* One way to fill all holes. */
typedef struct {
    buf *fills;         /* n_holes texts; owned */
    size_t n_holes;
    size_t candidate;   /* number of the run, from 0 */
    uint64_t seed;
    double logprob;     /* of the tokens revealed; of several candidates or lengths, in the end: exact, left to right */
    size_t tokens;      /* that it is of, <eom> included */
    size_t faults;      /* syntax errors that it adds */
    size_t repairs;     /* how often it was taken back for them */
    size_t nfe;         /* passes, those that were shared too */
    size_t dropped;     /* bytes of context left out */
    double ms;          /* wall time */
} fill_result;

/* What became of it. */
typedef struct {
    fill_result *v;               /* n, best first; owned */
    size_t n;
    choice_rest rest;             /* choices made, and what was left to fill */
    lacuna_context_part *context; /* n_context, by the bytes of the text; with opt.explain; owned */
    size_t n_context;
} fill_outcome;

typedef struct {
    /* Once the choices are made: what the session will see of the text, and its holes.  Or NULL. */
    void (*begin)(void *ctx, const choice_rest *rest);
    /* When a candidate starts (ev NULL) and after each step that did something of it, with what it did of this one alone; the holes are
     * numbered as they were given.  Candidates that share passes take turns; lane: which of those, from 0. */
    void (*step)(void *ctx, size_t candidate, size_t lane, const lacuna_event *ev);
    void (*done)(void *ctx, const fill_result *r); /* or NULL */
    void *ctx;
} fill_watch;

/* Fill with seeds opt.seed, opt.seed + 1, ..., as rows of the same passes, 64 at a time, until there are job->candidates different texts
 * or four times as many were made; with each of the lengths.  With several candidates and temperature 0 only the first is greedy,
 * the others are drawn at temperature 0.8.  Those whose syntax is valid come first, then by exact log-probability per token.  A length that a
 * hole cannot have is passed over where another will do.  watch may be NULL.  Free *out in any case. */
int fill_run(lacuna_session *s, const fill_job *job, const fill_watch *watch, fill_outcome *out, lacuna_error *err);
void fill_free(fill_outcome *out);

/* The text with its holes filled. */
void fill_text(buf *out, lacuna_text text, const hole_set *holes, const fill_result *r);

/* Take over into s->o what the options say, and what they mean for each other.  GO_ON, or the exit code of a usage error. */
int sampler_settle(const char *command, sampler *s);

/* Options of the sampler, shared by infill and sample. */
#define SAMPLER_OPTS(s)                                                                                              \
    OPT_HEAD("sampling"),                                                                                            \
    OPT_NUM_SEEN("alpha0", ARG_REAL, &(s)->o.alpha0, "A", 0, 1, "share of slots revealed in parallel steps, the rest " \
                 "left to right, one a step",                                                                        \
                 &(s)->alpha0_seen),                                                                                 \
    OPT_NUM_SEEN("steps", ARG_U32, &(s)->o.steps, "T", 1, 4294967295.0, "parallel steps (default: one a slot)",      \
                 &(s)->steps_seen),                                                                                  \
    OPT_ONE_OF("order", &(s)->order, "ORDER", sampling_orders, "left, random, stride, confidence, margin or entropy",     \
               &(s)->order_seen),                                                                                    \
    OPT_ONE_OF("rule", &(s)->rule, "RULE", sampling_rules, "what masks of one step see of each other: independent, paper, " \
               "mdlm or bd3",                                                                                        \
               &(s)->rule_seen),                                                                                     \
    OPT_NUM_SEEN("block", ARG_U32, &(s)->o.block, "N", 1, 4294967295.0, "rule bd3: slots of a block (default 16)",   \
                 &(s)->block_seen),                                                                                  \
    OPT("lossless", 0, ARG_FLAG, &(s)->lossless, NULL, "several slots a pass, the same text as one a pass"),         \
    OPT_NUM_SEEN("draft", ARG_U32, &(s)->o.draft, "N", 1, 4294967295.0, "with --lossless: slots drafted at most a "  \
                 "pass (default 8)",                                                                                 \
                 &(s)->draft_seen),                                                                                  \
    OPT_NUM_SEEN("gamma", ARG_REAL, &(s)->o.gamma, "G", 0, 1e6, "order entropy: nats a step may spend (default 0.5)", \
                 &(s)->gamma_seen),                                                                                  \
    OPT_NUM_SEEN("temp", ARG_REAL, &(s)->o.temperature, "X", 0, 1e6, "temperature; 0: the most likely token",      \
                 &(s)->temp_seen),                                                                                   \
    OPT_NUM("top-k", 0, ARG_U32, &(s)->o.top_k, "K", 0, 4294967295.0, "draw from the K most likely tokens"),         \
    OPT_NUM("top-p", 0, ARG_REAL, &(s)->o.top_p, "P", 0, 1, "draw from the fewest tokens with mass above P"),        \
    OPT_NUM("min-p", 0, ARG_REAL, &(s)->o.min_p, "P", 0, 1, "drop tokens below P times the most likely"),            \
    OPT("seed", 0, ARG_U64, &(s)->o.seed, "S", "same request, seed and model: same text (default 0)")

#endif
