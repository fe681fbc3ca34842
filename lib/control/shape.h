/* Named expressions: what people most often want a hole to be. */
#ifndef LAC_CONTROL_SHAPE_H
#define LAC_CONTROL_SHAPE_H

#include <stddef.h>

/* The expression of a shape in a kind of text: "identifier" "integer" "float" "string" "line" "word" "sentence".  tag: a kind of
 * text ("c", "py", ...), NULL: unknown.  NULL: there is no such shape. */
const char *lac_shape_regex(const char *name, const char *tag);

/* All names, NULL-terminated.  Static storage. */
extern const char *const lac_shape_names[];

#endif
