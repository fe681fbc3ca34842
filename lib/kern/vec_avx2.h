/* A vector on AVX2 with FMA and F16C, and AVX-VNNI where the compiler has it: 8 lanes, 16 registers.  Empty where the compiler does not aim there. */
#ifndef LAC_KERN_VEC_AVX2_H
#define LAC_KERN_VEC_AVX2_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#define VEC_LANES 8
#define VEC_DOT2 0
#define VEC_NAME "avx2"

typedef __m256 vec;
typedef __m256d vecd;
typedef __m256i veci;

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

static inline vec v_bf16(const void *p)
{
    __m256i v = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
}
static inline vec v_bf16_part(const void *p, size_t n)
{
    uint8_t b[16] = {0};
    memcpy(b, p, 2 * n);
    return v_bf16(b);
}
static inline vec v_half(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p)); }

static inline veci v_set_i(int32_t x) { return _mm256_set1_epi32(x); }
static inline veci v_load_i(const void *p) { return _mm256_loadu_si256((const void *)p); }
static inline vec v_float(veci x) { return _mm256_cvtepi32_ps(x); }
static inline vec v_bf16_even(vec pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16)); }
static inline vec v_bf16_odd(vec pairs)
{
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(pairs), _mm256_set1_epi32((int)0xFFFF0000)));
}
static inline vec v_bf16_pair(vec even, vec odd)
{
    return _mm256_castsi256_ps(_mm256_or_si256(_mm256_srli_epi32(_mm256_castps_si256(even), 16), _mm256_castps_si256(odd)));
}
static inline vec v_dot2(vec sum, vec w, vec x)
{
    sum = v_fma(v_bf16_even(w), v_bf16_even(x), sum);
    return v_fma(v_bf16_odd(w), v_bf16_odd(x), sum);
}
static inline veci v_unknown(veci x)
{
    __asm__ volatile("" : "+x"(x));
    return x;
}
static inline veci v_dot4_begin(int32_t c) { return v_set_i(c); }
#ifdef __AVXVNNI__
static inline veci v_dot4(veci sum, veci w, veci x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
#else
/* In 16 bits, the even bytes and the odd ones: vpmaddubsw would saturate. */
static inline veci v_dot4(veci sum, veci w, veci x)
{
    __m256i even = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(0xFF)), _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8));
    __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(x, 8));
    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
#endif

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

static inline vec v_max(vec a, vec b) { return _mm256_max_ps(a, b); }
/* min and max give their second operand when one is NaN */
static inline vec v_clamp(vec lo, vec hi, vec x) { return _mm256_max_ps(lo, _mm256_min_ps(hi, x)); }
static inline vec v_round(vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vec pow2(vec n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
/* In two factors: 2^n itself may be no float. */
static inline vec v_scale(vec x, vec n)
{
    const vec half = v_round(n * v_set(0.5f));
    return x * pow2(half) * pow2(n - half);
}
static inline vecd v_low(vec v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
static inline vecd v_high(vec v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }
static inline double v_sum_d(vecd v)
{
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
static inline vec v_join(vecd lo, vecd hi) { return _mm256_set_m128(_mm256_cvtpd_ps(hi), _mm256_cvtpd_ps(lo)); }
static inline vec v_sqrt(vec x) { return _mm256_sqrt_ps(x); }
static inline vec v_number(vec x) { return _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q)); }
static inline float v_max_lanes(vec x)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
static inline void v_store_i8(int8_t *p, vec x)
{
    __m256i v = _mm256_cvtps_epi32(x);
    __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64((void *)p, _mm_packs_epi16(w, w));
}

static inline __m128i narrow_bf16(vec x)
{
    __m256i u = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i near = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7FFF)), odd);
    __m256i nan = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    u = _mm256_blendv_epi8(near, nan, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
    u = _mm256_srli_epi32(u, 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(u), _mm256_extracti128_si256(u, 1));
}
static inline void v_store_bf16(void *p, vec x) { _mm_storeu_si128(p, narrow_bf16(x)); }
static inline void v_store_bf16_part(void *p, vec x, size_t n)
{
    __m128i v = narrow_bf16(x);
    memcpy(p, &v, 2 * n);
}

#endif
#endif
