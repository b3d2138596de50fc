/* Constants, and operators that move numbers. */
#include <string.h>

#include "model/import_mmdnn.h"

enum { MAX_JOINED = 4096 };

/* ---- constants ---- */

/* a list of floats, or one number, in the node itself */
static bool own_value(pn_mmdnn *im)
{
    const pn_mm_attr *v = pn_mm_attr_of(im->node, "value");
    pn_shape shape = {.ndim = 1,
                      .dim = {v && v->kind == PN_MM_FLOATS ? (int64_t)v->n : 1}};
    float one = v && v->kind == PN_MM_INT ? (float)v->i : v ? v->f : 0;
    if (!v || (v->kind != PN_MM_FLOATS && v->kind != PN_MM_FLOAT && v->kind != PN_MM_INT))
        return false;
    const float *from = v->kind == PN_MM_FLOATS ? v->floats : &one;
    float *kept = pn_graph_alloc(im->g, (size_t)shape.dim[0] * sizeof(*kept));
    if (!kept) {
        pn_mm_fail(im, PN_ENOMEM, "out of memory");
        return true;
    }
    memcpy(kept, from, (size_t)shape.dim[0] * sizeof(*kept));
    im->node->value = pn_mm_const(im, NULL, PN_F32, &shape, kept);
    return true;
}

static void constant(pn_mmdnn *im)
{
    const pn_npy_array *a = pn_mm_array(im, "value");
    if (!a) {
        if (!own_value(im)) pn_mm_misfit(im, "\"value\" is missing");
        return;
    }
    bool is_as_it_lies = !strcmp(pn_mm_string(im, "data_format", ""), "NCHW");
    int64_t strides[PN_MAX_DIMS], n = pn_shape_count(&a->shape);
    int ndim = a->shape.ndim;
    pn_shape shape = is_as_it_lies ? a->shape : pn_mm_channels_second(&a->shape);
    if (!is_as_it_lies && ndim == 1 && n > 1) {
        pn_mm_refuse(im, "a vector: of which axis is not said");
        return;
    }
    for (int i = 0; i < ndim; i++) {
        int from = is_as_it_lies || ndim < 3 || i == 0 ? i : i == 1 ? ndim - 1 : i - 1;
        strides[i] = pn_mm_stride(a, from);
    }
    if (!ndim) {
        shape = (pn_shape){.ndim = 1, .dim = {1}};
        strides[0] = 1;
    }
    im->node->value = pn_mm_strided(im, NULL, &shape, a, shape.dim, strides, shape.ndim);
}

/* ---- shapes ---- */

/* Dropout, Identity and the like: nothing happens at inference */
static void alias(pn_mmdnn *im)
{
    pn_mm_alias(im, pn_mm_data(im, 0));
}

static void flatten(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    if (x == PN_NONE) return;
    pn_mm_emit(im, PN_OP_FLATTEN, NULL, &x, 1);
    pn_mm_set_int(im, "axis", 1);
}

static void emit_reshape(pn_mmdnn *im, int x, const int64_t *target, int n)
{
    int to = pn_mm_ints_const(im, "target", target, (size_t)n);
    pn_mm_emit(im, PN_OP_RESHAPE, NULL, PN_MM_IN(x, to));
}

/* to the stated shape, which has no axis in doubt */
static void to_stated_shape(pn_mmdnn *im, int x)
{
    const pn_shape *s = &im->node->shape;
    emit_reshape(im, x, s->dim, s->ndim); /* a free batch is -1 */
}

/* MXNet's and our own lists count as the graph does; where channels came last, only what
 * moves nothing is the same */
static void reshape(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    const pn_mm_attr *a = pn_mm_attr_of(im->node, "shape");
    pn_shape in = pn_mm_shape_of(im, x);
    if (x == PN_NONE) return;
    int places_in = 0, places_out = 0;
    for (int i = 2; i < in.ndim; i++)
        places_in += in.dim[i] != 1;
    for (int i = 2; i < im->node->shape.ndim; i++)
        places_out += im->node->shape.dim[i] != 1;
    if (!im->is_mxnet && !im->is_penult && (places_in || places_out)) {
        pn_mm_refuse(im, "of places and channels whose order is not MXNet's");
        return;
    }
    if (im->is_penult && a && a->kind == PN_MM_INTS && a->n && a->n <= PN_MAX_DIMS)
        emit_reshape(im, x, a->ints, (int)a->n);
    else
        to_stated_shape(im, x);
}

static void squeeze_or_expand(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    if (x != PN_NONE) to_stated_shape(im, x);
}

/* ---- joining and cutting ---- */

/* whether joining along the axis makes the stated shape */
static bool joins(const pn_mmdnn *im, const int *inputs, int n, int axis)
{
    int64_t sum = 0;
    const pn_shape *out = &im->node->shape;
    for (int i = 0; i < n; i++) {
        const pn_shape *in = &im->g->values[inputs[i]].shape;
        if (axis >= in->ndim || __builtin_add_overflow(sum, in->dim[axis], &sum))
            return false;
    }
    return axis < out->ndim && sum == out->dim[axis];
}

