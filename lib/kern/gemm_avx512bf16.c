/* Products of BF16 matrices by vdpbf16ps, which adds the products of 16 pairs to 16 sums:
 *
 *     sum[j] += a[0] b[j][0] + a[1] b[j][1]
 *
 * so what is multiplied lies in pairs along k.  Blocks of B, and of a transposed A, are packed into panels; the rows
 * of A as it is are pairs already.
 *
 *     panel [k / 2][columns][2]    an odd k and missing columns are filled up with zeros
 *
 * A tile of 6 rows by 64 columns of C is 24 sums in registers: each step of two k loads 4 vectors of B and spreads
 * 6 pairs of A over a vector.  A panel of B stays in L1 while the rows of A pass by.  The loop over k keeps the
 * instruction as busy as it can be (bench_gemm: 98 % of 548 GFLOP/s on a Zen 5 core); the rest goes into packing. */
#include "kern/gemm.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#include <string.h>

#define ALWAYS inline __attribute__((always_inline))
/* Arrays of sums stay in registers only when the loops over them are gone; gcc -O2 would keep the loops. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum {
    LANES = 16,
    WIDE = 64, /* columns of a panel of B: 4 vectors of sums */
    TALL = 6,  /* rows of a tile: 6 x 4 sums, 4 of B, 1 of A: 29 registers */
    KC = 256,  /* a panel of B is 32 KiB, of 48 KiB of L1 */
    NC = 256,  /* columns of B that are packed together: 128 KiB, of L2 */
    MC = 156,  /* rows of A that meet one panel after the other: whole tiles */
    WIDEST = 160 /* columns of a panel of MC rows of a transposed A: 80 KiB */
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static __mmask32 first(size_t n) { return (__mmask32)((UINT64_C(1) << n) - 1); }

/* ---- packing ---- */

/* Two rows of up to 32 columns, their elements in turn. */
static ALWAYS void interleave_32(uint16_t *panel, __m512i even, __m512i odd)
{
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    _mm512_store_si512(panel, _mm512_permutex2var_epi16(even, low, odd));
    _mm512_store_si512(panel + 32, _mm512_permutex2var_epi16(even, high, odd));
}

/* src [k, columns] to one panel of `width` columns, a multiple of 32. */
static void pack_rows(uint16_t *panel, size_t width, const uint16_t *src, size_t ld, size_t k, size_t columns)
{
    static const uint16_t zeros[WIDEST];
    for (size_t l = 0; l < k; l += 2, src += 2 * ld, panel += 2 * width) {
        const uint16_t *next = l + 1 < k ? src + ld : zeros;
        size_t j = 0;
        for (; j + 32 <= columns; j += 32)
            interleave_32(panel + 2 * j, _mm512_loadu_si512(src + j), _mm512_loadu_si512(next + j));
        for (; j < width; j += 32) {
            __mmask32 some = j < columns ? first(columns - j) : 0;
            __m512i even = _mm512_maskz_loadu_epi16(some, src + j), odd = _mm512_maskz_loadu_epi16(some, next + j);
            interleave_32(panel + 2 * j, even, odd);
        }
    }
}

static ALWAYS __m512i join(const uint16_t *low, const uint16_t *high)
{
    __m512i v = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)low));
    return _mm512_inserti64x4(v, _mm256_loadu_si256((const void *)high), 1);
}

/* 8 pairs of 16 columns, transposed.  With the quarters of vectors written R.p for rows R to R + 3 of pair p, loads
 * and unpacking give x[c] = 0.c 0.c+4 4.c 4.c+4 and y[c] the same of rows 8 and 12. */
