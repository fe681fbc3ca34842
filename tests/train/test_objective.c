/* Examples: what every objective promises, over thousands of windows of real and of nasty text. */
#include "train/objective.h"

#include <math.h>

#include "base/rng.h"
#include "common/hook.h"
#include "common/stat.h"
#include "net/rule.h"
#include "train/text.h"
#include "train/windows.h"

enum { LENGTH = 192 };

static struct {
    hook hook;
    lacuna_allocator mem;
    lac_tok *tok;
    lac_corpus *files, *hard; /* source files; they and texts that are hard to cut */
    lac_grammars *grammars;
    int n_grammars;
} all;

static lac_objective objective(lac_objective_kind kind)
{
    lac_objective o;
    lac_objective_default(&o, kind);
    o.length = LENGTH;
    o.mask = lac_tok_find(all.tok, "<mask>");
    o.eom = lac_tok_find(all.tok, "<eom>");
    o.bos = lac_tok_find(all.tok, "<bos>");
    o.grammars = all.grammars;
    return o;
}

/* A maker with an example to fill and the windows it is filled from. */
typedef struct {
    lac_objective o;
    lac_maker *maker;
    lac_example e;
    lac_windows windows;
    char *text;   /* of the window */
    char *back;   /* what an example spells */
    int32_t *x;
} bench;

static void bench_open(bench *b, const lac_objective *o, const lac_corpus *c)
{
    lacuna_error err;
    const size_t n = lac_objective_window(o), bytes = (2 * o->length + 2) * (lac_tok_longest(all.tok) + 1);
    b->o = *o;
    CHECK(lac_maker_open(&b->maker, o, c, all.tok, &all.mem, &err) == 0, "%s", err.msg);
    CHECK(lac_example_open(&b->e, o->length, &all.mem, &err) == 0, "%s", err.msg);
    CHECK(lac_windows_open(&b->windows, c, n, &all.mem, &err) == 0, "%s", err.msg);
    b->text = malloc(bytes);
    b->back = malloc(bytes);
    b->x = malloc((n + 1) * sizeof *b->x);
    assert_true(b->text && b->back && b->x);
}

static void bench_close(bench *b)
{
    lac_maker_free(b->maker);
    lac_example_free(&b->e, &all.mem);
    lac_windows_free(&b->windows, &all.mem);
    free(b->text);
    free(b->back);
    free(b->x);
}

/* What holds for every example. */
static void check_any(const bench *b)
{
    const lac_example *e = &b->e;
    double bytes = 0;
    size_t targets[LAC_PARTS] = {0};
    assert_true(e->n >= 1 && e->n <= b->o.length && e->cap == b->o.length);
    for (size_t i = 0; i < e->n; i++) {
        assert_true(e->token[i] >= 0 && (uint32_t)e->token[i] < lac_tok_vocab(all.tok));
        assert_true(e->from[i] <= i && i < e->to[i] && e->to[i] <= e->n && e->sees[i] <= e->n);
        assert_true(e->pos[i] >= 0 && (size_t)e->pos[i] < b->o.length + 65 * (b->o.holes + 1));
        if (e->target[i] < 0) {
            assert_true(e->target[i] == -1 && e->weight[i] == 0);
            continue;
        }
        assert_true((uint32_t)e->target[i] < lac_tok_vocab(all.tok) && e->target[i] != b->o.mask);
        assert_true(e->weight[i] > 0 && isfinite(e->weight[i]) && e->part[i] < LAC_PARTS);
        targets[e->part[i]]++;
        if (e->part[i] != LAC_PART_NEXT) bytes += (double)e->weight[i] * (double)lac_tok_bytes(all.tok, e->target[i]).len;
    }
    assert_true(fabs((double)e->bytes - bytes) <= 0.5 + 1e-6 * bytes);
    for (int p = 0; p < LAC_PARTS; p++) assert_true(e->norm[p] >= (double)targets[p]); /* the paper's parts count clean tokens too */
}

static void make(bench *b, uint64_t seed, uint64_t i)
{
    lacuna_error err;
    CHECK(lac_maker_make(b->maker, seed, i, &b->e, &err) == 0, "%s", err.msg);
    check_any(b);
}

/* Does i see j? */
static bool sees(const lac_example *e, size_t i, size_t j) { return j < e->sees[i] || (j >= e->from[i] && j < e->to[i]); }

/* ---- the canvas ---- */

typedef struct {
    int32_t pos, token;
    bool slot;
} place;

