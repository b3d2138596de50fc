/*
 * Nodes of opset 9 to 28 in the form of opset 13. Between those, operators moved
 * attributes to inputs and back and gained options; where an option has a value we have
 * no code for, the node is refused by name and the reading goes on, to find them all.
 */
#include "model/onnx_read.h"

#include <limits.h>
#include <string.h>

#include "model/op.h"

static pn_status set_input(pn_onnx *o, size_t index, int value)
{
    pn_onnx_node *n = &o->node;
    while (n->n_ids <= index) {
        if (pn_onnx_grow(&n->ids, &n->ids_capacity, n->n_ids, sizeof(*n->ids)))
            return PN_ENOMEM;
        n->ids[n->n_ids++] = PN_NONE;
    }
    n->ids[index] = value;
    return PN_OK;
}

static bool has_input(const pn_onnx *o, size_t index)
{
    return index < o->node.n_ids && o->node.ids[index] != PN_NONE;
}

static const int64_t *ints_of(const pn_onnx *o, const pn_onnx_attr *a)
{
    return a->n ? o->node.ints + a->first : NULL;
}

/* a new constant, as input `index` of the node; named after what the node makes */
static pn_status const_input(pn_onnx *o, size_t index, const char *what, pn_dtype dtype,
                             const pn_shape *shape, const void *data, size_t size_bytes)
{
    const char *base = pn_onnx_text(o, o->node.outputs.items[0]);
    if (!base) return PN_ENOMEM;
    for (int i = 0; i < 1000; i++) {
        char name[256];
        int id;
        snprintf(name, sizeof(name), "%.200s_%s%d", base, what, i);
        /* a cut name may end inside a character: the copy in the file must be UTF-8 */
        if (strlen(base) > 200)
            snprintf(name, sizeof(name), "penult.%s_%d_%d", what, o->g->n_values, i);
        int there = pn_graph_find(o->g, name);
        if (there != PN_NONE && strcmp(o->g->values[there].name, name) == 0) continue;
        pn_status st = pn_graph_add_const(o->g, name, dtype, shape, data, size_bytes,
                                          false, &id, o->err);
        return st ? st : set_input(o, index, id);
    }
    return pn_fail(o->err, PN_EFORMAT, "no free name for %s of \"%s\"", what, base);
}

/* attribute of integers -> constant input */
static pn_status ints_to_input(pn_onnx *o, const char *name, size_t index)
{
    pn_onnx_attr *a = pn_onnx_attr_of(o, name);
    if (!a || a->kind != PN_ONNX_INTS) return PN_OK; /* a wrong kind is told later */
    a->dropped = true;
    const pn_shape shape = {.ndim = 1, .dim = {(int64_t)a->n}};
    return const_input(o, index, name, PN_I64, &shape, ints_of(o, a),
                       a->n * sizeof(int64_t));
}

static pn_status float_to_input(pn_onnx *o, const char *name, size_t index)
{
    pn_onnx_attr *a = pn_onnx_attr_of(o, name);
    if (!a || a->kind != PN_ONNX_FLOAT) return PN_OK;
    a->dropped = true;
    const pn_shape scalar = {0};
    return const_input(o, index, name, PN_F32, &scalar, &a->f, sizeof(a->f));
}

/* the option may be there only with the value that changes nothing */
static void drop_int(pn_onnx *o, const char *name, int64_t harmless)
{
    pn_onnx_attr *a = pn_onnx_attr_of(o, name);
    if (!a) return;
    a->dropped = true;
    if (a->kind != PN_ONNX_INT || a->i != harmless)
        pn_onnx_refuse(o, "%s is not %lld", name, (long long)harmless);
}

static void drop_text(pn_onnx *o, const char *name, const char *harmless)
{
    pn_onnx_attr *a = pn_onnx_attr_of(o, name);
    if (!a) return;
    a->dropped = true;
    if (a->kind != PN_ONNX_STRING || !pn_bytes_are(a->s, harmless))
        pn_onnx_refuse(o, "%s is not \"%s\"", name, harmless);
}

