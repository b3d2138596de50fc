/*
 * Values with their channels last. PyTorch's ConvNeXt turns a map to N x H x W x C, does
 * LayerNormalization and matrix products there, and turns it back. A map already lies
 * with its channels innermost, so nothing has to move: such a value stays the map it came
 * from, a product with a matrix is a 1x1 convolution, and turning back is nothing either.
 * Only an operator that cannot work so gets a real transpose.
 */
#include <math.h>

#include "engine/lower.h"

static bool has_perm(const pn_node *n, int a, int b, int c)
{
    const pn_attr *p = pn_node_attr(n, "perm");
    return p && p->n == 4 && p->ints[0] == 0 && p->ints[1] == a && p->ints[2] == b &&
           p->ints[3] == c;
}

/* The same floats under both names; true: it was such a node. */
static bool lower_turn(pn_lower *lo, const pn_node *n)
{
    const int in = n->inputs[0], out = n->outputs[0];
    if (n->op != PN_OP_TRANSPOSE) return false;
    if (has_perm(n, 2, 3, 1) && lo->tensor_of[in] != PN_NONE &&
        pn_tensor_is_map(&lo->m->tensors[lo->tensor_of[in]])) {
        lo->map_of[out] = lo->tensor_of[in];
        return true;
    }
    if (!has_perm(n, 3, 1, 2) || lo->map_of[in] == PN_NONE) return false;
    lo->tensor_of[out] = lo->map_of[in];
    lo->m->tensors[lo->map_of[in]].value = out;
    lo->m->tensors[lo->map_of[in]].is_last = false;
    return true;
}

/* One number for all, or one a channel that becomes factor or summand. */
static bool is_fine_const(const pn_lower *lo, const pn_node *n, int i, int64_t channels)
{
    const pn_value *v = pn_lower_value(lo, n->inputs[i]);
    const int64_t count = pn_shape_count(&v->shape);
    if (count == 1) return v->shape.ndim <= 4;
    if (count != channels || v->shape.ndim > 4 ||
        v->shape.dim[v->shape.ndim - 1] != channels || (n->op == PN_OP_DIV && i == 0) ||
        (n->op != PN_OP_ADD && n->op != PN_OP_SUB && n->op != PN_OP_MUL &&
         n->op != PN_OP_DIV))
        return false;
    for (int64_t c = 0; c < channels; c++) {
        float x;
        if (pn_value_to_f32(v, c, 1, &x) || !isfinite(x) ||
            (n->op == PN_OP_DIV && !isfinite(1 / (double)x)))
            return false;
    }
    return true;
}

static bool is_last_axis(int64_t axis)
{
    return axis == -1 || axis == 3;
}

static bool reduces_channels(const pn_node *n)
{
    const pn_attr *axes = pn_node_attr(n, "axes");
    return axes && axes->n == 1 && is_last_axis(axes->ints[0]) &&
           pn_node_int(n, "keepdims", 1);
}

/* Whether the node can do with maps, all its data having one. */
static bool suits(const pn_lower *lo, const pn_node *n, int64_t channels)
{
    switch (n->op) {
    case PN_OP_ADD:
    case PN_OP_SUB:
    case PN_OP_MUL:
    case PN_OP_DIV:
    case PN_OP_POW:
        for (int i = 0; i < 2; i++)
            if (pn_lower_is_const(lo, n, i) && !is_fine_const(lo, n, i, channels))
                return false;
        return true;
    case PN_OP_LAYER_NORM:
        return is_last_axis(pn_node_int(n, "axis", -1));
    case PN_OP_MATMUL:
        return pn_lower_is_const(lo, n, 1) &&
               pn_lower_value(lo, n->inputs[1])->shape.ndim == 2;
    case PN_OP_REDUCE_MEAN:
        return reduces_channels(n);
    case PN_OP_CLIP:
    case PN_OP_ERF:
    case PN_OP_GELU:
    case PN_OP_HARD_SIGMOID:
    case PN_OP_HARD_SWISH:
    case PN_OP_RELU:
    case PN_OP_SIGMOID:
    case PN_OP_SQRT:
    case PN_OP_TANH:
        return true;
    default:
        return false;
    }
}

