/* The line on a terminal that tells how a run gets on; nothing where standard error is not such a terminal. */
#ifndef LACUNA_PROGRESS_H
#define LACUNA_PROGRESS_H

#include "lacuna_train.h"

typedef struct {
    int on;            /* standard error is a terminal that can move the cursor */
    double loss, bits; /* means over about the last twenty steps; bits a byte: NaN where unknown */
    uint64_t seen;     /* steps that went into them */
} progress;

/* Take the losses of a step into the means. */
void progress_add(progress *p, const lacuna_train_report *rep);

/* The line of a step.  steps: in all, 0: unknown; speed: entries a second; left: seconds, NaN: unknown. */
void progress_step(const progress *p, uint64_t step, uint64_t steps, double speed, double left);

/* What goes on, in ASCII. */
void progress_note(const progress *p, const char *what);

/* An empty line, for others to write on. */
void progress_clear(const progress *p);

#endif
