/* Every table this CPU can run, forced by name, against sums in double; and the formats of rows, to the bit.
 *
 * Buffers end at a page nobody may touch, so reading or writing one byte past an end is a crash; what is
 * before and between rows holds canaries. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "common/unit.h"
#include "kern/pack.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EPS 0x1p-24 /* half a unit in the last place of 1 */
#define CANARY 12345.678f
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const table_names[] = {KERN_TABLES};
#define EACH_TABLE(kern)                                                                             \
    for (size_t each_ = 0; each_ < COUNT(table_names); each_++)                                      \
        for (const lac_kern *kern = lac_kern_pick(table_names[each_]); kern; kern = NULL)

/* ---- help ---- */

static uint64_t seed = 1;
static uint32_t bits(void) { return (uint32_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 32); }
static float uniform(void) { return (float)(int32_t)bits() * 0x1p-31f; }
/* sign and digits at random, exponent in [-e, e] */
static float wild(int e) { return ldexpf(uniform(), (int)(bits() % (unsigned)(2 * e + 1)) - e); }

static float from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
static uint32_t to_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

/* `bytes` bytes that end where a forbidden page begins. */
typedef struct {
    char *map;
    size_t size, page;
} guarded;

static guarded guarded_open(size_t bytes)
{
    guarded g = {.page = (size_t)sysconf(_SC_PAGESIZE)};
    g.size = (bytes + g.page - 1) / g.page * g.page + g.page;
    g.map = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map + g.size - g.page, g.page, PROT_NONE), 0);
    return g;
}
static void *guarded_tail(const guarded *g, size_t bytes)
{
    assert_true(bytes <= g->size - g->page);
    return g->map + g->size - g->page - bytes;
}
static void guarded_close(guarded *g) { munmap(g->map, g->size); }

/* NaN and infinities must agree in kind; else |got - want| <= tol. */
static void check_near(const char *what, const char *table, size_t i, double got, double want, double tol)
{
    int same = isnan(want) ? isnan(got) : isinf(want) ? got == want : fabs(got - want) <= tol;
    if (!same) fail_msg("%s of %s at %zu: got %.9g, want %.9g within %.3g", what, table, i, got, want, tol);
}
static void check_bits(const char *what, const char *table, size_t i, float got, float want)
{
    if (to_bits(got) != to_bits(want) && !(isnan(got) && isnan(want)))
        fail_msg("%s of %s at %zu: got %.9g (%08x), want %.9g (%08x)", what, table, i, (double)got, to_bits(got), (double)want, to_bits(want));
}

/* ---- rows ---- */

static void test_row_bytes(void **state)
{
    (void)state;
    assert_int_equal(lac_row_bytes(LAC_F32, 0), 0);
    assert_int_equal(lac_row_bytes(LAC_F32, 7), 28);
    assert_int_equal(lac_row_bytes(LAC_BF16, 7), 14);
    assert_int_equal(lac_row_bytes(LAC_Q8_0, 64), 68);
    assert_int_equal(lac_row_bytes(LAC_Q8_0, 63), 0);
    assert_int_equal(lac_row_bytes(LAC_F32, SIZE_MAX / 2), 0);
    assert_int_equal(lac_row_bytes((lac_type)1, 32), 0);
    assert_string_equal(lac_type_name(LAC_F32), "F32");
    assert_string_equal(lac_type_name(LAC_BF16), "BF16");
    assert_string_equal(lac_type_name(LAC_Q8_0), "Q8_0");
    assert_string_equal(lac_type_name((lac_type)999), "?");
}

static void test_row_f32(void **state)
{
    (void)state;
    static const uint32_t in[] = {0, 0x80000000, 0x3F800000, 0x00000001, 0x7F800000, 0xFF800000, 0x7FC12345, 0x12345678};
    float x[COUNT(in)], back[COUNT(in)];
    uint8_t row[1 + sizeof x];
    memcpy(x, in, sizeof x);
    lac_row_encode(LAC_F32, x, COUNT(in), row + 1);
    static const uint8_t last[] = {0x78, 0x56, 0x34, 0x12};
    assert_memory_equal(row + 1 + 28, last, 4);
    lac_row_decode(LAC_F32, row + 1, COUNT(in), back);
    assert_memory_equal(back, x, sizeof x);
}

static void test_row_bf16(void **state)
{
    (void)state;
    static const struct {
        uint32_t in, out;
    } cases[] = {
        {0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3F800000, 0x3F80}, {0xC2F70000, 0xC2F7},
        {0x3F808000, 0x3F80}, /* half way: down to even */
        {0x3F818000, 0x3F82}, /* half way: up to even */
        {0x3F808001, 0x3F81}, {0x3F807FFF, 0x3F80}, {0x3F817FFF, 0x3F81},
        {0x3FFF8000, 0x4000}, /* into the next exponent */
        {0x7F7FFFFF, 0x7F80}, /* the largest float is nearest infinity */
        {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80},
        {0x7F800001, 0x7FC0}, {0xFFFFFFFF, 0xFFFF}, {0x7FC00000, 0x7FC0}, /* NaN stays NaN */
        {0x00000001, 0x0000}, {0x00008000, 0x0000}, {0x00018000, 0x0002}, {0x007FFFFF, 0x0080},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        float x = from_bits(cases[i].in), back;
        uint8_t row[3] = {0, 0, 0xAA};
        lac_row_encode(LAC_BF16, &x, 1, row);
        assert_int_equal(row[0] | row[1] << 8, cases[i].out);
        assert_int_equal(row[2], 0xAA);
        lac_row_decode(LAC_BF16, row, 1, &back);
        assert_int_equal(to_bits(back), cases[i].out << 16);
    }
}

/* One block with the largest weight `amax`: what scale is stored? */
static uint32_t scale_of(float amax)
{
    float x[LAC_Q8_BLOCK] = {[5] = amax};
    uint8_t row[LAC_Q8_BYTES];
    lac_row_encode(LAC_Q8_0, x, LAC_Q8_BLOCK, row);
    return (uint32_t)(row[0] | row[1] << 8);
}

