/* Shape inference, the driver: node by node in order, rules of the operator first, then
 * its function; nodes we have no code for are collected and told together. */
#include "model/shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/fold.h"
#include "model/graph_order.h"
#include "model/op.h"

static pn_shape_fn *const functions[PN_N_OPS] = {
    [PN_OP_ADD] = pn_shape_broadcast,
    [PN_OP_AVERAGE_POOL] = pn_shape_pool,
    [PN_OP_BATCH_NORM] = pn_shape_batch_norm,
    [PN_OP_CAST] = pn_shape_cast,
    [PN_OP_CEIL] = pn_shape_unary,
    [PN_OP_CLIP] = pn_shape_clip,
    [PN_OP_CONCAT] = pn_shape_concat,
    [PN_OP_CONSTANT_OF_SHAPE] = pn_shape_constant_of_shape,
    [PN_OP_CONV] = pn_shape_conv,
    [PN_OP_CONV_TRANSPOSE] = pn_shape_conv_transpose,
    [PN_OP_DIV] = pn_shape_broadcast,
    [PN_OP_DROPOUT] = pn_shape_dropout,
    [PN_OP_ELU] = pn_shape_unary,
    [PN_OP_EQUAL] = pn_shape_broadcast,
    [PN_OP_ERF] = pn_shape_unary,
    [PN_OP_EXP] = pn_shape_unary,
    [PN_OP_EXPAND] = pn_shape_expand,
    [PN_OP_FLATTEN] = pn_shape_flatten,
    [PN_OP_FLOOR] = pn_shape_unary,
    [PN_OP_GATHER] = pn_shape_gather,
    [PN_OP_GELU] = pn_shape_unary,
    [PN_OP_GEMM] = pn_shape_gemm,
    [PN_OP_GLOBAL_AVERAGE_POOL] = pn_shape_global_pool,
    [PN_OP_GLOBAL_MAX_POOL] = pn_shape_global_pool,
    [PN_OP_HARD_SIGMOID] = pn_shape_unary,
    [PN_OP_HARD_SWISH] = pn_shape_unary,
    [PN_OP_IDENTITY] = pn_shape_unary,
    [PN_OP_INSTANCE_NORM] = pn_shape_instance_norm,
    [PN_OP_LAYER_NORM] = pn_shape_layer_norm,
    [PN_OP_LEAKY_RELU] = pn_shape_unary,
    [PN_OP_LOG] = pn_shape_unary,
    [PN_OP_LOG_SOFTMAX] = pn_shape_softmax,
    [PN_OP_LRN] = pn_shape_lrn,
    [PN_OP_MATMUL] = pn_shape_matmul,
    [PN_OP_MAX] = pn_shape_broadcast,
    [PN_OP_MAX_POOL] = pn_shape_pool,
    [PN_OP_MIN] = pn_shape_broadcast,
    [PN_OP_MOD] = pn_shape_broadcast,
    [PN_OP_MUL] = pn_shape_broadcast,
    [PN_OP_NEG] = pn_shape_unary,
    [PN_OP_PAD] = pn_shape_pad,
    [PN_OP_POW] = pn_shape_broadcast,
    [PN_OP_PRELU] = pn_shape_prelu,
    [PN_OP_RANGE] = pn_shape_range,
    [PN_OP_REDUCE_MAX] = pn_shape_reduce,
    [PN_OP_REDUCE_MEAN] = pn_shape_reduce,
    [PN_OP_REDUCE_MIN] = pn_shape_reduce,
    [PN_OP_REDUCE_PROD] = pn_shape_reduce,
    [PN_OP_REDUCE_SUM] = pn_shape_reduce,
    [PN_OP_RELU] = pn_shape_unary,
    [PN_OP_RESHAPE] = pn_shape_reshape,
    [PN_OP_RESIZE] = pn_shape_resize,
    [PN_OP_SELU] = pn_shape_unary,
    [PN_OP_SHAPE] = pn_shape_shape,
    [PN_OP_SIGMOID] = pn_shape_unary,
    [PN_OP_SLICE] = pn_shape_slice,
    [PN_OP_SOFTMAX] = pn_shape_softmax,
    [PN_OP_SOFTPLUS] = pn_shape_unary,
    [PN_OP_SOFTSIGN] = pn_shape_unary,
    [PN_OP_SPLIT] = pn_shape_split,
    [PN_OP_SQRT] = pn_shape_unary,
    [PN_OP_SQUEEZE] = pn_shape_squeeze,
    [PN_OP_SUB] = pn_shape_broadcast,
    [PN_OP_SUM] = pn_shape_broadcast,
    [PN_OP_TANH] = pn_shape_unary,
    [PN_OP_TRANSPOSE] = pn_shape_transpose,
    [PN_OP_UNSQUEEZE] = pn_shape_unsqueeze,
    [PN_OP_WHERE] = pn_shape_where,
};

