/**
 * @file write_lmdb.h  The result LMDB, written.
 *
 * Finished items wait in a log of at most commit_bytes and one item, and go into the
 * database in one synced transaction about once a second, or when the log is full. What
 * belongs to one image is in one transaction, and meta/counts always tells what is there.
 * Besides the log a commit takes memory for the pages it touches: about twice the log.
 *
 * With on_exists: error the result grows at its path. With overwrite it grows beside it
 * and takes its place when the run is complete; else the old one stays, and the new one
 * is kept as NAME.partial. A run that ends before its first commit leaves nothing.
 *
 * A full disk ends the run with PN_EFULL: what was committed stays and is whole. Ignore
 * SIGXFSZ in the program, or a file size limit kills it instead.
 */
#ifndef PN_STAGES_WRITE_LMDB_H
#define PN_STAGES_WRITE_LMDB_H

#include "penult/stage.h"

/** fields: path, on_exists, features */
typedef struct pn_write_lmdb_opts {
    char *path;    /**< output.path: the folder */
    int on_exists; /**< output.on_exists: 0 error, 1 resume, 2 overwrite */
    int features;  /**< output.features: 0 float32, 1 float16, 2 none */
    /* set by the runner's caller, JSON texts for `meta`, borrowed for the run: */
    const char *meta_config, *meta_model, *meta_labels, *meta_features;
    /* 0, the default, is right but in tests: */
    size_t first_map_bytes; /**< size of the map to begin with: 64 MiB */
    size_t commit_bytes;    /**< log size that makes a commit: 8 MiB */
} pn_write_lmdb_opts;

extern const pn_sink_ops pn_sink_write_lmdb;

#endif
