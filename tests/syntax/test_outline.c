/* What of a text says most about a place in it. */
#include "syntax/syntax.h"

#define C_TOP "#include <stdio.h>\n#include \"a.h\"\n\n#define LIMIT 3\n#define ADD(a, \\\n            b) ((a) + (b))\n\ntypedef struct {\n    int a;\n" \
    "    int b;\n} pair;\n\nstruct other { int c; };\n\nstatic int declared(int a, int b);\nstatic const int table[] = {\n    1, 2, 3,\n};\n\n"
#define C_BEFORE "static int before(int a)\n{\n    int local = a;\n    return local;\n}\n\n"
#define C_HOLE "#ifdef X\nint long_one(int a,\n             int b)\n{\n    for (int i = 0; i < 3; i++) {\n        if (a) {\n            b = $;\n        }\n" \
    "    }\n    return 0;\n}\n#endif\n\n"
#define C_AFTER "int after(void) { return 1; }\n"
#define PY_TOP "import os\nfrom a import (b,\n               c)\n\nX = 1\n\n"
#define PY_CLASS "@dec\nclass A(B):\n    \"\"\"doc\"\"\"\n    def f(self, a,\n          b=1):\n        if a:\n            import sys\n            x = 1\n" \
    "    @property\n    def g(self):\n        def inner(): pass\n        return 1\n\n"
#define PY_END "try:\n    import y\nexcept ImportError:\n    y = None\n\ndef h(): pass\n\ndef k(a):\n    return a\n"

