/** @file share.h  Tasks of a walk, shared by the thread that walks and one that would
 * wait for it. */
#ifndef PN_ENGINE_ORACLE_SHARE_H
#define PN_ENGINE_ORACLE_SHARE_H

#include <stdint.h>

#include "penult/status.h"

typedef struct pn_share pn_share;

/** One of several tasks, in any order and on any thread. */
typedef pn_status pn_share_task(void *arg, int64_t task);

/** @return NULL: out of memory, or of what a lock takes */
pn_share *pn_share_new(void);
/** Nobody may be walking or helping; *s may be NULL. */
void pn_share_free(pn_share **s);

/** All tasks 0 .. n - 1; returns when they are done. s NULL: by the caller alone.
 * @return PN_OK, or what a task returned: the others are not begun then */
PN_MUST_CHECK pn_status pn_share_run(pn_share *s, pn_share_task *f, void *arg, int64_t n);

/** Between these two, the first by who starts the walker and the second by the walker ...
 */
void pn_share_begin(pn_share *s);
void pn_share_end(pn_share *s);
/** ... another thread takes tasks off it, and comes back after the end. */
void pn_share_help(pn_share *s);

#endif
