/**
 * @file loop.h  The libuv thread: turns references into bytes, many reads at once, and
 * hears signals.
 *
 * The thread that calls pn_loop_run() owns every handle. Others only hand over: lock,
 * enqueue, uv_async_send.
 */
#ifndef PN_PIPELINE_LOOP_H
#define PN_PIPELINE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "penult/batch.h"
#include "penult/status.h"

typedef struct pn_loop pn_loop;

/** All callbacks run on the loop's thread and must not block. */
typedef struct pn_loop_opts {
    int in_flight;          /**< files open at once, at least 1 */
    int64_t max_file_bytes; /**< a larger file is a failed item, and is not read */
    int64_t max_bytes; /**< read and not given back; above it no further batch is begun */
    int max_batches;   /**< that may be handed over before they are given back */
    bool handle_signals; /**< SIGINT, SIGTERM and SIGHUP go to on_signal */
    void *cookie;
    /** The batch is PN_TYPE_BYTES and the callee's. */
    void (*on_read)(void *cookie, pn_batch *batch);
    void (*on_end)(void *cookie); /**< once, after the last on_read */
    void (*on_signal)(void *cookie, int signum);
    /** Memory ran out while reading; the items concerned are marked as failed. */
    void (*on_error)(void *cookie, pn_status st, const char *text);
    void (*on_busy)(void *cookie, uint64_t ns); /**< one file was under way that long */
} pn_loop_opts;

/** @param opts copied. @return PN_EINVAL, PN_ENOMEM, PN_EIO */
PN_MUST_CHECK pn_status pn_loop_new(pn_loop **out, const pn_loop_opts *opts, pn_err *err);
/** For handles of others (timers): to be used and closed on the loop's thread only. */
uv_loop_t *pn_loop_uv(pn_loop *l);

/** From any thread: read this batch of PN_TYPE_REFS (taken). Batches may come back in
 * another order, items keep their places; items that failed already are left alone. */
void pn_loop_read(pn_loop *l, pn_batch *batch);
/** From any thread: so much of what was read (pn_batch_data_bytes() at on_read) is needed
 * no longer. */
void pn_loop_give_back(pn_loop *l, int64_t n_bytes);
/** From any thread: nothing more will be handed over. */
void pn_loop_end(pn_loop *l);
/** From any thread: files not begun yet need not be read, only given back. */
void pn_loop_skip(pn_loop *l);
/** From any thread: pn_loop_run() shall return. */
void pn_loop_finish(pn_loop *l);

/** Run on the calling thread until pn_loop_finish(). */
void pn_loop_run(pn_loop *l);
/** Close the handles, run the loop dry; *l becomes NULL and may be NULL. Nobody else may
 * use it any more. Other handles on pn_loop_uv() must have been closed. */
void pn_loop_free(pn_loop **l);

#endif
