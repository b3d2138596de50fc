/* Every golden picture, in every way a record can ask for it, against Pillow's pixels. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pictures.h"

static int index_of(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(word, words[i])) return i;
    fail_msg("cases.txt: unknown word %s", word);
    return -1;
}

static const char *const geometries[] = {"squash", "short_side_crop", "letterbox",
                                         "centre_square", NULL};
static const char *const filters[] = {"nearest", "bilinear", "bicubic", NULL};
static const char *const alphas[] = {"ignore", "white", "black", NULL};
static const char *const exifs[] = {"ignore", "apply", NULL};

static void check_case(const char *line, const uint8_t *expected, size_t expected_size)
{
    char file[64], geometry[32], filter[32], alpha[16], exif[16];
    pn_preprocess p = plain_record(1, 1);
    size_t offset, size;
    assert_int_equal(sscanf(line, "%63s %31s %31s %d %d %d %15s %15s %zu", file, geometry,
                            filter, &p.height, &p.width, &p.short_side, alpha, exif,
                            &offset),
                     9);
    p.geometry = (pn_geometry)index_of(geometry, geometries);
    p.filter = (pn_filter)index_of(filter, filters);
    p.alpha = (pn_alpha)index_of(alpha, alphas);
    p.exif = (pn_exif)index_of(exif, exifs);
    p.fill = 7;
    bench b;
    bench_init(&b, &p);
    assert_true(offset + b.pixel_bytes <= expected_size);
    uint8_t *data = picture_load(file, &size);
    if (bench_decode(&b, data, size)) fail_msg("%s: %s", line, b.item->text);
    for (size_t i = 0; i < b.pixel_bytes; i++)
        if (b.item->pixels[i] != expected[offset + i])
            fail_msg("%s: byte %zu is %d, Pillow has %d", line, i, b.item->pixels[i],
                     expected[offset + i]);
    free(data);
    bench_fini(&b);
}

static void golden_pictures_have_pillows_bits(void **state)
{
    (void)state;
    size_t cases_size, expected_size;
    uint8_t *cases = picture_load("cases.txt", &cases_size);
    uint8_t *expected = picture_load("expected.bin", &expected_size);
    cases[cases_size - 1] = '\0';
    int n = 0;
    char *rest = NULL;
    for (char *line = strtok_r((char *)cases, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest), n++)
        check_case(line, expected, expected_size);
    assert_true(n > 100);
    free(cases);
    free(expected);
}

static void content_is_told_by_its_first_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        pn_reason reason;
        const char *says;
    } cases[] = {
        {"", 0, PN_REASON_EMPTY, "no bytes"},
        {"hello, world", 12, PN_REASON_NOT_IMAGE, "12 bytes"},
        {"\xFF\xD8", 2, PN_REASON_NOT_IMAGE, "2 bytes"},
        {"\x89PNG\r\n\x1A", 7, PN_REASON_NOT_IMAGE, "7 bytes"},
        {"GIF89a\1\0\1\0", 10, PN_REASON_UNSUPPORTED, "GIF"},
        {"BM\x46\0\0\0\0\0", 8, PN_REASON_UNSUPPORTED, "BMP"},
        {"II*\0\x08\0\0\0", 8, PN_REASON_UNSUPPORTED, "TIFF"},
        {"MM\0*\0\0\0\x08", 8, PN_REASON_UNSUPPORTED, "TIFF"},
        {"RIFF\x10\0\0\0WEBPVP8 ", 16, PN_REASON_UNSUPPORTED, "WebP"},
        {"RIFX\x10\0\0\0WEBPVP8 ", 16, PN_REASON_NOT_IMAGE, "16 bytes"},
        {"\x1F\x8B\x08\0", 4, PN_REASON_UNSUPPORTED, "gzip"},
        {"\0\0\0\x1C"
         "ftypavif",
         12, PN_REASON_UNSUPPORTED, "AVIF"},
        {"\xFF\xD8\xFF", 3, PN_REASON_TRUNCATED, "JPEG"},
        {"\x89PNG\r\n\x1A\n", 8, PN_REASON_TRUNCATED, "PNG"},
    };
    pn_preprocess p = plain_record(4, 4);
    bench b;
    bench_init(&b, &p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_reason r = bench_decode(&b, cases[i].bytes, cases[i].size);
        if (r != cases[i].reason || !strstr(b.item->text, cases[i].says))
            fail_msg("case %zu: %s: %s", i, pn_reason_name(r), b.item->text);
    }
    bench_fini(&b);
}

static void raw_planes_become_interleaved_pixels(void **state)
{
    (void)state;
    static const uint8_t planes[12] = {1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24};
    static const uint8_t colour[12] = {1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24};
    static const uint8_t grey[12] = {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4};
    pn_preprocess p = plain_record(2, 2);
    bench b;
    bench_init(&b, &p);
    pn_item *it = b.item;
    for (int channels = 1; channels <= 3; channels += 2) {
        pn_batch_reset(b.batch);
        it->raw_height = it->raw_width = 2;
        it->raw_channels = channels;
        assert_int_equal(pn_item_set_data(it, planes, (size_t)channels * 4), PN_OK);
        assert_int_equal(pn_decoder_apply(b.decoder, it), PN_OK);
        assert_int_equal(it->reason, PN_REASON_NONE);
        assert_memory_equal(it->pixels, channels == 3 ? colour : grey, 12);
    }
    bench_fini(&b);
}

static void raw_planes_of_the_wrong_size_are_a_bad_record(void **state)
{
    (void)state;
    static const int cases[][4] = {
        /* height, width, channels, bytes */
        {2, 2, 3, 11},        {2, 2, 3, 13},  {2, 2, 1, 0},
        {0, 2, 1, 0},         {2, -2, 3, 12}, {2, 2, 2, 8},
        {2, 2, 4, 16},        {2, 2, -1, 4},  {2147483647, 2147483647, 3, 3},
        {1431655766, 1, 3, 2}};
    static const uint8_t bytes[16];
    pn_preprocess p = plain_record(2, 2);
    bench b;
    bench_init(&b, &p);
    pn_item *it = b.item;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_batch_reset(b.batch);
        it->raw_height = cases[i][0];
        it->raw_width = cases[i][1];
        it->raw_channels = cases[i][2];
        assert_int_equal(pn_item_set_data(it, bytes, (size_t)cases[i][3]), PN_OK);
        assert_int_equal(pn_decoder_apply(b.decoder, it), PN_OK);
        assert_int_equal(it->reason, PN_REASON_RECORD);
    }
    bench_fini(&b);
}

