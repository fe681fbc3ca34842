/* Fields that several methods of `lacuna serve` have; all as json_get_*() of json.h where nothing else is said. */
#ifndef COMMON_RPC_FIELDS_H
#define COMMON_RPC_FIELDS_H

#include <jansson.h>

#include "lacuna.h"

int rpc_get_u32(const json_t *o, const char *key, uint32_t *out, char *err, size_t err_size);
int rpc_get_count(const json_t *o, const char *key, uint32_t *out, char *err, size_t err_size); /* at least 1 */
int rpc_get_positive(const json_t *o, const char *key, uint32_t hi, uint32_t *out, char *err, size_t err_size); /* 1 to hi */
int rpc_get_seed(const json_t *o, uint64_t *out, char *err, size_t err_size);
/* An array of {"start","end"} of its own; what was read of it is the caller's to free after a failure too. */
int rpc_get_spans(const json_t *o, const char *key, lacuna_span **spans, size_t *n, char *err, size_t err_size);

/* 0, or -1 with a message. */
int rpc_only_known(const json_t *o, const char *const *known, char *err, size_t err_size);
int rpc_get_span(const json_t *o, lacuna_span *s, char *err, size_t err_size);
int rpc_get_text(const json_t *params, lacuna_text *text, char *err, size_t err_size);
int rpc_get_names(const json_t *params, const char **lang, const char **path, char *err, size_t err_size);
/* A candidate for n holes: an array with a string for each, null where it stays open; where there is one hole, the string alone will do. */
int rpc_get_fill(const json_t *v, size_t n, lacuna_text *out, char *err, size_t err_size);

int rpc_is_said(const json_t *o, const char *key); /* there, and not null */

#endif
