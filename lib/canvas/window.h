/* Which text around the holes is read, as tokens.
 *
 * What is far from the holes is left out where it does not fit, in large hops, so that typing moves neither end of the
 * window at every key:
 *
 *     text     |--------|--------|--------|-----[hole]----....
 *     hops     0        1        2        3          a passage before a hole begins at one of these places
 *
 * A place is a multiple of the hop in bytes from the beginning of the text, moved to the next line start, or where it is
 * within a very long line.  It depends on the text around it and on nothing else: what was asked before plays no part. */
#ifndef LAC_CANVAS_WINDOW_H
#define LAC_CANVAS_WINDOW_H

#include <stdbool.h>

#include "base/mem.h"
#include "text/tok.h"

/* A stretch of fixed text. */
typedef struct {
    const char *text;
    size_t len;   /* bytes */
    int32_t *id;  /* [n] tokens, in the arena */
    size_t n;
    bool whole;   /* they are those of all its bytes */
} lac_passage;

/* All tokens; where they are more than `most`, p->n tells how many, and there are no ids of those beyond. */
int lac_window_all(lac_passage *p, const lac_tok *tok, size_t most, lac_arena *arena, lacuna_error *err);

#define LAC_WINDOW_HOP ((size_t)16) /* the smallest hop; all are this times a power of two */

/* The first tokens, at most `most`. */
int lac_window_after(lac_passage *p, const lac_tok *tok, size_t most, size_t hop, lac_arena *arena, lacuna_error *err);

/* The tokens from the first place from which they are at most `most`; p->text is the beginning of the text.  Where that leaves
 * out more than half of what there is room for (text of many tokens a byte), the hops are smaller. */
int lac_window_before(lac_passage *p, const lac_tok *tok, size_t most, size_t hop, lac_arena *arena, lacuna_error *err);

/* Of a passage's last tokens those from the first place from which they are at most `most`; at least half of `most`, or all. */
void lac_window_crop_before(lac_passage *p, const lac_tok *tok, size_t most, size_t hop);

/* Of its first tokens at most `most`, and where a line ends behind more than `least` of them, only those up to its end. */
void lac_window_crop_after(lac_passage *p, const lac_tok *tok, size_t least, size_t most);

/* Tokens that what is near is taken for where room is shared out: its own number changes at every key. */
#define LAC_WINDOW_NEAR ((size_t)32)

/* How many of the last of n tokens at the end of a passage are near it: those from the last line start that is a few bytes
 * before the end. */
size_t lac_window_near(const lac_passage *p, const lac_tok *tok, const int32_t *id, size_t n);

/* Bytes of the tokens. */
size_t lac_window_bytes(const lac_passage *p, const lac_tok *tok);

#endif
