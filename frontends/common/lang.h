/* Which of the model's tags ("py", "c", "prose") a text belongs to. */
#ifndef COMMON_LANG_H
#define COMMON_LANG_H

#include <stddef.h>

#include "lacuna.h"

/* By the ending of path (may be NULL or "-"), else by what the text looks like.  A tag of the model, or
 * NULL when it has no such tag or the text gives no evidence. */
const char *lang_guess(const lacuna_model_info *info, const char *path, const char *text, size_t len);

/* The model's tag of that name, or NULL with a message that lists what there is. */
const char *lang_tag(const lacuna_model_info *info, const char *name, char *err, size_t err_size);

/* The tree-sitter language of a text: by the ending of path (may be NULL or "-"), which says more than a tag does; else by the text's #! line,
 * then by tag, if not NULL; where none of them is there, by what the text looks like.  NULL: none is known. */
const char *lang_grammar(const char *path, const char *tag, const char *text, size_t len);

#endif
