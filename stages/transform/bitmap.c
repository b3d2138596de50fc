/* Buffers for pixels, and the limits that are checked before one is made. */
#include "stages/transform/bitmap.h"

#include <inttypes.h>
#include <stdlib.h>

#include "penult/image.h"

pn_status pn_scratch_reserve(uint8_t **buf, size_t *capacity, size_t size)
{
    if (*buf && *capacity >= size) return PN_OK;
    free(*buf);
    *capacity = 0;
    *buf = malloc(size ? size : 1);
    if (!*buf) return PN_ENOMEM;
    *capacity = size;
    return PN_OK;
}

void pn_scratch_trim(uint8_t **buf, size_t *capacity)
{
    if (*capacity <= PN_SCRATCH_KEEP_BYTES) return;
    free(*buf);
    *buf = NULL;
    *capacity = 0;
}

pn_status pn_bitmap_prepare(pn_bitmap *b, pn_item *item, uint64_t width, uint64_t height)
{
    b->width = b->height = 0;
    if (width == 0 || height == 0) {
        pn_item_fail(item, PN_REASON_DAMAGED,
                     "image is %" PRIu64 "x%" PRIu64 " pixels: at least 1 a side", width,
                     height);
        return PN_OK;
    }
    if (width > PN_MAX_IMAGE_SIDE || height > PN_MAX_IMAGE_SIDE ||
        width * height > PN_MAX_IMAGE_PIXELS) {
        pn_item_fail(item, PN_REASON_TOO_LARGE,
                     "image is %" PRIu64 "x%" PRIu64
                     " pixels: at most %d a side and %u in all",
                     width, height, PN_MAX_IMAGE_SIDE, PN_MAX_IMAGE_PIXELS);
        return PN_OK;
    }
    size_t size = (size_t)(width * height) * 3 + PN_BITMAP_SLACK;
    pn_status st = pn_scratch_reserve(&b->bgr, &b->capacity, size);
    if (st) return st;
    b->width = (int)width;
    b->height = (int)height;
    return PN_OK;
}

void pn_bitmap_trim(pn_bitmap *b)
{
    pn_scratch_trim(&b->bgr, &b->capacity);
}

void pn_bitmap_fini(pn_bitmap *b)
{
    free(b->bgr);
    *b = (pn_bitmap){0};
}
