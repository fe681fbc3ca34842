/* Attention over pages, on every table this CPU can run: against the formula in double, row by row against rows
 * together, and with what no row sees filled with other numbers.
 *
 * Pages end where a page of memory nobody may touch begins; outputs have canaries between them. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "common/unit.h"
#include "kern/attend.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CANARY 12345.678f
#define COUNT(a) (sizeof(a) / sizeof *(a))
enum { PAGES = 26, RANKS = PAGES * LAC_PAGE, ROWS = 19, LONGEST = 128, GAP = 3 };

static const char *const table_names[] = {KERN_TABLES};
#define EACH_TABLE(kern)                                                                             \
    for (size_t each_ = 0; each_ < COUNT(table_names); each_++)                                      \
        for (const lac_kern *kern = lac_kern_pick(table_names[each_]); kern; kern = NULL)

static const lac_type types[] = {LAC_F32, LAC_BF16};
static const size_t dims[] = {2, 6, 8, 16, 32, 64, 80, 128};

static uint64_t seed = 1;
static uint32_t bits(void) { return (uint32_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 32); }
static float uniform(void) { return (float)(int32_t)bits() * 0x1p-31f; }

/* ---- keys and values ---- */

/* RANKS entries of one head, in pages of one piece of memory, from the last to the first. */
typedef struct {
    lac_type type;
    size_t D;
    char *map;
    size_t size, bytes;        /* of the map; of a page */
    const char *page[PAGES];
    float *k, *v;              /* [RANKS, D] as the pages have them */
} head;

static char *page_at(const head *h, size_t i) { return h->map + h->size - (size_t)sysconf(_SC_PAGESIZE) - (i + 1) * h->bytes; }

/* Floats, encoded. */
static void put(lac_type type, void *at, size_t t, size_t D, const float *k, const float *v)
{
    float code[2][LONGEST];
    lac_row_encode(type, k, D, code[0]);
    lac_row_encode(type, v, D, code[1]);
    lac_page_put(type, at, t, D, code[0], code[1]);
}

static void head_put(head *h, size_t t, float scale)
{
    float *k = h->k + t * h->D, *v = h->v + t * h->D;
    for (size_t d = 0; d < h->D; d++) k[d] = scale * uniform(), v[d] = uniform();
    put(h->type, page_at(h, t / LAC_PAGE), t % LAC_PAGE, h->D, k, v);
    lac_page_get(h->type, page_at(h, t / LAC_PAGE), t % LAC_PAGE, h->D, k, v);
}

