/** @file convert.h  From an MXNet checkpoint (or an ONNX file) to a graph with its
 * metadata. */
#ifndef PENULT_CONVERT_H
#define PENULT_CONVERT_H

#include "penult/graph.h"
#include "penult/preprocess.h"
#include "penult/status.h"

/** Work that pn_convert() may leave over: the digest of the file the weights lie in. */
typedef struct pn_digest {
    const void *data; /**< lent by the graph */
    size_t size;
    char *hex; /**< in the graph's PN_META_SOURCE: zeros until it is made */
} pn_digest;

/** Another thread may do it while the graph is read, but for PN_META_SOURCE. */
void pn_digest_make(const pn_digest *d);

typedef struct pn_convert_opts {
    const char *const
        *inputs; /**< paths, told apart by content: symbol JSON, .params, .onnx */
    int n_inputs;
    const char *labels;     /**< synset file, one line a class; NULL: none */
    const char *preprocess; /**< YAML record; NULL: see preset */
    const char *preset;     /**< "tutorial", "mxnet-resnet"; NULL: no record */
    const char
        *features; /**< value name; NULL: the default rule, "none": no feature tensor */
    const char *scores; /**< "softmax", "as-is"; NULL: by the last operator */
    const char *const *input_shapes; /**< "[NAME=]C,H,W" each */
    int n_input_shapes;
    pn_digest *digest; /**< NULL: nothing is left over */
} pn_convert_opts;

/**
 * Import, check, infer shapes, fill the metadata (labels, preprocessing, features,
 * scores, source digests) and add the feature tensor to the outputs. What was chosen on
 * the user's behalf is said through pn_log(PN_LOG_INFO).
 * @param out  the caller's; keeps the weight files mapped
 * @return PN_ENOENT, PN_EFORMAT, PN_EUNSUPPORTED (all operators with their nodes),
 * PN_EINVAL (a flag), PN_ECONFIG (the record), PN_EMISMATCH (labels != outputs: shows
 * both numbers), PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_convert(pn_graph **out, const pn_convert_opts *opts,
                                   pn_err *err);

/** Lines of PN_META_LABELS. */
typedef struct pn_labels {
    char **lines; /**< "n02041246 gull"; n of them */
    size_t n;
    char *text; /**< what lines point into */
} pn_labels;

/** From a model's metadata; n is 0 if it has none. Check n against the outputs yourself.
 */
PN_MUST_CHECK pn_status pn_labels_of_graph(pn_labels *out, const pn_graph *g,
                                           pn_err *err);
/** From a file: UTF-8, one class a line, CR LF allowed, no empty line inside. */
PN_MUST_CHECK pn_status pn_labels_read(pn_labels *out, const char *path, pn_err *err);
void pn_labels_fini(pn_labels *l);

#endif
