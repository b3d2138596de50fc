/**
 * @file graph.h  The graph that every room shares: our intermediate representation.
 *
 * Nodes are ONNX operators with ONNX semantics (opset 13), so that the file format is a
 * plain spelling of it and an importer's only job is to translate into these. Values are
 * numbered, nodes stand in topological order, every array lives in the graph's arena.
 * Layout is NCHW as in ONNX; what the engine does inside is its own affair.
 */
#ifndef PENULT_GRAPH_H
#define PENULT_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "penult/status.h"

#define PN_MAX_DIMS 8
#define PN_DIM_FREE (-1) /**< a dimension that is the user's: the batch */
#define PN_NONE (-1)     /**< no value, no node */

/** Numbers are ONNX's TensorProto.DataType. */
typedef enum pn_dtype {
    PN_F32 = 1,
    PN_U8 = 2,
    PN_I8 = 3,
    PN_U16 = 4,
    PN_I16 = 5,
    PN_I32 = 6,
    PN_I64 = 7,
    PN_BOOL = 9,
    PN_F16 = 10,
    PN_F64 = 11,
    PN_U32 = 12,
    PN_U64 = 13,
    PN_BF16 = 16,
} pn_dtype;

/** Bytes of one element; 0 for a number that is no pn_dtype. */
size_t pn_dtype_size(pn_dtype t);
const char *pn_dtype_name(pn_dtype t);

typedef struct pn_shape {
    int ndim; /**< 0 is a scalar */
    int64_t dim[PN_MAX_DIMS];
} pn_shape;

/** Product of the dimensions, a free one taken as 1; -1 if it does not fit an int64. */
int64_t pn_shape_count(const pn_shape *s);
bool pn_shape_equal(const pn_shape *a, const pn_shape *b);
/** "Nx3x224x224" into buf; returns buf. */
const char *pn_shape_text(const pn_shape *s, char *buf, size_t size);
#define PN_SHAPE_TEXT 192

/* clang-format 14 staggers a list of calls, another way each time it is run */
/* clang-format off */
/** The operators of the graph: ONNX names without change. X(enum, ONNX name)
 * (Ceil, ConstantOfShape, Equal, Expand, Floor, Mod, Range, Shape and Where are arithmetic
 * on shapes: pn_graph_infer_shapes computes them, none is left in a graph behind it.) */
#define PN_OPS(X)                                                                        \
    X(ADD, "Add") X(AVERAGE_POOL, "AveragePool") X(BATCH_NORM, "BatchNormalization")     \
    X(CAST, "Cast") X(CEIL, "Ceil") X(CLIP, "Clip") X(CONCAT, "Concat")                  \
    X(CONSTANT_OF_SHAPE, "ConstantOfShape") X(CONV, "Conv")                              \
    X(CONV_TRANSPOSE, "ConvTranspose") X(DIV, "Div") X(DROPOUT, "Dropout") X(ELU, "Elu") \
    X(EQUAL, "Equal") X(ERF, "Erf") X(EXP, "Exp") X(EXPAND, "Expand")                    \
    X(FLATTEN, "Flatten") X(FLOOR, "Floor") X(GATHER, "Gather") X(GELU, "Gelu")          \
    X(GEMM, "Gemm") X(GLOBAL_AVERAGE_POOL, "GlobalAveragePool")                          \
    X(GLOBAL_MAX_POOL, "GlobalMaxPool") X(HARD_SIGMOID, "HardSigmoid")                   \
    X(HARD_SWISH, "HardSwish") X(IDENTITY, "Identity")                                   \
    X(INSTANCE_NORM, "InstanceNormalization") X(LAYER_NORM, "LayerNormalization")        \
    X(LEAKY_RELU, "LeakyRelu") X(LOG, "Log") X(LOG_SOFTMAX, "LogSoftmax") X(LRN, "LRN")  \
    X(MATMUL, "MatMul") X(MAX, "Max") X(MAX_POOL, "MaxPool") X(MIN, "Min") X(MOD, "Mod") \
    X(MUL, "Mul") X(NEG, "Neg") X(PAD, "Pad") X(POW, "Pow") X(PRELU, "PRelu")            \
    X(RANGE, "Range") X(REDUCE_MAX, "ReduceMax") X(REDUCE_MEAN, "ReduceMean")            \
    X(REDUCE_MIN, "ReduceMin") X(REDUCE_PROD, "ReduceProd") X(REDUCE_SUM, "ReduceSum")   \
    X(RELU, "Relu") X(RESHAPE, "Reshape") X(RESIZE, "Resize") X(SELU, "Selu")            \
    X(SHAPE, "Shape") X(SIGMOID, "Sigmoid") X(SLICE, "Slice") X(SOFTMAX, "Softmax")      \
    X(SOFTPLUS, "Softplus") X(SOFTSIGN, "Softsign") X(SPLIT, "Split") X(SQRT, "Sqrt")    \
    X(SQUEEZE, "Squeeze") X(SUB, "Sub") X(SUM, "Sum") X(TANH, "Tanh")                    \
    X(TRANSPOSE, "Transpose") X(UNSQUEEZE, "Unsqueeze") X(WHERE, "Where")