/* $: an empty hole; E, I, S: why; then lines, / for a line feed. */
static const struct {
    const char *language, *text, *want;
    size_t cap;
} cases[] = {
    {"c", C_TOP C_BEFORE C_HOLE C_AFTER,
     "Eint long_one(int a,/             int b)/|E        if (a) {/|E    for (int i = 0; i < 3; i++) {/|I#include <stdio.h>/|I#include \"a.h\"/|"
     "Sint after(void) { return 1; }/|Sstatic int before(int a)/|Sstatic const int table[] = {/|Sstatic int declared(int a, int b);/|"
     "Sstruct other { int c; };/|S} pair;/|S#define ADD(a, \\/|S#define LIMIT 3/|", 64},
    {"c", C_TOP C_BEFORE C_HOLE C_AFTER, "Eint long_one(int a,/             int b)/|", 1},
    {"c", C_TOP C_BEFORE C_HOLE C_AFTER,
     "Eint long_one(int a,/             int b)/|E        if (a) {/|E    for (int i = 0; i < 3; i++) {/|I#include <stdio.h>/|I#include \"a.h\"/|"
     "Sint after(void) { return 1; }/|", 6},
    {"c", C_BEFORE "$\n" C_AFTER, "Sint after(void) { return 1; }/|Sstatic int before(int a)/|", 64},
    {"c", C_AFTER "int f($int a)\n{\n    return 0;\n}\n", "Sint after(void) { return 1; }/|", 64}, /* its own line is the hole's */
    {"c", "int f(int a,\n      $int b,\n      int c)\n{\n    return 0;\n}\n", "Eint f(int a,/|", 64},
    {"c", "int f(int a)\n{\n    $\n    return 0;\n}\nint g(int a)\n{\n    $\n    return 1;\n}\n", "Eint f(int a)/|Eint g(int a)/|", 64},
    {"c", "struct s {\n    int a;\n    $\n};\n", "Estruct s {/|", 64},
    {"c", "$", "", 64},
    {"c", "", "", 64},
    {"python", PY_TOP PY_CLASS PY_END "    $\n",
     "Edef k(a):/|Iimport os/|Ifrom a import (b,/               c)/|I    import y/|Sdef h(): pass/|Sclass A(B):/|"
     "S    def g(self):/|S    def f(self, a,/          b=1):/|", 64},
    {"python", PY_TOP "class A:\n    def f(self):\n        if a:\n            $\n    def g(self):\n        pass\n",
     "E    def f(self):/|Eclass A:/|E        if a:/|Iimport os/|Ifrom a import (b,/               c)/|S    def g(self):/|", 64},
    {"python", "def k(a):\n    return a\n\n$\n", "Sdef k(a):/|", 64},
    {"lua", "local a = require(\"a\")\nlocal b = require \"b\"\nlocal M = {}\n\nfunction M.f(x)\n  for i = 1, 2 do\n    $y()\n  end\nend\n\nM.g = function(x)\n"
     "  return x\nend\n",
     "Efunction M.f(x)/|E  for i = 1, 2 do/|Ilocal a = require(\"a\")/|Ilocal b = require \"b\"/|SM.g = function(x)/|Slocal M = {}/|", 64},
    {"javascript", "import a from \"a\";\nconst b = require(\"b\");\n\nexport class A {\n  f(x) {\n    if (x) {\n      return $1;\n    }\n  }\n  g() { return 2; }\n}\n\n"
     "const h = (a) => {\n  return a;\n};\n",
     "E  f(x) {/|Eexport class A {/|E    if (x) {/|Iimport a from \"a\";/|Iconst b = require(\"b\");/|S  g() { return 2; }/|Sconst h = (a) => {/|", 64},
    {"bash", "source a.sh\n. b.sh\nX=1\n\nf() {\n  if x; then\n    $y\n  fi\n}\n\ng() {\n  z\n}\n", "Ef() {/|E  if x; then/|Isource a.sh/|I. b.sh/|Sg() {/|SX=1/|", 64},
    {"json", "{\n  \"a\": {\n    \"b\": [\n      1,\n      $2\n    ]\n  },\n  \"c\": {\n    \"d\": 1\n  }\n}\n", "E    \"b\": [/|E  \"a\": {/|S  \"c\": {/|", 64},
    {"markdown", "# One\n\ntext\n\n## Two\n\nmore $text\n\n## Three\n\nend\n", "E## Two/|E# One/|S## Three/|", 64},
    {"go", "package p\n\nimport \"fmt\"\n\ntype T struct {\n\ta int\n}\n\nfunc (t *T) M(a int) int {\n\tif a > 0 {\n\t\treturn $1\n\t}\n\treturn 0\n}\n\nfunc g() {}\n",
     "Efunc (t *T) M(a int) int {/|E\tif a > 0 {/|Ipackage p/|Iimport \"fmt\"/|Sfunc g() {}/|Stype T struct {/|", 64},
    {"rust", "use std::io;\n\npub struct S {\n    a: i32,\n}\n\nimpl S {\n    fn f(&self) -> i32 {\n        match self.a {\n            1 => $2,\n            _ => 3,\n        }\n"
     "    }\n    fn g(&self) {}\n}\n",
     "E    fn f(&self) -> i32 {/|Eimpl S {/|E        match self.a {/|Iuse std::io;/|S    fn g(&self) {}/|Spub struct S {/|", 64},
};

static size_t outline_of(lacuna_document *d, const char *marked, lacuna_context_part *out, size_t cap, char *text, lacuna_span *hole, size_t *n_holes)
{
    size_t len = 0;
    *n_holes = 0;
    for (; *marked; marked++) {
        if (*marked == '$')
            hole[(*n_holes)++] = (lacuna_span){len, len};
        else
            text[len++] = *marked;
    }
    text[len] = 0;
    set(d, text, len);
    return lac_document_outline(d, hole, *n_holes, out, cap);
}

/* Whole lines, none twice, none of a hole. */
static void are_lines(const char *text, size_t len, const lacuna_span *hole, size_t n_holes, const lacuna_context_part *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const lacuna_span s = p[i].span;
        assert_true(s.start < s.end && s.end <= len);
        assert_true(!s.start || text[s.start - 1] == '\n');
        assert_true(s.end == len || text[s.end - 1] == '\n');
        for (size_t h = 0; h < n_holes; h++) assert_true(s.end <= hole[h].start || s.start > hole[h].end);
        for (size_t k = 0; k < i; k++) assert_true(s.end <= p[k].span.start || s.start >= p[k].span.end);
    }
}

