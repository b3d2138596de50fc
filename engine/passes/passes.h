/**
 * @file passes.h  What makes the list of layers shorter.
 *
 * Each pass is one sweep over the layers. It only touches a tensor between two layers if
 * that has one reader and is no tap, marks layers dead that it swallowed, and leaves the
 * order of the rest. pn_passes_run() calls them in the order they build on each other.
 */
#ifndef PN_ENGINE_PASSES_H
#define PN_ENGINE_PASSES_H

#include "engine/net.h"

/** @return PN_OK or PN_ENOMEM */
PN_MUST_CHECK pn_status pn_passes_run(struct pn_model *m);

/** Zero padding in front of a convolution becomes the convolution's own. */
PN_MUST_CHECK pn_status pn_pass_merge_pad(struct pn_model *m);
/** Factor and summand a channel go into the weights of the layer before. */
PN_MUST_CHECK pn_status pn_pass_fold_affine(struct pn_model *m);
/** Convolution and sum become one layer, in the sum's place. */
PN_MUST_CHECK pn_status pn_pass_fuse_residual(struct pn_model *m);
/** An activation is applied by the layer that makes its input. */
PN_MUST_CHECK pn_status pn_pass_fuse_act(struct pn_model *m);
/** A fully connected layer reads the map before the Flatten. */
PN_MUST_CHECK pn_status pn_pass_flatten_fc(struct pn_model *m);
/** What is joined along the channels is written into its slice at once. */
PN_MUST_CHECK pn_status pn_pass_slice_concat(struct pn_model *m);

#endif