static int by_pos(const void *a, const void *b)
{
    int32_t x = ((const place *)a)->pos, y = ((const place *)b)->pos;
    return (x > y) - (x < y);
}

/* What an infill example turned out to be. */
typedef struct {
    size_t context, slots, holes, eom, tokens; /* entries; slots trained, holes, <eom> among the slots, the others */
    size_t most_eom;                           /* of one hole */
    bool tag, sorted;                          /* the slots are in the order of their positions */
    bool behind;                               /* text behind the last hole */
    enum { FORWARD, ROTATED, SHUFFLED } order;
    bool at_cursor;                            /* what stands last is the text before the first hole */
    size_t next, could;                        /* next-token targets, places for them */
    size_t inside;                             /* holes that begin inside a token of the window */
} canvas;

static size_t count_masks(const lac_example *e, int32_t mask)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++) n += e->token[i] == mask;
    return n;
}

/* Entries: context causal, slots clean but the last, masks that see context and earlier slots only. */
static void check_entries(const bench *b, canvas *k)
{
    const lac_example *e = &b->e;
    k->slots = count_masks(e, b->o.mask);
    assert_true(k->slots >= 1 && e->n + 1 >= 2 * k->slots);
    const size_t c = k->context = e->n + 1 - 2 * k->slots, first = c + k->slots - 1;
    assert_int_equal(e->norm[LAC_PART_SLOTS], k->slots);
    k->sorted = true;
    for (size_t i = 0; i < first; i++) {
        assert_true(e->token[i] != b->o.mask && (i >= c || e->token[i] != b->o.eom));
        assert_true(e->sees[i] == i && e->from[i] == i && e->to[i] == i + 1);
        if (i >= c) assert_int_equal(e->target[i], -1);
    }
    for (size_t r = 0; r < k->slots; r++) {
        const size_t i = first + r;
        assert_true(e->token[i] == b->o.mask && e->target[i] >= 0 && e->part[i] == LAC_PART_SLOTS && e->weight[i] == 1);
        assert_true(e->sees[i] == c + r && e->from[i] == i && e->to[i] == i + 1);
        if (r + 1 < k->slots) assert_true(e->token[c + r] == e->target[i] && e->pos[c + r] == e->pos[i]); /* its clean twin, not seen */
        if (r) k->sorted &= e->pos[i] > e->pos[i - 1];
    }
}

static void check_context(const bench *b, canvas *k)
{
    const lac_example *e = &b->e;
    size_t falls = 0;
    for (size_t i = 0; i + 1 < k->context; i++) falls += e->pos[i + 1] < e->pos[i];
    k->order = falls > 1 ? SHUFFLED : falls ? ROTATED : FORWARD;
    int32_t first_slot = e->pos[e->n - 1];
    for (size_t i = e->n - k->slots; i < e->n; i++) first_slot = e->pos[i] < first_slot ? e->pos[i] : first_slot;
    k->at_cursor = k->context && e->pos[k->context - 1] < first_slot;
    for (size_t i = 0; i < k->context; i++) {
        const bool runs = i + 1 < k->context && e->pos[i + 1] == e->pos[i] + 1 && !(k->tag && !e->pos[i]);
        if (e->target[i] >= 0) {
            assert_true(runs && e->part[i] == LAC_PART_NEXT && e->target[i] == e->token[i + 1] && e->weight[i] == 1);
            k->next++;
        }
        k->could += runs;
    }
    assert_int_equal(e->norm[LAC_PART_NEXT], k->next);
}

/* Is byte `at` of the window's text between two of its tokens? */
static bool between_tokens(const bench *b, size_t n, size_t at)
{
    size_t len = 0;
    for (size_t i = 0; i < n && len < at; i++) len += lac_tok_bytes(all.tok, b->x[i]).len;
    return len == at;
}

