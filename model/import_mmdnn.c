/* From MMdnn's two files to a graph: what every operator needs, and the order of work.
 * The shapes that the IR states decide what it does not say, such as the rounding of a
 * pool; at the end the graph's own must be the same. */
#include "model/import_mmdnn.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_mmdnn.h"
#include "model/graph_order.h"

enum { MAX_LISTED = 100 };

/* ---- what goes wrong ---- */

PN_PRINTF(3, 0)
static void note(pn_mmdnn *im, pn_mm_text *t, const char *fmt, va_list args)
{
    char text[400];
    if (!t->to) t->to = open_memstream(&t->text, &t->size);
    if (!t->to) {
        pn_mm_fail(im, PN_ENOMEM, "out of memory");
        return;
    }
    vsnprintf(text, sizeof(text), fmt, args);
    if (t->n++ >= MAX_LISTED) return;
    if (t->n > 1) fputs(", ", t->to);
    if (im->node)
        fprintf(t->to, "%s \"%s\" (%s)", im->node->op, im->node->name, text);
    else
        fputs(text, t->to);
}

void pn_mm_refuse(pn_mmdnn *im, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note(im, &im->refused, fmt, args);
    va_end(args);
}

void pn_mm_misfit(pn_mmdnn *im, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note(im, &im->misfits, fmt, args);
    va_end(args);
}

void pn_mm_fail(pn_mmdnn *im, pn_status st, const char *fmt, ...)
{
    char text[400];
    va_list args;
    if (im->status) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    im->status = im->node ? pn_fail(im->err, st, "%s \"%s\": %s", im->node->op,
                                    im->node->name, text)
                          : pn_fail(im->err, st, "%s", text);
}

pn_status pn_mm_told(pn_mmdnn *im, pn_mm_text *t, pn_status st, const char *what)
{
    if (!t->n) return PN_OK;
    if (fflush(t->to) != 0) return PN_ENOMEM;
    return pn_fail(im->err, st, "%d %s: %s%s", t->n, what, t->text,
                   t->n > MAX_LISTED ? ", ..." : "");
}

/* ---- inputs and attributes ---- */

pn_mm_node *pn_mm_parent(pn_mmdnn *im, size_t i)
{
    if (i >= im->node->n_inputs) {
        pn_mm_refuse(im, "%zu inputs, needs one more", im->node->n_inputs);
        return NULL;
    }
    pn_mm_node *from = pn_mm_graph_find(&im->ir, im->node->inputs[i]);
    const char *colon = strrchr(im->node->inputs[i], ':');
    if (!from || from->value == PN_NONE) {
        pn_mm_refuse(im, "its input \"%s\" %s", im->node->inputs[i],
                     from ? "has no value, or stands behind it" : "is no node");
        return NULL;
    }
    if (colon && strlen(from->name) < strlen(im->node->inputs[i]) &&
        strcmp(colon, ":0") != 0) {
        pn_mm_refuse(im, "output %s of a node", colon + 1);
        return NULL;
    }
    return from;
}

int pn_mm_data(pn_mmdnn *im, size_t i)
{
    const pn_mm_node *from = pn_mm_parent(im, i);
    return from ? from->value : PN_NONE;
}

pn_shape pn_mm_shape_of(const pn_mmdnn *im, int value)
{
    return value == PN_NONE ? (pn_shape){0} : im->g->values[value].shape;
}

static const pn_mm_attr *of_kind(const pn_mmdnn *im, const char *key, pn_mm_kind kind)
{
    const pn_mm_attr *a = pn_mm_attr_of(im->node, key);
    return a && a->kind == kind ? a : NULL;
}

int64_t pn_mm_int(const pn_mmdnn *im, const char *key, int64_t fallback)
{
    const pn_mm_attr *a = of_kind(im, key, PN_MM_INT);
    return a ? a->i : fallback;
}

float pn_mm_float(const pn_mmdnn *im, const char *key, float fallback)
{
    const pn_mm_attr *a = of_kind(im, key, PN_MM_FLOAT);
    return a ? a->f : fallback;
}

