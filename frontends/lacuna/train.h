/* A run of training, as the command line asks for it. */
#ifndef LACUNA_TRAIN_COMMAND_H
#define LACUNA_TRAIN_COMMAND_H

#include "common/args.h"
#include "lacuna_train.h"

typedef struct {
    lacuna_train_options to;
    arg_list data, held;         /* paths of text */
    const char *base, *tokenizer, *out, *type, *name, *license, *shard; /* as given, or NULL */
    double minutes, save_every;  /* minutes: 0: no limit */
    uint32_t log_every;          /* steps */
    uint64_t held_examples;      /* to measure on */
    int eval, new_corpus, force; /* flags */
} train_settings;

/* Read the text, train, write: the exit code. */
int train_run(train_settings *o);

#endif
