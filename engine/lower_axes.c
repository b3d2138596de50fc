/*
 * Values with one or three spatial axes, N x C x W and N x C x D x H x W. Layers work on
 * maps, C x H x W; the same numbers in the same order are a map of C x 1 x W, or of
 * C x DH x W with the slices one below the other. A convolution or a pool over one axis
 * is one over such a row, and what looks at one number or one channel at a time does not
 * mind. A value that became a map stays one until somebody needs its own shape. Windows
 * over three axes are lower_boxes.c's.
 */
#include <math.h>

#include "engine/lower.h"

/* ---- a value as a map ---- */

static bool map_shape(const pn_lower *lo, int value, pn_shape *map)
{
    pn_shape s;
    if (!pn_lower_image_shape(pn_lower_value(lo, value), &s)) return false;
    if (s.ndim != 2 && s.ndim != 4) return false;
    *map = (pn_shape){.ndim = 3, .dim = {s.dim[0], 1, s.dim[s.ndim - 1]}};
    if (s.ndim == 4) map->dim[1] = s.dim[1] * s.dim[2];
    return true;
}

static int add_tensor(pn_lower *lo, int value, const pn_shape *s)
{
    const int t = pn_net_add_tensor(lo->m, s);
    if (t != PN_NONE) lo->m->tensors[t].value = value;
    return t;
}

/* The floats of `in` in C order become those of `out`. */
static pn_status reshape(pn_lower *lo, const char *name, int in, int out)
{
    pn_layer *l = pn_net_add_layer(lo->m, PN_LAYER_RESHAPE);
    if (!l) return PN_ENOMEM;
    l->name = pn_arena_strdup(&lo->m->arena, name);
    if (!l->name) return PN_ENOMEM;
    l->op = PN_OP_RESHAPE;
    l->in[0] = in;
    l->out = out;
    return PN_OK;
}

pn_status pn_lower_unflatten(pn_lower *lo, int value)
{
    pn_shape s;
    if (!pn_lower_image_shape(pn_lower_value(lo, value), &s)) return PN_EUNSUPPORTED;
    const int out = add_tensor(lo, value, &s);
    if (out == PN_NONE) return PN_ENOMEM;
    lo->tensor_of[value] = out;
    return reshape(lo, pn_lower_value(lo, value)->name, lo->map_of[value], out);
}

static pn_status make_map(pn_lower *lo, int value)
{
    pn_shape s;
    if (lo->map_of[value] != PN_NONE) return PN_OK;
    if (!map_shape(lo, value, &s)) return PN_EUNSUPPORTED;
    const int map = add_tensor(lo, value, &s);
    if (map == PN_NONE) return PN_ENOMEM;
    lo->map_of[value] = map;
    return reshape(lo, pn_lower_value(lo, value)->name, lo->tensor_of[value], map);
}

/* ---- which nodes ---- */

static bool wants_map(pn_op op)
{
    switch (op) {
    case PN_OP_AVERAGE_POOL:
    case PN_OP_BATCH_NORM:
    case PN_OP_CONV:
    case PN_OP_CONV_TRANSPOSE:
    case PN_OP_GLOBAL_AVERAGE_POOL:
    case PN_OP_GLOBAL_MAX_POOL:
    case PN_OP_INSTANCE_NORM:
    case PN_OP_LRN:
    case PN_OP_MAX_POOL:
        return true;
    default:
        return false;
    }
}

static bool takes_map(pn_op op)
{
    switch (op) {
    case PN_OP_ADD:
    case PN_OP_CLIP:
    case PN_OP_DIV:
    case PN_OP_ELU:
    case PN_OP_ERF:
    case PN_OP_EXP:
    case PN_OP_GELU:
    case PN_OP_HARD_SIGMOID:
    case PN_OP_HARD_SWISH:
    case PN_OP_LEAKY_RELU:
    case PN_OP_LOG:
    case PN_OP_MAX:
    case PN_OP_MIN:
    case PN_OP_MUL:
    case PN_OP_NEG:
    case PN_OP_POW:
    case PN_OP_PRELU:
    case PN_OP_RELU:
    case PN_OP_SELU:
    case PN_OP_SIGMOID:
    case PN_OP_SOFTPLUS:
    case PN_OP_SOFTSIGN:
    case PN_OP_SQRT:
    case PN_OP_SUB:
    case PN_OP_SUM:
    case PN_OP_TANH:
        return true;
    default:
        return false;
    }
}

/* One number for all, or one a channel that becomes a slope, a factor or a summand: any
 * other constant is aligned with axes that the map has not. */
