/* Ten thousand infills in one process do not grow its memory. */
#include "session/run.h"

#include <malloc.h>

#include "common/hook.h"
#include "common/tiny.h"
#include "common/tinytok.h"

enum { INFILLS = 10000, WARM = 1000, SESSIONS = 50 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static size_t in_use(void) { return 0; } /* another malloc; leaks are its business */
#else
static size_t in_use(void) { return mallinfo2().uordblks; }
#endif

static const char *const texts[] = {"x = (1 +  )\n", "int f(void) { return  ; }\n", "The  is on the table.\n", "\n\n\n", "for i in :\n    print(i)\n", ""};
enum { TEXTS = sizeof texts / sizeof *texts };

/* Short holes, varied: places, sizes, orders, settings; now and then one that is dropped midway, refused, scored or cancelled. */
static void infill(lacuna_session *s, size_t i)
{
    const char *t = texts[i % TEXTS];
    size_t len = strlen(t), at = len ? i / TEXTS % len : 0;
    const lacuna_hole hole[2] = {{.span = {at, at}, .max_tokens = 1 + (uint32_t)(i % 3), .one_line = i % 5 == 0}, {.span = {len, len}, .max_tokens = 1}};
    lacuna_infill_options o = {LACUNA_INFILL_INIT, .order = (lacuna_order)(i % 6), .alpha0 = i % 2, .temperature = i % 4 ? 0 : 0.8, .seed = i,
                               .tag = i % 7 ? NULL : "py"};
    const lacuna_event *ev;
    const lacuna_score_result *res;
    lacuna_text fill;
    int r = lacuna_infill(s, t, len, hole, 1 + (i % 11 == 0), &o, NULL);
    assert_int_equal(r, 0);
    if (i % 97 == 5) lacuna_cancel(s);
    if (i % 89 == 7) return;
    while ((r = lacuna_step(s, &ev, NULL)) > 0) continue;
    assert_true(r == 0 || r == LACUNA_E_CANCELLED);
    assert_int_equal(lacuna_fill(s, 0, &fill, NULL), 0);
    if (i % 101 == 3) assert_int_equal(lacuna_infill(s, t, len, hole, 0, &o, NULL), LACUNA_E_ARG);
    if (i % 103 == 3) assert_int_equal(lacuna_score(s, t, len, &(lacuna_span){0, len}, 1, NULL, &res, NULL), 0);
}

static void ten_thousand_infills(void **state)
{
    (void)state;
    char folder[256], path[300];
    hook h = {0};
    lacuna_model *m;
    snprintf(path, sizeof path, "%s/tiny.gguf", tiny_folder(folder));
    assert_int_equal(tinytok_model(path, 256, 6), 0);
    assert_int_equal(lacuna_model_open(&m, path, &(lacuna_model_options){LACUNA_MODEL_INIT, .allocator = hook_allocator(&h)}, NULL), 0);
    tiny_folder_remove(folder);
    lacuna_session *s = session_of(m, 0);
    size_t live = 0, blocks = 0, used = 0, most = 0;
    for (size_t i = 0; i < INFILLS; i++) {
        infill(s, i);
        if (i == WARM) live = h.live, blocks = h.blocks, used = in_use();
        if (i > WARM && in_use() > most) most = in_use();
    }
    CHECK(h.live == live && h.blocks == blocks, "%zu bytes in %zu blocks after %d infills, %zu in %zu at the end", live, blocks, WARM, h.live, h.blocks);
    CHECK(most <= used + 4096, "malloc held %zu bytes after %d infills, up to %zu later", used, WARM, most);
    lacuna_session_free(s);
    size_t after = h.live;
    for (int i = 0; i < SESSIONS; i++) { /* and sessions that come and go leave nothing */
        s = session_of(m, i % 3);
        for (size_t k = 0; k < 4; k++) infill(s, (size_t)i * 4 + k);
        lacuna_session_free(s);
        assert_int_equal(h.live, after);
    }
    lacuna_model_free(m);
    CHECK(h.live == 0 && h.blocks == 0 && h.wrong == 0, "%zu bytes in %zu blocks are left", h.live, h.blocks);
    printf("report: %d infills: %zu bytes by the hook, %zu by malloc, from the first thousand to the last\n", INFILLS, live, used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_thousand_infills)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
