/* Which model file to open. */
#include "common/model_path.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/place.h"

enum { MAX_FOLDERS = 3 };

typedef struct {
    char *path[MAX_FOLDERS];
    int nested[MAX_FOLDERS]; /* models lie one folder deeper */
    size_t n;
} folders;

static int is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static char *join(const char *a, const char *b, const char *c)
{
    buf s = {0};
    buf_fmt(&s, "%s%s%s%s", a, *b ? "/" : "", b, c);
    return s.p;
}

static int is_gguf(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && name[0] != '.' && !strcmp(name + n - 5, ".gguf");
}

/* The model of a folder: default.gguf or the only *.gguf.  NULL with *count set. */
static char *in_folder(const char *dir, size_t *count)
{
    char *best = join(dir, "default", ".gguf");
    *count = 0;
    if (exists(best)) return *count = 1, best;
    free(best);
    best = NULL;
    DIR *d = opendir(dir);
    if (!d) return NULL;
    for (struct dirent *e; (e = readdir(d));) {
        if (!is_gguf(e->d_name)) continue;
        if (!(*count)++) best = join(dir, e->d_name, "");
    }
    closedir(d);
    if (*count == 1) return best;
    free(best);
    return NULL;
}

/* The model of models/: that of models/default, else of the only folder that has one. */
static char *in_nested(const char *dir, size_t *count)
{
    char *sub = join(dir, "default", "");
    char *best = in_folder(sub, count);
    free(sub);
    if (best) return best;
    DIR *d = opendir(dir);
    *count = 0;
    if (!d) return NULL;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        size_t n;
        sub = join(dir, e->d_name, "");
        char *found = in_folder(sub, &n);
        free(sub);
        *count += n;
        if (found && !best) best = found;
        else free(found);
    }
    closedir(d);
    if (*count == 1) return best;
    free(best);
    return NULL;
}

static void add(folders *f, char *path, int nested)
{
    f->nested[f->n] = nested;
    f->path[f->n++] = path;
}

/* below, in a root that is taken; NULL: there is no root. */
static void add_in(folders *f, char *root, const char *below, int nested)
{
    if (root) add(f, join(root, below, ""), nested);
    free(root);
}

static void list(folders *f)
{
    f->n = 0;
    add_in(f, place_data(), "lacuna", 0);
    add_in(f, place_above(2), "share/lacuna", 0); /* PREFIX/bin/lacuna */
    add_in(f, place_above(3), "models", 1);       /* build/HASH/lacuna */
}

/* NAME.gguf, or the model of the folder NAME/. */
static char *named(const folders *f, const char *name)
{
    size_t count;
    for (size_t i = 0; i < f->n; i++) {
        char *p = join(f->path[i], name, is_gguf(name) ? "" : ".gguf");
        if (exists(p) && !is_dir(p)) return p;
        free(p);
        p = join(f->path[i], name, "");
        char *found = is_dir(p) ? in_folder(p, &count) : NULL;
        free(p);
        if (found) return found;
    }
    return NULL;
}

static void tell_places(const folders *f, buf *err)
{
    for (size_t i = 0; i < f->n; i++) buf_fmt(err, "%s %s", i ? "," : "; looked in", f->path[i]);
}

static char *asked_for(const folders *f, const char *want, buf *err)
{
    size_t count;
    if (is_dir(want)) {
        char *p = in_folder(want, &count);
        if (!p && count) buf_fmt(err, "%s: %zu models and none is default.gguf; name one", want, count);
        else if (!p) buf_fmt(err, "%s: no *.gguf in this folder", want);
        return p;
    }
    if (strchr(want, '/') || exists(want)) return xcopy(want); /* opening it will say what is wrong */
    char *p = named(f, want);
    if (!p) {
        buf_fmt(err, "%s: no such file, and no model of this name", want);
        tell_places(f, err);
    }
    return p;
}

char *model_path(const char *want, buf *err)
{
    folders f;
    char *found = NULL;
    const char *env = getenv("LACUNA_MODEL");
    list(&f);
    if (!want && env && *env) {
        found = asked_for(&f, env, err);
        if (!found) buf_put(err, " (from $LACUNA_MODEL)");
    } else if (want) {
        if (*want) found = asked_for(&f, want, err);
        else buf_put(err, "the name of the model is empty");
    } else {
        size_t count = 0;
        for (size_t i = 0; i < f.n && !found && !count; i++) {
            found = f.nested[i] ? in_nested(f.path[i], &count) : in_folder(f.path[i], &count);
            if (!found && count) buf_fmt(err, "%s: %zu models and none is default.gguf; choose one with -m", f.path[i], count);
        }
        if (!found && !count) {
            buf_put(err, "no model: give one with -m or $LACUNA_MODEL");
            tell_places(&f, err);
        }
    }
    for (size_t i = 0; i < f.n; i++) free(f.path[i]);
    return found;
}
