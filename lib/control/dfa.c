#include "control/dfa.h"

#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "control/dfa_build.h"

uint32_t lac_dfa_run(const lac_dfa *d, uint32_t state, const char *bytes, size_t len)
{
    if (state >= d->n) return LAC_DFA_DEAD;
    for (size_t i = 0; i < len && state != LAC_DFA_DEAD; i++)
        state = d->next[(size_t)state * d->n_classes + d->class_of[(unsigned char)bytes[i]]];
    return state;
}

/* One class for each byte of these strings, others between them. */
static void classes(lac_dfa_build *b, const lacuna_text *word, size_t n)
{
    uint8_t cut[256] = {0};
    for (size_t w = 0; w < n; w++)
        for (size_t i = 0; i < word[w].len; i++) {
            const unsigned char byte = (unsigned char)word[w].bytes[i];
            cut[byte] = 1;
            if (byte < 255) cut[byte + 1] = 1;
        }
    lac_dfa_build_cut(b, cut);
}

static int begins(lac_dfa_build *b, lacuna_text with, lacuna_error *err)
{
    int rc = lac_dfa_build_state(b, !with.len, err);
    classes(b, &with, 1);
    for (uint32_t i = 0; !rc && i < with.len; i++)
        if (!(rc = lac_dfa_build_state(b, i + 1 == with.len, err)))
            rc = lac_dfa_build_edge(b, i, b->class_of[(unsigned char)with.bytes[i]], i + 1, err);
    for (uint32_t c = 0; !rc && c < b->n_classes; c++) rc = lac_dfa_build_edge(b, (uint32_t)with.len, c, (uint32_t)with.len, err);
    return rc;
}

int lac_dfa_begins(lac_dfa *out, lacuna_text with, lac_arena *arena, lacuna_error *err)
{
    lac_dfa_build b = lac_dfa_build_begin(arena->mem, "begin");
    int rc = begins(&b, with, err);
    if (!rc) rc = lac_dfa_build_end(&b, out, arena, err);
    lac_dfa_build_free(&b);
    return rc;
}

/* ---- strings anywhere in a text: Aho and Corasick's machine ----
 *
 * A node is a beginning of some words; the text read so far ends with it, and with no longer one.  next[node, class] is
 * the node one byte on: in the trie of the words where it has one, else from the longest beginning that ends this one (fall). */
typedef struct {
    uint32_t n;      /* nodes; 0 is the empty beginning */
    uint32_t *next;  /* [n, n_classes] */
    uint8_t *hit;    /* [n] a word ends here */
} machine;

static void machine_fall(machine *m, uint32_t n_classes, uint32_t *fall, uint32_t *queue)
{
    uint32_t end = 0;
    queue[end++] = 0;
    for (uint32_t i = 0; i < end; i++) {
        const uint32_t q = queue[i];
        m->hit[q] |= m->hit[fall[q]];
        for (uint32_t c = 0; c < n_classes; c++) {
            uint32_t *to = m->next + (size_t)q * n_classes + c;
            const uint32_t other = q ? m->next[(size_t)fall[q] * n_classes + c] : 0;
            if (*to) fall[queue[end++] = *to] = other;
            else *to = other;
        }
    }
}

static int machine_make(machine *m, const lac_dfa_build *b, const lacuna_text *word, size_t n, lac_arena *scratch, lacuna_error *err)
{
    size_t most = 1;
    for (size_t w = 0; w < n; w++)
        if (!lac_add(most, word[w].len, &most) || most > LAC_DFA_BUILD_STATES || most * b->n_classes > LAC_DFA_BUILD_EDGES)
            return lac_err(err, LACUNA_E_LIMIT, 0, "%s: the strings are too long", b->what);
    uint32_t *fall = lac_arena_array(scratch, most, sizeof *fall), *queue = lac_arena_array(scratch, most, sizeof *queue);
    m->next = lac_arena_array(scratch, most * b->n_classes, sizeof *m->next);
    m->hit = lac_arena_array(scratch, most, sizeof *m->hit);
    if (!fall || !queue || !m->next || !m->hit) return lac_nomem(err, b->what);
    m->n = 1;
    for (size_t w = 0; w < n; w++) {
        uint32_t q = 0;
        for (size_t i = 0; i < word[w].len; i++) {
            uint32_t *to = m->next + (size_t)q * b->n_classes + b->class_of[(unsigned char)word[w].bytes[i]];
            if (!*to) *to = m->n++;
            q = *to;
        }
        m->hit[q] = 1;
    }
    machine_fall(m, b->n_classes, fall, queue);
    return 0;
}

/* The text ends with a word (hits), or has none in it. */
static int machine_build(lac_dfa_build *b, const lacuna_text *word, size_t n, bool hits, lac_arena *scratch, lacuna_error *err)
{
    machine m = {0};
    classes(b, word, n);
    int rc = machine_make(&m, b, word, n, scratch, err);
    for (uint32_t q = 0; !rc && q < m.n; q++) rc = lac_dfa_build_state(b, m.hit[q] == hits, err);
    for (uint32_t q = 0; q < m.n && !rc; q++)
        for (uint32_t c = 0; c < b->n_classes && !rc && (hits || !m.hit[q]); c++)
            rc = lac_dfa_build_edge(b, q, c, m.next[(size_t)q * b->n_classes + c], err);
    return rc;
}

