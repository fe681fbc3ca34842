/* Texts to train on: files, and folders walked for the texts in them. */
#include "lacuna/gather.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/lang.h"
#include "common/say.h"
#include "common/utf8.h"

#define LARGEST ((size_t)1000000) /* bytes of a file in a folder: beyond that it is data or made by a program */
#define HELD_EVERY 20

typedef struct {
    char *path;      /* owned */
    size_t below;    /* where the path below the folder begins; of a named file: its base name */
    int named;       /* given on the command line */
    int passed;      /* over */
    uint64_t hash;
} file;

typedef struct {
    file *v;
    size_t n;
} files;

typedef struct {
    size_t binary, large, not_utf8, empty, unreadable; /* passed over */
    size_t shards, texts, held;
    size_t *tag;     /* [n_tags + 1] texts of a kind; the last: unknown */
} counts;

static uint64_t hash_of(const char *s) /* FNV-1a, mixed: the low digits count */
{
    uint64_t h = 14695981039346656037u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static void add(files *l, char *path, size_t below, int named)
{
    l->v = xgrow(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = (file){path, below, named, 0, hash_of(path + below)};
}

static char *join(const char *a, const char *b)
{
    size_t n = strlen(a);
    buf s = {0};
    buf_fmt(&s, "%s%s%s", a, n && a[n - 1] == '/' ? "" : "/", b);
    return s.p;
}

static int walk(files *l, const char *dir, size_t below, int top, counts *c)
{
    DIR *d = opendir(dir);
    if (!d && top) return say("%s: %s", dir, strerror(errno)), -1;
    if (!d) return c->unreadable++, 0;
    for (const struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.') continue;
        char *path = join(dir, e->d_name);
        if (lstat(path, &st)) st.st_mode = 0;
        if (S_ISREG(st.st_mode)) add(l, path, below, 0);
        if (S_ISDIR(st.st_mode)) walk(l, path, below, 0, c);
        if (!S_ISREG(st.st_mode)) free(path);
    }
    closedir(d);
    return 0;
}

static int by_path(const void *a, const void *b) { return strcmp(((const file *)a)->path, ((const file *)b)->path); }

static int find(files *l, const arg_list *paths, counts *c)
{
    for (size_t i = 0; i < paths->n; i++) {
        struct stat st;
        const char *p = paths->v[i], *slash = strrchr(p, '/');
        size_t first = l->n, n = strlen(p);
        if (stat(p, &st)) return say("%s: %s", p, strerror(errno)), -1;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) return say("%s: not a regular file or folder", p), -1;
        if (S_ISREG(st.st_mode)) add(l, xcopy(p), slash ? (size_t)(slash - p) + 1 : 0, 1);
        else if (walk(l, p, n + (n && p[n - 1] != '/'), 1, c)) return -1;
        else if (l->n > first) qsort(l->v + first, l->n - first, sizeof *l->v, by_path);
    }
    return 0;
}

static int is_shard(const file *f)
{
    size_t n = strlen(f->path);
    return f->named && n > 4 && !strcmp(f->path + n - 4, ".bin");
}

/* The text of a file.  1; 0: passed over; -1: failed (said). */
static int text_of(const file *f, buf *text, counts *c)
{
    char err[512];
    struct stat st;
    size_t *why = NULL;
    if (!f->named && stat(f->path, &st) == 0 && (uint64_t)st.st_size > LARGEST) return c->large++, 0;
    if (io_read(f->path, text, err, sizeof err)) {
        if (f->named) return say("%s", err), -1;
        return c->unreadable++, 0;
    }
    if (!text->n) why = &c->empty;
    else if (memchr(text->p, 0, text->n)) why = &c->binary;
    else if (!utf8_valid(text->p, text->n)) why = &c->not_utf8;
    if (!why) return 1;
    if (f->named)
        return say("%s: %s", f->path, text->n ? "not a text in UTF-8 (a shard is called *.bin)" : "empty"), -1;
    ++*why;
    return 0;
}

/* Look at every text once, so that what is held out is chosen among those that will do. */
static int probe(files *l, counts *c)
{
    for (size_t i = 0; i < l->n; i++) {
        buf text = {0};
        int r = is_shard(&l->v[i]) ? 1 : text_of(&l->v[i], &text, c);
        buf_free(&text);
        if (r < 0) return -1;
        l->v[i].passed = !r;
    }
    return 0;
}

/* The largest hash below which a file is held out: the usual share, or the one file that comes first. */
static uint64_t limit_of(const files *l)
{
    uint64_t least = UINT64_MAX, limit = UINT64_MAX / HELD_EVERY;
    size_t texts = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (is_shard(&l->v[i]) || l->v[i].passed) continue;
        texts++;
        if (l->v[i].hash < least) least = l->v[i].hash;
    }
    return texts < 2 ? 0 : least > limit ? least : limit;
}

