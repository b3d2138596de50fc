/** @file export.h  From a graph to the files that other frameworks open. */
#ifndef PENULT_EXPORT_H
#define PENULT_EXPORT_H

#include <stdbool.h>

#include "penult/graph.h"
#include "penult/status.h"

/**
 * Write the model in the format that the ending of `path` names.
 * A format of several files writes them side by side under the same stem: none gets its
 * name before all are on the disk, the one at `path` last.
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
 * file that would be written may be: its folder lets it be made, no folder and none of
 * the `inputs` has its name, and unless `replaces_all` no file that we have not written.
 * @return PN_EINVAL listing the endings, or naming the input; PN_EEXIST, listing the
 * files; PN_EIO, PN_EFULL, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_export_check(const char *path, const char *const *inputs,
                                        int n_inputs, bool replaces_all, pn_err *err);

#endif
