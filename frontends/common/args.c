/* Command line: a table of options, read strictly. */
#include "common/args.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int args_u64(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    if (!*text) return -1;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9') return -1;
        unsigned d = (unsigned)(*p - '0');
        if (v > (UINT64_MAX - d) / 10) return -1;
        v = v * 10 + d;
    }
    *out = v;
    return 0;
}

/* strtod follows LC_NUMERIC; the programs never call setlocale(), so it is "C" here. */
int args_real(const char *text, double *out)
{
    if (!*text || text[strspn(text, "0123456789.eE+-")]) return -1;
    char *end;
    double v = strtod(text, &end);
    if (*end || end == text || !isfinite(v)) return -1;
    *out = v;
    return 0;
}

static size_t distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b), row[64];
    if (na > 63 || nb > 63) return 99;
    for (size_t j = 0; j <= nb; j++) row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diag = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diag + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diag = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

const char *args_nearest(const char *word, const char *const *candidates)
{
    const char *best = NULL;
    size_t least = 3;
    for (; *candidates; candidates++) {
        size_t d = distance(word, *candidates);
        if (d < least && d < strlen(*candidates)) {
            least = d;
            best = *candidates;
        }
    }
    return best;
}

static const arg_opt *by_name(const arg_opt *opts, const char *name, size_t n)
{
    for (; opts->name || opts->help; opts++)
        if (opts->name && strlen(opts->name) == n && !memcmp(opts->name, name, n)) return opts;
    return NULL;
}

static const arg_opt *by_letter(const arg_opt *opts, char letter)
{
    for (; opts->name || opts->help; opts++)
        if (opts->name && opts->letter == letter) return opts;
    return NULL;
}

static int unknown(const arg_opt *opts, const char *word, size_t n, char *err, size_t err_size)
{
    const char *names[128];
    char name[64];
    size_t k = 0;
    for (const arg_opt *o = opts; o->name || o->help; o++)
        if (o->name && k < 126) names[k++] = o->name;
    names[k++] = "help";
    names[k] = NULL;
    snprintf(name, sizeof name, "%.*s", (int)(n < 63 ? n : 63), word);
    const char *near = args_nearest(name, names);
    if (near) snprintf(err, err_size, "unknown option --%s (did you mean --%s?)", name, near);
    else snprintf(err, err_size, "unknown option --%s", name);
    return ARGS_USAGE;
}

static int bad_number(const arg_opt *o, const char *v, char *err, size_t err_size)
{
    const char *whole = o->kind == ARG_REAL ? "" : "whole ";
    if (o->lo < o->hi && o->hi < 1e15)
        snprintf(err, err_size, "option --%s: expected a %snumber from %g to %.15g, got '%.60s'", o->name, whole, o->lo, o->hi, v);
    else if (o->lo < o->hi)
        snprintf(err, err_size, "option --%s: expected a %snumber from %g up, got '%.60s'", o->name, whole, o->lo, v);
    else
        snprintf(err, err_size, "option --%s: expected a %s, got '%.60s'", o->name,
                 o->kind == ARG_REAL ? "finite number" : "whole number from 0 up", v);
    return ARGS_USAGE;
}

static int bad_choice(const arg_opt *o, const char *v, char *err, size_t err_size)
{
    buf list = {0};
    for (const char *const *c = o->choices; *c; c++) buf_fmt(&list, "%s%s", c == o->choices ? "" : ", ", *c);
    snprintf(err, err_size, "option --%s: expected one of %s, got '%.60s'", o->name, list.p, v);
    buf_free(&list);
    return ARGS_USAGE;
}

static int set(const arg_opt *o, const char *v, char *err, size_t err_size)
{
    int limited = o->lo < o->hi;
    uint64_t u;
    double d;
    if (o->seen) *o->seen = 1;
    switch (o->kind) {
    case ARG_FLAG: *(int *)o->to = 1; return ARGS_OK;
    case ARG_TEXT: *(const char **)o->to = v; return ARGS_OK;
    case ARG_LIST: {
        arg_list *l = o->to;
        l->v = xgrow(l->v, l->n + 1, sizeof *l->v);
        l->v[l->n++] = v;
        return ARGS_OK;
    }
    case ARG_CHOICE:
        for (int i = 0; o->choices[i]; i++)
            if (!strcmp(o->choices[i], v)) return *(int *)o->to = i, ARGS_OK;
        return bad_choice(o, v, err, err_size);
    case ARG_REAL:
        if (args_real(v, &d) || (limited && !(d >= o->lo && d <= o->hi))) return bad_number(o, v, err, err_size);
        *(double *)o->to = d;
        return ARGS_OK;
    case ARG_U32:
    case ARG_U64:
        if (args_u64(v, &u) || (limited && !((double)u >= o->lo && (double)u <= o->hi)) ||
            (o->kind == ARG_U32 && u > UINT32_MAX))
            return bad_number(o, v, err, err_size);
        if (o->kind == ARG_U32) *(uint32_t *)o->to = (uint32_t)u;
        else *(uint64_t *)o->to = u;
        return ARGS_OK;
    }
    return ARGS_USAGE;
}