static void test_row_q8_scale(void **state)
{
    (void)state;
    static const struct {
        float d;
        uint32_t half;
    } cases[] = {
        {0, 0}, {1, 0x3C00}, {0.5f, 0x3800}, {2, 0x4000}, {65504, 0x7BFF},
        {1 + 0x1p-11f, 0x3C00},     /* half way: down to even */
        {1 + 3 * 0x1p-11f, 0x3C02}, /* half way: up to even */
        {2 - 0x1p-11f, 0x4000},     /* into the next exponent */
        {0x1p-14f, 0x0400}, {0x1p-15f, 0x0200}, {0x1p-24f, 0x0001}, {3 * 0x1p-24f, 0x0003},
        {0x1.8p-24f, 0x0002}, {0x1p-25f, 0x0000}, {0x1.4p-23f, 0x0002}, {0x1.cp-23f, 0x0004},
        {0x1.ffep-15f, 0x0400},     /* the largest denormal, and half a step: to the least normal */
        {0x1p-40f, 0},
        {65519, 0x7BFF}, {70000, 0x7BFF}, {1e30f, 0x7BFF}, /* saturates */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        float amax = cases[i].d * 127;
        if (amax / 127 != cases[i].d) fail_msg("case %zu is not exact", i);
        if (scale_of(amax) != cases[i].half || scale_of(-amax) != cases[i].half)
            fail_msg("scale %a: got %04x, want %04x", (double)cases[i].d, scale_of(amax), cases[i].half);
    }
    assert_int_equal(scale_of(INFINITY), 0x7BFF);
    assert_int_equal(scale_of(NAN), 0);
}

static void test_row_q8(void **state)
{
    (void)state;
    /* d = 1: ties go away from zero, as in GGML */
    float x[2 * LAC_Q8_BLOCK] = {127, -127, 0, -0.0f, 1, -1, 0.5f, -0.5f, 1.5f, 2.5f, -2.5f, 0.49f, 126.5f, 3.75f, NAN};
    static const int8_t q[LAC_Q8_BLOCK] = {127, -127, 0, 0, 1, -1, 1, -1, 2, 3, -3, 0, 127, 4, 0};
    float back[2 * LAC_Q8_BLOCK];
    uint8_t row[1 + 2 * LAC_Q8_BYTES];
    lac_row_encode(LAC_Q8_0, x, 2 * LAC_Q8_BLOCK, row + 1);
    assert_int_equal(row[1] | row[2] << 8, 0x3C00);
    assert_memory_equal(row + 3, q, LAC_Q8_BLOCK);
    static const uint8_t zero[LAC_Q8_BYTES] = {0};
    assert_memory_equal(row + 1 + LAC_Q8_BYTES, zero, LAC_Q8_BYTES);
    lac_row_decode(LAC_Q8_0, row + 1, 2 * LAC_Q8_BLOCK, back);
    for (size_t i = 0; i < LAC_Q8_BLOCK; i++) check_bits("decode", "rows", i, back[i], q[i]);
    for (size_t i = LAC_Q8_BLOCK; i < 2 * LAC_Q8_BLOCK; i++) check_bits("decode", "rows", i, back[i], 0);

    /* infinities saturate, too small a block is zero: nothing decodes to NaN */
    for (size_t i = 0; i < 2 * LAC_Q8_BLOCK; i++) x[i] = i < LAC_Q8_BLOCK ? (float)i : 1e-42f;
    x[0] = INFINITY;
    x[1] = -INFINITY;
    lac_row_encode(LAC_Q8_0, x, 2 * LAC_Q8_BLOCK, row);
    lac_row_decode(LAC_Q8_0, row, 2 * LAC_Q8_BLOCK, back);
    check_bits("inf", "rows", 0, back[0], 127 * 65504.0f);
    check_bits("inf", "rows", 1, back[1], -127 * 65504.0f);
    for (size_t i = 2; i < 2 * LAC_Q8_BLOCK; i++) check_bits("small", "rows", i, back[i], 0);
}

static void test_row_q8_error(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        float x[LAC_Q8_BLOCK], back[LAC_Q8_BLOCK], amax = 0;
        uint8_t row[LAC_Q8_BYTES];
        for (size_t i = 0; i < LAC_Q8_BLOCK; i++) x[i] = wild(8), amax = fmaxf(amax, fabsf(x[i]));
        lac_row_encode(LAC_Q8_0, x, LAC_Q8_BLOCK, row);
        lac_row_decode(LAC_Q8_0, row, LAC_Q8_BLOCK, back);
        /* half a step, and the rounding of d: 2^-11 of at most 127 steps */
        double step = (double)amax / 127;
        for (size_t i = 0; i < LAC_Q8_BLOCK; i++) check_near("round trip", "Q8_0", i, (double)back[i], (double)x[i], step * (0.501 + 127 * 0x1p-11) + 0x1p-18);
    }
}

/* ---- choice ---- */

static void test_pick(void **state)
{
    (void)state;
    assert_null(lac_kern_pick("no such table"));
    assert_null(lac_kern_pick(""));
    assert_ptr_equal(lac_kern_pick("ref"), lac_kern_ref);
    assert_non_null(lac_kern_pick(NULL));
    assert_ptr_equal(lac_kern_pick(NULL), lac_kern_pick(lac_kern_pick(NULL)->name));
    size_t found = 0;
    printf("report: kernel tables on this CPU:");
    EACH_TABLE(kern)
    {
        assert_string_equal(kern->name, table_names[each_]);
        printf(" %s", kern->name);
        found++;
    }
    printf("\n");
    assert_true(found >= 1);
}

/* ---- products ---- */

/* Weights of R rows of K columns: encoded noise, or for Q8_0 every other time bytes at random, which reach
 * q = -128, negative and denormal scales. */
