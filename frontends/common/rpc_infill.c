/* Params of the method infill. */
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/rpc.h"
#include "common/rpc_fields.h"

/* ---- holes --------------------------------------------------------------------------------- */

/* The texts of an array, each told to add(). */
static int get_texts(const json_t *o, const char *key, hole_set *s, size_t hole, void (*add)(hole_set *, size_t, lacuna_text), char *err,
                     size_t err_size)
{
    const json_t *a = json_object_get(o, key);
    if (!a || json_is_null(a)) return 0;
    if (!json_is_array(a)) return snprintf(err, err_size, "%s: expected an array of strings", key), -1;
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *v = json_array_get(a, i);
        if (!json_is_string(v)) return snprintf(err, err_size, "%s[%zu]: expected a string", key, i), -1;
        add(s, hole, (lacuna_text){json_string_value(v), json_string_length(v)});
    }
    return 0;
}

/* start and end, or the node around a byte. */
static int get_place(const json_t *o, lacuna_hole *h, hole_more *more, char *err, size_t err_size)
{
    uint64_t at;
    int r = json_get_uint(o, "node", INT64_MAX, &at, err, err_size);
    if (r <= 0) return r < 0 ? -1 : rpc_get_span(o, &h->span, err, err_size);
    if (rpc_is_said(o, "start") || rpc_is_said(o, "end")) return snprintf(err, err_size, "node: says where the hole is, as start and end do"), -1;
    h->span = (lacuna_span){(size_t)at, (size_t)at};
    more->is_node = 1;
    return 0;
}

static int get_temperature(const json_t *o, lacuna_hole *h, char *err, size_t err_size)
{
    int r = json_get_real(o, "temperature", 0, 1e6, &h->temperature, err, err_size);
    if (r > 0 && h->temperature == 0) h->temperature = -1; /* said: argmax; 0 would be the request's */
    return r < 0 ? -1 : 0;
}

static int get_hole(const json_t *o, hole_set *s, size_t i, char *err, size_t err_size)
{
    static const char *const known[] = {"start", "end", "node", "max_tokens", "min_tokens", "exact", "one_line", "temperature", "regex",
                                        "shape", "begin_with", "end_with", "ban", "choices", NULL};
    lacuna_hole *h = &s->v[i];
    size_t n;
    if (!json_is_object(o)) return snprintf(err, err_size, "expected an object"), -1;
    if (rpc_only_known(o, known, err, err_size) || get_place(o, h, &s->more[i], err, err_size) || get_temperature(o, h, err, err_size) ||
        rpc_get_count(o, "max_tokens", &h->max_tokens, err, err_size) < 0 ||
        rpc_get_u32(o, "min_tokens", &h->min_tokens, err, err_size) < 0 ||
        json_get_bool(o, "exact", &h->exact, err, err_size) < 0 || json_get_bool(o, "one_line", &h->one_line, err, err_size) < 0 ||
        json_get_text(o, "regex", &h->regex.bytes, &h->regex.len, err, err_size) < 0 ||
        json_get_text(o, "shape", &h->shape, &n, err, err_size) < 0 ||
        json_get_text(o, "begin_with", &h->begin.bytes, &h->begin.len, err, err_size) < 0 ||
        json_get_text(o, "end_with", &h->end.bytes, &h->end.len, err, err_size) < 0)
        return -1;
    return get_texts(o, "ban", s, i, holes_ban, err, err_size) || get_texts(o, "choices", s, i, holes_choice, err, err_size) ? -1 : 0;
}

static int get_holes(const json_t *params, rpc_infill_params *p, char *err, size_t err_size)
{
    const json_t *a = json_object_get(params, "holes");
    if (!json_is_array(a) || !json_array_size(a))
        return snprintf(err, err_size, "holes: expected one or more of {\"start\":BYTE,\"end\":BYTE,...}"), -1;
    p->holes = holes_make(json_array_size(a));
    for (size_t i = 0; i < p->holes.n; i++) {
        char why[160];
        if (!get_hole(json_array_get(a, i), &p->holes, i, why, sizeof why)) continue;
        snprintf(err, err_size, "holes[%zu]: %s", i, why);
        return -1;
    }
    return 0;
}

/* Wishes of the holes that do not go together, with those of the request. */
static int check_holes(const rpc_infill_params *p, char *err, size_t err_size)
{
    for (size_t i = 0; i < p->holes.n; i++) {
        char why[160];
        if (!holes_check(&p->holes, i, p->opt.max_tokens, '_', why, sizeof why)) continue;
        return snprintf(err, err_size, "holes[%zu]: %s", i, why), -1;
    }
    return 0;
}

/* ---- settings ------------------------------------------------------------------------------ */

