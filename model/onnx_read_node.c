/* One NodeProto and its attributes. */
#include "model/onnx_read.h"

#include <stdlib.h>
#include <string.h>

static pn_status append_name(pn_onnx *o, pn_onnx_list *list, const pn_wire_field *f,
                             const char *what)
{
    if (list->n == PN_ONNX_MAX_ITEMS)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: more than %d of %s", f->place,
                       PN_ONNX_MAX_ITEMS, what);
    if (pn_onnx_grow(&list->items, &list->capacity, list->n, sizeof(*list->items)))
        return PN_ENOMEM;
    return pn_wire_text(f, what, &list->items[list->n++], o->err);
}

static pn_status append_number(pn_onnx *o, bool is_float, uint64_t bits, size_t place)
{
    pn_onnx_node *n = &o->node;
    if (n->n_ints + n->n_floats == PN_ONNX_MAX_ITEMS)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: more than %d numbers in a node",
                       place, PN_ONNX_MAX_ITEMS);
    if (!is_float) {
        if (pn_onnx_grow(&n->ints, &n->ints_capacity, n->n_ints, sizeof(*n->ints)))
            return PN_ENOMEM;
        n->ints[n->n_ints++] = (int64_t)bits;
        return PN_OK;
    }
    if (pn_onnx_grow(&n->floats, &n->floats_capacity, n->n_floats, sizeof(*n->floats)))
        return PN_ENOMEM;
    uint32_t low = (uint32_t)bits;
    memcpy(&n->floats[n->n_floats++], &low, sizeof(low));
    return PN_OK;
}

static pn_status append_numbers(pn_onnx *o, pn_onnx_attr *a, const pn_wire_field *f)
{
    bool is_float = f->number == 7;
    size_t at = 0;
    uint64_t bits;
    pn_status st;
    while (!(st = pn_wire_each(f, is_float ? PN_WIRE_FIXED32 : PN_WIRE_VARINT,
                               "attribute numbers", &at, &bits, o->err))) {
        st = append_number(o, is_float, bits, f->place);
        if (st) return st;
        a->n++;
    }
    return st == PN_END ? PN_OK : st;
}

/* *kind: what the field in question would make of the attribute, 0 if it says nothing */
static pn_status attr_field(pn_onnx *o, pn_onnx_attr *a, const pn_wire_field *f,
                            int *kind)
{
    pn_status st;
    int64_t type;
    uint32_t bits = (uint32_t)f->value;
    *kind = 0;
    switch (f->number) {
    case 1:
        return pn_wire_text(f, "attribute name", &a->name, o->err);
    case 2:
        st = pn_wire_expect(f, PN_WIRE_FIXED32, "attribute float", o->err);
        memcpy(&a->f, &bits, sizeof(bits));
        *kind = PN_ONNX_FLOAT;
        return st;
    case 3:
        *kind = PN_ONNX_INT;
        return pn_wire_int(f, "attribute integer", &a->i, o->err);
    case 4:
        *kind = PN_ONNX_STRING;
        return pn_wire_text(f, "attribute string", &a->s, o->err);
    case 5:
        *kind = PN_ONNX_TENSOR;
        a->tensor = f->bytes;
        return pn_wire_expect(f, PN_WIRE_BYTES, "attribute tensor", o->err);
    case 7:
        *kind = PN_ONNX_FLOATS;
        return append_numbers(o, a, f);
    case 8:
        *kind = PN_ONNX_INTS;
        return append_numbers(o, a, f);
    case 20:
        st = pn_wire_int(f, "attribute type", &type, o->err);
        if (!st && (type < 1 || type > 64))
            st = pn_fail(o->err, PN_EFORMAT, "byte %zu: attribute type %lld", f->place,
                         (long long)type);
        if (!st) a->kind = (int)type;
        return st;
    case 6: /* graphs, lists of strings and tensors, sparse ones: no operator of ours */
    case 9:
    case 10:
    case 11:
    case 14:
    case 15:
    case 21:
    case 22:
    case 23:
        *kind = PN_ONNX_INTS + 1;
        return PN_OK;
    default:
        return PN_OK;
    }
}

