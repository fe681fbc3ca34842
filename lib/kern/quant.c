/* The formats of a row of weights: encoding, decoding, sizes.  Byte order and alignment are handled here
 * byte by byte, so this is the reference for what the bytes mean (drawn in kern.h). */
#include "kern/kern.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }

/* float:    s eeeeeeee mmmmmmmmmmmmmmmmmmmmmmm   bias 127
 * BF16:     s eeeeeeee mmmmmmm                   the same, cut
 * IEEE half: s eeeee mmmmmmmmmm                  bias 15 */

static uint32_t bf16_of(float x)
{
    uint32_t u = bits_of(x);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) return u >> 16 | 0x40; /* NaN: the cut must not leave an infinity */
    return (u + 0x7FFF + (u >> 16 & 1)) >> 16;
}

/* Not negative, not NaN: all a block scale can be. */
static uint32_t half_of(float x)
{
    uint32_t u = bits_of(x);
    if (x >= 65520.0f) return 0x7C00;
    if (x < 0x1p-14f) return (uint32_t)lrintf(x * 0x1p24f); /* denormal: a multiple of 2^-24, ties to even */
    u -= (127u - 15u) << 23;
    return (u + 0xFFF + (u >> 13 & 1)) >> 13;
}

static float float_of_half(uint32_t h)
{
    uint32_t sign = (h & 0x8000) << 16, exp = h >> 10 & 31, man = h & 0x3FF;
    if (exp == 31) return float_of(sign | 0x7F800000u | man << 13);
    if (exp == 0) return sign ? -(float)man * 0x1p-24f : (float)man * 0x1p-24f;
    return float_of(sign | (exp + 127 - 15) << 23 | man << 13);
}

static void q8_encode(const float *x, uint8_t *out)
{
    float amax = 0;
    for (size_t i = 0; i < LAC_Q8_BLOCK; i++)
        if (fabsf(x[i]) > amax) amax = fabsf(x[i]);
    float d = amax / 127.0f;
    if (d > 65504.0f) d = 65504.0f;
    uint32_t half = half_of(d);
    float inv = half ? 1.0f / d : 0.0f;
    put16(out, half);
    for (size_t i = 0; i < LAC_Q8_BLOCK; i++) {
        float q = roundf(x[i] * inv);
        q = q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q;
        out[2 + i] = (uint8_t)(q == q ? (int)q : 0);
    }
}

static void q8_decode(const uint8_t *in, float *out)
{
    float d = float_of_half(get16(in));
    for (size_t i = 0; i < LAC_Q8_BLOCK; i++) {
        int q = in[2 + i];
        out[i] = d * (float)(q < 128 ? q : q - 256);
    }
}

size_t lac_row_bytes(lac_type type, size_t k)
{
    if (k > SIZE_MAX / 4) return 0;
    switch (type) {
    case LAC_F32: return k * 4;
    case LAC_BF16: return k * 2;
    case LAC_Q8_0: return k % LAC_Q8_BLOCK ? 0 : k / LAC_Q8_BLOCK * LAC_Q8_BYTES;
    }
    return 0;
}

const char *lac_type_name(lac_type type)
{
    switch (type) {
    case LAC_F32: return "F32";
    case LAC_BF16: return "BF16";
    case LAC_Q8_0: return "Q8_0";
    }
    return "?";
}

void lac_row_encode(lac_type type, const float *x, size_t k, void *out)
{
    uint8_t *p = out;
    switch (type) {
    case LAC_F32:
        for (size_t i = 0; i < k; i++) put16(p + 4 * i, bits_of(x[i])), put16(p + 4 * i + 2, bits_of(x[i]) >> 16);
        break;
    case LAC_BF16:
        for (size_t i = 0; i < k; i++) put16(p + 2 * i, bf16_of(x[i]));
        break;
    case LAC_Q8_0:
        for (size_t b = 0; b < k / LAC_Q8_BLOCK; b++) q8_encode(x + b * LAC_Q8_BLOCK, p + b * LAC_Q8_BYTES);
        break;
    }
}

void lac_row_decode(lac_type type, const void *row, size_t k, float *out)
{
    const uint8_t *p = row;
    switch (type) {
    case LAC_F32:
        for (size_t i = 0; i < k; i++) out[i] = float_of(get16(p + 4 * i) | get16(p + 4 * i + 2) << 16);
        break;
    case LAC_BF16:
        for (size_t i = 0; i < k; i++) out[i] = float_of(get16(p + 2 * i) << 16);
        break;
    case LAC_Q8_0:
        for (size_t b = 0; b < k / LAC_Q8_BLOCK; b++) q8_decode(p + b * LAC_Q8_BYTES, out + b * LAC_Q8_BLOCK);
        break;
    }
}
