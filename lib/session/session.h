/* What a model and a session are inside, for the files of this folder. */
#ifndef LAC_SESSION_SESSION_H
#define LAC_SESSION_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "canvas/canvas.h"
#include "file/gguf.h"
#include "net/net.h"
#include "session/request.h"
#include "text/tok.h"

struct lacuna_model {
    atomic_size_t refs;        /* the opener's and one a session */
    lacuna_allocator mem;
    lacuna_log log;
    lac_gguf file;
    lac_weights w;             /* packed by the first session */
    pthread_mutex_t packing;
    lac_tok *tok;              /* NULL: ids only */
    const lac_kern *kern;
    uint8_t *flags;            /* [V] LAC_TOKEN_* */
    lacuna_model_info info;
    char *strings;             /* name, license and tag names, NUL-terminated */
    size_t strings_bytes;
    const char **tags;         /* [n_tags], into strings */
    int32_t *tag_token;        /* [n_tags] */
};

/* A text that was worked on, or nothing. */
#define LAC_CACHE_LANES 16
typedef struct {
    lac_kv kv;
    uint64_t used;             /* when it was taken last, in calls of lac_session_take; 0: empty */
} lac_cache_lane;

struct lacuna_session {
    lacuna_model *model;
    uint32_t limit;            /* positions allowed */
    lac_pool *pool;
    lac_net net;
    lac_kv_store store;        /* pages of all lanes and of what the request in progress has beside them */
    lac_cache_lane lane[LAC_CACHE_LANES];
    uint64_t taken;            /* calls of lac_session_take */
    size_t cache_bytes;        /* of pages, kept up to so many */
    atomic_bool cancel;
    lac_arena arena;
    lac_request req;
};

#define LAC_OPTIONS_ERR "%s options of %zu bytes, this library knows %zu: set `size` by the _INIT macro"

/* Copy an options struct into a local of this library's size.  What a newer caller has beyond it must be zero. VERSION. */
int lac_session_options(void *to, size_t known, const void *from, const char *what, lacuna_error *err);

/* session.c: texts that were worked on, as lists of entries */

/* The list that goes on as these n entries begin, cropped to what they have in common (kv->len entries are there already), with
 * room for `entries` in all; and room in the net for passes over it.  Of all lists the one with the longest common
 * beginning, or an empty one where that is short; the least recently used make room: branches of any
 * of them must be gone.  Valid until the next call.  NOMEM. */
int lac_session_take(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n, size_t entries, lac_kv **kv, lacuna_error *err);

/* Take the cancel flag down; CANCELLED if it was up. */
int lac_session_cancelled(lacuna_session *s, lacuna_error *err);

/* Is a control piece, "<...>", a kind of text? */
bool lac_model_is_tag(const char *piece);

/* Pack the weights, once: for every session, before its net. */
int lac_model_pack(lacuna_model *m, lacuna_error *err);

/* Token of a tag name; -1 for NULL.  ARG for a name the model does not have. */
int lac_model_tag(const lacuna_model *m, const char *tag, int32_t *out, lacuna_error *err);

#endif
