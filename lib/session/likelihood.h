/* Texts that are given for holes, and the list that they are scored on: what lacuna_score() and lacuna_rank() have in common. */
#ifndef LAC_SESSION_LIKELIHOOD_H
#define LAC_SESSION_LIKELIHOOD_H

#include "session/session.h"

/* A text for a hole, as tokens. */
typedef struct {
    int32_t *token; /* [n]; NULL: none, the hole stays open */
    size_t *end;    /* [n] bytes of the text, with those taken back before it, up to the end of each */
    size_t n;
} lac_answer;

/* Drop the request in progress, whose memory is used anew; copy the settings, check them and fill in the defaults.  CANCELLED, and
 * what lac_session_options fails with; ARG, LIMIT. */
int lac_likelihood_begin(lacuna_session *s, lacuna_score_options *o, const lacuna_score_options *given, lacuna_error *err);

/* What the canvas of these holes is to be, all but its slots.  ARG. */
int lac_likelihood_want(const lacuna_session *s, lac_canvas_want *want, const char *text, size_t len, const lacuna_span *span, size_t n,
                        const lacuna_score_options *o, lacuna_error *err);

/* The tokens of a text, in the session's arena.  LIMIT for one that cannot fit, with err->where = where; NOMEM. */
int lac_likelihood_encode(lacuna_session *s, lac_answer *a, lacuna_text text, size_t where, lacuna_error *err);

/* The tokens of answer[h], which are those of text, made anew with the bytes that the canvas took back before hole h.  LIMIT where they,
 * and an eom that is not -1, are then more than its slots; as lac_likelihood_encode. */
int lac_likelihood_heal(lacuna_session *s, lac_answer *answer, const lac_canvas *c, size_t h, int32_t eom, lacuna_text text, size_t where,
                        lacuna_error *err);

/* Entries of answer[c->n_holes] in text order, each behind its last token closed by eom unless that is -1.  Returns how many; token and
 * pos may be NULL. */
size_t lac_likelihood_entries(const lac_answer *answer, const lac_canvas *c, int32_t eom, int32_t *token, int32_t *pos);

/* A list of these entries, with room for so many more.  As lac_session_take and lac_net_forward. */
int lac_likelihood_load(lacuna_session *s, const int32_t *token, const int32_t *pos, size_t n, size_t more, lac_kv **kv, lacuna_error *err);

#endif
