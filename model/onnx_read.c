/* ModelProto and GraphProto: from a mapped file to a graph. Nothing the file says is
 * believed before it is compared with the bytes that are there. */
#include "model/onnx_read.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "model/graph_order.h"
#include "model/op.h"
#include "penult/log.h"

enum { MAX_META = 4096 };

pn_status pn_onnx_grow(void *array, size_t *capacity, size_t n, size_t element_bytes)
{
    if (n < *capacity) return PN_OK;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *old;
    memcpy(&old, array, sizeof(old));
    void *bigger = reallocarray(old, more, element_bytes);
    if (!bigger) return PN_ENOMEM;
    memcpy(array, &bigger, sizeof(bigger));
    *capacity = more;
    return PN_OK;
}

const char *pn_onnx_text(pn_onnx *o, pn_bytes b)
{
    if (b.size >= o->text_capacity) {
        char *bigger = realloc(o->text, b.size + 256);
        if (!bigger) return NULL;
        o->text = bigger;
        o->text_capacity = b.size + 256;
    }
    if (b.size) memcpy(o->text, b.at, b.size);
    o->text[b.size] = '\0';
    return o->text;
}

size_t pn_onnx_place(const pn_onnx *o, pn_bytes b)
{
    const pn_wire w = pn_onnx_wire(o, b, 0);
    return b.at ? (size_t)(b.at - w.file) : 0;
}

pn_status pn_onnx_in_function(pn_onnx *o, pn_bytes function, pn_status st)
{
    const char *name = pn_onnx_text(o, function);
    if (name) pn_err_prefix(o->err, "in function \"%s\"", name);
    return st;
}

pn_wire pn_onnx_wire(const pn_onnx *o, pn_bytes b, int depth)
{
    const uintptr_t at = (uintptr_t)b.at, file = (uintptr_t)o->file.file;
    const bool is_in_file = at >= file && at <= (uintptr_t)o->file.end;
    return (pn_wire){.file = is_in_file ? o->file.file : b.at,
                     .at = b.at,
                     .end = b.size ? b.at + b.size : b.at,
                     .depth = depth};
}

bool pn_bytes_are(pn_bytes b, const char *text)
{
    return b.size == strlen(text) && (b.size == 0 || memcmp(b.at, text, b.size) == 0);
}

int pn_onnx_find(pn_onnx *o, pn_bytes name)
{
    const char *text = name.size <= PN_MAX_NAME_BYTES ? pn_onnx_text(o, name) : NULL;
    int id = text ? pn_graph_find(o->g, text) : PN_NONE;
    /* in a file only the exact name counts */
    return id != PN_NONE && strcmp(o->g->values[id].name, text) == 0 ? id : PN_NONE;
}

pn_status pn_onnx_check_name(pn_onnx *o, pn_bytes name, size_t place)
{
    if (!name.size)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: a value without a name", place);
    if (name.size > PN_MAX_NAME_BYTES)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: a name of %zu bytes, at most %d",
                       place, name.size, PN_MAX_NAME_BYTES);
    if (pn_onnx_find(o, name) != PN_NONE)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: \"%s\" is made twice", place,
                       pn_onnx_text(o, name));
    return PN_OK;
}

/* "Op "node"", the node by what it makes if it has no name */
static void print_node(FILE *to, const pn_onnx_node *n)
{
    pn_bytes label = n->name.size ? n->name : n->outputs.items[0];
    if (n->domain.size)
        fprintf(to, "%.*s.", (int)n->domain.size, (const char *)n->domain.at);
    fprintf(to, "%.*s \"%.*s\"", (int)n->op_type.size, (const char *)n->op_type.at,
            (int)label.size, (const char *)label.at);
}

void pn_onnx_refuse(pn_onnx *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (o->n_refused++) fputs(", ", o->refused);
    print_node(o->refused, &o->node);
    fputs(" (", o->refused);
    vfprintf(o->refused, fmt, ap);
    fputc(')', o->refused);
    va_end(ap);
}

