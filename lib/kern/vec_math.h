/* What kern_simd.h and grad_simd.h have in common: the words for a vector, defined by vec_avx2.h, vec_avx512.h or
 * vec_neon.h, one of which comes first, and mathematics in these words.  Without VEC_LANES it is empty.
 *
 * What each of those defines:
 *
 *   VEC_LANES, VEC_NAME             floats in a vector, name of the table
 *   vec, vecd, veci                 VEC_LANES floats, VEC_LANES / 2 doubles, with the compiler's operators; VEC_LANES int32
 *   v_set v_set_d                   one number in every lane
 *   v_load v_store                  VEC_LANES floats
 *   v_load_part v_store_part        the first n < VEC_LANES; further lanes read as 0, are not written
 *   v_fma(a, b, c)                  a b + c, rounded once; v_fma_d for double
 *   v_bf16 v_bf16_part v_half       load BF16, IEEE halves
 *   v_unknown                       the same, which the compiler cannot know
 *   v_set_i v_load_i v_float        int32: one number in every lane, VEC_LANES of them; to float
 *   v_bf16_even v_bf16_odd          of pairs of BF16 loaded by v_load, the first or the second of each
 *   v_bf16_pair(even, odd)          of floats that are BF16, such pairs
 *   VEC_DOT2                        1 where v_dot2 is one instruction
 *   v_store_dot2                    there: to BF16 for v_dot2, where a denormal may as well be 0
 *   v_dot2(sum, w, x)               lane by lane, w and x such pairs: sum + w0 x0 + w1 x1
 *   v_dot4_begin v_dot4(sum, w, x)  lane by lane, w four bytes, unsigned, each 128 too much, x four signed bytes, none of
 *                                   them -128: + w0 x0 + .. + w3 x3, exactly, from v_dot4_begin(-128 times the sum of all x)
 *   v_store_bf16 v_store_bf16_part  to nearest, ties to even; NaN stays NaN
 *   v_sum4(out, a, b, c, d)         out[0..3] = each vector's lanes summed, all by one tree
 *   v_clamp(lo, hi, x)              NaN stays NaN
 *   v_round                         nearest integer, ties to even
 *   v_scale(x, n)                   x 2^n, rounded once, for x from 1/2 to 2 and an integer n in [-151, 129]
 *   v_low v_high v_join             to double and back
 *   v_sum_d                         lanes of doubles summed
 *   v_sqrt                          square root, rounded once
 *   v_number                        NaN becomes 0
 *   v_max v_max_lanes               the larger, the largest lane; no NaN
 *   v_store_i8                      whole numbers in [-127, 127], as bytes */
#ifndef LAC_KERN_VEC_MATH_H
#define LAC_KERN_VEC_MATH_H

#include <stddef.h>
#include <string.h>

#ifdef VEC_LANES

#define INLINE static inline __attribute__((always_inline))

enum { L = VEC_LANES };

#if !VEC_DOT2
static inline void v_store_dot2(void *p, vec x) { v_store_bf16(p, x); }
#endif

/* The first n lanes, 0 in the rest. */
INLINE vec v_first(vec v, size_t n)
{
    float lane[L];
    v_store(lane, v);
    return v_load_part(lane, n);
}

/* e^x to one unit in the last place or so; 0 below -104, where a float has no digits left.
 *
 *   x = n ln 2 + r, |r| <= ln 2 / 2; e^x = 2^n e^r; e^r by its series to r^7 / 7!, error below 6e-9 relative.
 *
 * ln 2 is cut into a part of few bits, whose product with n is exact, and the rest. */
INLINE vec v_exp(vec x)
{
    x = v_clamp(v_set(-104.0f), v_set(89.0f), x);
    vec n = v_round(x * v_set(1.44269504f));
    vec r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.0f / 5040);
    p = v_fma(p, r, v_set(1.0f / 720));
    p = v_fma(p, r, v_set(1.0f / 120));
    p = v_fma(p, r, v_set(1.0f / 24));
    p = v_fma(p, r, v_set(1.0f / 6));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(p, r, v_set(1.0f));
    p = v_fma(p, r, v_set(1.0f));
    return v_scale(p, n);
}

#endif
#endif
