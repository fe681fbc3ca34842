/* A scripted typing session (tests/data/typing.txt): a key changes few entries, and what a request gives does not show what was
 * asked before it. */
#include "session/run.h"

#include "canvas/canvas.h"
#include "common/tinytok.h"
#include "text/load.h"

enum { CONTEXT = 512, SLOTS = 16, KEYS = 2000, ROOM = 1 << 14 };

static lac_tok *tok;
static lacuna_allocator mem;

/* What stands in the editor. */
typedef struct {
    char text[ROOM];
    size_t len, cursor;
    char tag[16];
    bool put; /* the last key put more than a character */
} editor;

typedef void key_fn(void *ctx, const editor *e, size_t key);

static void insert(editor *e, const char *s, size_t n)
{
    assert_true(e->len + n < ROOM);
    memmove(e->text + e->cursor + n, e->text + e->cursor, e->len - e->cursor);
    memcpy(e->text + e->cursor, s, n);
    e->cursor += n;
    e->len += n;
}

static void take_back(editor *e)
{
    assert_true(e->cursor > 0);
    memmove(e->text + e->cursor - 1, e->text + e->cursor, e->len - e->cursor);
    e->cursor--;
    e->len--;
}

static void go(editor *e, size_t nth, const char *what)
{
    e->text[e->len] = 0;
    const char *p = e->text;
    while (p && nth--) p = strstr(p, what) ? strstr(p, what) + strlen(what) : NULL;
    CHECK(p != NULL, "'%s' is not in the text", what);
    e->cursor = (size_t)(p - e->text);
}

static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) *to++ = *s != '\\' ? *s : *++s == 'n' ? '\n' : *s;
    *to = 0;
}

/* One line of the script; its keys are counted from *key on. */
static void play_line(editor *e, char *line, size_t *key, key_fn *f, void *ctx)
{
    char *what = strchr(line, ' ');
    if (*line == '#') return;
    if (*line == '|') {
        insert(e, line + 1, strlen(line + 1));
        insert(e, "\n", 1);
        return;
    }
    assert_non_null(what);
    *what++ = 0;
    e->put = !strcmp(line, "put");
    if (!strcmp(line, "file")) {
        e->len = e->cursor = 0;
        snprintf(e->tag, sizeof e->tag, "%s", what);
    } else if (!strcmp(line, "go")) {
        char *at;
        size_t nth = strtoul(what, &at, 10);
        unescape(++at);
        go(e, nth, at);
        f(ctx, e, (*key)++);
    } else if (e->put) {
        unescape(what);
        insert(e, what, strlen(what));
        f(ctx, e, (*key)++);
    } else if (!strcmp(line, "type")) {
        for (unescape(what); *what; what++) {
            insert(e, what, 1);
            f(ctx, e, (*key)++);
        }
    } else if (!strcmp(line, "back")) {
        for (size_t n = strtoul(what, NULL, 10); n; n--) {
            take_back(e);
            f(ctx, e, (*key)++);
        }
    } else fail_msg("'%s' is not known", line);
}

/* Replay the session: f after each key. */
static void play(key_fn *f, void *ctx)
{
    static editor e;
    static char line[256];
    size_t key = 0;
    FILE *script = fopen("tests/data/typing.txt", "r");
    assert_non_null(script);
    memset(&e, 0, sizeof e);
    while (fgets(line, sizeof line, script)) {
        line[strcspn(line, "\n")] = 0;
        play_line(&e, line, &key, f, ctx);
    }
    fclose(script);
    assert_int_equal(key, KEYS);
}

/* ---- entries ---- */

typedef struct {
    bool heal;
    int32_t token[CONTEXT], pos[CONTEXT];
    size_t n;                 /* entries of the last key */
    size_t entries, common;   /* over all keys but the first */
    size_t anew;              /* keys that kept less than half */
    size_t fewest;            /* entries where text was left out */
} reuse;

static void count_reuse(void *ctx, const editor *e, size_t key)
{
    reuse *u = ctx;
    lac_arena a = {.mem = &mem};
    lac_canvas c;
    lacuna_error err;
    const size_t slots = SLOTS;
    lac_canvas_want w = {tok, e->text, e->len, &(lacuna_span){e->cursor, e->cursor}, &slots, 1, 6, CONTEXT, true, u->heal, NULL, 0};
    CHECK(lac_canvas_text(&c, &w, &a, &err) == 0, "key %zu: %s", key, err.msg);
    size_t same = 0;
    while (same < c.n_context && same < u->n && c.token[same] == u->token[same] && c.pos[same] == u->pos[same]) same++;
    if (key) {
        u->entries += c.n_context;
        u->common += same;
        u->anew += same * 2 < c.n_context;
    }
    if (c.dropped && c.n_context < u->fewest) u->fewest = c.n_context;
    assert_true(c.n_context + c.n_slots <= CONTEXT);
    u->n = c.n_context;
    memcpy(u->token, c.token, u->n * sizeof *c.token);
    memcpy(u->pos, c.pos, u->n * sizeof *c.pos);
    lac_arena_free(&a);
}