static void drop_silently(pn_onnx *o, const char *name)
{
    pn_onnx_attr *a = pn_onnx_attr_of(o, name);
    if (a) a->dropped = true;
}

/* pn_onnx_node must get an attribute it did not have; text must be static */
static pn_status add_attr(pn_onnx *o, const pn_onnx_attr *a)
{
    pn_onnx_node *n = &o->node;
    if (pn_onnx_grow(&n->attrs, &n->attrs_capacity, n->n_attrs, sizeof(*n->attrs)))
        return PN_ENOMEM;
    n->attrs[n->n_attrs++] = *a;
    return PN_OK;
}

static pn_bytes literal(const char *text)
{
    return (pn_bytes){(const unsigned char *)text, strlen(text)};
}

static pn_status add_text_attr(pn_onnx *o, const char *name, const char *value)
{
    return add_attr(o, &(pn_onnx_attr){.name = literal(name),
                                       .kind = PN_ONNX_STRING,
                                       .s = literal(value)});
}

/* from opset 18 the axes of these reductions are an input */
static pn_status reduce_axes_to_attr(pn_onnx *o)
{
    pn_onnx_node *n = &o->node;
    bool empty = true;
    if (has_input(o, 1)) {
        const pn_value *v = &o->g->values[n->ids[1]];
        int64_t axes[PN_MAX_DIMS];
        int64_t count = v->data && v->shape.ndim == 1 ? v->shape.dim[0] : -1;
        if (count < 0 || count > PN_MAX_DIMS || pn_value_to_i64(v, 0, count, axes)) {
            pn_onnx_refuse(o, "axes are no constant list");
            return PN_OK;
        }
        pn_onnx_attr a = {
            .name = literal("axes"), .kind = PN_ONNX_INTS, .first = n->n_ints};
        for (; a.n < (size_t)count; a.n++) {
            if (pn_onnx_grow(&n->ints, &n->ints_capacity, n->n_ints, sizeof(*n->ints)))
                return PN_ENOMEM;
            n->ints[n->n_ints++] = axes[a.n];
        }
        empty = count == 0;
        pn_status st = empty ? PN_OK : add_attr(o, &a);
        if (st) return st;
        n->n_ids = 1;
    }
    if (!empty) drop_silently(o, "noop_with_empty_axes");
    return PN_OK;
}

static pn_status softmax_axis(pn_onnx *o)
{
    if (o->opset >= 13) return PN_OK;
    if (pn_onnx_grow(&o->softmaxes, &o->softmaxes_capacity, o->n_softmaxes,
                     sizeof(*o->softmaxes)))
        return PN_ENOMEM;
    o->softmaxes[o->n_softmaxes++] = pn_onnx_find(o, o->node.outputs.items[0]);
    if (pn_onnx_attr_of(o, "axis")) return PN_OK;
    return add_attr(
        o, &(pn_onnx_attr){.name = literal("axis"), .kind = PN_ONNX_INT, .i = 1});
}

static pn_status resize_options(pn_onnx *o)
{
    if (o->opset < 11) { /* (X, scales), the sampling of Upsample */
        pn_status st = PN_OK;
        if (has_input(o, 1)) {
            st = set_input(o, 2, o->node.ids[1]);
            o->node.ids[1] = PN_NONE;
        }
        if (!st) st = add_text_attr(o, "coordinate_transformation_mode", "asymmetric");
        return st ? st : add_text_attr(o, "nearest_mode", "floor");
    }
    drop_int(o, "antialias", 0);
    drop_text(o, "keep_aspect_ratio_policy", "stretch");
    return PN_OK;
}

static void average_pool_dilations(pn_onnx *o)
{
    pn_onnx_attr *a = pn_onnx_attr_of(o, "dilations");
    if (!a || a->kind != PN_ONNX_INTS) return;
    a->dropped = true;
    for (size_t i = 0; i < a->n; i++)
        if (ints_of(o, a)[i] != 1) {
            pn_onnx_refuse(o, "is dilated");
            return;
        }
}

