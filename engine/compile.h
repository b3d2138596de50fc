/** @file compile.h  The steps of pn_model_compile(), for who takes them one at a time. */
#ifndef PN_ENGINE_COMPILE_H
#define PN_ENGINE_COMPILE_H

#include "engine/net.h"

/** All but the weights: lowered, fused, planned, kinds of layers chosen. Sizes of opts
 * are not looked at. @return what pn_model_compile() returns */
PN_MUST_CHECK pn_status pn_model_outline(pn_model **out, const pn_graph *g,
                                         const pn_model_opts *opts, pn_err *err);
/** Pack one layer's weights and cut it into tasks; once a layer.
 * @return PN_ENOMEM, PN_EUNSUPPORTED, PN_EFORMAT */
PN_MUST_CHECK pn_status pn_layer_prepare(pn_model *m, const pn_graph *g, pn_layer *l,
                                         pn_err *err);
/** The same for every layer, on up to `threads` threads (less than 2: this one); the
 * weights do not depend on how many. What is said of a failure is the first layer's, in
 * the network's order. */
PN_MUST_CHECK pn_status pn_layers_prepare(pn_model *m, const pn_graph *g, int threads,
                                          pn_err *err);

#endif
