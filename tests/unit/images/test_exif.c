/* The orientation tag, whole and broken, and the eight ways to turn a picture. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pictures.h"
#include "stages/transform/exif.h"

#define ENTRY_LE(tag, type, count, value)                                                \
    tag & 0xFF, tag >> 8, type, 0, count, 0, 0, 0, value, 0, 0, 0
#define HEAD_LE 'I', 'I', 42, 0, 8, 0, 0, 0
#define HEAD_BE 'M', 'M', 0, 42, 0, 0, 0, 8

static void orientation_is_read_or_taken_as_absent(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[40];
        size_t size;
        int orientation;
    } cases[] = {
        {{HEAD_LE, 1, 0, ENTRY_LE(0x112, 3, 1, 6)}, 22, 6},
        {{HEAD_LE, 2, 0, ENTRY_LE(0x10F, 2, 4, 9), ENTRY_LE(0x112, 3, 1, 8)}, 34, 8},
        {{HEAD_BE, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0}, 22, 3},
        {{HEAD_BE, 0, 1, 0x01, 0x12, 0, 4, 0, 0, 0, 1, 0, 0, 0, 5}, 22, 5},
        /* no number of the eight */
        {{HEAD_LE, 1, 0, ENTRY_LE(0x112, 3, 1, 0)}, 22, 1},
        {{HEAD_LE, 1, 0, ENTRY_LE(0x112, 3, 1, 9)}, 22, 1},
        /* of another type, more than one, the entry cut off */
        {{HEAD_LE, 1, 0, ENTRY_LE(0x112, 2, 1, 6)}, 22, 1},
        {{HEAD_LE, 1, 0, ENTRY_LE(0x112, 3, 2, 6)}, 22, 1},
        {{HEAD_LE, 1, 0, ENTRY_LE(0x112, 3, 1, 6)}, 21, 1},
        /* counts 65535 entries and has one */
        {{HEAD_LE, 0xFF, 0xFF, ENTRY_LE(0x112, 3, 1, 6)}, 22, 6},
        {{HEAD_LE, 0xFF, 0xFF, ENTRY_LE(0x113, 3, 1, 6)}, 22, 1},
        /* the directory lies outside */
        {{'I', 'I', 42, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, ENTRY_LE(0x112, 3, 1, 6)},
         22,
         1},
        {{'I', 'I', 42, 0, 21, 0, 0, 0, 1, 0, ENTRY_LE(0x112, 3, 1, 6)}, 22, 1},
        /* no TIFF at all */
        {{'I', 'M', 42, 0, 8, 0, 0, 0, 1, 0, ENTRY_LE(0x112, 3, 1, 6)}, 22, 1},
        {{'I', 'I', 43, 0, 8, 0, 0, 0, 1, 0, ENTRY_LE(0x112, 3, 1, 6)}, 22, 1},
        {{'I', 'I', 42, 0, 8, 0, 0}, 7, 1},
        {{0}, 0, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t *exact = malloc(cases[i].size ? cases[i].size : 1);
        assert_non_null(exact);
        memcpy(exact, cases[i].bytes, cases[i].size);
        int o = pn_exif_orientation(exact, cases[i].size);
        free(exact);
        if (o != cases[i].orientation) fail_msg("case %zu: %d", i, o);
    }
}

static void random_bytes_have_some_orientation(void **state)
{
    (void)state;
    uint32_t random = 5;
    for (int i = 0; i < 2000; i++) {
        size_t n = next_random(&random) % 64;
        uint8_t *p = malloc(n ? n : 1);
        assert_non_null(p);
        for (size_t k = 0; k < n; k++)
            p[k] = next_random(&random) % 4 ? 0 : (uint8_t)next_random(&random);
        if (n >= 4) memcpy(p, i % 2 ? "II*\0" : "MM\0*", 4);
        int o = pn_exif_orientation(p, n);
        assert_in_range(o, 1, 8);
        free(p);
    }
}

/* A 3 x 2 picture of the letters abc / def, as the standard says each is to be seen. */
static void the_eight_orientations_turn_as_the_standard_says(void **state)
{
    (void)state;
    static const struct {
        int width, height;
        const char *seen;
    } cases[8] = {{3, 2, "abcdef"}, {3, 2, "cbafed"}, {3, 2, "fedcba"}, {3, 2, "defabc"},
                  {2, 3, "adbecf"}, {2, 3, "daebfc"}, {2, 3, "fcebda"}, {2, 3, "cfbead"}};
    pn_item item = {0};
    pn_bitmap src = {0}, dst = {0};
    assert_int_equal(pn_bitmap_prepare(&src, &item, 3, 2), PN_OK);
    for (int i = 0; i < 18; i++)
        src.bgr[i] = (uint8_t)(i % 3 == 1 ? 'a' + i / 3 : i % 3);
    for (int o = 1; o <= 8; o++) {
        assert_int_equal(pn_bitmap_orient(&dst, &src, o, &item), PN_OK);
        assert_int_equal(dst.width, cases[o - 1].width);
        assert_int_equal(dst.height, cases[o - 1].height);
        for (int i = 0; i < 6; i++) {
            assert_int_equal(dst.bgr[3 * i], 0);
            assert_int_equal(dst.bgr[3 * i + 1], cases[o - 1].seen[i]);
            assert_int_equal(dst.bgr[3 * i + 2], 2);
        }
    }
    pn_bitmap_fini(&src);
    pn_bitmap_fini(&dst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orientation_is_read_or_taken_as_absent),
        cmocka_unit_test(random_bytes_have_some_orientation),
        cmocka_unit_test(the_eight_orientations_turn_as_the_standard_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