const char *pn_mm_string(const pn_mmdnn *im, const char *key, const char *fallback)
{
    const pn_mm_attr *a = of_kind(im, key, PN_MM_TEXT);
    return a ? a->s : fallback;
}

bool pn_mm_ints(pn_mmdnn *im, const char *key, size_t n, int64_t fallback, int64_t *out)
{
    const pn_mm_attr *a = pn_mm_attr_of(im->node, key);
    for (size_t i = 0; i < n; i++)
        out[i] = fallback;
    if (!a) return true;
    if (a->kind != PN_MM_INTS || a->n != n) {
        pn_mm_refuse(im, "%s has %zu elements, must have %zu", key, a->n, n);
        return false;
    }
    memcpy(out, a->ints, n * sizeof(*out));
    return true;
}

int pn_mm_axis(pn_mmdnn *im, int64_t axis, int ndim)
{
    if (axis < 0) axis += ndim;
    if (axis < 0 || axis >= ndim) {
        pn_mm_refuse(im, "axis %lld of %d", (long long)axis, ndim);
        return PN_NONE;
    }
    return (int)(axis == 0 || ndim < 3 ? axis : axis == ndim - 1 ? 1 : axis + 1);
}

/* ---- values and nodes ---- */

/* the name that the value had, or NODE_output */
static void name_of(const pn_mmdnn *im, const char *suffix, char *out, size_t size)
{
    const char *own = pn_mm_string(im, PN_IR_VALUE_NAME, NULL);
    if (suffix)
        snprintf(out, size, "%.400s_%s", im->node->name, suffix);
    else if (own)
        snprintf(out, size, "%s", own);
    else
        snprintf(out, size, "%.400s_output", im->node->name);
}

static int add_value(pn_mmdnn *im, const char *suffix, const pn_shape *shape)
{
    char name[512];
    int id = PN_NONE;
    name_of(im, suffix, name, sizeof(name));
    pn_err err = {0};
    pn_status st = im->status ? im->status
                              : pn_graph_add_value(im->g, name, PN_F32, shape, &id, &err);
    if (st) pn_mm_fail(im, st, "%s", err.text);
    pn_err_clear(&err);
    return st ? PN_NONE : id;
}

int pn_mm_emit(pn_mmdnn *im, pn_op op, const char *suffix, const int *inputs,
               int n_inputs)
{
    int node, id;
    /* also after a refusal there is a value, so that the nodes behind it are looked at */
    id = add_value(im, suffix, !suffix && im->node->has_shape ? &im->node->shape : NULL);
    if (id == PN_NONE) return PN_NONE;
    if (!suffix) im->node->value = id;
    if (im->refused.n || im->misfits.n) return id;
    char name[512]; /* ONNX Runtime wants the names of nodes to differ, too */
    name_of(im, suffix, name, sizeof(name));
    pn_status st = pn_graph_add_node(im->g, op, suffix ? name : im->node->name, inputs,
                                     n_inputs, &id, 1, &node, NULL);
    if (st) pn_mm_fail(im, st, "%s", pn_status_name(st));
    return st ? PN_NONE : id;
}

static void set(pn_mmdnn *im, pn_status st)
{
    if (st) pn_mm_fail(im, st, "%s", pn_status_name(st));
}

static bool can_set(const pn_mmdnn *im)
{
    return !im->status && !im->refused.n && !im->misfits.n;
}

void pn_mm_set_int(pn_mmdnn *im, const char *name, int64_t v)
{
    if (can_set(im)) set(im, pn_graph_set_int(im->g, im->g->n_nodes - 1, name, v));
}

void pn_mm_set_float(pn_mmdnn *im, const char *name, float v)
{
    if (can_set(im)) set(im, pn_graph_set_float(im->g, im->g->n_nodes - 1, name, v));
}

void pn_mm_set_ints(pn_mmdnn *im, const char *name, const int64_t *v, size_t n)
{
    if (can_set(im)) set(im, pn_graph_set_ints(im->g, im->g->n_nodes - 1, name, v, n));
}

