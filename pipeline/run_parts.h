/** @file run_parts.h  What run.c is made of besides itself. */
#ifndef PN_PIPELINE_RUN_PARTS_H
#define PN_PIPELINE_RUN_PARTS_H

#include "pipeline/run.h"

/** JSON texts for the result's `meta`; malloc'd. */
typedef struct pn_run_meta {
    char *config, *model, *labels, *features;
} pn_run_meta;

/** `dtype` is how the features are stored ("float32", "none", ...).
 * @return PN_ENOMEM, PN_EFORMAT */
PN_MUST_CHECK pn_status pn_run_meta_init(pn_run_meta *m, const pn_config *c,
                                         const pn_network *net, const char *dtype,
                                         pn_err *err);
void pn_run_meta_fini(pn_run_meta *m);

/** Open the source, and count its items if that takes no more than a moment. */
PN_MUST_CHECK pn_status pn_run_look_at_input(const pn_config *c, pn_run_info *info,
                                             pn_err *err);
/** Whether the output may be made where it is wanted; makes nothing. */
PN_MUST_CHECK pn_status pn_run_look_at_output(const pn_config *c, pn_err *err);
/** threads and batch of a config; the input has been looked at. */
void pn_run_decide(const pn_config *c, pn_run_info *info);

#endif
