/* Edits on a text with holes.  After each the canvas is built anew, and held against the drawing in canvas.h: written down plainly, from
 * the text and the tokenizer alone.
 *
 *     input   limit  switches  length  (edit  argument...)...
 *
 * Where the grammar of C is there (build/grammars), what is kept comes from the outline of the text, and a document that was kept up to date
 * from edit to edit is held against one that has just been opened. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "canvas/canvas.h"
#include "canvas/keep.h"
#include "syntax/document.h"
#include "text/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GRAMMARS "build/grammars"

enum { ROOM = 8192, TAG = 6, MOST_HOLES = 3, MOST_KEEP = 64, MOST_EDITS = 48, LIMITS = 1024, SHORT = 100 };

static const lacuna_allocator *mem;
static lac_tok *tok;

static void require(int ok)
{
    if (!ok) abort();
}

typedef struct {
    const uint8_t *p, *end;
} input;

static size_t next(input *in) { return in->p < in->end ? *in->p++ : 0; }
static size_t next_below(input *in, size_t n) { return (next(in) << 8 | next(in)) % n; }

/* What stands in the editor, and what is asked. */
typedef struct {
    char text[ROOM];
    size_t len, limit, n_holes, n_keep, slots[MOST_HOLES];
    lacuna_span hole[MOST_HOLES];
    lacuna_context_part keep[MOST_KEEP];
    bool drop_far, heal, tag, outline;
    lacuna_document *doc; /* NULL: no grammar */
} editor;

static size_t min(size_t a, size_t b) { return a < b ? a : b; }

static size_t boundary(const editor *e, size_t at)
{
    at = min(at, e->len);
    while (!lac_utf8_boundary(e->text, e->len, at)) at--;
    return at;
}

/* text[at, at + out) becomes in[n]; holes move with what is behind them. */
static void replace(editor *e, size_t at, size_t out, const char *in, size_t n)
{
    out = min(out, e->len - at);
    if (e->len - out + n > ROOM) return;
    memmove(e->text + at + n, e->text + at + out, e->len - at - out);
    memcpy(e->text + at, in, n);
    e->len += n - out;
    for (size_t h = 0; h < e->n_holes; h++) {
        size_t *end[2] = {&e->hole[h].start, &e->hole[h].end};
        for (int k = 0; k < 2; k++)
            if (*end[k] >= at + out) *end[k] += n - out;
            else if (*end[k] > at) *end[k] = at;
    }
}

/* The first hole follows the cursor, to which text is typed. */
static void insert(editor *e, const char *in, size_t n) { replace(e, e->hole[0].start, 0, in, n); }

static void settle_holes(editor *e)
{
    for (size_t h = 0, end = 0; h < e->n_holes; h++) {
        if (e->hole[h].start < end) e->hole[h].start = end;
        e->hole[h].start = boundary(e, e->hole[h].start);
        if (e->hole[h].end < e->hole[h].start) e->hole[h].end = e->hole[h].start;
        e->hole[h].end = end = boundary(e, e->hole[h].end);
        if (e->hole[h].end < e->hole[h].start) e->hole[h].start = e->hole[h].end;
    }
}

/* One of ten edits: long for its flat switch. */
static void edit(editor *e, input *in)
{
    static const char *const piece[16] = {
        "#include <stdio.h>\n", "static int sum(const int *v, int n)\n{\n    int s = 0;\n", "    for (int i = 0; i < n; i++) s += v[i];\n",
        "    return s;\n}\n", "struct pair { int a, b; };\n", "/* ", " */\n", "\n\n", "        ", "f(x, ", "print", "\xE4\xB8\x96\xC3\xA9",
        "\xFF\x80", ";\n", "{", "}\n",
    };
    const size_t kind = next(in) % 10, at = e->hole[0].start;
    char c;
    switch (kind) {
    case 0: c = (char)next(in); insert(e, &c, 1); break;
    case 1: case 2: { const char *s = piece[next(in) % 16]; insert(e, s, strlen(s)); break; }
    case 3: { const size_t n = min(next(in), at); replace(e, at - n, n, "", 0); break; }
    case 4: replace(e, e->hole[0].end, next(in), "", 0); break;
    case 5: { const size_t to = next_below(in, e->len + 1), n = e->hole[0].end - at; e->hole[0] = (lacuna_span){to, to + n}; break; }
    case 6: e->hole[0].end = at + next(in) % 40; break;
    case 7: /* another hole behind the last, or none */
        if (e->n_holes < MOST_HOLES) {
            const size_t from = e->hole[e->n_holes - 1].end + next(in);
            e->hole[e->n_holes] = (lacuna_span){from, from + next(in) % 20};
            e->slots[e->n_holes++] = 1 + next(in) % 9;
        } else e->n_holes = 1;
        break;
    case 8: e->slots[0] = 1 + next(in) % 30; break;
    default: /* a list of spans that may be none */
        e->outline = false;
        e->n_keep = next(in) % MOST_KEEP;
        for (size_t i = 0; i < e->n_keep; i++) {
            const size_t start = next_below(in, ROOM);
            e->keep[i] = (lacuna_context_part){{start, start + next(in) - 8}, LACUNA_CONTEXT_IMPORT};
        }
    }
    settle_holes(e);
}

