/* Which of the model's tags a text belongs to. */
#include "common/lang.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *known(const lacuna_model_info *info, const char *name)
{
    for (size_t i = 0; i < info->n_tags; i++)
        if (!strcmp(info->tags[i], name)) return info->tags[i];
    return NULL;
}

const char *lang_tag(const lacuna_model_info *info, const char *name, char *err, size_t err_size)
{
    const char *tag = known(info, name);
    if (tag) return tag;
    int at = snprintf(err, err_size, "the model does not know the language '%.40s'", name);
    if (!info->n_tags) snprintf(err + at, err_size - (size_t)at, "; it tells no languages apart");
    for (size_t i = 0; i < info->n_tags && at > 0 && (size_t)at < err_size; i++)
        at += snprintf(err + at, err_size - (size_t)at, "%s %s", i ? "," : "; it has", info->tags[i]);
    if (at > 0 && (size_t)at < err_size) snprintf(err + at, err_size - (size_t)at, " (syntax is named by the file or as the grammar)");
    return NULL;
}

/* The last dot of the last part of the path, if something stands before it. */
static const char *ending(const char *path)
{
    if (!path || !strcmp(path, "-")) return NULL;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    return dot && dot > base ? dot + 1 : NULL;
}

static int one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (!strcasecmp(word, *list)) return 1;
    return 0;
}

static int starts(const char *p, size_t n, const char *word)
{
    size_t k = strlen(word);
    return n >= k && !memcmp(p, word, k);
}

static int starts_any(const char *p, size_t n, const char *const *words)
{
    for (; *words; words++)
        if (starts(p, n, *words)) return 1;
    return 0;
}

/* Votes of one line without its indentation. */
static void look_at(const char *p, size_t n, size_t *py, size_t *c, size_t *words)
{
    static const char *const py_start[] = {"def ", "class ", "import ", "from ", "elif ", "except", "@", "async def ",
                                           "with ", "if __name__", "self.", "lambda ", NULL};
    static const char *const c_start[] = {"#include", "#define", "#if", "//", "/*", "*/", "static ", "struct ", "typedef ",
                                          "int ", "void ", "const ", "function ", "public ", "func ", "let ", "package ",
                                          "} else", "return (", NULL};
    char last = p[n - 1];
    for (size_t i = 1; i < n; i++) *words += p[i] == ' ' && p[i - 1] != ' ';
    ++*words;
    /* "from" and "class" open English sentences too; code lines end in a colon or have no full stop. */
    if (starts_any(p, n, py_start) && last != '.' && last != ';' && last != '{' && last != ',') *py += 2;
    else if (last == ':' && (starts(p, n, "if ") || starts(p, n, "for ") || starts(p, n, "while ") || starts(p, n, "else") ||
                             starts(p, n, "try")))
        *py += 2;
    if (starts_any(p, n, c_start) && last != '.' && last != ':') *c += 1;
    if (last == ';' || last == '{' || last == '}') *c += 2;
}

static const char *by_content(const char *text, size_t len)
{
    enum { ENOUGH = 1 << 16 }; /* bytes looked at */
    size_t py = 0, c = 0, words = 0, end = len < ENOUGH ? len : ENOUGH;
    if (starts(text, len, "#!")) {
        const char *lf = memchr(text, '\n', len);
        size_t n = lf ? (size_t)(lf - text) : len;
        for (size_t i = 0; i + 6 <= n; i++)
            if (!memcmp(text + i, "python", 6)) return "py";
    }
    for (size_t i = 0; i < end;) {
        const char *lf = memchr(text + i, '\n', end - i);
        size_t a = i, b = lf ? (size_t)(lf - text) : end;
        i = b + 1;
        while (a < b && (text[a] == ' ' || text[a] == '\t')) a++;
        while (b > a && (text[b - 1] == ' ' || text[b - 1] == '\t' || text[b - 1] == '\r')) b--;
        if (b > a) look_at(text + a, b - a, &py, &c, &words);
    }
    if (py > c) return "py";
    if (c) return "c";
    return words >= 4 ? "prose" : NULL;
}

const char *lang_guess(const lacuna_model_info *info, const char *path, const char *text, size_t len)
{
    static const char *const py[] = {"py", "pyi", "pyw", NULL};
    static const char *const c[] = {"c", "h", "cc", "cpp", "cxx", "hpp", "hh", "hxx", "js", "mjs", "cjs", "jsx", "ts", "tsx",
                                    "go", "rs", "java", "cs", "kt", "swift", "php", "m", "mm", NULL};
    const char *end = ending(path), *own = end ? known(info, end) : NULL; /* a model may tell more kinds apart than the default one */
    if (own) return own;
    const char *name = !end ? by_content(text, len) : one_of(end, py) ? "py" : one_of(end, c) ? "c" : "prose";
    return name ? known(info, name) : NULL;
}

/* ---- grammars ------------------------------------------------------------------------------ */

/* The ending of what the #! line of a text runs, or NULL. */
static const char *by_interpreter(const char *text, size_t len)
{
    static const char *const of[][2] = {{"python", "py"}, {"bash", "sh"}, {"dash", "sh"}, {"ksh", "sh"}, {"/sh", "sh"}, {" sh", "sh"},
                                        {"node", "js"}, {"lua", "lua"}};
    const char *lf = starts(text, len, "#!") ? memchr(text, '\n', len) : NULL;
    for (const char *at = text; lf && at < lf; at++)
        for (size_t i = 0; i < sizeof of / sizeof *of; i++)
            if (starts(at, (size_t)(lf - at), of[i][0])) return of[i][1];
    return NULL;
}

const char *lang_grammar(const char *path, const char *tag, const char *text, size_t len)
{
    static const char *const of[][2] = {
        {"py", "python"}, {"pyi", "python"}, {"pyw", "python"}, {"c", "c"}, {"h", "c"}, {"js", "javascript"}, {"mjs", "javascript"},
        {"cjs", "javascript"}, {"jsx", "javascript"}, {"lua", "lua"}, {"sh", "bash"}, {"bash", "bash"}, {"json", "json"},
        {"md", "markdown"}, {"markdown", "markdown"}, {"go", "go"}, {"rs", "rust"}, {"cc", "cpp"}, {"cpp", "cpp"}, {"cxx", "cpp"},
        {"hpp", "cpp"}, {"hh", "cpp"}, {"hxx", "cpp"}, {"ts", "typescript"}, {"tsx", "tsx"}, {"java", "java"}, {"cs", "c_sharp"},
        {"kt", "kotlin"}, {"swift", "swift"}, {"php", "php"}, {"m", "objc"}};
    const char *end = ending(path), *names[] = {end, end ? NULL : by_interpreter(text, len), tag, end || tag ? NULL : by_content(text, len)};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        for (size_t i = 0; names[k] && i < sizeof of / sizeof *of; i++)
            if (!strcasecmp(of[i][0], names[k])) return of[i][1];
    return NULL;
}
