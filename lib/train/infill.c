#include <string.h>

#include "base/utf8.h"
#include "train/maker.h"

/* A window as an infill canvas, as the library lays it out at inference (canvas/canvas.h): holes are spans of bytes, every
 * stretch between them is tokenised by itself, and so is what a hole held:
 *
 *   text        tag  prefix  [hole 0: tokens, slack]  middle  [hole 1 ...]  suffix
 *   positions   0    1 ...    one for every slot, slack too                              in this order
 *   entries     context, in one of three orders | slots but the last, clean | all slots as masks
 *
 * The slots left to right, or at random, over all holes; the mask of slot r sees the context and the slots before it in that order.
 * The first slack slot says <eom>; in random order all of them do, for a mask beyond the end must say something. */
#define AT_END 0.10      /* share of examples that have one hole with nothing behind it */
#define RANDOM_SLOTS 0.5 /* share with slots in random order */
#define SLACK 16         /* slots of slack at most */
#define ROOMY_SLACK 64   /* for ROOMY of the examples left to right, where slack costs one slot */
#define ROOMY 0.5
#define BUDGET 0.4       /* of the length, what holes may need beyond the entries they replace */
#define TRIES 6          /* to find a place for a hole of a kind */

typedef enum { FORWARD, SUFFIX_FIRST, SHUFFLED } context_order;

/* What is drawn for an example before its holes. */
typedef struct {
    bool random;  /* order of slots */
    size_t slack; /* at most */
    size_t holes; /* at most */
    bool middle;  /* for fill in the middle: a slot is one entry, not two, and there is one more */
} manner;

/* ---- the text and its holes ---- */

/* The window as bytes. */
static void spell(lac_maker *m)
{
    size_t len = 0;
    for (size_t i = 0; i < m->n; i++) {
        lacuna_text b = lac_tok_bytes(m->tok, m->x[i]);
        m->at[i] = (uint32_t)len;
        memcpy(m->text + len, b.bytes, b.len);
        len += b.len;
    }
    m->at[m->n] = (uint32_t)len;
    m->source = (lac_hole_text){.text = m->text, .len = len, .at = m->at, .n = m->n, .node = m->node};
    m->parsed = false;
}

/* Parse the text when the first hole wants it: most of the time goes here. */
static void parse(lac_maker *m)
{
    if (!m->parsed) m->source.n_nodes = lac_parser_nodes(m->parser, m->grammar, m->text, m->source.len, 1, m->source.len, m->node, LAC_NODES);
    m->parsed = true;
}

/* Put a hole in its place; false where it touches another. */
static bool insert(lac_maker *m, lacuna_span s, size_t slack)
{
    size_t i = m->n_holes;
    for (size_t h = 0; h < m->n_holes; h++)
        if (s.start <= m->hole[h].end && m->hole[h].start <= s.end) return false;
    for (; i && m->hole[i - 1].start > s.start; i--) {
        m->hole[i] = m->hole[i - 1];
        m->slack[i] = m->slack[i - 1];
    }
    m->hole[i] = s;
    m->slack[i] = slack;
    m->n_holes++;
    return true;
}

static size_t trained_slack(const manner *how, size_t slack) { return how->random ? slack : slack > 0; }

static void draw_holes(lac_maker *m, lac_rng *r, const manner *how)
{
    const size_t n = m->n, budget = (size_t)(BUDGET * (double)m->o.length);
    const size_t lo = (size_t)lac_rng_below(r, n * 2 / 5 + 1), most = lo + n * 3 / 5 + 1, hi = most < n ? most : n;
    const size_t want = 1 + (size_t)lac_rng_below(r, how->holes);
    size_t spent = 0;
    /* where there was no place for any, runs: they have one nearly everywhere */
    for (size_t h = 0; lo < hi && (h < want || (!m->n_holes && h < want + TRIES)); h++) {
        const lac_hole_kind kind = h < want ? lac_hole_kind_draw(r, m->grammar) : LAC_HOLE_RUN;
        const bool cut = lac_rng_u01(r) < m->o.cut_share;
        if (kind == LAC_HOLE_NODE) parse(m);
        for (int t = 0; t < TRIES; t++) {
            lacuna_span s;
            if (!lac_hole_draw(&m->source, lo, hi, kind, cut, r, &s)) continue;
            const size_t slack = (size_t)lac_rng_below(r, how->slack + 1), tokens = lac_hole_tokens(&m->source, s);
            const size_t cost = tokens + 2 * trained_slack(how, slack);
            if (spent + cost > budget || !insert(m, s, slack)) continue;
            spent += cost;
            break;
        }
    }
}

