#include "train/objective.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "train/maker.h"

#define SHORTEST 16            /* entries: a character of four byte tokens as a hole fits */
#define EXAMPLE 0x4558414Du    /* streams of an example: what is drawn for it */
#define KEY 0x6F626A65u

static const char *const names[LAC_OBJECTIVES] = {"infill", "eso-b", "eso-a", "mdlm", "bd3", "ar", "fim"};

const char *lac_objective_name(lac_objective_kind kind) { return (unsigned)kind < LAC_OBJECTIVES ? names[kind] : "?"; }

void lac_objective_default(lac_objective *o, lac_objective_kind kind)
{
    *o = (lac_objective){
        .kind = kind, .length = 512, .mask = -1, .eom = -1, .bos = -1, .pad = -1,
        .alpha0 = kind == LAC_MDLM || kind == LAC_BD3 ? 1 : 0.25, .split = 0.5, .block = 16, .holes = 8, .next_share = 0.5, .cut_share = 0.3,
        .coef = {[LAC_PART_SLOTS] = 1, [LAC_PART_DIFFUSION] = 1, [LAC_PART_SEQUENTIAL] = 1, [LAC_PART_NEXT] = 0.5},
    };
}

/* Tokens of a BD3 example: so many blocks that all of them, and all but the last clean, fit. */
static size_t bd3_tokens(const lac_objective *o) { return (o->length + o->block) / (2 * o->block) * o->block; }

size_t lac_objective_window(const lac_objective *o)
{
    switch (o->kind) {
    case LAC_AR: return o->length;                /* the last token is a target only */
    case LAC_FIM: return o->length - 2;           /* tag and mask */
    case LAC_BD3: return bd3_tokens(o) - 1;       /* the tag */
    default: return o->length - 1;
    }
}

/* ---- grammars of tags ---- */

