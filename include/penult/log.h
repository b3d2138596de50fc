/** @file log.h  One line a message, to stderr unless someone else listens. */
#ifndef PENULT_LOG_H
#define PENULT_LOG_H

#include <stdbool.h>

#include "penult/status.h"

typedef enum pn_log_level {
    PN_LOG_ERROR,
    PN_LOG_WARN,
    PN_LOG_INFO,
    PN_LOG_DEBUG
} pn_log_level;

/** Receives whole lines without newline; called by any thread, one at a time. */
typedef void pn_log_fn(void *cookie, pn_log_level level, const char *line);

/** Set before threads start: messages above `level` are dropped; fn NULL means stderr. */
void pn_log_setup(pn_log_level level, pn_log_fn *fn, void *cookie);

/** While a line that is rewritten stands on the terminal: messages wipe it first. */
void pn_log_over_line(bool on);

void pn_log(pn_log_level level, const char *fmt, ...) PN_PRINTF(2, 3);

#endif
