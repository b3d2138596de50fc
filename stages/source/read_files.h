/** @file read_files.h  A folder of images, or one image. */
#ifndef PN_STAGES_READ_FILES_H
#define PN_STAGES_READ_FILES_H

#include <stdbool.h>

#include "penult/stage.h"

/** fields: path, extensions, recursive, on_duplicate */
typedef struct pn_read_files_opts {
    char *path;        /**< a folder, or one file, which is taken whatever its name */
    char **extensions; /**< NULL-terminated, any case, leading dot allowed; NULL or
                          "all": every file */
    bool recursive;    /**< also folders in the folder */
    int on_duplicate;  /**< 0: error; paths are unique, so it has nothing to decide */
} pn_read_files_opts;

/**
 * Yields references whose key is the path below `path` ('/' between, any bytes), in the
 * order of the keys' bytes. Skipped: names that begin with a dot, other extensions.
 * Links are followed, except from a folder back into one that holds it. A sub-folder that
 * cannot be listed is a failed item of its own, its key ending in '/'. No file at all is
 * PN_ENOENT at the end.
 */
extern const pn_source_ops pn_source_read_files;

#endif
