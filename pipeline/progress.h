/** @file progress.h  How far the run is: a live line, or a log line every 30 seconds. */
#ifndef PN_PIPELINE_PROGRESS_H
#define PN_PIPELINE_PROGRESS_H

#include <stdatomic.h>
#include <stddef.h>
#include <uv.h>

#include "pipeline/stats.h"

typedef enum pn_progress_mode {
    PN_PROGRESS_NONE,
    PN_PROGRESS_LINE, /**< rewritten on stderr twice a second */
    PN_PROGRESS_LOG   /**< through pn_log every 30 s */
} pn_progress_mode;

/** Embed it; used on the loop's thread, but for total. */
typedef struct pn_progress {
    uv_timer_t timer;
    pn_progress_mode mode;
    pn_stats *stats;
    _Atomic uint64_t total; /**< of items; 0: not known (yet). Any thread may set it */
    uint64_t last_ns, last_seen;
    double rate; /**< images a second, smoothed; 0: none yet */
    bool has_line;
} pn_progress;

/** `stats` is borrowed until pn_progress_stop(). @return PN_EIO */
PN_MUST_CHECK pn_status pn_progress_start(pn_progress *p, uv_loop_t *loop,
                                          pn_progress_mode mode, pn_stats *stats);
/** Ends the live line and closes the timer; the loop must still be run for that. Nothing
 * if it was not started. */
void pn_progress_stop(pn_progress *p);

/** "done/total, img/s, ETA, failed, bottleneck" for a state; returns buf. */
const char *pn_progress_text(char *buf, size_t size, uint64_t seen, uint64_t total,
                             uint64_t failed, double rate, const char *bottleneck);
/** The smoothed rate after `n` more images in `seconds`: weighs about the last 10 s. */
double pn_progress_rate(double rate, uint64_t n, double seconds);

#endif
