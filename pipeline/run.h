/** @file run.h  From a config to a finished result. */
#ifndef PN_PIPELINE_RUN_H
#define PN_PIPELINE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/config.h"
#include "pipeline/network.h"
#include "pipeline/runner.h"

/** What a run will do, decided before it starts. */
typedef struct pn_run_info {
    int threads;     /**< workers, each with the whole network to itself */
    int cores;       /**< that this process may use */
    int batch;       /**< images */
    int batches;     /**< in circulation */
    int top_k;       /**< model.top_k, or all classes where there are fewer */
    uint64_t images; /**< in the source; 0: not counted */
    bool counted;
    int64_t weight_bytes;  /**< of the compiled model */
    int64_t working_bytes; /**< of all workers' tensors */
    int64_t batch_bytes;   /**< of all batches, without the encoded images in them */
    int64_t encoded_bytes; /**< of those at the most, whatever the input is */
    const pn_network *network;
} pn_run_info;

typedef struct pn_run pn_run;

/**
 * Check input and output, load and compile the model, decide threads and batch. Writes
 * nothing. The config is borrowed until pn_run_free().
 * @return PN_ENOENT (input, model), PN_ECONFIG (the output's parent folder is missing),
 * PN_EEXIST (output), what pn_network_open() returns, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_run_open(pn_run **out, const pn_config *c, pn_err *err);
void pn_run_get_info(const pn_run *r, pn_run_info *info);
/** Do it; once. See pn_runner_run(). */
PN_MUST_CHECK pn_status pn_run_execute(pn_run *r, bool handle_signals, int progress,
                                       pn_run_summary *summary, pn_err *err);
/** *r becomes NULL and may be NULL. */
void pn_run_free(pn_run **r);

#endif
