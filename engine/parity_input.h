/** @file parity_input.h  What a proof looks at. */
#ifndef PN_ENGINE_PARITY_INPUT_H
#define PN_ENGINE_PARITY_INPUT_H

#include "engine/oracle/walk64.h"
#include "penult/parity.h"

/** Whether the preprocessing record says how an input comes from a photo. */
bool pn_parity_has_image(const pn_graph *g);
/** The sample, or else seeded numbers as pn_parity_opts says: 0..1 where asked for.
 * @return PN_EINVAL (the sample does not fit), PN_EUNSUPPORTED (too large), PN_ENOMEM */
PN_MUST_CHECK pn_status pn_parity_set_inputs(pn_walk64 *w, const pn_parity_opts *o,
                                             bool is_0_to_1, pn_err *err);

#endif
