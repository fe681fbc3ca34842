/* UTF-8: validity, code points, columns on a terminal. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the valid sequence at the start of p[0, n), n > 0, with its code point in *cp (may be NULL);
 * 0 when there is none (overlong forms, surrogates and values above 10FFFF are not valid). */
size_t utf8_take(const char *p, size_t n, uint32_t *cp);

/* How many bytes at p[0, n), n > 0, are to be replaced by one U+FFFD where utf8_take() says 0: the longest
 * start of a valid sequence, else one byte (the practice of the Unicode standard, section 3.9). */
size_t utf8_bad(const char *p, size_t n);

int utf8_valid(const char *p, size_t n);

/* Columns a terminal uses for a code point: 0 (combining), 1 or 2 (East Asian wide, emoji). */
int utf8_columns(uint32_t cp);

#endif
