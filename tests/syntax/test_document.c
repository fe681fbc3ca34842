/* Documents: what is parsed piece by piece is what is parsed at once; the node around a place, for each language; failures. */
#include "syntax/tree.h"
#include "syntax/syntax.h"

static char *tree_of(const lacuna_document *d) { return ts_node_string(ts_tree_root_node(d->tree)); }

/* A document that has gone through all versions has the tree of one that has seen the last only.  Where there are errors, recovery may find
 * another way from another start: then both have errors, which is all that is asked. */
static void edits_of(const char *language, const char *path, size_t n_edits)
{
    static char text[100000], first[100000];
    lacuna_document *d = open_document(language, NULL);
    if (!d) skip();
    uint64_t state = 88172645463325252u;
    const size_t n_first = read_file(path, first, sizeof first / 2);
    size_t n = n_first, clean = 0, same = 0;
    memcpy(text, first, n);
    for (size_t i = 0; i < n_edits; i++) {
        mutate(&state, text, &n);
        lacuna_document *fresh = open_document(language, NULL);
        set(d, text, n);
        set(fresh, text, n);
        const bool wrong = ts_node_has_error(ts_tree_root_node(fresh->tree));
        assert_int_equal(ts_node_has_error(ts_tree_root_node(d->tree)), wrong);
        char *a = tree_of(d), *b = tree_of(fresh);
        if (!wrong) assert_string_equal(a, b);
        clean += !wrong;
        same += !strcmp(a, b);
        free(a);
        free(b);
        lacuna_document_free(fresh);
        if (i % 4 == 3) { /* back, by one edit or more */
            memcpy(text, first, n_first);
            n = n_first;
        }
    }
    CHECK(clean * 10 >= n_edits && same * 100 >= n_edits * 95, "%zu of %zu edits left a text without errors, %zu trees are the same", clean, n_edits, same);
    lacuna_document_free(d);
}

static void edits_of_c(void **state)
{
    (void)state;
    edits_of("c", "lib/session/spell.c", 200);
}

static void edits_of_python(void **state)
{
    (void)state;
    edits_of("python", "models/default/measure.py", 200);
}

static void texts_come_and_go(void **state)
{
    (void)state;
    lacuna_document *d = open_document("c", NULL);
    if (!d) skip();
    lacuna_span s;
    lacuna_error err;
    assert_true(lac_document_is(d, "", 0) && !lac_document_is(d, "x", 1));
    assert_int_equal(lacuna_document_node(d, 0, &s, NULL, &err), 0);
    assert_int_equal(lacuna_document_node(d, 1, &s, NULL, &err), LACUNA_E_ARG);
    set(d, "", 0);
    set(d, "int x;\n", 7);
    set(d, "int x;\n", 7);
    set(d, "", 0);
    assert_int_equal(lacuna_document_node(d, 0, &s, NULL, &err), 0);
    set(d, "int \0 x;", 8);
    assert_true(lacuna_document_node(d, 6, &s, NULL, &err) >= 0);
    lacuna_document_free(d);
    lacuna_document_free(NULL);
}

