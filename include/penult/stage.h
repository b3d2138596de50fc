/**
 * @file stage.h  What a stage is. One file under stages/ is one stage; it knows no other.
 *
 * The runner allocates options, shared and per-worker state, moves the batches and alone
 * touches queues. A source and a sink have one thread, a transform has one state a
 * worker. A stage's own config keys are a table of fields (base/fields.h): `input.*` for
 * a source, `output.*` for a sink.
 */
#ifndef PENULT_STAGE_H
#define PENULT_STAGE_H

#include <stdatomic.h>

#include "penult/batch.h"
#include "penult/status.h"

struct pn_field;

typedef struct pn_stage_info {
    const char *name;    /**< the config's kind, e.g. "files" */
    const char *summary; /**< one line for people */
    const struct pn_field
        *fields;        /**< of opts, keys without section; ends with a NULL key */
    size_t opts_size;   /**< filled from the config, or by the runner, before open() */
    size_t shared_size; /**< one a stage: zeroed, read-only once open() is done */
    size_t state_size;  /**< one a worker: zeroed, touched by that worker alone */
    pn_status (*open)(void *shared, const void *opts, pn_err *err);   /**< may block */
    pn_status (*start)(void *state, const void *shared, pn_err *err); /**< may block */
    void (*stop)(void *state);   /**< always called, after a failed start too */
    void (*close)(void *shared); /**< always called, after a failed open too */
} pn_stage_info;

typedef struct pn_source_ops {
    pn_stage_info info;
    pn_type out; /**< PN_TYPE_REFS or PN_TYPE_BYTES */
    /** Fill `out` (empty, room for shape.capacity items) with the next items; may block,
     * and where that can be long looks at *stop now and then and returns PN_ESTOPPED.
     *  @return PN_OK with 1 or more items, PN_END with none; anything else ends the run
     */
    pn_status (*pull)(void *state, pn_batch *out, const atomic_bool *stop, pn_err *err);
    /** How many items there will be, for progress only; runs beside pull on a thread of
     * its own, looks at *stop now and then and returns PN_ESTOPPED. NULL: unknown. */
    pn_status (*count)(const void *shared, uint64_t *n, const atomic_bool *stop);
} pn_source_ops;

typedef struct pn_transform_ops {
    pn_stage_info info;
    pn_type in, out;
    /** Work on the batch in place; items that failed before are left alone, items that
     * fail are marked. @return not PN_OK: the run cannot go on */
    pn_status (*apply)(void *state, pn_batch *batch, pn_err *err);
} pn_transform_ops;

/** What a run did; ok + failed == seen. */
typedef struct pn_counts {
    uint64_t seen, ok, failed;
    uint64_t by_reason[PN_N_REASONS];
} pn_counts;

/** What a sink leaves behind: what is durable, and where. */
typedef struct pn_left {
    pn_counts counts;
    char *path; /**< heap, the caller's; NULL: nowhere */
} pn_left;

typedef struct pn_sink_ops {
    pn_stage_info info;
    pn_type in;
    pn_status (*push)(void *state, const pn_batch *in, pn_err *err);
    /** Nothing came for about a second: make durable what is pending. NULL: nothing to
     * do. */
    pn_status (*idle)(void *state, pn_err *err);
    /** The last call when every push was fine. complete: the source came to its end. */
    pn_status (*finish)(void *state, const pn_counts *counts, bool complete, pn_err *err);
    /** The run is over, by finish() or by a failure: put away what there is and say so;
     * stop() follows. NULL: what was pushed is what counts, and it lies nowhere. */
    void (*settle)(void *state, pn_left *left);
} pn_sink_ops;

#endif
