/* Token healing: the last bytes before a hole may be the beginning of a token that runs over its start ("pri" before
 * "ntf(").  Their tokens are taken back, and what they spell becomes a constraint: the fill begins with these bytes. */
#ifndef LAC_CANVAS_HEAL_H
#define LAC_CANVAS_HEAL_H

#include <stdbool.h>
#include <string.h>

#include "text/tok.h"

#define LAC_HEAL_BYTES 16 /* taken back at most */

/* What a fill begins with. */
typedef struct {
    lacuna_text rest; /* bytes; none where len is 0 */
    size_t n_tokens;  /* tokens they were: the hole has so many slots more */
} lac_heal;

/* How many of the last of n tokens are to be taken back: as many as still spell the beginning of a longer token.  Writes
 * what they spell, *len bytes. */
size_t lac_heal_tokens(const lac_tok *tok, const int32_t *id, size_t n, char bytes[LAC_HEAL_BYTES], size_t *len);

/* May a token with these bytes come where `rest` is still to be spelled?  It begins with rest, or rest with it.  What is
 * still to be spelled behind it is rest without its bytes. */
static inline bool lac_heal_allows(lacuna_text token, lacuna_text rest)
{
    size_t n = token.len < rest.len ? token.len : rest.len;
    return !rest.len || (n && !memcmp(token.bytes, rest.bytes, n));
}

#endif
