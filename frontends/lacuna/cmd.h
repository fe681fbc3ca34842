/* The commands of `lacuna` and what they share. */
#ifndef LACUNA_CMD_H
#define LACUNA_CMD_H

#include "common/args.h"
#include "lacuna.h"

/* Each takes what stands behind its name and returns the exit code. */
int cmd_infill(int argc, char **argv);
int cmd_sample(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_bench(int argc, char **argv);

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, GO_ON = -1 };

/* Read the options of a command, which takes at most max_operands operands.  GO_ON, or the exit code when
 * --help was printed or the usage is wrong (said). */
int cmd_args(const char *name, const char *synopsis, const char *about, const arg_opt *opts, int argc, char **argv,
             size_t max_operands, arg_list *operands);

/* Say a usage error of a command; returns EXIT_USAGE. */
int cmd_usage(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
