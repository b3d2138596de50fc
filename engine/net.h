/**
 * @file net.h  The network as the engine sees it: tensors with a place, layers in order.
 *
 * lower.c makes it from the graph, passes/ shrink it, plan.c gives every tensor its
 * place, ops/ prepare each layer (pack weights, cut it into tasks) and run it. After that
 * it is read-only. Everything is per image: the batch is the runtime's affair.
 */
#ifndef PN_ENGINE_NET_H
#define PN_ENGINE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/kernels/kernels.h"
#include "penult/graph.h"

/**
 * One image's part of a value. Three dimensions are a map: C x H x W to the user,
 * channels innermost in memory. Any other number lies in C order. A tensor may be a part
 * of another (parent): a slice of the channels of a concatenation, or the same floats
 * under another shape.
 */
typedef struct pn_tensor {
    pn_shape shape; /**< without the batch */
    bool is_pinned; /**< read after the run (taps), or written before it (the input) */
    bool is_dense;  /**< must not become a slice: someone reads it as one run of floats */
    int parent;     /**< PN_NONE: has memory of its own */
    int64_t parent_offset; /**< floats */
    bool is_reshape;       /**< of its parent: same floats, C order in both */
    int value;             /**< of the graph, the first of that tensor; PN_NONE: none */
    bool is_last;          /**< value is H x W x C, the tensor C x H x W */
    /* plan.c */
    int root;
    int64_t offset; /**< floats from the start of the root's image */
    ptrdiff_t stride[PN_MAX_DIMS];
    int64_t pixel_stride; /**< of a map: floats from one pixel to the next */
    int64_t arena_offset; /**< of a root: floats, times the batch's capacity */
    int64_t image_stride; /**< of a root: floats from one image to the next */
    int first, last;      /**< of a root: layers between which it is alive */
    bool is_local;        /**< of a root: lives within one segment */
} pn_tensor;

/** Layers first .. end - 1. An image may go through them alone, on one thread, while
 * others are elsewhere in them: what it leaves behind is still in the cache. */
typedef struct pn_segment {
    int first, end;
} pn_segment;

/** Loops over up to PN_MAX_DIMS dimensions, innermost last, over an output and two
 * inputs. */
typedef struct pn_walk {
    int n;
    int64_t dim[PN_MAX_DIMS];
    ptrdiff_t y[PN_MAX_DIMS], a[PN_MAX_DIMS], b[PN_MAX_DIMS]; /**< strides in floats */
    int64_t rows;          /**< product of all but the innermost */
    int64_t rows_per_task; /**< by the shape alone */
} pn_walk;

typedef enum pn_layer_kind {
    PN_LAYER_CONV,
    PN_LAYER_CONV_WINO, /**< a CONV that Winograd's algorithm suits */
    PN_LAYER_DEPTHWISE,
    PN_LAYER_FC,
    PN_LAYER_AFFINE,
    PN_LAYER_UNARY,
    PN_LAYER_BINARY,
    PN_LAYER_MAX_POOL,
    PN_LAYER_AVG_POOL,
    PN_LAYER_GLOBAL_AVG,
    PN_LAYER_GLOBAL_MAX,
    PN_LAYER_SOFTMAX,
    PN_LAYER_COPY,    /**< strided: Transpose, Slice, Split, Concat, the middle of Pad */
    PN_LAYER_RESHAPE, /**< where the floats have to move */
    PN_LAYER_PAD,
    PN_LAYER_REDUCE,
    PN_LAYER_LRN,
    PN_LAYER_INSTANCE_NORM,
    PN_LAYER_LAYER_NORM,
    PN_LAYER_MATMUL,
    PN_LAYER_CONV_TRANSPOSE,
    PN_LAYER_RESIZE,
    PN_N_LAYER_KINDS
} pn_layer_kind;

/** y = scale * x + shift, one of each a channel, in double until the weights are packed.
 */
typedef struct pn_scale {
    double *scale, *shift;
} pn_scale;

/** A window that slides over a map: convolutions and pools. */
typedef struct pn_window {
    int64_t kh, kw, sh, sw, dh, dw;
    int64_t top, left, bottom, right; /**< padding */
} pn_window;

typedef struct pn_conv {
    pn_window win;
    int64_t cin, cout, group;
    int weight, bias; /**< graph values; bias may be PN_NONE */
    pn_scale folded;  /**< applied after weight and bias; NULLs: none */
    const float *packed, *bias_f32;
    size_t group_floats; /**< packed floats of one group */
    bool is_k_major;     /**< weight is cin x cout, of a 1x1 */
    bool is_direct;      /**< 1x1 and no stride: the map is the matrix */
    bool is_stacked;     /**< of three axes, see lower_boxes.c: not for Winograd */
    pn_wino_size wino;   /**< of a CONV_WINO */
    int64_t tile_pixels, tile_channels, n_pixel_tiles, n_channel_tiles;
} pn_conv;

typedef struct pn_fc {
    int64_t n, k;
    int weight, bias;   /**< graph values; bias may be PN_NONE */
    bool is_k_major;    /**< weight is k x n */
    double alpha, beta; /**< of Gemm */
    int64_t map_c; /**< input is a map of that many channels, weights expect C x H x W */
    int64_t map_pixels; /**< its H * W; 0: no map */
    pn_scale folded;
    const float *packed, *bias_f32;
} pn_fc;

typedef struct pn_pool {
    pn_window win;
    bool counts_padding;
} pn_pool;

/** A constant operand of a BINARY layer, broadcast like ONNX does. */
typedef struct pn_const_operand {
    int value; /**< of the graph; PN_NONE: the operand is a tensor */
    const float *data;
} pn_const_operand;

