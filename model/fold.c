/* The table of what is known, and the sweep of one node; the arithmetic is in
 * fold_math.c, what only moves elements in fold_move.c. */
#include "model/fold.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LIST = 65536 }; /* elements with a batch in them */
/* what folding may take beside the file's own constants, so that a small file that
 * stretches one again and again stays small */
#define FREE_BYTES ((size_t)64 << 20)

struct pn_fold {
    pn_known **of; /* by value, of the graph's memory; constants are not in it */
    int n;
    size_t left; /* bytes that may still be made */
};

typedef struct fold_rule {
    pn_fold_fn *fn;
    enum { MAKES, LENDS, LOOKS } how; /* LOOKS: at its input's shape only */
    bool is_only;                     /* stands in arithmetic on shapes alone */
} fold_rule;

static const fold_rule rules[PN_N_OPS] = {
    [PN_OP_ADD] = {pn_fold_binary, MAKES, false},
    [PN_OP_CAST] = {pn_fold_cast, MAKES, false},
    [PN_OP_CEIL] = {pn_fold_unary, MAKES, true},
    [PN_OP_CONCAT] = {pn_fold_concat, MAKES, false},
    [PN_OP_CONSTANT_OF_SHAPE] = {pn_fold_constant_of_shape, MAKES, true},
    [PN_OP_DIV] = {pn_fold_binary, MAKES, false},
    [PN_OP_DROPOUT] = {pn_fold_lend, LENDS, false},
    [PN_OP_EQUAL] = {pn_fold_binary, MAKES, true},
    [PN_OP_EXPAND] = {pn_fold_expand, MAKES, true},
    [PN_OP_FLATTEN] = {pn_fold_lend, LENDS, false},
    [PN_OP_FLOOR] = {pn_fold_unary, MAKES, true},
    [PN_OP_GATHER] = {pn_fold_gather, MAKES, false},
    [PN_OP_IDENTITY] = {pn_fold_lend, LENDS, false},
    [PN_OP_MAX] = {pn_fold_binary, MAKES, false},
    [PN_OP_MIN] = {pn_fold_binary, MAKES, false},
    [PN_OP_MOD] = {pn_fold_binary, MAKES, true},
    [PN_OP_MUL] = {pn_fold_binary, MAKES, false},
    [PN_OP_NEG] = {pn_fold_unary, MAKES, false},
    [PN_OP_POW] = {pn_fold_binary, MAKES, false},
    [PN_OP_RANGE] = {pn_fold_range, MAKES, true},
    [PN_OP_REDUCE_PROD] = {pn_fold_product, MAKES, false},
    [PN_OP_RESHAPE] = {pn_fold_lend, LENDS, false},
    [PN_OP_SHAPE] = {pn_fold_shape, LOOKS, true},
    [PN_OP_SLICE] = {pn_fold_slice, MAKES, false},
    [PN_OP_SQRT] = {pn_fold_unary, MAKES, false},
    [PN_OP_SQUEEZE] = {pn_fold_lend, LENDS, false},
    [PN_OP_SUB] = {pn_fold_binary, MAKES, false},
    [PN_OP_TRANSPOSE] = {pn_fold_transpose, MAKES, false},
    [PN_OP_UNSQUEEZE] = {pn_fold_lend, LENDS, false},
    [PN_OP_WHERE] = {pn_fold_where, MAKES, true},
};

bool pn_fold_only(pn_op op)
{
    return rules[op].is_only;
}

pn_status pn_fold_new(pn_fold **out, const pn_graph *g)
{
    pn_fold *f = calloc(1, sizeof(*f));
    if (!f) return PN_ENOMEM;
    f->n = g->n_values;
    f->of = calloc((size_t)f->n + 1, sizeof(*f->of));
    if (!f->of) {
        pn_fold_free(&f);
        return PN_ENOMEM;
    }
    f->left = FREE_BYTES;
    for (int i = 0; i < g->n_values; i++)
        if (g->values[i].data && g->values[i].size_bytes < SIZE_MAX / 8 - f->left / 4)
            f->left += 4 * g->values[i].size_bytes;
    *out = f;
    return PN_OK;
}

void pn_fold_free(pn_fold **f)
{
    if (!*f) return;
    free((*f)->of);
    free(*f);
    *f = NULL;
}

bool pn_fold_get(const pn_fold *f, const pn_graph *g, int value, pn_known *out)
{
    const pn_value *v = &g->values[value];
    if (v->data) {
        *out = (pn_known){v->shape, v->dtype, v->data, false};
        return true;
    }
    if (!f || value >= f->n || !f->of[value]) return false;
    *out = *f->of[value];
    return true;
}

size_t pn_known_bytes(const pn_known *k)
{
    return k->has_batch ? sizeof(pn_affine) : pn_dtype_size(k->dtype);
}

