/* net/net: the invariants it is built on, bit for bit, and what happens at its limits.
 *
 * Each test of the first part runs for every kernel table and for models of both variants and all types of
 * weights; widths are chosen so that vectors do not come out even. */
#include "common/unit.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "common/hook.h"
#include "common/tiny.h"
#include "kern/pack.h"
#include "net/loglik.h"
#include "net/rule.h"
#include "net/softmax.h"

static const struct {
    const char *name;
    int house;
    uint32_t vocab, width, layers, heads;
    const char *type;
} zoo[] = {
    {"official-f32", 0, 97, 40, 2, 2, "f32"},  {"official-bf16", 0, 70, 36, 3, 3, "bf16"}, {"official-q8_0", 0, 50, 64, 2, 4, "q8_0"},
    {"house-f32", 1, 97, 44, 2, 2, "f32"},     {"house-bf16", 1, 70, 72, 2, 3, "bf16"},    {"house-q8_0", 1, 200, 96, 3, 3, "q8_0"},
};
enum { MODELS = sizeof zoo / sizeof *zoo, N = 150 }; /* N entries: more than two chunks */

static struct {
    char folder[256];
    tiny model[MODELS];
    const lac_kern *kern[KERNS];
    size_t n_kern;
} all;

typedef struct {
    size_t kern, model;
    char name[96];
} job;

/* ---- an engine: a net, its pool, and rows of logits it made ---- */

typedef struct {
    lac_net net;
    lac_kv_store store;
    lac_kv kv;
    lac_pool *pool;
    lacuna_allocator mem;
    hook hook;
    atomic_bool cancel;
} engine;

static void engine_open(engine *e, size_t kern, size_t model, unsigned threads)
{
    lacuna_error err;
    *e = (engine){.mem = hook_allocator(&e->hook)};
    CHECK(lac_pool_open(&e->pool, &e->mem, threads, &err) == 0, "%s", err.msg);
    CHECK(lac_net_open(&e->net, &all.model[model].w, all.kern[kern], &e->mem, e->pool, &e->cancel, &err) == 0, "%s", err.msg);
    lac_kv_store_init(&e->store, &all.model[model].w.hp, LAC_F32, &e->mem);
    lac_kv_init(&e->kv, &e->store);
}

static void engine_close(engine *e)
{
    lac_kv_free(&e->kv);
    lac_kv_store_free(&e->store);
    lac_net_free(&e->net);
    lac_pool_free(e->pool);
    assert_int_equal(e->hook.live, 0);
    assert_int_equal(e->hook.blocks, 0);
    assert_int_equal(e->hook.wrong, 0);
}

static void reserve(engine *e, size_t entries, size_t ahead)
{
    lacuna_error err;
    CHECK(lac_net_reserve(&e->net, ahead, &err) == 0, "%s", err.msg);
    CHECK(lac_kv_reserve(&e->kv, entries, &err) == 0, "%s", err.msg);
}

typedef struct {
    float *rows; /* [n, V], row i of the pass at i */
    size_t v, next;
    int stop_at; /* row at which to stop with code 7; -1: none */
} sink;

static int sink_row(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    sink *s = ctx;
    (void)err;
    assert_int_equal(p, 0);
    assert_int_equal(i, s->next++); /* in order, none left out */
    if ((int)i == s->stop_at) return 7;
    memcpy(s->rows + i * s->v, logits, s->v * sizeof *logits);
    return 0;
}

/* The same for a pass of several parts. */
typedef struct {
    float **rows; /* [parts] */
    size_t v, p, i;
} several;

static int several_row(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    several *s = ctx;
    (void)err;
    CHECK(p > s->p || (p == s->p && (i == s->i || !s->i)), "entry %zu of part %zu after %zu of %zu", i, p, s->i, s->p);
    memcpy(s->rows[p] + i * s->v, logits, s->v * sizeof *logits);
    s->p = p;
    s->i = i + 1;
    return 0;
}

/* One part on the engine's list. */
static int run(engine *e, const lac_part *p, lac_row_fn fn, void *ctx, lacuna_error *err)
{
    lac_part part = *p;
    part.kv = &e->kv;
    return lac_net_forward(&e->net, &(lac_pass){&part, 1, NULL}, fn, ctx, err);
}

static int forward(engine *e, const lac_part *p, float *rows, lacuna_error *err)
{
    sink s = {rows, e->net.w->hp.vocab, p->first, -1};
    int r = run(e, p, sink_row, &s, err);
    if (!r) assert_int_equal(s.next, p->n > p->first ? p->n : p->first);
    return r;
}

static void forward_ok(engine *e, const lac_part *p, float *rows)
{
    lacuna_error err;
    CHECK(forward(e, p, rows, &err) == 0, "%s", err.msg);
}

/* ---- a scene: c clean entries and m masks at positions in a random order ---- */