/* The place is where | stands; want NULL: no node. */
static const struct node_case {
    const char *language, *text, *want, *kind;
} nodes[] = {
    {"c", "int f(int a) { return g(1, b|[2]); }", "b", "identifier"},
    {"c", "int f(int a) { return g(1,| b[2]); }", "1, b[2]", "argument_list"},
    {"c", "int f(int a) { return g(|); }", "", "argument_list"},
    {"c", "int f(int a) { return g|(); }", "g", "identifier"},
    {"c", "int f(int a) { return g(1)|; }", "g(1)", "call_expression"},
    {"c", "int f(int a) { return g(1);| }", "return g(1);", "return_statement"},
    {"c", "int f(int a) { ret|urn g(1); }", "return g(1);", "return_statement"},
    {"c", "int f(int a) |{ g(1); h(); }", "g(1); h();", "compound_statement"},
    {"c", "int f(int a) {\n    g();\n    |\n    h();\n}", "g();\n    \n    h();", "compound_statement"},
    {"c", "void f(void) { x = a[|i + 1]; }", "i", "identifier"},
    {"c", "void f(void) { x = a[i| + 1]; }", "i", "identifier"},
    {"c", "void f(void) { x = a[i |+ 1]; }", "i + 1", "binary_expression"},
    {"c", "void f(void) { x = a|[i + 1]; }", "a", "identifier"},
    {"c", "char *s = \"a |b\";", "a b", "string_literal"},
    {"c", "char *s = \"a b\"|;", "\"a b\"", "string_literal"},
    {"c", "#include <std|io.h>\n", "stdio.h", "system_lib_string"},
    {"c", "void f(int a|, int b);", "a", "identifier"},
    {"c", "void f(int a,| int b);", "int a, int b", "parameter_list"},
    {"c", "void f(void) { if |(x) y(); }", "x", "parenthesized_expression"},
    {"c", "int a;\n\n|\n\nint b;\n", NULL, NULL},
    {"c", "void f(void) { x = (1 + ; y(a, |b); }", "b", "identifier"},
    {"python", "f(|a, b=1)\n", "a", "identifier"},
    {"python", "f(a,| b=1)\n", "a, b=1", "argument_list"},
    {"python", "x = |\"a b\"\n", "a b", "string"},
    {"python", "x = f\"a |b\"\n", "a b", "string"},
    {"python", "x = [1,| 2]\n", "1, 2", "list"},
    {"python", "x = [1, 2]|\n", "[1, 2]", "list"},
    {"python", "def f(a,| b):\n    pass\n", "a, b", "parameters"},
    {"python", "class A:\n    x = 1\n   | y = 2\n", "x = 1\n    y = 2", "block"},
    {"lua", "local x = f(1,| 2)\n", "1, 2", "arguments"},
    {"lua", "local x = { a |= 1 }\n", "a = 1", "field"},
    {"lua", "if a then\n  x()\n |\n  y()\nend\n", "x()\n \n  y()", "block"},
    {"javascript", "f(a,| b);\n", "a, b", "arguments"},
    {"javascript", "function f(a,| b) { return a; }\n", "a, b", "formal_parameters"},
    {"javascript", "const f = (a) => |{ return a; };\n", "return a;", "statement_block"},
    {"javascript", "x = `a |b`;\n", "a b", "template_string"},
    {"bash", "echo \"a |b\"\n", "a b", "string"},
    {"bash", "echo 'a |b'\n", "a b", "raw_string"},
    {"bash", "f() |{ x; y; }\n", "x; y;", "compound_statement"},
    {"bash", "for i in 1 2; do x;| y; done\n", "x; y;", "do_group"},
    {"json", "|{\"a\": 1}\n", "\"a\": 1", "object"},
    {"json", "{\"a\": [1,| 2]}\n", "1, 2", "array"},
    {"json", "{\"a|\": 1}\n", "a", "string"},
    {"markdown", "# T\n\nSome te|xt.\n", "Some text.", "inline"},
    {"go", "package p\nfunc f() { g(1,| 2) }\n", "1, 2", "argument_list"},
    {"go", "package p\nfunc f() |{ g(1) }\n", "g(1)", "block"},
    {"rust", "fn f() { g(1,| x[2]); }\n", "1, x[2]", "arguments"},
    {"rust", "fn f(a: u8,| b: u8) {}\n", "a: u8, b: u8", "parameters"},
};

static void nodes_make_holes(void **state)
{
    (void)state;
    size_t n_seen = 0;
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        const struct node_case *c = &nodes[i];
        char text[200];
        const size_t at = strcspn(c->text, "|");
        lacuna_document *d = open_document(c->language, NULL);
        if (!d) continue;
        snprintf(text, sizeof text, "%.*s%s", (int)at, c->text, c->text + at + 1);
        set(d, text, strlen(text));
        lacuna_span s;
        const char *kind = "";
        const int r = lacuna_document_node(d, at, &s, &kind, NULL);
        CHECK(r == (c->want != NULL), "%s: %d %s", c->text, r, kind);
        if (r) CHECK(s.end - s.start == strlen(c->want) && !memcmp(text + s.start, c->want, s.end - s.start) && !strcmp(kind, c->kind),
                     "%s: %s '%.*s'", c->text, kind, (int)(s.end - s.start), text + s.start);
        lacuna_document_free(d);
        n_seen++;
    }
    if (!n_seen) skip();
}

