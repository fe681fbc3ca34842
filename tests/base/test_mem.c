/* Memory: sizes given back are the sizes asked for, overflow is refused, a failure changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

/* An allocator that keeps the books: it knows every block, and fails the test on a wrong size. */
enum { BLOCKS = 256 };
typedef struct {
    struct { void *p; size_t size; } block[BLOCKS];
    size_t live, calls; /* bytes, calls that asked for memory */
    long budget;        /* calls until one fails; negative: never */
} books;

static void *count(void *ctx, void *p, size_t old, size_t now, size_t align)
{
    books *b = ctx;
    size_t at = 0;
    assert_int_equal(align, LAC_ALIGN);
    while (at < BLOCKS && b->block[at].p != p) at++; /* for p == NULL: a free place */
    assert_true(at < BLOCKS);
    assert_int_equal(b->block[at].size, old);
    if (now) {
        b->calls++;
        if (!b->budget) return NULL;
        if (b->budget > 0) b->budget--;
    }
    void *q = now ? aligned_alloc(align, (now + align - 1) / align * align) : NULL;
    if (q && p) memcpy(q, p, old < now ? old : now);
    free(p);
    b->block[at].p = q;
    b->block[at].size = now;
    b->live += now - old;
    return q;
}

static void test_system(void **state)
{
    (void)state;
    lacuna_allocator a = lac_mem_system_or((lacuna_allocator){0});
    books b = {.budget = -1};
    lacuna_allocator mine = lac_mem_system_or((lacuna_allocator){count, &b});
    assert_true(mine.fn == count && mine.ctx == &b);
    for (size_t size = 1; size < 300; size++) {
        unsigned char *p = lac_mem_zalloc(&a, size);
        assert_true(p && !((uintptr_t)p % LAC_ALIGN));
        for (size_t i = 0; i < size; i++) assert_int_equal(p[i], 0);
        memset(p, 0xA5, size);
        size_t next = size * 7 % 301 + 1;
        p = a.fn(a.ctx, p, size, next, LAC_ALIGN);
        assert_true(p && !((uintptr_t)p % LAC_ALIGN));
        for (size_t i = 0; i < size && i < next; i++) assert_int_equal(p[i], 0xA5);
        lac_mem_free(&a, p, next);
    }
    assert_null(lac_mem_alloc(&a, 0));
    assert_null(lac_mem_zalloc(&a, 0));
    assert_null(lac_mem_alloc(&mine, SIZE_MAX));
    assert_null(lac_mem_alloc(&mine, SIZE_MAX / 2));
    lac_mem_free(&mine, NULL, 5);
    assert_int_equal(b.calls, 0);
}

static void test_checked(void **state)
{
    (void)state;
    size_t r;
    assert_true(lac_mul(SIZE_MAX, 1, &r) && r == SIZE_MAX);
    assert_true(lac_mul(0, SIZE_MAX, &r) && !r);
    assert_false(lac_mul(SIZE_MAX / 2 + 1, 2, &r));
    assert_true(lac_add(SIZE_MAX - 1, 1, &r) && r == SIZE_MAX);
    assert_false(lac_add(SIZE_MAX, 1, &r));
}

static void test_grow(void **state)
{
    (void)state;
    books b = {.budget = -1};
    lacuna_allocator a = {count, &b};
    void *p = NULL;
    size_t cap = 0;
    assert_true(lac_mem_grow(&a, &p, &cap, 0, 8));
    assert_int_equal(b.calls, 0);
    for (size_t n = 1; n <= 5000; n++) {
        assert_true(lac_mem_grow(&a, &p, &cap, n, sizeof n));
        assert_true(cap >= n);
        ((size_t *)p)[n - 1] = n;
    }
    assert_true(b.calls < 12); /* doubling */
    for (size_t n = 1; n <= 5000; n++) assert_int_equal(((size_t *)p)[n - 1], n);
    void *was = p;
    size_t cap_was = cap, calls = b.calls;
    assert_false(lac_mem_grow(&a, &p, &cap, SIZE_MAX, 8));         /* want * elem overflows */
    assert_false(lac_mem_grow(&a, &p, &cap, SIZE_MAX / 8 + 1, 8));
    assert_false(lac_mem_grow(&a, &p, &cap, SIZE_MAX / 2, 1));     /* does not, but is no size */
    assert_int_equal(b.calls, calls); /* and never asks */
    b.budget = 0;
    assert_false(lac_mem_grow(&a, &p, &cap, cap + 1, 8));
    assert_true(p == was && cap == cap_was);
    size_t huge = SIZE_MAX - 10; /* doubling a capacity near the end wraps round */
    void *q = was;
    assert_false(lac_mem_grow(&a, &q, &huge, SIZE_MAX - 5, 1));
    assert_true(q == was && huge == SIZE_MAX - 10);
    lac_mem_free(&a, p, cap * 8);
    assert_int_equal(b.live, 0);
}

