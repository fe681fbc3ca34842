/* lacuna_train.h - training and fine-tuning of Eso-LM infilling models.
 *
 * Less stable than lacuna.h, whose conventions and types it shares, and an archive of its own: liblacuna_train.a, which
 * needs liblacuna.a (not the shared library) and OpenBLAS: `pkg-config --cflags --libs lacuna_train` names all of it.
 *
 *     lacuna_corpus *c; lacuna_trainer *t; lacuna_train_report rep;
 *     lacuna_corpus_open(&c, base_model, &err);
 *     lacuna_corpus_add_text(c, text, len, "py", &err);
 *     lacuna_train_open(&t, c, &(lacuna_train_options){LACUNA_TRAIN_INIT, .base = base_model}, &err);
 *     while (lacuna_train_step(t, &rep, &err) > 0) ...;
 *     lacuna_train_export(t, "mine.gguf", "q8_0", NULL, NULL, &err);
 *
 * A run is a function of its options, its corpus and its seed: the same losses and the same weights whatever the number
 * of threads, of ranks (a power of two up to `lanes`), and however often it was stopped and resumed.
 *
 * Threads: a corpus may be shared by trainers once it is complete; a trainer is used by one thread at a time.  Products
 * of matrices run on the trainer's own threads: where OpenBLAS is used (CPUs without AVX512-BF16, or precision "f32"),
 * the program should set it to one thread (openblas_set_num_threads(1), or OPENBLAS_NUM_THREADS=1); the library leaves
 * that setting alone. */
#ifndef LACUNA_TRAIN_H
#define LACUNA_TRAIN_H

#include "lacuna.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- corpus ---- */

typedef struct lacuna_corpus lacuna_corpus;

/* An empty corpus in the tokens of m, which it keeps alive.  ARG (m has no tokenizer), NOMEM. */
LACUNA_API int lacuna_corpus_open(lacuna_corpus **out, lacuna_model *m, lacuna_error *err);
/* The same for a SentencePiece model file.  IO, FORMAT, NOMEM. */
LACUNA_API int lacuna_corpus_open_tokenizer(lacuna_corpus **out, const char *path, lacuna_error *err);
/* The same for the tokenizer inside a state file.  IO, FORMAT, NOMEM. */
LACUNA_API int lacuna_corpus_open_state(lacuna_corpus **out, const char *path, lacuna_error *err);
/* NULL is allowed. */
LACUNA_API void lacuna_corpus_free(lacuna_corpus *c);

/* How many kinds of text the tokenizer tells apart, and their names. */
LACUNA_API size_t lacuna_corpus_tags(const lacuna_corpus *c, const char *const **tags);

/* One document.  tag: kind of text, one of the tokenizer's; NULL: unknown.  ARG (no such tag), NOMEM. */
LACUNA_API int lacuna_corpus_add_text(lacuna_corpus *c, const char *text, size_t len, const char *tag,
                                      lacuna_error *err);
/* A shard of token ids: lacuna-train(1) tells the format.  The file is mapped.  IO, FORMAT, NOMEM. */
LACUNA_API int lacuna_corpus_add_shard(lacuna_corpus *c, const char *path, lacuna_error *err);
/* Write all documents as one shard, shuffled by seed; atomically.  IO, NOMEM. */
LACUNA_API int lacuna_corpus_save(const lacuna_corpus *c, const char *path, uint64_t seed, lacuna_error *err);
LACUNA_API uint64_t lacuna_corpus_tokens(const lacuna_corpus *c);
LACUNA_API uint64_t lacuna_corpus_documents(const lacuna_corpus *c);

/* ---- trainer ---- */

typedef struct lacuna_trainer lacuna_trainer;