const pn_node *pn_job_node(const pn_shape_job *j)
{
    return &j->g->nodes[j->node];
}

bool pn_job_has(const pn_shape_job *j, int input)
{
    const pn_node *n = pn_job_node(j);
    return input < n->n_inputs && n->inputs[input] != PN_NONE;
}

const pn_value *pn_job_value(const pn_shape_job *j, int input)
{
    return &j->g->values[pn_job_node(j)->inputs[input]];
}

const pn_shape *pn_job_in(const pn_shape_job *j, int input)
{
    return &pn_job_value(j, input)->shape;
}

/* a name people can find: the node's own, else of what it makes */
static const char *label(const pn_shape_job *j)
{
    const pn_node *n = pn_job_node(j);
    if (n->name[0] || n->n_outputs == 0) return n->name;
    return j->g->values[n->outputs[0]].name;
}

pn_status pn_job_bad(pn_shape_job *j, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return pn_fail(j->err, PN_EFORMAT, "%s \"%s\": %s", pn_op_name(pn_job_node(j)->op),
                   label(j), text);
}

pn_status pn_job_unsupported(pn_shape_job *j, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(j->reason, sizeof(j->reason), fmt, ap);
    va_end(ap);
    return PN_EUNSUPPORTED;
}

/* NULL if fine; else the rule that is broken */
static const char *shape_fault(const pn_shape *s, pn_dtype dtype)
{
    int n_free = 0;
    size_t size_bytes;
    for (int i = 0; i < s->ndim; i++) {
        if (s->dim[i] == PN_DIM_FREE)
            n_free++;
        else if (s->dim[i] < 1 || s->dim[i] > PN_MAX_DIM)
            return "a dimension is not within 1..2147483647";
    }
    if (n_free > 1) return "the batch is two of its dimensions";
    int64_t count = pn_shape_count(s);
    if (count < 0 ||
        __builtin_mul_overflow((size_t)count, pn_dtype_size(dtype), &size_bytes) ||
        size_bytes > INT64_MAX)
        return "its size does not fit 63 bits";
    return NULL;
}

static pn_dtype out_type(const pn_shape_job *j)
{
    switch (pn_job_node(j)->op) {
    case PN_OP_CAST:
        return (pn_dtype)pn_node_int(pn_job_node(j), "to", 0);
    case PN_OP_CONSTANT_OF_SHAPE:
        return pn_job_has(j, 1) ? pn_job_value(j, 1)->dtype : PN_F32;
    case PN_OP_EQUAL:
        return PN_BOOL;
    case PN_OP_SHAPE:
        return PN_I64;
    case PN_OP_WHERE:
        return pn_job_value(j, 1)->dtype;
    default:
        return pn_job_value(j, 0)->dtype;
    }
}

pn_status pn_job_out(pn_shape_job *j, int output, const pn_shape *s)
{
    const pn_node *n = pn_job_node(j);
    pn_value *v = &j->g->values[n->outputs[output]];
    pn_dtype dtype = out_type(j);
    const char *fault = shape_fault(s, dtype);
    if (fault) {
        char text[PN_SHAPE_TEXT];
        return pn_job_bad(j, "makes \"%s\" %s: %s", v->name,
                          pn_shape_text(s, text, sizeof(text)), fault);
    }
    v->shape = *s;
    v->has_shape = true;
    v->dtype = dtype;
    return PN_OK;
}

