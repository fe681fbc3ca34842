/* Weights of states are kept as logarithms, on a scale of their own for each position.  Sums are made of plain doubles; where one is so
 * small that terms of it may be lost, it is made again of logarithms: states far behind the best count as exactly as these. */
#include "sample/chain.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/err.h"

#define TINY 1e-280 /* a sum of values up to 1 that is above has lost nothing */
#define NONE LAC_DFA_DEAD

struct lac_chain {
    lac_chain_want want;
    size_t set;            /* words of a set of states */
    size_t states;         /* lift->n + 1: with the end */
    /* what stands */
    int32_t *token;        /* [n] as last seen */
    size_t first;          /* slots before it are not looked at */
    uint32_t start;        /* state before it */
    size_t lo, hi;         /* the first open slot, behind the last; both n where none is open */
    uint64_t *forward;     /* [n + 1, set] right from first to forward_to */
    uint64_t *backward;    /* [n + 1, set] right from backward_from to n; from what stands right of a position alone */
    size_t forward_to, backward_from;
    uint64_t *scratch;     /* [3, set] */
    /* slots that are asked for together */
    size_t n_asked;
    size_t *slot;          /* [asks] */
    const double **weight; /* [asks] the caller's */
    double *closed;        /* [asks] ln of a slot behind an <eom> */
    bool max;              /* sums are maxima */
    bool ended;            /* an <eom> was taken: the slot that is next is closed */
    double *beta;          /* [asks, states] behind each: ln of what the states are worth for what is right of it; the largest is 0 */
    double *alpha;         /* [states] before the slot that is next: ln of what leads to them; the largest is 0 */
    double *ln, *room;     /* [states] scratch: of one position, and of the one beside it */
    double *linear;        /* [states] scratch: exp of a row of beta */
    uint8_t *lost;         /* [most of words + 1 and states] scratch: sums that are made again */
};

/* ---- sets ---- */

static bool has(const uint64_t *set, uint32_t s) { return set[s / 64] >> s % 64 & 1; }
static void put(uint64_t *set, uint32_t s) { set[s / 64] |= (uint64_t)1 << s % 64; }
static uint64_t *forward_at(const lac_chain *c, size_t i) { return c->forward + i * c->set; }
static uint64_t *backward_at(const lac_chain *c, size_t i) { return c->backward + i * c->set; }

/* The first state from s on that is in both sets; NONE. */
static uint32_t both_from(const lac_chain *c, const uint64_t *a, const uint64_t *b, uint32_t s)
{
    size_t k = s / 64;
    if (k >= c->set) return NONE;
    uint64_t x = a[k] & b[k] & ~(uint64_t)0 << s % 64;
    while (!x) {
        if (++k == c->set) return NONE;
        x = a[k] & b[k];
    }
    return (uint32_t)(64 * k) + (uint32_t)__builtin_ctzll(x);
}

static bool meet(const lac_chain *c, const uint64_t *a, const uint64_t *b) { return both_from(c, a, b, 0) != NONE; }

/* May <eom> be in a slot, from this state of the automaton? */
static bool may_end(const lac_chain *c, size_t slot, uint32_t s) { return slot >= c->want.min && c->want.lift->accept[s]; }

/* The state behind a slot that holds this word; NONE. */
static uint32_t move(const lac_chain *c, size_t slot, uint32_t s, uint32_t word)
{
    const lac_lift *l = c->want.lift;
    if (word == l->n_words) return s == l->n || may_end(c, slot, s) ? l->n : NONE;
    return s < l->n && word < l->n_words ? lac_lift_next(l, s, word) : NONE;
}

/* ---- what stands ---- */

