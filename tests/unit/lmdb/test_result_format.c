#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/sink/result_format.h"

/* bits of a float32 and what numpy 1.24's astype('<f2') makes of them */
static const struct {
    uint32_t f32;
    uint16_t f16;
} f16_cases[] = {
#include "f16_numpy.inc"
};

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static void f16_of_every_kind_of_float_is_numpys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(f16_cases) / sizeof(f16_cases[0]); i++) {
        uint16_t h = pn_f16_from_f32(from_bits(f16_cases[i].f32));
        if (h != f16_cases[i].f16)
            fail_msg("%08x gives %04x, not %04x", f16_cases[i].f32, h, f16_cases[i].f16);
    }
}

static void f16_ties_go_to_even(void **state)
{
    (void)state;
    assert_int_equal(pn_f16_from_f32(1.0f), 0x3c00);
    assert_int_equal(pn_f16_from_f32(1.0f + 0x1p-11f), 0x3c00);     /* half way */
    assert_int_equal(pn_f16_from_f32(1.0f + 3 * 0x1p-11f), 0x3c02); /* half way */
    assert_int_equal(pn_f16_from_f32(1.0f + 0x1p-11f + 0x1p-23f), 0x3c01);
    assert_int_equal(pn_f16_from_f32(65519.0f), 0x7bff);
    assert_int_equal(pn_f16_from_f32(65520.0f), 0x7c00);
    assert_int_equal(pn_f16_from_f32(-1e30f), 0xfc00);
    assert_int_equal(pn_f16_from_f32(0x1p-25f), 0);
    assert_int_equal(pn_f16_from_f32(0x1.000002p-25f), 1);
    assert_int_equal(pn_f16_from_f32(-0.0f), 0x8000);
}

static void every_f16_survives_widening_and_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++)
        if (pn_f16_from_f32(pn_f32_from_f16((uint16_t)h)) != h)
            fail_msg("%04x becomes %04x", h,
                     pn_f16_from_f32(pn_f32_from_f16((uint16_t)h)));
    assert_true(pn_f32_from_f16(0x0001) == 0x1p-24f);
    assert_true(pn_f32_from_f16(0xc000) == -2.0f);
    assert_true(isinf(pn_f32_from_f16(0x7c00)));
}

static void numbers_are_little_endian(void **state)
{
    (void)state;
    uint8_t b[8];
    pn_put_u32(b, 0x01020304);
    assert_memory_equal(b, "\4\3\2\1", 4);
    pn_put_u64(b, 0x0102030405060708);
    assert_memory_equal(b, "\x8\7\6\5\4\3\2\1", 8);
    assert_true(pn_get_u64(b) == 0x0102030405060708);
    pn_put_f32(b, 1.0f);
    assert_memory_equal(b, "\0\0\x80\x3f", 4);
}

static void hash_is_xxh3_64(void **state)
{
    (void)state;
    /* the empty input's hash, as XXH3's test vectors have it */
    assert_true(pn_value_hash("", 0) == 0x2D06800538D394C2ull);
}

static void key_of_511_bytes_is_kept_and_of_512_is_shortened(void **state)
{
    (void)state;
    uint8_t key[512], out[PN_STORED_KEY_MAX];
    memset(key, 'a', sizeof(key));
    assert_int_equal(pn_stored_key(out, key, 511), 511);
    assert_memory_equal(out, key, 511);
    assert_int_equal(pn_stored_key(out, key, 512), 511);
    assert_memory_equal(out, key, 446);
    /* printf 'a%.0s' {1..512} | sha256sum */
    assert_memory_equal(
        out + 446, "~471be6558b665e4f6dd49f1184814d1491b0315d466beea768c153cc5500c836",
        65);
    assert_int_equal(pn_stored_key(out, key, 0), 0);
}

static void key_text_escapes_what_cannot_be_printed(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(pn_key_text("a/\xc3\xbc\n\xff", 6, buf, sizeof(buf)),
                        "a/\xc3\xbc\\x0a\\xff");
    assert_string_equal(pn_key_text("0123456789abcdef", 16, buf, 12), "01234567...");
    assert_string_equal(pn_key_text("", 0, buf, sizeof(buf)), "");
    /* overlong, surrogate, cut short */
    assert_string_equal(pn_key_text("\xc0\xaf", 2, buf, sizeof(buf)), "\\xc0\\xaf");
    assert_string_equal(pn_key_text("\xed\xa0\x80", 3, buf, sizeof(buf)),
                        "\\xed\\xa0\\x80");
    assert_string_equal(pn_key_text("\xe2\x82", 2, buf, sizeof(buf)), "\\xe2\\x82");
}

