/* The kernels for AVX2 with FMA and F16C: 8 lanes, 16 registers. */
#include "kern/kern.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>
#include <string.h>

#define VEC_LANES 8
#define VEC_TILE 3 /* 3 x 4 sums, 3 of x, 1 of w: all 16 registers */
#define VEC_NAME "avx2"

typedef __m256 vec;
typedef __m256d vecd;

static inline __m256i first(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec v_set(float x) { return _mm256_set1_ps(x); }
static inline vecd v_set_d(double x) { return _mm256_set1_pd(x); }
static inline vec v_load(const void *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vec v) { _mm256_storeu_ps(p, v); }
static inline vec v_load_part(const void *p, size_t n) { return _mm256_maskload_ps(p, first(n)); }
static inline void v_store_part(float *p, vec v, size_t n) { _mm256_maskstore_ps(p, first(n), v); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vecd v_fma_d(vecd a, vecd b, vecd c) { return _mm256_fmadd_pd(a, b, c); }

static inline vec v_bf16(const uint8_t *p)
{
    __m256i v = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}
static inline vec v_bf16_part(const uint8_t *p, size_t n)
{
    uint8_t b[16] = {0};
    memcpy(b, p, 2 * n);
    return v_bf16(b);
}
static inline vec v_i8(const uint8_t *p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p))); }
static inline vec v_half(const uint8_t *p) { return _mm256_set1_ps(_cvtsh_ss((unsigned short)(p[0] | p[1] << 8))); }

/* Halves of 128 bits.  Fold each vector's halves, two vectors side by side, lanes l + l4; then neighbours
 * twice, (0 + 1) + (2 + 3). */
static inline void v_sum4(float *out, vec a, vec b, vec c, vec d)
{
    vec ac = _mm256_permute2f128_ps(a, c, 0x20) + _mm256_permute2f128_ps(a, c, 0x31);
    vec bd = _mm256_permute2f128_ps(b, d, 0x20) + _mm256_permute2f128_ps(b, d, 0x31);
    vec v = _mm256_hadd_ps(ac, bd); /* a a b b | c c d d */
    v = _mm256_hadd_ps(v, v);       /* a b . . | c d . . */
    _mm_storeu_ps(out, _mm_movelh_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}

/* min and max give their second operand when one is NaN */
static inline vec v_clamp(vec lo, vec hi, vec x) { return _mm256_max_ps(lo, _mm256_min_ps(hi, x)); }
static inline vec v_round(vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vec v_pow2(vec n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
static inline vecd v_low(vec v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
static inline vecd v_high(vec v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }
static inline vec v_join(vecd lo, vecd hi) { return _mm256_set_m128(_mm256_cvtpd_ps(hi), _mm256_cvtpd_ps(lo)); }

#include "kern/kern_simd.h"

const lac_kern *const lac_kern_avx2 = &table;
#else
const lac_kern *const lac_kern_avx2 = NULL;
#endif
