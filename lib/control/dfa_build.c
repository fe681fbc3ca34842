#include "control/dfa_build.h"

#include <string.h>

#include "base/err.h"

lac_dfa_build lac_dfa_build_begin(const lacuna_allocator *mem, const char *what)
{
    return (lac_dfa_build){.mem = mem, .what = what, .n_classes = 1};
}

void lac_dfa_build_cut(lac_dfa_build *b, const uint8_t cut[256])
{
    uint32_t c = 0;
    for (size_t byte = 0; byte < 256; byte++) b->class_of[byte] = (uint8_t)(c += byte && cut[byte]);
    b->n_classes = c + 1;
}

int lac_dfa_build_state(lac_dfa_build *b, bool accept, lacuna_error *err)
{
    if (b->n_states == LAC_DFA_BUILD_STATES)
        return lac_err(err, LACUNA_E_LIMIT, 0, "%s: more than %u states on the way to an automaton", b->what, (unsigned)LAC_DFA_BUILD_STATES);
    void *p = b->accept;
    if (!lac_mem_grow(b->mem, &p, &b->cap_states, b->n_states + 1, sizeof *b->accept)) return lac_nomem(err, b->what);
    b->accept = p;
    b->accept[b->n_states++] = accept;
    return 0;
}

int lac_dfa_build_edge(lac_dfa_build *b, uint32_t from, uint32_t label, uint32_t to, lacuna_error *err)
{
    if (b->n_edges == LAC_DFA_BUILD_EDGES)
        return lac_err(err, LACUNA_E_LIMIT, 0, "%s: more than %zu edges on the way to an automaton", b->what, LAC_DFA_BUILD_EDGES);
    void *p = b->edge;
    if (!lac_mem_grow(b->mem, &p, &b->cap_edges, b->n_edges + 1, sizeof *b->edge)) return lac_nomem(err, b->what);
    b->edge = p;
    b->edge[b->n_edges++] = (lac_dfa_edge){from, to, label};
    return 0;
}

void lac_dfa_build_free(lac_dfa_build *b)
{
    lac_mem_free(b->mem, b->accept, b->cap_states * sizeof *b->accept);
    lac_mem_free(b->mem, b->edge, b->cap_edges * sizeof *b->edge);
    *b = (lac_dfa_build){0};
}

/* ---- what is left of it ---- */

/* States on the way from the start to acceptance, densely numbered, and the edges between them. */
typedef struct {
    uint32_t n, m;
    uint8_t *accept;    /* [n] */
    lac_dfa_edge *edge; /* [m] */
    uint32_t *block;    /* [n] states that are alike share a number below n_blocks */
    uint32_t n_blocks;
} trimmed;

/* Spread seen[n] along the edges, or against them. */
static int spread(uint8_t *seen, const lac_dfa_build *b, bool along, lacuna_error *err)
{
    const uint32_t n = (uint32_t)b->n_states, m = (uint32_t)b->n_edges;
    lac_arena scratch = {.mem = b->mem};
    uint32_t *at = lac_arena_array(&scratch, (size_t)n + 2, sizeof *at), *list = lac_arena_array(&scratch, m, sizeof *list);
    uint32_t *stack = lac_arena_array(&scratch, n, sizeof *stack), depth = 0;
    if (at && list && stack) {
        lac_dfa_min_list(b->edge, m, n, along, at, list);
        for (uint32_t q = 0; q < n; q++)
            if (seen[q]) stack[depth++] = q;
        while (depth)
            for (uint32_t q = stack[--depth], i = at[q]; i < at[q + 1]; i++) {
                const uint32_t to = along ? b->edge[list[i]].to : b->edge[list[i]].from;
                if (!seen[to]) stack[depth++] = to;
                seen[to] = 1;
            }
    }
    lac_arena_free(&scratch);
    return at && list && stack ? 0 : lac_nomem(err, b->what);
}

static int trim(trimmed *t, const lac_dfa_build *b, lac_arena *scratch, lacuna_error *err)
{
    const uint32_t n = (uint32_t)b->n_states, m = (uint32_t)b->n_edges;
    uint32_t *id = lac_arena_array(scratch, n, sizeof *id);
    uint8_t *reached = lac_arena_array(scratch, (size_t)n + 1, 1), *lives = lac_arena_array(scratch, n, 1);
    t->accept = lac_arena_array(scratch, n, sizeof *t->accept);
    t->block = lac_arena_array(scratch, n, sizeof *t->block);
    t->edge = lac_arena_array(scratch, m, sizeof *t->edge); /* the largest comes last: the arena's next block would be twice as large */
    if (!id || !reached || !lives || !t->accept || !t->edge || !t->block) return lac_nomem(err, b->what);
    reached[0] = 1;
    if (n) memcpy(lives, b->accept, n);
    int rc = spread(reached, b, true, err);
    if (!rc) rc = spread(lives, b, false, err);
    if (rc) return rc;
    for (uint32_t q = 0; q < n; q++) {
        const bool keep = reached[q] && lives[q];
        if (keep) t->accept[t->n] = b->accept[q];
        id[q] = keep ? t->n++ : LAC_DFA_DEAD; /* the start stays first; where it does not live, nothing does that is reached */
    }
    for (uint32_t i = 0; i < m; i++) {
        const lac_dfa_edge e = b->edge[i];
        if (id[e.from] != LAC_DFA_DEAD && id[e.to] != LAC_DFA_DEAD) t->edge[t->m++] = (lac_dfa_edge){id[e.from], id[e.to], e.label};
    }
    return 0;
}

