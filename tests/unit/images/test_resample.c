/* The fast passes against the plain ones, and a window against the whole. That the whole
 * is Pillow's is what the golden pictures say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pictures.h"
#include "stages/transform/resample.h"

static void fill_random(uint8_t *p, size_t n, uint32_t *random)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)next_random(random);
}

/* extremes too: they are where clipping and the signs of the weights show */
static pn_bitmap random_bitmap(int width, int height, uint32_t *random)
{
    pn_bitmap b = {0};
    pn_item item = {0};
    assert_int_equal(pn_bitmap_prepare(&b, &item, (uint64_t)width, (uint64_t)height),
                     PN_OK);
    assert_int_equal(item.reason, PN_REASON_NONE);
    size_t n = (size_t)width * (size_t)height * 3;
    fill_random(b.bgr, n, random);
    for (size_t i = 0; i < n; i++)
        if (next_random(random) % 3 == 0) b.bgr[i] = b.bgr[i] < 128 ? 0 : 255;
    return b;
}

static const pn_filter filters[] = {PN_FILTER_PILLOW_NEAREST, PN_FILTER_PILLOW_BILINEAR,
                                    PN_FILTER_PILLOW_BICUBIC};

static void a_window_equals_the_whole_cut(void **state)
{
    (void)state;
    static const int sizes[][4] = {/* source, resized */
                                   {50, 37, 34, 25}, {37, 50, 100, 140},
                                   {1, 1, 20, 20},   {200, 3, 66, 40},
                                   {9, 300, 40, 41}, {64, 64, 64, 64}};
    uint32_t random = 7;
    pn_resampler r = {0};
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        const int *s = sizes[k];
        pn_bitmap src = random_bitmap(s[0], s[1], &random);
        uint8_t *whole = malloc((size_t)s[2] * (size_t)s[3] * 3);
        uint8_t *part = malloc((size_t)s[2] * (size_t)s[3] * 3);
        assert_true(whole && part);
        for (int f = 0; f < 3; f++) {
            pn_layout l = {.src_width = s[0],
                           .src_height = s[1],
                           .full_width = s[2],
                           .full_height = s[3],
                           .width = s[2],
                           .height = s[3]};
            assert_int_equal(pn_resample(&r, &src, &l, filters[f], whole, s[2]), PN_OK);
            for (int i = 0; i < 20; i++) {
                l.width = 1 + (int)(next_random(&random) % (unsigned)s[2]);
                l.height = 1 + (int)(next_random(&random) % (unsigned)s[3]);
                l.window_x = next_random(&random) % (unsigned)(s[2] - l.width + 1);
                l.window_y = next_random(&random) % (unsigned)(s[3] - l.height + 1);
                assert_int_equal(pn_resample(&r, &src, &l, filters[f], part, l.width),
                                 PN_OK);
                for (int y = 0; y < l.height; y++)
                    assert_memory_equal(
                        part + (size_t)y * (size_t)l.width * 3,
                        whole + (((size_t)l.window_y + (size_t)y) * (size_t)s[2] +
                                 (size_t)l.window_x) *
                                    3,
                        (size_t)l.width * 3);
            }
        }
        free(whole);
        free(part);
        pn_bitmap_fini(&src);
    }
    pn_resampler_fini(&r);
}

/* 4 pixels to 2 by bilinear: the centre of output 0 is 1.0, and the triangle reaches 2
 * pixels. Pixels 0, 1, 2 are centred 0.5, 0.5, 1.5 away and weigh .75, .75, .25: made to
 * sum to one, 3/7, 3/7, 1/7. */
static void bilinear_halving_weighs_by_hand(void **state)
{
    (void)state;
    pn_item item = {0};
    pn_bitmap src = {0};
    assert_int_equal(pn_bitmap_prepare(&src, &item, 4, 1), PN_OK);
    static const uint8_t pixels[12] = {70, 0, 255, 0, 140, 255, 0, 0, 255, 0, 70, 255};
    memcpy(src.bgr, pixels, sizeof(pixels));
    pn_layout l = {.src_width = 4,
                   .src_height = 1,
                   .full_width = 2,
                   .full_height = 1,
                   .width = 2,
                   .height = 1};
    pn_resampler r = {0};
    uint8_t out[6];
    assert_int_equal(pn_resample(&r, &src, &l, PN_FILTER_PILLOW_BILINEAR, out, 2), PN_OK);
    static const uint8_t expected[6] = {30, 60, 255, 0, 50, 255};
    assert_memory_equal(out, expected, 6);
    pn_resampler_fini(&r);
    pn_bitmap_fini(&src);
}

