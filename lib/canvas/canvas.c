#include "canvas/canvas.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "canvas/keep.h"
#include "canvas/window.h"

int lac_canvas_check(const char *text, size_t len, const lacuna_span *span, size_t n, lacuna_error *err)
{
    size_t end = 0;
    if (!n) return lac_err(err, LACUNA_E_ARG, 0, "no hole to fill");
    for (size_t i = 0; i < n; i++) {
        if (span[i].start > span[i].end)
            return lac_err(err, LACUNA_E_ARG, span[i].start, "hole %zu ends at byte %zu, before its start at %zu", i, span[i].end, span[i].start);
        if (span[i].end > len)
            return lac_err(err, LACUNA_E_ARG, span[i].end, "hole %zu ends at byte %zu, the text has %zu", i, span[i].end, len);
        if (i && span[i].start < end)
            return lac_err(err, LACUNA_E_ARG, span[i].start, "hole %zu starts at byte %zu, inside or before hole %zu, which ends at %zu", i,
                           span[i].start, i - 1, end);
        size_t at[2] = {span[i].start, span[i].end};
        for (int k = 0; k < 2; k++)
            if (!lac_utf8_boundary(text, len, at[k]))
                return lac_err(err, LACUNA_E_ARG, at[k], "hole %zu: byte %zu is inside a UTF-8 sequence", i, at[k]);
        end = span[i].end;
    }
    return 0;
}

/* A text on its way: passages 0 to n_holes, between them the holes. */
typedef struct {
    const lac_canvas_want *w;
    lac_passage *p;
    lac_keep kept[2]; /* of the text before what is near, and behind it */
    size_t from;     /* byte at which the prefix that is read begins */
    size_t room;     /* positions that prefix and suffix share: all but the tag's, the slots' and the middles' */
    size_t between;  /* positions of the slots behind the first hole and of the middles */
    size_t far;      /* tokens of the prefix before the gap */
    size_t near;     /* position of the token behind it */
    size_t after;    /* position of what follows the first hole; 0: not chosen yet */
} draft;

static lac_passage *suffix(const draft *d) { return &d->p[d->w->n_holes]; }

/* ---- what is read ---- */

/* The passages, not yet tokenised, and the sum of all slots. */
static int cut(draft *d, lac_canvas *c, lac_arena *arena, lacuna_error *err)
{
    const lac_canvas_want *w = d->w;
    d->p = lac_arena_array(arena, w->n_holes + 1, sizeof *d->p);
    c->heal = lac_arena_array(arena, w->n_holes, sizeof *c->heal);
    if (!d->p || !c->heal) return lac_nomem(err, "canvas");
    const size_t longest = lac_tok_longest(w->tok);
    for (size_t i = 0; i <= w->n_holes; i++) {
        size_t start = i ? w->span[i - 1].end : 0, end = i < w->n_holes ? w->span[i].start : w->len;
        bool outer = i == 0 || i == w->n_holes;
        d->p[i] = (lac_passage){.text = w->text + start, .len = end - start};
        if (i < w->n_holes && !lac_add(c->n_slots, w->slots[i], &c->n_slots)) c->n_slots = SIZE_MAX / 2;
        if (!(w->drop_far && outer) && d->p[i].len > LAC_CANVAS_COUNTED && d->p[i].len > w->limit * longest)
            return lac_err(err, LACUNA_E_LIMIT, 0, "the text is at least %zu tokens too long: %zu bytes, and there are %zu positions",
                           d->p[i].len / longest - w->limit + 1, d->p[i].len, w->limit);
    }
    return 0;
}

/* What must be there whatever else is: the tag, the slots, and the text between holes. */
static int read_middles(draft *d, const lac_canvas *c, lac_arena *arena, lacuna_error *err)
{
    const lac_canvas_want *w = d->w;
    size_t fixed = w->tag >= 0, middle = 0;
    for (size_t i = 1; i < w->n_holes; i++) {
        int r = lac_window_all(&d->p[i], w->tok, w->limit, arena, err);
        if (r) return r;
        middle += d->p[i].n;
    }
    if (c->n_slots > w->limit || fixed + middle > w->limit - c->n_slots)
        return lac_err(err, LACUNA_E_LIMIT, 0, "%zu slots and %zu tokens of text between the holes are %zu more than the %zu positions there are",
                       c->n_slots, fixed + middle, c->n_slots + fixed + middle - w->limit, w->limit);
    d->room = w->limit - fixed - middle - c->n_slots;
    d->between = middle + c->n_slots - w->slots[0];
    return 0;
}

/* ---- the gap ---- */