static head head_open(lac_type type, size_t D, float scale)
{
    const size_t forbidden = (size_t)sysconf(_SC_PAGESIZE);
    head h = {.type = type, .D = D, .bytes = lac_page_bytes(type, D)};
    h.size = (PAGES * h.bytes + forbidden - 1) / forbidden * forbidden + forbidden;
    h.map = mmap(NULL, h.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(h.map != MAP_FAILED);
    assert_int_equal(mprotect(h.map + h.size - forbidden, forbidden, PROT_NONE), 0);
    h.k = malloc(RANKS * D * sizeof *h.k), h.v = malloc(RANKS * D * sizeof *h.v);
    assert_true(h.k && h.v);
    for (size_t i = 0; i < PAGES; i++) h.page[i] = page_at(&h, i);
    for (size_t t = 0; t < RANKS; t++) head_put(&h, t, scale);
    return h;
}

static void head_close(head *h)
{
    munmap(h->map, h->size);
    free(h->k), free(h->v);
}

/* ---- calls ---- */

typedef struct {
    size_t N;
    uint32_t sees[ROWS], self[ROWS];
    float q[ROWS * (LONGEST + GAP)];
} rows;

static void rows_fill(rows *r, float scale)
{
    for (size_t i = 0; i < COUNT(r->q); i++) r->q[i] = scale * uniform();
}

/* Rows [from, from + N) in one call: out [ROWS, D + GAP], of which others stay as they are. */
static void call(const lac_kern *kern, const head *h, const rows *r, size_t from, size_t N, float *out)
{
    const size_t room = lac_attend_room(N, h->D), ld = h->D + GAP;
    float *scratch = malloc((room + 1) * sizeof *scratch);
    assert_non_null(scratch);
    for (size_t i = 0; i < room; i++) scratch[i] = NAN;
    scratch[room] = CANARY;
    kern->attend(&(lac_attend){h->type, h->D, h->page, 0, r->q + from * ld, ld, N, r->sees + from, r->self + from, out + from * ld, ld, scratch});
    assert_true(scratch[room] == CANARY);
    free(scratch);
}

/* Row n by the formula; the tolerance grows with the scores, since e^x turns their errors into relative ones. */
static void check_row(const char *table, const head *h, const rows *r, size_t n, const float *out)
{
    const size_t D = h->D, sees = r->sees[n], keys = sees + (r->self[n] >= sees);
    double score[RANKS + 1], max = -INFINITY, total = 0, want[LONGEST] = {0}, size[LONGEST] = {0}, most = 0;
    for (size_t i = 0; i < keys; i++) {
        const float *k = h->k + (i < sees ? i : r->self[n]) * D;
        double abs_sum = 0;
        score[i] = 0;
        for (size_t d = 0; d < D; d++) {
            const double x = (double)r->q[n * (D + GAP) + d] * (double)k[d] / sqrt((double)D);
            score[i] += x, abs_sum += fabs(x);
        }
        if (abs_sum > most) most = abs_sum;
        if (score[i] > max) max = score[i];
    }
    for (size_t i = 0; i < keys; i++) {
        const float *v = h->v + (i < sees ? i : r->self[n]) * D;
        const double p = exp(score[i] - max);
        total += p;
        for (size_t d = 0; d < D; d++) want[d] += p * (double)v[d], size[d] += p * fabs((double)v[d]);
    }
    for (size_t d = 0; d < D; d++) {
        /* where pairs are multiplied, queries and weights are rounded to BF16: half a unit of 8 bits each */
        const bool pairs = h->type == LAC_BF16 && !strcmp(table, "avx512bf16");
        const double got = (double)out[n * (D + GAP) + d], cut = pairs ? 0x1p-9 * (2.1 * most + 1.1) : 0;
        const double tol = size[d] / total * (0x1p-24 * (2 * (double)(D + 3) * most + (double)keys + 20) + cut);
        if (!(fabs(got - want[d] / total) <= tol + 1e-12))
            fail_msg("%s, %s, D %zu, row %zu (sees %zu, self %u), %zu: got %.9g, want %.9g within %.3g", table, lac_type_name(h->type), D, n, sees,
                     r->self[n], d, got, want[d] / total, tol);
    }
}

static void check_same(const char *what, const char *table, const head *h, size_t n, const float *a, const float *b)
{
    if (memcmp(a + n * (h->D + GAP), b + n * (h->D + GAP), h->D * sizeof *a) != 0)
        fail_msg("%s: %s, %s, D %zu, row %zu differs", what, table, lac_type_name(h->type), h->D, n);
}

/* Rows together, alone, and in two other cuts; canaries after each. */
static void check_rows(const lac_kern *kern, const head *h, const rows *r)
{
    static float out[ROWS * (LONGEST + GAP)], again[ROWS * (LONGEST + GAP)];
    const size_t ld = h->D + GAP;
    for (size_t i = 0; i < COUNT(out); i++) out[i] = CANARY;
    call(kern, h, r, 0, r->N, out);
    for (size_t n = 0; n < r->N; n++) {
        check_row(kern->name, h, r, n, out);
        for (size_t i = h->D; i < ld; i++) assert_true(out[n * ld + i] == CANARY);
    }
    for (size_t i = r->N * ld; i < COUNT(out); i++) assert_true(out[i] == CANARY);
    static const size_t cuts[] = {1, 3, 4, 6};
    for (size_t c = 0; c < COUNT(cuts) && r->N > 1; c++) {
        for (size_t n = 0; n < r->N; n += cuts[c]) call(kern, h, r, n, r->N - n < cuts[c] ? r->N - n : cuts[c], again);
        for (size_t n = 0; n < r->N; n++) check_same("cut", kern->name, h, n, again, out);
    }
}

/* ---- tests ---- */

static void test_put_get(void **state)
{
    (void)state;
    for (size_t y = 0; y < COUNT(types); y++)
        for (size_t i = 0; i < COUNT(dims); i++) {
            const size_t D = dims[i], bytes = lac_page_bytes(types[y], D), width = types[y] == LAC_F32 ? 4 : 2;
            assert_int_equal(bytes, 2 * LAC_PAGE * D * width);
            char *page = calloc(1, bytes + 1), *code = malloc(2 * D * width);
            float x[2 * LONGEST], want[2 * LONGEST], got[2 * LONGEST];
            assert_true(page && code);
            page[bytes] = 77;
            for (size_t turn = 0; turn < 2; turn++) /* all entries; then each again, others must stay */
                for (size_t t = 0; t < LAC_PAGE; t++) {
                    for (size_t d = 0; d < 2 * D; d++) x[d] = 100 * (float)t + uniform();
                    put(types[y], page, t, D, x, x + D);
                    lac_row_encode(types[y], x, 2 * D, code);
                    lac_row_decode(types[y], code, 2 * D, want);
                    lac_page_get(types[y], page, t, D, got, got + D);
                    assert_memory_equal(got, want, 2 * D * sizeof *got);
                    for (size_t o = 0; turn && o < LAC_PAGE; o++) {
                        lac_page_get(types[y], page, o, D, got, got + D);
                        for (size_t d = 0; d < 2 * D; d++) assert_true(fabsf(got[d] - 100 * (float)o) <= 8);
                    }
                }
            assert_int_equal(page[bytes], 77);
            free(page), free(code);
        }
}

/* The places that attend.h draws, by bytes. */
static void test_layout(void **state)
{
    (void)state;
    enum { D = 6, T = 5 };
    static const float k[D] = {1, 2, 3, 4, 5, 6}, v[D] = {-1, -2, -3, -4, -5, -6};
    float f32[2 * LAC_PAGE * D] = {0};
    put(LAC_F32, f32, T, D, k, v);
    for (size_t d = 0; d < D; d++) {
        assert_true(f32[d * LAC_PAGE + T] == k[d]);
        assert_true(f32[LAC_PAGE * D + T * D + d] == v[d]);
    }
    uint16_t bf16[2 * LAC_PAGE * D] = {0}, one;
    put(LAC_BF16, bf16, T, D, k, v);
    for (size_t d = 0; d < D; d++) {
        lac_row_encode(LAC_BF16, k + d, 1, &one);
        assert_int_equal(bf16[(d / 2 * LAC_PAGE + T) * 2 + d % 2], one);
        lac_row_encode(LAC_BF16, v + d, 1, &one);
        assert_int_equal(bf16[LAC_PAGE * D + (T / 2 * D + d) * 2 + T % 2], one);
    }
}

/* Borders of vectors, pages and spans, own entry among those seen, next, and far. */
static void test_formula(void **state)
{
    (void)state;
    static const uint32_t sees[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 112, 113, 127, 128, 129, 144, 255, 256, 257, 300, 384};
    for (size_t y = 0; y < COUNT(types); y++)
        for (size_t i = 0; i < COUNT(dims); i++) {
            head h = head_open(types[y], dims[i], 1);
            rows r = {.N = 1};
            EACH_TABLE(kern)
            for (size_t s = 0; s < COUNT(sees); s++)
                for (size_t own = 0; own < 3; own++) {
                    rows_fill(&r, 3);
                    r.sees[0] = sees[s];
                    r.self[0] = own == 0 ? (sees[s] ? bits() % sees[s] : 0) : own == 1 ? sees[s] : sees[s] + 1 + bits() % (RANKS - sees[s] - 1);
                    check_rows(kern, &h, &r);
                }
            head_close(&h);
        }
}

/* N rows that see about the same, and rows that see anything. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t y = 0; y < COUNT(types); y++)
        for (size_t i = 0; i < COUNT(dims); i++) {
            head h = head_open(types[y], dims[i], 1);
            rows r;
            for (size_t turn = 0; turn < 6; turn++) {
                static const size_t counts[] = {2, 3, 5, 8, 9, ROWS};
                r.N = counts[turn];
                rows_fill(&r, 3);
                const uint32_t base = bits() % 280;
                for (uint32_t n = 0; n < r.N; n++) {
                    r.sees[n] = turn % 3 == 0 ? base : turn % 3 == 1 ? base + n : bits() % 300;
                    r.self[n] = turn % 3 == 0 ? base + n : turn % 3 == 1 ? base + n : bits() % RANKS;
                }
                EACH_TABLE(kern) check_rows(kern, &h, &r);
            }
            for (uint32_t n = 0; n < ROWS; n++) r.sees[n] = 0, r.self[n] = n; /* nothing but itself: its own value */
            EACH_TABLE(kern) check_rows(kern, &h, &r);
            head_close(&h);
        }
}

