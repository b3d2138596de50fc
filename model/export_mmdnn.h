/**
 * @file export_mmdnn.h  What the parts of the MMdnn writer share.
 *
 * The files are for MMdnn 0.3.1's PyTorch emitter above all: what it gets wrong is
 * spelled in words that it gets right, or refused. export_mmdnn.c orders the nodes and
 * writes the files, export_mmdnn_node.c builds nodes and names,
 * export_mmdnn_{layer,pool,math,move}.c translate the operators, export_mmdnn_npy.c and
 * export_mmdnn_json.c are two of the files.
 */
#ifndef PN_MODEL_EXPORT_MMDNN_H
#define PN_MODEL_EXPORT_MMDNN_H

#include <stdio.h>

#include "penult/graph.h"

#include "base/arena.h"
#include "base/file.h"
#include "model/wire.h"

/* Attributes of ours: MMdnn's emitters ask for theirs by name and see no others. */
#define PN_IR_VALUE_NAME "penult.name" /**< of the value, where NODE_output is wrong */
#define PN_IR_COPY "penult.copy"       /**< true: the node is its first input again */
#define PN_IR_OUTPUTS                                                                    \
    "penult.outputs" /**< of DataInput: nodes, '\n' between them; all keys of the        \
                        metadata that begin so stand there, too */
#define PN_IR_META "penult."

/** One array of the .npy: elements of `value`, or `own` floats. */
typedef struct pn_ir_array {
    const char *layer, *key;
    int ndim;
    int64_t dim[PN_MAX_DIMS];
    bool is_fortran; /**< the first dimension varies fastest */
    int value;       /**< PN_NONE: own */
    const float *own;
    size_t n; /**< elements */
    /** If rows > 1: every rows x columns elements (of `unit` floats) are turned over. */
    size_t rows, columns, unit;
} pn_ir_array;

/** What is known of a value of the graph. */
typedef struct pn_ir_value {
    const char *name;               /**< its IR node; NULL: none so far */
    int n_readers, n_max_pools;     /**< nodes, and those of them that take a maximum */
    bool is_output, is_view;        /**< is_view: its elements may have gaps in PyTorch */
    size_t flat_rows, flat_columns; /**< flattened from C x places; 0: it was not */
} pn_ir_value;

typedef struct pn_ir {
    const pn_graph *g;
    pn_err *err;
    pn_arena arena;
    pn_graph *names;     /**< taken names: a graph's table of values finds them fast */
    pn_ir_value *values; /**< one a value of g */
    const pn_node *node; /**< being translated */
    pn_wire_out head;    /**< the DataInput node */
    pn_wire_out body;    /**< the other nodes */
    pn_wire_out def, entry, attr, list, shape, dim; /**< under construction */
    pn_ir_array *arrays;
    size_t n_arrays, arrays_capacity;
    int n_clashes;
    int made;        /**< value whose node was named last; PN_NONE once it stands */
    const char *one; /**< node of the constant 1; NULL: none so far */
    FILE *refused;
    char *refused_text;
    size_t refused_size;
    int n_refused;
    bool has_failed; /**< out of memory somewhere */
} pn_ir;

/* ---- export_mmdnn_node.c ---- */

/** Words that no node may be called, once at the start. */
void pn_ir_reserve_words(pn_ir *w);
/** A free name made of `stem` and `suffix`, legal for Python; "" without memory. */
const char *pn_ir_name(pn_ir *w, const char *stem, const char *suffix);
/** Name of the node for output `i` of the current node. Also kept for the reader. */
const char *pn_ir_name_output(pn_ir *w, int i);
/** Node that holds input `i`; a constant becomes a node here. "" if it is left out. */
const char *pn_ir_input(pn_ir *w, int i);
/** Node of a constant: `shape` as PyTorch broadcasts it; floats are copied. */
const char *pn_ir_constant(pn_ir *w, const char *stem, const pn_shape *shape,
                           const float *floats);
const char *pn_ir_scalar(pn_ir *w, const char *stem, float v);

