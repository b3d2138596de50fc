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

/** For the walker: all tasks 0 .. n - 1; returns when they are done. s NULL: by the
 * caller alone, as when nobody helps. @return PN_OK, or what a task returned: those
 * behind it are not begun then */
PN_MUST_CHECK pn_status pn_share_run(pn_share *s, pn_share_task *f, void *arg, int64_t n);

/** For the thread that will help, before it creates the walker's: from here on there is a
 * walk to help with. If that thread cannot be had, nothing need be undone. */
void pn_share_begin(pn_share *s);
/** For the walker, when it has made its last pn_share_run(): there is nothing more. */
void pn_share_end(pn_share *s);
/** For the thread that began: take tasks off the walker; returns behind its
 * pn_share_end(), at once if that has been. Without a walker it would wait for ever. What
 * a task returns, the walker gets. */
void pn_share_help(pn_share *s);

#endif