static ALWAYS void transpose_8(uint16_t *panel, const uint16_t *src, size_t ld)
{
    __m512i v[8], a[8], x[4], y[4];
    UNROLL for (size_t i = 0; i < 4; i++) {
        v[i] = join(src + i * ld, src + (i + 4) * ld);
        v[i + 4] = join(src + (i + 8) * ld, src + (i + 12) * ld);
    }
    UNROLL for (int i = 0; i < 8; i += 2) {
        a[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLL for (int c = 0; c < 4; c += 2) {
        x[c] = _mm512_unpacklo_epi64(a[c / 2], a[c / 2 + 2]);
        x[c + 1] = _mm512_unpackhi_epi64(a[c / 2], a[c / 2 + 2]);
        y[c] = _mm512_unpacklo_epi64(a[c / 2 + 4], a[c / 2 + 6]);
        y[c + 1] = _mm512_unpackhi_epi64(a[c / 2 + 4], a[c / 2 + 6]);
    }
    UNROLL for (int c = 0; c < 4; c++) {
        _mm512_store_si512(panel + 2 * WIDE * c, _mm512_shuffle_i32x4(x[c], y[c], 0x88));
        _mm512_store_si512(panel + 2 * WIDE * (c + 4), _mm512_shuffle_i32x4(x[c], y[c], 0xDD));
    }
}

/* src [columns, k] to one panel of B, k filled up to a multiple of 16. */
static void pack_columns(uint16_t *panel, const uint16_t *src, size_t ld, size_t k, size_t columns)
{
    for (size_t j = 0; j < WIDE; j += 16)
        for (size_t l = 0; l < k; l += 16) {
            uint16_t *to = panel + l * WIDE + 2 * j;
            if (j + 16 <= columns && l + 16 <= k) {
                transpose_8(to, src + j * ld + l, ld);
                continue;
            }
            uint16_t part[16][16] = {{0}};
            for (size_t i = 0; i < 16 && j + i < columns; i++)
                memcpy(part[i], src + (j + i) * ld + l, least(k - l, 16) * sizeof *src);
            transpose_8(to, part[0], 16);
        }
}

/* ---- the product of a block ---- */

/* Rows of A for tiles: k elements of row i, a + i * row on, their pairs `pair` elements apart. */
typedef struct {
    const uint16_t *a;
    size_t row, pair, k;
} rows;

/* A pair in every lane; of the last of an odd k only its first half is there. */
static ALWAYS __m512bh spread(const uint16_t *p, bool half)
{
    int32_t pair = *p;
    if (!half) memcpy(&pair, p, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

static ALWAYS void step(__m512 sum[TALL][4], int tall, const uint16_t *a, size_t row, bool half, const uint16_t *b)
{
    __m512bh w[4];
    UNROLL for (int j = 0; j < 4; j++) w[j] = (__m512bh)_mm512_load_si512(b + 2 * LANES * j);
    UNROLL for (int i = 0; i < tall; i++) {
        __m512bh x = spread(a + (size_t)i * row, half);
        UNROLL for (int j = 0; j < 4; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], x, w[j]);
    }
}

static ALWAYS void tile(int tall, rows r, const uint16_t *b, bool add, float *C, size_t ldc, size_t columns)
{
    __m512 sum[TALL][4];
    UNROLL for (int i = 0; i < tall; i++)
        UNROLL for (int j = 0; j < 4; j++) sum[i][j] = _mm512_setzero_ps();
    for (size_t l = r.k / 2; l; l--, r.a += r.pair, b += 2 * WIDE) step(sum, tall, r.a, r.row, false, b);
    if (r.k % 2) step(sum, tall, r.a, r.row, true, b);
    UNROLL for (int i = 0; i < tall; i++)
        UNROLL for (int j = 0; j < 4; j++) {
            float *c = C + (size_t)i * ldc + j * LANES;
            size_t before = (size_t)j * LANES;
            if (columns == WIDE) { /* masks, even full ones, cost 20 % where C comes from memory */
                _mm512_storeu_ps(c, add ? _mm512_add_ps(_mm512_loadu_ps(c), sum[i][j]) : sum[i][j]);
            } else if (columns > before) {
                __mmask16 some = (__mmask16)first(least(columns - before, LANES));
                __m512 old = add ? _mm512_maskz_loadu_ps(some, c) : _mm512_setzero_ps();
                _mm512_mask_storeu_ps(c, some, _mm512_add_ps(old, sum[i][j]));
            }
        }
}

/* m rows of A by one panel of `columns` columns. */
static void strip(rows r, size_t m, const uint16_t *b, bool add, float *C, size_t ldc, size_t columns)
{
    for (; m >= TALL; m -= TALL, r.a += TALL * r.row, C += TALL * ldc) tile(TALL, r, b, add, C, ldc, columns);
    switch (m) {
    case 1: tile(1, r, b, add, C, ldc, columns); break;
    case 2: tile(2, r, b, add, C, ldc, columns); break;
    case 3: tile(3, r, b, add, C, ldc, columns); break;
    case 4: tile(4, r, b, add, C, ldc, columns); break;
    case 5: tile(5, r, b, add, C, ldc, columns); break;
    default: break;
    }
}

/* All rows by k <= KC and n <= NC. */
static void block(bool ta, bool tb, size_t m, size_t n, size_t k, const uint16_t *A, size_t lda, const uint16_t *B,
                  size_t ldb, bool add, float *C, size_t ldc)
{
    _Alignas(64) uint16_t panels[NC * KC], turned[WIDEST * KC];
    for (size_t j = 0; j < n; j += WIDE)
        if (tb) pack_columns(panels + j * KC, B + j * ldb, ldb, k, least(n - j, WIDE));
        else pack_rows(panels + j * KC, WIDE, B + j, ldb, k, least(n - j, WIDE));
    for (size_t i = 0; i < m; i += MC) {
        size_t tall = least(m - i, MC);
        rows r = {ta ? A : A + i * lda, lda, 2, k};
        if (ta) {
            size_t width = ((tall + 31) / 32 | 1) * 32; /* odd: the steps of a tile meet half the sets of L1 */
            pack_rows(turned, width, A + i, lda, k, tall);
            r = (rows){turned, 2, 2 * width, k};
        }
        for (size_t j = 0; j < n; j += WIDE)
            strip(r, tall, panels + j * KC, add, C + i * ldc + j, ldc, least(n - j, WIDE));
    }
}

static void run(bool ta, bool tb, size_t m, size_t n, size_t k, const void *A, size_t lda, const void *B, size_t ldb,
                bool add, float *C, size_t ldc)
{
    const uint16_t *a = A, *b = B;
    if (k == 0 && !add)
        for (size_t i = 0; i < m; i++) memset(C + i * ldc, 0, n * sizeof *C);
    for (size_t j = 0; j < n; j += NC)
        for (size_t l = 0; l < k; l += KC)
            block(ta, tb, m, least(n - j, NC), least(k - l, KC), a + (ta ? l * lda : l), lda,
                  b + (tb ? j * ldb + l : l * ldb + j), ldb, add || l > 0, C + j, ldc);
}

static const lac_gemm table = {.name = "bf16", .bf16 = true, .run = run};
const lac_gemm *const lac_gemm_bf16 = &table;
#else
const lac_gemm *const lac_gemm_bf16 = NULL;
#endif
