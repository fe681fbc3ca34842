#define _DEFAULT_SOURCE /* madvise: glibc makes nothing of posix_madvise */
#include "file/map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "file/say.h"

static int map_fd(lac_map *m, int fd, const char *path, lacuna_error *err)
{
    struct stat st;
    if (fstat(fd, &st)) return lac_say_errno(err, "inspect", path, errno);
    if (S_ISDIR(st.st_mode)) return lac_say_errno(err, "read", path, EISDIR);
    if (!S_ISREG(st.st_mode)) return lac_err(err, LACUNA_E_IO, 0, "cannot read %s: not a regular file", lac_say_path(path).s);
    if (st.st_size <= 0) return lac_err(err, LACUNA_E_FORMAT, 0, "%s: the file is empty", lac_say_path(path).s);
    if ((uint64_t)st.st_size > SIZE_MAX) return lac_say_errno(err, "map", path, EFBIG);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) return lac_say_errno(err, "map", path, errno);
    *m = (lac_map){p, (uint64_t)st.st_size};
    return 0;
}

int lac_map_open(lac_map *m, const char *path, lacuna_error *err)
{
    *m = (lac_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a fifo must not block */
    if (fd < 0) return lac_say_errno(err, "open", path, errno);
    int r = map_fd(m, fd, path, err);
    close(fd);
    return r;
}

void lac_map_release(const lac_map *m) { madvise((void *)(uintptr_t)m->data, (size_t)m->size, MADV_DONTNEED); }

void lac_map_close(lac_map *m)
{
    if (m->data) munmap((void *)(uintptr_t)m->data, (size_t)m->size);
    *m = (lac_map){0};
}
