/* Matrix products, normalisations and softmax. */
#include "engine/lower.h"

#include <limits.h>
#include <math.h>

static pn_status lower_fc(pn_lower *lo, const pn_node *n, const pn_fc *fc)
{
    if (fc->n > INT_MAX || fc->k > INT_MAX)
        return pn_lower_refuse(lo, n, "its weights are too large");
    pn_layer *l =
        pn_lower_layer(lo, n, PN_LAYER_FC, pn_lower_in(lo, n, 0), pn_lower_out(lo, n, 0));
    if (!l) return PN_ENOMEM;
    l->u.fc = *fc;
    return PN_OK;
}

pn_status pn_lower_gemm(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    if (in == PN_NONE || !pn_lower_all_const(lo, n, 1, 2))
        return pn_lower_refuse(lo, n, "B and C must be constants, A not");
    if (pn_node_int(n, "transA", 0)) return pn_lower_refuse(lo, n, "transA");
    pn_fc fc = {.weight = n->inputs[1], .bias = PN_NONE};
    fc.n = pn_lower_shape(lo, out)->dim[0];
    fc.k = pn_lower_shape(lo, in)->dim[0];
    fc.is_k_major = !pn_node_int(n, "transB", 0);
    fc.alpha = (double)pn_node_float(n, "alpha", 1);
    fc.beta = (double)pn_node_float(n, "beta", 1);
    if (pn_lower_has(lo, n, 2)) {
        fc.bias = n->inputs[2];
        const pn_shape *s = &pn_lower_value(lo, fc.bias)->shape;
        int64_t count = pn_shape_count(s);
        if (count != 1 && (count != fc.n || s->dim[s->ndim - 1] != fc.n))
            return pn_lower_refuse(lo, n, "C must have one row");
    }
    return lower_fc(lo, n, &fc);
}

/* One operand of a matrix product as the walk over the dimensions before its last two:
 * strides come with the plan, here only what it is. */
pn_status pn_lower_matmul(pn_lower *lo, const pn_node *n)
{
    int a = pn_lower_in(lo, n, 0), b = pn_lower_in(lo, n, 1),
        out = pn_lower_out(lo, n, 0);
    const pn_value *va = pn_lower_value(lo, n->inputs[0]);
    const pn_value *vb = pn_lower_value(lo, n->inputs[1]);
    if (a != PN_NONE && b == PN_NONE && pn_lower_shape(lo, a)->ndim == 1 &&
        vb->shape.ndim == 2) {
        pn_fc fc = {.weight = n->inputs[1], .bias = PN_NONE, .is_k_major = true};
        fc.n = pn_lower_shape(lo, out)->dim[0];
        fc.k = pn_lower_shape(lo, a)->dim[0];
        fc.alpha = fc.beta = 1;
        return lower_fc(lo, n, &fc);
    }
    if (va->shape.ndim < 2 || vb->shape.ndim < 2 ||
        (a != PN_NONE && pn_lower_shape(lo, a)->ndim < 2) ||
        (b != PN_NONE && pn_lower_shape(lo, b)->ndim < 2))
        return pn_lower_refuse(lo, n, "vectors and products across the batch");
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_MATMUL, a, out);
    if (!l) return PN_ENOMEM;
    l->in[1] = b;
    l->u.matmul.c[0].value = a == PN_NONE ? n->inputs[0] : PN_NONE;
    l->u.matmul.c[1].value = b == PN_NONE ? n->inputs[1] : PN_NONE;
    return PN_OK;
}

