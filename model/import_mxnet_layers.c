/* Gluon's structured names (features.4.0.body.1.beta) tell the place of a layer in the
 * tree of blocks, the symbol the order in which layers are computed. Both are the order
 * of the layers, but for a shortcut, which may be computed before the branch that was
 * written first. So layers are told by their shapes, and equal ones by their order; where
 * the two orders disagree about equal layers nothing is guessed. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "model/import_mxnet_match.h"
#include "penult/log.h"

enum { MAX_ROLES = 4, MAIN = 0, NORM = 1, KEY_BYTES = 2 * MAX_ROLES * PN_SHAPE_TEXT };
typedef enum kind { KIND_NONE, KIND_WEIGHT, KIND_NORM, KIND_SLOPE } kind;

/* a convolution or the like, perhaps with the BatchNorm behind it; or any other layer */
typedef struct layer {
    kind kind;
    int item[2]
            [MAX_ROLES]; /* wants or arrays and 1, by role; [NORM]: of that BatchNorm */
    const char *key;     /* what it consists of, shapes and all */
    int place;
} layer;

typedef struct side {
    layer *layers;
    layer **sorted; /* by key, then by place */
    int n;
} side;

typedef struct search {
    const pn_mx_match *m;
    side symbol, file;
    int *layer_of; /* a node of the symbol: its layer's place and 1 */
    pn_arena arena;
} search;

static pn_status no_memory(const search *s)
{
    return pn_fail(s->m->err, PN_ENOMEM, "import: out of memory");
}

/* ---- the file's layers ---- */

static const char *leaf_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static kind kind_of_leaf(const char *leaf, int *role)
{
    static const struct {
        const char *leaf;
        kind kind;
        int role;
    } leaves[] = {
        {"weight", KIND_WEIGHT, 0},     {"bias", KIND_WEIGHT, 1},
        {"gamma", KIND_NORM, 0},        {"beta", KIND_NORM, 1},
        {"running_mean", KIND_NORM, 2}, {"running_var", KIND_NORM, 3},
        {"alpha", KIND_SLOPE, 0},
    };
    for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
        if (!strcmp(leaf, leaves[i].leaf)) {
            *role = leaves[i].role;
            return leaves[i].kind;
        }
    return KIND_NONE;
}

static bool same_front(const char *a, const char *b, size_t n)
{
    return strlen(a) >= n && !strncmp(a, b, n);
}

/* the path without its last part: "features.4." of "features.4.gamma" */
static size_t parent_size(const char *name, int levels)
{
    size_t n = strlen(name);
    for (; levels > 0; levels--) {
        if (n && name[n - 1] == '.') n--;
        while (n && name[n - 1] != '.')
            n--;
    }
    return n;
}

/* dictionaries of old Pythons had no order: then numbers go up and down */
static bool is_in_order(const char *before, const char *after)
{
    size_t at = 0;
    for (size_t n = 0; before[n] && before[n] == after[n]; n++)
        if (before[n] == '.') at = n + 1;
    char *end_a, *end_b;
    long a = strtol(before + at, &end_a, 10), b = strtol(after + at, &end_b, 10);
    bool are_numbers =
        end_a != before + at && end_b != after + at && *end_a == '.' && *end_b == '.';
    return !are_numbers || a <= b;
}

static pn_status add_array(search *s, int i, const char **owner)
{
    const char *name = s->m->params->arrays[i].name;
    size_t path = parent_size(name, 1);
    int role = 0;
    kind k = kind_of_leaf(leaf_of(name), &role);
    side *f = &s->file;
    bool is_new =
        !*owner || parent_size(*owner, 1) != path || !same_front(*owner, name, path);
    if (k == KIND_NONE)
        return pn_fail(s->m->err, PN_EFORMAT,
                       "weight \"%s\": its name is neither the symbol's nor one that "
                       "Gluon's save_parameters gives",
                       name);
    if (*owner && !is_in_order(*owner, name))
        return pn_fail(s->m->err, PN_EFORMAT,
                       "weights with Gluon's structured names are told by their order, "
                       "but \"%s\" stands before \"%s\": write the net with "
                       "HybridBlock.export()",
                       *owner, name);
    layer *l = is_new ? &f->layers[f->n++] : &f->layers[f->n - 1];
    if (is_new) l->kind = k;
    *owner = name;
    l->item[MAIN][role] = i + 1;
    return PN_OK;
}

