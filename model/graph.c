/* The builder of graphs. Names, attributes and copies live in an arena; the arrays that
 * grow are reallocated; uthash, which finds a value by its name, is seen here only. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->lost = true)
#include <uthash.h>

#include "penult/graph.h"

#include "base/arena.h"
#include "base/file.h"
#include "model/graph_order.h"

enum { OUTPUT_SUFFIX_BYTES = 7 };

typedef struct name_entry {
    const char *name;
    int value;
    bool lost; /* the hash table could not grow for it */
    UT_hash_handle hh;
} name_entry;

struct pn_graph_mem {
    pn_arena arena;
    name_entry *by_name;
    size_t values_capacity, nodes_capacity, inputs_capacity, outputs_capacity,
        keys_capacity, meta_values_capacity, files_capacity;
    pn_file **files;
    int n_files;
};

/* room for one element more; arrays are indexed by int */
static pn_status grow(void *array, size_t *capacity, int used, size_t element)
{
    if (used == INT_MAX) return PN_ENOMEM;
    if ((size_t)used < *capacity) return PN_OK;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *old;
    memcpy(&old, array, sizeof(old));
    void *bigger = reallocarray(old, more, element);
    if (!bigger) return PN_ENOMEM;
    memcpy(array, &bigger, sizeof(bigger));
    *capacity = more;
    return PN_OK;
}

pn_status pn_graph_new(pn_graph **out, const char *name)
{
    pn_graph *g = calloc(1, sizeof(*g));
    if (!g) return PN_ENOMEM;
    g->mem = calloc(1, sizeof(*g->mem));
    if (g->mem) g->name = pn_arena_strdup(&g->mem->arena, name ? name : "");
    if (!g->name) {
        pn_graph_free(&g);
        return PN_ENOMEM;
    }
    *out = g;
    return PN_OK;
}

void pn_graph_free(pn_graph **graph)
{
    pn_graph *g = *graph;
    if (!g) return;
    struct pn_graph_mem *m = g->mem;
    if (m) {
        HASH_CLEAR(hh, m->by_name); /* the entries are the arena's */
        for (int i = 0; i < m->n_files; i++)
            pn_file_close(&m->files[i]);
        free(m->files);
        pn_arena_fini(&m->arena);
        free(m);
    }
    free(g->values);
    free(g->nodes);
    free(g->inputs);
    free(g->outputs);
    free(g->meta_keys);
    free(g->meta_values);
    free(g);
    *graph = NULL;
}

static int find_exactly(const pn_graph *g, const char *name, size_t size)
{
    name_entry *e = NULL;
    if (size <= PN_MAX_NAME_BYTES + OUTPUT_SUFFIX_BYTES)
        HASH_FIND(hh, g->mem->by_name, name, size, e);
    return e ? e->value : PN_NONE;
}

int pn_graph_find(const pn_graph *g, const char *name)
{
    size_t size = strlen(name);
    int id = find_exactly(g, name, size);
    if (id != PN_NONE || size > PN_MAX_NAME_BYTES) return id;
    char *longer = malloc(size + OUTPUT_SUFFIX_BYTES);
    if (!longer) return PN_NONE;
    memcpy(longer, name, size);
    memcpy(longer + size, "_output", OUTPUT_SUFFIX_BYTES);
    id = find_exactly(g, longer, size + OUTPUT_SUFFIX_BYTES);
    free(longer);
    return id;
}

static pn_status check_new_value(const pn_graph *g, const char *name, pn_dtype dtype,
                                 const pn_shape *shape, pn_err *err)
{
    size_t size = strlen(name);
    if (!size) return pn_fail(err, PN_EINVAL, "a value has an empty name");
    if (size > PN_MAX_NAME_BYTES)
        return pn_fail(err, PN_EINVAL,
                       "value \"%.40s...\": name of %zu bytes, at most %d", name, size,
                       PN_MAX_NAME_BYTES);
    if (find_exactly(g, name, size) != PN_NONE)
        return pn_fail(err, PN_EINVAL, "value \"%s\": the name is taken", name);
    if (!pn_dtype_size(dtype))
        return pn_fail(err, PN_EINVAL, "value \"%s\": unknown element type %d", name,
                       (int)dtype);
    if (!shape) return PN_OK;
    if (shape->ndim < 0 || shape->ndim > PN_MAX_DIMS)
        return pn_fail(err, PN_EINVAL, "value \"%s\": %d dimensions, at most %d", name,
                       shape->ndim, PN_MAX_DIMS);
    for (int i = 0; i < shape->ndim; i++)
        if (shape->dim[i] < PN_DIM_FREE || shape->dim[i] > INT32_MAX)
            return pn_fail(err, PN_EINVAL,
                           "value \"%s\": dimension %d is %lld, must be below 2^31", name,
                           i, (long long)shape->dim[i]);
    return PN_OK;
}

