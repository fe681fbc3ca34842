/* The tag and the grammar of a text, and where models and grammars are looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/grammar_path.h"
#include "common/lang.h"
#include "common/model_path.h"

static const char *const tags[] = {"py", "c", "prose"};
static const lacuna_model_info all = {.n_tags = 3, .tags = tags}, only_py = {.n_tags = 1, .tags = tags}, none = {.n_tags = 0};

static const char *guess(const char *path, const char *text)
{
    return lang_guess(&all, path, text, strlen(text));
}

static void by_name(void **state)
{
    (void)state;
    static const struct { const char *path, *tag; } cases[] = {
        {"a.py", "py"}, {"x/y.PYI", "py"}, {"a.c", "c"}, {"a.h", "c"}, {"b.cpp", "c"}, {"b.rs", "c"}, {"b.ts", "c"}, {"b.java", "c"},
        {"README.md", "prose"}, {"a.txt", "prose"}, {"a.tex", "prose"}, {"a.xyz", "prose"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_string_equal(guess(cases[i].path, ""), cases[i].tag);
    assert_null(lang_guess(&only_py, "a.c", "", 0));
    assert_null(lang_guess(&none, "a.py", "", 0));
}

static void by_content(void **state)
{
    (void)state;
    assert_string_equal(guess(NULL, "def f(a):\n    return a\n"), "py");
    assert_string_equal(guess("-", "import os\nfor x in y:\n  print(x)\n"), "py");
    assert_string_equal(guess("dir.py/script", "#!/usr/bin/env python3\nx = 1\n"), "py");
    assert_string_equal(guess(NULL, "#include <stdio.h>\nint main(void)\n{\n    return 0;\n}\n"), "c");
    assert_string_equal(guess(NULL, "x = 1;\ny = 2;\n"), "c");
    assert_string_equal(guess(NULL, "It was the best of times, it was the worst of times.\nFrom here on, nothing.\n"), "prose");
    assert_string_equal(guess(NULL, "from the hills came a wind that nobody knew.\n"), "prose");
    assert_null(guess(NULL, ""));
    assert_null(guess(NULL, "hm\n"));
    assert_null(guess(NULL, "\n \n\t\n"));
}

static void asked_for(void **state)
{
    (void)state;
    char err[256];
    assert_string_equal(lang_tag(&all, "c", err, sizeof err), "c");
    assert_null(lang_tag(&all, "perl", err, sizeof err));
    assert_non_null(strstr(err, "py, c, prose"));
    assert_null(lang_tag(&none, "c", err, sizeof err));
    char small[16];
    assert_null(lang_tag(&all, "a rather long name of a language", small, sizeof small));
}

static void expect_grammar(const char *path, const char *tag, const char *text, const char *name)
{
    const char *got = lang_grammar(path, tag, text, strlen(text));
    if (!got != !name || (name && strcmp(got, name))) fail_msg("%s: got %s", path ? path : text, got ? got : "none");
}

static void grammars(void **state)
{
    (void)state;
    expect_grammar("a.py", NULL, "", "python");
    expect_grammar("x/y.H", "py", "", "c"); /* the ending says more than the tag */
    expect_grammar("a.mjs", "c", "", "javascript");
    expect_grammar("a.sh", NULL, "", "bash");
    expect_grammar("README.md", "prose", "", "markdown");
    expect_grammar("a.txt", NULL, "def f(a):\n    return a\n", NULL);
    expect_grammar("a.txt", "py", "", "python");
    expect_grammar(NULL, "prose", "def f(a):\n    return a\n", NULL);
    expect_grammar(NULL, NULL, "def f(a):\n    return a\n", "python");
    expect_grammar("-", NULL, "int main(void)\n{\n    return 0;\n}\n", "c");
    expect_grammar("Makefile", NULL, "It was the best of times, it was the worst.\n", NULL);
}

/* ---- models -------------------------------------------------------------------------------- */

static char root[] = "/tmp/lacuna-test-XXXXXX";

static void put(const char *dir, const char *file)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, dir);
    mkdir(path, 0700);
    if (!file) return;
    snprintf(path, sizeof path, "%s/%s/%s", root, dir, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static void expect(const char *want, const char *ending)
{
    buf err = {0};
    char *p = model_path(want, &err);
    if (!p || strlen(p) < strlen(ending) || strcmp(p + strlen(p) - strlen(ending), ending))
        fail_msg("%s: got %s, expected %s (%s)", want ? want : "(none)", p ? p : "nothing", ending, err.p ? err.p : "");
    free(p);
    buf_free(&err);
}

static void expect_error(const char *want, const char *says)
{
    buf err = {0};
    char *p = model_path(want, &err);
    if (p) fail_msg("%s: got %s", want ? want : "(none)", p);
    if (!strstr(err.p, says)) fail_msg("'%s' does not say %s", err.p, says);
    buf_free(&err);
}

static void models(void **state)
{
    (void)state;
    char dir[256];
    assert_non_null(mkdtemp(root));
    setenv("XDG_DATA_HOME", root, 1);
    unsetenv("LACUNA_MODEL");
    unsetenv("LACUNA_GRAMMARS");
    expect("/no/such/file.gguf", "/no/such/file.gguf"); /* opening says what is wrong */
    expect_error("nosuch", "lacuna-test");
    expect_error("", "empty");
    put("lacuna", "one.gguf");
    expect(NULL, "/lacuna/one.gguf");
    expect("one", "/lacuna/one.gguf");
    expect("one.gguf", "/lacuna/one.gguf");
    put("lacuna", "two.gguf");
    expect_error(NULL, "2 models");
    put("lacuna", "default.gguf");
    expect(NULL, "/lacuna/default.gguf");
    char *p = grammar_path();
    assert_null(strstr(p, root));
    free(p);
    put("nvim", NULL), put("nvim/site", NULL), put("nvim/site/parser", NULL);
    setenv("LACUNA_GRAMMARS", "/one:/two", 1);
    p = grammar_path();
    assert_ptr_equal(strstr(p, "/one:/two:"), p);
    assert_non_null(strstr(p, root));
    free(p);
    setenv("LACUNA_MODEL", "two", 1);
    expect(NULL, "/lacuna/two.gguf");
    expect("one", "/lacuna/one.gguf"); /* -m wins */
    setenv("LACUNA_MODEL", "three", 1);
    expect_error(NULL, "$LACUNA_MODEL");
    put("empty", NULL);
    snprintf(dir, sizeof dir, "%s/empty", root);
    expect_error(dir, "no *.gguf");
    snprintf(dir, sizeof dir, "%s/lacuna", root);
    expect(dir, "/lacuna/default.gguf");
    snprintf(dir, sizeof dir, "rm -r %s", root);
    assert_int_equal(system(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_name), cmocka_unit_test(by_content), cmocka_unit_test(asked_for), cmocka_unit_test(grammars),
                                       cmocka_unit_test(models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
