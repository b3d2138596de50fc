/** @file read_lmdb.h  Images from an LMDB: image files or Caffe's Datum as values. */
#ifndef PN_STAGES_READ_LMDB_H
#define PN_STAGES_READ_LMDB_H

#include "penult/stage.h"

/** fields: path, format, database */
typedef struct pn_read_lmdb_opts {
    char *path;     /**< input.path: a folder with data.mdb, or a single file */
    int format;     /**< input.format: a pn_value_format */
    char *database; /**< input.database: a named sub-database; NULL or "": the main one */
} pn_read_lmdb_opts;

extern const pn_source_ops pn_source_read_lmdb;

#endif
