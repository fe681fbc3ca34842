/* Where the holes of a text are: markers in it, or line and column given by the user.
 *
 * Lines and columns count from 1, columns in bytes; a column may be one past the end of its line, and the
 * empty line behind a final line feed is a line. */
#ifndef COMMON_MARKER_H
#define COMMON_MARKER_H

#include <stddef.h>

#include "lacuna.h"

#define MARKER_DEFAULT "<|fill|>"

/* Markers from left to right, not overlapping: at most cap spans are written; returns how many there are.
 * An empty marker is found nowhere. */
size_t marker_find(const char *text, size_t len, const char *marker, size_t marker_len, lacuna_span *out, size_t cap);

enum { MARKER_OK = 0, MARKER_OUTSIDE = 1, MARKER_SYNTAX = 2 };

/* "LINE:COL" to a byte offset; "L:C-L:C" to a span [start, end).  MARKER_SYNTAX: not of this form;
 * MARKER_OUTSIDE: no such place in the text.  err says which and what the limit is. */
int marker_at(const char *text, size_t len, const char *spec, size_t *at, char *err, size_t err_size);
int marker_range(const char *text, size_t len, const char *spec, lacuna_span *span, char *err, size_t err_size);

#endif
