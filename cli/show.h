/** @file show.h  What `penult show` can show. */
#ifndef PN_CLI_SHOW_H
#define PN_CLI_SHOW_H

#include <stdbool.h>

#include "cli/command.h"

typedef struct pn_show_opts {
    const char *path;
    const char *key; /**< a result's record; NULL: the first */
    bool json;
} pn_show_opts;

PN_MUST_CHECK pn_status pn_show_model(const pn_show_opts *o, pn_err *err);
PN_MUST_CHECK pn_status pn_show_result(const pn_show_opts *o, pn_err *err);

#endif
