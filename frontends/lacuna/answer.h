/* What `lacuna serve` answers to the requests that run the network. */
#ifndef LACUNA_ANSWER_H
#define LACUNA_ANSWER_H

#include "common/buf.h"
#include "common/rpc.h"
#include "lacuna/engine.h"
#include "lacuna/outbox.h"
#include "lacuna/syntax.h"

typedef enum { ANSWER_INFILL, ANSWER_SCORE, ANSWER_RANK } answer_kind;

typedef struct {
    rpc_request rpc;
    answer_kind kind;
    rpc_infill_params infill;   /* that of the kind */
    rpc_score_params score;
    rpc_rank_params rank;
} answer_request;

/* What a worker answers with. */
typedef struct {
    const engine *e;            /* the model */
    outbox *out;                /* where steps go, owned by the request */
    lacuna_session *session;
    syntax syntax;              /* of the last text: an editor sends it again with an edit */
} answer_desk;

/* Read the params of q->rpc by q->kind.  0, or a code of JSON-RPC with a message. */
int answer_read(answer_request *q, char *err, size_t err_size);
/* Work on it and append the result to reply.  0, or a negative code; may then be called again. */
int answer(answer_desk *d, answer_request *q, buf *reply, lacuna_error *err);
void answer_free(answer_request *q);

#endif
