/* Functions of one number, and arithmetic between two values. What is one factor and one
 * summand a channel becomes an AFFINE layer, which folds into its neighbours. */
#include "engine/lower.h"

#include <math.h>
#include <string.h>

pn_status pn_lower_unary(pn_lower *lo, const pn_node *n, const pn_act *act)
{
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_UNARY, pn_lower_in(lo, n, 0),
                                 pn_lower_out(lo, n, 0));
    if (!l) return PN_ENOMEM;
    l->act = *act;
    return PN_OK;
}

/* Those that are their kind alone; PN_ACT_CLAMP: it is none of them. */
static pn_act_kind plain_kind(pn_op op)
{
    switch (op) {
    case PN_OP_SIGMOID:
        return PN_ACT_SIGMOID;
    case PN_OP_HARD_SWISH:
        return PN_ACT_HARD_SWISH;
    case PN_OP_TANH:
        return PN_ACT_TANH;
    case PN_OP_SOFTPLUS:
        return PN_ACT_SOFTPLUS;
    case PN_OP_SOFTSIGN:
        return PN_ACT_SOFTSIGN;
    case PN_OP_EXP:
        return PN_ACT_EXP;
    case PN_OP_LOG:
        return PN_ACT_LOG;
    case PN_OP_SQRT:
        return PN_ACT_SQRT;
    case PN_OP_ERF:
        return PN_ACT_ERF;
    case PN_OP_NEG:
        return PN_ACT_NEG;
    default:
        return PN_ACT_CLAMP;
    }
}

pn_status pn_lower_activation(pn_lower *lo, const pn_node *n)
{
    pn_act act = pn_act_none;
    act.kind = plain_kind(n->op);
    switch (n->op) {
    case PN_OP_RELU:
        act.lo = 0;
        break;
    case PN_OP_LEAKY_RELU:
        act.kind = PN_ACT_LEAKY;
        act.a = pn_node_float(n, "alpha", 0.01F);
        break;
    case PN_OP_ELU:
        act.kind = PN_ACT_ELU;
        act.a = pn_node_float(n, "alpha", 1);
        break;
    case PN_OP_SELU:
        act.kind = PN_ACT_SELU;
        act.a = pn_node_float(n, "alpha", 1.67326319217681884765625F);
        act.b = pn_node_float(n, "gamma", 1.05070102214813232421875F);
        break;
    case PN_OP_HARD_SIGMOID:
        act.kind = PN_ACT_HARD_SIGMOID;
        act.a = pn_node_float(n, "alpha", 0.2F);
        act.b = pn_node_float(n, "beta", 0.5F);
        break;
    case PN_OP_GELU:
        act.kind = strcmp(pn_node_string(n, "approximate", "none"), "tanh") == 0
                       ? PN_ACT_GELU_TANH
                       : PN_ACT_GELU;
        break;
    default:
        if (act.kind == PN_ACT_CLAMP)
            return pn_lower_refuse(lo, n, "the engine has no code for it");
    }
    return pn_lower_unary(lo, n, &act);
}

pn_status pn_lower_clip(pn_lower *lo, const pn_node *n)
{
    pn_act act = pn_act_none;
    if ((pn_lower_has(lo, n, 1) && !pn_lower_scalar(lo, n, 1, &act.lo)) ||
        (pn_lower_has(lo, n, 2) && !pn_lower_scalar(lo, n, 2, &act.hi)))
        return pn_lower_refuse(lo, n, "its bounds must be constants of one element");
    return pn_lower_unary(lo, n, &act);
}

static pn_status lower_pair(pn_lower *lo, const pn_node *n, pn_binary f, int a, int b,
                            int const_a, int const_b, int out)
{
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_BINARY, a, out);
    if (!l) return PN_ENOMEM;
    l->in[1] = b;
    l->u.binary.f = f;
    l->u.binary.c[0].value = const_a;
    l->u.binary.c[1].value = const_b;
    return PN_OK;
}

pn_status pn_lower_prelu(pn_lower *lo, const pn_node *n)
{
    int in = pn_lower_in(lo, n, 0), out = pn_lower_out(lo, n, 0);
    if (in == PN_NONE) return pn_lower_refuse(lo, n, "its data is a constant");
    const pn_shape *s = pn_lower_shape(lo, in);
    pn_act act = pn_act_none;
    if (pn_lower_scalar(lo, n, 1, &act.a)) {
        act.kind = PN_ACT_LEAKY;
        return pn_lower_unary(lo, n, &act);
    }
    if (s->ndim == 3 || s->ndim == 1) {
        double *slope = pn_arena_alloc(&lo->m->arena, (size_t)s->dim[0] * sizeof(*slope));
        if (!slope) return PN_ENOMEM;
        if (pn_lower_per_channel(lo, n, 1, s, slope)) {
            act.kind = PN_ACT_PRELU;
            pn_status st = pn_lower_unary(lo, n, &act);
            if (!st) lo->m->layers[lo->m->n_layers - 1].slope = n->inputs[1];
            return st;
        }
    }
    return pn_lower_is_const(lo, n, 1)
               ? lower_pair(lo, n, PN_BINARY_PRELU, in, PN_NONE, PN_NONE, n->inputs[1],
                            out)
               : lower_pair(lo, n, PN_BINARY_PRELU, in, pn_lower_in(lo, n, 1), PN_NONE,
                            PN_NONE, out);
}