/* The gap that goes with so much room: a power of two. */
static size_t gap_of(size_t room)
{
    size_t gap = LAC_CANVAS_GAP;
    while (gap > 1 && gap > room / 6) gap /= 2;
    return gap;
}

/* The hop of the window, in bytes: of about the tokens that a gap holds, so that a hop moves the prefix and not what enters
 * before it. */
static size_t hop_of(size_t gap)
{
    size_t hop = LAC_WINDOW_HOP;
    while (hop < 2 * gap) hop *= 2;
    return hop;
}

/* Positions before what follows the first hole: tag, prefix and slots, rounded up. */
static size_t head(const draft *d, size_t prefix, size_t gap)
{
    const size_t n = (d->w->tag >= 0) + prefix + d->w->slots[0];
    return (n + gap - 1) / gap * gap;
}

/* Tokens at the end of the prefix that slide: their number changes at every key. */
static size_t near_tokens(const draft *d)
{
    return lac_window_near(&d->p[0], d->w->tok, d->p[0].id, d->p[0].n);
}

/* The same for the prefix that there is, and at most `last`: with room for what may become near, or with a smaller gap where all
 * of the text fits only so. */
static size_t head_with(const draft *d, size_t gap, size_t last)
{
    const size_t n = d->p[0].n, near = near_tokens(d), roomy = near < LAC_WINDOW_NEAR ? n - near + LAC_WINDOW_NEAR : n;
    if (gap == LAC_CANVAS_GAP && head(d, roomy, gap) <= last) return head(d, roomy, gap);
    while (head(d, n, gap) > last) gap /= 2;
    return head(d, n, gap);
}

/* Prefix and suffix whole: both, or LIMIT. */
static int read_all(draft *d, const lac_canvas *c, lac_arena *arena, lacuna_error *err)
{
    const lac_canvas_want *w = d->w;
    int r = lac_window_all(&d->p[0], w->tok, w->limit, arena, err);
    if (!r) r = lac_window_all(suffix(d), w->tok, w->limit, arena, err);
    const size_t outer = d->p[0].n + suffix(d)->n;
    if (r || outer <= d->room) return r;
    return lac_err(err, LACUNA_E_LIMIT, 0, "the context is %zu tokens too long: %zu tokens and %zu slots, and there are %zu positions", outer - d->room,
                   outer + w->limit - d->room - c->n_slots, c->n_slots, w->limit);
}

/* Of a prefix that is too long, what has room for `most` tokens: first what would be kept if as little as possible were near, then as
 * much near as that leaves, then what is to be kept besides.  The window is tokenised once, and cut. */
static int keep_before(draft *d, size_t most, size_t hop, lac_arena *arena, lacuna_error *err)
{
    const lac_canvas_want *w = d->w;
    lac_passage *p = &d->p[0], all = *p;
    size_t share = lac_keep_share(most);
    if (!w->n_keep) return 0;
    lac_window_crop_before(p, w->tok, most - share, hop);
    lacuna_span outside = {0, p->len - lac_window_bytes(p, w->tok)};
    int r = lac_keep_choose(&d->kept[0], w->tok, w->text, outside, w->keep, w->n_keep, share, arena, err);
    if (r) return r;
    *p = all;
    lac_window_crop_before(p, w->tok, most - d->kept[0].tokens, hop);
    outside.end = p->len - lac_window_bytes(p, w->tok);
    if (share > most - p->n) share = most - p->n;
    return lac_keep_choose(&d->kept[0], w->tok, w->text, outside, w->keep, w->n_keep, share, arena, err);
}

/* The same for the suffix.  Where lines are kept behind it, it ends with a line if it can. */
static int keep_behind(draft *d, size_t most, lac_arena *arena, lacuna_error *err)
{
    const lac_canvas_want *w = d->w;
    lac_passage *p = suffix(d), all = *p;
    size_t share = lac_keep_share(most);
    const size_t begin = w->len - p->len, least = most - share;
    if (p->n <= most && p->whole) return 0;
    lac_window_crop_after(p, w->tok, least, least);
    lacuna_span outside = {begin + lac_window_bytes(p, w->tok), w->len};
    int r = lac_keep_choose(&d->kept[1], w->tok, w->text, outside, w->keep, w->n_keep, share, arena, err);
    if (r) return r;
    *p = all;
    lac_window_crop_after(p, w->tok, d->kept[1].tokens ? least : most, most - d->kept[1].tokens);
    outside.start = begin + lac_window_bytes(p, w->tok);
    if (share > most - p->n) share = most - p->n;
    return lac_keep_choose(&d->kept[1], w->tok, w->text, outside, w->keep, w->n_keep, share, arena, err);
}

