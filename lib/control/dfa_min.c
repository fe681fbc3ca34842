#include "control/dfa_min.h"

#include <string.h>

#include "base/err.h"

/* A partition of 0 .. n - 1 into sets.  The elements of set s are element[first[s] .. past[s]), the marked ones in front. */
typedef struct {
    uint32_t n_sets;
    uint32_t *element; /* [n] */
    uint32_t *place;   /* [n] of each in element */
    uint32_t *set_of;  /* [n] */
    uint32_t *first;   /* [n] by set */
    uint32_t *past;    /* [n] by set */
    uint32_t *marked;  /* [n] how many of each set */
    uint32_t *touched; /* [n] sets with marks */
    uint32_t n_touched;
} partition;

#define WORDS 7 /* of memory for each element */

static partition partition_in(uint32_t *words, uint32_t n)
{
    const size_t k = n;
    return (partition){.element = words,          .place = words + k,      .set_of = words + 2 * k, .first = words + 3 * k,
                       .past = words + 4 * k, .marked = words + 5 * k, .touched = words + 6 * k};
}

static void mark(partition *p, uint32_t e)
{
    const uint32_t s = p->set_of[e], i = p->place[e], j = p->first[s] + p->marked[s];
    if (i < j) return;
    p->element[i] = p->element[j];
    p->place[p->element[i]] = i;
    p->element[j] = e;
    p->place[e] = j;
    if (!p->marked[s]++) p->touched[p->n_touched++] = s;
}

/* Part the marked elements of each set from the others; the smaller part is a new set. */
static void split(partition *p)
{
    while (p->n_touched) {
        const uint32_t s = p->touched[--p->n_touched], j = p->first[s] + p->marked[s], z = p->n_sets;
        const uint32_t n_marked = p->marked[s];
        p->marked[s] = 0;
        if (j == p->past[s]) continue;
        if (n_marked <= p->past[s] - j) {
            p->first[z] = p->first[s];
            p->past[z] = p->first[s] = j;
        } else {
            p->past[z] = p->past[s];
            p->first[z] = p->past[s] = j;
        }
        for (uint32_t i = p->first[z]; i < p->past[z]; i++) p->set_of[p->element[i]] = z;
        p->n_sets++;
    }
}

/* All states in one set, but those that accept are a set of their own. */
static void begin_blocks(partition *p, const uint8_t *accept, uint32_t n)
{
    for (uint32_t q = 0; q < n; q++) p->element[q] = p->place[q] = q;
    p->n_sets = 1;
    p->past[0] = n;
    for (uint32_t q = 0; q < n; q++)
        if (accept[q]) mark(p, q);
    split(p);
}

/* A set of edges for each label that has any.  at: [n_labels + 1], zeroed. */
static void begin_cords(partition *p, const lac_dfa_edge *edge, uint32_t m, uint32_t n_labels, uint32_t *at)
{
    for (uint32_t i = 0; i < m; i++) at[edge[i].label + 1]++;
    for (uint32_t c = 0; c < n_labels; c++) at[c + 1] += at[c];
    for (uint32_t c = 0, z = 0; c < n_labels; c++) {
        if (at[c] == at[c + 1]) continue;
        p->first[z] = p->past[z] = at[c];
        at[c] = z++;
        p->n_sets = z;
    }
    for (uint32_t i = 0; i < m; i++) {
        const uint32_t z = at[edge[i].label], j = p->past[z]++;
        p->element[j] = i;
        p->place[i] = j;
        p->set_of[i] = z;
    }
}

void lac_dfa_min_list(const lac_dfa_edge *edge, uint32_t m, uint32_t n, bool from, uint32_t *at, uint32_t *list)
{
    for (uint32_t i = 0; i < m; i++) at[(from ? edge[i].from : edge[i].to) + 2]++;
    for (uint32_t q = 0; q < n; q++) at[q + 2] += at[q + 1];
    for (uint32_t i = 0; i < m; i++) list[at[(from ? edge[i].from : edge[i].to) + 1]++] = i;
}

static uint32_t refine(partition *blocks, partition *cords, const lac_dfa_edge *edge, const uint32_t *at, const uint32_t *into)
{
    for (uint32_t c = 0, b = 1; c < cords->n_sets; c++) {
        for (uint32_t i = cords->first[c]; i < cords->past[c]; i++) mark(blocks, edge[cords->element[i]].from);
        split(blocks);
        for (; b < blocks->n_sets; b++) {
            for (uint32_t i = blocks->first[b]; i < blocks->past[b]; i++)
                for (uint32_t q = blocks->element[i], j = at[q]; j < at[q + 1]; j++) mark(cords, into[j]);
            split(cords);
        }
    }
    return blocks->n_sets;
}

int64_t lac_dfa_min(uint32_t *block, const lac_dfa_edge *edge, uint32_t m, const uint8_t *accept, uint32_t n, uint32_t n_labels,
                    const lacuna_allocator *mem, lacuna_error *err)
{
    const size_t n_words = WORDS * ((size_t)n + m) + m + n + 2 + n_labels + 1, size = n_words * sizeof(uint32_t);
    uint32_t *words = lac_mem_zalloc(mem, size); /* one block: those of an arena double */
    if (!words) return lac_nomem(err, "automaton");
    uint32_t *into = words, *at = into + m, *label_at = at + n + 2;
    partition blocks = partition_in(label_at + n_labels + 1, n), cords = partition_in(label_at + n_labels + 1 + WORDS * (size_t)n, m);
    begin_blocks(&blocks, accept, n);
    begin_cords(&cords, edge, m, n_labels, label_at);
    lac_dfa_min_list(edge, m, n, false, at, into);
    const uint32_t n_blocks = refine(&blocks, &cords, edge, at, into);
    memcpy(block, blocks.set_of, n * sizeof *block);
    lac_mem_free(mem, words, size);
    return n_blocks;
}
