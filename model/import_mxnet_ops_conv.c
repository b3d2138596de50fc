/* Convolution and its kin: layers whose weights are matrices. */
#include "model/import_mxnet_ops.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SPATIAL = 3 };

/* attributes that all window operators share; n is the number of spatial dimensions */
typedef struct window {
    int n;
    int64_t kernel[MAX_SPATIAL], stride[MAX_SPATIAL], dilate[MAX_SPATIAL],
        pad[2 * MAX_SPATIAL];
} window;

static void check_layout(pn_mx_import *im)
{
    static const char *const layouts[] = {"NCHW", "NCW", "NCDHW", NULL};
    pn_mx_choice(im, "layout", 0, layouts);
}

static bool read_window(pn_mx_import *im, const pn_shape *in, window *w)
{
    pn_mx_tuple kernel;
    memset(w, 0, sizeof(*w));
    pn_mx_tuple_of(im, "kernel", MAX_SPATIAL, &kernel);
    if (!im->status && kernel.n == 0)
        pn_mx_fail(im, PN_EFORMAT, "the attribute kernel is missing");
    if (!im->status && in->ndim != kernel.n + 2)
        pn_mx_fail(im, PN_EFORMAT, "a kernel of %d dimensions on a tensor of %d",
                   kernel.n, in->ndim);
    if (im->status) return false;
    w->n = kernel.n;
    pn_mx_ints(im, "kernel", w->n, 1, 1, w->kernel);
    pn_mx_ints(im, "stride", w->n, 1, 1, w->stride);
    pn_mx_ints(im, "dilate", w->n, 1, 1, w->dilate);
    pn_mx_ints(im, "pad", w->n, 0, 0, w->pad);
    for (int i = 0; i < w->n; i++)
        w->pad[w->n + i] = w->pad[i];
    for (int i = 1; i < in->ndim; i++)
        if (in->dim[i] == PN_DIM_FREE)
            pn_mx_refuse(im, "the batch is not the first dimension");
    return !im->status;
}

static void set_window(pn_mx_import *im, const window *w, int64_t group)
{
    pn_mx_set_ints(im, "kernel_shape", w->kernel, (size_t)w->n);
    pn_mx_set_ints(im, "strides", w->stride, (size_t)w->n);
    pn_mx_set_ints(im, "dilations", w->dilate, (size_t)w->n);
    pn_mx_set_ints(im, "pads", w->pad, 2 * (size_t)w->n);
    pn_mx_set_int(im, "group", group);
}

/* what is common to both directions: data, bias or none, groups that divide */
typedef struct conv {
    int data;
    pn_shape in;
    window w;
    int64_t filters, group;
    bool has_bias;
} conv;

static bool read_conv(pn_mx_import *im, bool no_bias_by_default, conv *c)
{
    c->data = pn_mx_data(im, 0);
    if (im->status) return false;
    c->in = pn_mx_shape_of(im, c->data);
    if (!read_window(im, &c->in, &c->w)) return false;
    c->filters = pn_mx_int(im, "num_filter", PN_MX_REQUIRED, 1, PN_MX_INT_MAX);
    c->group = pn_mx_int(im, "num_group", 1, 1, PN_MX_INT_MAX);
    c->has_bias = !pn_mx_bool(im, "no_bias", no_bias_by_default);
    if (!im->status && (c->in.dim[1] % c->group || c->filters % c->group))
        pn_mx_fail(im, PN_EFORMAT,
                   "%lld groups divide neither %lld channels nor %lld filters",
                   (long long)c->group, (long long)c->in.dim[1], (long long)c->filters);
    return !im->status;
}

static void emit_conv(pn_mx_import *im, pn_op op, const conv *c, const pn_shape *out,
                      const pn_shape *kernel)
{
    pn_shape bias = {.ndim = 1, .dim = {c->filters}};
    int inputs[3] = {c->data, pn_mx_weight(im, 1, kernel, NULL), PN_NONE};
    if (c->has_bias) inputs[2] = pn_mx_weight(im, 2, &bias, NULL);
    pn_mx_emit(im, op, NULL, out, inputs, c->has_bias ? 3 : 2);
    set_window(im, &c->w, c->group);
}

static void convolution(pn_mx_import *im)
{
    conv c;
    if (!read_conv(im, false, &c)) return;
    pn_shape out = c.in, kernel = c.in;
    out.dim[1] = kernel.dim[0] = c.filters;
    kernel.dim[1] = c.in.dim[1] / c.group;
    for (int i = 0; i < c.w.n; i++) {
        int64_t reach = c.w.dilate[i] * (c.w.kernel[i] - 1) + 1;
        int64_t room = c.in.dim[i + 2] + 2 * c.w.pad[i] - reach;
        if (room < 0) {
            pn_mx_fail(im, PN_EFORMAT, "a kernel of %lld (dilated) on %lld (padded)",
                       (long long)reach, (long long)(room + reach));
            return;
        }
        out.dim[i + 2] = room / c.w.stride[i] + 1;
        kernel.dim[i + 2] = c.w.kernel[i];
    }
    emit_conv(im, PN_OP_CONV, &c, &out, &kernel);
}