/* clang-format on */

typedef enum pn_op {
#define X(id, name) PN_OP_##id,
    PN_OPS(X)
#undef X
        PN_N_OPS
} pn_op;

const char *pn_op_name(pn_op op);
/** The operator of that ONNX name; PN_N_OPS if there is none. */
pn_op pn_op_find(const char *onnx_name);

typedef enum pn_attr_kind {
    PN_ATTR_INT,
    PN_ATTR_FLOAT,
    PN_ATTR_STRING,
    PN_ATTR_INTS,
    PN_ATTR_FLOATS
} pn_attr_kind;

typedef struct pn_attr {
    const char *name;
    pn_attr_kind kind;
    int64_t i;
    float f;
    const char *s;
    const int64_t *ints;
    const float *floats;
    size_t n; /**< elements of ints or floats */
} pn_attr;

typedef struct pn_value {
    const char *name; /**< unique and not empty */
    pn_dtype dtype;
    pn_shape shape; /**< meaningful once has_shape */
    bool has_shape;
    const void
        *data; /**< a constant's elements: C order, little-endian, perhaps unaligned (see
                    pn_value_to_f32); lent by the graph; NULL if computed */
    size_t size_bytes; /**< of data */
    int producer;      /**< node that makes it; PN_NONE for inputs and constants */
} pn_value;

typedef struct pn_node {
    pn_op op;
    const char *name; /**< the source's node name; may be empty, need not be unique */
    int n_inputs, n_outputs;
    int *inputs;  /**< value ids; PN_NONE where an optional input is left out */
    int *outputs; /**< value ids */
    int n_attrs;
    pn_attr *attrs;
} pn_node;

/** Read as you like; change through the functions below. Value and node ids are indices.
 */
typedef struct pn_graph {
    const char *name;
    int n_values, n_nodes, n_inputs, n_outputs;
    pn_value *values; /**< may move when a value is added: keep ids, not pointers */
    pn_node *nodes;   /**< topological order; may move when a node is added */
    int *inputs;      /**< value ids of what the user feeds */
    int *outputs;     /**< value ids, the model's own in order, then taps */
    int n_meta;
    const char **meta_keys, **meta_values; /**< metadata_props, see meta keys below */
    struct pn_graph_mem *mem; /**< arena, name table, files kept open for constants */
} pn_graph;

/* metadata_props of a model file */
#define PN_META_PREPROCESS "penult.preprocess" /**< JSON, see preprocess.h */
#define PN_META_LABELS "penult.labels" /**< the synset's lines, '\n' between them */
#define PN_META_FEATURES                                                                 \
    "penult.features" /**< value name of the feature tensor; absent: none */
#define PN_META_SCORES "penult.scores" /**< "softmax" or "as-is" */
#define PN_META_SOURCE "penult.source" /**< JSON array of {"file", "sha256", "bytes"} */

PN_MUST_CHECK pn_status pn_graph_new(pn_graph **out, const char *name);
/** Free everything the graph owns or lends; *g becomes NULL and may be NULL. */
void pn_graph_free(pn_graph **g);

/** Add a computed value (or an input's value). shape may be NULL (unknown). The name is
 * copied.
 *  @return PN_EINVAL if the name is empty or taken, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_graph_add_value(pn_graph *g, const char *name, pn_dtype dtype,
                                           const pn_shape *shape, int *id, pn_err *err);
/** Add a constant. `data` is borrowed for the graph's life if `lend`, else copied.
 *  @return also PN_EINVAL if size_bytes is not shape times element size */
PN_MUST_CHECK pn_status pn_graph_add_const(pn_graph *g, const char *name, pn_dtype dtype,
                                           const pn_shape *shape, const void *data,
                                           size_t size_bytes, bool lend, int *id,
                                           pn_err *err);
