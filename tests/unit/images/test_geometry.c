/* Layouts worked out by hand from what torchvision and Pillow document and do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "stages/transform/geometry.h"

typedef struct layout_case {
    int width, height;   /* of the picture */
    int net_w, net_h, s; /* of the record */
    int full_w, full_h, window_x, window_y;
} layout_case;

static void short_side_crop_rounds_as_torchvision(void **state)
{
    (void)state;
    static const layout_case cases[] = {
        /* int(256 * 500 / 375) = 341, (341 - 224) / 2 = 58.5 -> 58 */
        {500, 375, 224, 224, 256, 341, 256, 58, 16},
        {375, 500, 224, 224, 256, 256, 341, 16, 58},
        /* 343: 59.5 -> 60, halves to even both ways */
        {500, 373, 224, 224, 256, 343, 256, 60, 16},
        {500, 500, 224, 224, 256, 256, 256, 16, 16},
        {500, 374, 224, 224, 256, 342, 256, 59, 16},
        /* int(100.666) */
        {151, 150, 100, 100, 100, 100, 100, 0, 0},
        {1, 65535, 8, 8, 8, 8, 524280, 0, 262136},
        {3, 7, 5, 4, 6, 6, 14, 0, 5},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const layout_case *c = &cases[i];
        pn_preprocess p = {.height = c->net_h,
                           .width = c->net_w,
                           .short_side = c->s,
                           .geometry = PN_GEOMETRY_SHORT_SIDE_CROP};
        pn_layout l;
        pn_layout_init(&l, &p, c->width, c->height);
        if (l.full_width != c->full_w || l.full_height != c->full_h ||
            l.window_x != c->window_x || l.window_y != c->window_y)
            fail_msg("case %zu: %dx%d at %d,%d", i, (int)l.full_width, (int)l.full_height,
                     (int)l.window_x, (int)l.window_y);
        assert_int_equal(l.width, c->net_w);
        assert_int_equal(l.height, c->net_h);
        assert_int_equal(l.dst_x + l.dst_y + l.src_x + l.src_y, 0);
    }
}

static void letterbox_rounds_as_pillow_and_keeps_a_pixel(void **state)
{
    (void)state;
    static const int cases[][8] = {
        /* picture, network, letter, offset */
        {500, 375, 224, 224, 224, 168, 0, 28},
        {375, 500, 224, 224, 168, 224, 28, 0},
        {10, 10, 30, 20, 20, 20, 5, 0},
        {16, 3, 24, 24, 24, 4, 0, 10},    /* 4.5 -> 4 */
        {16, 5, 24, 24, 24, 8, 0, 8},     /* 7.5 -> 8 */
        {24, 1, 36, 9, 36, 2, 0, 4},      /* 1.5 -> 2, 3.5 -> 4 */
        {60000, 1, 24, 24, 24, 1, 0, 12}, /* 11.5 -> 12 */
        {1, 60000, 24, 25, 1, 25, 12, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int *c = cases[i];
        pn_preprocess p = {
            .height = c[3], .width = c[2], .geometry = PN_GEOMETRY_LETTERBOX};
        pn_layout l;
        pn_layout_init(&l, &p, c[0], c[1]);
        if (l.width != c[4] || l.height != c[5] || l.dst_x != c[6] || l.dst_y != c[7])
            fail_msg("case %zu: %dx%d at %d,%d", i, l.width, l.height, l.dst_x, l.dst_y);
        assert_int_equal(l.full_width, l.width);
        assert_int_equal(l.full_height, l.height);
    }
}

static void centre_square_takes_the_middle(void **state)
{
    (void)state;
    static const int cases[][5] = {{500, 375, 375, 62, 0}, /* 62.5 -> 62 */
                                   {376, 499, 376, 0, 62}, /* 61.5 -> 62 */
                                   {7, 7, 7, 0, 0},
                                   {1, 4, 1, 0, 2}}; /* 1.5 -> 2 */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int *c = cases[i];
        pn_preprocess p = {
            .height = 20, .width = 30, .geometry = PN_GEOMETRY_CENTRE_SQUARE};
        pn_layout l;
        pn_layout_init(&l, &p, c[0], c[1]);
        assert_int_equal(l.src_width, c[2]);
        assert_int_equal(l.src_height, c[2]);
        assert_int_equal(l.src_x, c[3]);
        assert_int_equal(l.src_y, c[4]);
        assert_int_equal(l.full_width, 30);
        assert_int_equal(l.full_height, 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_side_crop_rounds_as_torchvision),
        cmocka_unit_test(letterbox_rounds_as_pillow_and_keeps_a_pixel),
        cmocka_unit_test(centre_square_takes_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
