/** @file file.h  Files read whole by mapping, and files written so that they appear at
 * once. */
#ifndef PN_BASE_FILE_H
#define PN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "penult/status.h"

/** A file mapped read-only. Whoever truncates it meanwhile kills us with SIGBUS, as with
 * any mapping. */
typedef struct pn_file {
    char *path;
    const unsigned char *data; /**< not NULL, even for an empty file */
    size_t size;               /**< bytes */
} pn_file;

/** @return PN_ENOENT (missing, a folder, or no permission), PN_EIO, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_file_open(pn_file **out, const char *path, pn_err *err);
/** A file that another file names, as a path relative to its own folder: no absolute
 * path, no "..", no symbolic link on the way, a regular file. Its `path` is `name`.
 * @return PN_EFORMAT for a name that breaks these rules, else as pn_file_open */
PN_MUST_CHECK pn_status pn_file_open_beside(pn_file **out, const char *beside,
                                            const char *name, pn_err *err);
void pn_file_close(pn_file **f);

/** Whether both paths lead to one and the same thing that is there. */
bool pn_file_is_same(const char *a, const char *b);

/** The status for an errno of a file operation. */
pn_status pn_status_of_errno(int error);
/** "WHAT PATH: errno's text"; what goes wrong with an output is never the input's fault.
 * @return PN_EFULL, PN_ENOMEM, PN_EEXIST, else PN_EIO */
pn_status pn_output_fail(pn_err *err, const char *what, const char *path, int error);
/** What the process's umask is; any thread may ask. (umask(2) can only be asked by
 * changing it, for all threads.) */
mode_t pn_umask(void);
/** Make the names in a folder durable. @return PN_EIO */
PN_MUST_CHECK pn_status pn_folder_sync(const char *path, pn_err *err);

/** A file under construction beside its final path. */
typedef struct pn_outfile pn_outfile;

/** Whether a file beside `path` goes with the process, however that ends, as long as it
 * is under construction. */
bool pn_outfile_is_traceless(const char *path);
/** @return PN_EIO, PN_EFULL, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_outfile_open(pn_outfile **out, const char *path, pn_err *err);
PN_MUST_CHECK pn_status pn_outfile_write(pn_outfile *f, const void *data, size_t size,
                                         pn_err *err);
/** All bytes on the disk; nothing may be written from here on. */
PN_MUST_CHECK pn_status pn_outfile_sync(pn_outfile *f, pn_err *err);
/** Sync it, if that is not done, rename over the final path, fsync the folder; frees *f
 * in any case. */
PN_MUST_CHECK pn_status pn_outfile_commit(pn_outfile **f, pn_err *err);
/** The same for several in one folder: none gets its name before all are on the disk, and
 * then one after the other, the last one last. Where one cannot have it, those that
 * replaced nothing are removed again. Frees all in any case. */
PN_MUST_CHECK pn_status pn_outfiles_commit(pn_outfile **files, int n, pn_err *err);
/** Remove what was written; *f may be NULL. */
void pn_outfile_abort(pn_outfile **f);

#endif
