/* Sets of code points, as what UTF-8 makes of them: sequences of one to four ranges of bytes.
 *
 *   U+0080..U+FFFF without surrogates:   C2..DF 80..BF | E0 A0..BF 80..BF | E1..EC 80..BF 80..BF | ED 80..9F 80..BF | EE..EF 80..BF 80..BF */
#ifndef LAC_CONTROL_REGEX_SET_H
#define LAC_CONTROL_REGEX_SET_H

#include <stdbool.h>

#include "base/mem.h"

#define LAC_REGEX_LAST ((uint32_t)0x10FFFF) /* code point */

typedef struct {
    uint32_t low, high; /* code points, both included */
} lac_regex_range;

typedef struct {
    const lacuna_allocator *mem;
    lac_regex_range *range; /* [n] */
    size_t n, cap;
} lac_regex_set;

typedef struct {
    uint8_t n;            /* bytes, 1 to 4 */
    uint8_t low[4], high[4];
} lac_regex_seq;

typedef struct {
    const lacuna_allocator *mem;
    lac_regex_seq *seq; /* [n] */
    size_t n, cap;
} lac_regex_seqs;

/* Each of these: false where memory ends. */
bool lac_regex_set_add(lac_regex_set *s, uint32_t low, uint32_t high);
bool lac_regex_set_class(lac_regex_set *s, const char *name, size_t len, bool *found); /* "alpha", ...; and "word" */
bool lac_regex_set_invert(lac_regex_set *s);                                           /* none of these, and no line feed */
bool lac_regex_set_utf8(lac_regex_set *s, lac_regex_seqs *out);                        /* appended; surrogates are left out */

void lac_regex_set_free(lac_regex_set *s);

#endif
