/* Topological order, and Identity nodes that only rename a constant. */
#include "model/graph_order.h"

#include <stdlib.h>
#include <string.h>

static bool is_sorted(const pn_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->nodes[i].n_inputs; j++) {
            int v = g->nodes[i].inputs[j];
            if (v != PN_NONE && g->values[v].producer >= i) return false;
        }
    return true;
}

void pn_graph_number_producers(pn_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->nodes[i].n_outputs; j++)
            g->values[g->nodes[i].outputs[j]].producer = i;
}

/*
 * Kahn's algorithm with the edges in arrays: for every node the number of inputs that are
 * not made yet, and the list of its readers, threaded through one array of all edges.
 */
typedef struct edges {
    int *waiting;    /* per node: inputs still to be made */
    size_t *first;   /* per node: its readers are reader[first[i]] .. first[i + 1] */
    int *reader;     /* per edge */
    int *order;      /* nodes that are done or ready, in their new order */
    pn_node *sorted; /* scratch of the final permutation */
} edges;

static pn_status edges_init(edges *e, const pn_graph *g)
{
    size_t n = (size_t)g->n_nodes, n_edges = 0;
    for (size_t i = 0; i < n; i++)
        n_edges += (size_t)g->nodes[i].n_inputs;
    e->waiting = calloc(n, sizeof(*e->waiting));
    e->first = calloc(n + 2, sizeof(*e->first));
    e->reader = calloc(n_edges + 1, sizeof(*e->reader));
    e->order = calloc(n, sizeof(*e->order));
    e->sorted = calloc(n, sizeof(*e->sorted));
    return e->waiting && e->first && e->reader && e->order && e->sorted ? PN_OK
                                                                        : PN_ENOMEM;
}

static void edges_fini(edges *e)
{
    free(e->waiting);
    free(e->first);
    free(e->reader);
    free(e->order);
    free(e->sorted);
}

/* counting sort of the edges by producer: count into [p + 2], sum, then fill by [p + 1]
 */
static void edges_fill(edges *e, const pn_graph *g)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < g->n_nodes; i++)
            for (int j = 0; j < g->nodes[i].n_inputs; j++) {
                int v = g->nodes[i].inputs[j];
                int p = v == PN_NONE ? PN_NONE : g->values[v].producer;
                if (p == PN_NONE) continue;
                if (pass == 0) {
                    e->first[p + 2]++;
                    e->waiting[i]++;
                } else {
                    e->reader[e->first[p + 1]++] = i;
                }
            }
        for (int i = 1; pass == 0 && i < g->n_nodes + 2; i++)
            e->first[i] += e->first[i - 1];
    }
}

pn_status pn_graph_sort(pn_graph *g, pn_err *err)
{
    if (is_sorted(g)) return PN_OK;
    edges e = {0};
    pn_status st = edges_init(&e, g);
    if (st) {
        pn_fail(err, st, "sort %d nodes: out of memory", g->n_nodes);
        goto done;
    }
    edges_fill(&e, g);
    int n_ready = 0;
    for (int i = 0; i < g->n_nodes; i++)
        if (e.waiting[i] == 0) e.order[n_ready++] = i;
    for (int at = 0; at < n_ready; at++) {
        int node = e.order[at];
        for (size_t k = e.first[node]; k < e.first[node + 1]; k++)
            if (--e.waiting[e.reader[k]] == 0) e.order[n_ready++] = e.reader[k];
    }
    if (n_ready < g->n_nodes) {
        int i = 0;
        while (e.waiting[i] == 0)
            i++;
        st = pn_fail(err, PN_EFORMAT,
                     "%s \"%s\": it is in or behind a cycle of %d nodes in all",
                     pn_op_name(g->nodes[i].op),
                     g->nodes[i].name[0] ? g->nodes[i].name
                                         : g->values[g->nodes[i].outputs[0]].name,
                     g->n_nodes - n_ready);
        goto done;
    }
    for (int i = 0; i < g->n_nodes; i++)
        e.sorted[i] = g->nodes[e.order[i]];
    memcpy(g->nodes, e.sorted, (size_t)g->n_nodes * sizeof(*g->nodes));
    pn_graph_number_producers(g);
done:
    edges_fini(&e);
    return st;
}

void pn_graph_fold_identities(pn_graph *g)
{
    int kept = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const pn_node *n = &g->nodes[i];
        const pn_value *from = n->op == PN_OP_IDENTITY && n->n_inputs == 1 &&
                                       n->n_outputs == 1 && n->inputs[0] != PN_NONE
                                   ? &g->values[n->inputs[0]]
                                   : NULL;
        if (from && from->data) {
            pn_value *to = &g->values[n->outputs[0]];
            const char *name = to->name;
            *to = *from;
            to->name = name;
            to->producer = PN_NONE;
        } else {
            g->nodes[kept++] = *n;
        }
    }
    g->n_nodes = kept;
    pn_graph_number_producers(g);
}
