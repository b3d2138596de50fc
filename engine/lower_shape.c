/* Operators that move floats: reshapes cost nothing where the order in memory allows. */
#include "engine/lower.h"

#include <math.h>
#include <string.h>

pn_status pn_lower_reshape(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    if (in == PN_NONE) return pn_lower_refuse(lo, n, "its data is a constant");
    pn_tensor *x = &lo->m->tensors[in], *y = &lo->m->tensors[out];
    if (pn_tensor_in_c_order(x) && pn_tensor_in_c_order(y)) {
        y->parent = in;
        y->is_reshape = true;
        /* a map of one pixel is one run of floats even as a slice */
        if (!pn_tensor_is_map(x) || x->shape.dim[1] * x->shape.dim[2] > 1)
            x->is_dense = true;
        return PN_OK;
    }
    return pn_lower_layer(lo, n, PN_LAYER_RESHAPE, in, out) ? PN_OK : PN_ENOMEM;
}

/* A copy of everything, axes in order. */
static pn_layer *lower_copy(pn_lower *lo, const pn_node *n, int in, int out,
                            const pn_shape *what)
{
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_COPY, in, out);
    if (!l) return NULL;
    for (int i = 0; i < what->ndim; i++) {
        l->u.copy.dim[i] = what->dim[i];
        l->u.copy.axis_of[i] = i;
    }
    for (int i = 0; i < PN_MAX_DIMS; i++) /* x may have an axis more */
        l->u.copy.x_step[i] = 1;
    return l;
}

pn_status pn_lower_transpose(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    const pn_attr *perm = pn_node_attr(n, "perm");
    const pn_shape *s = pn_lower_shape(lo, out);
    if (!perm || perm->n != (size_t)s->ndim + 1 || perm->ints[0] != 0)
        return pn_lower_refuse(lo, n, "the batch must stay first");
    pn_layer *l = lower_copy(lo, n, in, out, s);
    if (!l) return PN_ENOMEM;
    for (int i = 0; i < s->ndim; i++)
        l->u.copy.axis_of[i] = (int)perm->ints[i + 1] - 1;
    return PN_OK;
}

pn_status pn_lower_concat(pn_lower *lo, const pn_node *n)
{
    int out = pn_lower_out(lo, n, 0);
    const int ndim = pn_lower_shape(lo, out)->ndim;
    int64_t axis = pn_node_int(n, "axis", 1), at = 0;
    if (axis < 0) axis += ndim + 1;
    if (axis < 1 || axis > ndim) return pn_lower_refuse(lo, n, "across the batch");
    for (int i = 0; i < n->n_inputs; i++) {
        int in = pn_lower_in(lo, n, i);
        if (in == PN_NONE) return pn_lower_refuse(lo, n, "input %d is a constant", i);
        const pn_shape s = *pn_lower_shape(lo, in);
        pn_layer *l = lower_copy(lo, n, in, out, &s);
        if (!l) return PN_ENOMEM;
        l->u.copy.y_begin[axis - 1] = at;
        at += s.dim[axis - 1];
    }
    return PN_OK;
}

pn_status pn_lower_split(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0);
    const int ndim = pn_lower_shape(lo, in)->ndim;
    int64_t axis = pn_node_int(n, "axis", 0), at = 0;
    if (axis < 0) axis += ndim + 1;
    if (axis < 1 || axis > ndim) return pn_lower_refuse(lo, n, "across the batch");
    for (int i = 0; i < n->n_outputs; i++) {
        if (n->outputs[i] == PN_NONE)
            return pn_lower_refuse(lo, n, "an output is left out");
        int out = pn_lower_out(lo, n, i);
        if (out != PN_NONE) {
            const pn_shape s = *pn_lower_shape(lo, out);
            pn_layer *l = lower_copy(lo, n, in, out, &s);
            if (!l) return PN_ENOMEM;
            l->u.copy.x_begin[axis - 1] = at;
        }
        at += pn_lower_value(lo, n->outputs[i])->shape.dim[axis];
    }
    return PN_OK;
}

