/**
 * @file onnx_read.h  What the parts of the ONNX reader share.
 *
 * onnx_read.c walks model and graph, onnx_read_node.c parses one node, onnx_read_tensor.c
 * one tensor, onnx_read_external.c what lies beside the model, onnx_read_functions.c puts
 * a model's own functions in line, onnx_read_old.c turns a node of any opset into ours.
 * Nodes and tensors are kept as stretches of the file and parsed again when needed: a
 * file of a million empty nodes costs 16 bytes each.
 */
#ifndef PN_MODEL_ONNX_READ_H
#define PN_MODEL_ONNX_READ_H

#include <stdio.h>

#include "penult/graph.h"

#include "base/file.h"
#include "model/wire.h"

#define PN_ONNX_MAX_ITEMS 1000000 /**< nodes, tensors, inputs of a node, ... */
#define PN_ONNX_MAX_ATTRS 256     /**< of a node; the largest operator has nine */
#define PN_ONNX_MIN_OPSET 9
#define PN_ONNX_MAX_OPSET 28

/** AttributeProto.AttributeType */
typedef enum pn_onnx_kind {
    PN_ONNX_FLOAT = 1,
    PN_ONNX_INT = 2,
    PN_ONNX_STRING = 3,
    PN_ONNX_TENSOR = 4,
    PN_ONNX_FLOATS = 6,
    PN_ONNX_INTS = 7,
} pn_onnx_kind;

typedef struct pn_onnx_attr {
    pn_bytes name;
    int kind;     /**< a pn_onnx_kind, or another number of the format */
    bool dropped; /**< has been dealt with, is not for the graph */
    int64_t i;
    float f;
    pn_bytes s, tensor;
    size_t first, n; /**< elements in the node's ints or floats */
} pn_onnx_attr;

typedef struct pn_onnx_list {
    pn_bytes *items;
    size_t n, capacity;
} pn_onnx_list;

/** One NodeProto, parsed; names are UTF-8. Reused from node to node. */
typedef struct pn_onnx_node {
    pn_bytes name, op_type, domain;
    pn_onnx_list inputs, outputs;
    pn_onnx_attr *attrs;
    size_t n_attrs, attrs_capacity;
    int64_t *ints; /**< of all attributes */
    size_t n_ints, ints_capacity;
    float *floats;
    size_t n_floats, floats_capacity;
    int *ids; /**< input values, PN_NONE where left out */
    size_t n_ids, ids_capacity;
} pn_onnx_node;

/** Where a node came from, in a model with functions. */
typedef struct pn_onnx_origin {
    int64_t opset;
    pn_bytes function; /**< in whose body it was written; empty: in none */
} pn_onnx_origin;

typedef struct pn_onnx {
    pn_wire file; /**< the whole of it */
    pn_err *err;
    pn_graph *g;
    int64_t opset; /**< of the model, then of the node at hand */
    pn_bytes graph, graph_name;
    pn_onnx_list nodes, tensors, inputs, outputs, meta, functions;
    pn_onnx_origin *origins; /**< by node, where functions were put in line; else NULL */
    pn_onnx_node node;
    char *text; /**< the last pn_onnx_text() */
    size_t text_capacity;
    const char *path;  /**< of the model file; NULL: bytes in memory */
    pn_file **weights; /**< files of external data, open; the graph's in the end */
    size_t n_weights, weights_capacity;
    size_t n_narrowed; /**< tensors and inputs of other floats than float32 */
    int *softmaxes;    /**< outputs of nodes whose axis has the meaning before opset 13 */
    size_t n_softmaxes, softmaxes_capacity;
    FILE *refused; /**< text of what pn_onnx_refuse() was told */
    char *refused_text;
    size_t refused_size;
    int n_refused;
} pn_onnx;

/** pn_graph_read_onnx of bytes in memory, lent for the graph's life. */
PN_MUST_CHECK pn_status pn_onnx_read_bytes(pn_graph **out, const void *bytes, size_t size,
                                           pn_err *err);

