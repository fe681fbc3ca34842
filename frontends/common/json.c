/* JSON: writing into a buffer, and reading fields with jansson. */
#include "common/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

/* ---- writing ------------------------------------------------------------------------------- */

void json_comma(buf *b)
{
    if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[') buf_add(b, ",", 1);
}

void json_key(buf *b, const char *key)
{
    json_comma(b);
    buf_fmt(b, "\"%s\":", key);
}

/* The escape of an ASCII byte, or NULL when it stands for itself. */
static const char *escape(unsigned char c, char room[8])
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
    }
    if (c >= 0x20 && c != 0x7f) return NULL;
    snprintf(room, 8, "\\u%04x", c);
    return room;
}

int json_put_string(buf *b, const char *s, size_t n)
{
    int replaced = 0;
    char room[8];
    buf_room(b, n + 2);
    buf_add(b, "\"", 1);
    for (size_t i = 0; i < n;) {
        size_t k = utf8_take(s + i, n - i, NULL);
        if (!k) {
            k = utf8_bad(s + i, n - i);
            buf_put(b, "\xef\xbf\xbd");
            replaced = 1;
        } else if (k == 1) {
            const char *e = escape((unsigned char)s[i], room);
            if (e) buf_put(b, e);
            else buf_add(b, s + i, 1);
        } else {
            buf_add(b, s + i, k);
        }
        i += k;
    }
    buf_add(b, "\"", 1);
    return replaced;
}

void json_put_base64(buf *b, const char *s, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)s;
    buf_add(b, "\"", 1);
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16;
        if (i + 1 < n) v |= (unsigned)p[i + 1] << 8;
        if (i + 2 < n) v |= p[i + 2];
        char q[4] = {digit[v >> 18], digit[v >> 12 & 63], digit[v >> 6 & 63], digit[v & 63]};
        if (i + 2 >= n) q[3] = '=';
        if (i + 1 >= n) q[2] = '=';
        buf_add(b, q, 4);
    }
    buf_add(b, "\"", 1);
}

void json_put_real(buf *b, double v)
{
    if (!isfinite(v)) buf_put(b, "null");
    else if (v == 0) buf_put(b, "0");
    else buf_fmt(b, "%.9g", v);
}

void json_add_text(buf *b, const char *key, const char *s, size_t n)
{
    json_key(b, key);
    if (!json_put_string(b, s, n)) return;
    buf_fmt(b, ",\"%s_bytes\":", key);
    json_put_base64(b, s, n);
}

void json_add_name(buf *b, const char *key, const char *s)
{
    json_key(b, key);
    json_put_string(b, s, strlen(s));
}

void json_add_real(buf *b, const char *key, double v)
{
    json_key(b, key);
    json_put_real(b, v);
}

void json_add_uint(buf *b, const char *key, uint64_t v)
{
    json_key(b, key);
    buf_fmt(b, "%llu", (unsigned long long)v);
}

void json_add_int(buf *b, const char *key, int64_t v)
{
    json_key(b, key);
    buf_fmt(b, "%lld", (long long)v);
}

void json_add_bool(buf *b, const char *key, int v)
{
    json_key(b, key);
    buf_put(b, v ? "true" : "false");
}

/* ---- reading ------------------------------------------------------------------------------- */

static const char *kind(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "?";
}

static const json_t *field(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v) ? v : NULL;
}

int json_get_text(const json_t *o, const char *key, const char **bytes, size_t *n, char *err, size_t err_size)
{
    const json_t *v = field(o, key);
    if (!v) return 0;
    if (!json_is_string(v)) return snprintf(err, err_size, "%s: expected a string, got %s", key, kind(v)), -1;
    *bytes = json_string_value(v);
    *n = json_string_length(v);
    return 1;
}

int json_get_real(const json_t *o, const char *key, double lo, double hi, double *out, char *err, size_t err_size)
{
    const json_t *v = field(o, key);
    if (!v) return 0;
    if (!json_is_number(v)) return snprintf(err, err_size, "%s: expected a number, got %s", key, kind(v)), -1;
    double d = json_number_value(v);
    if (!(d >= lo && d <= hi)) return snprintf(err, err_size, "%s: expected a number from %g to %g, got %g", key, lo, hi, d), -1;
    *out = d;
    return 1;
}

int json_get_uint(const json_t *o, const char *key, uint64_t hi, uint64_t *out, char *err, size_t err_size)
{
    const json_t *v = field(o, key);
    if (!v) return 0;
    if (!json_is_integer(v)) return snprintf(err, err_size, "%s: expected a whole number, got %s", key, kind(v)), -1;
    json_int_t i = json_integer_value(v);
    if (i < 0 || (uint64_t)i > hi)
        return snprintf(err, err_size, "%s: expected a whole number from 0 to %llu, got %lld", key,
                        (unsigned long long)hi, (long long)i), -1;
    *out = (uint64_t)i;
    return 1;
}

int json_get_bool(const json_t *o, const char *key, int *out, char *err, size_t err_size)
{
    const json_t *v = field(o, key);
    if (!v) return 0;
    if (!json_is_boolean(v)) return snprintf(err, err_size, "%s: expected true or false, got %s", key, kind(v)), -1;
    *out = json_is_true(v);
    return 1;
}

int json_get_choice(const json_t *o, const char *key, const char *const *choices, int *out, char *err, size_t err_size)
{
    const char *s;
    size_t n;
    int r = json_get_text(o, key, &s, &n, err, err_size);
    if (r <= 0) return r;
    for (int i = 0; choices[i]; i++)
        if (strlen(choices[i]) == n && !memcmp(choices[i], s, n)) return *out = i, 1;
    int at = snprintf(err, err_size, "%s: expected one of", key);
    for (int i = 0; choices[i] && at > 0 && (size_t)at < err_size; i++)
        at += snprintf(err + at, err_size - (size_t)at, "%s %s", i ? "," : "", choices[i]);
    return -1;
}

int json_get_ints(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t **out, size_t *n, char *err,
                  size_t err_size)
{
    const json_t *v = field(o, key);
    *out = NULL, *n = 0;
    if (!v) return 0;
    if (!json_is_array(v)) return snprintf(err, err_size, "%s: expected an array, got %s", key, kind(v)), -1;
    size_t count = json_array_size(v);
    int64_t *a = xalloc(count, sizeof *a);
    for (size_t i = 0; i < count; i++) {
        const json_t *e = json_array_get(v, i);
        if (!json_is_integer(e)) {
            snprintf(err, err_size, "%s[%zu]: expected a whole number, got %s", key, i, kind(e));
            return free(a), -1;
        }
        a[i] = json_integer_value(e);
        if (a[i] < lo || a[i] > hi) {
            snprintf(err, err_size, "%s[%zu]: expected a number from %lld to %lld, got %lld", key, i, (long long)lo,
                     (long long)hi, (long long)a[i]);
            return free(a), -1;
        }
    }
    *out = a, *n = count;
    return 1;
}
