/**
 * @file parity.h  Proof of a conversion: the engine against the graph in double
 * precision.
 *
 * Each layer of the optimised engine (folded, fused, packed as for a run) is fed the
 * double-precision walk's values rounded to float and judged alone, against the walk's
 * value of the tensor it writes. What it may be off follows from its own arithmetic
 * (engine/oracle/walk64.h): for a sum of K products, in blocks of 128 fused
 * multiply-adds,
 *
 *     |y - y64| <= u (min(K, 128) + ceil(K / 128) + 2) sum|w||x| + u (2|y| + 2|bias|),
 *
 * u = 2^-24, for every element; and the same with 3 sqrt(n) for n roundings, where that
 * is less, for the root of the mean square over the layer. A second image runs through
 * all layers by itself: that is the answer a run gives, end to end. Where a run takes an
 * image through several layers alone, a third one goes that way and must keep its bits.
 */
#ifndef PENULT_PARITY_H
#define PENULT_PARITY_H

#include "penult/graph.h"
#include "penult/model.h"
#include "penult/status.h"

typedef struct pn_parity_opts {
    const float *sample; /**< n_sample floats, C x H x W; NULL: seeded */
    size_t n_sample;
    uint64_t seed; /**< of bytes, as the model's preprocessing record maps them; without
                      one, or for what is no image of three channels, 0..255 as they
                      are, and where that leads beyond float's range, 0..1 */
    pn_cpu cpu;
    bool exact;  /**< as in pn_model_opts */
    int threads; /**< at least 1; of several, one walks ahead of the engine */
    /** Asked before every node, on any thread but one at a time: whether to end, as
     * nobody wants the answer any more. NULL: to the end */
    bool (*is_unwanted)(void *arg);
    void *arg;
} pn_parity_opts;

/** What was found at one layer. */
typedef struct pn_parity_layer {
    const char *op;   /**< static */
    const char *name; /**< lent by the graph: of the value it writes */
    double relative;  /**< greatest difference, by the greatest value */
    double used;      /**< of what its bound allows: above 1 it is missed */
} pn_parity_layer;

/** What was found at one output, end to end. */
typedef struct pn_parity_output {
    const char *name; /**< lent by the graph */
    double greatest;  /**< difference, by the greatest value */
    double l2;        /**< norm of the differences, by the norm of the values */
    int k;            /**< ranks compared; 0: it is no score a class */
    int agree;        /**< of them: same class, or one of a score equal to 1e-6 of the
                         greatest */
    bool first_agrees;
} pn_parity_output;

typedef struct pn_parity {
    int n_layers, n_missed;
    pn_parity_layer *layers; /**< in the order of a run; owned */
    int worst;               /**< the one that used most; -1: no layers */
    int n_outputs;
    pn_parity_output *outputs; /**< owned */
    char *unproved;      /**< which nodes the engine (or the walk) has no code for; owned;
                            NULL: all was judged */
    bool is_engines_gap; /**< unproved, as the engine cannot run it */
    bool is_0_to_1;      /**< the seeded input was */
    const char *not_finite; /**< first tensor with NaN or numbers beyond float's range;
                               lent; NULL: none */
    const char *strayed; /**< first tensor of other bits when an image goes alone; lent;
                            NULL: none */
} pn_parity;

/**
 * Walk, run, judge. Weights are widened and packed one layer at a time.
 * @param out  the caller's, zeroed; lent names live as long as g
 * @return PN_OK whatever was found; PN_EINVAL (the sample does not fit), PN_ENOMEM,
 * PN_ESTOPPED (is_unwanted)
 */
PN_MUST_CHECK pn_status pn_parity_check(pn_parity *out, const pn_graph *g,
                                        const pn_parity_opts *opts, pn_err *err);
/** No bound was missed, no image strayed and all numbers are finite; what could not be
 * judged holds. */
bool pn_parity_holds(const pn_parity *p);
void pn_parity_fini(pn_parity *p);

#endif
