/* The reference transforms; each fusion and each order of additions is written out and
 * kept by the variants. */
#include "engine/kernels/kernels.h"

#include <math.h>

static const float HALF_ROOT = 0.70710678118654752f; /* sqrt(1/2) */
static const float ROOT = 1.4142135623730951f;       /* sqrt(2) */

static void input_1d(float o[6], const float r[6])
{
    o[0] = PN_FMA(-2.5f, r[2], r[0] + r[4]);
    o[5] = PN_FMA(-2.5f, r[3], r[1] + r[5]);
    float even = PN_FMA(-2.0f, r[2], r[4]), odd = PN_FMA(ROOT, r[1], -(HALF_ROOT * r[3]));
    o[1] = even - odd;
    o[2] = even + odd;
    even = PN_FMA(-0.5f, r[2], r[4]), odd = PN_FMA(ROOT, r[3], -(HALF_ROOT * r[1]));
    o[3] = even + odd;
    o[4] = even - odd;
}

PN_DECL_WINO_INPUT(pn_f32_wino_input_c)
{
    for (size_t c = 0; c < n; c++) {
        float down[6][6], column[6], across[6];
        for (int j = 0; j < 6; j++) {
            for (int i = 0; i < 6; i++)
                column[i] = pixels[6 * i + j][c];
            input_1d(across, column);
            for (int i = 0; i < 6; i++)
                down[i][j] = across[i];
        }
        for (int i = 0; i < 6; i++) {
            input_1d(across, down[i]);
            for (int j = 0; j < 6; j++)
                planes[(size_t)(6 * i + j) * plane + c] = across[j];
        }
    }
}

static void output_1d(float y[4], const float m[6])
{
    float p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    y[0] = (m[0] + p) + r;
    y[1] = PN_FMA(HALF_ROOT, q, ROOT * s);
    y[2] = PN_FMA(0.5f, p, 2.0f * r);
    y[3] = PN_FMA(HALF_ROOT * 0.5f, q, PN_FMA(ROOT * 2.0f, s, m[5]));
}

static float finish(float v, const float *residual, const float *bias, float lo, float hi,
                    size_t c)
{
    v += bias[c];
    if (residual) v += residual[c];
    v = v < lo ? lo : v; /* NaN passes */
    return v > hi ? hi : v;
}

PN_DECL_WINO_OUTPUT(pn_f32_wino_output_c)
{
    for (size_t c = 0; c < n; c++) {
        float down[4][6], column[6], across[4];
        for (int j = 0; j < 6; j++) {
            for (int i = 0; i < 6; i++)
                column[i] = planes[(size_t)(6 * i + j) * plane + c];
            output_1d(across, column);
            for (int i = 0; i < 4; i++)
                down[i][j] = across[i];
        }
        for (int i = 0; i < 4; i++) {
            output_1d(across, down[i]);
            for (int j = 0; j < 4; j++) {
                int at = 4 * i + j;
                pixels[at][c] =
                    finish(across[j], residual ? residual[at] : NULL, bias, lo, hi, c);
            }
        }
    }
}
