/**
 * @file fold.h  What is known before the first run: constants, and arithmetic on shapes.
 *
 * Exporters spell "flatten all but the batch" as a dozen nodes that look at a shape.
 * While shapes are inferred, a node whose inputs are all known is computed here: its
 * output becomes a constant of the graph, or, where the batch plays a part, a list of
 * pn_affine that only the functions of shape_*.c can read. The nodes themselves are swept
 * away afterwards.
 */
#ifndef PN_MODEL_FOLD_H
#define PN_MODEL_FOLD_H

#include "model/shape.h"

/** fixed + batch * N + image * n, N images in the batch, n the number of this one. The
 * last is only in tensors whose first dimension is free. */
typedef struct pn_affine {
    int64_t fixed, batch, image;
} pn_affine;

typedef struct pn_known {
    pn_shape shape;
    pn_dtype dtype;
    const unsigned char *data; /**< C order, perhaps unaligned; lent by the graph */
    bool has_batch;            /**< the elements are pn_affine */
} pn_known;

typedef struct pn_fold pn_fold;

PN_MUST_CHECK pn_status pn_fold_new(pn_fold **out, const pn_graph *g);
void pn_fold_free(pn_fold **f);
/** What is known of a value. @return false: nothing */
bool pn_fold_get(const pn_fold *f, const pn_graph *g, int value, pn_known *out);
/** Element i of integers. @return false: they are no integers */
bool pn_known_int(const pn_known *k, int64_t i, pn_affine *out);
/** Compute the job's node, whose output has a shape, if all its inputs are known.
 *  @return PN_OK, also where they are not; PN_EUNSUPPORTED: too large; PN_ENOMEM */
PN_MUST_CHECK pn_status pn_fold_node(pn_shape_job *j);
/** A Gather from a flattened batch that only reads every image back in order, as
 * torch.export spells as_strided, becomes a Reshape. */
PN_MUST_CHECK pn_status pn_fold_strided(pn_shape_job *j);
/** Operators that only stand in arithmetic on shapes: no file of ours has them. */
bool pn_fold_only(pn_op op);

/** Drop the nodes whose outputs have become known and those that nobody needs and that
 * cannot be computed. refused: by node, why there is no code for it, or NULL.
 *  @return PN_EUNSUPPORTED with every refused node that an output needs */
PN_MUST_CHECK pn_status pn_graph_sweep(pn_graph *g, const pn_fold *f,
                                       char *const *refused, pn_err *err);

/** One node being computed, as fold_math.c and fold_move.c see it. */
typedef struct pn_fold_job {
    const pn_node *node;
    int n_in;
    const pn_known *in;
    pn_known out;      /**< data: set by the function where it is an input's */
    unsigned char *to; /**< room for out's elements; NULL for a function that lends */
} pn_fold_job;

/** @return false: not known after all */
typedef bool pn_fold_fn(pn_fold_job *f);

bool pn_known_is_whole(pn_dtype t);       /**< no kind of float */
size_t pn_known_bytes(const pn_known *k); /**< of one element */
void pn_fold_put(pn_fold_job *f, int64_t i, const pn_affine *a);
/** Element `from` of operand k as element i of the output. */
bool pn_fold_move(pn_fold_job *f, int64_t i, const pn_known *k, int64_t from);

/** Loops over a shape (a free dimension is 1) with up to three operands broadcast. */
typedef struct pn_odometer {
    int ndim;
    int64_t dim[PN_MAX_DIMS], at[PN_MAX_DIMS], step[3][PN_MAX_DIMS], pos[3];
} pn_odometer;
void pn_odometer_init(pn_odometer *o, const pn_shape *s);
/** Operand k has shape s, aligned at the last axis. */
void pn_odometer_broadcast(pn_odometer *o, int k, const pn_shape *s);
void pn_odometer_next(pn_odometer *o);

pn_fold_fn pn_fold_binary, pn_fold_unary, pn_fold_product, pn_fold_cast, pn_fold_where,
    pn_fold_range, pn_fold_constant_of_shape;
pn_fold_fn pn_fold_lend, pn_fold_shape, pn_fold_expand, pn_fold_transpose, pn_fold_gather,
    pn_fold_concat, pn_fold_slice;

#endif
