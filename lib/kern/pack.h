/* Weights and activations in the order in which a product reads them.
 *
 * A panel holds LAC_PANEL = 16 rows of a matrix; panels follow one another, the rows past R are zero, every panel
 * begins at a multiple of 64 bytes.  Inside a panel, columns come first: one vector of 16 lanes is one column (F32),
 * two columns (BF16) or four (Q8_0) of all 16 rows, so that sums need no folding and weights are one stream.
 *
 *   F32    K vectors of 64 bytes:         w[row 0..15][k]
 *   BF16   (K + 1) / 2 vectors:           w[row][2 j], w[row][2 j + 1]; a last odd column is paired with 0
 *   Q8_0   K / 32 x 16 scales (half), filled up to a multiple of 64 bytes; then K / 4 vectors:
 *          q[row][4 j .. 4 j + 3] + 128, unsigned bytes
 *
 * A prepared row of activations:
 *
 *   F32    x[K]
 *   BF16   x[K] rounded to BF16, a last odd one followed by 0
 *   Q8_0   d[K / 32] float, c[K / 32] int32, q[K] int8:  x[k] ~ d[k / 32] q[k], d = amax / 127 of the block,
 *          q = x (127 / amax) rounded, ties to even; c = -128 * sum of the block's q, what the + 128 of the weights
 *          adds to an unsigned product, with its sign turned.  amax below LAC_Q8_LEAST: all zero.  A NaN counts
 *          as 0, an infinity as the largest float.
 *
 * Each row is filled up with zero to a multiple of 64 bytes. */
#ifndef LAC_KERN_PACK_H
#define LAC_KERN_PACK_H

#include "kern/kern.h"

#define LAC_PANEL 16
#define LAC_Q8_LEAST 0x1p-119f /* from here on 127 / amax is finite and d normal */

/* Bytes of the panels of R rows of K weights, and of one panel; 0 when they do not fit a size_t or K does not fit the type. */
size_t lac_panel_bytes(lac_type type, size_t K);
size_t lac_panels_bytes(lac_type type, size_t R, size_t K);

/* Pack panels [first, first + n) of R rows (as in the file: back to back, any alignment) to `panels`, which is where panel 0 goes. */
void lac_pack(lac_type type, const void *rows, size_t R, size_t K, size_t first, size_t n, void *panels);

/* Row r of packed rows as floats: what lac_row_decode gives for the row of the file. */
void lac_unpack_row(lac_type type, const void *panels, size_t r, size_t K, float *out);

size_t lac_prepared_bytes(lac_type type, size_t K); /* of one row, a multiple of 64 */

#endif
