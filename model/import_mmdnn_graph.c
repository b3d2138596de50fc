/* GraphDef, NodeDef and AttrValue of MMdnn's graph.proto, by the wire. */
#include "model/import_mmdnn.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 1000000, MAX_ITEMS = 1000000 };

typedef struct reader {
    pn_arena *arena;
    pn_err *err;
} reader;

static pn_status copy_text(const reader *r, const pn_wire_field *f, const char *what,
                           const char **out)
{
    pn_bytes b;
    pn_status st = pn_wire_text(f, what, &b, r->err);
    if (st) return st;
    *out = pn_arena_strndup(r->arena, (const char *)b.at, b.size);
    return *out ? PN_OK : PN_ENOMEM;
}

/* fields of that number in a message */
static pn_status count_fields(const pn_wire *w, uint32_t number, size_t *out, pn_err *err)
{
    pn_wire rest = *w;
    pn_wire_field f;
    pn_status st;
    *out = 0;
    while (!(st = pn_wire_next(&rest, &f, err)))
        *out += f.number == number;
    if (st != PN_END) return st;
    return *out <= MAX_ITEMS ? PN_OK
                             : pn_fail(err, PN_EFORMAT, "byte %zu: %zu items, at most %d",
                                       (size_t)(w->at - w->file), *out, MAX_ITEMS);
}

static pn_status read_dim(const reader *r, const pn_wire *w, const pn_wire_field *f,
                          int64_t *out)
{
    pn_wire dim;
    pn_wire_field part;
    pn_status st = pn_wire_enter(&dim, w, f, "Dim", r->err);
    *out = 0;
    if (st) return st;
    while (!(st = pn_wire_next(&dim, &part, r->err)))
        if (part.number == 1 && (st = pn_wire_int(&part, "size", out, r->err))) return st;
    return st == PN_END ? PN_OK : st;
}

static pn_status read_shape(const reader *r, const pn_wire *w, const pn_wire_field *f,
                            pn_shape *out)
{
    pn_wire shape;
    pn_wire_field part;
    pn_status st = pn_wire_enter(&shape, w, f, "TensorShape", r->err);
    out->ndim = 0;
    if (st) return st;
    while (!(st = pn_wire_next(&shape, &part, r->err))) {
        if (part.number != 2) continue;
        if (out->ndim == PN_MAX_DIMS)
            return pn_fail(r->err, PN_EFORMAT, "byte %zu: more than %d dimensions",
                           part.place, PN_MAX_DIMS);
        st = read_dim(r, &shape, &part, &out->dim[out->ndim++]);
        if (st) return st;
    }
    return st == PN_END ? PN_OK : st;
}

/* numbers of list.i, list.b, list.type or list.f, packed or not: counted, then kept */
static pn_status read_numbers(const reader *r, const pn_wire *w, uint32_t number,
                              pn_mm_attr *to)
{
    pn_wire_type type = number == 4 ? PN_WIRE_FIXED32 : PN_WIRE_VARINT;
    int64_t *ints = NULL;
    float *floats = NULL;
    for (int pass = 0; pass < 2; pass++) {
        pn_wire list = *w;
        pn_wire_field f;
        uint64_t v;
        size_t n = 0;
        pn_status st;
        while (!(st = pn_wire_next(&list, &f, r->err))) {
            if (f.number != number) continue;
            size_t at = 0;
            while (!(st = pn_wire_each(&f, type, "list", &at, &v, r->err))) {
                uint32_t bits = (uint32_t)v;
                if (floats) memcpy(&floats[n], &bits, sizeof(bits));
                if (ints) ints[n] = (int64_t)v;
                n++;
            }
            if (st != PN_END) return st;
        }
        if (st != PN_END) return st;
        if (pass == 1 || !n) break;
        if (type == PN_WIRE_FIXED32)
            floats = pn_arena_alloc(r->arena, n * sizeof(*floats));
        else
            ints = pn_arena_alloc(r->arena, n * sizeof(*ints));
        if (!floats && !ints) return PN_ENOMEM;
        to->n = n;
    }
    to->ints = ints;
    to->floats = floats;
    to->kind = floats ? PN_MM_FLOATS : PN_MM_INTS;
    return PN_OK;
}

