/* A node of a function's body, written for whoever calls the function: values and nodes
 * get names of the caller's graph, attributes that stand for the function's get their
 * values.
 */
#include "model/onnx_functions.h"

static pn_status index_of(pn_fn_inliner *x, const pn_onnx_list *list, pn_bytes name,
                          size_t *out)
{
    for (*out = 0; *out < list->n; ++*out)
        if (!pn_fn_compare_bytes(list->items[*out], name)) break;
    return pn_fn_spend(x, *out + 1);
}

/* Of the outputs of that name the first that the caller wants; none: their number. */
static pn_status wanted_output(pn_fn_inliner *x, const pn_fn_call *c, pn_bytes name,
                               size_t *out)
{
    const pn_onnx_list *outputs = &c->def->outputs;
    for (*out = 0; *out < outputs->n; ++*out)
        if (*out < c->outputs.n && c->outputs.items[*out].size &&
            !pn_fn_compare_bytes(outputs->items[*out], name))
            break;
    return pn_fn_spend(x, *out + 1);
}

pn_status pn_fn_outside(pn_fn_inliner *x, const pn_fn_call *c, pn_bytes name,
                        pn_bytes *outside, bool *is_inner)
{
    size_t i, k;
    pn_status st = index_of(x, &c->def->inputs, name, &i);
    if (!st) st = wanted_output(x, c, name, &k);
    if (st) return st;
    *outside = (pn_bytes){0};
    *is_inner = false;
    if (i < c->inputs.n && i < c->def->inputs.n)
        *outside = c->inputs.items[i];
    else if (i == c->def->inputs.n && k < c->def->outputs.n)
        *outside = c->outputs.items[k];
    else
        *is_inner = name.size && i == c->def->inputs.n;
    return PN_OK;
}

pn_status pn_fn_write_alias(pn_fn_inliner *x, const pn_fn_call *c, size_t k,
                            pn_wire_out *w)
{
    const pn_bytes name = c->def->outputs.items[k];
    pn_bytes from;
    bool is_inner;
    size_t i, first;
    if (k >= c->outputs.n || !c->outputs.items[k].size) return PN_OK;
    pn_status st = index_of(x, &c->def->inputs, name, &i);
    if (!st) st = wanted_output(x, c, name, &first);
    if (!st) st = pn_fn_outside(x, c, name, &from, &is_inner);
    if (st || (i == c->def->inputs.n && first == k)) return st;
    pn_wire_put_bytes(w, 1, from.at, from.size);
    pn_wire_put_bytes(w, 2, c->outputs.items[k].at, c->outputs.items[k].size);
    pn_wire_put_text(w, 4, "Identity");
    return pn_fn_spend(x, from.size + c->outputs.items[k].size);
}

/* "PREFIX/NAME" */
static pn_status put_inner_name(pn_fn_inliner *x, const pn_fn_call *c, uint32_t field,
                                pn_bytes name, pn_wire_out *w)
{
    pn_wire_out inner = {0};
    pn_wire_put_raw(&inner, c->prefix.at, c->prefix.size);
    pn_wire_put_raw(&inner, "/", 1);
    pn_wire_put_raw(&inner, name.at, name.size);
    w->failed |= inner.failed;
    pn_wire_put_message(w, field, &inner);
    pn_wire_out_fini(&inner);
    return pn_fn_spend(x, c->prefix.size + name.size);
}

static pn_status put_name(pn_fn_inliner *x, const pn_fn_call *c, uint32_t field,
                          pn_bytes name, pn_wire_out *w)
{
    pn_bytes outside;
    bool is_inner;
    pn_status st = pn_fn_outside(x, c, name, &outside, &is_inner);
    if (st) return st;
    if (is_inner) return put_inner_name(x, c, field, name, w);
    pn_wire_put_bytes(w, field, outside.at, outside.size);
    return pn_fn_spend(x, outside.size + 1);
}

