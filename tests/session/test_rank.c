/* Ranking says of each candidate what lacuna_score says of it alone, bit for bit, whatever stands beside it. */
#include "session/run.h"

#include "common/hook.h"
#include "common/tiny.h"
#include "common/tinytok.h"
#include "session/session.h"

static lacuna_model *trained, *tiny_model_;
static lacuna_session *by_rank, *by_score; /* of the tiny model */

static const char text[] = "#include <stdio.h>\n\nstatic int add(int a, int b)\n{\n    return a + b;\n}\n\nint main(int argc, char **argv)\n{\n"
                           "    for (int i = 1; i < argc; i++)\n        printf(\"%s\\n\", argv[i]);\n    return add(argc, 2);\n}\n";
enum { LEN = sizeof text - 1, MOST_HOLES = 3, MOST = 4097 };

static lacuna_span span_of(const char *needle)
{
    const size_t at = (size_t)(strstr(text, needle) - text);
    return (lacuna_span){at, at + strlen(needle)};
}

static lacuna_text t(const char *bytes) { return (lacuna_text){bytes, strlen(bytes)}; }

static bool same(double a, double b) { return !memcmp(&a, &b, sizeof a); }

static const lacuna_rank_item *ranked(lacuna_session *s, const lacuna_span *span, size_t holes, const lacuna_text *fill, size_t n,
                                      const lacuna_score_options *opt)
{
    const lacuna_rank_item *item = NULL;
    lacuna_error err;
    CHECK(lacuna_rank(s, text, LEN, span, holes, fill, n, opt, &item, &err) == 0, "%s", err.msg);
    return item;
}

/* ---- one number for one text ---- */

static size_t tokens_of(const lacuna_model *m, lacuna_text fill)
{
    const int64_t n = lacuna_encode(m, fill.bytes, fill.len, NULL, NULL, 0, NULL);
    assert_true(n >= 0);
    return (size_t)n;
}

/* The text with the fills of one candidate; span[holes] is where they are. */
static size_t put(char *out, const lacuna_span *hole, size_t holes, const lacuna_text *fill, lacuna_span *span)
{
    size_t len = 0, from = 0;
    for (size_t h = 0; h < holes; h++) {
        memcpy(out + len, text + from, hole[h].start - from);
        len += hole[h].start - from;
        memcpy(out + len, fill[h].bytes, fill[h].len);
        span[h] = (lacuna_span){len, len + fill[h].len};
        len += fill[h].len;
        from = hole[h].end;
    }
    memcpy(out + len, text + from, LEN - from);
    return len + LEN - from;
}

/* How many tokens more the longest text has than this one: the same for every hole, or the candidate cannot be scored alone. */
static size_t shorter(const lacuna_model *m, const lacuna_text *fill, size_t n, size_t holes, size_t c)
{
    size_t by = 0;
    for (size_t h = 0; h < holes; h++) {
        size_t most = 0;
        for (size_t k = 0; k < n; k++)
            if (tokens_of(m, fill[k * holes + h]) > most) most = tokens_of(m, fill[k * holes + h]);
        most -= tokens_of(m, fill[c * holes + h]);
        assert_true(!h || most == by);
        by = most;
    }
    return by;
}

/* Rank, and score each candidate alone.  Returns how many could be compared: under `exact` those with as many tokens as the longest. */
static size_t agree(lacuna_session *a, lacuna_session *b, const lacuna_span *hole, size_t holes, const lacuna_text *fill, size_t n,
                    const lacuna_score_options *opt, const char *what)
{
    const lacuna_rank_item *item = ranked(a, hole, holes, fill, n, opt);
    size_t compared = 0;
    double sum = 0;
    for (size_t c = 0; c < n; c++) {
        char whole[LEN + 400];
        lacuna_span span[MOST_HOLES];
        lacuna_score_options o = *opt;
        const lacuna_score_result *res;
        lacuna_error err;
        const size_t by = shorter(a->model, fill, n, holes, c), len = put(whole, hole, holes, fill + c * holes, span);
        sum += item[c].prob;
        if (o.exact && by) continue;
        o.spare = (uint32_t)(by + (o.spare ? o.spare : 8));
        CHECK(lacuna_score(b, whole, len, span, holes, &o, &res, &err) == 0, "%s: %s", what, err.msg);
        CHECK(item[c].n_tokens == res->n && same(item[c].logprob, res->logprob), "%s: candidate %zu: %.17g of %zu tokens, alone %.17g of %zu", what, c,
              item[c].logprob, item[c].n_tokens, res->logprob, res->n);
        compared++;
    }
    CHECK(fabs(sum - 1) < 1e-12, "%s: the probabilities sum to 1 + %g", what, sum - 1);
    return compared;
}

