/* Products of BF16 matrices by vdpbf16ps, which adds the products of 16 pairs to 16 sums:
 *
 *     sum[j] += a[0] b[j][0] + a[1] b[j][1]
 *
 * so what is multiplied lies in pairs along k.  A block of B is packed into panels of 64 columns, a block of a
 * transposed A into one wide panel; A as it is has its pairs already.
 *
 *     panel [k / 2][columns][2]    an odd k and missing columns are filled up with zeros
 *
 * A tile of 6 rows by 64 columns of C is 24 sums in registers: each step of two k loads 4 vectors of B and spreads
 * 6 pairs of A over a vector.  The panel in use stays in L1 or L2 while A passes by. */
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
    MC = 96    /* rows of a transposed A that are packed together: 48 KiB */
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static __mmask32 first32(size_t n) { return (__mmask32)((UINT64_C(1) << n) - 1); }

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

/* src [k, columns] to panel [k / 2][width][2]; width is a multiple of 32. */
static void pack_rows(uint16_t *panel, size_t width, const uint16_t *src, size_t ld, size_t k, size_t columns)
{
    for (size_t l = 0; l < k; l += 2, src += 2 * ld, panel += 2 * width)
        for (size_t j = 0; j < width; j += 32) {
            __mmask32 some = j < columns ? first32(least(columns - j, 32)) : 0;
            __m512i even = _mm512_maskz_loadu_epi16(some, src + j);
            __m512i odd = _mm512_maskz_loadu_epi16(l + 1 < k ? some : 0, src + (l + 1 < k ? ld : 0) + j);
            interleave_32(panel + 2 * j, even, odd);
        }
}

/* 16 rows of 16 pairs, transposed: within quarters of a vector first, then the quarters. */
static ALWAYS void transpose_16(uint16_t *panel, size_t width, const __m512i row[LANES])
{
    __m512i a[LANES], b[LANES];
    UNROLL for (int i = 0; i < LANES; i += 2) {
        a[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
    }
    UNROLL for (int i = 0; i < LANES; i += 4) { /* b[i + c]: pairs c, c + 4, c + 8, c + 12 of rows i to i + 3 */
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    UNROLL for (size_t c = 0; c < 4; c++) {
        __m512i low04 = _mm512_shuffle_i32x4(b[c], b[c + 4], 0x88), high04 = _mm512_shuffle_i32x4(b[c], b[c + 4], 0xDD);
        __m512i low8C = _mm512_shuffle_i32x4(b[c + 8], b[c + 12], 0x88), high8C = _mm512_shuffle_i32x4(b[c + 8], b[c + 12], 0xDD);
        _mm512_store_si512(panel + 2 * width * c, _mm512_shuffle_i32x4(low04, low8C, 0x88));
        _mm512_store_si512(panel + 2 * width * (c + 4), _mm512_shuffle_i32x4(high04, high8C, 0x88));
        _mm512_store_si512(panel + 2 * width * (c + 8), _mm512_shuffle_i32x4(low04, low8C, 0xDD));
        _mm512_store_si512(panel + 2 * width * (c + 12), _mm512_shuffle_i32x4(high04, high8C, 0xDD));
    }
}

/* src [columns, k] to panel [k / 2][WIDE][2], k filled up to a multiple of 32. */
static void pack_columns(uint16_t *panel, const uint16_t *src, size_t ld, size_t k, size_t columns)
{
    for (size_t j = 0; j < WIDE; j += LANES)
        for (size_t l = 0; l < k; l += 2 * LANES) {
            __mmask32 some = first32(least(k - l, 2 * LANES));
            __m512i row[LANES];
            UNROLL for (size_t i = 0; i < LANES; i++)
                row[i] = j + i < columns ? _mm512_maskz_loadu_epi16(some, src + (j + i) * ld + l) : _mm512_setzero_si512();
            transpose_16(panel + l * WIDE + 2 * j, WIDE, row);
        }
}

/* ---- the product of a block ---- */

/* Rows of A for tiles: row i at a + i * row, its pairs `pair` elements apart. */
typedef struct {
    const uint16_t *a;
    size_t row, pair;
    size_t k; /* odd only where pairs are next to each other */
} rows;

static ALWAYS __m512i spread(const uint16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}

static ALWAYS void step(__m512 sum[TALL][4], int tall, const uint16_t *b, const __m512i *a)
{
    __m512bh w[4];
    UNROLL for (int j = 0; j < 4; j++) w[j] = (__m512bh)_mm512_load_si512(b + 2 * LANES * j);
    UNROLL for (int i = 0; i < tall; i++)
        UNROLL for (int j = 0; j < 4; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], (__m512bh)a[i], w[j]);
}

static ALWAYS void tile(int tall, rows r, const uint16_t *b, bool add, float *C, size_t ldc, size_t columns)
{
    __m512 sum[TALL][4];
    UNROLL for (int i = 0; i < tall; i++)
        UNROLL for (int j = 0; j < 4; j++) sum[i][j] = _mm512_setzero_ps();
    const uint16_t *a = r.a;
    for (size_t l = r.k / 2; l; l--, a += r.pair, b += 2 * WIDE) {
        __m512i x[TALL];
        UNROLL for (int i = 0; i < tall; i++) x[i] = spread(a + (size_t)i * r.row);
        step(sum, tall, b, x);
    }
    if (r.k % 2) {
        __m512i x[TALL];
        UNROLL for (int i = 0; i < tall; i++) x[i] = _mm512_set1_epi32(a[(size_t)i * r.row]);
        step(sum, tall, b, x);
    }
    if (columns == WIDE) {
        UNROLL for (int i = 0; i < tall; i++)
            UNROLL for (int j = 0; j < 4; j++) {
                float *c = C + (size_t)i * ldc + j * LANES;
                _mm512_storeu_ps(c, add ? _mm512_add_ps(_mm512_loadu_ps(c), sum[i][j]) : sum[i][j]);
            }
        return;
    }
    UNROLL for (int j = 0; j < 4; j++) {
        size_t left = columns > (size_t)j * LANES ? least(columns - (size_t)j * LANES, LANES) : 0;
        __mmask16 some = (__mmask16)first32(left);
        UNROLL for (int i = 0; i < tall; i++) {
            float *c = C + (size_t)i * ldc + j * LANES;
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
static void block(bool ta, bool tb, size_t m, size_t n, size_t k, const uint16_t *A, size_t lda, const uint16_t *B, size_t ldb,
                  bool add, float *C, size_t ldc)
{
    _Alignas(64) uint16_t panels[NC * KC], turned[MC * KC];
    for (size_t j = 0; j < n; j += WIDE)
        if (tb) pack_columns(panels + j * KC, B + j * ldb, ldb, k, least(n - j, WIDE));
        else pack_rows(panels + j * KC, WIDE, B + j, ldb, k, least(n - j, WIDE));

    size_t step_m = ta ? MC : m;
    for (size_t i = 0; i < m; i += step_m) {
        size_t tall = least(m - i, step_m);
        rows r = {A + i * lda, lda, 2, k};
        if (ta) {
            pack_rows(turned, MC, A + i, lda, k, tall);
            r = (rows){turned, 2, 2 * MC, k + k % 2};
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