static void heads_are_told(void **state)
{
    (void)state;
    size_t n_seen = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static char text[4000], got[4000];
        lacuna_context_part part[64];
        lacuna_span hole[4];
        size_t n_holes, k = 0;
        lacuna_document *d = open_document(cases[i].language, NULL);
        if (!d) continue;
        const size_t n = outline_of(d, cases[i].text, part, cases[i].cap, text, hole, &n_holes);
        assert_true(n <= cases[i].cap);
        are_lines(text, strlen(text), hole, n_holes, part, n);
        for (size_t p = 0; p < n; p++) {
            got[k++] = "?EIS"[part[p].why];
            for (size_t c = part[p].span.start; c < part[p].span.end; c++) got[k++] = text[c] == '\n' ? '/' : text[c];
            got[k++] = '|';
        }
        got[k] = 0;
        CHECK(!strcmp(got, cases[i].want), "%s, case %zu:\n%s\nwanted\n%s", cases[i].language, i, got, cases[i].want);
        lacuna_document_free(d);
        n_seen++;
    }
    if (!n_seen) skip();
}

/* Of ten thousand functions, those next to the hole. */
static void the_nearest_are_told(void **state)
{
    (void)state;
    enum { FUNCTIONS = 10000, LINE = 32 };
    static char text[FUNCTIONS * LINE + 1];
    lacuna_document *d = open_document("c", NULL);
    if (!d) skip();
    for (size_t i = 0; i < FUNCTIONS; i++) {
        char line[LINE + 1];
        const int k = snprintf(line, sizeof line, "int f%zu(void) { return 1; }", i);
        memset(text + i * LINE, ' ', LINE);
        memcpy(text + i * LINE, line, (size_t)k);
        text[i * LINE + LINE - 1] = '\n';
    }
    set(d, text, FUNCTIONS * LINE);
    const size_t at[] = {0, 5000, FUNCTIONS};
    for (size_t i = 0; i < 3; i++) {
        lacuna_context_part part[20];
        const lacuna_span hole = {at[i] * LINE, at[i] * LINE};
        const size_t n = lac_document_outline(d, &hole, 1, part, 20);
        CHECK(n >= 18, "%zu", n); /* the line of the hole is not told */
        for (size_t k = 0; k < n; k++) {
            const size_t far = part[k].span.start > hole.start ? part[k].span.start - hole.start : hole.start - part[k].span.start;
            CHECK(far <= 21 * LINE && part[k].why == LACUNA_CONTEXT_SIGNATURE, "%zu", far);
        }
    }
    lacuna_document_free(d);
}

/* Whatever the text is, what is told are lines of it. */
static void any_text_has_lines(void **state)
{
    (void)state;
    static char text[60000];
    static const char *const language[] = {"c", "python", "lua", "javascript", "bash", "json", "markdown", "go", "rust"};
    static const char *const file[] = {"lib/session/spell.c", "models/default/measure.py", "README.md"};
    uint64_t random = 99;
    for (size_t l = 0; l < 27; l++) {
        lacuna_document *d = open_document(language[l / 3], NULL);
        if (!d) continue;
        size_t n = read_file(file[l % 3], text, sizeof text / 2);
        if (n > 5000) n = 5000;
        for (size_t i = 0; i < 15; i++) {
            lacuna_context_part part[30];
            for (size_t k = 0; k < 3; k++) mutate(&random, text, &n);
            set(d, text, n);
            const size_t a = draw(&random, n / 2), b = n / 2 + draw(&random, n / 2);
            const lacuna_span hole[2] = {{a, a + draw(&random, n / 2 - a)}, {b, b + draw(&random, n - b + 1)}};
            are_lines(text, n, hole, 2, part, lac_document_outline(d, hole, 2, part, 30));
        }
        memset(text, '{', 10000);
        set(d, text, 10000);
        lac_document_outline(d, &(lacuna_span){5000, 5000}, 1, (lacuna_context_part[4]){{{0, 0}, 0}}, 4);
        lacuna_document_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(heads_are_told), cmocka_unit_test(the_nearest_are_told), cmocka_unit_test(any_text_has_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