typedef struct {
    int32_t token[N], pos[N];
    uint32_t sees[N];
    size_t c, m;
} scene;

static void make_scene(scene *s, lac_rng *rng, const lac_hparams *hp, size_t c, size_t m)
{
    size_t order[N];
    for (size_t i = 0; i < N; i++) order[i] = i;
    lac_rng_shuffle(rng, order, N);
    for (size_t i = 0; i < c + m; i++) {
        s->pos[i] = (int32_t)order[i];
        s->token[i] = i < c ? (int32_t)lac_rng_below(rng, hp->vocab) : (int32_t)hp->mask;
    }
    s->c = c;
    s->m = m;
}

static float *rows_of(const job *j, size_t n) { return malloc(n * all.model[j->model].w.hp.vocab * sizeof(float)); }

static void same_rows(const job *j, const char *what, const float *a, const float *b, size_t first, size_t n)
{
    size_t v = all.model[j->model].w.hp.vocab;
    for (size_t i = first; i < n; i++)
        for (size_t k = 0; k < v; k++)
            CHECK(!memcmp(a + i * v + k, b + i * v + k, sizeof *a), "%s: %s: row %zu, token %zu: %.9g and %.9g", j->name, what, i, k,
                  a[i * v + k], b[i * v + k]);
}

/* All at once, from an empty cache: what everything else is compared with. */
static void whole(const job *j, const scene *s, lac_rule rule, float *rows)
{
    engine e;
    uint32_t sees[N];
    engine_open(&e, j->kern, j->model, 1);
    reserve(&e, N, N);
    lac_rule_sees(rule, s->c, s->m, sees);
    forward_ok(&e, &(lac_part){NULL, s->token, s->pos, sees, s->c + s->m, 0, 0}, rows);
    for (size_t i = 0; i < (s->c + s->m) * e.net.w->hp.vocab; i++) assert_true(isfinite(rows[i]));
    engine_close(&e);
}

/* Clean entries in pieces at random cuts; then the rest of them with the masks. */
static void pieces_give_the_same_bits(void **state)
{
    const job *j = *state;
    const lac_hparams *hp = &all.model[j->model].w.hp;
    lac_rng rng = lac_rng_make(1 + j->model, 5);
    float *want = rows_of(j, N), *got = rows_of(j, N);
    for (int round = 0; round < 8; round++) {
        static const lac_rule rules[] = {LAC_RULE_PAPER, LAC_RULE_INDEPENDENT};
        lac_rule rule = rules[round % 2];
        size_t m = lac_rng_below(&rng, 90), c = lac_rng_below(&rng, N - m + 1), at = 0;
        scene s;
        engine e;
        make_scene(&s, &rng, hp, c, m);
        whole(j, &s, rule, want);
        engine_open(&e, j->kern, j->model, 1);
        for (size_t i = 0; i < N * hp->vocab; i++) got[i] = NAN;
        while (at < c && lac_rng_below(&rng, 5)) { /* pieces that stay, with room that grows */
            size_t n = 1 + lac_rng_below(&rng, c - at);
            reserve(&e, at + n, 0);
            lac_rule_sees(rule, n, 0, s.sees);
            forward_ok(&e, &(lac_part){NULL, s.token + at, s.pos + at, s.sees, n, n, 0}, got + at * hp->vocab);
            at += n;
            assert_int_equal(e.kv.len, at);
        }
        reserve(&e, c + m, 0);
        lac_rule_sees(rule, c - at, m, s.sees);
        for (int twice = 0; twice < 2; twice++) { /* masks leave nothing behind */
            forward_ok(&e, &(lac_part){NULL, s.token + at, s.pos + at, s.sees, c - at + m, 0, 0}, got + at * hp->vocab);
            assert_int_equal(e.kv.len, at);
            same_rows(j, rule == LAC_RULE_PAPER ? "paper" : "independent", got, want, 0, c + m);
        }
        engine_close(&e);
    }
    free(want), free(got);
}

/* Independent masks: each alone, in any company, is the same row. */
static void independent_masks_do_not_meet(void **state)
{
    const job *j = *state;
    const lac_hparams *hp = &all.model[j->model].w.hp;
    lac_rng rng = lac_rng_make(2 + j->model, 5);
    float *want = rows_of(j, N), *got = rows_of(j, N);
    scene s;
    engine e;
    make_scene(&s, &rng, hp, 60, 40);
    whole(j, &s, LAC_RULE_INDEPENDENT, want);
    engine_open(&e, j->kern, j->model, 1);
    reserve(&e, N, 0);
    lac_rule_sees(LAC_RULE_INDEPENDENT, 60, 0, s.sees);
    forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, 60, 60, 60}, got);
    for (int round = 0; round < 20; round++) {
        size_t from = 60 + lac_rng_below(&rng, 40), n = 1 + lac_rng_below(&rng, 100 - from);
        lac_rule_sees(LAC_RULE_INDEPENDENT, 0, n, s.sees);
        forward_ok(&e, &(lac_part){NULL, s.token + from, s.pos + from, s.sees, n, 0, 0}, got + from * hp->vocab);
        same_rows(j, "alone", got, want, from, from + n);
    }
    engine_close(&e);
    free(want), free(got);
}

