/* What translators work with: the values behind a node's inputs, weights checked against
 * what the operator expects, constants, and the graph nodes they emit. */
#include "model/import_mxnet_ops.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define MAX_DIM ((int64_t)INT32_MAX)
#define MAX_ELEMENTS ((int64_t)1 << 40)

static void out_of_memory(pn_mx_import *im)
{
    if (!im->status) im->status = pn_fail(im->err, PN_ENOMEM, "import: out of memory");
}

/* a status of the graph builder, which has said why */
static void note(pn_mx_import *im, pn_status st)
{
    if (!im->status && st)
        im->status = pn_fail(im->err, st, "import: %s", pn_status_name(st));
}

/* ---- names ---- */

/* the name itself where it is free; ONNX wants every value's name once, MXNet does not */
static char *free_name(pn_mx_import *im, const char *wanted)
{
    char *name = strdup(wanted);
    for (int tries = 0; name && tries < 1000; tries++) {
        int id = pn_graph_find(im->g, name);
        if (id == PN_NONE || strcmp(im->g->values[id].name, name) != 0) return name;
        free(name);
        if (asprintf(&name, "%s.%u", wanted, ++im->n_renamed) < 0) name = NULL;
    }
    if (name)
        pn_mx_fail(im, PN_EFORMAT, "no free name like \"%.80s\"", wanted);
    else
        out_of_memory(im);
    free(name);
    return NULL;
}

static bool is_sane(pn_mx_import *im, const char *name, const pn_shape *s)
{
    bool sane = s->ndim >= 0 && s->ndim <= PN_MAX_DIMS;
    for (int i = 0; sane && i < s->ndim; i++)
        sane = s->dim[i] == PN_DIM_FREE || (s->dim[i] > 0 && s->dim[i] <= MAX_DIM);
    int64_t n = sane ? pn_shape_count(s) : -1;
    if (n >= 0 && n <= MAX_ELEMENTS) return true;
    pn_mx_fail(im, PN_EFORMAT,
               "the shape of \"%s\" has a dimension that is not positive, or "
               "too many elements",
               name);
    return false;
}

static int new_value(pn_mx_import *im, const char *wanted, const pn_shape *shape)
{
    int id = PN_NONE;
    if (im->status || !is_sane(im, wanted, shape)) return PN_NONE;
    char *name = free_name(im, wanted);
    if (name) note(im, pn_graph_add_value(im->g, name, PN_F32, shape, &id, im->err));
    free(name);
    return im->status ? PN_NONE : id;
}

static int new_const(pn_mx_import *im, const char *wanted, pn_dtype t,
                     const pn_shape *shape, const void *data, size_t size, bool lend)
{
    int id = PN_NONE;
    if (im->status) return PN_NONE;
    char *name = free_name(im, wanted);
    if (name)
        note(im,
             pn_graph_add_const(im->g, name, t, shape, data, size, lend, &id, im->err));
    free(name);
    return im->status ? PN_NONE : id;
}

/* NODE.suffix; the caller frees it */
static char *helper_name(pn_mx_import *im, const char *suffix)
{
    char *name;
    if (asprintf(&name, "%s.%s", im->node->name, suffix) >= 0) return name;
    out_of_memory(im);
    return NULL;
}

/* ---- inputs ---- */

static bool is_transparent(const pn_mx_node *n)
{
    static const char *const ops[] = {"_copy", "BlockGrad", "Cast", "amp_cast"};
    const char *type = pn_mx_attr_text(n, "dtype");
    if (type && strstr(type, "int")) return false;
    for (size_t i = 0; n->n_inputs == 1 && i < sizeof(ops) / sizeof(ops[0]); i++)
        if (!strcmp(n->op, ops[i])) return true;
    return false;
}

/* the variable that an entry is, perhaps through nodes that change nothing; or PN_NONE */
static int variable_behind(const pn_mx_import *im, pn_mx_entry e)
{
    enum { MAX_HOPS = 8 };
    for (int hops = 0; hops <= MAX_HOPS; hops++) {
        const pn_mx_node *n = &im->sym->nodes[e.node];
        if (!n->op) return e.node;
        if (e.index || !is_transparent(n)) break;
        e = n->inputs[0];
    }
    return PN_NONE;
}

static const pn_mx_array *array_of(pn_mx_import *im, int variable)
{
    const pn_mx_array *a = NULL;
    if (variable == PN_NONE || im->is_survey) return NULL;
    if (!im->matched)
        a = pn_mx_params_find(im->params, im->sym->nodes[variable].name);
    else if (im->matched[variable] >= 0)
        a = &im->params->arrays[im->matched[variable]];
    if (a) im->is_used[a - im->params->arrays] = true;
    return a;
}

