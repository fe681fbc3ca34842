/* Every table of large products this CPU can run, forced by name, against sums in double.
 *
 * Each matrix ends at a page nobody may touch; what lies between the rows of C holds canaries. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "common/unit.h"

#include "kern/gemm.h"
#include "kern/kern.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EPS 0x1p-23
#define CANARY 12345.678f
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const names[] = {"ref", "blas", "bf16"};
#define EACH_TABLE(gemm)                                                              \
    for (size_t each_ = 0; each_ < COUNT(names); each_++)                             \
        for (const lac_gemm *gemm = lac_gemm_pick(names[each_]); gemm; gemm = NULL)

/* ---- help ---- */

static uint64_t seed = 1;
static uint32_t bits(void) { return (uint32_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 32); }
static size_t below(size_t n) { return bits() % n; }

/* A normal number that BF16 holds exactly: sign, 7 digits, exponent in [-4, 4). */
static float some(void)
{
    uint32_t u = (bits() & 0x807F0000u) | (123 + bits() % 8) << 23;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Space that ends where a forbidden page begins. */
typedef struct {
    char *map;
    size_t size; /* bytes one may use */
} guarded;

static guarded guarded_open(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded g = {.size = (bytes + page - 1) / page * page};
    g.map = mmap(NULL, g.size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map + g.size, page, PROT_NONE), 0);
    return g;
}
static void *guarded_tail(const guarded *g, size_t bytes)
{
    assert_true(bytes <= g->size);
    return g->map + g->size - bytes;
}
static void guarded_close(guarded *g) { munmap(g->map, g->size + (size_t)sysconf(_SC_PAGESIZE)); }

/* Elements from the first of the first row to the last of the last. */
static size_t extent(size_t rows, size_t columns, size_t ld) { return rows && columns ? (rows - 1) * ld + columns : 0; }

enum { MOST = 320 * 1030 }; /* elements of the largest matrix below */
static float a32[MOST], b32[MOST], c_old[MOST];
static guarded ga, gb, gc;

static int open_all(void **state)
{
    (void)state;
    ga = guarded_open(MOST * sizeof(float));
    gb = guarded_open(MOST * sizeof(float));
    gc = guarded_open(MOST * sizeof(float));
    return 0;
}
static int close_all(void **state)
{
    (void)state;
    guarded_close(&ga), guarded_close(&gb), guarded_close(&gc);
    return 0;
}

typedef struct {
    bool ta, tb, add;
    size_t m, n, k, lda, ldb, ldc;
} product;

static float a_at(const product *p, size_t i, size_t l) { return a32[p->ta ? l * p->lda + i : i * p->lda + l]; }
static float b_at(const product *p, size_t l, size_t j) { return b32[p->tb ? j * p->ldb + l : l * p->ldb + j]; }

/* x as the operand of a table, at the end of its space. */
static const void *operand(const lac_gemm *gemm, const guarded *g, const float *x, size_t n)
{
    void *to = guarded_tail(g, n * (gemm->bf16 ? sizeof(uint16_t) : sizeof *x));
    if (n) lac_row_encode(gemm->bf16 ? LAC_BF16 : LAC_F32, x, n, to);
    return to;
}

/* C of one run; it stays until the next. */
static float *result(const lac_gemm *gemm, const product *p)
{
    size_t nc = extent(p->m, p->n, p->ldc);
    float *C = guarded_tail(&gc, nc * sizeof *C);
    memcpy(C, c_old, nc * sizeof *C);
    const void *A = operand(gemm, &ga, a32, p->ta ? extent(p->k, p->m, p->lda) : extent(p->m, p->k, p->lda));
    const void *B = operand(gemm, &gb, b32, p->tb ? extent(p->n, p->k, p->ldb) : extent(p->k, p->n, p->ldb));
    gemm->run(p->ta, p->tb, p->m, p->n, p->k, A, p->lda, B, p->ldb, p->add, C, p->ldc);
    return C;
}

static void fill(const product *p)
{
    size_t nc = extent(p->m, p->n, p->ldc);
    for (size_t i = 0; i < nc; i++) c_old[i] = i % p->ldc < p->n ? some() : CANARY;
    if (!p->add) /* what is not to be read */
        for (size_t i = 0; i < nc; i++)
            if (i % p->ldc < p->n) c_old[i] = NAN;
}

/* Element (i, j) of a result; NaN and infinities must agree in kind. */
static void check_at(const char *table, const product *p, const float *C, size_t i, size_t j)
{
    double want = p->add ? (double)c_old[i * p->ldc + j] : 0, size = fabs(want), got = (double)C[i * p->ldc + j];
    for (size_t l = 0; l < p->k; l++) {
        double t = (double)a_at(p, i, l) * (double)b_at(p, l, j);
        want += t;
        size += fabs(t);
    }
    double tol = (double)(p->k + 1) * EPS * size;
    bool same = isnan(want) ? isnan(got) : isinf(want) ? got == want : fabs(got - want) <= tol;
    CHECK(same, "%s%s%s%s m=%zu n=%zu k=%zu at %zu, %zu: got %.9g, want %.9g within %.3g", table, p->ta ? " ta" : "",
          p->tb ? " tb" : "", p->add ? " add" : "", p->m, p->n, p->k, i, j, got, want, tol);
}

