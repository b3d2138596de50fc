/** @file read_model.h  A model that was named on the command line. */
#ifndef PN_CLI_READ_MODEL_H
#define PN_CLI_READ_MODEL_H

#include "penult/graph.h"

typedef struct pn_model_files {
    const char *const *paths; /**< an ONNX file, or what convert takes */
    int n_paths;
    const char *const *shapes; /**< "[NAME=]C,H,W" each, of a checkpoint */
    int n_shapes;
} pn_model_files;

/** @return what pn_graph_read_onnx() and pn_convert() return */
PN_MUST_CHECK pn_status pn_cli_read_model(pn_graph **g, const pn_model_files *files,
                                          pn_err *err);

#endif
