/** @file import_mxnet_match.h  Weights whose names are not those of the symbol. */
#ifndef PN_MODEL_IMPORT_MXNET_MATCH_H
#define PN_MODEL_IMPORT_MXNET_MATCH_H

#include "model/import_mxnet_ops.h"

/** One search for which array each weight is. */
typedef struct pn_mx_match {
    const pn_mx_symbol *sym;
    const pn_mx_params *params;
    const pn_mx_want *wants; /**< in the order of the nodes; at least one */
    int n_wants;
    int *matched; /**< one a node of sym: set for each want to an index into the arrays */
    pn_err *err;
} pn_mx_match;

/** Some array of the file has the name of some variable of the symbol. */
bool pn_mx_names_meet(const pn_mx_symbol *s, const pn_mx_params *p);

/**
 * Where no name is the same: names that differ in front alone (Gluon's save_params, a net
 * exported anew), Gluon's structured names (pn_mx_match_layers), and files without names:
 * by the symbol's order of arguments, then of auxiliary states.
 * @return PN_OK, also where there is nothing to go by and `matched` says so with -1;
 * PN_EFORMAT listing what does not fit; PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_mx_match_weights(const pn_mx_match *m);

/**
 * Names like features.4.0.body.1.beta: by the layers' shapes and order.
 * @return PN_EFORMAT listing the layers that only one side has, or naming layers that are
 * ambiguous; PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_mx_match_layers(const pn_mx_match *m);

#endif