/* Name of an AttributeProto, and of the function's attribute that it stands for. */
static pn_status attr_names(pn_fn_inliner *x, pn_bytes attr, pn_bytes *name, pn_bytes *of)
{
    pn_wire w = pn_onnx_wire(x->o, attr, 2);
    pn_wire_field f;
    pn_status st;
    *name = *of = (pn_bytes){0};
    while (!(st = pn_wire_next(&w, &f, x->o->err))) {
        if (f.number == 1) st = pn_wire_text(&f, "attribute name", name, x->o->err);
        if (f.number == 21) st = pn_wire_text(&f, "attribute name", of, x->o->err);
        if (!st) st = pn_fn_spend(x, 1);
        if (st) return st;
    }
    return st == PN_END ? PN_OK : st;
}

static pn_status find_attr(pn_fn_inliner *x, const pn_onnx_list *list, pn_bytes wanted,
                           pn_bytes *out)
{
    *out = (pn_bytes){0};
    for (size_t i = 0; i < list->n; i++) {
        pn_bytes name, of;
        pn_status st = attr_names(x, list->items[i], &name, &of);
        if (st) return st;
        if (pn_fn_compare_bytes(name, wanted)) continue;
        *out = list->items[i];
        return PN_OK;
    }
    return PN_OK;
}

/* `attr` under another name */
static pn_status put_renamed(pn_fn_inliner *x, pn_bytes attr, pn_bytes name,
                             pn_wire_out *w)
{
    pn_wire_out inner = {0};
    pn_wire from = pn_onnx_wire(x->o, attr, 2);
    const unsigned char *begin = from.at;
    pn_wire_field f;
    pn_status st;
    pn_wire_put_bytes(&inner, 1, name.at, name.size);
    while (!(st = pn_wire_next(&from, &f, x->o->err))) {
        if (f.number != 1) pn_wire_put_raw(&inner, begin, (size_t)(from.at - begin));
        begin = from.at;
    }
    pn_wire_put_message(w, 5, &inner);
    w->failed |= inner.failed;
    pn_wire_out_fini(&inner);
    return st == PN_END ? pn_fn_spend(x, attr.size + name.size) : st;
}

/* One that stands for the function's own is the caller's, else the default, else left
 * out. */
static pn_status put_attr(pn_fn_inliner *x, const pn_fn_call *c, pn_bytes attr,
                          pn_wire_out *w)
{
    pn_bytes name, of, given;
    pn_status st = attr_names(x, attr, &name, &of);
    if (st) return st;
    if (!of.size) {
        pn_wire_put_bytes(w, 5, attr.at, attr.size);
        return pn_fn_spend(x, attr.size);
    }
    st = find_attr(x, &c->attrs, of, &given);
    if (!st && !given.at) st = find_attr(x, &c->def->defaults, of, &given);
    return st || !given.at ? st : put_renamed(x, given, name, w);
}

/* A node of the body, as it is outside. */
pn_status pn_fn_write_node(pn_fn_inliner *x, const pn_fn_call *c, pn_bytes node,
                           pn_wire_out *w)
{
    pn_wire from = pn_onnx_wire(x->o, node, 2);
    const unsigned char *begin = from.at;
    pn_wire_field f;
    pn_bytes text;
    pn_status st;
    while (!(st = pn_wire_next(&from, &f, x->o->err))) {
        if (f.number <= 3) {
            st = pn_wire_text(&f, "name", &text, x->o->err);
            if (!st)
                st = f.number == 3 ? put_inner_name(x, c, 3, text, w)
                                   : put_name(x, c, f.number, text, w);
        } else if (f.number == 5) {
            st = pn_wire_expect(&f, PN_WIRE_BYTES, "attribute", x->o->err);
            if (!st) st = put_attr(x, c, f.bytes, w);
        } else {
            pn_wire_put_raw(w, begin, (size_t)(from.at - begin));
            st = pn_fn_spend(x, (size_t)(from.at - begin));
        }
        if (st) return st;
        begin = from.at;
    }
    if (st != PN_END) return st;
    return w->failed ? PN_ENOMEM : PN_OK;
}
