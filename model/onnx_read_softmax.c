/*
 * Before opset 13 Softmax went over all axes from `axis` on. That is today's meaning
 * where those behind `axis` have one element; elsewhere the image is laid flat for it,
 * and gets its shape back. Known only when there are shapes.
 */
#include "model/onnx_read.h"

#include <limits.h>
#include <string.h>

#include "model/graph_order.h"

static pn_status new_value(pn_onnx *o, const char *what, int *id)
{
    char name[64];
    for (int i = o->g->n_values;; i++) {
        snprintf(name, sizeof(name), "penult.%s_%d", what, i);
        if (pn_graph_find(o->g, name) == PN_NONE) break;
    }
    return pn_graph_add_value(o->g, name, PN_F32, NULL, id, o->err);
}

static pn_status reshape(pn_onnx *o, int x, const pn_shape *to, int y)
{
    const pn_shape list = {.ndim = 1, .dim = {to->ndim}};
    char name[64];
    int target = PN_NONE, node;
    for (int i = o->g->n_values;; i++) {
        snprintf(name, sizeof(name), "penult.shape_%d", i);
        if (pn_graph_find(o->g, name) == PN_NONE) break;
    }
    /* PN_DIM_FREE is what Reshape calls "whatever is left" */
    pn_status st =
        pn_graph_add_const(o->g, name, PN_I64, &list, to->dim,
                           (size_t)to->ndim * sizeof(int64_t), false, &target, o->err);
    const int in[2] = {x, target};
    return st ? st
              : pn_graph_add_node(o->g, PN_OP_RESHAPE, "", in, 2, &y, 1, &node, o->err);
}

/* x -> Reshape -> Softmax -> Reshape -> y, which keeps its name */
static pn_status flatten(pn_onnx *o, int y, int axis)
{
    pn_graph *g = o->g;
    const pn_shape whole = g->values[y].shape;
    pn_shape rows = whole;
    const int softmax = g->values[y].producer, x = g->nodes[softmax].inputs[0];
    int flat = PN_NONE, soft = PN_NONE;
    for (rows.ndim = axis + 1; axis + 1 < whole.ndim; axis++)
        rows.dim[rows.ndim - 1] *= whole.dim[axis + 1]; /* fit 63 bits as a whole */
    pn_status st = new_value(o, "flat", &flat);
    if (!st) st = new_value(o, "soft", &soft);
    if (!st) st = reshape(o, x, &rows, flat);
    if (st) return st;
    g->nodes[softmax].inputs[0] = flat;
    g->nodes[softmax].outputs[0] = soft;
    g->values[soft].producer = softmax;
    g->values[y].producer = PN_NONE;
    st = pn_graph_set_int(g, softmax, "axis", rows.ndim - 1);
    return st ? st : reshape(o, soft, &whole, y);
}

pn_status pn_onnx_flatten_softmaxes(pn_onnx *o)
{
    bool changed = false;
    for (size_t i = 0; i < o->n_softmaxes; i++) {
        const pn_value *v = &o->g->values[o->softmaxes[i]];
        if (v->producer == PN_NONE || !v->has_shape) continue; /* nobody needed it */
        int64_t axis = pn_node_int(&o->g->nodes[v->producer], "axis", 1);
        bool several = false;
        if (axis < 0) axis += v->shape.ndim;
        for (int k = (int)axis + 1; k < v->shape.ndim; k++) {
            several |= v->shape.dim[k] != 1;
            if (v->shape.dim[k] == PN_DIM_FREE)
                return pn_fail(
                    o->err, PN_EUNSUPPORTED,
                    "1 node is not supported: %s \"%s\" (mixes the images of a "
                    "batch, axis %d)",
                    pn_op_name(o->g->nodes[v->producer].op), v->name, k);
        }
        if (!several) continue;
        pn_status st = flatten(o, o->softmaxes[i], (int)axis);
        if (st) return st;
        changed = true;
    }
    if (!changed) return PN_OK;
    pn_status st = pn_graph_sort(o->g, o->err);
    return st ? st : pn_graph_infer_shapes(o->g, o->err);
}