/* ---- a canvas, plainly ---- */

static void same_parts(const lacuna_context_part *a, const lacuna_context_part *b, size_t n)
{
    for (size_t i = 0; i < n; i++) require(a[i].span.start == b[i].span.start && a[i].span.end == b[i].span.end && a[i].why == b[i].why);
}

static void same(const lac_canvas *c, const lac_canvas *d)
{
    require(c->n_context == d->n_context && c->n_slots == d->n_slots && c->n_parts == d->n_parts && c->dropped == d->dropped);
    require(!memcmp(c->token, d->token, c->n_context * sizeof *c->token) && !memcmp(c->pos, d->pos, c->n_context * sizeof *c->pos));
    require(!memcmp(c->slot_pos, d->slot_pos, c->n_slots * sizeof *c->slot_pos));
    same_parts(c->part, d->part, c->n_parts);
}

/* What stands at a position. */
typedef struct {
    int32_t token; /* -1: nothing, -2: a slot */
    size_t rank;   /* of an entry: when it enters; of a slot: which it is */
} place;

static size_t find_places(place *at, const lac_canvas *c, size_t limit)
{
    for (size_t i = 0; i < limit; i++) at[i] = (place){-1, 0};
    for (size_t i = 0; i < c->n_context; i++) {
        require(c->pos[i] >= 0 && (size_t)c->pos[i] < limit && at[c->pos[i]].token == -1 && c->token[i] >= 0);
        at[c->pos[i]] = (place){c->token[i], i};
    }
    for (size_t i = 0; i < c->n_slots; i++) {
        require(c->slot_pos[i] >= 0 && (size_t)c->slot_pos[i] < limit && at[c->slot_pos[i]].token == -1);
        at[c->slot_pos[i]] = (place){-2, i};
    }
    return (size_t)c->slot_pos[0];
}

/* From position *pos on stand the tokens of text[s), with at most *gaps stretches of free positions among them, and they enter one after
 * the other from the *rank-th on.  Goes on to what is behind them. */
static void stands(const lac_canvas_want *w, const place *at, lacuna_span s, size_t *pos, size_t *rank, size_t *gaps)
{
    for (; s.start < s.end; ++*pos) {
        if (*gaps && *pos < w->limit && at[*pos].token == -1) {
            while (*pos < w->limit && at[*pos].token == -1) ++*pos;
            --*gaps;
        }
        require(*pos < w->limit && at[*pos].token >= 0 && at[*pos].rank == (*rank)++);
        const lacuna_text t = lac_tok_bytes(tok, at[*pos].token);
        require(t.len && t.len <= s.end - s.start && !memcmp(t.bytes, w->text + s.start, t.len));
        s.start += t.len;
    }
}

static bool lines_are_short(const char *text, size_t len)
{
    for (size_t i = 0, n = 0; i < len; i++)
        if ((n = text[i] == '\n' ? 0 : n + 1) > SHORT) return false;
    return true;
}

/* The n entries from position pos on are tokens of text[s), tokenised in one: the first, or the last but for `taken` of them. */
static void tokens_are(const lac_canvas_want *w, const place *at, lacuna_span s, size_t n, size_t pos, bool last, size_t taken)
{
    static int32_t id[ROOM];
    const int64_t all = lac_tok_encode(tok, w->text + s.start, s.end - s.start, id, NULL, ROOM, NULL);
    require(all >= (int64_t)(n + taken));
    const int32_t *is = last ? id + (size_t)all - taken - n : id;
    for (size_t i = 0; i < n; pos++)
        if (at[pos].token != -1) require(at[pos].token == is[i++]);
}

/* Which parts there are: kept ones before the first hole, one around each hole but for empty ones, kept ones behind the last. */
typedef struct {
    size_t before, behind; /* parts [0, before) and [behind, n_parts) are kept */
} split;

