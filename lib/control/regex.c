/* A tree of expressions becomes an automaton with choices (Thompson), built from its end backwards: every part is given the state
 * behind it.  Sets of its states are the states of the automaton without choices. */
#include "control/regex.h"

#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "control/dfa_build.h"
#include "control/regex_parse.h"

#define WORK ((uint64_t)1 << 27)       /* states looked at on the way: half a second */
#define MEMBERS ((size_t)2 << 20)      /* of all sets: up to 26 MiB while there are two copies */
#define BUCKETS ((size_t)2 * LAC_DFA_BUILD_STATES) /* of the table of sets: a power of two */

typedef enum {
    STEP,   /* a byte of classes [low, high] leads to out */
    CHOICE, /* out or other, without a byte */
    ACCEPT,
    NEVER
} state_kind;

typedef struct {
    uint8_t kind;
    uint8_t low, high;   /* bytes, later their classes */
    uint32_t out, other; /* states */
} state;

typedef struct {
    const lac_regex_tree *tree;
    state *state; /* [n] */
    uint32_t n;
} nfa;

/* ---- the automaton with choices ---- */

static uint32_t add(nfa *a, state s)
{
    a->state[a->n] = s;
    return a->n++;
}

/* Sequences share what they end with: "80..BF, then out", once, twice, three times. */
static uint32_t build_class(nfa *a, const lac_regex_node *node, uint32_t out)
{
    uint32_t tail[4] = {out, LAC_REGEX_NONE, LAC_REGEX_NONE, LAC_REGEX_NONE}, start = LAC_REGEX_NONE;
    for (uint32_t i = node->low; i < node->high; i++) {
        const lac_regex_seq *s = a->tree->seqs.seq + i;
        uint32_t k = 0;
        while (k + 1 < s->n && s->low[s->n - 1 - k] == 0x80 && s->high[s->n - 1 - k] == 0xBF) {
            if (tail[k + 1] == LAC_REGEX_NONE) tail[k + 1] = add(a, (state){STEP, 0x80, 0xBF, tail[k], 0});
            k++;
        }
        uint32_t to = tail[k];
        for (uint32_t b = s->n - k; b-- > 0;) to = add(a, (state){STEP, s->low[b], s->high[b], to, 0});
        start = start == LAC_REGEX_NONE ? to : add(a, (state){CHOICE, 0, 0, to, start});
    }
    return start == LAC_REGEX_NONE ? add(a, (state){.kind = NEVER}) : start;
}

static uint32_t build(nfa *a, uint32_t node, uint32_t out);

static uint32_t build_repeat(nfa *a, const lac_regex_node *node, uint32_t out)
{
    uint32_t to = out, times = node->low;
    if (node->high == LAC_REGEX_MANY) {
        const uint32_t again = add(a, (state){CHOICE, 0, 0, 0, out});
        const uint32_t part = build(a, node->last, again);
        a->state[again].out = part;
        to = times ? part : again;
        times -= times > 0;
    } else
        for (uint32_t i = node->low; i < node->high; i++) {
            const uint32_t part = build(a, node->last, to);
            to = add(a, (state){CHOICE, 0, 0, part, out});
        }
    while (times--) to = build(a, node->last, to);
    return to;
}

/* The state from which this part leads to `out`. */
static uint32_t build(nfa *a, uint32_t at, uint32_t out)
{
    const lac_regex_node *node = a->tree->node + at;
    uint32_t to = LAC_REGEX_NONE;
    switch (node->kind) {
    case LAC_REGEX_LITERAL:
        for (uint32_t i = node->n; i-- > 0;) out = add(a, (state){STEP, node->byte[i], node->byte[i], out, 0});
        return out;
    case LAC_REGEX_CLASS: return build_class(a, node, out);
    case LAC_REGEX_REPEAT: return build_repeat(a, node, out);
    case LAC_REGEX_CHAIN:
        for (uint32_t part = node->last; part != LAC_REGEX_NONE; part = a->tree->node[part].before) out = build(a, part, out);
        return out;
    case LAC_REGEX_EITHER:
        for (uint32_t part = node->last; part != LAC_REGEX_NONE; part = a->tree->node[part].before) {
            const uint32_t start = build(a, part, out);
            to = to == LAC_REGEX_NONE ? start : add(a, (state){CHOICE, 0, 0, start, to});
        }
    }
    return to;
}