static pn_status lower_pixels(pn_lower *lo, const pn_node *n)
{
    const int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_CONV, in, out);
    if (!l) return PN_ENOMEM;
    l->u.conv = (pn_conv){.win = {.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1},
                          .cin = pn_lower_shape(lo, in)->dim[0],
                          .cout = pn_lower_shape(lo, out)->dim[0],
                          .group = 1,
                          .weight = n->inputs[1],
                          .bias = PN_NONE,
                          .is_k_major = true};
    return PN_OK;
}

/* The map of a value N x H x W x C. @return PN_NONE without memory */
static int add_map(pn_lower *lo, int value)
{
    const int64_t *d = pn_lower_value(lo, value)->shape.dim;
    const pn_shape s = {.ndim = 3, .dim = {d[3], d[1], d[2]}};
    const int t = pn_net_add_tensor(lo->m, &s);
    if (t == PN_NONE) return t;
    lo->m->tensors[t].value = value;
    lo->m->tensors[t].is_last = true;
    return t;
}

pn_status pn_lower_on_maps(pn_lower *lo, const pn_node *n, pn_lower_fn *lower, int out)
{
    int kept[PN_LOWER_FEW];
    for (int i = 0; i < n->n_inputs; i++) {
        const int v = n->inputs[i];
        kept[i] = v == PN_NONE ? PN_NONE : lo->tensor_of[v];
        if (v != PN_NONE && lo->map_of[v] != PN_NONE) lo->tensor_of[v] = lo->map_of[v];
    }
    lo->tensor_of[n->outputs[0]] = out;
    pn_status st = lower(lo, n);
    for (int i = n->n_inputs - 1; i >= 0; i--) /* x * x: the first was kept first */
        if (n->inputs[i] != PN_NONE) lo->tensor_of[n->inputs[i]] = kept[i];
    lo->map_of[n->outputs[0]] = out;
    lo->tensor_of[n->outputs[0]] = PN_NONE;
    return st;
}

pn_status pn_lower_last(pn_lower *lo, const pn_node *n, pn_lower_fn *lower, bool *done)
{
    int n_maps = 0;
    *done = lower_turn(lo, n);
    if (*done || n->n_inputs > PN_LOWER_FEW || n->n_outputs != 1) return PN_OK;
    const pn_value *y = pn_lower_value(lo, n->outputs[0]);
    int64_t channels = 0;
    for (int i = 0; i < n->n_inputs; i++) {
        if (!pn_lower_has(lo, n, i) || pn_lower_is_const(lo, n, i)) continue;
        const int map = lo->map_of[n->inputs[i]];
        if (map == PN_NONE || pn_lower_has_axes(lo, n->inputs[i])) return PN_OK;
        n_maps++;
        const int64_t c = lo->m->tensors[map].shape.dim[0];
        if (c > channels) channels = c;
    }
    if (!n_maps || y->shape.ndim != 4 || y->dtype != PN_F32 || !suits(lo, n, channels))
        return PN_OK;
    const int out = add_map(lo, n->outputs[0]);
    if (out == PN_NONE) return PN_ENOMEM;
    lo->is_last = true;
    pn_status st =
        pn_lower_on_maps(lo, n, n->op == PN_OP_MATMUL ? lower_pixels : lower, out);
    lo->is_last = false;
    *done = true;
    return st;
}

pn_status pn_lower_turn_out(pn_lower *lo, int value)
{
    if (lo->tensor_of[value] != PN_NONE || lo->map_of[value] == PN_NONE) return PN_OK;
    if (pn_lower_has_axes(lo, value)) return pn_lower_unflatten(lo, value);
    const int64_t *d = pn_lower_value(lo, value)->shape.dim;
    const pn_shape s = {.ndim = 3, .dim = {d[1], d[2], d[3]}};
    const int out = pn_net_add_tensor(lo->m, &s);
    pn_layer *l = out == PN_NONE ? NULL : pn_net_add_layer(lo->m, PN_LAYER_COPY);
    if (!l) return PN_ENOMEM;
    l->name = pn_arena_strdup(&lo->m->arena, pn_lower_value(lo, value)->name);
    if (!l->name) return PN_ENOMEM;
    l->op = PN_OP_TRANSPOSE;
    l->in[0] = lo->map_of[value];
    l->out = out;
    for (int i = 0; i < 3; i++) {
        l->u.copy.dim[i] = s.dim[i];
        l->u.copy.axis_of[i] = (i + 1) % 3;
        l->u.copy.x_step[i] = 1;
    }
    lo->m->tensors[out].value = value;
    lo->tensor_of[value] = out;
    return PN_OK;
}
