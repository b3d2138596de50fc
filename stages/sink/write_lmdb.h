/** @file write_lmdb.h  The result LMDB, written. */
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
} pn_write_lmdb_opts;

extern const pn_sink_ops pn_sink_write_lmdb;

#endif