static void fill_weights(lac_type type, uint8_t *w, size_t R, size_t K, int e)
{
    size_t row = lac_row_bytes(type, K);
    float *x = malloc((K + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t r = 0; r < R; r++) {
        for (size_t k = 0; k < K; k++) x[k] = wild(e);
        lac_row_encode(type, x, K, w + r * row);
        if (type == LAC_Q8_0 && r % 2)
            for (size_t i = 0; i < row; i++) {
                w[r * row + i] = (uint8_t)bits();
                if (i % LAC_Q8_BYTES == 1) w[r * row + i] &= 0xBF; /* half a scale below 2 */
            }
    }
    free(x);
}

static const lac_type types[] = {LAC_F32, LAC_BF16, LAC_Q8_0};

/* What a prepared row says: [K]. */
static void read_prepared(lac_type type, const uint8_t *row, size_t K, double *out)
{
    for (size_t k = 0; k < K; k++) {
        float f;
        if (type == LAC_Q8_0) {
            memcpy(&f, row + k / LAC_Q8_BLOCK * 4, sizeof f);
            out[k] = (double)f * (int8_t)row[K / LAC_Q8_BLOCK * 8 + k];
        } else {
            lac_row_decode(type, row + k * (type == LAC_F32 ? 4 : 2), 1, &f);
            out[k] = (double)f;
        }
    }
}

/* A product and its terms' sizes in double; `x` is prepared. */
static void in_double(lac_type type, size_t N, size_t R, size_t K, const uint8_t *x, const uint8_t *rows, double *want, double *size)
{
    float *w = malloc((K + 1) * sizeof *w);
    double *a = malloc((N * K + 1) * sizeof *a);
    assert_true(w && a);
    for (size_t n = 0; n < N; n++) read_prepared(type, x + n * lac_prepared_bytes(type, K), K, a + n * K);
    for (size_t r = 0; r < R; r++) {
        lac_row_decode(type, rows + r * lac_row_bytes(type, K), K, w);
        for (size_t n = 0; n < N; n++)
            for (size_t k = 0; k < K; k++) {
                double t = a[n * K + k] * (double)w[k];
                want[n * R + r] += t;
                size[n * R + r] += fabs(t);
            }
    }
    free(w), free(a);
}

/* The last m rows, the panels in calls of `cut`, against the bits of all at once. */
static void check_part(const lac_kern *kern, lac_type type, size_t N, size_t R, size_t K, const uint8_t *x, const uint8_t *w,
                       const guarded *gy, const float *all, size_t m, size_t cut)
{
    const size_t ldy = R + 2;
    float *y = guarded_tail(gy, ((m - 1) * ldy + R) * sizeof *y);
    y[-1] = CANARY;
    for (size_t r = 0; r < R; r += cut * LAC_PANEL)
        kern->matmul(type, y + r, ldy, x + (N - m) * lac_prepared_bytes(type, K), m, w + r / LAC_PANEL * lac_panel_bytes(type, K),
                     R - r < cut * LAC_PANEL ? R - r : cut * LAC_PANEL, K);
    for (size_t n = 0; n < m; n++)
        for (size_t r = 0; r < R; r++) check_bits("batch invariance", kern->name, n, y[n * ldy + r], all[(N - m + n) * R + r]);
    check_bits("canary", kern->name, 0, y[-1], CANARY);
}

/* One shape on every table: against double; then fewer rows and panels at a time, against the bits of all of them. */
static void check_matmul(lac_type type, size_t N, size_t R, size_t K, int e)
{
    const size_t row = lac_row_bytes(type, K), bytes = lac_prepared_bytes(type, K), ldy = R + 2, panels = lac_panels_bytes(type, R, K);
    guarded gx = guarded_open(N * bytes), gw = guarded_open(panels), gy = guarded_open((N * ldy + 1) * sizeof(float));
    uint8_t *x = guarded_tail(&gx, N * bytes), *w = guarded_tail(&gw, panels), *rows = malloc(R * row + 1);
    double *want = calloc(N * R + 1, sizeof *want), *size = calloc(N * R + 1, sizeof *size);
    float *all = malloc((N * R + 1) * sizeof *all), *one = malloc((K + 1) * sizeof *one);
    assert_true(rows && want && size && all && one);
    for (size_t n = 0; n < N; n++) {
        for (size_t k = 0; k < K; k++) one[k] = wild(e);
        lac_kern_ref->prepare(type, x + n * bytes, one, K);
    }
    fill_weights(type, rows, R, K, e);
    lac_pack(type, rows, R, K, 0, (R + LAC_PANEL - 1) / LAC_PANEL, w);
    in_double(type, N, R, K, x, rows, want, size);

    EACH_TABLE(kern)
    {
        /* one chain over k; a float below the normal ones has an absolute error, vdpbf16ps takes it for 0 */
        const double chain = kern == lac_kern_ref ? 2 : (double)K + 3, least = strcmp(kern->name, "avx512bf16") == 0 ? 0x1p-126 : 0x1p-149;
        float *y = guarded_tail(&gy, N * ldy * sizeof *y);
        for (size_t i = 0; i < N * ldy; i++) y[i] = CANARY;
        kern->matmul(type, y, ldy, x, N, w, R, K);
        for (size_t n = 0; n < N; n++) {
            for (size_t r = 0; r < R; r++) {
                check_near("matmul", kern->name, n * R + r, (double)y[n * ldy + r], want[n * R + r], chain * EPS * size[n * R + r] + (double)(K + 1) * least);
                all[n * R + r] = y[n * ldy + r];
            }
            for (size_t r = R; r < ldy; r++) check_bits("canary", kern->name, n, y[n * ldy + r], CANARY);
        }
        for (size_t m = 1; R && m <= N; m++) check_part(kern, type, N, R, K, x, w, &gy, all, m, 1000);
        for (size_t cut = 1; R && cut <= 5; cut++) check_part(kern, type, N, R, K, x, w, &gy, all, N, cut);
        if (R) check_part(kern, type, N, R, K, x, w, &gy, all, 1, 1);
    }
    free(rows), free(want), free(size), free(all), free(one);
    guarded_close(&gx), guarded_close(&gw), guarded_close(&gy);
}

static void test_matmul_small(void **state)
{
    (void)state;
    static const size_t K[] = {0, 1, 2, 3, 4, 7, 32, 33}, R[] = {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33, 64, 65};
    for (size_t t = 0; t < COUNT(types); t++)
        for (size_t i = 0; i < COUNT(K); i++)
            for (size_t j = 0; j < COUNT(R); j++)
                if (types[t] != LAC_Q8_0 || K[i] % LAC_Q8_BLOCK == 0) check_matmul(types[t], 8, R[j], K[i], R[j] % 3 ? 1 : 20);
}

static void test_matmul_large(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {/* N, R, K */
                                      {14, 150, 96}, {25, 49, 64}, {7, 17, 1024}, {3, 34, 1056}, {1, 130, 3072}, {13, 40, 257}, {2, 129, 513}};
    for (size_t t = 0; t < COUNT(types); t++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            if (types[t] != LAC_Q8_0 || sizes[i][2] % LAC_Q8_BLOCK == 0) check_matmul(types[t], sizes[i][0], sizes[i][1], sizes[i][2], 1 + (int)i % 2 * 10);
}

/* The largest whole numbers: every q at an end of its range. */
static void test_matmul_ends(void **state)
{
    (void)state;
    enum { K = 64, R = 16 };
    static const int ends[] = {-128, -127, 0, 127};
    uint8_t rows[R * K / LAC_Q8_BLOCK * LAC_Q8_BYTES];
    _Alignas(64) uint8_t w[4096], x[2 * 256];
    assert_true(lac_panels_bytes(LAC_Q8_0, R, K) <= sizeof w && 2 * lac_prepared_bytes(LAC_Q8_0, K) <= sizeof x);
    float in[2 * K], y[2 * R];
    for (size_t k = 0; k < K; k++) in[k] = 127, in[K + k] = -127;
    for (size_t i = 0; i < 2; i++) lac_kern_ref->prepare(LAC_Q8_0, x + i * lac_prepared_bytes(LAC_Q8_0, K), in + i * K, K);
    for (size_t r = 0; r < R; r++)
        for (size_t i = 0; i < K / LAC_Q8_BLOCK * LAC_Q8_BYTES; i++)
            rows[r * K / LAC_Q8_BLOCK * LAC_Q8_BYTES + i] = i % LAC_Q8_BYTES == 0 ? 0 : i % LAC_Q8_BYTES == 1 ? 0x3C : (uint8_t)ends[r % 4];
    lac_pack(LAC_Q8_0, rows, R, K, 0, 1, w);
    EACH_TABLE(kern)
    {
        kern->matmul(LAC_Q8_0, y, R, x, 2, w, R, K);
        for (size_t r = 0; r < R; r++) {
            check_bits("ends", kern->name, r, y[r], (float)(ends[r % 4] * 127 * K));
            check_near("ends", kern->name, r, (double)y[R + r], ends[r % 4] * -127 * K, 0);
        }
    }
}

/* Every scale a Q8_0 block can have, through one weight 1 and 31 weights 0. */
static void test_matmul_scales(void **state)
{
    (void)state;
    enum { R = 65536, K = LAC_Q8_BLOCK };
    const size_t bytes = lac_prepared_bytes(LAC_Q8_0, K), panels = lac_panels_bytes(LAC_Q8_0, R, K);
    uint8_t *rows = calloc(R, LAC_Q8_BYTES), *w = aligned_alloc(64, panels), *x = aligned_alloc(64, 8 * bytes);
    float in[K], *y = malloc(8 * R * sizeof *y), one[K];
    assert_true(rows && w && x && y);
    for (size_t i = 0; i < K; i++) in[i] = 127; /* whose scale is 1 */
    for (size_t n = 0; n < 8; n++) lac_kern_ref->prepare(LAC_Q8_0, x + n * bytes, in, K);
    for (size_t r = 0; r < R; r++) {
        uint8_t *block = rows + r * LAC_Q8_BYTES;
        block[0] = (uint8_t)r, block[1] = (uint8_t)(r >> 8), block[2 + r % K] = 1;
    }
    lac_pack(LAC_Q8_0, rows, R, K, 0, R / LAC_PANEL, w);
    static const size_t batches[] = {1, 8};
    EACH_TABLE(kern)
    for (size_t b = 0; b < COUNT(batches); b++) {
        kern->matmul(LAC_Q8_0, y, R, x, batches[b], w, R, K);
        for (size_t r = 0; r < R; r++) {
            size_t man = r & 0x3FF, exp = r >> 10 & 31;
            double d = exp ? ldexp((double)(man + 1024), (int)exp - 25) : ldexp((double)man, -24);
            if (exp == 31) {
                assert_false(isfinite(y[r])); /* inf * 0 is NaN: no claim on which */
                continue;
            }
            for (size_t n = 0; n < batches[b]; n++) check_near("scale", kern->name, r, (double)y[n * R + r], 127 * (r < 32768 ? d : -d), 0);
            lac_row_decode(LAC_Q8_0, rows + r * LAC_Q8_BYTES, K, one);
            check_near("scale", "rows", r, (double)one[r % K], r < 32768 ? d : -d, 0);
        }
    }
    free(rows), free(w), free(x), free(y);
}

/* A row that is not finite spoils itself only.  Q8_0 keeps it finite where the weights let it. */
static void test_matmul_not_finite(void **state)
{
    (void)state;
    enum { N = 7, R = 9, K = 64 };
    for (size_t t = 0; t < COUNT(types); t++) {
        const size_t bytes = lac_prepared_bytes(types[t], K);
        float in[N * K], w[R * K], y[N * R];
        uint8_t rows[R * K * 4], *x = aligned_alloc(64, N * bytes), *panels = aligned_alloc(64, lac_panels_bytes(types[t], R, K));
        assert_true(x && panels);
        for (size_t i = 0; i < N * K; i++) in[i] = 1 + fabsf(uniform());
        for (size_t i = 0; i < R * K; i++) w[i] = 1 + fabsf(uniform());
        in[1 * K + 5] = INFINITY;
        in[2 * K + 63] = -INFINITY;
        in[3 * K] = NAN;
        in[4 * K + 17] = INFINITY;
        in[4 * K + 40] = -INFINITY;
        in[5 * K + 9] = FLT_MAX;
        in[5 * K + 9 + 32] = FLT_MAX;
        for (size_t n = 0; n < N; n++) lac_kern_ref->prepare(types[t], x + n * bytes, in + n * K, K);
        for (size_t r = 0; r < R; r++) lac_row_encode(types[t], w + r * K, K, rows + r * lac_row_bytes(types[t], K));
        lac_pack(types[t], rows, R, K, 0, 1, panels);
        EACH_TABLE(kern)
        {
            kern->matmul(types[t], y, R, x, N, panels, R, K);
            for (size_t r = 0; r < R; r++) {
                assert_true(isfinite(y[r]) && isfinite(y[6 * R + r]));
                assert_true(y[1 * R + r] > 1e38f && y[2 * R + r] < -1e38f && y[5 * R + r] > 1e38f);
                if (types[t] == LAC_Q8_0) assert_true(isfinite(y[3 * R + r]) && !isnan(y[4 * R + r]));
                else assert_true(isinf(y[1 * R + r]) && isinf(y[2 * R + r]) && isnan(y[3 * R + r]) && isnan(y[4 * R + r]) && isinf(y[5 * R + r]));
            }
        }
        free(x), free(panels);
    }
}

/* vdpbf16ps takes a denormal for 0; every other product is exact here. */
static void test_matmul_denormal(void **state)
{
    (void)state;
    const float in = 0x1p100f, weight = 0x1p-130f;
    _Alignas(64) uint8_t x[64], w[64];
    uint8_t row[2];
    float y;
    lac_kern_ref->prepare(LAC_BF16, x, &in, 1);
    lac_row_encode(LAC_BF16, &weight, 1, row);
    lac_pack(LAC_BF16, row, 1, 1, 0, 1, w);
    EACH_TABLE(kern)
    {
        kern->matmul(LAC_BF16, &y, 1, x, 1, w, 1, 1);
        check_bits("denormal", kern->name, 0, y, strcmp(kern->name, "avx512bf16") ? 0x1p-30f : 0);
    }
}

static void test_spin(void **state)
{
    (void)state;
    EACH_TABLE(kern)
    for (size_t t = 0; t < COUNT(types); t++) assert_true(kern->spin(types[t], 1000) >= 1000);
}

/* ---- packed weights and prepared rows ---- */

static void test_pack_bytes(void **state)
{
    (void)state;
    assert_int_equal(lac_panel_bytes(LAC_F32, 3), 192);
    assert_int_equal(lac_panel_bytes(LAC_BF16, 3), 128);
    assert_int_equal(lac_panel_bytes(LAC_Q8_0, 96), 128 + 24 * 64);
    assert_int_equal(lac_panel_bytes(LAC_Q8_0, 33), 0);
    assert_int_equal(lac_panel_bytes(LAC_F32, 0), 0);
    assert_int_equal(lac_panel_bytes(LAC_F32, SIZE_MAX / 2), 0);
    assert_int_equal(lac_panel_bytes((lac_type)1, 32), 0);
    assert_int_equal(lac_panels_bytes(LAC_F32, 17, 3), 2 * 192);
    assert_int_equal(lac_panels_bytes(LAC_F32, 0, 3), 0);
    assert_int_equal(lac_panels_bytes(LAC_F32, SIZE_MAX, 3), 0);
    assert_int_equal(lac_prepared_bytes(LAC_F32, 17), 128);
    assert_int_equal(lac_prepared_bytes(LAC_BF16, 33), 128);
    assert_int_equal(lac_prepared_bytes(LAC_Q8_0, 32), 64);
    assert_int_equal(lac_prepared_bytes(LAC_Q8_0, 64), 128);
}

static void check_pack(lac_type type, size_t R, size_t K)
{
    const size_t row = lac_row_bytes(type, K), bytes = lac_panels_bytes(type, R, K), n = (R + LAC_PANEL - 1) / LAC_PANEL;
    guarded gr = guarded_open(R * row), gp = guarded_open(bytes);
    uint8_t *rows = guarded_tail(&gr, R * row), *panels = guarded_tail(&gp, bytes), *parts = malloc(bytes + 1), *filled = calloc(n * LAC_PANEL + 1, row + 1);
    float *want = malloc((K + 1) * sizeof *want), *got = malloc((K + 1) * sizeof *got);
    assert_true(parts && filled && want && got);
    fill_weights(type, rows, R, K, 20);
    memset(panels, 0xAA, bytes);
    lac_pack(type, rows, R, K, 0, n, panels);
    for (size_t r = 0; r < R; r++) {
        lac_row_decode(type, rows + r * row, K, want);
        lac_unpack_row(type, panels, r, K, got);
        for (size_t k = 0; k < K; k++) check_bits("unpack", lac_type_name(type), k, got[k], want[k]);
    }
    memset(parts, 0xAA, bytes);
    for (size_t p = n; p-- > 0;) lac_pack(type, rows, R, K, p, 1, parts);
    assert_memory_equal(parts, panels, bytes);
    memcpy(filled, rows, R * row); /* rows past R are rows of zero */
    lac_pack(type, filled, n * LAC_PANEL, K, 0, n, parts);
    assert_memory_equal(parts, panels, bytes);
    free(parts), free(filled), free(want), free(got);
    guarded_close(&gr), guarded_close(&gp);
}

static void test_pack(void **state)
{
    (void)state;
    static const size_t K[] = {1, 2, 3, 32, 33, 64, 96, 256}, R[] = {1, 15, 16, 17, 50};
    for (size_t t = 0; t < COUNT(types); t++)
        for (size_t i = 0; i < COUNT(K); i++)
            for (size_t j = 0; j < COUNT(R); j++)
                if (types[t] != LAC_Q8_0 || K[i] % LAC_Q8_BLOCK == 0) check_pack(types[t], R[j], K[i]);
}

/* The same bytes on every table, from input that ends at a forbidden page. */
static void check_prepare(lac_type type, const float *x, size_t K)
{
    const size_t bytes = lac_prepared_bytes(type, K);
    guarded gx = guarded_open(K * sizeof *x + 1), gy = guarded_open(bytes + 64);
    float *in = guarded_tail(&gx, K * sizeof *x);
    uint8_t *out = guarded_tail(&gy, bytes), *want = malloc(bytes + 1);
    assert_non_null(want);
    memcpy(in, x, K * sizeof *x);
    memset(want, 0xAA, bytes + 1);
    lac_kern_ref->prepare(type, want, in, K);
    EACH_TABLE(kern)
    {
        memset(out - 64, 0xAA, bytes + 64);
        kern->prepare(type, out, in, K);
        for (size_t i = 0; i < bytes; i++)
            if (out[i] != want[i]) fail_msg("prepare %s of %s: byte %zu of K %zu is %02x, not %02x", lac_type_name(type), kern->name, i, K, out[i], want[i]);
        assert_int_equal(out[-1], 0xAA);
    }
    free(want);
    guarded_close(&gx), guarded_close(&gy);
}

static void test_prepare(void **state)
{
    (void)state;
    float x[1024];
    for (size_t t = 0; t < COUNT(types); t++)
        for (size_t K = 0; K <= 1024; K += K < 70 ? 1 : 159)
            for (int e = 1; e <= 121; e += 30) {
                const size_t k = types[t] == LAC_Q8_0 ? K / LAC_Q8_BLOCK * LAC_Q8_BLOCK : K;
                for (size_t i = 0; i < k; i++) x[i] = wild(e);
                check_prepare(types[t], x, k);
            }
}

/* What pack.h says of a row of Q8_0, from its bytes. */
static void test_prepare_q8(void **state)
{
    (void)state;
    enum { K = 4 * LAC_Q8_BLOCK };
    static const float odd[] = {0, -0.0f, 1e-45f, -1e-40f, 0x1p-126f, 0x1.fffffep-120f, 0x1p-119f, -0x1p-119f, 1, -127, 0.5f, 1.5f, 2.5f, 1e38f, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN};
    _Alignas(64) uint8_t row[512];
    assert_true(lac_prepared_bytes(LAC_Q8_0, K) <= sizeof row);
    for (int round = 0; round < 3000; round++) {
        float x[K], d[K / LAC_Q8_BLOCK];
        int32_t c[K / LAC_Q8_BLOCK];
        int8_t q[K];
        const unsigned below = 1 + bits() % COUNT(odd); /* often only small ones */
        for (size_t k = 0; k < K; k++) x[k] = round % 3 == 0 ? wild(10) : odd[bits() % below];
        check_prepare(LAC_Q8_0, x, K);
        lac_kern_ref->prepare(LAC_Q8_0, row, x, K);
        memcpy(d, row, sizeof d), memcpy(c, row + sizeof d, sizeof c), memcpy(q, row + sizeof d + sizeof c, K);
        for (size_t b = 0; b < K / LAC_Q8_BLOCK; b++) {
            float amax = 0;
            int sum = 0;
            for (size_t k = b * LAC_Q8_BLOCK; k < (b + 1) * LAC_Q8_BLOCK; k++)
                if (!isnan(x[k])) amax = fmaxf(amax, fminf(fabsf(x[k]), FLT_MAX));
            if (amax < LAC_Q8_LEAST) amax = 0;
            check_bits("scale", "prepare", b, d[b], amax / 127);
            for (size_t k = b * LAC_Q8_BLOCK; k < (b + 1) * LAC_Q8_BLOCK; k++) {
                const double v = isnan(x[k]) || amax == 0 ? 0 : fmax(-(double)amax, fmin((double)amax, (double)x[k]));
                check_near("q", "prepare", k, (double)d[b] * q[k], v, (double)d[b] * 0.50002);
                assert_in_range(q[k] + 127, 0, 254);
                sum += q[k];
            }
            assert_int_equal(c[b], -128 * sum);
        }
    }
    float x[LAC_Q8_BLOCK] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -126.5f, NAN, 126.4f};
    static const int8_t ties[9] = {127, 0, 2, 2, 0, -2, -126, 0, 126};
    lac_kern_ref->prepare(LAC_Q8_0, row, x, LAC_Q8_BLOCK);
    assert_memory_equal(row + 8, ties, sizeof ties);
}

/* ---- rows of numbers ---- */

static const size_t lengths[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18,  19,  20,
                                 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 48, 63, 64, 65, 96, 128, 200, 768, 1000};
enum { LONGEST = 1000, SHIFTS = 4 };

/* Three inputs and an output of n floats, each before its own forbidden page; shifted copies are elsewhere. */
typedef struct {
    guarded map[4];
    float *a, *b, *c, *y;
} rows;

static rows rows_open(void)
{
    rows s;
    for (size_t i = 0; i < 4; i++) s.map[i] = guarded_open((LONGEST + 2 * SHIFTS) * sizeof(float));
    return s;
}
/* shift moves all away from the page by so many floats: another alignment */
static void rows_place(rows *s, size_t n, size_t shift)
{
    float **p[] = {&s->a, &s->b, &s->c, &s->y};
    for (size_t i = 0; i < 4; i++) *p[i] = guarded_tail(&s->map[i], (n + shift) * sizeof(float));
    s->y[-1] = CANARY;
    if (shift) s->y[n] = CANARY;
}
static void rows_check(const rows *s, const char *table, size_t n, size_t shift)
{
    check_bits("canary before", table, n, s->y[-1], CANARY);
    if (shift) check_bits("canary after", table, n, s->y[n], CANARY);
}
static void rows_close(rows *s)
{
    for (size_t i = 0; i < 4; i++) guarded_close(&s->map[i]);
}

static void test_max(void **state)
{
    (void)state;
    rows s = rows_open();
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t n = lengths[i];
        EACH_TABLE(kern)
        for (size_t at = 0; at <= n && at < 40; at++) { /* the largest at each place; none: all are -inf */
            rows_place(&s, n, at % SHIFTS);
            for (size_t k = 0; k < n; k++) s.a[k] = at < n ? -fabsf(wild(20)) : -INFINITY;
            if (at < n) s.a[at] = 3.5f;
            check_bits("max", kern->name, n, kern->max(s.a, n), at < n ? 3.5f : -INFINITY);
        }
    }
    rows_close(&s);
}

