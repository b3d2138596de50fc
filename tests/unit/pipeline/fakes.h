/** @file fakes.h  A source, two transforms and a sink that count what is done to them and
 * fail, or send a signal, where they are told to. */
#ifndef PN_TESTS_FAKES_H
#define PN_TESTS_FAKES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "pipeline/runner.h"

typedef enum fake_stage {
    FAKE_SOURCE,
    FAKE_FIRST,
    FAKE_SECOND,
    FAKE_SINK,
    FAKE_STAGES
} fake_stage;
/** What is called; WORK is pull, apply or push. */
typedef enum fake_call {
    FAKE_OPEN,
    FAKE_START,
    FAKE_WORK,
    FAKE_IDLE,
    FAKE_FINISH,
    FAKE_STOP,
    FAKE_CLOSE,
    FAKE_CALLS
} fake_call;

#define FAKE_MAX_ITEMS 4096

/** One run: what shall happen above, what did below. All stages' opts. */
typedef struct fake_run {
    struct fake_run *self; /**< opts are const on their way through the runner */
    int n_items;           /**< the source has */
    bool refs;             /**< it yields references to `path`, not bytes */
    const char *path;
    int every_bad;       /**< each such item fails in the first transform; 0: none */
    fake_stage at_stage; /**< the call at which something happens, from 1; 0: none */
    fake_call at_call;
    int at_nth;
    bool and_later;      /**< and at every later one */
    pn_status fail_with; /**< PN_OK: nothing fails */
    int signum;          /**< 0: no signal */
    pn_status (*on_pull)(struct fake_run *f, const atomic_bool *stop);
    void (*on_apply)(struct fake_run *f, pn_batch *b); /**< of the first transform */
    void (*on_push)(struct fake_run *f, const pn_batch *b);
    void *cookie;

    atomic_int calls[FAKE_STAGES][FAKE_CALLS];
    atomic_int n_pulled, n_begun, n_pushed, n_batches_pulled, n_batches_pushed,
        most_batches;
    int workers; /**< of the plan: set to check that nobody works early */
    atomic_int n_started, early_work;
    atomic_int work_after_failure; /**< calls to a stage that had failed */
    atomic_bool failed[FAKE_STAGES];
    bool complete; /**< as finish() was told */
    pn_counts counts;
    atomic_uchar pushed[FAKE_MAX_ITEMS]; /**< how often, by the number in the key */
    atomic_int wrong_items;              /**< whose seq, key or bytes are not their own */
} fake_run;

/** A plan over the four fakes: 2 workers, batches of 3, 4 reads in flight. f->refs is set
 * before, the rest may be after. */
void fake_plan(pn_run_plan *plan, fake_run *f);
/** All zero but n_items; do not move f afterwards. */
void fake_run_init(fake_run *f, int n_items);
/** What must hold after any run whatever happened; false, and why on stderr. */
bool fake_run_holds(fake_run *f, pn_status st, const pn_run_summary *s);

#endif