void pn_mm_set_string(pn_mmdnn *im, const char *name, const char *v)
{
    if (can_set(im)) set(im, pn_graph_set_string(im->g, im->g->n_nodes - 1, name, v));
}

void pn_mm_alias(pn_mmdnn *im, int value)
{
    im->node->value = value;
}

static int add_const(pn_mmdnn *im, const char *suffix, pn_dtype type,
                     const pn_shape *shape, const void *data, bool lend)
{
    char name[512];
    int id = PN_NONE;
    name_of(im, suffix, name, sizeof(name));
    pn_err err = {0};
    int64_t n = pn_shape_count(shape);
    pn_status st = im->status;
    if (!st)
        st = pn_graph_add_const(im->g, name, type, shape, data,
                                (size_t)n * pn_dtype_size(type), lend, &id, &err);
    if (st) pn_mm_fail(im, st, "%s", err.text);
    pn_err_clear(&err);
    return st ? PN_NONE : id;
}

int pn_mm_const(pn_mmdnn *im, const char *suffix, pn_dtype type, const pn_shape *shape,
                const void *data)
{
    return add_const(im, suffix, type, shape, data, true);
}

int pn_mm_ints_const(pn_mmdnn *im, const char *suffix, const int64_t *v, size_t n)
{
    pn_shape shape = {.ndim = 1, .dim = {(int64_t)n}};
    return add_const(im, suffix, PN_I64, &shape, v, false);
}

int pn_mm_scalar(pn_mmdnn *im, const char *suffix, float v)
{
    pn_shape shape = {0};
    return add_const(im, suffix, PN_F32, &shape, &v, false);
}

/* ---- the graph ---- */

static void data_input(pn_mmdnn *im)
{
    const pn_mm_attr *shape = pn_mm_attr_of(im->node, "shape");
    pn_shape s = im->node->shape;
    if (shape && shape->kind == PN_MM_SHAPE && shape->shape.ndim)
        s = pn_mm_channels_second(&shape->shape);
    if (s.ndim < 2) {
        pn_mm_refuse(im, "its shape is not said");
        return;
    }
    /* MMdnn writes 1 or -1 for a batch of any size */
    if (s.dim[0] <= 1) s.dim[0] = PN_DIM_FREE;
    im->has_batch |= s.dim[0] == PN_DIM_FREE;
    for (int i = 1; i < s.ndim; i++)
        if (s.dim[i] < 1) {
            pn_mm_refuse(im, "dimension %d of its shape has no number", i);
            return;
        }
    int id = PN_NONE;
    pn_err err = {0};
    pn_status st = pn_graph_add_value(
        im->g, pn_mm_string(im, PN_IR_VALUE_NAME, im->node->name), PN_F32, &s, &id, &err);
    if (!st) st = pn_graph_add_input(im->g, id);
    if (st) pn_mm_fail(im, st, "%s", err.text);
    pn_err_clear(&err);
    im->node->value = id;
}

static const pn_mm_op *find_op(const char *name)
{
    static const pn_mm_op input[] = {{"DataInput", data_input}, {NULL, NULL}};
    const pn_mm_op *const tables[] = {input, pn_mm_ops_layer, pn_mm_ops_math,
                                      pn_mm_ops_move};
    for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
        for (const pn_mm_op *op = tables[t]; op->name; op++)
            if (!strcmp(op->name, name)) return op;
    return NULL;
}

/* who wrote it decides what it left unsaid */
static void find_origin(pn_mmdnn *im)
{
    for (size_t i = 0; i < im->ir.n; i++) {
        im->node = &im->ir.nodes[i];
        if (pn_mm_string(im, PN_IR_OUTPUTS, NULL)) im->is_penult = true;
        if (!strncmp(pn_mm_string(im, "data_format", ""), "NC", 2)) im->is_mxnet = true;
    }
}

