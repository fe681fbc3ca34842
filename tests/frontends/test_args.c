/* Options: forms, strict numbers, messages that name the option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/args.h"

static int flag, choice, seen;
static uint32_t count;
static uint64_t seed;
static double real;
static const char *text;
static arg_list list, files;
static char err[256];
static const char *const choices[] = {"left", "random", NULL};
static const arg_opt opts[] = {
    OPT_HEAD("things"),
    OPT("flag", 'f', ARG_FLAG, &flag, NULL, "a flag"),
    OPT_SEEN("text", 't', ARG_TEXT, &text, "TEXT", "a text", &seen),
    OPT_NUM("count", 'n', ARG_U32, &count, "N", 1, 100, "a count"),
    OPT("seed", 0, ARG_U64, &seed, "S", "a seed"),
    OPT_NUM("real", 0, ARG_REAL, &real, "X", 0, 1, "a share"),
    OPT_ONE_OF("order", &choice, "ORDER", choices, "an order", NULL),
    OPT("list", 0, ARG_LIST, &list, "L", "a list"),
    OPT_END,
};

static int read_args(int argc, const char *const *argv)
{
    char *copy[16];
    flag = choice = seen = 0, count = 0, seed = 0, real = 0, text = NULL;
    free(list.v);
    free(files.v);
    list = files = (arg_list){0};
    for (int i = 0; i < argc; i++) copy[i] = (char *)(uintptr_t)argv[i];
    return args_parse(opts, argc, copy, &files, err, sizeof err);
}
#define READ(...) read_args((int)(sizeof (const char *[]){__VA_ARGS__} / sizeof(char *)), (const char *[]){__VA_ARGS__})

static void forms(void **state)
{
    (void)state;
    assert_int_equal(READ("a", "--text", "x", "--text=--y", "-", "-n3", "-f", "--list", "1", "--list=2", "--", "--flag"), ARGS_OK);
    assert_string_equal(text, "--y");
    assert_int_equal(seen, 1);
    assert_int_equal(count, 3);
    assert_int_equal(flag, 1);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.v[1], "2");
    assert_int_equal(files.n, 3);
    assert_string_equal(files.v[1], "-");
    assert_string_equal(files.v[2], "--flag");
    assert_int_equal(READ("-fn", "7"), ARGS_OK);
    assert_int_equal(count, 7);
    assert_int_equal(READ("--text", "--help"), ARGS_OK);
    assert_int_equal(READ("--help", "--nonsense"), ARGS_HELP);
    assert_int_equal(READ("-h"), ARGS_HELP);
    assert_int_equal(READ("--text="), ARGS_OK);
    assert_string_equal(text, "");
}

static void refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"--count=", "--count=0", "--count=101", "--count=-1", "--count=+1", "--count= 1", "--count=1 ",
                                      "--count=0x10", "--count=1.0", "--count=99999999999999999999", "--seed=18446744073709551616",
                                      "--seed=-1", "--real=nan", "--real=inf", "--real=1e999", "--real=0,5", "--real=1.5", "--real=-0.1",
                                      "--real=0x1p-1", "--real=", "--real=.", "--order=lef", "--order=", "--flag=1", "--text", "--nonsense",
                                      "--", "-x", "-n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!strcmp(bad[i], "--")) continue;
        assert_int_equal(READ(bad[i]), ARGS_USAGE);
        size_t n = strcspn(bad[i] + 1, "=");
        char name[32] = {0};
        memcpy(name, bad[i], n + 1);
        if (!strstr(err, name)) fail_msg("'%s' does not name %s", err, name);
    }
    assert_int_equal(READ("--seed=18446744073709551615"), ARGS_OK);
    assert_true(seed == UINT64_MAX);
    assert_int_equal(READ("--real=1e-3"), ARGS_OK);
    assert_true(real == 1e-3);
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const names[] = {"infill", "score", NULL};
    assert_int_equal(READ("--cuont", "3"), ARGS_USAGE);
    assert_non_null(strstr(err, "--count"));
    assert_string_equal(args_nearest("infil", names), "infill");
    assert_null(args_nearest("completely", names));
    assert_null(args_nearest("", names));
}

static void help(void **state)
{
    (void)state;
    buf b = {0};
    args_help(&b, opts);
    for (const arg_opt *o = opts; o->name || o->help; o++) assert_non_null(strstr(b.p, o->name ? o->name : o->help));
    for (char *line = strtok(b.p, "\n"); line; line = strtok(NULL, "\n")) assert_true(strlen(line) <= 100);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(refused), cmocka_unit_test(suggestions),
                                       cmocka_unit_test(help)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(list.v);
    free(files.v);
    return failed;
}
