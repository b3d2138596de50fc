/* Every allocation of ours in turn is refused once. Linked with --wrap, so that the
 * allocations of the libraries are not counted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pictures.h"
#include "tests/support/alloc_fail.h"

/* How often the decoder had to be denied before it came through. */
static int decode_with_refusals(const char *name, const pn_preprocess *p)
{
    size_t size;
    uint8_t *data = picture_load(name, &size);
    bench whole, b;
    bench_init(&whole, p);
    assert_int_equal(bench_decode(&whole, data, size), PN_REASON_NONE);
    bench_init(&b, p);
    int n = 0;
    for (;; n++) {
        pn_decoder_free(&b.decoder);
        pn_batch_reset(b.batch);
        assert_int_equal(pn_item_set_data(b.item, data, size), PN_OK);
        pn_alloc_fail_at(n);
        pn_status st = pn_decoder_new(&b.decoder, p);
        if (!st) st = pn_decoder_apply(b.decoder, b.item);
        bool came_through = !pn_alloc_has_failed();
        pn_alloc_fail_at(-1);
        assert_int_equal(b.item->reason, PN_REASON_NONE);
        if (came_through) {
            assert_int_equal(st, PN_OK);
            break;
        }
        assert_int_equal(st, PN_ENOMEM);
        if (!b.decoder) continue;
        /* and what is left of it works again */
        assert_int_equal(pn_decoder_apply(b.decoder, b.item), PN_OK);
        assert_memory_equal(b.item->pixels, whole.item->pixels, b.pixel_bytes);
    }
    assert_memory_equal(b.item->pixels, whole.item->pixels, b.pixel_bytes);
    bench_fini(&b);
    bench_fini(&whole);
    free(data);
    return n;
}

static void no_memory_is_said_and_nothing_is_lost(void **state)
{
    (void)state;
    pn_preprocess p = plain_record(20, 16);
    p.filter = PN_FILTER_PILLOW_BICUBIC;
    p.exif = PN_EXIF_APPLY;
    p.alpha = PN_ALPHA_WHITE;
    /* the decoder, two bitmaps, 4 for each axis, the ring and its rows */
    assert_int_equal(decode_with_refusals("exif6.jpg", &p), 13);
    /* the same with the rows of four bytes instead of a second bitmap */
    assert_int_equal(decode_with_refusals("rgba.png", &p), 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_said_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