/* As much of prefix and suffix as there is room for: where both are too long the suffix has a third.  How much of the prefix
 * does not depend on what is typed at its end but in hops, and of the suffix in gaps. */
static int read_near(draft *d, lac_arena *arena, lacuna_error *err)
{
    const lac_canvas_want *w = d->w;
    lac_passage *before = &d->p[0], *after = suffix(d);
    const size_t gap = gap_of(d->room), hop = hop_of(gap);
    int r = lac_window_after(after, w->tok, d->room, hop, arena, err);
    if (r) return r;
    const size_t share = after->n < d->room / 3 ? after->n : d->room / 3;
    const size_t most = (w->limit - d->between - share) / gap * gap - head(d, 0, 1);
    lac_passage window = *before;
    if ((r = lac_window_before(&window, w->tok, most, hop, arena, err))) return r;
    const size_t left = before->len - lac_window_bytes(&window, w->tok);
    const size_t least = window.n + left / lac_tok_longest(w->tok);
    if (!window.whole && after->whole && least <= d->room - after->n + hop) { /* without a gap, and uncut, it might fit */
        lac_passage all = *before;
        if ((r = lac_window_all(&all, w->tok, d->room - after->n, arena, err))) return r;
        if (all.whole) window = all;
    }
    *before = window;
    if (before->whole && after->whole && before->n + after->n <= d->room) return 0;
    const size_t most_after = w->limit - d->between - share;
    d->after = before->whole ? head_with(d, gap, most_after) : most_after / gap * gap; /* hops leave it where it is */
    if (!before->whole && (r = keep_before(d, most, hop, arena, err))) return r;
    return keep_behind(d, w->limit - d->between - d->after, arena, err);
}

/* What is near before the hole stands close to it, so the free positions lie behind what is far, and are filled as the near slides
 * to the left. */
static void place_gap(draft *d)
{
    const lac_passage *p = &d->p[0];
    const size_t near = near_tokens(d), tight = near + d->w->slots[0];
    if (!d->after) d->after = head_with(d, gap_of(d->room), d->w->limit - d->between - suffix(d)->n);
    d->far = p->n - near;
    const size_t least = (d->w->tag >= 0) + d->kept[0].tokens + d->far, slide = (tight + LAC_CANVAS_SLIDE - 1) / LAC_CANVAS_SLIDE * LAC_CANVAS_SLIDE;
    d->near = least + slide > d->after ? least : d->after - slide;
}

/* ---- entries ---- */

/* Take the tokens back that could run over the end of a passage. */
static int take_back(lac_passage *p, lac_heal *heal, const lac_tok *tok, lac_arena *arena, lacuna_error *err)
{
    char *rest = lac_arena_alloc(arena, LAC_HEAL_BYTES);
    if (!rest) return lac_nomem(err, "canvas");
    heal->rest.bytes = rest;
    heal->n_tokens = lac_heal_tokens(tok, p->id, p->n, rest, &heal->rest.len);
    p->n -= heal->n_tokens;
    heal->id = p->id + p->n;
    return 0;
}

/* n tokens, from position pos on. */
static void enter(lac_canvas *c, const int32_t *id, size_t n, size_t pos)
{
    for (size_t i = 0; i < n; i++, c->n_context++) {
        c->token[c->n_context] = id[i];
        c->pos[c->n_context] = (int32_t)pos++;
    }
}

static void enter_kept(lac_canvas *c, const lac_keep *k, size_t pos)
{
    for (size_t i = 0; i < k->n_items; pos += k->item[i++].n) enter(c, k->item[i].id, k->item[i].n, pos);
}

/* Positions of all slots, and the fixed entries in entering order. */
static int lay_out(lac_canvas *c, const draft *d, lac_arena *arena, lacuna_error *err)
{
    const lac_canvas_want *w = d->w;
    size_t fixed = (w->tag >= 0) + d->kept[0].tokens + d->kept[1].tokens;
    for (size_t i = 0; i <= w->n_holes; i++) fixed += d->p[i].n;
    c->token = lac_arena_array(arena, fixed, sizeof *c->token);
    c->pos = lac_arena_array(arena, fixed, sizeof *c->pos);
    c->hole = lac_arena_array(arena, w->n_holes, sizeof *c->hole);
    c->hole_of = lac_arena_array(arena, c->n_slots, sizeof *c->hole_of);
    c->slot_pos = lac_arena_array(arena, c->n_slots, sizeof *c->slot_pos);
    if (!c->token || !c->pos || !c->hole || !c->hole_of || !c->slot_pos) return lac_nomem(err, "canvas");
    size_t pos = d->near + d->p[0].n - d->far, slot = 0;
    for (size_t h = 0; h < w->n_holes; h++) {
        c->hole[h] = (lac_run){slot, w->slots[h] + c->heal[h].n_tokens};
        for (size_t k = 0; k < c->hole[h].n; k++, slot++) {
            c->hole_of[slot] = h;
            c->slot_pos[slot] = (int32_t)pos++;
        }
        if (!h) pos = d->after;
        enter(c, d->p[h + 1].id, d->p[h + 1].n, pos);
        pos += d->p[h + 1].n;
    }
    enter_kept(c, &d->kept[1], pos);
    if (w->tag >= 0) enter(c, &w->tag, 1, 0);
    enter_kept(c, &d->kept[0], w->tag >= 0);
    enter(c, d->p[0].id, d->far, (w->tag >= 0) + d->kept[0].tokens);
    enter(c, d->p[0].id + d->far, d->p[0].n - d->far, d->near);
    return 0;
}

