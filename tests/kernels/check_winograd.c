/* The transforms of F(4x4, 3x3) and F(5x5, 3x3): every level gives the reference's bits,
 * one tile taken through all three steps is the convolution it stands for, and a layer is
 * as far from double precision as kernels.h says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

/* The transform of a kernel's row, from the points that kernels.h names: (1, a, a^2) over
 * the product of a's distances to the other points; infinity takes the last weight. */
static void rows_of(pn_wino_size size, double rows[PN_WINO_IN_MAX][3])
{
    const double r = sqrt(0.5), a = 9. / 32, b = 27. / 32, c = 7. / 4;
    const double four[] = {0, r, -r, 2 * r, -2 * r}, five[] = {a, -a, b, -b, c, -c};
    const double *at = size == PN_WINO_4 ? four : five;
    const int n = size == PN_WINO_4 ? 5 : 6;
    for (int i = 0; i < n; i++) {
        rows[i][0] = 1;
        for (int j = 0; j < n; j++)
            if (j != i) rows[i][0] /= at[i] - at[j];
        rows[i][1] = rows[i][0] * at[i];
        rows[i][2] = rows[i][1] * at[i];
    }
    rows[n][0] = rows[n][1] = 0;
    rows[n][2] = 1;
}

/* With the kernel that is 1 in its centre and 0 elsewhere, the convolution is the
 * identity; its transformed weights are the middle column of the rows times itself. */