static void translate(pn_mmdnn *im)
{
    pn_mm_node *n = im->node;
    if (n->has_shape && n->shape.ndim > 1 && im->has_batch) n->shape.dim[0] = PN_DIM_FREE;
    if (pn_mm_int(im, PN_IR_COPY, 0)) {
        pn_mm_alias(im, pn_mm_data(im, 0));
        return;
    }
    int before = im->refused.n + im->misfits.n;
    if (!n->has_shape && strcmp(n->op, "Constant") != 0 &&
        strcmp(n->op, "DataInput") != 0)
        pn_mm_refuse(im, "it has no _output_shapes");
    else
        find_op(n->op)->translate(im);
    /* a stand-in, so that the nodes behind it are looked at */
    if (n->value == PN_NONE && im->refused.n + im->misfits.n > before)
        n->value = add_value(im, NULL, n->has_shape ? &n->shape : NULL);
}

static pn_status translate_all(pn_mmdnn *im)
{
    for (size_t i = 0; i < im->ir.n; i++) {
        im->node = &im->ir.nodes[i];
        if (!find_op(im->node->op)) pn_mm_refuse(im, "no such operator is known here");
    }
    pn_status st =
        pn_mm_told(im, &im->refused, PN_EUNSUPPORTED, "nodes are not supported");
    for (size_t i = 0; i < im->ir.n && !st && !im->status; i++) {
        im->node = &im->ir.nodes[i];
        translate(im);
    }
    if (!st) st = im->status;
    if (!st)
        st = pn_mm_told(im, &im->refused, PN_EUNSUPPORTED, "nodes are not supported");
    return st ? st : pn_mm_told(im, &im->misfits, PN_EMISMATCH, "weights do not fit");
}

/* ---- what the model gives ---- */

static pn_status add_output(pn_mmdnn *im, const pn_mm_node *n)
{
    if (!n || n->value == PN_NONE)
        return pn_fail(im->err, PN_EFORMAT, "%s names an output that is no node",
                       PN_IR_OUTPUTS);
    return pn_graph_add_output(im->g, n->value);
}

/* as our own writer lists them */
static pn_status add_listed(pn_mmdnn *im, const char *list)
{
    pn_status st = PN_OK;
    while (*list && !st) {
        size_t n = strcspn(list, "\n");
        char *name = pn_arena_strndup(&im->arena, list, n);
        st = name ? add_output(im, pn_mm_graph_find(&im->ir, name)) : PN_ENOMEM;
        list += n + (list[n] == '\n');
    }
    return st;
}

/* whatever nobody reads, in the file's order: so MMdnn's emitters have it */
static pn_status add_sinks(pn_mmdnn *im)
{
    pn_status st = PN_OK;
    unsigned char *is_read = calloc(im->ir.n + 1, 1);
    if (!is_read) return PN_ENOMEM;
    for (size_t i = 0; i < im->ir.n; i++)
        for (size_t k = 0; k < im->ir.nodes[i].n_inputs; k++) {
            const pn_mm_node *n = pn_mm_graph_find(&im->ir, im->ir.nodes[i].inputs[k]);
            if (n) is_read[n - im->ir.nodes] = 1;
        }
    for (size_t i = 0; i < im->ir.n && !st; i++) {
        const pn_mm_node *n = &im->ir.nodes[i];
        if (!is_read[i] && n->value != PN_NONE &&
            im->g->values[n->value].producer != PN_NONE)
            st = add_output(im, n);
    }
    free(is_read);
    return st;
}

static pn_status add_outputs_and_meta(pn_mmdnn *im)
{
    for (size_t i = 0; i < im->ir.n; i++) {
        im->node = &im->ir.nodes[i];
        const char *list = pn_mm_string(im, PN_IR_OUTPUTS, NULL);
        if (!list || strcmp(im->node->op, "DataInput") != 0) continue;
        for (size_t k = 0; k < im->node->n_attrs; k++) {
            const pn_mm_attr *a = &im->node->attrs[k];
            if (a->kind != PN_MM_TEXT || !a->key ||
                strncmp(a->key, PN_IR_META, strlen(PN_IR_META)) != 0 ||
                !strcmp(a->key, PN_IR_OUTPUTS) || !strcmp(a->key, PN_IR_VALUE_NAME))
                continue;
            pn_status st = pn_graph_set_meta(im->g, a->key, a->s);
            if (st) return st;
        }
        return add_listed(im, list);
    }
    return add_sinks(im);
}

