/* A vector on AVX-512 (F, BW, VL, DQ; VNNI and BF16 where the compiler has them): 16 lanes, 32 registers.  Empty where
 * the compiler does not aim there. */
#ifndef LAC_KERN_VEC_AVX512_H
#define LAC_KERN_VEC_AVX512_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#define VEC_LANES 16
#define VEC_NAME "avx512"

typedef __m512 vec;
typedef __m512d vecd;
typedef __m512i veci;

static inline __mmask16 first(size_t n) { return (__mmask16)((1u << n) - 1); }
static inline vec v_set(float x) { return _mm512_set1_ps(x); }
static inline vecd v_set_d(double x) { return _mm512_set1_pd(x); }
static inline vec v_load(const void *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vec v) { _mm512_storeu_ps(p, v); }
static inline vec v_load_part(const void *p, size_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
static inline void v_store_part(float *p, vec v, size_t n) { _mm512_mask_storeu_ps(p, first(n), v); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vecd v_fma_d(vecd a, vecd b, vecd c) { return _mm512_fmadd_pd(a, b, c); }

static inline vec widen_bf16(__m256i v) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16)); }
static inline vec v_bf16(const void *p) { return widen_bf16(_mm256_loadu_si256((const void *)p)); }
static inline vec v_bf16_part(const void *p, size_t n) { return widen_bf16(_mm256_maskz_loadu_epi16(first(n), p)); }
static inline vec v_half(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p)); }

static inline veci v_set_i(int32_t x) { return _mm512_set1_epi32(x); }
static inline veci v_load_i(const void *p) { return _mm512_loadu_si512(p); }
static inline vec v_float(veci x) { return _mm512_cvtepi32_ps(x); }
static inline vec v_bf16_even(vec pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs), 16)); }
static inline vec v_bf16_odd(vec pairs)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32((int)0xFFFF0000)));
}
static inline vec v_bf16_pair(vec even, vec odd)
{
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(even), 16), _mm512_castps_si512(odd)));
}
#ifdef __AVX512BF16__
#define VEC_DOT2 1
static inline vec v_dot2(vec sum, vec w, vec x) { return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)x); }
static inline void v_store_dot2(void *p, vec x) { _mm256_storeu_si256(p, (__m256i)_mm512_cvtneps_pbh(x)); }
#else
#define VEC_DOT2 0
static inline vec v_dot2(vec sum, vec w, vec x)
{
    sum = v_fma(v_bf16_even(w), v_bf16_even(x), sum);
    return v_fma(v_bf16_odd(w), v_bf16_odd(x), sum);
}
#endif
static inline veci v_unknown(veci x)
{
    __asm__ volatile("" : "+v"(x));
    return x;
}
static inline veci v_dot4_begin(int32_t c) { return v_set_i(c); }
#ifdef __AVX512VNNI__
static inline veci v_dot4(veci sum, veci w, veci x) { return _mm512_dpbusd_epi32(sum, w, x); }
#else
/* In 16 bits, the even bytes and the odd ones: vpmaddubsw would saturate. */
static inline veci v_dot4(veci sum, veci w, veci x)
{
    __m512i even = _mm512_madd_epi16(_mm512_and_si512(w, _mm512_set1_epi16(0xFF)), _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8));
    __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(w, 8), _mm512_srai_epi16(x, 8));
    return _mm512_add_epi32(sum, _mm512_add_epi32(even, odd));
}
#endif

/* Quarters of 128 bits.  Fold the two vectors of a pair into one, then the two pairs: each quarter is then
 * one of the four vectors, its lanes (l + l8) + (l4 + l12); fold the quarters' halves, then neighbours. */
static inline void v_sum4(float *out, vec a, vec b, vec c, vec d)
{
    vec ab = _mm512_shuffle_f32x4(a, b, 0x44) + _mm512_shuffle_f32x4(a, b, 0xEE);
    vec cd = _mm512_shuffle_f32x4(c, d, 0x44) + _mm512_shuffle_f32x4(c, d, 0xEE);
    vec v = _mm512_shuffle_f32x4(ab, cd, 0x88) + _mm512_shuffle_f32x4(ab, cd, 0xDD);
    v = v + _mm512_permute_ps(v, 0x4E);
    v = v + _mm512_permute_ps(v, 0xB1);
    v = _mm512_maskz_compress_ps(0x1111, v);
    _mm_storeu_ps(out, _mm512_castps512_ps128(v));
}

static inline vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
/* min and max give their second operand when one is NaN */
static inline vec v_clamp(vec lo, vec hi, vec x) { return _mm512_max_ps(lo, _mm512_min_ps(hi, x)); }
static inline vec v_round(vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vec v_scale(vec x, vec n) { return _mm512_scalef_ps(x, n); }
static inline vecd v_low(vec v) { return _mm512_cvtps_pd(_mm512_castps512_ps256(v)); }
static inline vecd v_high(vec v) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)); }
static inline double v_sum_d(vecd v) { return _mm512_reduce_add_pd(v); }
static inline vec v_join(vecd lo, vecd hi)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(lo)), _mm512_cvtpd_ps(hi), 1);
}
static inline vec v_sqrt(vec x) { return _mm512_sqrt_ps(x); }
static inline vec v_number(vec x) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x); }
static inline float v_max_lanes(vec x) { return _mm512_reduce_max_ps(x); }
static inline void v_store_i8(int8_t *p, vec x) { _mm_storeu_si128((void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x))); }

/* Integers, since the instructions of AVX-512 BF16 take denormals for 0. */
static inline __m256i narrow_bf16(vec x)
{
    __m512i u = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i near = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7FFF)), odd);
    u = _mm512_mask_or_epi32(near, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(u, 16));
}
static inline void v_store_bf16(void *p, vec x) { _mm256_storeu_si256(p, narrow_bf16(x)); }
static inline void v_store_bf16_part(void *p, vec x, size_t n) { _mm256_mask_storeu_epi16(p, first(n), narrow_bf16(x)); }

#endif
#endif
