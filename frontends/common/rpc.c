/* Lines of `lacuna serve`: JSON-RPC 2.0, one message a line. */
#include "common/rpc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

/* The id of a request whose whole numbers were all read as reals. */
static void take_back_id(rpc_request *r)
{
    json_t *id = json_object_get(r->root, "id");
    double v = json_real_value(id);
    if (json_is_real(id) && v == floor(v) && fabs(v) < 9e15) json_object_set_new(r->root, "id", json_integer((json_int_t)v));
    id = json_object_get(r->root, "id");
    if (json_is_string(id) || json_is_integer(id)) r->id = id;
}

int rpc_parse(const char *line, size_t n, rpc_request *r, char *err, size_t err_size)
{
    json_error_t e;
    *r = (rpc_request){0};
    r->root = json_loadb(line, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
    if (!r->root && (r->root = json_loadb(line, n, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e))) {
        take_back_id(r);
        snprintf(err, err_size, "a whole number is beyond 2^63 - 1 (a seed may be a string: \"seed\":\"18446744073709551615\")");
        return RPC_PARAMS;
    }
    if (!r->root) {
        snprintf(err, err_size, "not JSON: %s at byte %d", e.text, e.position);
        return RPC_PARSE;
    }
    if (json_is_array(r->root)) {
        snprintf(err, err_size, "batches are not supported: one request a line");
        return RPC_INVALID;
    }
    if (!json_is_object(r->root)) {
        snprintf(err, err_size, "a request is an object");
        return RPC_INVALID;
    }
    r->id = json_object_get(r->root, "id");
    if (r->id && !json_is_string(r->id) && !json_is_number(r->id) && !json_is_null(r->id)) {
        r->id = NULL;
        snprintf(err, err_size, "id: expected a string, a number or null");
        return RPC_INVALID;
    }
    const json_t *version = json_object_get(r->root, "jsonrpc"), *method = json_object_get(r->root, "method");
    if (!json_is_string(version) || strcmp(json_string_value(version), "2.0")) {
        snprintf(err, err_size, "jsonrpc: expected \"2.0\"");
        return RPC_INVALID;
    }
    if (!json_is_string(method)) {
        snprintf(err, err_size, "method: expected a string");
        return RPC_INVALID;
    }
    r->method = json_string_value(method);
    r->params = json_object_get(r->root, "params");
    if (r->params && !json_is_object(r->params)) {
        snprintf(err, err_size, "params: expected an object");
        return RPC_INVALID;
    }
    return 0;
}

void rpc_free(rpc_request *r)
{
    json_decref(r->root);
    *r = (rpc_request){0};
}

int rpc_cancel(const json_t *params, const json_t **id, char *err, size_t err_size)
{
    *id = json_object_get(params, "id");
    if (*id && (json_is_string(*id) || json_is_number(*id) || json_is_null(*id))) return 0;
    snprintf(err, err_size, "id: expected the id of a request");
    return RPC_PARAMS;
}

/* ---- replies ------------------------------------------------------------------------------- */

static int add_bytes(const char *s, size_t n, void *b)
{
    buf_add(b, s, n);
    return 0;
}

void rpc_put_id(buf *b, const json_t *id)
{
    if (json_is_string(id)) json_put_string(b, json_string_value(id), json_string_length(id));
    else if (json_is_number(id)) json_dump_callback(id, add_bytes, b, JSON_ENCODE_ANY | JSON_COMPACT);
    else buf_put(b, "null");
}

void rpc_begin_result(buf *b, const json_t *id)
{
    buf_put(b, "{\"jsonrpc\":\"2.0\",\"id\":");
    rpc_put_id(b, id);
    buf_put(b, ",\"result\":");
}

void rpc_end(buf *b)
{
    buf_put(b, "}\n");
}

void rpc_put_error(buf *b, const json_t *id, int code, const char *message, const lacuna_error *cause)
{
    buf_put(b, "{\"jsonrpc\":\"2.0\",\"id\":");
    rpc_put_id(b, id);
    buf_put(b, ",\"error\":{");
    json_add_int(b, "code", code);
    json_add_text(b, "message", message, strlen(message));
    if (cause) {
        json_key(b, "data");
        buf_put(b, "{");
        json_add_name(b, "code", lacuna_code_name(cause->code));
        json_add_uint(b, "where", cause->where);
        buf_put(b, "}");
    }
    buf_put(b, "}");
    rpc_end(b);
}