pn_status pn_job_axis(pn_shape_job *j, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return pn_job_bad(j, "axis %lld is not within -%d..%d", (long long)axis, rank,
                          rank - 1);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return PN_OK;
}

pn_status pn_job_axes(pn_shape_job *j, const int64_t *axes, size_t n, int rank,
                      unsigned *bits)
{
    unsigned set = 0;
    for (size_t i = 0; i < n; i++) {
        int axis = 0;
        pn_status st = pn_job_axis(j, axes[i], rank, &axis);
        if (st) return st;
        if (set & 1U << axis) return pn_job_bad(j, "axis %d is named twice", axis);
        set |= 1U << axis;
    }
    *bits = set;
    return PN_OK;
}

/* integers that are known, the batch allowed or not */
static pn_status known_ints(pn_shape_job *j, int input, const char *what, bool with_batch,
                            int64_t *out, size_t max, size_t *n)
{
    const pn_value *v = pn_job_value(j, input);
    pn_known k;
    if (!pn_fold_get(j->fold, j->g, pn_job_node(j)->inputs[input], &k))
        return pn_job_unsupported(j, "%s is computed, not a constant", what);
    if (v->dtype != PN_I64 && v->dtype != PN_I32)
        return pn_job_bad(j, "%s is %s, must be int64", what, pn_dtype_name(v->dtype));
    if (v->shape.ndim > 1) return pn_job_bad(j, "%s must have one dimension", what);
    int64_t count = pn_shape_count(&v->shape);
    if (count < 0 || (size_t)count > max)
        return pn_job_bad(j, "%s has %lld elements, at most %zu", what, (long long)count,
                          max);
    for (int64_t i = 0; i < count; i++) {
        pn_affine a;
        if (!pn_known_int(&k, i, &a)) return pn_job_bad(j, "%s cannot be read", what);
        bool is_batch = !a.fixed && a.batch == 1 && !a.image;
        if ((a.batch || a.image) && (!with_batch || !is_batch))
            return pn_job_unsupported(j, "%s hangs on the size of the batch", what);
        out[i] = is_batch ? PN_DIM_FREE : a.fixed;
    }
    *n = (size_t)count;
    return PN_OK;
}

pn_status pn_job_ints(pn_shape_job *j, int input, const char *what, int64_t *out,
                      size_t max, size_t *n)
{
    return known_ints(j, input, what, false, out, max, n);
}

pn_status pn_job_dims(pn_shape_job *j, int input, const char *what, int64_t *out,
                      size_t *n)
{
    return known_ints(j, input, what, true, out, PN_MAX_DIMS, n);
}

static pn_status spell(pn_shape_job *j, int input, pn_dtype dtype, const void *data,
                       int n)
{
    pn_node *node = &j->g->nodes[j->node];
    const pn_shape shape = {.ndim = 1, .dim = {n}};
    char name[64];
    int id = PN_NONE;
    /* names of a file are its own affair: try until one is free */
    for (int i = 0; i < 1000 && id == PN_NONE; i++) {
        snprintf(name, sizeof(name), "penult.input%d_%d_%d", input, j->node, i);
        if (pn_graph_find(j->g, name) != PN_NONE) continue;
        pn_status st =
            pn_graph_add_const(j->g, name, dtype, &shape, data,
                               (size_t)n * pn_dtype_size(dtype), false, &id, j->err);
        if (st) return st;
    }
    if (id == PN_NONE) return pn_job_bad(j, "no free name for input %d", input);
    if (input >= node->n_inputs) {
        int *more = pn_graph_alloc(j->g, ((size_t)input + 1) * sizeof(*more));
        if (!more) return PN_ENOMEM;
        for (int i = 0; i < input; i++)
            more[i] = i < node->n_inputs ? node->inputs[i] : PN_NONE;
        node->inputs = more;
        node->n_inputs = input + 1;
    }
    node->inputs[input] = id;
    return PN_OK;
}

