/* Files that were cut, damaged or made to hurt. Run under the sanitizers, every one of
 * these also says that no byte outside was touched. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pictures.h"

/* Cut at every offset: either the item fails, or every pixel is that of the whole file.
 */
static void check_every_cut(const char *name, size_t allowed_successes)
{
    size_t size, successes = 0;
    uint8_t *data = picture_load(name, &size);
    pn_preprocess p = plain_record(57, 75);
    bench b;
    bench_init(&b, &p);
    uint8_t *whole = malloc(b.pixel_bytes);
    assert_non_null(whole);
    assert_int_equal(bench_decode(&b, data, size), PN_REASON_NONE);
    memcpy(whole, b.item->pixels, b.pixel_bytes);
    for (size_t cut = 0; cut < size; cut++) {
        pn_reason r = bench_decode(&b, data, cut);
        if (r == PN_REASON_NONE) {
            successes++;
            assert_memory_equal(whole, b.item->pixels, b.pixel_bytes);
        } else if (cut >= 8 && r != PN_REASON_TRUNCATED) {
            fail_msg("%s cut at %zu: %s: %s", name, cut, pn_reason_name(r), b.item->text);
        }
    }
    if (successes > allowed_successes)
        fail_msg("%s: %zu cuts pass as whole", name, successes);
    free(whole);
    free(data);
    bench_fini(&b);
}

static void a_jpeg_cut_anywhere_is_truncated(void **state)
{
    (void)state;
    check_every_cut("420.jpg", 0);
    check_every_cut("progressive.jpg", 0);
    check_every_cut("grey.jpg", 0);
}

static void a_png_cut_inside_its_pixels_is_truncated(void **state)
{
    (void)state;
    /* IEND's 12 bytes and IDAT's checksum come after the last pixel */
    check_every_cut("palette4.png", 16);
    check_every_cut("grey1.png", 16);
}

/* Pillow fills with grey what an early end-of-image marker leaves out. */
static void an_early_end_marker_is_truncated(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = picture_load("420.jpg", &size);
    pn_preprocess p = plain_record(57, 75);
    bench b;
    bench_init(&b, &p);
    size_t half = size * 2 / 3;
    data[half] = 0xFF;
    data[half + 1] = 0xD9;
    assert_int_equal(bench_decode(&b, data, half + 2), PN_REASON_TRUNCATED);
    assert_non_null(strstr(b.item->text, "rows of blocks"));
    assert_int_equal(bench_decode(&b, data, size), PN_REASON_TRUNCATED);
    free(data);
    bench_fini(&b);
}

static void damaged_bytes_never_harm_and_leave_no_trace(void **state)
{
    (void)state;
    static const char *const names[] = {
        "422.jpg",       "progressive.jpg", "cmyk.jpg",          "exif6.jpg",
        "rgb_adam7.png", "grey16.png",      "palette_alpha.png", "exif6.png"};
    pn_preprocess p = plain_record(15, 20);
    p.filter = PN_FILTER_PILLOW_BICUBIC;
    p.exif = PN_EXIF_APPLY;
    p.alpha = PN_ALPHA_WHITE;
    uint32_t random = 20240229;
    bench b;
    bench_init(&b, &p);
    uint8_t *whole = malloc(b.pixel_bytes);
    assert_non_null(whole);
    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
        size_t size;
        uint8_t *data = picture_load(names[k], &size), *copy = malloc(size);
        assert_non_null(copy);
        assert_int_equal(bench_decode(&b, data, size), PN_REASON_NONE);
        memcpy(whole, b.item->pixels, b.pixel_bytes);
        for (int i = 0; i < 120; i++) {
            memcpy(copy, data, size);
            for (uint32_t n = next_random(&random) % 4; n < 4; n++)
                copy[next_random(&random) % size] = (uint8_t)next_random(&random);
            (void)bench_decode(&b, copy, size);
        }
        assert_int_equal(bench_decode(&b, data, size), PN_REASON_NONE);
        assert_memory_equal(whole, b.item->pixels, b.pixel_bytes);
        free(copy);
        free(data);
    }
    free(whole);
    bench_fini(&b);
}

/* where the SOF segment's height is */
static size_t find_height(const uint8_t *jpeg, size_t size)
{
    for (size_t i = 2; i + 9 < size; i += 2 + (size_t)(jpeg[i + 2] << 8 | jpeg[i + 3]))
        if (jpeg[i + 1] == 0xC0 || jpeg[i + 1] == 0xC2) return i + 5;
    fail_msg("no SOF");
    return 0;
}

