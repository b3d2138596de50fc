/** @file plan.h  Every tensor's place, decided before the first run. */
#ifndef PN_ENGINE_PLAN_H
#define PN_ENGINE_PLAN_H

#include "engine/net.h"

/** Alignment of every tensor's image, in floats: all slots of a batch are aligned alike,
 * as a library's bits may hang on it. */
#define PN_ALIGN_FLOATS 16

/** Fill strides, offsets, arena_offset, image_stride and m->image_floats (without taps).
 * @return PN_ENOMEM, PN_EUNSUPPORTED if an image's tensors would not fit 2^40 floats */
PN_MUST_CHECK pn_status pn_plan_tensors(struct pn_model *m, pn_err *err);

#endif
