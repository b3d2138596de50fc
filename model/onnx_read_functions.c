/* A model's own functions, put in line before anything else looks at the nodes. A node
 * that calls one becomes the nodes of its body: written anew with the names of the
 * caller's values and the caller's attributes, into one block that lives as long as the
 * graph. Nodes outside functions stay where they are in the file.
 *
 * What that comes to is bounded by a budget of bytes written and names compared, whatever
 * functions call functions. */
#include <stdlib.h>
#include <string.h>

#include "model/onnx_functions.h"

enum { MAX_FUNCTIONS = 65536, MAX_DEPTH = 64, CALL_COSTS = 256 };
#define FREE_BUDGET ((size_t)16 << 20) /* and four times the file */

pn_status pn_fn_spend(pn_fn_inliner *x, size_t cost)
{
    if (cost > x->left)
        return pn_fail(x->o->err, PN_EUNSUPPORTED,
                       "its functions come to too much when they are put in line");
    x->left -= cost;
    return PN_OK;
}

int pn_fn_compare_bytes(pn_bytes a, pn_bytes b)
{
    if (a.size != b.size) return a.size < b.size ? -1 : 1;
    return a.size ? memcmp(a.at, b.at, a.size) : 0;
}

static int compare_keys(const void *left, const void *right)
{
    const pn_fn_key *a = left, *b = right;
    int c = pn_fn_compare_bytes(a->name, b->name);
    if (!c) c = pn_fn_compare_bytes(a->domain, b->domain);
    return c ? c : pn_fn_compare_bytes(a->overload, b->overload);
}

pn_status pn_fn_append(pn_fn_inliner *x, pn_onnx_list *list, pn_bytes b)
{
    if (list->n == PN_ONNX_MAX_ITEMS)
        return pn_fail(x->o->err, PN_EFORMAT, "byte %zu: more than %d items",
                       pn_onnx_place(x->o, b), PN_ONNX_MAX_ITEMS);
    if (pn_onnx_grow(&list->items, &list->capacity, list->n, sizeof(*list->items)))
        return PN_ENOMEM;
    list->items[list->n++] = b;
    return PN_OK;
}

static pn_status append_field(pn_fn_inliner *x, pn_onnx_list *list,
                              const pn_wire_field *f, bool is_text, const char *what)
{
    pn_bytes b = f->bytes;
    pn_status st = is_text ? pn_wire_text(f, what, &b, x->o->err)
                           : pn_wire_expect(f, PN_WIRE_BYTES, what, x->o->err);
    return st ? st : pn_fn_append(x, list, b);
}

/* ---- definitions ---- */

static pn_status read_key(pn_onnx *o, pn_bytes message, const uint32_t numbers[3],
                          pn_fn_key *key)
{
    pn_wire w = pn_onnx_wire(o, message, 1);
    pn_wire_field f;
    pn_status st;
    *key = (pn_fn_key){.name = {NULL, 0}};
    while (!(st = pn_wire_next(&w, &f, o->err))) {
        pn_bytes *to = f.number == numbers[0]   ? &key->name
                       : f.number == numbers[1] ? &key->domain
                       : f.number == numbers[2] ? &key->overload
                                                : NULL;
        if (to) st = pn_wire_text(&f, "function name", to, o->err);
        if (st) return st;
    }
    if (pn_bytes_are(key->domain, "ai.onnx")) key->domain.size = 0;
    return st == PN_END ? PN_OK : st;
}

static const uint32_t def_fields[3] = {1, 10, 13}, node_fields[3] = {4, 7, 8};

static pn_status read_keys(pn_fn_inliner *x)
{
    pn_onnx *o = x->o;
    if (o->functions.n > MAX_FUNCTIONS)
        return pn_fail(o->err, PN_EUNSUPPORTED, "more than %d functions", MAX_FUNCTIONS);
    x->defs = calloc(o->functions.n, sizeof(*x->defs));
    if (!x->defs) return PN_ENOMEM;
    for (size_t i = 0; i < o->functions.n; i++) {
        pn_fn_def *d = &x->defs[x->n_defs++];
        d->message = o->functions.items[i];
        pn_status st = read_key(o, d->message, def_fields, &d->key);
        if (st) return st;
    }
    qsort(x->defs, x->n_defs, sizeof(*x->defs), compare_keys);
    for (size_t i = 1; i < x->n_defs; i++)
        if (!compare_keys(&x->defs[i - 1].key, &x->defs[i].key))
            return pn_fail(o->err, PN_EFORMAT, "byte %zu: function \"%s\" twice",
                           pn_onnx_place(o, x->defs[i].message),
                           pn_onnx_text(o, x->defs[i].key.name));
    return PN_OK;
}