pn_status pn_job_spell(pn_shape_job *j, int input, const int64_t *v, int n)
{
    return spell(j, input, PN_I64, v, n);
}

pn_status pn_job_spell_f32(pn_shape_job *j, int input, const float *v, int n)
{
    return spell(j, input, PN_F32, v, n);
}

void pn_job_drop_attr(pn_shape_job *j, const char *name)
{
    pn_node *n = &j->g->nodes[j->node];
    int kept = 0;
    for (int i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) != 0) n->attrs[kept++] = n->attrs[i];
    n->n_attrs = kept;
}

pn_status pn_job_batch_first(pn_shape_job *j, const pn_shape *s)
{
    for (int i = 1; i < s->ndim; i++)
        if (s->dim[i] == PN_DIM_FREE)
            return pn_job_unsupported(j, "the batch is dimension %d of its input", i);
    return PN_OK;
}

bool pn_broadcast_dim(int64_t a, int64_t b, int64_t *out)
{
    if (a != b && a != 1 && b != 1) return false;
    *out = a == 1 ? b : a;
    return true;
}

/* how many of the leading inputs must have one type */
static int same_type_inputs(pn_op op)
{
    switch (op) {
    case PN_OP_CONSTANT_OF_SHAPE:
    case PN_OP_WHERE:
        return 0;
    case PN_OP_DROPOUT:
    case PN_OP_EXPAND:
    case PN_OP_GATHER:
    case PN_OP_PAD:
    case PN_OP_POW:
    case PN_OP_REDUCE_SUM:
    case PN_OP_RESHAPE:
    case PN_OP_RESIZE:
    case PN_OP_SLICE:
    case PN_OP_SPLIT:
    case PN_OP_SQUEEZE:
    case PN_OP_UNSQUEEZE:
        return 1;
    default:
        return PN_MANY;
    }
}

static pn_status check_counts(pn_shape_job *j)
{
    const pn_node *n = pn_job_node(j);
    const pn_op_rule *rule = pn_op_rule_of(n->op);
    if (n->n_inputs < rule->min_inputs || n->n_inputs > rule->max_inputs)
        return pn_job_bad(j, "has %d inputs, takes %d..%d", n->n_inputs, rule->min_inputs,
                          rule->max_inputs);
    if (n->n_outputs < rule->min_outputs || n->n_outputs > rule->max_outputs)
        return pn_job_bad(j, "has %d outputs, makes %d..%d", n->n_outputs,
                          rule->min_outputs, rule->max_outputs);
    for (int i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] == PN_NONE &&
            (i < rule->min_inputs || rule->max_inputs == PN_MANY))
            return pn_job_bad(j, "input %d is left out", i);
    for (int i = 0; i < n->n_attrs; i++) {
        pn_attr_kind kind;
        if (!pn_op_attr_kind(n->op, n->attrs[i].name, &kind))
            return pn_job_bad(j, "has no attribute \"%s\"", n->attrs[i].name);
        if (kind != n->attrs[i].kind)
            return pn_job_bad(j, "attribute \"%s\" is of the wrong kind",
                              n->attrs[i].name);
    }
    return PN_OK;
}

/* is_input: one flag a value; *known: every input has a shape */
static pn_status check_inputs(pn_shape_job *j, const unsigned char *is_input, bool *known)
{
    const pn_node *n = pn_job_node(j);
    *known = true;
    for (int i = 0; i < n->n_inputs; i++) {
        if (n->inputs[i] == PN_NONE) continue;
        const pn_value *v = pn_job_value(j, i);
        if (!v->data && !is_input[n->inputs[i]] &&
            (v->producer == PN_NONE || v->producer >= j->node))
            return pn_job_bad(j, "nothing before it makes its input \"%s\"", v->name);
        if (!v->has_shape) *known = false;
    }
    if (!*known || n->inputs[0] == PN_NONE) return PN_OK;
    int same = same_type_inputs(n->op);
    for (int i = 0; i < n->n_inputs && i < same; i++)
        if (pn_job_has(j, i) && pn_shape_count(pn_job_in(j, i)) == 0)
            return pn_job_bad(j, "its input \"%s\" is empty", pn_job_value(j, i)->name);
    for (int i = 1; i < n->n_inputs && i < same; i++)
        if (pn_job_has(j, i) && pn_job_value(j, i)->dtype != pn_job_value(j, 0)->dtype)
            return pn_job_bad(
                j, "\"%s\" is %s, \"%s\" is %s: types must be the same",
                pn_job_value(j, i)->name, pn_dtype_name(pn_job_value(j, i)->dtype),
                pn_job_value(j, 0)->name, pn_dtype_name(pn_job_value(j, 0)->dtype));
    return PN_OK;
}

