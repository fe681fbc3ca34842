/* Under an expression, tokens are drawn from the model's distribution conditioned on a match: exactly.  The logits of a step give the
 * distribution of every slot; all texts of the few tokens that can be part of a match are listed, judged by POSIX regexec, and
 * weighed; what the sampler says of its draws must be what the list says, to 1e-6. */
#include "session/run.h"

#include <regex.h>

#include "common/tinytok.h"

enum { SLOTS = 4, SOME = 256, EOM_SEEN = -2 };

static lacuna_model *model;
static lacuna_session *ses;
static const char text[] = "a text with [] a hole";
static const size_t hole_at = 13;

/* ---- the logits of a step ---- */

typedef struct {
    size_t step;                 /* that is kept */
    float *row[SLOTS];           /* NULL: not asked for */
} logits;

static void keep(void *ctx, size_t step, size_t slot, const float *row, size_t v)
{
    logits *l = ctx;
    if (step != l->step) return;
    assert_true(slot < SLOTS && !l->row[slot]);
    assert_non_null(l->row[slot] = malloc(v * sizeof *row));
    memcpy(l->row[slot], row, v * sizeof *row);
}

static void drop(logits *l)
{
    for (size_t i = 0; i < SLOTS; i++) free(l->row[i]);
    *l = (logits){0};
}

/* p of the model at a temperature: mask and control tokens are no part of it. */
static double norm(const float *row, double heat)
{
    const lacuna_model_info *in = lacuna_model_get_info(model);
    double top = -INFINITY, sum = 0;
    for (uint32_t v = 0; v < in->n_vocab; v++)
        if (lacuna_token_bytes(model, (lacuna_token)v).len || (lacuna_token)v == in->eom) top = fmax(top, row[v]);
    for (uint32_t v = 0; v < in->n_vocab; v++)
        if (lacuna_token_bytes(model, (lacuna_token)v).len || (lacuna_token)v == in->eom) sum += exp((row[v] - top) / heat);
    return top / heat + log(sum);
}

/* ---- the list of all texts ---- */

typedef struct {
    regex_t re;
    lacuna_token token[SOME];    /* made of the letters of the expression */
    size_t n;
    const logits *l;
    double heat;                 /* temperature */
    double norm[SLOTS];
    size_t min;                  /* no <eom> before this slot */
    size_t last;                 /* the last slot whose weights count */
    bool due[SLOTS];
    bool open;                   /* only texts count that hold tokens in all slots that are due */
    lacuna_token want[SLOTS];    /* of the due ones: what was revealed, EOM_SEEN behind an <eom> that was revealed */
    lacuna_token held[SLOTS];    /* of this text; EOM_SEEN behind its <eom> */
    double total, part, best;    /* of all texts, of those with what is wanted, and the weightiest */
} list;

static bool matches(const list *a, const char *s) { return regexec(&a->re, s, 0, NULL, 0) == 0; }

static void letters(list *a, const char *alphabet)
{
    const lacuna_model_info *in = lacuna_model_get_info(model);
    a->n = 0;
    for (uint32_t v = 0; v < in->n_vocab; v++) {
        const lacuna_text t = lacuna_token_bytes(model, (lacuna_token)v);
        size_t k = 0;
        while (k < t.len && t.bytes[k] && strchr(alphabet, t.bytes[k])) k++;
        if (!t.len || k < t.len) continue;
        assert_true(a->n < SOME);
        a->token[a->n++] = (lacuna_token)v;
    }
    assert_true(a->n > 0);
}

/* Can a text go on to a match within so many slots? */
static bool completable(const list *a, const char *s, size_t slots)
{
    char longer[256];
    if (matches(a, s)) return true; /* an <eom>, or the last slot */
    for (size_t i = 0; slots && i < a->n; i++) {
        const lacuna_text t = lacuna_token_bytes(model, a->token[i]);
        snprintf(longer, sizeof longer, "%s%.*s", s, (int)t.len, t.bytes);
        if (completable(a, longer, slots - 1)) return true;
    }
    return false;
}

static void count(list *a, double weight)
{
    bool same = true;
    bool ended = false; /* by an <eom> that is due */
    for (size_t i = 0; i <= a->last; i++) {
        if (!a->due[i]) continue;
        if (a->open && (a->held[i] == EOM_SEEN || a->held[i] == lacuna_model_get_info(model)->eom)) return;
        const lacuna_token is = ended ? EOM_SEEN : a->held[i] == EOM_SEEN ? lacuna_model_get_info(model)->eom : a->held[i];
        ended |= is == lacuna_model_get_info(model)->eom;
        same &= is == a->want[i];
    }
    a->total += weight;
    if (same) a->part += weight;
    if (weight > a->best) a->best = weight;
}

