/**
 * @file pool.h  The batches in circulation. Their number never changes: whoever wants one
 * waits until one comes back, and that is the pipeline's back-pressure.
 */
#ifndef PN_PIPELINE_POOL_H
#define PN_PIPELINE_POOL_H

#include "penult/batch.h"
#include "penult/status.h"

typedef struct pn_pool pn_pool; /**< any number of threads may get and put */

/** Make `n` batches. @return PN_EINVAL for n < 1 or an impossible shape, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_pool_new(pn_pool **out, int n, const pn_batch_shape *shape);
/**
 * An empty batch, lent until pn_pool_put(); waits for one to come back.
 * @return PN_OK, or PN_END once the pool was closed
 */
PN_MUST_CHECK pn_status pn_pool_get(pn_pool *p, pn_batch **out);
/** Bring one back; never waits; also after closing. */
void pn_pool_put(pn_pool *p, pn_batch *batch);
/** From now on, and for whoever waits, there is nothing more to get. */
void pn_pool_close(pn_pool *p);
/** Frees every batch it made, also those not brought back; *p becomes NULL and may be. */
void pn_pool_free(pn_pool **p);

#endif
