/* Where tree-sitter grammars are looked for. */
#include "common/grammar_path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/place.h"

/* root/below, where that is a folder; takes root. */
static void add(buf *path, char *root, const char *below)
{
    struct stat st;
    buf b = {0};
    if (root) buf_fmt(&b, "%s/%s", root, below);
    if (root && !strchr(b.p, ':') && !stat(b.p, &st) && S_ISDIR(st.st_mode)) buf_fmt(path, "%s%s", path->n ? ":" : "", b.p);
    buf_free(&b);
    free(root);
}

char *grammar_path(void)
{
    const char *own = getenv("LACUNA_GRAMMARS");
    buf path = {0};
    buf_put(&path, own ? own : "");
    add(&path, place_above(2), "lib/lacuna/grammars"); /* PREFIX/bin/lacuna */
    add(&path, place_above(2), "grammars");            /* build/HASH/lacuna */
    add(&path, place_data(), "nvim/site/parser");
    add(&path, place_data(), "nvim/lazy/nvim-treesitter/parser");
    add(&path, xcopy("/usr/local"), "lib/nvim/parser");
    add(&path, xcopy("/usr"), "lib/nvim/parser");
    return path.p;
}
