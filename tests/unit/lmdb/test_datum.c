#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lmdb_fixture.h"
#include "penult/image.h"
#include "stages/source/datum.h"

#define BYTES(s) (s), sizeof(s) - 1

/* protoc's bytes for: channels 3 height 1 width 2 data "BbGgRr" label 7 encoded false */
static const char raw_2x1[] = "\x08\x03\x10\x01\x18\x02\x22\x06"
                              "BbGgRr"
                              "\x28\x07\x38\x00";

static pn_batch *batch;

static int make_batch(void **state)
{
    (void)state;
    batch = pn_test_batch(1, 0);
    return 0;
}

static int drop_batch(void **state)
{
    (void)state;
    pn_batch_free(&batch);
    return 0;
}

/* in memory of exactly its size, so that a read past it is seen */
static pn_item *item_of(pn_value_format format, const char *value, size_t size)
{
    pn_batch_reset(batch);
    batch->n = 1;
    void *exact = malloc(size ? size : 1);
    memcpy(exact, value, size);
    assert_int_equal(pn_item_from_value(&batch->items[0], format, exact, size), PN_OK);
    free(exact);
    return &batch->items[0];
}

static void raw_datum_is_planes_and_a_label(void **state)
{
    (void)state;
    pn_item *it = item_of(PN_VALUE_AUTO, BYTES(raw_2x1));
    assert_int_equal(it->reason, PN_REASON_NONE);
    assert_int_equal(it->raw_channels, 3);
    assert_int_equal(it->raw_height, 1);
    assert_int_equal(it->raw_width, 2);
    assert_int_equal(it->data_size, 6);
    assert_memory_equal(it->data, "BbGgRr", 6);
    assert_int_equal(it->n_labels, 1);
    assert_true(it->labels[0] == 7.0f);
}

static void encoded_datum_is_a_file_whatever_its_sizes_say(void **state)
{
    (void)state;
    pn_item *it = item_of(PN_VALUE_AUTO, BYTES("\x08\x03\x10\x01\x18\x02\x22\x06"
                                               "\xff\xd8\xff\xe0.."
                                               "\x38\x01"));
    assert_int_equal(it->reason, PN_REASON_NONE);
    assert_int_equal(it->raw_channels, 0);
    assert_int_equal(it->data_size, 6);
    assert_int_equal(it->n_labels, 0);
}

static void image_without_the_encoded_flag_is_known_by_its_first_bytes(void **state)
{
    (void)state;
    pn_item *it = item_of(PN_VALUE_DATUM, BYTES("\x22\x05\xff\xd8\xff\xe0."));
    assert_int_equal(it->reason, PN_REASON_NONE);
    assert_int_equal(it->raw_channels, 0);
    assert_memory_equal(it->data, "\xff\xd8\xff\xe0.", 5);
}

