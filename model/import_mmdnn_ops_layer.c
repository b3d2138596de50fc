/* Layers with weights, and windows. */
#include <float.h>
#include <string.h>

#include "model/import_mmdnn.h"
#include "penult/log.h"

enum { MAX_SPATIAL = 3 };

typedef struct window {
    int n;
    int64_t kernel[MAX_SPATIAL], stride[MAX_SPATIAL], dilation[MAX_SPATIAL],
        pads[2 * MAX_SPATIAL];
    const char *auto_pad; /* NULL: the pads say it */
} window;

/* the middle of a channel-last list: [1, h, w, 1] */
static bool middle(pn_mmdnn *im, const char *key, int n, int64_t *out)
{
    int64_t all[MAX_SPATIAL + 2];
    if (!pn_mm_ints(im, key, (size_t)n + 2, 1, all)) return false;
    memcpy(out, all + 1, (size_t)n * sizeof(*out));
    return true;
}

static bool read_window(pn_mmdnn *im, int ndim, window *w)
{
    int64_t pads[2 * (MAX_SPATIAL + 2)];
    w->n = ndim - 2;
    w->auto_pad = NULL;
    if (w->n < 1 || w->n > MAX_SPATIAL) {
        pn_mm_refuse(im, "a window on %d dimensions", ndim);
        return false;
    }
    if (!middle(im, "strides", w->n, w->stride) ||
        !middle(im, "dilations", w->n, w->dilation) ||
        !pn_mm_ints(im, "pads", 2 * (size_t)ndim, 0, pads))
        return false;
    for (int i = 0; i < w->n; i++) {
        w->pads[i] = pads[i + 1];
        w->pads[w->n + i] = pads[ndim + i + 1];
    }
    if (!pn_mm_attr_of(im->node, "pads")) {
        const char *mode = pn_mm_string(im, "auto_pad", "VALID");
        if (strcmp(mode, "VALID") != 0)
            w->auto_pad = !strcmp(mode, "SAME_LOWER") ? "SAME_LOWER" : "SAME_UPPER";
    }
    return true;
}

static void set_window(pn_mmdnn *im, const window *w)
{
    pn_mm_set_ints(im, "strides", w->stride, (size_t)w->n);
    if (w->auto_pad)
        pn_mm_set_string(im, "auto_pad", w->auto_pad);
    else
        pn_mm_set_ints(im, "pads", w->pads, 2 * (size_t)w->n);
}

/* "weights" of kernel axes, then two more; NULL and told if there is no such array */
static const pn_npy_array *kernel_of(pn_mmdnn *im, int n)
{
    const pn_npy_array *a = pn_mm_array(im, "weights");
    char is[PN_SHAPE_TEXT];
    if (!a)
        pn_mm_misfit(im, "\"weights\" is missing");
    else if (a->shape.ndim != n + 2)
        pn_mm_misfit(im, "\"weights\" is %s, must have %d dimensions",
                     pn_shape_text(&a->shape, is, sizeof(is)), n + 2);
    return a && a->shape.ndim == n + 2 ? a : NULL;
}

/* kernel axes first, then two: the graph wants these two first, in the given order */
static int kernel_const(pn_mmdnn *im, const pn_npy_array *a, int n, int outer, int inner,
                        const pn_shape *shape)
{
    int64_t dims[MAX_SPATIAL + 2], strides[MAX_SPATIAL + 2];
    for (int i = 0; i < n + 2; i++) {
        int axis = i == 0 ? outer : i == 1 ? inner : i - 2;
        dims[i] = a->shape.dim[axis];
        strides[i] = pn_mm_stride(a, axis);
    }
    return pn_mm_strided(im, "weight", shape, a, dims, strides, n + 2);
}

static int bias_of(pn_mmdnn *im, int64_t n)
{
    bool has = pn_mm_int(im, "use_bias", pn_mm_array(im, "bias") != NULL) != 0;
    return has ? pn_mm_vector(im, "bias", "bias", n) : PN_NONE;
}