/* argv[*i] is "--name" or "--name=value". */
static int long_option(const arg_opt *opts, int argc, char **argv, int *i, char *err, size_t err_size)
{
    const char *name = argv[*i] + 2, *eq = strchr(name, '=');
    size_t n = eq ? (size_t)(eq - name) : strlen(name);
    const arg_opt *o = by_name(opts, name, n);
    if (!o && n == 4 && !memcmp(name, "help", 4) && !eq) return ARGS_HELP;
    if (!o) return unknown(opts, name, n, err, err_size);
    if (o->kind == ARG_FLAG) {
        if (!eq) return set(o, NULL, err, err_size);
        snprintf(err, err_size, "option --%s takes no value", o->name);
        return ARGS_USAGE;
    }
    if (eq) return set(o, eq + 1, err, err_size);
    if (*i + 1 < argc) return set(o, argv[++*i], err, err_size);
    snprintf(err, err_size, "option --%s needs a value (%s)", o->name, o->value ? o->value : "VALUE");
    return ARGS_USAGE;
}

/* argv[*i] is "-x...": flags may be joined, a value may follow its letter. */
static int short_options(const arg_opt *opts, int argc, char **argv, int *i, char *err, size_t err_size)
{
    for (const char *p = argv[*i] + 1; *p; p++) {
        const arg_opt *o = by_letter(opts, *p);
        if (!o && *p == 'h') return ARGS_HELP;
        if (!o) {
            snprintf(err, err_size, "unknown option -%c", *p);
            return ARGS_USAGE;
        }
        if (o->kind == ARG_FLAG) {
            set(o, NULL, err, err_size);
            continue;
        }
        if (p[1]) return set(o, p + 1, err, err_size);
        if (*i + 1 < argc) return set(o, argv[++*i], err, err_size);
        snprintf(err, err_size, "option -%c needs a value (%s)", *p, o->value ? o->value : "VALUE");
        return ARGS_USAGE;
    }
    return ARGS_OK;
}

int args_parse(const arg_opt *opts, int argc, char **argv, arg_list *operands, char *err, size_t err_size)
{
    int only_operands = 0;
    err[0] = 0;
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i];
        int r = ARGS_OK;
        if (only_operands || a[0] != '-' || !a[1]) {
            operands->v = xgrow(operands->v, operands->n + 1, sizeof *operands->v);
            operands->v[operands->n++] = a;
        } else if (a[1] != '-') {
            r = short_options(opts, argc, argv, &i, err, err_size);
        } else if (!a[2]) {
            only_operands = 1;
        } else {
            r = long_option(opts, argc, argv, &i, err, err_size);
        }
        if (r != ARGS_OK) return r;
    }
    return ARGS_OK;
}

enum { HELP_COLUMN = 30, HELP_WIDTH = 100 };

/* text, wrapped at blanks, starting in column `at`. */
static void put_wrapped(buf *out, size_t at, const char *text)
{
    size_t column = at;
    while (column < HELP_COLUMN) buf_put(out, " "), column++;
    for (const char *p = text; *p;) {
        size_t word = strcspn(p, " ");
        if (column > HELP_COLUMN && column + 1 + word > HELP_WIDTH) {
            buf_fmt(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (p != text) {
            buf_put(out, " ");
            column++;
        }
        buf_add(out, p, word);
        column += word;
        p += word;
        while (*p == ' ') p++;
    }
    buf_put(out, "\n");
}

void args_help(buf *out, const arg_opt *opts)
{
    if (opts->name) buf_put(out, "\noptions:\n");
    for (; opts->name || opts->help; opts++) {
        if (!opts->name) {
            buf_fmt(out, "\n%s:\n", opts->help);
            continue;
        }
        size_t start = out->n;
        if (opts->letter) buf_fmt(out, "  -%c, --%s", opts->letter, opts->name);
        else buf_fmt(out, "      --%s", opts->name);
        if (opts->kind != ARG_FLAG) buf_fmt(out, " %s", opts->value ? opts->value : "VALUE");
        size_t used = out->n - start;
        if (used + 2 > HELP_COLUMN) buf_put(out, "\n"), used = 0;
        put_wrapped(out, used, opts->help);
    }
    buf_put(out, "  -h, --help                  print this and exit\n");
}