static void test_dot(void **state)
{
    (void)state;
    rows s = rows_open();
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t n = lengths[i];
        for (int e = 0; e <= 20; e += 20) {
            float a[LONGEST], b[LONGEST];
            double want = 0, size = 0;
            for (size_t k = 0; k < n; k++) {
                a[k] = wild(e), b[k] = wild(e);
                want += (double)a[k] * (double)b[k];
                size += fabs((double)a[k] * (double)b[k]);
            }
            EACH_TABLE(kern)
            {
                float first = 0;
                for (size_t shift = 0; shift < SHIFTS; shift++) {
                    rows_place(&s, n, shift);
                    memcpy(s.a, a, n * sizeof *a), memcpy(s.b, b, n * sizeof *b);
                    float got = kern->dot(s.a, s.b, n);
                    check_near("dot", kern->name, n, (double)got, want, ((double)n / 4 + 6) * EPS * size + (double)n * 0x1p-149);
                    if (shift == 0) first = got;
                    check_bits("dot, shifted", kern->name, n, got, first);
                }
            }
        }
    }
    rows_close(&s);
}

static void test_exp_sum(void **state)
{
    (void)state;
    rows s = rows_open();
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            size_t n = lengths[i];
            float max = -INFINITY;
            rows_place(&s, n, shift);
            for (size_t k = 0; k < n; k++) {
                s.a[k] = 30 * uniform();
                if (bits() % 16 == 0) s.a[k] = -INFINITY;
                if (bits() % 16 == 0) s.a[k] = -1e30f;
                if (s.a[k] > max) max = s.a[k];
            }
            if (!isfinite(max)) max = 1;
            EACH_TABLE(kern)
            {
                double total = 0;
                float sum = kern->exp_sum(s.y, s.a, max, n);
                for (size_t k = 0; k < n; k++) {
                    float x = s.a[k] - max, alone; /* its rounding is part of the definition */
                    check_near("exp", kern->name, k, (double)s.y[k], exp((double)x), 3 * EPS * exp((double)x) + 0x1p-148);
                    if (s.a[k] < -1e29f && s.a[k] < max) check_bits("exp of -inf", kern->name, k, s.y[k], 0);
                    if (s.a[k] == max) check_bits("exp of 0", kern->name, k, s.y[k], 1);
                    total += (double)s.y[k];
                    kern->exp_sum(&alone, s.a + k, max, 1);
                    check_bits("exp, alone", kern->name, k, s.y[k], alone);
                }
                check_near("exp_sum", kern->name, n, (double)sum, total, ((double)n / 4 + 6) * EPS * total);
                rows_check(&s, kern->name, n, shift);
                memcpy(s.c, s.a, n * sizeof *s.a);
                check_bits("exp_sum, in place", kern->name, n, kern->exp_sum(s.c, s.c, max, n), sum);
                for (size_t k = 0; k < n; k++) check_bits("exp, in place", kern->name, k, s.c[k], s.y[k]);
            }
        }
    rows_close(&s);
}

