/* A model in Graphviz' language: a box a row of the fold, an edge a tensor with its
 * shape. Weights are no boxes: what a layer holds is in its label. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "cli/show.h"

enum { NAME_COLUMNS = 60, LINE_COLUMNS = 48 };

typedef struct look {
    const char *fill, *line;
} look;

static const look look_conv = {"#cfe2ff", "#3b6fb6"}, look_dense = {"#d9d2f3", "#6a52b3"},
                  look_norm = {"#fdf0c8", "#b08a1e"}, look_act = {"#fbdcd0", "#c0623a"},
                  look_pool = {"#d3efd8", "#3d8b4f"}, look_join = {"#ffd9ea", "#b5447c"},
                  look_other = {"#ececec", "#777777"},
                  look_block = {"#e6eef8", "#1f3f6f"};

/* what a network is read by: where it mixes, where it shrinks, where paths meet */
static const look *look_of(pn_op op)
{
    switch (op) {
    case PN_OP_CONV:
    case PN_OP_CONV_TRANSPOSE:
        return &look_conv;
    case PN_OP_GEMM:
    case PN_OP_MATMUL:
        return &look_dense;
    case PN_OP_BATCH_NORM:
    case PN_OP_INSTANCE_NORM:
    case PN_OP_LAYER_NORM:
    case PN_OP_LRN:
        return &look_norm;
    case PN_OP_AVERAGE_POOL:
    case PN_OP_MAX_POOL:
    case PN_OP_GLOBAL_AVERAGE_POOL:
    case PN_OP_GLOBAL_MAX_POOL:
        return &look_pool;
    case PN_OP_ADD:
    case PN_OP_SUB:
    case PN_OP_MUL:
    case PN_OP_DIV:
    case PN_OP_SUM:
    case PN_OP_CONCAT:
    case PN_OP_MAX:
    case PN_OP_MIN:
        return &look_join;
    case PN_OP_CLIP:
    case PN_OP_ELU:
    case PN_OP_GELU:
    case PN_OP_HARD_SIGMOID:
    case PN_OP_HARD_SWISH:
    case PN_OP_LEAKY_RELU:
    case PN_OP_LOG_SOFTMAX:
    case PN_OP_PRELU:
    case PN_OP_RELU:
    case PN_OP_SELU:
    case PN_OP_SIGMOID:
    case PN_OP_SOFTMAX:
    case PN_OP_SOFTPLUS:
    case PN_OP_SOFTSIGN:
    case PN_OP_TANH:
        return &look_act;
    default:
        return &look_other;
    }
}

/* Inside a quoted string: Graphviz ends it at a quote, gives meaning to what follows a
 * backslash, and reads "&lt;" as one character. */
static void put_escaped(FILE *to, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t left = strlen(text), n; left; p += n, left -= n) {
        n = pn_utf8_printable(p, left);
        if (n == 0) {
            fprintf(to, "\\\\x%02x", *p);
            n = 1;
        } else if (*p == '"' || *p == '\\') {
            fprintf(to, "\\%c", *p);
        } else if (*p == '&') {
            fputs("&amp;", to);
        } else {
            fwrite(p, 1, n, to);
        }
    }
}

static pn_status put_name(FILE *to, const char *name)
{
    char *shown = pn_text_shorten(name, NAME_COLUMNS);
    if (!shown) return PN_ENOMEM;
    put_escaped(to, shown);
    free(shown);
    return PN_OK;
}

/* "FIRST .. LAST" on two lines where one is too long */
static pn_status put_range(FILE *to, char *name)
{
    char *between = strstr(name, " .. ");
    if (!between || pn_text_columns(name) <= LINE_COLUMNS) return put_name(to, name);
    *between = '\0';
    pn_status st = put_name(to, name);
    fputs(" ..\\n", to);
    return st ? st : put_name(to, between + strlen(" .. "));
}

static void put_cost(FILE *to, const pn_layer_cost *c)
{
    char parameters[PN_CLI_NUMBER], macs[PN_CLI_NUMBER];
    if (c->parameters)
        fprintf(to, "\\n%s parameters",
                pn_cli_count_text(c->parameters, parameters, sizeof(parameters)));
    if (c->macs)
        fprintf(to, "%s%s MACs", c->parameters ? ", " : "\\n",
                pn_cli_count_text(c->macs, macs, sizeof(macs)));
}

/* "35 x 10 layers:" and their operators, three a line */
static void put_block(FILE *to, const pn_shown_model *m, const pn_fold_row *r)
{
    char op[PN_OPERATOR_TEXT];
    enum { A_LINE = 3, MOST = 24 };
    fprintf(to, "\\n%d x %d layers", r->count, r->length);
    for (int i = 0; i < r->length && i < MOST; i++)
        fprintf(to, "%s%s", i % A_LINE ? ", " : "\\n",
                pn_fold_operator(m->g, r, 1, i, op));
    if (r->length > MOST) fputs(", ...", to);
}

