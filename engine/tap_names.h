/** @file tap_names.h  From names of values to values. */
#ifndef PN_ENGINE_TAP_NAMES_H
#define PN_ENGINE_TAP_NAMES_H

#include "penult/model.h"

/** The values opts asks for, or the graph's outputs; malloc'd.
 * @return PN_EINVAL for a name that is no computed value; the text lists near ones */
PN_MUST_CHECK pn_status pn_tap_names_find(int **values, int *n, const pn_graph *g,
                                          const pn_model_opts *opts, pn_err *err);

#endif
