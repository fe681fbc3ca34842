/* Hyper-parameters: whether they make sense, whichever file they come from. */
#ifndef LAC_MODEL_HPARAMS_H
#define LAC_MODEL_HPARAMS_H

#include "model/weights.h"

/* file: for messages.  FORMAT (contradiction, zero, not finite), LIMIT (larger than the library handles). */
int lac_hparams_check(const lac_hparams *hp, const char *file, lacuna_error *err);

#endif
