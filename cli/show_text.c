/* A model as a table: what each layer makes, holds and costs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/columns.h"
#include "cli/show.h"
#include "penult/convert.h"

enum { N_COLUMNS = 6, LETTERS = 26 };

/* A kind of block: those of one sequence of operators. */
typedef struct kind {
    int first, length; /* the first block of it */
} kind;

typedef struct table {
    const pn_shown_model *m;
    pn_columns *columns;
    kind *kinds; /* A, B, ... */
    int n_kinds;
    int *kind_of; /* by row */
} table;

/* "A" .. "Z", then "A1" .. "Z1", ... */
static const char *letter(int kind_at, char buf[PN_CLI_NUMBER])
{
    if (kind_at < LETTERS)
        snprintf(buf, PN_CLI_NUMBER, "%c", 'A' + kind_at);
    else
        snprintf(buf, PN_CLI_NUMBER, "%c%d", 'A' + kind_at % LETTERS, kind_at / LETTERS);
    return buf;
}

static bool same_operators(const pn_graph *g, int a, int b, int length)
{
    for (int i = 0; i < length; i++)
        if (g->nodes[a + i].op != g->nodes[b + i].op) return false;
    return true;
}

static void find_kinds(table *t)
{
    const pn_fold *f = &t->m->fold;
    for (int i = 0; i < f->n; i++) {
        const pn_fold_row *r = &f->rows[i];
        int k = 0;
        if (r->kind != PN_FOLD_BLOCK) continue;
        while (k < t->n_kinds &&
               (t->kinds[k].length != r->length ||
                !same_operators(t->m->g, t->kinds[k].first, r->first, r->length)))
            k++;
        if (k == t->n_kinds)
            t->kinds[t->n_kinds++] = (kind){.first = r->first, .length = r->length};
        t->kind_of[i] = k;
    }
}

static const char *number(int64_t n, char buf[PN_CLI_NUMBER])
{
    return n ? pn_cli_count_text(n, buf, PN_CLI_NUMBER) : "-";
}

static pn_status add_row(table *t, const char *name, const char *op, const pn_value *out,
                         const pn_layer_cost *c)
{
    char shape[PN_SHAPE_TEXT], parameters[PN_CLI_NUMBER], macs[PN_CLI_NUMBER],
        memory[PN_CLI_NUMBER];
    const char *const cells[N_COLUMNS] = {
        name,
        op,
        pn_value_shape_text(out, shape),
        number(c->parameters, parameters),
        number(c->macs, macs),
        c->output_bytes ? pn_cli_bytes_text(c->output_bytes, memory, sizeof(memory))
                        : "-"};
    return pn_columns_add(t->columns, cells);
}

/* "Conv 3x3 + BatchNormalization + Relu" */
static char *chain_text(const pn_graph *g, const pn_fold_row *r)
{
    char op[PN_OPERATOR_TEXT], *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return NULL;
    for (int i = 0; i < r->length; i++)
        fprintf(to, "%s%s", i ? " + " : "",
                pn_operator_text(g, &g->nodes[r->first + i], PN_OPERATOR_STRIDE, op));
    if (fclose(to) == 0) return text;
    free(text);
    return NULL;
}

static pn_status add_fold_row(table *t, int at)
{
    const pn_graph *g = t->m->g;
    const pn_fold_row *r = &t->m->fold.rows[at];
    char buf[PN_CLI_NUMBER], *op = NULL;
    const pn_node *last = pn_fold_last(g, r);
    char *name = pn_fold_name(g, r);
    const pn_layer_cost c =
        pn_layer_costs_sum(&t->m->costs, r->first, r->length * r->count);
    if (r->kind != PN_FOLD_BLOCK)
        op = chain_text(g, r);
    else if (asprintf(&op, "%d x %s", r->count, letter(t->kind_of[at], buf)) < 0)
        op = NULL;
    pn_status st =
        name && op ? add_row(t, name, op, &g->values[last->outputs[0]], &c) : PN_ENOMEM;
    const pn_layer_cost nothing = {0};
    for (int i = 1; !st && r->kind == PN_FOLD_LAYER && i < last->n_outputs; i++)
        if (last->outputs[i] >= 0)
            st = add_row(t, g->values[last->outputs[i]].name, "", /* Split's others */
                         &g->values[last->outputs[i]], &nothing);
    free(name);
    free(op);
    return st;
}

