/* Element by element, reductions, products; and how much work a product is. */
#include "model/shape.h"

#include <string.h>

pn_status pn_shape_unary(pn_shape_job *j)
{
    const pn_shape out = *pn_job_in(j, 0);
    return pn_job_out(j, 0, &out);
}

/* numpy's rule: aligned at the last axis, each pair equal or one of them 1 */
static bool broadcast(const pn_shape *a, const pn_shape *b, pn_shape *out)
{
    pn_shape s = {.ndim = a->ndim > b->ndim ? a->ndim : b->ndim};
    for (int i = 1; i <= s.ndim; i++) {
        int64_t x = i <= a->ndim ? a->dim[a->ndim - i] : 1;
        int64_t y = i <= b->ndim ? b->dim[b->ndim - i] : 1;
        if (!pn_broadcast_dim(x, y, &s.dim[s.ndim - i])) return false;
    }
    *out = s;
    return true;
}

static pn_status no_broadcast(pn_shape_job *j, const pn_shape *a, const pn_shape *b)
{
    char text[2][PN_SHAPE_TEXT];
    return pn_job_bad(j, "%s and %s do not go together",
                      pn_shape_text(a, text[0], PN_SHAPE_TEXT),
                      pn_shape_text(b, text[1], PN_SHAPE_TEXT));
}

pn_status pn_shape_broadcast(pn_shape_job *j)
{
    pn_shape out = *pn_job_in(j, 0);
    for (int i = 1; i < pn_job_node(j)->n_inputs; i++) {
        const pn_shape sofar = out;
        if (!broadcast(&sofar, pn_job_in(j, i), &out))
            return no_broadcast(j, &sofar, pn_job_in(j, i));
    }
    return pn_job_out(j, 0, &out);
}

/* b stretches to a, a does not stretch */
static bool broadcasts_to(const pn_shape *b, const pn_shape *a)
{
    pn_shape both;
    return broadcast(a, b, &both) && pn_shape_equal(&both, a);
}

pn_status pn_shape_prelu(pn_shape_job *j)
{
    const pn_shape x = *pn_job_in(j, 0);
    if (!broadcasts_to(pn_job_in(j, 1), &x)) return no_broadcast(j, &x, pn_job_in(j, 1));
    return pn_job_out(j, 0, &x);
}

pn_status pn_shape_cast(pn_shape_job *j)
{
    int64_t to = pn_node_int(pn_job_node(j), "to", 0);
    if (to < 0 || to > PN_BF16 || !pn_dtype_size((pn_dtype)to))
        return pn_job_unsupported(j, "to is element type %lld", (long long)to);
    return pn_shape_unary(j);
}

pn_status pn_shape_clip(pn_shape_job *j)
{
    for (int i = 1; i < 3; i++) {
        if (!pn_job_has(j, i)) continue;
        const char *what = i == 1 ? "min" : "max";
        if (!pn_job_value(j, i)->data)
            return pn_job_unsupported(j, "%s is computed, not a constant", what);
        if (pn_shape_count(pn_job_in(j, i)) != 1)
            return pn_job_bad(j, "%s must be one number", what);
    }
    return pn_shape_unary(j);
}

pn_status pn_shape_dropout(pn_shape_job *j)
{
    if (pn_job_has(j, 2)) {
        int64_t training;
        if (pn_value_to_i64(pn_job_value(j, 2), 0, 1, &training) || training)
            return pn_job_unsupported(j, "training_mode is not a constant false");
    }
    return pn_shape_unary(j);
}

pn_status pn_shape_softmax(pn_shape_job *j)
{
    const pn_shape *x = pn_job_in(j, 0);
    int axis = 0;
    pn_status st =
        pn_job_axis(j, pn_node_int(pn_job_node(j), "axis", -1), x->ndim, &axis);
    if (st) return st;
    if (x->dim[axis] == PN_DIM_FREE)
        return pn_job_unsupported(j, "mixes the images of a batch, axis %d", axis);
    return pn_shape_unary(j);
}

