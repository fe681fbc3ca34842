/* Which model file to open.
 *
 * Asked for by name (-m, else $LACUNA_MODEL): a path to a file, a folder (its default.gguf, or its only
 * *.gguf), or a bare NAME that is looked up as NAME.gguf and NAME/ in the folders below.  Not asked for:
 * the first of these folders that has a model:
 *     $XDG_DATA_HOME/lacuna (default ~/.local/share/lacuna), share/lacuna beside the program's bin (installed), and models/ beside the
 *     build tree the program runs from (models/default first). */
#ifndef COMMON_MODEL_PATH_H
#define COMMON_MODEL_PATH_H

#include "common/buf.h"

/* A path, the caller's to free; or NULL with a message in err that lists the places looked at. */
char *model_path(const char *want, buf *err);

#endif
