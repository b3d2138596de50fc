/* Normalisations. */
#include "model/import_mxnet_ops.h"

#include <math.h>
#include <stdlib.h>

#include "penult/log.h"

/* gamma where it is trained; ones where it is not, whatever the file holds. As many ones
 * as `beta` has elements: a number that is in the file, not only in a claim. */
static int batch_norm_scale(pn_mx_import *im, const pn_shape *channels, int beta)
{
    if (!pn_mx_bool(im, "fix_gamma", true)) return pn_mx_weight(im, 1, channels, NULL);
    pn_mx_leave_weight(im, 1, channels);
    if (im->status || !im->g->values[beta].data) return beta;
    size_t n = im->g->values[beta].size_bytes / sizeof(float);
    float *ones = malloc(n * sizeof(float));
    if (!ones) {
        pn_mx_fail(im, PN_ENOMEM, "out of memory");
        return PN_NONE;
    }
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    int id = pn_mx_const_f32(im, "ones", channels, ones);
    free(ones);
    return id;
}

static void warn_of_variance(pn_mx_import *im, int variance)
{
    if (im->status || !im->g->values[variance].data) return;
    const pn_value *v = &im->g->values[variance];
    int64_t n = pn_shape_count(&v->shape);
    for (int64_t i = 0; i < n; i++) {
        float x;
        if (pn_value_to_f32(v, i, 1, &x)) return;
        if (isfinite(x) && x >= 0) continue;
        pn_log(PN_LOG_WARN, "BatchNorm \"%s\": \"%s\" holds %g, which is no variance",
               im->node->name, v->name, (double)x);
        return;
    }
}

/* the channels become dimension 1, or go back to where they were */
static int exchange(pn_mx_import *im, const char *suffix, int x, pn_shape *s, int axis)
{
    int64_t perm[PN_MAX_DIMS], d = s->dim[1];
    for (int i = 0; i < s->ndim; i++)
        perm[i] = i == 1 ? axis : i == axis ? 1 : i;
    s->dim[1] = s->dim[axis];
    s->dim[axis] = d;
    int turned = pn_mx_emit(im, PN_OP_TRANSPOSE, suffix, s, PN_MX_IN(x));
    pn_mx_set_ints(im, "perm", perm, (size_t)s->ndim);
    return turned;
}

static void batch_norm(pn_mx_import *im)
{
    int data = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, data);
    if (!im->status && in.ndim < 2)
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", in.ndim);
    int axis = pn_mx_axis(im, "axis", 1, in.ndim);
    double eps = pn_mx_real(im, "eps", 1e-3);
    if (!im->status && in.dim[axis] == PN_DIM_FREE)
        pn_mx_refuse(im, "axis=%d is the batch", axis);
    if (im->status) return;
    if (axis != 1) data = exchange(im, "turned", data, &in, axis);
    pn_shape channels = {.ndim = 1, .dim = {in.dim[1]}};
    int beta = pn_mx_weight(im, 2, &channels, NULL);
    int scale = batch_norm_scale(im, &channels, beta);
    int mean = pn_mx_weight(im, 3, &channels, NULL);
    int variance = pn_mx_weight(im, 4, &channels, NULL);
    warn_of_variance(im, variance);
    int normal = pn_mx_emit(im, PN_OP_BATCH_NORM, axis == 1 ? NULL : "normal", &in,
                            PN_MX_IN(data, scale, beta, mean, variance));
    pn_mx_set_float(im, "epsilon", eps);
    if (axis != 1) exchange(im, NULL, normal, &in, axis);
}

static void instance_norm(pn_mx_import *im)
{
    int data = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, data);
    double eps = pn_mx_real(im, "eps", 1e-3);
    if (!im->status && in.ndim < 3)
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", in.ndim);
    if (im->status) return;
    pn_shape channels = {.ndim = 1, .dim = {in.dim[1]}};
    int gamma = pn_mx_weight(im, 1, &channels, NULL);
    int beta = pn_mx_weight(im, 2, &channels, NULL);
    pn_mx_emit(im, PN_OP_INSTANCE_NORM, NULL, &in, PN_MX_IN(data, gamma, beta));
    pn_mx_set_float(im, "epsilon", eps);
}

