/* All tokens are walked through the automaton from all states at once, depth first, as if they stood in a trie of their classes:
 *
 *   node     tokens that begin with the same classes, and the states that live through these: pairs (from, to)
 *   child    the tokens whose next byte is of one class; its pairs are the parent's, one step on, less those that die
 *   word     the pairs of a node at which a token ends: its column; nodes with equal columns are one word
 *
 * A node without pairs is not entered, whatever number of tokens begins so: literals cost little.  No trie is built: the tokens
 * of a node are a list that is dealt out to its children. */
#include "control/lift.h"

#include <string.h>

#include "base/err.h"

#define NONE UINT32_MAX         /* no token; no state lives through it */
#define IS_EOM (UINT32_MAX - 1) /* until the number of words is known */

typedef struct { /* a child, not yet entered */
    uint32_t token;          /* first of its list */
    uint32_t class;          /* of the byte that leads here */
    size_t depth;            /* bytes so far, that one included */
    size_t first, end;       /* the parent's pairs; all later ones are gone when it is entered */
} node;

typedef struct {
    uint32_t from, to;       /* states */
} pair;

typedef struct {
    const lac_dfa *dfa;
    const lacuna_allocator *mem;
    lacuna_text *text;       /* [V] bytes of each token */
    uint32_t *after;         /* [V] next in the list of its node */
    uint32_t *word_of;       /* [V] */
    node *todo;              /* [todo_cap] a stack */
    pair *path;              /* [path_cap] of the nodes on the way to the one at hand */
    pair *column;            /* [column_cap] of all words, one behind the other */
    size_t *column_at;       /* [word_cap] where the column of each word ends */
    uint32_t *table;         /* [table_cap] words by the hash of their columns, NONE: free; a power of two */
    size_t n_todo, todo_cap, n_path, path_cap, n_column, column_cap, n_words, word_cap, table_cap;
} lifter;

/* lac_mem_grow of an array of any type: array points to its pointer. */
static bool grow(const lifter *l, void *array, size_t *cap, size_t want, size_t elem)
{
    void *p;
    memcpy(&p, array, sizeof p);
    if (!lac_mem_grow(l->mem, &p, cap, want, elem)) return false;
    memcpy(array, &p, sizeof p);
    return true;
}

static uint64_t hash(const pair *p, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = (h ^ (h >> 29) ^ ((uint64_t)p[i].from << 32 | p[i].to)) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 32);
}

static size_t column_begin(const lifter *l, size_t word) { return word ? l->column_at[word - 1] : 0; }

/* Where a column stands in the table, or would. */
static size_t place(const lifter *l, const pair *p, size_t n)
{
    size_t i = hash(p, n) & (l->table_cap - 1);
    for (;; i = (i + 1) & (l->table_cap - 1)) {
        const uint32_t w = l->table[i];
        if (w == NONE) return i;
        const size_t begin = column_begin(l, w);
        if (l->column_at[w] - begin == n && !memcmp(l->column + begin, p, n * sizeof *p)) return i;
    }
}

/* Twice the table, before it is half full. */
static bool widen(lifter *l)
{
    const size_t old = l->table_cap, want = old ? old * 2 : 1024;
    uint32_t *table = lac_mem_alloc(l->mem, want * sizeof *table);
    if (!table) return false;
    lac_mem_free(l->mem, l->table, old * sizeof *table);
    l->table = table;
    l->table_cap = want;
    memset(table, 0xff, want * sizeof *table);
    for (size_t w = 0; w < l->n_words; w++) {
        const size_t begin = column_begin(l, w);
        table[place(l, l->column + begin, l->column_at[w] - begin)] = (uint32_t)w;
    }
    return true;
}

