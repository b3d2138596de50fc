/** @file bitmap.h  A decoded picture, in a buffer that is used again for the next one. */
#ifndef PN_STAGES_BITMAP_H
#define PN_STAGES_BITMAP_H

#include <stddef.h>
#include <stdint.h>

#include "penult/batch.h"
#include "penult/status.h"

/** Pixels a side at most. JPEG ends at 65,500; a longer PNG would be a handful of rows
 * whose resampling tables outweigh the picture. */
#define PN_MAX_IMAGE_SIDE 65535

/** Bytes past the last pixel that may be read: a pixel is fetched as four bytes, and an
 * odd row of taps is rounded up to an even one. */
#define PN_BITMAP_SLACK 16

/** Zero-initialise it. */
typedef struct pn_bitmap {
    uint8_t *bgr; /**< height x width x 3, no gaps */
    size_t capacity;
    int width, height;
} pn_bitmap;

/**
 * Make room for width x height pixels; what was there is gone.
 * An image over the limits fails as too_large, an empty one as damaged: look at
 * item->reason.
 * @return PN_OK also then; PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_bitmap_prepare(pn_bitmap *b, pn_item *item, uint64_t width,
                                          uint64_t height);
/** Give the buffer back if it is of unusual size. */
void pn_bitmap_trim(pn_bitmap *b);
void pn_bitmap_fini(pn_bitmap *b);

/** As realloc without keeping the contents: *buf has at least `size` bytes afterwards.
 *  @return PN_ENOMEM, and then *buf is NULL */
PN_MUST_CHECK pn_status pn_scratch_reserve(uint8_t **buf, size_t *capacity, size_t size);
/** What a decoder keeps in each of its buffers from image to image: 11 million pixels. */
#define PN_SCRATCH_KEEP_BYTES ((size_t)32 << 20)
void pn_scratch_trim(uint8_t **buf, size_t *capacity);

#endif