static pn_status refused(pn_onnx *o)
{
    if (!o->n_refused) return PN_OK;
    if (fflush(o->refused) != 0) return PN_ENOMEM;
    return pn_fail(o->err, PN_EUNSUPPORTED, "%d node%s not supported: %s", o->n_refused,
                   o->n_refused > 1 ? "s are" : " is", o->refused_text);
}

static pn_status append(pn_onnx *o, pn_onnx_list *list, const pn_wire_field *f,
                        const char *what)
{
    pn_status st = pn_wire_expect(f, PN_WIRE_BYTES, what, o->err);
    if (st) return st;
    if (list->n == PN_ONNX_MAX_ITEMS)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: more than %d of %s", f->place,
                       PN_ONNX_MAX_ITEMS, what);
    if (pn_onnx_grow(&list->items, &list->capacity, list->n, sizeof(*list->items)))
        return PN_ENOMEM;
    list->items[list->n++] = f->bytes;
    return PN_OK;
}

pn_status pn_onnx_read_opset(pn_onnx *o, const pn_wire *outer, const pn_wire_field *field,
                             int64_t *opset)
{
    pn_wire w;
    pn_wire_field f;
    pn_bytes domain = {0};
    int64_t version = 0;
    pn_status st = pn_wire_enter(&w, outer, field, "opset_import", o->err);
    while (!st && !(st = pn_wire_next(&w, &f, o->err))) {
        if (f.number == 1) st = pn_wire_text(&f, "opset domain", &domain, o->err);
        if (f.number == 2) st = pn_wire_int(&f, "opset version", &version, o->err);
    }
    if (st != PN_END) return st;
    /* what other domains mean matters only if a node is of one: the nodes tell */
    if (domain.size && !pn_bytes_are(domain, "ai.onnx")) return PN_OK;
    if (*opset && *opset != version)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: a second opset version",
                       field->place);
    if (version < PN_ONNX_MIN_OPSET || version > PN_ONNX_MAX_OPSET)
        return pn_fail(o->err, PN_EUNSUPPORTED, "opset %lld: supported are %d to %d",
                       (long long)version, PN_ONNX_MIN_OPSET, PN_ONNX_MAX_OPSET);
    *opset = version;
    return PN_OK;
}

static pn_status scan_model(pn_onnx *o)
{
    pn_wire w = o->file;
    pn_wire_field f;
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        if (f.number == 7) {
            st = pn_wire_expect(&f, PN_WIRE_BYTES, "graph", o->err);
            if (!st && o->graph.at)
                st = pn_fail(o->err, PN_EFORMAT, "byte %zu: a second graph", f.place);
            o->graph = f.bytes;
        } else if (f.number == 8) {
            st = pn_onnx_read_opset(o, &w, &f, &o->opset);
        } else if (f.number == 14) {
            st = append(o, &o->meta, &f, "metadata");
        } else if (f.number == 25) {
            st = append(o, &o->functions, &f, "functions");
        }
        if (st) return st;
    }
    if (st != PN_END) return st;
    if (!o->graph.at)
        return pn_fail(o->err, PN_EFORMAT, "no graph in it: not an ONNX model");
    if (!o->opset)
        return pn_fail(o->err, PN_EFORMAT, "it does not say which opset it is of");
    return PN_OK;
}

static pn_status scan_graph(pn_onnx *o)
{
    pn_wire w = pn_onnx_wire(o, o->graph, 1);
    pn_wire_field f;
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        if (f.number == 1)
            st = append(o, &o->nodes, &f, "nodes");
        else if (f.number == 2)
            st = pn_wire_text(&f, "graph name", &o->graph_name, o->err);
        else if (f.number == 5)
            st = append(o, &o->tensors, &f, "initializers");
        else if (f.number == 11)
            st = append(o, &o->inputs, &f, "inputs");
        else if (f.number == 12)
            st = append(o, &o->outputs, &f, "outputs");
        else if (f.number == 15)
            st = pn_fail(o->err, PN_EUNSUPPORTED,
                         "byte %zu: sparse initializers are not supported", f.place);
        if (st) return st;
    }
    if (st != PN_END) return st;
    if (!o->outputs.n) return pn_fail(o->err, PN_EFORMAT, "the graph has no outputs");
    return PN_OK;
}

