/** @file resample.h  Pillow's resizing, to the bit, of those pixels that are wanted. */
#ifndef PN_STAGES_RESAMPLE_H
#define PN_STAGES_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "penult/preprocess.h"
#include "stages/transform/bitmap.h"
#include "stages/transform/geometry.h"

/** Two neighbouring weights in 22-bit fixed point, each hi * 4096 + lo with lo in
 * 0..4095: both halves fit the 16-bit multipliers that every SIMD unit has. */
typedef struct pn_tap_pair {
    int16_t hi[2], lo[2];
} pn_tap_pair;
#define PN_TAP_BITS 22
#define PN_TAP_LO_BITS 12

/** How one axis of a picture is resized; made for one layout, kept while layouts repeat.
 */
typedef struct pn_axis {
    pn_filter filter;
    int in;         /**< pixels of the source */
    int64_t full;   /**< pixels it is resized to */
    int64_t window; /**< the first of those that is wanted */
    int n;          /**< how many are wanted */
    int max_taps;
    int *first;  /**< n: first source pixel of each */
    int *n_taps; /**< n: how many source pixels; an odd count is padded with weight 0 */
    pn_tap_pair *taps; /**< n x (max_taps + 1) / 2 */
} pn_axis;

/** Zero-initialise it; for one thread. */
typedef struct pn_resampler {
    pn_axis x, y;
    uint8_t *ring; /**< rows resized along x, as many as a y tap list is long */
    size_t ring_capacity;
    const uint8_t **rows;
    int rows_capacity;
} pn_resampler;

/** Resize as the layout says and write the window's rows, out_width x 3 bytes apart.
 * Equal to resizing everything and then cutting out. @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_resample(pn_resampler *r, const pn_bitmap *src,
                                    const pn_layout *l, pn_filter filter, uint8_t *out,
                                    int out_width);
/** Give back what is of unusual size. */
void pn_resampler_trim(pn_resampler *r);
void pn_resampler_fini(pn_resampler *r);

/** Along x: a->n pixels out of one source row. May read PN_BITMAP_SLACK bytes past the
 * row and write one byte past the output. */
#define PN_DECL_RESAMPLE_X(name)                                                         \
    void name(uint8_t *out, const uint8_t *row, const pn_axis *a)
/** Along y: n_bytes, each out of the same byte of n_taps rows; nothing past them. */
#define PN_DECL_RESAMPLE_Y(name)                                                         \
    void name(uint8_t *out, const uint8_t *const *rows, const pn_tap_pair *taps,         \
              int n_taps, size_t n_bytes)
typedef PN_DECL_RESAMPLE_X((*pn_resample_x_fn));
typedef PN_DECL_RESAMPLE_Y((*pn_resample_y_fn));

PN_DECL_RESAMPLE_X(pn_resample_x_c);
PN_DECL_RESAMPLE_Y(pn_resample_y_c);
#if defined(__SSE2__)
PN_DECL_RESAMPLE_X(pn_resample_x_sse2);
PN_DECL_RESAMPLE_Y(pn_resample_y_sse2);
#endif

#endif