static void emit_conv(pn_mmdnn *im, pn_op op, const window *w, int x, int weight,
                      int64_t filters, int64_t group)
{
    int bias = bias_of(im, filters), inputs[] = {x, weight, bias};
    pn_mm_emit(im, op, NULL, inputs, bias == PN_NONE ? 2 : 3);
    pn_mm_set_ints(im, "dilations", w->dilation, (size_t)w->n);
    pn_mm_set_ints(im, "kernel_shape", w->kernel, (size_t)w->n);
    pn_mm_set_int(im, "group", group);
    set_window(im, w);
    im->is_flat = false;
}

static void conv(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x), shape = {.ndim = in.ndim};
    window w;
    char is[PN_SHAPE_TEXT];
    if (x == PN_NONE || !read_window(im, in.ndim, &w)) return;
    const pn_npy_array *a = kernel_of(im, w.n);
    if (!a) return;
    bool is_depthwise = !strcmp(im->node->op, "DepthwiseConv");
    /* depthwise: (..., channels, filters a channel), or both in one axis */
    int64_t inner = a->shape.dim[w.n], outer = a->shape.dim[w.n + 1], filters;
    int64_t group = is_depthwise ? in.dim[1] : pn_mm_int(im, "group", 1);
    if (__builtin_mul_overflow(is_depthwise ? inner : 1, outer, &filters)) return;
    if (group < 1 || in.dim[1] % group || filters % group ||
        (is_depthwise ? false : inner != in.dim[1] / group)) {
        pn_mm_misfit(im, "\"weights\" is %s for %lld channels in %lld groups",
                     pn_shape_text(&a->shape, is, sizeof(is)), (long long)in.dim[1],
                     (long long)group);
        return;
    }
    shape.dim[0] = filters;
    shape.dim[1] = in.dim[1] / group;
    for (int i = 0; i < w.n; i++)
        shape.dim[i + 2] = w.kernel[i] = a->shape.dim[i];
    int weight = kernel_const(im, a, w.n, is_depthwise ? w.n : w.n + 1,
                              is_depthwise ? w.n + 1 : w.n, &shape);
    emit_conv(im, PN_OP_CONV, &w, x, weight, filters, group);
}

static void conv_transpose(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x), shape = {.ndim = in.ndim};
    window w;
    if (x == PN_NONE || !read_window(im, in.ndim, &w)) return;
    const pn_npy_array *a = kernel_of(im, w.n);
    if (!a) return;
    int64_t group = pn_mm_int(im, "group", 1);
    shape.dim[0] = a->shape.dim[w.n + 1];
    shape.dim[1] = a->shape.dim[w.n];
    for (int i = 0; i < w.n; i++)
        shape.dim[i + 2] = w.kernel[i] = a->shape.dim[i];
    int64_t filters;
    if (group < 1 || shape.dim[0] != in.dim[1] ||
        __builtin_mul_overflow(shape.dim[1], group, &filters)) {
        pn_mm_misfit(im, "\"weights\" is for %lld channels, its input has %lld",
                     (long long)shape.dim[0], (long long)in.dim[1]);
        return;
    }
    int weight = kernel_const(im, a, w.n, w.n + 1, w.n, &shape);
    emit_conv(im, PN_OP_CONV_TRANSPOSE, &w, x, weight, filters, group);
}

/* ---- pooling ---- */

/* Does the stated size follow from rounding down, up, or neither? */
static bool find_rounding(pn_mmdnn *im, const window *w, const pn_shape *in, bool *is_up)
{
    *is_up = false;
    if (w->auto_pad) return true;
    for (int pass = 0; pass < 2; pass++) {
        bool fits = true;
        for (int i = 0; i < w->n; i++) {
            int64_t room = in->dim[i + 2] + w->pads[i] + w->pads[w->n + i] - w->kernel[i];
            if (room < 0 || w->stride[i] < 1) fits = false;
            if (fits)
                fits = (room + (pass ? w->stride[i] - 1 : 0)) / w->stride[i] + 1 ==
                       im->node->shape.dim[i + 2];
        }
        *is_up = pass == 1;
        if (fits) return true;
    }
    char is[PN_SHAPE_TEXT];
    pn_mm_refuse(im, "its windows do not make %s, rounded up or down",
                 pn_shape_text(&im->node->shape, is, sizeof(is)));
    return false;
}