static void draw_end(lac_maker *m, lac_rng *r, const manner *how)
{
    lacuna_span s;
    const bool cut = lac_rng_u01(r) < m->o.cut_share;
    if (lac_hole_draw_end(&m->source, cut, r, &s)) insert(m, s, (size_t)lac_rng_below(r, how->slack + 1));
}

/* A hole that fits any length: the first character of the text, or nothing but an <eom>. */
static void first_character(lac_maker *m)
{
    lacuna_span s = {0, m->source.len > 0};
    while (s.end < m->source.len && !lac_utf8_boundary(m->text, m->source.len, s.end)) s.end++;
    insert(m, s, m->source.len == 0);
}

/* ---- tokens ---- */

/* Tokenise what lies between the holes and in them: stretches 0, 2, ... and 1, 3, ... */
static int tokenise(lac_maker *m, lacuna_error *err)
{
    size_t at = 0, n = 0;
    for (size_t i = 0; i <= 2 * m->n_holes; i++) {
        const size_t end = i == 2 * m->n_holes ? m->source.len : i % 2 ? m->hole[i / 2].end : m->hole[i / 2].start;
        int64_t k = lac_tok_encode(m->tok, m->text + at, end - at, m->id + n, NULL, m->text_cap - n, err);
        if (k < 0) return (int)k;
        m->stretch[i] = (lac_stretch){n, (size_t)k};
        n += (size_t)k;
        at = end;
    }
    return 0;
}

/* Shorten prefix and suffix, by how much of each at random, until at most `room` entries are left of `need`.  false: too little. */
static bool trim(lac_maker *m, lac_rng *r, size_t need, size_t room)
{
    lac_stretch *first = &m->stretch[0], *last = &m->stretch[2 * m->n_holes];
    if (need <= room) return true;
    const size_t extra = need - room, most = extra < first->n ? extra : first->n, least = extra > last->n ? extra - last->n : 0;
    if (least > most) return false;
    const size_t left = least + (size_t)lac_rng_below(r, most - least + 1);
    first->first += left;
    first->n -= left;
    last->n -= extra - left;
    return true;
}

/* Slots that are trained, and tokens of the holes and of the text. */
static size_t count(lac_maker *m, const manner *how, size_t *text)
{
    size_t slots = 0;
    *text = 0;
    for (size_t h = 0; h < m->n_holes; h++) slots += m->used[h] = m->stretch[2 * h + 1].n + trained_slack(how, m->slack[h]);
    for (size_t h = 0; h <= m->n_holes; h++) *text += m->stretch[2 * h].n;
    return slots;
}

/* Holes in the window, tokenised and trimmed to the length.  Where they do not fit, fewer are drawn; the last resort does. */
static int cut(lac_maker *m, lac_rng *r, manner how, bool end, lacuna_error *err)
{
    for (;; how.holes /= 2) {
        m->n_holes = 0;
        if (how.holes && end) draw_end(m, r, &how);
        else if (how.holes) draw_holes(m, r, &how);
        if (!m->n_holes) first_character(m);
        int rc = tokenise(m, err);
        if (rc) return rc;
        size_t text, slots = count(m, &how, &text), need = how.middle ? 2 + text + slots : (m->tag >= 0) + text + 2 * slots - 1;
        if (slots <= m->slot_cap && trim(m, r, need, m->o.length)) return 0;
        end = false;
    }
}

/* ---- layout ---- */

/* Positions of the text and the slots of the holes, in natural order.  Returns the number of slots. */
static size_t lay_out(lac_maker *m)
{
    size_t slots = 0;
    int32_t pos = m->tag >= 0;
    for (size_t i = 0; i <= 2 * m->n_holes; i++) {
        const lac_stretch s = m->stretch[i];
        if (i % 2 == 0) {
            for (size_t k = 0; k < s.n; k++) m->pos[s.first + k] = pos++;
            continue;
        }
        for (size_t k = 0; k < m->used[i / 2]; k++, slots++) {
            m->slot_token[slots] = k < s.n ? m->id[s.first + k] : m->o.eom;
            m->slot_pos[slots] = pos + (int32_t)k;
            m->slot_order[slots] = slots;
        }
        pos += (int32_t)(s.n + m->slack[i / 2]);
    }
    return slots;
}

static void enter(lac_maker *m, lac_example *e, size_t i)
{
    if (i == SIZE_MAX) lac_example_add(e, m->tag, 0, e->n, e->n, e->n + 1);
    else lac_example_add(e, m->id[i], m->pos[i], e->n, e->n, e->n + 1);
}

/* Text stretches [from, to) in the list of what enters. */
static size_t list(lac_maker *m, size_t n, size_t from, size_t to)
{
    for (size_t h = from; h < to; h++)
        for (size_t k = 0; k < m->stretch[2 * h].n; k++) m->order[n++] = m->stretch[2 * h].first + k;
    return n;
}