/* Context and slots by position spell a piece of the window, all of it where there was room; holes end in <eom>. */
static void check_text(const bench *b, canvas *k, const place *p, size_t n, size_t window, size_t text_len)
{
    size_t len = 0, hole_eom = 0, start[64];
    for (size_t i = 0; i < n; i++) {
        if (p[i].slot && (!i || !p[i - 1].slot)) start[k->holes] = len;
        lacuna_text t = lac_tok_bytes(all.tok, p[i].token);
        memcpy(b->back + len, t.bytes, t.len);
        len += t.len;
        const int32_t gap = i ? p[i].pos - p[i - 1].pos : 1;
        const bool eom = p[i].slot && p[i].token == b->o.eom, ends = !(i + 1 < n && p[i + 1].slot && p[i + 1].pos == p[i].pos + 1);
        assert_true(gap >= 1 && gap <= 64);
        if (gap > 1) assert_true(p[i - 1].slot && p[i - 1].token == b->o.eom); /* slack that is not trained */
        if (!p[i].slot) continue;
        k->eom += eom;
        k->tokens += !eom;
        hole_eom += eom;
        if (!ends) {
            if (eom) assert_int_equal(p[i + 1].token, b->o.eom); /* nothing but <eom> behind one */
            continue;
        }
        k->holes++;
        if (hole_eom > k->most_eom) k->most_eom = hole_eom;
        hole_eom = 0;
    }
    k->behind = !p[n - 1].slot;
    if (!len) return;
    size_t at = 0;
    while (at + len <= text_len && memcmp(b->text + at, b->back, len)) at++;
    CHECK(at + len <= text_len, "not in the window: %.*s", (int)len, b->back);
    if (b->e.n < b->o.length) assert_int_equal(len, text_len);
    for (size_t h = 0; h < k->holes; h++) k->inside += !between_tokens(b, window, at + start[h]);
}

static canvas check_infill(bench *b, uint64_t seed, uint64_t i)
{
    const lac_example *e = &b->e;
    static place p[LENGTH * 4];
    canvas k = {0};
    int32_t tag;
    size_t n = lac_windows_get(&b->windows, seed, i, b->x, &tag), len = text_spell(all.tok, b->x, n, b->text), m = 0;
    check_entries(b, &k);
    k.tag = tag >= 0;
    for (size_t j = 0; j < k.context; j++) p[m++] = (place){e->pos[j], e->token[j], false};
    for (size_t j = e->n - k.slots; j < e->n; j++) p[m++] = (place){e->pos[j], e->target[j], true};
    qsort(p, m, sizeof *p, by_pos);
    assert_true(p[0].pos == 0);
    if (k.tag) assert_true(!p[0].slot && p[0].token == tag);
    check_context(b, &k);
    check_text(b, &k, p, m, n, len);
    assert_true(k.holes >= 1 && k.holes <= b->o.holes);
    if (k.most_eom > 1) assert_true(k.most_eom <= 16);
    return k;
}

static void an_infill_is_a_canvas(void **state)
{
    (void)state;
    for (int hard = 0; hard < 2; hard++) {
        bench b;
        lac_objective o = objective(LAC_INFILL);
        size_t holes = 0, many = 0, rotated = 0, at_cursor = 0;
        bench_open(&b, &o, hard ? all.hard : all.files);
        for (uint64_t i = 0; i < 800; i++) {
            make(&b, 1, i);
            canvas k = check_infill(&b, 1, i);
            holes += k.holes;
            many += k.holes > 3;
            if (k.sorted && k.slots > 8 && k.tokens > 8) assert_true(k.eom <= k.holes); /* left to right: one <eom> a hole */
            if (k.order == SHUFFLED) assert_int_equal(k.next, 0);
            if (k.order != ROTATED || k.holes < 2 || !k.tag) continue;
            rotated++;
            at_cursor += k.at_cursor;
        }
        assert_true(at_cursor > rotated * 6 / 10 && at_cursor < rotated); /* 3/4, and by chance a third of the others */
        assert_true(holes > 1000 && many > 60);
        bench_close(&b);
    }
}

/* Short examples, many holes: what does not fit is cut down, and the last resort works too. */
static void an_infill_fits_any_length(void **state)
{
    (void)state;
    static const size_t length[] = {16, 17, 24, 40, 100};
    for (size_t l = 0; l < sizeof length / sizeof *length; l++) {
        bench b;
        lac_objective o = objective(LAC_INFILL);
        o.length = length[l];
        o.cut_share = 1;
        bench_open(&b, &o, all.hard);
        for (uint64_t i = 0; i < 600; i++) {
            make(&b, l, i);
            check_infill(&b, l, i);
        }
        bench_close(&b);
    }
}

static void check_share(const char *what, uint64_t seen, uint64_t of, double want)
{
    double p = stat_chi2((const uint64_t[]){seen, of - seen}, (const double[]){want, 1 - want}, 2);
    CHECK(p > STAT_ALARM, "%s: %llu of %llu, want %g: p = %g", what, (unsigned long long)seen, (unsigned long long)of, want, p);
}