static bool small(int64_t v)
{
    return v >= 0 && v <= INT32_MAX;
}

static bool is_sane(const window *w)
{
    for (int i = 0; i < w->n; i++)
        if (!small(w->kernel[i]) || !small(w->stride[i]) || !small(w->pads[i]) ||
            !small(w->pads[w->n + i]))
            return false;
    return true;
}

/* ONNX has no window that sees padding alone; MXNet has */
static bool has_empty_window(const pn_mmdnn *im, const window *w, const pn_shape *in)
{
    for (int i = 0; i < w->n && !w->auto_pad; i++) {
        int64_t last = (im->node->shape.dim[i + 2] - 1) * w->stride[i];
        if (w->pads[i] >= w->kernel[i] || w->pads[w->n + i] >= w->kernel[i] ||
            last >= in->dim[i + 2] + w->pads[i])
            return true;
    }
    return false;
}

/* as many of the least number as the windows reach, in a node of its own */
static int spell_padding(pn_mmdnn *im, window *w, int x, const pn_shape *in)
{
    int64_t pads[2 * PN_MAX_DIMS] = {0};
    for (int i = 0; i < w->n; i++) {
        int64_t end = (im->node->shape.dim[i + 2] - 1) * w->stride[i] + w->kernel[i] -
                      in->dim[i + 2] - w->pads[i];
        pads[i + 2] = w->pads[i];
        pads[in->ndim + i + 2] = end > 0 ? end : 0;
        w->pads[i] = w->pads[w->n + i] = 0;
    }
    int by = pn_mm_ints_const(im, "pads", pads, 2 * (size_t)in->ndim);
    int with = pn_mm_scalar(im, "fill", -FLT_MAX);
    int padded = pn_mm_emit(im, PN_OP_PAD, "padded", PN_MM_IN(x, by, with));
    pn_mm_set_string(im, "mode", "constant");
    return padded;
}

static void pool(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x);
    bool is_max = !strcmp(pn_mm_string(im, "pooling_type", ""), "MAX"), is_up;
    window w;
    if (x == PN_NONE) return;
    if (!is_max && strcmp(pn_mm_string(im, "pooling_type", ""), "AVG") != 0) {
        pn_mm_refuse(im, "pooling_type is %s",
                     pn_mm_string(im, "pooling_type", "missing"));
        return;
    }
    if (pn_mm_int(im, "global_pooling", 0)) {
        pn_mm_emit(im, is_max ? PN_OP_GLOBAL_MAX_POOL : PN_OP_GLOBAL_AVERAGE_POOL, NULL,
                   &x, 1);
        return;
    }
    if (!read_window(im, in.ndim, &w) || !middle(im, "kernel_shape", w.n, w.kernel))
        return;
    if (im->node->shape.ndim != in.ndim || !is_sane(&w)) {
        pn_mm_refuse(im, "a size that is none");
        return;
    }
    if (!find_rounding(im, &w, &in, &is_up)) return;
    if (has_empty_window(im, &w, &in)) {
        if (!is_max) {
            pn_mm_refuse(im, "an average of padding alone");
            return;
        }
        x = spell_padding(im, &w, x, &in);
        is_up = false;
    }
    pn_mm_emit(im, is_max ? PN_OP_MAX_POOL : PN_OP_AVERAGE_POOL, NULL, &x, 1);
    pn_mm_set_ints(im, "kernel_shape", w.kernel, (size_t)w.n);
    set_window(im, &w);
    pn_mm_set_int(im, "ceil_mode", is_up);
    if (is_max) return;
    /* what a padded average divides by is nowhere said: MXNet counts the padding unless
     * told otherwise, TensorFlow, which says SAME or VALID, does not */
    bool counts = !pn_mm_attr_of(im->node, "auto_pad"), is_padded = false;
    for (int i = 0; i < 2 * w.n; i++)
        is_padded |= w.pads[i] != 0;
    pn_mm_set_int(im, "count_include_pad", counts);
    if (is_padded && counts)
        pn_log(PN_LOG_WARN,
               "Pool \"%s\": MMdnn's IR does not say whether an average counts its "
               "padding: taken as counted, as MXNet does by default",
               im->node->name);
}

