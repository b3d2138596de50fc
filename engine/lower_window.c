/* Convolutions and pools. Shape inference has spelled out kernel_shape, strides,
 * dilations and pads, also where auto_pad chose them. */
#include "engine/lower.h"

#include <limits.h>

static bool read_window(const pn_node *n, pn_window *w)
{
    const pn_attr *k = pn_node_attr(n, "kernel_shape"), *s = pn_node_attr(n, "strides");
    const pn_attr *d = pn_node_attr(n, "dilations"), *p = pn_node_attr(n, "pads");
    if (k && k->n == 1) { /* a row: see lower_axes.c */
        *w = (pn_window){.kh = 1, .kw = k->ints[0], .sh = 1, .sw = 1, .dh = 1, .dw = 1};
        if (s && s->n == 1) w->sw = s->ints[0];
        if (d && d->n == 1) w->dw = d->ints[0];
        if (p && p->n == 2) w->left = p->ints[0], w->right = p->ints[1];
        return true;
    }
    if (!k || k->n != 2) return false;
    *w = (pn_window){
        .kh = k->ints[0], .kw = k->ints[1], .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    if (s && s->n == 2) w->sh = s->ints[0], w->sw = s->ints[1];
    if (d && d->n == 2) w->dh = d->ints[0], w->dw = d->ints[1];
    if (p && p->n == 4) {
        w->top = p->ints[0], w->left = p->ints[1];
        w->bottom = p->ints[2], w->right = p->ints[3];
    }
    return true;
}

static bool both_maps(const pn_lower *lo, int in, int out)
{
    return pn_tensor_is_map(&lo->m->tensors[in]) &&
           pn_tensor_is_map(&lo->m->tensors[out]);
}

static pn_status conv_common(pn_lower *lo, const pn_node *n, bool transposed)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    if (in == PN_NONE || !pn_lower_all_const(lo, n, 1, 2))
        return pn_lower_refuse(lo, n, "weights and bias must be constants, the data not");
    if (!both_maps(lo, in, out))
        return pn_lower_refuse(lo, n, "only one to three spatial axes are supported");
    pn_conv c = {.weight = n->inputs[1], .bias = PN_NONE};
    if (!read_window(n, &c.win))
        return pn_lower_refuse(lo, n, "its window is not of its data's axes");
    if (pn_lower_has(lo, n, 2)) c.bias = n->inputs[2];
    c.group = pn_node_int(n, "group", 1);
    c.cin = pn_lower_shape(lo, in)->dim[0];
    c.cout = pn_lower_shape(lo, out)->dim[0];
    if (c.cin / c.group * c.win.kh * c.win.kw > INT_MAX || c.cout > INT_MAX)
        return pn_lower_refuse(lo, n, "its weights are too large");
    pn_layer_kind kind = PN_LAYER_CONV;
    if (transposed)
        kind = PN_LAYER_CONV_TRANSPOSE;
    else if (c.group > 1 && c.group == c.cin && c.cin == c.cout)
        kind = PN_LAYER_DEPTHWISE;
    pn_layer *l = pn_lower_layer(lo, n, kind, in, out);
    if (!l) return PN_ENOMEM;
    l->u.conv = c;
    return PN_OK;
}

pn_status pn_lower_conv(pn_lower *lo, const pn_node *n)
{
    return conv_common(lo, n, false);
}

pn_status pn_lower_conv_transpose(pn_lower *lo, const pn_node *n)
{
    return conv_common(lo, n, true);
}

pn_status pn_lower_pool(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    pn_pool p = {.counts_padding = pn_node_int(n, "count_include_pad", 0) != 0};
    if (!both_maps(lo, in, out) || !read_window(n, &p.win))
        return pn_lower_refuse(lo, n, "only one to three spatial axes are supported");
    bool is_max = n->op == PN_OP_MAX_POOL;
    pn_layer *l =
        pn_lower_layer(lo, n, is_max ? PN_LAYER_MAX_POOL : PN_LAYER_AVG_POOL, in, out);
    if (!l) return PN_ENOMEM;
    l->u.pool = p;
    return PN_OK;
}

pn_status pn_lower_global_pool(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    if (!both_maps(lo, in, out))
        return pn_lower_refuse(lo, n, "only one to three spatial axes are supported");
    bool is_max = n->op == PN_OP_GLOBAL_MAX_POOL;
    return pn_lower_layer(lo, n, is_max ? PN_LAYER_GLOBAL_MAX : PN_LAYER_GLOBAL_AVG, in,
                          out)
               ? PN_OK
               : PN_ENOMEM;
}
