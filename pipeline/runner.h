/**
 * @file runner.h  Start, run, drain, stop: one source, transforms, one sink.
 *
 * Threads: the caller's becomes the libuv loop (file reads, timers, signals); one thread
 * pulls from the source; `workers` threads each take a batch and run every transform on
 * it; one writes. The batches in circulation are made at the start: their number is the
 * bound on memory and the back-pressure.
 */
#ifndef PN_PIPELINE_RUNNER_H
#define PN_PIPELINE_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fields.h"
#include "penult/stage.h"

#define PN_MAX_TRANSFORMS 8
#define PN_USUAL_READ_BYTES ((int64_t)512 << 20) /**< max_read_bytes of a run */

typedef struct pn_run_plan {
    const pn_source_ops *source;
    const void *source_opts; /**< borrowed, as all options */
    int n_transforms;
    const pn_transform_ops *transforms[PN_MAX_TRANSFORMS];
    const void *transform_opts[PN_MAX_TRANSFORMS];
    const pn_sink_ops *sink;
    const void *sink_opts;
    pn_batch_shape shape;
    int workers;            /**< threads that compute, at least 1 */
    int in_flight;          /**< file reads under way at once, at least 1 */
    int64_t max_file_bytes; /**< a larger file is a failed item */
    int64_t max_read_bytes; /**< of files read and not decoded yet; above it no further
                               batch is read */
    pn_limit
        max_failures;    /**< passed: status of the summary, the run goes on to its end */
    bool handle_signals; /**< SIGINT, SIGTERM, SIGHUP: first drains, second exits with 128
                            + signal */
    int progress;        /**< 0 none, 1 a live line on stderr, 2 a log line every 30 s */
} pn_run_plan;

#define PN_MAX_STAGES (PN_MAX_TRANSFORMS + 3)
typedef struct pn_stage_time {
    const char *name; /**< "source", "read", a transform's name, "sink" */
    double busy_s;    /**< summed over its threads */
    int threads;
} pn_stage_time;

typedef struct pn_run_summary {
    pn_counts counts; /**< of what the sink has made durable */
    char *output;     /**< where that lies, heap, the caller's; NULL: nowhere */
    bool complete;    /**< the source came to its end */
    bool over_budget; /**< more failures than max_failures */
    double elapsed_s;
    int n_stages;
    pn_stage_time stages[PN_MAX_STAGES];
    const char *bottleneck; /**< name of the stage that limited the run; static */
} pn_run_summary;

/**
 * Run to the end. Call pn_runner_setup() first, before any other libuv call of the
 * process.
 * @return PN_OK (look at the summary for failures), PN_ESTOPPED after a signal with
 * every batch that a worker had begun done and committed (what was only read ahead is
 * left for another run), PN_EINVAL for a plan whose types do not meet, or the first error
 * of a stage. The summary is filled in any case.
 */
PN_MUST_CHECK pn_status pn_runner_run(const pn_run_plan *plan, pn_run_summary *summary,
                                      pn_err *err);

/**
 * Batches in circulation, the one factor of the pipeline's memory:
 * 2 * workers + 2, and ceil(in_flight / capacity) + 1 more if the source yields
 * references. A worker has one in its hands and one waiting, the source and the sink have
 * one each, and the reads in flight spread over as many as they need, which may begin
 * inside one. Each batch is capacity x (height x width x 3 + top_k x 8 + n_features x 4 +
 * about 400) bytes, plus the encoded bytes of its items from their read to their
 * decoding.
 */
int pn_runner_batches(const pn_run_plan *plan);
/** Encoded bytes in memory at the most, whatever the input is. */
int64_t pn_runner_encoded_bytes(const pn_run_plan *plan);

/** UV_THREADPOOL_SIZE follows in_flight; must run before libuv's pool starts. */
void pn_runner_setup(int in_flight);

#endif
