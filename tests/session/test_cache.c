/* What a session keeps of the texts it worked on: which lists, in how many bytes, of which type; and how it is opened. */
#include "session/run.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/hook.h"
#include "common/tiny.h"
#include "session/session.h"

enum { VOCAB = 96, WIDTH = 64, LAYERS = 2, HEADS = 2, N = 200, SLOTS = 4, CONTEXT = N - SLOTS, LONG = 400 };
#define PAGE_BYTES (LAYERS * HEADS * lac_page_bytes(LAC_F32, WIDTH / HEADS))
#define TEXT_PAGES ((CONTEXT + 2 * SLOTS + LAC_PAGE - 1) / LAC_PAGE) /* what a request over N ids needs */

static lacuna_model *tiny_of(const char *type, const lacuna_model_options *opt)
{
    char folder[256], path[300];
    lacuna_model *m;
    lacuna_error err;
    snprintf(path, sizeof path, "%s/m.gguf", tiny_folder(folder));
    CHECK(tiny_model_as(path, 1, VOCAB, WIDTH, LAYERS, HEADS, 5, type, VOCAB - 1) == 0, "no tiny model");
    CHECK(lacuna_model_open(&m, path, opt, &err) == 0, "%s", err.msg);
    tiny_folder_remove(folder);
    return m;
}

static lacuna_session *open_with(lacuna_model *m, lacuna_session_options opt)
{
    lacuna_session *s;
    lacuna_error err;
    opt.size = LACUNA_SESSION_INIT;
    opt.n_context = 2 * LONG;
    CHECK(lacuna_session_open(&s, m, &opt, &err) == 0, "%s", err.msg);
    return s;
}

static lacuna_session *within(lacuna_model *m, size_t cache_bytes)
{
    return open_with(m, (lacuna_session_options){.cache_bytes = cache_bytes});
}

/* Text d: n ids, the first `shared` of them those of text 0, with slots at the end. */
static void ids_of(lacuna_token *ids, size_t n, int d, size_t shared)
{
    for (size_t i = 0; i < n; i++) {
        size_t text = i < shared ? 0 : (size_t)d;
        ids[i] = i + SLOTS < n ? (lacuna_token)((i * (text + 3) + 7 * text) % (VOCAB - 1)) : -1;
    }
}

/* Work on text d; how many entries of its context were there. */
static size_t work_on(lacuna_session *s, size_t n, int d, size_t shared)
{
    static run r;
    lacuna_token ids[LONG];
    ids_of(ids, n, d, shared);
    run_ids(s, ids, n, NULL, &r);
    assert_int_equal(r.stats.n_context, n - SLOTS);
    assert_int_equal(r.stats.n_entries, n - SLOTS - r.stats.n_reused + 2 * SLOTS - 1);
    return r.stats.n_reused;
}

static size_t text(lacuna_session *s, int d) { return work_on(s, N, d, 0); }

static void as_many_texts_as_lanes(void **state)
{
    lacuna_session *s = within(*state, 0);
    for (int d = 0; d < LAC_CACHE_LANES + 3; d++) assert_int_equal(text(s, d), 0);
    for (int d = LAC_CACHE_LANES + 2; d >= 3; d--) CHECK(text(s, d) == CONTEXT, "text %d is gone", d);
    assert_int_equal(text(s, 0), 0);
    assert_int_equal(text(s, LAC_CACHE_LANES + 2), 0); /* used least recently of those that were there */
    assert_int_equal(text(s, 3), CONTEXT);
    lacuna_session_free(s);
}

static void least_recently_used_goes_first(void **state)
{
    lacuna_session *s = within(*state, 3 * TEXT_PAGES * PAGE_BYTES);
    for (int d = 0; d < 3; d++) text(s, d);
    assert_int_equal(text(s, 0), CONTEXT);
    assert_int_equal(text(s, 3), 0); /* in place of 1 */
    assert_int_equal(text(s, 2), CONTEXT);
    assert_int_equal(text(s, 0), CONTEXT);
    assert_int_equal(text(s, 3), CONTEXT);
    assert_int_equal(text(s, 1), 0); /* in place of 2 */
    assert_int_equal(text(s, 0), CONTEXT);
    assert_int_equal(text(s, 2), 0);
    lacuna_session_free(s);
}

