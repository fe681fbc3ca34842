/* Grammars: found, refused, and the nodes of a text.  What wants real ones is skipped where build/grammars has none. */
#include "syntax/grammar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hook.h"
#include "common/tiny.h"
#include "common/unit.h"

#define REAL "build/grammars"

static struct {
    hook hook;
    lacuna_allocator mem;
    char folder[256];
} all;

static lac_grammars *open_grammars(const char *path)
{
    lac_grammars *g;
    lacuna_error err;
    CHECK(lac_grammars_open(&g, path, &all.mem, &err) == 0, "%s", err.msg);
    return g;
}

static void write_file(const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", all.folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void none_is_no_error(void **state)
{
    (void)state;
    lacuna_error err = {0};
    const char *path[] = {"", ":", "no/such/folder", "no/such:::/nor/this:"};
    for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
        lac_grammars *g = open_grammars(path[i]);
        assert_int_equal(lac_grammars_load(g, "python", &err), 0);
        assert_null(lac_grammars_find(g, "python"));
        lac_grammars_free(g);
    }
    assert_null(lac_grammars_find(NULL, "python"));
    lac_grammars_free(NULL);
    lac_parser_free(NULL);
}

static void names_are_checked(void **state)
{
    (void)state;
    lac_grammars *g = open_grammars(REAL);
    const char *bad[] = {"", "C", "../c", "c.so", "a b", "a_name_that_is_longer_than_thirty_one_bytes"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lacuna_error err;
        assert_int_equal(lac_grammars_load(g, bad[i], &err), LACUNA_E_ARG);
        assert_non_null(strstr(err.msg, "name of a language"));
    }
    lac_grammars_free(g);
}

static void what_is_no_grammar_is_refused(void **state)
{
    (void)state;
    lacuna_error err;
    write_file("junk.so", "this is no shared object\n");
    write_file("libtree-sitter-junk2.so", "");
    lac_grammars *g = open_grammars(all.folder);
    assert_int_equal(lac_grammars_load(g, "junk", &err), LACUNA_E_FORMAT);
    CHECK(strstr(err.msg, "junk.so"), "%s", err.msg);
    assert_int_equal(lac_grammars_load(g, "junk2", &err), LACUNA_E_FORMAT);
    assert_null(lac_grammars_find(g, "junk"));
    lac_grammars_free(g);
}

/* Shared objects of our own: without the function, and with a grammar of another version. */
static void versions_are_checked(void **state)
{
    (void)state;
    char command[800];
    lacuna_error err;
    write_file("old.c", "static const unsigned language[64] = {12}; const void *tree_sitter_old(void) { return language; }");
    write_file("new.c", "static const unsigned language[64] = {15}; const void *tree_sitter_new(void) { return language; }");
    write_file("none.c", "const void *tree_sitter_none(void) { return 0; }");
    write_file("other.c", "int x;");
    snprintf(command, sizeof command, "cd %s && for f in old new none other; do cc -shared -fPIC -o $f.so $f.c || exit 1; done", all.folder);
    if (system(command)) skip(); /* no compiler by that name */
    lac_grammars *g = open_grammars(all.folder);
    const struct {
        const char *name;
        int code;
        const char *says;
    } bad[] = {{"old", LACUNA_E_VERSION, "version 12"}, {"new", LACUNA_E_VERSION, "version 15"}, {"none", LACUNA_E_VERSION, "version 0"},
               {"other", LACUNA_E_FORMAT, "no function tree_sitter_other"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(lac_grammars_load(g, bad[i].name, &err), bad[i].code);
        CHECK(strstr(err.msg, bad[i].says), "%s", err.msg);
        assert_null(lac_grammars_find(g, bad[i].name));
    }
    lac_grammars_free(g);
}

static size_t nodes(const char *language, const char *text, size_t len, size_t min, size_t max, lacuna_span *s, size_t cap)
{
    lacuna_error err;
    lac_parser *p;
    lac_grammars *g = open_grammars("no/such/folder:" REAL);
    const int r = lac_grammars_load(g, language, &err);
    CHECK(r >= 0, "%s", err.msg);
    if (!r) {
        lac_grammars_free(g);
        skip();
    }
    assert_int_equal(lac_grammars_load(g, language, &err), 1); /* again: the same */
    CHECK(lac_parser_open(&p, &all.mem, &err) == 0, "%s", err.msg);
    size_t n = lac_parser_nodes(p, lac_grammars_find(g, language), text, len, min, max, s, cap);
    lac_parser_free(p);
    lac_grammars_free(g);
    return n;
}

static bool has(const char *text, const lacuna_span *s, size_t n, const char *want)
{
    for (size_t i = 0; i < n; i++)
        if (s[i].end - s[i].start == strlen(want) && !memcmp(text + s[i].start, want, strlen(want))) return true;
    return false;
}

static void nodes_of_c(void **state)
{
    (void)state;
    const char text[] = "int f(int a)\n{\n    return a + g(1, 2);\n}\n";
    lacuna_span s[100];
    size_t n = nodes("c", text, sizeof text - 1, 1, 1000, s, 100);
    const char *want[] = {"a + g(1, 2)", "g(1, 2)", "(1, 2)", "return a + g(1, 2);", "int a", "f(int a)", "1", "{\n    return a + g(1, 2);\n}"};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) CHECK(has(text, s, n, want[i]), "no node %s", want[i]);
    assert_false(has(text, s, n, "return")); /* has no name */
    for (size_t i = 0; i < n; i++) {
        assert_true(s[i].start < s[i].end && s[i].end < sizeof text);
        if (i) assert_true(s[i].start > s[i - 1].start || (s[i].start == s[i - 1].start && s[i].end < s[i - 1].end));
    }
    n = nodes("c", text, sizeof text - 1, 3, 7, s, 100);
    assert_true(n > 3);
    for (size_t i = 0; i < n; i++) assert_true(s[i].end - s[i].start >= 3 && s[i].end - s[i].start <= 7);
    assert_int_equal(nodes("c", text, sizeof text - 1, 1, 1000, s, 5), 5);
    assert_int_equal(nodes("c", text, 0, 1, 1000, s, 5), 0);
}

