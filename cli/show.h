/** @file show.h  What `penult show` can show. */
#ifndef PN_CLI_SHOW_H
#define PN_CLI_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/layers.h"
#include "cli/read_model.h"
#include "cli/show_fold.h"
#include "penult/model.h"

typedef enum pn_show_form {
    PN_SHOW_TEXT,
    PN_SHOW_JSON,
    PN_SHOW_DOT,
    PN_SHOW_SVG,
} pn_show_form;

typedef struct pn_show_opts {
    pn_model_files files; /**< or one path, a result's */
    const char *key;      /**< a result's record; NULL: the first */
    pn_show_form form;
    const char *output;     /**< of a picture; NULL: stdout */
    bool all;               /**< every layer, nothing folded */
    bool memory;            /**< compile it and tell what a run takes */
    bool exact;             /**< for `memory`: as in pn_model_opts */
    int64_t batch, threads; /**< for `memory` */
} pn_show_opts;

/** What a run of the model takes beside the images. */
typedef struct pn_run_memory {
    pn_cpu cpu;            /**< whose kernels */
    int64_t weight_bytes;  /**< packed, shared by all threads */
    int64_t scratch_bytes; /**< of a thread */
    int64_t image_bytes;   /**< a thread's tensors, for an image of its batch */
    int64_t total_bytes;   /**< all of it for the batch and threads that were asked for */
} pn_run_memory;

/** What the forms of a model are made of. */
typedef struct pn_shown_model {
    const pn_show_opts *o;
    pn_graph *g;
    pn_layer_costs costs;
    pn_fold fold;
    pn_run_memory run; /**< if o->memory */
} pn_shown_model;

PN_MUST_CHECK pn_status pn_show_model(const pn_show_opts *o, pn_err *err);
PN_MUST_CHECK pn_status pn_show_result(const pn_show_opts *o, pn_err *err);

PN_MUST_CHECK pn_status pn_show_text(const pn_shown_model *m);
PN_MUST_CHECK pn_status pn_show_json(const pn_shown_model *m);
/** Graphviz' language, UTF-8. PN_OK or PN_ENOMEM. */
PN_MUST_CHECK pn_status pn_show_dot(const pn_shown_model *m, FILE *to);
/** The picture that Graphviz's program makes of it. PN_EUNSUPPORTED where that is not
 * installed, and for more rows than it can place. */
PN_MUST_CHECK pn_status pn_show_picture(const pn_shown_model *m, pn_err *err);
/** Compile the model to learn it: as slow as the start of a run. */
PN_MUST_CHECK pn_status pn_run_memory_find(pn_run_memory *out, const pn_graph *g,
                                           const pn_show_opts *o, pn_err *err);

#endif