/* where a size is asked for, padding and adjustment follow from it */
static bool read_adjust(pn_mx_import *im, conv *c, int64_t *adjust)
{
    int64_t target[MAX_SPATIAL];
    bool has_target = false;
    pn_mx_ints(im, "adj", c->w.n, 0, 0, adjust);
    pn_mx_ints(im, "target_shape", c->w.n, 0, 0, target);
    for (int i = 0; i < c->w.n; i++)
        has_target |= target[i] != 0;
    for (int i = 0; i < c->w.n && has_target; i++) {
        int64_t surplus = c->w.stride[i] * (c->in.dim[i + 2] - 1) +
                          c->w.dilate[i] * (c->w.kernel[i] - 1) + 1 - target[i];
        if (surplus < 0)
            pn_mx_fail(im, PN_EFORMAT, "target_shape %lld is more than it can make",
                       (long long)target[i]);
        adjust[i] = surplus % 2;
        c->w.pad[i] = c->w.pad[c->w.n + i] = (surplus + 1) / 2;
    }
    for (int i = 0; i < c->w.n; i++)
        if (adjust[i] >= c->w.stride[i] && adjust[i])
            pn_mx_fail(im, PN_EFORMAT, "adj %lld: must be less than the stride",
                       (long long)adjust[i]);
    return !im->status;
}

static void deconvolution(pn_mx_import *im)
{
    conv c;
    int64_t adjust[MAX_SPATIAL];
    if (!read_conv(im, true, &c) || !read_adjust(im, &c, adjust)) return;
    pn_shape out = c.in, kernel = c.in;
    out.dim[1] = c.filters;
    kernel.dim[0] = c.in.dim[1];
    kernel.dim[1] = c.filters / c.group;
    for (int i = 0; i < c.w.n; i++) {
        out.dim[i + 2] = c.w.stride[i] * (c.in.dim[i + 2] - 1) +
                         c.w.dilate[i] * (c.w.kernel[i] - 1) + 1 - 2 * c.w.pad[i] +
                         adjust[i];
        kernel.dim[i + 2] = c.w.kernel[i];
    }
    emit_conv(im, PN_OP_CONV_TRANSPOSE, &c, &out, &kernel);
    pn_mx_set_ints(im, "output_padding", adjust, (size_t)c.w.n);
}

/* x W^T + b over the last dimension of anything: the weight turned round for MatMul */
static int turned_weight(pn_mx_import *im, const pn_shape *want)
{
    int64_t rows = want->dim[0], columns = want->dim[1];
    int id = pn_mx_weight(im, 1, want, NULL);
    if (im->status) return PN_NONE;
    if (!im->g->values[id].data) return id; /* on the list of misfits */
    size_t count = (size_t)rows * (size_t)columns;
    float *from = malloc(count * sizeof(float)), *to = malloc(count * sizeof(float));
    int turned = PN_NONE;
    if (!from || !to || pn_value_to_f32(&im->g->values[id], 0, rows * columns, from)) {
        pn_mx_fail(im, PN_ENOMEM, "out of memory");
    } else {
        pn_shape shape = {.ndim = 2, .dim = {columns, rows}};
        for (int64_t r = 0; r < rows; r++)
            for (int64_t k = 0; k < columns; k++)
                to[k * rows + r] = from[r * columns + k];
        turned = pn_mx_const_f32(im, "weight_t", &shape, to);
    }
    free(from);
    free(to);
    return turned;
}

static void fully_connected(pn_mx_import *im)
{
    int data = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, data);
    int64_t units = pn_mx_int(im, "num_hidden", PN_MX_REQUIRED, 1, PN_MX_INT_MAX);
    bool flatten = pn_mx_bool(im, "flatten", true);
    bool has_bias = !pn_mx_bool(im, "no_bias", false);
    if (!im->status && (in.ndim < 1 || (in.ndim < 2 && flatten)))
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", in.ndim);
    if (im->status) return;
    int last = in.ndim - 1;
    bool is_matrix = flatten || in.ndim == 2;
    int64_t features = is_matrix ? pn_mx_product(&in, 1, in.ndim) : in.dim[last];
    pn_shape flat = {.ndim = 2, .dim = {in.dim[0], features}}, out = flat;
    pn_shape weight = {.ndim = 2, .dim = {units, features}};
    pn_shape bias = {.ndim = 1, .dim = {units}};
    if (!is_matrix) out = in;
    out.dim[out.ndim - 1] = units;
    if (is_matrix) {
        if (in.ndim != 2) {
            data = pn_mx_emit(im, PN_OP_FLATTEN, "flat", &flat, PN_MX_IN(data));
            pn_mx_set_int(im, "axis", 1);
        }
        int inputs[3] = {data, pn_mx_weight(im, 1, &weight, NULL), PN_NONE};
        if (has_bias) inputs[2] = pn_mx_weight(im, 2, &bias, NULL);
        pn_mx_emit(im, PN_OP_GEMM, NULL, &out, inputs, has_bias ? 3 : 2);
        pn_mx_set_int(im, "transB", 1);
        return;
    }
    int turned = turned_weight(im, &weight);
    int product = pn_mx_emit(im, PN_OP_MATMUL, has_bias ? "product" : NULL, &out,
                             PN_MX_IN(data, turned));
    if (!has_bias) return;
    int added = pn_mx_weight(im, 2, &bias, NULL);
    pn_mx_emit(im, PN_OP_ADD, NULL, &out, PN_MX_IN(product, added));
}

const pn_mx_op pn_mx_ops_conv[] = {
    {"Convolution", convolution, check_layout,
     "kernel stride dilate pad num_filter num_group no_bias layout"},
    {"Deconvolution", deconvolution, check_layout,
     "kernel stride dilate pad adj target_shape num_filter num_group no_bias layout"},
    {"FullyConnected", fully_connected, NULL, "num_hidden no_bias flatten"},
    {NULL, NULL, NULL, NULL},
};