int lac_chain_open(lac_chain **out, const lac_chain_want *want, lac_arena *arena, lacuna_error *err)
{
    const size_t set = LAC_LIFT_SET(want->lift->n), states = (size_t)want->lift->n + 1, words = (size_t)want->lift->n_words + 1;
    lac_chain *c = lac_arena_array(arena, 1, sizeof *c);
    *out = NULL;
    if (!c) return lac_nomem(err, "chain");
    *c = (lac_chain){.want = *want, .set = set, .states = states};
    size_t positions = 0, rows = 0;
    if (!lac_mul(want->n + 1, set, &positions) || !lac_mul(want->asks, states, &rows)) return lac_nomem(err, "chain");
    c->token = lac_arena_array(arena, want->n, sizeof *c->token);
    c->forward = lac_arena_array(arena, positions, sizeof *c->forward);
    c->backward = lac_arena_array(arena, positions, sizeof *c->backward);
    c->scratch = lac_arena_array(arena, 3 * set, sizeof *c->scratch);
    c->slot = lac_arena_array(arena, want->asks, sizeof *c->slot);
    c->weight = lac_arena_array(arena, want->asks, sizeof *c->weight);
    c->closed = lac_arena_array(arena, want->asks, sizeof *c->closed);
    c->beta = lac_arena_array(arena, rows, sizeof *c->beta);
    c->alpha = lac_arena_array(arena, states, sizeof *c->alpha);
    c->ln = lac_arena_array(arena, states, sizeof *c->ln);
    c->linear = lac_arena_array(arena, states, sizeof *c->linear);
    c->room = lac_arena_array(arena, states, sizeof *c->room);
    c->lost = lac_arena_array(arena, words > states ? words : states, 1);
    if (!c->token || !c->forward || !c->backward || !c->scratch || !c->slot || !c->weight || !c->closed || !c->beta || !c->alpha || !c->ln ||
        !c->linear || !c->room || !c->lost)
        return lac_nomem(err, "chain");
    uint64_t *last = backward_at(c, want->n);
    for (uint32_t s = 0; s < want->lift->n; s++)
        if (want->lift->accept[s]) put(last, s);
    if (want->eom >= 0) put(last, want->lift->n);
    c->backward_from = want->n;
    for (size_t i = 0; i < want->n; i++) c->token[i] = -1;
    c->first = SIZE_MAX; /* unlike any */
    lac_chain_look(c, c->token, 0, 0);
    *out = c;
    return 0;
}

/* Are two slots next to one another open, and open to <eom> alike? */
static bool alike(const lac_chain *c, const int32_t *token, size_t i) { return token[i] < 0 && token[i + 1] < 0 && i + 1 != c->want.min; }

/* forward[i + 1], from forward[i] and slot i; false: it is what it was. */
static bool step_forward(lac_chain *c, const int32_t *token, size_t i)
{
    const lac_lift *l = c->want.lift;
    const uint64_t *from = forward_at(c, i);
    uint64_t *to = c->scratch;
    memset(to, 0, c->set * sizeof *to);
    if (i > c->first && alike(c, token, i - 1) && !memcmp(from, forward_at(c, i - 1), c->set * sizeof *to)) memcpy(to, from, c->set * sizeof *to);
    else
        for (uint32_t s = both_from(c, from, from, 0); s != NONE; s = both_from(c, from, from, s + 1)) {
            if (token[i] >= 0) {
                const uint32_t next = move(c, i, s, l->word_of[token[i]]);
                if (next != NONE) put(to, next);
                continue;
            }
            if (s == l->n || may_end(c, i, s)) put(to, l->n);
            for (size_t k = 0; s < l->n && k < c->set; k++) to[k] |= l->follows[s * c->set + k];
        }
    const bool moved = memcmp(forward_at(c, i + 1), to, c->set * sizeof *to);
    memcpy(forward_at(c, i + 1), to, c->set * sizeof *to);
    return moved;
}

/* backward[i], from backward[i + 1] and slot i; false: it is what it was. */
static bool step_backward(lac_chain *c, const int32_t *token, size_t i)
{
    const lac_lift *l = c->want.lift;
    const uint64_t *from = backward_at(c, i + 1);
    uint64_t *to = c->scratch;
    memset(to, 0, c->set * sizeof *to);
    if (i + 1 < c->want.n && alike(c, token, i) && !memcmp(from, backward_at(c, i + 2), c->set * sizeof *to)) memcpy(to, from, c->set * sizeof *to);
    else
        for (uint32_t s = 0; s <= l->n; s++) {
            if (token[i] >= 0) {
                const uint32_t next = move(c, i, s, l->word_of[token[i]]);
                if (next != NONE && has(from, next)) put(to, s);
            } else if (has(from, l->n) && (s == l->n || may_end(c, i, s))) put(to, s);
            else if (s < l->n && meet(c, from, l->follows + s * c->set)) put(to, s);
        }
    const bool moved = memcmp(backward_at(c, i), to, c->set * sizeof *to);
    memcpy(backward_at(c, i), to, c->set * sizeof *to);
    return moved;
}

