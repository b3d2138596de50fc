/** @file image.h  Encoded bytes to the pixels a network takes. */
#ifndef PENULT_IMAGE_H
#define PENULT_IMAGE_H

#include "penult/batch.h"
#include "penult/preprocess.h"
#include "penult/status.h"

/** A decoder with its buffers; one a thread, reused from image to image. */
typedef struct pn_decoder pn_decoder;

/** Pixels of one image at most, and at most 65,535 a side; above it the item fails as
 * too_large before any is allocated. */
#define PN_MAX_IMAGE_PIXELS (1u << 28)

PN_MUST_CHECK pn_status pn_decoder_new(pn_decoder **out, const pn_preprocess *p);
void pn_decoder_free(pn_decoder **d);
/**
 * Decode item->data by content (JPEG, PNG; raw planes as the item says), apply the
 * geometry, write height x width x 3 BGR bytes to item->pixels. An image that cannot be
 * used is marked as failed.
 * @return PN_OK also then; PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_decoder_apply(pn_decoder *d, pn_item *item);

/** Tables from bytes to the network's floats: y = (x * scale - mean) / std, computed in
 * double. */
typedef struct pn_normalizer {
    float table[3][256]; /**< [network channel][byte] */
    int source[3];       /**< which BGR byte feeds the channel */
} pn_normalizer;
void pn_normalizer_init(pn_normalizer *n, const pn_preprocess *p);
/** n_pixels x 3 BGR bytes to n_pixels x 3 floats in the network's channel order (H x W x
 * C). */
void pn_normalizer_apply(const pn_normalizer *n, const uint8_t *bgr, float *out,
                         size_t n_pixels);

#endif
