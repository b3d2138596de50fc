/* Stretches that repeat, found by comparing the sequence of nodes with itself shifted by
 * every length. Exact and quadratic only in the longest block; a suffix tree would be
 * linear, and ten times the code. */
#include "model/blocks.h"

#include <stdlib.h>
#include <string.h>

/* What a value is to the node that reads it: a constant by its type and size, anything
 * else by the distance to where it is made; the graph's inputs come from node -1. */
static bool const_alike(const pn_value *a, const pn_value *b, pn_likeness likeness)
{
    if (a->dtype != b->dtype || a->shape.ndim != b->shape.ndim) return false;
    if (likeness == PN_ALIKE_KIND) return true;
    if (!pn_shape_equal(&a->shape, &b->shape)) return false;
    /* integers and single numbers are settings, not weights */
    bool is_setting =
        a->dtype == PN_I64 || a->dtype == PN_I32 || pn_shape_count(&a->shape) == 1;
    return !is_setting || a->size_bytes != b->size_bytes ||
           memcmp(a->data, b->data, a->size_bytes) == 0;
}

static bool inputs_alike(const pn_graph *g, int i, int k, pn_likeness likeness)
{
    const pn_node *a = &g->nodes[i], *b = &g->nodes[k];
    for (int n = 0; n < a->n_inputs; n++) {
        int x = a->inputs[n], y = b->inputs[n];
        if (x == PN_NONE || y == PN_NONE) {
            if (x != y) return false;
            continue;
        }
        const pn_value *v = &g->values[x], *w = &g->values[y];
        if (!v->data != !w->data) return false;
        if (v->data) {
            if (!const_alike(v, w, likeness)) return false;
        } else if (v->producer == PN_NONE && w->producer == PN_NONE) {
            if (x != y) return false;
        } else if (i - v->producer != k - w->producer) {
            return false;
        }
    }
    return true;
}

static bool attrs_alike(const pn_attr *a, const pn_attr *b, pn_likeness likeness)
{
    if (a->kind != b->kind || a->n != b->n || strcmp(a->name, b->name) != 0) return false;
    if (likeness == PN_ALIKE_KIND) return true;
    switch (a->kind) {
    case PN_ATTR_INT:
        return a->i == b->i;
    case PN_ATTR_FLOAT:
        return memcmp(&a->f, &b->f, sizeof(a->f)) == 0;
    case PN_ATTR_STRING:
        return strcmp(a->s, b->s) == 0;
    case PN_ATTR_INTS:
        return a->n == 0 || memcmp(a->ints, b->ints, a->n * sizeof(*a->ints)) == 0;
    default:
        return a->n == 0 || memcmp(a->floats, b->floats, a->n * sizeof(*a->floats)) == 0;
    }
}

static bool nodes_alike(const pn_graph *g, int i, int k, pn_likeness likeness)
{
    const pn_node *a = &g->nodes[i], *b = &g->nodes[k];
    if (a->op != b->op || a->n_inputs != b->n_inputs || a->n_outputs != b->n_outputs ||
        a->n_attrs != b->n_attrs)
        return false;
    for (int n = 0; n < a->n_attrs; n++)
        if (!attrs_alike(&a->attrs[n], &b->attrs[n], likeness)) return false;
    for (int n = 0; likeness == PN_ALIKE_EQUAL && n < a->n_outputs; n++)
        if (!pn_shape_equal(&g->values[a->outputs[n]].shape,
                            &g->values[b->outputs[n]].shape))
            return false;
    return inputs_alike(g, i, k, likeness);
}

/* of what nodes_alike() compares in either likeness */
static uint64_t hash_node(const pn_graph *g, int i)
{
    const pn_node *n = &g->nodes[i];
    uint64_t h = 14695981039346656037U;
#define MIX(x) h = (h ^ (uint64_t)(x)) * 1099511628211U
    MIX(n->op);
    MIX(n->n_inputs);
    MIX(n->n_attrs);
    for (int k = 0; k < n->n_inputs; k++) {
        const pn_value *v = n->inputs[k] == PN_NONE ? NULL : &g->values[n->inputs[k]];
        MIX(!v || v->data ? -1 : i - v->producer);
    }
#undef MIX
    return h ^ h >> 29;
}

