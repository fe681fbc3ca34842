/* A growing row of bytes; a program that runs out of memory here says so and exits with 1. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stddef.h>

typedef struct {
    char *p;    /* n bytes and a NUL behind them once anything was added; owned */
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
} buf;

void *xalloc(size_t count, size_t size);            /* zeroed, never NULL */
void *xgrow(void *p, size_t count, size_t size);    /* realloc, never NULL */
char *xcopy(const char *s);                         /* strdup, never NULL */

void buf_room(buf *b, size_t more);                 /* make room for so many bytes and a NUL */
void buf_add(buf *b, const void *bytes, size_t n);
void buf_put(buf *b, const char *s);
void buf_fmt(buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_free(buf *b);                              /* empty again, nothing allocated */

#endif