static int add_file(lacuna_corpus *corpus, lacuna_corpus *held, const file *f, uint64_t limit, counts *c)
{
    lacuna_error err;
    if (is_shard(f)) {
        c->shards++;
        return lacuna_corpus_add_shard(corpus, f->path, &err) < 0 ? say("%s", err.msg), -1 : 0;
    }
    lacuna_model_info info = {0};
    buf text = {0};
    counts twice = {0}; /* probe() has counted; the file may have changed since */
    int r = f->passed ? 0 : text_of(f, &text, &twice);
    if (r > 0) {
        info.n_tags = lacuna_corpus_tags(corpus, &info.tags);
        const char *tag = lang_guess(&info, f->path, text.p, text.n);
        size_t k = 0;
        while (k < info.n_tags && info.tags[k] != tag) k++;
        c->tag[k]++;
        c->texts++;
        int out = held && f->hash <= limit && limit;
        c->held += (size_t)out;
        r = lacuna_corpus_add_text(out ? held : corpus, text.p, text.n, tag, &err);
        if (r < 0) say("%s: %s", f->path, err.msg);
    }
    buf_free(&text);
    return r < 0 ? -1 : 0;
}

static void tell(buf *b, const counts *c, const lacuna_corpus *corpus)
{
    const char *const *tags;
    size_t n_tags = lacuna_corpus_tags(corpus, &tags),
           passed = c->binary + c->large + c->not_utf8 + c->empty + c->unreadable, n = 0;
    if (c->shards) buf_fmt(b, "%zu shard%s", c->shards, c->shards == 1 ? "" : "s");
    if (c->shards && c->texts) buf_put(b, ", ");
    if (c->texts || !c->shards) buf_fmt(b, "%zu text file%s", c->texts, c->texts == 1 ? "" : "s");
    for (size_t i = 0; i <= n_tags; i++)
        if (c->tag[i]) buf_fmt(b, "%s%zu %s", n++ ? ", " : " (", c->tag[i], i < n_tags ? tags[i] : "of unknown kind");
    if (n) buf_put(b, ")");
    if (c->held) buf_fmt(b, ", %zu of them held out", c->held);
    if (!passed) return;
    const struct {
        size_t n;
        const char *what;
    } why[] = {{c->binary, "binary"},
               {c->large, "above 1 MB"},
               {c->not_utf8, "not UTF-8"},
               {c->empty, "empty"},
               {c->unreadable, "unreadable"}};
    buf_fmt(b, "; passed over:");
    n = 0;
    for (size_t i = 0; i < sizeof why / sizeof *why; i++)
        if (why[i].n) buf_fmt(b, "%s %zu %s", n++ ? "," : "", why[i].n, why[i].what);
}

int gather(lacuna_corpus *corpus, lacuna_corpus *held, const arg_list *paths, buf *what)
{
    const char *const *tags;
    files l = {0};
    counts c = {.tag = xalloc(lacuna_corpus_tags(corpus, &tags) + 1, sizeof *c.tag)};
    int r = find(&l, paths, &c);
    if (!r) r = probe(&l, &c);
    uint64_t limit = r ? 0 : limit_of(&l);
    for (size_t i = 0; !r && i < l.n; i++) r = add_file(corpus, held, &l.v[i], limit, &c);
    if (!r) tell(what, &c, corpus);
    for (size_t i = 0; i < l.n; i++) free(l.v[i].path);
    free(l.v);
    free(c.tag);
    return r;
}