/* One hole an example of which nothing is ever turned away for lack of room. */
static void the_shares_are_as_written(void **state)
{
    (void)state;
    bench b;
    lac_objective o = objective(LAC_INFILL);
    o.length = 512;
    o.holes = 1;
    o.grammars = NULL;
    bench_open(&b, &o, all.files);
    uint64_t orders[3] = {0}, eoms[17] = {0}, gaps[65] = {0}, random = 0, clear = 0, ltr_none = 0, ltr = 0, next = 0, could = 0, end = 0;
    double even[17], slack[65];
    enum { EXAMPLES = 1500 };
    for (uint64_t i = 0; i < EXAMPLES; i++) {
        make(&b, 2, i);
        const lac_example *e = &b.e;
        canvas k = {.slots = count_masks(e, o.mask)};
        k.tag = true;
        check_entries(&b, &k);
        check_context(&b, &k);
        for (size_t j = e->n - k.slots; j < e->n; j++) k.eom += e->target[j] == o.eom;
        int32_t last = 0, last_slot = 0;
        for (size_t j = 0; j < e->n; j++) {
            int32_t *l = j < k.context ? &last : &last_slot;
            if (e->pos[j] > *l) *l = e->pos[j];
        }
        end += last < last_slot;
        if (last > last_slot + 2 && k.context > 10) orders[k.order]++;
        if (k.order != SHUFFLED) {
            next += k.next;
            could += k.could;
        }
        if (k.slots - k.eom < 8) continue; /* enough to tell a random order from left to right, whichever it is */
        clear++;
        random += !k.sorted;
        if (!k.sorted) eoms[k.eom]++;
        else ltr++, ltr_none += !k.eom;
        if (!k.sorted || last < last_slot) continue;
        int32_t behind = last; /* the first entry behind the hole: slack that is not trained lies before it */
        for (size_t j = 0; j < k.context; j++)
            if (e->pos[j] > last_slot && e->pos[j] < behind) behind = e->pos[j];
        assert_true(behind - last_slot <= 64);
        gaps[k.eom ? behind - last_slot : 0]++;
    }
    double p = stat_chi2(orders, (const double[]){.4, .4, .2}, 3);
    CHECK(p > STAT_ALARM, "orders: %llu %llu %llu: p = %g", (unsigned long long)orders[0], (unsigned long long)orders[1], (unsigned long long)orders[2], p);
    for (int i = 0; i < 17; i++) even[i] = 1.0 / 17;
    p = stat_chi2(eoms, even, 17);
    CHECK(p > STAT_ALARM, "slack: p = %g", p);
    for (int i = 0; i < 65; i++) slack[i] = .5 / 65 + (i < 17 ? .5 / 17 : 0);
    p = stat_chi2(gaps, slack, 65);
    CHECK(p > STAT_ALARM, "slack left to right: p = %g", p);
    assert_true(clear > 300);
    check_share("slots in random order", random, clear, .5);
    check_share("left to right without slack", ltr_none, ltr, (1.0 / 17 + 1.0 / 65) / 2);
    check_share("next-token loss", next, could, o.next_share);
    const double sigma = sqrt(EXAMPLES * .1 * .9); /* others may end at the end as well, but few do */
    assert_true((double)end > EXAMPLES * .1 - STAT_SIGMAS * sigma && (double)end < EXAMPLES * .13 + STAT_SIGMAS * sigma);
    bench_close(&b);
}

/* Without a share of cuts, holes begin at tokens; with it, many begin inside one. */
static void holes_may_begin_inside_tokens(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        bench b;
        lac_objective o = objective(LAC_INFILL);
        o.cut_share = cut;
        o.grammars = NULL;
        bench_open(&b, &o, all.files);
        size_t inside = 0, holes = 0;
        for (uint64_t i = 0; i < 300; i++) {
            make(&b, 6, i);
            canvas k = check_infill(&b, 6, i);
            inside += k.inside;
            holes += k.holes;
        }
        if (cut) assert_true(inside > holes / 4); /* a cut may fall between tokens all the same */
        else assert_true(inside <= holes / 100); /* a character of several byte tokens may be in the way */
        bench_close(&b);
    }
}

