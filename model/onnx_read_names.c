/* Names for what functions' bodies compute, once they are put in line: "PREFIX/NAME" with
 * the first output of the call as the prefix. A body's names are its own affair, the
 * graph's are too, and so are those of the function that calls it: where one of them is
 * called like that already, the prefix gets a number. No number is tried twice, so that
 * there are no more attempts than there are names. */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx_functions.h"

enum { FILE_DEPTH = 2 };

static int compare_names(const void *a, const void *b)
{
    return pn_fn_compare_bytes(*(const pn_bytes *)a, *(const pn_bytes *)b);
}

static bool is_taken(const pn_fn_inliner *x, pn_bytes name)
{
    return tfind(&name, &x->taken, compare_names) != NULL;
}

/* @param name  stays where it is */
static pn_status take(pn_fn_inliner *x, pn_bytes name)
{
    if (!name.size || is_taken(x, name)) return PN_OK;
    pn_bytes *kept = pn_arena_alloc(&x->names, sizeof(*kept));
    if (!kept) return PN_ENOMEM;
    *kept = name;
    return tsearch(kept, &x->taken, compare_names) ? PN_OK : PN_ENOMEM;
}

/* The texts in fields `first` and `last` of a message. */
static pn_status take_fields(pn_fn_inliner *x, const pn_onnx_list *messages,
                             uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < messages->n; i++) {
        pn_wire w = pn_onnx_wire(x->o, messages->items[i], FILE_DEPTH);
        pn_wire_field f;
        pn_bytes name;
        pn_status st;
        while (!(st = pn_wire_next(&w, &f, x->o->err))) {
            if (f.number != first && f.number != last) continue;
            st = pn_wire_text(&f, "name", &name, x->o->err);
            if (!st) st = take(x, name);
            if (st) return st;
        }
        if (st != PN_END) return st;
    }
    return PN_OK;
}

pn_status pn_fn_take_graph_names(pn_fn_inliner *x)
{
    pn_status st = take_fields(x, &x->o->nodes, 1, 2);
    if (!st) st = take_fields(x, &x->o->tensors, 8, 8);
    if (!st) st = take_fields(x, &x->o->inputs, 1, 1);
    return st ? st : take_fields(x, &x->o->outputs, 1, 1);
}

static pn_status list_inner(pn_fn_inliner *x, pn_fn_call *c, pn_bytes node)
{
    pn_wire w = pn_onnx_wire(x->o, node, FILE_DEPTH);
    pn_wire_field f;
    pn_bytes name, outside;
    pn_status st;
    while (!(st = pn_wire_next(&w, &f, x->o->err))) {
        bool is_inner = false;
        if (f.number > 2) continue;
        st = pn_wire_text(&f, "name", &name, x->o->err);
        if (!st) st = pn_fn_outside(x, c, name, &outside, &is_inner);
        if (!st && is_inner) st = pn_fn_append(x, &c->inner, name);
        if (st) return st;
    }
    return st == PN_END ? PN_OK : st;
}

/* "PREFIX/NAME" behind each other; all of them free? @param all  emptied first */
static pn_status try_prefix(pn_fn_inliner *x, const pn_fn_call *c, pn_wire_out *all,
                            bool *is_free)
{
    pn_status st = PN_OK;
    all->size = 0;
    *is_free = true;
    for (size_t i = 0; !st && *is_free && i < c->inner.n; i++) {
        const size_t begin = all->size;
        pn_wire_put_raw(all, c->prefix.at, c->prefix.size);
        pn_wire_put_raw(all, "/", 1);
        pn_wire_put_raw(all, c->inner.items[i].at, c->inner.items[i].size);
        st = all->failed ? PN_ENOMEM : pn_fn_spend(x, all->size - begin);
        if (st) break;
        *is_free = !is_taken(x, (pn_bytes){all->bytes + begin, all->size - begin});
    }
    return st;
}

static pn_status take_inner(pn_fn_inliner *x, const pn_fn_call *c, const pn_wire_out *all)
{
    unsigned char *at = pn_arena_alloc(&x->names, all->size + 1);
    if (!at) return PN_ENOMEM;
    if (all->size) memcpy(at, all->bytes, all->size);
    for (size_t i = 0; i < c->inner.n; i++) {
        const size_t size = c->prefix.size + 1 + c->inner.items[i].size;
        pn_status st = take(x, (pn_bytes){at, size});
        if (st) return st;
        at += size;
    }
    return PN_OK;
}

/* "OUTPUT.7" */
static pn_status number_prefix(pn_fn_inliner *x, pn_fn_call *c, pn_bytes output)
{
    const size_t room = output.size + 24;
    char *at = pn_arena_alloc(&x->names, room);
    pn_status st = pn_fn_spend(x, room);
    if (!at) return PN_ENOMEM;
    memcpy(at, output.at, output.size);
    const int n = snprintf(at + output.size, room - output.size, ".%zu", ++x->n_tried);
    c->prefix = (pn_bytes){(unsigned char *)at, output.size + (size_t)n};
    return st;
}

pn_status pn_fn_choose_prefix(pn_fn_inliner *x, pn_fn_call *c)
{
    pn_wire_out all = {0};
    bool is_free = false;
    pn_status st = PN_OK;
    size_t first = 0;
    while (!c->outputs.items[first].size)
        first++;
    c->prefix = c->outputs.items[first];
    for (size_t i = 0; !st && i < c->def->nodes.n; i++)
        st = list_inner(x, c, c->def->nodes.items[i]);
    if (!st) st = try_prefix(x, c, &all, &is_free);
    while (!st && !is_free) {
        st = number_prefix(x, c, c->outputs.items[first]);
        if (!st) st = try_prefix(x, c, &all, &is_free);
    }
    if (!st) st = take_inner(x, c, &all);
    pn_wire_out_fini(&all);
    return st;
}

static void keep(void *name)
{
    (void)name; /* the arena's */
}

void pn_fn_names_fini(pn_fn_inliner *x)
{
    tdestroy(x->taken, keep);
    pn_arena_fini(&x->names);
}