static int64_t clamp64(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

pn_status pn_lower_slice(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    const pn_shape x = *pn_lower_shape(lo, in);
    int64_t start[PN_MAX_DIMS], axes[PN_MAX_DIMS], step[PN_MAX_DIMS];
    int n_start = pn_lower_ints(lo, n, 1, start, PN_MAX_DIMS);
    int n_axes = n_start, n_step = n_start;
    for (int i = 0; i < PN_MAX_DIMS; i++)
        axes[i] = i, step[i] = 1;
    if (pn_lower_has(lo, n, 3)) n_axes = pn_lower_ints(lo, n, 3, axes, PN_MAX_DIMS);
    if (pn_lower_has(lo, n, 4)) n_step = pn_lower_ints(lo, n, 4, step, PN_MAX_DIMS);
    if (n_start < 0 || n_axes != n_start || n_step != n_start)
        return pn_lower_refuse(lo, n, "its ranges must be constants");
    pn_layer *l = lower_copy(lo, n, in, out, pn_lower_shape(lo, out));
    if (!l) return PN_ENOMEM;
    for (int i = 0; i < n_start; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + x.ndim + 1 : axes[i];
        if (axis == 0) continue; /* the whole batch: shape inference saw to it */
        if (axis < 0 || axis > x.ndim) return pn_lower_refuse(lo, n, "axis out of range");
        const int64_t d = x.dim[axis - 1];
        const int64_t begin = start[i] < 0 ? start[i] + d : start[i];
        l->u.copy.x_begin[axis - 1] = clamp64(begin, 0, d - 1);
        /* a longer step than the axis takes one element, whatever it is */
        l->u.copy.x_step[axis - 1] = clamp64(step[i], -d, d);
    }
    return PN_OK;
}

/* One index drops its axis; a list of them is a lookup along it, which is RESIZE's. */
pn_status pn_lower_gather(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    const pn_shape x = *pn_lower_shape(lo, in), y = *pn_lower_shape(lo, out);
    int64_t axis = pn_node_int(n, "axis", 0), index[1];
    if (axis < 0) axis += x.ndim + 1;
    if (axis < 1 || axis > x.ndim) return pn_lower_refuse(lo, n, "across the batch");
    const int64_t d = x.dim[axis - 1];
    if (!pn_lower_is_const(lo, n, 1))
        return pn_lower_refuse(lo, n, "its indices must be constants");
    const pn_value *v = pn_lower_value(lo, n->inputs[1]);
    if (v->shape.ndim > 1) return pn_lower_refuse(lo, n, "indices of several dimensions");
    if (v->shape.ndim == 0) {
        if (pn_value_to_i64(v, 0, 1, index) || index[0] < -d || index[0] >= d)
            return pn_lower_refuse(lo, n, "an index out of range");
        pn_layer *l = lower_copy(lo, n, in, out, &y);
        if (!l) return PN_ENOMEM;
        for (int i = 0; i < y.ndim; i++)
            l->u.copy.axis_of[i] = i < axis - 1 ? i : i + 1;
        l->u.copy.x_begin[axis - 1] = index[0] < 0 ? index[0] + d : index[0];
        return PN_OK;
    }
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_RESIZE, in, out);
    if (!l) return PN_ENOMEM;
    for (int a = 0; a < y.ndim; a++) {
        int64_t *from = pn_arena_alloc(&lo->m->arena, (size_t)y.dim[a] * sizeof(*from));
        if (!from) return PN_ENOMEM;
        for (int64_t i = 0; i < y.dim[a]; i++) {
            from[i] = i;
            if (a != axis - 1) continue;
            if (pn_value_to_i64(v, i, 1, index) || index[0] < -d || index[0] >= d)
                return pn_lower_refuse(lo, n, "an index out of range");
            from[i] = index[0] < 0 ? index[0] + d : index[0];
        }
        lo->m->layers[lo->m->n_layers - 1].u.resize.index[a] = from;
    }
    return PN_OK;
}

pn_status pn_lower_pad(pn_lower *lo, const pn_node *n)
{
    static const char *const modes[] = {"constant", "edge", "reflect"};
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    const pn_shape *x = pn_lower_shape(lo, in), *y = pn_lower_shape(lo, out);
    int64_t pads[2 * PN_MAX_DIMS];
    int mode = 0;
    while (mode < 3 && strcmp(pn_node_string(n, "mode", "constant"), modes[mode]) != 0)
        mode++;
    if (mode == 3) return pn_lower_refuse(lo, n, "its mode");
    if (pn_lower_ints(lo, n, 1, pads, 2 * PN_MAX_DIMS) != 2 * (x->ndim + 1))
        return pn_lower_refuse(lo, n, "its pads must be constants, two an axis");
    float value = 0;
    if (pn_lower_has(lo, n, 2) && !pn_lower_scalar(lo, n, 2, &value))
        return pn_lower_refuse(lo, n, "its value must be a constant of one element");
    for (int i = 0; i < x->ndim; i++) {
        int64_t before = pads[i + 1], after = y->dim[i] - x->dim[i] - before;
        if (mode == 2 && (before >= x->dim[i] || after >= x->dim[i]))
            return pn_lower_refuse(lo, n, "reflects more than there is");
    }
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_PAD, in, out);
    if (!l) return PN_ENOMEM;
    for (int i = 0; i < pn_lower_shape(lo, in)->ndim; i++)
        l->u.pad.before[i] = pads[i + 1];
    l->u.pad.value = value;
    l->u.pad.mode = mode;
    return PN_OK;
}

