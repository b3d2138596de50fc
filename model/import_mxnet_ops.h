/**
 * @file import_mxnet_ops.h  What a translator of one MXNet operator is given to work
 * with.
 *
 * A translator reads its node's attributes and inputs and emits graph nodes. The first
 * failure sticks: from then on everything here does nothing and returns something
 * harmless (a default, PN_NONE), so a translator need only look at `status` before it
 * computes with what it read, and the driver looks at it after every node.
 */
#ifndef PN_MODEL_IMPORT_MXNET_OPS_H
#define PN_MODEL_IMPORT_MXNET_OPS_H

#include <stdio.h>

#include "model/import_mxnet.h"

/** Attributes that are numbers lie within +-PN_MX_INT_MAX, dimensions below 2^31: what is
 * computed from a few of them does not overflow an int64. */
#define PN_MX_INT_MAX ((int64_t)1 << 30)
#define PN_MX_REQUIRED INT64_MIN /**< as a fallback: there is none */

/** Values that a node of the symbol has become. */
typedef struct pn_mx_outs {
    int n;       /**< 0: not translated yet; -1: it could not be translated */
    int *values; /**< value ids */
} pn_mx_outs;

/** A list that grows into one message. */
typedef struct pn_mx_list {
    FILE *stream;
    char *text;
    size_t size;
    int n;
} pn_mx_list;

/** A weight that the symbol takes. */
typedef struct pn_mx_want {
    int variable, node, slot; /**< input `slot` of `node` is the variable */
    pn_shape shape;
} pn_mx_want;

typedef struct pn_mx_import {
    pn_graph *g;
    const pn_mx_symbol *sym;
    const pn_mx_params *params;
    pn_mx_input_shape *shapes;
    int n_shapes;
    pn_err *err;
    pn_status status; /**< of the node at work: not PN_OK, nothing is done any more */
    bool is_refused;  /**< the node at work has no translation */
    const pn_mx_node *node; /**< the node at work */
    int node_id;            /**< its index in sym */
    int last;               /**< graph node that was emitted last */
    pn_mx_outs *outs;   /**< one a node of sym; of a variable: n 1 once it has a value */
    pn_dtype *dtypes;   /**< one a node of sym: of its results in MXNet; 0: float32 */
    bool *is_live;      /**< one a node of sym: some head needs it */
    bool *is_used;      /**< one an array of params */
    const int *matched; /**< one a node of sym: the array that it is, -1; NULL: by name */
    bool lacks_size;    /**< an input's: the status says so */
    bool is_survey;     /**< no weight is looked up: only what is wanted is noted */
    pn_mx_want *wants;  /**< of a survey, each variable once */
    int n_wants, room_for_wants;
    bool *is_wanted; /**< one a node of sym */
    unsigned n_renamed;
    pn_mx_list refused, misfits, warned;
    pn_mx_list missing; /**< of the misfits the missing ones, without the shapes expected:
                             those may hang on a size that is not known */
    pn_arena arena;
} pn_mx_import;

typedef void pn_mx_translate_fn(pn_mx_import *im);

/** One operator. */
typedef struct pn_mx_op {
    const char *name;
    pn_mx_translate_fn *translate;
    pn_mx_translate_fn
        *check;       /**< refuses by the attributes alone; NULL: nothing to check */
    const char *keys; /**< attributes that it knows, blanks between them */
} pn_mx_op;

/** Tables by family, each ended by a name of NULL. */
extern const pn_mx_op pn_mx_ops_conv[], pn_mx_ops_pool[], pn_mx_ops_norm[],
    pn_mx_ops_math[], pn_mx_ops_reduce[], pn_mx_ops_shape[], pn_mx_ops_slice[],
    pn_mx_ops_head[], pn_mx_ops_resize[], pn_mx_ops_cast[];

/** The node breaks a rule: `Convolution "conv0": ` and the text. */
void pn_mx_fail(pn_mx_import *im, pn_status st, const char *fmt, ...) PN_PRINTF(3, 4);
/** The node is fine, but there is no translation: it goes on the list of all such nodes.
 */
void pn_mx_refuse(pn_mx_import *im, const char *fmt, ...) PN_PRINTF(2, 3);

void pn_mx_list_add(pn_mx_import *im, pn_mx_list *l, const char *fmt, ...)
    PN_PRINTF(3, 4);
void pn_mx_list_fini(pn_mx_list *l);

/* The import as a whole. */
/** Translate all nodes; lists and graph are filled. */
PN_MUST_CHECK pn_status pn_mx_walk(pn_mx_import *im);
/** All but the graph. */
void pn_mx_import_fini(pn_mx_import *im);
/** Fill im->matched where the weights' names are none of the symbol's. */
PN_MUST_CHECK pn_status pn_mx_match_by_place(pn_mx_import *im);
/** Arrays that nothing took. */
void pn_mx_list_surplus(pn_mx_import *im, pn_mx_list *to);
/** An input's size is not known: add to im->err which weights are missing all the same.
 */
