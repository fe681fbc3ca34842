/* Requests of `lacuna serve`: JSON-RPC 2.0, one message a line.  Needs no model.
 *
 *     line --rpc_parse--> rpc_request { id, method, params } --rpc_infill / rpc_score / rpc_rank / rpc_cancel--> values
 *
 * What comes out points into the request and lives as long as it does. */
#ifndef COMMON_RPC_H
#define COMMON_RPC_H

#include <jansson.h>

#include "common/buf.h"
#include "common/holes.h"
#include "common/wishes.h"
#include "lacuna.h"

enum {
    RPC_PARSE = -32700,     /* not JSON */
    RPC_INVALID = -32600,   /* JSON, but no request */
    RPC_METHOD = -32601,    /* no such method */
    RPC_PARAMS = -32602,    /* the method cannot do with these params */
    RPC_INTERNAL = -32603,  /* a bug, or no memory */
    RPC_FAILED = -32000,    /* the library says no: data.code has the name of its code */
    RPC_CANCELLED = -32800
};

typedef struct {
    json_t *root;       /* owns all */
    const json_t *id;   /* string, number or null; NULL: a notification, which gets no reply */
    const char *method;
    const json_t *params; /* an object, or NULL */
} rpc_request;

/* Read one line.  0, or RPC_PARSE, RPC_INVALID or (a whole number beyond 64 bits) RPC_PARAMS with a message; r->id is then set if
 * it could be read. */
int rpc_parse(const char *line, size_t n, rpc_request *r, char *err, size_t err_size);
void rpc_free(rpc_request *r);

typedef struct {
    lacuna_text text;
    hole_set holes;
    lacuna_infill_options opt; /* tag and document are not set */
    wishes w;
    const char *lang;   /* or NULL */
    const char *path;   /* file name, to guess the language by; or NULL */
    int stream;         /* send a notification each step */
} rpc_infill_params;

typedef struct {
    lacuna_text text;
    lacuna_span *spans; /* n_spans; owned */
    size_t n_spans;
    lacuna_score_options opt; /* tag is not set */
    const char *lang, *path;
} rpc_score_params;

typedef struct {
    lacuna_text text;
    lacuna_span *spans; /* n_spans holes; owned */
    size_t n_spans;
    lacuna_text *fills; /* [n][n_spans] of n candidates; owned */
    size_t n;
    lacuna_score_options opt; /* tag is not set */
    const char *lang, *path;
} rpc_rank_params;

/* 0, or RPC_PARAMS with a message that names the field; free what was read in any case. */
int rpc_infill(const json_t *params, rpc_infill_params *p, char *err, size_t err_size);
int rpc_score(const json_t *params, rpc_score_params *p, char *err, size_t err_size);
int rpc_rank(const json_t *params, rpc_rank_params *p, char *err, size_t err_size);
void rpc_infill_free(rpc_infill_params *p);
void rpc_score_free(rpc_score_params *p);
void rpc_rank_free(rpc_rank_params *p);
/* The id to cancel, borrowed. */
int rpc_cancel(const json_t *params, const json_t **id, char *err, size_t err_size);

/* Messages, each with its line feed.  id NULL is written as null. */
void rpc_put_id(buf *b, const json_t *id);
void rpc_begin_result(buf *b, const json_t *id);   /* {"jsonrpc":"2.0","id":ID,"result":   */
void rpc_end(buf *b);                              /* }\n */
void rpc_put_error(buf *b, const json_t *id, int code, const char *message, const lacuna_error *cause); /* whole line */

#endif