static int search(lac_dfa *out, const char *what, const lacuna_text *word, size_t n, bool hits, lac_arena *arena, lacuna_error *err)
{
    lac_dfa_build b = lac_dfa_build_begin(arena->mem, what);
    lac_arena scratch = {.mem = arena->mem};
    int rc = machine_build(&b, word, n, hits, &scratch, err);
    lac_arena_free(&scratch);
    if (!rc) rc = lac_dfa_build_end(&b, out, arena, err);
    lac_dfa_build_free(&b);
    return rc;
}

int lac_dfa_ends(lac_dfa *out, lacuna_text with, lac_arena *arena, lacuna_error *err)
{
    return search(out, "end", &with, 1, true, arena, err);
}

int lac_dfa_without(lac_dfa *out, const lacuna_text *banned, size_t n, lac_arena *arena, lacuna_error *err)
{
    return search(out, "ban", banned, n, false, arena, err);
}

/* ---- intersection ---- */

#define SLOTS ((size_t)2 * LAC_DFA_BUILD_STATES) /* of the table of pairs: a power of two */

/* Pairs of states that are reached, in the order in which they are found: the states of the product. */
typedef struct {
    const lac_dfa *a, *b;
    uint64_t *pair;     /* [LAC_DFA_BUILD_STATES] */
    uint16_t *slot;     /* [SLOTS] pair + 1; 0: free */
    uint8_t (*bytes)[2]; /* [n_classes] classes in a and b of each class of the product */
} product;

/* The state of a pair, made if it is new. */
static int pair_state(product *p, lac_dfa_build *build, uint32_t qa, uint32_t qb, uint32_t *state, lacuna_error *err)
{
    const uint64_t key = (uint64_t)qa << 32 | qb;
    size_t i = lac_mix(key) & (SLOTS - 1);
    for (; p->slot[i]; i = (i + 1) & (SLOTS - 1))
        if (p->pair[p->slot[i] - 1] == key) return *state = p->slot[i] - 1, 0;
    const int rc = lac_dfa_build_state(build, p->a->accept[qa] && p->b->accept[qb], err);
    if (rc) return rc;
    *state = (uint32_t)build->n_states - 1;
    p->pair[*state] = key;
    p->slot[i] = (uint16_t)(*state + 1);
    return 0;
}

static void product_classes(product *p, lac_dfa_build *build)
{
    build->n_classes = 0;
    for (size_t byte = 0; byte < 256; byte++) {
        const uint8_t ca = p->a->class_of[byte], cb = p->b->class_of[byte];
        uint32_t c = 0;
        while (c < build->n_classes && (p->bytes[c][0] != ca || p->bytes[c][1] != cb)) c++;
        if (c == build->n_classes) p->bytes[build->n_classes++][0] = ca, p->bytes[c][1] = cb;
        build->class_of[byte] = (uint8_t)c;
    }
}

static int product_build(product *p, lac_dfa_build *build, lac_arena *scratch, lacuna_error *err)
{
    p->pair = lac_arena_alloc(scratch, LAC_DFA_BUILD_STATES * sizeof *p->pair);
    p->slot = lac_arena_array(scratch, SLOTS, sizeof *p->slot);
    p->bytes = lac_arena_array(scratch, 256, sizeof *p->bytes);
    if (!p->pair || !p->slot || !p->bytes) return lac_nomem(err, build->what);
    if (!p->a->n || !p->b->n) return 0;
    product_classes(p, build);
    uint32_t to;
    int rc = pair_state(p, build, 0, 0, &to, err);
    for (uint32_t q = 0; !rc && q < build->n_states; q++) {
        const uint32_t *na = p->a->next + (size_t)(p->pair[q] >> 32) * p->a->n_classes;
        const uint32_t *nb = p->b->next + (size_t)(uint32_t)p->pair[q] * p->b->n_classes;
        for (uint32_t c = 0; !rc && c < build->n_classes; c++) {
            const uint32_t qa = na[p->bytes[c][0]], qb = nb[p->bytes[c][1]];
            if (qa == LAC_DFA_DEAD || qb == LAC_DFA_DEAD) continue;
            if (!(rc = pair_state(p, build, qa, qb, &to, err))) rc = lac_dfa_build_edge(build, q, c, to, err);
        }
    }
    return rc;
}

int lac_dfa_both(lac_dfa *out, const lac_dfa *a, const lac_dfa *b, lac_arena *arena, lacuna_error *err)
{
    lac_dfa_build build = lac_dfa_build_begin(arena->mem, "intersection");
    lac_arena scratch = {.mem = arena->mem};
    product p = {.a = a, .b = b};
    int rc = product_build(&p, &build, &scratch, err);
    lac_arena_free(&scratch);
    if (!rc) rc = lac_dfa_build_end(&build, out, arena, err);
    lac_dfa_build_free(&build);
    return rc;
}