static pn_status print_kinds(const table *t)
{
    const pn_fold *f = &t->m->fold;
    char buf[PN_CLI_NUMBER], op[PN_OPERATOR_TEXT];
    pn_fold_row *rows = calloc((size_t)f->n + 1, sizeof(*rows));
    if (!rows) return PN_ENOMEM;
    if (f->n < t->m->g->n_nodes) putchar('\n');
    for (int k = 0; k < t->n_kinds; k++) {
        int n = 0;
        for (int i = 0; i < f->n; i++)
            if (f->rows[i].kind == PN_FOLD_BLOCK && t->kind_of[i] == k)
                rows[n++] = f->rows[i];
        printf("%s = %d %s:", letter(k, buf), t->kinds[k].length,
               t->kinds[k].length == 1 ? "layer" : "layers");
        for (int i = 0; i < t->kinds[k].length; i++)
            printf("%s %s", i ? "," : "", pn_fold_operator(t->m->g, rows, n, i, op));
        putchar('\n');
    }
    if (f->n < t->m->g->n_nodes) puts("(--all shows every layer)");
    free(rows);
    return PN_OK;
}

static pn_status print_layers(const pn_shown_model *m)
{
    static const char *const heads[N_COLUMNS] = {"tensor",     "operator",      "shape",
                                                 "parameters", "multiply-adds", "memory"};
    table t = {.m = m,
               .kinds = calloc((size_t)m->fold.n + 1, sizeof(*t.kinds)),
               .kind_of = calloc((size_t)m->fold.n + 1, sizeof(*t.kind_of))};
    pn_status st = t.kinds && t.kind_of ? PN_OK : PN_ENOMEM;
    if (!st) st = pn_columns_new(&t.columns, "lllrrr", heads);
    if (!st) find_kinds(&t);
    for (int i = 0; i < m->fold.n && !st; i++)
        st = add_fold_row(&t, i);
    if (!st) st = pn_columns_print(t.columns, stdout, pn_terminal_width());
    if (!st) st = print_kinds(&t);
    pn_columns_free(&t.columns);
    free(t.kinds);
    free(t.kind_of);
    return st;
}

static void print_values(const pn_graph *g, const char *what, const int *ids, int n)
{
    char shape[PN_SHAPE_TEXT];
    for (int i = 0; i < n; i++) {
        const pn_value *v = &g->values[ids[i]];
        pn_print_line(stdout, "%s %s: %s %s", what, v->name, pn_dtype_name(v->dtype),
                      pn_value_shape_text(v, shape));
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

static void print_totals(const pn_shown_model *m)
{
    char layers[PN_CLI_NUMBER], parameters[PN_CLI_NUMBER], weights[PN_CLI_NUMBER],
        macs[PN_CLI_NUMBER], outputs[PN_CLI_NUMBER], largest[PN_CLI_NUMBER];
    const pn_layer_costs *c = &m->costs;
    printf("\ntotal: %s layers, %s parameters (%s), %s multiply-adds an image\n",
           pn_cli_count_text(m->g->n_nodes, layers, sizeof(layers)),
           pn_cli_count_text(c->total.parameters, parameters, sizeof(parameters)),
           pn_cli_bytes_text(c->weight_bytes, weights, sizeof(weights)),
           pn_cli_count_text(c->total.macs, macs, sizeof(macs)));
    printf("memory: the layers of an image make %s, the largest %s\n",
           pn_cli_bytes_text(c->total.output_bytes, outputs, sizeof(outputs)),
           pn_cli_bytes_text(c->largest_bytes, largest, sizeof(largest)));
}

static void print_run(const pn_shown_model *m)
{
    char weights[PN_CLI_NUMBER], scratch[PN_CLI_NUMBER], image[PN_CLI_NUMBER],
        all[PN_CLI_NUMBER];
    const pn_run_memory *r = &m->run;
    printf(
        "a run with %s kernels: weights %s + %lld x (scratch %s + %lld x tensors of an "
        "image %s) = %s\n",
        pn_cpu_name(r->cpu), pn_cli_bytes_text(r->weight_bytes, weights, sizeof(weights)),
        (long long)m->o->threads,
        pn_cli_bytes_text(r->scratch_bytes, scratch, sizeof(scratch)),
        (long long)m->o->batch, pn_cli_bytes_text(r->image_bytes, image, sizeof(image)),
        pn_cli_bytes_text(r->total_bytes, all, sizeof(all)));
}

pn_status pn_show_text(const pn_shown_model *m)
{
    const pn_graph *g = m->g;
    pn_print_line(stdout, "model %s: %s",
                  g->name && *g->name ? g->name : "without a name", m->o->files.paths[0]);
    print_values(g, "input", g->inputs, g->n_inputs);
    print_values(g, "output", g->outputs, g->n_outputs);
    putchar('\n');
    pn_status st = print_layers(m);
    if (st) return st;
    print_totals(m);
    if (m->o->memory) print_run(m);
    putchar('\n');
    print_meta(g);
    return PN_OK;
}