/* Ranges of bytes become ranges of classes: bytes that no step tells apart are one. */
static void classes(nfa *a, lac_dfa_build *b)
{
    uint8_t cut[256] = {0};
    for (uint32_t q = 0; q < a->n; q++) {
        if (a->state[q].kind != STEP) continue;
        cut[a->state[q].low] = 1;
        if (a->state[q].high < 255) cut[a->state[q].high + 1] = 1;
    }
    lac_dfa_build_cut(b, cut);
    for (uint32_t q = 0; q < a->n; q++) {
        a->state[q].low = b->class_of[a->state[q].low];
        a->state[q].high = b->class_of[a->state[q].high];
    }
}

/* ---- sets of its states ---- */

/* A set holds the steps, and the acceptance, that can be reached without a byte. */
typedef struct {
    const nfa *a;
    lac_dfa_build *build;
    uint32_t *member;  /* [n_members] of all sets, set by set */
    size_t n_members, cap_members;
    size_t *first;     /* [sets + 1] where each begins */
    uint64_t *hash;    /* [sets] */
    uint16_t *bucket;  /* [BUCKETS] set + 1, 0: free */
    uint32_t *seen;    /* [a->n] round in which a state was last reached */
    uint32_t *stack;   /* [a->n] */
    uint32_t round;
    uint64_t work;
    lacuna_error *err;
} sets;

/* Room for one more set behind the members, whatever it holds. */
static int make_room(sets *s)
{
    void *p = s->member;
    if (s->n_members > MEMBERS) return lac_err(s->err, LACUNA_E_LIMIT, 0, "expression: too many ways to match the same text");
    if (!lac_mem_grow(s->build->mem, &p, &s->cap_members, s->n_members + s->a->n, sizeof *s->member)) return lac_nomem(s->err, "expression");
    s->member = p;
    return 0;
}

/* Put what can be reached from a state behind the members, but for what was reached in this round; the sum of its hashes. */
static uint64_t reach(sets *s, uint32_t from)
{
    uint64_t hash = 0; /* in whatever order they are found */
    uint32_t depth = 0;
    if (s->seen[from] == s->round) return 0;
    s->seen[from] = s->round;
    s->stack[depth++] = from;
    while (depth) {
        const uint32_t q = s->stack[--depth];
        const state *x = s->a->state + q;
        s->work += 4;
        if (x->kind == CHOICE) {
            const uint32_t to[2] = {x->other, x->out};
            for (size_t i = 0; i < 2; i++) {
                if (s->seen[to[i]] == s->round) continue;
                s->seen[to[i]] = s->round;
                s->stack[depth++] = to[i];
            }
        } else if (x->kind != NEVER) {
            s->member[s->n_members++] = q;
            hash += lac_mix(q);
        }
    }
    return hash;
}

/* The set number of the members behind the last set, which become a new set if they are none yet. */
static int intern(sets *s, uint64_t hash, uint32_t *set)
{
    const uint32_t n = (uint32_t)s->build->n_states;
    const size_t from = s->first[n], size = s->n_members - from;
    bool accept = false;
    size_t i = lac_mix(hash) & (BUCKETS - 1);
    for (; s->bucket[i]; i = (i + 1) & (BUCKETS - 1)) {
        const uint32_t other = s->bucket[i] - 1;
        if (s->hash[other] != hash || s->first[other + 1] - s->first[other] != size) continue;
        size_t k = s->first[other];
        while (k < s->first[other + 1] && s->seen[s->member[k]] == s->round) k++;
        s->work += size;
        if (k < s->first[other + 1]) continue;
        s->n_members = from;
        return *set = other, 0;
    }
    for (size_t k = from; k < s->n_members; k++) accept |= s->a->state[s->member[k]].kind == ACCEPT;
    const int rc = lac_dfa_build_state(s->build, accept, s->err);
    if (rc) return rc;
    s->bucket[i] = (uint16_t)(n + 1);
    s->hash[n] = hash;
    s->first[n + 1] = s->n_members;
    return *set = n, 0;
}