static void check_num_outputs(pn_onnx *o)
{
    const pn_onnx_attr *a = pn_onnx_attr_of(o, "num_outputs");
    if (a && (a->kind != PN_ONNX_INT || a->i != (int64_t)o->node.outputs.n))
        pn_onnx_refuse(o, "num_outputs is not %zu", o->node.outputs.n);
}

/* floats of every size are computed as float32 */
static void cast_to_wide(pn_onnx *o)
{
    pn_onnx_attr *a = pn_onnx_attr_of(o, "to");
    if (a && pn_onnx_is_narrowed(a->i)) a->i = PN_F32;
}

/* attribute of a tensor -> constant input */
static pn_status tensor_to_input(pn_onnx *o, const char *name, size_t index)
{
    pn_onnx_attr *a = pn_onnx_attr_of(o, name);
    if (!a || a->kind != PN_ONNX_TENSOR) return PN_OK;
    a->dropped = true;
    char free_name[64];
    for (int i = o->g->n_values;; i++) {
        snprintf(free_name, sizeof(free_name), "penult.%s_%d", name, i);
        if (pn_graph_find(o->g, free_name) == PN_NONE) break;
    }
    const pn_bytes as = literal(free_name);
    pn_status st = pn_onnx_add_tensor(o, a->tensor, &as);
    return st ? st : set_input(o, index, o->g->n_values - 1);
}

/* what says how exactly, or is about training: not for the graph */
static void drop_details(pn_onnx *o, pn_op op)
{
    switch (op) {
    case PN_OP_AVERAGE_POOL:
        average_pool_dilations(o);
        break;
    case PN_OP_BATCH_NORM:
        drop_int(o, "training_mode", 0);
        if (o->node.outputs.n > 1) pn_onnx_refuse(o, "outputs of training");
        break;
    case PN_OP_CAST:
        drop_silently(o, "saturate"); /* are about 8-bit floats, which we lack */
        drop_silently(o, "round_mode");
        cast_to_wide(o);
        break;
    case PN_OP_DROPOUT:
        drop_silently(o, "ratio");
        break;
    case PN_OP_LAYER_NORM: /* in float at least */
    case PN_OP_RANGE:
        drop_silently(o, "stash_type");
        break;
    default:
        break;
    }
}

/* What was an attribute and is an input of opset 13, or the other way round. PN_OK also
 * where the node was refused. */
static pn_status modernise(pn_onnx *o, pn_op op)
{
    pn_status st = PN_OK;
    switch (op) {
    case PN_OP_CLIP:
        if (o->opset >= 11) break;
        st = float_to_input(o, "min", 1);
        if (!st) st = float_to_input(o, "max", 2);
        break;
    case PN_OP_CONSTANT_OF_SHAPE:
        st = tensor_to_input(o, "value", 1);
        break;
    case PN_OP_PAD:
        if (o->opset >= 11) break;
        st = ints_to_input(o, "pads", 1);
        if (!st) st = float_to_input(o, "value", 2);
        break;
    case PN_OP_REDUCE_MAX:
    case PN_OP_REDUCE_MEAN:
    case PN_OP_REDUCE_MIN:
    case PN_OP_REDUCE_PROD:
        if (o->opset >= 18) st = reduce_axes_to_attr(o);
        break;
    case PN_OP_REDUCE_SUM:
    case PN_OP_SQUEEZE:
    case PN_OP_UNSQUEEZE:
        if (o->opset < 13) st = ints_to_input(o, "axes", 1);
        break;
    case PN_OP_RESIZE:
        st = resize_options(o);
        break;
    case PN_OP_SLICE:
        if (o->opset >= 10) break;
        st = ints_to_input(o, "starts", 1);
        if (!st) st = ints_to_input(o, "ends", 2);
        if (!st) st = ints_to_input(o, "axes", 3);
        break;
    case PN_OP_SOFTMAX:
    case PN_OP_LOG_SOFTMAX:
        st = softmax_axis(o);
        break;
    case PN_OP_SPLIT:
        if (o->opset < 13) st = ints_to_input(o, "split", 1);
        if (o->opset >= 18) check_num_outputs(o);
        break;
    default:
        break;
    }
    return st;
}