/* Dense over the whole range, denormal results and overflow included. */
static void test_exp_range(void **state)
{
    (void)state;
    enum { N = 1 << 16 };
    float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    assert_true(x && y);
    for (size_t i = 0; i < N; i++) x[i] = -110.0f + 205.0f * (float)i / N;
    static const float ends[] = {0, -0.0f, 88.722f, 88.7228394f, 88.72284f, 100, 1e30f, INFINITY, NAN, -87.33655f, -103.97f, -103.98f, -104.5f, -1e30f, -INFINITY, 1e-30f, FLT_MAX};
    memcpy(x, ends, sizeof ends);
    EACH_TABLE(kern)
    {
        kern->exp_sum(y, x, 0, N);
        for (size_t i = 0; i < N; i++) {
            double want = exp((double)x[i]), max = (double)FLT_MAX * (1 + EPS);
            if (fabs(want - max) < 1e-6 * max) continue; /* either side of overflow */
            check_near("exp", kern->name, i, (double)y[i], want >= max ? (double)INFINITY : want, 3 * EPS * want + 0x1p-148);
        }
    }
    free(x), free(y);
}

static void test_norms(void **state)
{
    (void)state;
    rows s = rows_open();
    const float eps = 1e-6f;
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t shift = 0; shift < 3 * SHIFTS; shift++) {
            size_t n = lengths[i];
            float scale = shift < SHIFTS ? 1 : shift < 2 * SHIFTS ? 1e-15f : 1e18f, offset = shift % 2 ? 1000 * scale : 0;
            rows_place(&s, n, shift % SHIFTS);
            double sum = 0, square = 0, var = 0;
            for (size_t k = 0; k < n; k++) {
                s.a[k] = scale * uniform() + offset;
                s.b[k] = wild(3);
                sum += (double)s.a[k];
                square += (double)s.a[k] * (double)s.a[k];
            }
            double mean = sum / (double)n, rms = sqrt(square / (double)n + (double)eps);
            for (size_t k = 0; k < n; k++) var += ((double)s.a[k] - mean) * ((double)s.a[k] - mean);
            double sd = sqrt(var / (double)n + (double)eps);
            EACH_TABLE(kern)
            {
                kern->rms_norm(s.y, s.a, s.b, eps, n);
                for (size_t k = 0; k < n; k++) {
                    double want = (double)s.a[k] / rms * (double)s.b[k];
                    check_near("rms_norm", kern->name, k, (double)s.y[k], want, 4 * EPS * fabs(want) + 0x1p-146);
                }
                rows_check(&s, kern->name, n, shift % SHIFTS);
                memcpy(s.c, s.a, n * sizeof *s.a);
                kern->rms_norm(s.c, s.c, s.b, eps, n);
                for (size_t k = 0; k < n; k++) check_bits("rms_norm, in place", kern->name, k, s.c[k], s.y[k]);

                kern->layer_norm(s.y, s.a, eps, n);
                for (size_t k = 0; k < n; k++) {
                    double want = ((double)s.a[k] - mean) / sd;
                    check_near("layer_norm", kern->name, k, (double)s.y[k], want, 2 * EPS * fabs(want) + 1e-12 * (1 + fabs(mean) / sd) + 0x1p-149);
                }
                rows_check(&s, kern->name, n, shift % SHIFTS);
                memcpy(s.c, s.a, n * sizeof *s.a);
                kern->layer_norm(s.c, s.c, eps, n);
                for (size_t k = 0; k < n; k++) check_bits("layer_norm, in place", kern->name, k, s.c[k], s.y[k]);
            }
        }
    rows_close(&s);
}

