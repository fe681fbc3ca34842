/* Token healing: the last bytes before a hole may be the beginning of a token that runs over its start ("pri" before
 * "ntf(").  Their tokens are taken back, and what they spell becomes a constraint: the fill begins with these bytes.
 * A lone blank is such a beginning (" x"); line feeds and indentation are tokens that end where they end, and stay. */
#ifndef LAC_CANVAS_HEAL_H
#define LAC_CANVAS_HEAL_H

#include <stdbool.h>
#include <string.h>

#include "text/tok.h"

#define LAC_HEAL_BYTES 16 /* taken back at most */

/* What a fill begins with. */
typedef struct {
    lacuna_text rest;  /* bytes; none where len is 0 */
    const int32_t *id; /* [n_tokens] the tokens they were */
    size_t n_tokens;   /* the hole has so many slots more */
} lac_heal;

/* How many of the last of n tokens are to be taken back: as many as still spell the beginning of a longer token.  Writes
 * what they spell, *len bytes. */
size_t lac_heal_tokens(const lac_tok *tok, const int32_t *id, size_t n, char bytes[LAC_HEAL_BYTES], size_t *len);

/* Does a token with these bytes spell all of `rest`, and perhaps more? */
static inline bool lac_heal_spells(lacuna_text token, lacuna_text rest)
{
    return token.len >= rest.len && !memcmp(token.bytes, rest.bytes, rest.len);
}

#endif
