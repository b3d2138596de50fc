/* A model as a table: what each layer makes, holds and costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/model_size.h"
#include "cli/show.h"
#include "penult/convert.h"
#include "penult/graph.h"

typedef struct layer {
    const char *op, *name;
    const pn_value *out;
    int64_t parameters, macs;
} layer;

typedef struct table {
    layer *layers;
    int n;
    int64_t parameters, macs, bytes;
} table;

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
        *bytes += (int64_t)v->size_bytes;
        n += pn_value_parameters(v);
    }
    return n;
}

static pn_status table_init(table *t, const pn_graph *g, pn_err *err)
{
    bool *seen = calloc((size_t)g->n_values + 1, sizeof(*seen));
    t->layers = calloc((size_t)g->n_nodes + 1, sizeof(*t->layers));
    if (!seen || !t->layers) {
        free(seen);
        return pn_fail(err, PN_ENOMEM, "show: out of memory");
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const pn_node *node = &g->nodes[i];
        layer *l = &t->layers[t->n++];
        l->op = pn_op_name(node->op);
        l->out = &g->values[node->outputs[0]];
        l->name = l->out->name;
        l->parameters = own_parameters(g, node, seen, &t->bytes);
        l->macs = pn_node_macs(g, node);
        t->parameters += l->parameters;
        t->macs += l->macs;
    }
    free(seen);
    return PN_OK;
}

static const char *shape_of(const pn_value *v, char buf[PN_SHAPE_TEXT])
{
    return v->has_shape ? pn_shape_text(&v->shape, buf, PN_SHAPE_TEXT) : "?";
}

static void print_layers(const table *t)
{
    char shape[PN_SHAPE_TEXT], parameters[PN_CLI_NUMBER], macs[PN_CLI_NUMBER];
    int name = 6, dims = 6;
    for (int i = 0; i < t->n; i++) {
        int n = (int)strlen(t->layers[i].name);
        int d = (int)strlen(shape_of(t->layers[i].out, shape));
        if (n > name) name = n;
        if (d > dims) dims = d;
    }
    if (name > 60) name = 60;
    printf("%-*s  %-20s  %-*s  %12s  %15s\n", name, "tensor", "operator", dims, "shape",
           "parameters", "multiply-adds");
    for (int i = 0; i < t->n; i++) {
        const layer *l = &t->layers[i];
        pn_cli_count_text(l->parameters, parameters, sizeof(parameters));
        pn_cli_count_text(l->macs, macs, sizeof(macs));
        pn_print_line(stdout, "%-*s  %-20s  %-*s  %12s  %15s", name, l->name, l->op, dims,
                      shape_of(l->out, shape), l->parameters ? parameters : "-",
                      l->macs ? macs : "-");
    }
}

static void print_meta(const pn_graph *g)
{
    for (int i = 0; i < g->n_meta; i++) {
        const char *text = g->meta_values[i];
        if (strcmp(g->meta_keys[i], PN_META_LABELS) == 0) continue;
        pn_print_line(stdout, "%s: %s", g->meta_keys[i], text);
    }
    pn_labels labels = {0};
    if (pn_labels_of_graph(&labels, g, NULL) == PN_OK && labels.n)
        pn_print_line(stdout, "%s: %zu, from \"%s\" to \"%s\"", PN_META_LABELS, labels.n,
                      labels.lines[0], labels.lines[labels.n - 1]);
    pn_labels_fini(&labels);
}

static void print_text(const pn_show_opts *o, const pn_graph *g, const table *t)
{
    char shape[PN_SHAPE_TEXT], a[PN_CLI_NUMBER], b[PN_CLI_NUMBER], c[PN_CLI_NUMBER];
    pn_print_line(stdout, "model %s: %s",
                  g->name && *g->name ? g->name : "without a name", o->path);
    for (int i = 0; i < g->n_inputs; i++)
        pn_print_line(stdout, "input %s: %s %s", g->values[g->inputs[i]].name,
                      pn_dtype_name(g->values[g->inputs[i]].dtype),
                      shape_of(&g->values[g->inputs[i]], shape));
    for (int i = 0; i < g->n_outputs; i++)
        pn_print_line(stdout, "output %s: %s %s", g->values[g->outputs[i]].name,
                      pn_dtype_name(g->values[g->outputs[i]].dtype),
                      shape_of(&g->values[g->outputs[i]], shape));
    putchar('\n');
    print_layers(t);
    printf("\ntotal: %d layers, %s parameters (%s), %s multiply-adds an image\n\n", t->n,
           pn_cli_count_text(t->parameters, a, sizeof(a)),
           pn_cli_bytes_text(t->bytes, b, sizeof(b)),
           pn_cli_count_text(t->macs, c, sizeof(c)));
    print_meta(g);
}

static json_t *shape_json(const pn_value *v)
{
    if (!v->has_shape) return json_null();
    json_t *j = json_array();
    for (int i = 0; i < v->shape.ndim; i++)
        json_array_append_new(j, v->shape.dim[i] == PN_DIM_FREE
                                     ? json_string("N")
                                     : json_integer(v->shape.dim[i]));
    return j;
}

static json_t *values_json(const pn_graph *g, const int *ids, int n)
{
    json_t *j = json_array();
    for (int i = 0; i < n; i++) {
        const pn_value *v = &g->values[ids[i]];
        json_array_append_new(j,
                              json_pack("{s:s, s:s, s:o}", "name", v->name, "dtype",
                                        pn_dtype_name(v->dtype), "shape", shape_json(v)));
    }
    return j;
}

static pn_status print_json(const pn_show_opts *o, const pn_graph *g, const table *t)
{
    json_t *layers = json_array(), *meta = json_object();
    for (int i = 0; i < t->n; i++) {
        const layer *l = &t->layers[i];
        json_array_append_new(
            layers, json_pack("{s:s, s:s, s:o, s:I, s:I}", "tensor", l->name, "operator",
                              l->op, "shape", shape_json(l->out), "parameters",
                              (json_int_t)l->parameters, "macs", (json_int_t)l->macs));
    }
    for (int i = 0; i < g->n_meta; i++)
        json_object_set_new(
            meta, g->meta_keys[i],
            pn_cli_json_text(g->meta_values[i], strlen(g->meta_values[i])));
    return pn_cli_print_json(
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I}, s:o}", "kind", "model",
                  "path", pn_cli_json_text(o->path, strlen(o->path)), "inputs",
                  values_json(g, g->inputs, g->n_inputs), "outputs",
                  values_json(g, g->outputs, g->n_outputs), "layers", layers, "totals",
                  "parameters", (json_int_t)t->parameters, "weight_bytes",
                  (json_int_t)t->bytes, "macs", (json_int_t)t->macs, "metadata", meta),
        1);
}

pn_status pn_show_model(const pn_show_opts *o, pn_err *err)
{
    pn_graph *g = NULL;
    table t = {0};
    pn_status st = pn_graph_read_onnx(&g, o->path, err);
    if (!st) st = table_init(&t, g, err);
    if (!st && o->json)
        st = print_json(o, g, &t);
    else if (!st)
        print_text(o, g, &t);
    free(t.layers);
    pn_graph_free(&g);
    return st;
}
