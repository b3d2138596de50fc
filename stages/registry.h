/** @file registry.h  The tables of all sources and sinks, written out by hand. */
#ifndef PN_STAGES_REGISTRY_H
#define PN_STAGES_REGISTRY_H

#include "penult/stage.h"

/** NULL-terminated. */
extern const pn_source_ops *const pn_sources[];
extern const pn_sink_ops *const pn_sinks[];
/** By its config kind; NULL if there is none. */
const pn_source_ops *pn_source_find(const char *kind);
const pn_sink_ops *pn_sink_find(const char *kind);

#endif