static pn_status read_list(const reader *r, const pn_wire *w, const pn_wire_field *f,
                           pn_mm_attr *to)
{
    pn_wire list;
    pn_wire_field part;
    pn_status st = pn_wire_enter(&list, w, f, "ListValue", r->err);
    pn_wire all = list;
    to->kind = PN_MM_INTS; /* an empty list of whatever it is */
    if (st) return st;
    while (!(st = pn_wire_next(&list, &part, r->err))) {
        switch (part.number) {
        case 3:
        case 4:
        case 5:
        case 6:
            return read_numbers(r, &all, part.number, to);
        case 7:
            to->kind = PN_MM_SHAPES;
            return read_shape(r, &list, &part, &to->shape);
        default:
            to->kind = PN_MM_OTHER;
        }
    }
    return st == PN_END ? PN_OK : st;
}

static pn_status read_value_field(const reader *r, const pn_wire *w,
                                  const pn_wire_field *f, pn_mm_attr *to)
{
    pn_status st;
    uint32_t bits;
    switch (f->number) {
    case 1:
        return read_list(r, w, f, to);
    case 2:
        to->kind = PN_MM_TEXT;
        return copy_text(r, f, "attribute", &to->s);
    case 3:
    case 5:
    case 6:
        to->kind = PN_MM_INT;
        return pn_wire_int(f, "attribute", &to->i, r->err);
    case 4:
        to->kind = PN_MM_FLOAT;
        st = pn_wire_expect(f, PN_WIRE_FIXED32, "attribute", r->err);
        bits = (uint32_t)f->value;
        memcpy(&to->f, &bits, sizeof(bits));
        return st;
    case 7:
        to->kind = PN_MM_SHAPE;
        return read_shape(r, w, f, &to->shape);
    default:
        to->kind = PN_MM_OTHER;
        return PN_OK;
    }
}

/* a map's entry: key, AttrValue */
static pn_status read_attr(const reader *r, const pn_wire *w, const pn_wire_field *f,
                           pn_mm_attr *to)
{
    pn_wire entry, value;
    pn_wire_field part, field;
    pn_status st = pn_wire_enter(&entry, w, f, "attribute", r->err);
    if (st) return st;
    to->key = "";
    while (!(st = pn_wire_next(&entry, &part, r->err))) {
        if (part.number == 1) {
            st = copy_text(r, &part, "attribute's key", &to->key);
        } else if (part.number == 2) {
            st = pn_wire_enter(&value, &entry, &part, "AttrValue", r->err);
            while (!st && !(st = pn_wire_next(&value, &field, r->err)))
                st = read_value_field(r, &value, &field, to);
            if (st == PN_END) st = PN_OK;
        }
        if (st) return st;
    }
    return st == PN_END ? PN_OK : st;
}

static pn_status read_node_field(const reader *r, const pn_wire *w,
                                 const pn_wire_field *f, pn_mm_node *to)
{
    switch (f->number) {
    case 1:
        return copy_text(r, f, "node's name", &to->name);
    case 2:
        return copy_text(r, f, "node's operator", &to->op);
    case 3:
        return copy_text(r, f, "node's input", &to->inputs[to->n_inputs++]);
    case 4:
        return read_attr(r, w, f, &to->attrs[to->n_attrs++]);
    default:
        return PN_OK;
    }
}

pn_shape pn_mm_channels_second(const pn_shape *s)
{
    pn_shape out = *s;
    if (s->ndim < 3) return out;
    out.dim[1] = s->dim[s->ndim - 1];
    for (int i = 2; i < s->ndim; i++)
        out.dim[i] = s->dim[i - 1];
    return out;
}