static void threads_give_the_same_bits(void **state)
{
    const job *j = *state;
    lac_rng rng = lac_rng_make(3 + j->model, 5);
    float *want = rows_of(j, N), *got = rows_of(j, N);
    static const lac_rule rules[] = {LAC_RULE_PAPER, LAC_RULE_INDEPENDENT, LAC_RULE_BIDIRECTIONAL, LAC_RULE_PREFIX, LAC_RULE_MIXED};
    for (size_t r = 0; r < 5; r++) {
        scene s;
        make_scene(&s, &rng, &all.model[j->model].w.hp, 80, 50);
        whole(j, &s, rules[r], want);
        for (unsigned threads = 2; threads <= 4; threads += 2) {
            engine e;
            engine_open(&e, j->kern, j->model, threads);
            reserve(&e, 130, 130);
            lac_rule_sees(rules[r], 80, 50, s.sees);
            forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, 130, 0, 0}, got);
            same_rows(j, "threads", got, want, 0, 130);
            engine_close(&e);
        }
    }
    free(want), free(got);
}

static void cropped_entries_come_back(void **state)
{
    const job *j = *state;
    const lac_hparams *hp = &all.model[j->model].w.hp;
    lac_rng rng = lac_rng_make(4 + j->model, 5);
    float *want = rows_of(j, N), *got = rows_of(j, N), *other = rows_of(j, N);
    scene s, t;
    engine e;
    make_scene(&s, &rng, hp, 100, 0);
    make_scene(&t, &rng, hp, 100, 0);
    whole(j, &s, LAC_RULE_PAPER, want);
    engine_open(&e, j->kern, j->model, 1);
    reserve(&e, N, 0);
    lac_rule_sees(LAC_RULE_PAPER, N, 0, s.sees);
    forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, 100, 100, 0}, got);
    for (int round = 0; round < 6; round++) {
        size_t keep = lac_rng_below(&rng, 101);
        lac_kv_crop(&e.kv, keep);
        assert_int_equal(e.kv.len, keep);
        lac_kv_crop(&e.kv, keep + 1000); /* nothing to take away */
        assert_int_equal(e.kv.len, keep);
        forward_ok(&e, &(lac_part){NULL, t.token, t.pos, s.sees, 100 - keep, 100 - keep, 0}, other); /* another branch */
        lac_kv_crop(&e.kv, keep);
        for (size_t i = keep * hp->vocab; i < 100 * hp->vocab; i++) got[i] = NAN;
        forward_ok(&e, &(lac_part){NULL, s.token + keep, s.pos + keep, s.sees, 100 - keep, 100 - keep, 0}, got + keep * hp->vocab);
        same_rows(j, "cropped", got, want, 0, 100);
    }
    engine_close(&e);
    free(want), free(got), free(other);
}

/* The last layer is left out for entries without logits: nobody may notice. */
static void skipped_rows_change_nothing(void **state)
{
    const job *j = *state;
    lac_rng rng = lac_rng_make(5 + j->model, 5);
    float *want = rows_of(j, N), *got = rows_of(j, N);
    static const lac_rule rules[] = {LAC_RULE_PAPER, LAC_RULE_INDEPENDENT, LAC_RULE_BIDIRECTIONAL, LAC_RULE_PREFIX};
    for (size_t r = 0; r < 4; r++) {
        scene s;
        engine e;
        make_scene(&s, &rng, &all.model[j->model].w.hp, 90, 40);
        whole(j, &s, rules[r], want);
        engine_open(&e, j->kern, j->model, 1);
        reserve(&e, N, N);
        lac_rule_sees(rules[r], 90, 40, s.sees);
        static const size_t firsts[] = {0, 1, 63, 64, 90, 129, 130};
        for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
            forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, 130, 0, firsts[i]}, got);
            same_rows(j, "first", got, want, firsts[i], 130);
        }
        engine_close(&e);
    }
    free(want), free(got);
}

