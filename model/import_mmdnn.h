/**
 * @file import_mmdnn.h  From MMdnn's IR to a graph: what the parts of the reader share.
 *
 * import_mmdnn_graph.c reads the GraphDef, import_mmdnn_weights.c the pickled arrays,
 * import_mmdnn_ops*.c translate the operators, import_mmdnn.c drives them. The IR counts
 * axes with the channels last; shapes and axes here are the graph's, channels second.
 */
#ifndef PN_MODEL_IMPORT_MMDNN_H
#define PN_MODEL_IMPORT_MMDNN_H

#include <stdio.h>

#include "penult/graph.h"

#include "base/arena.h"
#include "base/file.h"
#include "model/pickle.h"
#include "model/wire.h"

typedef enum pn_mm_kind {
    PN_MM_NOTHING,
    PN_MM_INTS, /**< list.i, or list.type */
    PN_MM_FLOATS,
    PN_MM_SHAPES, /**< list.shape: the first of them */
    PN_MM_TEXT,
    PN_MM_INT, /**< i, b and type alike */
    PN_MM_FLOAT,
    PN_MM_SHAPE,
    PN_MM_OTHER, /**< a tensor, or a list of what no operator here has */
} pn_mm_kind;

typedef struct pn_mm_attr {
    const char *key;
    pn_mm_kind kind;
    int64_t i;
    float f;
    const char *s;
    const int64_t *ints;
    const float *floats;
    size_t n;       /**< of ints or floats */
    pn_shape shape; /**< as the IR has it: channels last */
} pn_mm_attr;

typedef struct pn_mm_node {
    const char *name, *op;
    const char **inputs; /**< names, perhaps with ":N" */
    size_t n_inputs;
    pn_mm_attr *attrs;
    size_t n_attrs;
    bool has_shape;
    pn_shape shape; /**< of _output_shapes, the graph's order */
    int value;      /**< in the graph; PN_NONE before its turn */
} pn_mm_node;

typedef struct pn_mm_graph {
    pn_mm_node *nodes; /**< in the file's order */
    size_t n;
    size_t *by_name; /**< indices of nodes, sorted */
} pn_mm_graph;

/** Read a GraphDef. Strings and lists are put into `arena`.
 *  @return PN_EFORMAT with the place, PN_ENOMEM */
PN_MUST_CHECK pn_status pn_mm_graph_read(pn_mm_graph *out, pn_arena *arena,
                                         const pn_file *file, pn_err *err);
/** NULL if there is none; ":N" of the name is not looked at. */
pn_mm_node *pn_mm_graph_find(const pn_mm_graph *g, const char *name);
const pn_mm_attr *pn_mm_attr_of(const pn_mm_node *n, const char *key);

typedef struct pn_mm_text {
    FILE *to;
    char *text;
    size_t size;
    int n;
} pn_mm_text;

typedef struct pn_mmdnn {
    pn_err *err;
    pn_arena arena;
    pn_mm_graph ir;
    pn_pickle *pickle;
    const pn_file *weights;     /**< what the graph keeps; the pickle goes */
    struct pn_mm_layer *layers; /**< of the weights, sorted by name */
    size_t n_layers;
    pn_graph *g;
    pn_mm_node *node; /**< being translated */
    bool is_penult;   /**< we wrote it */
    bool is_mxnet;    /**< its convolutions had their channels first */
    bool is_flat;     /**< MMdnn's parser of MXNet has seen a fully connected layer */
    bool has_batch;   /**< the batch is the user's */
    pn_status status; /**< the first failure that is neither of the next two */
    pn_mm_text refused, misfits;
} pn_mmdnn;

/** Read both files. The graph's constants may lie in `weights`: adopt it.
 *  @return PN_EFORMAT, PN_EUNSUPPORTED (all nodes), PN_EMISMATCH (all weights), PN_ENOMEM
 */
PN_MUST_CHECK pn_status pn_mmdnn_import(pn_graph **out, const pn_file *graph,
                                        const pn_file *weights, pn_err *err);
/** Whether a file begins as a binary GraphDef, or as the JSON of one. */
bool pn_mmdnn_is_graph(const pn_file *f);
bool pn_mmdnn_is_json(const unsigned char *bytes, size_t size);
/** Whether it is an array of objects, as the weights are. */
bool pn_mmdnn_is_weights(const pn_file *f);