/* The word whose column is path[first .. n_path], a new one where there is none. */
static int word(lifter *l, size_t first, uint32_t *out, lacuna_error *err)
{
    const size_t n = l->n_path - first;
    if (l->table_cap < 2 * (l->n_words + 1) && !widen(l)) return lac_nomem(err, "words of an automaton");
    const size_t at = place(l, l->path + first, n);
    *out = l->table[at];
    if (*out != NONE) return 0;
    if (n > LAC_LIFT_EDGES - l->n_column)
        return lac_err(err, LACUNA_E_LIMIT, 0, "automaton of %u states: %zu words and more lead from state to state in more than %zu ways",
                       l->dfa->n, l->n_words, LAC_LIFT_EDGES);
    if (!grow(l, &l->column, &l->column_cap, l->n_column + n, sizeof *l->column) ||
        !grow(l, &l->column_at, &l->word_cap, l->n_words + 1, sizeof *l->column_at))
        return lac_nomem(err, "words of an automaton");
    memcpy(l->column + l->n_column, l->path + first, n * sizeof *l->column);
    l->column_at[l->n_words] = l->n_column += n;
    *out = l->table[at] = (uint32_t)l->n_words++;
    return 0;
}

/* The pairs of a child, at the end of path. */
static bool step(lifter *l, const node *x)
{
    l->n_path = x->end;
    if (!grow(l, &l->path, &l->path_cap, x->end + (x->end - x->first), sizeof *l->path)) return false;
    for (size_t i = x->first; i < x->end; i++) {
        const uint32_t to = l->dfa->next[(size_t)l->path[i].to * l->dfa->n_classes + x->class];
        l->path[l->n_path] = (pair){l->path[i].from, to};
        l->n_path += to != LAC_DFA_DEAD;
    }
    return true;
}

/* A node is entered: its pairs are path[first .. n_path].  Tokens that end here become a word, the others are dealt out. */
static int enter(lifter *l, uint32_t token, size_t depth, size_t first, lacuna_error *err)
{
    uint32_t head[256], here = NONE;
    uint64_t has[4] = {0}; /* classes that have a head */
    for (uint32_t v = token, after; v != NONE; v = after) {
        after = l->after[v];
        if (l->text[v].len == depth) {
            int r = here == NONE ? word(l, first, &here, err) : 0;
            if (r) return r;
            l->word_of[v] = here;
            continue;
        }
        const uint8_t class = l->dfa->class_of[(uint8_t)l->text[v].bytes[depth]];
        uint64_t *of = &has[class / 64], bit = (uint64_t)1 << class % 64;
        l->after[v] = *of & bit ? head[class] : NONE;
        *of |= bit;
        head[class] = v;
    }
    if (!grow(l, &l->todo, &l->todo_cap, l->n_todo + l->dfa->n_classes, sizeof *l->todo)) return lac_nomem(err, "words of an automaton");
    for (uint32_t i = 0; i < 4; i++)
        for (uint64_t left = has[i]; left; left &= left - 1) {
            const uint32_t class = 64 * i + (uint32_t)__builtin_ctzll(left);
            l->todo[l->n_todo++] = (node){head[class], class, depth + 1, first, l->n_path};
        }
    return 0;
}

/* Words and their columns, from the list of all tokens that are lifted. */
static int walk(lifter *l, uint32_t tokens, lacuna_error *err)
{
    if (!grow(l, &l->path, &l->path_cap, l->dfa->n, sizeof *l->path)) return lac_nomem(err, "words of an automaton");
    for (uint32_t s = 0; s < l->dfa->n; s++) l->path[s] = (pair){s, s};
    l->n_path = l->dfa->n;
    int r = enter(l, tokens, 0, 0, err);
    while (!r && l->n_todo) {
        const node x = l->todo[--l->n_todo];
        if (!step(l, &x)) return lac_nomem(err, "words of an automaton");
        if (l->n_path > x.end) r = enter(l, x.token, x.depth, x.end, err);
    }
    return r;
}

/* Columns to rows, and what follows from them. */
static int rows(lac_lift *out, const lifter *l, lac_arena *arena, lacuna_error *err)
{
    const uint32_t n = l->dfa->n;
    const size_t set = LAC_LIFT_SET(n);
    out->n = n;
    out->n_words = (uint32_t)l->n_words;
    out->row = lac_arena_array(arena, (size_t)n + 1, sizeof *out->row);
    out->edge = lac_arena_array(arena, l->n_column, sizeof *out->edge);
    out->accept = lac_arena_array(arena, n, 1);
    out->follows = lac_arena_array(arena, n * set, sizeof *out->follows);
    if (!out->row || !out->edge || !out->accept || !out->follows) return lac_nomem(err, "edges of an automaton");
    for (size_t i = 0; i < l->n_column; i++) out->row[l->column[i].from + 1]++;
    for (uint32_t s = 0; s < n; s++) out->row[s + 1] += out->row[s];
    size_t *at = out->row; /* moves on to where the next row begins */
    for (size_t w = 0, i = 0; w < l->n_words; w++)
        for (; i < l->column_at[w]; i++) {
            const pair p = l->column[i];
            out->edge[at[p.from]++] = (lac_lift_edge){(uint32_t)w, p.to};
            out->follows[p.from * set + p.to / 64] |= (uint64_t)1 << p.to % 64;
        }
    for (uint32_t s = n; s; s--) at[s] = at[s - 1];
    at[0] = 0;
    if (n) memcpy(out->accept, l->dfa->accept, n);
    return 0;
}