pn_status pn_block_kinds(int **out, const pn_graph *g, pn_likeness likeness)
{
    size_t slots = 16;
    while (slots < (size_t)g->n_nodes * 2)
        slots *= 2;
    int *kinds = calloc((size_t)g->n_nodes + 1, sizeof(*kinds));
    int *table = malloc(slots * sizeof(*table)); /* first node of a kind, by its hash */
    if (!kinds || !table) {
        free(kinds);
        free(table);
        return PN_ENOMEM;
    }
    memset(table, 0xff, slots * sizeof(*table));
    for (int i = 0; i < g->n_nodes; i++) {
        size_t at = hash_node(g, i) & (slots - 1);
        /* bounded: a file of many nodes that hash alike must not take for ever */
        for (int tries = 0; table[at] != -1 && tries < 256; tries++) {
            if (nodes_alike(g, table[at], i, likeness)) break;
            at = (at + 1) & (slots - 1);
        }
        bool is_known = table[at] != -1 && nodes_alike(g, table[at], i, likeness);
        kinds[i] = is_known ? table[at] : i;
        if (table[at] == -1) table[at] = i;
    }
    free(table);
    *out = kinds;
    return PN_OK;
}

typedef struct finder {
    const pn_sequence *s;
    pn_block_runs found; /* every region that repeats, overlapping */
    size_t capacity;
} finder;

static pn_status add_run(finder *f, pn_block_run run)
{
    if ((size_t)f->found.n == f->capacity) {
        size_t capacity = f->capacity ? f->capacity * 2 : 64;
        pn_block_run *more = realloc(f->found.items, capacity * sizeof(*more));
        if (!more) return PN_ENOMEM;
        f->found.items = more;
        f->capacity = capacity;
    }
    f->found.items[f->found.n++] = run;
    return PN_OK;
}

/* elements before `at` whose results are read at or behind it */
static int n_crossing(const finder *f, int at, int back)
{
    int n = 0;
    for (int i = at - 1; i >= 0 && i >= at - back; i--)
        n += f->s->last_use[i] >= at;
    return n;
}

/* how many characters the names of a block's layers begin with alike */
static size_t common_prefix(const pn_sequence *s, int first, int length)
{
    const char *name = NULL;
    size_t n = 0;
    for (int i = first; i < first + length; i++) {
        const char *other = s->names[i];
        if (!other) continue;
        if (!name) {
            name = other;
            n = strlen(name);
        }
        size_t k = 0;
        while (k < n && name[k] == other[k])
            k++;
        n = k;
    }
    return n;
}

/* Where in first..first+slack the blocks had best begin. */
static int best_cut(const finder *f, int first, int length, int slack)
{
    int best = first, best_crossing = 0, best_begin = 0;
    size_t best_prefix = 0;
    for (int at = first; at <= first + slack; at++) {
        /* between blocks, not in front of the first: what comes before it may differ */
        int crossing = n_crossing(f, at + length, length);
        size_t prefix = common_prefix(f->s, at, length);
        int begin = f->s->names[at] != NULL;
        bool is_better = crossing != best_crossing ? crossing < best_crossing
                         : prefix != best_prefix   ? prefix > best_prefix
                                                   : begin > best_begin;
        if (at == first || is_better) {
            best = at;
            best_crossing = crossing;
            best_prefix = prefix;
            best_begin = begin;
        }
    }
    return best;
}

/* the blocks of `length` in nodes first..end-1, all of which repeat with that period */
static pn_status cut_region(finder *f, int first, int end, int length)
{
    int count = (end - first) / length;
    if (count < 2) return PN_OK;
    int slack = (end - first) % length;
    return add_run(f, (pn_block_run){best_cut(f, first, length, slack), length, count});
}