bool pn_mx_is_weight(pn_mx_import *im, int node)
{
    pn_mx_entry e = {.node = node};
    return array_of(im, variable_behind(im, e)) != NULL;
}

static bool has_slot(pn_mx_import *im, int slot)
{
    if (slot < im->node->n_inputs) return true;
    pn_mx_fail(im, PN_EFORMAT, "has %d inputs, needs at least %d", im->node->n_inputs,
               slot + 1);
    return false;
}

const pn_mx_array *pn_mx_array_at(pn_mx_import *im, int slot)
{
    if (im->status || !has_slot(im, slot)) return NULL;
    return array_of(im, variable_behind(im, im->node->inputs[slot]));
}

static bool remember(pn_mx_import *im, int node, int n)
{
    pn_mx_outs *o = &im->outs[node];
    if (im->status) return false;
    o->values = pn_arena_alloc(&im->arena, (size_t)n * sizeof(int));
    if (!o->values) {
        out_of_memory(im);
        return false;
    }
    o->n = n;
    for (int i = 0; i < n; i++)
        o->values[i] = PN_NONE;
    return true;
}

/* Whether bytes that the reader handed out live as long as the graph: what it unpacked
 * does not. */
static bool outlives_reader(const pn_mx_import *im, const pn_mx_array *a,
                            const void *data)
{
    const pn_mx_params *p = im->params;
    return data != a->data || !p->bytes || pn_bytes_hold(p->bytes, p->size, data);
}

/* a weight's constant, where it can be with the bytes as they lie in the file */
static int weight_const(pn_mx_import *im, int variable, const pn_mx_array *a,
                        const pn_shape *as)
{
    const char *name = im->sym->nodes[variable].name;
    pn_mx_outs *o = &im->outs[variable];
    if (o->n && pn_shape_equal(&im->g->values[o->values[0]].shape, as))
        return o->values[0];
    size_t size;
    const void *data = pn_mx_array_f32(a, im->g, &size);
    if (!data) {
        out_of_memory(im);
        return PN_NONE;
    }
    int id = new_const(im, name, PN_F32, as, data, size, outlives_reader(im, a, data));
    if (o->n == 0 && remember(im, variable, 1)) o->values[0] = id;
    return id;
}

/* "(0, 3, 224, 224)" on a variable: the batch, then what is wanted */
static bool shape_attr(const pn_mx_node *n, pn_shape *out)
{
    const char *text = pn_mx_attr_text(n, "__shape__");
    pn_mx_tuple t;
    if (!text || !pn_mx_parse_tuple(text, &t) || t.n < 2 || t.n > PN_MAX_DIMS)
        return false;
    out->ndim = t.n - 1;
    for (int i = 0; i < out->ndim; i++) {
        out->dim[i] = t.v[i + 1];
        if (out->dim[i] < 1) return false;
    }
    return true;
}

static bool input_shape(pn_mx_import *im, const pn_mx_node *n, pn_shape *out)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < im->n_shapes; i++) {
            pn_mx_input_shape *s = &im->shapes[i];
            bool is_named = s->name && !strcmp(s->name, n->name);
            if (s->is_fallback != (pass == 1) || s->is_used || (s->name && !is_named))
                continue;
            *out = s->shape;
            s->is_used = true;
            return true;
        }
    return shape_attr(n, out);
}

static int graph_input(pn_mx_import *im, int variable)
{
    const pn_mx_node *n = &im->sym->nodes[variable];
    pn_mx_outs *o = &im->outs[variable];
    pn_shape known, shape;
    if (o->n) return o->values[0];
    if (!input_shape(im, n, &known) || known.ndim >= PN_MAX_DIMS) {
        im->lacks_size = !im->status;
        if (!im->status)
            im->status = pn_fail(im->err, PN_EINVAL,
                                 "input \"%s\": its size is not known: give "
                                 "--input-shape %s=C,H,W (if it is a "
                                 "weight, it is missing from the .params file)",
                                 n->name, n->name);
        return PN_NONE;
    }
    shape.ndim = known.ndim + 1;
    shape.dim[0] = PN_DIM_FREE;
    memcpy(shape.dim + 1, known.dim, (size_t)known.ndim * sizeof(shape.dim[0]));
    int id = new_value(im, n->name, &shape);
    if (im->status) return PN_NONE;
    note(im, pn_graph_add_input(im->g, id));
    if (remember(im, variable, 1)) o->values[0] = id;
    return im->status ? PN_NONE : id;
}

