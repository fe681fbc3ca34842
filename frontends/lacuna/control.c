/* Options that speak of one hole. */
#include "lacuna/control.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/say.h"
#include "lacuna/cmd.h"

/* The holes [*from, *to) that "N:VALUE" speaks of, and its value.  GO_ON, or the exit code (said). */
static int whom(const char *option, const char *spec, size_t n, size_t *from, size_t *to, const char **value)
{
    const char *colon = strchr(spec, ':');
    char number[24] = "";
    uint64_t v;
    if (colon && colon - spec < (ptrdiff_t)sizeof number) memcpy(number, spec, (size_t)(colon - spec));
    *from = 0, *to = n;
    if (!colon || (strcmp(number, "*") && (args_u64(number, &v) || !v)))
        return cmd_usage("infill", "option --%s: expected N:..., N the number of a hole from 1 or * for all, got '%.60s'", option, spec);
    *value = colon + 1;
    if (!strcmp(number, "*")) return GO_ON;
    if (v > n) return say("option --%s: there is no hole %.20s, the text has %zu", option, number, n), EXIT_FAILED;
    *from = (size_t)v - 1, *to = (size_t)v;
    return GO_ON;
}

/* ---- limits -------------------------------------------------------------------------------- */

static int limits_usage(const char *spec)
{
    return cmd_usage("infill", "option --hole: expected N:KEY=VALUE,... with max-tokens=, min-tokens=, temp=, exact, one-line; got '%.60s'", spec);
}

static int set_u32(const char *v, uint32_t lo, uint32_t *out)
{
    uint64_t u;
    if (args_u64(v, &u) || u < lo || u > UINT32_MAX) return -1;
    *out = (uint32_t)u;
    return 0;
}

/* One "key=value" or flag, ended by NUL. */
static int set_limit(char *word, lacuna_hole *h)
{
    char *eq = strchr(word, '=');
    double t;
    if (eq) *eq++ = 0;
    if (!eq && !strcmp(word, "exact")) return h->exact = 1, 0;
    if (!eq && !strcmp(word, "one-line")) return h->one_line = 1, 0;
    if (eq && !strcmp(word, "max-tokens")) return set_u32(eq, 1, &h->max_tokens);
    if (eq && !strcmp(word, "min-tokens")) return set_u32(eq, 0, &h->min_tokens);
    if (!eq || strcmp(word, "temp") || args_real(eq, &t) || t < 0 || t > 1e6) return -1;
    h->temperature = t > 0 ? t : -1; /* said: argmax; 0 would be that of all holes */
    return 0;
}

static int set_limits(const char *spec, const char *list, lacuna_hole *h)
{
    char *copy = xcopy(list), *word = copy;
    int bad = 0;
    while (word && !bad) {
        char *comma = strchr(word, ',');
        if (comma) *comma++ = 0;
        bad = set_limit(word, h);
        word = comma;
    }
    free(copy);
    return bad ? limits_usage(spec) : GO_ON;
}

/* ---- texts --------------------------------------------------------------------------------- */

static char *own(control *c, char *p)
{
    c->owned = xgrow(c->owned, c->n_owned + 1, sizeof *c->owned);
    return c->owned[c->n_owned++] = p;
}

/* "A|B|C" as choices of a hole, in the place of those it had. */
static void set_choices(control *c, const char *list, hole_set *s, size_t hole)
{
    char *to = own(c, xcopy(list)), *start = to;
    s->more[hole].n_choices = 0;
    for (const char *p = list;; p++) {
        if (*p == '\\' && (p[1] == '|' || p[1] == '\\')) {
            *to++ = *++p;
        } else if (*p && *p != '|') {
            *to++ = *p;
        } else {
            holes_choice(s, hole, (lacuna_text){start, (size_t)(to - start)});
            start = to;
            if (!*p) return;
        }
    }
}

enum { LIMITS, REGEX, SHAPE, BEGIN, END, BAN, CHOICE };

static int set(control *c, int what, const char *spec, const char *value, hole_set *s, size_t i)
{
    lacuna_text t = {value, strlen(value)};
    switch (what) {
    case REGEX: s->v[i].regex = t; break;
    case SHAPE: s->v[i].shape = value; break;
    case BEGIN: s->v[i].begin = t; break;
    case END: s->v[i].end = t; break;
    case BAN: holes_ban(s, i, t); break;
    case CHOICE: set_choices(c, value, s, i); break;
    default: return set_limits(spec, value, &s->v[i]);
    }
    return GO_ON;
}

int control_apply(control *c, hole_set *s, uint32_t max_tokens)
{
    const struct {
        const char *name;
        const arg_list *list;
        int what;
    } all[] = {{"hole", &c->hole, LIMITS}, {"regex", &c->regex, REGEX}, {"shape", &c->shape, SHAPE}, {"begin", &c->begin, BEGIN},
               {"end", &c->end, END}, {"ban", &c->ban, BAN}, {"choice", &c->choice, CHOICE}};
    char err[200];
    int code = GO_ON;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        for (size_t j = 0; j < all[k].list->n && code == GO_ON; j++) {
            const char *spec = all[k].list->v[j], *value = NULL;
            size_t from, to;
            code = whom(all[k].name, spec, s->n, &from, &to, &value);
            for (size_t i = from; code == GO_ON && i < to; i++) code = set(c, all[k].what, spec, value, s, i);
        }
    for (size_t i = 0; i < s->n && code == GO_ON; i++)
        if (holes_check(s, i, max_tokens, '-', err, sizeof err)) code = cmd_usage("infill", "hole %zu: %s", i + 1, err);
    return code;
}

void control_free(control *c)
{
    for (size_t i = 0; i < c->n_owned; i++) free(c->owned[i]);
    free(c->owned);
    free(c->hole.v), free(c->regex.v), free(c->shape.v), free(c->choice.v), free(c->begin.v), free(c->end.v), free(c->ban.v);
    *c = (control){0};
}