void pn_mx_tell_missing(pn_mx_import *im);

/* Attributes. "None" is the same as absent. */
bool pn_mx_has(const pn_mx_import *im, const char *key);
int64_t pn_mx_int(pn_mx_import *im, const char *key, int64_t fallback, int64_t least,
                  int64_t most);
bool pn_mx_bool(pn_mx_import *im, const char *key, bool fallback);
double pn_mx_real(pn_mx_import *im, const char *key, double fallback);
/** Index into names (NULL ends them); fallback -1: required. A word that is not among
 * them is refused, not failed: newer versions of MXNet have more. */
int pn_mx_choice(pn_mx_import *im, const char *key, int fallback,
                 const char *const *names);
/** A tuple of at most `most` elements; absent: n is 0. */
void pn_mx_tuple_of(pn_mx_import *im, const char *key, int most, pn_mx_tuple *out);
/** Exactly n integers of at least `least`; absent or empty: all are `fallback`. */
void pn_mx_ints(pn_mx_import *im, const char *key, int n, int64_t fallback, int64_t least,
                int64_t *out);
/** An axis of a tensor of that rank, made 0..ndim-1. */
int pn_mx_axis(pn_mx_import *im, const char *key, int64_t fallback, int ndim);
/** The same for a number that is there already. */
int pn_mx_check_axis(pn_mx_import *im, int64_t axis, int ndim);

/* Inputs. */
/** Value of input `slot`: a computed one, an input of the graph, or a weight used as
 * data. */
int pn_mx_data(pn_mx_import *im, int slot);
/** The type that MXNet computes the node at work in: PN_F32 or that of integers. */
pn_dtype pn_mx_dtype(const pn_mx_import *im);
/** Note the type of the node's results, or refuse what integers make different. */
void pn_mx_take_dtype(pn_mx_import *im);
/** Its shape. */
pn_shape pn_mx_shape_of(const pn_mx_import *im, int value);
/**
 * The weight at input `slot`. A missing or misshapen one goes on the list of all such.
 * @param want  its shape in MXNet; trailing 1s may be there or not
 * @param as    the constant's shape, NULL: want
 */
int pn_mx_weight(pn_mx_import *im, int slot, const pn_shape *want, const pn_shape *as);
/** The weight at input `slot` is not looked at, but it belongs to the symbol. */
void pn_mx_leave_weight(pn_mx_import *im, int slot, const pn_shape *want);
/** The array behind input `slot`, marked as used; NULL if the input is no weight. */
const pn_mx_array *pn_mx_array_at(pn_mx_import *im, int slot);

/** The node does nothing but hand on a weight. */
bool pn_mx_is_weight(pn_mx_import *im, int node);

/* Constants; named NODE.suffix. */
int pn_mx_const_f32(pn_mx_import *im, const char *suffix, const pn_shape *shape,
                    const float *v);
int pn_mx_const_i64(pn_mx_import *im, const char *suffix, const int64_t *v, size_t n);
int pn_mx_scalar(pn_mx_import *im, const char *suffix, double v);

/* Nodes. */
/** Emit a node with one output. suffix NULL: it is the node's result, named NODE_output;
 * else a helper, named NODE.suffix. @return the output's value */
int pn_mx_emit(pn_mx_import *im, pn_op op, const char *suffix, const pn_shape *shape,
               const int *inputs, int n_inputs);
#define PN_MX_IN(...)                                                                    \
    (const int[]){__VA_ARGS__}, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
/** Emit a node with n outputs; suffix NULL: its results, named NODE_output0 and so on. */
void pn_mx_emit_many(pn_mx_import *im, pn_op op, const char *suffix,
                     const pn_shape *shape, const int *inputs, int n_inputs, int n,
                     int *outputs);
/** The node's k-th of n results, NODE_outputK, for results that come one by one. */
int pn_mx_emit_kth(pn_mx_import *im, pn_op op, int k, int n, const pn_shape *shape,
                   const int *inputs, int n_inputs);
/** Attributes of the node that was emitted last. */
void pn_mx_set_int(pn_mx_import *im, const char *name, int64_t v);
void pn_mx_set_float(pn_mx_import *im, const char *name, double v);
void pn_mx_set_string(pn_mx_import *im, const char *name, const char *v);
void pn_mx_set_ints(pn_mx_import *im, const char *name, const int64_t *v, size_t n);

/** Reshape to `shape`, in which one dimension may be free. */
int pn_mx_emit_reshape(pn_mx_import *im, const char *suffix, int input,
                       const pn_shape *shape);
/** Dimensions first..last-1 multiplied; a free one counts 1. */
int64_t pn_mx_product(const pn_shape *s, int first, int last);
pn_shape pn_mx_make_shape(int ndim, const int64_t *dim);

#endif
