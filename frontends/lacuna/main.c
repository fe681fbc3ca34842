/* lacuna: infill, sample, score, serve, train, convert, info, bench. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "common/io.h"
#include "common/say.h"
#include "lacuna/cmd.h"

static const struct {
    const char *name;
    int (*run)(int, char **);
    const char *about;
} commands[] = {
    {"infill", cmd_infill, "fill the holes of a text"},
    {"sample", cmd_sample, "write a text from nothing"},
    {"score", cmd_score, "exact log-likelihood of a text, or of parts of it"},
    {"serve", cmd_serve, "answer JSON-RPC requests on standard input and output"},
    {"train", cmd_train, "train a network, or fit a model to your own text"},
    {"convert", cmd_convert, "make a model file from a safetensors checkpoint"},
    {"info", cmd_info, "what is in a model file"},
    {"bench", cmd_bench, "how fast a model runs here"},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void put_help(buf *b)
{
    buf_put(b, "usage: lacuna COMMAND [OPTION...] [FILE]\n\n"
               "Infilling of code and prose by masked diffusion.\n\ncommands:\n");
    for (int i = 0; i < N_COMMANDS; i++) buf_fmt(b, "  %-9s %s\n", commands[i].name, commands[i].about);
    buf_put(b, "\n`lacuna COMMAND --help` lists the options of a command; `man lacuna` tells more.\n"
               "A first try: printf 'def add(a, b):\\n    return <|fill|>\\n' | lacuna infill --stream\n");
}

int cmd_usage(const char *name, const char *fmt, ...)
{
    char msg[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    say("%s (`lacuna %s --help` lists the options)", msg, name);
    return EXIT_USAGE;
}

int cmd_args(const char *name, const char *synopsis, const char *about, const arg_opt *opts, int argc, char **argv,
             size_t max_operands, arg_list *operands)
{
    char err[512];
    int r = args_parse(opts, argc, argv, operands, err, sizeof err);
    if (r == ARGS_USAGE) return cmd_usage(name, "%s", err);
    if (r == ARGS_HELP) {
        buf b = {0};
        buf_fmt(&b, "usage: lacuna %s %s\n\n%s\n", name, synopsis, about);
        args_help(&b, opts);
        io_out(b.p, b.n);
        buf_free(&b);
        return EXIT_DONE;
    }
    if (operands->n > max_operands) return cmd_usage(name, "unexpected operand '%.80s'", operands->v[max_operands]);
    return GO_ON;
}

static int unknown(const char *word)
{
    const char *names[N_COMMANDS + 1];
    buf list = {0};
    for (int i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        buf_fmt(&list, "%s%s", i ? ", " : "", commands[i].name);
    }
    names[N_COMMANDS] = NULL;
    const char *near = args_nearest(word, names);
    if (near) say("unknown command '%.60s' (did you mean %s?); there are %s", word, near, list.p);
    else say("unknown command '%.60s'; there are %s", word, list.p);
    buf_free(&list);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    json_object_seed(0); /* before any thread */
    buf b = {0};
    if (argc < 2) {
        put_help(&b);
        fputs(b.p, stderr);
        buf_free(&b);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    for (int i = 0; i < N_COMMANDS; i++)
        if (!strcmp(commands[i].name, word)) return commands[i].run(argc - 2, argv + 2);
    int help = !strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help");
    if (help && argc > 2)
        for (int i = 0; i < N_COMMANDS; i++)
            if (!strcmp(commands[i].name, argv[2])) return commands[i].run(1, (char *[]){(char[]){"--help"}, NULL});
    if (help) put_help(&b);
    else if (!strcmp(word, "--version") || !strcmp(word, "-V")) buf_fmt(&b, "lacuna %s\n", lacuna_version());
    else if (word[0] == '-') return say("unknown option %.60s (`lacuna --help` tells what there is)", word), EXIT_USAGE;
    else return unknown(word);
    io_out(b.p, b.n);
    buf_free(&b);
    return EXIT_DONE;
}