/** pn_graph_read_onnx of a mapped file. @param file  the graph's on PN_OK */
PN_MUST_CHECK pn_status pn_onnx_read_file(pn_graph **out, pn_file *file, pn_err *err);

/** Room for element n of an array (a pointer to its pointer). @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_onnx_grow(void *array, size_t *capacity, size_t n,
                                     size_t element_bytes);
/** As a C string, valid until the next call; NULL when there is no memory. */
const char *pn_onnx_text(pn_onnx *o, pn_bytes b);
/** Counted from the file's beginning; of what was written anew, from its own: then
 * pn_onnx_in_function() has to say so. */
size_t pn_onnx_place(const pn_onnx *o, pn_bytes b);
/** Put the function that a node was written in before the error. @return st */
pn_status pn_onnx_in_function(pn_onnx *o, pn_bytes function, pn_status st);
/** To read the message b. */
pn_wire pn_onnx_wire(const pn_onnx *o, pn_bytes b, int depth);
/** An OperatorSetIdProto; of another domain than ONNX's: nothing. */
PN_MUST_CHECK pn_status pn_onnx_read_opset(pn_onnx *o, const pn_wire *outer,
                                           const pn_wire_field *field, int64_t *opset);
/** The model's own functions become nodes: o->nodes and o->origins anew. */
PN_MUST_CHECK pn_status pn_onnx_inline_functions(pn_onnx *o);
bool pn_bytes_are(pn_bytes b, const char *text);
/** Value of exactly that name; PN_NONE. */
int pn_onnx_find(pn_onnx *o, pn_bytes name);
/** May a new value be called so? @return PN_EFORMAT: empty, too long or taken */
PN_MUST_CHECK pn_status pn_onnx_check_name(pn_onnx *o, pn_bytes name, size_t place);
/** Note that the current node cannot be used; the reading goes on to find all. */
void pn_onnx_refuse(pn_onnx *o, const char *fmt, ...) PN_PRINTF(2, 3);

/** Parse into o->node. */
PN_MUST_CHECK pn_status pn_onnx_parse_node(pn_onnx *o, pn_bytes node);
void pn_onnx_node_fini(pn_onnx_node *n);
/** An attribute that is there and not dropped; NULL. */
pn_onnx_attr *pn_onnx_attr_of(pn_onnx *o, const char *name);

/** Is it a float that is computed as float32? */
bool pn_onnx_is_narrowed(int64_t dtype);
/** The operator of o->node in this opset; PN_N_OPS if there is none. */
pn_op pn_onnx_op(pn_onnx *o);
/** Softmax over several axes at once, as before opset 13: flat and back. Shapes are
 * inferred, and again behind it. */
PN_MUST_CHECK pn_status pn_onnx_flatten_softmaxes(pn_onnx *o);

/** ONNX's "external data": a stretch of a file beside the model. */
typedef struct pn_onnx_external {
    pn_bytes location;
    int64_t offset, length; /**< length -1: to the end */
} pn_onnx_external;
/** One StringStringEntryProto of external_data. */
PN_MUST_CHECK pn_status pn_onnx_read_external(pn_onnx *o, pn_onnx_external *x,
                                              pn_bytes entry);
/** Its bytes, lent for the graph's life. */
PN_MUST_CHECK pn_status pn_onnx_map_external(pn_onnx *o, const pn_onnx_external *x,
                                             pn_bytes *out);

/** A TensorProto as a constant; name NULL: its own. */
PN_MUST_CHECK pn_status pn_onnx_add_tensor(pn_onnx *o, pn_bytes tensor,
                                           const pn_bytes *name);
/** The constant that the Constant node o->node makes. */
PN_MUST_CHECK pn_status pn_onnx_add_constant_node(pn_onnx *o);
/** Add o->node, whose outputs are values already, in the form of opset 13. */
PN_MUST_CHECK pn_status pn_onnx_add_node(pn_onnx *o, pn_op op);

#endif
