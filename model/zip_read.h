/** @file zip_read.h  The entries of a zip archive, by its central directory. */
#ifndef PN_MODEL_ZIP_READ_H
#define PN_MODEL_ZIP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file.h"
#include "penult/status.h"

typedef struct pn_zip_entry {
    const char *name; /**< UTF-8, unique in the archive, not empty */
    bool is_deflated;
    uint32_t crc32;
    const unsigned char *stored;       /**< in the mapped file, as it lies there */
    uint64_t stored_bytes, size_bytes; /**< of stored, and of what it holds */
} pn_zip_entry;

typedef struct pn_zip {
    int n;
    pn_zip_entry *entries; /**< in the directory's order */
    const char *path;      /**< the file's, for messages */
    pn_arena arena;
} pn_zip;

/**
 * Read the directory and hold it against the file: every entry lies wholly in it, agrees
 * with its own header, and shares no byte with another; zip64 as well. What the
 * compressed entries claim to hold is bounded by the size of the file. `file` must
 * outlive *out.
 * @return PN_EFORMAT, PN_EUNSUPPORTED (encrypted, split, another compression), PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_zip_open(pn_zip **out, const pn_file *file, pn_err *err);
void pn_zip_close(pn_zip **z);
/** An entry's bytes, checked by its CRC: those of the file if it is stored (*memory is
 * NULL then), else inflated into *memory (free() after use). */
PN_MUST_CHECK pn_status pn_zip_read(const pn_zip *z, int i, const unsigned char **data,
                                    void **memory, pn_err *err);

#endif
