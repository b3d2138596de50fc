/** @file infer.h  The stage that runs the model over a batch: top-k and features in one
 * pass. */
#ifndef PN_STAGES_INFER_H
#define PN_STAGES_INFER_H

#include <stdbool.h>

#include "penult/model.h"
#include "penult/preprocess.h"
#include "penult/stage.h"

typedef struct pn_infer_opts {
    const pn_model *model;           /**< borrowed for the run */
    const pn_preprocess *preprocess; /**< borrowed for the run */
    int max_batch;
    int threads;      /**< of each worker's pn_exec */
    int scores_tap;   /**< tap that ranks the classes */
    bool softmax;     /**< apply one to the scores */
    int features_tap; /**< -1: none */
    int top_k;
} pn_infer_opts;

extern const pn_transform_ops pn_transform_infer;

#endif