static split split_parts(const lac_canvas *c, const lac_canvas_want *w)
{
    split s = {0, c->n_parts};
    size_t end = 0, bytes = 0, share[2] = {0};
    while (s.before < c->n_parts && c->part[s.before].why != LACUNA_CONTEXT_NEAR) s.before++;
    if (s.before == c->n_parts) /* nothing is near: those before the hole end there */
        for (s.before = 0; s.before < c->n_parts && c->part[s.before].span.end <= w->span[0].start; s.before++) continue;
    while (s.behind > s.before && c->part[s.behind - 1].why != LACUNA_CONTEXT_NEAR) s.behind--;
    for (size_t i = 0; i < c->n_parts; i++) {
        const lacuna_span p = c->part[i].span;
        require(p.start >= end && p.start < p.end && p.end <= w->len);
        for (size_t h = 0; h < w->n_holes; h++) require(p.end <= w->span[h].start || p.start >= w->span[h].end);
        require((c->part[i].why == LACUNA_CONTEXT_NEAR) == (i >= s.before && i < s.behind));
        const int64_t n = i < s.before || i >= s.behind ? lac_tok_encode(tok, w->text + p.start, p.end - p.start, NULL, NULL, 0, NULL) : 0;
        share[i >= s.behind] += (size_t)n;
        end = p.end;
        bytes += p.end - p.start;
    }
    require(!s.before || c->part[s.before - 1].span.end <= w->span[0].start);
    require(s.behind == c->n_parts || c->part[s.behind].span.start >= w->span[w->n_holes - 1].end);
    require(share[0] <= lac_keep_share(w->limit) && share[1] <= lac_keep_share(w->limit) && (!(share[0] + share[1]) || w->n_keep));
    for (size_t h = 0; h < w->n_holes; h++) bytes += w->span[h].end - w->span[h].start + c->heal[h].rest.len;
    require(c->dropped + bytes == w->len);
    return s;
}

/* The near part between the holes h - 1 and h; empty where there is none. */
static lacuna_span near_part(const lac_canvas *c, const lac_canvas_want *w, split s, size_t h)
{
    const size_t low = h ? w->span[h - 1].end : 0, high = h < w->n_holes ? w->span[h].start - c->heal[h].rest.len : w->len;
    for (size_t i = s.before; i < s.behind; i++) {
        const lacuna_span p = c->part[i].span;
        if (p.start < low || p.end > high || p.start > high) continue;
        require(h == 0 || p.start == low);
        require(h == w->n_holes || p.end == high);
        return p;
    }
    require(!h || h == w->n_holes || low == high);
    return (lacuna_span){high, high};
}

static void as_drawn(const lac_canvas *c, const lac_canvas_want *w)
{
    static place at[LIMITS];
    const size_t first = find_places(at, c, w->limit);
    const split s = split_parts(c, w);
    const bool plain = lines_are_short(w->text, w->len);
    size_t pos = first, rank = 0, gap = 0, slot = 0;
    for (size_t h = 0; h < w->n_holes; h++) {
        require(c->hole[h].first == slot && c->hole[h].n == w->slots[h] + c->heal[h].n_tokens);
        for (size_t k = 0; k < c->hole[h].n; k++, slot++, pos++)
            require(c->hole_of[slot] == h && pos < w->limit && at[pos].token == -2 && at[pos].rank == slot);
        while (!h && pos < w->limit && at[pos].token == -1) pos++; /* positions before what follows the first hole may be free */
        const size_t from = pos, was = rank;
        const lacuna_span p = near_part(c, w, s, h + 1);
        stands(w, at, p, &pos, &rank, &gap);
        if (plain) tokens_are(w, at, (lacuna_span){w->span[h].end, h + 1 < w->n_holes ? w->span[h + 1].start : w->len}, rank - was, from, false, 0);
    }
    require(slot == c->n_slots);
    for (size_t i = s.behind; i < c->n_parts; i++) stands(w, at, c->part[i].span, &pos, &rank, &gap);
    for (; pos < w->limit; pos++) require(at[pos].token == -1);
    pos = 0;
    if (w->tag >= 0) require(at[0].token == w->tag && at[0].rank == rank++), pos = 1;
    for (size_t i = 0; i < s.before; i++) stands(w, at, c->part[i].span, &pos, &rank, &gap);
    const size_t from = pos, was = rank;
    gap = 1;
    const lacuna_span p = near_part(c, w, s, 0);
    stands(w, at, p, &pos, &rank, &gap);
    if (plain) tokens_are(w, at, (lacuna_span){0, w->span[0].start}, rank - was, from, true, c->heal[0].n_tokens);
    require(rank == c->n_context && pos <= first && (pos == first || p.start == p.end));
}

/* ---- one state ---- */

static lac_canvas_want wanted(const editor *e, const char *text, size_t len, const lacuna_span *hole, const lacuna_context_part *keep)
{
    return (lac_canvas_want){tok, text, len, hole, e->slots, e->n_holes, e->tag ? TAG : -1, e->limit, e->drop_far, e->heal, keep, e->n_keep};
}

/* The same from another copy of the text, in fresh memory. */
static void from_scratch(const lac_canvas *c, int r, const lac_canvas_want *w)
{
    lac_arena fresh = {.mem = mem};
    lac_canvas d;
    lac_canvas_want again = *w;
    char *copy = malloc(w->len + !w->len);
    if (!copy) return;
    memcpy(copy, w->text, w->len);
    again.text = copy;
    require(lac_canvas_text(&d, &again, &fresh, NULL) == r);
    if (!r) same(c, &d);
    lac_arena_free(&fresh);
    free(copy);
}

