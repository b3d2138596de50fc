/* After the inference: nodes that only computed on shapes leave the graph, and of those
 * we have no code for, the ones that an output needs are told, all of them. */
#include "model/fold.h"

#include <stdio.h>
#include <stdlib.h>

#include "model/graph_order.h"

static bool is_known(const pn_graph *g, const pn_fold *f, const pn_node *n)
{
    pn_known k;
    bool known = n->n_outputs > 0;
    for (int i = 0; i < n->n_outputs; i++)
        known &= pn_fold_get(f, g, n->outputs[i], &k);
    return known;
}

/* it was made a constant, or cannot be computed and need not be */
static bool goes(const pn_graph *g, const pn_fold *f, const pn_node *n, bool needed,
                 bool is_refused)
{
    bool all_const = n->n_outputs > 0, all_shaped = true;
    for (int i = 0; i < n->n_outputs; i++) {
        all_const &= g->values[n->outputs[i]].data != NULL;
        all_shaped &= g->values[n->outputs[i]].has_shape;
    }
    return all_const || (!needed && (is_refused || !all_shaped || pn_fold_only(n->op) ||
                                     is_known(g, f, n)));
}

static void mark_needed(const pn_graph *g, bool *needed)
{
    for (int i = 0; i < g->n_outputs; i++)
        needed[g->outputs[i]] = true;
    for (int i = 0; i < g->n_values && !g->n_outputs; i++)
        needed[i] = true; /* a graph under construction: all of it counts */
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const pn_node *n = &g->nodes[i];
        bool is_needed = false;
        for (int k = 0; k < n->n_outputs; k++)
            is_needed |= needed[n->outputs[k]] && !g->values[n->outputs[k]].data;
        for (int k = 0; is_needed && k < n->n_inputs; k++)
            if (n->inputs[k] != PN_NONE) needed[n->inputs[k]] = true;
    }
}

/* values: ids, PN_NONE for what is left out */
static bool any_marked(const int *values, int n, const bool *marks)
{
    for (int i = 0; i < n; i++)
        if (values[i] != PN_NONE && marks[values[i]]) return true;
    return false;
}

static pn_status tell(const pn_graph *g, const pn_fold *f, const bool *needed,
                      char *const *refused, pn_err *err)
{
    char *list = NULL;
    size_t size = 0;
    int n_refused = 0;
    FILE *text = open_memstream(&list, &size);
    if (!text) return PN_ENOMEM;
    for (int i = 0; i < g->n_nodes; i++) {
        const pn_node *n = &g->nodes[i];
        const char *why = refused[i];
        if (!why && pn_fold_only(n->op) && n->n_outputs > 0 && !is_known(g, f, n) &&
            g->values[n->outputs[0]].has_shape)
            why = "computes on data: it is supported on shapes and constants alone";
        if (!why || !any_marked(n->outputs, n->n_outputs, needed)) continue;
        fprintf(text, "%s%s \"%s\" (%s)", n_refused++ ? ", " : "", pn_op_name(n->op),
                n->name[0] || !n->n_outputs ? n->name : g->values[n->outputs[0]].name,
                why);
    }
    pn_status st = fclose(text) == 0 ? PN_OK : PN_ENOMEM;
    if (!st && n_refused)
        st = pn_fail(err, PN_EUNSUPPORTED, "%d node%s not supported: %s", n_refused,
                     n_refused > 1 ? "s are" : " is", list);
    for (int i = 0; !st && i < g->n_outputs; i++) {
        const pn_value *v = &g->values[g->outputs[i]];
        pn_known k;
        if (!v->data && pn_fold_get(f, g, g->outputs[i], &k))
            st = pn_fail(err, PN_EUNSUPPORTED,
                         "output \"%s\" is the size of the batch, not a result of it",
                         v->name);
    }
    free(list);
    return st;
}

pn_status pn_graph_sweep(pn_graph *g, const pn_fold *f, char *const *refused, pn_err *err)
{
    /* two flags a value: an output needs it; its node is gone, and it is no constant */
    const size_t n_values = (size_t)g->n_values + 1;
    bool *needed = calloc(2 * n_values, sizeof(*needed));
    if (!needed) return PN_ENOMEM;
    bool *swept = needed + n_values;
    mark_needed(g, needed);
    pn_status st = tell(g, f, needed, refused, err);
    int kept = 0;
    for (int i = 0; !st && i < g->n_nodes; i++) {
        const pn_node *n = &g->nodes[i];
        const bool is_needed = any_marked(n->outputs, n->n_outputs, needed);
        if (!any_marked(n->inputs, n->n_inputs, swept) &&
            !goes(g, f, n, is_needed, refused[i])) {
            g->nodes[kept++] = *n;
            continue;
        }
        for (int k = 0; k < n->n_outputs; k++) {
            pn_value *v = &g->values[n->outputs[k]];
            v->producer = PN_NONE;
            v->has_shape = v->data != NULL;
            swept[n->outputs[k]] = v->data == NULL;
        }
    }
    if (!st) g->n_nodes = kept;
    if (!st) pn_graph_number_producers(g);
    free(needed);
    return st;
}