typedef struct value_info {
    pn_bytes name;
    int64_t type; /* 0: it does not say */
    bool has_shape;
    pn_shape shape; /* PN_DIM_FREE: a name, nothing, or a number below 1 */
} value_info;

static pn_status read_dim(pn_onnx *o, const pn_wire *outer, const pn_wire_field *field,
                          value_info *v)
{
    pn_wire w;
    pn_wire_field f;
    int64_t dim = PN_DIM_FREE;
    pn_status st = pn_wire_enter(&w, outer, field, "dimension", o->err);
    while (!st && !(st = pn_wire_next(&w, &f, o->err)))
        if (f.number == 1) st = pn_wire_int(&f, "dim_value", &dim, o->err);
    if (st != PN_END) return st;
    if (v->shape.ndim == PN_MAX_DIMS)
        return pn_fail(o->err, PN_EUNSUPPORTED, "byte %zu: more than %d dimensions",
                       field->place, PN_MAX_DIMS);
    if (dim > INT32_MAX)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: dimension %lld", field->place,
                       (long long)dim);
    v->shape.dim[v->shape.ndim++] = dim < 1 ? PN_DIM_FREE : dim;
    return PN_OK;
}

/* TypeProto.Tensor */
static pn_status read_tensor_type(pn_onnx *o, const pn_wire *outer,
                                  const pn_wire_field *field, value_info *v)
{
    pn_wire w, shape;
    pn_wire_field f, dim;
    pn_status st = pn_wire_enter(&w, outer, field, "tensor type", o->err);
    while (!st && !(st = pn_wire_next(&w, &f, o->err))) {
        if (f.number == 1) st = pn_wire_int(&f, "elem_type", &v->type, o->err);
        if (f.number != 2) continue;
        v->has_shape = true;
        st = pn_wire_enter(&shape, &w, &f, "shape", o->err);
        while (!st && !(st = pn_wire_next(&shape, &dim, o->err)))
            if (dim.number == 1) st = read_dim(o, &shape, &dim, v);
        if (st == PN_END) st = PN_OK;
    }
    return st == PN_END ? PN_OK : st;
}

static pn_status read_value_info(pn_onnx *o, pn_bytes b, value_info *v)
{
    *v = (value_info){0};
    pn_wire w = pn_onnx_wire(o, b, 2), type;
    pn_wire_field f, t;
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        if (f.number == 1) {
            st = pn_wire_text(&f, "value name", &v->name, o->err);
        } else if (f.number == 2) {
            st = pn_wire_enter(&type, &w, &f, "type", o->err);
            while (!st && !(st = pn_wire_next(&type, &t, o->err))) {
                if (t.number == 1)
                    st = read_tensor_type(o, &type, &t, v);
                else if (t.number == 4 || t.number == 5 || t.number == 8 || t.number == 9)
                    st = pn_fail(o->err, PN_EUNSUPPORTED,
                                 "byte %zu: a value that is no tensor", t.place);
            }
            if (st == PN_END) st = PN_OK;
        }
        if (st) return st;
    }
    return st == PN_END ? PN_OK : st;
}

