/**
 * @file blocks.h  What repeats in a graph: stretches of nodes that follow each other and
 * are alike in operators, attributes and wiring. ResNet's units are the classic case.
 */
#ifndef PN_MODEL_BLOCKS_H
#define PN_MODEL_BLOCKS_H

#include "penult/graph.h"

/** `count` blocks of `length` nodes, one behind the other, from node `first` on. */
typedef struct pn_block_run {
    int first, length;
    int count; /**< at least 2 */
} pn_block_run;

typedef struct pn_block_runs {
    pn_block_run *items; /**< by `first`; no node is in two of them */
    int n;
} pn_block_runs;

typedef enum pn_likeness {
    PN_ALIKE_EQUAL, /**< also attributes' values, and the shapes of weights and outputs */
    PN_ALIKE_KIND,  /**< channels, strides and other numbers may differ */
} pn_likeness;

/**
 * One number a node: two nodes have the same if operator, attributes and constants are
 * alike as `likeness` says, and what they read was made equally many nodes before them.
 * Shapes known. The names and the elements of weights never matter; those of limits, axes
 * and target shapes do in PN_ALIKE_EQUAL.
 * @param out  g->n_nodes numbers, malloc'd
 * @return PN_OK or PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_block_kinds(int **out, const pn_graph *g,
                                       pn_likeness likeness);

/**
 * The runs of nodes of a graph, see pn_sequence_runs.
 * @param kinds  one number a node, equal for nodes that are alike: see pn_block_kinds
 * @param max_length  longest block looked for, at least 1
 * @return PN_OK or PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_block_runs_find(pn_block_runs *out, const pn_graph *g,
                                           const int *kinds, int max_length);

/** Nodes, or what somebody made of them. */
typedef struct pn_sequence {
    int n;
    const int *kinds;
    const int *last_use; /**< the last element that reads it; n: something else does */
    const char *const *names; /**< NULL: it has no weights */
} pn_sequence;

/**
 * The runs of a sequence, those that save most elements first where two overlap. Of the
 * ways to cut a run (one unit may as well begin in the middle of another) it is the one
 * with the fewest values passed from block to block, then the one whose names have more
 * in common, then one that begins with weights.
 * @return PN_OK or PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_sequence_runs(pn_block_runs *out, const pn_sequence *s,
                                         int max_length);
void pn_block_runs_fini(pn_block_runs *r);

#endif