int pn_mx_data(pn_mx_import *im, int slot)
{
    if (im->status || !has_slot(im, slot)) return PN_NONE;
    pn_mx_entry e = im->node->inputs[slot];
    const pn_mx_node *from = &im->sym->nodes[e.node];
    int variable = variable_behind(im, e);
    const pn_mx_array *a = array_of(im, variable);
    if (a && !a->is_none && pn_shape_count(&a->shape) > 0)
        return weight_const(im, variable, a, &a->shape);
    if (!from->op) {
        if (!a) return graph_input(im, e.node);
        pn_mx_fail(im, PN_EFORMAT,
                   "its input \"%s\" is an empty array in the .params file", from->name);
        return PN_NONE;
    }
    const pn_mx_outs *o = &im->outs[e.node];
    if (e.index < o->n && o->values[e.index] != PN_NONE) return o->values[e.index];
    pn_mx_fail(im, PN_EUNSUPPORTED,
               "takes output %d of %s \"%s\", which inference does not "
               "make",
               e.index, from->op, from->name);
    return PN_NONE;
}

pn_shape pn_mx_shape_of(const pn_mx_import *im, int value)
{
    pn_shape one = {.ndim = 1, .dim = {1}};
    return value == PN_NONE ? one : im->g->values[value].shape;
}

static bool same_but_for_ones(const pn_shape *a, const pn_shape *b)
{
    int shorter = a->ndim < b->ndim ? a->ndim : b->ndim;
    for (int i = 0; i < a->ndim || i < b->ndim; i++) {
        int64_t x = i < a->ndim ? a->dim[i] : 1, y = i < b->ndim ? b->dim[i] : 1;
        if (i < shorter ? x != y : x * y != 1) return false;
    }
    return true;
}

static void note_want(pn_mx_import *im, int variable, int slot, const pn_shape *shape)
{
    if (im->is_wanted[variable]) return;
    if (im->n_wants == im->room_for_wants) {
        int room = im->room_for_wants ? 2 * im->room_for_wants : 64;
        void *more = reallocarray(im->wants, (size_t)room, sizeof(*im->wants));
        if (!more) {
            out_of_memory(im);
            return;
        }
        im->wants = more;
        im->room_for_wants = room;
    }
    im->is_wanted[variable] = true;
    im->wants[im->n_wants++] = (pn_mx_want){variable, im->node_id, slot, *shape};
}

void pn_mx_leave_weight(pn_mx_import *im, int slot, const pn_shape *want)
{
    if (im->status || !has_slot(im, slot)) return;
    int variable = variable_behind(im, im->node->inputs[slot]);
    array_of(im, variable);
    if (im->is_survey && variable != PN_NONE) note_want(im, variable, slot, want);
}

int pn_mx_weight(pn_mx_import *im, int slot, const pn_shape *want, const pn_shape *as)
{
    char is[PN_SHAPE_TEXT], expected[PN_SHAPE_TEXT];
    const pn_shape *shape = as ? as : want;
    if (im->status || !has_slot(im, slot)) return PN_NONE;
    pn_mx_entry e = im->node->inputs[slot];
    int variable = variable_behind(im, e);
    if (variable == PN_NONE) {
        pn_mx_refuse(im, "its weight \"%s\" is computed", im->sym->nodes[e.node].name);
        return PN_NONE;
    }
    const char *name = im->sym->nodes[variable].name;
    const pn_mx_array *a = array_of(im, variable);
    if (a && !a->is_none && same_but_for_ones(&a->shape, want))
        return weight_const(im, variable, a, shape);
    if (im->is_survey) {
        note_want(im, variable, slot, want);
        return new_value(im, name, shape);
    }

    if (!a) pn_mx_list_add(im, &im->missing, "\n  %s: missing", name);
    pn_mx_list_add(im, &im->misfits, "\n  %s: %s, expected %s (%s \"%s\")", name,
                   !a           ? "missing"
                   : a->is_none ? "empty"
                                : pn_shape_text(&a->shape, is, sizeof(is)),
                   pn_shape_text(want, expected, sizeof(expected)), im->node->op,
                   im->node->name);
    return new_value(im, name, shape); /* something to go on with: the graph is lost */
}

/* ---- constants ---- */

int pn_mx_const_f32(pn_mx_import *im, const char *suffix, const pn_shape *shape,
                    const float *v)
{
    if (im->status) return PN_NONE;
    char *name = helper_name(im, suffix);
    size_t size = (size_t)pn_shape_count(shape) * sizeof(float);
    int id = name ? new_const(im, name, PN_F32, shape, v, size, false) : PN_NONE;
    free(name);
    return id;
}

int pn_mx_const_i64(pn_mx_import *im, const char *suffix, const int64_t *v, size_t n)
{
    pn_shape shape = {.ndim = 1, .dim = {(int64_t)n}};
    if (im->status) return PN_NONE;
    char *name = helper_name(im, suffix);
    int id =
        name ? new_const(im, name, PN_I64, &shape, v, n * sizeof(*v), false) : PN_NONE;
    free(name);
    return id;
}