bool pn_known_int(const pn_known *k, int64_t i, pn_affine *out)
{
    *out = (pn_affine){0};
    if (k->has_batch) {
        memcpy(out, k->data + (size_t)i * sizeof(*out), sizeof(*out));
        return true;
    }
    const pn_value v = {.dtype = k->dtype,
                        .data = k->data,
                        .size_bytes = ((size_t)i + 1) * pn_dtype_size(k->dtype)};
    return pn_value_to_i64(&v, i, 1, &out->fixed) == PN_OK;
}

void pn_fold_put(pn_fold_job *f, int64_t i, const pn_affine *a)
{
    size_t size = pn_known_bytes(&f->out);
    /* little-endian: an integer's first bytes are the shorter integer */
    memcpy(f->to + (size_t)i * size, a, size);
}

bool pn_fold_move(pn_fold_job *f, int64_t i, const pn_known *k, int64_t from)
{
    if (f->out.has_batch) {
        pn_affine a;
        if (!pn_known_int(k, from, &a)) return false;
        pn_fold_put(f, i, &a);
    } else {
        size_t size = pn_known_bytes(k);
        memcpy(f->to + (size_t)i * size, k->data + (size_t)from * size, size);
    }
    return true;
}

void pn_odometer_init(pn_odometer *o, const pn_shape *s)
{
    *o = (pn_odometer){.ndim = s->ndim};
    for (int i = 0; i < s->ndim; i++)
        o->dim[i] = s->dim[i] == PN_DIM_FREE ? 1 : s->dim[i];
}

void pn_odometer_broadcast(pn_odometer *o, int k, const pn_shape *s)
{
    int64_t step = 1;
    for (int i = s->ndim - 1; i >= 0; i--) {
        int64_t d = s->dim[i] == PN_DIM_FREE ? 1 : s->dim[i];
        o->step[k][i + o->ndim - s->ndim] = d == 1 ? 0 : step;
        step *= d;
    }
}

void pn_odometer_next(pn_odometer *o)
{
    for (int i = o->ndim - 1; i >= 0; i--) {
        bool wraps = ++o->at[i] == o->dim[i];
        for (int k = 0; k < 3; k++)
            o->pos[k] += wraps ? -(o->dim[i] - 1) * o->step[k][i] : o->step[k][i];
        if (!wraps) return;
        o->at[i] = 0;
    }
}

/* false: not all inputs are known */
static bool get_inputs(pn_shape_job *j, const fold_rule *rule, pn_fold_job *f,
                       pn_known *in)
{
    const pn_node *n = pn_job_node(j);
    f->n_in = n->n_inputs;
    f->in = in;
    for (int i = 0; i < n->n_inputs; i++) {
        if (n->inputs[i] == PN_NONE) continue;
        if (rule->how == LOOKS)
            in[i] = (pn_known){.shape = *pn_job_in(j, i)};
        else if (!pn_fold_get(j->fold, j->g, n->inputs[i], &in[i]))
            return false;
        /* of a lender the other inputs say what becomes of the first */
        if (rule->how != LENDS || i == 0) f->out.has_batch |= in[i].has_batch;
    }
    if (rule->how == LOOKS)
        for (int i = 0; i < in[0].shape.ndim; i++)
            f->out.has_batch |= in[0].shape.dim[i] == PN_DIM_FREE;
    return true;
}

static bool has_free(const pn_shape *s)
{
    bool is_free = false;
    for (int i = 0; i < s->ndim; i++)
        is_free |= s->dim[i] == PN_DIM_FREE;
    return is_free;
}

/* integers in which no batch is left are a constant like any other */
static void drop_batch(pn_fold_job *f, int64_t count)
{
    pn_known was = f->out;
    size_t size = pn_dtype_size(was.dtype);
    pn_affine a;
    for (int64_t i = 0; i < count; i++) {
        (void)pn_known_int(&was, i, &a);
        if (a.batch || a.image || (size < 8 && a.fixed != (int32_t)a.fixed)) return;
    }
    f->out.has_batch = false;
    for (int64_t i = 0; i < count; i++) {
        memcpy(&a, was.data + (size_t)i * sizeof(a), sizeof(a));
        memcpy(f->to + (size_t)i * size, &a.fixed, size);
    }
}

static pn_status keep(pn_shape_job *j, pn_fold_job *f, int64_t count)
{
    int id = f->node->outputs[0];
    if (f->out.has_batch && f->to && !has_free(&f->out.shape)) drop_batch(f, count);
    if (!f->out.has_batch && !has_free(&f->out.shape)) {
        pn_value *v = &j->g->values[id];
        v->data = f->out.data;
        v->size_bytes = (size_t)count * pn_dtype_size(v->dtype);
        return PN_OK;
    }
    if (id >= j->fold->n) return PN_OK;
    pn_known *k = pn_graph_alloc(j->g, sizeof(*k));
    if (!k) return PN_ENOMEM;
    *k = f->out;
    j->fold->of[id] = k;
    return PN_OK;
}

