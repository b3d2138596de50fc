/** @file walk_ahead.h  The double-precision walk beside the engine: told how the engine
 * sums, and a layer ahead of it, on a thread of its own if it has a share. */
#ifndef PN_ENGINE_WALK_AHEAD_H
#define PN_ENGINE_WALK_AHEAD_H

#include <pthread.h>

#include "engine/net.h"
#include "engine/oracle/walk64.h"

/** All but m and w zeroed. Its functions are one thread's. */
typedef struct pn_ahead {
    const struct pn_model *m; /**< lent, as is w */
    pn_walk64 *w;
    const pn_layer *layer; /**< that it walks to */
    pthread_t thread;
    bool is_running; /**< `thread` is, and st and err are its own */
    pn_status st;
    pn_err err;
} pn_ahead;

/** The graph's value in a tensor; PN_NONE: it has none, or `tensor` is PN_NONE. */
int pn_ahead_value(const struct pn_model *m, int tensor);
/** Before the first step: what bounds must know of the engine; and all that a layer reads
 * or writes is kept for it ... */
void pn_ahead_tell(const struct pn_model *m, pn_walk64 *w);
/** ... until it is dropped, once, between pn_ahead_end() and pn_ahead_begin(). */
void pn_ahead_drop(const struct pn_model *m, pn_walk64 *w, int layer);

/** Walk to all that a layer (there may be none of that number) reads or writes. Until
 * pn_ahead_end() the walk is the thread's, but for values that earlier layers keep. */
void pn_ahead_begin(pn_ahead *a, int layer);
/** Help it, wait. @return what pn_walk64_reach() does; PN_END where the numbers have left
 * float's range */
PN_MUST_CHECK pn_status pn_ahead_end(pn_ahead *a, pn_err *err);
/** Wait, if it is under way; before the walk or the model is freed. */
void pn_ahead_fini(pn_ahead *a);

#endif
