/* Where UTF-8 (RFC 3629) is valid, and where a sequence of it begins. */
#ifndef LAC_BASE_UTF8_H
#define LAC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes, 1 to 4, of the valid sequence at the start of s[0, n); 0 if there is none: n == 0, a
 * stray or missing continuation byte, an overlong form, a surrogate, or more than U+10FFFF. */
size_t lac_utf8_char(const char *s, size_t n);

/* Length in bytes of the longest prefix of s[0, n) that is valid UTF-8. */
size_t lac_utf8_valid(const char *s, size_t n);

/* May s[0, n) be cut at byte `at`?  False inside a valid sequence and beyond n, true everywhere else: 0
 * and n are boundaries, and bytes that belong to no valid sequence stand for themselves. */
bool lac_utf8_boundary(const char *s, size_t n, size_t at);

#endif