static pn_status is_fine_const(const pn_lower *lo, const pn_node *n, int i,
                               const pn_shape *map, bool *fine)
{
    const pn_value *v = pn_lower_value(lo, n->inputs[i]);
    *fine = pn_shape_count(&v->shape) == 1 && v->shape.ndim <= 4;
    if (*fine || (n->op != PN_OP_ADD && n->op != PN_OP_SUB && n->op != PN_OP_MUL &&
                  n->op != PN_OP_DIV && n->op != PN_OP_PRELU))
        return PN_OK;
    double *c = pn_arena_alloc(&lo->m->arena, (size_t)map->dim[0] * sizeof(*c));
    if (!c) return PN_ENOMEM;
    *fine = pn_lower_per_channel(lo, n, i, map, c) && (n->op != PN_OP_DIV || i == 1);
    for (int64_t k = 0; *fine && n->op != PN_OP_PRELU && k < map->dim[0]; k++)
        *fine = isfinite(c[k]) && (n->op != PN_OP_DIV || isfinite(1 / c[k]));
    return PN_OK;
}

/* All its data are maps of the output's shape, its constants no obstacle. */
static pn_status may_follow(const pn_lower *lo, const pn_node *n, const pn_shape *map,
                            bool *may)
{
    int n_maps = 0;
    *may = takes_map(n->op);
    for (int i = 0; *may && i < n->n_inputs; i++) {
        if (!pn_lower_has(lo, n, i)) continue;
        if (pn_lower_is_const(lo, n, i)) {
            pn_status st = is_fine_const(lo, n, i, map, may);
            if (st) return st;
            continue;
        }
        const int m = lo->map_of[n->inputs[i]];
        *may = m != PN_NONE && pn_lower_has_axes(lo, n->inputs[i]) &&
               pn_shape_equal(&pn_lower_value(lo, n->inputs[i])->shape,
                              &pn_lower_value(lo, n->outputs[0])->shape);
        n_maps++;
    }
    *may = *may && n_maps;
    return PN_OK;
}

/* ---- a node ---- */

static pn_status lower_on_rows(pn_lower *lo, const pn_node *n, pn_lower_fn *lower)
{
    pn_shape s;
    if (!map_shape(lo, n->outputs[0], &s))
        return pn_lower_refuse(lo, n, "the batch must be first and alone free");
    pn_status st = wants_map(n->op) ? make_map(lo, n->inputs[0]) : PN_OK;
    if (st) return st;
    const int out = add_tensor(lo, n->outputs[0], &s);
    if (out == PN_NONE) return PN_ENOMEM;
    return pn_lower_on_maps(lo, n, lower, out);
}

/* An identity of a map is that map. */
static bool is_same_map(pn_lower *lo, const pn_node *n, pn_lower_fn *lower)
{
    const int in = n->inputs[0], out = n->outputs[0];
    if (lower != pn_lower_identity || lo->map_of[in] == PN_NONE ||
        !pn_lower_has_axes(lo, in))
        return false;
    lo->map_of[out] = lo->map_of[in];
    lo->tensor_of[out] = lo->tensor_of[in];
    return true;
}

static bool takes_box(pn_op op)
{
    return op == PN_OP_CONV || op == PN_OP_CONV_TRANSPOSE || op == PN_OP_MAX_POOL ||
           op == PN_OP_AVERAGE_POOL;
}

pn_status pn_lower_axes(pn_lower *lo, const pn_node *n, pn_lower_fn *lower, bool *done)
{
    pn_shape map;
    if (!lower || n->n_outputs != 1 || n->n_inputs > PN_LOWER_FEW ||
        n->inputs[0] == PN_NONE || n->outputs[0] == PN_NONE)
        return PN_OK;
    const pn_value *x = pn_lower_value(lo, n->inputs[0]);
    const pn_value *y = pn_lower_value(lo, n->outputs[0]);
    *done = is_same_map(lo, n, lower);
    if (*done || y->dtype != PN_F32 || !map_shape(lo, n->outputs[0], &map)) return PN_OK;
    lo->n_axes = y->shape.ndim - 2;
    bool may = wants_map(n->op) && !x->data && x->shape.ndim == y->shape.ndim;
    pn_status st = may ? PN_OK : may_follow(lo, n, &map, &may);
    *done = may;
    if (!st && may)
        st = lo->n_axes == 3 && takes_box(n->op) ? pn_lower_boxes(lo, n)
                                                 : lower_on_rows(lo, n, lower);
    lo->n_axes = 0;
    return st;
}
