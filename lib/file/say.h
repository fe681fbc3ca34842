/* Words for messages about files: names that come out of them, causes that come from the system. */
#ifndef LAC_FILE_SAY_H
#define LAC_FILE_SAY_H

#include "lacuna.h"

/* A name from a file, made printable: at most 64 bytes, others than printable ASCII as '?', "..." when cut.
 * By value, so that it can stand among the arguments of a message: lac_say_name(t).s */
typedef struct { char s[68]; } lac_said;
lac_said lac_say_name(lacuna_text name);

/* The last component of a path, cut to fit at a UTF-8 boundary. */
void lac_say_base(char *out, size_t cap, const char *path);

/* A path for a message: all of it, or "..." and its end, cut at a UTF-8 boundary. */
typedef struct { char s[128]; } lac_said_path;
lac_said_path lac_say_path(const char *path);

/* IO: "cannot <verb> <path>: <text of the errno value>". */
int lac_say_errno(lacuna_error *err, const char *verb, const char *path, int number);

#endif