static pn_status resolve_inputs(pn_onnx *o)
{
    pn_onnx_node *n = &o->node;
    for (size_t i = 0; i < n->inputs.n; i++) {
        pn_bytes name = n->inputs.items[i];
        int id = name.size ? pn_onnx_find(o, name) : PN_NONE;
        if (name.size && id == PN_NONE) {
            const char *text = pn_onnx_text(o, name);
            return pn_fail(o->err, PN_EFORMAT,
                           "byte %zu: %.*s reads \"%s\", which nothing makes (second "
                           "outputs of Dropout and MaxPool are not supported)",
                           pn_onnx_place(o, name), (int)n->op_type.size, n->op_type.at,
                           text ? text : "");
        }
        pn_status st = set_input(o, i, id);
        if (st) return st;
    }
    return PN_OK;
}

static pn_status set_attr(pn_onnx *o, int node, const pn_onnx_attr *a)
{
    char name[128];
    if (a->name.size >= sizeof(name)) {
        pn_onnx_refuse(o, "an attribute name of %zu bytes", a->name.size);
        return PN_OK;
    }
    memcpy(name, a->name.at, a->name.size);
    name[a->name.size] = '\0';
    const char *text;
    switch (a->kind) {
    case PN_ONNX_INT:
        return pn_graph_set_int(o->g, node, name, a->i);
    case PN_ONNX_FLOAT:
        return pn_graph_set_float(o->g, node, name, a->f);
    case PN_ONNX_STRING:
        text = pn_onnx_text(o, a->s);
        return text ? pn_graph_set_string(o->g, node, name, text) : PN_ENOMEM;
    case PN_ONNX_INTS:
        return pn_graph_set_ints(o->g, node, name, ints_of(o, a), a->n);
    case PN_ONNX_FLOATS:
        return pn_graph_set_floats(o->g, node, name,
                                   a->n ? o->node.floats + a->first : NULL, a->n);
    default:
        pn_onnx_refuse(o, "attribute %s is a graph, a tensor or a list of text", name);
        return PN_OK;
    }
}

pn_status pn_onnx_add_node(pn_onnx *o, pn_op op)
{
    pn_onnx_node *n = &o->node;
    pn_status st = resolve_inputs(o);
    if (!st) drop_details(o, op);
    if (!st) st = modernise(o, op);
    if (st) return st;
    /* what is left of the outputs after the operator's own are masks and indices */
    int n_outputs = 0, max_outputs = pn_op_rule_of(op)->max_outputs, node;
    int *outputs = pn_graph_alloc(o->g, n->outputs.n * sizeof(*outputs));
    if (!outputs) return PN_ENOMEM;
    for (size_t i = 0; i < n->outputs.n && n_outputs < max_outputs; i++) {
        int id = n->outputs.items[i].size ? pn_onnx_find(o, n->outputs.items[i]) : -1;
        if (id == PN_NONE)
            return pn_fail(o->err, PN_EFORMAT, "byte %zu: output %zu of %s has no name",
                           pn_onnx_place(o, n->op_type), i, pn_op_name(op));
        outputs[n_outputs++] = id;
    }
    const char *name = pn_onnx_text(o, n->name);
    if (!name || n->n_ids > INT_MAX) return PN_ENOMEM;
    st = pn_graph_add_node(o->g, op, name, n->ids, (int)n->n_ids, outputs, n_outputs,
                           &node, o->err);
    for (size_t i = 0; !st && i < n->n_attrs; i++)
        if (!n->attrs[i].dropped) st = set_attr(o, node, &n->attrs[i]);
    return st;
}
