/** @file network.h  A model file made ready to label images: compiled, with its record,
 * labels and taps. */
#ifndef PN_PIPELINE_NETWORK_H
#define PN_PIPELINE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha256.h"
#include "penult/convert.h"
#include "penult/model.h"
#include "penult/preprocess.h"
#include "pipeline/config.h"

typedef struct pn_network_opts {
    const char *path;       /**< ONNX file */
    const char *preprocess; /**< YAML record instead of the model's; NULL */
    const char *labels;     /**< synset file instead of the model's; NULL */
    const char *features;   /**< value name; NULL or "": the model's; "none": none */
    pn_scores_choice scores;
    pn_cpu cpu;
    bool exact;            /**< as in pn_model_opts */
    bool without_features; /**< nobody wants the feature tensor */
    bool with_digest;      /**< fill sha256: reads the whole file once */
} pn_network_opts;

typedef struct pn_network {
    char *path;
    pn_model *model;
    pn_model_info info;
    pn_preprocess preprocess;
    pn_labels labels; /**< n is 0 (the model has none) or the number of classes */
    size_t classes;
    int scores_tap;
    bool softmax;     /**< the scores want one */
    int features_tap; /**< -1: none */
    size_t n_features;
    char *features_name; /**< NULL: none */
    char *source; /**< JSON array of what the model was converted from; NULL: unknown */
    int64_t file_bytes;
    char sha256[PN_SHA256_HEX]; /**< of the file; "" unless asked for */
} pn_network;

/**
 * Read, check and compile.
 * @return what pn_graph_read_onnx() and pn_model_compile() return; PN_ECONFIG if there is
 * no preprocessing record or it does not fit, or no such feature tensor; PN_EMISMATCH if
 * labels and outputs differ in number; PN_EUNSUPPORTED if the model is no classifier of
 * three-channel images
 */
PN_MUST_CHECK pn_status pn_network_open(pn_network **out, const pn_network_opts *opts,
                                        pn_err *err);
/** *n becomes NULL and may be NULL; no pn_exec of its model may be alive. */
void pn_network_free(pn_network **n);

#endif