/* inputs first..first+n-1 must be one number a channel */
static pn_status check_per_channel(pn_shape_job *j, int n, int64_t channels)
{
    for (int i = 1; i <= n; i++) {
        const pn_shape *s = pn_job_in(j, i);
        if (s->ndim != 1 || s->dim[0] != channels)
            return pn_job_bad(j, "input %d \"%s\" must have one dimension of %lld", i,
                              pn_job_value(j, i)->name, (long long)channels);
    }
    return PN_OK;
}

static pn_status check_channels(pn_shape_job *j, int min_rank, int n_params)
{
    const pn_shape *x = pn_job_in(j, 0);
    pn_status st = pn_job_batch_first(j, x);
    if (st) return st;
    if (x->ndim < min_rank)
        return pn_job_bad(j, "its input has %d dimensions, at least %d", x->ndim,
                          min_rank);
    return check_per_channel(j, n_params, x->dim[1]);
}

pn_status pn_shape_batch_norm(pn_shape_job *j)
{
    pn_status st = check_channels(j, 2, 4);
    return st ? st : pn_shape_unary(j);
}

pn_status pn_shape_instance_norm(pn_shape_job *j)
{
    pn_status st = check_channels(j, 3, 2);
    return st ? st : pn_shape_unary(j);
}

pn_status pn_shape_layer_norm(pn_shape_job *j)
{
    const pn_shape x = *pn_job_in(j, 0);
    int axis = 0;
    pn_status st = pn_job_axis(j, pn_node_int(pn_job_node(j), "axis", -1), x.ndim, &axis);
    if (st) return st;
    pn_shape normed = {.ndim = x.ndim - axis};
    for (int i = axis; i < x.ndim; i++) {
        if (x.dim[i] == PN_DIM_FREE)
            return pn_job_unsupported(j, "mixes the images of a batch, axis %d", i);
        normed.dim[i - axis] = x.dim[i];
    }
    for (int i = 1; i < 3; i++)
        if (pn_job_has(j, i) && !broadcasts_to(pn_job_in(j, i), &normed))
            return no_broadcast(j, &normed, pn_job_in(j, i));
    return pn_shape_unary(j);
}

pn_status pn_shape_lrn(pn_shape_job *j)
{
    pn_status st = check_channels(j, 3, 0);
    if (st) return st;
    int64_t size = pn_node_int(pn_job_node(j), "size", 0);
    if (size < 1 || size > PN_MAX_DIM)
        return pn_job_bad(j, "size is %lld: must be at least 1", (long long)size);
    return pn_shape_unary(j);
}

/* which axes go; ReduceSum has them as an input, the others as an attribute */
static pn_status reduced_axes(pn_shape_job *j, int rank, unsigned *bits)
{
    const pn_node *n = pn_job_node(j);
    int64_t buffer[PN_MAX_DIMS];
    const int64_t *axes = buffer;
    size_t count = 0;
    if (n->op == PN_OP_REDUCE_SUM && pn_job_has(j, 1)) {
        pn_status st = pn_job_ints(j, 1, "axes", buffer, PN_MAX_DIMS, &count);
        if (st) return st;
    } else if (pn_node_attr(n, "axes")) {
        axes = pn_node_attr(n, "axes")->ints;
        count = pn_node_attr(n, "axes")->n;
    }
    if (count) return pn_job_axes(j, axes, count, rank, bits);
    *bits = pn_node_int(n, "noop_with_empty_axes", 0) ? 0 : (1U << rank) - 1;
    return PN_OK;
}