pn_status pn_graph_add_value(pn_graph *g, const char *name, pn_dtype dtype,
                             const pn_shape *shape, int *id, pn_err *err)
{
    struct pn_graph_mem *m = g->mem;
    pn_status st = check_new_value(g, name, dtype, shape, err);
    if (st) return st;
    name_entry *e = pn_arena_alloc(&m->arena, sizeof(*e));
    char *copy = pn_arena_strdup(&m->arena, name);
    if (!e || !copy ||
        grow(&g->values, &m->values_capacity, g->n_values, sizeof(*g->values)))
        return pn_fail(err, PN_ENOMEM, "value \"%s\": out of memory", name);
    e->name = copy;
    e->value = g->n_values;
    HASH_ADD_KEYPTR(hh, m->by_name, e->name, strlen(copy), e);
    if (e->lost) return pn_fail(err, PN_ENOMEM, "value \"%s\": out of memory", name);
    pn_value *v = &g->values[g->n_values];
    memset(v, 0, sizeof(*v));
    v->name = copy;
    v->dtype = dtype;
    v->producer = PN_NONE;
    if (shape) {
        v->shape = *shape;
        v->has_shape = true;
    }
    if (id) *id = g->n_values;
    g->n_values++;
    return PN_OK;
}

pn_status pn_graph_add_const(pn_graph *g, const char *name, pn_dtype dtype,
                             const pn_shape *shape, const void *data, size_t size_bytes,
                             bool lend, int *id, pn_err *err)
{
    static const char nothing[1];
    int64_t count = pn_shape_count(shape);
    size_t expected;
    for (int i = 0; i < shape->ndim; i++)
        if (shape->dim[i] < 0) count = -1;
    if (count < 0 ||
        __builtin_mul_overflow((uint64_t)count, pn_dtype_size(dtype), &expected) ||
        expected != size_bytes) {
        char text[PN_SHAPE_TEXT];
        return pn_fail(err, PN_EINVAL, "constant \"%s\": %zu bytes do not fill %s of %s",
                       name, size_bytes, pn_shape_text(shape, text, sizeof(text)),
                       pn_dtype_name(dtype));
    }
    if (!size_bytes) {
        data = nothing; /* an empty constant is one all the same: data says so */
    } else if (!lend) {
        void *copy = pn_arena_alloc(&g->mem->arena, size_bytes);
        if (!copy) return pn_fail(err, PN_ENOMEM, "constant \"%s\": out of memory", name);
        data = memcpy(copy, data, size_bytes);
    }
    int value;
    pn_status st = pn_graph_add_value(g, name, dtype, shape, &value, err);
    if (st) return st;
    g->values[value].data = data;
    g->values[value].size_bytes = size_bytes;
    if (id) *id = value;
    return PN_OK;
}

static pn_status check_new_node(const pn_graph *g, pn_op op, const char *name,
                                const int *inputs, int n_inputs, const int *outputs,
                                int n_outputs, pn_err *err)
{
    if ((unsigned)op >= PN_N_OPS || n_inputs < 0 || n_outputs < 0)
        return pn_fail(err, PN_EINVAL, "node \"%s\": no such operator", name);
    for (int i = 0; i < n_inputs; i++)
        if (inputs[i] != PN_NONE && (inputs[i] < 0 || inputs[i] >= g->n_values))
            return pn_fail(err, PN_EINVAL, "%s \"%s\": input %d is no value of the graph",
                           pn_op_name(op), name, i);
    for (int i = 0; i < n_outputs; i++) {
        if (outputs[i] < 0 || outputs[i] >= g->n_values)
            return pn_fail(err, PN_EINVAL,
                           "%s \"%s\": output %d is no value of the graph",
                           pn_op_name(op), name, i);
        const pn_value *v = &g->values[outputs[i]];
        if (v->producer != PN_NONE || v->data)
            return pn_fail(err, PN_EINVAL, "%s \"%s\": \"%s\" is made elsewhere already",
                           pn_op_name(op), name, v->name);
    }
    return PN_OK;
}