/* an initializer that is listed among the inputs too is a constant, not an input */
static pn_status add_input(pn_onnx *o, pn_bytes b)
{
    value_info v;
    pn_status st = read_value_info(o, b, &v);
    if (st) return st;
    int id = v.name.size ? pn_onnx_find(o, v.name) : PN_NONE;
    if (id != PN_NONE && o->g->values[id].data) return PN_OK;
    st = pn_onnx_check_name(o, v.name, pn_onnx_place(o, b));
    if (st) return st;
    const char *name = pn_onnx_text(o, v.name);
    if (!name) return PN_ENOMEM;
    if (v.type < 1 || v.type > PN_BF16 || !pn_dtype_size((pn_dtype)v.type))
        return pn_fail(o->err, PN_EUNSUPPORTED, "input \"%s\": element type %lld", name,
                       (long long)v.type);
    if (!v.has_shape)
        return pn_fail(o->err, PN_EUNSUPPORTED, "input \"%s\" says no shape", name);
    /* four dimensions are images: how many of them is the caller's affair, whatever batch
     * the file was exported with */
    if (v.shape.ndim == 4) v.shape.dim[0] = PN_DIM_FREE;
    for (int i = 1; i < v.shape.ndim; i++)
        if (v.shape.dim[i] == PN_DIM_FREE)
            return pn_fail(
                o->err, PN_EUNSUPPORTED,
                "input \"%s\": dimension %d has no number: only the first, the "
                "batch, may be left open",
                name, i);
    if (pn_onnx_is_narrowed(v.type)) {
        o->n_narrowed++;
        v.type = PN_F32;
    }
    st = pn_graph_add_value(o->g, name, (pn_dtype)v.type, &v.shape, &id, o->err);
    return st ? st : pn_graph_add_input(o->g, id);
}

pn_op pn_onnx_op(pn_onnx *o)
{
    /* gone with opset 10, when Resize came */
    if (o->opset < 10 && pn_bytes_are(o->node.op_type, "Upsample")) return PN_OP_RESIZE;
    const char *name = pn_onnx_text(o, o->node.op_type);
    return name ? pn_op_find(name) : PN_N_OPS;
}

static bool is_default_domain(pn_bytes domain)
{
    return domain.size == 0 || pn_bytes_are(domain, "ai.onnx");
}

static pn_status told_where(pn_onnx *o, size_t i, pn_status st)
{
    return st && o->origins && o->origins[i].function.size
               ? pn_onnx_in_function(o, o->origins[i].function, st)
               : st;
}

static pn_status parse_node(pn_onnx *o, size_t i)
{
    if (o->origins) o->opset = o->origins[i].opset;
    return told_where(o, i, pn_onnx_parse_node(o, o->nodes.items[i]));
}

/* First of all nodes: is there code for every one? The list is complete before anything
 * else can fail. */
static pn_status check_operators(pn_onnx *o)
{
    FILE *text = NULL;
    char *list = NULL;
    size_t list_size = 0;
    int n_unknown = 0;
    pn_status st = PN_OK;
    for (size_t i = 0; !st && i < o->nodes.n; i++) {
        st = parse_node(o, i);
        if (st) break;
        if (is_default_domain(o->node.domain) &&
            (pn_onnx_op(o) != PN_N_OPS || pn_bytes_are(o->node.op_type, "Constant")))
            continue;
        if (!text) text = open_memstream(&list, &list_size);
        if (!text) {
            st = PN_ENOMEM;
            break;
        }
        if (n_unknown++) fputs(", ", text);
        print_node(text, &o->node);
    }
    if (text && fclose(text) != 0 && !st) st = PN_ENOMEM;
    if (!st && n_unknown)
        st = pn_fail(o->err, PN_EUNSUPPORTED,
                     "%d node%s of operators that are not supported: %s", n_unknown,
                     n_unknown > 1 ? "s are" : " is", list);
    free(list);
    return st;
}