/* All that the session holds, pages or not, is in its size; pages stay within the limit. */
static void bytes_stay_within_the_limit(void **state)
{
    (void)state;
    const size_t limit = 3 * TEXT_PAGES * PAGE_BYTES, tables = LAC_CACHE_LANES * 8192, small = 4096;
    hook h = {0};
    lacuna_model *m = tiny_of("f32", &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&h)});
    lacuna_session_free(within(m, 0)); /* the weights are packed now */
    const size_t model = h.live;
    lacuna_session *s = within(m, limit);
    text(s, 0);
    const size_t bare = lacuna_session_size(s) - TEXT_PAGES * PAGE_BYTES;
    for (int d = 1; d < 12; d++) {
        text(s, d);
        size_t size = lacuna_session_size(s);
        CHECK(size <= bare + limit + tables, "text %d: %zu bytes, %zu of pages allowed", d, size, limit);
        CHECK(h.live - model >= size && h.live - model <= size + small, "%zu bytes are out, %zu are counted", h.live - model, size);
        if (d >= 2) CHECK(size > bare + limit - PAGE_BYTES, "text %d: %zu bytes: room is left unused", d, size);
    }
    work_on(s, LONG, 20, 0);
    text(s, 21);
    CHECK(lacuna_session_size(s) <= bare + limit + 2 * tables, "%zu bytes after a long text", lacuna_session_size(s));
    lacuna_session_free(s);
    lacuna_model_free(m);
    assert_int_equal(h.live, 0);
    assert_int_equal(h.wrong, 0);
}

static void what_is_needed_is_there(void **state)
{
    lacuna_session *s = within(*state, 1);
    static run want, got;
    lacuna_token ids[LONG];
    assert_int_equal(text(s, 0), 0);
    assert_int_equal(text(s, 0), CONTEXT); /* the text in work, beyond the limit */
    assert_int_equal(text(s, 1), 0);
    assert_int_equal(text(s, 0), 0);
    ids_of(ids, LONG, 2, 0);
    run_ids(s, ids, LONG, NULL, &got);
    lacuna_session_free(s);
    s = within(*state, 0);
    run_ids(s, ids, LONG, NULL, &want);
    same_run(&want, &got, "limit");
    lacuna_session_free(s);
}

static void spare_pages_go_before_texts(void **state)
{
    lacuna_session *s = within(*state, 3 * TEXT_PAGES * PAGE_BYTES);
    assert_int_equal(work_on(s, LONG, 0, 0), 0);
    assert_int_equal(work_on(s, N, 1, 150), 150); /* now short, in the pages of the long one */
    assert_int_equal(text(s, 2), 0);
    assert_int_equal(text(s, 3), 0);
    assert_int_equal(work_on(s, N, 1, 150), CONTEXT);
    assert_int_equal(text(s, 2), CONTEXT);
    assert_int_equal(text(s, 3), CONTEXT);
    lacuna_session_free(s);
}

static void another_text_or_the_same_changed(void **state)
{
    lacuna_session *s = within(*state, 0);
    text(s, 0);
    assert_int_equal(work_on(s, N, 1, 40), 0); /* another one that begins as this does: both stay */
    assert_int_equal(text(s, 0), CONTEXT);
    assert_int_equal(work_on(s, N, 1, 40), CONTEXT);
    assert_int_equal(work_on(s, N, 2, 150), 150); /* a change late in the text: it goes on from there */
    assert_int_equal(text(s, 0), 150);
    assert_int_equal(work_on(s, 60, 0, 0), 60 - SLOTS); /* most of it is gone: still that text */
    assert_int_equal(text(s, 0), 60 - SLOTS);
    lacuna_session_free(s);
}

/* ---- types of the cache ---- */

typedef struct {
    size_t n;
    float logits[SLOTS * VOCAB];
} rows;

static void keep_row(void *ctx, size_t step, size_t slot, const float *logits, size_t n_vocab)
{
    rows *r = ctx;
    (void)step, (void)slot;
    for (size_t i = 0; i < n_vocab; i++) r->logits[r->n++] = logits[i];
}

/* All slots in one pass; then the same with the context cached. */
static void logits_of(lacuna_model *m, lacuna_cache_type type, unsigned threads, rows *out)
{
    static run r;
    lacuna_session *s = open_with(m, (lacuna_session_options){.n_threads = threads, .cache_type = type});
    rows again = {0};
    lacuna_token ids[N];
    ids_of(ids, N, 0, 0);
    *out = (rows){0};
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .alpha0 = 1, .steps = 1, .on_logits = keep_row, .on_logits_ctx = out};
    run_ids(s, ids, N, &opt, &r);
    assert_int_equal(out->n, SLOTS * VOCAB);
    opt.on_logits_ctx = &again;
    run_ids(s, ids, N, &opt, &r);
    assert_memory_equal(out, &again, sizeof again);
    lacuna_session_free(s);
}

