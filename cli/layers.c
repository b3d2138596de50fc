#include "cli/layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t pn_value_parameters(const pn_value *v)
{
    bool real = v->dtype == PN_F32 || v->dtype == PN_F16 || v->dtype == PN_F64 ||
                v->dtype == PN_BF16;
    return v->data && real && v->shape.ndim > 0 ? pn_shape_count(&v->shape) : 0;
}

/* a hostile file's numbers may pass every bound: they stick to it */
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void add_cost(pn_layer_cost *to, const pn_layer_cost *c)
{
    to->parameters = add(to->parameters, c->parameters);
    to->macs = add(to->macs, c->macs);
    to->output_bytes = add(to->output_bytes, c->output_bytes);
}

/* weights belong to the first layer that reads them; `seen` has a flag a value */
static int64_t own_parameters(const pn_graph *g, const pn_node *node, bool *seen,
                              int64_t *bytes)
{
    int64_t n = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        int id = node->inputs[i];
        if (id < 0 || seen[id] || !g->values[id].data) continue;
        const pn_value *v = &g->values[id];
        seen[id] = true;
        *bytes = add(*bytes, (int64_t)v->size_bytes);
        n = add(n, pn_value_parameters(v));
    }
    return n;
}

static int64_t output_bytes(const pn_graph *g, const pn_node *node)
{
    int64_t bytes = 0;
    for (int i = 0; i < node->n_outputs; i++) {
        const pn_value *v = node->outputs[i] < 0 ? NULL : &g->values[node->outputs[i]];
        int64_t n = v && v->has_shape ? pn_shape_count(&v->shape) : 0, size;
        if (n < 0 || __builtin_mul_overflow(n, (int64_t)sizeof(float), &size))
            size = INT64_MAX;
        bytes = add(bytes, size);
    }
    return bytes;
}

pn_status pn_layer_costs_init(pn_layer_costs *out, const pn_graph *g)
{
    bool *seen = calloc((size_t)g->n_values + 1, sizeof(*seen));
    pn_layer_costs c = {.nodes = calloc((size_t)g->n_nodes + 1, sizeof(*c.nodes))};
    if (!seen || !c.nodes) {
        free(seen);
        free(c.nodes);
        return PN_ENOMEM;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const pn_node *node = &g->nodes[i];
        c.nodes[i].parameters = own_parameters(g, node, seen, &c.weight_bytes);
        c.nodes[i].macs = pn_node_macs(g, node);
        c.nodes[i].output_bytes = output_bytes(g, node);
        if (c.nodes[i].output_bytes > c.largest_bytes)
            c.largest_bytes = c.nodes[i].output_bytes;
        add_cost(&c.total, &c.nodes[i]);
    }
    free(seen);
    *out = c;
    return PN_OK;
}

void pn_layer_costs_fini(pn_layer_costs *c)
{
    free(c->nodes);
    c->nodes = NULL;
}

pn_layer_cost pn_layer_costs_sum(const pn_layer_costs *c, int first, int n)
{
    pn_layer_cost sum = {0};
    for (int i = 0; i < n; i++)
        add_cost(&sum, &c->nodes[first + i]);
    return sum;
}

/* ---- an operator in a word or two ---- */

typedef struct words {
    char *buf; /* of PN_OPERATOR_TEXT */
    size_t used;
} words;

static void put(words *w, const char *text)
{
    int n = snprintf(w->buf + w->used, PN_OPERATOR_TEXT - w->used, "%s", text);
    w->used += (size_t)n;
    if (w->used >= PN_OPERATOR_TEXT) w->used = PN_OPERATOR_TEXT - 1;
}

static void put_numbers(words *w, const char *before, const int64_t *v, size_t n)
{
    char number[24];
    for (size_t i = 0; i < n && i < PN_MAX_DIMS; i++) {
        snprintf(number, sizeof(number), "%lld", (long long)v[i]);
        put(w, i ? "x" : before);
        put(w, number);
    }
}

static bool all_equal(const int64_t *v, size_t n, int64_t want)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] != want) return false;
    return true;
}

/* one number where all dimensions have it, nothing where it is 1 */
static void put_steps(words *w, const char *before, const pn_node *n, const char *name)
{
    const pn_attr *a = pn_node_attr(n, name);
    if (!a || a->kind != PN_ATTR_INTS || !a->n || all_equal(a->ints, a->n, 1)) return;
    put_numbers(w, before, a->ints, all_equal(a->ints, a->n, a->ints[0]) ? 1 : a->n);
}

static void put_groups(words *w, const pn_node *n, const pn_value *weights)
{
    int64_t groups = pn_node_int(n, "group", 1);
    if (groups == 1) return;
    bool depthwise = weights->has_shape && weights->shape.ndim > 1 &&
                     weights->shape.dim[0] == groups && weights->shape.dim[1] == 1;
    if (depthwise) {
        put(w, " dw");
    } else {
        put_numbers(w, " ", &groups, 1);
        put(w, " groups");
    }
}

const char *pn_operator_text(const pn_graph *g, const pn_node *n,
                             pn_operator_detail detail, char buf[PN_OPERATOR_TEXT])
{
    words w = {.buf = buf};
    bool is_conv = n->op == PN_OP_CONV || n->op == PN_OP_CONV_TRANSPOSE;
    bool is_pool = n->op == PN_OP_MAX_POOL || n->op == PN_OP_AVERAGE_POOL;
    put(&w, n->op == PN_OP_BATCH_NORM ? "BatchNorm" : pn_op_name(n->op));
    if (detail == PN_OPERATOR_NAME || (!is_conv && !is_pool)) return buf;
    const pn_value *weights = is_conv ? &g->values[n->inputs[1]] : NULL;
    const pn_attr *window = pn_node_attr(n, "kernel_shape");
    if (weights && weights->has_shape && weights->shape.ndim > 2)
        put_numbers(&w, " ", weights->shape.dim + 2, (size_t)weights->shape.ndim - 2);
    else if (is_pool && window && window->kind == PN_ATTR_INTS)
        put_numbers(&w, " ", window->ints, window->n);
    if (detail >= PN_OPERATOR_STRIDE) put_steps(&w, "/", n, "strides");
    if (weights) put_groups(&w, n, weights);
    if (detail >= PN_OPERATOR_STRIDE) put_steps(&w, " dilated ", n, "dilations");
    return buf;
}

const char *pn_value_shape_text(const pn_value *v, char buf[PN_SHAPE_TEXT])
{
    return v->has_shape ? pn_shape_text(&v->shape, buf, PN_SHAPE_TEXT) : "?";
}