/* Classes of bytes that no state tells apart, of columns next[class, block]; *repr: a column of each. */
static void merge_classes(lac_dfa *out, const lac_dfa_build *b, const uint32_t *next, uint32_t n, uint32_t repr[256])
{
    uint32_t of[256]; /* merged class of each column, once met */
    memset(of, 0xFF, sizeof of);
    out->n_classes = 0;
    for (size_t byte = 0; byte < 256; byte++) {
        const uint32_t c = b->class_of[byte];
        for (uint32_t k = 0; of[c] == UINT32_MAX && k < out->n_classes; k++)
            if (!memcmp(next + (size_t)repr[k] * n, next + (size_t)c * n, n * sizeof *next)) of[c] = k;
        if (of[c] == UINT32_MAX) repr[of[c] = out->n_classes++] = c;
        out->class_of[byte] = (uint8_t)of[c];
    }
}

/* The states of next[class, block] in the order in which they are first reached. */
static int put(lac_dfa *out, const trimmed *t, const lac_dfa_build *b, const uint32_t *next, lac_arena *scratch, lac_arena *arena,
               lacuna_error *err)
{
    const uint32_t n = t->n_blocks;
    uint32_t repr[256];
    uint32_t *order = lac_arena_array(scratch, n, sizeof *order), *rank = lac_arena_array(scratch, n, sizeof *rank), found = 0;
    merge_classes(out, b, next, n, repr);
    out->n = n;
    out->next = lac_arena_array(arena, (size_t)n * out->n_classes, sizeof *out->next);
    out->accept = lac_arena_array(arena, n, sizeof *out->accept);
    if (!order || !rank || !out->next || !out->accept) return lac_nomem(err, b->what);
    memset(rank, 0xFF, n * sizeof *rank);
    rank[order[found++] = t->block[0]] = 0;
    for (uint32_t i = 0; i < found; i++)
        for (uint32_t k = 0; k < out->n_classes; k++) {
            const uint32_t to = next[(size_t)repr[k] * n + order[i]];
            if (to != LAC_DFA_DEAD && rank[to] == LAC_DFA_DEAD) rank[order[found] = to] = found, found++;
            out->next[(size_t)i * out->n_classes + k] = to == LAC_DFA_DEAD ? LAC_DFA_DEAD : rank[to];
        }
    for (uint32_t q = 0; q < t->n; q++) out->accept[rank[t->block[q]]] = t->accept[q];
    return 0;
}

/* Blocks in place of states. */
static int merge(lac_dfa *out, const trimmed *t, const lac_dfa_build *b, lac_arena *scratch, lac_arena *arena, lacuna_error *err)
{
    const size_t size = (size_t)b->n_classes * t->n_blocks * sizeof(uint32_t);
    uint32_t *next = lac_arena_alloc(scratch, size);
    if (!next) return lac_nomem(err, b->what);
    memset(next, 0xFF, size);
    for (uint32_t i = 0; i < t->m; i++) next[(size_t)t->edge[i].label * t->n_blocks + t->block[t->edge[i].from]] = t->block[t->edge[i].to];
    return put(out, t, b, next, scratch, arena, err);
}

static int finish(trimmed *t, const lac_dfa_build *b, lac_dfa *out, lac_arena *arena, lacuna_error *err)
{
    if (!t->n) { /* no text at all */
        *out = (lac_dfa){.n_classes = 1};
        out->next = lac_arena_array(arena, 0, sizeof *out->next);
        out->accept = lac_arena_array(arena, 0, sizeof *out->accept);
        return out->next && out->accept ? 0 : lac_nomem(err, b->what);
    }
    const int64_t n = lac_dfa_min(t->block, t->edge, t->m, t->accept, t->n, b->n_classes, b->mem, err);
    if (n < 0) return (int)n;
    if (n > LAC_DFA_STATES) return lac_err(err, LACUNA_E_LIMIT, 0, "%s: %u states, %u are allowed", b->what, (unsigned)n, (unsigned)LAC_DFA_STATES);
    t->n_blocks = (uint32_t)n;
    lac_arena scratch = {.mem = b->mem};
    const int rc = merge(out, t, b, &scratch, arena, err);
    lac_arena_free(&scratch);
    return rc;
}

int lac_dfa_build_end(const lac_dfa_build *b, lac_dfa *out, lac_arena *arena, lacuna_error *err)
{
    lac_arena scratch = {.mem = b->mem};
    trimmed t = {0};
    int rc = trim(&t, b, &scratch, err);
    if (!rc) rc = finish(&t, b, out, arena, err);
    lac_arena_free(&scratch);
    return rc;
}