static pn_status put_row(FILE *to, const pn_shown_model *m, int at)
{
    const pn_fold_row *r = &m->fold.rows[at];
    char op[PN_OPERATOR_TEXT];
    bool is_block = r->kind == PN_FOLD_BLOCK;
    const look *l = is_block ? &look_block : look_of(m->g->nodes[r->first].op);
    const pn_layer_cost c = pn_layer_costs_sum(&m->costs, r->first, r->length * r->count);
    char *name = pn_fold_name(m->g, r);
    if (!name) return PN_ENOMEM;
    fprintf(to, "  n%d [label=\"", at);
    pn_status st = is_block ? put_range(to, name) : put_name(to, name);
    free(name);
    if (is_block)
        put_block(to, m, r);
    else
        for (int i = 0; i < r->length; i++)
            fprintf(to, "%s%s", i ? " + " : "\\n",
                    pn_operator_text(m->g, &m->g->nodes[r->first + i], PN_OPERATOR_STRIDE,
                                     op));
    put_cost(to, &c);
    fprintf(to, "\", fillcolor=\"%s\", color=\"%s\"%s];\n", l->fill, l->line,
            r->count > 1 ? ", peripheries=2" : "");
    return st;
}

static pn_status put_end(FILE *to, const pn_graph *g, char kind, int at, int value)
{
    const char *features = pn_graph_meta(g, PN_META_FEATURES);
    const pn_value *v = &g->values[value];
    fprintf(to, "  %c%d [shape=ellipse, label=\"%s ", kind, at,
            kind == 'i' ? "input" : "output");
    pn_status st = put_name(to, v->name);
    if (kind == 'o' && features && strcmp(features, v->name) == 0)
        fputs("\\nfeatures", to);
    fputs("\", fillcolor=\"#ffffff\", color=\"#333333\"];\n", to);
    return st;
}

/* ---- edges ---- */

typedef struct edges {
    FILE *to;
    const pn_graph *g;
    int *row_of;   /* by node */
    int *input_of; /* by value: the number of the input that it is, or -1 */
    int *drawn_to; /* by value: the row that has an edge from it already, or -1 */
} edges;

static bool put_source(const edges *e, int value)
{
    const pn_value *v = &e->g->values[value];
    if (v->producer >= 0)
        fprintf(e->to, "  n%d -> ", e->row_of[v->producer]);
    else if (e->input_of[value] >= 0)
        fprintf(e->to, "  i%d -> ", e->input_of[value]);
    return v->producer >= 0 || e->input_of[value] >= 0;
}

static void put_edge(edges *e, int value, char kind, int target)
{
    char shape[PN_SHAPE_TEXT];
    const pn_value *v = &e->g->values[value];
    if (put_source(e, value))
        fprintf(e->to, "%c%d [label=\"%s\"];\n", kind, target,
                pn_value_shape_text(v, shape));
}

static void put_row_edges(edges *e, const pn_fold_row *r, int at)
{
    for (int i = 0; i < r->length * r->count; i++) {
        const pn_node *n = &e->g->nodes[r->first + i];
        for (int k = 0; k < n->n_inputs; k++) {
            int value = n->inputs[k];
            if (value < 0 || e->drawn_to[value] == at) continue;
            int from = e->g->values[value].producer;
            if (from >= 0 && e->row_of[from] == at) continue;
            e->drawn_to[value] = at;
            put_edge(e, value, 'n', at);
        }
    }
}

static pn_status put_edges(FILE *to, const pn_shown_model *m)
{
    const pn_graph *g = m->g;
    size_t n_values = (size_t)g->n_values + 1;
    edges e = {.to = to,
               .g = g,
               .row_of = calloc((size_t)g->n_nodes + 1, sizeof(int)),
               .input_of = malloc(n_values * sizeof(int)),
               .drawn_to = malloc(n_values * sizeof(int))};
    bool is_there = e.row_of && e.input_of && e.drawn_to;
    for (int i = 0; is_there && i < g->n_values; i++)
        e.input_of[i] = e.drawn_to[i] = -1;
    for (int i = 0; is_there && i < g->n_inputs; i++)
        e.input_of[g->inputs[i]] = i;
    for (int i = 0; is_there && i < m->fold.n; i++) {
        const pn_fold_row *r = &m->fold.rows[i];
        for (int k = 0; k < r->length * r->count; k++)
            e.row_of[r->first + k] = i;
    }
    for (int i = 0; is_there && i < m->fold.n; i++)
        put_row_edges(&e, &m->fold.rows[i], i);
    for (int i = 0; is_there && i < g->n_outputs; i++)
        put_edge(&e, g->outputs[i], 'o', i);
    free(e.row_of);
    free(e.input_of);
    free(e.drawn_to);
    return is_there ? PN_OK : PN_ENOMEM;
}

pn_status pn_show_dot(const pn_shown_model *m, FILE *to)
{
    const pn_graph *g = m->g;
    const char *slash = strrchr(m->o->files.paths[0], '/');
    pn_status st;
    fputs("digraph model {\n  graph [label=\"", to);
    st = put_name(to, slash ? slash + 1 : m->o->files.paths[0]);
    put_cost(to, &m->costs.total);
    fputs("\\n \", labelloc=t, fontname=\"Helvetica\", fontsize=16, "
          "ranksep=0.3, nodesep=0.25];\n"
          "  node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\", "
          "fontsize=11, margin=\"0.15,0.06\", height=0.3];\n"
          "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\", "
          "fontcolor=\"#555555\", arrowsize=0.6];\n",
          to);
    for (int i = 0; i < g->n_inputs && !st; i++)
        st = put_end(to, g, 'i', i, g->inputs[i]);
    for (int i = 0; i < m->fold.n && !st; i++)
        st = put_row(to, m, i);
    for (int i = 0; i < g->n_outputs && !st; i++)
        st = put_end(to, g, 'o', i, g->outputs[i]);
    if (!st) st = put_edges(to, m);
    if (!st) fputs("}\n", to);
    return st;
}
