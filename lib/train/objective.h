/* From a window of text to an example: the objectives.
 *
 *   INFILL   likelihood of hole slots in a text with up to `holes` holes, as the library's canvas lays it out (canvas.h):
 *            context in one of three orders, slots left to right or at random, independent masks, slack and <eom>;
 *            next-token loss where the context runs on
 *   ESO_B    the paper's hybrid loss: a sequence is a diffusion one with probability `split`, else a sequential one
 *            (Eso-LM; weights and order of entries as in the authors' code: tests/golden/README.md)
 *   ESO_A    the same with the attention of Eso-LM (A): mixed2 for diffusion, mixed for sequential
 *   MDLM     bidirectional diffusion, alpha_0 = 1
 *   BD3      block diffusion: all clean blocks but the last, which none sees, then the noisy ones
 *   AR       next token; the tag, or <bos>, comes first
 *   FIM      half AR, half AR on [tag, suffix, <mask>, prefix, middle, <eom>]: fill in the middle, suffix first
 *            (arXiv 2207.14255), with the holes of INFILL; <mask> is not predicted
 *
 * Example i is a function of (objective, corpus, seed, i). */
#ifndef LAC_TRAIN_OBJECTIVE_H
#define LAC_TRAIN_OBJECTIVE_H

#include "syntax/grammar.h"
#include "train/corpus.h"
#include "train/example.h"

typedef enum { LAC_INFILL, LAC_ESO_B, LAC_ESO_A, LAC_MDLM, LAC_BD3, LAC_AR, LAC_FIM, LAC_OBJECTIVES } lac_objective_kind;

typedef struct {
    lac_objective_kind kind;
    size_t length;        /* entries an example has at most: ESO sequential, BD3 and INFILL count masks and clean ones */
    int32_t mask, eom, bos, pad; /* tokens; eom, bos, pad -1: none (then no objective that needs them) */
    double alpha0;        /* ESO: share of diffusion */
    double split;         /* ESO: share of sequences with the diffusion loss; alpha_0 0 and 1 make it 0 and 1 */
    bool low_var;         /* diffusion weight 1 instead of -alpha' / (1 - alpha) */
    double paper_share;   /* INFILL: share of examples that are ESO_B instead */
    size_t block;         /* BD3 */
    size_t holes;         /* INFILL: at most so many an example */
    double next_share;    /* INFILL: share of the running context that carries the next-token loss */
    double cut_share;     /* INFILL: share of holes whose ends are cut at bytes (UTF-8 characters), not between tokens */
    double coef[LAC_PARTS];
    const struct lac_grammars *grammars; /* INFILL, FIM: holes from syntax nodes where the kind of text has a grammar; NULL: none */
} lac_objective;

/* The defaults of a kind; the caller then changes what it wants. */
void lac_objective_default(lac_objective *o, lac_objective_kind kind);
const char *lac_objective_name(lac_objective_kind kind); /* "infill", "eso-b", "eso-a", "mdlm", "bd3", "ar", "fim" */
/* Tokens of the windows that examples are made from: what lac_corpus_epoch wants. */
size_t lac_objective_window(const lac_objective *o);
/* Load the grammars that there are for the tags of a tokenizer: of "<py>" python, of "<c>" c, ...  How many, or as lac_grammars_load. */
int lac_objective_grammars(lac_grammars *g, const lac_tok *tok, lacuna_error *err);

/* Memory for making examples: one a thread.  The corpus must stay as it is.  ARG: no token that the objective needs, a length
 * too small for it.  NOMEM. */
typedef struct lac_maker lac_maker;
int lac_maker_open(lac_maker **out, const lac_objective *o, const lac_corpus *c, const lac_tok *tok, const lacuna_allocator *mem,
                   lacuna_error *err);
void lac_maker_free(lac_maker *m);

/* Example i of the run with this seed into e (room for o->length).  n >= 1 unless the corpus is empty.  NOMEM. */
int lac_maker_make(lac_maker *m, uint64_t seed, uint64_t i, lac_example *e, lacuna_error *err);

/* The building blocks, each with all that is drawn given: what the golden tests hold against the authors' loss.
 * x [n] in natural order; hide [n] non-zero where masked; order [n]: rank -> position, clean ones first.
 * weight: of every masked token's loss.  e has room for n, sequential 2n.  Attention is that of o->kind; norm is n; bytes is 0.
 *
 *   diffusion    rank 0 .. n - 1, masked ones last; MDLM: part SLOTS, and any order will do
 *   sequential   ranks 0 .. n - 2 clean (the last clean entry is seen by none), then the masks of the masked ranks */
void lac_example_diffusion(lac_example *e, const lac_objective *o, const int32_t *x, const size_t *order, const uint8_t *hide,
                           size_t n, double weight);
void lac_example_sequential(lac_example *e, const lac_objective *o, const int32_t *x, const size_t *order, const uint8_t *hide, size_t n);

#endif