/* One pass over two entries a slot says what one step a slot says. */
static void likelihood_is_that_of_single_steps(void **state)
{
    const job *j = *state;
    enum { L = 70 };
    const lac_hparams *hp = &all.model[j->model].w.hp;
    lac_rng rng = lac_rng_make(6 + j->model, 5);
    float *rows = rows_of(j, 2);
    uint8_t *flags = calloc(hp->vocab, 1);
    double got[L];
    int32_t token[2 * L], pos[2 * L];
    uint32_t sees[2 * L];
    lac_part part;
    lac_loglik_room room = {token, pos, sees, &part};
    lacuna_error err;
    scene s;
    engine e;
    flags[hp->mask] = 1;
    make_scene(&s, &rng, hp, L, 0);
    for (size_t i = 0; i < L; i++)
        if ((uint32_t)s.token[i] == hp->mask) s.token[i] = hp->mask ? 0 : 1;
    engine_open(&e, j->kern, j->model, 1);
    reserve(&e, 2 * L, 0);
    for (size_t given = 0; given <= 10; given += 10) { /* also behind cached entries */
        lac_kv_crop(&e.kv, 0);
        lac_rule_sees(LAC_RULE_PAPER, given, 0, s.sees);
        forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, given, given, given}, rows);
        const lac_loglik_list list = {&e.kv, s.token + given, s.pos + given, L - given, got};
        CHECK(lac_loglik(&e.net, &list, 1, flags, 1, &room, &err) == 0, "%s", err.msg);
        assert_int_equal(e.kv.len, given);
        for (size_t r = given; r < L; r++) { /* the clean entry of the step before, and one mask */
            size_t c = r > given;
            int32_t two[2] = {s.token[r - c], (int32_t)hp->mask}, at[2] = {s.pos[r - c], s.pos[r]};
            if (!c) two[0] = (int32_t)hp->mask;
            lac_rule_sees(LAC_RULE_PAPER, c, 1, s.sees);
            forward_ok(&e, &(lac_part){NULL, two, at, s.sees, c + 1, c, c}, rows);
            const float *row = rows + c * hp->vocab;
            double want = row[s.token[r]] - lac_softmax_of(row, hp->vocab, flags, 1, e.net.kern).norm;
            CHECK(got[r - given] == want, "%s: rank %zu: %.17g and %.17g", j->name, r, got[r - given], want);
        }
    }
    engine_close(&e);
    free(rows), free(flags);
}

/* The likelihood of several lists in one pass is that of each alone; an empty one is nothing. */
static void likelihoods_do_not_meet(void **state)
{
    const job *j = *state;
    enum { LISTS = 4, GIVEN = 21, MOST = 30 };
    static const size_t length[LISTS] = {7, 0, MOST, 1};
    const lac_hparams *hp = &all.model[j->model].w.hp;
    lac_rng rng = lac_rng_make(9 + j->model, 5);
    float *rows = rows_of(j, 1);
    uint8_t *flags = calloc(hp->vocab, 1);
    double got[LISTS][MOST], want[MOST];
    int32_t token[2 * LISTS * MOST], pos[2 * LISTS * MOST];
    uint32_t sees[2 * LISTS * MOST];
    lac_part part[LISTS];
    lac_loglik_room room = {token, pos, sees, part};
    lac_loglik_list list[LISTS];
    lacuna_error err;
    scene s, own[LISTS];
    engine e;
    lac_kv kv[LISTS];
    flags[hp->mask] = 1;
    make_scene(&s, &rng, hp, GIVEN, 0);
    engine_open(&e, j->kern, j->model, 2);
    reserve(&e, GIVEN, 0);
    lac_rule_sees(LAC_RULE_PAPER, GIVEN, 0, s.sees);
    forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, GIVEN, GIVEN, GIVEN}, rows);
    for (size_t k = 0; k < LISTS; k++) {
        make_scene(&own[k], &rng, hp, length[k], 0);
        lac_kv_init(&kv[k], &e.store);
        CHECK(lac_kv_branch(&kv[k], &e.kv, GIVEN, GIVEN + 2 * length[k], &err) == 0, "%s", err.msg);
        list[k] = (lac_loglik_list){&kv[k], own[k].token, own[k].pos, length[k], got[k]};
    }
    CHECK(lac_loglik(&e.net, list, LISTS, flags, 1, &room, &err) == 0, "%s", err.msg);
    for (size_t k = 0; k < LISTS; k++) {
        assert_int_equal(kv[k].len, GIVEN);
        list[k].logprob = want;
        CHECK(lac_loglik(&e.net, &list[k], 1, flags, 1, &room, &err) == 0, "%s", err.msg);
        for (size_t r = 0; r < length[k]; r++)
            CHECK(got[k][r] == want[r], "%s: list %zu rank %zu: %.17g, alone %.17g", j->name, k, r, got[k][r], want[r]);
        lac_kv_free(&kv[k]);
    }
    engine_close(&e);
    free(rows), free(flags);
}