static const lacuna_score_options settings[] = {
    {LACUNA_SCORE_INIT, .tag = NULL},
    {LACUNA_SCORE_INIT, .tag = "c", .spare = 1},
    {LACUNA_SCORE_INIT, .no_end = 1, .drop_far = 1},
    {LACUNA_SCORE_INIT, .exact = 1},
    {LACUNA_SCORE_INIT, .tag = "c", .heal = 1},
};

static void agree_on(lacuna_model *m)
{
    lacuna_session *a = session_of(m, 0), *b = session_of(m, 0);
    const lacuna_text one[] = {t("a + b"), t("a"), t("0"), t("a * b - (a + b) / 2"), t(""), t("b"), t("a"), t("\xC3\xA4 \xE2\x82\xAC")};
    const lacuna_text two[] = {t("0"), t("0"), t("a"), t("2"), t("argc"), t("argc")};
    size_t n = 0;
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
        lacuna_span hole[2] = {span_of("a + b"), span_of("2)")};
        hole[1].end--;
        n += agree(a, b, hole, 1, one, sizeof one / sizeof *one, &settings[k], "one hole");
        n += agree(a, b, hole, 2, two, sizeof two / sizeof *two / 2, &settings[k], "two holes");
    }
    assert_true(n >= 40);
    lacuna_session_free(a);
    lacuna_session_free(b);
}

static void agrees_with_score(void **state)
{
    (void)state;
    agree_on(trained);
    agree_on(tiny_model_);
}

/* Holes whose texts differ in length by different numbers: the same as candidates of the same length, one of them with more behind it. */
static void longer_texts_only_make_room(void **state)
{
    (void)state;
    const lacuna_span hole[2] = {span_of("a + b"), span_of("argv[i]")};
    const lacuna_text long_ = t("a + b + a + b + a"), fill[] = {t("a"), t("argv"), long_, t("argv[i]"), t("b"), t("0")};
    const lacuna_text alone[] = {t("a"), t("argv"), long_, t("argv[i]")};
    double want[2];
    const lacuna_rank_item *item = ranked(by_rank, hole, 2, fill, 3, NULL);
    for (int i = 0; i < 2; i++) want[i] = item[i].logprob;
    item = ranked(by_rank, hole, 2, alone, 2, NULL); /* the same holes without the third */
    for (int i = 0; i < 2; i++) assert_true(same(want[i], item[i].logprob));
}

/* ---- against the distribution that the sampler draws from ---- */

typedef struct {
    size_t slot;
    float logits[8192];
} seen;

static void first_logits(void *ctx, size_t step, size_t slot, const float *logits, size_t n)
{
    seen *l = ctx;
    assert_true(n <= sizeof l->logits / sizeof *l->logits);
    if (step) return;
    l->slot = slot;
    memcpy(l->logits, logits, n * sizeof *logits);
}

/* Texts that are one token, most of all there are. */
static size_t one_token_texts(const lacuna_model *m, lacuna_text *fill, lacuna_token *id, size_t most)
{
    size_t n = 0;
    for (lacuna_token v = 0; (uint32_t)v < lacuna_model_get_info(m)->n_vocab && n < most; v++) {
        const lacuna_text bytes = lacuna_token_bytes(m, v);
        lacuna_token again[64];
        if (!bytes.len || lacuna_encode(m, bytes.bytes, bytes.len, again, NULL, 64, NULL) != 1 || again[0] != v) continue;
        fill[n] = bytes;
        id[n++] = v;
    }
    return n;
}

