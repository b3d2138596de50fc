/** @file lmdb_check.h  Is this file an LMDB whose pages stay inside it? */
#ifndef PN_STAGES_LMDB_CHECK_H
#define PN_STAGES_LMDB_CHECK_H

#include <stdint.h>

#include "penult/status.h"

/** Tree pages looked at, at most: 4 GiB of 4 KiB pages. Values of more than half a page
 * lie outside the tree, so this covers databases of images far beyond any disk. */
#define PN_LMDB_MAX_CHECKED_PAGES (UINT64_C(1) << 20)

/**
 * Check both meta pages of the file: magic, version, page size, page numbers inside the
 * file. After that mdb_env_open() does not crash on it.
 * @param fd          read with pread() only
 * @param size_bytes  out: the file's size
 * @return PN_EFORMAT, PN_EIO
 */
PN_MUST_CHECK pn_status pn_lmdb_check_meta(int fd, const char *path, uint64_t *size_bytes,
                                           pn_err *err);

/**
 * Check every branch and leaf page of the snapshot `txnid`, named sub-databases included:
 * kinds, offsets, key and value sizes, overflow runs, depth. The caller holds a read
 * transaction of that snapshot.
 * @return PN_EFORMAT, PN_AGAIN if the snapshot's meta page was overwritten meanwhile,
 * PN_EIO, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_lmdb_check_tree(int fd, const char *path, uint64_t txnid,
                                           pn_err *err);

#endif
