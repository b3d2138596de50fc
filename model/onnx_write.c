/* A graph as an ONNX file. Everything but the weights is built in memory, so that all
 * lengths are known before the first byte; the weights go from where they lie to the
 * file. */
#include <stdlib.h>
#include <string.h>

#include "penult/graph.h"

#include "base/outset.h"
#include "model/export.h"
#include "model/wire.h"

enum { READ = 1, OUTPUT_DONE = 2 }; /* what a value is used for */
enum { OPSET = 13 };

typedef struct onnx_writer {
    const pn_graph *g;
    int opset;
    unsigned char *use; /* per value */
    pn_wire_out head, body,
        tail;               /* model before the graph; graph before and after weights */
    pn_wire_out meta;       /* model after the graph */
    pn_wire_out a, b, c, d; /* messages under construction, one a level */
} onnx_writer;

static void put_attr(onnx_writer *w, const pn_attr *attr)
{
    static const int type_of_kind[] = {[PN_ATTR_FLOAT] = 1,
                                       [PN_ATTR_INT] = 2,
                                       [PN_ATTR_STRING] = 3,
                                       [PN_ATTR_FLOATS] = 6,
                                       [PN_ATTR_INTS] = 7};
    pn_wire_put_text(&w->b, 1, attr->name);
    switch (attr->kind) {
    case PN_ATTR_FLOAT:
        pn_wire_put_float(&w->b, 2, attr->f);
        break;
    case PN_ATTR_INT:
        pn_wire_put_int(&w->b, 3, attr->i);
        break;
    case PN_ATTR_STRING:
        pn_wire_put_text(&w->b, 4, attr->s);
        break;
    case PN_ATTR_FLOATS:
        for (size_t i = 0; i < attr->n; i++)
            pn_wire_put_float(&w->b, 7, attr->floats[i]);
        break;
    case PN_ATTR_INTS:
        for (size_t i = 0; i < attr->n; i++)
            pn_wire_put_int(&w->b, 8, attr->ints[i]);
        break;
    }
    pn_wire_put_int(&w->b, 20, type_of_kind[attr->kind]);
    pn_wire_put_message(&w->a, 5, &w->b);
}

/* The first opset that has the operator, if that is not the one we write otherwise. */
static int first_opset(pn_op op)
{
    switch (op) {
    case PN_OP_HARD_SWISH:
        return 14;
    case PN_OP_LAYER_NORM:
        return 17;
    case PN_OP_GELU:
        return 20;
    default:
        return OPSET;
    }
}

/* of the opsets we write, by ONNX's table of versions */
static int ir_version(int opset)
{
    return opset < 15 ? 7 : opset < 19 ? 8 : 9;
}

static bool has_axes_attr(const pn_node *n)
{
    return (n->op == PN_OP_REDUCE_MAX || n->op == PN_OP_REDUCE_MEAN ||
            n->op == PN_OP_REDUCE_MIN || n->op == PN_OP_REDUCE_PROD) &&
           pn_node_attr(n, "axes");
}

/* From opset 18 on an input, so an initializer: "penult.axes of OUTPUT" */
static void put_axes(onnx_writer *w, const pn_node *n)
{
    const pn_attr *axes = pn_node_attr(n, "axes");
    pn_wire_out name = {0};
    pn_wire_put_raw(&name, "penult.axes of ", 15);
    const char *output = w->g->values[n->outputs[0]].name;
    pn_wire_put_raw(&name, output, strlen(output));
    pn_wire_put_bytes(&w->a, 1, name.bytes, name.size);
    pn_wire_put_int(&w->b, 1, (int64_t)axes->n);
    pn_wire_put_int(&w->b, 2, PN_I64);
    pn_wire_put_bytes(&w->b, 8, name.bytes, name.size);
    pn_wire_put_bytes(&w->b, 9, axes->ints, axes->n * sizeof(int64_t));
    pn_wire_put_message(&w->tail, 5, &w->b);
    w->a.failed |= name.failed;
    pn_wire_out_fini(&name);
}

/* the attribute is not in the file: what is said there otherwise */
static bool is_left_out(const onnx_writer *w, const pn_node *n, const char *attr)
{
    /* a file may have either auto_pad or pads; in the graph pads are what it came to */
    if (strcmp(attr, "pads") == 0)
        return strcmp(pn_node_string(n, "auto_pad", "NOTSET"), "NOTSET") != 0;
    return strcmp(attr, "axes") == 0 && w->opset >= 18 && has_axes_attr(n);
}