static void add_part(lac_canvas *c, size_t start, size_t len, lacuna_context_why why)
{
    if (len) c->part[c->n_parts++] = (lacuna_context_part){{start, start + len}, why};
}

/* The bytes of all fixed entries, in text order. */
static int list_parts(lac_canvas *c, const draft *d, lac_arena *arena, lacuna_error *err)
{
    const lac_canvas_want *w = d->w;
    const size_t near = w->n_holes + 1;
    if (!(c->part = lac_arena_array(arena, d->kept[0].n_items + near + d->kept[1].n_items, sizeof *c->part))) return lac_nomem(err, "canvas");
    for (size_t i = 0; i < d->kept[0].n_items; i++) c->part[c->n_parts++] = d->kept[0].item[i].part;
    for (size_t i = 0; i < near; i++)
        add_part(c, i ? w->span[i - 1].end : d->from, lac_window_bytes(&d->p[i], w->tok), LACUNA_CONTEXT_NEAR);
    for (size_t i = 0; i < d->kept[1].n_items; i++) c->part[c->n_parts++] = d->kept[1].item[i].part;
    return 0;
}

int lac_canvas_text(lac_canvas *c, const lac_canvas_want *w, lac_arena *arena, lacuna_error *err)
{
    *c = (lac_canvas){.n_holes = w->n_holes};
    draft d = {.w = w};
    int r = cut(&d, c, arena, err);
    if (!r) r = read_middles(&d, c, arena, err);
    if (!r) r = w->drop_far ? read_near(&d, arena, err) : read_all(&d, c, arena, err);
    if (r) return r;
    d.from = d.p[0].len - lac_window_bytes(&d.p[0], w->tok);
    c->dropped = d.from + suffix(&d)->len - lac_window_bytes(suffix(&d), w->tok) - d.kept[0].bytes - d.kept[1].bytes;
    place_gap(&d);
    for (size_t h = 0; w->heal && h < w->n_holes; h++) { /* tokens become slots: nothing else moves */
        if ((r = take_back(&d.p[h], &c->heal[h], w->tok, arena, err))) return r;
        c->n_slots += c->heal[h].n_tokens;
    }
    r = lay_out(c, &d, arena, err);
    return r ? r : list_parts(c, &d, arena, err);
}

int lac_canvas_ids(lac_canvas *c, const int32_t *ids, size_t n, size_t limit, lac_arena *arena, lacuna_error *err)
{
    *c = (lac_canvas){.n_holes = 1};
    if (n > limit) return lac_err(err, LACUNA_E_LIMIT, 0, "%zu ids are %zu more than the %zu positions there are", n, n - limit, limit);
    for (size_t i = 0; i < n; i++) c->n_slots += ids[i] < 0;
    if (!c->n_slots) return lac_err(err, LACUNA_E_ARG, 0, "no slot to fill among %zu ids", n);
    c->token = lac_arena_array(arena, n, sizeof *c->token);
    c->pos = lac_arena_array(arena, n, sizeof *c->pos);
    c->hole = lac_arena_array(arena, 1, sizeof *c->hole);
    c->heal = lac_arena_array(arena, 1, sizeof *c->heal);
    c->hole_of = lac_arena_array(arena, c->n_slots, sizeof *c->hole_of);
    c->slot_pos = lac_arena_array(arena, c->n_slots, sizeof *c->slot_pos);
    if (!c->token || !c->pos || !c->hole || !c->heal || !c->hole_of || !c->slot_pos) return lac_nomem(err, "canvas");
    c->hole[0].n = c->n_slots;
    for (size_t i = 0, slot = 0; i < n; i++) {
        if (ids[i] < 0) c->slot_pos[slot++] = (int32_t)i;
        else {
            c->token[c->n_context] = ids[i];
            c->pos[c->n_context++] = (int32_t)i;
        }
    }
    return 0;
}
