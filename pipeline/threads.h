/**
 * @file threads.h  What the threads of one run share, and what each of them does.
 *
 *   source --refs--> loop --+--> work queue --> workers --> done queue --> sink
 *          --bytes----------+                                                |
 *      ^------------------------- pool of empty batches <-------------------+
 *
 * Both queues have room for every batch there is, so that nobody ever waits to push: the
 * only waits are for an empty batch (source), for work (workers, sink) and for files
 * (loop). Winding down is therefore always the same: the pool is closed, the source ends,
 * and each later thread goes on popping until the queue in front of it is closed and
 * empty; after a failure it only puts the batches back.
 */
#ifndef PN_PIPELINE_THREADS_H
#define PN_PIPELINE_THREADS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "pipeline/loop.h"
#include "pipeline/pool.h"
#include "pipeline/progress.h"
#include "pipeline/queue.h"
#include "pipeline/runner.h"
#include "pipeline/stats.h"

typedef struct pn_runner {
    const pn_run_plan *plan; /* fixed before the threads start, as what follows */
    void *source_shared, *sink_shared, *transform_shared[PN_MAX_TRANSFORMS];
    pn_pool *pool;
    pn_queue *work, *done;
    pn_loop *loop;
    int n_threads; /* that take part in `ready` */

    pn_stats stats; /* atomic inside, as progress.total */
    pn_progress progress;
    atomic_int workers_left;   /* the last one out closes the done queue */
    atomic_bool drop_work;     /* batches before the sink are put back undone */
    atomic_bool sink_failed;   /* and so are those before it */
    atomic_bool stop_asked;    /* by a signal: no batch is begun any more */
    atomic_bool has_dropped;   /* a batch was put back undone */
    atomic_bool intake_closed; /* by a signal or a failure: nothing more is pulled */
    atomic_bool source_done;   /* it came to its end by itself */
    char *output; /* where the sink's work lies; the sink thread's until joined */
    atomic_bool stop_count;

    pthread_mutex_t lock;
    pthread_cond_t all_ready;
    int n_ready;  /* guarded by lock, as what follows */
    pn_err error; /* the first one */
} pn_runner;

/** Where a failure happened decides what may still be done. */
typedef enum pn_fault {
    PN_FAULT_SOURCE, /**< what was taken in is still done */
    PN_FAULT_WORK,   /**< what reached the sink is still committed */
    PN_FAULT_SINK,   /**< nothing more */
} pn_fault;

/** Note a failure (the first one wins), stop the intake. Takes the text of err. */
void pn_runner_fail(pn_runner *r, pn_fault where, const char *stage, pn_status st,
                    pn_err *err);
/** Was every item of the source brought to the sink? Final once the workers have ended.
 */
bool pn_runner_is_complete(pn_runner *r);
/** The intake ends: no more batches for the source. */
void pn_runner_stop_intake(pn_runner *r);
bool pn_runner_has_failed(pn_runner *r);
/** Nobody works before everybody started; a thread that could not be made counts too. */
void pn_runner_ready(pn_runner *r, int n, bool wait);

/** Thread bodies; the argument is the pn_runner. */
void *pn_source_thread(void *runner);
void *pn_worker_thread(void *runner);
void *pn_sink_thread(void *runner);
void *pn_count_thread(void *runner);
/** For a thread that could not be made: what its end would have told the others. */
void pn_source_ended(pn_runner *r);
void pn_workers_ended(pn_runner *r, int n);

#endif
