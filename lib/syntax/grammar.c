#include "syntax/grammar.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <tree_sitter/api.h>
#include <unistd.h>

#include "base/err.h"

#define NAME ((size_t)32)    /* of a language, with its NUL */
#define PATH ((size_t)4096)  /* of a file */

struct lac_grammar {
    lac_grammar *next;
    char name[NAME];
    void *object; /* of dlopen */
    const TSLanguage *language;
};

struct lac_grammars {
    lacuna_allocator mem;
    lac_grammar *first;
    size_t path_size;
    char path[];
};

int lac_grammars_open(lac_grammars **out, const char *path, const lacuna_allocator *mem, lacuna_error *err)
{
    const size_t n = strlen(path) + 1;
    lac_grammars *g = lac_mem_zalloc(mem, sizeof *g + n);
    *out = g;
    if (!g) return lac_nomem(err, "grammars");
    g->mem = *mem;
    g->path_size = n;
    memcpy(g->path, path, n);
    return 0;
}

void lac_grammars_free(lac_grammars *g)
{
    if (!g) return;
    lacuna_allocator mem = g->mem;
    for (lac_grammar *l = g->first, *next; l; l = next) {
        next = l->next;
        dlclose(l->object);
        lac_mem_free(&mem, l, sizeof *l);
    }
    lac_mem_free(&mem, g, sizeof *g + g->path_size);
}

const lac_grammar *lac_grammars_find(const lac_grammars *g, const char *language)
{
    if (!g) return NULL;
    for (const lac_grammar *l = g->first; l; l = l->next)
        if (!strcmp(l->name, language)) return l;
    return NULL;
}

const TSLanguage *lac_grammar_language(const lac_grammar *g) { return g->language; }

/* Find the file of a language; false: there is none.  A folder whose path is too long has none. */
static bool search(const lac_grammars *g, const char *language, char *file)
{
    static const char *const form[] = {"%.*s/%s.so", "%.*s/libtree-sitter-%s.so", "%.*s/parser/%s.so"};
    for (const char *folder = g->path; *folder;) {
        const size_t n = strcspn(folder, ":");
        for (size_t i = 0; n && n < PATH && i < sizeof form / sizeof *form; i++) {
            const int k = snprintf(file, PATH, form[i], (int)n, folder, language);
            if (k > 0 && (size_t)k < PATH && !access(file, F_OK)) return true;
        }
        folder += n + (folder[n] == ':');
    }
    return false;
}

static int load(lac_grammar *l, const char *file, lacuna_error *err)
{
    char symbol[NAME + 16];
    const TSLanguage *(*fn)(void);
    l->object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!l->object) {
        const char *why = dlerror();
        return lac_err(err, LACUNA_E_FORMAT, 0, "%s: cannot be loaded as a grammar: %s", file, why ? why : "unknown reason");
    }
    snprintf(symbol, sizeof symbol, "tree_sitter_%s", l->name);
    void *p = dlsym(l->object, symbol);
    if (!p) return lac_err(err, LACUNA_E_FORMAT, 0, "%s: no grammar of %s: it has no function %s", file, l->name, symbol);
    memcpy(&fn, &p, sizeof fn); /* ISO C has no cast from an object to a function */
    l->language = fn();
    const unsigned version = l->language ? ts_language_version(l->language) : 0;
    if (version < TREE_SITTER_MIN_COMPATIBLE_LANGUAGE_VERSION || version > TREE_SITTER_LANGUAGE_VERSION)
        return lac_err(err, LACUNA_E_VERSION, 0, "%s: made for version %u of tree-sitter's grammars, this library reads %d to %d", file, version,
                       TREE_SITTER_MIN_COMPATIBLE_LANGUAGE_VERSION, TREE_SITTER_LANGUAGE_VERSION);
    return 0;
}

int lac_grammars_load(lac_grammars *g, const char *language, lacuna_error *err)
{
    char file[PATH];
    const size_t n = strlen(language);
    if (!n || n >= NAME || language[strspn(language, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        return lac_err(err, LACUNA_E_ARG, 0, "'%.40s' is no name of a language: it must be 1 to %zu of a-z, 0-9 and _", language, NAME - 1);
    if (lac_grammars_find(g, language)) return 1;
    if (!search(g, language, file)) return 0;
    lac_grammar *l = lac_mem_zalloc(&g->mem, sizeof *l);
    if (!l) return lac_nomem(err, "grammar");
    memcpy(l->name, language, n + 1);
    int r = load(l, file, err);
    if (r) {
        if (l->object) dlclose(l->object);
        lac_mem_free(&g->mem, l, sizeof *l);
        return r;
    }
    l->next = g->first;
    g->first = l;
    return 1;
}

/* ---- nodes ---- */

struct lac_parser {
    lacuna_allocator mem;
    TSParser *ts;
};

int lac_parser_open(lac_parser **out, const lacuna_allocator *mem, lacuna_error *err)
{
    lac_parser *p = lac_mem_zalloc(mem, sizeof *p);
    *out = NULL;
    if (!p) return lac_nomem(err, "parser");
    p->mem = *mem;
    p->ts = ts_parser_new(); /* tree-sitter has an allocator of its own, which ends the program where memory ends */
    *out = p;
    return 0;
}

void lac_parser_free(lac_parser *p)
{
    if (!p) return;
    lacuna_allocator mem = p->mem;
    ts_parser_delete(p->ts);
    lac_mem_free(&mem, p, sizeof *p);
}

typedef struct {
    size_t min, max, n, cap;
    lacuna_span *span;
} list;

static void add(list *l, TSNode node)
{
    const lacuna_span s = {ts_node_start_byte(node), ts_node_end_byte(node)};
    if (l->n == l->cap || s.start >= s.end || s.end - s.start < l->min || s.end - s.start > l->max) return;
    if (!ts_node_is_named(node) || ts_node_has_error(node)) return;
    if (l->n && l->span[l->n - 1].start == s.start && l->span[l->n - 1].end == s.end) return; /* a node that is all of its parent */
    l->span[l->n++] = s;
}

/* All nodes in the order in which they begin, parents before children. */
static void walk(TSTreeCursor *at, list *l)
{
    for (size_t depth = 0; l->n < l->cap;) {
        add(l, ts_tree_cursor_current_node(at));
        if (ts_tree_cursor_goto_first_child(at)) {
            depth++;
            continue;
        }
        while (!ts_tree_cursor_goto_next_sibling(at)) {
            if (!depth || !ts_tree_cursor_goto_parent(at)) return;
            depth--;
        }
    }
}

size_t lac_parser_nodes(lac_parser *p, const lac_grammar *g, const char *text, size_t len, size_t min, size_t max, lacuna_span *span, size_t cap)
{
    list l = {.min = min, .max = max, .cap = cap, .span = span};
    if (!ts_parser_set_language(p->ts, g->language) || len > UINT32_MAX) return 0;
    TSTree *tree = ts_parser_parse_string(p->ts, NULL, text, (uint32_t)len);
    if (!tree) return 0;
    TSTreeCursor at = ts_tree_cursor_new(ts_tree_root_node(tree));
    walk(&at, &l);
    ts_tree_cursor_delete(&at);
    ts_tree_delete(tree);
    return l.n;
}
