/* A layer's share of a batch. The first thread of a team is watched, and it does its
 * share of each layer: so shares are its own, and milliseconds are shares of the whole
 * batch, which any number of threads makes add up. */
#include "cli/bench_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/command.h"
#include "cli/layers.h"

enum { N_COLUMNS = 6 };

pn_status pn_bench_profile_take(pn_bench_profile *p, const pn_exec *x)
{
    p->n = pn_exec_layer_times(x, 0, NULL, 0);
    p->layers = calloc((size_t)p->n + 1, sizeof(*p->layers));
    if (!p->layers) return PN_ENOMEM;
    pn_exec_layer_times(x, 0, p->layers, p->n);
    for (int i = 0; i < p->n; i++)
        p->busy_s += p->layers[i].busy_s;
    return PN_OK;
}

void pn_bench_profile_fini(pn_bench_profile *p)
{
    free(p->layers);
    p->layers = NULL;
}

static double share_of(const pn_bench_profile *p, int at)
{
    return p->busy_s > 0 ? p->layers[at].busy_s / p->busy_s : 0;
}

static int64_t macs_of(const pn_bench_profile *p, int at)
{
    int node = p->layers[at].node;
    return node >= 0 ? pn_node_macs(p->g, &p->g->nodes[node]) : 0;
}

/* two operations a multiply-add, whatever the algorithm saves of them */
static double gflop_per_s(const pn_bench_profile *p, int at)
{
    double ms = share_of(p, at) * p->batch_ms;
    return ms > 0 ? 2e-6 * (double)macs_of(p, at) * p->batch / ms : 0;
}

static pn_status print_json(const pn_bench_profile *p)
{
    pn_status st = PN_OK;
    for (int i = 0; i < p->n && !st; i++) {
        const pn_layer_time *l = &p->layers[i];
        json_t *shape = json_array();
        for (int d = 0; d < l->shape.ndim; d++)
            json_array_append_new(shape, json_integer(l->shape.dim[d]));
        st = pn_cli_print_json(
            json_pack("{s:i, s:o, s:s, s:o, s:I, s:f, s:f, s:f}", "layer", i, "name",
                      pn_cli_json_text(l->name, strlen(l->name)), "operator", l->op,
                      "shape", shape, "macs", (json_int_t)macs_of(p, i), "ms",
                      share_of(p, i) * p->batch_ms, "share", share_of(p, i),
                      "gflop_per_s", gflop_per_s(p, i)),
            0);
    }
    return st;
}

static pn_status add_row(const pn_bench_profile *p, int at, pn_columns *c)
{
    const pn_layer_time *l = &p->layers[at];
    char op[PN_OPERATOR_TEXT], shape[PN_SHAPE_TEXT], ms[PN_CLI_NUMBER],
        share[PN_CLI_NUMBER], speed[PN_CLI_NUMBER] = "-";
    const double gflop = gflop_per_s(p, at);
    snprintf(ms, sizeof(ms), "%.3f", share_of(p, at) * p->batch_ms);
    snprintf(share, sizeof(share), "%.1f %%", share_of(p, at) * 100);
    if (gflop > 0) snprintf(speed, sizeof(speed), "%.1f", gflop);
    const char *const cells[N_COLUMNS] = {
        l->name,
        l->node < 0
            ? l->op
            : pn_operator_text(p->g, &p->g->nodes[l->node], PN_OPERATOR_STRIDE, op),
        pn_shape_text(&l->shape, shape, sizeof(shape)),
        ms,
        share,
        speed};
    return pn_columns_add(c, cells);
}

static pn_status print_table(const pn_bench_profile *p)
{
    static const char *const heads[N_COLUMNS] = {"layer", "operator", "shape",
                                                 "ms",    "share",    "GFLOP/s"};
    pn_columns *c = NULL;
    pn_status st = pn_columns_new(&c, "lllrrr", heads);
    for (int i = 0; i < p->n && !st; i++)
        st = add_row(p, i, c);
    if (!st) st = pn_columns_print(c, stdout, pn_terminal_width());
    pn_columns_free(&c);
    if (!st) printf("\n%d layers, a batch of %d: %.3f ms\n", p->n, p->batch, p->batch_ms);
    return st;
}

pn_status pn_bench_profile_print(const pn_bench_profile *p, bool json)
{
    return json ? print_json(p) : print_table(p);
}