static void the_paper_has_its_share(void **state)
{
    (void)state;
    bench b;
    lac_objective o = objective(LAC_INFILL);
    o.paper_share = 0.25;
    bench_open(&b, &o, all.files);
    size_t of[LAC_PARTS] = {0};
    for (uint64_t i = 0; i < 400; i++) {
        make(&b, 3, i);
        for (int p = 0; p < LAC_PARTS; p++) of[p] += b.e.norm[p] > 0;
        if (b.e.norm[LAC_PART_SLOTS] > 0) check_infill(&b, 3, i);
    }
    assert_int_equal(of[LAC_PART_SLOTS], 300);
    assert_int_equal(of[LAC_PART_DIFFUSION], 50);
    assert_int_equal(of[LAC_PART_SEQUENTIAL], 50);
    bench_close(&b);
}

/* ---- the paper's loss ---- */

/* The building blocks against the rules as written in net/rule.h, and against Eso-LM's three-part mask. */
static void blocks_follow_the_rules(void **state)
{
    (void)state;
    enum { N = 24 };
    lac_example e;
    lacuna_error err;
    CHECK(lac_example_open(&e, 2 * N, &all.mem, &err) == 0, "%s", err.msg);
    lac_rng r = lac_rng_make(1, 1);
    for (int t = 0; t < 200; t++) {
        const lac_objective_kind kind = (lac_objective_kind[]){LAC_ESO_B, LAC_ESO_A, LAC_MDLM}[t % 3];
        lac_objective o = objective(kind);
        int32_t x[N];
        uint8_t hide[N];
        size_t order[N], c = 0, h = N;
        uint32_t rule[N];
        for (size_t j = 0; j < N; j++) {
            x[j] = 100 + (int32_t)j;
            hide[j] = t < 3 ? 1 : t < 6 ? 0 : lac_rng_below(&r, 2) != 0;
            order[hide[j] ? --h : c++] = j;
        }
        lac_rng_shuffle(&r, order, c);
        lac_example_diffusion(&e, &o, x, order, hide, N, 2.5);
        lac_rule_sees(kind == LAC_ESO_B ? LAC_RULE_PAPER : kind == LAC_ESO_A ? LAC_RULE_PREFIX : LAC_RULE_BIDIRECTIONAL, c, N - c, rule);
        assert_int_equal(e.n, N);
        assert_int_equal(e.norm[kind == LAC_MDLM ? LAC_PART_SLOTS : LAC_PART_DIFFUSION], N);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(e.pos[i], order[i]);
            assert_int_equal(e.token[i], i < c ? x[order[i]] : o.mask);
            assert_int_equal(e.target[i], i < c ? -1 : x[order[i]]);
            assert_true(e.weight[i] == (i < c ? 0 : 2.5f));
            for (size_t j = 0; j < N; j++) assert_int_equal(sees(&e, i, j), j == i || j < rule[i]);
        }
        if (kind == LAC_MDLM) continue;
        lac_example_sequential(&e, &o, x, order, hide, N);
        const size_t clean = c == N ? N : N - 1;
        assert_int_equal(e.n, clean + N - c);
        assert_int_equal(e.norm[LAC_PART_SEQUENTIAL], N);
        for (size_t i = 0; i < e.n; i++) {
            const size_t rank = i < clean ? i : c + i - clean;
            assert_int_equal(e.pos[i], order[rank]);
            assert_int_equal(e.token[i], i < clean ? x[order[rank]] : o.mask);
            assert_int_equal(e.target[i], i < clean ? -1 : x[order[rank]]);
            for (size_t j = 0; j < e.n; j++) {
                bool want = j == i || (j < clean && j < rank);
                if (kind == LAC_ESO_A && i < c && j < c) want = true; /* the clean part of z sees all of itself */
                assert_int_equal(sees(&e, i, j), want);
            }
        }
    }
    lac_example_free(&e, &all.mem);
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Weight and time of a diffusion example agree with how much is masked, and times are spread evenly. */
static void noise_is_what_the_weight_says(void **state)
{
    (void)state;
    const struct {
        lac_objective_kind kind;
        double alpha0;
    } of[] = {{LAC_ESO_B, .25}, {LAC_ESO_A, .5}, {LAC_ESO_B, 1}, {LAC_MDLM, 1}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        bench b;
        lac_objective o = objective(of[k].kind);
        o.alpha0 = of[k].alpha0;
        const int part = o.kind == LAC_MDLM ? LAC_PART_SLOTS : LAC_PART_DIFFUSION;
        const bool half = o.alpha0 < 1;
        double u[64], surplus = 0, variance = 0;
        size_t n = 0, diffusion = 0, examples = half ? 128 : 64;
        bench_open(&b, &o, all.files);
        for (uint64_t i = 0; i < examples; i++) {
            make(&b, 4, i);
            if (!(b.e.norm[part] > 0)) continue;
            diffusion++;
            double weight = 0, masked = 0;
            for (size_t j = 0; j < b.e.n; j++) {
                if (b.e.target[j] < 0) continue;
                assert_true(b.e.token[j] == o.mask && b.e.part[j] == part && (weight == 0 || weight == b.e.weight[j]));
                weight = b.e.weight[j];
                masked++;
            }
            assert_true(b.e.norm[part] == (double)b.e.n);
            if (!masked) continue; /* its time is not known */
            const double alpha = 1 - .999 * o.alpha0 / weight, t = (1 - alpha / o.alpha0) / .999;
            assert_true(t > 1e-3 - 1e-6 && t < 1 + 1e-6);
            surplus += masked - (double)b.e.n * (1 - alpha);
            variance += (double)b.e.n * alpha * (1 - alpha);
            u[n++] = (t - 1e-3) / .999;
        }
        assert_int_equal(diffusion, 64);
        assert_true(fabs(surplus) < STAT_SIGMAS * sqrt(variance));
        qsort(u, n, sizeof *u, by_double);
        if (n == 64)
            for (size_t i = 0; i + 1 < n; i++) assert_true(fabs(u[i + 1] - u[i] - 1.0 / 64) < 1e-3);
        else assert_true(n >= 62);
        bench_close(&b);
    }
}