pn_status pn_graph_add_node(pn_graph *g, pn_op op, const char *name, const int *inputs,
                            int n_inputs, const int *outputs, int n_outputs, int *id,
                            pn_err *err)
{
    struct pn_graph_mem *m = g->mem;
    if (!name) name = "";
    pn_status st = check_new_node(g, op, name, inputs, n_inputs, outputs, n_outputs, err);
    if (st) return st;
    char *copy = pn_arena_strdup(&m->arena, name);
    int *ids =
        pn_arena_alloc(&m->arena, ((size_t)n_inputs + (size_t)n_outputs) * sizeof(*ids));
    if (!copy || !ids ||
        grow(&g->nodes, &m->nodes_capacity, g->n_nodes, sizeof(*g->nodes)))
        return pn_fail(err, PN_ENOMEM, "node \"%s\": out of memory", name);
    if (n_inputs) memcpy(ids, inputs, (size_t)n_inputs * sizeof(*ids));
    if (n_outputs) memcpy(ids + n_inputs, outputs, (size_t)n_outputs * sizeof(*ids));
    g->nodes[g->n_nodes] = (pn_node){.op = op,
                                     .name = copy,
                                     .n_inputs = n_inputs,
                                     .n_outputs = n_outputs,
                                     .inputs = ids,
                                     .outputs = ids + n_inputs};
    for (int i = 0; i < n_outputs; i++)
        g->values[outputs[i]].producer = g->n_nodes;
    if (id) *id = g->n_nodes;
    g->n_nodes++;
    return PN_OK;
}

const pn_attr *pn_node_attr(const pn_node *n, const char *name)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0) return &n->attrs[i];
    return NULL;
}

/* the attribute of that name, made if need be; its old content is forgotten */
static pn_attr *attr_slot(pn_graph *g, int node, const char *name, pn_attr_kind kind)
{
    pn_arena *arena = &g->mem->arena;
    pn_node *n = &g->nodes[node];
    for (int i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0) {
            n->attrs[i] = (pn_attr){.name = n->attrs[i].name, .kind = kind};
            return &n->attrs[i];
        }
    char *copy = pn_arena_strdup(arena, name);
    if (!copy) return NULL;
    int used = n->n_attrs; /* room: 4, then the next power of two */
    if (used == 0 || (used >= 4 && (used & (used - 1)) == 0)) {
        pn_attr *more =
            pn_arena_alloc(arena, (used ? 2 * (size_t)used : 4) * sizeof(*n->attrs));
        if (!more) return NULL;
        if (n->n_attrs) memcpy(more, n->attrs, (size_t)n->n_attrs * sizeof(*more));
        n->attrs = more;
    }
    n->attrs[n->n_attrs] = (pn_attr){.name = copy, .kind = kind};
    return &n->attrs[n->n_attrs++];
}

pn_status pn_graph_set_int(pn_graph *g, int node, const char *name, int64_t v)
{
    pn_attr *a = attr_slot(g, node, name, PN_ATTR_INT);
    if (!a) return PN_ENOMEM;
    a->i = v;
    return PN_OK;
}

pn_status pn_graph_set_float(pn_graph *g, int node, const char *name, float v)
{
    pn_attr *a = attr_slot(g, node, name, PN_ATTR_FLOAT);
    if (!a) return PN_ENOMEM;
    a->f = v;
    return PN_OK;
}

pn_status pn_graph_set_string(pn_graph *g, int node, const char *name, const char *v)
{
    char *copy = pn_arena_strdup(&g->mem->arena, v); /* first: v may be the old content */
    pn_attr *a = copy ? attr_slot(g, node, name, PN_ATTR_STRING) : NULL;
    if (!a) return PN_ENOMEM;
    a->s = copy;
    return PN_OK;
}