static void a_decoder_forgets_the_image_before(void **state)
{
    (void)state;
    size_t good_size, other_size;
    uint8_t *good = picture_load("progressive.jpg", &good_size);
    uint8_t *other = picture_load("cmyk.jpg", &other_size);
    pn_preprocess p = plain_record(20, 30);
    p.filter = PN_FILTER_PILLOW_BICUBIC;
    bench b;
    bench_init(&b, &p);
    uint8_t *first = malloc(b.pixel_bytes);
    assert_non_null(first);
    assert_int_equal(bench_decode(&b, good, good_size), PN_REASON_NONE);
    memcpy(first, b.item->pixels, b.pixel_bytes);
    assert_int_equal(bench_decode(&b, other, other_size), PN_REASON_NONE);
    assert_memory_not_equal(first, b.item->pixels, b.pixel_bytes);
    assert_int_equal(bench_decode(&b, other, other_size / 2), PN_REASON_TRUNCATED);
    assert_int_equal(bench_decode(&b, good, good_size), PN_REASON_NONE);
    assert_memory_equal(first, b.item->pixels, b.pixel_bytes);
    free(first);
    free(good);
    free(other);
    bench_fini(&b);
}

static void a_record_that_cannot_be_met_makes_no_decoder(void **state)
{
    (void)state;
    pn_decoder *d = NULL;
    pn_preprocess p = plain_record(0, 4);
    assert_int_equal(pn_decoder_new(&d, &p), PN_EINVAL);
    p = plain_record(4, 8193);
    assert_int_equal(pn_decoder_new(&d, &p), PN_EINVAL);
    p = plain_record(32, 64);
    p.geometry = PN_GEOMETRY_SHORT_SIDE_CROP;
    p.short_side = 63;
    assert_int_equal(pn_decoder_new(&d, &p), PN_EINVAL);
    assert_null(d);
    pn_decoder_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_pictures_have_pillows_bits),
        cmocka_unit_test(content_is_told_by_its_first_bytes),
        cmocka_unit_test(raw_planes_become_interleaved_pixels),
        cmocka_unit_test(raw_planes_of_the_wrong_size_are_a_bad_record),
        cmocka_unit_test(a_decoder_forgets_the_image_before),
        cmocka_unit_test(a_record_that_cannot_be_met_makes_no_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