static pn_status infer_node(pn_shape_job *j, const unsigned char *is_input)
{
    bool known;
    const pn_node *n = pn_job_node(j);
    for (int i = 0; i < n->n_outputs; i++)
        j->g->values[n->outputs[i]].has_shape = false;
    pn_status st = check_counts(j);
    if (!st) st = pn_fold_strided(j);
    if (!st) st = check_inputs(j, is_input, &known);
    /* behind a node that is not supported there is nothing to infer: it is told already
     */
    if (!st && known) st = functions[pn_job_node(j)->op](j);
    return st ? st : pn_fold_node(j);
}

static pn_status check_graph_inputs(const pn_graph *g, unsigned char *is_input,
                                    pn_err *err)
{
    for (int i = 0; i < g->n_inputs; i++) {
        const pn_value *v = &g->values[g->inputs[i]];
        if (is_input[g->inputs[i]])
            return pn_fail(err, PN_EFORMAT, "input \"%s\": named twice", v->name);
        if (v->data || v->producer != PN_NONE)
            return pn_fail(err, PN_EFORMAT, "input \"%s\": the graph makes it", v->name);
        if (!v->has_shape)
            return pn_fail(err, PN_EFORMAT, "input \"%s\": its shape is unknown",
                           v->name);
        const char *fault = shape_fault(&v->shape, v->dtype);
        char text[PN_SHAPE_TEXT];
        if (fault)
            return pn_fail(err, PN_EFORMAT, "input \"%s\": %s: %s", v->name,
                           pn_shape_text(&v->shape, text, sizeof(text)), fault);
        is_input[g->inputs[i]] = 1;
    }
    return PN_OK;
}

static pn_status check_graph_outputs(const pn_graph *g, const unsigned char *is_input,
                                     pn_err *err)
{
    for (int i = 0; i < g->n_outputs; i++) {
        const pn_value *v = &g->values[g->outputs[i]];
        if (!v->data && v->producer == PN_NONE && !is_input[g->outputs[i]])
            return pn_fail(err, PN_EFORMAT, "output \"%s\": nothing makes it", v->name);
    }
    return PN_OK;
}

pn_status pn_graph_infer_shapes(pn_graph *g, pn_err *err)
{
    pn_shape_job j = {.g = g, .err = err};
    unsigned char *is_input = calloc((size_t)g->n_values + 1, 1);
    char **refused = calloc((size_t)g->n_nodes + 1, sizeof(*refused));
    int n_nodes = g->n_nodes;
    pn_status st = is_input && refused ? pn_fold_new(&j.fold, g) : PN_ENOMEM;
    if (!st) st = check_graph_inputs(g, is_input, err);
    for (j.node = 0; !st && j.node < g->n_nodes; j.node++) {
        st = infer_node(&j, is_input);
        if (st != PN_EUNSUPPORTED) continue;
        refused[j.node] = strdup(j.reason);
        st = refused[j.node] ? PN_OK : PN_ENOMEM;
    }
    if (!st) st = check_graph_outputs(g, is_input, err);
    if (!st) st = pn_graph_sweep(g, j.fold, refused, err);
    if (st == PN_ENOMEM) pn_fail(err, st, "infer shapes: out of memory");
    for (int i = 0; refused && i < n_nodes; i++)
        free(refused[i]);
    free(refused);
    free(is_input);
    pn_fold_free(&j.fold);
    return st;
}
