/* Requests of `lacuna serve`: JSON-RPC 2.0, one message a line. */
#include "common/rpc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/args.h"
#include "common/json.h"
#include "common/sampling.h"

enum { CANDIDATES_MOST = 10000, ORDERS_MOST = 1000000 };

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

/* ---- params -------------------------------------------------------------------------------- */

static int get_u32(const json_t *o, const char *key, uint32_t *out, char *err, size_t err_size)
{
    uint64_t v;
    int r = json_get_uint(o, key, UINT32_MAX, &v, err, err_size);
    if (r > 0) *out = (uint32_t)v;
    return r;
}

/* From 1 to hi. */
static int get_positive(const json_t *o, const char *key, uint32_t hi, uint32_t *out, char *err, size_t err_size)
{
    uint64_t v;
    int r = json_get_uint(o, key, hi, &v, err, err_size);
    if (r > 0 && !v) return snprintf(err, err_size, "%s: expected a whole number from 1 to %u, got 0", key, (unsigned)hi), -1;
    if (r > 0) *out = (uint32_t)v;
    return r;
}

static int get_count(const json_t *o, const char *key, uint32_t *out, char *err, size_t err_size)
{
    return get_positive(o, key, UINT32_MAX, out, err, err_size);
}

/* A whole number, or its digits as a string: those of JSON end at 2^63 - 1 here. */
static int get_seed(const json_t *o, uint64_t *out, char *err, size_t err_size)
{
    const json_t *v = json_object_get(o, "seed");
    if (!json_is_string(v)) return json_get_uint(o, "seed", INT64_MAX, out, err, err_size);
    if (strlen(json_string_value(v)) == json_string_length(v) && !args_u64(json_string_value(v), out)) return 1;
    return snprintf(err, err_size, "seed: expected a whole number below 2^64, got \"%.60s\"", json_string_value(v)), -1;
}

/* A field that is not understood is refused: a misspelt setting must not be silently the default. */
static int only_known(const json_t *o, const char *const *known, char *err, size_t err_size)
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
static int get_span(const json_t *o, lacuna_span *s, char *err, size_t err_size)
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

static int get_text(const json_t *params, lacuna_text *text, char *err, size_t err_size)
{
    int r = json_get_text(params, "text", &text->bytes, &text->len, err, err_size);
    if (r == 0) snprintf(err, err_size, "text: missing");
    return r > 0 ? 0 : -1;
}

static int get_names(const json_t *params, const char **lang, const char **path, char *err, size_t err_size)
{
    size_t n;
    if (json_get_text(params, "lang", lang, &n, err, err_size) < 0) return -1;
    return json_get_text(params, "path", path, &n, err, err_size) < 0 ? -1 : 0;
}

static int get_hole(const json_t *o, lacuna_hole *h, char *err, size_t err_size)
{
    static const char *const known[] = {"start", "end", "max_tokens", "min_tokens", "exact", "one_line", NULL};
    if (!json_is_object(o)) return snprintf(err, err_size, "expected an object"), -1;
    if (only_known(o, known, err, err_size)) return -1;
    if (get_span(o, &h->span, err, err_size)) return -1;
    if (get_count(o, "max_tokens", &h->max_tokens, err, err_size) < 0) return -1;
    if (get_u32(o, "min_tokens", &h->min_tokens, err, err_size) < 0) return -1;
    if (json_get_bool(o, "exact", &h->exact, err, err_size) < 0) return -1;
    return json_get_bool(o, "one_line", &h->one_line, err, err_size) < 0 ? -1 : 0;
}

static int get_holes(const json_t *params, rpc_infill_params *p, char *err, size_t err_size)
{
    const json_t *a = json_object_get(params, "holes");
    if (!json_is_array(a) || !json_array_size(a))
        return snprintf(err, err_size, "holes: expected an array of {\"start\":BYTE,\"end\":BYTE,...}"), -1;
    p->n_holes = json_array_size(a);
    p->holes = xalloc(p->n_holes, sizeof *p->holes);
    for (size_t i = 0; i < p->n_holes; i++) {
        char why[160];
        if (!get_hole(json_array_get(a, i), &p->holes[i], why, sizeof why)) continue;
        snprintf(err, err_size, "holes[%zu]: %s", i, why);
        return -1;
    }
    return 0;
}