static void walk(list *a, size_t slot, const char *s, double weight)
{
    char longer[256];
    const lacuna_token eom = lacuna_model_get_info(model)->eom;
    if (slot > a->last) {
        if (slot == SLOTS ? matches(a, s) : completable(a, s, SLOTS - slot)) count(a, weight);
        return;
    }
    const float *row = a->l->row[slot];
    if (matches(a, s) && slot >= a->min) {
        a->held[slot] = eom;
        for (size_t i = slot + 1; i < SLOTS; i++) a->held[i] = EOM_SEEN;
        count(a, weight * exp(row[eom] / a->heat - a->norm[slot]));
    }
    for (size_t i = 0; i < a->n; i++) {
        const lacuna_text t = lacuna_token_bytes(model, a->token[i]);
        snprintf(longer, sizeof longer, "%s%.*s", s, (int)t.len, t.bytes);
        a->held[slot] = a->token[i];
        walk(a, slot + 1, longer, weight * exp(row[a->token[i]] / a->heat - a->norm[slot]));
    }
}

/* What the first step revealed, against the list of all texts. */
static void judge(list *a, const run *got, const char *what)
{
    double prob = 1;
    const lacuna_token eom = lacuna_model_get_info(model)->eom;
    size_t end = SLOTS;
    for (size_t i = 0; i < got->n; i++)
        if (got->step[i] == a->l->step) {
            prob *= got->reveal[i].prob;
            a->due[got->reveal[i].slot] = true;
            a->want[got->reveal[i].slot] = got->reveal[i].token;
            if (got->reveal[i].token == eom) end = got->reveal[i].slot;
        }
    for (size_t i = end + 1; i < SLOTS; i++) a->want[i] = EOM_SEEN;
    if (a->open && end < SLOTS) return; /* where it ends is not drawn */
    for (size_t i = 0; i < SLOTS; i++) a->norm[i] = a->l->row[i] ? norm(a->l->row[i], a->heat) : 0;
    a->total = a->part = a->best = 0;
    walk(a, 0, "", 1);
    CHECK(a->total > 0, "%s: no text matches", what);
    CHECK(fabs(prob - a->part / a->total) < 1e-6, "%s: drawn with %.9g, the conditional distribution has %.9g", what, prob, a->part / a->total);
}

static void expression(list *a, const char *expr)
{
    char whole[256];
    snprintf(whole, sizeof whole, "^(%s)$", expr);
    assert_int_equal(regcomp(&a->re, whole, REG_EXTENDED | REG_NOSUB), 0);
}

typedef struct {
    const char *expr, *alphabet;
    uint32_t min;
} sample;