/* The tokens of each word. */
static int deal(lac_lift *out, uint32_t n_vocab, lac_arena *arena, lacuna_error *err)
{
    out->token = lac_arena_array(arena, n_vocab, sizeof *out->token);
    out->first = lac_arena_array(arena, (size_t)out->n_words + 4, sizeof *out->first);
    if (!out->token || !out->first) return lac_nomem(err, "words of an automaton");
    uint32_t *at = out->first + 1; /* of each word moves on to where the next begins */
    for (uint32_t v = 0; v < n_vocab; v++) at[out->word_of[v] + 1]++;
    for (uint32_t w = 0; w <= out->n_words; w++) at[w + 1] += at[w];
    for (uint32_t v = 0; v < n_vocab; v++) out->token[at[out->word_of[v]]++] = v;
    return 0;
}

int lac_lift_make(lac_lift *out, const lac_dfa *dfa, lacuna_text (*bytes)(const void *ctx, int32_t token), const void *ctx, uint32_t n_vocab,
                  int32_t eom, const uint8_t *flags, uint8_t never, uint8_t ends, lac_arena *arena, lacuna_error *err)
{
    lac_arena scratch = {.mem = arena->mem};
    lifter l = {.dfa = dfa, .mem = arena->mem};
    *out = (lac_lift){0};
    l.word_of = lac_arena_array(arena, n_vocab, sizeof *l.word_of);
    l.text = lac_arena_array(&scratch, n_vocab, sizeof *l.text);
    l.after = lac_arena_array(&scratch, n_vocab, sizeof *l.after);
    int r = !l.word_of || !l.text || !l.after ? lac_nomem(err, "words of an automaton") : 0;
    uint32_t tokens = NONE;
    for (uint32_t v = 0; !r && v < n_vocab; v++) {
        const bool end = (int32_t)v == eom || ((flags[v] & ends) && !(flags[v] & never));
        l.word_of[v] = end ? IS_EOM : NONE;
        if (end || (flags[v] & never)) continue;
        l.text[v] = bytes(ctx, (int32_t)v);
        l.after[v] = tokens;
        tokens = v;
    }
    if (!r && dfa->n) r = walk(&l, tokens, err);
    if (!r) r = rows(out, &l, arena, err);
    for (uint32_t v = 0; !r && v < n_vocab; v++)
        if (l.word_of[v] >= IS_EOM) l.word_of[v] = out->n_words + (l.word_of[v] == NONE);
    out->word_of = l.word_of;
    if (!r) r = deal(out, n_vocab, arena, err);
    lac_mem_free(l.mem, l.todo, l.todo_cap * sizeof *l.todo);
    lac_mem_free(l.mem, l.path, l.path_cap * sizeof *l.path);
    lac_mem_free(l.mem, l.column, l.column_cap * sizeof *l.column);
    lac_mem_free(l.mem, l.column_at, l.word_cap * sizeof *l.column_at);
    lac_mem_free(l.mem, l.table, l.table_cap * sizeof *l.table);
    lac_arena_free(&scratch);
    return r;
}

uint32_t lac_lift_next(const lac_lift *l, uint32_t state, uint32_t w)
{
    size_t from = l->row[state], to = l->row[state + 1];
    while (from < to) {
        const size_t mid = from + (to - from) / 2;
        if (l->edge[mid].word < w) from = mid + 1;
        else to = mid;
    }
    return from < l->row[state + 1] && l->edge[from].word == w ? l->edge[from].next : LAC_DFA_DEAD;
}
