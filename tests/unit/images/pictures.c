#include "pictures.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CANARY 0xA5

uint8_t *picture_load(const char *name, size_t *size)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/tests/golden/images/%s", PN_SOURCE_DIR, name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s is missing", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    assert_true(n > 0);
    rewind(f);
    uint8_t *data = malloc((size_t)n);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)n, f), n);
    fclose(f);
    *size = (size_t)n;
    return data;
}

pn_preprocess plain_record(int height, int width)
{
    return (pn_preprocess){.height = height,
                           .width = width,
                           .geometry = PN_GEOMETRY_SQUASH,
                           .filter = PN_FILTER_PILLOW_NEAREST,
                           .scale = 1,
                           .std = {1, 1, 1}};
}

void bench_init(bench *b, const pn_preprocess *p)
{
    *b = (bench){.preprocess = *p};
    assert_int_equal(pn_decoder_new(&b->decoder, &b->preprocess), PN_OK);
    pn_batch_shape shape = {.capacity = 3, .height = p->height, .width = p->width};
    assert_int_equal(pn_batch_new(&b->batch, &shape), PN_OK);
    b->batch->n = 3;
    b->item = &b->batch->items[1];
    b->pixel_bytes = (size_t)p->height * (size_t)p->width * 3;
}

void bench_fini(bench *b)
{
    pn_batch_free(&b->batch);
    pn_decoder_free(&b->decoder);
    assert_null(b->decoder);
}

pn_reason bench_decode(bench *b, const void *data, size_t size)
{
    pn_batch_reset(b->batch);
    b->batch->n = 3;
    memset(b->batch->items[0].pixels, CANARY, b->pixel_bytes);
    memset(b->batch->items[2].pixels, CANARY, b->pixel_bytes);
    /* a buffer of exactly this size, so that the sanitizer sees a byte too far */
    pn_item *it = b->item;
    free(it->data);
    it->data = malloc(size ? size : 1);
    assert_non_null(it->data);
    if (size) memcpy(it->data, data, size);
    it->data_size = it->data_capacity = size;
    assert_int_equal(pn_decoder_apply(b->decoder, it), PN_OK);
    for (size_t i = 0; i < b->pixel_bytes; i++) {
        assert_int_equal(b->batch->items[0].pixels[i], CANARY);
        assert_int_equal(b->batch->items[2].pixels[i], CANARY);
    }
    if (it->reason) assert_true(strlen(it->text) > 0);
    return it->reason;
}

uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}
