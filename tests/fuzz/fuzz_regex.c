/* Bytes as an expression: refused with a place in it, or an automaton that is what it should be, and that a text of its own matches. */
#include "control/regex.h"

#include "control/automaton.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Acceptance is reached from each state: along the edges that bring it nearer. */
static void walk(const lac_dfa *d)
{
    uint32_t *far = malloc((size_t)d->n * sizeof *far); /* bytes to acceptance */
    for (uint32_t q = 0; q < d->n; q++) far[q] = d->accept[q] ? 0 : UINT32_MAX - 1;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t q = d->n; q-- > 0;)
            for (uint32_t c = 0; c < d->n_classes; c++) {
                const uint32_t to = d->next[(size_t)q * d->n_classes + c];
                if (to != LAC_DFA_DEAD && far[to] + 1 < far[q]) far[q] = far[to] + 1, changed = true;
            }
    }
    for (uint32_t q = 0; q < d->n; q++)
        if (far[q] >= d->n) abort();
    free(far);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const lacuna_allocator mem = lac_mem_system_or((lacuna_allocator){0});
    lac_arena arena = {.mem = &mem};
    lacuna_error err;
    lac_dfa d;
    const int rc = lac_regex_compile(&d, (const char *)data, size, &arena, &err);
    if (rc < 0) {
        if ((rc != LACUNA_E_ARG && rc != LACUNA_E_LIMIT) || err.code != rc || err.where > size || !err.msg[0]) abort();
    } else if (d.n <= 400) {
        if (automaton_fault(&d)) abort();
        if (d.n) walk(&d);
    }
    lac_arena_free(&arena);
    return 0;
}