pn_status pn_graph_set_ints(pn_graph *g, int node, const char *name, const int64_t *v,
                            size_t n)
{
    if (n > SIZE_MAX / sizeof(*v)) return PN_ENOMEM;
    int64_t *copy = pn_arena_alloc(&g->mem->arena, n * sizeof(*v));
    pn_attr *a = copy ? attr_slot(g, node, name, PN_ATTR_INTS) : NULL;
    if (!a) return PN_ENOMEM;
    if (n) memcpy(copy, v, n * sizeof(*v));
    a->ints = copy;
    a->n = n;
    return PN_OK;
}

pn_status pn_graph_set_floats(pn_graph *g, int node, const char *name, const float *v,
                              size_t n)
{
    if (n > SIZE_MAX / sizeof(*v)) return PN_ENOMEM;
    float *copy = pn_arena_alloc(&g->mem->arena, n * sizeof(*v));
    pn_attr *a = copy ? attr_slot(g, node, name, PN_ATTR_FLOATS) : NULL;
    if (!a) return PN_ENOMEM;
    if (n) memcpy(copy, v, n * sizeof(*v));
    a->floats = copy;
    a->n = n;
    return PN_OK;
}

static pn_status append_id(const pn_graph *g, int **ids, size_t *capacity, int *n,
                           int value)
{
    if (value < 0 || value >= g->n_values) return PN_EINVAL;
    pn_status st = grow(ids, capacity, *n, sizeof(**ids));
    if (!st) (*ids)[(*n)++] = value;
    return st;
}

pn_status pn_graph_add_input(pn_graph *g, int value)
{
    return append_id(g, &g->inputs, &g->mem->inputs_capacity, &g->n_inputs, value);
}

pn_status pn_graph_add_output(pn_graph *g, int value)
{
    return append_id(g, &g->outputs, &g->mem->outputs_capacity, &g->n_outputs, value);
}

pn_status pn_graph_set_meta(pn_graph *g, const char *key, const char *value)
{
    struct pn_graph_mem *m = g->mem;
    char *copy = pn_arena_strdup(&m->arena, value);
    if (!copy) return PN_ENOMEM;
    for (int i = 0; i < g->n_meta; i++)
        if (strcmp(g->meta_keys[i], key) == 0) {
            g->meta_values[i] = copy;
            return PN_OK;
        }
    char *key_copy = pn_arena_strdup(&m->arena, key);
    if (!key_copy ||
        grow(&g->meta_keys, &m->keys_capacity, g->n_meta, sizeof(*g->meta_keys)) ||
        grow(&g->meta_values, &m->meta_values_capacity, g->n_meta,
             sizeof(*g->meta_values)))
        return PN_ENOMEM;
    g->meta_keys[g->n_meta] = key_copy;
    g->meta_values[g->n_meta] = copy;
    g->n_meta++;
    return PN_OK;
}

const char *pn_graph_meta(const pn_graph *g, const char *key)
{
    for (int i = 0; i < g->n_meta; i++)
        if (strcmp(g->meta_keys[i], key) == 0) return g->meta_values[i];
    return NULL;
}

int64_t pn_node_int(const pn_node *n, const char *name, int64_t fallback)
{
    const pn_attr *a = pn_node_attr(n, name);
    return a && a->kind == PN_ATTR_INT ? a->i : fallback;
}

float pn_node_float(const pn_node *n, const char *name, float fallback)
{
    const pn_attr *a = pn_node_attr(n, name);
    return a && a->kind == PN_ATTR_FLOAT ? a->f : fallback;
}

const char *pn_node_string(const pn_node *n, const char *name, const char *fallback)
{
    const pn_attr *a = pn_node_attr(n, name);
    return a && a->kind == PN_ATTR_STRING ? a->s : fallback;
}

void *pn_graph_alloc(pn_graph *g, size_t size)
{
    return pn_arena_alloc(&g->mem->arena, size);
}

pn_status pn_graph_adopt_file(pn_graph *g, struct pn_file *file)
{
    struct pn_graph_mem *m = g->mem;
    pn_status st = grow(&m->files, &m->files_capacity, m->n_files, sizeof(*m->files));
    if (!st) m->files[m->n_files++] = file;
    return st;
}

const struct pn_file *pn_graph_file(const pn_graph *g, int i)
{
    return i < g->mem->n_files ? g->mem->files[i] : NULL;
}
