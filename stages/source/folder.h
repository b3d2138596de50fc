/** @file folder.h  The names of one folder, packed and sorted. */
#ifndef PN_STAGES_FOLDER_H
#define PN_STAGES_FOLDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "penult/status.h"

/** Zero-initialise it. About 9 bytes a name more than the name. */
typedef struct pn_folder {
    char *bytes; /**< a name each: 'd' (folder) or 'f', the name, a NUL */
    size_t n_bytes, bytes_capacity;
    uint64_t *offsets; /**< into bytes, n of them */
    size_t n, offsets_capacity;
    dev_t dev; /**< who it is, to tell a cycle */
    ino_t ino;
} pn_folder;

/** Which names a listing keeps; names that begin with a dot it never does. */
typedef struct pn_folder_filter {
    const char *const *extensions; /**< without dot, any case; NULL: every file */
    bool wants_folders;
    uint64_t *n_files; /**< not NULL: count the files there instead of keeping them */
    const atomic_bool *stop; /**< may be NULL; true: give up, PN_ESTOPPED */
} pn_folder_filter;

/**
 * List the folder at `path`, in directory order.
 * @param error  the errno of PN_EIO: what could be listed until then is in f
 * @return PN_EIO (cannot be opened or read), PN_ENOMEM, PN_ESTOPPED
 */
PN_MUST_CHECK pn_status pn_folder_read(pn_folder *f, const char *path,
                                       const pn_folder_filter *filter, int *error);
/** Into the order of the whole paths' bytes: a folder stands where "name/" would. */
void pn_folder_sort(pn_folder *f);
/** Entry i's name; is_folder may be NULL. Lent until the folder changes. */
const char *pn_folder_name(const pn_folder *f, size_t i, bool *is_folder);
void pn_folder_fini(pn_folder *f);

/** Does the name end in a dot and one of the extensions (any case)? NULL: always. */
bool pn_has_extension(const char *name, const char *const *extensions);

#endif