/* The language of a tag such as "<py>" into name[32]; false: not the form of a tag. */
static bool language(const lac_tok *tok, int32_t tag, char *name)
{
    static const char *const alias[][2] = {{"py", "python"}, {"js", "javascript"}, {"rs", "rust"}, {"sh", "bash"}, {"md", "markdown"}};
    const char *piece = lac_tok_control(tok, tag);
    const size_t n = piece ? strlen(piece) : 0;
    if (n < 3 || n > 32 || piece[0] != '<' || piece[n - 1] != '>') return false;
    memcpy(name, piece + 1, n - 2);
    name[n - 2] = 0;
    for (size_t i = 0; i < sizeof alias / sizeof *alias; i++)
        if (!strcmp(name, alias[i][0])) memcpy(name, alias[i][1], strlen(alias[i][1]) + 1);
    return !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

int lac_objective_grammars(lac_grammars *g, const lac_tok *tok, lacuna_error *err)
{
    int loaded = 0;
    for (uint32_t id = 0; id < lac_tok_vocab(tok); id++) {
        char name[32];
        if (!language(tok, (int32_t)id, name)) continue;
        int r = lac_grammars_load(g, name, err);
        if (r < 0) return r;
        loaded += r;
    }
    return loaded;
}

/* ---- maker ---- */

static int check(const lac_objective *o, lacuna_error *err)
{
    const char *name = lac_objective_name(o->kind);
    const size_t shortest = o->kind == LAC_BD3 && o->block > SHORTEST ? o->block : SHORTEST;
    const bool slots = o->kind == LAC_INFILL || o->kind == LAC_FIM;
    if ((unsigned)o->kind >= LAC_OBJECTIVES) return lac_err(err, LACUNA_E_ARG, 0, "objective %d is not known", (int)o->kind);
    if (o->length < shortest || o->length > UINT32_MAX / 8)
        return lac_err(err, LACUNA_E_ARG, 0, "examples of %zu entries: %s needs at least %zu", o->length, name, shortest);
    if (o->mask < 0 && o->kind != LAC_AR) return lac_err(err, LACUNA_E_ARG, 0, "objective %s needs a mask token", name);
    if (o->eom < 0 && slots) return lac_err(err, LACUNA_E_ARG, 0, "objective %s needs a token <eom>", name);
    if (o->bos < 0 && (o->kind == LAC_AR || o->kind == LAC_FIM)) return lac_err(err, LACUNA_E_ARG, 0, "objective %s needs a token <bos>", name);
    if (!o->holes && o->kind == LAC_INFILL) return lac_err(err, LACUNA_E_ARG, 0, "objective infill without holes");
    if (!o->block && o->kind == LAC_BD3) return lac_err(err, LACUNA_E_ARG, 0, "objective bd3 with blocks of 0");
    if (!(o->alpha0 >= 0 && o->alpha0 <= 1) || !(o->split >= 0 && o->split <= 1) || !(o->paper_share >= 0 && o->paper_share <= 1))
        return lac_err(err, LACUNA_E_ARG, 0, "alpha0 %g, split %g, paper_share %g: each must be from 0 to 1", o->alpha0, o->split, o->paper_share);
    return 0;
}

static bool take(lac_maker *m)
{
    const size_t length = m->o.length, holes = m->o.holes ? m->o.holes : 1;
    lac_arena *a = &m->arena;
    m->text_cap = (length + 1) * (lac_tok_longest(m->tok) + 1);
    m->slot_cap = length; /* an example of that many entries has half as many */
    m->x = lac_arena_array(a, length + 1, sizeof *m->x);
    m->order = lac_arena_array(a, m->text_cap, sizeof *m->order);
    m->hide = lac_arena_array(a, length + 1, sizeof *m->hide);
    m->text = lac_arena_array(a, m->text_cap, 1);
    m->at = lac_arena_array(a, length + 2, sizeof *m->at);
    m->node = lac_arena_array(a, m->o.grammars ? LAC_NODES : 0, sizeof *m->node);
    m->hole = lac_arena_array(a, holes, sizeof *m->hole);
    m->slack = lac_arena_array(a, holes, sizeof *m->slack);
    m->used = lac_arena_array(a, holes, sizeof *m->used);
    m->stretch = lac_arena_array(a, 2 * holes + 1, sizeof *m->stretch);
    m->id = lac_arena_array(a, m->text_cap, sizeof *m->id);
    m->pos = lac_arena_array(a, m->text_cap, sizeof *m->pos);
    m->slot_token = lac_arena_array(a, m->slot_cap, sizeof *m->slot_token);
    m->slot_pos = lac_arena_array(a, m->slot_cap, sizeof *m->slot_pos);
    m->slot_order = lac_arena_array(a, m->slot_cap, sizeof *m->slot_order);
    return m->x && m->order && m->hide && m->text && m->at && m->node && m->hole && m->slack && m->used && m->stretch && m->id && m->pos &&
           m->slot_token && m->slot_pos && m->slot_order;
}

int lac_maker_open(lac_maker **out, const lac_objective *o, const lac_corpus *c, const lac_tok *tok, const lacuna_allocator *mem, lacuna_error *err)
{
    *out = NULL;
    int r = check(o, err);
    if (r) return r;
    lac_maker *m = lac_mem_zalloc(mem, sizeof *m);
    if (!m) return lac_nomem(err, "maker of examples");
    m->o = *o;
    m->tok = tok;
    m->mem = *mem;
    m->arena.mem = &m->mem;
    r = lac_windows_open(&m->windows, c, lac_objective_window(o), &m->mem, err);
    if (!r && !take(m)) r = lac_nomem(err, "maker of examples");
    if (!r && o->grammars) r = lac_parser_open(&m->parser, &m->mem, err);
    if (r) lac_maker_free(m);
    else *out = m;
    return r;
}

void lac_maker_free(lac_maker *m)
{
    if (!m) return;
    lacuna_allocator mem = m->mem;
    lac_parser_free(m->parser);
    lac_arena_free(&m->arena);
    lac_windows_free(&m->windows, &mem);
    lac_mem_free(&mem, m, sizeof *m);
}

/* ---- objectives on a window as it is ---- */

static void make_ar(const lac_maker *m, lac_example *e)
{
    lac_example_clear(e);
    for (size_t i = 0; i < m->n; i++) {
        const int32_t token = i ? m->x[i - 1] : m->tag >= 0 ? m->tag : m->o.bos;
        lac_example_add(e, token, (int32_t)i, i, i, i + 1);
        lac_example_aim(e, i, m->x[i], 1, LAC_PART_SLOTS);
    }
    e->norm[LAC_PART_SLOTS] = (double)m->n;
}

/* Blocks of B tokens, each with a noise level of its own; the levels are spread evenly over (0, 1), in random order.
 * Log-linear: alpha_t = 1 - t. */
static void make_bd3(lac_maker *m, lac_rng *r, lac_example *e)
{
    const size_t B = m->o.block, n = m->n, blocks = (n + B - 1) / B, clean = (blocks - 1) * B;
    const double shift = lac_rng_u01(r);
    for (size_t b = 0; b < blocks; b++) m->order[b] = b;
    lac_rng_shuffle(r, m->order, blocks);
    lac_example_clear(e);
    for (size_t j = 0; j < clean; j++) lac_example_add(e, m->x[j], (int32_t)j, j / B * B, j / B * B, (j / B + 1) * B);
    for (size_t j = 0; j < n; j++) {
        const size_t b = j / B, end = (b + 1) * B < n ? (b + 1) * B : n;
        const double u = ((double)m->order[b] + shift) / (double)blocks, t = 1e-3 + (1 - 1e-3) * u;
        const bool hide = lac_rng_u01(r) < t;
        const size_t i = lac_example_add(e, hide ? m->o.mask : m->x[j], (int32_t)j, b * B, clean + b * B, clean + end);
        if (hide) lac_example_aim(e, i, m->x[j], m->o.low_var ? 1 : 1 / t, LAC_PART_SLOTS);
    }
    e->norm[LAC_PART_SLOTS] = (double)n;
}

/* The tag as the first token of the sequence. */
static void put_tag(lac_maker *m)
{
    if (m->tag < 0) return;
    memmove(m->x + 1, m->x, m->n * sizeof *m->x);
    m->x[0] = m->tag;
    m->n++;
}

static uint64_t count_bytes(const lac_maker *m, const lac_example *e)
{
    double bytes = 0;
    for (size_t i = 0; i < e->n; i++)
        if (e->target[i] >= 0 && e->part[i] != LAC_PART_NEXT) bytes += (double)e->weight[i] * (double)lac_tok_bytes(m->tok, e->target[i]).len;
    return (uint64_t)llround(bytes);
}

static const lac_grammar *grammar_of(const lac_maker *m)
{
    char name[32];
    return m->tag >= 0 && language(m->tok, m->tag, name) ? lac_grammars_find(m->o.grammars, name) : NULL;
}

static int make(lac_maker *m, uint64_t seed, uint64_t i, lac_rng *r, lac_example *e, lacuna_error *err)
{
    uint64_t nth = i;
    switch (m->o.kind) {
    case LAC_INFILL:
        if (!lac_paper_pick(m->o.paper_share, i, &nth)) return lac_infill_make(m, r, e, err);
        break; /* the nth example of the paper's loss */
    case LAC_FIM:
        if (lac_rng_u01(r) < 0.5) return lac_infill_fim(m, r, e, err);
        make_ar(m, e);
        return 0;
    case LAC_AR:
        make_ar(m, e);
        return 0;
    case LAC_BD3:
        put_tag(m);
        make_bd3(m, r, e);
        return 0;
    default: break;
    }
    put_tag(m);
    lac_paper_make(m, seed, nth, r, e);
    return 0;
}

int lac_maker_make(lac_maker *m, uint64_t seed, uint64_t i, lac_example *e, lacuna_error *err)
{
    lac_rng key = lac_rng_make(seed, EXAMPLE), rng = lac_rng_make(lac_rng_at(&key, i), KEY);
    lac_example_clear(e);
    m->n = lac_windows_get(&m->windows, seed, i, m->x, &m->tag);
    if (!m->n) return 0;
    m->grammar = grammar_of(m);
    int r = make(m, seed, i, &rng, e, err);
    e->bytes = count_bytes(m, e);
    return r;
}
