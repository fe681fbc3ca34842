/* Filling the caller's error struct: one place, never allocated, NULL-able. */
#ifndef LAC_BASE_ERR_H
#define LAC_BASE_ERR_H

#include "lacuna.h"

/* Fill *err (if not NULL) and return code, so that failures read `return lac_err(err, ...)`.  The
 * message is cut to fit at a UTF-8 boundary, and control bytes in it become '?': names come from files. */
int lac_err(lacuna_error *err, lacuna_code code, uint64_t where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Out of memory while making `what`. */
int lac_nomem(lacuna_error *err, const char *what);

/* Clear *err (if not NULL): for a caller that handles a failure itself. */
void lac_err_clear(lacuna_error *err);

#endif