/* The probabilities of one-token texts for the last hole are those of the first slot asked for: the hole before it, if any, is open. */
static void conditional(size_t holes)
{
    enum { TEXTS = 4000, SPARE = 3 };
    static lacuna_text word[TEXTS], fill[2 * TEXTS];
    static lacuna_token id[TEXTS];
    static seen l;
    const lacuna_span span[2] = {span_of("a + b"), span_of("argv[i]")};
    memset(fill, 0, sizeof fill);
    const size_t n = one_token_texts(tiny_model_, word, id, TEXTS), own = holes == 2 ? SPARE : 0, slots = own + SPARE + 1;
    lacuna_hole hole[2] = {{.span = span[0], .max_tokens = SPARE}, {.span = span[holes - 1], .max_tokens = SPARE + 1}};
    size_t plan[2 * SPARE + 1], ones[2 * SPARE + 1];
    const lacuna_event *ev;
    assert_true(n > 1000);
    for (size_t i = 0; i < slots; i++) plan[i] = (own + i) % slots, ones[i] = 1; /* the last hole first */
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .plan = plan, .groups = ones, .n_groups = slots, .on_logits = first_logits, .on_logits_ctx = &l};
    assert_int_equal(lacuna_infill(by_score, text, LEN, hole + 2 - holes, holes, &opt, NULL), 0);
    assert_int_equal(lacuna_step(by_score, &ev, NULL), 1);
    assert_int_equal(l.slot, own);
    for (size_t i = 0; i < n; i++) fill[i * holes + holes - 1] = word[i];
    const lacuna_rank_item *item = ranked(by_rank, span, holes, fill, n,
                                          &(lacuna_score_options){LACUNA_SCORE_INIT, .no_end = 1, .spare = SPARE});
    double norm = 0;
    for (size_t i = 0; i < n; i++) norm += exp(l.logits[id[i]]);
    for (size_t i = 0; i < n; i++) {
        const double want = exp(l.logits[id[i]]) / norm;
        CHECK(item[i].n_tokens == 1 && fabs(item[i].prob - want) <= 1e-6 * want + 1e-15, "token %d: %.12g, the model says %.12g", (int)id[i],
              item[i].prob, want);
    }
}

static void one_token_texts_have_the_models_odds(void **state)
{
    (void)state;
    conditional(1);
}

static void nobody_sees_an_open_hole(void **state)
{
    (void)state;
    conditional(2);
}

/* ---- the list ---- */

/* Texts of every length from none to some 30 tokens, more than a round. */
static size_t many_texts(lacuna_text *fill, size_t n)
{
    for (size_t i = 0; i < n; i++) fill[i] = (lacuna_text){text + i * 7 % 150, i % 5 ? i % 13 : i % 80};
    return n;
}

static void a_long_list(void **state)
{
    (void)state;
    lacuna_text fill[200];
    const lacuna_span hole = span_of("argv[i]");
    const size_t n = many_texts(fill, 200);
    assert_int_equal(agree(by_rank, by_score, &hole, 1, fill, n, &settings[0], "200 texts"), n);
}

