/** @file decode_png.h  PNG to BGR, with the bits Pillow gets. */
#ifndef PN_STAGES_DECODE_PNG_H
#define PN_STAGES_DECODE_PNG_H

#include "penult/preprocess.h"
#include "stages/transform/bitmap.h"

/** What a PNG needs besides the bitmap; zero-initialise it, free() wide. */
typedef struct pn_png_scratch {
    uint8_t *wide; /**< rows of four bytes a pixel, where alpha counts */
    size_t capacity;
} pn_png_scratch;

/**
 * Decode item->data. What cannot be used fails the item.
 * @param orientation  set to 1..8 from an eXIf chunk; NULL: do not look
 * @return PN_OK also for a failed item; PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_decode_png(pn_bitmap *out, pn_png_scratch *scratch,
                                      pn_item *item, pn_alpha alpha, int *orientation);

#endif
