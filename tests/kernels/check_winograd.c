/* The transforms of F(4x4, 3x3): every level gives the reference's bits, and one tile
 * taken through all three steps is the convolution it stands for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "buffers.h"

enum { CHANNELS = 48, PLANE = CHANNELS + 16, OUT = PN_WINO_OUT * PN_WINO_OUT };

static float *input_planes(pn_cpu level, const float *x)
{
    pn_kernels k;
    pn_kernels_init(&k, level);
    const float *pixels[PN_WINO_PLANES];
    for (int i = 0; i < PN_WINO_PLANES; i++)
        pixels[i] = x + (size_t)i * CHANNELS;
    float *planes = pn_buffer_canary((size_t)PN_WINO_PLANES * PLANE);
    k.wino_input(planes, PLANE, pixels, CHANNELS);
    return planes;
}

static float *output_pixels(pn_cpu level, const float *planes, const float *bias,
                            const float *residual, float lo, float hi)
{
    pn_kernels k;
    pn_kernels_init(&k, level);
    float *y = pn_buffer_canary((size_t)OUT * CHANNELS), *pixels[OUT];
    const float *add[OUT];
    for (size_t i = 0; i < OUT; i++) {
        pixels[i] = y + i * CHANNELS;
        add[i] = residual ? residual + i * CHANNELS : NULL;
    }
    k.wino_output(pixels, residual ? add : NULL, planes, PLANE, CHANNELS, bias, lo, hi);
    return y;
}

static void every_level_gives_the_references_bits(void **state)
{
    (void)state;
    pn_cpu levels[4];
    const int n = pn_levels(levels);
    for (int odd = 0; odd < 2; odd++) {
        float *x = pn_buffer_new((size_t)PN_WINO_PLANES * CHANNELS, 1, odd);
        float *m = pn_buffer_new((size_t)PN_WINO_PLANES * PLANE, 2, odd);
        float *bias = pn_buffer_new(CHANNELS, 3, false);
        float *residual = pn_buffer_new((size_t)OUT * CHANNELS, 4, odd);
        for (int l = 1; l < n; l++)
            for (int adds = 0; adds < 2; adds++) {
                const float *r = adds ? residual : NULL, hi = adds ? 6 : INFINITY;
                float *a = input_planes(PN_CPU_C, x), *b = input_planes(levels[l], x);
                assert_true(pn_buffer_same(a, b, (size_t)PN_WINO_PLANES * PLANE));
                pn_buffer_free(a);
                pn_buffer_free(b);
                a = output_pixels(PN_CPU_C, m, bias, r, 0, hi);
                b = output_pixels(levels[l], m, bias, r, 0, hi);
                assert_true(pn_buffer_same(a, b, (size_t)OUT * CHANNELS));
                pn_buffer_free(a);
                pn_buffer_free(b);
            }
        pn_buffer_free(residual);
        pn_buffer_free(bias);
        pn_buffer_free(m);
        pn_buffer_free(x);
    }
}

/* With the kernel that is 1 in its centre and 0 elsewhere, the convolution is the
 * identity; its 36 transformed weights are the middle column of G times itself. */
static void a_centre_kernel_gives_the_tile_back(void **state)
{
    (void)state;
    const double b = sqrt(2.0) / 3;
    const double g[PN_WINO_IN] = {0, -b, b, b / 2, -b / 2, 0};
    float *x = pn_buffer_new((size_t)PN_WINO_PLANES * CHANNELS, 7, false);
    float *bias = pn_buffer_new(CHANNELS, 8, false), *planes = input_planes(PN_CPU_C, x);
    for (int f = 0; f < PN_WINO_PLANES; f++)
        for (int c = 0; c < CHANNELS; c++)
            planes[f * PLANE + c] *= (float)(g[f / PN_WINO_IN] * g[f % PN_WINO_IN]);
    float *y = output_pixels(PN_CPU_C, planes, bias, NULL, -INFINITY, INFINITY);
    for (int i = 0; i < OUT; i++)
        for (int c = 0; c < CHANNELS; c++) {
            const int at = (i / PN_WINO_OUT + 1) * PN_WINO_IN + i % PN_WINO_OUT + 1;
            assert_true(fabsf(y[i * CHANNELS + c] - bias[c] - x[at * CHANNELS + c]) <
                        4e-6F);
        }
    pn_buffer_free(y);
    pn_buffer_free(planes);
    pn_buffer_free(bias);
    pn_buffer_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_references_bits),
        cmocka_unit_test(a_centre_kernel_gives_the_tile_back),
    };
    return pn_run_kernel_checks(tests);
}