static pn_status read_node(const reader *r, const pn_wire *w, const pn_wire_field *f,
                           pn_mm_node *to)
{
    pn_wire node;
    pn_wire_field part;
    size_t n_inputs, n_attrs;
    pn_status st = pn_wire_enter(&node, w, f, "NodeDef", r->err);
    if (!st) st = count_fields(&node, 3, &n_inputs, r->err);
    if (!st) st = count_fields(&node, 4, &n_attrs, r->err);
    if (st) return st;
    to->name = to->op = "";
    to->value = PN_NONE;
    to->inputs = pn_arena_alloc(r->arena, (n_inputs + 1) * sizeof(*to->inputs));
    to->attrs = pn_arena_alloc(r->arena, (n_attrs + 1) * sizeof(*to->attrs));
    if (!to->inputs || !to->attrs) return PN_ENOMEM;
    while (!(st = pn_wire_next(&node, &part, r->err)))
        if ((st = read_node_field(r, &node, &part, to))) return st;
    if (st != PN_END) return st;
    if (!to->name[0])
        return pn_fail(r->err, PN_EFORMAT, "byte %zu: a node without a name", f->place);
    const pn_mm_attr *shapes = pn_mm_attr_of(to, "_output_shapes");
    to->has_shape = shapes && shapes->kind == PN_MM_SHAPES;
    if (to->has_shape) to->shape = pn_mm_channels_second(&shapes->shape);
    return PN_OK;
}

const pn_mm_attr *pn_mm_attr_of(const pn_mm_node *n, const char *key)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].key && !strcmp(n->attrs[i].key, key)) return &n->attrs[i];
    return NULL;
}

static int compare_names(const void *a, const void *b, void *nodes)
{
    const pn_mm_node *all = nodes;
    return strcmp(all[*(const size_t *)a].name, all[*(const size_t *)b].name);
}

static pn_status sort_names(pn_mm_graph *g, const reader *r)
{
    g->by_name = pn_arena_alloc(r->arena, (g->n + 1) * sizeof(*g->by_name));
    if (!g->by_name) return PN_ENOMEM;
    for (size_t i = 0; i < g->n; i++)
        g->by_name[i] = i;
    qsort_r(g->by_name, g->n, sizeof(*g->by_name), compare_names, g->nodes);
    for (size_t i = 1; i < g->n; i++)
        if (!compare_names(&g->by_name[i - 1], &g->by_name[i], g->nodes))
            return pn_fail(r->err, PN_EFORMAT, "two nodes are called \"%s\"",
                           g->nodes[g->by_name[i]].name);
    return PN_OK;
}

pn_mm_node *pn_mm_graph_find(const pn_mm_graph *g, const char *name)
{
    const char *colon = strrchr(name, ':');
    bool is_output =
        colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
    size_t n = is_output ? (size_t)(colon - name) : strlen(name), low = 0, high = g->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        pn_mm_node *node = &g->nodes[g->by_name[middle]];
        int order = strncmp(node->name, name, n);
        if (!order && node->name[n]) order = 1;
        if (!order) return node;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

pn_status pn_mm_graph_read(pn_mm_graph *out, pn_arena *arena, const pn_file *file,
                           pn_err *err)
{
    reader r = {.arena = arena, .err = err};
    pn_wire w;
    pn_wire_field f;
    size_t n;
    pn_wire_init(&w, file->data, file->size);
    pn_status st = count_fields(&w, 1, &n, err);
    if (st) return st;
    out->nodes = pn_arena_alloc(arena, (n + 1) * sizeof(*out->nodes));
    if (!out->nodes) return PN_ENOMEM;
    while (!(st = pn_wire_next(&w, &f, err))) {
        if (f.number != 1) continue;
        st = read_node(&r, &w, &f, &out->nodes[out->n++]);
        if (st) return st;
    }
    return st == PN_END ? sort_names(out, &r) : st;
}
