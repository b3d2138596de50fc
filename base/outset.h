/** @file outset.h  Files that belong together: written side by side, named when all are
 * safe. */
#ifndef PN_BASE_OUTSET_H
#define PN_BASE_OUTSET_H

#include "base/file.h"

enum { PN_OUTSET_MAX = 3 };

/** Zeroed before its first use. */
typedef struct pn_outset {
    pn_outfile *files[PN_OUTSET_MAX];
    int n;
} pn_outset;

/** One more file, the set's to commit or abort.
 * @param f  lent until then
 * @return as pn_outfile_open */
PN_MUST_CHECK pn_status pn_outset_open(pn_outset *s, pn_outfile **f, const char *path,
                                       pn_err *err);
/** All bytes on the disk; nothing may be written from here on. */
PN_MUST_CHECK pn_status pn_outset_sync(pn_outset *s, pn_err *err);
/** Name them in the order they were opened: where the last one stands, all stand. The set
 * is empty afterwards in any case. */
PN_MUST_CHECK pn_status pn_outset_commit(pn_outset *s, pn_err *err);
/** Remove what was written. */
void pn_outset_abort(pn_outset *s);

#endif