/* Blocks in one pass, and one after the other against the cache (BD3-LM). */
static void blocks_in_one_pass_or_many(void **state)
{
    const job *j = *state;
    const lac_hparams *hp = &all.model[j->model].w.hp;
    lac_rng rng = lac_rng_make(7 + j->model, 5);
    float *want = rows_of(j, N), *got = rows_of(j, N);
    static const size_t sizes[] = {1, 4, 24, 50, 64, 70};
    for (size_t b = 0; b < sizeof sizes / sizeof *sizes; b++) {
        scene s;
        engine e;
        make_scene(&s, &rng, hp, N, 0);
        engine_open(&e, j->kern, j->model, 1);
        reserve(&e, N, sizes[b]); /* no entry sees more than its own block ahead */
        lac_rule_blocks(N, sizes[b], s.sees);
        forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, N, 0, 0}, want);
        for (size_t at = 0; at < N; at += sizes[b]) {
            size_t n = N - at < sizes[b] ? N - at : sizes[b];
            lac_rule_sees(LAC_RULE_BIDIRECTIONAL, n, 0, s.sees);
            forward_ok(&e, &(lac_part){NULL, s.token + at, s.pos + at, s.sees, n, n, 0}, got + at * hp->vocab);
        }
        same_rows(j, "blocks", got, want, 0, N);
        engine_close(&e);
    }
    free(want), free(got);
}

/* Parts of one pass: each gives what it gives alone, on lists that share their beginning. */
static void parts_do_not_meet(void **state)
{
    const job *j = *state;
    enum { PARTS = 5, GIVEN = 37, OWN = 40 };
    const lac_hparams *hp = &all.model[j->model].w.hp;
    lac_rng rng = lac_rng_make(8 + j->model, 5);
    float *want = rows_of(j, N), *got[PARTS];
    lacuna_error err;
    scene s, own[PARTS];
    engine e;
    lac_kv kv[PARTS];
    lac_part part[PARTS];
    make_scene(&s, &rng, hp, N, 0);
    engine_open(&e, j->kern, j->model, 2);
    reserve(&e, GIVEN, 0);
    lac_rule_sees(LAC_RULE_PAPER, GIVEN, 0, s.sees);
    forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, GIVEN, GIVEN, GIVEN}, want);
    for (size_t p = 0; p < PARTS; p++) {
        size_t c = lac_rng_below(&rng, 20), m = p == 3 ? 0 : lac_rng_below(&rng, 20);
        make_scene(&own[p], &rng, hp, c, m);
        lac_rule_sees(p % 2 ? LAC_RULE_PAPER : LAC_RULE_INDEPENDENT, c, m, own[p].sees);
        lac_kv_init(&kv[p], &e.store);
        CHECK(lac_kv_branch(&kv[p], &e.kv, GIVEN - p, GIVEN + OWN, &err) == 0, "%s", err.msg);
        part[p] = (lac_part){&kv[p], own[p].token, own[p].pos, own[p].sees, c + m, c, p == 2 ? 0 : c};
        got[p] = rows_of(j, OWN);
    }
    several s2 = {got, hp->vocab, 0, 0};
    CHECK(lac_net_forward(&e.net, &(lac_pass){part, PARTS, NULL}, several_row, &s2, &err) == 0, "%s", err.msg);
    for (size_t p = 0; p < PARTS; p++) {
        assert_int_equal(kv[p].len, GIVEN - p + part[p].keep);
        lac_kv_crop(&kv[p], GIVEN - p);
        sink alone = {want, hp->vocab, part[p].first, -1};
        CHECK(lac_net_forward(&e.net, &(lac_pass){&part[p], 1, NULL}, sink_row, &alone, &err) == 0, "%s", err.msg);
        same_rows(j, "in company", got[p], want, part[p].first, part[p].n);
        lac_kv_free(&kv[p]);
        free(got[p]);
    }
    engine_close(&e);
    free(want);
}

/* Logits that are not wanted are -inf, and the others what they were. */
static void panels_of_the_output(void **state)
{
    const job *j = *state;
    const lac_hparams *hp = &all.model[j->model].w.hp;
    lac_rng rng = lac_rng_make(9 + j->model, 5);
    float *want = rows_of(j, N), *got = rows_of(j, N);
    uint8_t panels[32];
    lacuna_error err;
    scene s;
    engine e;
    make_scene(&s, &rng, hp, 10, 50);
    whole(j, &s, LAC_RULE_INDEPENDENT, want);
    engine_open(&e, j->kern, j->model, 2);
    reserve(&e, N, 0);
    lac_rule_sees(LAC_RULE_INDEPENDENT, 10, 50, s.sees);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof panels; i++) panels[i] = (uint8_t)(round == 0 ? 0 : lac_rng_below(&rng, 2));
        lac_part part = {&e.kv, s.token, s.pos, s.sees, 60, 0, 0};
        sink k = {got, hp->vocab, 0, -1};
        CHECK(lac_net_forward(&e.net, &(lac_pass){&part, 1, panels}, sink_row, &k, &err) == 0, "%s", err.msg);
        for (size_t i = 0; i < 60; i++)
            for (size_t v = 0; v < hp->vocab; v++) {
                float x = got[i * hp->vocab + v], y = panels[v / LAC_PANEL] ? want[i * hp->vocab + v] : -INFINITY;
                CHECK(!memcmp(&x, &y, sizeof x), "%s: row %zu, token %zu: %g and %g", j->name, i, v, x, y);
            }
    }
    engine_close(&e);
    free(want), free(got);
}