static void order_and_repeats_do_not_matter(void **state)
{
    (void)state;
    enum { N = 90 };
    lacuna_text fill[N], back[2 * N];
    lacuna_rank_item want[N];
    const lacuna_span hole = span_of("argv[i]");
    many_texts(fill, N);
    memcpy(want, ranked(by_rank, &hole, 1, fill, N, NULL), sizeof want);
    for (size_t i = 0; i < 2 * N; i++) back[i] = fill[(2 * N - 1 - i) % N];
    const lacuna_rank_item *item = ranked(by_rank, &hole, 1, back, N, NULL);
    for (size_t i = 0; i < N; i++) {
        assert_true(same(item[i].logprob, want[N - 1 - i].logprob) && item[i].n_tokens == want[N - 1 - i].n_tokens);
        assert_true(fabs(item[i].prob - want[N - 1 - i].prob) < 1e-12);
    }
    item = ranked(by_rank, &hole, 1, back, 2 * N, NULL);
    for (size_t i = 0; i < 2 * N; i++) {
        assert_true(same(item[i].logprob, want[N - 1 - i % N].logprob));
        assert_true(fabs(item[i].prob - want[N - 1 - i % N].prob / 2) < 1e-12);
    }
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    lacuna_text fill[90];
    lacuna_rank_item want[90];
    const lacuna_span hole = span_of("argv[i]");
    many_texts(fill, 90);
    memcpy(want, ranked(by_rank, &hole, 1, fill, 90, NULL), sizeof want);
    for (unsigned threads = 2; threads < 5; threads++) {
        lacuna_session *s = session_of(tiny_model_, threads);
        const lacuna_rank_item *item = ranked(s, &hole, 1, fill, 90, NULL);
        for (size_t i = 0; i < 90; i++) assert_true(same(item[i].logprob, want[i].logprob) && same(item[i].prob, want[i].prob));
        lacuna_session_free(s);
    }
}

static void empty_and_open(void **state)
{
    (void)state;
    const lacuna_span hole[2] = {span_of("a + b"), span_of("argv[i]")};
    const lacuna_text empty[] = {t(""), t("a")}, open[4] = {{NULL, 0}}, half[] = {{NULL, 0}, t("a"), {NULL, 0}, t("")};
    const lacuna_rank_item *item = ranked(by_rank, hole, 1, empty, 2, NULL);
    assert_true(item[0].n_tokens == 1 && item[0].logprob < 0 && item[1].n_tokens == 2);
    item = ranked(by_rank, hole, 1, empty, 2, &(lacuna_score_options){LACUNA_SCORE_INIT, .no_end = 1});
    assert_true(item[0].n_tokens == 0 && item[0].logprob == 0 && item[1].n_tokens == 1 && item[0].prob > item[1].prob);
    item = ranked(by_rank, hole, 2, open, 2, &(lacuna_score_options){LACUNA_SCORE_INIT, .exact = 1});
    for (int i = 0; i < 2; i++) assert_true(item[i].n_tokens == 0 && item[i].logprob == 0 && item[i].prob == 0.5);
    item = ranked(by_rank, hole, 2, half, 2, NULL);
    assert_true(item[0].n_tokens == 2 && item[1].n_tokens == 1); /* an open hole has no <eom> either */
}

static size_t most_tokens(const lacuna_model *m, const lacuna_text *fill, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++)
        if (tokens_of(m, fill[i]) > most) most = tokens_of(m, fill[i]);
    return most;
}

/* A blank before the hole is taken back: the same entries, and so the same numbers, as where the hole begins before the blank. */
static void healing_takes_a_blank_back(void **state)
{
    (void)state;
    lacuna_session *s = session_of(trained, 0);
    const lacuna_text words[] = {t("argc"), t("argv"), t("10")}, blanks[] = {t(" argc"), t(" argv"), t(" 10")};
    const size_t w = most_tokens(trained, words, 3), b = most_tokens(trained, blanks, 3);
    lacuna_span cut = span_of("argc; i++"), whole = span_of(" argc; i++");
    double want[3];
    cut.end -= 5, whole.end -= 5;
    const lacuna_rank_item *item = ranked(s, &whole, 1, blanks, 3, &(lacuna_score_options){LACUNA_SCORE_INIT, .tag = "c", .spare = 5});
    for (int i = 0; i < 3; i++) want[i] = item[i].logprob;
    item = ranked(s, &cut, 1, words, 3, &(lacuna_score_options){LACUNA_SCORE_INIT, .tag = "c", .heal = 1, .spare = (uint32_t)(5 + b - w - 1)});
    for (int i = 0; i < 3; i++) CHECK(same(item[i].logprob, want[i]), "text %d: %.17g, uncut %.17g", i, item[i].logprob, want[i]);
    lacuna_session_free(s);
}

