#include "canvas/window.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

/* A passage that is cut is tokenised in pieces from place to place.  A cut at a line start changes no token where no token
 * reaches over a line feed (text/tok.c). */

#define NEAR ((size_t)16)  /* bytes that are near at least */

/* Hops within which a place looks for a line start. */
#define REACH ((size_t)8)

/* The place of the multiple `at` of the hop, at most len; len where the line that it is in has no end yet. */
static size_t place(const char *text, size_t len, size_t at, size_t hop)
{
    if (!at || at >= len) return at ? len : 0;
    const size_t left = len - at;
    const char *line = memchr(text + at - 1, '\n', left < REACH * hop ? left : REACH * hop);
    if (line) return (size_t)(line - text) + 1;
    if (left < REACH * hop) return len;
    while (!lac_utf8_boundary(text, len, at)) at--;
    return at;
}

size_t lac_window_near(const lac_passage *p, const lac_tok *tok, const int32_t *id, size_t n)
{
    size_t near = p->len, k = p->len / NEAR + 1, found = 0;
    while (near && near + NEAR > p->len) near = place(p->text, p->len, --k * NEAR, NEAR);
    for (size_t at = p->len; found < n && at > near; found++) at -= lac_tok_bytes(tok, id[n - found - 1]).len;
    return found;
}

int lac_window_all(lac_passage *p, const lac_tok *tok, size_t most, lac_arena *arena, lacuna_error *err)
{
    const size_t cap = p->len < most ? p->len : most; /* a token has at least one byte */
    if (!(p->id = lac_arena_array(arena, cap, sizeof *p->id))) return lac_nomem(err, "canvas");
    int64_t n = lac_tok_encode(tok, p->text, p->len, p->id, NULL, cap, err);
    if (n < 0) return (int)n;
    p->n = (size_t)n;
    p->whole = p->n <= most;
    return 0;
}

int lac_window_after(lac_passage *p, const lac_tok *tok, size_t most, size_t hop, lac_arena *arena, lacuna_error *err)
{
    if (!(p->id = lac_arena_array(arena, most, sizeof *p->id))) return lac_nomem(err, "canvas");
    p->n = 0;
    for (size_t at = 0, next = hop; at < p->len && p->n < most; next += hop) {
        const size_t to = place(p->text, p->len, next, hop);
        int64_t n = lac_tok_encode(tok, p->text + at, to - at, p->id + p->n, NULL, most - p->n, err);
        if (n < 0) return (int)n;
        p->whole = to == p->len && (size_t)n <= most - p->n;
        p->n = (size_t)n < most - p->n ? p->n + (size_t)n : most;
        at = to;
    }
    p->whole |= !p->len;
    return 0;
}

/* Tokens that are left free for what becomes near, out of `most`. */
static size_t spare_for(size_t near, size_t most)
{
    return near < LAC_WINDOW_NEAR && LAC_WINDOW_NEAR < most / 6 ? LAC_WINDOW_NEAR - near : 0;
}

/* Tokens of the last pieces that are at most `most` in all, at the end of id[most]; *from: where they begin.  The last piece
 * is cut where not even it fits. */
static int64_t last_pieces(const lac_passage *p, const lac_tok *tok, size_t hop, size_t most, int32_t *id, int32_t *piece, size_t *from,
                           lacuna_error *err)
{
    size_t total = 0, spare = 0, k = p->len / hop + 1;
    *from = p->len;
    while (*from) {
        k--;
        const size_t at = place(p->text, p->len, k * hop, hop);
        if (at == *from) continue;
        int64_t n = lac_tok_encode(tok, p->text + at, *from - at, piece, NULL, (REACH + 2) * hop, err);
        if (n < 0) return n;
        if (!total) spare = spare_for(lac_window_near(p, tok, piece, (size_t)n), most);
        if ((size_t)n + spare > most - total) {
            if (!total && hop == LAC_WINDOW_HOP) {
                total = (size_t)n < most ? (size_t)n : most;
                memcpy(id + most - total, piece + (size_t)n - total, total * sizeof *id);
            }
            break;
        }
        total += (size_t)n;
        memcpy(id + most - total, piece, (size_t)n * sizeof *id);
        *from = at;
    }
    return (int64_t)total;
}

int lac_window_before(lac_passage *p, const lac_tok *tok, size_t most, size_t hop, lac_arena *arena, lacuna_error *err)
{
    size_t from;
    int32_t *id = lac_arena_array(arena, most, sizeof *id), *piece = lac_arena_array(arena, (REACH + 2) * hop, sizeof *piece);
    if (!id || !piece) return lac_nomem(err, "canvas");
    for (;; hop /= 2) { /* text of many tokens hops in smaller steps: at least half of what has room is kept */
        int64_t n = last_pieces(p, tok, hop, most, id, piece, &from, err);
        if (n < 0) return (int)n;
        p->n = (size_t)n;
        if (!from || p->n >= most / 2 || hop == LAC_WINDOW_HOP) break;
    }
    p->whole = !from;
    p->id = id + most - p->n;
    return 0;
}

/* How many of the last n tokens are left where whole hops are taken from their front until they are at most `most`. */
static size_t drop_hops(const lac_passage *p, const lac_tok *tok, size_t most, size_t hop)
{
    size_t n = p->n, at = p->len - lac_window_bytes(p, tok), k = at / hop;
    const int32_t *id = p->id;
    while (n > most) {
        const size_t next = place(p->text, p->len, ++k * hop, hop);
        for (; n && at < next; id++, n--) at += lac_tok_bytes(tok, *id).len;
    }
    return n;
}

void lac_window_crop_before(lac_passage *p, const lac_tok *tok, size_t most, size_t hop)
{
    const size_t spare = spare_for(lac_window_near(p, tok, p->id, p->n), most);
    if (p->n + spare <= most) return;
    size_t n = drop_hops(p, tok, most - spare, hop);
    for (; n < most / 2 && hop > LAC_WINDOW_HOP; n = drop_hops(p, tok, most - spare, hop)) hop /= 2;
    if (n < most / 2) n = most; /* no place in what has room */
    p->id += p->n - n;
    p->n = n;
    p->whole = false;
}

void lac_window_crop_after(lac_passage *p, const lac_tok *tok, size_t least, size_t most)
{
    if (p->n <= most) return;
    p->whole = false;
    for (p->n = most; p->n > least; p->n--) {
        const lacuna_text t = lac_tok_bytes(tok, p->id[p->n - 1]);
        if (t.len && t.bytes[t.len - 1] == '\n') return;
    }
    p->n = most;
}

size_t lac_window_bytes(const lac_passage *p, const lac_tok *tok)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) n += lac_tok_bytes(tok, p->id[i]).len;
    return n;
}