static void concat(pn_mmdnn *im)
{
    int inputs[MAX_JOINED];
    size_t n = im->node->n_inputs;
    if (!n || n > MAX_JOINED) {
        pn_mm_refuse(im, "%zu inputs, 1 to %d", n, MAX_JOINED);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        inputs[i] = pn_mm_data(im, i);
        if (inputs[i] == PN_NONE) return;
    }
    int ndim = im->node->shape.ndim;
    int64_t said = pn_mm_int(im, "axis", ndim - 1);
    int axis = pn_mm_axis(im, said, ndim);
    if (axis == PN_NONE) return;
    /* behind a fully connected layer MMdnn's parser of MXNet leaves the axis as it was */
    if (!joins(im, inputs, (int)n, axis) && said >= 0 && said < ndim &&
        joins(im, inputs, (int)n, (int)said))
        axis = (int)said;
    pn_mm_emit(im, PN_OP_CONCAT, NULL, inputs, (int)n);
    pn_mm_set_int(im, "axis", axis);
}

/* starts and ends of every axis; an end of 0 is open */
static void slice(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x);
    int64_t starts[PN_MAX_DIMS], ends[PN_MAX_DIMS], steps[PN_MAX_DIMS];
    int64_t from[PN_MAX_DIMS], to[PN_MAX_DIMS], axes[PN_MAX_DIMS];
    size_t n = 0;
    if (x == PN_NONE || !pn_mm_ints(im, "starts", (size_t)in.ndim, 0, starts) ||
        !pn_mm_ints(im, "ends", (size_t)in.ndim, 0, ends) ||
        !pn_mm_ints(im, "strides", (size_t)in.ndim, 1, steps))
        return;
    if (pn_mm_int(im, "shrink_axis_mask", 0)) {
        pn_mm_refuse(im, "shrink_axis_mask");
        return;
    }
    for (int i = 0; i < in.ndim; i++) {
        int axis = pn_mm_axis(im, i, in.ndim);
        if (steps[i] != 1 || axis == PN_NONE) {
            pn_mm_refuse(im, "a step of %lld", (long long)steps[i]);
            return;
        }
        if (in.dim[axis] == PN_DIM_FREE) continue;
        from[n] = starts[i];
        to[n] = ends[i] ? ends[i] : in.dim[axis];
        axes[n++] = axis;
    }
    int a = pn_mm_ints_const(im, "starts", from, n),
        b = pn_mm_ints_const(im, "ends", to, n);
    int c = pn_mm_ints_const(im, "axes", axes, n);
    pn_mm_emit(im, PN_OP_SLICE, NULL, PN_MM_IN(x, a, b, c));
}

static void pad(pn_mmdnn *im)
{
    static const char *const modes[][2] = {{"CONSTANT", "constant"},
                                           {"constant", "constant"},
                                           {"REFLECT", "reflect"},
                                           {"reflect", "reflect"},
                                           {"SYMMETRIC", "edge"}};
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x);
    int64_t pads[2 * PN_MAX_DIMS], out[2 * PN_MAX_DIMS];
    const char *said = pn_mm_string(im, "mode", "CONSTANT"), *mode = NULL;
    bool is_wide = false;
    if (x == PN_NONE || !pn_mm_ints(im, "pads", 2 * (size_t)in.ndim, 0, pads)) return;
    for (int i = 0; i < in.ndim; i++) {
        int axis = pn_mm_axis(im, i, in.ndim);
        out[axis] = pads[i];
        out[in.ndim + axis] = pads[in.ndim + i];
        is_wide |= pads[i] > 1 || pads[in.ndim + i] > 1;
    }
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
        if (!strcmp(said, modes[i][0])) mode = modes[i][1];
    /* one row mirrored with its edge is the edge; our own files mean the edge always */
    if (!mode || (!strcmp(said, "SYMMETRIC") && is_wide && !im->is_penult)) {
        pn_mm_refuse(im, "mode is %s", said);
        return;
    }
    int by = pn_mm_ints_const(im, "pads", out, 2 * (size_t)in.ndim);
    int with = pn_mm_scalar(im, "fill", pn_mm_float(im, "constant_values", 0));
    pn_mm_emit(im, PN_OP_PAD, NULL, PN_MM_IN(x, by, with));
    pn_mm_set_string(im, "mode", mode);
}

static void reduce(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    pn_shape in = pn_mm_shape_of(im, x);
    const pn_mm_attr *a = pn_mm_attr_of(im->node, "axes");
    int64_t axes[PN_MAX_DIMS];
    if (x == PN_NONE) return;
    if (!a || a->kind != PN_MM_INTS || !a->n || a->n > PN_MAX_DIMS) {
        pn_mm_refuse(im, "its axes are not said");
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        axes[i] = pn_mm_axis(im, a->ints[i], in.ndim);
        if (axes[i] == PN_NONE) return;
    }
    pn_mm_emit(im, PN_OP_REDUCE_MEAN, NULL, &x, 1);
    pn_mm_set_ints(im, "axes", axes, a->n);
    pn_mm_set_int(im, "keepdims", pn_mm_int(im, "keepdims", 0));
}

const pn_mm_op pn_mm_ops_move[] = {
    {"Constant", constant}, {"Dropout", alias},
    {"Identity", alias},    {"Flatten", flatten},
    {"Reshape", reshape},   {"Squeeze", squeeze_or_expand},
    {"Concat", concat},     {"Unsqueeze", squeeze_or_expand},
    {"Slice", slice},       {"expand_dims", squeeze_or_expand},
    {"Pad", pad},           {"ReduceMean", reduce},
    {NULL, NULL},
};
