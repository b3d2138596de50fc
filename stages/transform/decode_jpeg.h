/** @file decode_jpeg.h  JPEG to BGR, with the bits Pillow gets. */
#ifndef PN_STAGES_DECODE_JPEG_H
#define PN_STAGES_DECODE_JPEG_H

#include "stages/transform/bitmap.h"

/**
 * Decode item->data. What cannot be used fails the item.
 * @param orientation  set to 1..8 from the file's EXIF; NULL: do not look
 * @return PN_OK also for a failed item; PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_decode_jpeg(pn_bitmap *out, pn_item *item, int *orientation);

#endif
