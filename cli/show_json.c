/* A model as JSON: the table's figures, every layer, for programs. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/show.h"

/* an array that lost an element for want of memory is none */
static void append(json_t **array, json_t *item)
{
    if (json_array_append_new(*array, item) == 0) return;
    json_decref(*array);
    *array = NULL;
}

static json_t *shape_json(const pn_value *v)
{
    if (!v->has_shape) return json_null();
    json_t *j = json_array();
    for (int i = 0; i < v->shape.ndim; i++)
        append(&j, v->shape.dim[i] == PN_DIM_FREE ? json_string("N")
                                                  : json_integer(v->shape.dim[i]));
    return j;
}

static json_t *text_json(const char *text)
{
    return pn_cli_json_text(text, strlen(text));
}

static json_t *values_json(const pn_graph *g, const int *ids, int n)
{
    json_t *j = json_array();
    for (int i = 0; i < n; i++) {
        const pn_value *v = &g->values[ids[i]];
        append(&j, json_pack("{s:o, s:s, s:o}", "name", text_json(v->name), "dtype",
                             pn_dtype_name(v->dtype), "shape", shape_json(v)));
    }
    return j;
}

static json_t *layers_json(const pn_shown_model *m)
{
    json_t *j = json_array();
    for (int i = 0; i < m->g->n_nodes; i++) {
        const pn_node *n = &m->g->nodes[i];
        const pn_value *out = &m->g->values[n->outputs[0]];
        const pn_layer_cost *c = &m->costs.nodes[i];
        append(&j, json_pack("{s:o, s:s, s:o, s:I, s:I, s:I}", "tensor",
                             text_json(out->name), "operator", pn_op_name(n->op), "shape",
                             shape_json(out), "parameters", (json_int_t)c->parameters,
                             "macs", (json_int_t)c->macs, "output_bytes",
                             (json_int_t)c->output_bytes));
    }
    return j;
}

/* what the table folds: layers[first] on, `repeats` times `layers` of them */
static json_t *blocks_json(const pn_shown_model *m)
{
    json_t *j = json_array();
    for (int i = 0; i < m->fold.n; i++) {
        const pn_fold_row *r = &m->fold.rows[i];
        if (r->kind != PN_FOLD_BLOCK) continue;
        char *name = pn_fold_name(m->g, r);
        append(&j,
               json_pack("{s:o, s:i, s:i, s:i}", "name", name ? text_json(name) : NULL,
                         "first", r->first, "layers", r->length, "repeats", r->count));
        free(name);
    }
    return j;
}

static json_t *meta_json(const pn_graph *g)
{
    json_t *j = json_object();
    for (int i = 0; i < g->n_meta; i++) {
        const char *key = g->meta_keys[i];
        /* a foreign file's key may be no UTF-8: jansson has no entry for it */
        if (pn_utf8_valid(key, strlen(key)))
            json_object_set_new(j, key, text_json(g->meta_values[i]));
    }
    return j;
}

pn_status pn_show_json(const pn_shown_model *m)
{
    const pn_graph *g = m->g;
    const pn_layer_costs *c = &m->costs;
    const pn_run_memory *r = &m->run;
    json_t *run = m->o->memory
                      ? json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "kernels",
                                  pn_cpu_name(r->cpu), "batch", (json_int_t)m->o->batch,
                                  "threads", (json_int_t)m->o->threads, "weight_bytes",
                                  (json_int_t)r->weight_bytes, "scratch_bytes",
                                  (json_int_t)r->scratch_bytes, "image_bytes",
                                  (json_int_t)r->image_bytes, "total_bytes",
                                  (json_int_t)r->total_bytes)
                      : NULL;
    json_t *j = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I}, s:o*, s:o}", "kind",
        "model", "path", text_json(m->o->files.paths[0]), "inputs",
        values_json(g, g->inputs, g->n_inputs), "outputs",
        values_json(g, g->outputs, g->n_outputs), "layers", layers_json(m), "blocks",
        blocks_json(m), "totals", "parameters", (json_int_t)c->total.parameters,
        "weight_bytes", (json_int_t)c->weight_bytes, "macs", (json_int_t)c->total.macs,
        "output_bytes", (json_int_t)c->total.output_bytes, "run", run, "metadata",
        meta_json(g));
    return pn_cli_print_json(j, 1);
}
