/** @file show_fold.h  A model in as many rows as a screen has, if it can be. */
#ifndef PN_CLI_SHOW_FOLD_H
#define PN_CLI_SHOW_FOLD_H

#include "cli/layers.h"
#include "penult/graph.h"

/** More rows than these are folded. */
enum { PN_SCREEN_ROWS = 48 };

typedef enum pn_fold_how {
    PN_FOLD_NOTHING, /**< a row a node */
    /** Up to PN_SCREEN_ROWS nodes: nothing. Else the following one after the other, until
     * the rows are so few: stretches that repeat and are equal; lone stretches before
     * those, alike but for channels and strides; chains as in a picture; what stands
     * beside a run and is like it but for those; stretches that repeat but for those,
     * short ones first. */
    PN_FOLD_TABLE,
    /** As the table, but chains first of all: normalisations and activations go with the
     * node whose one output they alone read. */
    PN_FOLD_PICTURE,
} pn_fold_how;

typedef enum pn_fold_kind {
    PN_FOLD_LAYER, /**< one node */
    PN_FOLD_CHAIN, /**< nodes of which each but the first alone reads the one before */
    PN_FOLD_BLOCK, /**< `count` stretches alike */
} pn_fold_kind;

/** Nodes first .. first + length * count. */
typedef struct pn_fold_row {
    pn_fold_kind kind;
    int first, length;
    int count; /**< 1 unless it is a block, and then perhaps too */
} pn_fold_row;

/** Every node is in one row, rows are in the order of the nodes. */
typedef struct pn_fold {
    pn_fold_row *rows;
    int n;
} pn_fold;

/** PN_OK or PN_ENOMEM. */
PN_MUST_CHECK pn_status pn_fold_init(pn_fold *out, const pn_graph *g, pn_fold_how how);
void pn_fold_fini(pn_fold *f);

/**
 * What a row is called: a layer and a chain by their last tensor, blocks by what the
 * names of the first and of the last have in common: "stage3_unit2 .. stage3_unit36".
 * @return malloc'd; NULL when there is no memory
 */
char *pn_fold_name(const pn_graph *g, const pn_fold_row *row);

/** What is true of the operator at place `at` of every block of the n rows, which are
 * blocks of one sequence of operators. Into buf; returns buf. */
const char *pn_fold_operator(const pn_graph *g, const pn_fold_row *rows, int n, int at,
                             char buf[PN_OPERATOR_TEXT]);

/** The node whose first output is what the row makes. */
const pn_node *pn_fold_last(const pn_graph *g, const pn_fold_row *row);

#endif
