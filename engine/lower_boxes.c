/*
 * Windows over three axes, D, H and W. A pool goes over H and W of C D maps, then over D.
 * A convolution takes the kd slices that make one for as many channels, the slices in one
 * map and far enough apart not to meet.
 */
#include <limits.h>

#include "engine/lower.h"

enum { MAX_SLICES = 64 };

typedef struct box {
    int64_t kernel[3], stride[3], dilation[3], before[3], after[3];
} box;

static bool read_box(const pn_node *n, box *b)
{
    const pn_attr *k = pn_node_attr(n, "kernel_shape"), *s = pn_node_attr(n, "strides");
    const pn_attr *d = pn_node_attr(n, "dilations"), *p = pn_node_attr(n, "pads");
    if (!k || k->n != 3) return false;
    for (int i = 0; i < 3; i++) {
        b->kernel[i] = k->ints[i];
        b->stride[i] = s && s->n == 3 ? s->ints[i] : 1;
        b->dilation[i] = d && d->n == 3 ? d->ints[i] : 1;
        b->before[i] = p && p->n == 6 ? p->ints[i] : 0;
        b->after[i] = p && p->n == 6 ? p->ints[i + 3] : 0;
    }
    return true;
}

static pn_window window_of(const box *b, int y, int x)
{
    return (pn_window){.kh = b->kernel[y],
                       .kw = b->kernel[x],
                       .sh = b->stride[y],
                       .sw = b->stride[x],
                       .dh = b->dilation[y],
                       .dw = b->dilation[x],
                       .top = b->before[y],
                       .left = b->before[x],
                       .bottom = b->after[y],
                       .right = b->after[x]};
}

/* A tensor without a value of its own. */
static pn_status between(pn_lower *lo, const pn_node *n, int *out, int ndim,
                         const int64_t *dim)
{
    char text[PN_SHAPE_TEXT];
    pn_shape s = {.ndim = ndim};
    for (int i = 0; i < ndim; i++)
        s.dim[i] = dim[i];
    if (!pn_lower_fits(&s))
        return pn_lower_refuse(
            lo, n, "it takes a map of %s: an image must have fewer than 2^40 numbers",
            pn_shape_text(&s, text, sizeof(text)));
    *out = pn_net_add_tensor(lo->m, &s);
    return *out == PN_NONE ? PN_ENOMEM : PN_OK;
}

/* A layer of the node's beside the one that computes. NULL without memory. */
static pn_layer *helper(pn_lower *lo, const pn_node *n, pn_layer_kind kind, int in,
                        int out)
{
    pn_layer *l = pn_lower_layer(lo, n, kind, in, out);
    if (l) l->node = PN_NONE;
    return l;
}

static bool pool_stage(pn_lower *lo, const pn_node *n, int in, int out,
                       const pn_window *w)
{
    pn_layer *l = helper(
        lo, n, n->op == PN_OP_MAX_POOL ? PN_LAYER_MAX_POOL : PN_LAYER_AVG_POOL, in, out);
    if (!l) return false;
    l->u.pool.win = *w;
    l->u.pool.counts_padding = pn_node_int(n, "count_include_pad", 0) != 0;
    return true;
}

/* The elements under a box are a product of those along its axes, so that means of means
 * are the mean, padding counted or not. */
static pn_status pool_boxes(pn_lower *lo, const pn_node *n, const box *b)
{
    const int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    const pn_shape x = *pn_lower_shape(lo, in), y = *pn_lower_shape(lo, out);
    const int64_t c = x.dim[0], cd = c * x.dim[1], hw = y.dim[2] * y.dim[3];
    int maps = PN_NONE, pooled = PN_NONE, columns = PN_NONE, both = PN_NONE;
    pn_status st = between(lo, n, &maps, 3, (int64_t[]){cd, x.dim[2], x.dim[3]});
    if (!st) st = between(lo, n, &pooled, 3, (int64_t[]){cd, y.dim[2], y.dim[3]});
    if (!st) st = between(lo, n, &columns, 3, (int64_t[]){c, x.dim[1], hw});
    if (!st) st = between(lo, n, &both, 3, (int64_t[]){c, y.dim[1], hw});
    if (st) return st;
    const pn_window flat = window_of(b, 1, 2);
    pn_window deep = window_of(b, 0, 1);
    deep.kw = deep.sw = deep.dw = 1;
    deep.left = deep.right = 0;
    return helper(lo, n, PN_LAYER_RESHAPE, in, maps) &&
                   pool_stage(lo, n, maps, pooled, &flat) &&
                   helper(lo, n, PN_LAYER_RESHAPE, pooled, columns) &&
                   pool_stage(lo, n, columns, both, &deep) &&
                   helper(lo, n, PN_LAYER_RESHAPE, both, out)
               ? PN_OK
               : PN_ENOMEM;
}

static pn_layer *copy(pn_lower *lo, const pn_node *n, int in, int out, int ndim,
                      const int64_t *dim)
{
    pn_layer *l = helper(lo, n, PN_LAYER_COPY, in, out);
    for (int i = 0; l && i < PN_MAX_DIMS; i++) {
        l->u.copy.dim[i] = i < ndim ? dim[i] : 0;
        l->u.copy.axis_of[i] = i;
        l->u.copy.x_step[i] = 1;
    }
    return l;
}

/* C x D x H x W to C x kd x D' x pitch x W: for each output slice the kd that it is made
 * of, each slice in `pitch` rows, zeros where there is none. */