/* A key at the cursor: what follows the holes stays in the list, unless it had to move. */
static void a_key_more(const editor *e, const lac_canvas *c, lac_arena *arena)
{
    static char text[ROOM + 1];
    const size_t at = e->hole[0].start;
    lacuna_span hole[MOST_HOLES];
    lacuna_context_part keep[MOST_KEEP];
    lac_canvas d;
    memcpy(text, e->text, at);
    text[at] = 'x';
    memcpy(text + at + 1, e->text + at, e->len - at);
    for (size_t h = 0; h < e->n_holes; h++) hole[h] = (lacuna_span){e->hole[h].start + 1, e->hole[h].end + 1};
    for (size_t i = 0; i < e->n_keep; i++) {
        keep[i] = e->keep[i];
        keep[i].span.start += keep[i].span.start >= at && keep[i].span.start < SIZE_MAX;
        keep[i].span.end += keep[i].span.end > at && keep[i].span.end < SIZE_MAX;
    }
    const lac_canvas_want w = wanted(e, text, e->len + 1, hole, keep);
    if (lac_canvas_text(&d, &w, arena, NULL)) return; /* one too many */
    as_drawn(&d, &w);
    if (!c->n_context || !d.n_context || c->pos[0] != d.pos[0] || !c->dropped != !d.dropped) return;
    for (size_t i = 0; i < c->n_context && c->pos[i] > c->slot_pos[c->hole[0].n - 1]; i++)
        require(i < d.n_context && c->token[i] == d.token[i] && c->pos[i] == d.pos[i]);
}

/* What a document says that was kept up to date, and a fresh one. */
static void outline(editor *e)
{
    lacuna_document *fresh;
    lacuna_context_part again[MOST_KEEP];
    require(lacuna_document_set(e->doc, e->text, e->len, NULL) == 0 && lac_document_is(e->doc, e->text, e->len));
    e->n_keep = lac_document_outline(e->doc, e->hole, e->n_holes, e->keep, MOST_KEEP);
    require(lacuna_document_open(&fresh, GRAMMARS, "c", NULL, NULL) == 1 && lacuna_document_set(fresh, e->text, e->len, NULL) == 0);
    require(lac_document_outline(fresh, e->hole, e->n_holes, again, MOST_KEEP) == e->n_keep);
    same_parts(again, e->keep, e->n_keep);
    lacuna_document_free(fresh);
}

static void check(editor *e)
{
    lac_arena arena = {.mem = mem};
    lac_canvas c;
    if (e->doc && e->outline) outline(e);
    const lac_canvas_want w = wanted(e, e->text, e->len, e->hole, e->keep);
    require(lac_canvas_check(e->text, e->len, e->hole, e->n_holes, NULL) == 0);
    const int r = lac_canvas_text(&c, &w, &arena, NULL);
    require(r == 0 || r == LACUNA_E_LIMIT);
    from_scratch(&c, r, &w);
    if (!r) {
        as_drawn(&c, &w);
        a_key_more(e, &c, &arena);
    }
    lac_arena_free(&arena);
}

static bool open_tok(void)
{
    static lacuna_allocator system;
    if (tok) return true;
    size_t size;
    char *blob = load_file(MODEL_PATH, &size);
    system = lac_mem_system_or((lacuna_allocator){0});
    mem = &system;
    require(blob && lac_tok_open(&tok, blob, size, MODEL_PATH, mem, NULL) == 0);
    free(blob);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char start[] = "#include <string.h>\n\nstruct point {\n    int x, y;\n};\n\nint near(int a, int b);\n\nstatic int sum(const int *v, "
                                "int n)\n{\n    int s = 0;\n    for (int i = 0; i < n; i++) {\n        s += v[i];\n    }\n    return s;\n}\n\n";
    static editor e;
    input in = {data, data + size};
    open_tok();
    e = (editor){.limit = 16 + next(&in) * 3, .n_holes = 1, .slots = {4}};
    const size_t how = next(&in), copies = next(&in) % 24;
    e.drop_far = how & 1 || how & 8;
    e.heal = how & 2;
    e.tag = how & 4;
    e.outline = how & 16;
    if (e.outline) require(lacuna_document_open(&e.doc, GRAMMARS, "c", NULL, NULL) >= 0);
    for (size_t i = 0; i < copies; i++) insert(&e, start, sizeof start - 1);
    for (int i = 0; i < MOST_EDITS && in.p < in.end; i++) {
        edit(&e, &in);
        check(&e);
    }
    lacuna_document_free(e.doc);
    return 0;
}