/* A word cut by the start of the hole: the tokens of "pri" and "ntf" are not those of code. */
static void healing_joins_a_word(void **state)
{
    (void)state;
    lacuna_session *s = session_of(trained, 0);
    const lacuna_score_options heal = {LACUNA_SCORE_INIT, .tag = "c", .heal = 1};
    const lacuna_text ends[] = {t("ntf"), t("me"), t("vate")};
    const lacuna_score_result *res;
    lacuna_span cut = span_of("printf(");
    cut.start += 3, cut.end--;
    assert_true(ranked(s, &cut, 1, ends, 3, NULL)[0].prob < 0.5);
    assert_true(ranked(s, &cut, 1, ends, 3, &heal)[0].prob > 0.9);
    assert_int_equal(lacuna_score(s, text, LEN, &cut, 1, &heal, &res, NULL), 0);
    assert_true(res->items[0].span.start == cut.start - 3 && res->items[res->n - 1].span.end == cut.end);
    lacuna_session_free(s);
}

/* ---- what is refused ---- */

static void refused(const lacuna_span *span, size_t holes, const lacuna_text *fill, size_t n, const lacuna_score_options *opt, int code,
                    uint64_t where, const char *words)
{
    lacuna_error err = {0};
    const lacuna_rank_item *item = (const lacuna_rank_item *)&err;
    const int r = lacuna_rank(by_rank, text, LEN, span, holes, fill, n, opt, &item, &err);
    CHECK(r == code && err.code == code, "%s: %s, should be %s", words, lacuna_code_name(r), lacuna_code_name(code));
    CHECK(strstr(err.msg, words) != NULL && err.where == where, "'%s' at %llu, not '%s' at %llu", words, (unsigned long long)where, err.msg,
          (unsigned long long)err.where);
    assert_null(item);
    assert_int_equal(lacuna_rank(by_rank, text, LEN, span, holes, fill, n, opt, &item, NULL), code);
}

static void errors(void **state)
{
    (void)state;
    static lacuna_text many[MOST];
    static char long_[3 << 20];
    const lacuna_span hole[2] = {span_of("a + b"), span_of("argv[i]")}, back[2] = {hole[1], hole[0]}, outside = {LEN, LEN + 1};
    const lacuna_text fill[] = {t("a"), t("b"), t("c"), {NULL, 0}}, lost = {NULL, 3};
    lacuna_text far[2] = {t("a"), {long_, 5000}};
    const lacuna_rank_item *item;
    memset(long_, 'x', sizeof long_);
    for (size_t i = 0; i < MOST; i++) many[i] = t("");
    refused(hole, 1, fill, 0, NULL, LACUNA_E_ARG, 0, "0 candidates");
    refused(hole, 1, many, MOST, NULL, LACUNA_E_ARG, 0, "4097 candidates");
    ranked(by_rank, hole, 1, many, MOST - 1, NULL);
    refused(hole, 2, fill, 2, NULL, LACUNA_E_ARG, 1, "candidate 1: hole 1 is open");
    refused(hole, 1, (const lacuna_text[]){fill[3], fill[0]}, 2, NULL, LACUNA_E_ARG, 1, "candidate 1: hole 0 is open");
    refused(hole, 1, &lost, 1, NULL, LACUNA_E_ARG, 0, "candidate 0: hole 0 is open");
    refused(back, 2, many, 2, NULL, LACUNA_E_ARG, back[1].start, "inside or before hole 0");
    refused(&outside, 1, many, 2, NULL, LACUNA_E_ARG, LEN + 1, "the text has");
    refused(hole, 0, many, 2, NULL, LACUNA_E_ARG, 0, "no hole");
    refused(hole, 1, fill, 1, &(lacuna_score_options){LACUNA_SCORE_INIT, .order = LACUNA_ORDER_RANDOM}, LACUNA_E_ARG, 0, "under the order left");
    refused(hole, 1, fill, 1, &(lacuna_score_options){LACUNA_SCORE_INIT, .tag = "klingon"}, LACUNA_E_ARG, 0, "klingon");
    refused(hole, 1, fill, 1, &(lacuna_score_options){LACUNA_SCORE_INIT, .spare = UINT32_MAX}, LACUNA_E_LIMIT, 0, "slots");
    refused(hole, 1, far, 2, NULL, LACUNA_E_LIMIT, 0, "slots");
    far[1].len = sizeof long_;
    refused(hole, 1, far, 2, NULL, LACUNA_E_LIMIT, 1, "bytes to score");
    lacuna_span blank = span_of("argc; i++"); /* " " and "HEAD" are two tokens, " HEAD" is three */
    refused(&blank, 1, (const lacuna_text[]){t("a"), t("HEAD")}, 2, &(lacuna_score_options){LACUNA_SCORE_INIT, .heal = 1, .exact = 1},
            LACUNA_E_LIMIT, 1, "with the bytes before hole 0 its text has 3 tokens");
    assert_int_equal(lacuna_rank(by_rank, text, LEN, NULL, 1, fill, 1, NULL, &item, NULL), LACUNA_E_ARG);
    assert_int_equal(lacuna_rank(by_rank, text, LEN, hole, 1, NULL, 1, NULL, &item, NULL), LACUNA_E_ARG);
    assert_int_equal(lacuna_rank(NULL, text, LEN, hole, 1, fill, 1, NULL, &item, NULL), LACUNA_E_ARG);
    assert_int_equal(lacuna_rank(by_rank, text, LEN, hole, 1, fill, 1, NULL, NULL, NULL), LACUNA_E_ARG);
    assert_int_equal(lacuna_rank(by_rank, NULL, LEN, hole, 1, fill, 1, NULL, &item, NULL), LACUNA_E_ARG);
}

