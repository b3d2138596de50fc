/** @file queue.h  Bounded hand-off of batches, first in, first out. Full means wait. */
#ifndef PN_PIPELINE_QUEUE_H
#define PN_PIPELINE_QUEUE_H

#include <stddef.h>

#include "penult/batch.h"
#include "penult/status.h"

typedef struct pn_queue pn_queue; /**< any number of threads may push and pop */

/** Room for `capacity` batches (not bytes), at least 1. @return PN_EINVAL, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_queue_new(pn_queue **out, size_t capacity);
/**
 * Append a batch; waits while the queue is full.
 * @param batch  taken on PN_OK; still the caller's on any other return
 * @return PN_OK, or PN_END once the queue was closed
 */
PN_MUST_CHECK pn_status pn_queue_push(pn_queue *q, pn_batch *batch);
/** The oldest batch, now the caller's; waits for one. @return PN_END once the queue is
 * closed and empty */
PN_MUST_CHECK pn_status pn_queue_pop(pn_queue *q, pn_batch **out);
/** The same, but PN_AGAIN if none came within `timeout_ms`. */
PN_MUST_CHECK pn_status pn_queue_pop_within(pn_queue *q, pn_batch **out, int timeout_ms);
/** No more pushes; what is inside can still be popped. May be called again. */
void pn_queue_close(pn_queue *q);
/** Does not free batches: the pool owns them. Nobody may be waiting. *q becomes NULL and
 * may be NULL. */
void pn_queue_free(pn_queue **q);

#endif
