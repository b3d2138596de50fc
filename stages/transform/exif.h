/** @file exif.h  The one EXIF tag that changes pixels: the orientation. */
#ifndef PN_STAGES_EXIF_H
#define PN_STAGES_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "stages/transform/bitmap.h"

/**
 * The orientation in a TIFF structure ("II*" or "MM*": the bytes after "Exif\0\0" of a
 * JPEG's APP1, or a PNG's eXIf chunk).
 * @return 1..8; 1 (as stored) if there is none or the structure is broken
 */
int pn_exif_orientation(const uint8_t *tiff, size_t size);

/** Write `src` the way it is to be seen. dst is prepared for it, and is another bitmap.
 *  @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_bitmap_orient(pn_bitmap *dst, const pn_bitmap *src,
                                         int orientation, pn_item *item);

#endif
