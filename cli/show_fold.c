/* What repeats is said once. Which stretches repeat is model/blocks.c's to find; here it
 * is decided how much of it a reader wants folded. */
#include "cli/show_fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/blocks.h"

enum {
    LEAST_LENGTH = 7, /* two convolutions with what follows each are no unit yet */
    LEAST_COUNT = 16, /* but whatever repeats so often is worth a row */
    MAX_CHAIN = 6,    /* what a row and a label can name */
    MAX_LENGTH = 256, /* the largest units known, NASNet's cells, have some 100 nodes */
    MAX_SCOPE = 256,
    MOST_COMPARED = 64,
};

typedef struct folder {
    const pn_graph *g;
    /* by node: > 0 where a block row begins, its length; else 0 */
    int *lengths, *counts;
    bool *is_taken; /* the node is in a block row */
    bool *joins;    /* the node goes into the chain of the one before */
    bool chains;
} folder;

/* ---- chains ---- */

static bool goes_with_maker(pn_op op)
{
    switch (op) {
    case PN_OP_BATCH_NORM:
    case PN_OP_LAYER_NORM:
    case PN_OP_RELU:
    case PN_OP_CLIP:
    case PN_OP_LEAKY_RELU:
    case PN_OP_PRELU:
    case PN_OP_ELU:
    case PN_OP_GELU:
    case PN_OP_SELU:
    case PN_OP_SIGMOID:
    case PN_OP_HARD_SIGMOID:
    case PN_OP_HARD_SWISH:
    case PN_OP_TANH:
    case PN_OP_SOFTPLUS:
    case PN_OP_SOFTSIGN:
    case PN_OP_DROPOUT:
    case PN_OP_IDENTITY:
        return true;
    default:
        return false;
    }
}

/* a tensor that has a reader elsewhere, or is an output, must stay to be seen */
static pn_status find_chains(folder *f)
{
    const pn_graph *g = f->g;
    int *readers = calloc((size_t)g->n_values + 1, sizeof(*readers));
    if (!readers) return PN_ENOMEM;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++)
            if (g->nodes[i].inputs[k] >= 0) readers[g->nodes[i].inputs[k]]++;
    for (int i = 0; i < g->n_outputs; i++)
        readers[g->outputs[i]]++;
    for (int i = 1; i < g->n_nodes; i++) {
        const pn_node *n = &g->nodes[i], *before = &g->nodes[i - 1];
        f->joins[i] = goes_with_maker(n->op) && before->n_outputs == 1 &&
                      n->inputs[0] == before->outputs[0] && readers[n->inputs[0]] == 1;
    }
    free(readers);
    return PN_OK;
}

/* ---- blocks ---- */

static void take(folder *f, int first, int length, int count)
{
    f->lengths[first] = length;
    f->counts[first] = count;
    memset(f->is_taken + first, true, (size_t)length * (size_t)count);
}

/* Nodes by which a run can move so that its blocks begin with a chain, not inside of one:
 * where all cuts are equal, "Conv BatchNormalization Relu" is what a person sees. */
static int to_chain_begin(const folder *f, const int *kinds, const pn_block_run *r)
{
    for (int i = 0; i < r->length; i++) {
        int next = r->first + r->length * r->count + i;
        if (!f->joins[r->first + i]) return i;
        if (next >= f->g->n_nodes || f->is_taken[next] ||
            kinds[next] != kinds[r->first + i])
            break;
    }
    return 0;
}

static pn_status find_runs(folder *f, pn_likeness likeness, int max_length)
{
    int *kinds = NULL, next = 0;
    pn_block_runs runs = {0};
    pn_status st = pn_block_kinds(&kinds, f->g, likeness);
    for (int i = 0; !st && i < f->g->n_nodes; i++)
        if (kinds[i] >= next) next = kinds[i] + 1;
    /* what is folded already is like nothing */
    for (int i = 0; !st && i < f->g->n_nodes; i++)
        if (f->is_taken[i]) kinds[i] = next++;
    if (!st) st = pn_block_runs_find(&runs, f->g, kinds, max_length);
    for (int i = 0; !st && i < runs.n; i++) {
        const pn_block_run *r = &runs.items[i];
        if (r->length < LEAST_LENGTH && r->count < LEAST_COUNT) continue;
        int shift = to_chain_begin(f, kinds, r);
        take(f, r->first + shift, r->length, r->count);
    }
    pn_block_runs_fini(&runs);
    free(kinds);
    return st;
}