/* A row is a function of its keys in rank order: the own entry gives the same bits from wherever it lies. */
static void test_own_entry_anywhere(void **state)
{
    (void)state;
    static float out[ROWS * (LONGEST + GAP)], again[ROWS * (LONGEST + GAP)];
    for (size_t y = 0; y < COUNT(types); y++)
        for (size_t i = 0; i < COUNT(dims); i++) {
            head h = head_open(types[y], dims[i], 1);
            const size_t D = h.D;
            static const uint32_t sees[] = {0, 5, 16, 127, 128, 131, 200};
            rows r = {.N = 1};
            rows_fill(&r, 3);
            for (size_t s = 0; s < COUNT(sees); s++) {
                put(h.type, page_at(&h, sees[s] / LAC_PAGE), sees[s] % LAC_PAGE, D, h.k + 301 * D, h.v + 301 * D);
                EACH_TABLE(kern)
                {
                    r.sees[0] = sees[s], r.self[0] = 301;
                    call(kern, &h, &r, 0, 1, out);
                    r.self[0] = sees[s];
                    call(kern, &h, &r, 0, 1, again);
                    check_same("own entry next", kern->name, &h, 0, again, out);
                    r.sees[0] = sees[s] + 1, r.self[0] = 0;
                    call(kern, &h, &r, 0, 1, again);
                    check_same("own entry seen", kern->name, &h, 0, again, out);
                }
            }
            head_close(&h);
        }
}