static pn_status find_regions(finder *f, int max_length)
{
    int n = f->s->n;
    for (int length = 1; length <= max_length && length <= n / 2; length++) {
        int first = 0;
        for (int i = 0; i + length <= n; i++) {
            if (i + length < n && f->s->kinds[i] == f->s->kinds[i + length]) continue;
            if (i - first >= length) {
                pn_status st = cut_region(f, first, i + length, length);
                if (st) return st;
            }
            first = i + 1;
        }
    }
    return PN_OK;
}

/* most nodes saved first; then the shorter block, then the earlier one */
static int by_saving(const void *a, const void *b)
{
    const pn_block_run *x = a, *y = b;
    int64_t sx = (int64_t)x->length * (x->count - 1),
            sy = (int64_t)y->length * (y->count - 1);
    if (sx != sy) return sx > sy ? -1 : 1;
    if (x->length != y->length) return x->length - y->length;
    return x->first - y->first;
}

static int by_place(const void *a, const void *b)
{
    const pn_block_run *x = a, *y = b;
    return x->first - y->first;
}

/* the longest stretch of whole blocks of r whose nodes are all free */
static pn_block_run clip(const pn_block_run *r, const unsigned char *is_taken)
{
    pn_block_run best = {r->first, r->length, 0}, now = best;
    for (int k = 0; k < r->count; k++) {
        const unsigned char *at = is_taken + r->first + (size_t)k * (size_t)r->length;
        if (memchr(at, 1, (size_t)r->length)) {
            now.first = r->first + (k + 1) * r->length;
            now.count = 0;
        } else if (++now.count > best.count) {
            best = now;
        }
    }
    return best;
}

pn_status pn_sequence_runs(pn_block_runs *out, const pn_sequence *s, int max_length)
{
    finder f = {.s = s};
    unsigned char *is_taken = calloc((size_t)s->n + 1, 1);
    pn_status st = is_taken ? find_regions(&f, max_length) : PN_ENOMEM;
    if (!st) {
        int n = 0;
        if (f.found.n)
            qsort(f.found.items, (size_t)f.found.n, sizeof(*f.found.items), by_saving);
        for (int i = 0; i < f.found.n; i++) {
            pn_block_run r = clip(&f.found.items[i], is_taken);
            if (r.count < 2) continue;
            memset(is_taken + r.first, 1, (size_t)r.length * (size_t)r.count);
            f.found.items[n++] = r;
        }
        f.found.n = n;
        if (n) qsort(f.found.items, (size_t)n, sizeof(*f.found.items), by_place);
        *out = f.found;
        f.found.items = NULL;
    }
    free(is_taken);
    free(f.found.items);
    return st;
}

static void note_uses(const pn_graph *g, int *last_use)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++) {
            int id = g->nodes[i].inputs[k];
            if (id != PN_NONE && g->values[id].producer != PN_NONE)
                last_use[g->values[id].producer] = i;
        }
    for (int i = 0; i < g->n_outputs; i++)
        if (g->values[g->outputs[i]].producer != PN_NONE)
            last_use[g->values[g->outputs[i]].producer] = g->n_nodes;
}

static bool has_weights(const pn_graph *g, const pn_node *n)
{
    for (int k = 1; k < n->n_inputs; k++)
        if (n->inputs[k] != PN_NONE && g->values[n->inputs[k]].data) return true;
    return false;
}

pn_status pn_block_runs_find(pn_block_runs *out, const pn_graph *g, const int *kinds,
                             int max_length)
{
    size_t n = (size_t)g->n_nodes + 1;
    int *last_use = calloc(n, sizeof(*last_use));
    const char **names = calloc(n, sizeof(*names));
    pn_status st = last_use && names ? PN_OK : PN_ENOMEM;
    if (!st) {
        note_uses(g, last_use);
        for (int i = 0; i < g->n_nodes; i++)
            if (has_weights(g, &g->nodes[i])) names[i] = g->nodes[i].name;
        const pn_sequence s = {g->n_nodes, kinds, last_use, names};
        st = pn_sequence_runs(out, &s, max_length);
    }
    free(last_use);
    free(names);
    return st;
}

void pn_block_runs_fini(pn_block_runs *r)
{
    free(r->items);
    *r = (pn_block_runs){0};
}