/* ---- limits: one table and one model are enough ---- */

static const job plain = {0, 3, "limits"};

/* A cache with 20 entries, and the logits of five masks after them. */
static void prepare(engine *e, scene *s, float *rows)
{
    lac_rng rng = lac_rng_make(11, 5);
    make_scene(s, &rng, &all.model[plain.model].w.hp, 20, 5);
    engine_open(e, plain.kern, plain.model, 1);
    reserve(e, 64, 0);
    lac_rule_sees(LAC_RULE_PAPER, 20, 5, s->sees);
    forward_ok(e, &(lac_part){NULL, s->token, s->pos, s->sees, 25, 20, 20}, rows);
    lac_rule_sees(LAC_RULE_PAPER, 0, 5, s->sees);
}

static void still_intact(engine *e, const scene *s, const float *rows)
{
    float *got = rows_of(&plain, 25);
    size_t v = e->net.w->hp.vocab;
    uint32_t sees[5];
    lac_rule_sees(LAC_RULE_PAPER, 0, 5, sees);
    assert_int_equal(e->kv.len, 20);
    forward_ok(e, &(lac_part){NULL, s->token + 20, s->pos + 20, sees, 5, 0, 0}, got + 20 * v);
    same_rows(&plain, "after a failure", got, rows, 20, 25);
    free(got);
}

static void fails(engine *e, const lac_part *p, int code)
{
    lacuna_error err = {0};
    float *rows = rows_of(&plain, 400);
    int r = forward(e, p, rows, &err);
    CHECK(r == code && (int)err.code == code && *err.msg, "code %d, expected %d: %s", r, code, err.msg);
    assert_int_equal(forward(e, p, rows, NULL), code);
    free(rows);
}

static void too_many_entries(void **state)
{
    (void)state;
    engine e;
    scene s;
    float *rows = rows_of(&plain, 25);
    int32_t token[400] = {0}, pos[400] = {0};
    uint32_t sees[400];
    prepare(&e, &s, rows);
    size_t room = lac_kv_room(&e.kv) - e.kv.len;
    lac_rule_sees(LAC_RULE_PAPER, 400, 0, sees);
    fails(&e, &(lac_part){NULL, token, pos, sees, room + 1, 0, 0}, LACUNA_E_LIMIT);
    fails(&e, &(lac_part){NULL, token, pos, sees, 400, 400, 0}, LACUNA_E_LIMIT);
    still_intact(&e, &s, rows);
    engine_close(&e);
    /* room for the entries, but not for so many that see one another */
    prepare(&e, &s, rows);
    reserve(&e, 420, 0);
    still_intact(&e, &s, rows); /* growing keeps what is cached */
    lac_rule_sees(LAC_RULE_BIDIRECTIONAL, 200, 0, sees);
    fails(&e, &(lac_part){NULL, token, pos, sees, 200, 0, 0}, LACUNA_E_LIMIT);
    still_intact(&e, &s, rows);
    /* late in the pass: chunks before it have run */
    lac_rule_sees(LAC_RULE_PAPER, 400, 0, sees);
    for (size_t i = 200; i < 300; i++) sees[i] = 300;
    fails(&e, &(lac_part){NULL, token, pos, sees, 400, 400, 0}, LACUNA_E_LIMIT);
    still_intact(&e, &s, rows);
    engine_close(&e);
    free(rows);
}

static void reserve_refuses_the_impossible(void **state)
{
    (void)state;
    engine e;
    scene s;
    lacuna_error err;
    float *rows = rows_of(&plain, 25);
    prepare(&e, &s, rows);
    assert_int_equal(lac_kv_reserve(&e.kv, (size_t)INT32_MAX + 1, &err), LACUNA_E_LIMIT);
    assert_int_equal(lac_kv_reserve(&e.kv, SIZE_MAX, NULL), LACUNA_E_LIMIT);
    assert_int_equal(lac_net_reserve(&e.net, SIZE_MAX, &err), LACUNA_E_LIMIT);
    still_intact(&e, &s, rows);
    engine_close(&e);
    free(rows);
}

static void tokens_out_of_range(void **state)
{
    (void)state;
    engine e;
    scene s;
    float *rows = rows_of(&plain, 25);
    prepare(&e, &s, rows);
    const int32_t bad[] = {-1, INT32_MIN, INT32_MAX, (int32_t)e.net.w->hp.vocab};
    for (size_t i = 0; i < 4; i++) {
        int32_t token[3] = {1, 2, bad[i]}, pos[3] = {1, 2, 3};
        uint32_t sees[3] = {0, 1, 2};
        fails(&e, &(lac_part){NULL, token, pos, sees, 3, 3, 0}, LACUNA_E_ARG);
        still_intact(&e, &s, rows);
    }
    int32_t last = (int32_t)e.net.w->hp.vocab - 1;
    forward_ok(&e, &(lac_part){NULL, &last, &(int32_t){0}, &(uint32_t){0}, 1, 0, 0}, rows);
    engine_close(&e);
    free(rows);
}

