#include "syntax/tree.h"

#include <string.h>

#include "base/err.h"

int lacuna_document_open(lacuna_document **out, const char *path, const char *language, const lacuna_allocator *allocator, lacuna_error *err)
{
    *out = NULL;
    if (!path || !language) return lac_err(err, LACUNA_E_ARG, 0, "a document wants the folders of its grammar, and the name of its language");
    const lacuna_allocator mem = lac_mem_system_or(allocator ? *allocator : (lacuna_allocator){0});
    lacuna_document *d = lac_mem_zalloc(&mem, sizeof *d);
    if (!d) return lac_nomem(err, "document");
    d->mem = mem;
    int r = lac_grammars_open(&d->grammars, path, &d->mem, err);
    if (!r) r = lac_grammars_load(d->grammars, language, err);
    if (r <= 0) goto fail;
    const TSLanguage *l = lac_grammar_language(lac_grammars_find(d->grammars, language));
    r = lac_kinds_open(&d->kinds, l, language, &d->mem, err);
    if (r) goto fail;
    d->parser = ts_parser_new();
    ts_parser_set_language(d->parser, l); /* of a version that grammar.c has checked */
    ts_parser_set_timeout_micros(d->parser, LAC_PARSE_MICROS);
    *out = d;
    return 1;
fail:
    lacuna_document_free(d);
    return r;
}

void lacuna_document_free(lacuna_document *d)
{
    if (!d) return;
    const lacuna_allocator mem = d->mem;
    ts_tree_delete(d->tree); /* trees and parsers before the code of their language */
    ts_parser_delete(d->parser);
    lac_mem_free(&mem, d->text, d->cap);
    lac_mem_free(&mem, d->old.hole, d->old.cap * sizeof *d->old.hole);
    lac_mem_free(&mem, d->old.faults.of, d->old.faults.cap * sizeof *d->old.faults.of);
    lac_mem_free(&mem, d->faults.of, d->faults.cap * sizeof *d->faults.of);
    lac_mem_free(&mem, d->piece, d->cap_piece * sizeof *d->piece);
    lac_mem_free(&mem, d->line, d->cap_line * sizeof *d->line);
    lac_kinds_free(&d->kinds, &mem);
    lac_grammars_free(d->grammars);
    lac_mem_free(&mem, d, sizeof *d);
}

bool lac_document_is(const lacuna_document *d, const char *text, size_t len) { return d->len == len && (!len || !memcmp(d->text, text, len)); }

TSPoint lac_point_after(TSPoint from, const char *text, size_t n)
{
    const char *line = text, *end = text + n;
    for (const char *p; line < end && (p = memchr(line, '\n', (size_t)(end - line))); line = p + 1) from = (TSPoint){from.row + 1, 0};
    from.column += (uint32_t)(end - line);
    return from;
}

bool lac_cursor_child_at(TSTreeCursor *at, size_t byte)
{
    if (ts_tree_cursor_goto_first_child_for_byte(at, (uint32_t)byte) < 0) return false;
    do { /* that may be one which ends there */
        const TSNode node = ts_tree_cursor_current_node(at);
        if (ts_node_start_byte(node) > byte) return false;
        if (ts_node_end_byte(node) > byte) return true;
    } while (ts_tree_cursor_goto_next_sibling(at));
    return false;
}

static void clear(lacuna_document *d)
{
    ts_tree_delete(d->tree);
    d->tree = NULL;
    d->len = 0;
}

/* The one stretch in which the texts differ, as an edit. */
static TSInputEdit difference(const lacuna_document *d, const char *text, size_t len)
{
    const size_t least = len < d->len ? len : d->len;
    size_t head = 0, tail = 0;
    while (head < least && text[head] == d->text[head]) head++;
    while (tail < least - head && text[len - 1 - tail] == d->text[d->len - 1 - tail]) tail++;
    TSInputEdit e = {.start_byte = (uint32_t)head, .old_end_byte = (uint32_t)(d->len - tail), .new_end_byte = (uint32_t)(len - tail)};
    e.start_point = lac_point_after((TSPoint){0, 0}, text, head);
    e.old_end_point = lac_point_after(e.start_point, d->text + head, d->len - tail - head);
    e.new_end_point = lac_point_after(e.start_point, text + head, len - tail - head);
    return e;
}

/* tree-sitter 0.20 counts the children of a node in 16 bits: what is open at a place of the text all becomes children of one node where the text
 * ends there, and more than that writes over memory.  Brackets and chains of operators are what opens without end. */
static bool nests_too_deep(const char *text, size_t len)
{
    enum { WORD, BLANK, OPERATOR, OPEN, CLOSE };
    uint8_t kind[256];
    size_t depth = 0, run = 0, most = 0; /* run: operators and brackets without a letter, a digit or a line feed between */
    for (size_t c = 0; c < 256; c++) kind[c] = c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? WORD : OPERATOR;
    kind['\n'] = WORD;
    kind[' '] = BLANK;
    kind['('] = kind['['] = kind['{'] = OPEN;
    kind[')'] = kind[']'] = kind['}'] = CLOSE;
    for (size_t i = 0; i < len; i++) { /* without branches: 1.5 ms for 1 MB; with them 6 */
        const uint8_t k = kind[(uint8_t)text[i]];
        depth += k == OPEN;
        depth -= (k == CLOSE) & (depth > 0);
        run = (run + (k != BLANK)) & ((size_t)0 - (k != WORD));
        most = most > depth ? most : depth;
        most = most > run ? most : run;
    }
    return most > LAC_NESTS;
}

int lacuna_document_set(lacuna_document *d, const char *text, size_t len, lacuna_error *err)
{
    if (d->tree && lac_document_is(d, text, len)) return 0;
    d->old.known = false;
    if (len >= UINT32_MAX) {
        clear(d);
        return lac_err(err, LACUNA_E_LIMIT, 0, "the text has %zu bytes, a document at most %u", len, UINT32_MAX - 1);
    }
    if (nests_too_deep(text, len)) {
        clear(d);
        return lac_err(err, LACUNA_E_LIMIT, 0, "the text has more than %zu brackets or operators open at once", LAC_NESTS);
    }
    if (!lac_mem_grow(&d->mem, (void **)&d->text, &d->cap, len + 1, 1)) {
        clear(d);
        return lac_nomem(err, "text of a document");
    }
    if (d->tree) {
        const TSInputEdit e = difference(d, text, len);
        ts_tree_edit(d->tree, &e);
        memmove(d->text + e.new_end_byte, d->text + e.old_end_byte, d->len - e.old_end_byte);
        if (e.new_end_byte > e.start_byte) memcpy(d->text + e.start_byte, text + e.start_byte, e.new_end_byte - e.start_byte);
    } else if (len)
        memcpy(d->text, text, len);
    d->len = len;
    TSTree *tree = ts_parser_parse_string(d->parser, d->tree, d->text, (uint32_t)len);
    ts_tree_delete(d->tree);
    d->tree = tree;
    if (tree) return 0;
    ts_parser_reset(d->parser);
    clear(d);
    return lac_err(err, LACUNA_E_LIMIT, 0, "a text of %zu bytes takes more than %d seconds to parse", len, (int)(LAC_PARSE_MICROS / 1000000));
}
