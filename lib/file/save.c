#include "file/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "file/say.h"

#define BUF_SIZE ((size_t)1 << 17)
#define TRIES 1000 /* names to try when a killed process of the same id left its temporaries */

static void release(lac_save *s)
{
    if (s->fd >= 0) close(s->fd);
    if (s->dir >= 0) close(s->dir);
    lac_mem_free(&s->mem, s->path, s->path_size);
    lac_mem_free(&s->mem, s->buf, BUF_SIZE);
    *s = (lac_save){.fd = -1, .dir = -1};
}

void lac_save_drop(lac_save *s)
{
    if (s->fd >= 0) unlinkat(s->dir, s->tmp, 0);
    release(s);
}

/* The save fails for the reason in errno. */
static int fail(lac_save *s, const char *verb, lacuna_error *err)
{
    int r = lac_say_errno(err, verb, s->path, errno);
    lac_save_drop(s);
    return r;
}

static int open_tmp(lac_save *s, lacuna_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        snprintf(s->tmp, sizeof s->tmp, ".lacuna-%ld-%d.tmp", (long)getpid(), i);
        s->fd = openat(s->dir, s->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (s->fd >= 0) return 0;
        if (errno != EEXIST) break;
    }
    return fail(s, "create a temporary file beside", err);
}

/* The directory of path, opened; s->path is cut for the moment of the call. */
static int open_dir(lac_save *s)
{
    const char *slash = strrchr(s->path, '/');
    if (!slash) return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash == s->path) return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s->path[slash - s->path] = 0;
    int fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s->path[strlen(s->path)] = '/';
    return fd;
}

int lac_save_open(lac_save *s, const char *path, const lacuna_allocator *mem, lacuna_error *err)
{
    *s = (lac_save){.fd = -1, .dir = -1, .mem = *mem};
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (!*path || (slash && !slash[1])) {
        return lac_err(err, LACUNA_E_ARG, 0, "cannot write '%s': the path names no file", lac_say_path(path).s);
    }
    bool there = !stat(path, &st);
    if (there && !S_ISREG(st.st_mode)) {
        return lac_err(err, LACUNA_E_IO, 0, "cannot write %s: it exists and is no regular file", lac_say_path(path).s);
    }
    s->path_size = strlen(path) + 1;
    s->path = lac_mem_alloc(mem, s->path_size);
    s->buf = lac_mem_alloc(mem, BUF_SIZE);
    if (!s->path || !s->buf) {
        release(s);
        return lac_nomem(err, "output buffer");
    }
    memcpy(s->path, path, s->path_size);
    s->base = s->path + (slash ? slash + 1 - path : 0);
    s->dir = open_dir(s);
    if (s->dir < 0) return fail(s, "open the directory of", err);
    int r = open_tmp(s, err);
    if (!r && there && fchmod(s->fd, st.st_mode & 0777)) r = fail(s, "set the permissions of", err);
    return r;
}

/* Write all of p at the end (at < 0) or at an offset. */
static bool put(int fd, const uint8_t *p, size_t n, off_t at)
{
    while (n) {
        ssize_t k = at < 0 ? write(fd, p, n) : pwrite(fd, p, n, at);
        if (k < 0 && errno == EINTR) continue;
        if (k == 0) errno = ENOSPC;
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
        if (at >= 0) at += k;
    }
    return true;
}

static bool flush(lac_save *s)
{
    size_t n = s->n_buf;
    s->n_buf = 0;
    return put(s->fd, s->buf, n, -1);
}

static int closed(lacuna_error *err)
{
    return lac_err(err, LACUNA_E_INTERNAL, 0, "write to a file that was closed");
}

int lac_save_write(lac_save *s, const void *p, size_t n, lacuna_error *err)
{
    if (s->fd < 0) return closed(err);
    const uint8_t *from = p;
    s->at += n;
    while (n) {
        size_t room = BUF_SIZE - s->n_buf, k = n < room ? n : room;
        memcpy(s->buf + s->n_buf, from, k);
        s->n_buf += k;
        from += k;
        n -= k;
        if (s->n_buf == BUF_SIZE && !flush(s)) return fail(s, "write", err);
    }
    return 0;
}

int lac_save_patch(lac_save *s, uint64_t at, const void *p, size_t n, lacuna_error *err)
{
    if (s->fd < 0) return closed(err);
    if (at > s->at || n > s->at - at) {
        lac_save_drop(s);
        return lac_err(err, LACUNA_E_INTERNAL, at, "patch outside what was written");
    }
    return flush(s) && put(s->fd, p, n, (off_t)at) ? 0 : fail(s, "write", err);
}

int lac_save_commit(lac_save *s, lacuna_error *err)
{
    if (s->fd < 0) return closed(err);
    if (!flush(s)) return fail(s, "write", err);
    if (fsync(s->fd)) return fail(s, "sync", err);
    if (renameat(s->dir, s->tmp, s->dir, s->base)) return fail(s, "replace", err);
    int r = 0;
    if (fsync(s->dir) && errno != EINVAL) r = lac_say_errno(err, "sync the directory of", s->path, errno);
    release(s);
    return r;
}
