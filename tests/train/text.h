/* Text to train on: files of this tree, and texts that are hard to cut. */
#ifndef TESTS_TRAIN_TEXT_H
#define TESTS_TRAIN_TEXT_H

#include <stdlib.h>
#include <string.h>

#include "common/unit.h"
#include "text/load.h"
#include "train/corpus.h"

typedef struct {
    const char *path, *tag;
} text_file;

static const text_file text_files[] = {
    {"lib/net/net.c", "<c>"},     {"lib/text/tok.c", "<c>"},           {"lib/session/step.c", "<c>"},        {"lib/canvas/canvas.c", "<c>"},
    {"lib/base/utf8.c", "<c>"},   {"tests/frontends/serve.py", "<py>"}, {"tests/frontends/golden_cli.py", "<py>"}, {"README.md", "<prose>"},
    {"doc/ARCHITECTURE.md", "<prose>"},
};

/* Characters of one to four bytes, invalid UTF-8, NUL, U+2581, no line feed, blank lines, next to nothing, nothing. */
static const struct {
    const char *text;
    size_t len;
} hard_texts[] = {
#define HARD(s) {s, sizeof s - 1}
    HARD(""),
    HARD("x"),
    HARD("\n\n\n\n"),
    HARD("\xE2\x82\xAC\xF0\x9F\x98\x80 na\xC3\xAFve\n\xE2\x96\x81 = \xE6\xBC\xA2\xE5\xAD\x97\n\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80"),
    HARD("\xFF\xFE\x80\x80 a\0b \xC3(\xE2\x82 end\n"),
    HARD("one long line without an end one long line without an end one long line without an end one long line without an end"),
#undef HARD
};

static inline lac_tok *text_tok(const lacuna_allocator *mem)
{
    lac_tok *tok;
    lacuna_error err;
    size_t size;
    char *blob = load_file(MODEL_PATH, &size);
    assert_non_null(blob);
    CHECK(lac_tok_open(&tok, blob, size, MODEL_PATH, mem, &err) == 0, "%s", err.msg);
    free(blob);
    return tok;
}

static inline void text_add_files(lac_corpus *c, const lac_tok *tok)
{
    lacuna_error err;
    for (size_t i = 0; i < sizeof text_files / sizeof *text_files; i++) {
        size_t len;
        char *text = load_file(text_files[i].path, &len);
        CHECK(text, "%s cannot be read", text_files[i].path);
        CHECK(lac_corpus_add_text(c, text, len, lac_tok_find(tok, text_files[i].tag), &err) == 0, "%s", err.msg);
        free(text);
    }
}

static inline void text_add_hard(lac_corpus *c, const lac_tok *tok)
{
    lacuna_error err;
    for (size_t i = 0; i < sizeof hard_texts / sizeof *hard_texts; i++)
        CHECK(lac_corpus_add_text(c, hard_texts[i].text, hard_texts[i].len, i % 2 ? lac_tok_find(tok, "<py>") : -1, &err) == 0, "%s", err.msg);
}

/* The bytes of n tokens into text; how many. */
static inline size_t text_spell(const lac_tok *tok, const int32_t *x, size_t n, char *text)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        lacuna_text b = lac_tok_bytes(tok, x[i]);
        memcpy(text + len, b.bytes, b.len);
        len += b.len;
    }
    return len;
}

#endif