static void check_claim(const char *name, unsigned height, unsigned width,
                        pn_reason reason)
{
    size_t size;
    uint8_t *data = picture_load(name, &size);
    size_t at = find_height(data, size);
    data[at] = (uint8_t)(height >> 8);
    data[at + 1] = (uint8_t)height;
    data[at + 2] = (uint8_t)(width >> 8);
    data[at + 3] = (uint8_t)width;
    pn_preprocess p = plain_record(8, 8);
    bench b;
    bench_init(&b, &p);
    pn_reason r = bench_decode(&b, data, size);
    if (r != reason)
        fail_msg("%s as %ux%u: %s: %s", name, width, height, pn_reason_name(r),
                 b.item->text);
    free(data);
    bench_fini(&b);
}

static void a_jpeg_that_claims_more_than_it_holds_is_refused(void **state)
{
    (void)state;
    check_claim("420.jpg", 65500, 65500, PN_REASON_TRUNCATED);
    check_claim("progressive.jpg", 8000, 8000, PN_REASON_TRUNCATED);
    check_claim("420.jpg", 65501, 8, PN_REASON_TOO_LARGE);
    check_claim("420.jpg", 0, 75, PN_REASON_DAMAGED);
    check_claim("420.jpg", 300, 400, PN_REASON_TRUNCATED);
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
    }
    return ~c;
}

static void a_png_that_claims_more_than_it_holds_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        pn_reason reason;
    } cases[] = {{16000, 16000, PN_REASON_TRUNCATED},
                 {16385, 16385, PN_REASON_TOO_LARGE},
                 {65536, 1, PN_REASON_TOO_LARGE},
                 {0x7FFFFFFF, 0x7FFFFFFF, PN_REASON_TOO_LARGE},
                 {0, 57, PN_REASON_DAMAGED},
                 {75, 58, PN_REASON_TRUNCATED}};
    size_t size;
    uint8_t *data = picture_load("rgb.png", &size);
    pn_preprocess p = plain_record(8, 8);
    bench b;
    bench_init(&b, &p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put32(data + 16, cases[i].width);
        put32(data + 20, cases[i].height);
        put32(data + 29, crc32_of(data + 12, 17));
        pn_reason r = bench_decode(&b, data, size);
        if (r != cases[i].reason)
            fail_msg("case %zu: %s: %s", i, pn_reason_name(r), b.item->text);
    }
    free(data);
    bench_fini(&b);
}

static void a_png_with_a_wrong_checksum_is_damaged(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = picture_load("rgb.png", &size);
    pn_preprocess p = plain_record(8, 8);
    bench b;
    bench_init(&b, &p);
    data[size - 20] ^= 1; /* inside IDAT */
    assert_int_equal(bench_decode(&b, data, size), PN_REASON_DAMAGED);
    free(data);
    bench_fini(&b);
}

/* Repeat the last scan of a progressive file: a hundred bytes each, a picture's work. */
static void a_jpeg_of_a_thousand_scans_is_refused(void **state)
{
    (void)state;
    size_t size, scan = 0;
    uint8_t *data = picture_load("progressive.jpg", &size);
    for (size_t i = 2; i + 1 < size; i++)
        if (data[i] == 0xFF && data[i + 1] == 0xDA) scan = i;
    size_t scan_size = size - 2 - scan, n = 1000;
    uint8_t *many = malloc(size + n * scan_size);
    assert_non_null(many);
    memcpy(many, data, size - 2);
    for (size_t i = 0; i < n; i++)
        memcpy(many + size - 2 + i * scan_size, data + scan, scan_size);
    memcpy(many + size - 2 + n * scan_size, "\xFF\xD9", 2);
    pn_preprocess p = plain_record(8, 8);
    bench b;
    bench_init(&b, &p);
    assert_int_equal(bench_decode(&b, many, size + n * scan_size), PN_REASON_DAMAGED);
    assert_non_null(strstr(b.item->text, "scans"));
    free(many);
    free(data);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jpeg_cut_anywhere_is_truncated),
        cmocka_unit_test(a_png_cut_inside_its_pixels_is_truncated),
        cmocka_unit_test(an_early_end_marker_is_truncated),
        cmocka_unit_test(damaged_bytes_never_harm_and_leave_no_trace),
        cmocka_unit_test(a_jpeg_that_claims_more_than_it_holds_is_refused),
        cmocka_unit_test(a_png_that_claims_more_than_it_holds_is_refused),
        cmocka_unit_test(a_png_with_a_wrong_checksum_is_damaged),
        cmocka_unit_test(a_jpeg_of_a_thousand_scans_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
