/* The terminal, if there is one. */
#include "common/term.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* By the variables, as setlocale() would have it: the programs stay in the "C" locale on purpose. */
static int locale_is_utf8(void)
{
    const char *v = env("LC_ALL");
    if (!v) v = env("LC_CTYPE");
    if (!v) v = env("LANG");
    const char *dot = v ? strchr(v, '.') : NULL;
    return dot && (!strncasecmp(dot + 1, "UTF-8", 5) || !strncasecmp(dot + 1, "utf8", 4));
}

term term_look(int fd)
{
    term t = {.rows = 24, .cols = 80, .utf8 = locale_is_utf8()};
    const char *kind = env("TERM");
    struct winsize w;
    if (!isatty(fd)) return t;
    t.moves = kind && strcmp(kind, "dumb") != 0;
    t.colour = t.moves && !env("NO_COLOR");
    if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col) t.rows = w.ws_row, t.cols = w.ws_col;
    if (t.rows < 2) t.rows = 2;
    if (t.cols < 10) t.cols = 10;
    return t;
}