/* Axes are an input of ReduceSum, an attribute of the others. */
static bool reduced_axes(const pn_lower *lo, const pn_node *n, int ndim, bool *is_reduced)
{
    int64_t list[PN_MAX_DIMS];
    const int64_t *axes = list;
    int count = 0;
    const pn_attr *a = pn_node_attr(n, "axes");
    if (a) {
        axes = a->ints;
        count = (int)a->n;
    } else if (pn_lower_has(lo, n, 1)) {
        count = pn_lower_ints(lo, n, 1, list, PN_MAX_DIMS);
        if (count < 0) return false;
    }
    if (count == 0) return false; /* all of them: the batch too */
    for (int i = 0; i < count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + ndim + 1 : axes[i];
        if (axis < 1 || axis > ndim) return false;
        is_reduced[axis - 1] = true;
    }
    return true;
}

pn_status pn_lower_reduce(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    bool is_reduced[PN_MAX_DIMS] = {false};
    if (!reduced_axes(lo, n, pn_lower_shape(lo, in)->ndim, is_reduced))
        return pn_lower_refuse(lo, n, "its axes must be constants without the batch");
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_REDUCE, in, out);
    if (!l) return PN_ENOMEM;
    l->u.reduce.f = n->op;
    memcpy(l->u.reduce.is_reduced, is_reduced, sizeof(is_reduced));
    if (lo->is_last) { /* the channels, and they are a map's first axis */
        l->u.reduce.is_reduced[2] = false;
        l->u.reduce.is_reduced[0] = true;
    }
    return PN_OK;
}

/* Where output index i of an axis comes from, in input coordinates. */
static double source_of(const char *mode, int64_t i, int64_t x, int64_t y, double scale)
{
    if (!strcmp(mode, "asymmetric")) return (double)i / scale;
    if (!strcmp(mode, "align_corners"))
        return y > 1 ? (double)i * (double)(x - 1) / (double)(y - 1) : 0;
    if (!strcmp(mode, "pytorch_half_pixel") && y == 1) return 0;
    return ((double)i + 0.5) / scale - 0.5;
}

static double round_as(const char *mode, double v)
{
    if (!strcmp(mode, "floor")) return floor(v);
    if (!strcmp(mode, "ceil")) return ceil(v);
    if (!strcmp(mode, "round_prefer_ceil")) return floor(v + 0.5);
    return ceil(v - 0.5);
}

pn_status pn_lower_resize(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    const char *where = pn_node_string(n, "coordinate_transformation_mode", "half_pixel");
    const char *nearest = pn_node_string(n, "nearest_mode", "round_prefer_floor");
    if (strcmp(pn_node_string(n, "mode", "nearest"), "nearest") != 0 ||
        !strcmp(where, "half_pixel_symmetric"))
        return pn_lower_refuse(lo, n, "only mode nearest is supported");
    const pn_shape x = *pn_lower_shape(lo, in), y = *pn_lower_shape(lo, out);
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_RESIZE, in, out);
    if (!l) return PN_ENOMEM;
    for (int a = 0; a < y.ndim; a++) {
        int64_t *index = pn_arena_alloc(&lo->m->arena, (size_t)y.dim[a] * sizeof(*index));
        if (!index) return PN_ENOMEM;
        float given;
        double scale = (double)y.dim[a] / (double)x.dim[a];
        if (pn_lower_has(lo, n, 2) &&
            !pn_value_to_f32(pn_lower_value(lo, n->inputs[2]), a + 1, 1, &given))
            scale = (double)given;
        for (int64_t i = 0; i < y.dim[a]; i++) {
            double at = round_as(nearest, source_of(where, i, x.dim[a], y.dim[a], scale));
            index[i] = at < 0                        ? 0
                       : at > (double)(x.dim[a] - 1) ? x.dim[a] - 1
                                                     : (int64_t)at;
        }
        l->u.resize.index[a] = index;
    }
    return PN_OK;
}
