/** @file compare.h  A model run on an array, its tensors held against other arrays. */
#ifndef PN_CLI_COMPARE_H
#define PN_CLI_COMPARE_H

#include "cli/difference.h"
#include "cli/read_model.h"
#include "model/npy.h"
#include "penult/graph.h"
#include "penult/model.h"

typedef struct pn_compare_opts {
    pn_model_files model;
    const char *input;    /**< path */
    const char **expects; /**< paths: .npy, or .npz whose entries are tensors' names */
    const char **tensors; /**< for the .npy in order, or a choice from an .npz */
    int n_expects, n_tensors;
    pn_cpu cpu;
    bool exact; /**< as in pn_model_opts */
    int threads;
} pn_compare_opts;

/** One tensor and what it should be. */
typedef struct pn_compared {
    int value; /**< of the graph */
    int tap;   /**< of the model */
    int file;  /**< of pn_compare.files */
    pn_npy_array want;
    void *memory; /**< what want lies in if that is not the file */
    pn_difference diff;
} pn_compared;

typedef struct pn_compare {
    pn_graph *graph;
    pn_model *model;
    pn_file **files; /**< the expected arrays' */
    pn_npz **npz;
    int n_files;
    pn_compared *tensors; /**< in the graph's order */
    int n_tensors, tensors_capacity;
    const char **skipped; /**< entries of an .npz that are no tensor; lent by npz */
    int n_skipped;
    int64_t n_images;
} pn_compare;

/**
 * Open, pair, run in batches and compare. Free *c whatever is returned; zero it before.
 * @return PN_EINVAL, PN_EMISMATCH for shapes that do not fit (all are listed), and what
 * reading the files and compiling the model return
 */
PN_MUST_CHECK pn_status pn_compare_run(pn_compare *c, const pn_compare_opts *o,
                                       pn_err *err);
void pn_compare_fini(pn_compare *c);
/** A tensor's shape with the images. */
pn_shape pn_compared_shape(const pn_compare *c, const pn_compared *t);

#endif
