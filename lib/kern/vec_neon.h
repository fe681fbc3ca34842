/* A vector on 64-bit ARM, which always has NEON: 4 lanes, 32 registers.  Empty where the compiler does not aim there. */
#ifndef LAC_KERN_VEC_NEON_H
#define LAC_KERN_VEC_NEON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_neon.h>

#define VEC_LANES 4
#define VEC_DOT2 0
#define VEC_NAME "neon"

typedef float32x4_t vec;
typedef float64x2_t vecd;
typedef int32x4_t veci;

static inline vec v_set(float x) { return vdupq_n_f32(x); }
static inline vecd v_set_d(double x) { return vdupq_n_f64(x); }
static inline vec v_load(const void *p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
static inline void v_store(float *p, vec v) { vst1q_f32(p, v); }
static inline vec v_load_part(const void *p, size_t n)
{
    float x[4] = {0};
    memcpy(x, p, n * sizeof *x);
    return vld1q_f32(x);
}
static inline void v_store_part(float *p, vec v, size_t n)
{
    float x[4];
    vst1q_f32(x, v);
    memcpy(p, x, n * sizeof *x);
}
static inline vec v_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
static inline vecd v_fma_d(vecd a, vecd b, vecd c) { return vfmaq_f64(c, a, b); }

static inline vec v_bf16(const void *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}
static inline vec v_bf16_part(const void *p, size_t n)
{
    uint8_t b[8] = {0};
    memcpy(b, p, 2 * n);
    return v_bf16(b);
}
static inline vec v_half(const void *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }

static inline veci v_set_i(int32_t x) { return vdupq_n_s32(x); }
static inline veci v_load_i(const void *p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }
static inline vec v_float(veci x) { return vcvtq_f32_s32(x); }
static inline vec v_bf16_even(vec pairs) { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(pairs), 16)); }
static inline vec v_bf16_odd(vec pairs)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(0xFFFF0000)));
}
static inline vec v_bf16_pair(vec even, vec odd)
{
    return vreinterpretq_f32_u32(vorrq_u32(vshrq_n_u32(vreinterpretq_u32_f32(even), 16), vreinterpretq_u32_f32(odd)));
}
static inline vec v_dot2(vec sum, vec w, vec x)
{
    sum = v_fma(v_bf16_even(w), v_bf16_even(x), sum);
    return v_fma(v_bf16_odd(w), v_bf16_odd(x), sum);
}
/* Products of signed bytes, for which the 128 is taken away again. */
static inline veci v_unknown(veci x)
{
    __asm__ volatile("" : "+w"(x));
    return x;
}
static inline veci v_dot4_begin(int32_t c)
{
    (void)c;
    return v_set_i(0);
}
static inline veci v_dot4(veci sum, veci w, veci x)
{
    int8x16_t a = vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_s32(w), vdupq_n_u8(0x80))), b = vreinterpretq_s8_s32(x);
#ifdef __ARM_FEATURE_DOTPROD
    return vdotq_s32(sum, a, b);
#else
    int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}

/* Neighbours twice: (0 + 1) + (2 + 3). */
static inline void v_sum4(float *out, vec a, vec b, vec c, vec d)
{
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

static inline vec v_max(vec a, vec b) { return vmaxq_f32(a, b); }
static inline vec v_clamp(vec lo, vec hi, vec x) { return vmaxq_f32(lo, vminq_f32(hi, x)); }
static inline vec v_round(vec x) { return vrndnq_f32(x); }
static inline vec pow2(vec n) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23)); }
/* In two factors: 2^n itself may be no float. */
static inline vec v_scale(vec x, vec n)
{
    const vec half = v_round(n * v_set(0.5f));
    return x * pow2(half) * pow2(n - half);
}
static inline vecd v_low(vec v) { return vcvt_f64_f32(vget_low_f32(v)); }
static inline vecd v_high(vec v) { return vcvt_high_f64_f32(v); }
static inline double v_sum_d(vecd v) { return vaddvq_f64(v); }
static inline vec v_join(vecd lo, vecd hi) { return vcombine_f32(vcvt_f32_f64(lo), vcvt_f32_f64(hi)); }
static inline vec v_sqrt(vec x) { return vsqrtq_f32(x); }
static inline vec v_number(vec x) { return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vceqq_f32(x, x))); }
static inline float v_max_lanes(vec x) { return vmaxvq_f32(x); }
static inline void v_store_i8(int8_t *p, vec x)
{
    int16x4_t v = vmovn_s32(vcvtnq_s32_f32(x));
    int32_t four = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(v, v))), 0);
    memcpy(p, &four, sizeof four);
}

static inline uint16x4_t narrow_bf16(vec x)
{
    uint32x4_t u = vreinterpretq_u32_f32(x), odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
    uint32x4_t near = vaddq_u32(vaddq_u32(u, vdupq_n_u32(0x7FFF)), odd);
    uint32x4_t nan = vorrq_u32(u, vdupq_n_u32(0x400000));
    return vshrn_n_u32(vbslq_u32(vceqq_f32(x, x), near, nan), 16);
}
static inline void v_store_bf16(void *p, vec x) { vst1_u8(p, vreinterpret_u8_u16(narrow_bf16(x))); }
static inline void v_store_bf16_part(void *p, vec x, size_t n)
{
    uint16x4_t v = narrow_bf16(x);
    memcpy(p, &v, 2 * n);
}

#endif
#endif
