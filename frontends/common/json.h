/* JSON: writing into a buffer, and reading fields with jansson.
 *
 * Output is compact, `{"a":1}` without a blank anywhere.  Numbers have nine significant digits; what is
 * not finite is written as null.  JSON holds Unicode, texts here are any bytes: a text that is not UTF-8
 * has its bad bytes replaced by U+FFFD, and a field of the same name with `_bytes` behind it follows and
 * holds the exact bytes in base64. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* A comma unless the object or array was just opened. */
void json_comma(buf *b);
/* `"key":` with the comma it needs. */
void json_key(buf *b, const char *key);
/* A value in quotes.  Returns 1 when bytes had to be replaced. */
int json_put_string(buf *b, const char *bytes, size_t n);
void json_put_base64(buf *b, const char *bytes, size_t n); /* in quotes */
void json_put_real(buf *b, double v);

/* Fields. */
void json_add_text(buf *b, const char *key, const char *bytes, size_t n); /* with key_bytes if need be */
void json_add_name(buf *b, const char *key, const char *s);               /* a text known to be UTF-8 */
void json_add_real(buf *b, const char *key, double v);
void json_add_uint(buf *b, const char *key, uint64_t v);
void json_add_int(buf *b, const char *key, int64_t v);
void json_add_bool(buf *b, const char *key, int v);

/* Reading: each returns 1 when the field is there, 0 when it is absent or null, -1 with a message that
 * names the field when it has the wrong type or is out of range. */
int json_get_text(const json_t *o, const char *key, const char **bytes, size_t *n, char *err, size_t err_size);
int json_get_real(const json_t *o, const char *key, double lo, double hi, double *v, char *err, size_t err_size);
int json_get_uint(const json_t *o, const char *key, uint64_t hi, uint64_t *v, char *err, size_t err_size);
int json_get_bool(const json_t *o, const char *key, int *v, char *err, size_t err_size);
int json_get_choice(const json_t *o, const char *key, const char *const *choices, int *v, char *err, size_t err_size);
/* An array of whole numbers in [lo, hi]; *v is the caller's to free. */
int json_get_ints(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t **v, size_t *n, char *err,
                  size_t err_size);

#endif
