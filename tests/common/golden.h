/* The golden cases: outputs of the authors' code (tests/golden/README.md), as typed arrays.
 * Everything here fails the running test when the data are not as the index says. */
#ifndef TESTS_COMMON_GOLDEN_H
#define TESTS_COMMON_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define GOLDEN_DIR "tests/golden" /* tests run from the top of the tree */

typedef struct {
    json_t *root, *cases;
} golden;

void golden_open(golden *g);
void golden_close(golden *g);

size_t golden_count(const golden *g);
const json_t *golden_case(const golden *g, size_t i);
const char *golden_text(const json_t *c, const char *key);    /* "id", "kind", "model"; "" when absent */
double golden_param(const json_t *c, const char *name);       /* params[name] */
const char *golden_mode(const json_t *c, const char *name);   /* params[name], a string; "" when absent */
double golden_scalar(const json_t *c, const char *name);      /* scalars[name].value */

/* Elements of a tensor of the given dtype ("f32", "f64", "i32", "u8") and, if not NULL, its shape (padded with
 * ones) and their number.  The caller frees it.  NULL when the case has no such tensor. */
void *golden_tensor(const json_t *c, const char *name, const char *dtype, size_t shape[3], size_t *n);

#endif
