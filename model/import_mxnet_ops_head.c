/* Softmax in its four kinds, loss layers as what they are at inference, and operators
 * that do nothing then. */
#include "model/import_mxnet_ops.h"

#include <float.h>
#include <string.h>

static void check_batch_apart(pn_mx_import *im, const pn_shape *in, int axis)
{
    if (im->status) return;
    if (in->dim[axis] == PN_DIM_FREE) pn_mx_refuse(im, "over the batch");
}

/* over everything but the first dimension, the shape kept */
static void softmax_of_rest(pn_mx_import *im, int x, const pn_shape *in)
{
    if (im->status) return;
    pn_shape flat = {.ndim = 2, .dim = {in->dim[0], pn_mx_product(in, 1, in->ndim)}};
    if (in->ndim < 2) {
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", in->ndim);
        return;
    }
    if (in->ndim == 2) {
        pn_mx_emit(im, PN_OP_SOFTMAX, NULL, in, PN_MX_IN(x));
        pn_mx_set_int(im, "axis", 1);
        return;
    }
    int rows = pn_mx_emit(im, PN_OP_FLATTEN, "flat", &flat, PN_MX_IN(x));
    pn_mx_set_int(im, "axis", 1);
    int soft = pn_mx_emit(im, PN_OP_SOFTMAX, "softmax", &flat, PN_MX_IN(rows));
    pn_mx_set_int(im, "axis", 1);
    pn_mx_emit_reshape(im, NULL, soft, in);
}

static void softmax_along(pn_mx_import *im, pn_op op, int x, const pn_shape *in, int axis)
{
    check_batch_apart(im, in, axis);
    pn_mx_emit(im, op, NULL, in, PN_MX_IN(x));
    pn_mx_set_int(im, "axis", axis);
}

static void softmax_output(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    bool is_multi = pn_mx_bool(im, "multi_output", false);
    bool keeps_shape = pn_mx_bool(im, "preserve_shape", false);
    if (!im->status && in.ndim < 2)
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", in.ndim);
    if (is_multi)
        softmax_along(im, PN_OP_SOFTMAX, x, &in, 1);
    else if (keeps_shape)
        softmax_along(im, PN_OP_SOFTMAX, x, &in, in.ndim - 1);
    else
        softmax_of_rest(im, x, &in);
}

static void softmax_activation(pn_mx_import *im)
{
    static const char *const modes[] = {"instance", "channel", NULL};
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int mode = pn_mx_choice(im, "mode", 0, modes);
    if (!im->status && in.ndim < (mode == 1 ? 3 : 2))
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", in.ndim);
    if (mode == 1)
        softmax_along(im, PN_OP_SOFTMAX, x, &in, 1);
    else if (!im->status) /* MXNet 1.9.1: the last axis, whatever its manual says */
        softmax_along(im, PN_OP_SOFTMAX, x, &in, in.ndim - 1);
}

/* floats of another width are computed as float32 */
static void check_softmax(pn_mx_import *im)
{
    static const char *const types[] = {"float32", "float16", "float64", NULL};
    pn_mx_choice(im, "dtype", 0, types);
}

/* Above zero in front of each row's length and below from there on, by 2 at least, so
 * that no clipping of it lies near an edge. Lengths have the data's shape without the
 * axis. */
static int left_of(pn_mx_import *im, const pn_shape *in, int axis)
{
    int lengths = pn_mx_data(im, 1);
    pn_shape is = pn_mx_shape_of(im, lengths), want = *in, places = {.ndim = in->ndim};
    if (im->status) return PN_NONE;
    want.ndim--;
    memmove(&want.dim[axis], &in->dim[axis + 1],
            (size_t)(want.ndim - axis) * sizeof(*want.dim));
    if (!pn_shape_equal(&is, &want)) {
        pn_mx_fail(im, PN_EFORMAT, "its lengths are not one a row");
        return PN_NONE;
    }
    for (int i = 0; i < in->ndim; i++)
        places.dim[i] = i == axis ? in->dim[i] : 1;
    want = *in;
    want.dim[axis] = 1;
    float *place = pn_arena_alloc(&im->arena, (size_t)in->dim[axis] * sizeof(*place));
    if (!place) {
        pn_mx_fail(im, PN_ENOMEM, "no memory");
        return PN_NONE;
    }
    for (int64_t i = 0; i < in->dim[axis]; i++)
        place[i] = 4 * (float)i + 2;
    int four = pn_mx_scalar(im, "four", 4);
    int rows = pn_mx_emit_reshape(im, "lengths", lengths, &want);
    int wide = pn_mx_emit(im, PN_OP_MUL, "wide", &want, PN_MX_IN(rows, four));
    int at = pn_mx_const_f32(im, "places", &places, place);
    return pn_mx_emit(im, PN_OP_SUB, "left", in, PN_MX_IN(wide, at));
}

static int clip(pn_mx_import *im, const char *name, int x, const pn_shape *shape,
                double lo, double hi)
{
    int least = pn_mx_scalar(im, "least", lo), most = pn_mx_scalar(im, "most", hi);
    return pn_mx_emit(im, PN_OP_CLIP, name, shape, PN_MX_IN(x, least, most));
}