/* every output becomes a value before any input is looked up: files need not be sorted */
static pn_status declare_node(pn_onnx *o)
{
    const pn_onnx_list *outputs = &o->node.outputs;
    if (pn_bytes_are(o->node.op_type, "Constant")) return pn_onnx_add_constant_node(o);
    const pn_op_rule *rule = pn_op_rule_of(pn_onnx_op(o));
    pn_status st = PN_OK;
    for (size_t k = 0; !st && k < outputs->n && k < (size_t)rule->max_outputs; k++) {
        st =
            pn_onnx_check_name(o, outputs->items[k], pn_onnx_place(o, outputs->items[k]));
        const char *name = st ? NULL : pn_onnx_text(o, outputs->items[k]);
        if (!st && !name) st = PN_ENOMEM;
        if (!st) st = pn_graph_add_value(o->g, name, PN_F32, NULL, NULL, o->err);
    }
    return st;
}

static pn_status declare_outputs(pn_onnx *o)
{
    pn_status st = PN_OK;
    for (size_t i = 0; !st && i < o->nodes.n; i++) {
        st = parse_node(o, i);
        if (!st) st = told_where(o, i, declare_node(o));
    }
    return st;
}

static pn_status add_nodes(pn_onnx *o)
{
    for (size_t i = 0; i < o->nodes.n; i++) {
        pn_status st = parse_node(o, i);
        if (st) return st;
        pn_op op = pn_onnx_op(o);
        if (op == PN_N_OPS) continue; /* Constant: it is a value already */
        st = told_where(o, i, pn_onnx_add_node(o, op));
        if (st) return st;
    }
    return refused(o);
}

static pn_status add_outputs(pn_onnx *o)
{
    for (size_t i = 0; i < o->outputs.n; i++) {
        value_info v;
        pn_status st = read_value_info(o, o->outputs.items[i], &v);
        if (st) return st;
        int id = v.name.size ? pn_onnx_find(o, v.name) : PN_NONE;
        if (id == PN_NONE)
            return pn_fail(
                o->err, PN_EFORMAT, "byte %zu: output \"%s\": nothing makes it",
                pn_onnx_place(o, o->outputs.items[i]), pn_onnx_text(o, v.name));
        if (pn_graph_add_output(o->g, id)) return PN_ENOMEM;
    }
    return PN_OK;
}

static pn_status add_meta(pn_onnx *o, pn_bytes b)
{
    pn_wire w = pn_onnx_wire(o, b, 1);
    pn_wire_field f;
    pn_bytes key = {0}, value = {0};
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        if (f.number == 1) st = pn_wire_text(&f, "metadata key", &key, o->err);
        if (f.number == 2) st = pn_wire_text(&f, "metadata value", &value, o->err);
        if (st) return st;
    }
    if (st != PN_END) return st;
    const char *text = pn_onnx_text(o, key);
    if (!text) return PN_ENOMEM;
    if (!key.size || pn_graph_meta(o->g, text))
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: metadata key \"%s\" %s",
                       pn_onnx_place(o, b), text, key.size ? "twice" : "is empty");
    char *copy = strdup(text);
    text = pn_onnx_text(o, value);
    st = copy && text ? pn_graph_set_meta(o->g, copy, text) : PN_ENOMEM;
    free(copy);
    return st;
}

static pn_status add_all_meta(pn_onnx *o)
{
    if (o->meta.n > MAX_META)
        return pn_fail(o->err, PN_EFORMAT, "%zu metadata entries, at most %d", o->meta.n,
                       MAX_META);
    pn_status st = PN_OK;
    for (size_t i = 0; !st && i < o->meta.n; i++)
        st = add_meta(o, o->meta.items[i]);
    return st;
}

static pn_status build(pn_onnx *o)
{
    const char *name = pn_onnx_text(o, o->graph_name);
    pn_status st = name ? pn_graph_new(&o->g, name) : PN_ENOMEM;
    if (!st) st = pn_onnx_inline_functions(o);
    if (!st) st = check_operators(o);
    for (size_t i = 0; !st && i < o->tensors.n; i++)
        st = pn_onnx_add_tensor(o, o->tensors.items[i], NULL);
    for (size_t i = 0; !st && i < o->inputs.n; i++)
        st = add_input(o, o->inputs.items[i]);
    if (!st) st = declare_outputs(o);
    if (!st) st = add_nodes(o);
    if (!st) st = add_outputs(o);
    if (!st) st = add_all_meta(o);
    if (!st) st = pn_graph_sort(o->g, o->err);
    if (st) return st;
    pn_graph_fold_identities(o->g);
    st = pn_graph_infer_shapes(o->g, o->err);
    return st ? st : pn_onnx_flatten_softmaxes(o);
}