pn_status pn_lower_batch_norm(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    if (in == PN_NONE || !pn_lower_all_const(lo, n, 1, 4))
        return pn_lower_refuse(lo, n, "its parameters must be constants, the data not");
    if (pn_node_int(n, "training_mode", 0))
        return pn_lower_refuse(lo, n, "training_mode");
    const pn_shape *s = pn_lower_shape(lo, in);
    if (s->ndim != 3 && s->ndim != 1)
        return pn_lower_refuse(lo, n,
                               "only N x C and one to three axes behind are supported");
    const int64_t channels = s->dim[0];
    const double epsilon = (double)pn_node_float(n, "epsilon", 1e-5F);
    double *p = pn_arena_alloc(&lo->m->arena, (size_t)channels * 2 * sizeof(*p));
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_AFFINE, in, out);
    if (!p || !l) return PN_ENOMEM;
    l->u.affine.s = (pn_scale){p, p + channels};
    for (int64_t c = 0; c < channels; c++) {
        float v[4]; /* scale, bias, mean, variance */
        for (int i = 0; i < 4; i++)
            if (pn_value_to_f32(pn_lower_value(lo, n->inputs[i + 1]), c, 1, &v[i]))
                return pn_lower_refuse(lo, n, "its parameters are not one a channel");
        p[c] = (double)v[0] / sqrt((double)v[3] + epsilon);
        p[channels + c] = (double)v[1] - (double)v[2] * p[c];
    }
    return PN_OK;
}

pn_status pn_lower_instance_norm(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0);
    if (in == PN_NONE || !pn_lower_all_const(lo, n, 1, 2))
        return pn_lower_refuse(lo, n, "its parameters must be constants, the data not");
    if (!pn_tensor_is_map(&lo->m->tensors[in]))
        return pn_lower_refuse(lo, n, "only one to three spatial axes are supported");
    pn_layer *l =
        pn_lower_layer(lo, n, PN_LAYER_INSTANCE_NORM, in, pn_lower_out(lo, n, 0));
    if (!l) return PN_ENOMEM;
    l->u.norm.scale = n->inputs[1];
    l->u.norm.shift = n->inputs[2];
    l->u.norm.epsilon = pn_node_float(n, "epsilon", 1e-5F);
    return PN_OK;
}

pn_status pn_lower_layer_norm(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    if (!pn_lower_all_const(lo, n, 1, 2))
        return pn_lower_refuse(lo, n, "its parameters must be constants, the data not");
    const int ndim = pn_lower_shape(lo, in)->ndim;
    int64_t axis = pn_node_int(n, "axis", -1);
    if (axis < 0) axis += ndim + 1;
    if (axis < 1 || axis > ndim) return pn_lower_refuse(lo, n, "across the batch");
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_LAYER_NORM, in, out);
    if (!l) return PN_ENOMEM;
    for (int i = 0; i < ndim; i++)
        l->u.layer_norm.is_normed[i] = lo->is_last ? i == 0 : i >= axis - 1;
    l->u.layer_norm.scale = n->inputs[1];
    l->u.layer_norm.shift = pn_lower_has(lo, n, 2) ? n->inputs[2] : PN_NONE;
    l->u.layer_norm.epsilon = pn_node_float(n, "epsilon", 1e-5F);
    return PN_OK;
}

pn_status pn_lower_lrn(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0);
    if (!pn_tensor_is_map(&lo->m->tensors[in]))
        return pn_lower_refuse(lo, n, "only one to three spatial axes are supported");
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_LRN, in, pn_lower_out(lo, n, 0));
    if (!l) return PN_ENOMEM;
    l->u.lrn.size = pn_node_int(n, "size", 1);
    l->u.lrn.alpha = pn_node_float(n, "alpha", 1e-4F);
    l->u.lrn.beta = pn_node_float(n, "beta", 0.75F);
    l->u.lrn.bias = pn_node_float(n, "bias", 1);
    return PN_OK;
}

pn_status pn_lower_softmax(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0);
    const int ndim = pn_lower_shape(lo, in)->ndim;
    int64_t axis = pn_node_int(n, "axis", -1);
    if (axis < 0) axis += ndim + 1;
    if (axis < 1 || axis > ndim) return pn_lower_refuse(lo, n, "across the batch");
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_SOFTMAX, in, pn_lower_out(lo, n, 0));
    if (!l) return PN_ENOMEM;
    l->u.softmax.axis = (int)axis - 1;
    l->u.softmax.is_log = n->op == PN_OP_LOG_SOFTMAX;
    return PN_OK;
}
