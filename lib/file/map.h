/* A file mapped read-only: its bytes and how many.
 *
 * Only regular files that are not empty can be mapped.  Who truncates the file while it is mapped gets the
 * process a SIGBUS at the next access, as with any mapped file; files that lac_save writes are never
 * truncated in place. */
#ifndef LAC_FILE_MAP_H
#define LAC_FILE_MAP_H

#include "lacuna.h"

typedef struct {
    const uint8_t *data; /* page-aligned; NULL: not open */
    uint64_t size;
} lac_map;

/* IO (cannot open, not a regular file, too large for the address space), FORMAT (empty). */
int lac_map_open(lac_map *m, const char *path, lacuna_error *err);
/* What was read need not stay in memory: it comes back when it is read again.  Any thread. */
void lac_map_release(const lac_map *m);
void lac_map_close(lac_map *m); /* a map that is not open is allowed */

#endif
