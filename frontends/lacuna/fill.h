/* Fill the holes of a text: one run or several candidates, ranked. */
#ifndef LACUNA_FILL_H
#define LACUNA_FILL_H

#include "common/args.h"
#include "common/buf.h"
#include "common/sampling.h"
#include "lacuna.h"

/* One way to fill all holes. */
typedef struct {
    buf *fills;         /* n_holes texts; owned */
    size_t n_holes;
    size_t candidate;   /* number of the run, from 0 */
    uint64_t seed;
    double logprob;     /* sum over the tokens revealed */
    size_t tokens;      /* revealed, <eom> included */
    size_t nfe;         /* passes, those that were shared too */
    size_t dropped;     /* bytes of context left out */
    double ms;          /* wall time */
} fill_result;

/* Called when a candidate starts (ev NULL) and after each step that revealed something of it, with its reveals and its open
 * slots alone.  Candidates that share passes take turns. */
typedef struct {
    void (*fn)(void *ctx, size_t candidate, const lacuna_event *ev);
    void (*done)(void *ctx, const fill_result *r); /* or NULL */
    void *ctx;
} fill_watch;

/* Fill n times with seeds opt->seed, opt->seed + 1, ..., as rows of the same passes, 64 at a time; of equal texts the
 * likeliest stays.  With n > 1 and temperature 0 only the first is greedy, the others are drawn at temperature 0.8.
 * *out: *n_out results, best log-probability per token first; free with fill_free(). */
int fill_candidates(lacuna_session *s, const char *text, size_t len, const lacuna_hole *holes, size_t n_holes,
                    const lacuna_infill_options *opt, size_t n, const fill_watch *watch, fill_result **out,
                    size_t *n_out, lacuna_error *err);
void fill_free(fill_result *r, size_t n);

/* The text with its holes filled. */
void fill_text(buf *out, const char *text, size_t len, const lacuna_hole *holes, const fill_result *r);

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