static void centre_is_kept(pn_wino_size size, float tolerance)
{
    double rows[PN_WINO_IN_MAX][3];
    rows_of(size, rows);
    const pn_wino w = wino_of(PN_CPU_C, size);
    const int n = w.in * w.in;
    float *x = pn_buffer_new((size_t)n * CHANNELS, 7, false);
    float *bias = pn_buffer_new(CHANNELS, 8, false), *planes = input_planes(&w, x);
    for (int f = 0; f < n; f++)
        for (int c = 0; c < CHANNELS; c++)
            planes[f * PLANE + c] *= (float)(rows[f / w.in][1] * rows[f % w.in][1]);
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

static void a_centre_kernel_gives_the_tile_back(void **state)
{
    (void)state;
    centre_is_kept(PN_WINO_4, 4e-6F);
    centre_is_kept(PN_WINO_5, 1e-5F);
}

/* A layer whose map both sizes tile without overhang, on what a ReLU leaves. */
enum { SIDE = 20, WIDE = SIDE + 2, PIXELS = SIDE * SIDE, CIN = 256, COUT = 16 };
typedef struct layer {
    float *x, *g, *y; /* WIDE^2 x CIN, COUT x 9 x CIN, PIXELS x COUT */
    double *want;     /* as y */
    pn_kernels k;
} layer;

static const float *pixel_under(const layer *l, int at, int tap)
{
    return l->x + ((at / SIDE + tap / 3) * WIDE + at % SIDE + tap % 3) * CIN;
}

static void layer_new(layer *l)
{
    pn_cpu levels[4];
    pn_kernels_init(&l->k, levels[pn_levels(levels) - 1]); /* their bits are the same */
    l->x = pn_buffer_new(WIDE * WIDE * CIN, 11, false);
    l->g = pn_buffer_new(COUT * 9 * CIN, 12, false);
    l->y = pn_buffer_canary(PIXELS * COUT);
    l->want = calloc(PIXELS * COUT, sizeof(*l->want));
    assert_non_null(l->want);
    for (int i = 0; i < WIDE * WIDE * CIN; i++)
        l->x[i] = fmaxf(l->x[i], 0);
    for (int i = 0; i < PIXELS * COUT; i++)
        for (int tap = 0; tap < 9; tap++) {
            const float *x = pixel_under(l, i / COUT, tap);
            const float *g = l->g + (i % COUT * 9 + tap) * CIN;
            for (int c = 0; c < CIN; c++)
                l->want[i] += (double)x[c] * (double)g[c];
        }
}

static void layer_free(layer *l)
{
    pn_buffer_free(l->x);
    pn_buffer_free(l->g);
    pn_buffer_free(l->y);
    free(l->want);
}

static double distance(const layer *l)
{
    double off = 0, all = 0;
    for (int i = 0; i < PIXELS * COUT; i++) {
        const double d = (double)l->y[i] - l->want[i];
        off += d * d;
        all += l->want[i] * l->want[i];
    }
    return sqrt(off / all);
}

/* y[m x COUT] = a[m x k] * w, COUT columns of k. */
static void multiply(const layer *l, float *y, const float *a, const float *w, size_t m,
                     size_t k, size_t k_block)
{
    float *b = pn_buffer_canary(l->k.gemm_pack_floats(COUT, k));
    for (size_t j = 0; j < COUT; j++)
        l->k.gemm_pack(b, w + j * k, j, COUT, k);
    const pn_gemm p = {.c = y,
                       .a = a,
                       .b = b,
                       .ldc = COUT,
                       .lda = k,
                       .m = m,
                       .n = COUT,
                       .k = k,
                       .n_all = COUT,
                       .k_block = k_block};
    l->k.gemm(&p);
    pn_buffer_free(b);
}

static double direct(layer *l)
{
    float *a = pn_buffer_new((size_t)PIXELS * 9 * CIN, 0, false);
    for (int i = 0; i < PIXELS * 9; i++)
        memcpy(a + (size_t)i * CIN, pixel_under(l, i / 9, i % 9), CIN * sizeof(*a));
    multiply(l, l->y, a, l->g, PIXELS, (size_t)9 * CIN, 0);
    pn_buffer_free(a);
    return distance(l);
}

/* What plane f has of every kernel: COUT x CIN. */
static void turn_kernels(const layer *l, double rows[][3], int in, int f, float *to)
{
    for (int i = 0; i < COUT * CIN; i++) {
        double sum = 0;
        for (int tap = 0; tap < 9; tap++)
            sum += rows[f / in][tap / 3] * rows[f % in][tap % 3] *
                   (double)l->g[(i / CIN * 9 + tap) * CIN + i % CIN];
        to[i] = (float)sum;
    }
}

static double by_tiles(layer *l, pn_wino_size size, size_t k_block)
{
    const pn_wino w = l->k.wino[size];
    const int across = SIDE / w.out, tiles = across * across, planes = w.in * w.in;
    const size_t v_plane = (size_t)tiles * CIN, m_plane = (size_t)tiles * COUT;
    const pn_act none = {.kind = PN_ACT_CLAMP, .lo = -INFINITY, .hi = INFINITY};
    const float bias[COUT] = {0};
    const float *in[PN_WINO_PLANES_MAX];
    float *out[PN_WINO_PLANES_MAX];
    float *v = pn_buffer_new(v_plane * (size_t)planes, 0, false);
    float *m = pn_buffer_new(m_plane * (size_t)planes, 0, false);
    float *g = pn_buffer_new(COUT * CIN, 0, false);
    double rows[PN_WINO_IN_MAX][3];
    rows_of(size, rows);
    for (int t = 0; t < tiles; t++) {
        const float *corner = l->x + (t / across * WIDE + t % across) * w.out * CIN;
        for (int f = 0; f < planes; f++)
            in[f] = corner + (f / w.in * WIDE + f % w.in) * CIN;
        w.input(v + t * CIN, v_plane, in, CIN);
    }
    for (int f = 0; f < planes; f++) {
        turn_kernels(l, rows, w.in, f, g);
        multiply(l, m + (size_t)f * m_plane, v + (size_t)f * v_plane, g, (size_t)tiles,
                 CIN, k_block);
    }
    for (int t = 0; t < tiles; t++) {
        float *corner = l->y + (t / across * SIDE + t % across) * w.out * COUT;
        for (int i = 0; i < w.out * w.out; i++)
            out[i] = corner + (i / w.out * SIDE + i % w.out) * COUT;
        w.output(out, NULL, m + t * COUT, m_plane, COUT, bias, &none);
    }
    pn_buffer_free(g);
    pn_buffer_free(m);
    pn_buffer_free(v);
    return distance(l);
}

/* The numbers are what this test measured, the same bits at every level; the bounds leave
 * a quarter, for hardware without FMA. */
static void a_layer_is_as_far_from_double_precision_as_said(void **state)
{
    (void)state;
    layer l;
    layer_new(&l);
    const double one = direct(&l);
    const double four = by_tiles(&l, PN_WINO_4, l.k.wino[PN_WINO_4].k_block);
    const double five = by_tiles(&l, PN_WINO_5, l.k.wino[PN_WINO_5].k_block);
    const double in_long_chains = by_tiles(&l, PN_WINO_5, PN_K_BLOCK);
    print_message("direct %.2e, tiles of 4 %.2e, of 5 %.2e, in long chains %.2e\n", one,
                  four, five, in_long_chains);
    assert_true(one < 1.25 * 1.58e-7);
    assert_true(four < 1.25 * 8.16e-7);
    assert_true(five < 1.25 * 1.13e-6);
    assert_true(five < 0.8 * in_long_chains); /* 1.56e-6 */
    layer_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_references_bits),
        cmocka_unit_test(a_centre_kernel_gives_the_tile_back),
        cmocka_unit_test(a_layer_is_as_far_from_double_precision_as_said),
    };
    return pn_run_kernel_checks(tests);
}
