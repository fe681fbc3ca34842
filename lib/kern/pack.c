#include "kern/pack.h"

#include <string.h>

#define LINE 64

static size_t whole_lines(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

static size_t scales_bytes(size_t K) { return whole_lines(K / LAC_Q8_BLOCK * LAC_PANEL * 2); }

size_t lac_panel_bytes(lac_type type, size_t K)
{
    if (K > SIZE_MAX / 256 || (K && !lac_row_bytes(type, K))) return 0;
    switch (type) {
    case LAC_F32: return K * LINE;
    case LAC_BF16: return (K + 1) / 2 * LINE;
    case LAC_Q8_0: return scales_bytes(K) + K / 4 * LINE;
    }
    return 0;
}

size_t lac_panels_bytes(lac_type type, size_t R, size_t K)
{
    size_t one = lac_panel_bytes(type, K), panels = R / LAC_PANEL + (R % LAC_PANEL != 0), all;
    return __builtin_mul_overflow(one, panels, &all) ? 0 : all;
}

size_t lac_prepared_bytes(lac_type type, size_t K)
{
    switch (type) {
    case LAC_F32: return whole_lines(K * 4);
    case LAC_BF16: return whole_lines((K + 1) / 2 * 4);
    case LAC_Q8_0: return whole_lines(K / LAC_Q8_BLOCK * 8 + K);
    }
    return 0;
}

/* Column k of row i of a panel of F32 or BF16. */
static size_t place(lac_type type, size_t k, size_t i)
{
    return type == LAC_F32 ? k * LINE + 4 * i : k / 2 * LINE + 4 * i + 2 * (k & 1);
}

/* Whole lanes of 4 bytes; the last of an odd row of BF16 is half of one. */
static void pack_row(lac_type type, const uint8_t *row, size_t K, size_t i, uint8_t *panel)
{
    const size_t bytes = K * (type == LAC_F32 ? 4 : 2);
    if (type != LAC_Q8_0) {
        size_t at = 0;
        for (; at + 4 <= bytes; at += 4) memcpy(panel + at * LAC_PANEL + 4 * i, row + at, 4);
        if (at < bytes) memcpy(panel + at * LAC_PANEL + 4 * i, row + at, 2);
        return;
    }
    uint8_t *q = panel + scales_bytes(K);
    for (size_t b = 0; b < K / LAC_Q8_BLOCK; b++, row += LAC_Q8_BYTES) {
        memcpy(panel + (b * LAC_PANEL + i) * 2, row, 2);
        for (size_t j = 0; j < LAC_Q8_BLOCK / 4; j++, q += LINE) {
            uint32_t four;
            memcpy(&four, row + 2 + 4 * j, 4);
            four ^= 0x80808080;
            memcpy(q + 4 * i, &four, 4);
        }
    }
}

void lac_pack(lac_type type, const void *rows, size_t R, size_t K, size_t first, size_t n, void *panels)
{
    const size_t row = lac_row_bytes(type, K), bytes = lac_panel_bytes(type, K);
    for (size_t p = first; p < first + n; p++) {
        uint8_t *panel = (uint8_t *)panels + p * bytes;
        memset(panel, 0, bytes);
        if (type == LAC_Q8_0) memset(panel + scales_bytes(K), 0x80, bytes - scales_bytes(K)); /* 0, as stored */
        for (size_t i = 0; i < LAC_PANEL && p * LAC_PANEL + i < R; i++)
            pack_row(type, (const uint8_t *)rows + (p * LAC_PANEL + i) * row, K, i, panel);
    }
}

void lac_unpack_row(lac_type type, const void *panels, size_t r, size_t K, float *out)
{
    const uint8_t *panel = (const uint8_t *)panels + r / LAC_PANEL * lac_panel_bytes(type, K);
    const size_t i = r % LAC_PANEL;
    if (type != LAC_Q8_0) {
        for (size_t k = 0; k < K; k++) lac_row_decode(type, panel + place(type, k, i), 1, out + k);
        return;
    }
    const uint8_t *q = panel + scales_bytes(K);
    for (size_t b = 0; b < K / LAC_Q8_BLOCK; b++) {
        uint8_t block[LAC_Q8_BYTES];
        memcpy(block, panel + (b * LAC_PANEL + i) * 2, 2);
        for (size_t k = 0; k < LAC_Q8_BLOCK; k++) block[2 + k] = q[(b * LAC_Q8_BLOCK + k) / 4 * LINE + 4 * i + k % 4] ^ 0x80;
        lac_row_decode(LAC_Q8_0, block, LAC_Q8_BLOCK, out + b * LAC_Q8_BLOCK);
    }
}