/* The fixed entries.  SIZE_MAX in the list stands for the tag. */
static void enter_context(lac_maker *m, lac_rng *r, context_order order, lac_example *e)
{
    size_t n = 0, cut_at = 0;
    if (order == SUFFIX_FIRST) { /* what follows a hole, nearly always the first, as the canvas does; then tag and the rest */
        if (lac_rng_u01(r) < 0.25) cut_at = (size_t)lac_rng_below(r, m->n_holes);
        n = list(m, n, cut_at + 1, m->n_holes + 1);
    }
    if (m->tag >= 0) m->order[n++] = SIZE_MAX;
    n = list(m, n, 0, order == SUFFIX_FIRST ? cut_at + 1 : m->n_holes + 1);
    if (order == SHUFFLED) lac_rng_shuffle(r, m->order, n);
    for (size_t i = 0; i < n; i++) enter(m, e, m->order[i]);
}

/* The next-token loss, where the context runs on; not from the tag, behind which a window begins anywhere. */
static void follow(lac_maker *m, lac_rng *r, lac_example *e)
{
    for (size_t i = 0; i + 1 < e->n; i++) {
        if (e->pos[i + 1] != e->pos[i] + 1 || (m->tag >= 0 && !e->pos[i]) || lac_rng_u01(r) >= m->o.next_share) continue;
        lac_example_aim(e, i, e->token[i + 1], 1, LAC_PART_NEXT);
        e->norm[LAC_PART_NEXT]++;
    }
}

static void enter_slots(lac_maker *m, size_t slots, lac_example *e)
{
    const size_t c = e->n;
    for (size_t k = 0; k + 1 < slots; k++) {
        const size_t s = m->slot_order[k];
        lac_example_add(e, m->slot_token[s], m->slot_pos[s], e->n, e->n, e->n + 1);
    }
    for (size_t k = 0; k < slots; k++) {
        const size_t s = m->slot_order[k], i = lac_example_add(e, m->o.mask, m->slot_pos[s], c + k, e->n, e->n + 1);
        lac_example_aim(e, i, m->slot_token[s], 1, LAC_PART_SLOTS);
    }
    e->norm[LAC_PART_SLOTS] = (double)slots;
}

int lac_infill_make(lac_maker *m, lac_rng *r, lac_example *e, lacuna_error *err)
{
    manner how = {.random = lac_rng_u01(r) < RANDOM_SLOTS, .slack = SLACK, .holes = m->o.holes};
    if (!how.random && lac_rng_u01(r) < ROOMY) how.slack = ROOMY_SLACK;
    const double u = lac_rng_u01(r);
    const context_order order = u < 0.4 ? FORWARD : u < 0.8 ? SUFFIX_FIRST : SHUFFLED;
    const bool end = lac_rng_u01(r) < AT_END;
    spell(m);
    int rc = cut(m, r, how, end, err);
    if (rc) return rc;
    lac_example_clear(e);
    const size_t slots = lay_out(m);
    if (how.random) lac_rng_shuffle(r, m->slot_order, slots);
    enter_context(m, r, order, e);
    if (order != SHUFFLED) follow(m, r, e);
    enter_slots(m, slots, e);
    return 0;
}

/* ---- fill in the middle ---- */

static void enter_next(lac_example *e, int32_t token)
{
    lac_example_add(e, token, (int32_t)e->n, e->n, e->n, e->n + 1);
}

static void enter_stretch(lac_maker *m, lac_example *e, lac_stretch s)
{
    for (size_t k = 0; k < s.n; k++) enter_next(e, m->id[s.first + k]);
}

int lac_infill_fim(lac_maker *m, lac_rng *r, lac_example *e, lacuna_error *err)
{
    const bool end = lac_rng_u01(r) < AT_END;
    spell(m);
    int rc = cut(m, r, (manner){.holes = 1, .middle = true}, end, err);
    if (rc) return rc;
    lac_example_clear(e);
    enter_next(e, m->tag >= 0 ? m->tag : m->o.bos);
    enter_stretch(m, e, m->stretch[2]);
    enter_next(e, m->o.mask);
    enter_stretch(m, e, m->stretch[0]);
    enter_stretch(m, e, m->stretch[1]);
    for (size_t i = 0; i < e->n; i++) {
        const int32_t next = i + 1 < e->n ? e->token[i + 1] : m->o.eom;
        if (next == m->o.mask) continue;
        lac_example_aim(e, i, next, 1, LAC_PART_SLOTS);
        e->norm[LAC_PART_SLOTS]++;
    }
    return 0;
}