/* ---- fully connected ---- */

/* The tensor whose flattening gave the input, if its places and channels stand in the
 * IR's order in the rows of the weights; NULL: they stand as in the graph. */
static const pn_mm_node *flattened_from(pn_mmdnn *im)
{
    const pn_mm_node *at = pn_mm_parent(im, 0);
    /* MMdnn's parser turns the first such layer behind a convolution, no other */
    if (im->is_mxnet && !im->is_penult && im->is_flat) return NULL;
    for (size_t steps = 0; at && steps <= im->ir.n; steps++) {
        if (at->has_shape && at->shape.ndim > 2) return at;
        bool is_view = !strcmp(at->op, "Flatten") || !strcmp(at->op, "Dropout");
        if (im->is_penult && !is_view) return NULL;
        if (!at->n_inputs || !strcmp(at->op, "FullyConnected")) return NULL;
        at = pn_mm_graph_find(&im->ir, at->inputs[0]);
    }
    return NULL;
}

/* rows x units in the IR, units x rows in the graph */
static int matrix_const(pn_mmdnn *im, const pn_npy_array *a, const pn_mm_node *from)
{
    int64_t rows = a->shape.dim[0], units = a->shape.dim[1], channels = 1, places = 1;
    pn_shape shape = {.ndim = 2, .dim = {units, rows}};
    if (from) {
        channels = from->shape.dim[1];
        for (int i = 2; i < from->shape.ndim; i++)
            if (__builtin_mul_overflow(places, from->shape.dim[i], &places)) places = 0;
    }
    int64_t row = pn_mm_stride(a, 0), product = 0;
    if (places < 1 || channels < 1 ||
        __builtin_mul_overflow(channels, places, &product) || product != rows) {
        channels = 1; /* not what was flattened: as it lies */
        places = rows;
        if (from) {
            pn_mm_misfit(im, "%lld rows for what \"%s\" makes", (long long)rows,
                         from->name);
            return PN_NONE;
        }
    }
    const int64_t dims[] = {units, channels, places};
    const int64_t strides[] = {pn_mm_stride(a, 1), row, row * channels};
    return pn_mm_strided(im, "weight", &shape, a, dims, strides, 3);
}

static void fully_connected(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x);
    const pn_npy_array *a = pn_mm_array(im, "weights");
    char is[PN_SHAPE_TEXT];
    if (x == PN_NONE) return;
    if (!a || a->shape.ndim != 2) {
        pn_mm_misfit(im, "\"weights\" is %s, must be rows x units",
                     a ? pn_shape_text(&a->shape, is, sizeof(is)) : "missing");
        return;
    }
    const pn_mm_node *from = flattened_from(im);
    im->is_flat = true;
    if (in.ndim > 2) {
        x = pn_mm_emit(im, PN_OP_FLATTEN, "flat", &x, 1);
        pn_mm_set_int(im, "axis", 1);
    }
    int64_t units = a->shape.dim[1];
    int weight = matrix_const(im, a, from), bias = bias_of(im, units);
    int inputs[] = {x, weight, bias};
    pn_mm_emit(im, PN_OP_GEMM, NULL, inputs, bias == PN_NONE ? 2 : 3);
    pn_mm_set_int(im, "transB", 1);
}

