/**
 * @file lower.h  From graph nodes to layers: what the functions of lower_*.c share.
 *
 * A function turns one node into layers. It returns PN_OK, PN_ENOMEM, or PN_EUNSUPPORTED
 * through pn_lower_refuse(), which notes the node and goes on, so that all refusals are
 * told at once. Shapes were inferred and checked by model/; the outputs' tensors are
 * there.
 */
#ifndef PN_ENGINE_LOWER_H
#define PN_ENGINE_LOWER_H

#include "engine/net.h"

typedef struct pn_lower {
    struct pn_model *m;
    const pn_graph *g;
    int *tensor_of; /**< by value; PN_NONE: constant, not needed, or refused */
    int *map_of;    /**< by value: the map that holds it under another shape; of one of
                       N x H x W x C see lower_last.c, of one or three axes lower_axes.c */
    bool is_last;   /**< the node at hand works on maps of lower_last.c */
    int n_axes;     /**< on maps of lower_axes.c: spatial axes of the values; else 0 */
    char *refused;  /**< malloc'd list */
    size_t refused_size;
    int n_refused;
} pn_lower;

typedef pn_status pn_lower_fn(pn_lower *lo, const pn_node *n);

/** Lower the part of g that the values in `taps` need; fills tensors, layers, input.
 * @param tap_tensors  n_taps tensors */
PN_MUST_CHECK pn_status pn_lower_graph(struct pn_model *m, const pn_graph *g,
                                       const int *taps, int n_taps, int *tap_tensors,
                                       pn_err *err);

/** @return PN_EUNSUPPORTED, or PN_ENOMEM */
pn_status pn_lower_refuse(pn_lower *lo, const pn_node *n, const char *fmt, ...)
    PN_PRINTF(3, 4);

static inline const pn_value *pn_lower_value(const pn_lower *lo, int id)
{
    return &lo->g->values[id];
}
/** Input i is there: neither past the end, left out, nor an empty constant. */
bool pn_lower_has(const pn_lower *lo, const pn_node *n, int i);
/** Input i is a constant with elements. */
bool pn_lower_is_const(const pn_lower *lo, const pn_node *n, int i);
/** The tensor of input i; PN_NONE if it is a constant. */
int pn_lower_in(const pn_lower *lo, const pn_node *n, int i);
int pn_lower_out(const pn_lower *lo, const pn_node *n, int i);
const pn_shape *pn_lower_shape(const pn_lower *lo, int tensor);
/** A layer with name and operator of the node; in[0] and out set. NULL without memory. */
pn_layer *pn_lower_layer(pn_lower *lo, const pn_node *n, pn_layer_kind kind, int in,
                         int out);
/** Whether all the inputs in first..last are constants. */
bool pn_lower_all_const(const pn_lower *lo, const pn_node *n, int first, int last);
/** Up to max integers of constant input i. @return their number, -1 if it is no such
 * constant */
int pn_lower_ints(const pn_lower *lo, const pn_node *n, int i, int64_t *out, int max);
/** The one number of constant input i. */
bool pn_lower_scalar(const pn_lower *lo, const pn_node *n, int i, float *out);
/**
 * One number a channel: input i is a constant that, broadcast against `shape` (of an
 * image), differs only along the channels (axis 0).
 * @param out  channels doubles
 */
bool pn_lower_per_channel(const pn_lower *lo, const pn_node *n, int i,
                          const pn_shape *shape, double *out);
/** Whether a tensor may have that shape: 1 to 2^40 - 1 numbers. */
bool pn_lower_fits(const pn_shape *s);
/** The image's part of a value's shape; false: the batch is not its first dimension, or
 * it does not fit. */
bool pn_lower_image_shape(const pn_value *v, pn_shape *out);
/** Refuse a node, as output `value` has no such shape: says which rule that breaks. */
pn_status pn_lower_refuse_shape(pn_lower *lo, const pn_node *n, int value);

#define PN_LOWER_FEW 8 /**< inputs of a node that works on maps under another shape */
/** Call `lower` with the maps of the data, and `out` for the output's. */
PN_MUST_CHECK pn_status pn_lower_on_maps(pn_lower *lo, const pn_node *n,
                                         pn_lower_fn *lower, int out);
/** Lower a node whose data have one or three spatial axes, by `lower` or otherwise.
 * @param done  false: it is no such node */
PN_MUST_CHECK pn_status pn_lower_axes(pn_lower *lo, const pn_node *n, pn_lower_fn *lower,
                                      bool *done);
/** A convolution or a pool over three axes. */
pn_lower_fn pn_lower_boxes;
/** One or three spatial axes: if the value has a map, it is one of lower_axes.c. */
static inline bool pn_lower_has_axes(const pn_lower *lo, int value)
{
    const int ndim = lo->g->values[value].shape.ndim;
    return ndim == 3 || ndim == 5;
}
/** A tensor of its own shape for a value that is a map of lower_axes.c. */
PN_MUST_CHECK pn_status pn_lower_unflatten(pn_lower *lo, int value);
/** Lower a node whose data are maps with the channels last, by `lower` or otherwise.
 * @param done  false: it is no such node */
PN_MUST_CHECK pn_status pn_lower_last(pn_lower *lo, const pn_node *n, pn_lower_fn *lower,
                                      bool *done);
/** Give a value that is only such a map a tensor of its own shape. */
PN_MUST_CHECK pn_status pn_lower_turn_out(pn_lower *lo, int value);
/** A function of one number, in place of the node. */
pn_status pn_lower_unary(pn_lower *lo, const pn_node *n, const pn_act *act);

pn_lower_fn pn_lower_conv, pn_lower_conv_transpose, pn_lower_gemm, pn_lower_matmul,
    pn_lower_pool, pn_lower_global_pool, pn_lower_batch_norm, pn_lower_instance_norm,
    pn_lower_layer_norm, pn_lower_lrn, pn_lower_softmax;
pn_lower_fn pn_lower_activation, pn_lower_clip, pn_lower_prelu, pn_lower_binary,
    pn_lower_identity, pn_lower_cast;
pn_lower_fn pn_lower_gather, pn_lower_reshape, pn_lower_transpose, pn_lower_concat,
    pn_lower_slice, pn_lower_split, pn_lower_pad, pn_lower_reduce, pn_lower_resize;

#endif