static int get_sampler(const json_t *o, sampler *s, char *err, size_t err_size)
{
    lacuna_infill_options *opt = &s->o;
    int strict = 0;
    s->order_seen = rpc_is_said(o, "order"), s->rule_seen = rpc_is_said(o, "rule");
    s->alpha0_seen = rpc_is_said(o, "alpha0"), s->steps_seen = rpc_is_said(o, "steps");
    s->draft_seen = rpc_is_said(o, "draft"), s->block_seen = rpc_is_said(o, "block"), s->gamma_seen = rpc_is_said(o, "gamma");
    if (rpc_get_count(o, "max_tokens", &opt->max_tokens, err, err_size) < 0 || rpc_get_count(o, "steps", &opt->steps, err, err_size) < 0 ||
        rpc_get_u32(o, "top_k", &opt->top_k, err, err_size) < 0 ||
        json_get_real(o, "alpha0", 0, 1, &opt->alpha0, err, err_size) < 0 ||
        json_get_real(o, "gamma", 0, 1e6, &opt->gamma, err, err_size) < 0 ||
        json_get_real(o, "temperature", 0, 1e6, &opt->temperature, err, err_size) < 0 ||
        json_get_real(o, "top_p", 0, 1, &opt->top_p, err, err_size) < 0 ||
        json_get_real(o, "min_p", 0, 1, &opt->min_p, err, err_size) < 0 ||
        rpc_get_count(o, "block", &opt->block, err, err_size) < 0 || rpc_get_count(o, "draft", &opt->draft, err, err_size) < 0 ||
        json_get_bool(o, "lossless", &s->lossless, err, err_size) < 0 || json_get_bool(o, "heal", &s->heal, err, err_size) < 0 ||
        rpc_get_seed(o, &opt->seed, err, err_size) < 0 ||
        json_get_choice(o, "order", sampling_orders, &s->order, err, err_size) < 0 ||
        json_get_choice(o, "rule", sampling_rules, &s->rule, err, err_size) < 0 ||
        json_get_bool(o, "strict_context", &strict, err, err_size) < 0)
        return -1;
    opt->drop_far = !strict;
    return sampling_settle(s, "", err, err_size);
}

static int get_lengths(const json_t *o, wishes *w, char *err, size_t err_size)
{
    int64_t *v = NULL;
    int r = json_get_ints(o, "lengths", 1, 65536, &v, &w->n_lengths, err, err_size);
    if (r > 0 && !w->n_lengths) snprintf(err, err_size, "lengths: empty"), r = -1;
    w->lengths = r > 0 ? xalloc(w->n_lengths, sizeof *w->lengths) : NULL;
    for (size_t i = 0; i < w->n_lengths && r > 0; i++) w->lengths[i] = (uint32_t)v[i];
    free(v);
    return r < 0 ? -1 : 0;
}

static int get_wishes(const json_t *o, wishes *w, sampler *s, char *err, size_t err_size)
{
    size_t n;
    uint64_t repairs;
    int said = json_get_uint(o, "repairs", WISHES_REPAIRS_MOST, &repairs, err, err_size);
    if (said > 0) w->repairs = (uint32_t)repairs, w->repairs_seen = 1;
    w->limits_seen = rpc_is_said(o, "max_tokens");
    if (said < 0 || json_get_choice(o, "syntax", syntax_modes, &w->syntax, err, err_size) < 0 ||
        json_get_text(o, "grammar", &w->grammar, &n, err, err_size) < 0 || json_get_bool(o, "explain", &w->explain, err, err_size) < 0 ||
        rpc_get_positive(o, "candidates", WISHES_CANDIDATES_MOST, &w->candidates, err, err_size) < 0 || get_lengths(o, w, err, err_size))
        return -1;
    return wishes_settle(w, s, "", '_', err, err_size);
}

/* The fields of the sampler, the wishes, and whether holes are healed. */
static int get_settings(const json_t *params, rpc_infill_params *p, char *err, size_t err_size)
{
    sampler s = {.o = p->opt};
    if (get_sampler(params, &s, err, err_size) || get_wishes(params, &p->w, &s, err, err_size)) return -1;
    p->opt = s.o;
    p->opt.heal = rpc_is_said(params, "heal") ? s.heal : sampling_heals(&p->opt, p->w.n_lengths || holes_any_exact(&p->holes));
    return check_holes(p, err, err_size);
}

int rpc_infill(const json_t *params, rpc_infill_params *p, char *err, size_t err_size)
{
    static const char *const known[] = {"text", "holes", "lang", "path", "max_tokens", "steps", "top_k", "alpha0", "gamma", "temperature",
                                        "top_p", "min_p", "seed", "order", "rule", "strict_context", "stream", "lossless",
                                        "draft", "heal", "block", "candidates", "lengths", "syntax", "grammar", "repairs", "explain", NULL};
    *p = (rpc_infill_params){.opt = {LACUNA_INFILL_INIT}, .w = {.candidates = 1}, .stream = 1};
    if (rpc_only_known(params, known, err, err_size) || rpc_get_text(params, &p->text, err, err_size) ||
        get_holes(params, p, err, err_size) || rpc_get_names(params, &p->lang, &p->path, err, err_size) ||
        get_settings(params, p, err, err_size) || json_get_bool(params, "stream", &p->stream, err, err_size) < 0)
        return RPC_PARAMS;
    return 0;
}

void rpc_infill_free(rpc_infill_params *p)
{
    holes_free(&p->holes);
    free(p->w.lengths);
    p->w.lengths = NULL;
}