static const sample samples[] = {
    {"[ab]{1,3}", "ab", 0}, {"a*b", "ab", 0}, {"(ab|b)+a?", "ab", 0}, {"e{2,}", "e", 0}, {"(ab|ba)*", "ab", 0}, {"b(a|b)b*", "ab", 2}, {"|x+", "x", 0},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

/* One request under sample k; the logits of a step, and a list ready to judge with. */
static void one(const sample *k, lacuna_infill_options opt, size_t step, list *a, logits *l, run *got)
{
    lacuna_hole hole = {.span = {hole_at, hole_at}, .max_tokens = SLOTS, .min_tokens = k->min, .regex = {k->expr, strlen(k->expr)}};
    *l = (logits){.step = step};
    *a = (list){.l = l, .min = k->min, .heat = opt.temperature > 0 ? opt.temperature : 1};
    expression(a, k->expr);
    letters(a, k->alphabet);
    opt.size = LACUNA_INFILL_INIT;
    opt.on_logits = keep;
    opt.on_logits_ctx = l;
    run_text(ses, text, sizeof text - 1, &hole, 1, &opt, got);
    lacuna_text fill;
    lacuna_error err;
    char s[256];
    assert_int_equal(lacuna_fill(ses, 0, &fill, &err), 0);
    snprintf(s, sizeof s, "%.*s", (int)fill.len, fill.bytes);
    CHECK(matches(a, s), "'%s' does not match %s", s, k->expr);
}

static void done(list *a, logits *l)
{
    regfree(&a->re);
    drop(l);
}

/* Every sample under eight seeds: the first step, against the list.  last: the last slot whose weights count. */
static void every(lacuna_infill_options opt, size_t last)
{
    const bool open = opt.order >= LACUNA_ORDER_CONFIDENCE;
    size_t drawn = 0;
    if (!(opt.temperature > 0)) opt.temperature = 1;
    for (size_t k = open; k < SAMPLES; k++) /* the first has no text of so many tokens */
        for (opt.seed = 0; opt.seed < 8; opt.seed++) {
            sample x = samples[k];
            list a;
            logits l;
            run got;
            if (open) x.min = SLOTS; /* or the model ends most of them at once */
            one(&x, opt, 0, &a, &l, &got);
            a.last = last;
            a.open = open;
            judge(&a, &got, x.expr);
            drawn += a.total > 0;
            done(&a, &l);
        }
    assert_true(drawn > SAMPLES);
}

static void the_whole_hole(void **state)
{
    (void)state;
    every((lacuna_infill_options){.alpha0 = 1, .steps = 1}, SLOTS - 1);
}

/* Weights are p^(1 / temperature), normed, also where a cut leaves all there is; one that leaves less gives a match too. */
static void heat_and_cuts(void **state)
{
    (void)state;
    every((lacuna_infill_options){.alpha0 = 1, .steps = 1, .temperature = 0.6, .top_k = UINT32_MAX}, SLOTS - 1);
    every((lacuna_infill_options){.alpha0 = 1, .steps = 1, .temperature = 1.7}, SLOTS - 1);
    for (size_t k = 0; k < SAMPLES; k++) {
        list a;
        logits l;
        run got;
        one(&samples[k], (lacuna_infill_options){.alpha0 = 1, .steps = 1, .temperature = 1, .top_k = 1 + k % 3, .top_p = 0.7}, 0, &a, &l, &got);
        done(&a, &l);
    }
}

/* Two slots of four, with one between them and one behind: that between counts by its weights, that behind may be anything. */
static void some_slots(void **state)
{
    (void)state;
    static const size_t plan[] = {2, 0, 1, 3}, groups[] = {2, 1, 1};
    every((lacuna_infill_options){.plan = plan, .groups = groups, .n_groups = 3}, 2);
}

/* One slot, left to right: the others may be anything that can match. */
static void one_slot(void **state)
{
    (void)state;
    every((lacuna_infill_options){.lossless = 0}, 0);
}

/* A policy that looks at all slots reveals some of them: the marginal of what it reveals, given that these are tokens. */
static void a_marginal(void **state)
{
    (void)state;
    for (lacuna_order o = LACUNA_ORDER_CONFIDENCE; o <= LACUNA_ORDER_ENTROPY; o++)
        every((lacuna_infill_options){.order = o, .alpha0 = 1, .gamma = 3}, SLOTS - 1);
}

/* Greedy: all slots at once are the likeliest of all texts. */
static void the_likeliest(void **state)
{
    (void)state;
    const lacuna_token eom = lacuna_model_get_info(model)->eom;
    for (size_t k = 0; k < SAMPLES; k++) {
        list a;
        logits l;
        run got;
        double is = 1;
        one(&samples[k], (lacuna_infill_options){.alpha0 = 1, .steps = 1}, 0, &a, &l, &got);
        a.last = SLOTS - 1;
        for (size_t i = 0; i < SLOTS; i++) a.norm[i] = norm(l.row[i], 1);
        walk(&a, 0, "", 1);
        for (size_t i = 0; i < got.n; i++) is *= exp(l.row[got.reveal[i].slot][got.reveal[i].token] - a.norm[got.reveal[i].slot]);
        CHECK(fabs(log(is) - log(a.best)) < 1e-6, "%s: ln p is %.9g, the likeliest has %.9g", samples[k].expr, log(is), log(a.best));
        assert_true(got.n == SLOTS || got.reveal[got.n - 1].token == eom || got.n > 0);
        done(&a, &l);
    }
}

static int set_up(void **state)
{
    (void)state;
    model = tinytok_open(256, 5, NULL);
    ses = session_of(model, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lacuna_session_free(ses);
    lacuna_model_free(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_hole), cmocka_unit_test(heat_and_cuts), cmocka_unit_test(some_slots), cmocka_unit_test(one_slot),
        cmocka_unit_test(a_marginal), cmocka_unit_test(the_likeliest),
    };
    return cmocka_run_group_tests_name("conditional", tests, set_up, tear_down);
}
