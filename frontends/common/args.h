/* Command line: a table of options, read strictly.
 *
 * `--name VALUE`, `--name=VALUE`, `-x VALUE`, `-xVALUE`; options and operands may be mixed; `--` ends the
 * options; `-` is an operand.  Numbers are plain decimal in any locale: no sign on counts, no blanks, no
 * hexadecimal, no NaN or infinity. */
#ifndef COMMON_ARGS_H
#define COMMON_ARGS_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

typedef enum {
    ARG_FLAG,   /* to: int, set to 1 */
    ARG_TEXT,   /* to: const char * */
    ARG_U32,    /* to: uint32_t */
    ARG_U64,    /* to: uint64_t */
    ARG_REAL,   /* to: double */
    ARG_CHOICE, /* to: int, index into choices */
    ARG_LIST    /* to: arg_list; the option may be repeated */
} arg_kind;

typedef struct {
    const char **v; /* owned by the list, the texts by argv */
    size_t n;
} arg_list;

typedef struct {
    const char *name;           /* without dashes; NULL with help: a heading; both NULL: the end */
    char letter;                /* short form or 0 */
    arg_kind kind;
    void *to;
    const char *value;          /* what the help calls the value */
    const char *help;
    double lo, hi;              /* limits of numbers, both included; equal: none */
    const char *const *choices; /* NULL-terminated */
    int *seen;                  /* set to 1 when the option is given, or NULL */
} arg_opt;

#define OPT(name, letter, kind, to, value, help) {name, letter, kind, to, value, help, 0, 0, NULL, NULL}
#define OPT_SEEN(name, letter, kind, to, value, help, seen) {name, letter, kind, to, value, help, 0, 0, NULL, seen}
#define OPT_NUM(name, letter, kind, to, value, lo, hi, help) {name, letter, kind, to, value, help, lo, hi, NULL, NULL}
#define OPT_NUM_SEEN(name, kind, to, value, lo, hi, help, seen) {name, 0, kind, to, value, help, lo, hi, NULL, seen}
#define OPT_ONE_OF(name, to, value, choices, help, seen) {name, 0, ARG_CHOICE, to, value, help, 0, 0, choices, seen}
#define OPT_HEAD(text) {NULL, 0, ARG_FLAG, NULL, NULL, text, 0, 0, NULL, NULL}
#define OPT_END {NULL, 0, ARG_FLAG, NULL, NULL, NULL, 0, 0, NULL, NULL}

enum { ARGS_OK = 0, ARGS_HELP = 1, ARGS_USAGE = 2 };

/* Read argv[0, argc) (without the program's name).  ARGS_HELP as soon as --help or -h is met; ARGS_USAGE
 * with a message in err that names the option. */
int args_parse(const arg_opt *opts, int argc, char **argv, arg_list *operands, char *err, size_t err_size);

/* The table as text. */
void args_help(buf *out, const arg_opt *opts);

/* One value; 0, or -1. */
int args_u64(const char *text, uint64_t *out);
int args_real(const char *text, double *out);

/* The candidate (NULL-terminated list) that differs from word by at most two edits, or NULL. */
const char *args_nearest(const char *word, const char *const *candidates);

#endif