static void clean_text_is_utf8_without_controls(void **state)
{
    (void)state;
    uint8_t out[8];
    assert_int_equal(pn_clean_text(out, "a\tb\xff\xc3\xbc\n", 7), 7);
    assert_memory_equal(out, "a b?\xc3\xbc ", 7);
}

static void item_record_is_laid_out_to_the_byte(void **state)
{
    (void)state;
    const float labels[] = {1.0f, -2.0f};
    const pn_item_record r = {.flags = 6,
                              .features_hash = 0x1122334455667788,
                              .other_hash = 1,
                              .full_key = (const uint8_t *)"key",
                              .full_key_size = 3,
                              .n_labels = 2};
    static const uint8_t want[] =
        "\1\0\0\0\6\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11\1\0\0\0\0\0\0\0"
        "\3\0\0\0key\2\0\0\0\0\0\x80\x3f\0\0\0\xc0";
    uint8_t got[43];
    assert_int_equal(pn_item_record_size(3, 2), 43);
    pn_item_record_put(got, &r, labels);
    assert_memory_equal(got, want, 43);
    pn_item_record back;
    assert_null(pn_item_record_get(&back, got, 43));
    assert_int_equal(back.flags, 6);
    assert_true(back.features_hash == r.features_hash && back.other_hash == 1);
    assert_memory_equal(back.full_key, "key", 3);
    assert_true(back.n_labels == 2 && pn_get_f32(back.label_bytes + 4) == -2.0f);
}

static void item_record_that_lies_is_refused(void **state)
{
    (void)state;
    static const uint8_t good[] =
        "\1\0\0\0\6\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11\1\0\0\0\0\0\0\0"
        "\3\0\0\0key\2\0\0\0\0\0\x80\x3f\0\0\0\xc0";
    pn_item_record r;
    assert_null(pn_item_record_get(&r, good, 43));
    for (size_t n = 0; n < 43; n++) {
        uint8_t *exact = malloc(n + 1); /* a read past n + 1 is seen by the sanitizer */
        memcpy(exact, good, n);
        assert_non_null(pn_item_record_get(&r, exact, n));
        free(exact);
    }
    uint8_t bad[43];
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {{0, 2}, {24, 4}, {24, 20}, {27, 0xff}, {31, 3}, {34, 0x40}};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        memcpy(bad, good, sizeof(bad));
        bad[lies[i].at] = lies[i].value;
        if (!pn_item_record_get(&r, bad, sizeof(bad))) fail_msg("lie %zu", i);
    }
}

static void schema_is_ours_and_others_are_not(void **state)
{
    (void)state;
    assert_int_equal(pn_result_schema_version(pn_result_schema, strlen(pn_result_schema)),
                     1);
    static const char *const foreign[] = {
        "",
        "{",
        "[]",
        "{}",
        "null",
        "{\"version\": 1}",
        "{\"format\": \"penult result\"}",
        "{\"format\": \"penult result\", \"version\": \"1\"}",
        "{\"format\": \"penult result\", \"version\": -1}",
        "{\"format\": \"other\", \"version\": 1}"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        assert_int_equal(pn_result_schema_version(foreign[i], strlen(foreign[i])), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_of_every_kind_of_float_is_numpys),
        cmocka_unit_test(f16_ties_go_to_even),
        cmocka_unit_test(every_f16_survives_widening_and_back),
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(hash_is_xxh3_64),
        cmocka_unit_test(key_of_511_bytes_is_kept_and_of_512_is_shortened),
        cmocka_unit_test(key_text_escapes_what_cannot_be_printed),
        cmocka_unit_test(clean_text_is_utf8_without_controls),
        cmocka_unit_test(item_record_is_laid_out_to_the_byte),
        cmocka_unit_test(item_record_that_lies_is_refused),
        cmocka_unit_test(schema_is_ours_and_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
