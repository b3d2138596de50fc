/** @file graph_order.h  Bring a graph read from elsewhere into the order we promise. */
#ifndef PN_MODEL_GRAPH_ORDER_H
#define PN_MODEL_GRAPH_ORDER_H

#include "penult/graph.h"

#define PN_MAX_NAME_BYTES 65536 /**< of a value's name, without its NUL */

/** Sort the nodes topologically; an order that is one already is kept.
 *  @return PN_EFORMAT naming a node of a cycle, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_graph_sort(pn_graph *g, pn_err *err);

/** Set every value's producer after nodes have moved. */
void pn_graph_number_producers(pn_graph *g);

/** Give every Identity of a constant the constant's data, and drop the node: exporters
 * share weights that way. Nodes must be sorted. */
void pn_graph_fold_identities(pn_graph *g);

#endif
