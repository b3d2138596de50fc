/**
 * @file ops.h  How each kind of layer prepares and runs.
 *
 * prepare() is called once, after the memory plan: it packs weights and cuts the layer
 * into tasks, by its shape alone. work() does one task on one thread; tasks of a layer
 * write different floats, and which thread does which, or how many images there are,
 * changes no bit. Nothing here allocates at run time.
 */
#ifndef PN_ENGINE_OPS_H
#define PN_ENGINE_OPS_H

#include "engine/net.h"

/** One run, as the layers see it. */
typedef struct pn_run {
    const struct pn_model *m;
    float *arena;
    int64_t capacity; /**< images the arena was made for */
    int n;            /**< images of this run */
    int threads;      /**< of the team */
    int64_t first;    /**< slot of image 0 */
    int64_t
        own_slot; /**< where a segment's local tensors are, plus 1; 0: with the image */
} pn_run;

static inline float *pn_run_tensor(const pn_run *r, int tensor, int64_t image)
{
    const pn_tensor *t = &r->m->tensors[tensor], *root = &r->m->tensors[t->root];
    const int64_t slot =
        root->is_local && r->own_slot ? r->own_slot - 1 : r->first + image;
    return r->arena + root->arena_offset * r->capacity + slot * root->image_stride +
           t->offset;
}

typedef struct pn_layer_ops {
    /** @return PN_ENOMEM, PN_EUNSUPPORTED, PN_EFORMAT (weights) */
    pn_status (*prepare)(struct pn_model *m, const pn_graph *g, pn_layer *l);
    /** Task of image `image`; a batched layer gets 0 and does all images. */
    void (*work)(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                 float *scratch);
    /** Tasks of the whole run, each over all images, where that follows the batch and the
     * team; NULL: l->n_tasks. */
    int64_t (*tasks)(const pn_run *r, const pn_layer *l);
} pn_layer_ops;

extern const pn_layer_ops pn_ops_conv, pn_ops_conv_wino, pn_ops_depthwise, pn_ops_fc,
    pn_ops_affine, pn_ops_unary, pn_ops_binary, pn_ops_max_pool, pn_ops_avg_pool,
    pn_ops_global, pn_ops_softmax, pn_ops_copy, pn_ops_reshape, pn_ops_pad, pn_ops_reduce,
    pn_ops_lrn, pn_ops_instance_norm, pn_ops_layer_norm, pn_ops_matmul,
    pn_ops_conv_transpose, pn_ops_resize;
const pn_layer_ops *pn_ops_of(pn_layer_kind kind);
/** Whether a convolution is to run by Winograd's algorithm, and with which tiles: a rule
 * of its shape alone. */
bool pn_conv_suits_winograd(const pn_conv *c, const pn_kernels *k);
pn_wino_size pn_conv_wino_size(const pn_shape *y);

/** Work through all layers with a team of `threads`; scratch is threads pieces of
 * m->scratch_floats. layer_s: NULL, or n_layers seconds to add to. */
void pn_team_run(const pn_run *r, int threads, float *scratch, double *layer_s);
/** From now on OpenBLAS does this thread's calls on it alone. @return what
 * pn_team_restore() wants */
int pn_team_alone(void);
void pn_team_restore(int before);
/** Whether the library under us is one we may call from our own threads.
 * @return PN_EMISMATCH */
PN_MUST_CHECK pn_status pn_team_check(pn_err *err);

/* weights.c: from the graph's constants to floats */

/** n floats of constant `value`, denormals flushed. NULL: no memory, or too few. */
const float *pn_weights_copy(struct pn_model *m, const pn_graph *g, int value, int64_t n);
/** Bias after folding: bias * scale + shift in double; a bias of one element serves all.
 * NULL in *out if there is neither bias nor shift. */
pn_status pn_weights_bias(struct pn_model *m, const pn_graph *g, int bias, double beta,
                          const pn_scale *s, int64_t n, const float **out);
/** Read n floats from element `first`, multiply by scale in double, flush denormals. */
pn_status pn_weights_read(const pn_graph *g, int value, int64_t first, int64_t n,
                          double scale, float *out);
/** Fill act.slope of a layer that has one. */
pn_status pn_weights_slope(struct pn_model *m, const pn_graph *g, pn_layer *l);

/* walk.c: strided loops */

/** Loops over `shape` with the strides of y and the inputs (NULL: none), in y's order in
 * memory, neighbouring dimensions joined where they can be. */
void pn_walk_init(pn_walk *w, const pn_shape *shape, const ptrdiff_t *y,
                  const ptrdiff_t *a, const ptrdiff_t *b);
/** Offsets of row `row`. */
void pn_walk_row(const pn_walk *w, int64_t row, ptrdiff_t *y, ptrdiff_t *a, ptrdiff_t *b);
/** Strides of a constant of shape s broadcast to an image's shape; 0 where it repeats.
 * @return false if it does not fit */
bool pn_walk_broadcast(const pn_shape *s, const pn_shape *to, ptrdiff_t *stride);
/** The same for a tensor: both shapes are an image's. */
bool pn_walk_broadcast_tensor(const pn_tensor *t, const pn_shape *to, ptrdiff_t *stride);

static inline int64_t pn_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}
static inline int64_t pn_min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t pn_max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