static void negative_label_and_unknown_fields_are_read(void **state)
{
    (void)state;
    /* label -1 as ten bytes; fields 8 (bytes), 9 (64 bit) and 10 (32 bit) are nobody's */
    pn_item *it =
        item_of(PN_VALUE_DATUM, BYTES("\x42\x01x\x49"
                                      "12345678"
                                      "\x55"
                                      "1234"
                                      "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                                      "\x08\x01\x10\x01\x18\x01\x22\x01g"));
    assert_int_equal(it->reason, PN_REASON_NONE);
    assert_int_equal(it->raw_channels, 1);
    assert_true(it->labels[0] == -1.0f);
}

static void values_that_are_no_image_fail_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        pn_value_format format;
        const char *value;
        size_t size;
        pn_reason reason;
        const char *text; /* part of it */
    } cases[] = {
        {PN_VALUE_AUTO, "", 0, PN_REASON_EMPTY, "no bytes"},
        {PN_VALUE_ENCODED, "", 0, PN_REASON_EMPTY, "no bytes"},
        {PN_VALUE_AUTO, BYTES("hello"), PN_REASON_NOT_IMAGE, "neither"},
        {PN_VALUE_DATUM, BYTES("hello"), PN_REASON_RECORD, "Datum:"},
        /* extract_features: float_data unpacked, and packed */
        {PN_VALUE_AUTO, BYTES("\x35\0\0\x80\x3f\x35\0\0\x80\x3f"), PN_REASON_RECORD,
         "float_data is not an image"},
        {PN_VALUE_AUTO, BYTES("\x32\4\0\0\x80\x3f"), PN_REASON_RECORD,
         "float_data is not an image"},
        {PN_VALUE_DATUM, BYTES("\x28\1"), PN_REASON_RECORD, "no data"},
        /* sizes that lie: too few, too many, 2 channels, negative, a product past 2^64 */
        {PN_VALUE_DATUM, BYTES("\x08\3\x10\1\x18\1\x22\2xx"), PN_REASON_RECORD,
         "3 x 1 x 1, but data has 2 bytes"},
        {PN_VALUE_DATUM, BYTES("\x08\1\x10\1\x18\1\x22\2xx"), PN_REASON_RECORD,
         "1 x 1 x 1, but data has 2 bytes"},
        {PN_VALUE_DATUM, BYTES("\x08\2\x10\1\x18\1\x22\2xx"), PN_REASON_RECORD,
         "1 or 3 channels"},
        {PN_VALUE_DATUM,
         BYTES("\x08\1\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x18\xff\xff\xff\xff\xff"
               "\xff\xff\xff\xff\1\x22\1x"),
         PN_REASON_RECORD, "1 x -1 x -1"},
        {PN_VALUE_DATUM,
         BYTES("\x08\3\x10\xff\xff\xff\xff\7\x18\xff\xff\xff\xff\7\x22\2xx"),
         PN_REASON_RECORD, "3 x 2147483647 x 2147483647"},
        /* bytes that lie */
        {PN_VALUE_DATUM, BYTES("\x22\x03xx"), PN_REASON_RECORD, "past the end"},
        {PN_VALUE_DATUM, BYTES("\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01xx"),
         PN_REASON_RECORD, "past the end"},
        {PN_VALUE_DATUM, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
         PN_REASON_RECORD, "too long"},
        {PN_VALUE_DATUM, BYTES("\x08\xff"), PN_REASON_RECORD, "cut short"},
        {PN_VALUE_DATUM, BYTES("\x0b"), PN_REASON_RECORD, "kind that Datum has not"},
        {PN_VALUE_DATUM, BYTES("\x00\x01"), PN_REASON_RECORD, "field number"},
        {PN_VALUE_DATUM, BYTES("\x0a\x01x"), PN_REASON_RECORD, "wrong type"},
        {PN_VALUE_DATUM, BYTES("\x20\x01"), PN_REASON_RECORD, "wrong type"},
        {PN_VALUE_DATUM, BYTES("\x32\x03xyz"), PN_REASON_RECORD, "wrong type"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_item *it = item_of(cases[i].format, cases[i].value, cases[i].size);
        if (it->reason != cases[i].reason || !strstr(it->text, cases[i].text))
            fail_msg("case %zu: %s: %s", i, pn_reason_name(it->reason), it->text);
    }
}

/* what a folder would call unsupported is so from a database too */
static void image_formats_are_left_to_the_decoder(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t size;
        const char *name;
    } cases[] = {
        {BYTES("\0\0\0\x18"
               "ftypheic\0\0\0\0"),
         "HEIF"},
        {BYTES("\0\0\0\x1c"
               "ftypavif\0\0\0\0"),
         "AVIF"},
        {BYTES("\x1f\x8b\x08\0\0\0\0\0"), "gzip"},
        {BYTES("\0\0\0\x0cJXL \r\n\x87\n"), "JPEG XL"},
        {BYTES("8BPS\0\1"), "Photoshop"},
        {BYTES("\x22\x0c\0\0\0\x18"
               "ftypheic"),
         "HEIF"}, /* in a Datum */
    };
    const pn_preprocess p = {.height = 1,
                             .width = 1,
                             .geometry = PN_GEOMETRY_SQUASH,
                             .scale = 1,
                             .std = {1, 1, 1}};
    pn_decoder *d = NULL;
    assert_int_equal(pn_decoder_new(&d, &p), PN_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_item *it = item_of(PN_VALUE_AUTO, cases[i].value, cases[i].size);
        if (it->reason) fail_msg("case %zu: %s", i, it->text);
        assert_int_equal(pn_decoder_apply(d, it), PN_OK);
        if (it->reason != PN_REASON_UNSUPPORTED || !strstr(it->text, cases[i].name))
            fail_msg("case %zu: %s: %s", i, pn_reason_name(it->reason), it->text);
    }
    pn_decoder_free(&d);
}

static void encoded_format_takes_any_bytes(void **state)
{
    (void)state;
    pn_item *it = item_of(PN_VALUE_ENCODED, BYTES(raw_2x1));
    assert_int_equal(it->reason, PN_REASON_NONE);
    assert_int_equal(it->raw_channels, 0);
    assert_int_equal(it->data_size, sizeof(raw_2x1) - 1);
}

static void last_of_a_repeated_field_counts(void **state)
{
    (void)state;
    pn_datum d;
    assert_null(pn_datum_parse(&d, BYTES("\x22\x01x\x28\1\x22\x02yy\x28\2")));
    assert_int_equal(d.data_size, 2);
    assert_int_equal(d.label, 2);
}

static void damaged_messages_are_read_inside_their_bytes(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        char value[sizeof(raw_2x1) - 1];
        memcpy(value, raw_2x1, sizeof(value));
        for (int i = 0; i < 2; i++) {
            random = random * 1664525u + 1013904223u;
            value[(random >> 8) % sizeof(value)] = (char)(random >> 20);
        }
        pn_item *it = item_of(PN_VALUE_DATUM, value,
                              sizeof(value) - (round % 3 ? 0 : (random >> 28)));
        if (!it->reason && it->raw_channels)
            assert_int_equal(it->data_size,
                             it->raw_channels * it->raw_height * it->raw_width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_datum_is_planes_and_a_label),
        cmocka_unit_test(encoded_datum_is_a_file_whatever_its_sizes_say),
        cmocka_unit_test(image_without_the_encoded_flag_is_known_by_its_first_bytes),
        cmocka_unit_test(negative_label_and_unknown_fields_are_read),
        cmocka_unit_test(values_that_are_no_image_fail_with_a_reason),
        cmocka_unit_test(image_formats_are_left_to_the_decoder),
        cmocka_unit_test(encoded_format_takes_any_bytes),
        cmocka_unit_test(last_of_a_repeated_field_counts),
        cmocka_unit_test(damaged_messages_are_read_inside_their_bytes),
    };
    return cmocka_run_group_tests(tests, make_batch, drop_batch);
}
