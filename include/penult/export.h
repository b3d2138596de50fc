/** @file export.h  From a graph to the files that other frameworks open. */
#ifndef PENULT_EXPORT_H
#define PENULT_EXPORT_H

#include <stdbool.h>

#include "penult/graph.h"
#include "penult/status.h"

/**
 * Write the model in the format that the ending of `path` names.
 * A format of several files writes them side by side under the same stem. Each file
 * appears whole or not at all, and the one at `path` last: where it stands, all stand.
 * @return PN_EINVAL for another ending, PN_EUNSUPPORTED listing every node that the
 * format has no words for, PN_EIO, PN_EFULL, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_export(const pn_graph *g, const char *path, pn_err *err);

/** The same in two steps: files that are written and on the disk, but have no names. */
typedef struct pn_written pn_written;
/** @param out  the caller's, to commit or abort */
PN_MUST_CHECK pn_status pn_export_write(pn_written **out, const pn_graph *g,
                                        const char *path, pn_err *err);
/** Frees *w in any case. @return PN_EIO, PN_EFULL, PN_EEXIST */
PN_MUST_CHECK pn_status pn_export_commit(pn_written **w, pn_err *err);
/** *w may be NULL. */
void pn_export_abort(pn_written **w);
/** Whether what pn_export_write has made goes with the process, however that ends: else
 * nobody should take his time before the commit. */
bool pn_export_is_traceless(const char *path);

/**
 * What can be told before the work begins: whether the ending is known, and whether each
 * file that would be written may be: not a folder, none of the `inputs`, and not
 * somebody's file of the same ending that MMdnn's IR would take the place of.
 * @return PN_EINVAL listing the endings, or naming the input; PN_EEXIST
 */
PN_MUST_CHECK pn_status pn_export_check(const char *path, const char *const *inputs,
                                        int n_inputs, pn_err *err);

#endif