static void test_arena(void **state)
{
    (void)state;
    books b = {.budget = -1};
    lacuna_allocator a = {count, &b};
    lac_arena arena = {.mem = &a};
    lac_arena_reset(&arena); /* nothing there yet */
    lac_arena_free(&arena);
    lac_rng r = lac_rng_make(1, 1);
    size_t steady = 0;
    for (int round = 0; round < 20; round++) {
        struct { unsigned char *p; size_t n; } got[200];
        for (size_t i = 0; i < 200; i++) {
            got[i].n = i % 50 ? (size_t)lac_rng_below(&r, 2000) : 40000;
            got[i].p = i % 2 ? lac_arena_alloc(&arena, got[i].n) : lac_arena_array(&arena, got[i].n, 1);
            assert_true(got[i].p && !((uintptr_t)got[i].p % LAC_ALIGN));
            if (!(i % 2))
                for (size_t k = 0; k < got[i].n; k++) assert_int_equal(got[i].p[k], 0);
            memset(got[i].p, (int)i, got[i].n);
            assert_int_equal(arena.held, b.live);
        }
        for (size_t i = 0; i < 200; i++)
            for (size_t k = 0; k < got[i].n; k++) assert_int_equal(got[i].p[k], (unsigned char)i);
        lac_arena_reset(&arena);
        assert_int_equal(arena.held, b.live);
        assert_true(b.live > 0);
        if (round == 5) steady = b.calls;
    }
    assert_int_equal(b.calls, steady); /* rounds of like size stop allocating */
    lac_arena_free(&arena);
    assert_int_equal(b.live, 0);
    assert_int_equal(arena.held, 0);
    assert_non_null(lac_arena_alloc(&arena, 10)); /* usable again */
    lac_arena_free(&arena);
    assert_int_equal(b.live, 0);
}

static void test_arena_failure(void **state)
{
    (void)state;
    books b = {.budget = -1};
    lacuna_allocator a = {count, &b};
    lac_arena arena = {.mem = &a};
    unsigned char *p = lac_arena_alloc(&arena, 100);
    memset(p, 7, 100);
    assert_null(lac_arena_alloc(&arena, SIZE_MAX));
    assert_null(lac_arena_alloc(&arena, SIZE_MAX - 63));
    assert_null(lac_arena_alloc(&arena, SIZE_MAX / 4 + 1));
    assert_null(lac_arena_array(&arena, SIZE_MAX / 2, 3));
    assert_int_equal(b.calls, 1); /* none of these was asked for */
    b.budget = 0;
    assert_null(lac_arena_alloc(&arena, 1 << 20));
    assert_null(lac_arena_array(&arena, 1 << 18, 4));
    assert_non_null(lac_arena_alloc(&arena, 64)); /* what is there is still good */
    assert_non_null(lac_arena_array(&arena, 0, 8));
    assert_int_equal(arena.held, b.live);
    for (int i = 0; i < 100; i++) assert_int_equal(p[i], 7);
    lac_arena_free(&arena);
    assert_int_equal(b.live, 0);
}

/* Under ASan a step beyond an allocation, or into one that was given back, is seen. */
static void test_poison(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    lacuna_allocator a = lac_mem_system_or((lacuna_allocator){0});
    lac_arena arena = {.mem = &a};
    for (size_t n = 0; n < 200; n++) {
        char *p = lac_arena_alloc(&arena, n);
        assert_null(__asan_region_is_poisoned(p, n));
        assert_true(__asan_address_is_poisoned(p + n));
    }
    char *p = lac_arena_alloc(&arena, 100);
    lac_arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(p));
    lac_arena_free(&arena);
#endif
}

static void test_buf(void **state)
{
    (void)state;
    books b = {.budget = -1};
    lacuna_allocator a = {count, &b};
    lac_buf buf = {.mem = &a};
    lac_buf_free(&buf);
    lac_buf_add(&buf, NULL, 0);
    assert_true(!buf.failed && !buf.len && !b.calls);
    for (int i = 0; i < 3000; i++) {
        char s[3] = {(char)i, (char)(i >> 8), 'x'};
        lac_buf_add(&buf, s, 3);
    }
    assert_true(!buf.failed && buf.len == 9000);
    for (int i = 0; i < 3000; i++) assert_true(buf.data[3 * i] == (char)i && buf.data[3 * i + 1] == (char)(i >> 8));
    lac_buf_free(&buf);
    assert_true(!b.live && !buf.data && !buf.len && !buf.cap && buf.mem == &a);

    b.budget = 1;
    lac_buf_add(&buf, "hello", 5);
    assert_false(buf.failed);
    char big[64] = {0};
    lac_buf_add(&buf, big, sizeof big); /* fails */
    assert_true(buf.failed && buf.len == 5 && !memcmp(buf.data, "hello", 5));
    b.budget = -1;
    size_t calls = b.calls;
    lac_buf_add(&buf, "!", 1); /* and stays failed, though there would be room */
    assert_true(buf.failed && buf.len == 5 && b.calls == calls);
    lac_buf_free(&buf);
    assert_false(buf.failed);
    lac_buf_add(&buf, "x", 1);
    lac_buf_add(&buf, "y", SIZE_MAX); /* the length overflows */
    assert_true(buf.failed && buf.len == 1);
    lac_buf_free(&buf);
    assert_int_equal(b.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_system), cmocka_unit_test(test_checked), cmocka_unit_test(test_grow),
                                       cmocka_unit_test(test_arena),  cmocka_unit_test(test_arena_failure), cmocka_unit_test(test_poison),
                                       cmocka_unit_test(test_buf)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
