/** @file geometry.h  Which part of a picture becomes which part of the network's input.
 */
#ifndef PN_STAGES_GEOMETRY_H
#define PN_STAGES_GEOMETRY_H

#include <stdint.h>

#include "penult/preprocess.h"

/**
 * A part of the source, cut out first, is resized to full_width x full_height; of that a
 * window is put somewhere into the output. What the window does not cover is fill.
 */
typedef struct pn_layout {
    int src_x, src_y, src_width, src_height;
    int64_t full_width, full_height;
    int64_t window_x, window_y; /**< in the resized picture */
    int width, height;          /**< of the window */
    int dst_x, dst_y;           /**< in the output */
} pn_layout;

/**
 * squash: all of it. short_side_crop: as torchvision's Resize and CenterCrop.
 * letterbox: as Pillow's ImageOps.pad, but never less than a pixel wide or high.
 * centre_square: the square is centred as by torchvision's CenterCrop.
 */
void pn_layout_init(pn_layout *l, const pn_preprocess *p, int width, int height);

#endif
