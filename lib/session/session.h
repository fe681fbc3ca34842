/* What a model and a session are inside, for the files of this folder. */
#ifndef LAC_SESSION_SESSION_H
#define LAC_SESSION_SESSION_H

#include <stdatomic.h>

#include "canvas/canvas.h"
#include "file/gguf.h"
#include "net/net.h"
#include "sample/plan.h"
#include "text/tok.h"

struct lacuna_model {
    atomic_size_t refs;        /* the opener's and one a session */
    lacuna_allocator mem;
    lacuna_log log;
    lac_gguf file;
    lac_weights w;
    lac_tok *tok;              /* NULL: ids only */
    const lac_kern *kern;
    uint8_t *flags;            /* [V] LAC_TOKEN_* */
    lacuna_model_info info;
    char *strings;             /* name, license and tag names, NUL-terminated */
    size_t strings_bytes;
    const char **tags;         /* [n_tags], into strings */
    int32_t *tag_token;        /* [n_tags] */
};

/* A request: from lacuna_infill to the end of its steps.  All arrays live in the session's arena. */
typedef struct {
    bool active;               /* a step may be called */
    bool loaded;               /* the context is in the cache */
    bool ids;                  /* begun by lacuna_infill_ids */
    bool sized;                /* the caller gave max_tokens */
    lacuna_infill_options opt; /* with defaults filled in */
    lac_cut cut;
    lac_rng noise;
    lac_canvas canvas;
    lac_plan plan;
    size_t group;              /* next group of the diffusion phase */
    size_t rank;               /* next place in plan.order */
    size_t diffused;           /* slots revealed in the diffusion phase */
    int32_t *token;            /* [S] -1: open; behind an <eom>: <eom> */
    uint8_t *deny;             /* [S] LAC_TOKEN_* denied, <eom> aside */
    uint32_t *min;             /* [holes] slots before which <eom> is denied; UINT32_MAX: everywhere */
    size_t *end;               /* [holes] slot of the <eom> that closes it, or the end of its run */
    size_t *pending;           /* [S] slots revealed and not yet in the cache */
    size_t n_pending, n_open;
    size_t *asked;             /* [S] slots this step asks for */
    lac_pick *pick;            /* [S] and what came out */
    lac_racer *racer;          /* [S] */
    size_t *chosen;            /* [S] indices into asked: what this step reveals, in rank order */
    lacuna_reveal *reveal;     /* [S] */
    lacuna_event event;
    int32_t *in_token, *in_pos; /* a pass: [n_context + 2 S] */
    uint32_t *sees;
    lac_cand *cand;            /* [V] */
    char *text;                /* scratch of lacuna_fill */
    int32_t *ids_out;          /* scratch of lacuna_fill_ids: [n_context + S] */
    lacuna_stats stats;
} lac_request;

struct lacuna_session {
    lacuna_model *model;
    uint32_t limit;            /* positions allowed */
    lac_pool *pool;
    lac_net net;
    int32_t *seen_token, *seen_pos; /* the cached entries, by rank: [seen_cap] */
    size_t seen_token_cap, seen_pos_cap;
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
 * beginning, or an empty one where that is short; the least recently used make room.  Valid until the next call.  NOMEM. */
int lac_session_take(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n, size_t entries, lac_kv **kv, lacuna_error *err);
/* Take the cancel flag down; CANCELLED if it was up. */
int lac_session_cancelled(lacuna_session *s, lacuna_error *err);

/* Is a control piece, "<...>", a kind of text? */
bool lac_model_is_tag(const char *piece);

/* Token of a tag name; -1 for NULL.  ARG for a name the model does not have. */
int lac_model_tag(const lacuna_model *m, const char *tag, int32_t *out, lacuna_error *err);

#endif
