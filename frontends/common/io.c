/* Files and streams. */
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/say.h"

enum { CHUNK = 1 << 16 };
#define TEXT_MAX ((size_t)1 << 30) /* no one infills a gibibyte; /dev/zero ends here */

/* One read through interrupts.  Bytes, 0 at the end, -1 with errno. */
static ssize_t read_some(int fd, char *p, size_t n)
{
    for (;;) {
        ssize_t k = read(fd, p, n);
        if (k >= 0 || errno != EAGAIN) return k; /* EINTR too: whoever catches a signal wants to stop */
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
    }
}

int io_read(const char *path, buf *out, char *err, size_t err_size)
{
    int std = !path || !strcmp(path, "-");
    const char *name = std ? "standard input" : path;
    int fd = std ? 0 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return snprintf(err, err_size, "%s: %s", name, strerror(errno)), -1;
    size_t before = out->n;
    ssize_t k;
    do {
        buf_room(out, CHUNK);
        k = read_some(fd, out->p + out->n, CHUNK);
        if (k > 0) out->n += (size_t)k;
    } while (k > 0 && out->n - before <= TEXT_MAX);
    int failed = k < 0 ? errno : 0;
    if (!std) close(fd);
    out->p[out->n] = 0;
    if (failed) return snprintf(err, err_size, "%s: %s", name, strerror(failed)), -1;
    if (out->n - before > TEXT_MAX) return snprintf(err, err_size, "%s: more than 1 GiB", name), -1;
    return 0;
}

int io_write(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (k < 0) return -1;
        p += k, n -= (size_t)k;
    }
    return 0;
}

void io_out(const void *bytes, size_t n)
{
    if (io_write(1, bytes, n) == 0) return;
    if (errno == EPIPE) _exit(0);
    say("standard output: %s", strerror(errno));
    exit(1);
}

/* ---- lines --------------------------------------------------------------------------------- */

/* Make room and read once more.  1, 0 at the end, -1. */
static int more(io_lines *l)
{
    if (l->pos) {
        memmove(l->b.p, l->b.p + l->pos, l->b.n - l->pos);
        l->b.n -= l->pos;
        l->pos = 0;
    }
    buf_room(&l->b, CHUNK);
    ssize_t k = read_some(l->fd, l->b.p + l->b.n, CHUNK);
    if (k < 0) return -1;
    if (k == 0) l->eof = 1;
    l->b.n += (size_t)k;
    return k > 0;
}

/* Throw away up to the next line feed. */
static int skip_line(io_lines *l)
{
    for (;;) {
        char *end = l->b.n > l->pos ? memchr(l->b.p + l->pos, '\n', l->b.n - l->pos) : NULL;
        if (end) {
            l->pos = (size_t)(end - l->b.p) + 1;
            return IO_TOO_LONG;
        }
        l->pos = l->b.n;
        int r = l->eof ? 0 : more(l);
        if (r < 0) return IO_FAILED;
        if (r == 0) return IO_TOO_LONG;
    }
}

int io_line(io_lines *l, char **line, size_t *n)
{
    size_t seen = 0; /* bytes already searched */
    for (;;) {
        size_t have = l->b.n - l->pos;
        char *start = l->b.p ? l->b.p + l->pos : NULL;
        char *end = have > seen ? memchr(start + seen, '\n', have - seen) : NULL;
        size_t len = end ? (size_t)(end - start) : have;
        if (l->max && len > l->max) return skip_line(l);
        if (end || (l->eof && have)) {
            *line = start, *n = len;
            l->pos += len + (end != NULL);
            return IO_LINE;
        }
        if (l->eof) return IO_EOF;
        seen = have;
        if (more(l) < 0) return IO_FAILED;
    }
}

/* ---- a file written whole ------------------------------------------------------------------ */

int io_file_open(io_file *f, const char *path, char *err, size_t err_size)
{
    struct stat st;
    *f = (io_file){.fd = -1, .path = xcopy(path)};
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        f->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    } else {
        buf t = {0};
        buf_fmt(&t, "%s.XXXXXX", path);
        f->temp = t.p;
        f->fd = mkstemp(f->temp);
        if (f->fd >= 0) {
            mode_t mask = umask(0);
            umask(mask);
            (void)!fchmod(f->fd, 0666 & ~mask);
        }
    }
    if (f->fd >= 0) return 0;
    snprintf(err, err_size, "%s: %s", path, strerror(errno));
    free(f->temp);
    f->temp = NULL;
    io_file_drop(f);
    return -1;
}

int io_file_try(const char *path, char *err, size_t err_size)
{
    struct stat st;
    io_file f;
    if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode)) return 0; /* its reader would see an end */
    if (io_file_open(&f, path, err, err_size)) return -1;
    int full = !f.temp && write(f.fd, "", 0) < 0; /* some devices refuse even nothing */
    if (full) snprintf(err, err_size, "%s: %s", path, strerror(errno));
    io_file_drop(&f);
    return full ? -1 : 0;
}

static int flush(io_file *f, char *err, size_t err_size)
{
    int r = io_write(f->fd, f->b.p, f->b.n);
    f->b.n = 0;
    if (r) snprintf(err, err_size, "%s: %s", f->path, strerror(errno));
    return r;
}

int io_file_add(io_file *f, const void *bytes, size_t n, char *err, size_t err_size)
{
    buf_add(&f->b, bytes, n);
    return f->b.n < CHUNK ? 0 : flush(f, err, err_size);
}

int io_file_commit(io_file *f, char *err, size_t err_size)
{
    if (flush(f, err, err_size)) return io_file_drop(f), -1;
    int fd = f->fd;
    f->fd = -1;
    int r = f->temp ? fsync(fd) : 0;
    r |= close(fd);
    if (!r && f->temp) r = rename(f->temp, f->path);
    if (r) snprintf(err, err_size, "%s: %s", f->path, strerror(errno));
    else if (f->temp) free(f->temp), f->temp = NULL;
    io_file_drop(f);
    return r ? -1 : 0;
}

void io_file_drop(io_file *f)
{
    if (f->fd >= 0) close(f->fd);
    if (f->temp) unlink(f->temp);
    free(f->temp);
    free(f->path);
    buf_free(&f->b);
    *f = (io_file){.fd = -1};
}
