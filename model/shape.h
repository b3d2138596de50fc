/**
 * @file shape.h  One node's shape inference: what its function sees and may do.
 *
 * The functions return PN_OK, PN_EFORMAT (the text is in job->err), PN_EUNSUPPORTED (the
 * reason is in job->reason: such nodes are collected) or PN_ENOMEM. The driver has
 * checked input and output counts and the attributes' kinds, and that every input that is
 * not left out has a shape.
 *
 * A dimension that is PN_DIM_FREE is the batch: one symbol, the same wherever it stands,
 * at most once in a shape. What would mix images of a batch is not supported.
 */
#ifndef PN_MODEL_SHAPE_H
#define PN_MODEL_SHAPE_H

#include "penult/graph.h"

#define PN_MAX_DIM                                                                       \
    INT32_MAX /**< of one dimension, stride, pad...: sums cannot overflow */

typedef struct pn_shape_job {
    pn_graph *g;
    int node;
    pn_err *err;
    struct pn_fold *fold; /**< what is known of values */
    char reason[160];     /**< of PN_EUNSUPPORTED */
} pn_shape_job;

typedef pn_status pn_shape_fn(pn_shape_job *j);

const pn_node *pn_job_node(const pn_shape_job *j);
/** false: left out. */
bool pn_job_has(const pn_shape_job *j, int input);
/** Of an input that is there; lent until a value is added. */
const pn_value *pn_job_value(const pn_shape_job *j, int input);
const pn_shape *pn_job_in(const pn_shape_job *j, int input);

/** Note the shape of an output; its type is the first input's.
 *  @return PN_EFORMAT if a dimension or the product is out of bounds */
PN_MUST_CHECK pn_status pn_job_out(pn_shape_job *j, int output, const pn_shape *s);
/** "OPERATOR "NODE": " and the text, as PN_EFORMAT. */
pn_status pn_job_bad(pn_shape_job *j, const char *fmt, ...) PN_PRINTF(2, 3);
pn_status pn_job_unsupported(pn_shape_job *j, const char *fmt, ...) PN_PRINTF(2, 3);

/** axis in -rank..rank-1 made 0..rank-1. @return PN_EFORMAT */
PN_MUST_CHECK pn_status pn_job_axis(pn_shape_job *j, int64_t axis, int rank, int *out);
/** A list of axes as a set of bits, none twice. @return PN_EFORMAT */
PN_MUST_CHECK pn_status pn_job_axes(pn_shape_job *j, const int64_t *axes, size_t n,
                                    int rank, unsigned *bits);
/** The integers of a constant input (1-D, int64 or int32), at most `max`.
 *  @return PN_EUNSUPPORTED if it is computed, PN_EFORMAT */
PN_MUST_CHECK pn_status pn_job_ints(pn_shape_job *j, int input, const char *what,
                                    int64_t *out, size_t max, size_t *n);
/** The same of a list of up to PN_MAX_DIMS dimensions, PN_DIM_FREE where one is the
 * batch: such a list may be computed, as far as it follows from shapes. */
PN_MUST_CHECK pn_status pn_job_dims(pn_shape_job *j, int input, const char *what,
                                    int64_t *out, size_t *n);
/** Input `input` becomes a new constant of n int64 (or floats): what opset 13 wants said
 * in so many numbers. */
PN_MUST_CHECK pn_status pn_job_spell(pn_shape_job *j, int input, const int64_t *v, int n);
PN_MUST_CHECK pn_status pn_job_spell_f32(pn_shape_job *j, int input, const float *v,
                                         int n);
void pn_job_drop_attr(pn_shape_job *j, const char *name);
/** PN_EUNSUPPORTED if a dimension other than the first is free: window operators. */
PN_MUST_CHECK pn_status pn_job_batch_first(pn_shape_job *j, const pn_shape *s);
/** Equal, or one of them 1. @return false: they do not go together */
bool pn_broadcast_dim(int64_t a, int64_t b, int64_t *out);

pn_shape_fn pn_shape_conv, pn_shape_conv_transpose, pn_shape_pool, pn_shape_global_pool;
pn_shape_fn pn_shape_concat, pn_shape_flatten, pn_shape_reshape, pn_shape_split,
    pn_shape_squeeze, pn_shape_transpose, pn_shape_unsqueeze;
pn_shape_fn pn_shape_pad, pn_shape_resize, pn_shape_slice;
pn_shape_fn pn_shape_shape, pn_shape_gather, pn_shape_constant_of_shape, pn_shape_expand,
    pn_shape_where, pn_shape_range;
pn_shape_fn pn_shape_batch_norm, pn_shape_broadcast, pn_shape_cast, pn_shape_clip,
    pn_shape_dropout, pn_shape_gemm, pn_shape_instance_norm, pn_shape_layer_norm,
    pn_shape_lrn, pn_shape_matmul, pn_shape_prelu, pn_shape_reduce, pn_shape_softmax,
    pn_shape_unary;

#endif