static void sequential_examples_fit(void **state)
{
    (void)state;
    for (int a0 = 0; a0 <= 8; a0++) {
        bench b;
        lac_objective o = objective(a0 % 2 ? LAC_ESO_A : LAC_ESO_B);
        o.alpha0 = a0 / 8.0;
        bench_open(&b, &o, all.files);
        size_t sequential = 0, entries = 0, hidden = 0, tokens = 0;
        for (uint64_t i = 0; i < 300; i++) {
            make(&b, 5, i);
            if (!(b.e.norm[LAC_PART_SEQUENTIAL] > 0)) continue;
            const size_t n = (size_t)b.e.norm[LAC_PART_SEQUENTIAL], m = count_masks(&b.e, o.mask);
            assert_int_equal(b.e.n, m ? n - 1 + m : n);
            for (size_t j = b.e.n - m; j + 1 < b.e.n; j++) assert_true(b.e.pos[j] < b.e.pos[j + 1]); /* masks left to right */
            sequential++;
            entries += b.e.n;
            hidden += m;
            tokens += n;
        }
        assert_int_equal(sequential, a0 == 0 ? 300 : a0 == 8 ? 0 : 150);
        if (sequential) {
            assert_true(entries > sequential * LENGTH * 8 / 10);
            double sigma = sqrt((double)tokens * o.alpha0 * (1 - o.alpha0));
            assert_true(fabs((double)hidden - (double)tokens * (1 - o.alpha0)) <= STAT_SIGMAS * sigma);
        }
        bench_close(&b);
    }
}

/* ---- the others ---- */

static void bd3_has_blocks(void **state)
{
    (void)state;
    const size_t block[] = {1, 4, 16, 100};
    for (size_t k = 0; k < sizeof block / sizeof *block; k++) {
        bench b;
        lac_objective o = objective(LAC_BD3);
        const size_t B = o.block = block[k];
        bench_open(&b, &o, all.hard);
        for (uint64_t i = 0; i < 100; i++) {
            make(&b, 7, i);
            const lac_example *e = &b.e;
            const size_t n = (size_t)e->norm[LAC_PART_SLOTS], clean = e->n - n;
            assert_int_equal(clean, (n - 1) / B * B);
            for (size_t q = 0; q < e->n; q++) {
                const size_t j = q < clean ? q : q - clean;
                assert_int_equal(e->pos[q], j);
                if (q < clean) assert_true(e->token[q] != o.mask && e->target[q] < 0);
                else assert_true((e->token[q] == o.mask) == (e->target[q] >= 0) && (e->target[q] < 0 || (e->part[q] == LAC_PART_SLOTS && e->weight[q] >= 1)));
                if (q >= clean && j < clean) assert_int_equal(e->target[q] >= 0 ? e->target[q] : e->token[q], e->token[j]);
                for (size_t v = 0; v < e->n; v++) {
                    const size_t at = v < clean ? v : v - clean;
                    const bool want = q < clean ? v < clean && at / B <= j / B : v < clean ? at / B < j / B : at / B == j / B;
                    assert_int_equal(sees(e, q, v), want);
                }
            }
        }
        bench_close(&b);
    }
}