static const char *name_of(const search *s, const layer *l)
{
    for (int role = 0; role < MAX_ROLES; role++)
        if (l->item[MAIN][role])
            return s->m->params->arrays[l->item[MAIN][role] - 1].name;
    return "";
}

static bool is_batch_norm(const layer *l)
{
    return l->kind == KIND_NORM && l->item[MAIN][2] && l->item[MAIN][3];
}

static void join(layer *to, const layer *norm)
{
    memcpy(to->item[NORM], norm->item[MAIN], sizeof(to->item[NORM]));
}

/* a BatchNorm next to a convolution, in the same block, is that convolution's */
static void join_file_norms(search *s)
{
    side *f = &s->file;
    int n = 0;
    for (int i = 0; i < f->n; i++) {
        layer l = f->layers[i], *before = n ? &f->layers[n - 1] : NULL;
        if (before && before->kind == KIND_WEIGHT && !before->item[NORM][0] &&
            is_batch_norm(&l)) {
            const char *a = name_of(s, before), *b = name_of(s, &l);
            size_t block = parent_size(a, 2);
            if (block == parent_size(b, 2) && same_front(b, a, block)) {
                join(before, &l);
                continue;
            }
        }
        f->layers[n++] = l;
    }
    f->n = n;
}

static pn_status read_file_side(search *s)
{
    const pn_mx_params *p = s->m->params;
    const char *owner = NULL;
    pn_status st = PN_OK;
    s->file.layers = pn_arena_alloc(&s->arena, ((size_t)p->n_arrays + 1) * sizeof(layer));
    if (!s->file.layers) return no_memory(s);
    for (int i = 0; i < p->n_arrays && !st; i++)
        if (p->arrays[i].name) st = add_array(s, i, &owner);
    if (!st) join_file_norms(s);
    return st;
}

/* ---- the symbol's layers ---- */

static kind kind_of_op(const char *op)
{
    if (!strcmp(op, "LeakyReLU")) return KIND_SLOPE;
    bool is_norm = !strcmp(op, "BatchNorm") || !strcmp(op, "LayerNorm") ||
                   !strcmp(op, "InstanceNorm");
    return is_norm ? KIND_NORM : KIND_WEIGHT;
}

static pn_status read_symbol_side(search *s)
{
    const pn_mx_match *m = s->m;
    side *y = &s->symbol;
    int *of = pn_arena_alloc(&s->arena, (size_t)m->sym->n_nodes * sizeof(int));
    y->layers = pn_arena_alloc(&s->arena, ((size_t)m->n_wants + 1) * sizeof(layer));
    if (!of || !y->layers) return no_memory(s);
    s->layer_of = of;
    for (int i = 0; i < m->n_wants; i++) {
        const pn_mx_want *w = &m->wants[i];
        const pn_mx_node *n = &m->sym->nodes[w->node];
        if (w->slot < 1 || w->slot > MAX_ROLES)
            return pn_fail(m->err, PN_EFORMAT,
                           "weight \"%s\": %s \"%s\" is no layer of Gluon",
                           m->sym->nodes[w->variable].name, n->op, n->name);
        int part = MAIN, before = n->n_inputs ? of[n->inputs[0].node] : 0;
        bool is_joined = !strcmp(n->op, "BatchNorm") && before &&
                         y->layers[before - 1].kind == KIND_WEIGHT;
        if (is_joined &&
            (of[w->node] == before || !y->layers[before - 1].item[NORM][1])) {
            of[w->node] = before;
            part = NORM;
        } else if (!of[w->node]) {
            y->layers[y->n++].kind = kind_of_op(n->op);
            of[w->node] = y->n;
        }
        y->layers[of[w->node] - 1].item[part][w->slot - 1] = i + 1;
    }
    return PN_OK;
}