/* The edges of a set for the classes [low, high), which its steps do not tell apart. */
static int leave(sets *s, uint32_t set, uint32_t low, uint32_t high)
{
    uint64_t hash = 0;
    uint32_t to;
    int rc = make_room(s);
    if (rc) return rc;
    const size_t from = s->n_members;
    s->round++;
    s->work += s->first[set + 1] - s->first[set];
    for (size_t k = s->first[set]; k < s->first[set + 1]; k++) {
        const state *x = s->a->state + s->member[k];
        if (x->kind == STEP && x->low <= low && low <= x->high) hash += reach(s, x->out);
    }
    if (s->n_members == from) return 0;
    if (s->work > WORK) return lac_err(s->err, LACUNA_E_LIMIT, 0, "expression: too much work on the way to an automaton");
    rc = intern(s, hash, &to);
    for (uint32_t c = low; !rc && c < high; c++) rc = lac_dfa_build_edge(s->build, set, c, to, s->err);
    return rc;
}

static int determine(sets *s, uint32_t start)
{
    uint32_t set;
    s->round = 1;
    int rc = make_room(s);
    if (!rc) rc = intern(s, reach(s, start), &set);
    for (set = 0; !rc && set < s->build->n_states; set++) {
        uint8_t cut[257] = {0};
        const uint32_t n = s->build->n_classes;
        for (size_t k = s->first[set]; k < s->first[set + 1]; k++) {
            const state *x = s->a->state + s->member[k];
            if (x->kind == STEP) cut[x->low] = cut[x->high + 1] = 1;
        }
        for (uint32_t low = 0, high; !rc && low < n; low = high) {
            for (high = low + 1; high < n && !cut[high];) high++;
            rc = leave(s, set, low, high);
        }
    }
    return rc;
}

static int compile(lac_dfa_build *b, const lac_regex_tree *tree, lac_arena *scratch, lacuna_error *err)
{
    const size_t most = (size_t)tree->node[tree->root].size + 1;
    nfa a = {.tree = tree, .state = lac_arena_array(scratch, most, sizeof *a.state)};
    if (!a.state) return lac_nomem(err, "expression");
    const uint32_t start = build(&a, tree->root, add(&a, (state){.kind = ACCEPT}));
    classes(&a, b);
    sets s = {.a = &a, .build = b, .err = err};
    s.first = lac_arena_alloc(scratch, (LAC_DFA_BUILD_STATES + 1) * sizeof *s.first); /* written when used: most expressions need little */
    s.hash = lac_arena_alloc(scratch, LAC_DFA_BUILD_STATES * sizeof *s.hash);
    s.bucket = lac_arena_array(scratch, BUCKETS, sizeof *s.bucket);
    s.seen = lac_arena_array(scratch, a.n, sizeof *s.seen);
    s.stack = lac_arena_array(scratch, a.n, sizeof *s.stack);
    if (!s.first || !s.hash || !s.bucket || !s.seen || !s.stack) return lac_nomem(err, "expression");
    s.first[0] = 0;
    const int rc = determine(&s, start);
    lac_mem_free(b->mem, s.member, s.cap_members * sizeof *s.member);
    return rc;
}

int lac_regex_compile(lac_dfa *out, const char *expr, size_t len, lac_arena *arena, lacuna_error *err)
{
    lac_regex_tree tree;
    lac_dfa_build b = lac_dfa_build_begin(arena->mem, "expression");
    lac_arena scratch = {.mem = arena->mem};
    int rc = lac_regex_parse(&tree, expr, len, arena->mem, err);
    if (!rc) rc = compile(&b, &tree, &scratch, err);
    lac_arena_free(&scratch);
    lac_regex_tree_free(&tree);
    if (!rc) rc = lac_dfa_build_end(&b, out, arena, err);
    lac_dfa_build_free(&b);
    return rc;
}
