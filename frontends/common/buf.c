/* A growing row of bytes. */
#include "common/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/say.h"

static void no_memory(void)
{
    say("out of memory");
    exit(1);
}

void *xalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) no_memory();
    return p;
}

void *xgrow(void *p, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) no_memory();
    size_t bytes = count * size;
    p = realloc(p, bytes ? bytes : 1);
    if (!p) no_memory();
    return p;
}

char *xcopy(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xalloc(n, 1), s, n);
}

void buf_room(buf *b, size_t more)
{
    if (more >= SIZE_MAX / 2 - b->n) no_memory();
    size_t want = b->n + more + 1;
    if (want <= b->cap) return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < want) cap *= 2;
    b->p = xgrow(b->p, cap, 1);
    b->cap = cap;
}

void buf_add(buf *b, const void *bytes, size_t n)
{
    buf_room(b, n);
    if (n) memcpy(b->p + b->n, bytes, n);
    b->n += n;
    b->p[b->n] = 0;
}

void buf_put(buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_fmt(buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) no_memory();
    buf_room(b, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void buf_free(buf *b)
{
    free(b->p);
    *b = (buf){0};
}