/** Add a node; ids are copied; sets the outputs' producer. @return PN_EINVAL if an output
 * has one */
PN_MUST_CHECK pn_status pn_graph_add_node(pn_graph *g, pn_op op, const char *name,
                                          const int *inputs, int n_inputs,
                                          const int *outputs, int n_outputs, int *id,
                                          pn_err *err);
PN_MUST_CHECK pn_status pn_graph_set_int(pn_graph *g, int node, const char *name,
                                         int64_t v);
PN_MUST_CHECK pn_status pn_graph_set_float(pn_graph *g, int node, const char *name,
                                           float v);
PN_MUST_CHECK pn_status pn_graph_set_string(pn_graph *g, int node, const char *name,
                                            const char *v);
PN_MUST_CHECK pn_status pn_graph_set_ints(pn_graph *g, int node, const char *name,
                                          const int64_t *v, size_t n);
PN_MUST_CHECK pn_status pn_graph_set_floats(pn_graph *g, int node, const char *name,
                                            const float *v, size_t n);
PN_MUST_CHECK pn_status pn_graph_add_input(pn_graph *g, int value);
PN_MUST_CHECK pn_status pn_graph_add_output(pn_graph *g, int value);
/** Set or replace a metadata entry; both strings are copied. */
PN_MUST_CHECK pn_status pn_graph_set_meta(pn_graph *g, const char *key,
                                          const char *value);
/** NULL if there is none; lent until the graph changes. */
const char *pn_graph_meta(const pn_graph *g, const char *key);

/** Value by name; PN_NONE if there is none. `NODE` finds `NODE_output` when no value is
 * named NODE. */
int pn_graph_find(const pn_graph *g, const char *name);
/** NULL if the node has no attribute of that name. */
const pn_attr *pn_node_attr(const pn_node *n, const char *name);
int64_t pn_node_int(const pn_node *n, const char *name, int64_t fallback);
float pn_node_float(const pn_node *n, const char *name, float fallback);
const char *pn_node_string(const pn_node *n, const char *name, const char *fallback);

/** Memory that lives as long as the graph; zeroed; NULL when there is none. */
void *pn_graph_alloc(pn_graph *g, size_t size);
/** The graph keeps a mapped file for its constants; takes it on PN_OK. (struct of
 * base/file.h) */
struct pn_file;
PN_MUST_CHECK pn_status pn_graph_adopt_file(pn_graph *g, struct pn_file *file);
/** The i-th of them, the graph's; NULL behind the last. */
const struct pn_file *pn_graph_file(const pn_graph *g, int i);

/** n elements from element `first` on, whatever the dtype, as float (f16, bf16, f64 and
 * integers are converted, round to nearest). @return PN_EINVAL past the end or if it is
 * no constant */
PN_MUST_CHECK pn_status pn_value_to_f32(const pn_value *v, int64_t first, int64_t n,
                                        float *out);
/** The same to int64 (floats are PN_EINVAL): shapes, axes. */
PN_MUST_CHECK pn_status pn_value_to_i64(const pn_value *v, int64_t first, int64_t n,
                                        int64_t *out);

/**
 * Check every node against its operator's rules (input counts, ranks, attributes, sizes
 * that must agree) and fill the shape of every value, the batch left free. Constants that
 * shape arithmetic needs (Reshape, Pad, Clip ...) must be constants of the graph, or
 * follow from constants and from shapes: nodes that only compute on those are computed
 * here, become constants and leave the graph.
 * @return PN_EFORMAT naming operator, node and rule; PN_EUNSUPPORTED listing every node
 * in question
 */
PN_MUST_CHECK pn_status pn_graph_infer_shapes(pn_graph *g, pn_err *err);

/** Multiply-adds of a node per image (Conv, Gemm, MatMul, ConvTranspose; others 0).
 * Shapes known. */
int64_t pn_node_macs(const pn_graph *g, const pn_node *n);

/** Open a model file: bounded reading, constants stay in the mapped file. Shapes are
 * inferred.
 *  @return PN_ENOENT, PN_EIO, PN_EFORMAT with the place in the file, PN_EUNSUPPORTED
 * listing all operators and nodes in question, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_graph_read_onnx(pn_graph **out, const char *path, pn_err *err);
/** Write beside `path`, fsync, rename over it: a failure leaves no file behind and an old
 * one as it was. Constants are streamed, not copied. @return PN_EIO, PN_EFULL, PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_graph_write_onnx(const pn_graph *g, const char *path,
                                            pn_err *err);

#endif