static int is_said(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v);
}

static int get_sampler(const json_t *o, sampler *s, char *err, size_t err_size)
{
    lacuna_infill_options *opt = &s->o;
    int strict = 0;
    s->order_seen = is_said(o, "order"), s->rule_seen = is_said(o, "rule");
    s->alpha0_seen = is_said(o, "alpha0"), s->steps_seen = is_said(o, "steps");
    s->draft_seen = is_said(o, "draft"), s->block_seen = is_said(o, "block"), s->gamma_seen = is_said(o, "gamma");
    if (get_count(o, "max_tokens", &opt->max_tokens, err, err_size) < 0 || get_count(o, "steps", &opt->steps, err, err_size) < 0 ||
        get_u32(o, "top_k", &opt->top_k, err, err_size) < 0 ||
        json_get_real(o, "alpha0", 0, 1, &opt->alpha0, err, err_size) < 0 ||
        json_get_real(o, "gamma", 0, 1e6, &opt->gamma, err, err_size) < 0 ||
        json_get_real(o, "temperature", 0, 1e6, &opt->temperature, err, err_size) < 0 ||
        json_get_real(o, "top_p", 0, 1, &opt->top_p, err, err_size) < 0 ||
        json_get_real(o, "min_p", 0, 1, &opt->min_p, err, err_size) < 0 ||
        get_count(o, "block", &opt->block, err, err_size) < 0 || get_count(o, "draft", &opt->draft, err, err_size) < 0 ||
        json_get_bool(o, "lossless", &s->lossless, err, err_size) < 0 || json_get_bool(o, "heal", &s->heal, err, err_size) < 0 ||
        get_seed(o, &opt->seed, err, err_size) < 0 ||
        json_get_choice(o, "order", sampling_orders, &s->order, err, err_size) < 0 ||
        json_get_choice(o, "rule", sampling_rules, &s->rule, err, err_size) < 0 ||
        json_get_bool(o, "strict_context", &strict, err, err_size) < 0)
        return -1;
    opt->drop_far = !strict;
    return sampling_settle(s, "", err, err_size);
}

/* Limits of the holes that do not go together, with those of the request. */
static int check_holes(const rpc_infill_params *p, char *err, size_t err_size)
{
    for (size_t i = 0; i < p->n_holes; i++) {
        const lacuna_hole *h = &p->holes[i];
        uint32_t most = h->max_tokens ? h->max_tokens : p->opt.max_tokens;
        if (h->exact && !most) return snprintf(err, err_size, "holes[%zu]: exact needs max_tokens", i), -1;
        if (!most) most = SAMPLING_MAX_TOKENS;
        if (h->min_tokens > most)
            return snprintf(err, err_size, "holes[%zu]: min_tokens %u is more than max_tokens %u", i, (unsigned)h->min_tokens, (unsigned)most), -1;
    }
    return 0;
}

/* The sampler's fields, and whether holes are healed. */
static int get_settings(const json_t *params, rpc_infill_params *p, char *err, size_t err_size)
{
    sampler s = {.o = p->opt};
    int exact = 0;
    if (get_sampler(params, &s, err, err_size)) return -1;
    p->opt = s.o;
    for (size_t i = 0; i < p->n_holes; i++) exact |= p->holes[i].exact;
    p->opt.heal = is_said(params, "heal") ? s.heal : sampling_heals(&p->opt, exact);
    return check_holes(p, err, err_size);
}

