/** @file preprocess.h  From a decoded image to what the network sees: the model's record
 * of it. */
#ifndef PENULT_PREPROCESS_H
#define PENULT_PREPROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "penult/status.h"

typedef enum pn_geometry {
    PN_GEOMETRY_SQUASH,          /**< resize to size, aspect not kept */
    PN_GEOMETRY_SHORT_SIDE_CROP, /**< short side to short_side, long side
                                    trunc(short_side*long/short) (torchvision), then the
                                    centre of size, offset round-half-even((d - size) / 2)
                                    as torchvision's CenterCrop */
    PN_GEOMETRY_LETTERBOX, /**< fit inside size, aspect kept, centred, the rest `fill` */
    PN_GEOMETRY_CENTRE_SQUARE, /**< largest centred square, then resize to size */
} pn_geometry;

typedef enum pn_filter {
    PN_FILTER_PILLOW_NEAREST,
    PN_FILTER_PILLOW_BILINEAR,
    PN_FILTER_PILLOW_BICUBIC
} pn_filter;
typedef enum pn_channels { PN_CHANNELS_RGB, PN_CHANNELS_BGR } pn_channels;
typedef enum pn_exif { PN_EXIF_IGNORE, PN_EXIF_APPLY } pn_exif;
typedef enum pn_alpha {
    PN_ALPHA_IGNORE, /**< colour as stored, as Pillow's convert("RGB") */
    PN_ALPHA_WHITE,  /**< blended on white */
    PN_ALPHA_BLACK,
} pn_alpha;

/** y[c] = (x[c] * scale - mean[c]) / std[c], x in 0..255, c in the network's channel
 * order. */
typedef struct pn_preprocess {
    int height, width; /**< pixels the network takes, 1..8192 each */
    pn_geometry geometry;
    int short_side; /**< pixels; for short_side_crop, at least max(height, width) */
    pn_filter filter;
    pn_channels channels; /**< the network's order; pixels travel as BGR until then */
    double scale;         /**< default 1 */
    double mean[3];       /**< default 0, in the network's order */
    double std[3];        /**< default 1, not 0 */
    pn_exif exif;         /**< default ignore */
    pn_alpha alpha;       /**< default ignore */
    int fill;             /**< letterbox border, 0..255, default 0 */
} pn_preprocess;

/** A record from a YAML file: strict, unknown keys refused with line and column, `size`,
 * `geometry` and `channels` required (`filter` too unless geometry needs none;
 * `short_side` exactly when used).
 *  @return PN_ENOENT, PN_ECONFIG */
PN_MUST_CHECK pn_status pn_preprocess_read_yaml(pn_preprocess *out, const char *path,
                                                pn_err *err);
/** The same keys as JSON text (a model's metadata). `where` names it in messages. */
PN_MUST_CHECK pn_status pn_preprocess_from_json(pn_preprocess *out, const char *json,
                                                const char *where, pn_err *err);
/** One line of JSON with every key; *json is malloc'd, the caller frees it. */
PN_MUST_CHECK pn_status pn_preprocess_to_json(const pn_preprocess *p, char **json);
/** Preset by name: "tutorial" or "mxnet-resnet". @return PN_EINVAL listing the names */
PN_MUST_CHECK pn_status pn_preprocess_preset(pn_preprocess *out, const char *name,
                                             pn_err *err);

#endif
