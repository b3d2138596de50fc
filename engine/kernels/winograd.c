/* The reference transforms; each fusion and each order of additions is written out and
 * kept by the variants. */
#include "engine/kernels/kernels.h"

#include <math.h>

/* one row or column of a tile through a transform */
typedef void line_fn(float *o, const float *r);

static void input_4(float *o, const float *r)
{
    const float half_root = 0.70710678118654752f, root = 1.4142135623730951f;
    o[0] = PN_FMA(-2.5f, r[2], r[0] + r[4]);
    o[5] = PN_FMA(-2.5f, r[3], r[1] + r[5]);
    float even = PN_FMA(-2.0f, r[2], r[4]), odd = PN_FMA(root, r[1], -(half_root * r[3]));
    o[1] = even - odd;
    o[2] = even + odd;
    even = PN_FMA(-0.5f, r[2], r[4]), odd = PN_FMA(root, r[3], -(half_root * r[1]));
    o[3] = even + odd;
    o[4] = even - odd;
}

/* The outputs of points +-at; `sum` and `product` are of the other two's squares. */
static void input_pair(float *o, const float *r, float at, float sum, float product)
{
    const float even = PN_FMA(product, r[0], PN_FMA(-sum, r[2], r[4]));
    const float odd = PN_FMA(product, r[1], PN_FMA(-sum, r[3], r[5]));
    o[0] = PN_FMA(at, even, odd);
    o[1] = PN_FMA(-at, even, odd);
}

static void input_5(float *o, const float *r)
{
    input_pair(o, r, 9.0f / 32, 3865.0f / 1024, 35721.0f / 16384);
    input_pair(o + 2, r, 27.0f / 32, 3217.0f / 1024, 3969.0f / 16384);
    input_pair(o + 4, r, 7.0f / 4, 810.0f / 1024, 59049.0f / 1048576);
    const float last = PN_FMA(-3946.0f / 1024, r[4], r[6]);
    o[6] = PN_FMA(-2893401.0f / 16777216, r[0], PN_FMA(2599209.0f / 1048576, r[2], last));
}

static inline void input_tile(float *planes, size_t plane, const float *const *pixels,
                              size_t n, int in, line_fn *line)
{
    for (size_t c = 0; c < n; c++) {
        float down[PN_WINO_IN_MAX][PN_WINO_IN_MAX], column[PN_WINO_IN_MAX];
        float across[PN_WINO_IN_MAX];
        for (int j = 0; j < in; j++) {
            for (int i = 0; i < in; i++)
                column[i] = pixels[in * i + j][c];
            line(across, column);
            for (int i = 0; i < in; i++)
                down[i][j] = across[i];
        }
        for (int i = 0; i < in; i++) {
            line(across, down[i]);
            for (int j = 0; j < in; j++)
                planes[(size_t)(in * i + j) * plane + c] = across[j];
        }
    }
}

PN_DECL_WINO_INPUT(pn_f32_wino4_input_c)
{
    input_tile(planes, plane, pixels, n, 6, input_4);
}

PN_DECL_WINO_INPUT(pn_f32_wino5_input_c)
{
    input_tile(planes, plane, pixels, n, 7, input_5);
}

static void output_4(float *y, const float *m)
{
    const float half_root = 0.70710678118654752f, root = 1.4142135623730951f;
    float p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    y[0] = (m[0] + p) + r;
    y[1] = PN_FMA(half_root, q, root * s);
    y[2] = PN_FMA(0.5f, p, 2.0f * r);
    y[3] = PN_FMA(half_root * 0.5f, q, PN_FMA(root * 2.0f, s, m[5]));
}

/* Rows of powers of the points: 81 / 1024 is 9/32 squared, and so on. */
static void output_5(float *y, const float *m)
{
    const float p = m[0] + m[1], q = m[0] - m[1], r = m[2] + m[3], s = m[2] - m[3];
    const float t = m[4] + m[5], u = m[4] - m[5];
    y[0] = (p + r) + t;
    y[1] = PN_FMA(9.0f / 32, q, PN_FMA(27.0f / 32, s, 7.0f / 4 * u));
    y[2] = PN_FMA(81.0f / 1024, p, PN_FMA(729.0f / 1024, r, 49.0f / 16 * t));
    y[3] = PN_FMA(729.0f / 32768, q, PN_FMA(19683.0f / 32768, s, 343.0f / 64 * u));
    y[4] = PN_FMA(6561.0f / 1048576, p,
                  PN_FMA(531441.0f / 1048576, r, PN_FMA(2401.0f / 256, t, m[6])));
}

/* What a tile becomes when its channel leaves. */
typedef struct leaving {
    float *const *pixels;
    const float *const *residual, *bias;
    const pn_act *act;
} leaving;

static float finish(const leaving *l, float v, int at, size_t c)
{
    v += l->bias[c];
    if (l->residual) v += l->residual[at][c];
    v = v < l->act->lo ? l->act->lo : v; /* NaN passes */
    v = v > l->act->hi ? l->act->hi : v;
    return l->act->slope && v < 0 ? l->act->slope[c] * v : v;
}

static inline void output_tile(const leaving *l, const float *planes, size_t plane,
                               size_t n, int in, int out, line_fn *line)
{
    for (size_t c = 0; c < n; c++) {
        float down[PN_WINO_OUT_MAX][PN_WINO_IN_MAX], column[PN_WINO_IN_MAX];
        float across[PN_WINO_OUT_MAX];
        for (int j = 0; j < in; j++) {
            for (int i = 0; i < in; i++)
                column[i] = planes[(size_t)(in * i + j) * plane + c];
            line(across, column);
            for (int i = 0; i < out; i++)
                down[i][j] = across[i];
        }
        for (int i = 0; i < out; i++) {
            line(across, down[i]);
            for (int j = 0; j < out; j++) {
                const int at = out * i + j;
                l->pixels[at][c] = finish(l, across[j], at, c);
            }
        }
    }
}

PN_DECL_WINO_OUTPUT(pn_f32_wino4_output_c)
{
    const leaving l = {pixels, residual, bias, act};
    output_tile(&l, planes, plane, n, 6, 4, output_4);
}

PN_DECL_WINO_OUTPUT(pn_f32_wino5_output_c)
{
    const leaving l = {pixels, residual, bias, act};
    output_tile(&l, planes, plane, n, 7, 5, output_5);
}