/* nodes before a and before b that are alike, none of them folded */
static int alike_before(const folder *f, const int *kinds, int a, int b)
{
    int n = 0;
    while (n < a && n < b && n < MAX_LENGTH && !f->is_taken[a - 1 - n] &&
           !f->is_taken[b - 1 - n] && kinds[a - 1 - n] == kinds[b - 1 - n])
        n++;
    return n;
}

/* The unit before a run of units is often one that differs from them, with a stride and a
 * projection: no neighbour is like it, but one before another run is. */
static pn_status find_lone(folder *f)
{
    int *kinds = NULL, n = 0;
    int *ends = calloc((size_t)f->g->n_nodes + 1, 2 * sizeof(*ends));
    if (!ends) return PN_ENOMEM;
    int *lengths = ends + f->g->n_nodes + 1;
    pn_status st = pn_block_kinds(&kinds, f->g, PN_ALIKE_KIND);
    for (int i = 0; !st && i < f->g->n_nodes; i++)
        if (f->lengths[i]) ends[n++] = i;
    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n && k <= i + MOST_COMPARED; k++) {
            int alike = alike_before(f, kinds, ends[i], ends[k]);
            if (alike > lengths[i]) lengths[i] = alike;
            if (alike > lengths[k]) lengths[k] = alike;
        }
    /* a piece of a unit is none: what goes before a run is about as long as its blocks */
    for (int i = 0; i < n; i++)
        if (lengths[i] >= LEAST_LENGTH && 4 * lengths[i] >= 3 * f->lengths[ends[i]])
            take(f, ends[i] - lengths[i], lengths[i], 1);
    free(kinds);
    free(ends);
    return st;
}

static bool is_like(const folder *f, const int *kinds, int a, int b, int length)
{
    if (a < 0 || b < 0 || a + length > f->g->n_nodes || b + length > f->g->n_nodes)
        return false;
    for (int i = 0; i < length; i++)
        if (kinds[a + i] != kinds[b + i]) return false;
    return true;
}

static bool is_free(const folder *f, int first, int length)
{
    return !memchr(f->is_taken + first, true, (size_t)length);
}

/* Beside a run of equal units stand others of the kind with other channels. */
static pn_status find_beside(folder *f)
{
    int *kinds = NULL;
    pn_status st = pn_block_kinds(&kinds, f->g, PN_ALIKE_KIND);
    for (int i = 0; !st && i < f->g->n_nodes; i++) {
        int length = f->lengths[i], before = i - length;
        int behind = i + length * f->counts[i];
        if (!length) continue;
        for (; is_like(f, kinds, before, i, length) && is_free(f, before, length);
             before -= length)
            take(f, before, length, 1);
        if (is_like(f, kinds, behind, i, length) && is_free(f, behind, length))
            take(f, behind, length, 1); /* whose own turn comes */
    }
    free(kinds);
    return st;
}

/* ---- rows ---- */

static int chain_length(const folder *f, int first)
{
    int n = 1;
    while (f->chains && n < MAX_CHAIN && first + n < f->g->n_nodes &&
           f->joins[first + n] && !f->is_taken[first + n])
        n++;
    return n;
}

static void make_rows(const folder *f, pn_fold *out)
{
    out->n = 0;
    for (int i = 0; i < f->g->n_nodes;) {
        pn_fold_row *r = &out->rows[out->n++];
        *r = (pn_fold_row){.first = i, .length = f->lengths[i], .count = 1};
        if (r->length) {
            r->kind = PN_FOLD_BLOCK;
            r->count = f->counts[i];
        } else {
            r->length = chain_length(f, i);
            r->kind = r->length > 1 ? PN_FOLD_CHAIN : PN_FOLD_LAYER;
        }
        i += r->length * r->count;
    }
}

/* Each step hides more than the one before. Small units first: two fire modules with a
 * pooling between them, twice, are no unit. */
static pn_status step(folder *f, int at)
{
    switch (at) {
    case 0:
        return find_runs(f, PN_ALIKE_EQUAL, MAX_LENGTH);
    case 1:
        return find_lone(f);
    case 2:
        f->chains = true;
        return PN_OK;
    case 3:
        return find_beside(f);
    default:
        return find_runs(f, PN_ALIKE_KIND, 1 << at);
    }
}
enum { N_STEPS = 9 }; /* the last looks for MAX_LENGTH */

