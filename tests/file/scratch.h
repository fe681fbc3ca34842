/* What the tests of files share: a folder that goes away, whole files in and out, bytes that are laid down
 * by hand, an allocator that knows its largest request. */
#ifndef TESTS_FILE_SCRATCH_H
#define TESTS_FILE_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "common/unit.h"

/* ---- a folder ---- */

static char scratch_dir[256];

static inline int scratch_setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch_dir, sizeof scratch_dir, "%s/lacuna-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(scratch_dir) ? 0 : -1;
}

/* Number of entries in the folder whose name contains part. */
static inline size_t scratch_count(const char *part)
{
    size_t n = 0;
    DIR *d = opendir(scratch_dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strstr(e->d_name, part);
    closedir(d);
    return n;
}

static inline int scratch_teardown(void **state)
{
    (void)state;
    DIR *d = opendir(scratch_dir);
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d));) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", scratch_dir, e->d_name);
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && unlink(path)) rmdir(path);
    }
    closedir(d);
    return rmdir(scratch_dir);
}

/* Path of a file in the folder; four of them live at a time. */
static inline const char *scratch_path(const char *name)
{
    static char path[4][400];
    static unsigned at;
    char *p = path[at++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", scratch_dir, name);
    return p;
}

static inline void scratch_put(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* All bytes of a file, in a block of exactly that size. */
static inline uint8_t *scratch_get(const char *path, size_t *n)
{
    struct stat st;
    CHECK(!stat(path, &st), "%s: no such file", path);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *p = malloc((size_t)st.st_size + 1);
    *n = fread(p, 1, (size_t)st.st_size + 1, f);
    assert_int_equal(*n, st.st_size);
    fclose(f);
    return p;
}

/* ---- bytes laid down by hand ---- */

typedef struct {
    uint8_t b[16384];
    size_t n;
} bytes;

static inline void put(bytes *x, const void *p, size_t n)
{
    assert_true(n <= sizeof x->b - x->n);
    if (n) memcpy(x->b + x->n, p, n);
    x->n += n;
}
static inline void put_u8(bytes *x, uint8_t v) { put(x, &v, 1); }
static inline void put_u32(bytes *x, uint32_t v) { put(x, &v, 4); }
static inline void put_u64(bytes *x, uint64_t v) { put(x, &v, 8); }
static inline void put_text(bytes *x, const char *s)
{
    put_u64(x, strlen(s));
    put(x, s, strlen(s));
}

/* ---- an allocator that knows its largest request ---- */

typedef struct {
    size_t largest, live;
} gauge;

static inline void *gauge_fn(void *ctx, void *p, size_t old, size_t now, size_t align)
{
    gauge *g = ctx;
    void *q = NULL;
    if (now > g->largest) g->largest = now;
    if (now > (size_t)64 << 20) return NULL;
    if (now && posix_memalign(&q, align, now)) return NULL;
    if (p && now) memcpy(q, p, old < now ? old : now);
    free(p);
    g->live += now;
    g->live -= p ? old : 0;
    return q;
}
static inline lacuna_allocator gauge_allocator(gauge *g) { return (lacuna_allocator){gauge_fn, g}; }

static inline lacuna_allocator system_allocator(void) { return lac_mem_system_or((lacuna_allocator){0}); }

/* The call failed with this code, and its message contains both strings. */
#define FAILS(call, want, file, thing)                                                                            \
    do {                                                                                                          \
        lacuna_error err_ = {0};                                                                                  \
        lacuna_error *const e = &err_;                                                                            \
        int got_ = (call);                                                                                        \
        CHECK(got_ == (want) && err_.code == (want), "%s: %s (%s), %s was expected", #call, lacuna_code_name(got_), \
              err_.msg, lacuna_code_name(want));                                                                  \
        CHECK(strstr(err_.msg, file) && strstr(err_.msg, thing), "'%s' does not name '%s' and '%s'", err_.msg, file, thing); \
    } while (0)

/* The call succeeded. */
#define WORKS(call)                                                             \
    do {                                                                        \
        lacuna_error err_ = {0};                                                \
        lacuna_error *const e = &err_;                                          \
        int got_ = (call);                                                      \
        CHECK(!got_, "%s: %s (%s)", #call, lacuna_code_name(got_), err_.msg);   \
    } while (0)

#endif
