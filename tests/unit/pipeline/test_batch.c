/* The record that travels: growth, reset, failure texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "penult/batch.h"

static const pn_batch_shape small = {
    .capacity = 3, .height = 5, .width = 7, .top_k = 2, .n_features = 9};

static void batch_blocks_are_divided_among_its_items(void **state)
{
    (void)state;
    pn_batch *b = NULL;
    assert_int_equal(pn_batch_new(&b, &small), PN_OK);
    assert_int_equal((uintptr_t)b->pixel_block % 64, 0);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(b->items[i].pixels, b->pixel_block + i * 105);
        assert_ptr_equal(b->items[i].top, b->top_block + i * 2);
        assert_ptr_equal(b->items[i].features, b->feature_block + i * 9);
        memset(b->items[i].pixels, i, 105); /* the sanitizer knows whether it is there */
        memset(b->items[i].features, i, 9 * sizeof(float));
    }
    pn_batch_free(&b);
    assert_null(b);
    pn_batch_free(&b);
}

static void batch_without_features_has_none(void **state)
{
    (void)state;
    pn_batch *b = NULL;
    pn_batch_shape s = small;
    s.n_features = 0;
    assert_int_equal(pn_batch_new(&b, &s), PN_OK);
    assert_null(b->items[2].features);
    pn_batch_free(&b);
}

static void batch_of_impossible_shape_is_refused(void **state)
{
    (void)state;
    static const pn_batch_shape bad[] = {
        {.capacity = 0},
        {.capacity = -1},
        {.capacity = 1, .height = -1},
        {.capacity = 1, .top_k = -1},
        {.capacity = 1, .height = INT32_MAX, .width = INT32_MAX},
        {.capacity = 8, .n_features = SIZE_MAX / 8},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        pn_batch *b = NULL;
        assert_int_not_equal(pn_batch_new(&b, &bad[i]), PN_OK);
        assert_null(b);
    }
}

static void item_keeps_what_is_set_and_grows(void **state)
{
    (void)state;
    pn_batch *b = NULL;
    assert_int_equal(pn_batch_new(&b, &small), PN_OK);
    pn_item *it = &b->items[1];
    for (size_t n = 0; n < 5000; n = n * 2 + 1) {
        uint8_t bytes[5000];
        float labels[5000];
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)(i * 7);
            labels[i] = (float)i;
        }
        assert_int_equal(pn_item_set_key(it, bytes, n), PN_OK);
        assert_int_equal(pn_item_set_data(it, bytes, n), PN_OK);
        assert_int_equal(pn_item_set_labels(it, labels, n), PN_OK);
        assert_int_equal(it->key_size, n);
        assert_int_equal(it->data_size, n);
        assert_int_equal(it->n_labels, n);
        assert_memory_equal(it->key, bytes, n);
        assert_memory_equal(it->data, bytes, n);
        assert_memory_equal(it->labels, labels, n * sizeof(float));
    }
    assert_int_equal(pn_item_set_path(it, "/a/b"), PN_OK);
    assert_string_equal(it->path, "/a/b");
    assert_int_equal(pn_item_reserve_data(it, SIZE_MAX), PN_ENOMEM);
    assert_int_equal(pn_item_set_labels(it, NULL, SIZE_MAX / 2), PN_ENOMEM);
    pn_batch_free(&b);
}

static void reset_empties_and_gives_back_what_is_large(void **state)
{
    (void)state;
    pn_batch *b = NULL;
    assert_int_equal(pn_batch_new(&b, &small), PN_OK);
    pn_item *large = &b->items[0], *usual = &b->items[1];
    assert_int_equal(pn_item_reserve_data(large, 1 << 20), PN_OK);
    assert_int_equal(pn_item_set_key(large, "k", 1), PN_OK);
    assert_int_equal(pn_item_set_data(usual, "abc", 3), PN_OK);
    assert_int_equal(pn_item_set_labels(usual, (const float[]){1}, 1), PN_OK);
    usual->raw_channels = 3;
    pn_item_fail(usual, PN_REASON_EMPTY, "x");
    b->n = 2;
    pn_batch_reset(b);
    assert_int_equal(b->n, 0);
    assert_null(large->data);
    assert_int_equal(large->data_capacity, 0);
    assert_int_equal(large->key_size, 0);
    assert_non_null(usual->data);
    assert_int_equal(usual->data_size, 0);
    assert_int_equal(usual->n_labels, 0);
    assert_int_equal(usual->raw_channels, 0);
    assert_int_equal(usual->reason, PN_REASON_NONE);
    assert_string_equal(usual->text, "");
    pn_batch_free(&b);
}

static void first_failure_of_an_item_stays(void **state)
{
    (void)state;
    pn_item it = {0};
    pn_item_fail(&it, PN_REASON_TRUNCATED, "ends at row %d", 7);
    pn_item_fail(&it, PN_REASON_DAMAGED, "other");
    assert_int_equal(it.reason, PN_REASON_TRUNCATED);
    assert_string_equal(it.text, "ends at row 7");
}

static void long_failure_text_is_cut_between_characters(void **state)
{
    (void)state;
    /* 255 bytes fit; a two-byte letter that begins at 254 or 253 is cut or kept */
    for (int lead = 252; lead <= 255; lead++) {
        char text[300];
        memset(text, 'a', sizeof(text));
        memcpy(text + lead, "\xC3\xA4zz", 5);
        pn_item it = {0};
        pn_item_fail(&it, PN_REASON_READ, "%s", text);
        size_t want = lead == 254 ? 254 : 255;
        assert_int_equal(strlen(it.text), want);
        assert_memory_equal(it.text, text, want);
    }
}

static void reasons_have_the_names_of_the_result(void **state)
{
    (void)state;
    assert_string_equal(pn_reason_name(PN_REASON_NONE), "none");
    assert_string_equal(pn_reason_name(PN_REASON_READ), "read_failed");
    assert_string_equal(pn_reason_name(PN_REASON_RECORD), "bad_record");
    assert_string_equal(pn_reason_name((pn_reason)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_blocks_are_divided_among_its_items),
        cmocka_unit_test(batch_without_features_has_none),
        cmocka_unit_test(batch_of_impossible_shape_is_refused),
        cmocka_unit_test(item_keeps_what_is_set_and_grows),
        cmocka_unit_test(reset_empties_and_gives_back_what_is_large),
        cmocka_unit_test(first_failure_of_an_item_stays),
        cmocka_unit_test(long_failure_text_is_cut_between_characters),
        cmocka_unit_test(reasons_have_the_names_of_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
