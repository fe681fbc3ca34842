/* A small random model that knows text: the house architecture with the tokenizer of the tests. */
#ifndef TESTS_COMMON_TINYTOK_H
#define TESTS_COMMON_TINYTOK_H

#include <stdint.h>

#include "lacuna.h"

/* Write it to path (F32, width 32, 2 layers, 8192 tokens, `context` positions).  Some two hundred tokens are likely,
 * <eom> most of all (about 0.1 to 0.5), so that short holes end in every way.  Two files beside path come and go.
 * 0, or a lacuna_code with the reason on stderr. */
int tinytok_model(const char *path, uint32_t context, uint64_t seed);

/* The same, opened: made in a folder of its own, which is gone again.  opt may be NULL.  Fails the running test. */
lacuna_model *tinytok_open(uint32_t context, uint64_t seed, const lacuna_model_options *opt);

#endif
