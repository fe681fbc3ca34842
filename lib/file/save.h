/* Replacing a file all at once: until the commit its readers see the old one, from then on the new one.
 *
 * The bytes go to a temporary name in the same directory (".lacuna-<pid>-<n>.tmp"), are synced, renamed over
 * the path, and the directory is synced.  Whatever fails before the rename, the temporary is removed and
 * the old file is as it was.  A symbolic link is replaced, not followed; something that exists and is no
 * regular file (a device, a directory) is refused. */
#ifndef LAC_FILE_SAVE_H
#define LAC_FILE_SAVE_H

#include <sys/types.h>

#include "base/mem.h"

typedef struct {
    int fd, dir;           /* the temporary file and its directory; -1: not open */
    char tmp[48];          /* its name in the directory */
    char *path;            /* where it goes; path_size bytes */
    size_t path_size;
    const char *base;      /* last component of path */
    uint8_t *buf;          /* bytes not yet handed to the system */
    size_t n_buf;
    uint64_t at;           /* bytes written so far, the buffered ones included */
    lacuna_allocator mem;
} lac_save;

/* Start a file.  IO, NOMEM, ARG (path without a file name). */
int lac_save_open(lac_save *s, const char *path, const lacuna_allocator *mem, lacuna_error *err);

/* Append n bytes.  IO (disk full, ...): the save is then dropped, and later calls on it fail with INTERNAL. */
int lac_save_write(lac_save *s, const void *p, size_t n, lacuna_error *err);

/* Overwrite n bytes at an offset that was already written.  As lac_save_write. */
int lac_save_patch(lac_save *s, uint64_t at, const void *p, size_t n, lacuna_error *err);

/* Make the file visible.  When only the last sync of the directory fails, IO is returned with the new file
 * in place.  The save is closed in any case. */
int lac_save_commit(lac_save *s, lacuna_error *err);

/* Give up: remove the temporary.  Allowed on a save that is closed. */
void lac_save_drop(lac_save *s);

#endif