bool pn_known_is_whole(pn_dtype t)
{
    return t != PN_F32 && t != PN_F64 && t != PN_F16 && t != PN_BF16;
}

static pn_status compute(pn_shape_job *j, const fold_rule *rule, pn_fold_job *f)
{
    const pn_value *y = &j->g->values[f->node->outputs[0]];
    f->out.shape = y->shape;
    f->out.dtype = y->dtype;
    int64_t count = pn_shape_count(&y->shape);
    size_t size = pn_known_bytes(&f->out);
    if (f->out.has_batch && (count > MAX_LIST || !pn_known_is_whole(y->dtype)))
        return PN_OK;
    if (rule->how != LENDS) {
        if (__builtin_mul_overflow((size_t)count, size, &size) || size > j->fold->left)
            return pn_job_unsupported(j, "what it makes of constants is too large");
        j->fold->left -= size;
        f->to = pn_graph_alloc(j->g, size + !size);
        if (!f->to) return PN_ENOMEM;
        f->out.data = f->to;
    }
    return rule->fn(f) ? keep(j, f, count) : PN_OK;
}

pn_status pn_fold_node(pn_shape_job *j)
{
    enum { FEW = 8 };
    const pn_node *n = pn_job_node(j);
    const fold_rule *rule = &rules[n->op];
    if (!rule->fn || n->n_outputs != 1 || !j->g->values[n->outputs[0]].has_shape)
        return PN_OK;
    pn_known few[FEW] = {0}, *in = few;
    /* most nodes compute on data: no need to allocate to see it */
    if (rule->how != LOOKS && n->inputs[0] != PN_NONE &&
        !pn_fold_get(j->fold, j->g, n->inputs[0], &few[0]))
        return PN_OK;
    if (n->n_inputs > FEW) in = calloc((size_t)n->n_inputs, sizeof(*in));
    if (!in) return PN_ENOMEM;
    pn_fold_job f = {.node = n};
    pn_status st = get_inputs(j, rule, &f, in) ? compute(j, rule, &f) : PN_OK;
    if (in != few) free(in);
    return st;
}

/* looking costs time as making costs memory: of the same budget */
static bool may_look_at(pn_fold *f, int64_t count)
{
    const size_t bytes = (size_t)count * sizeof(pn_affine);
    if (count > MAX_LIST || bytes > f->left) return false;
    f->left -= bytes;
    return true;
}

/* image n's element i is i + n * count: for any batch, or for the one that the file was
 * exported with */
static bool reads_in_order(const pn_known *k, int64_t count)
{
    if (k->shape.ndim < 1) return false;
    const bool is_open = k->shape.dim[0] == PN_DIM_FREE;
    int64_t all = count;
    if (!is_open && __builtin_mul_overflow(count, k->shape.dim[0], &all)) return false;
    if (pn_shape_count(&k->shape) != all) return false;
    for (int64_t i = 0; i < all; i++) {
        pn_affine a;
        if (!pn_known_int(k, i, &a) || a.fixed != i || a.batch ||
            a.image != (is_open ? count : 0))
            return false;
    }
    return true;
}

pn_status pn_fold_strided(pn_shape_job *j)
{
    pn_node *n = &j->g->nodes[j->node];
    if (n->op != PN_OP_GATHER || n->n_inputs != 2 || n->inputs[0] == PN_NONE ||
        n->inputs[1] == PN_NONE || pn_node_int(n, "axis", 0) != 0)
        return PN_OK;
    const pn_value *flat = pn_job_value(j, 0);
    const pn_node *reshape = flat->producer >= 0 && flat->producer < j->node
                                 ? &j->g->nodes[flat->producer]
                                 : 0;
    pn_known index;
    int64_t target;
    size_t n_target;
    if (!reshape || reshape->op != PN_OP_RESHAPE || reshape->inputs[0] == PN_NONE ||
        flat->has_shape || !pn_fold_get(j->fold, j->g, n->inputs[1], &index))
        return PN_OK;
    const pn_value *x = &j->g->values[reshape->inputs[0]];
    pn_shape_job feeder = *j;
    feeder.node = flat->producer;
    feeder.err = NULL; /* what is wrong with it has been said */
    if (!x->has_shape || x->shape.ndim < 1 || x->shape.dim[0] != PN_DIM_FREE ||
        pn_job_ints(&feeder, 1, "shape", &target, 1, &n_target) || n_target != 1 ||
        target != -1 || !may_look_at(j->fold, pn_shape_count(&index.shape)) ||
        !reads_in_order(&index, pn_shape_count(&x->shape)))
        return PN_OK;
    n->inputs[0] = reshape->inputs[0];
    n->op = PN_OP_RESHAPE;
    n->n_attrs = 0;
    index.shape.dim[0] = PN_DIM_FREE;
    return pn_job_spell(j, 1, index.shape.dim, index.shape.ndim);
}