static void entries_are_reused(void **state)
{
    (void)state;
    for (int heal = 0; heal < 2; heal++) {
        static reuse u;
        u = (reuse){.heal = heal != 0, .fewest = CONTEXT};
        play(count_reuse, &u);
        double share = (double)u.common / (double)u.entries;
        printf("report: %d keys%s: %.2f%% of %.0f entries a key are reused; %zu keys began anew; at least %zu entries in a full window\n", KEYS,
               heal ? ", healed" : "", 100 * share, (double)u.entries / (KEYS - 1), u.anew, u.fewest);
        assert_true(share >= 0.98);
        assert_true(u.fewest >= (CONTEXT - SLOTS) * 2 / 3);
    }
}

/* ---- requests ---- */

typedef struct {
    lacuna_model *m;
    lacuna_session *s;
    size_t asked, entries, reused;
} asker;

static void fill_of(lacuna_session *s, const editor *e, char *text, size_t *len, lacuna_stats *stats)
{
    static run r;
    const lacuna_hole hole = {.span = {e->cursor, e->cursor}, .max_tokens = SLOTS};
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = e->tag, .drop_far = 1, .temperature = 0.7, .seed = 3};
    lacuna_text fill;
    run_text(s, e->text, e->len, &hole, 1, &opt, &r);
    assert_int_equal(lacuna_fill(s, 0, &fill, NULL), 0);
    assert_true(fill.len < ROOM);
    memcpy(text, fill.bytes, fill.len);
    *len = fill.len;
    *stats = r.stats;
}

/* The keys from 940 to 1000, more of them seldom; every tenth of those is asked in a fresh session too. */
static void ask(void *ctx, const editor *e, size_t key)
{
    static char text[ROOM], fresh[ROOM];
    asker *k = ctx;
    lacuna_stats stats;
    size_t len, n;
    if ((key < 940 || key >= 1000) && key % 100) return;
    fill_of(k->s, e, text, &len, &stats);
    if (key > 940 && key < 1000) k->entries += stats.n_context, k->reused += stats.n_reused;
    if (k->asked++ % 10) return;
    lacuna_session *s = session_of(k->m, 1);
    fill_of(s, e, fresh, &n, &stats);
    lacuna_session_free(s);
    assert_int_equal(stats.n_reused, 0);
    CHECK(n == len && !memcmp(text, fresh, n), "key %zu: '%.*s', and in a fresh session '%.*s'", key, (int)len, text, (int)n, fresh);
}

static void history_does_not_show(void **state)
{
    (void)state;
    asker k = {.m = tinytok_open(CONTEXT, 5, NULL)};
    k.s = session_of(k.m, 1);
    play(ask, &k);
    double share = (double)k.reused / (double)k.entries;
    printf("report: %zu requests; of those that follow a key %.2f%% of the entries are reused\n", k.asked, 100 * share);
    assert_true(k.asked >= 60 && share >= 0.95);
    lacuna_session_free(k.s);
    lacuna_model_free(k.m);
}

/* A suggestion that is accepted becomes part of the last line, which slides; what stands before that is reused. */
static void accepting_reuses(void **state)
{
    (void)state;
    static editor e;
    static char text[ROOM];
    lacuna_model *m = tinytok_open(CONTEXT, 5, NULL);
    lacuna_session *s = session_of(m, 1);
    lacuna_stats before, after;
    size_t len, reused = 0, entries = 0;
    const char code[] = "int f(int n)\n{\n    int sum = 0;\n    for (int i = 0; i < n; i++) sum += i;\n    ;\n    return sum;\n}\n";
    for (size_t i = 0; i < 8; i++) {
        e = (editor){.tag = "c"};
        insert(&e, code, sizeof code - 1);
        e.cursor = (size_t)(strstr(code, ";\n    return") - code) - i % 3;
        fill_of(s, &e, text, &len, &before);
        insert(&e, text, len);
        fill_of(s, &e, text, &len, &after);
        reused += after.n_reused;
        entries += before.n_context;
    }
    printf("report: after a fill was accepted, %.0f%% of the entries that it had seen are reused\n", 100. * (double)reused / (double)entries);
    assert_true(reused * 2 > entries);
    lacuna_session_free(s);
    lacuna_model_free(m);
}

static int set_up(void **state)
{
    (void)state;
    mem = lac_mem_system_or((lacuna_allocator){0});
    tok = load_tok(&mem);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lac_tok_free(tok);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_reused),
        cmocka_unit_test(history_does_not_show),
        cmocka_unit_test(accepting_reuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
