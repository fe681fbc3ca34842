/* Messages for people on stderr. */
#include "common/say.h"

#include <stdarg.h>
#include <stdio.h>

static const char *program = "lacuna";

void say_as(const char *name)
{
    program = name;
}

/* One fprintf a line: stderr is unbuffered, and lines of several threads must not mix. */
void say(const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') *p = '?'; /* no escape codes from file names */
    fprintf(stderr, "%s: %s\n", program, line);
}
