/* Fields that several methods of `lacuna serve` have. */
#include "common/rpc_fields.h"

#include <stdio.h>
#include <string.h>

#include "common/args.h"
#include "common/json.h"

int rpc_get_u32(const json_t *o, const char *key, uint32_t *out, char *err, size_t err_size)
{
    uint64_t v;
    int r = json_get_uint(o, key, UINT32_MAX, &v, err, err_size);
    if (r > 0) *out = (uint32_t)v;
    return r;
}

/* From 1 to hi. */
int rpc_get_positive(const json_t *o, const char *key, uint32_t hi, uint32_t *out, char *err, size_t err_size)
{
    uint64_t v;
    int r = json_get_uint(o, key, hi, &v, err, err_size);
    if (r > 0 && !v) return snprintf(err, err_size, "%s: expected a whole number from 1 to %u, got 0", key, (unsigned)hi), -1;
    if (r > 0) *out = (uint32_t)v;
    return r;
}

int rpc_get_count(const json_t *o, const char *key, uint32_t *out, char *err, size_t err_size)
{
    return rpc_get_positive(o, key, UINT32_MAX, out, err, err_size);
}

/* A whole number, or its digits as a string: those of JSON end at 2^63 - 1 here. */
int rpc_get_seed(const json_t *o, uint64_t *out, char *err, size_t err_size)
{
    const json_t *v = json_object_get(o, "seed");
    if (!json_is_string(v)) return json_get_uint(o, "seed", INT64_MAX, out, err, err_size);
    if (strlen(json_string_value(v)) == json_string_length(v) && !args_u64(json_string_value(v), out)) return 1;
    return snprintf(err, err_size, "seed: expected a whole number below 2^64, got \"%.60s\"", json_string_value(v)), -1;
}

/* A field that is not understood is refused: a misspelt setting must not be silently the default. */
int rpc_only_known(const json_t *o, const char *const *known, char *err, size_t err_size)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)o, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key)) i++;
        if (!known[i]) return snprintf(err, err_size, "%.60s: no such field", key), -1;
    }
    return 0;
}

/* start and end; a hole that says only start is an insertion. */
int rpc_get_span(const json_t *o, lacuna_span *s, char *err, size_t err_size)
{
    uint64_t start, end;
    int r = json_get_uint(o, "start", INT64_MAX, &start, err, err_size);
    if (r == 0) snprintf(err, err_size, "start: missing");
    if (r <= 0) return -1;
    r = json_get_uint(o, "end", INT64_MAX, &end, err, err_size);
    if (r < 0) return -1;
    *s = (lacuna_span){(size_t)start, r ? (size_t)end : (size_t)start};
    return 0;
}

int rpc_get_text(const json_t *params, lacuna_text *text, char *err, size_t err_size)
{
    int r = json_get_text(params, "text", &text->bytes, &text->len, err, err_size);
    if (r == 0) snprintf(err, err_size, "text: missing");
    return r > 0 ? 0 : -1;
}

int rpc_get_names(const json_t *params, const char **lang, const char **path, char *err, size_t err_size)
{
    size_t n;
    if (json_get_text(params, "lang", lang, &n, err, err_size) < 0) return -1;
    return json_get_text(params, "path", path, &n, err, err_size) < 0 ? -1 : 0;
}

int rpc_is_said(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v);
}

int rpc_get_spans(const json_t *o, const char *key, lacuna_span **spans, size_t *n, char *err, size_t err_size)
{
    const json_t *a = json_object_get(o, key);
    if (!a || json_is_null(a)) return 0;
    if (!json_is_array(a) || !json_array_size(a))
        return snprintf(err, err_size, "%s: expected an array of {\"start\":BYTE,\"end\":BYTE}", key), -1;
    *n = json_array_size(a);
    *spans = xalloc(*n, sizeof **spans);
    for (size_t i = 0; i < *n; i++) {
        char why[160] = "expected an object";
        const json_t *v = json_array_get(a, i);
        if (json_is_object(v) && !rpc_get_span(v, &(*spans)[i], why, sizeof why)) continue;
        snprintf(err, err_size, "%s[%zu]: %s", key, i, why);
        return -1;
    }
    return 1;
}

int rpc_get_fill(const json_t *v, size_t n, lacuna_text *out, char *err, size_t err_size)
{
    if (json_is_string(v) && n == 1) return *out = (lacuna_text){json_string_value(v), json_string_length(v)}, 0;
    if (!json_is_array(v) || json_array_size(v) != n)
        return snprintf(err, err_size, "expected an array of %zu strings, one a hole", n), -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *t = json_array_get(v, i);
        if (!json_is_string(t) && !json_is_null(t)) return snprintf(err, err_size, "[%zu]: expected a string, or null for an open hole", i), -1;
        out[i] = json_is_null(t) ? (lacuna_text){0} : (lacuna_text){json_string_value(t), json_string_length(t)};
    }
    return 0;
}
