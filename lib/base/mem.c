#define _DEFAULT_SOURCE /* madvise */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) /* clang's way to say it */
#define POISON 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POISON 1
#endif
#ifdef POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

static void *system_fn(void *ctx, void *p, size_t old, size_t now, size_t align)
{
    (void)ctx;
    if (!now) {
        free(p);
        return NULL;
    }
    void *q = NULL;
    if (posix_memalign(&q, align < sizeof(void *) ? sizeof(void *) : align, now)) return NULL;
    if (p) {
        memcpy(q, p, old < now ? old : now);
        free(p);
    }
    return q;
}

lacuna_allocator lac_mem_system_or(lacuna_allocator a)
{
    return a.fn ? a : (lacuna_allocator){system_fn, NULL};
}

void *lac_mem_alloc(const lacuna_allocator *a, size_t size)
{
    return size && size < SIZE_MAX / 2 ? a->fn(a->ctx, NULL, 0, size, LAC_ALIGN) : NULL;
}

void *lac_mem_zalloc(const lacuna_allocator *a, size_t size)
{
    void *p = lac_mem_alloc(a, size);
    if (p) memset(p, 0, size);
    return p;
}

void lac_mem_free(const lacuna_allocator *a, void *p, size_t size)
{
    if (p) a->fn(a->ctx, p, size, 0, LAC_ALIGN);
}

void lac_mem_huge(void *p, size_t size)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 4096, from = ((uintptr_t)p + page - 1) / page * page, to = ((uintptr_t)p + size) / page * page;
    if (to > from) madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
    (void)p, (void)size;
#endif
}

bool lac_mem_grow(const lacuna_allocator *a, void **p, size_t *cap, size_t want, size_t elem)
{
    if (want <= *cap) return true;
    size_t n = *cap < 16 ? 16 : *cap * 2, size;
    if (n < want) n = want;
    if (!lac_mul(n, elem, &size) || size >= SIZE_MAX / 2) return false;
    void *q = a->fn(a->ctx, *p, *cap * elem, size, LAC_ALIGN);
    if (!q) return false;
    *p = q;
    *cap = n;
    return true;
}

/* ---- arena ---- */

struct lac_arena_block {
    lac_arena_block *next;
    size_t size, used; /* bytes behind this header, and how many are given out */
};
#define HEADER ((sizeof(lac_arena_block) + LAC_ALIGN - 1) & ~(size_t)(LAC_ALIGN - 1))
#define FIRST_BLOCK ((size_t)16384) /* a small infill fits */
#define KEEP_BLOCK ((size_t)4 << 20) /* kept from request to request */

void *lac_arena_alloc(lac_arena *a, size_t size)
{
    if (size > SIZE_MAX / 4) return NULL;
    const size_t asked = size;
    size = (size + LAC_ALIGN) & ~(size_t)(LAC_ALIGN - 1); /* at least a byte more; under ASan the tail stays poisoned */
    lac_arena_block *b = a->head;
    if (!b || b->size - b->used < size) {
        size_t want = b ? b->size * 2 : FIRST_BLOCK;
        if (want < size) want = size;
        b = lac_mem_alloc(a->mem, HEADER + want);
        if (!b) return NULL;
        *b = (lac_arena_block){a->head, want, 0};
        ASAN_POISON_MEMORY_REGION((char *)b + HEADER, want);
        a->head = b;
        a->held += HEADER + want;
    }
    char *p = (char *)b + HEADER + b->used;
    b->used += size;
    ASAN_UNPOISON_MEMORY_REGION(p, asked);
    return p;
}

void *lac_arena_array(lac_arena *a, size_t n, size_t elem)
{
    size_t size;
    if (!lac_mul(n, elem, &size)) return NULL;
    void *p = lac_arena_alloc(a, size);
    if (p && size) memset(p, 0, size);
    return p;
}

static void drop_block(lac_arena *a, lac_arena_block *b)
{
    ASAN_UNPOISON_MEMORY_REGION((char *)b + HEADER, b->size);
    a->held -= HEADER + b->size;
    lac_mem_free(a->mem, b, HEADER + b->size);
}

void lac_arena_reset(lac_arena *a)
{
    if (!a->head) return;
    for (lac_arena_block *b = a->head->next, *next; b; b = next) { /* the head is the largest */
        next = b->next;
        drop_block(a, b);
    }
    a->head->next = NULL;
    if (a->head->size > KEEP_BLOCK) { /* one huge request must not be paid for ever after */
        drop_block(a, a->head);
        a->head = NULL;
        return;
    }
    a->head->used = 0;
    ASAN_POISON_MEMORY_REGION((char *)a->head + HEADER, a->head->size);
}

void lac_arena_free(lac_arena *a)
{
    for (lac_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        drop_block(a, b);
    }
    a->head = NULL;
}

/* ---- buf ---- */

void lac_buf_add(lac_buf *b, const void *p, size_t n)
{
    size_t want;
    if (b->failed || !n) return;
    void *data = b->data; /* a char * may not be written as a void * */
    if (!lac_add(b->len, n, &want) || !lac_mem_grow(b->mem, &data, &b->cap, want, 1)) {
        b->failed = true;
        return;
    }
    b->data = data;
    memcpy(b->data + b->len, p, n);
    b->len = want;
}

void lac_buf_free(lac_buf *b)
{
    lac_mem_free(b->mem, b->data, b->cap);
    *b = (lac_buf){.mem = b->mem};
}
