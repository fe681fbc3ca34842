/* The tokenizer of the tests: tests are run from the top of the tree. */
#ifndef TEST_TEXT_LOAD_H
#define TEST_TEXT_LOAD_H

#include <stdio.h>
#include <stdlib.h>

#include "common/unit.h"
#include "text/tok.h"

#define MODEL_PATH "tests/data/bpe8k.model"

/* All bytes of a file, malloc'd; NULL if it cannot be read. */
static inline char *load_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    *size = 0;
    if (!f) return NULL;
    char *p = NULL;
    long n = fseek(f, 0, SEEK_END) ? -1 : ftell(f);
    if (n > 0 && (p = malloc((size_t)n)) && (rewind(f), fread(p, 1, (size_t)n, f) != (size_t)n)) {
        free(p);
        p = NULL;
    }
    fclose(f);
    if (p) *size = (size_t)n;
    return p;
}

/* The tokenizer of MODEL_PATH; fails the running test. */
static inline lac_tok *load_tok(const lacuna_allocator *mem)
{
    size_t size;
    lacuna_error err;
    lac_tok *tok;
    char *blob = load_file(MODEL_PATH, &size);
    assert_non_null(blob);
    CHECK(lac_tok_open(&tok, blob, size, MODEL_PATH, mem, &err) == 0, "%s", err.msg);
    free(blob);
    return tok;
}

#endif
