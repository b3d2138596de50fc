/** @file segment_proof.h  The proof that an image may go through a segment alone. In both
 * functions r is a run of one image, its slot r->first. */
#ifndef PN_ENGINE_SEGMENT_PROOF_H
#define PN_ENGINE_SEGMENT_PROOF_H

#include "engine/ops/ops.h"

/** Before a segment of several layers: what it will read, from another slot. */
void pn_segment_copy(const pn_run *r, pn_segment s, int64_t from);
/** Behind it, when slot `like` has gone through it layer by layer: go through it as a run
 * does. @return the first layer whose output, where it outlives the segment, has other
 * bits than `like`'s; PN_NONE, also for a segment of one layer */
int pn_segment_run(const pn_run *r, pn_segment s, int64_t like, float *scratch);

#endif