/* A fragment that begins and ends inside something, and bytes that are no text. */
static void fragments_have_nodes(void **state)
{
    (void)state;
    const char text[] = "b, c):\n        return d[1]\n\n    def next(self):\n        x = y +\n";
    const char bytes[] = "\xFF\x00\xC3( \xE2\x82";
    lacuna_span s[100];
    size_t n = nodes("python", text, sizeof text - 1, 1, 1000, s, 100);
    assert_true(has(text, s, n, "d[1]") && !has(text, s, n, "x = y +"));
    n = nodes("python", bytes, sizeof bytes - 1, 1, 1000, s, 100);
    for (size_t i = 0; i < n; i++) assert_true(s[i].end <= sizeof bytes - 1);
}

static void deep_nests_end(void **state)
{
    (void)state;
    enum { DEEP = 20000 };
    static char text[DEEP];
    lacuna_span s[50];
    memset(text, '(', DEEP / 2);
    memset(text + DEEP / 2, ')', DEEP / 2);
    assert_true(nodes("c", text, DEEP, 1, 10, s, 50) <= 50);
}

static void memory_runs_out(void **state)
{
    (void)state;
    for (size_t fail = 1, done = 0; !done; fail++) {
        hook h = {.fail_at = fail};
        lacuna_allocator mem = hook_allocator(&h);
        lacuna_error err;
        lac_grammars *g;
        lac_parser *p = NULL;
        assert_true(fail < 20);
        int r = lac_grammars_open(&g, REAL, &mem, &err);
        if (!r) r = lac_grammars_load(g, "c", &err);
        if (r >= 0) r = lac_parser_open(&p, &mem, &err);
        lac_parser_free(p);
        lac_grammars_free(g);
        assert_true(!r || r == LACUNA_E_NOMEM);
        assert_int_equal(h.live, 0);
        assert_int_equal(h.wrong, 0);
        done = !r;
    }
}

static int begin(void **state)
{
    (void)state;
    all.mem = hook_allocator(&all.hook);
    return !tiny_folder(all.folder);
}

static int finish(void **state)
{
    (void)state;
    tiny_folder_remove(all.folder);
    return all.hook.live || all.hook.wrong;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_no_error),     cmocka_unit_test(names_are_checked), cmocka_unit_test(what_is_no_grammar_is_refused),
        cmocka_unit_test(versions_are_checked), cmocka_unit_test(nodes_of_c),        cmocka_unit_test(fragments_have_nodes),
        cmocka_unit_test(deep_nests_end),       cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