static void passes_that_make_no_sense(void **state)
{
    (void)state;
    engine e;
    scene s;
    float *rows = rows_of(&plain, 25);
    prepare(&e, &s, rows);
    fails(&e, &(lac_part){NULL, &(int32_t){0}, &(int32_t){-1}, &(uint32_t){0}, 1, 1, 0}, LACUNA_E_INTERNAL);
    fails(&e, &(lac_part){NULL, &(int32_t){0}, &(int32_t){0}, &(uint32_t){2}, 1, 1, 0}, LACUNA_E_INTERNAL);
    still_intact(&e, &s, rows);
    forward_ok(&e, &(lac_part){NULL, NULL, NULL, NULL, 0, 0, 0}, rows); /* nothing to do */
    still_intact(&e, &s, rows);
    engine_close(&e);
    free(rows);
}

static int cancel_row(void *ctx, size_t p, size_t i, const float *logits, lacuna_error *err)
{
    engine *e = ctx;
    (void)p, (void)logits, (void)err;
    if (i == 70) atomic_store(&e->cancel, true); /* in the second chunk of three */
    return 0;
}

static void cancelling(void **state)
{
    (void)state;
    engine e;
    scene s;
    lacuna_error err;
    float *rows = rows_of(&plain, 25);
    int32_t token[150] = {0}, pos[150] = {0};
    uint32_t sees[150];
    prepare(&e, &s, rows);
    reserve(&e, 200, 0);
    lac_rule_sees(LAC_RULE_PAPER, 150, 0, sees);
    atomic_store(&e.cancel, true);
    fails(&e, &(lac_part){NULL, token, pos, sees, 150, 150, 0}, LACUNA_E_CANCELLED);
    assert_int_equal(e.kv.len, 20);
    atomic_store(&e.cancel, false);
    still_intact(&e, &s, rows);
    assert_int_equal(run(&e, &(lac_part){NULL, token, pos, sees, 150, 150, 0}, cancel_row, &e, &err), LACUNA_E_CANCELLED);
    assert_int_equal(err.code, LACUNA_E_CANCELLED);
    assert_int_equal(e.kv.len, 20);
    atomic_store(&e.cancel, false);
    still_intact(&e, &s, rows);
    engine_close(&e);
    free(rows);
}

static void a_receiver_that_stops(void **state)
{
    (void)state;
    engine e;
    scene s;
    lacuna_error err;
    float *rows = rows_of(&plain, 25), *more = rows_of(&plain, 150);
    int32_t token[150] = {0}, pos[150] = {0};
    uint32_t sees[150];
    prepare(&e, &s, rows);
    reserve(&e, 200, 0);
    lac_rule_sees(LAC_RULE_PAPER, 150, 0, sees);
    for (int at = 0; at < 150; at += 49) {
        sink stop = {more, e.net.w->hp.vocab, 0, at};
        assert_int_equal(run(&e, &(lac_part){NULL, token, pos, sees, 150, 150, 0}, sink_row, &stop, &err), 7);
        assert_int_equal(stop.next, at + 1);
        still_intact(&e, &s, rows);
    }
    engine_close(&e);
    free(rows), free(more);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    lacuna_error err;
    size_t calls = 0, failures = 0;
    for (size_t at = 0; at <= calls; at++) { /* 0: none fails, and they are counted */
        engine e;
        scene s;
        lac_rng rng = lac_rng_make(12, 5);
        float *rows = rows_of(&plain, N);
        make_scene(&s, &rng, &all.model[plain.model].w.hp, 20, 5);
        e = (engine){.mem = hook_allocator(&e.hook), .hook.fail_at = at ? at + 1000 : 0};
        assert_int_equal(lac_pool_open(&e.pool, &e.mem, 1, &err), 0);
        e.hook.calls = 0;
        e.hook.fail_at = at;
        int r = lac_net_open(&e.net, &all.model[plain.model].w, all.kern[plain.kern], &e.mem, e.pool, &e.cancel, &err);
        lac_kv_store_init(&e.store, &all.model[plain.model].w.hp, LAC_F32, &e.mem);
        lac_kv_init(&e.kv, &e.store);
        if (!r) r = lac_net_reserve(&e.net, 0, &err);
        if (!r) r = lac_kv_reserve(&e.kv, 64, &err);
        if (!r) {
            lac_rule_sees(LAC_RULE_PAPER, 20, 5, s.sees);
            forward_ok(&e, &(lac_part){NULL, s.token, s.pos, s.sees, 25, 20, 20}, rows);
            size_t before = e.hook.live, room = lac_kv_room(&e.kv), n_rows = e.net.rows;
            r = lac_net_reserve(&e.net, 200, &err);
            if (!r) r = lac_kv_reserve(&e.kv, 300, &err);
            if (r) { /* all is as before: it works, and the same call succeeds later */
                assert_int_equal(lac_kv_room(&e.kv), room);
                CHECK(e.net.rows >= n_rows && e.hook.live >= before, "shrunk");
                still_intact(&e, &s, rows);
                assert_int_equal(lac_net_reserve(&e.net, 200, NULL), 0);
                assert_int_equal(lac_kv_reserve(&e.kv, 300, NULL), 0);
                still_intact(&e, &s, rows);
                r = LACUNA_E_NOMEM;
            } else still_intact(&e, &s, rows);
        }
        if (!at) {
            assert_int_equal(r, 0);
            calls = e.hook.calls;
        } else {
            CHECK(r == LACUNA_E_NOMEM && err.code == LACUNA_E_NOMEM, "allocation %zu: %d", at, r);
            failures++;
        }
        engine_close(&e);
        free(rows);
    }
    assert_true(failures >= 7);
}