/* ---- keys ---- */

static const pn_shape *shape_of(const search *s, const side *of, int item)
{
    return of == &s->file ? &s->m->params->arrays[item - 1].shape
                          : &s->m->wants[item - 1].shape;
}

static pn_status make_key(search *s, const side *of, layer *l)
{
    static const char *const words[] = {"", "weight", "norm", "slope"};
    char text[KEY_BYTES + 64], shape[PN_SHAPE_TEXT];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", words[l->kind]);
    for (int part = MAIN; part <= NORM; part++) {
        for (int role = 0; role < MAX_ROLES; role++) {
            if (!l->item[part][role]) continue;
            if (part == NORM && role == 0)
                n += (size_t)snprintf(text + n, sizeof(text) - n, ", norm");
            if (l->kind == KIND_SLOPE) continue; /* one a channel, or one for all */
            pn_shape_text(shape_of(s, of, l->item[part][role]), shape, sizeof(shape));
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", shape);
        }
    }
    l->key = pn_arena_strdup(&s->arena, text);
    return l->key ? PN_OK : no_memory(s);
}

static int compare_layers(const void *a, const void *b)
{
    const layer *x = *(layer *const *)a, *y = *(layer *const *)b;
    int order = strcmp(x->key, y->key);
    return order ? order : x->place < y->place ? -1 : x->place > y->place;
}

static pn_status sort_side(search *s, side *of)
{
    pn_status st = PN_OK;
    of->sorted = pn_arena_alloc(&s->arena, ((size_t)of->n + 1) * sizeof(layer *));
    if (!of->sorted) return no_memory(s);
    for (int i = 0; i < of->n && !st; i++) {
        of->layers[i].place = i;
        of->sorted[i] = &of->layers[i];
        st = make_key(s, of, &of->layers[i]);
    }
    if (!st) qsort(of->sorted, (size_t)of->n, sizeof(layer *), compare_layers);
    return st;
}

/* ---- bringing them together ---- */

static int run_of(const side *of, int from)
{
    int n = 1;
    while (from + n < of->n && !strcmp(of->sorted[from]->key, of->sorted[from + n]->key))
        n++;
    return n;
}

/* layers of which there are more on one side */
static pn_status compare_counts(const search *s)
{
    const side *a = &s->symbol, *b = &s->file;
    char *text = NULL;
    size_t size = 0;
    int n_bad = 0;
    FILE *to = open_memstream(&text, &size);
    for (int i = 0, k = 0; to && (i < a->n || k < b->n);) {
        int order = i == a->n   ? 1
                    : k == b->n ? -1
                                : strcmp(a->sorted[i]->key, b->sorted[k]->key);
        int in_a = order <= 0 ? run_of(a, i) : 0, in_b = order >= 0 ? run_of(b, k) : 0;
        if (in_a != in_b) {
            fprintf(to, "\n  %s: %d in the symbol, %d in the file",
                    order <= 0 ? a->sorted[i]->key : b->sorted[k]->key, in_a, in_b);
            n_bad++;
        }
        i += in_a;
        k += in_b;
    }
    pn_status st = PN_OK;
    if (!to || fclose(to))
        st = no_memory(s);
    else if (n_bad)
        st =
            pn_fail(s->m->err, PN_EFORMAT,
                    "the weights have Gluon's structured names, and their layers are not "
                    "the symbol's:%s",
                    text);
    free(text);
    return st;
}

static pn_status ambiguous(const search *s, const char *key)
{
    return pn_fail(s->m->err, PN_EFORMAT,
                   "the weights have Gluon's structured names, and several layers (%s) "
                   "could be each other: write the net with HybridBlock.export()",
                   key);
}

