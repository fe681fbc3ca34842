/* The arithmetic of the network: one table of functions per instruction set.
 *
 * Shapes, one alphabet for the whole library; [N, E] is row-major, last index fastest:
 *   N new entries of a pass   T cached entries   E width   H heads   D head dim (E = H D)
 *   F mlp width               V vocabulary       L layers  S slots   R rows of a weight matrix   K its columns
 *
 * Contract of every entry
 * - float32 in and out; accumulation in float32 or better.  float buffers are aligned as C wants a float, panels
 *   and prepared rows (pack.h) to 64 bytes.  No entry reads or writes past its ends.
 * - Batch invariance: a row of the output is a function of its own row of the input and of the weights,
 *   in an order of summation fixed by (table, K): the same bits whether rows come one or a hundred at a
 *   time.  This is why a fill does not depend on what was cached, on groups or on threads.
 * - Outputs do not overlap inputs, but an entry that maps x[i] to y[i] may run in place (y == x).
 * - Different tables may differ in the last bits; tests/kern holds each against kern_ref in double.
 *
 * kern_ref.c is written to be read; it sums in double.  kern_avx2.c, kern_avx2vnni.c, kern_avx512.c,
 * kern_avx512vnni.c, kern_avx512bf16.c and kern_neon.c are compiled for more than the baseline, take what a vector is on their CPU from vec_*.h, and the
 * loops from kern_simd.h (rows), product_simd.h (products) and attend_simd.h. */
#ifndef LAC_KERN_KERN_H
#define LAC_KERN_KERN_H

#include <stddef.h>
#include <stdint.h>

/* Type of the elements of a weight matrix; values are GGML's type numbers, as in GGUF. */
typedef enum { LAC_F32 = 0, LAC_Q8_0 = 8, LAC_BF16 = 30 } lac_type;

/* Q8_0 (GGML): K is a multiple of 32; each block of 32 weights is 34 bytes:
 *
 *   byte 0..1   d, IEEE half, little-endian
 *   byte 2..33  q[32], int8
 *
 * weight i of the block = d * q[i].
 * BF16: the upper 16 bits of an IEEE float, little-endian. */
#define LAC_Q8_BLOCK 32
#define LAC_Q8_BYTES 34

/* Bytes of a row of k weights; 0 when k does not fit the type or the type is unknown. */
size_t lac_row_bytes(lac_type type, size_t k);
const char *lac_type_name(lac_type type); /* "F32", "BF16", "Q8_0", "?" */

/* Encode and decode one row (used by conversion and embedding lookup; the reference for the formats). */
/* BF16 rounds to nearest, ties to even; NaN stays NaN.  Q8_0 is GGML's reference: d = amax / 127 rounded to
 * half, q = x * (1 / d before rounding), ties away from zero; where GGML leaves the result open, d saturates
 * at the largest half, a block whose d rounds to 0 is all zero, and a NaN becomes 0. */
void lac_row_encode(lac_type type, const float *x, size_t k, void *out);
void lac_row_decode(lac_type type, const void *row, size_t k, float *out);

typedef struct lac_attend lac_attend;

typedef struct {
    const char *name; /* "ref", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512bf16", "neon" */

    /* A row of activations as the product by weights of this type reads them: [K] -> lac_prepared_bytes (pack.h).  The
     * same bytes on every table. */
    void (*prepare)(lac_type type, void *out, const float *x, size_t K);

    /* y[n * ldy + r] = sum_k x[n, k] * w[r, k], for n < N, r < R.  x: N prepared rows, back to back.  w: panels
     * (pack.h) of the R rows.  Sums: F32 and BF16 in the order of k; Q8_0: whole numbers inside a block, blocks in order. */
    void (*matmul)(lac_type type, float *y, size_t ldy, const void *x, size_t N, const void *w, size_t R, size_t K);

    /* Attention of one head: softmax(q k / sqrt(D)) v over the keys that each row sees.  See attend.h. */
    void (*attend)(const lac_attend *a);

    /* About `turns` products of vectors as `matmul` makes them for this type, in registers; returns how many
     * multiply-adds that was.  A bench times it: the peak of the CPU. */
    double (*spin)(lac_type type, size_t turns);

    float (*dot)(const float *a, const float *b, size_t n);          /* sum a_i b_i */
    float (*max)(const float *x, size_t n);                          /* the largest, -inf of none; a NaN is passed over or not */
    /* y[i] = exp(x[i] - max); returns the sum of y.  With max the largest x, finite, y / sum is the softmax;
     * x[i] = -inf gives exactly 0. */
    float (*exp_sum)(float *y, const float *x, float max, size_t n);

    /* y = x / sqrt(mean(x^2) + eps) * w   (RMSNorm; mean in double) */
    void (*rms_norm)(float *y, const float *x, const float *w, float eps, size_t n);
    /* y = (x - mean) / sqrt(var + eps), biased variance, no weight (folded; mean and var in double) */
    void (*layer_norm)(float *y, const float *x, float eps, size_t n);

    /* Both take their limits at -inf (0) and +inf, and keep NaN. */
    void (*silu_mul)(float *y, const float *gate, const float *up, size_t n); /* y = gate / (1 + exp(-gate)) * up */
    void (*gelu_tanh)(float *y, const float *x, size_t n); /* y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
} lac_kern;

/* The tables; NULL where the compiler does not aim at that CPU family.  Use lac_kern_pick. */
extern const lac_kern *const lac_kern_ref, *const lac_kern_avx2, *const lac_kern_avx2vnni, *const lac_kern_avx512;
extern const lac_kern *const lac_kern_avx512vnni, *const lac_kern_avx512bf16, *const lac_kern_neon;

/* The table called `name`, or the best this CPU has for NULL; NULL when the name is unknown or the CPU
 * cannot run it. */
const lac_kern *lac_kern_pick(const char *name);

#endif
