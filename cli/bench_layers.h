/** @file bench_layers.h  Where the time of a measured case went. */
#ifndef PN_CLI_BENCH_LAYERS_H
#define PN_CLI_BENCH_LAYERS_H

#include <stdbool.h>

#include "engine/profile.h"
#include "penult/graph.h"

/** A profiled case: what pn_exec_layer_times() says of it, and its length by the clock.
 */
typedef struct pn_bench_profile {
    const pn_graph *g; /**< what was compiled */
    pn_layer_time *layers;
    int n;
    int batch;
    double batch_ms; /**< median */
    double busy_s;   /**< of all layers */
} pn_bench_profile;

/** Copy the times out of a profiled x, whose model must outlive them. PN_OK, PN_ENOMEM.
 */
PN_MUST_CHECK pn_status pn_bench_profile_take(pn_bench_profile *p, const pn_exec *x);
void pn_bench_profile_fini(pn_bench_profile *p);

/** On stdout: a table, or a JSON line a layer. PN_OK or PN_ENOMEM. */
PN_MUST_CHECK pn_status pn_bench_profile_print(const pn_bench_profile *p, bool json);

#endif