static double logistic(double x) { return 1 / (1 + exp(-x)); }
static double silu(double x) { return x < -700 ? -0.0 : x * logistic(x); }
static double gelu_u(double x) { return 2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x); }
static double gelu(double x) { return x < -30 ? -0.0 : x * logistic(gelu_u(x)); }

/* The exponent's own rounding shows in the result times its size, where the result is far below x. */
static double gate_tol(double u, double want) { return (5 + 3 * fabs(u < 0 ? u : 0)) * EPS * fabs(want); }

static void test_gates(void **state)
{
    (void)state;
    rows s = rows_open();
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            size_t n = lengths[i];
            rows_place(&s, n, shift);
            for (size_t k = 0; k < n; k++) s.a[k] = wild(shift == 0 ? 30 : 4), s.b[k] = wild(4);
            EACH_TABLE(kern)
            {
                float alone;
                kern->silu_mul(s.y, s.a, s.b, n);
                for (size_t k = 0; k < n; k++) {
                    double want = silu((double)s.a[k]) * (double)s.b[k];
                    check_near("silu_mul", kern->name, k, (double)s.y[k], want, gate_tol(0, want) + 1e-34);
                    kern->silu_mul(&alone, s.a + k, s.b + k, 1);
                    check_bits("silu_mul, alone", kern->name, k, s.y[k], alone);
                }
                rows_check(&s, kern->name, n, shift);
                memcpy(s.c, s.a, n * sizeof *s.a);
                kern->silu_mul(s.c, s.c, s.b, n);
                for (size_t k = 0; k < n; k++) check_bits("silu_mul, in place", kern->name, k, s.c[k], s.y[k]);

                kern->gelu_tanh(s.y, s.a, n);
                for (size_t k = 0; k < n; k++) {
                    double want = gelu((double)s.a[k]);
                    check_near("gelu_tanh", kern->name, k, (double)s.y[k], want, gate_tol(gelu_u((double)s.a[k]), want) + 1e-34);
                    kern->gelu_tanh(&alone, s.a + k, 1);
                    check_bits("gelu_tanh, alone", kern->name, k, s.y[k], alone);
                }
                rows_check(&s, kern->name, n, shift);
                memcpy(s.c, s.a, n * sizeof *s.a);
                kern->gelu_tanh(s.c, s.c, n);
                for (size_t k = 0; k < n; k++) check_bits("gelu_tanh, in place", kern->name, k, s.c[k], s.y[k]);
            }
        }
    rows_close(&s);
}