typedef struct pn_layer {
    pn_layer_kind kind;
    pn_op op;         /**< what it was in the graph */
    const char *name; /**< of the node, or of its output if it has none */
    int node;         /**< of the graph; of a fused layer the one with the weights */
    bool is_dead;
    int in[2];    /**< tensors; PN_NONE if there are fewer */
    int residual; /**< tensor that CONV adds, or PN_NONE */
    int out;
    pn_act act;
    int slope; /**< graph value of a PRELU's slope, or PN_NONE */
    union {
        pn_conv conv; /**< CONV, CONV_WINO, DEPTHWISE, CONV_TRANSPOSE */
        pn_fc fc;
        pn_pool pool;
        struct {
            pn_scale s;
            const float *scale, *shift;
            int64_t channels, pixels, rows_per_task;
        } affine;
        struct {
            pn_binary f;
            pn_const_operand c[2];
            pn_walk walk;
        } binary;
        struct {
            pn_walk walk;
            int64_t axis_len;
            ptrdiff_t axis_y, axis_x;
            int axis; /**< of the image's shape */
            bool is_log;
        } softmax;
        struct {
            int64_t x_offset, y_offset; /**< floats from the tensor's start */
            int64_t dim[PN_MAX_DIMS];   /**< what is copied */
            int axis_of[PN_MAX_DIMS];   /**< y's axis i is x's axis_of[i] */
            int64_t x_begin[PN_MAX_DIMS], x_step[PN_MAX_DIMS]; /**< by x's axes */
            int64_t y_begin[PN_MAX_DIMS];
            pn_walk walk;
        } copy; /**< also UNARY's walk */
        struct {
            int64_t before[PN_MAX_DIMS];
            float value;
            int mode; /**< 0 constant, 1 edge, 2 reflect */
        } pad;
        struct {
            pn_op f;
            bool is_reduced[PN_MAX_DIMS];
            pn_walk keep;  /**< a: strides of x */
            pn_walk inner; /**< the reduced dimensions; a: strides of x */
            int64_t count;
        } reduce;
        struct {
            int64_t size;
            float alpha, beta, bias;
        } lrn;
        struct {
            int scale, shift; /**< graph values */
            const float *scale_f32, *shift_f32;
            float epsilon;
        } norm;
        struct {
            int scale, shift;                   /**< graph values; shift may be PN_NONE */
            const float *scale_f32, *shift_f32; /**< one for each of `inner` */
            float epsilon;
            bool is_normed[PN_MAX_DIMS]; /**< the axes a mean goes over */
            pn_walk keep, inner; /**< the others, and those; plain loops in C order */
            int64_t count, positions, per_task;
        } layer_norm;
        struct {
            int64_t m, n, k;
            ptrdiff_t ym, yn, am, ak, bk, bn; /**< strides */
            pn_walk walk;                     /**< the dimensions before */
            pn_const_operand c[2];
        } matmul;
        struct {
            int64_t *index[PN_MAX_DIMS]; /**< of x for each of y, by axis */
        } resize;
    } u;
    /* what the runtime sees */
    int64_t n_tasks;       /**< of one image, or of the run if is_batched */
    bool is_batched;       /**< a task covers all images */
    size_t scratch_floats; /**< a thread needs while it works on one task */
} pn_layer;

/** A tensor that leaves. */
typedef struct pn_tap {
    int tensor;
    pn_shape shape;
    size_t count;
    int64_t out_offset; /**< floats, times the batch's capacity, behind the tensors */
} pn_tap;

struct pn_block;

struct pn_model {
    pn_arena arena;
    pn_kernels kernels;
    pn_cpu cpu;
    bool exact;
    int n_tensors, tensors_capacity;
    pn_tensor *tensors;
    int n_layers, layers_capacity;
    pn_layer *layers;
    int n_segments;
    pn_segment *segments; /**< all layers, in order */
    int input;            /**< tensor */
    int n_taps;
    pn_tap *taps;
    /* layers are packed by several threads */
    _Atomic(struct pn_block *) blocks; /**< packed weights */
    _Atomic int64_t weight_bytes;
    int64_t image_floats;  /**< of tensors and taps */
    size_t scratch_floats; /**< of one thread */
};

/* net.c */

/** A tensor of that shape; PN_NONE when there is no memory. */
int pn_net_add_tensor(struct pn_model *m, const pn_shape *shape);
/** A zeroed layer at the end; NULL when there is no memory. Pointers to layers move. */
pn_layer *pn_net_add_layer(struct pn_model *m, pn_layer_kind kind);
/** Forget dead layers. */
void pn_net_compact(struct pn_model *m);
/** 64-byte aligned, zeroed, padded; counted in weight_bytes; NULL without memory.
 * Threads may call it at once. */
float *pn_net_alloc_weights(struct pn_model *m, size_t floats);
/** Free all that pn_net_alloc_weights() gave. */
void pn_net_free_weights(struct pn_model *m);
void pn_net_free(struct pn_model *m);

/** Uses of each tensor by layers and by reshapes of it: the layer if there is exactly one
 * use, it is a layer's, and nobody reads the tensor after the run; else PN_NONE.
 * malloc'd, NULL without memory. */
int *pn_net_sole_users(const struct pn_model *m);
/** The layer that writes each tensor, PN_NONE if none or several. malloc'd. */
int *pn_net_writers(const struct pn_model *m);

static inline bool pn_tensor_is_map(const pn_tensor *t)
{
    return t->shape.ndim == 3;
}
/** Whether its floats, as they lie, are in C order of its shape (if it is no slice). */
bool pn_tensor_in_c_order(const pn_tensor *t);
static inline bool pn_act_is_none(const pn_act *a)
{
    return a->kind == PN_ACT_CLAMP && a->lo < -3.4e38F && a->hi > 3.4e38F;
}
extern const pn_act pn_act_none;

#endif