/* `first`..`last`: layers that one side has in another order than the other; there, equal
 * ones might be each other */
static pn_status check_block(const search *s, int first, int last, layer **scratch,
                             bool *is_moved)
{
    int n = last - first + 1;
    for (int i = 0; i < n; i++) {
        scratch[i] = &s->symbol.layers[first + i];
        is_moved[first + i] = true;
    }
    qsort(scratch, (size_t)n, sizeof(*scratch), compare_layers);
    for (int i = 1; i < n; i++)
        if (!strcmp(scratch[i - 1]->key, scratch[i]->key))
            return ambiguous(s, scratch[i]->key);
    return PN_OK;
}

static const layer *layer_behind(const search *s, pn_mx_entry e)
{
    enum { MAX_HOPS = 8 };
    for (int hops = 0; hops < MAX_HOPS; hops++) {
        const pn_mx_node *n = &s->m->sym->nodes[e.node];
        if (s->layer_of[e.node]) return &s->symbol.layers[s->layer_of[e.node] - 1];
        if (!n->op || n->n_inputs < 1) break;
        e = n->inputs[0];
    }
    return NULL;
}

/* the ends of a branch and of its shortcut, where one of them moved: if they are equal,
 * pairing them by their order was a guess */
static pn_status check_sums(const search *s, const bool *is_moved)
{
    for (int i = 0; i < s->m->sym->n_nodes; i++) {
        const pn_mx_node *n = &s->m->sym->nodes[i];
        if (!n->op || n->n_inputs != 2 ||
            (strcmp(n->op, "elemwise_add") != 0 && strcmp(n->op, "broadcast_add") != 0))
            continue;
        const layer *a = layer_behind(s, n->inputs[0]);
        const layer *b = layer_behind(s, n->inputs[1]);
        if (a && b && a != b && (is_moved[a->place] || is_moved[b->place]) &&
            !strcmp(a->key, b->key))
            return ambiguous(s, a->key);
    }
    return PN_OK;
}

static pn_status check_order(search *s, const int *to)
{
    size_t n = (size_t)s->symbol.n + 1;
    layer **scratch = pn_arena_alloc(&s->arena, n * sizeof(layer *));
    bool *is_moved = pn_arena_alloc(&s->arena, n);
    pn_status st = scratch && is_moved ? PN_OK : no_memory(s);
    for (int i = 0, first = 0, reach = 0; i < s->symbol.n && !st; i++) {
        if (to[i] > reach) reach = to[i];
        if (reach > i) continue;
        if (i > first) st = check_block(s, first, i, scratch, is_moved);
        first = reach = i + 1;
    }
    return st ? st : check_sums(s, is_moved);
}

static pn_status pair_layers(search *s)
{
    int *to = pn_arena_alloc(&s->arena, ((size_t)s->symbol.n + 1) * sizeof(int));
    if (!to) return no_memory(s);
    for (int i = 0; i < s->symbol.n; i++) {
        const layer *a = s->symbol.sorted[i], *b = s->file.sorted[i];
        to[a->place] = b->place;
        for (int part = MAIN; part <= NORM; part++)
            for (int role = 0; role < MAX_ROLES; role++)
                if (a->item[part][role])
                    s->m->matched[s->m->wants[a->item[part][role] - 1].variable] =
                        b->item[part][role] - 1;
    }
    return check_order(s, to);
}

pn_status pn_mx_match_layers(const pn_mx_match *m)
{
    search s = {.m = m};
    pn_status st = read_file_side(&s);
    if (!st) st = read_symbol_side(&s);
    if (!st) st = sort_side(&s, &s.file);
    if (!st) st = sort_side(&s, &s.symbol);
    if (!st) st = compare_counts(&s);
    if (!st) st = pair_layers(&s);
    if (!st)
        pn_log(
            PN_LOG_INFO,
            "weights: %d layers with Gluon's structured names, told by shape and order",
            s.symbol.n);
    pn_arena_fini(&s.arena);
    return st;
}