static pn_status stack_slices(pn_lower *lo, const pn_node *n, const box *b,
                              int64_t slices, int64_t pitch, int *out)
{
    int x = pn_lower_in(lo, n, 0);
    const pn_shape s = *pn_lower_shape(lo, x);
    const int64_t deep = s.dim[1] + b->before[0] + b->after[0];
    pn_status st = between(lo, n, out, 5,
                           (int64_t[]){s.dim[0], b->kernel[0], slices, pitch, s.dim[3]});
    if (st) return st;
    if (deep != s.dim[1] || pitch != s.dim[2]) {
        int padded = PN_NONE;
        st = between(lo, n, &padded, 4, (int64_t[]){s.dim[0], deep, pitch, s.dim[3]});
        if (st) return st;
        pn_layer *pad = helper(lo, n, PN_LAYER_PAD, x, padded);
        if (!pad) return PN_ENOMEM;
        pad->u.pad.before[1] = b->before[0];
        pad->u.pad.before[2] = b->before[1];
        x = padded;
    }
    for (int64_t k = 0; k < b->kernel[0]; k++) {
        pn_layer *l =
            copy(lo, n, x, *out, 5, (int64_t[]){s.dim[0], 1, slices, pitch, s.dim[3]});
        if (!l) return PN_ENOMEM;
        for (int i = 2; i < 5; i++)
            l->u.copy.axis_of[i] = i - 1;
        l->u.copy.y_begin[1] = k;
        l->u.copy.x_begin[1] = k * b->dilation[0];
        l->u.copy.x_step[1] = b->stride[0];
    }
    return PN_OK;
}

/* Weights M x C x kd x kh x kw are those of C kd channels as they lie. The rows at the
 * end of a slice, whose windows reach into the next, are left out. */
static pn_status convolve_boxes(pn_lower *lo, const pn_node *n, const box *b)
{
    const int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    const pn_shape x = *pn_lower_shape(lo, in), y = *pn_lower_shape(lo, out);
    const int64_t step = b->stride[1], reach = b->dilation[1] * (b->kernel[1] - 1) + 1;
    const int64_t high = x.dim[2] + b->before[1] + b->after[1];
    const int64_t rows = (high + step - 1) / step, pitch = rows * step;
    const int64_t cin = x.dim[0] * b->kernel[0];
    int stacked = PN_NONE, map = PN_NONE, made = PN_NONE, cut = PN_NONE;
    pn_status st = stack_slices(lo, n, b, y.dim[1], pitch, &stacked);
    if (!st) st = between(lo, n, &map, 3, (int64_t[]){cin, y.dim[1] * pitch, x.dim[3]});
    if (!st)
        st = between(lo, n, &made, 3, (int64_t[]){y.dim[0], y.dim[1] * rows, y.dim[3]});
    if (!st)
        st = between(lo, n, &cut, 4, (int64_t[]){y.dim[0], y.dim[1], rows, y.dim[3]});
    if (st) return st;
    if (!helper(lo, n, PN_LAYER_RESHAPE, stacked, map)) return PN_ENOMEM;
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_CONV, map, made);
    if (!l) return PN_ENOMEM;
    l->u.conv = (pn_conv){.win = window_of(b, 1, 2),
                          .cin = cin,
                          .cout = y.dim[0],
                          .group = pn_node_int(n, "group", 1),
                          .weight = n->inputs[1],
                          .bias = pn_lower_has(lo, n, 2) ? n->inputs[2] : PN_NONE,
                          .is_stacked = true};
    l->u.conv.win.top = 0;
    l->u.conv.win.bottom = reach > step ? reach - step : 0;
    return helper(lo, n, PN_LAYER_RESHAPE, made, cut) && copy(lo, n, cut, out, 4, y.dim)
               ? PN_OK
               : PN_ENOMEM;
}

static bool is_small(const box *b)
{
    bool small = b->kernel[0] <= MAX_SLICES;
    for (int i = 0; i < 3; i++)
        small = small && b->kernel[i] <= INT_MAX && b->stride[i] <= INT_MAX &&
                b->dilation[i] <= INT_MAX && b->before[i] >= 0 && b->after[i] >= 0 &&
                b->before[i] <= INT_MAX && b->after[i] <= INT_MAX;
    return small;
}

pn_status pn_lower_boxes(pn_lower *lo, const pn_node *n)
{
    box b;
    pn_shape s;
    const int in = n->inputs[0], out = n->outputs[0];
    if (n->op == PN_OP_CONV_TRANSPOSE) return pn_lower_refuse(lo, n, "over three axes");
    if (!pn_lower_all_const(lo, n, 1, 2))
        return pn_lower_refuse(lo, n, "weights and bias must be constants");
    if (!read_box(n, &b) || !is_small(&b))
        return pn_lower_refuse(lo, n, "its window is too large");
    pn_status st = pn_lower_turn_out(lo, in);
    if (st) return st;
    if (!pn_lower_image_shape(pn_lower_value(lo, out), &s))
        return pn_lower_refuse_shape(lo, n, out);
    const int64_t room = pn_shape_count(pn_lower_shape(lo, lo->tensor_of[in])) /
                         pn_lower_shape(lo, lo->tensor_of[in])->dim[0];
    if (n->op == PN_OP_CONV && room > INT_MAX / MAX_SLICES)
        return pn_lower_refuse(lo, n, "its input is too large");
    lo->tensor_of[out] = pn_net_add_tensor(lo->m, &s);
    if (lo->tensor_of[out] == PN_NONE) return PN_ENOMEM;
    lo->m->tensors[lo->tensor_of[out]].value = out;
    return n->op == PN_OP_CONV ? convolve_boxes(lo, n, &b) : pool_boxes(lo, n, &b);
}
