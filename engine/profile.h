/** @file profile.h  Where a run's time goes, layer by layer; for benchmarks. */
#ifndef PN_ENGINE_PROFILE_H
#define PN_ENGINE_PROFILE_H

#include "penult/model.h"

typedef struct pn_layer_time {
    const char *name; /**< lent by the model */
    const char *op;
    int node;       /**< of the graph; of fused ones the one with the weights */
    pn_shape shape; /**< of one image's output */
    double busy_s;  /**< wall clock, summed over the runs since profiling began */
} pn_layer_time;

/** Time every layer from the next run on. @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_exec_profile(pn_exec *x);
/** The times of layers first .. first + n. Of a team they are a sample, its first
 * thread's: where images go through several layers alone, the others' images are not in
 * it.
 * @return the number of layers there are */
int pn_exec_layer_times(const pn_exec *x, int first, pn_layer_time *out, int n);

#endif