/* the graph's shapes are the IR's, or one of the two is wrong */
static pn_status check_shapes(pn_mmdnn *im)
{
    for (size_t i = 0; i < im->ir.n; i++) {
        im->node = &im->ir.nodes[i];
        const pn_mm_node *n = im->node;
        if (!n->has_shape || n->value == PN_NONE || !strcmp(n->op, "Constant") ||
            !strcmp(n->op, "DataInput") || pn_mm_int(im, PN_IR_COPY, 0))
            continue;
        const pn_value *v = &im->g->values[n->value];
        char is[PN_SHAPE_TEXT], stated[PN_SHAPE_TEXT];
        if (!pn_shape_equal(&v->shape, &n->shape))
            pn_mm_misfit(im, "makes %s, the IR says %s",
                         pn_shape_text(&v->shape, is, sizeof(is)),
                         pn_shape_text(&n->shape, stated, sizeof(stated)));
    }
    return pn_mm_told(im, &im->misfits, PN_EMISMATCH, "shapes do not fit");
}

static pn_status import_all(pn_mmdnn *im, const pn_file *graph, const pn_file *weights)
{
    pn_status st = pn_graph_new(&im->g, "mmdnn");
    if (!st) st = pn_mm_graph_read(&im->ir, &im->arena, graph, im->err);
    if (!st) st = pn_mm_weights_read(im, weights);
    if (!st) find_origin(im);
    if (!st) st = translate_all(im);
    if (!st) st = add_outputs_and_meta(im);
    if (!st && !im->g->n_outputs)
        st = pn_fail(im->err, PN_EFORMAT, "a graph without an output");
    if (!st) st = pn_graph_infer_shapes(im->g, im->err);
    return st ? st : check_shapes(im);
}

static void text_fini(pn_mm_text *t)
{
    if (t->to) fclose(t->to);
    free(t->text);
}

pn_status pn_mmdnn_import(pn_graph **out, const pn_file *graph, const pn_file *weights,
                          pn_err *err)
{
    pn_mmdnn im = {.err = err};
    pn_status st = import_all(&im, graph, weights);
    if (st) {
        pn_fail(err, st, "%s", pn_status_name(st)); /* if nobody said more */
        pn_err_prefix(err, "%s", graph->path);
        pn_graph_free(&im.g);
    } else {
        *out = im.g;
    }
    pn_pickle_free(&im.pickle);
    pn_arena_fini(&im.arena);
    text_fini(&im.refused);
    text_fini(&im.misfits);
    return st;
}

/* ---- which file is which ---- */

/* a GraphDef begins with a node, which begins with its name */
bool pn_mmdnn_is_graph(const pn_file *f)
{
    pn_wire w, node;
    pn_wire_field field;
    pn_wire_init(&w, f->data, f->size);
    return f->size > 4 && f->data[0] == 0x0A && !pn_wire_next(&w, &field, NULL) &&
           !pn_wire_enter(&node, &w, &field, "NodeDef", NULL) &&
           !pn_wire_next(&node, &field, NULL) && field.number <= 4 &&
           field.type == PN_WIRE_BYTES;
}

bool pn_mmdnn_is_json(const unsigned char *bytes, size_t size)
{
    static const char key[] = "\"node\"";
    size_t at = 0;
    while (at < size && bytes[at] && strchr(" \t\r\n{", bytes[at]))
        at++;
    return size - at >= sizeof(key) && !memcmp(bytes + at, key, sizeof(key) - 1);
}

bool pn_mmdnn_is_weights(const pn_file *f)
{
    pn_npy_array a;
    return f->size > 6 && !memcmp(f->data, "\x93NUMPY", 6) &&
           !pn_npy_parse_header(&a, f->data, f->size, "", NULL) && strchr(a.descr, 'O');
}