/* Root mean square of the difference. */
static double apart(const rows *a, const rows *b)
{
    double sum = 0;
    for (size_t i = 0; i < a->n; i++) sum += pow((double)a->logits[i] - b->logits[i], 2);
    return sqrt(sum / (double)a->n);
}

static void types_of_the_cache(void **state)
{
    static const char *const type[] = {"f32", "bf16", "q8_0"};
    (void)state;
    for (int t = 0; t < 3; t++) {
        lacuna_model *m = tiny_of(type[t], NULL);
        rows f32, bf16, other;
        logits_of(m, LACUNA_CACHE_F32, 0, &f32);
        logits_of(m, LACUNA_CACHE_BF16, 0, &bf16);
        double d = apart(&f32, &bf16);
        CHECK(d > 0 && d < 0.04, "%s: the types of the cache differ by %g", type[t], d); /* the logits have a spread of 1.5 */
        logits_of(m, LACUNA_CACHE_AUTO, 0, &other);
        assert_memory_equal(&other, t ? &bf16 : &f32, sizeof other);
        logits_of(m, LACUNA_CACHE_BF16, 3, &other);
        assert_memory_equal(&other, &bf16, sizeof other);
        logits_of(m, LACUNA_CACHE_F32, 3, &other);
        assert_memory_equal(&other, &f32, sizeof other);
        lacuna_model_free(m);
    }
}

static void half_the_bytes(void **state)
{
    lacuna_session *f32 = open_with(*state, (lacuna_session_options){.cache_type = LACUNA_CACHE_F32});
    lacuna_session *bf16 = open_with(*state, (lacuna_session_options){.cache_type = LACUNA_CACHE_BF16});
    text(f32, 0);
    text(bf16, 0);
    assert_int_equal(lacuna_session_size(f32) - lacuna_session_size(bf16), TEXT_PAGES * PAGE_BYTES / 2);
    lacuna_session_free(f32);
    lacuna_session_free(bf16);
}

/* ---- threads ---- */

/* The host's threads: three, made for each run. */
typedef struct {
    void (*fn)(void *arg, size_t item, size_t thread);
    void *arg;
    size_t n;
    atomic_size_t next;
    atomic_size_t threads;
} host_run;

static void *host_thread(void *arg)
{
    host_run *r = arg;
    size_t thread = atomic_fetch_add(&r->threads, 1);
    for (size_t i; (i = atomic_fetch_add(&r->next, 1)) < r->n;) r->fn(r->arg, i, thread);
    return NULL;
}

static void run_on_host(void *ctx, void (*fn)(void *arg, size_t item, size_t thread), void *arg, size_t n)
{
    host_run r = {.fn = fn, .arg = arg, .n = n};
    pthread_t t[2];
    int made = 0;
    ++*(size_t *)ctx;
    while (made < 2 && !pthread_create(&t[made], NULL, host_thread, &r)) made++;
    host_thread(&r);
    while (made) pthread_join(t[--made], NULL);
}

static void host_threads_give_the_same_bits(void **state)
{
    static run want, got;
    lacuna_token ids[N];
    size_t runs = 0;
    ids_of(ids, N, 0, 0);
    const lacuna_infill_options opt = {LACUNA_INFILL_INIT, .temperature = 0.8, .seed = 3, .alpha0 = 0.5};
    const lacuna_session_options how[] = {{.n_threads = 1}, {.n_threads = 2}, {.n_threads = 5}, {.parallel = {run_on_host, &runs, 3}},
                                          {.n_threads = 1, .parallel = {run_on_host, &runs, 3}}};
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        lacuna_session *s = open_with(*state, how[i]);
        run_ids(s, ids, N, &opt, i ? &got : &want);
        if (i) same_run(&want, &got, "threads");
        lacuna_session_free(s);
    }
    assert_true(runs > 0);
}

/* An allocator for several threads, which counts the blocks of one size. */
typedef struct {
    atomic_size_t calls;
    size_t size[64]; /* of the largest blocks; only those of `least` and more are noted */
    size_t least;
} counter;

static void *count(void *ctx, void *p, size_t old, size_t now, size_t align)
{
    counter *c = ctx;
    lacuna_allocator a = lac_mem_system_or((lacuna_allocator){0});
    if (now >= c->least) {
        size_t i = atomic_fetch_add(&c->calls, 1);
        if (i < 64) c->size[i] = now;
    }
    return a.fn(a.ctx, p, old, now, align);
}

typedef struct {
    lacuna_model *model;
    run result;
    int failed;
} opener;