typedef struct {
    size_t size;              /* LACUNA_TRAIN_INIT */
    /* what is trained: the weights of `base`, or a state file, or a new network */
    lacuna_model *base;       /* house variant; NULL: none */
    const char *checkpoint;   /* safetensors of weights to start from (with config), or NULL */
    const char *config;       /* JSON of the network (as `lacuna convert` reads) for checkpoint and for a new network */
    const char *resume;       /* state file: everything comes from there, options included, but for those marked (r)
                                 where they are not zero, and for how it is computed; or NULL */
    int new_corpus;           /* with resume: non-zero: the corpus may be another than the run had */
    const char *grammars;     /* (r) folders with tree-sitter grammars, separated by ':'; NULL: holes from lines and
                                 runs only */
    /* objective */
    const char *objective;    /* "infill", "eso-b", "eso-a", "mdlm", "bd3", "ar", "fim"; NULL: infill */
    uint32_t length;          /* entries an example; 0: 512.  The network's context grows to it */
    double alpha0;            /* eso-*: 0 means 0 only with alpha0_set */
    int alpha0_set;
    double split;             /* eso-*: 0: 0.5, negative: none */
    int low_var;
    uint32_t block;           /* bd3; 0: 16 */
    double paper_share;       /* infill; 0: none */
    uint32_t holes;           /* infill; 0: 8 */
    double next_weight;       /* infill: weight of the next-token loss; 0: 0.5, negative: none */
    double cut_share;         /* infill: holes cut at any byte; 0: 0.3, negative: none */
    /* batch and optimiser */
    uint32_t batch;           /* examples a step; 0: 16 */
    uint32_t lanes;           /* sums of gradients kept apart, which threads and ranks share out; a power of two that
                                 divides batch; 0: 4 */
    double lr, lr_muon;       /* (r) peaks; 0: 0.003 and 0.02; lr_muon negative: AdamW for all */
    double decay;             /* weight decay; 0: 0.01, negative: none */
    double clip;              /* 0: 1, negative: none */
    double ema;               /* decay of the average; 0: none */
    uint64_t warmup;          /* steps; 0: 30 */
    uint64_t steps;           /* (r) steps in all; 0: no end */
    double cool;              /* (r) last share of steps in which the rate falls to 0; 0: 0.3, negative: none */
    uint64_t seed;
    /* how */
    uint32_t threads;         /* 0: 1 */
    const char *precision;    /* "bf16", "f32"; NULL: bf16 where the CPU has it */
    const char *kernel;       /* as lacuna_model_options */
    lacuna_allocator allocator;
} lacuna_train_options;
#define LACUNA_TRAIN_INIT sizeof(lacuna_train_options)

typedef struct {
    uint64_t step;            /* steps done */
    uint64_t examples, entries, targets; /* seen so far */
    uint64_t epoch;
    double loss;              /* of this step: what was differentiated */
    double part[4];           /* mean nll by part: slots, diffusion, sequential, next token; NaN where there is none */
    double bits_per_byte;     /* of the targets but the next-token ones; NaN where their bytes are unknown */
    double grad_norm, rate;   /* norm before clipping; factor of the peak rate */
    double flops;             /* of this step: 6 an entry and parameter that it meets, and attention */
} lacuna_train_report;

/* c must outlive the trainer and stay as it is.  A state file knows how many tokens and documents its run had; another
 * corpus is ARG without new_corpus.  ARG, IO, FORMAT, LIMIT, NOMEM, VERSION. */
LACUNA_API int lacuna_train_open(lacuna_trainer **out, const lacuna_corpus *c, const lacuna_train_options *opt,
                                 lacuna_error *err);
LACUNA_API void lacuna_train_free(lacuna_trainer *t);

/* One step of the optimiser.  1 with *rep filled; 0 when all steps are done; INTERNAL when the loss is not finite (the
 * weights are then those of before). */
LACUNA_API int lacuna_train_step(lacuna_trainer *t, lacuna_train_report *rep, lacuna_error *err);

/* How many steps the run has in all, from now on (0: no end).  The rate of a step depends on it only in the cool-down,
 * so a run whose number of steps becomes known before that is the same run. */
LACUNA_API void lacuna_train_set_steps(lacuna_trainer *t, uint64_t steps);

/* What the run is set to: options with their defaults filled in, texts aside.  Valid while the trainer lives. */
LACUNA_API const lacuna_train_options *lacuna_train_get_options(const lacuna_trainer *t);
/* Steps done, and seen so far; without what a step reports.  As of a state file just after it was opened. */
LACUNA_API void lacuna_train_get_report(const lacuna_trainer *t, lacuna_train_report *rep);

/* Held-out loss of the objective over the first n examples of another corpus, under a seed of its own (the same every
 * time), with the average of the weights if there is one.  Ranks share them out.  Fills loss, part, bits_per_byte and the
 * counts.  ARG (no text, other tokens), NOMEM. */
LACUNA_API int lacuna_train_eval(lacuna_trainer *t, const lacuna_corpus *held_out, uint64_t n, lacuna_train_report *rep,
                                 lacuna_error *err);

/* Ask the running or next lacuna_train_step() or lacuna_train_eval() to stop as soon as the examples in work are done: it returns
 * CANCELLED, with nothing changed.  The only call allowed from another thread; also from a signal handler. */
LACUNA_API void lacuna_train_cancel(lacuna_trainer *t);

/* Everything a run needs to go on, atomically.  Rank 0 writes.  IO, NOMEM. */
LACUNA_API int lacuna_train_save(lacuna_trainer *t, const char *path, lacuna_error *err);

/* The weights (their average if there is one) as a model file with the corpus's tokenizer; type "f32", "bf16", "q8_0";
 * NULL: "q8_0".  name: NULL: that of the file; license: an SPDX expression, or NULL.  A path that ends in .safetensors
 * gets a checkpoint for `lacuna convert` instead.  IO, ARG, NOMEM. */
LACUNA_API int lacuna_train_export(lacuna_trainer *t, const char *path, const char *type, const char *name,
                                   const char *license, lacuna_error *err);

/* This process's rank and how many there are: 0 and 1 without MPI. */
LACUNA_API void lacuna_train_ranks(int *rank, int *ranks);

#ifdef __cplusplus
}
#endif
#endif
