/* Documents of the grammars in build/grammars; what wants one that is not there is skipped. */
#ifndef TESTS_SYNTAX_SYNTAX_H
#define TESTS_SYNTAX_SYNTAX_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hook.h"
#include "common/unit.h"
#include "syntax/document.h"

#define GRAMMARS "build/grammars"

/* NULL: no grammar of the language. */
static inline lacuna_document *open_document(const char *language, const lacuna_allocator *mem)
{
    lacuna_error err;
    lacuna_document *d;
    const int r = lacuna_document_open(&d, "no/such/folder:" GRAMMARS, language, mem, &err);
    CHECK(r >= 0, "%s", err.msg);
    assert_true((r == 1) == (d != NULL));
    return d;
}

static inline void set(lacuna_document *d, const char *text, size_t len)
{
    lacuna_error err;
    CHECK(lacuna_document_set(d, text, len, &err) == 0, "%s", err.msg);
    assert_true(lac_document_is(d, text, len));
}

/* A file of this project into text, with room; its length. */
static inline size_t read_file(const char *path, char *text, size_t cap)
{
    FILE *f = fopen(path, "rb");
    CHECK(f, "%s", path);
    const size_t n = fread(text, 1, cap, f);
    assert_true(n && n < cap);
    fclose(f);
    return n;
}

/* One of n numbers; the state is not 0. */
static inline size_t draw(uint64_t *state, size_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)(*state >> 20) % n;
}

/* Change a text of *n bytes somewhere: a few bytes go, or something comes that matters to a parser. */
static inline void mutate(uint64_t *state, char *text, size_t *n)
{
    static const char *const word[] = {"x", "(", ")", "{", "}", ";", "\"", "\n", "if (a) {\n", "return 1;\n", "    ", ",", "/*", "*/", "def f():\n",
                                       "=", "\xC3\xA9", ":", "[", "]", "'", "#", "\t", "else"};
    const size_t at = draw(state, *n + 1);
    const char *w = word[draw(state, sizeof word / sizeof *word)];
    size_t in = strlen(w), out = 0;
    if (draw(state, 2)) {
        in = 0;
        out = 1 + draw(state, 20);
        if (out > *n - at) out = *n - at;
    }
    memmove(text + at + in, text + at + out, *n - at - out);
    memcpy(text + at, w, in);
    *n += in;
    *n -= out;
}

#endif
