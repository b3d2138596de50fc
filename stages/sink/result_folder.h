/**
 * @file result_folder.h  Where a result is built, and how it takes the place of an older
 * one.
 *
 * A new result grows at its path. One that replaces another grows in a sibling folder
 * `.NAME.new-XXXXXX` and trades places with the old one when it is complete, in one step
 * where the file system can; until then the old one stays as it is. A folder being
 * written is held by flock(), so that nobody takes it for a dead run's leftover. Nothing
 * is ever removed that is not a result of ours: a folder with data.mdb and lock.mdb only,
 * the first with our schema in it or with nothing at all.
 */
#ifndef PN_STAGES_RESULT_FOLDER_H
#define PN_STAGES_RESULT_FOLDER_H

#include <stdbool.h>

#include "penult/status.h"

typedef struct pn_result_folder pn_result_folder;

/**
 * May a result be made at `path`? Writes nothing.
 * @return PN_ECONFIG (no such parent folder), PN_EIO (it may not be written to),
 * PN_EEXIST naming the path (there is one, or with `overwrite` something that is no
 * result of ours, or that another run is writing)
 */
PN_MUST_CHECK pn_status pn_result_folder_check(const char *path, bool overwrite,
                                               pn_err *err);

/** The same check, then make the folder, empty and locked, and sweep up what dead runs
 * left beside it. @return also PN_EFULL */
PN_MUST_CHECK pn_status pn_result_folder_begin(pn_result_folder **out, const char *path,
                                               bool overwrite, pn_err *err);
/** Where it is: where to write, and after its end where it was put; NULL once discarded.
 * Lent until then, or until it is freed. */
const char *pn_result_folder_path(const pn_result_folder *f);
/** Make the names of the files in it durable. */
PN_MUST_CHECK pn_status pn_result_folder_sync(const pn_result_folder *f, pn_err *err);

/* One of three ends; nobody may have the files open. */
/** It is complete: it stands at its path from now on. On a failure it is kept as
 * pn_result_folder_keep() does. */
PN_MUST_CHECK pn_status pn_result_folder_publish(pn_result_folder *f, pn_err *err);
/** It is not: what was to be replaced stays, this one is kept as NAME.partial (one that
 * replaces nothing where it is), and the log says so. */
void pn_result_folder_keep(pn_result_folder *f);
/** Nothing in it is worth keeping. */
void pn_result_folder_discard(pn_result_folder *f);

/** Let go of the lock; *f becomes NULL and may be NULL. */
void pn_result_folder_free(pn_result_folder **f);

#endif
