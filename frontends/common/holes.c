/* The holes of a request. */
#include "common/holes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/sampling.h"

hole_set holes_make(size_t n)
{
    return (hole_set){xalloc(n, sizeof(lacuna_hole)), xalloc(n, sizeof(hole_more)), n};
}

void holes_free(hole_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->more[i].choice);
        free(s->more[i].ban);
    }
    free(s->v);
    free(s->more);
    *s = (hole_set){0};
}

static void append(lacuna_text **v, size_t *n, lacuna_text t)
{
    *v = xgrow(*v, *n + 1, sizeof **v);
    (*v)[(*n)++] = t;
}

void holes_ban(hole_set *s, size_t hole, lacuna_text t)
{
    append(&s->more[hole].ban, &s->v[hole].n_ban, t);
    s->v[hole].ban = s->more[hole].ban;
}

void holes_choice(hole_set *s, size_t hole, lacuna_text t)
{
    append(&s->more[hole].choice, &s->more[hole].n_choices, t);
}

int holes_any_exact(const hole_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].exact) return 1;
    return 0;
}

int holes_check(const hole_set *s, size_t hole, uint32_t max_tokens, char sep, char *err, size_t err_size)
{
    const lacuna_hole *h = &s->v[hole];
    uint32_t most = h->max_tokens ? h->max_tokens : max_tokens;
    int shaped = h->regex.bytes || h->shape || h->begin.len || h->end.len || h->n_ban;
    if (s->more[hole].n_choices && shaped)
        return snprintf(err, err_size, "a choice goes with no regex, shape, begin, end or ban: its texts are given"), -1;
    if (h->exact && !most) return snprintf(err, err_size, "exact needs max%ctokens", sep), -1;
    if (!most) most = SAMPLING_MAX_TOKENS;
    if (h->min_tokens > most)
        return snprintf(err, err_size, "min%ctokens %u is more than max%ctokens %u", sep, (unsigned)h->min_tokens, sep, (unsigned)most), -1;
    return 0;
}

void holes_renumber(lacuna_error *err, const size_t *number, size_t n, size_t first)
{
    char *end, rest[sizeof err->msg];
    if (strncmp(err->msg, "hole ", 5) || err->msg[5] < '0' || err->msg[5] > '9') return;
    unsigned long k = strtoul(err->msg + 5, &end, 10);
    if (k >= n) return;
    strcpy(rest, end);
    snprintf(err->msg, sizeof err->msg, "hole %zu%.200s", (number ? number[k] : (size_t)k) + first, rest);
}

int holes_find_nodes(hole_set *s, const lacuna_document *d, lacuna_error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t at = s->v[i].span.start;
        int r = !s->more[i].is_node ? 1 : d ? lacuna_document_node(d, at, &s->v[i].span, NULL, err) : -1;
        if (r > 0) {
            s->more[i].is_node = 0;
            continue;
        }
        if (!d || !r) {
            *err = (lacuna_error){.code = LACUNA_E_ARG, .where = at};
            if (d) snprintf(err->msg, sizeof err->msg, "hole %zu: no node of the syntax at byte %zu", i, at);
            else snprintf(err->msg, sizeof err->msg, "hole %zu: a node needs a grammar, and none is known for this text", i);
        }
        return err->code;
    }
    return 0;
}
