/** @file op.h  What an operator of the graph may look like: inputs, outputs, attributes.
 */
#ifndef PN_MODEL_OP_H
#define PN_MODEL_OP_H

#include "penult/graph.h"

#define PN_MANY 0x7fffffff /**< no upper bound */

typedef struct pn_op_rule {
    int min_inputs,
        max_inputs; /**< a left-out optional input counts if another follows */
    int min_outputs, max_outputs;
    const char *attrs; /**< "NAME:KIND ..." with i, f, s, I (ints), F (floats) */
} pn_op_rule;

/** op is below PN_N_OPS. */
const pn_op_rule *pn_op_rule_of(pn_op op);
/** The kind the operator's attribute `name` must have. @return false: it has no such one
 */
bool pn_op_attr_kind(pn_op op, const char *name, pn_attr_kind *kind);

#endif