/* A request in progress is over. */
static void a_request_is_dropped(void **state)
{
    (void)state;
    const lacuna_hole hole = {.span = span_of("a + b"), .max_tokens = 5};
    const lacuna_text fill = t("a");
    const lacuna_event *ev;
    assert_int_equal(lacuna_infill(by_rank, text, LEN, &hole, 1, NULL, NULL), 0);
    ranked(by_rank, &hole.span, 1, &fill, 1, NULL);
    assert_int_equal(lacuna_step(by_rank, &ev, NULL), LACUNA_E_ARG);
}

/* ---- stopped, and out of memory ---- */

/* The host's threads, of which one does all, and cancels at the k-th piece of work. */
typedef struct {
    lacuna_session *s;
    size_t calls, cancel_at;
} host;

static void run_items(void *ctx, void (*item)(void *arg, size_t i, size_t thread), void *arg, size_t n)
{
    host *h = ctx;
    if (++h->calls == h->cancel_at) lacuna_cancel(h->s);
    for (size_t i = 0; i < n; i++) item(arg, i, 0);
}

static void cancelled(void **state)
{
    (void)state;
    enum { N = 90 };
    host h = {0};
    lacuna_text fill[N];
    lacuna_rank_item want[N];
    const lacuna_rank_item *item;
    const lacuna_span hole = span_of("argv[i]");
    lacuna_error err;
    many_texts(fill, N);
    memcpy(want, ranked(by_rank, &hole, 1, fill, N, NULL), sizeof want);
    assert_int_equal(lacuna_session_open(&h.s, tiny_model_, &(lacuna_session_options){LACUNA_SESSION_INIT, .parallel = {run_items, &h, 2}}, &err), 0);
    size_t known = h.calls;
    ranked(h.s, &hole, 1, fill, N, NULL);
    const size_t all = h.calls - known;
    CHECK(all > 60, "%zu pieces of work", all);
    lacuna_cancel(h.s);
    assert_int_equal(lacuna_rank(h.s, text, LEN, &hole, 1, fill, N, NULL, &item, &err), LACUNA_E_CANCELLED);
    for (size_t at = 1; at < all / 2; at += all / 9) {
        h.cancel_at = h.calls + at;
        assert_int_equal(lacuna_rank(h.s, text, LEN, &hole, 1, fill, N, NULL, &item, &err), LACUNA_E_CANCELLED);
        assert_int_equal(err.code, LACUNA_E_CANCELLED);
        assert_null(item);
        h.cancel_at = 0;
        item = ranked(h.s, &hole, 1, fill, N, NULL); /* usable, and as if nothing had been */
        for (size_t i = 0; i < N; i++) assert_true(same(item[i].logprob, want[i].logprob));
    }
    lacuna_session_free(h.s);
}

