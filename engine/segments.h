/** @file segments.h  Which layers an image goes through alone. */
#ifndef PN_ENGINE_SEGMENTS_H
#define PN_ENGINE_SEGMENTS_H

#include "engine/net.h"

/** Fill m->segments, by the layers' shapes alone. @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_segments_find(struct pn_model *m);

#endif