/* x op c or c op x as one factor and one summand a channel; false: it is not that. */
static bool as_affine(pn_op op, bool const_first, int64_t channels, const double *c,
                      pn_scale *s)
{
    for (int64_t i = 0; i < channels; i++) {
        s->scale[i] = 1;
        s->shift[i] = 0;
        switch (op) {
        case PN_OP_ADD:
        case PN_OP_SUM:
            s->shift[i] = c[i];
            break;
        case PN_OP_SUB:
            s->scale[i] = const_first ? -1 : 1;
            s->shift[i] = const_first ? c[i] : -c[i];
            break;
        case PN_OP_MUL:
            s->scale[i] = c[i];
            break;
        case PN_OP_DIV:
            if (const_first) return false;
            s->scale[i] = 1 / c[i];
            break;
        default:
            return false;
        }
        /* 0 * inf would come out as NaN where the division gave inf */
        if (!isfinite(s->scale[i]) || !isfinite(s->shift[i])) return false;
    }
    return true;
}

static pn_status try_affine(pn_lower *lo, const pn_node *n, int const_input, bool *done)
{
    int in = pn_lower_in(lo, n, 1 - const_input), out = pn_lower_out(lo, n, 0);
    const pn_shape s = *pn_lower_shape(lo, in);
    if ((s.ndim != 3 && s.ndim != 1) || !pn_shape_equal(&s, pn_lower_shape(lo, out)))
        return PN_OK;
    double *p = pn_arena_alloc(&lo->m->arena, (size_t)s.dim[0] * 3 * sizeof(*p));
    if (!p) return PN_ENOMEM;
    pn_scale scale = {p, p + s.dim[0]};
    double *c = p + 2 * s.dim[0];
    if (!pn_lower_per_channel(lo, n, const_input, &s, c) ||
        !as_affine(n->op, const_input == 0, s.dim[0], c, &scale))
        return PN_OK;
    pn_layer *l = pn_lower_layer(lo, n, PN_LAYER_AFFINE, in, out);
    if (!l) return PN_ENOMEM;
    l->u.affine.s = scale;
    *done = true;
    return PN_OK;
}

static bool binary_of_op(pn_op op, pn_binary *f)
{
    switch (op) {
    case PN_OP_ADD:
    case PN_OP_SUM:
        *f = PN_BINARY_ADD;
        return true;
    case PN_OP_SUB:
        *f = PN_BINARY_SUB;
        return true;
    case PN_OP_MUL:
        *f = PN_BINARY_MUL;
        return true;
    case PN_OP_DIV:
        *f = PN_BINARY_DIV;
        return true;
    case PN_OP_POW:
        *f = PN_BINARY_POW;
        return true;
    case PN_OP_MAX:
        *f = PN_BINARY_MAX;
        return true;
    case PN_OP_MIN:
        *f = PN_BINARY_MIN;
        return true;
    default:
        return false;
    }
}

/* Sum, Max and Min of many: two at a time, from left to right. */
static pn_status lower_chain(pn_lower *lo, const pn_node *n, pn_binary f)
{
    const int out = pn_lower_out(lo, n, 0);
    const pn_shape shape = *pn_lower_shape(lo, out);
    int so_far = pn_lower_in(lo, n, 0);
    int first = so_far == PN_NONE ? n->inputs[0] : PN_NONE;
    for (int i = 1; i < n->n_inputs; i++) {
        int in = pn_lower_in(lo, n, i);
        int to = i == n->n_inputs - 1 ? out : pn_net_add_tensor(lo->m, &shape);
        if (to == PN_NONE) return PN_ENOMEM;
        if (so_far == PN_NONE && in == PN_NONE)
            return pn_lower_refuse(lo, n, "its first two inputs are constants");
        pn_status st = lower_pair(lo, n, f, so_far, in, i == 1 ? first : PN_NONE,
                                  in == PN_NONE ? n->inputs[i] : PN_NONE, to);
        if (st) return st;
        so_far = to;
    }
    return PN_OK;
}

pn_status pn_lower_binary(pn_lower *lo, const pn_node *n)
{
    pn_binary f;
    if (!binary_of_op(n->op, &f))
        return pn_lower_refuse(lo, n, "the engine has no code for it");
    if (n->n_inputs == 1) return pn_lower_identity(lo, n);
    if (n->n_inputs == 2) {
        bool done = false;
        pn_status st = PN_OK;
        if (pn_lower_is_const(lo, n, 0))
            st = try_affine(lo, n, 0, &done);
        else if (pn_lower_is_const(lo, n, 1))
            st = try_affine(lo, n, 1, &done);
        if (st || done) return st;
    }
    return lower_chain(lo, n, f);
}

pn_status pn_lower_identity(pn_lower *lo, const pn_node *n)
{
    lo->tensor_of[n->outputs[0]] = pn_lower_in(lo, n, 0);
    return PN_OK;
}

/* Whole numbers are floats without a fraction here; of shorter ones what fits, counted
 * round. */
pn_status pn_lower_cast(pn_lower *lo, const pn_node *n)
{
    const pn_dtype from = pn_lower_value(lo, n->inputs[0])->dtype;
    const pn_dtype to = pn_lower_value(lo, n->outputs[0])->dtype;
    pn_act act = pn_act_none;
    if (to == PN_F32 || from == to) return pn_lower_identity(lo, n);
    if (from == PN_F32 && (to == PN_I32 || to == PN_I64)) {
        act.kind = PN_ACT_TRUNC;
        return pn_lower_unary(lo, n, &act);
    }
    if ((from == PN_I32 || from == PN_I64) && (to == PN_I8 || to == PN_U8)) {
        act.kind = PN_ACT_WRAP;
        act.a = to == PN_I8 ? -128 : 0;
        return pn_lower_unary(lo, n, &act);
    }
    return pn_lower_refuse(lo, n, "from %s to %s", pn_dtype_name(from),
                           pn_dtype_name(to));
}