/* ---- for the operators ---- */

void pn_mm_refuse(pn_mmdnn *im, const char *fmt, ...) PN_PRINTF(2, 3);
void pn_mm_misfit(pn_mmdnn *im, const char *fmt, ...) PN_PRINTF(2, 3);
/** What was refused or misfits so far, as one failure that begins "N WHAT: "; PN_OK if
 * nothing was. */
PN_MUST_CHECK pn_status pn_mm_told(pn_mmdnn *im, pn_mm_text *t, pn_status st,
                                   const char *what);
/** The first failure that stops the import, naming the node. */
void pn_mm_fail(pn_mmdnn *im, pn_status st, const char *fmt, ...) PN_PRINTF(3, 4);

/** Node that makes input i; NULL, and refused, if it is not there or stands later. */
pn_mm_node *pn_mm_parent(pn_mmdnn *im, size_t i);
/** Its value; PN_NONE in the same cases. */
int pn_mm_data(pn_mmdnn *im, size_t i);
pn_shape pn_mm_shape_of(const pn_mmdnn *im, int value);
/** The IR's shape in the graph's order. */
pn_shape pn_mm_channels_second(const pn_shape *s);

int64_t pn_mm_int(const pn_mmdnn *im, const char *key, int64_t fallback);
float pn_mm_float(const pn_mmdnn *im, const char *key, float fallback);
const char *pn_mm_string(const pn_mmdnn *im, const char *key, const char *fallback);
/** A list of exactly n; false, and refused, if it is there and has another length. Filled
 * with the fallback if it is not there. */
bool pn_mm_ints(pn_mmdnn *im, const char *key, size_t n, int64_t fallback, int64_t *out);
/** An axis of the IR in the graph's order, for `ndim` dimensions; PN_NONE, and refused.
 */
int pn_mm_axis(pn_mmdnn *im, int64_t axis, int ndim);

/** Make a node. suffix NULL: the value is the IR node's own. inputs end with the call.
 *  @return the value; PN_NONE after a failure */
int pn_mm_emit(pn_mmdnn *im, pn_op op, const char *suffix, const int *inputs,
               int n_inputs);
#define PN_MM_IN(...)                                                                    \
    (const int[]){__VA_ARGS__}, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int))
/** Attributes of the node made last. */
void pn_mm_set_int(pn_mmdnn *im, const char *name, int64_t v);
void pn_mm_set_float(pn_mmdnn *im, const char *name, float v);
void pn_mm_set_ints(pn_mmdnn *im, const char *name, const int64_t *v, size_t n);
void pn_mm_set_string(pn_mmdnn *im, const char *name, const char *v);
/** The IR node is its input. */
void pn_mm_alias(pn_mmdnn *im, int value);
int pn_mm_const(pn_mmdnn *im, const char *suffix, pn_dtype type, const pn_shape *shape,
                const void *data);
int pn_mm_ints_const(pn_mmdnn *im, const char *suffix, const int64_t *v, size_t n);
int pn_mm_scalar(pn_mmdnn *im, const char *suffix, float v);

/* ---- import_mmdnn_weights.c ---- */

PN_MUST_CHECK pn_status pn_mm_weights_read(pn_mmdnn *im, const pn_file *file);
/** An array of the current node's layer; NULL if there is none. */
const pn_npy_array *pn_mm_array(const pn_mmdnn *im, const char *key);
/** How many elements apart the array's axis `axis` is. */
int64_t pn_mm_stride(const pn_npy_array *a, int axis);
/** A constant of `shape` from the elements at the given strides, dims[0] slowest; it is
 * lent where they lie so already. PN_NONE after a failure. */
int pn_mm_strided(pn_mmdnn *im, const char *suffix, const pn_shape *shape,
                  const pn_npy_array *a, const int64_t *dims, const int64_t *strides,
                  int n);
/** n elements in a row, whatever the array's dimensions; a misfit if it has others. */
int pn_mm_vector(pn_mmdnn *im, const char *suffix, const char *key, int64_t n);

/* ---- import_mmdnn_ops*.c ---- */

typedef struct pn_mm_op {
    const char *name;
    void (*translate)(pn_mmdnn *im);
} pn_mm_op;
/** Each ends with a NULL name. */
extern const pn_mm_op pn_mm_ops_layer[], pn_mm_ops_math[], pn_mm_ops_move[];

#endif
