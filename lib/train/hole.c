#include "train/hole.h"

#include <string.h>

#include "base/utf8.h"

#define SHORT 8 /* tokens of a short run */
#define LINES 5 /* whole lines of a hole */

lac_hole_kind lac_hole_kind_draw(lac_rng *r, bool nodes)
{
    static const unsigned percent[2][LAC_HOLE_KINDS] = {{40, 35, 15, 10, 0}, {30, 25, 15, 10, 20}};
    unsigned u = (unsigned)lac_rng_below(r, 100);
    lac_hole_kind k = LAC_HOLE_RUN;
    while (u >= percent[nodes][k]) u -= percent[nodes][k++];
    return k;
}

static size_t forward(const lac_hole_text *t, size_t at)
{
    while (at < t->len && !lac_utf8_boundary(t->text, t->len, at)) at++;
    return at;
}

/* Where a hole begins whose first token is s: there, or at a character in it. */
static size_t begin(const lac_hole_text *t, size_t s, bool cut, lac_rng *r)
{
    size_t width = t->at[s + 1] - t->at[s];
    if (!cut || !width) return forward(t, t->at[s]);
    size_t at = t->at[s] + (size_t)lac_rng_below(r, width);
    while (at && !lac_utf8_boundary(t->text, t->len, at)) at--;
    return at;
}

/* Where a hole ends whose last token is s: behind it, or behind a character in it. */
static size_t end(const lac_hole_text *t, size_t s, bool cut, lac_rng *r)
{
    size_t width = t->at[s + 1] - t->at[s];
    if (!cut || !width) return forward(t, t->at[s + 1]);
    return forward(t, t->at[s] + 1 + (size_t)lac_rng_below(r, width));
}

/* First token that ends behind byte `at`. */
static size_t token_of(const lac_hole_text *t, size_t at)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->at[mid + 1] > at) hi = mid;
        else lo = mid + 1;
    }
    return lo;
}

size_t lac_hole_tokens(const lac_hole_text *t, lacuna_span span)
{
    return span.start < span.end ? token_of(t, span.end - 1) - token_of(t, span.start) + 1 : 0;
}

static bool draw_run(const lac_hole_text *t, size_t lo, size_t hi, size_t most, bool cut, lac_rng *r, lacuna_span *out)
{
    size_t s = lo + (size_t)lac_rng_below(r, hi - lo), e = s + 1 + (size_t)lac_rng_below(r, most);
    if (e > hi) return false;
    out->start = begin(t, s, cut, r);
    out->end = end(t, e - 1, cut, r);
    return true;
}

/* The next line feed in text[at, stop), or stop. */
static size_t line_feed(const lac_hole_text *t, size_t at, size_t stop)
{
    const char *p = at < stop ? memchr(t->text + at, '\n', stop - at) : NULL;
    return p ? (size_t)(p - t->text) : stop;
}

static bool draw_line(const lac_hole_text *t, size_t lo, size_t hi, bool cut, lac_rng *r, lacuna_span *out)
{
    out->start = begin(t, lo + (size_t)lac_rng_below(r, hi - lo), cut, r);
    out->end = line_feed(t, out->start, t->at[hi]);
    return out->end < t->at[hi];
}

static bool draw_lines(const lac_hole_text *t, size_t lo, size_t hi, lac_rng *r, lacuna_span *out)
{
    const size_t stop = t->at[hi], lines = 1 + (size_t)lac_rng_below(r, LINES);
    size_t at = line_feed(t, t->at[lo + (size_t)lac_rng_below(r, hi - lo)], stop);
    if (at == stop) return false;
    out->start = out->end = at + 1;
    for (size_t i = 0; i < lines && (at = line_feed(t, at + 1, stop)) < stop; i++) out->end = at;
    return true;
}

/* One of the nodes around a place, any of them as likely as another: so large and small ones come alike, where a node drawn
 * from all would nearly always be a name. */
static bool draw_node(const lac_hole_text *t, size_t lo, size_t hi, lac_rng *r, lacuna_span *out)
{
    const size_t from = t->at[lo], to = t->at[hi];
    if (from == to) return false;
    const size_t at = from + (size_t)lac_rng_below(r, to - from);
    size_t found = 0;
    for (size_t i = 0; i < t->n_nodes && t->node[i].start <= at; i++) {
        const lacuna_span s = t->node[i];
        if (s.end <= at || s.start < from || s.end > to || lac_hole_tokens(t, s) > LAC_HOLE_MOST) continue;
        if (!lac_rng_below(r, ++found)) *out = s;
    }
    return found;
}

/* Is what was drawn a hole? */
static bool fits(const lac_hole_text *t, lacuna_span s)
{
    return s.start < s.end && s.end <= t->len && lac_utf8_boundary(t->text, t->len, s.start) && lac_utf8_boundary(t->text, t->len, s.end) &&
           lac_hole_tokens(t, s) <= LAC_HOLE_MOST;
}

bool lac_hole_draw(const lac_hole_text *t, size_t lo, size_t hi, lac_hole_kind kind, bool cut, lac_rng *r, lacuna_span *out)
{
    bool ok = false;
    switch (kind) {
    case LAC_HOLE_RUN: ok = draw_run(t, lo, hi, SHORT, cut, r, out); break;
    case LAC_HOLE_LINE: ok = draw_line(t, lo, hi, cut, r, out); break;
    case LAC_HOLE_LINES: ok = draw_lines(t, lo, hi, r, out); break;
    case LAC_HOLE_LONG: ok = draw_run(t, lo, hi, LAC_HOLE_MOST, cut, r, out); break;
    case LAC_HOLE_NODE: ok = draw_node(t, lo, hi, r, out); break;
    case LAC_HOLE_KINDS: break;
    }
    return ok && fits(t, *out);
}

bool lac_hole_draw_end(const lac_hole_text *t, bool cut, lac_rng *r, lacuna_span *out)
{
    size_t n = 1 + (size_t)lac_rng_below(r, t->n < LAC_HOLE_END ? t->n : LAC_HOLE_END);
    out->start = begin(t, t->n - n, cut, r);
    out->end = t->len;
    return fits(t, *out);
}
