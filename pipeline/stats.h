/** @file stats.h  What a run has done so far: counts by reason, busy time a stage. */
#ifndef PN_PIPELINE_STATS_H
#define PN_PIPELINE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "pipeline/runner.h"

typedef struct pn_stage_stats {
    const char *name; /**< fixed after init, as threads */
    int threads;      /**< that do this stage's work; the transforms share theirs */
    _Atomic uint64_t busy_ns;
} pn_stage_stats;

/** Any thread may add and read. */
typedef struct pn_stats {
    uint64_t begin_ns; /**< fixed after init, as the numbers of the stages */
    int n_stages, source, read, transform, sink; /**< read: -1 if there are no references;
                                                    transform: the first of them */
    int n_transforms;
    pn_stage_stats stages[PN_MAX_STAGES];
    _Atomic uint64_t seen, ok, failed, by_reason[PN_N_REASONS];
} pn_stats;

uint64_t pn_now_ns(void); /**< CLOCK_MONOTONIC */

/** The clock starts here. */
void pn_stats_init(pn_stats *s, const pn_run_plan *plan);
void pn_stats_add_busy(pn_stats *s, int stage, uint64_t ns);
/** Count the items of a batch that went through the sink. */
void pn_stats_count(pn_stats *s, const pn_batch *batch);
/** Exact once nothing is counted any more; meanwhile each number by itself. */
void pn_stats_get_counts(pn_stats *s, pn_counts *out);
/** What the sink says in the end counts, not what was pushed into it. The counting is
 * over. */
void pn_stats_set_counts(pn_stats *s, const pn_counts *counts);
/** Name of the stage that limits the run: the thread group busy for the greatest part of
 * the time, and of the transforms the longest. "" before anything was done. */
const char *pn_stats_bottleneck(pn_stats *s);
/** More failures than allowed? A percentage is one of what was seen. */
bool pn_stats_over_budget(const pn_counts *c, const pn_limit *max_failures);
/** Everything of the summary but `complete` and `output`. */
void pn_stats_summary(pn_stats *s, const pn_limit *max_failures, pn_run_summary *out);

#endif