pn_status pn_shape_reduce(pn_shape_job *j)
{
    const pn_shape *x = pn_job_in(j, 0);
    bool keep = pn_node_int(pn_job_node(j), "keepdims", 1) != 0;
    pn_shape out = {0};
    unsigned bits = 0;
    pn_status st = reduced_axes(j, x->ndim, &bits);
    if (st) return st;
    if (!bits && x->ndim) { /* noop_with_empty_axes */
        pn_node *n = &j->g->nodes[j->node];
        n->op = PN_OP_IDENTITY;
        n->n_inputs = 1;
        n->n_attrs = 0;
        return pn_shape_unary(j);
    }
    for (int i = 0; i < x->ndim; i++) {
        if (!(bits & 1U << i))
            out.dim[out.ndim++] = x->dim[i];
        else if (x->dim[i] == PN_DIM_FREE)
            return pn_job_unsupported(j, "mixes the images of a batch, axis %d", i);
        else if (keep)
            out.dim[out.ndim++] = 1;
    }
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_gemm(pn_shape_job *j)
{
    const pn_shape *a = pn_job_in(j, 0), *b = pn_job_in(j, 1);
    int ta = pn_node_int(pn_job_node(j), "transA", 0) != 0;
    int tb = pn_node_int(pn_job_node(j), "transB", 0) != 0;
    if (a->ndim != 2 || b->ndim != 2)
        return pn_job_bad(j, "its inputs have %d and %d dimensions, must have 2", a->ndim,
                          b->ndim);
    if (a->dim[!ta] == PN_DIM_FREE || b->dim[tb] == PN_DIM_FREE)
        return pn_job_unsupported(j, "mixes the images of a batch");
    if (a->dim[!ta] != b->dim[tb])
        return pn_job_bad(j, "sums over %lld and %lld elements: must be the same",
                          (long long)a->dim[!ta], (long long)b->dim[tb]);
    const pn_shape out = {.ndim = 2, .dim = {a->dim[ta], b->dim[!tb]}};
    if (pn_job_has(j, 2) && !broadcasts_to(pn_job_in(j, 2), &out))
        return no_broadcast(j, &out, pn_job_in(j, 2));
    return pn_job_out(j, 0, &out);
}

/* numpy.matmul: a vector on either side is a matrix of one row or column for the while */
pn_status pn_shape_matmul(pn_shape_job *j)
{
    const pn_shape *a = pn_job_in(j, 0), *b = pn_job_in(j, 1);
    if (a->ndim < 1 || b->ndim < 1) return pn_job_bad(j, "an input is a scalar");
    int64_t k = a->dim[a->ndim - 1];
    int64_t kb = b->dim[b->ndim > 1 ? b->ndim - 2 : 0];
    if (k == PN_DIM_FREE || kb == PN_DIM_FREE)
        return pn_job_unsupported(j, "mixes the images of a batch");
    if (k != kb)
        return pn_job_bad(j, "sums over %lld and %lld elements: must be the same",
                          (long long)k, (long long)kb);
    pn_shape out, outer_a = *a, outer_b = *b;
    outer_a.ndim = a->ndim > 2 ? a->ndim - 2 : 0;
    outer_b.ndim = b->ndim > 2 ? b->ndim - 2 : 0;
    if (!broadcast(&outer_a, &outer_b, &out)) return no_broadcast(j, a, b);
    if (a->ndim > 1) out.dim[out.ndim++] = a->dim[a->ndim - 2];
    if (b->ndim > 1) out.dim[out.ndim++] = b->dim[b->ndim - 1];
    return pn_job_out(j, 0, &out);
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

int64_t pn_node_macs(const pn_graph *g, const pn_node *n)
{
    switch (n->op) {
    case PN_OP_CONV:
    case PN_OP_CONV_TRANSPOSE: {
        /* each output (of a transpose: each input) meets one filter: weights of dim 0 */
        bool transposed = n->op == PN_OP_CONV_TRANSPOSE;
        const pn_shape *w = &g->values[n->inputs[1]].shape;
        const pn_shape *x = &g->values[transposed ? n->inputs[0] : n->outputs[0]].shape;
        int64_t filter = pn_shape_count(w);
        return w->ndim < 1 || w->dim[0] < 1
                   ? 0
                   : times(pn_shape_count(x), filter < 0 ? -1 : filter / w->dim[0]);
    }
    case PN_OP_GEMM: {
        const pn_shape *a = &g->values[n->inputs[0]].shape;
        int64_t k = a->dim[pn_node_int(n, "transA", 0) ? 0 : 1];
        return times(pn_shape_count(&g->values[n->outputs[0]].shape), k);
    }
    case PN_OP_MATMUL: {
        const pn_shape *a = &g->values[n->inputs[0]].shape;
        return a->ndim < 1 ? 0
                           : times(pn_shape_count(&g->values[n->outputs[0]].shape),
                                   a->dim[a->ndim - 1]);
    }
    default:
        return 0;
    }
}
