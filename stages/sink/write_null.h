/** @file write_null.h  The sink that keeps nothing: what the rest is measured and tested
 * through. */
#ifndef PN_STAGES_WRITE_NULL_H
#define PN_STAGES_WRITE_NULL_H

#include "penult/stage.h"

extern const pn_sink_ops pn_sink_write_null;

#endif