static void test_gate_limits(void **state)
{
    (void)state;
    static const float x[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1e20f, -1e20f, FLT_MAX, -FLT_MAX, 1e-40f, -1e-40f, 88, -88, 120, -120, -160};
    enum { N = COUNT(x) };
    float one[N], y[N];
    for (size_t i = 0; i < N; i++) one[i] = 1;
    EACH_TABLE(kern)
    {
        kern->silu_mul(y, x, one, N);
        for (size_t i = 0; i < N; i++) {
            double want = x[i] == INFINITY ? (double)INFINITY : silu((double)x[i]);
            check_near("silu_mul", kern->name, i, (double)y[i], want, 4 * EPS * fabs(want) + 1e-34);
        }
        kern->gelu_tanh(y, x, N);
        for (size_t i = 0; i < N; i++) {
            double want = isnan(x[i]) ? (double)NAN : x[i] < 0 ? gelu((double)x[i]) : x[i] > 10 ? (double)x[i] : (double)x[i] / 2;
            check_near("gelu_tanh", kern->name, i, (double)y[i], want, 4 * EPS * fabs(want) + 1e-34);
        }
    }
}

/* Tables may differ in the last bits, and in no more. */
static void test_tables_agree(void **state)
{
    (void)state;
    enum { N = 4096 };
    float *x = malloc(N * sizeof *x), *one = malloc(N * sizeof *one), *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b);
    assert_true(x && one && a && b);
    for (size_t i = 0; i < N; i++) x[i] = -12 + 24 * (float)i / N, one[i] = 1;
    EACH_TABLE(kern)
    {
        lac_kern_ref->gelu_tanh(a, x, N);
        kern->gelu_tanh(b, x, N);
        for (size_t i = 0; i < N; i++) {
            check_near("gelu_tanh", kern->name, i, (double)b[i], (double)a[i], 1e-5 * fabs((double)a[i]));
            /* and the textbook form, which loses the digits that cancel */
            double v = (double)x[i], book = v / 2 * (1 + tanh(gelu_u(v) / 2));
            check_near("gelu_tanh, book", kern->name, i, (double)b[i], book, 4 * EPS * fabs(v) + 1e-15);
        }
        lac_kern_ref->silu_mul(a, x, one, N);
        kern->silu_mul(b, x, one, N);
        for (size_t i = 0; i < N; i++) check_near("silu_mul", kern->name, i, (double)b[i], (double)a[i], 10 * EPS * fabs((double)a[i]));
    }
    free(x), free(one), free(a), free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_bytes),       cmocka_unit_test(test_row_f32),      cmocka_unit_test(test_row_bf16),
        cmocka_unit_test(test_row_q8_scale),    cmocka_unit_test(test_row_q8),       cmocka_unit_test(test_row_q8_error),
        cmocka_unit_test(test_pick),            cmocka_unit_test(test_matmul_small), cmocka_unit_test(test_matmul_large),
        cmocka_unit_test(test_matmul_ends),     cmocka_unit_test(test_matmul_scales), cmocka_unit_test(test_matmul_not_finite),
        cmocka_unit_test(test_matmul_denormal), cmocka_unit_test(test_spin),         cmocka_unit_test(test_pack_bytes),
        cmocka_unit_test(test_pack),            cmocka_unit_test(test_prepare),      cmocka_unit_test(test_prepare_q8),
        cmocka_unit_test(test_max), cmocka_unit_test(test_dot),             cmocka_unit_test(test_exp_sum),
        cmocka_unit_test(test_exp_range),       cmocka_unit_test(test_norms),        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_gate_limits),     cmocka_unit_test(test_tables_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
