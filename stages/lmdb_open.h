/**
 * @file lmdb_open.h  Somebody's LMDB, opened for reading after its pages were looked at.
 *
 * liblmdb trusts what it maps: a page number past the end of the file is a SIGBUS, a
 * damaged page header a crash. So the meta pages are checked before liblmdb sees the
 * file, and the tree is checked before anybody walks it.
 */
#ifndef PN_STAGES_LMDB_OPEN_H
#define PN_STAGES_LMDB_OPEN_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "penult/status.h"

/** One snapshot of one file. A process may have a file open once only (LMDB's rule). */
typedef struct pn_lmdb {
    MDB_env *env;
    MDB_txn *txn; /**< read-only, for one thread at a time; the snapshot lasts, and keeps
                     its pages from being reused by a writer, until pn_lmdb_close() */
    char *path;   /**< as given */
} pn_lmdb;

/**
 * Open a folder with data.mdb, or a single file. Where no lock file can be made
 * (read-only media, somebody else's folder) it is read without locks.
 * @param l       zeroed; on a failure left zeroed
 * @param max_dbs named sub-databases that will be opened
 * @return PN_ENOENT, PN_EFORMAT naming the page and the rule, PN_EIO, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_lmdb_open(pn_lmdb *l, const char *path, unsigned max_dbs,
                                     pn_err *err);
/**
 * Give the lock file its room on disk before LMDB maps it: LMDB makes it with a hole, and
 * on a full disk the first touch of a hole kills the process with SIGBUS.
 * @return 0 or an errno
 */
int pn_lmdb_reserve_lock(const char *path, bool is_folder);
/** May be zeroed; is zeroed afterwards. */
void pn_lmdb_close(pn_lmdb *l);

/** The status and text for a code of liblmdb that is not 0: "WHAT PATH: reason". */
pn_status pn_lmdb_fail(pn_err *err, int rc, const char *what, const char *path);

#endif