static void forward_allocates_nothing(void **state)
{
    (void)state;
    engine e;
    scene s;
    float *rows = rows_of(&plain, 25);
    prepare(&e, &s, rows);
    size_t calls = e.hook.calls;
    still_intact(&e, &s, rows);
    reserve(&e, 64, 0); /* enough already */
    assert_int_equal(e.hook.calls, calls);
    assert_true(lac_net_size(&e.net) <= e.hook.live);
    engine_close(&e);
    free(rows);
}

/* ---- the list ---- */

static int open_all(void **state)
{
    (void)state;
    tiny_folder(all.folder);
    for (size_t m = 0; m < MODELS; m++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.gguf", all.folder, zoo[m].name);
        assert_int_equal(tiny_model_as(path, zoo[m].house, zoo[m].vocab, zoo[m].width, zoo[m].layers, zoo[m].heads, 100 + m, zoo[m].type,
                                       zoo[m].vocab / 2), 0);
        tiny_open(&all.model[m], path);
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++) tiny_close(&all.model[m]);
    tiny_folder_remove(all.folder);
    return 0;
}

int main(void)
{
    static const char *const tables[KERNS] = {KERN_TABLES};
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } bits[] = {
        {"pieces_give_the_same_bits", pieces_give_the_same_bits},
        {"independent_masks_do_not_meet", independent_masks_do_not_meet},
        {"threads_give_the_same_bits", threads_give_the_same_bits},
        {"cropped_entries_come_back", cropped_entries_come_back},
        {"skipped_rows_change_nothing", skipped_rows_change_nothing},
        {"likelihood_is_that_of_single_steps", likelihood_is_that_of_single_steps},
        {"blocks_in_one_pass_or_many", blocks_in_one_pass_or_many},
        {"parts_do_not_meet", parts_do_not_meet},
        {"likelihoods_do_not_meet", likelihoods_do_not_meet},
        {"panels_of_the_output", panels_of_the_output},
    };
    static const struct CMUnitTest limits[] = {
        cmocka_unit_test(too_many_entries),
        cmocka_unit_test(reserve_refuses_the_impossible),
        cmocka_unit_test(tokens_out_of_range),
        cmocka_unit_test(passes_that_make_no_sense),
        cmocka_unit_test(cancelling),
        cmocka_unit_test(a_receiver_that_stops),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(forward_allocates_nothing),
    };
    enum { BITS = sizeof bits / sizeof *bits, LIMITS = sizeof limits / sizeof *limits };
    static struct CMUnitTest tests[KERNS * MODELS * BITS + LIMITS];
    static job jobs[KERNS * MODELS * BITS];
    size_t n = 0;
    for (size_t i = 0; i < KERNS; i++)
        if ((all.kern[all.n_kern] = lac_kern_pick(tables[i]))) all.n_kern++;
    for (size_t k = 0; k < all.n_kern; k++)
        for (size_t m = 0; m < MODELS; m += all.n_kern > 1 && !k ? MODELS - 1 : 1) /* the scalar table is slow: two models do */
            for (size_t t = 0; t < BITS; t++, n++) {
                jobs[n] = (job){k, m, ""};
                snprintf(jobs[n].name, sizeof jobs[n].name, "%s %s %s", all.kern[k]->name, zoo[m].name, bits[t].name);
                tests[n] = (struct CMUnitTest){jobs[n].name, bits[t].run, NULL, NULL, &jobs[n]};
            }
    for (size_t t = 0; t < LIMITS; t++) tests[n++] = limits[t];
    return _cmocka_run_group_tests("net", tests, n, open_all, close_all) ? 1 : 0;
}