static void put_node(onnx_writer *w, const pn_node *n)
{
    const pn_value *values = w->g->values;
    for (int i = 0; i < n->n_inputs; i++)
        pn_wire_put_text(&w->a, 1,
                         n->inputs[i] == PN_NONE ? "" : values[n->inputs[i]].name);
    if (w->opset >= 18 && has_axes_attr(n)) put_axes(w, n);
    for (int i = 0; i < n->n_outputs; i++)
        pn_wire_put_text(&w->a, 2, values[n->outputs[i]].name);
    if (n->name[0]) pn_wire_put_text(&w->a, 3, n->name);
    pn_wire_put_text(&w->a, 4, pn_op_name(n->op));
    for (int i = 0; i < n->n_attrs; i++)
        if (!is_left_out(w, n, n->attrs[i].name)) put_attr(w, &n->attrs[i]);
    if (w->opset >= 18 && n->op == PN_OP_SPLIT && n->n_inputs < 2)
        put_attr(
            w, &(pn_attr){.name = "num_outputs", .kind = PN_ATTR_INT, .i = n->n_outputs});
    pn_wire_put_message(&w->body, 1, &w->a);
}

/* ValueInfoProto as field `number` of the graph */
static void put_value_info(onnx_writer *w, pn_wire_out *to, uint32_t number,
                           const pn_value *v)
{
    pn_wire_put_text(&w->a, 1, v->name);
    pn_wire_put_int(&w->c, 1, v->dtype);
    if (v->has_shape) {
        for (int i = 0; i < v->shape.ndim; i++) {
            pn_wire_out dim = {0};
            if (v->shape.dim[i] == PN_DIM_FREE)
                pn_wire_put_text(&dim, 2, "N");
            else
                pn_wire_put_int(&dim, 1, v->shape.dim[i]);
            pn_wire_put_message(&w->d, 1, &dim);
            pn_wire_out_fini(&dim);
        }
        pn_wire_put_message(&w->c, 2, &w->d);
    }
    pn_wire_put_message(&w->b, 1, &w->c);
    pn_wire_put_message(&w->a, 2, &w->b);
    pn_wire_put_message(to, number, &w->a);
}

static void put_values(onnx_writer *w)
{
    const pn_graph *g = w->g;
    for (int i = 0; i < g->n_inputs; i++)
        put_value_info(w, &w->tail, 11, &g->values[g->inputs[i]]);
    for (int i = 0; i < g->n_outputs; i++) {
        unsigned char *use = &w->use[g->outputs[i]];
        if (!(*use & OUTPUT_DONE)) /* a name can be an output once */
            put_value_info(w, &w->tail, 12, &g->values[g->outputs[i]]);
        *use |= OUTPUT_DONE;
    }
    for (int i = 0; i < g->n_values; i++)
        if (g->values[i].producer != PN_NONE && g->values[i].has_shape &&
            !(w->use[i] & OUTPUT_DONE))
            put_value_info(w, &w->tail, 13, &g->values[i]);
}

static void put_pair(onnx_writer *w, const char *key, const char *value)
{
    pn_wire_put_text(&w->a, 1, key);
    pn_wire_put_text(&w->a, 2, value);
    pn_wire_put_message(&w->meta, 14, &w->a);
}

static pn_status mark_used(onnx_writer *w)
{
    const pn_graph *g = w->g;
    w->use = calloc((size_t)g->n_values + 1, 1);
    if (!w->use) return PN_ENOMEM;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++)
            if (g->nodes[i].inputs[k] != PN_NONE) w->use[g->nodes[i].inputs[k]] = READ;
    for (int i = 0; i < g->n_outputs; i++)
        w->use[g->outputs[i]] = READ;
    return PN_OK;
}

/* TensorProto of a constant without its bytes: they follow */
static uint64_t tensor_head(onnx_writer *w, const pn_value *v)
{
    w->a.size = 0;
    for (int i = 0; i < v->shape.ndim; i++)
        pn_wire_put_int(&w->a, 1, v->shape.dim[i]);
    pn_wire_put_int(&w->a, 2, v->dtype);
    pn_wire_put_text(&w->a, 8, v->name);
    pn_wire_put_tag(&w->a, 9, PN_WIRE_BYTES);
    pn_wire_put_varint(&w->a, v->size_bytes);
    w->b.size = 0;
    pn_wire_put_tag(&w->b, 5, PN_WIRE_BYTES);
    pn_wire_put_varint(&w->b, (uint64_t)w->a.size + v->size_bytes);
    return (uint64_t)w->a.size + w->b.size + v->size_bytes;
}

