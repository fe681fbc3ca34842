/* Where the program itself lies. */
#include "common/place.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"

char *place_above(int levels)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return NULL;
    exe[n] = 0;
    while (levels--) {
        char *slash = strrchr(exe, '/');
        if (!slash) return NULL;
        *slash = 0;
    }
    return xcopy(exe);
}

char *place_data(void)
{
    const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (xdg && *xdg == '/') return xcopy(xdg);
    if (!home || !*home) return NULL;
    buf b = {0};
    buf_fmt(&b, "%s/.local/share", home);
    return b.p;
}
