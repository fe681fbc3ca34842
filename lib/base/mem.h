/* The one way to memory: the model's allocator hook, with checked sizes.
 *
 * Every block is allocated with its size, which the owner keeps and gives back: the hook may be an
 * arena.  All blocks are aligned to 64 bytes (a cache line, an AVX-512 vector). */
#ifndef LAC_BASE_MEM_H
#define LAC_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "lacuna.h"

#define LAC_ALIGN 64

/* The allocator of an options struct, or the system's where fn is NULL. */
lacuna_allocator lac_mem_system_or(lacuna_allocator a);

void *lac_mem_alloc(const lacuna_allocator *a, size_t size);  /* NULL on failure; size 0 gives NULL */
void *lac_mem_zalloc(const lacuna_allocator *a, size_t size); /* the same, zeroed */
void lac_mem_free(const lacuna_allocator *a, void *p, size_t size);

/* Ask for huge pages behind a block that is not yet written and will be read from end to end, again and again.  A hint. */
void lac_mem_huge(void *p, size_t size);

/* Grow an array of elem-sized items from *cap to at least want (doubling).  false: p and cap are as before. */
bool lac_mem_grow(const lacuna_allocator *a, void **p, size_t *cap, size_t want, size_t elem);

/* a * b and a + b; false on overflow, *r is then undefined. */
static inline bool lac_mul(size_t a, size_t b, size_t *r) { return !__builtin_mul_overflow(a, b, r); }
static inline bool lac_add(size_t a, size_t b, size_t *r) { return !__builtin_add_overflow(a, b, r); }

/* ---- arena: memory that is given back together ----
 *
 * A chain of blocks; lac_arena_reset keeps the largest block for the next round, so that a session that
 * repeats requests of one size stops allocating. */
typedef struct lac_arena_block lac_arena_block;
typedef struct {
    const lacuna_allocator *mem; /* the model's; outlives the arena */
    lac_arena_block *head;       /* the block in use, newest first */
    size_t held;                 /* bytes in all blocks */
} lac_arena;

void *lac_arena_alloc(lac_arena *a, size_t size);            /* 64-byte aligned; NULL on failure */
void *lac_arena_array(lac_arena *a, size_t n, size_t elem);  /* checked n * elem, zeroed; never NULL for n == 0 unless out of memory */
void lac_arena_reset(lac_arena *a);                          /* all allocations are gone */
void lac_arena_free(lac_arena *a);                           /* and the blocks too */

/* ---- buf: bytes that grow ---- */
typedef struct {
    const lacuna_allocator *mem;
    char *data;
    size_t len, cap;
    bool failed; /* an append ran out of memory; later appends do nothing: check once at the end */
} lac_buf;

void lac_buf_add(lac_buf *b, const void *p, size_t n);
void lac_buf_free(lac_buf *b);

#endif
