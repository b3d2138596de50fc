/** @file resize_input.h  The same graph for another image size. */
#ifndef PN_ENGINE_RESIZE_INPUT_H
#define PN_ENGINE_RESIZE_INPUT_H

#include "penult/graph.h"

/** A copy of g (constants lent by it) whose image input is height x width (0: as it is),
 * shapes inferred anew. @return PN_EINVAL if there is no image input, or what inference
 * says where the graph fixes sizes */
PN_MUST_CHECK pn_status pn_resize_input(pn_graph **out, const pn_graph *g, int height,
                                        int width, pn_err *err);

#endif
