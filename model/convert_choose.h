/** @file convert_choose.h  What a converted model says of itself beyond its tensors:
 * which tensor is the feature vector, and what its first output means. */
#ifndef PN_MODEL_CONVERT_CHOOSE_H
#define PN_MODEL_CONVERT_CHOOSE_H

#include "penult/graph.h"

/** Note the feature tensor in the metadata and add it to the outputs. `wanted` is a
 * value's name, "none", or NULL: what the metadata says already, else the rule of
 * convert.c's documentation. Says what it chose. @return PN_EINVAL for a name that will
 * not do */
PN_MUST_CHECK pn_status pn_choose_features(pn_graph *g, const char *wanted, pn_err *err);

/** Note whether the first output is probabilities. `wanted` is "softmax", "as-is" or
 * NULL: the metadata, else by the operator that makes it. @return PN_EINVAL */
PN_MUST_CHECK pn_status pn_choose_scores(pn_graph *g, const char *wanted, pn_err *err);

#endif