/* Sets are made where somebody looks: forward up to behind the last open slot, backward down to the first. */
void lac_chain_look(lac_chain *c, const int32_t *token, size_t first, uint32_t start)
{
    const size_t n = c->want.n;
    bool changed = false, moved = first != c->first || start != c->start;
    c->first = first;
    c->start = start;
    c->lo = c->hi = n;
    for (size_t i = n; i-- > first;) {
        changed |= token[i] != c->token[i];
        if (token[i] >= 0) continue;
        if (c->lo == n) c->hi = i + 1;
        c->lo = i;
    }
    if (moved) {
        memset(forward_at(c, first), 0, c->set * sizeof *c->forward);
        if (start < c->want.lift->n) put(forward_at(c, first), start);
        c->forward_to = first;
        changed = true;
    }
    for (size_t i = first; i < c->hi; i++)
        if (moved || i >= c->forward_to || token[i] != c->token[i]) moved = step_forward(c, token, i) || i >= c->forward_to;
    if (changed || c->hi > c->forward_to) c->forward_to = c->hi;
    moved = false;
    for (size_t i = n; i-- > c->lo;)
        if (moved || i < c->backward_from || token[i] != c->token[i]) moved = step_backward(c, token, i) || i < c->backward_from;
    if (changed || c->lo < c->backward_from) c->backward_from = c->lo;
    memmove(c->token + first, token + first, (n - first) * sizeof *token);
}

bool lac_chain_completes(const lac_chain *c, size_t slot, uint32_t state) { return has(backward_at(c, slot), state); }
bool lac_chain_possible(const lac_chain *c) { return meet(c, forward_at(c, c->lo), backward_at(c, c->lo)); }

size_t lac_chain_shortest(const lac_chain *c)
{
    const lac_lift *l = c->want.lift;
    const uint64_t *done = backward_at(c, c->want.n);
    uint64_t *at = c->scratch, *next = at + c->set, *seen = next + c->set;
    memset(at, 0, 3 * c->set * sizeof *at);
    if (c->start < l->n) put(at, c->start);
    for (size_t length = 0; length <= c->want.n - c->first; length++) {
        if (meet(c, at, done)) return length;
        memset(next, 0, c->set * sizeof *next);
        for (uint32_t s = both_from(c, at, at, 0); s != NONE; s = both_from(c, at, at, s + 1))
            for (size_t k = 0; k < c->set; k++) next[k] |= l->follows[s * c->set + k];
        for (size_t k = 0; k < c->set; k++) {
            at[k] = next[k] & ~seen[k];
            seen[k] |= next[k];
        }
    }
    return SIZE_MAX;
}

void lac_chain_allowed(const lac_chain *c, size_t slot, uint8_t *allowed)
{
    const lac_lift *l = c->want.lift;
    const uint64_t *from = forward_at(c, slot), *live = backward_at(c, slot), *to = backward_at(c, slot + 1);
    memset(allowed, 0, (size_t)l->n_words + 1);
    allowed[l->n_words] = has(from, l->n) && has(to, l->n); /* an open slot before this one may be <eom> */
    for (uint32_t s = both_from(c, from, live, 0); s < l->n; s = both_from(c, from, live, s + 1)) {
        for (const lac_lift_edge *e = l->edge + l->row[s]; e < l->edge + l->row[s + 1]; e++) allowed[e->word] |= has(to, e->next);
        allowed[l->n_words] |= may_end(c, slot, s) && has(to, l->n);
    }
}

/* ---- several slots: ln of sums ---- */

/* ln(e^a + e^b), or the larger. */
static double join(const lac_chain *c, double a, double b)
{
    const double most = a > b ? a : b, least = a > b ? b : a;
    return c->max || least == -INFINITY ? most : most + log1p(exp(least - most));
}

static double plus(const lac_chain *c, double a, double b) { return !c->max ? a + b : a > b ? a : b; }
static void add(const lac_chain *c, double *sum, size_t i, double x) { sum[i] = sum[i] < 0 ? x : plus(c, sum[i], x); }

static void nothing(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = -INFINITY;
}