/* (x - mean) / sqrt(var + eps) * gamma + beta over one axis, spelled out */
static void layer_norm(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x), one = in, full = {0};
    int64_t axis = pn_mx_axis(im, "axis", -1, in.ndim);
    double eps = pn_mx_real(im, "eps", 1e-5);
    if (im->status) return;
    pn_shape channels = {.ndim = 1, .dim = {in.dim[axis]}};
    full = in;
    for (int i = 0; i < in.ndim; i++)
        if (i != axis) full.dim[i] = 1;
    one.dim[axis] = 1;
    int mean = pn_mx_emit(im, PN_OP_REDUCE_MEAN, "mean", &one, PN_MX_IN(x));
    pn_mx_set_ints(im, "axes", &axis, 1);
    pn_mx_set_int(im, "keepdims", 1);
    int centred = pn_mx_emit(im, PN_OP_SUB, "centred", &in, PN_MX_IN(x, mean));
    int square = pn_mx_emit(im, PN_OP_MUL, "square", &in, PN_MX_IN(centred, centred));
    int variance = pn_mx_emit(im, PN_OP_REDUCE_MEAN, "variance", &one, PN_MX_IN(square));
    pn_mx_set_ints(im, "axes", &axis, 1);
    pn_mx_set_int(im, "keepdims", 1);
    int small = pn_mx_scalar(im, "eps", eps);
    int sum = pn_mx_emit(im, PN_OP_ADD, "variance_eps", &one, PN_MX_IN(variance, small));
    int root = pn_mx_emit(im, PN_OP_SQRT, "deviation", &one, PN_MX_IN(sum));
    int unit = pn_mx_emit(im, PN_OP_DIV, "unit", &in, PN_MX_IN(centred, root));
    int gamma = pn_mx_weight(im, 1, &channels, &full);
    int scaled = pn_mx_emit(im, PN_OP_MUL, "scaled", &in, PN_MX_IN(unit, gamma));
    int beta = pn_mx_weight(im, 2, &channels, &full);
    pn_mx_emit(im, PN_OP_ADD, NULL, &in, PN_MX_IN(scaled, beta));
}

static void lrn(pn_mx_import *im)
{
    int data = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, data);
    int64_t size = pn_mx_int(im, "nsize", PN_MX_REQUIRED, 1, PN_MX_INT_MAX);
    double alpha = pn_mx_real(im, "alpha", 1e-4), beta = pn_mx_real(im, "beta", 0.75);
    double knorm = pn_mx_real(im, "knorm", 2);
    if (!im->status && (in.ndim != 4 || size % 2 == 0))
        pn_mx_fail(im, PN_EFORMAT, "nsize %lld on %d dimensions: must be odd, on 4",
                   (long long)size, in.ndim);
    pn_mx_emit(im, PN_OP_LRN, NULL, &in, PN_MX_IN(data));
    pn_mx_set_int(im, "size", size);
    pn_mx_set_float(im, "alpha", alpha);
    pn_mx_set_float(im, "beta", beta);
    pn_mx_set_float(im, "bias", knorm);
}

/* x / sqrt(sum of squares + eps) over the sample, the channels or the places */
static void l2_normalization(pn_mx_import *im)
{
    static const char *const modes[] = {"instance", "channel", "spatial", NULL};
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x), one = in;
    int mode = pn_mx_choice(im, "mode", 0, modes);
    double eps = pn_mx_real(im, "eps", 1e-10);
    int first = mode == 2 ? 2 : 1, last = mode == 1 ? 2 : in.ndim;
    if (!im->status && (in.ndim <= first || (mode && in.ndim < 3)))
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", in.ndim);
    if (im->status) return;
    int64_t axes[PN_MAX_DIMS];
    for (int i = first; i < last; i++) {
        axes[i - first] = i;
        one.dim[i] = 1;
    }
    int square = pn_mx_emit(im, PN_OP_MUL, "square", &in, PN_MX_IN(x, x));
    int over = pn_mx_const_i64(im, "axes", axes, (size_t)(last - first));
    int sum = pn_mx_emit(im, PN_OP_REDUCE_SUM, "sum", &one, PN_MX_IN(square, over));
    pn_mx_set_int(im, "keepdims", 1);
    int small = pn_mx_scalar(im, "eps", eps);
    int more = pn_mx_emit(im, PN_OP_ADD, "sum_eps", &one, PN_MX_IN(sum, small));
    int norm = pn_mx_emit(im, PN_OP_SQRT, "norm", &one, PN_MX_IN(more));
    pn_mx_emit(im, PN_OP_DIV, NULL, &in, PN_MX_IN(x, norm));
}

const pn_mx_op pn_mx_ops_norm[] = {
    {"BatchNorm", batch_norm, NULL,
     "eps fix_gamma use_global_stats output_mean_var axis"},
    {"InstanceNorm", instance_norm, NULL, "eps"},
    {"LayerNorm", layer_norm, NULL, "axis eps output_mean_var"},
    {"LRN", lrn, NULL, "alpha beta knorm nsize"},
    {"L2Normalization", l2_normalization, NULL, "eps mode"},
    {NULL, NULL, NULL, NULL},
};