int rpc_infill(const json_t *params, rpc_infill_params *p, char *err, size_t err_size)
{
    static const char *const known[] = {"text", "holes", "lang", "path", "max_tokens", "steps", "top_k", "alpha0", "gamma", "temperature",
                                        "top_p", "min_p", "seed", "order", "rule", "strict_context", "stream", "lossless",
                                        "draft", "heal", "block", "candidates", NULL};
    uint32_t candidates = 1;
    *p = (rpc_infill_params){.opt = {LACUNA_INFILL_INIT}, .stream = 1};
    if (only_known(params, known, err, err_size) || get_text(params, &p->text, err, err_size) || get_holes(params, p, err, err_size) ||
        get_names(params, &p->lang, &p->path, err, err_size) || get_settings(params, p, err, err_size) ||
        json_get_bool(params, "stream", &p->stream, err, err_size) < 0 ||
        get_positive(params, "candidates", CANDIDATES_MOST, &candidates, err, err_size) < 0) {
        free(p->holes);
        p->holes = NULL;
        return RPC_PARAMS;
    }
    p->candidates = candidates;
    return 0;
}

/* "spans" is an array of {"start","end"}; absent: the whole text. */
static int get_spans(const json_t *params, rpc_score_params *p, char *err, size_t err_size)
{
    const json_t *a = json_object_get(params, "spans");
    if (a && !json_is_null(a) && (!json_is_array(a) || !json_array_size(a)))
        return snprintf(err, err_size, "spans: expected an array of {\"start\":BYTE,\"end\":BYTE}"), -1;
    p->n_spans = json_is_array(a) ? json_array_size(a) : 1;
    p->spans = xalloc(p->n_spans, sizeof *p->spans);
    if (!json_is_array(a)) return p->spans[0] = (lacuna_span){0, p->text.len}, 0;
    for (size_t i = 0; i < p->n_spans; i++) {
        char why[160] = "expected an object";
        const json_t *o = json_array_get(a, i);
        if (json_is_object(o) && !get_span(o, &p->spans[i], why, sizeof why)) continue;
        snprintf(err, err_size, "spans[%zu]: %s", i, why);
        return -1;
    }
    return 0;
}

int rpc_score(const json_t *params, rpc_score_params *p, char *err, size_t err_size)
{
    static const char *const orders[] = {"left", "random", NULL};
    int order = 0, strict = 0;
    static const char *const known[] = {"text", "spans", "lang", "path", "order", "alpha0", "orders", "spare", "exact", "seed", "no_end",
                                        "strict_context", NULL};
    *p = (rpc_score_params){.opt = {LACUNA_SCORE_INIT, .alpha0 = 1}};
    p->opt.exact = !json_object_get(params, "spans"); /* a whole text is no hole: nothing ends it */
    if (only_known(params, known, err, err_size) || get_text(params, &p->text, err, err_size) || get_names(params, &p->lang, &p->path, err, err_size) ||
        json_get_choice(params, "order", orders, &order, err, err_size) < 0 ||
        json_get_real(params, "alpha0", 0, 1, &p->opt.alpha0, err, err_size) < 0 ||
        get_positive(params, "orders", ORDERS_MOST, &p->opt.n_orders, err, err_size) < 0 ||
        get_u32(params, "spare", &p->opt.spare, err, err_size) < 0 ||
        json_get_bool(params, "exact", &p->opt.exact, err, err_size) < 0 ||
        get_seed(params, &p->opt.seed, err, err_size) < 0 ||
        json_get_bool(params, "no_end", &p->opt.no_end, err, err_size) < 0 ||
        json_get_bool(params, "strict_context", &strict, err, err_size) < 0 || get_spans(params, p, err, err_size)) {
        free(p->spans);
        p->spans = NULL;
        return RPC_PARAMS;
    }
    p->opt.order = order ? LACUNA_ORDER_RANDOM : LACUNA_ORDER_LEFT;
    if (p->opt.n_orders > 1 && !json_object_get(params, "order")) p->opt.order = LACUNA_ORDER_RANDOM;
    if (p->opt.alpha0 == 0) p->opt.order = LACUNA_ORDER_LEFT; /* no random slot */
    p->opt.drop_far = !strict;
    return 0;
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