static void ar_predicts_the_next(void **state)
{
    (void)state;
    bench b;
    lac_objective o = objective(LAC_AR);
    bench_open(&b, &o, all.hard);
    for (uint64_t i = 0; i < 300; i++) {
        int32_t tag;
        make(&b, 8, i);
        const size_t n = lac_windows_get(&b.windows, 8, i, b.x, &tag);
        assert_true(b.e.n == n && b.e.norm[LAC_PART_SLOTS] == (double)n);
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(b.e.token[j], j ? b.x[j - 1] : tag >= 0 ? tag : o.bos);
            assert_true(b.e.target[j] == b.x[j] && b.e.weight[j] == 1 && b.e.part[j] == LAC_PART_SLOTS);
            assert_true(b.e.pos[j] == (int32_t)j && b.e.sees[j] == j && b.e.from[j] == j && b.e.to[j] == j + 1);
        }
    }
    bench_close(&b);
}

/* [tag, suffix, <mask>, prefix, middle] and <eom>: prefix, middle and suffix are the window. */
static void fim_fills_the_middle(void **state)
{
    (void)state;
    bench b;
    lac_objective o = objective(LAC_FIM);
    bench_open(&b, &o, all.hard);
    size_t fim = 0;
    enum { EXAMPLES = 800 };
    for (uint64_t i = 0; i < EXAMPLES; i++) {
        int32_t tag;
        make(&b, 9, i);
        const lac_example *e = &b.e;
        const size_t n = lac_windows_get(&b.windows, 9, i, b.x, &tag), len = text_spell(all.tok, b.x, n, b.text);
        const size_t masks = count_masks(e, o.mask);
        for (size_t j = 0; j < e->n; j++) {
            assert_true(e->pos[j] == (int32_t)j && e->sees[j] == j && e->from[j] == j && e->to[j] == j + 1);
            if (j + 1 < e->n && masks) assert_int_equal(e->target[j], e->token[j + 1] == o.mask ? -1 : e->token[j + 1]);
        }
        if (!masks) continue;
        fim++;
        assert_true(masks == 1 && e->target[e->n - 1] == o.eom && e->token[0] == (tag >= 0 ? tag : o.bos));
        assert_true(e->norm[LAC_PART_SLOTS] == (double)e->n - 1);
        size_t at = 1;
        while (e->token[at] != o.mask) at++;
        size_t k = text_spell(all.tok, e->token + at + 1, e->n - at - 1, b.back);
        k += text_spell(all.tok, e->token + 1, at - 1, b.back + k);
        bool found = false;
        for (size_t s = 0; !found && s + k <= len; s++) found = !memcmp(b.text + s, b.back, k);
        assert_true(found);
        if (e->n < o.length) assert_int_equal(k, len);
    }
    check_share("fill in the middle", fim, EXAMPLES, .5);
    bench_close(&b);
}

/* ---- all of them ---- */

static bool same(const lac_example *a, const lac_example *b)
{
    const size_t n = a->n;
    return n == b->n && a->bytes == b->bytes && !memcmp(a->norm, b->norm, sizeof a->norm) && !memcmp(a->token, b->token, n * 4) &&
           !memcmp(a->pos, b->pos, n * 4) && !memcmp(a->target, b->target, n * 4) && !memcmp(a->sees, b->sees, n * 4) &&
           !memcmp(a->from, b->from, n * 4) && !memcmp(a->to, b->to, n * 4) && !memcmp(a->weight, b->weight, n * 4) && !memcmp(a->part, b->part, n);
}

