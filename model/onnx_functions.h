/** @file onnx_functions.h  What the files that put a model's functions in line share. */
#ifndef PN_MODEL_ONNX_FUNCTIONS_H
#define PN_MODEL_ONNX_FUNCTIONS_H

#include "base/arena.h"
#include "model/onnx_read.h"

/** What a node or a function is called by. */
typedef struct pn_fn_key {
    pn_bytes name, domain, overload;
} pn_fn_key;

typedef struct pn_fn_def {
    pn_fn_key key;
    pn_bytes message;
    pn_onnx_list inputs, outputs, nodes;
    pn_onnx_list defaults; /**< AttributeProto */
    int64_t opset;         /**< 0: the model's */
    bool is_read, is_open; /**< open: its body is being put in line */
} pn_fn_def;

/** A node that calls a function. */
typedef struct pn_fn_call {
    pn_onnx_list inputs, outputs, attrs;
    const pn_fn_def *def;
    pn_onnx_list inner; /**< names of the body that are nobody's outside, some twice */
    pn_bytes prefix;    /**< those are "PREFIX/NAME" outside, and that is free */
} pn_fn_call;

/** A node of the result: in the file, or where the block will be. */
typedef struct pn_fn_piece {
    const unsigned char *at; /**< NULL: at `offset` of the block */
    size_t offset, size;
    pn_onnx_origin origin;
} pn_fn_piece;

typedef struct pn_fn_inliner {
    pn_onnx *o;
    pn_fn_def *defs; /**< sorted by key */
    size_t n_defs;
    pn_fn_piece *pieces;
    size_t n_pieces, pieces_capacity;
    pn_wire_out block;
    size_t left;
    int depth;
    void *taken;    /**< tsearch's tree of all names of the result so far */
    pn_arena names; /**< what the tree holds */
    size_t n_tried; /**< numbers given to prefixes */
} pn_fn_inliner;

/** Take from the budget. @return PN_EUNSUPPORTED where it does not suffice */
PN_MUST_CHECK pn_status pn_fn_spend(pn_fn_inliner *x, size_t cost);
/** A node of a function's body as it is for the caller: its names, its attributes. */
PN_MUST_CHECK pn_status pn_fn_write_node(pn_fn_inliner *x, const pn_fn_call *c,
                                         pn_bytes node, pn_wire_out *w);
/** An output of the function that is an input or another output by name: an Identity.
 * @param k  the output; w stays empty where it is a value of the body */
PN_MUST_CHECK pn_status pn_fn_write_alias(pn_fn_inliner *x, const pn_fn_call *c, size_t k,
                                          pn_wire_out *w);
/** What a value of the body is called outside. @param is_inner  it has no name there */
PN_MUST_CHECK pn_status pn_fn_outside(pn_fn_inliner *x, const pn_fn_call *c,
                                      pn_bytes name, pn_bytes *outside, bool *is_inner);
/** The names of the graph that calls: taken. */
PN_MUST_CHECK pn_status pn_fn_take_graph_names(pn_fn_inliner *x);
/** Fill c->inner and c->prefix, and take those names. */
PN_MUST_CHECK pn_status pn_fn_choose_prefix(pn_fn_inliner *x, pn_fn_call *c);
void pn_fn_names_fini(pn_fn_inliner *x);
PN_MUST_CHECK pn_status pn_fn_append(pn_fn_inliner *x, pn_onnx_list *list, pn_bytes b);
int pn_fn_compare_bytes(pn_bytes a, pn_bytes b);

#endif