/* Every allocation fails in turn: nothing leaks, and the session goes on. */
static void allocations_fail(void **state)
{
    (void)state;
    hook h = {0};
    lacuna_model *m = tinytok_open(512, 5, &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&h)});
    const lacuna_span hole[2] = {span_of("a + b"), span_of("argc; i++")};
    const lacuna_text fill[] = {t("a"), t("1"), t("b + 1"), t("argc"), t("a"), t("argv[i]")};
    const lacuna_score_options opt = {LACUNA_SCORE_INIT, .heal = 1};
    const lacuna_rank_item *item;
    double want[3];
    for (int from_then = 0; from_then < 2; from_then++) {
        size_t failed = 0;
        for (;; failed++) {
            lacuna_session *s = session_of(m, 0);
            lacuna_error err;
            h.from_then = from_then;
            h.fail_at = h.calls + failed + 1;
            const int r = lacuna_rank(s, text, LEN, hole, 2, fill, 3, &opt, &item, &err);
            h.fail_at = 0;
            CHECK(!r || (r == LACUNA_E_NOMEM && err.code == r && !item), "allocation %zu: %s", failed, lacuna_code_name(r));
            item = ranked(s, hole, 2, fill, 3, &opt);
            for (int i = 0; i < 3; i++) {
                if (!failed) want[i] = item[i].logprob;
                assert_true(same(want[i], item[i].logprob));
            }
            lacuna_session_free(s);
            if (!r) break;
        }
        assert_true(failed >= 10); /* arena, context, scratch, pages and tables of the branches */
    }
    lacuna_model_free(m);
    CHECK(h.live == 0 && h.blocks == 0 && h.wrong == 0, "%zu bytes in %zu blocks are left, %zu were given back wrongly", h.live, h.blocks, h.wrong);
}

/* Pages for a round, and no more the longer the list is. */
static void memory_is_that_of_a_round(void **state)
{
    (void)state;
    enum { N = 300 };
    lacuna_text fill[N];
    const lacuna_span hole = span_of("argv[i]");
    size_t pages[2];
    for (size_t i = 0; i < N; i++) fill[i] = (lacuna_text){text, 100 + i % 20};
    for (int k = 0; k < 2; k++) {
        lacuna_session *s = session_of(tiny_model_, 0);
        ranked(s, &hole, 1, fill, k ? N : 40, NULL);
        pages[k] = s->store.n_pages;
        assert_int_equal(s->store.n_pages - s->store.n_idle, s->lane[0].kv.n_pages); /* the branches have given back theirs */
        lacuna_session_free(s);
    }
    CHECK(pages[1] <= pages[0] + pages[0] / 4, "%zu pages for 40 texts, %zu for %d", pages[0], pages[1], N);
}

static int set_up(void **state)
{
    (void)state;
    trained = default_model();
    tiny_model_ = tinytok_open(512, 1, NULL);
    by_rank = session_of(tiny_model_, 0);
    by_score = session_of(tiny_model_, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lacuna_session_free(by_rank);
    lacuna_session_free(by_score);
    lacuna_model_free(tiny_model_);
    lacuna_model_free(trained);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_score),
        cmocka_unit_test(longer_texts_only_make_room),
        cmocka_unit_test(one_token_texts_have_the_models_odds),
        cmocka_unit_test(nobody_sees_an_open_hole),
        cmocka_unit_test(a_long_list),
        cmocka_unit_test(order_and_repeats_do_not_matter),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(empty_and_open),
        cmocka_unit_test(healing_takes_a_blank_back),
        cmocka_unit_test(healing_joins_a_word),
        cmocka_unit_test(errors),
        cmocka_unit_test(a_request_is_dropped),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(allocations_fail),
        cmocka_unit_test(memory_is_that_of_a_round),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
