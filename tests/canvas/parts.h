/* What every canvas of a text has to be, whatever is kept of the text: checked plainly, from the drawing in canvas.h. */
#ifndef TEST_CANVAS_PARTS_H
#define TEST_CANVAS_PARTS_H

#include "common/unit.h"

#include "canvas/canvas.h"

enum { PLACES = 4096 };

/* The parts are in order, apart from one another and from the holes, and with the holes and what is left out they are the text.  Their
 * bytes are those of the fixed entries by position. */
static inline void parts_match(const lac_tok *tok, const lac_canvas *c, const lac_canvas_want *w)
{
    int32_t entry[PLACES];
    size_t end = 0, bytes = 0, h = 0, part = 0, at = c->n_parts ? c->part[0].span.start : 0;
    assert_true(w->limit <= PLACES);
    for (size_t i = 0; i < c->n_parts; i++) {
        const lacuna_span s = c->part[i].span;
        assert_true(s.start >= end && s.start < s.end && s.end <= w->len);
        while (h < w->n_holes && w->span[h].end <= s.start) h++;
        assert_true(h == w->n_holes || s.end <= w->span[h].start);
        end = s.end;
        bytes += s.end - s.start;
    }
    for (size_t i = 0; i < w->n_holes; i++) bytes += w->span[i].end - w->span[i].start + c->heal[i].rest.len;
    assert_int_equal(c->dropped + bytes, w->len);
    for (size_t i = 0; i < w->limit; i++) entry[i] = -1;
    for (size_t i = 0; i < c->n_context; i++) entry[c->pos[i]] = c->token[i];
    for (size_t i = w->tag >= 0; i < w->limit; i++) {
        const lacuna_text t = lac_tok_bytes(tok, entry[i]);
        for (size_t k = 0; k < t.len; k++, at++) {
            if (at == c->part[part].span.end) at = c->part[++part].span.start;
            assert_true(part < c->n_parts && w->text[at] == t.bytes[k]);
        }
    }
    assert_true(part + 1 >= c->n_parts && (!c->n_parts || at == end));
}

/* Positions are distinct and below the limit; entries enter from behind the first hole on, then the tag, then the rest. */
static inline void enters_in_order(const lac_canvas *c, const lac_canvas_want *w)
{
    bool taken[PLACES] = {false};
    size_t i = 0;
    const int32_t first = c->slot_pos[0], last = c->slot_pos[c->hole[0].n - 1];
    assert_true(w->limit <= PLACES);
    for (size_t k = 0; k < c->n_context + c->n_slots; k++) {
        const int32_t pos = k < c->n_context ? c->pos[k] : c->slot_pos[k - c->n_context];
        assert_true(pos >= 0 && (size_t)pos < w->limit && !taken[pos]);
        taken[pos] = true;
    }
    for (; i < c->n_context && c->pos[i] > last; i++) assert_true(!i || c->pos[i] > c->pos[i - 1]);
    if (w->tag >= 0) {
        assert_true(i < c->n_context && c->token[i] == w->tag);
        assert_int_equal(c->pos[i++], 0);
    }
    for (size_t k = i; k < c->n_context; k++) assert_true(c->pos[k] < first && (k == i || c->pos[k] > c->pos[k - 1]));
}

#endif
