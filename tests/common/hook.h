/* An allocator that counts, checks the sizes it is given back, and fails where it is told to. */
#ifndef TESTS_COMMON_HOOK_H
#define TESTS_COMMON_HOOK_H

#include <stdbool.h>

#include "lacuna.h"

typedef struct {
    size_t calls;   /* allocations and growths asked for */
    size_t fail_at; /* the call, counted from 1, that fails; 0: none */
    bool from_then; /* and all later ones */
    size_t live;    /* bytes out */
    size_t blocks;  /* blocks out */
    size_t wrong;   /* blocks given back with another size than they were made with, or misaligned requests */
} hook;

lacuna_allocator hook_allocator(hook *h); /* one thread at a time */

#endif