static bool is_written(const onnx_writer *w, int value)
{
    return (w->use[value] & READ) && w->g->values[value].data;
}

static void put_all(onnx_writer *w)
{
    const pn_graph *g = w->g;
    w->opset = OPSET;
    for (int i = 0; i < g->n_nodes; i++)
        if (first_opset(g->nodes[i].op) > w->opset)
            w->opset = first_opset(g->nodes[i].op);
    pn_wire_put_int(&w->head, 1, ir_version(w->opset));
    pn_wire_put_text(&w->head, 2, "penult");
    pn_wire_put_text(&w->head, 3, PENULT_VERSION);
    for (int i = 0; i < g->n_nodes; i++)
        put_node(w, &g->nodes[i]);
    pn_wire_put_text(&w->body, 2, g->name[0] ? g->name : "penult");
    put_values(w);
    pn_wire_put_text(&w->a, 1, "");
    pn_wire_put_int(&w->a, 2, w->opset);
    pn_wire_put_message(&w->meta, 8, &w->a);
    for (int i = 0; i < g->n_meta; i++)
        put_pair(w, g->meta_keys[i], g->meta_values[i]);
}

static bool has_failed(const onnx_writer *w)
{
    return w->head.failed || w->body.failed || w->tail.failed || w->meta.failed ||
           w->a.failed || w->b.failed || w->c.failed || w->d.failed;
}

static pn_status write_parts(onnx_writer *w, pn_outfile *f, uint64_t graph_size,
                             pn_err *err)
{
    pn_wire_put_tag(&w->head, 7, PN_WIRE_BYTES);
    pn_wire_put_varint(&w->head, graph_size);
    if (w->head.failed) return PN_ENOMEM;
    pn_status st = pn_outfile_write(f, w->head.bytes, w->head.size, err);
    if (!st) st = pn_outfile_write(f, w->body.bytes, w->body.size, err);
    for (int i = 0; !st && i < w->g->n_values; i++) {
        if (!is_written(w, i)) continue;
        const pn_value *v = &w->g->values[i];
        tensor_head(w, v);
        if (has_failed(w)) return PN_ENOMEM;
        st = pn_outfile_write(f, w->b.bytes, w->b.size, err);
        if (!st) st = pn_outfile_write(f, w->a.bytes, w->a.size, err);
        if (!st) st = pn_outfile_write(f, v->data, v->size_bytes, err);
    }
    if (!st) st = pn_outfile_write(f, w->tail.bytes, w->tail.size, err);
    return st ? st : pn_outfile_write(f, w->meta.bytes, w->meta.size, err);
}

/* bytes of the GraphProto */
static uint64_t graph_bytes(onnx_writer *w)
{
    uint64_t size = (uint64_t)w->body.size + w->tail.size;
    for (int i = 0; i < w->g->n_values; i++)
        if (is_written(w, i)) size += tensor_head(w, &w->g->values[i]);
    return size;
}

pn_status pn_export_onnx(const pn_graph *g, const char *path, pn_outset *to, pn_err *err)
{
    onnx_writer w = {.g = g};
    pn_outfile *f = NULL;
    uint64_t graph_size = 0, total = 0;
    pn_status st = mark_used(&w);
    if (!st) {
        put_all(&w);
        graph_size = graph_bytes(&w);
        total = graph_size + w.head.size + w.meta.size + 11;
        if (has_failed(&w)) st = PN_ENOMEM;
    }
    if (!st && total > INT32_MAX)
        st = pn_fail(err, PN_EUNSUPPORTED,
                     "write %s: the model takes %llu bytes, an ONNX file can have %d",
                     path, (unsigned long long)total, INT32_MAX);
    if (!st) st = pn_outset_open(to, &f, path, err);
    if (!st) st = write_parts(&w, f, graph_size, err);
    if (st == PN_ENOMEM) pn_fail(err, st, "write %s: out of memory", path);
    free(w.use);
    pn_wire_out *all[] = {&w.head, &w.body, &w.tail, &w.meta, &w.a, &w.b, &w.c, &w.d};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        pn_wire_out_fini(all[i]);
    return st;
}

pn_status pn_graph_write_onnx(const pn_graph *g, const char *path, pn_err *err)
{
    pn_outset to = {.n = 0};
    pn_status st = pn_export_onnx(g, path, &to, err);
    if (!st) st = pn_outset_commit(&to, err);
    pn_outset_abort(&to);
    return st;
}
