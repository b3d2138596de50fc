/* Fully convolutional nets take any size: only the shapes change, and they are inferred
 * from the input's. */
#include "engine/resize_input.h"

static pn_status copy_values(pn_graph *to, const pn_graph *g, int image, int height,
                             int width, pn_err *err)
{
    for (int i = 0; i < g->n_values; i++) {
        const pn_value *v = &g->values[i];
        pn_shape s = v->shape;
        int id;
        pn_status st;
        if (v->data) {
            st = pn_graph_add_const(to, v->name, v->dtype, &s, v->data, v->size_bytes,
                                    true, &id, err);
        } else {
            if (i == image && height) s.dim[2] = height;
            if (i == image && width) s.dim[3] = width;
            const bool is_input = v->producer == PN_NONE;
            st =
                pn_graph_add_value(to, v->name, v->dtype, is_input ? &s : NULL, &id, err);
        }
        if (st) return st;
    }
    return PN_OK;
}

static pn_status copy_attr(pn_graph *to, int node, const pn_attr *a)
{
    switch (a->kind) {
    case PN_ATTR_INT:
        return pn_graph_set_int(to, node, a->name, a->i);
    case PN_ATTR_FLOAT:
        return pn_graph_set_float(to, node, a->name, a->f);
    case PN_ATTR_STRING:
        return pn_graph_set_string(to, node, a->name, a->s);
    case PN_ATTR_INTS:
        return pn_graph_set_ints(to, node, a->name, a->ints, a->n);
    case PN_ATTR_FLOATS:
        return pn_graph_set_floats(to, node, a->name, a->floats, a->n);
    }
    return PN_EINTERNAL;
}

static pn_status copy_nodes(pn_graph *to, const pn_graph *g, pn_err *err)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const pn_node *n = &g->nodes[i];
        int id;
        pn_status st = pn_graph_add_node(to, n->op, n->name, n->inputs, n->n_inputs,
                                         n->outputs, n->n_outputs, &id, err);
        for (int k = 0; !st && k < n->n_attrs; k++)
            st = copy_attr(to, id, &n->attrs[k]);
        if (st) return pn_fail(err, st, "resize: %s", pn_status_name(st));
    }
    return PN_OK;
}

pn_status pn_resize_input(pn_graph **out, const pn_graph *g, int height, int width,
                          pn_err *err)
{
    const int image = g->n_inputs == 1 ? g->inputs[0] : PN_NONE;
    if (g->n_inputs > 1)
        return pn_fail(err, PN_EUNSUPPORTED,
                       "the model has %d inputs (\"%s\", \"%s\"%s): one image is all "
                       "that it can be given",
                       g->n_inputs, g->values[g->inputs[0]].name,
                       g->values[g->inputs[1]].name, g->n_inputs > 2 ? ", ..." : "");
    if (image == PN_NONE || g->values[image].shape.ndim != 4 || height < 0 || width < 0)
        return pn_fail(err, PN_EINVAL,
                       "input size %d x %d: must be positive, and the model "
                       "must have one image input",
                       height, width);
    pn_graph *to;
    pn_status st = pn_graph_new(&to, g->name);
    if (st) return pn_fail(err, st, "resize: %s", pn_status_name(st));
    st = copy_values(to, g, image, height, width, err);
    if (!st) st = copy_nodes(to, g, err);
    for (int i = 0; !st && i < g->n_inputs; i++)
        st = pn_graph_add_input(to, g->inputs[i]);
    for (int i = 0; !st && i < g->n_outputs; i++)
        st = pn_graph_add_output(to, g->outputs[i]);
    if (!st) st = pn_graph_infer_shapes(to, err);
    if (st) {
        pn_graph_free(&to);
        return pn_fail(err, st, "resize: %s", pn_status_name(st));
    }
    *out = to;
    return PN_OK;
}