static void check_canaries(const char *table, const product *p, const float *C)
{
    size_t nc = extent(p->m, p->n, p->ldc);
    for (size_t i = 0; i < nc; i++)
        CHECK(i % p->ldc < p->n || C[i] == CANARY, "%s wrote behind row %zu of %zu columns", table, i / p->ldc, p->n);
}

static product shape(unsigned how, size_t m, size_t n, size_t k, size_t gap)
{
    bool ta = how & 1, tb = how & 2, add = how & 4;
    return (product){ta, tb, add, m, n, k, (ta ? m : k) + below(gap), (tb ? k : n) + below(gap), n + below(gap)};
}

/* ---- tests ---- */

static void test_pick(void **state)
{
    (void)state;
    assert_null(lac_gemm_pick("none"));
    assert_string_equal(lac_gemm_pick("ref")->name, "ref");
    assert_string_equal(lac_gemm_pick("blas")->name, "blas");
    const lac_gemm *bf16 = lac_gemm_pick("bf16");
    assert_ptr_equal(lac_gemm_pick(NULL), bf16 ? bf16 : lac_gemm_pick("blas"));
    EACH_TABLE(gemm)
    {
        assert_string_equal(gemm->name, names[each_]);
        assert_int_equal(gemm->bf16, gemm == bf16);
    }
}

/* Sizes around every edge of tiles and vectors, each with all transpositions. */
static void test_small(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 5, 6, 7, 13, 16, 31, 33, 47, 64, 65, 70};
    for (size_t i = 0; i < MOST; i++) a32[i] = some(), b32[i] = some();
    for (size_t x = 0; x < COUNT(sizes) * COUNT(sizes); x++)
        for (unsigned how = 0; how < 8; how++) {
            size_t m = sizes[x % COUNT(sizes)], n = sizes[x / COUNT(sizes)], k = sizes[(x + how) % COUNT(sizes)];
            product p = shape(how, m, n, k, 6);
            fill(&p);
            EACH_TABLE(gemm)
            {
                const float *C = result(gemm, &p);
                for (size_t i = 0; i < m; i++)
                    for (size_t j = 0; j < n; j++) check_at(gemm->name, &p, C, i, j);
                check_canaries(gemm->name, &p, C);
            }
        }
}

/* Elements of a large product, by tables worth it: at random, of the last row, of the last column. */
static void check_large(const product *p)
{
    fill(p);
    EACH_TABLE(gemm)
    {
        if (strcmp(gemm->name, "ref") == 0) continue;
        const float *C = result(gemm, p);
        for (size_t i = 0; i < 400; i++) check_at(gemm->name, p, C, below(p->m), below(p->n));
        for (size_t i = 0; i < p->m; i++) check_at(gemm->name, p, C, i, p->n - 1);
        for (size_t j = 0; j < p->n; j++) check_at(gemm->name, p, C, p->m - 1, j);
        check_canaries(gemm->name, p, C);
    }
}

/* Several blocks in each direction. */
static void test_large(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {/* m, n, k */
                                      {64, 64, 512}, {100, 300, 257}, {307, 64, 1025}, {12, 1029, 300},
                                      {200, 258, 511}};
    for (size_t i = 0; i < MOST; i++) a32[i] = some(), b32[i] = some();
    for (size_t x = 0; x < COUNT(sizes); x++)
        for (unsigned how = 0; how < 8; how++) {
            product p = shape(how, sizes[x][0], sizes[x][1], sizes[x][2], 2);
            check_large(&p);
        }
}

/* Nothing is skipped: a NaN or an infinity reaches its row or column, and no other. */
static void test_not_finite(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (unsigned how = 0; how < 8; how++)
        for (size_t x = 0; x < COUNT(odd); x++) {
            product p = shape(how, 19, 83, 37, 4);
            for (size_t i = 0; i < MOST; i++) a32[i] = some(), b32[i] = some();
            size_t i = below(p.m), j = below(p.n), l = x ? below(p.k) : p.k - 1;
            a32[p.ta ? l * p.lda + i : i * p.lda + l] = odd[x];
            l = below(p.k);
            b32[p.tb ? j * p.ldb + l : l * p.ldb + j] = odd[(x + 1) % COUNT(odd)];
            fill(&p);
            EACH_TABLE(gemm)
            {
                const float *C = result(gemm, &p);
                for (i = 0; i < p.m; i++)
                    for (j = 0; j < p.n; j++) check_at(gemm->name, &p, C, i, j);
            }
        }
}

/* Same bits from run to run, wherever the operands lie. */
static void test_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOST; i++) a32[i] = some(), b32[i] = some();
    static float first[MOST];
    for (unsigned how = 0; how < 8; how++) {
        product p = shape(how, 61, 131, 301, 1);
        fill(&p);
        EACH_TABLE(gemm)
        {
            memcpy(first, result(gemm, &p), p.m * p.n * sizeof *first);
            assert_memory_equal(result(gemm, &p), first, p.m * p.n * sizeof *first);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pick),       cmocka_unit_test(test_small),     cmocka_unit_test(test_large),
        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
