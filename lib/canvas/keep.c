#include "canvas/keep.h"

#include <string.h>

#include "base/err.h"

/* Items that do not fit before the choice ends: a long list costs no more than what is taken, and a little. */
#define MISSES ((size_t)16)

/* An item of more bytes than this for each token that is left is too long, unread: source text has 3 to 4 a token. */
#define BYTES ((size_t)8)

/* The part of an item that is outside the window; empty where it is no span of the text, or all inside. */
static lacuna_span clip(lacuna_span item, lacuna_span outside)
{
    if (item.start < outside.start) item.start = outside.start;
    if (item.end > outside.end) item.end = outside.end;
    if (item.start > item.end) item.end = item.start;
    return item;
}

/* Where among the items taken a span belongs; false: it overlaps one. */
static bool find_place(const lac_keep *k, lacuna_span span, size_t *at)
{
    size_t i = 0;
    while (i < k->n_items && k->item[i].part.span.end <= span.start) i++;
    *at = i;
    return i == k->n_items || k->item[i].part.span.start >= span.end;
}

static void put(lac_keep *k, size_t at, lac_kept item)
{
    memmove(k->item + at + 1, k->item + at, (k->n_items - at) * sizeof *k->item);
    k->item[at] = item;
    k->n_items++;
    k->tokens += item.n;
    k->bytes += item.part.span.end - item.part.span.start;
}

int lac_keep_choose(lac_keep *k, const lac_tok *tok, const char *text, lacuna_span outside, const lacuna_context_part *list, size_t n,
                    size_t most, lac_arena *arena, lacuna_error *err)
{
    *k = (lac_keep){0};
    if (!n || !most || outside.start >= outside.end) return 0;
    k->item = lac_arena_array(arena, n < most ? n : most, sizeof *k->item); /* an item has at least one token */
    int32_t *id = lac_arena_array(arena, most, sizeof *id);
    if (!k->item || !id) return lac_nomem(err, "canvas");
    for (size_t i = 0, at, misses = 0; i < n && k->tokens < most && misses < MISSES; i++) {
        const lacuna_span span = clip(list[i].span, outside);
        const size_t len = span.end - span.start, left = most - k->tokens;
        if (!len || !find_place(k, span, &at)) continue;
        int64_t m = len > left * BYTES ? INT64_MAX : lac_tok_encode(tok, text + span.start, len, id + k->tokens, NULL, left, err);
        if (m < 0) return (int)m;
        if ((uint64_t)m > left) misses++;
        else put(k, at, (lac_kept){{span, list[i].why}, id + k->tokens, (size_t)m});
    }
    return 0;
}
