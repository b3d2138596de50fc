/** @file model_size.h  What of a graph counts as a parameter. */
#ifndef PN_CLI_MODEL_SIZE_H
#define PN_CLI_MODEL_SIZE_H

#include "penult/graph.h"

/** Elements of a constant that were learned: arrays of real numbers. Scalars (the bounds
 * of a Clip, the border of a Pad) and integers (shapes) are the operators' own. 0 for
 * what is no constant. */
int64_t pn_value_parameters(const pn_value *v);

#endif