#if defined(__SSE2__)
static void make_axis(pn_axis *a, int n, int max_taps, int in, uint32_t *random)
{
    size_t pairs = ((size_t)max_taps + 1) / 2;
    *a = (pn_axis){.in = in, .n = n, .max_taps = max_taps};
    a->first = calloc((size_t)n, sizeof(*a->first));
    a->n_taps = calloc((size_t)n, sizeof(*a->n_taps));
    a->taps = calloc((size_t)n * pairs, sizeof(*a->taps));
    assert_true(a->first && a->n_taps && a->taps);
    for (int i = 0; i < n; i++) {
        a->n_taps[i] = 1 + (int)(next_random(random) % (unsigned)max_taps);
        a->first[i] = (int)(next_random(random) % (unsigned)(in - a->n_taps[i] + 1));
        for (int t = 0; t < a->n_taps[i]; t++) {
            /* any weight of a filter that sums to one, and the halves' own limits */
            int32_t k = (int32_t)(next_random(random) % 2000001) - 1000000;
            a->taps[pairs * (size_t)i + (size_t)t / 2].hi[t % 2] = (int16_t)(k >> 12);
            a->taps[pairs * (size_t)i + (size_t)t / 2].lo[t % 2] = (int16_t)(k & 4095);
        }
    }
}

static void sse2_passes_equal_the_plain_ones(void **state)
{
    (void)state;
    uint32_t random = 99;
    enum { IN = 40, OUT = 33, ROW = IN * 3 + PN_BITMAP_SLACK };
    uint8_t row[ROW], rows_data[IN][ROW], a_out[OUT * 3 + 4], b_out[OUT * 3 + 4];
    const uint8_t *rows[IN];
    for (int round = 0; round < 100; round++) {
        pn_axis a;
        make_axis(&a, OUT, 1 + round % 9, IN, &random);
        fill_random(row, sizeof(row), &random);
        pn_resample_x_c(a_out, row, &a);
        pn_resample_x_sse2(b_out, row, &a);
        assert_memory_equal(a_out, b_out, OUT * 3);
        for (int i = 0; i < IN; i++) {
            fill_random(rows_data[i], ROW, &random);
            rows[i] = rows_data[i];
        }
        size_t n_bytes = 1 + (size_t)round % (OUT * 3);
        memset(a_out, 0x5A, sizeof(a_out));
        memset(b_out, 0x5A, sizeof(b_out));
        pn_resample_y_c(a_out, rows, a.taps, a.n_taps[0], n_bytes);
        pn_resample_y_sse2(b_out, rows, a.taps, a.n_taps[0], n_bytes);
        assert_memory_equal(a_out, b_out, sizeof(a_out));
        free(a.first);
        free(a.n_taps);
        free(a.taps);
    }
}
#endif

static void buffers_of_unusual_size_are_given_back(void **state)
{
    (void)state;
    pn_item item = {0};
    pn_bitmap b = {0};
    assert_int_equal(pn_bitmap_prepare(&b, &item, 4000, 3000), PN_OK);
    assert_non_null(b.bgr);
    pn_bitmap_trim(&b);
    assert_null(b.bgr);
    assert_int_equal(pn_bitmap_prepare(&b, &item, 400, 300), PN_OK);
    uint8_t *kept = b.bgr;
    pn_bitmap_trim(&b);
    assert_int_equal(pn_bitmap_prepare(&b, &item, 300, 400), PN_OK);
    assert_ptr_equal(b.bgr, kept);
    pn_bitmap_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_equals_the_whole_cut),
        cmocka_unit_test(bilinear_halving_weighs_by_hand),
#if defined(__SSE2__)
        cmocka_unit_test(sse2_passes_equal_the_plain_ones),
#endif
        cmocka_unit_test(buffers_of_unusual_size_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
