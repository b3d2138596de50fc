/**
 * @file walk64.h  The graph in double precision, node by node: the judge of the engine.
 *
 * Every operator is written anew from ONNX's words, in NCHW, for one image, and shares no
 * code with engine/ops. Values live until their last reader is done; constants are
 * widened a part at a time.
 *
 * Beside a value the walk keeps, where asked, how far the engine's arithmetic may be off:
 * a running error analysis (Wilkinson 1963; Higham, Accuracy and Stability of Numerical
 * Algorithms, 2nd ed., 3.3). A value that a layer reads comes rounded to float, so it is
 * off by u|x|, u = 2^-24; each operator passes on what comes in and adds its own
 * roundings. Operators that the engine fuses pass theirs on to the next, so that a bound
 * fits however they are joined. Two bounds travel together:
 *
 *   most   holds for every element, whatever the roundings (Higham 3.1: a chain of n
 *          roundings is off by at most n u sum|w||x|, to first order);
 *   usual  holds for the root of the mean square over a layer: roundings that do not
 *          conspire add like a random walk (Higham & Mary 2019, A New Approach to
 *          Probabilistic Rounding Error Analysis), 3 sqrt(n) where that is less than n.
 *
 * Numbers below 2^-126 become zero in the engine; magnitudes are therefore taken as
 * |x| + 2^-102, which u turns into 2^-126.
 */
#ifndef PN_ENGINE_WALK64_H
#define PN_ENGINE_WALK64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/oracle/share.h"
#include "penult/graph.h"

/** Numbers a value may have: 8 GiB of doubles. */
#define PN_WALK64_MAX ((int64_t)1 << 30)

/** An image's part of a value, and its bounds. */
typedef struct pn_array64 {
    pn_shape shape; /**< the batch is 1 */
    int64_t n;
    double *x;
    double *most, *usual; /**< n each, in one block at `most`; NULL: u|x| */
    bool is_layer; /**< the engine writes it to memory: who reads it reads floats */
} pn_array64;

typedef enum pn_sum_kind {
    PN_SUM_CHAIN,      /**< fused multiply-adds, `roundings` on the way of a product */
    PN_SUM_WINOGRAD_4, /**< F(4x4, 3x3), such chains in between */
    PN_SUM_WINOGRAD_5, /**< F(5x5, 3x3) */
} pn_sum_kind;

/** How the engine adds up a product of matrices. */
typedef struct pn_sum {
    pn_sum_kind kind;
    int64_t roundings;
} pn_sum;

typedef struct pn_walk64 {
    const pn_graph *g;
    bool has_bounds;
    pn_array64
        *values;     /**< by value; x is NULL before it is computed and after its end */
    int *readers;    /**< by value: nodes that will still read it, and pn_walk64_keep */
    pn_sum *sums;    /**< by node */
    int next;        /**< node */
    int not_finite;  /**< first node that made NaN or infinity of finite numbers */
    pn_share *share; /**< lent; NULL: the caller does all alone */
    bool (*is_unwanted)(void *arg); /**< asked before every node; may be NULL */
    void *arg;
} pn_walk64;

/** has_bounds, sums, share, is_unwanted and the values' is_layer are the caller's to set
 * before the first step. @return PN_ENOMEM */
PN_MUST_CHECK pn_status pn_walk64_new(pn_walk64 **out, const pn_graph *g, pn_err *err);
void pn_walk64_free(pn_walk64 **w);
/** A graph input: n floats of one image, copied. @return PN_EINVAL (another number),
 * PN_EUNSUPPORTED (too large), PN_ENOMEM */
PN_MUST_CHECK pn_status pn_walk64_set_input(pn_walk64 *w, int value, const float *x,
                                            size_t n, pn_err *err);
/** Walk until `value` is there. @return PN_ENOMEM, PN_EUNSUPPORTED naming the node (no
 * such operator, or more than 2^30 numbers) */
PN_MUST_CHECK pn_status pn_walk64_reach(pn_walk64 *w, int value, pn_err *err);
/** One more reader / one less: at none left the value goes. */
void pn_walk64_keep(pn_walk64 *w, int value);
void pn_walk64_drop(pn_walk64 *w, int value);

/* What the functions of oracle_*.c share. */

#define PN_U 0x1p-24 /**< unit roundoff of float */

/** One operator: computes n's outputs. @return PN_ENOMEM, PN_EUNSUPPORTED */
typedef pn_status pn_oracle_fn(pn_walk64 *w, const pn_node *n);
pn_oracle_fn pn_oracle_conv, pn_oracle_conv_transpose, pn_oracle_gemm, pn_oracle_matmul;
pn_oracle_fn pn_oracle_binary, pn_oracle_unary, pn_oracle_clip;
pn_oracle_fn pn_oracle_pool, pn_oracle_global_pool;
pn_oracle_fn pn_oracle_batch_norm, pn_oracle_instance_norm, pn_oracle_lrn,
    pn_oracle_softmax, pn_oracle_reduce, pn_oracle_layer_norm;
pn_oracle_fn pn_oracle_same, pn_oracle_transpose, pn_oracle_concat, pn_oracle_slice,
    pn_oracle_split, pn_oracle_pad, pn_oracle_resize, pn_oracle_gather;

/** Whether input i is given: not past the end, left out, or an empty constant. */
bool pn_oracle_has(const pn_walk64 *w, const pn_node *n, int i);
/** Input i; a constant is widened into `room`, to be freed by pn_oracle_done(). NULL
 * without memory. */
const pn_array64 *pn_oracle_in(const pn_walk64 *w, const pn_node *n, int i,
                               pn_array64 *room);
void pn_oracle_done(pn_array64 *room);
/** Set shape and n of a value for one image. @return false: too large */
bool pn_oracle_shape(pn_walk64 *w, int value);
/** Output i, to be filled, with room for bounds if the walk has them and `bounds`. NULL
 * without memory. */
pn_array64 *pn_oracle_out(pn_walk64 *w, const pn_node *n, int i, bool bounds);
/** Elements first .. first + n of a constant, any type. */
void pn_oracle_widen(const pn_value *v, int64_t first, int64_t n, double *out);
/** Up to max integers: of attribute `name`, or of constant input i where there is none.
 * @return their number, -1 if they are not there */
int pn_oracle_ints(const pn_walk64 *w, const pn_node *n, const char *name, int i,
                   int64_t *out, int max);

static inline double pn_mag(double x)
{
    return (x < 0 ? -x : x) + 0x1p-102;
}
/** The bound of element i that comes in: `plane` 0 most, 1 usual. */
static inline double pn_off(const pn_array64 *a, int plane, int64_t i)
{
    return a->most && !a->is_layer ? a->most[plane * a->n + i] : PN_U * pn_mag(a->x[i]);
}
/** What `plane` says of n roundings in a row. */
double pn_roundings(int plane, int64_t n);

/** Windows over up to three axes, right-aligned: a map is 1 x H x W. */
typedef struct pn_window64 {
    int64_t kernel[3], stride[3], dilation[3], before[3], after[3], in[3], out[3];
} pn_window64;
/** From attributes; x and y are N x C x up to three axes. @return false: more axes */
bool pn_oracle_window(const pn_node *n, const pn_shape *x, const pn_shape *y,
                      pn_window64 *w);

/** Bounds of a 3x3 convolution done by Winograd's algorithm, into y->most and usual. */
PN_MUST_CHECK pn_status pn_oracle_winograd(const pn_walk64 *walk, const pn_value *weights,
                                           const pn_window64 *w, const pn_array64 *x,
                                           const pn_sum *sum, pn_array64 *y);

#endif