static void *open_and_run(void *arg)
{
    opener *o = arg;
    lacuna_session *s;
    const lacuna_event *ev;
    lacuna_token ids[N];
    ids_of(ids, N, 0, 0);
    o->failed = lacuna_session_open(&s, o->model, NULL, NULL);
    if (o->failed) return NULL;
    int r = lacuna_infill_ids(s, ids, N, NULL, NULL);
    while (!r && (r = lacuna_step(s, &ev, NULL)) > 0) {
        for (size_t i = 0; i < ev->n; i++) o->result.reveal[o->result.n++] = ev->reveals[i];
        r = 0;
    }
    o->failed = r;
    o->result.stats = lacuna_get_stats(s);
    lacuna_session_free(s);
    return NULL;
}

static void weights_are_packed_once(void **state)
{
    static opener one, two;
    (void)state;
    for (int round = 0; round < 5; round++) {
        counter c = {.least = 64 << 10};
        lacuna_model *m = tiny_of("f32", &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = {count, &c}});
        pthread_t t;
        assert_null(m->w.packed); /* who only looks at a model does not pay for it */
        one = two = (opener){.model = m};
        assert_int_equal(pthread_create(&t, NULL, open_and_run, &one), 0);
        open_and_run(&two);
        pthread_join(t, NULL);
        assert_int_equal(one.failed, 0);
        assert_int_equal(two.failed, 0);
        assert_int_equal(one.result.n, SLOTS);
        for (size_t i = 0; i < SLOTS; i++) {
            assert_int_equal(one.result.reveal[i].token, two.result.reveal[i].token);
            assert_true(one.result.reveal[i].logprob == two.result.reveal[i].logprob);
        }
        size_t packed = 0;
        assert_true(c.calls <= 64);
        for (size_t i = 0; i < c.calls; i++) packed += c.size[i] == m->w.packed_bytes;
        assert_int_equal(packed, 1);
        lacuna_model_free(m);
    }
}

/* ---- options ---- */

static void options_that_make_no_sense(void **state)
{
    size_t runs = 0;
    const lacuna_session_options bad[] = {{.cache_type = (lacuna_cache_type)3},
                                          {.cache_type = (lacuna_cache_type)-1},
                                          {.n_threads = 257},
                                          {.n_threads = 2, .parallel = {run_on_host, &runs, 3}},
                                          {.parallel = {run_on_host, &runs, 0}},
                                          {.parallel = {run_on_host, &runs, 257}}};
    lacuna_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lacuna_session *s = (lacuna_session *)&runs;
        lacuna_session_options o = bad[i];
        o.size = LACUNA_SESSION_INIT;
        err.msg[0] = 0;
        CHECK(lacuna_session_open(&s, *state, &o, &err) == LACUNA_E_ARG, "case %zu: %s", i, err.msg);
        assert_null(s);
        assert_true(err.code == LACUNA_E_ARG && err.msg[0]);
    }
}

static void no_memory_for_a_session(void **state)
{
    (void)state;
    hook h = {0};
    lacuna_model *m = tiny_of("q8_0", &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&h)});
    lacuna_session *s = NULL;
    const size_t model = h.live, before = h.calls;
    int r = LACUNA_E_NOMEM;
    for (size_t k = 1; r; k++) { /* every call fails once, until the session is there: the packing too */
        lacuna_error err;
        h.fail_at = h.calls + k;
        r = lacuna_session_open(&s, m, NULL, &err);
        CHECK(r == 0 || r == LACUNA_E_NOMEM, "%s", err.msg);
        if (r) CHECK(!s && (m->w.packed || h.live == model), "call %zu: something is left", k);
    }
    assert_true(h.calls - before > 3);
    h.fail_at = 0;
    text(s, 0);
    lacuna_session_free(s);
    lacuna_model_free(m);
    assert_int_equal(h.live, 0);
    assert_int_equal(h.wrong, 0);
}

static int setup(void **state)
{
    *state = tiny_of("f32", NULL);
    return 0;
}

static int teardown(void **state)
{
    lacuna_model_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_texts_as_lanes),        cmocka_unit_test(least_recently_used_goes_first),
        cmocka_unit_test(bytes_stay_within_the_limit),   cmocka_unit_test(what_is_needed_is_there),
        cmocka_unit_test(spare_pages_go_before_texts),   cmocka_unit_test(another_text_or_the_same_changed),
        cmocka_unit_test(types_of_the_cache),            cmocka_unit_test(half_the_bytes),
        cmocka_unit_test(host_threads_give_the_same_bits), cmocka_unit_test(weights_are_packed_once),
        cmocka_unit_test(options_that_make_no_sense),    cmocka_unit_test(no_memory_for_a_session),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