static pn_status parse_attr(pn_onnx *o, const pn_wire *outer, const pn_wire_field *field)
{
    pn_onnx_node *n = &o->node;
    pn_wire w;
    pn_wire_field f;
    pn_status st = pn_wire_enter(&w, outer, field, "attribute", o->err);
    if (st) return st;
    if (n->n_attrs == PN_ONNX_MAX_ATTRS)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: more than %d attributes",
                       field->place, PN_ONNX_MAX_ATTRS);
    if (pn_onnx_grow(&n->attrs, &n->attrs_capacity, n->n_attrs, sizeof(*n->attrs)))
        return PN_ENOMEM;
    pn_onnx_attr *a = &n->attrs[n->n_attrs];
    *a = (pn_onnx_attr){0};
    int has = 0, kind;
    size_t first_int = n->n_ints, first_float = n->n_floats;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        st = attr_field(o, a, &f, &kind);
        if (!st && kind && has && has != kind)
            st = pn_fail(o->err, PN_EFORMAT, "byte %zu: an attribute with two values",
                         f.place);
        if (st) return st;
        if (kind) has = kind;
    }
    if (st != PN_END) return st;
    if (!a->name.size)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: attribute without a name",
                       field->place);
    /* writers leave out what is zero or empty, and very old ones the type */
    if (a->kind == 0) a->kind = has;
    if (has && has <= PN_ONNX_INTS && has != a->kind)
        return pn_fail(o->err, PN_EFORMAT,
                       "byte %zu: attribute \"%s\" says type %d and holds type %d",
                       field->place, pn_onnx_text(o, a->name), a->kind, has);
    a->first = a->kind == PN_ONNX_FLOATS ? first_float : first_int;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].name.size == a->name.size &&
            memcmp(n->attrs[i].name.at, a->name.at, a->name.size) == 0)
            return pn_fail(o->err, PN_EFORMAT, "byte %zu: attribute \"%s\" twice",
                           field->place, pn_onnx_text(o, a->name));
    n->n_attrs++;
    return PN_OK;
}

pn_status pn_onnx_parse_node(pn_onnx *o, pn_bytes node)
{
    pn_onnx_node *n = &o->node;
    n->name = n->op_type = n->domain = (pn_bytes){0};
    n->inputs.n = n->outputs.n = n->n_attrs = n->n_ints = n->n_floats = n->n_ids = 0;
    pn_wire w = pn_onnx_wire(o, node, o->file.depth + 2);
    pn_wire_field f;
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        if (f.number == 1)
            st = append_name(o, &n->inputs, &f, "input names");
        else if (f.number == 2)
            st = append_name(o, &n->outputs, &f, "output names");
        else if (f.number == 3)
            st = pn_wire_text(&f, "node name", &n->name, o->err);
        else if (f.number == 4)
            st = pn_wire_text(&f, "operator name", &n->op_type, o->err);
        else if (f.number == 5)
            st = parse_attr(o, &w, &f);
        else if (f.number == 7)
            st = pn_wire_text(&f, "operator domain", &n->domain, o->err);
        if (st) return st;
    }
    if (st != PN_END) return st;
    /* trailing empty names mean nothing follows */
    while (n->inputs.n && n->inputs.items[n->inputs.n - 1].size == 0)
        n->inputs.n--;
    while (n->outputs.n && n->outputs.items[n->outputs.n - 1].size == 0)
        n->outputs.n--;
    size_t place = pn_onnx_place(o, node);
    if (!n->op_type.size)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: a node without an operator", place);
    if (!n->outputs.n)
        return pn_fail(o->err, PN_EFORMAT, "byte %zu: %s without an output", place,
                       pn_onnx_text(o, n->op_type));
    return PN_OK;
}

void pn_onnx_node_fini(pn_onnx_node *n)
{
    free(n->inputs.items);
    free(n->outputs.items);
    free(n->attrs);
    free(n->ints);
    free(n->floats);
    free(n->ids);
    *n = (pn_onnx_node){0};
}

pn_onnx_attr *pn_onnx_attr_of(pn_onnx *o, const char *name)
{
    for (size_t i = 0; i < o->node.n_attrs; i++)
        if (!o->node.attrs[i].dropped && pn_bytes_are(o->node.attrs[i].name, name))
            return &o->node.attrs[i];
    return NULL;
}
