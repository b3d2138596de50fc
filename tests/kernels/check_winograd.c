/* The transforms of F(4x4, 3x3) and F(5x5, 3x3): every level gives the reference's bits,
 * and one tile taken through all three steps is the convolution it stands for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "buffers.h"

enum { CHANNELS = 48, PLANE = CHANNELS + 16 };

static pn_wino wino_of(pn_cpu level, pn_wino_size size)
{
    pn_kernels k;
    pn_kernels_init(&k, level);
    return k.wino[size];
}

static float *input_planes(const pn_wino *w, const float *x)
{
    const int n = w->in * w->in;
    const float *pixels[PN_WINO_PLANES_MAX];
    for (int i = 0; i < n; i++)
        pixels[i] = x + (size_t)i * CHANNELS;
    float *planes = pn_buffer_canary((size_t)n * PLANE);
    w->input(planes, PLANE, pixels, CHANNELS);
    return planes;
}

static float *output_pixels(const pn_wino *w, const float *planes, const float *bias,
                            const float *residual, const pn_act *act)
{
    const size_t n = (size_t)(w->out * w->out);
    float *y = pn_buffer_canary(n * CHANNELS), *pixels[PN_WINO_PLANES_MAX];
    const float *add[PN_WINO_PLANES_MAX];
    for (size_t i = 0; i < n; i++) {
        pixels[i] = y + i * CHANNELS;
        add[i] = residual ? residual + i * CHANNELS : NULL;
    }
    w->output(pixels, residual ? add : NULL, planes, PLANE, CHANNELS, bias, act);
    return y;
}

static void check_bits(const pn_wino *reference, const pn_wino *w, bool odd, bool adds,
                       bool bends)
{
    const size_t planes = (size_t)(w->in * w->in), out = (size_t)(w->out * w->out);
    float *x = pn_buffer_new(planes * CHANNELS, 1, odd);
    float *m = pn_buffer_new(planes * PLANE, 2, odd);
    float *bias = pn_buffer_new(CHANNELS, 3, false);
    float *residual = pn_buffer_new(out * CHANNELS, 4, odd);
    float *slope = pn_buffer_new(CHANNELS, 5, odd);
    const pn_act relu = {.kind = PN_ACT_CLAMP, .lo = 0, .hi = adds ? 6 : INFINITY};
    const pn_act prelu = {
        .kind = PN_ACT_PRELU, .lo = -INFINITY, .hi = INFINITY, .slope = slope};
    const pn_act *act = bends ? &prelu : &relu;
    const float *r = adds ? residual : NULL;
    float *a = input_planes(reference, x), *b = input_planes(w, x);
    assert_true(pn_buffer_same(a, b, planes * PLANE));
    pn_buffer_free(a);
    pn_buffer_free(b);
    a = output_pixels(reference, m, bias, r, act);
    b = output_pixels(w, m, bias, r, act);
    assert_true(pn_buffer_same(a, b, out * CHANNELS));
    pn_buffer_free(a);
    pn_buffer_free(b);
    pn_buffer_free(slope);
    pn_buffer_free(residual);
    pn_buffer_free(bias);
    pn_buffer_free(m);
    pn_buffer_free(x);
}

static void every_level_gives_the_references_bits(void **state)
{
    (void)state;
    pn_cpu levels[4];
    const int n = pn_levels(levels);
    for (int size = 0; size < PN_N_WINO_SIZES; size++)
        for (int l = 1; l < n; l++)
            for (int i = 0; i < 8; i++) {
                const pn_wino c = wino_of(PN_CPU_C, (pn_wino_size)size);
                const pn_wino w = wino_of(levels[l], (pn_wino_size)size);
                check_bits(&c, &w, i & 1, i & 2, i & 4);
            }
}

/* With the kernel that is 1 in its centre and 0 elsewhere, the convolution is the
 * identity; its transformed weights are the middle column of G times itself: of the point
 * a, a over the product of its distances to the other points. */
static void centre_is_kept(pn_wino_size size, const double *g, float tolerance)
{
    const pn_wino w = wino_of(PN_CPU_C, size);
    const int n = w.in * w.in;
    float *x = pn_buffer_new((size_t)n * CHANNELS, 7, false);
    float *bias = pn_buffer_new(CHANNELS, 8, false), *planes = input_planes(&w, x);
    for (int f = 0; f < n; f++)
        for (int c = 0; c < CHANNELS; c++)
            planes[f * PLANE + c] *= (float)(g[f / w.in] * g[f % w.in]);
    const pn_act none = {.kind = PN_ACT_CLAMP, .lo = -INFINITY, .hi = INFINITY};
    float *y = output_pixels(&w, planes, bias, NULL, &none);
    for (int i = 0; i < w.out * w.out; i++)
        for (int c = 0; c < CHANNELS; c++) {
            const int at = (i / w.out + 1) * w.in + i % w.out + 1;
            assert_true(fabsf(y[i * CHANNELS + c] - bias[c] - x[at * CHANNELS + c]) <
                        tolerance);
        }
    pn_buffer_free(y);
    pn_buffer_free(planes);
    pn_buffer_free(bias);
    pn_buffer_free(x);
}

/* the share of +-x among +-x, +-y, +-z */
static double share_of(double x, double y, double z)
{
    return x / (2 * x * (x * x - y * y) * (x * x - z * z));
}

static void a_centre_kernel_gives_the_tile_back(void **state)
{
    (void)state;
    const double b = sqrt(2.0) / 3, x = 9. / 32, y = 27. / 32, z = 7. / 4;
    const double p = share_of(x, y, z), q = share_of(y, x, z), r = share_of(z, x, y);
    const double four[] = {0, -b, b, b / 2, -b / 2, 0}, five[] = {p, p, q, q, r, r, 0};
    centre_is_kept(PN_WINO_4, four, 4e-6F);
    centre_is_kept(PN_WINO_5, five, 1e-5F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_references_bits),
        cmocka_unit_test(a_centre_kernel_gives_the_tile_back),
    };
    return pn_run_kernel_checks(tests);
}