/* MXNet does not look behind the length; ONNX's operators do, and what they find may be
 * NaN. The power 0 of anything is 1, even of that, and the power 1 is the number itself.
 * Then the least of it and a bound, out of the way in front and as low as can be behind,
 * leaves nothing there. The bound is clipped to be the same number on every machine. */
static void softmax_of_lengths(pn_mx_import *im, int x, const pn_shape *in, int axis)
{
    const double far = 3.40282e38; /* a little less than the greatest float */
    check_batch_apart(im, in, axis);
    int left = left_of(im, in, axis), greatest = pn_mx_scalar(im, "greatest", FLT_MAX);
    int mask = clip(im, "mask", left, in, 0, 1);
    int side = clip(im, "side", left, in, -1, 1);
    int sides = pn_mx_emit(im, PN_OP_MUL, "sides", in, PN_MX_IN(side, greatest));
    int bound = clip(im, "bound", sides, in, -far, far);
    int kept = pn_mx_emit(im, PN_OP_POW, "kept", in, PN_MX_IN(x, mask));
    int put = pn_mx_emit(im, PN_OP_MIN, "put", in, PN_MX_IN(kept, bound));
    int soft = pn_mx_emit(im, PN_OP_SOFTMAX, "softmax", in, PN_MX_IN(put));
    pn_mx_set_int(im, "axis", axis);
    pn_mx_emit(im, PN_OP_MUL, NULL, in, PN_MX_IN(soft, mask));
}

static void softmax(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int axis = pn_mx_axis(im, "axis", -1, in.ndim);
    double temperature = pn_mx_real(im, "temperature", 1);
    bool has_lengths = pn_mx_bool(im, "use_length", false);
    if (!im->status && temperature == 0) pn_mx_fail(im, PN_EFORMAT, "temperature 0");
    if (im->status) return;
    if (!strcmp(im->node->op, "softmin"))
        x = pn_mx_emit(im, PN_OP_NEG, "minus", &in, PN_MX_IN(x));
    if (temperature != 1) {
        int by = pn_mx_scalar(im, "temperature", temperature);
        x = pn_mx_emit(im, PN_OP_DIV, "cooled", &in, PN_MX_IN(x, by));
    }
    bool is_log = !strcmp(im->node->op, "log_softmax");
    if (has_lengths && strcmp(im->node->op, "softmax") != 0)
        pn_mx_refuse(im, "use_length"); /* nor does MXNet 1.9.1 take it */
    else if (has_lengths)
        softmax_of_lengths(im, x, &in, axis);
    else
        softmax_along(im, is_log ? PN_OP_LOG_SOFTMAX : PN_OP_SOFTMAX, x, &in, axis);
}

static void identity(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    pn_mx_emit(im, PN_OP_IDENTITY, NULL, &in, PN_MX_IN(x));
}

static void logistic_output(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    pn_mx_emit(im, PN_OP_SIGMOID, NULL, &in, PN_MX_IN(x));
}

/* nothing at inference; kept so that what is made of the model can be trained on */
static void dropout(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    double p = pn_mx_real(im, "p", 0.5);
    if (!im->status && !(p >= 0 && p < 1))
        pn_mx_fail(im, PN_EFORMAT, "p is %g: must be at least 0 and less than 1", p);
    int ratio = pn_mx_scalar(im, "ratio", p);
    pn_mx_emit(im, PN_OP_DROPOUT, NULL, &in, PN_MX_IN(x, ratio));
}

static void check_dropout(pn_mx_import *im)
{
    static const char *const modes[] = {"training", NULL};
    pn_mx_choice(im, "mode", 0, modes); /* `always` is random at inference, too */
}

#define SOFTMAX(name)                                                                    \
    {                                                                                    \
        name, softmax, check_softmax, "axis temperature dtype use_length"                \
    }
#define IDENTITY(name)                                                                   \
    {                                                                                    \
        name, identity, NULL, "margin regularization_coefficient use_linear"             \
    }

const pn_mx_op pn_mx_ops_head[] = {
    {"SoftmaxOutput", softmax_output, NULL, "multi_output preserve_shape"},
    {"SoftmaxActivation", softmax_activation, NULL, "mode"},
    SOFTMAX("softmax"),
    SOFTMAX("log_softmax"),
    SOFTMAX("softmin"),
    IDENTITY("LinearRegressionOutput"),
    IDENTITY("MAERegressionOutput"),
    IDENTITY("SVMOutput"),
    {"LogisticRegressionOutput", logistic_output, NULL, ""},
    IDENTITY("MakeLoss"),
    IDENTITY("make_loss"),
    IDENTITY("BlockGrad"),
    IDENTITY("_copy"),
    {"IdentityAttachKLSparseReg", identity, NULL, "sparseness_target penalty"},
    {"Dropout", dropout, check_dropout, "p mode axes"},
    {NULL, NULL, NULL, NULL},
};
