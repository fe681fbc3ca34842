/* Files and streams: whole files in, everything out, or a message that says what failed. */
#ifndef COMMON_IO_H
#define COMMON_IO_H

#include <stddef.h>

#include "common/buf.h"

/* Append all of a file ("-" or NULL: standard input) to out.  0, or -1 with a message naming the file. */
int io_read(const char *path, buf *out, char *err, size_t err_size);

/* Write everything to fd, through interrupts and full pipes.  0, or -1 with errno. */
int io_write(int fd, const void *bytes, size_t n);

/* To standard output.  A closed pipe ends the process quietly with 0; any other failure with a message
 * and 1: nothing that a command prints is lost unnoticed. */
void io_out(const void *bytes, size_t n);

/* Lines of a stream, of any length up to max. */
typedef struct {
    int fd;
    size_t max; /* bytes a line may have; 0: no limit */
    buf b;      /* read and not yet given out */
    size_t pos; /* start of what was not given out */
    int eof;
} io_lines;

enum { IO_EOF = 0, IO_LINE = 1, IO_TOO_LONG = 2, IO_FAILED = -1 };

/* The next line without its line feed (the last may lack one), valid until the next call.  IO_TOO_LONG: the
 * line was longer than max and is skipped.  IO_FAILED: errno. */
int io_line(io_lines *l, char **line, size_t *n);

/* A file that appears whole or not at all: written under a temporary name, synced, renamed.  What exists
 * and is not a regular file (a device, a pipe) is written directly. */
typedef struct {
    int fd;         /* -1: closed */
    char *path, *temp; /* temp NULL: direct */
    buf b;          /* not written yet */
} io_file;

int io_file_open(io_file *f, const char *path, char *err, size_t err_size);
/* Could it be opened and written now?  Asked before long work whose result it gets; a regular file stays as it is. */
int io_file_try(const char *path, char *err, size_t err_size);
int io_file_add(io_file *f, const void *bytes, size_t n, char *err, size_t err_size);
int io_file_commit(io_file *f, char *err, size_t err_size);
void io_file_drop(io_file *f); /* give up; nothing is left; harmless after commit */

#endif