/** Start a node; the emitter would drop an input that is named twice: that gets a copy.
 */
void pn_ir_begin(pn_ir *w, const char *op, const char *name, const char *const *inputs,
                 int n_inputs);
void pn_ir_set_int(pn_ir *w, const char *key, int64_t v);
void pn_ir_set_bool(pn_ir *w, const char *key, bool v);
void pn_ir_set_float(pn_ir *w, const char *key, float v);
void pn_ir_set_string(pn_ir *w, const char *key, const char *v);
void pn_ir_set_ints(pn_ir *w, const char *key, const int64_t *v, size_t n);
/** First, n middle ones, last: strides and the like of channel-last tensors. */
void pn_ir_set_window(pn_ir *w, const char *key, int64_t outer, const int64_t *v, int n);
/** n begins, then n ends, of the spatial axes. */
void pn_ir_set_pads(pn_ir *w, const int64_t *pads, int n);
/** A shape of the graph, channels last, the batch as `batch` where it is free. */
void pn_ir_set_shape(pn_ir *w, const char *key, const pn_shape *s, int64_t batch);
/** _output_shapes, and the node goes to the file. */
void pn_ir_end(pn_ir *w, const pn_shape *out);
/** begin, end: a node without attributes. */
void pn_ir_plain(pn_ir *w, const char *op, const char *name, const char *const *inputs,
                 int n_inputs, const pn_shape *out);
/** x * 1 under a new name, which a reader takes for x. */
const char *pn_ir_copy(pn_ir *w, const char *x, const pn_shape *shape);
/** Output 0 is input 0: no node. */
void pn_ir_alias(pn_ir *w);

/** An array of the current node: the constant `value` as it lies. Lent until the next. */
pn_ir_array *pn_ir_add_array(pn_ir *w, const char *layer, const char *key, int value);
/** The current node cannot be written; the rest is looked at all the same. */
void pn_ir_refuse(pn_ir *w, const char *fmt, ...) PN_PRINTF(2, 3);

const pn_shape *pn_ir_in_shape(const pn_ir *w, int i);
const pn_shape *pn_ir_out_shape(const pn_ir *w, int i);
bool pn_ir_is_const(const pn_ir *w, int i);
/** The one float of constant input i; false: it has not exactly one. */
bool pn_ir_const_scalar(const pn_ir *w, int i, float *out);
/** Element i of a list of the current node. */
int64_t pn_ir_int_at(const pn_ir *w, const char *attr, int i, int64_t fallback);
/** Axis counted as in channel-last tensors. */
int64_t pn_ir_axis(int64_t axis, int ndim);

/* ---- the operators ---- */

typedef void pn_ir_fn(pn_ir *w);
pn_ir_fn pn_ir_conv, pn_ir_gemm, pn_ir_matmul, pn_ir_batch_norm, pn_ir_prelu, pn_ir_lrn;
pn_ir_fn pn_ir_max_pool, pn_ir_average_pool, pn_ir_global_pool, pn_ir_pad, pn_ir_reduce;
pn_ir_fn pn_ir_unary, pn_ir_leaky_relu, pn_ir_clip, pn_ir_hard_sigmoid, pn_ir_hard_swish,
    pn_ir_neg, pn_ir_binary, pn_ir_div, pn_ir_chain, pn_ir_pow, pn_ir_softmax;
pn_ir_fn pn_ir_flatten, pn_ir_reshape, pn_ir_transpose, pn_ir_concat, pn_ir_split,
    pn_ir_slice, pn_ir_cast, pn_ir_identity;

/* ---- the files ---- */

/** The arrays as a pickled dict of dicts in an .npy, streamed. */
PN_MUST_CHECK pn_status pn_ir_write_npy(const pn_ir *w, pn_outfile *to, pn_err *err);
/** A GraphDef as protobuf's JSON. @return PN_ENOMEM, and what writing returns */
PN_MUST_CHECK pn_status pn_ir_write_json(const void *graph_def, size_t size,
                                         pn_outfile *to, pn_err *err);

#endif