static pn_status read_def(pn_fn_inliner *x, pn_fn_def *d)
{
    pn_wire w = pn_onnx_wire(x->o, d->message, 1);
    pn_wire_field f;
    pn_status st = PN_OK;
    if (d->is_read) return PN_OK;
    d->is_read = true;
    while (!st && !(st = pn_wire_next(&w, &f, x->o->err))) {
        if (f.number == 4)
            st = append_field(x, &d->inputs, &f, true, "function inputs");
        else if (f.number == 5)
            st = append_field(x, &d->outputs, &f, true, "function outputs");
        else if (f.number == 7)
            st = append_field(x, &d->nodes, &f, false, "function nodes");
        else if (f.number == 9)
            st = pn_onnx_read_opset(x->o, &w, &f, &d->opset);
        else if (f.number == 11)
            st = append_field(x, &d->defaults, &f, false, "function attributes");
    }
    return st == PN_END ? PN_OK : st;
}

static pn_fn_def *find_def(const pn_fn_inliner *x, const pn_fn_key *key)
{
    return bsearch(key, x->defs, x->n_defs, sizeof(*x->defs), compare_keys);
}

/* ---- calls ---- */

static pn_status add_piece(pn_fn_inliner *x, pn_fn_piece piece)
{
    if (x->n_pieces == PN_ONNX_MAX_ITEMS)
        return pn_fail(x->o->err, PN_EFORMAT, "more than %d nodes", PN_ONNX_MAX_ITEMS);
    if (pn_onnx_grow(&x->pieces, &x->pieces_capacity, x->n_pieces, sizeof(*x->pieces)))
        return PN_ENOMEM;
    x->pieces[x->n_pieces++] = piece;
    return PN_OK;
}

static pn_status read_call(pn_fn_inliner *x, pn_bytes node, pn_fn_call *c)
{
    pn_wire w = pn_onnx_wire(x->o, node, 2);
    pn_wire_field f;
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, x->o->err))) {
        if (f.number == 1)
            st = append_field(x, &c->inputs, &f, true, "input names");
        else if (f.number == 2)
            st = append_field(x, &c->outputs, &f, true, "output names");
        else if (f.number == 5)
            st = append_field(x, &c->attrs, &f, false, "attributes");
        if (!st) st = pn_fn_spend(x, 1);
        if (st) return st;
    }
    if (st != PN_END) return st;
    for (size_t i = 0; i < c->outputs.n; i++)
        if (c->outputs.items[i].size) return PN_OK;
    return pn_fail(x->o->err, PN_EFORMAT, "byte %zu: a call without an output",
                   pn_onnx_place(x->o, node));
}

/* @param in  the function whose body the node is of: it is written anew and an error's
 * place counted from its own beginning; NULL: it lies in the file */
static pn_status told_where(pn_fn_inliner *x, const pn_fn_def *in, pn_status st)
{
    return st && in ? pn_onnx_in_function(x->o, in->key.name, st) : st;
}

static pn_status add_node(pn_fn_inliner *x, pn_bytes node, const pn_fn_def *in);

/* Its nodes, then an Identity for each output that no node of it makes. */
static pn_status inline_body(pn_fn_inliner *x, const pn_fn_call *c)
{
    const size_t n_nodes = c->def->nodes.n, n = n_nodes + c->def->outputs.n;
    pn_status st = PN_OK;
    for (size_t i = 0; !st && i < n; i++) {
        pn_wire_out w = {0};
        st = i < n_nodes ? pn_fn_write_node(x, c, c->def->nodes.items[i], &w)
                         : pn_fn_write_alias(x, c, i - n_nodes, &w);
        if (!st && w.failed) st = PN_ENOMEM;
        if (!st && (i < n_nodes || w.size))
            st = add_node(x, (pn_bytes){w.bytes, w.size}, c->def);
        pn_wire_out_fini(&w);
    }
    return st;
}