/* ---- normalisation ---- */

/* ones or zeros where the layer has no array */
static int vector_or(pn_mmdnn *im, const char *suffix, const char *key, int64_t n,
                     float fallback)
{
    if (pn_mm_array(im, key)) return pn_mm_vector(im, suffix, key, n);
    pn_shape shape = {.ndim = 1, .dim = {n}};
    if (n < 1 || n > INT32_MAX) return PN_NONE;
    float *all = pn_graph_alloc(im->g, (size_t)n * sizeof(*all));
    if (!all) {
        pn_mm_fail(im, PN_ENOMEM, "out of memory");
        return PN_NONE;
    }
    for (int64_t i = 0; i < n; i++)
        all[i] = fallback;
    return pn_mm_const(im, suffix, PN_F32, &shape, all);
}

static void batch_norm(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x);
    bool is_scale = !strcmp(im->node->op, "Scale"); /* Caffe's: no statistics */
    if (x == PN_NONE) return;
    if (in.ndim < 2) {
        pn_mm_refuse(im, "on %d dimensions", in.ndim);
        return;
    }
    /* the first is in the file: its size is not only a claim */
    int64_t n = in.dim[1];
    int first = pn_mm_vector(im, is_scale ? "gamma" : "moving_mean",
                             is_scale ? "scale" : "mean", n);
    if (first == PN_NONE) return;
    int scale = is_scale ? first : vector_or(im, "gamma", "scale", n, 1);
    int bias = vector_or(im, "beta", "bias", n, 0);
    int mean = is_scale ? vector_or(im, "moving_mean", "mean", n, 0) : first;
    int var = is_scale ? vector_or(im, "moving_var", "var", n, 1)
                       : pn_mm_vector(im, "moving_var", "var", n);
    pn_mm_emit(im, PN_OP_BATCH_NORM, NULL, PN_MM_IN(x, scale, bias, mean, var));
    pn_mm_set_float(im, "epsilon", is_scale ? 0 : pn_mm_float(im, "epsilon", 1e-4F));
}

static void lrn(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    if (x == PN_NONE) return;
    pn_mm_emit(im, PN_OP_LRN, NULL, &x, 1);
    pn_mm_set_int(im, "size", pn_mm_int(im, "size", 0));
    pn_mm_set_float(im, "alpha", pn_mm_float(im, "alpha", 1e-4F));
    pn_mm_set_float(im, "beta", pn_mm_float(im, "beta", 0.75F));
    pn_mm_set_float(im, "bias", pn_mm_float(im, "bias", 1));
}

static void prelu(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x), shape = {.ndim = in.ndim - 1};
    const pn_npy_array *a = pn_mm_array(im, "gamma");
    if (x == PN_NONE) return;
    if (in.ndim < 2 || !a) {
        pn_mm_misfit(im, "\"gamma\" is missing");
        return;
    }
    for (int i = 0; i < shape.ndim; i++)
        shape.dim[i] = 1;
    int64_t n = pn_shape_count(&a->shape), one = 1;
    if (n != 1 && n != in.dim[1]) {
        pn_mm_misfit(im, "\"gamma\" has %lld numbers for %lld channels", (long long)n,
                     (long long)in.dim[1]);
        return;
    }
    shape.dim[0] = n;
    int slope = pn_mm_strided(im, "gamma", &shape, a, &n, &one, 1);
    pn_mm_emit(im, PN_OP_PRELU, NULL, PN_MM_IN(x, slope));
}

const pn_mm_op pn_mm_ops_layer[] = {
    {"Conv", conv},
    {"DepthwiseConv", conv},
    {"ConvTranspose", conv_transpose},
    {"FullyConnected", fully_connected},
    {"Pool", pool},
    {"BatchNorm", batch_norm},
    {"Scale", batch_norm},
    {"LRN", lrn},
    {"PRelu", prelu},
    {NULL, NULL},
};