static pn_status fold(folder *f, pn_fold_how how, pn_fold *out)
{
    pn_status st = find_chains(f);
    f->chains = how == PN_FOLD_PICTURE;
    make_rows(f, out);
    for (int i = 0; !st && how != PN_FOLD_NOTHING && i < N_STEPS; i++) {
        if (out->n <= PN_SCREEN_ROWS) break;
        st = step(f, i);
        make_rows(f, out);
    }
    return st;
}

pn_status pn_fold_init(pn_fold *out, const pn_graph *g, pn_fold_how how)
{
    size_t n = (size_t)g->n_nodes + 1;
    folder f = {.g = g,
                .lengths = calloc(n, sizeof(*f.lengths)),
                .counts = calloc(n, sizeof(*f.counts)),
                .is_taken = calloc(n, sizeof(*f.is_taken)),
                .joins = calloc(n, sizeof(*f.joins))};
    pn_fold made = {.rows = calloc(n, sizeof(*made.rows))};
    pn_status st = PN_ENOMEM;
    if (f.lengths && f.counts && f.is_taken && f.joins && made.rows)
        st = fold(&f, how, &made);
    free(f.lengths);
    free(f.counts);
    free(f.is_taken);
    free(f.joins);
    if (st)
        free(made.rows);
    else
        *out = made;
    return st;
}

void pn_fold_fini(pn_fold *f)
{
    free(f->rows);
    *f = (pn_fold){0};
}

/* ---- names ---- */

static const char *name_of(const pn_graph *g, int node)
{
    return g->values[g->nodes[node].outputs[0]].name;
}

/* Bytes of the longest beginning of the first name, up to a separator, that two of three
 * names share: MXNet gives additions and activations numbers instead of their unit's
 * name. 0 if there is none. */
static size_t common_scope(const pn_graph *g, int first, int length)
{
    const char *name = name_of(g, first);
    for (size_t size = strnlen(name, MAX_SCOPE); size-- > 1;) {
        int n = 0;
        if (!strchr("_/.:", name[size]) || strchr("_/.:", name[size - 1])) continue;
        for (int i = 0; i < length; i++)
            n += strncmp(name_of(g, first + i), name, size + 1) == 0;
        if (n > 1 && 3 * n >= 2 * length) return size;
    }
    return 0;
}

const pn_node *pn_fold_last(const pn_graph *g, const pn_fold_row *row)
{
    return &g->nodes[row->first + row->length * row->count - 1];
}

static bool is_common(const pn_graph *g, const pn_fold_row *r, int at,
                      pn_operator_detail detail, const char *text)
{
    char other[PN_OPERATOR_TEXT];
    for (int b = 0; b < r->count; b++) {
        const pn_node *n = &g->nodes[r->first + b * r->length + at];
        if (strcmp(pn_operator_text(g, n, detail, other), text) != 0) return false;
    }
    return true;
}

const char *pn_fold_operator(const pn_graph *g, const pn_fold_row *rows, int n, int at,
                             char buf[PN_OPERATOR_TEXT])
{
    for (int detail = PN_N_OPERATOR_DETAILS - 1; detail >= 0; detail--) {
        int like = 0;
        pn_operator_text(g, &g->nodes[rows[0].first + at], (pn_operator_detail)detail,
                         buf);
        while (like < n && is_common(g, &rows[like], at, (pn_operator_detail)detail, buf))
            like++;
        if (like == n) break;
    }
    return buf;
}

char *pn_fold_name(const pn_graph *g, const pn_fold_row *row)
{
    char *text = NULL;
    int last = row->first + row->length * (row->count - 1);
    int end = last + row->length - 1;
    if (row->kind != PN_FOLD_BLOCK) return strdup(name_of(g, end));
    const char *a = name_of(g, row->first), *b = name_of(g, last);
    size_t n_a = common_scope(g, row->first, row->length);
    size_t n_b = common_scope(g, last, row->length);
    bool is_same = n_a == n_b && strncmp(a, b, n_a) == 0;
    bool goes_on = end + 1 < g->n_nodes && strncmp(name_of(g, end + 1), a, n_a) == 0;
    int n;
    if (n_a && row->count == 1 && !goes_on)
        n = asprintf(&text, "%.*s", (int)n_a, a);
    else if (n_a && n_b && !is_same)
        n = asprintf(&text, "%.*s .. %.*s", (int)n_a, a, (int)n_b, b);
    else
        n = asprintf(&text, "%s .. %s", a, name_of(g, end));
    return n < 0 ? NULL : text;
}