/* The largest becomes 0.  false: there is nothing. */
static bool scale(double *x, size_t n)
{
    double most = -INFINITY;
    for (size_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    if (most == -INFINITY) return false;
    for (size_t i = 0; i < n; i++) x[i] -= most;
    return true;
}

static const double *beta_at(const lac_chain *c, size_t k) { return c->beta + k * c->states; }

/* exp of what the states behind the k-th slot are worth, in c->linear. */
static const double *linear_at(const lac_chain *c, size_t k)
{
    const double *beta = beta_at(c, k);
    for (size_t s = 0; s < c->states; s++) c->linear[s] = beta[s] == -INFINITY ? 0 : exp(beta[s]);
    return c->linear;
}

/* Weights may be on any scale: what a sum must be above so that nothing is lost. */
static double tiny(const lac_chain *c, size_t k)
{
    double most = 1;
    for (size_t w = 0; w <= c->want.lift->n_words; w++) most = c->weight[k][w] > most ? c->weight[k][w] : most;
    return most * TINY;
}

/* ---- backward ---- */

/* ln of what a state of the automaton before the k-th slot is worth. */
static double worth(const lac_chain *c, size_t k, uint32_t s, const double *linear, double least)
{
    const lac_lift *l = c->want.lift;
    const lac_lift_edge *e = l->edge + l->row[s], *end = l->edge + l->row[s + 1];
    const double *weight = c->weight[k], *beta = beta_at(c, k);
    const bool ends = may_end(c, c->slot[k], s);
    double sum = ends ? weight[l->n_words] * linear[l->n] : 0;
    for (const lac_lift_edge *x = e; x < end; x++) sum = plus(c, sum, weight[x->word] * linear[x->next]);
    if (sum > least) return log(sum);
    double ln = ends ? log(weight[l->n_words]) + beta[l->n] : -INFINITY;
    for (; e < end; e++)
        if (weight[e->word] > 0) ln = join(c, ln, log(weight[e->word]) + beta[e->next]);
    return ln;
}

/* What states are worth before slot i, which stands, from what they are worth behind it. */
static void back(const lac_chain *c, size_t i, double *ln, double *room)
{
    const uint32_t word = c->want.lift->word_of[c->token[i]];
    const uint64_t *f = forward_at(c, i), *b = backward_at(c, i);
    memcpy(room, ln, c->states * sizeof *ln);
    nothing(ln, c->states);
    for (uint32_t s = both_from(c, f, b, 0); s != NONE; s = both_from(c, f, b, s + 1)) {
        const uint32_t next = move(c, i, s, word);
        if (next != NONE) ln[s] = room[next];
    }
}

bool lac_chain_weigh(lac_chain *c, const size_t *slot, size_t n_asked, const double *const *weight, const double *closed, bool max)
{
    const lac_lift *l = c->want.lift;
    c->n_asked = n_asked;
    c->max = max;
    for (size_t k = 0; k < n_asked; k++) {
        c->slot[k] = slot[k];
        c->weight[k] = weight[k];
        c->closed[k] = closed ? closed[k] : 0;
    }
    if (!n_asked) return lac_chain_possible(c);
    for (size_t k = n_asked; k--;) {
        double *beta = c->beta + k * c->states, *ln = k ? beta - c->states : c->alpha;
        const uint64_t *f = forward_at(c, slot[k] + 1), *b = backward_at(c, slot[k] + 1);
        if (k + 1 == n_asked) {
            nothing(beta, c->states);
            for (uint32_t s = both_from(c, f, b, 0); s != NONE; s = both_from(c, f, b, s + 1)) beta[s] = 0;
        }
        if (!scale(beta, c->states)) return false;
        const double *linear = linear_at(c, k), least = tiny(c, k);
        nothing(ln, c->states);
        f = forward_at(c, slot[k]);
        b = backward_at(c, slot[k]);
        for (uint32_t s = both_from(c, f, b, 0); s != NONE; s = both_from(c, f, b, s + 1))
            ln[s] = s == l->n ? c->closed[k] + beta[s] : worth(c, k, s, linear, least);
        if (!k) break;
        for (size_t i = slot[k]; --i > slot[k - 1];) back(c, i, ln, c->ln);
    }
    c->ended = false;
    return scale(c->alpha, c->states);
}

/* ---- forward ---- */

/* How many states alpha is in. */
static size_t n_stands(const lac_chain *c)
{
    size_t n = 0;
    for (size_t s = 0; s < c->states; s++) n += c->alpha[s] > -INFINITY;
    return n;
}

/* ln of the weight of <eom>.  One that is lost to a double counts as the least that is not: where an <eom> left of it closes the slot it is <eom>. */
static double ln_eom(const lac_chain *c, size_t k) { return log(fmax(c->weight[k][c->want.lift->n_words], DBL_TRUE_MIN)); }

/* ln of what all that leads from alpha through the k-th slot is worth, paths from the end aside.  words: out[n_words + 1] of each
 * word, what is behind it included, its weight not; else out[states] of each state behind it, what leads there alone. */
static void spread(const lac_chain *c, size_t k, bool words, double *out)
{
    const lac_lift *l = c->want.lift;
    const size_t n = words ? (size_t)l->n_words + 1 : c->states, slot = c->slot[k];
    const double *beta = beta_at(c, k), *weight = c->weight[k];
    const bool single = words && n_stands(c) == 1; /* each word has one path: there is no sum to make */
    memset(c->lost, single, n);
    if (single) nothing(out, n);
    else {
        const double *linear = words ? linear_at(c, k) : NULL, least = words ? TINY : tiny(c, k);
        for (size_t i = 0; i < n; i++) out[i] = -1; /* nothing leads there */
        for (uint32_t s = 0; s < l->n; s++) {
            if (c->alpha[s] == -INFINITY) continue;
            const double from = exp(c->alpha[s]);
            for (const lac_lift_edge *e = l->edge + l->row[s]; e < l->edge + l->row[s + 1]; e++)
                if (beta[e->next] > -INFINITY) add(c, out, words ? e->word : e->next, from * (words ? linear[e->next] : weight[e->word]));
            if (may_end(c, slot, s) && beta[l->n] > -INFINITY)
                add(c, out, words ? l->n_words : l->n, from * (words ? linear[l->n] : weight[l->n_words]));
        }
        bool again = false;
        for (size_t i = 0; i < n; i++) {
            c->lost[i] = out[i] >= 0 && out[i] <= least;
            again |= c->lost[i];
            out[i] = out[i] > least ? log(out[i]) : -INFINITY;
        }
        if (!again) return;
    }
    for (uint32_t s = 0; s < l->n; s++) {
        if (c->alpha[s] == -INFINITY) continue;
        for (const lac_lift_edge *e = l->edge + l->row[s]; e < l->edge + l->row[s + 1]; e++) {
            double *to = &out[words ? e->word : e->next];
            if (beta[e->next] > -INFINITY && c->lost[to - out]) *to = join(c, *to, c->alpha[s] + (words ? beta[e->next] : log(weight[e->word])));
        }
        double *to = &out[words ? l->n_words : l->n];
        if (may_end(c, slot, s) && beta[l->n] > -INFINITY && c->lost[to - out])
            *to = join(c, *to, c->alpha[s] + (words ? beta[l->n] : log(weight[l->n_words])));
    }
}

void lac_chain_bias(const lac_chain *c, size_t k, double *bias)
{
    const uint32_t end = c->want.lift->n, eom = c->want.lift->n_words;
    if (c->ended) memset(bias, 0, ((size_t)eom + 1) * sizeof *bias);
    else {
        spread(c, k, true, bias);
        if (c->alpha[end] > -INFINITY) bias[eom] = join(c, bias[eom], c->alpha[end] + c->closed[k] + beta_at(c, k)[end] - ln_eom(c, k));
        scale(bias, (size_t)eom + 1);
    }
}

/* alpha behind the k-th slot, where it holds this word, in ln. */
static void take_word(lac_chain *c, size_t k, uint32_t word, double *ln)
{
    const uint32_t end = c->want.lift->n;
    const double *beta = beta_at(c, k);
    nothing(ln, c->states);
    c->ended |= word == c->want.lift->n_words;
    if (c->ended) ln[end] = 0;
    for (uint32_t s = 0; !c->ended && s < end; s++) {
        const uint32_t next = c->alpha[s] > -INFINITY ? move(c, c->slot[k], s, word) : NONE;
        if (next != NONE && beta[next] > -INFINITY) ln[next] = join(c, ln[next], c->alpha[s]);
    }
}

void lac_chain_take(lac_chain *c, size_t k, uint32_t word)
{
    const uint32_t end = c->want.lift->n;
    double *ln = c->ln, *room = c->room;
    if (k + 1 == c->n_asked) return;
    if (word != LAC_CHAIN_LEFT) take_word(c, k, word, ln);
    else {
        spread(c, k, false, ln);
        ln[end] = join(c, ln[end], c->alpha[end] + c->closed[k]);
    }
    for (size_t i = c->slot[k] + 1; i < c->slot[k + 1]; i++) {
        const uint32_t stands = c->want.lift->word_of[c->token[i]];
        memcpy(room, ln, c->states * sizeof *ln);
        nothing(ln, c->states);
        for (uint32_t s = 0; s <= end; s++) {
            const uint32_t next = room[s] > -INFINITY ? move(c, i, s, stands) : NONE;
            if (next != NONE) ln[next] = join(c, ln[next], room[s]);
        }
    }
    scale(ln, c->states);
    memcpy(c->alpha, ln, c->states * sizeof *ln);
}
