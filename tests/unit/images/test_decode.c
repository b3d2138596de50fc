/* The stage round the decoder: a batch of good, bad and already failed items. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pictures.h"
#include "stages/transform/decode.h"

typedef struct rig {
    pn_preprocess preprocess;
    pn_decode_opts opts;
    void *shared, *state;
    pn_batch *batch;
} rig;

static void rig_init(rig *r, const pn_preprocess *p, pn_status expected, pn_err *err)
{
    *r = (rig){.preprocess = *p};
    r->opts.preprocess = &r->preprocess;
    r->shared = calloc(1, pn_transform_decode.info.shared_size);
    r->state = calloc(1, pn_transform_decode.info.state_size);
    assert_true(r->shared && r->state);
    assert_int_equal(pn_transform_decode.info.open(r->shared, &r->opts, err), PN_OK);
    assert_int_equal(pn_transform_decode.info.start(r->state, r->shared, err), expected);
    pn_batch_shape shape = {.capacity = 4, .height = 20, .width = 30};
    assert_int_equal(pn_batch_new(&r->batch, &shape), PN_OK);
    pn_batch_reset(r->batch);
    r->batch->type = PN_TYPE_BYTES;
}

static void rig_fini(rig *r)
{
    pn_transform_decode.info.stop(r->state);
    pn_transform_decode.info.close(r->shared);
    free(r->shared);
    free(r->state);
    pn_batch_free(&r->batch);
}

static void broken_items_change_no_bit_of_their_neighbours(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = picture_load("420.jpg", &size);
    pn_preprocess p = plain_record(20, 30);
    p.filter = PN_FILTER_PILLOW_BILINEAR;
    bench alone;
    bench_init(&alone, &p);
    assert_int_equal(bench_decode(&alone, data, size), PN_REASON_NONE);

    rig r;
    rig_init(&r, &p, PN_OK, NULL);
    pn_item *items = r.batch->items;
    r.batch->n = 4;
    assert_int_equal(pn_item_set_data(&items[0], data, size), PN_OK);
    assert_int_equal(pn_item_set_data(&items[1], data, size / 2), PN_OK);
    assert_int_equal(pn_item_set_data(&items[2], data, size), PN_OK);
    pn_item_fail(&items[2], PN_REASON_READ, "gone");
    assert_int_equal(pn_item_set_data(&items[3], data, size), PN_OK);
    assert_int_equal(pn_transform_decode.apply(r.state, r.batch, NULL), PN_OK);
    assert_int_equal(r.batch->type, PN_TYPE_PIXELS);
    assert_int_equal(items[1].reason, PN_REASON_TRUNCATED);
    assert_int_equal(items[2].reason, PN_REASON_READ);
    assert_string_equal(items[2].text, "gone");
    for (int i = 0; i < 4; i += 3) {
        assert_int_equal(items[i].reason, PN_REASON_NONE);
        assert_memory_equal(items[i].pixels, alone.item->pixels, alone.pixel_bytes);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(items[i].data_size, 0);
    rig_fini(&r);
    bench_fini(&alone);
    free(data);
}

static void a_record_that_cannot_be_met_is_named(void **state)
{
    (void)state;
    pn_err err = {0};
    pn_preprocess p = plain_record(20, 30);
    p.geometry = PN_GEOMETRY_SHORT_SIDE_CROP;
    p.short_side = 29;
    rig r;
    rig_init(&r, &p, PN_ECONFIG, &err);
    assert_non_null(strstr(pn_err_text(&err), "20x30 with short_side 29"));
    pn_err_clear(&err);
    rig_fini(&r);
}

static void a_batch_of_another_size_is_our_bug(void **state)
{
    (void)state;
    pn_preprocess p = plain_record(30, 20);
    rig r;
    rig_init(&r, &p, PN_OK, NULL);
    assert_int_equal(pn_transform_decode.apply(r.state, r.batch, NULL), PN_EINTERNAL);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_items_change_no_bit_of_their_neighbours),
        cmocka_unit_test(a_record_that_cannot_be_met_is_named),
        cmocka_unit_test(a_batch_of_another_size_is_our_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