/* Whatever the text is, what comes back is in it; deep nests end. */
static void nodes_lie_in_the_text(void **state)
{
    (void)state;
    static char text[100000];
    static const char *const language[] = {"c", "python", "lua", "javascript", "bash", "json", "markdown", "go", "rust"};
    uint64_t random = 7;
    for (size_t l = 0; l < sizeof language / sizeof *language; l++) {
        lacuna_document *d = open_document(language[l], NULL);
        if (!d) continue;
        size_t n = read_file("tests/syntax/test_document.c", text, sizeof text) % 3000;
        for (size_t i = 0; i < 30; i++) {
            mutate(&random, text, &n);
            set(d, text, n);
            for (size_t at = draw(&random, 50); at <= n; at += 1 + draw(&random, 100)) {
                lacuna_span s;
                if (lacuna_document_node(d, at, &s, NULL, NULL)) assert_true(s.start <= s.end && s.end <= n);
            }
        }
        memset(text, '(', 10000);
        set(d, text, 10000);
        lacuna_document_node(d, 9000, &(lacuna_span){0}, NULL, NULL);
        lacuna_document_free(d);
    }
}

/* What tree-sitter cannot count is refused; the document is empty, and goes on. */
static void nests_have_a_limit(void **state)
{
    (void)state;
    static char text[200000];
    lacuna_error err;
    lacuna_document *d = open_document("c", NULL);
    if (!d) skip();
    set(d, "int x;\n", 7);
    static const char *const open[] = {"(", "{", "[ (", "!", "* *"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        for (size_t at = 0, n = strlen(open[i]); at + n <= sizeof text; at += n) memcpy(text + at, open[i], n);
        assert_int_equal(lacuna_document_set(d, text, sizeof text - 10, &err), LACUNA_E_LIMIT);
        assert_true(lac_document_is(d, "", 0));
        set(d, "int x;\n", 7);
    }
    lacuna_document_free(d);
}

static void names_and_folders_are_checked(void **state)
{
    (void)state;
    lacuna_error err;
    lacuna_document *d = (lacuna_document *)&err;
    assert_int_equal(lacuna_document_open(&d, "no/such/folder", "c", NULL, &err), 0);
    assert_null(d);
    assert_int_equal(lacuna_document_open(&d, GRAMMARS, "../c", NULL, &err), LACUNA_E_ARG);
    assert_null(d);
    assert_int_equal(lacuna_document_open(&d, GRAMMARS, NULL, NULL, &err), LACUNA_E_ARG);
    assert_int_equal(lacuna_document_open(&d, NULL, "c", NULL, &err), LACUNA_E_ARG);
}

/* Each allocation fails in turn: the document is empty, and goes on. */
static void memory_runs_out(void **state)
{
    (void)state;
    static const char text[] = "int f(void) { return ; } }\n";
    for (size_t fail = 1, done = 0; !done; fail++) {
        hook h = {.fail_at = fail};
        const lacuna_allocator mem = hook_allocator(&h);
        lacuna_document *d;
        lacuna_error err;
        assert_true(fail < 30);
        int r = lacuna_document_open(&d, GRAMMARS, "c", &mem, &err);
        if (!r) skip();
        if (r > 0 && (r = lacuna_document_set(d, text, sizeof text - 1, &err)) != 0) {
            assert_true(lac_document_is(d, "", 0));
            set(d, text, sizeof text - 1);
        }
        const lacuna_span hole = {14, 20};
        lac_syntax_faults out;
        if (!r && (r = lac_document_check(d, &hole, &(lacuna_text){"x = (", 5}, 1, &out, &err)) == 0) assert_true(out.n > 0);
        lacuna_context_part part[4];
        if (d) lac_document_outline(d, &hole, 1, part, 4); /* without memory there is none */
        assert_true(!r || r == LACUNA_E_NOMEM);
        lacuna_document_free(d);
        assert_int_equal(h.live, 0);
        assert_int_equal(h.wrong, 0);
        done = h.calls < fail;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_of_c),       cmocka_unit_test(edits_of_python),       cmocka_unit_test(texts_come_and_go),
        cmocka_unit_test(nodes_make_holes), cmocka_unit_test(nodes_lie_in_the_text), cmocka_unit_test(names_and_folders_are_checked),
        cmocka_unit_test(nests_have_a_limit), cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