/* Large numbers where nobody looks. */
static void test_unseen(void **state)
{
    (void)state;
    static float out[ROWS * (LONGEST + GAP)], again[ROWS * (LONGEST + GAP)];
    static const float big[] = {3e38f, -3e38f};
    for (size_t y = 0; y < COUNT(types); y++)
        for (size_t i = 0; i < COUNT(dims); i++) {
            rows r = {.N = ROWS};
            rows_fill(&r, 3);
            for (uint32_t n = 0; n < ROWS; n++) r.sees[n] = 100 + 2 * n, r.self[n] = n % 2 ? 100 + 2 * n : 200 + 5 * n;
            EACH_TABLE(kern)
            {
                head h = head_open(types[y], dims[i], 1);
                float k[LONGEST], v[LONGEST];
                call(kern, &h, &r, 0, ROWS, out);
                for (uint32_t t = 100 + 2 * ROWS; t < RANKS; t++) {
                    bool own = false;
                    for (size_t n = 0; n < ROWS; n++) own = own || r.self[n] == t;
                    for (size_t d = 0; d < h.D; d++) k[d] = big[bits() % 2], v[d] = big[bits() % 2];
                    if (!own) put(h.type, page_at(&h, t / LAC_PAGE), t % LAC_PAGE, h.D, k, v);
                }
                call(kern, &h, &r, 0, ROWS, again);
                for (size_t n = 0; n < ROWS; n++) check_same("unseen", kern->name, &h, n, again, out);
                /* what other rows see is nothing to row 0 */
                for (uint32_t t = 100; t < 102 + 2 * ROWS; t++) {
                    for (size_t d = 0; d < h.D; d++) k[d] = big[bits() % 2], v[d] = big[bits() % 2];
                    put(h.type, page_at(&h, t / LAC_PAGE), t % LAC_PAGE, h.D, k, v);
                }
                call(kern, &h, &r, 0, ROWS, again);
                check_same("seen by others", kern->name, &h, 0, again, out);
                head_close(&h);
            }
        }
}

/* Scores of hundreds and of 1e30: e^x must not overflow, the largest wins. */
static void test_large_scores(void **state)
{
    (void)state;
    for (size_t y = 0; y < COUNT(types); y++)
        for (size_t i = 0; i < COUNT(dims); i++) {
            head h = head_open(types[y], dims[i], 30);
            const size_t D = h.D, ld = D + GAP;
            rows r = {.N = 5};
            rows_fill(&r, 30);
            for (uint32_t n = 0; n < r.N; n++) r.sees[n] = 60 * n + 1, r.self[n] = 400;
            EACH_TABLE(kern) check_rows(kern, &h, &r);

            float k[LONGEST] = {0}, out[5 * (LONGEST + GAP)];
            k[0] = 1e15f;
            const uint32_t at = 150;
            put(h.type, page_at(&h, at / LAC_PAGE), at % LAC_PAGE, D, k, h.v + at * D);
            for (size_t n = 0; n < r.N; n++) r.q[n * ld] = 1e15f, r.sees[n] = 151 + (uint32_t)n * 30, r.self[n] = 0;
            EACH_TABLE(kern)
            {
                call(kern, &h, &r, 0, r.N, out);
                for (size_t n = 0; n < r.N; n++)
                    for (size_t d = 0; d < D; d++) assert_true(out[n * ld + d] == h.v[at * D + d]);
            }
            head_close(&h);
        }
}

/* No rows: nothing is touched. */
static void test_no_rows(void **state)
{
    (void)state;
    EACH_TABLE(kern) kern->attend(&(lac_attend){.type = LAC_BF16, .D = 64});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_own_entry_anywhere),
        cmocka_unit_test(test_unseen),
        cmocka_unit_test(test_large_scores),
        cmocka_unit_test(test_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
