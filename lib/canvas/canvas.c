#include "canvas/canvas.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

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

typedef struct {
    const char *text;
    size_t len;
    int32_t *id;      /* tokens kept: id[from, from + n) */
    size_t *end;      /* byte offset behind each token */
    size_t from, n;
} stretch;

/* Limit a stretch to the bytes that could fit, at a line start where one is near. */
static void crop_far(stretch *s, size_t bytes, bool keep_end)
{
    if (s->len <= bytes) return;
    if (!keep_end) {
        s->len = bytes;
        return;
    }
    const char *from = s->text + s->len - bytes, *line = memchr(from, '\n', bytes / 4);
    if (line) from = line + 1;
    s->len -= (size_t)(from - s->text);
    s->text = from;
}

static int tokenise(stretch *s, const lac_tok *tok, lac_arena *arena, lacuna_error *err)
{
    s->id = lac_arena_array(arena, s->len, sizeof *s->id); /* a token has at least one byte */
    s->end = lac_arena_array(arena, s->len, sizeof *s->end);
    if (!s->id || !s->end) return lac_nomem(err, "canvas");
    int64_t n = lac_tok_encode(tok, s->text, s->len, s->id, s->end, s->len, err);
    if (n < 0) return (int)n;
    s->n = (size_t)n;
    return 0;
}

/* Take the tokens back that could run over the end of a stretch.  Their bytes are copied. */
static int take_back(stretch *s, lac_heal *heal, const lac_tok *tok, lac_arena *arena, lacuna_error *err)
{
    const size_t n = lac_heal_tokens(tok, s->text, s->end, s->n), from = n < s->n ? s->end[s->n - n - 1] : 0;
    if (!n) return 0;
    const size_t len = s->end[s->n - 1] - from;
    char *rest = lac_arena_alloc(arena, len);
    if (!rest) return lac_nomem(err, "canvas");
    memcpy(rest, s->text + from, len);
    *heal = (lac_heal){{rest, len}, n};
    s->n -= n;
    return 0;
}

/* Bytes of the tokens kept. */
static size_t kept(const stretch *s)
{
    return s->n ? s->end[s->from + s->n - 1] - (s->from ? s->end[s->from - 1] : 0) : 0;
}

/* Let prefix and suffix share `room`: the prefix gets two thirds where both are too long. */
static void share(stretch *prefix, stretch *suffix, size_t room)
{
    size_t p = prefix->n, q = suffix->n;
    if (p + q <= room) return;
    size_t keep = q < room / 3 ? q : room / 3;
    if (p < room - keep) keep = room - p;
    suffix->n = keep;
    prefix->from = p - (room - keep);
    prefix->n = room - keep;
}

static void enter(lac_canvas *c, const stretch *s, int32_t pos)
{
    for (size_t i = 0; i < s->n; i++, c->n_context++) {
        c->token[c->n_context] = s->id[s->from + i];
        c->pos[c->n_context] = pos + (int32_t)i;
    }
}

/* Positions of all slots, and the fixed entries in entering order. */
static int lay_out(lac_canvas *c, const lac_canvas_want *w, const stretch *s, lac_arena *arena, lacuna_error *err)
{
    size_t fixed = w->tag >= 0;
    for (size_t i = 0; i <= w->n_holes; i++) fixed += s[i].n;
    c->token = lac_arena_array(arena, fixed, sizeof *c->token);
    c->pos = lac_arena_array(arena, fixed, sizeof *c->pos);
    c->hole = lac_arena_array(arena, w->n_holes, sizeof *c->hole);
    c->hole_of = lac_arena_array(arena, c->n_slots, sizeof *c->hole_of);
    c->slot_pos = lac_arena_array(arena, c->n_slots, sizeof *c->slot_pos);
    if (!c->token || !c->pos || !c->hole || !c->hole_of || !c->slot_pos) return lac_nomem(err, "canvas");
    int32_t pos = (int32_t)((w->tag >= 0) + s[0].n);
    size_t slot = 0;
    for (size_t h = 0; h < w->n_holes; h++) {
        c->hole[h] = (lac_run){slot, w->slots[h] + c->heal[h].n_tokens};
        for (size_t k = 0; k < c->hole[h].n; k++, slot++) {
            c->hole_of[slot] = h;
            c->slot_pos[slot] = pos++;
        }
        enter(c, &s[h + 1], pos);
        pos += (int32_t)s[h + 1].n;
    }
    if (w->tag >= 0) {
        c->token[c->n_context] = w->tag;
        c->pos[c->n_context++] = 0;
    }
    enter(c, &s[0], w->tag >= 0);
    return 0;
}

int lac_canvas_text(lac_canvas *c, const lac_canvas_want *w, lac_arena *arena, lacuna_error *err)
{
    *c = (lac_canvas){.n_holes = w->n_holes};
    stretch *s = lac_arena_array(arena, w->n_holes + 1, sizeof *s);
    c->heal = lac_arena_array(arena, w->n_holes, sizeof *c->heal);
    if (!s || !c->heal) return lac_nomem(err, "canvas");
    size_t middle = 0, last = w->n_holes, bytes = 0, fixed = w->tag >= 0, longest = lac_tok_longest(w->tok);
    for (size_t i = 0; i <= last; i++) {
        size_t start = i ? w->span[i - 1].end : 0, end = i < last ? w->span[i].start : w->len;
        s[i] = (stretch){.text = w->text + start, .len = end - start};
        bytes += end - start;
        if (w->drop_far && (i == 0 || i == last)) crop_far(&s[i], w->limit * longest, i == 0);
        if (s[i].len > LAC_CANVAS_COUNTED && s[i].len > w->limit * longest)
            return lac_err(err, LACUNA_E_LIMIT, 0, "the text is at least %zu tokens too long: %zu bytes, and there are %zu positions",
                           s[i].len / longest - w->limit + 1, s[i].len, w->limit);
        int r = tokenise(&s[i], w->tok, arena, err);
        if (!r && w->heal && i < last) r = take_back(&s[i], &c->heal[i], w->tok, arena, err);
        if (r) return r;
        bytes -= i < last ? c->heal[i].rest.len : 0;
        if (i && i < last) middle += s[i].n;
        if (i < last && !(lac_add(c->n_slots, w->slots[i], &c->n_slots) && lac_add(c->n_slots, c->heal[i].n_tokens, &c->n_slots)))
            c->n_slots = SIZE_MAX / 2;
    }
    if (c->n_slots > w->limit || fixed + middle > w->limit - c->n_slots)
        return lac_err(err, LACUNA_E_LIMIT, 0, "%zu slots and %zu tokens of text between the holes are %zu more than the %zu positions there are",
                       c->n_slots, fixed + middle, c->n_slots + fixed + middle - w->limit, w->limit);
    size_t room = w->limit - fixed - middle - c->n_slots, outer = s[0].n + s[last].n;
    if (!w->drop_far && outer > room)
        return lac_err(err, LACUNA_E_LIMIT, 0, "the context is %zu tokens too long: %zu tokens and %zu slots, and there are %zu positions",
                       outer - room, outer + middle + fixed, c->n_slots, w->limit);
    share(&s[0], &s[last], room);
    for (size_t i = 0; i <= last; i++) bytes -= kept(&s[i]);
    c->dropped = bytes;
    return lay_out(c, w, s, arena, err);
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
