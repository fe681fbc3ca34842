/* Official's adaLN at sigma 0, unfolded: from the parameters to the constants that the blocks use, once a step, and
 * their gradients back to the parameters.
 *
 *   u1 = W1 [1..1 0..0] + b1;  s1 = SiLU(u1);  u2 = W2 s1 + b2;  t = SiLU(u2)      the sigma map: cosines, then sines of 0
 *   shift, scale, gate (attention), shift, scale, gate (MLP) = chunks of Wmod t + bmod, a block; shift, scale at the end
 *   a = norm (1 + scale);  b = shift;  g = gate
 *
 * (Eso-LM, models/dit.py.)  The array of constants: [L, 6, E] a1 b1 g1 a2 b2 g2, then [2, E] a b of the last norm, then
 * u1, s1, u2, t [4, cond].  The gradient array has the same shape. */
#include <math.h>

#include "train/tape.h"

typedef struct { size_t final, u1, s1, u2, t, end; } places; /* indices into the array of constants */

static places places_of(const lac_params *ps)
{
    size_t e = ps->hp.width, c = ps->cond, f = ps->hp.layers * 6 * e, u = f + 2 * e;
    return (places){f, u, u + c, u + 2 * c, u + 3 * c, u + 4 * c};
}

size_t lac_mod_size(const lac_params *ps) { return ps->hp.variant == LAC_OFFICIAL ? places_of(ps).end : 0; }
size_t lac_grad_size(const lac_params *ps) { return ps->total + lac_mod_size(ps); }

static float silu(float x) { return x / (1 + expf(-x)); }

static float silu_slope(float x)
{
    float s = 1 / (1 + expf(-x));
    return s * (1 + x * (1 - s));
}

/* y [rows] = W x + b. */
static void affine(float *y, const float *w, const float *b, const float *x, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        double sum = b[r];
        for (size_t c = 0; c < cols; c++) sum += (double)w[r * cols + c] * x[c];
        y[r] = (float)sum;
    }
}

/* Row dy of the same on the way back: one row of W, one element of b, all of x. */
static void affine_row_back(float *dw, float *db, float *dx, float dy, const float *w, const float *x, size_t cols)
{
    *db += dy;
    for (size_t c = 0; c < cols; c++) {
        dw[c] += dy * x[c];
        dx[c] += dy * w[c];
    }
}

static void forward(const lac_params *ps, const float *w, float *mod)
{
    places at = places_of(ps);
    size_t e = ps->hp.width, c = ps->cond;
    for (size_t r = 0; r < c; r++) {
        double sum = w[ps->sigma0_b + r];
        for (size_t k = 0; k < ps->freq / 2; k++) sum += w[ps->sigma0_w + r * ps->freq + k];
        mod[at.u1 + r] = (float)sum;
        mod[at.s1 + r] = silu((float)sum);
    }
    affine(mod + at.u2, w + ps->sigma2_w, w + ps->sigma2_b, mod + at.s1, c, c);
    for (size_t r = 0; r < c; r++) mod[at.t + r] = silu(mod[at.u2 + r]);
    for (size_t l = 0; l <= ps->hp.layers; l++) {
        bool last = l == ps->hp.layers;
        size_t mw = last ? ps->final_mod_w : ps->block[l].mod_w, mb = last ? ps->final_mod_b : ps->block[l].mod_b;
        float *m = mod + l * 6 * e;
        affine(m, w + mw, w + mb, mod + at.t, (last ? 2 : 6) * e, c);
        for (size_t half = 0; half < (last ? 1 : 2); half++, m += 3 * e) { /* shift, scale -> a, b */
            const float *norm = w + (last ? ps->norm : half ? ps->block[l].norm2 : ps->block[l].norm1);
            for (size_t i = 0; i < e; i++) {
                float shift = m[i];
                m[i] = norm[i] * (1 + m[e + i]);
                m[e + i] = shift;
            }
        }
    }
}

/* Rows [0, 3E) or [0, 2E) of one norm's modulation: shift, scale and, but for the last norm, gate. */
static void norm_back(const lac_params *ps, const lac_step_weights *s, float *g, size_t norm, size_t mw, size_t mb, size_t at_mod,
                      bool gate)
{
    places at = places_of(ps);
    size_t e = ps->hp.width, c = ps->cond;
    const float *d = g + ps->total + at_mod;
    float *dt = g + ps->total + at.t;
    for (size_t i = 0; i < e; i++) {
        float w = s->w[norm + i], scale1 = 0; /* 1 + scale, made again: a / w loses it where w is 0 */
        for (size_t k = 0; k < c; k++) scale1 += s->w[mw + (e + i) * c + k] * s->mod[at.t + k];
        scale1 += s->w[mb + e + i] + 1;
        g[norm + i] += d[i] * scale1;
        float dy[3] = {d[e + i], d[i] * w, gate ? d[2 * e + i] : 0}; /* shift, scale, gate */
        for (size_t part = 0; part < (gate ? 3 : 2); part++) {
            size_t r = part * e + i;
            affine_row_back(g + mw + r * c, g + mb + r, dt, dy[part], s->w + mw + r * c, s->mod + at.t, c);
        }
    }
}

void lac_step_weights_back(const lac_step_weights *s, const lac_params *ps, float *g)
{
    if (ps->hp.variant != LAC_OFFICIAL) return;
    places at = places_of(ps);
    size_t e = ps->hp.width, c = ps->cond;
    float *tail = g + ps->total;
    for (size_t i = at.u1; i < at.end; i++) tail[i] = 0;
    for (size_t l = 0; l < ps->hp.layers; l++) {
        const lac_param_block *b = &ps->block[l];
        norm_back(ps, s, g, b->norm1, b->mod_w, b->mod_b, l * 6 * e, true);
        norm_back(ps, s, g, b->norm2, b->mod_w + 3 * e * c, b->mod_b + 3 * e, l * 6 * e + 3 * e, true);
    }
    norm_back(ps, s, g, ps->norm, ps->final_mod_w, ps->final_mod_b, at.final, false);
    for (size_t r = 0; r < c; r++)
        affine_row_back(g + ps->sigma2_w + r * c, g + ps->sigma2_b + r, tail + at.s1, tail[at.t + r] * silu_slope(s->mod[at.u2 + r]),
                        s->w + ps->sigma2_w + r * c, s->mod + at.s1, c);
    for (size_t r = 0; r < c; r++) {
        float d = tail[at.s1 + r] * silu_slope(s->mod[at.u1 + r]);
        g[ps->sigma0_b + r] += d;
        for (size_t k = 0; k < ps->freq / 2; k++) g[ps->sigma0_w + r * ps->freq + k] += d;
    }
}

void lac_step_weights_make(lac_step_weights *s, const lac_params *ps, const lac_math *math, const float *w, uint16_t *operand, float *mod)
{
    if (math->gemm->bf16) math->grad->to_bf16(operand, w, ps->total);
    if (ps->hp.variant == LAC_OFFICIAL) forward(ps, w, mod);
    *s = (lac_step_weights){w, math->gemm->bf16 ? (const void *)operand : w, mod};
}