int pn_mx_scalar(pn_mx_import *im, const char *suffix, double v)
{
    static const pn_shape scalar = {0};
    float f = (float)v;
    return pn_mx_const_f32(im, suffix, &scalar, &f);
}

/* ---- nodes ---- */

/* the node that makes the result has MXNet's name; helpers have their value's, since ONNX
 * Runtime wants nodes' names to differ */
static void add_node(pn_mx_import *im, pn_op op, bool is_result, const int *inputs,
                     int n_inputs, const int *outputs, int n_outputs)
{
    if (im->status) return;
    const char *name = is_result ? im->node->name : im->g->values[outputs[0]].name;
    note(im, pn_graph_add_node(im->g, op, name, inputs, n_inputs, outputs, n_outputs,
                               &im->last, im->err));
}

static int result_value(pn_mx_import *im, const char *ending, int k,
                        const pn_shape *shape)
{
    char *name;
    if (im->status) return PN_NONE;
    if ((k < 0 ? asprintf(&name, "%s_%s", im->node->name, ending)
               : asprintf(&name, "%s_%s%d", im->node->name, ending, k)) < 0) {
        out_of_memory(im);
        return PN_NONE;
    }
    int id = new_value(im, name, shape);
    free(name);
    return id;
}

int pn_mx_emit(pn_mx_import *im, pn_op op, const char *suffix, const pn_shape *shape,
               const int *inputs, int n_inputs)
{
    if (im->status) return PN_NONE;
    int id;
    if (suffix) {
        char *name = helper_name(im, suffix);
        id = name ? new_value(im, name, shape) : PN_NONE;
        free(name);
    } else {
        /* the one operator whose only output MXNet calls otherwise */
        bool is_loss = !strcmp(im->node->op, "make_loss");
        id = result_value(im, is_loss ? "loss" : "output", -1, shape);
        if (remember(im, im->node_id, 1)) im->outs[im->node_id].values[0] = id;
    }
    add_node(im, op, !suffix, inputs, n_inputs, &id, 1);
    return im->status ? PN_NONE : id;
}

int pn_mx_emit_kth(pn_mx_import *im, pn_op op, int k, int n, const pn_shape *shape,
                   const int *inputs, int n_inputs)
{
    int id = result_value(im, "output", k, shape);
    if (k == 0) remember(im, im->node_id, n);
    if (!im->status) im->outs[im->node_id].values[k] = id;
    add_node(im, op, false, inputs, n_inputs, &id, 1);
    return im->status ? PN_NONE : id;
}

void pn_mx_emit_many(pn_mx_import *im, pn_op op, const char *suffix,
                     const pn_shape *shape, const int *inputs, int n_inputs, int n,
                     int *outputs)
{
    for (int k = 0; k < n; k++) {
        char *name = suffix ? helper_name(im, suffix) : NULL;
        outputs[k] = suffix ? (name ? new_value(im, name, shape) : PN_NONE)
                            : result_value(im, "output", k, shape);
        free(name);
    }
    if (!suffix && remember(im, im->node_id, n))
        memcpy(im->outs[im->node_id].values, outputs, (size_t)n * sizeof(int));
    add_node(im, op, !suffix, inputs, n_inputs, outputs, n);
}

void pn_mx_set_int(pn_mx_import *im, const char *name, int64_t v)
{
    if (!im->status) note(im, pn_graph_set_int(im->g, im->last, name, v));
}

void pn_mx_set_float(pn_mx_import *im, const char *name, double v)
{
    if (!im->status) note(im, pn_graph_set_float(im->g, im->last, name, (float)v));
}

void pn_mx_set_string(pn_mx_import *im, const char *name, const char *v)
{
    if (!im->status) note(im, pn_graph_set_string(im->g, im->last, name, v));
}

void pn_mx_set_ints(pn_mx_import *im, const char *name, const int64_t *v, size_t n)
{
    if (!im->status) note(im, pn_graph_set_ints(im->g, im->last, name, v, n));
}

int64_t pn_mx_product(const pn_shape *s, int first, int last)
{
    int64_t n = 1;
    for (int i = first; i < last; i++)
        if (s->dim[i] != PN_DIM_FREE) n *= s->dim[i];
    return n;
}

pn_shape pn_mx_make_shape(int ndim, const int64_t *dim)
{
    pn_shape s = {.ndim = ndim};
    memcpy(s.dim, dim, (size_t)ndim * sizeof(*dim));
    return s;
}

int pn_mx_emit_reshape(pn_mx_import *im, const char *suffix, int input,
                       const pn_shape *shape)
{
    int target = pn_mx_const_i64(im, "shape", shape->dim, (size_t)shape->ndim);
    return pn_mx_emit(im, PN_OP_RESHAPE, suffix, shape, PN_MX_IN(input, target));
}