static void onnx_fini(pn_onnx *o)
{
    pn_graph_free(&o->g);
    pn_onnx_node_fini(&o->node);
    free(o->nodes.items);
    free(o->tensors.items);
    free(o->inputs.items);
    free(o->outputs.items);
    free(o->meta.items);
    free(o->functions.items);
    free(o->origins);
    free(o->text);
    free(o->softmaxes);
    for (size_t i = 0; i < o->n_weights; i++)
        pn_file_close(&o->weights[i]);
    free(o->weights);
    if (o->refused) fclose(o->refused);
    free(o->refused_text);
}

static pn_status adopt_weights(pn_onnx *o)
{
    while (o->n_weights) {
        pn_status st = pn_graph_adopt_file(o->g, o->weights[o->n_weights - 1]);
        if (st) return st;
        o->n_weights--;
    }
    return PN_OK;
}

static pn_status read_model(pn_graph **out, const void *bytes, size_t size,
                            const char *path, pn_err *err)
{
    pn_onnx o = {.err = err, .path = path};
    pn_wire_init(&o.file, bytes, size);
    o.refused = open_memstream(&o.refused_text, &o.refused_size);
    pn_status st = o.refused ? scan_model(&o) : PN_ENOMEM;
    if (!st) st = scan_graph(&o);
    if (!st) st = build(&o);
    if (!st) st = adopt_weights(&o);
    if (st) {
        pn_fail(err, st, "%s", pn_status_name(st)); /* if nobody said more */
    } else {
        if (o.n_narrowed && path)
            pn_log(
                PN_LOG_INFO,
                "%s: %zu inputs and tensors of float16, bfloat16 or double: computed as "
                "float32",
                path, o.n_narrowed);
        *out = o.g;
        o.g = NULL;
    }
    onnx_fini(&o);
    return st;
}

pn_status pn_onnx_read_bytes(pn_graph **out, const void *bytes, size_t size, pn_err *err)
{
    return read_model(out, bytes, size, NULL, err);
}

/* Beside a model lie its weights and its code, whose first bytes may pass for ONNX. */
static pn_status check_kind(const pn_file *file, pn_err *err)
{
    static const struct {
        const char *ending, *kind;
    } others[] = {{".py", "Python code"},
                  {".safetensors", "weights without the network"},
                  {".pth", "weights without the network"},
                  {".npz", "arrays of numpy"},
                  {".npy", "an array of numpy"}};
    if (!file->size) return pn_fail(err, PN_EFORMAT, "is empty");
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (pn_text_before(file->path, others[i].ending))
            return pn_fail(err, PN_EFORMAT,
                           "is by its name %s: name the .onnx file of the model",
                           others[i].kind);
    return PN_OK;
}

pn_status pn_onnx_read_file(pn_graph **out, pn_file *file, pn_err *err)
{
    pn_graph *g = NULL;
    pn_status st = check_kind(file, err);
    if (!st) st = read_model(&g, file->data, file->size, file->path, err);
    if (!st) st = pn_graph_adopt_file(g, file);
    if (st) {
        pn_fail(err, st, "%s", pn_status_name(st));
        pn_err_prefix(err, "%s", file->path);
        pn_graph_free(&g);
        return st;
    }
    *out = g;
    return PN_OK;
}

pn_status pn_graph_read_onnx(pn_graph **out, const char *path, pn_err *err)
{
    pn_file *file = NULL;
    pn_status st = pn_file_open(&file, path, err);
    if (st) return st;
    st = pn_onnx_read_file(out, file, err);
    if (st) pn_file_close(&file);
    return st;
}
