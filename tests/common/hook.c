#include "common/hook.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Block: the start for free, the size, then padding up to the alignment and the caller's bytes. */
typedef struct {
    void *start;
    size_t size;
} head;

static void drop(hook *h, char *p, size_t old)
{
    head info;
    memcpy(&info, p - sizeof info, sizeof info);
    if (info.size != old) h->wrong++;
    h->live -= info.size;
    h->blocks--;
    free(info.start);
}

static void *hook_fn(void *ctx, void *p, size_t old, size_t now, size_t align)
{
    hook *h = ctx;
    if (!now) {
        if (p) drop(h, p, old);
        return NULL;
    }
    h->calls++;
    if (h->fail_at && (h->calls == h->fail_at || (h->from_then && h->calls > h->fail_at))) return NULL;
    if (!align || align > 64 || align & (align - 1)) {
        h->wrong++;
        align = 64;
    }
    char *start = malloc(now + sizeof(head) + align);
    if (!start) return NULL;
    char *q = start + sizeof(head);
    q += (align - (uintptr_t)q % align) % align;
    head info = {start, now};
    memcpy(q - sizeof info, &info, sizeof info);
    h->live += now;
    h->blocks++;
    if (p) {
        memcpy(q, p, old < now ? old : now);
        drop(h, p, old);
    }
    return q;
}

lacuna_allocator hook_allocator(hook *h) { return (lacuna_allocator){hook_fn, h}; }