static void seed_and_index_are_all(void **state)
{
    (void)state;
    for (int kind = 0; kind < LAC_OBJECTIVES; kind++) {
        lac_objective o = objective((lac_objective_kind)kind);
        bench a, b;
        size_t differ = 0;
        o.paper_share = .5;
        bench_open(&a, &o, all.hard);
        bench_open(&b, &o, all.hard);
        for (uint64_t i = 0; i < 100; i++) {
            make(&a, 10, 3 * i);
            make(&b, 11, 200 - i); /* another in between */
            differ += !same(&a.e, &b.e);
            make(&b, 10, 3 * i);
            assert_true(same(&a.e, &b.e));
        }
        assert_true(differ > 50);
        bench_close(&a);
        bench_close(&b);
    }
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    lac_maker *m;
    lacuna_error err;
    for (int kind = 0; kind < LAC_OBJECTIVES; kind++) {
        lac_objective o = objective((lac_objective_kind)kind);
        assert_non_null(strstr("infill eso-b eso-a mdlm bd3 ar fim", lac_objective_name(o.kind)));
        o.length = 15;
        assert_int_equal(lac_maker_open(&m, &o, all.files, all.tok, &all.mem, &err), LACUNA_E_ARG);
        assert_null(m);
        o = objective((lac_objective_kind)kind);
        o.mask = o.eom = o.bos = -1;
        assert_int_equal(lac_maker_open(&m, &o, all.files, all.tok, &all.mem, &err), LACUNA_E_ARG);
        o = objective((lac_objective_kind)kind);
        o.alpha0 = NAN;
        assert_int_equal(lac_maker_open(&m, &o, all.files, all.tok, &all.mem, &err), LACUNA_E_ARG);
    }
}

static void an_empty_corpus_has_no_examples(void **state)
{
    (void)state;
    lac_corpus *c;
    lacuna_error err;
    lac_objective o = objective(LAC_INFILL);
    bench b;
    CHECK(lac_corpus_open(&c, all.tok, &all.mem, &err) == 0, "%s", err.msg);
    bench_open(&b, &o, c);
    CHECK(lac_maker_make(b.maker, 1, 1, &b.e, &err) == 0, "%s", err.msg);
    assert_int_equal(b.e.n, 0);
    bench_close(&b);
    lac_corpus_free(c);
}

static void memory_runs_out(void **state)
{
    (void)state;
    for (size_t fail = 1, done = 0; !done; fail++) {
        hook h = {.fail_at = fail};
        lacuna_allocator mem = hook_allocator(&h);
        lacuna_error err;
        lac_objective o = objective(LAC_INFILL);
        lac_maker *m;
        lac_example e;
        assert_true(fail < 100);
        int r = lac_maker_open(&m, &o, all.files, all.tok, &mem, &err);
        if (!r) r = lac_example_open(&e, o.length, &mem, &err);
        if (!r) {
            const size_t calls = h.calls;
            for (uint64_t i = 0; i < 20 && !r; i++) r = lac_maker_make(m, 1, i, &e, &err);
            assert_int_equal(h.calls, calls); /* examples take no memory of ours */
            lac_example_free(&e, &mem);
        }
        lac_maker_free(m);
        assert_true(!r || r == LACUNA_E_NOMEM);
        assert_int_equal(h.live, 0);
        assert_int_equal(h.wrong, 0);
        done = !r;
    }
}

static int begin(void **state)
{
    (void)state;
    lacuna_error err;
    all.mem = hook_allocator(&all.hook);
    all.tok = text_tok(&all.mem);
    if (lac_corpus_open(&all.files, all.tok, &all.mem, &err) || lac_corpus_open(&all.hard, all.tok, &all.mem, &err)) return -1;
    text_add_files(all.files, all.tok);
    text_add_files(all.hard, all.tok);
    for (int i = 0; i < 8; i++) text_add_hard(all.hard, all.tok);
    if (lac_grammars_open(&all.grammars, "build/grammars", &all.mem, &err)) return -1;
    all.n_grammars = lac_objective_grammars(all.grammars, all.tok, &err); /* none is fine */
    return all.n_grammars < 0;
}

static int finish(void **state)
{
    (void)state;
    lac_grammars_free(all.grammars);
    lac_corpus_free(all.files);
    lac_corpus_free(all.hard);
    lac_tok_free(all.tok);
    return all.hook.live || all.hook.wrong;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_infill_is_a_canvas),     cmocka_unit_test(an_infill_fits_any_length),
        cmocka_unit_test(the_shares_are_as_written), cmocka_unit_test(holes_may_begin_inside_tokens),
        cmocka_unit_test(the_paper_has_its_share),   cmocka_unit_test(blocks_follow_the_rules),
        cmocka_unit_test(noise_is_what_the_weight_says), cmocka_unit_test(sequential_examples_fit),
        cmocka_unit_test(bd3_has_blocks),            cmocka_unit_test(ar_predicts_the_next),
        cmocka_unit_test(fim_fills_the_middle),      cmocka_unit_test(seed_and_index_are_all),
        cmocka_unit_test(what_is_missing_is_said),   cmocka_unit_test(an_empty_corpus_has_no_examples),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
