/** @file layers.h  What each layer of a model makes, holds and costs. */
#ifndef PN_CLI_LAYERS_H
#define PN_CLI_LAYERS_H

#include "penult/graph.h"

/** Of one node, or summed over several. */
typedef struct pn_layer_cost {
    int64_t parameters;
    int64_t macs;         /**< an image */
    int64_t output_bytes; /**< of an image, as the engine computes: fp32 */
} pn_layer_cost;

typedef struct pn_layer_costs {
    pn_layer_cost *nodes; /**< one a node of the graph */
    pn_layer_cost total;
    int64_t weight_bytes;  /**< of all constants, as the file holds them */
    int64_t largest_bytes; /**< the largest output_bytes of a node */
} pn_layer_costs;

/** PN_OK or PN_ENOMEM. */
PN_MUST_CHECK pn_status pn_layer_costs_init(pn_layer_costs *out, const pn_graph *g);
void pn_layer_costs_fini(pn_layer_costs *c);
/** Of nodes first .. first + n. */
pn_layer_cost pn_layer_costs_sum(const pn_layer_costs *c, int first, int n);

/** Elements of a constant that were learned: arrays of real numbers. Scalars (the bounds
 * of a Clip, the border of a Pad) and integers (shapes) are the operators' own. 0 for
 * what is no constant. */
int64_t pn_value_parameters(const pn_value *v);

/** How much of an operator is told to a reader: each level says all that the one before
 * does. */
typedef enum pn_operator_detail {
    PN_OPERATOR_NAME,   /**< "Conv" */
    PN_OPERATOR_WINDOW, /**< "Conv 3x3", "Conv 5x5 dw" (a group a channel) */
    PN_OPERATOR_STRIDE, /**< "Conv 3x3/2", "MaxPool 2x2/2", "Conv 3x3 dilated 2" */
    PN_N_OPERATOR_DETAILS
} pn_operator_detail;
#define PN_OPERATOR_TEXT 96
/** Into buf; returns buf. */
const char *pn_operator_text(const pn_graph *g, const pn_node *n,
                             pn_operator_detail detail, char buf[PN_OPERATOR_TEXT]);
/** "Nx64x56x56", "?" while unknown. Into buf; returns buf. */
const char *pn_value_shape_text(const pn_value *v, char buf[PN_SHAPE_TEXT]);

#endif