static pn_status inline_call(pn_fn_inliner *x, pn_bytes node, pn_fn_def *def,
                             const pn_fn_def *in)
{
    pn_fn_call c = {.def = def};
    if (def->is_open || x->depth == MAX_DEPTH) {
        const char *name = pn_onnx_text(x->o, def->key.name);
        return pn_fail(x->o->err, PN_EFORMAT, "byte %zu: function \"%s\" %s",
                       pn_onnx_place(x->o, def->message), name ? name : "",
                       def->is_open ? "calls itself"
                                    : "is called too deep inside others");
    }
    pn_status st = pn_fn_spend(x, CALL_COSTS);
    if (!st) st = read_def(x, def);
    if (!st) st = told_where(x, in, read_call(x, node, &c));
    if (!st) st = pn_fn_choose_prefix(x, &c);
    def->is_open = true;
    x->depth++;
    if (!st) st = inline_body(x, &c);
    x->depth--;
    def->is_open = false;
    free(c.inputs.items);
    free(c.outputs.items);
    free(c.attrs.items);
    free(c.inner.items);
    return st;
}

static pn_status add_node(pn_fn_inliner *x, pn_bytes node, const pn_fn_def *in)
{
    pn_fn_key key;
    pn_status st = told_where(x, in, read_key(x->o, node, node_fields, &key));
    if (st) return st;
    pn_fn_def *def = find_def(x, &key);
    if (def) return inline_call(x, node, def, in);
    const pn_onnx_origin from = {.opset = in && in->opset ? in->opset : x->o->opset,
                                 .function = in ? in->key.name : (pn_bytes){0}};
    if (!in) return add_piece(x, (pn_fn_piece){node.at, 0, node.size, from});
    const pn_fn_piece piece = {NULL, x->block.size, node.size, from};
    pn_wire_put_raw(&x->block, node.at, node.size);
    return x->block.failed ? PN_ENOMEM : add_piece(x, piece);
}

static pn_status finish(pn_fn_inliner *x)
{
    pn_onnx *o = x->o;
    unsigned char *block = pn_graph_alloc(o->g, x->block.size + 1);
    pn_bytes *nodes = calloc(x->n_pieces + 1, sizeof(*nodes));
    pn_onnx_origin *origins = calloc(x->n_pieces + 1, sizeof(*origins));
    if (!block || !nodes || !origins) {
        free(nodes);
        free(origins);
        return PN_ENOMEM;
    }
    if (x->block.size) memcpy(block, x->block.bytes, x->block.size);
    for (size_t i = 0; i < x->n_pieces; i++) {
        const pn_fn_piece *p = &x->pieces[i];
        nodes[i] = (pn_bytes){p->at ? p->at : block + p->offset, p->size};
        origins[i] = p->origin;
    }
    free(o->nodes.items);
    o->nodes = (pn_onnx_list){nodes, x->n_pieces, x->n_pieces + 1};
    o->origins = origins;
    return PN_OK;
}

static void inliner_fini(pn_fn_inliner *x)
{
    for (size_t i = 0; i < x->n_defs; i++) {
        free(x->defs[i].inputs.items);
        free(x->defs[i].outputs.items);
        free(x->defs[i].nodes.items);
        free(x->defs[i].defaults.items);
    }
    free(x->defs);
    free(x->pieces);
    pn_fn_names_fini(x);
    pn_wire_out_fini(&x->block);
}

pn_status pn_onnx_inline_functions(pn_onnx *o)
{
    if (!o->functions.n) return PN_OK;
    pn_fn_inliner x = {.o = o};
    x.left = FREE_BUDGET + 4 * (size_t)(o->file.end - o->file.file);
    pn_status st = read_keys(&x);
    if (!st) st = pn_fn_take_graph_names(&x);
    for (size_t i = 0; !st && i < o->nodes.n; i++)
        st = add_node(&x, o->nodes.items[i], NULL);
    if (!st) st = finish(&x);
    inliner_fini(&x);
    return st;
}
