/* Operators without weights that compute: activations, arithmetic, reductions. */
#include <string.h>

#include "model/export_pytorch.h"

void pt_unary(pt_export *e, pt_step *s, const pn_node *n)
{
    float alpha = pn_node_float(n, "alpha", 0);
    pt_read(e, s, n, 0);
    if (s->text) {
        s->is_infix = n->op == PN_OP_NEG;
    } else if (n->op == PN_OP_LEAKY_RELU) {
        alpha = pn_node_float(n, "alpha", 0.01F);
        s->text = pt_format(e, "F.leaky_relu($0, %s)", pt_float(e, alpha));
    } else if (n->op == PN_OP_ELU) {
        alpha = pn_node_float(n, "alpha", 1);
        s->text =
            alpha == 1 ? "F.elu($0)" : pt_format(e, "F.elu($0, %s)", pt_float(e, alpha));
    } else if (n->op == PN_OP_HARD_SIGMOID) {
        alpha = pn_node_float(n, "alpha", 0.2F);
        float beta = pn_node_float(n, "beta", 0.5F);
        bool is_torch = alpha == 1.0F / 6 && beta == 0.5F;
        s->text = is_torch ? "F.hardsigmoid($0)"
                           : pt_format(e, "torch.clamp($0 * %s + %s, 0.0, 1.0)",
                                       pt_float(e, alpha), pt_float(e, beta));
    } else if (n->op == PN_OP_GELU) {
        bool is_tanh = !strcmp(pn_node_string(n, "approximate", "none"), "tanh");
        s->text = is_tanh ? "F.gelu($0, approximate=\"tanh\")" : "F.gelu($0)";
    } else { /* Selu, whose own numbers are PyTorch's */
        alpha = pn_node_float(n, "alpha", 1.67326319F);
        float gamma = pn_node_float(n, "gamma", 1.05070102F);
        bool is_torch = alpha == 1.67326319F && gamma == 1.05070102F;
        s->is_infix = !is_torch;
        s->text = is_torch ? "F.selu($0)"
                           : pt_format(e, "%s * F.elu($0, %s)", pt_float(e, gamma),
                                       pt_float(e, alpha));
    }
}

void pt_clip(pt_export *e, pt_step *s, const pn_node *n)
{
    float low = 0, high = 0;
    bool has_low = pt_const_float(e, n, 1, &low),
         has_high = pt_const_float(e, n, 2, &high);
    if ((pt_has(e, n, 1) && !has_low) || (pt_has(e, n, 2) && !has_high))
        return pt_refuse(e, n, "its limits are computed");
    pt_read(e, s, n, 0);
    if (has_low && has_high && low == 0 && high == 6)
        s->text = "F.relu6($0)";
    else if (has_low && has_high)
        s->text =
            pt_format(e, "torch.clamp($0, %s, %s)", pt_float(e, low), pt_float(e, high));
    else if (has_low || has_high)
        s->text = pt_format(e, "torch.clamp($0, %s=%s)", has_low ? "min" : "max",
                            pt_float(e, has_low ? low : high));
    else
        e->same_as[n->outputs[0]] = s->inputs[0];
}

void pt_binary(pt_export *e, pt_step *s, const pn_node *n)
{
    const char *sign = s->text;
    const char *a = pt_operand(e, s, n, 0), *b = pt_operand(e, s, n, 1);
    s->is_infix = true;
    s->text = pt_format(e, "%s %s %s", a, sign, b);
    if (n->op == PN_OP_POW && a[0] != '$' && a[0] != '@') { /* a number to a tensor */
        s->is_infix = false;
        s->text = pt_format(e, "torch.pow(%s, %s)", a, b);
    } else if (n->op == PN_OP_POW && b[0] == '-') {
        s->text = pt_format(e, "%s ** (%s)", a, b);
    }
}

/* Sum, Max and Min of any number of inputs */
void pt_fold(pt_export *e, pt_step *s, const pn_node *n)
{
    const char *call = s->text;
    bool is_sum = n->op == PN_OP_SUM;
    int first = 0; /* a tensor, as a number has no methods and is no tensor */
    while (first < n->n_inputs - 1 && pt_const(e, n, first))
        first++;
    if (n->n_inputs == 1 && !pt_const(e, n, 0)) {
        e->same_as[n->outputs[0]] = e->same_as[n->inputs[0]];
        return;
    }
    if (n->n_inputs > 64) return pt_refuse(e, n, "%d inputs", n->n_inputs);
    s->text = pt_operand(e, s, n, first);
    s->is_infix = is_sum;
    for (int i = 0; i < n->n_inputs; i++) {
        if (i == first) continue;
        const char *x = pt_operand(e, s, n, i);
        if (is_sum)
            s->text = pt_format(e, "%s + %s", s->text, x);
        else if (x[0] == '$' || x[0] == '@')
            s->text = pt_format(e, "%s(%s, %s)", call, s->text, x);
        else
            s->text = pt_format(e, "torch.clamp(%s, %s=%s)", s->text,
                                n->op == PN_OP_MAX ? "min" : "max", x);
    }
}

void pt_softmax(pt_export *e, pt_step *s, const pn_node *n)
{
    long long axis = (long long)pn_node_int(n, "axis", -1);
    if (axis < 0) axis += pt_shape_in(e, n, 0)->ndim;
    s->text = pt_format(e, "%s(%s, %lld)", s->text, pt_read(e, s, n, 0), axis);
}

/* Everything is computed in float32, whole numbers too. */
void pt_cast(pt_export *e, pt_step *s, const pn_node *n)
{
    const int64_t to = pn_node_int(n, "to", PN_F32);
    const pn_dtype from = e->g->values[n->inputs[0]].dtype;
    const bool was_whole = from == PN_I32 || from == PN_I64;
    if (pt_const(e, n, 0)) return pt_refuse(e, n, "of a constant");
    if (to == PN_F32 || to == (int64_t)from) {
        e->same_as[n->outputs[0]] = e->same_as[n->inputs[0]];
        return;
    }
    const char *x = pt_read(e, s, n, 0);
    if (from == PN_F32 && (to == PN_I32 || to == PN_I64))
        s->text = pt_format(e, "torch.trunc(%s)", x);
    else if (was_whole && to == PN_U8)
        s->text = pt_format(e, "torch.remainder(%s, 256.0)", x);
    else if (was_whole && to == PN_I8)
        s->text = pt_format(e, "torch.remainder(%s + 128.0, 256.0) - 128.0", x);
    else
        return pt_refuse(e, n, "to %s", pn_dtype_name((pn_dtype)to));
    s->is_infix = to == PN_I8;
}

/* prod() takes one axis at a time: the last first, as the others keep their numbers */
static void products(pt_export *e, pt_step *s, const char *x, const int64_t *axes,
                     int count, const char *keep)
{
    unsigned left = 0;
    for (int i = 0; i < count; i++)
        left |= 1U << axes[i];
    s->text = x;
    for (int axis = PN_MAX_DIMS - 1; axis >= 0; axis--)
        if (left & 1U << axis)
            s->text = pt_format(e, "%s.prod(%d%s)", s->text, axis, keep);
}

void pt_reduce(pt_export *e, pt_step *s, const pn_node *n)
{
    const pn_attr *a = pn_node_attr(n, "axes");
    int rank = pt_shape_in(e, n, 0)->ndim, count = 0;
    int64_t axes[PN_MAX_DIMS];
    if (pt_has(e, n, 1)) {
        count = pt_const_ints(e, n, 1, axes, PN_MAX_DIMS);
        if (count < 0) return pt_refuse(e, n, "its axes are computed");
    } else if (a && a->n <= PN_MAX_DIMS) {
        count = (int)a->n;
        for (int i = 0; i < count; i++)
            axes[i] = a->ints[i];
    }
    if (!count && pn_node_int(n, "noop_with_empty_axes", 0)) {
        e->same_as[n->outputs[0]] = e->same_as[n->inputs[0]];
        return;
    }
    if (!count)
        for (count = 0; count < rank; count++)
            axes[count] = count;
    for (int i = 0; i < count; i++)
        if (axes[i] < 0) axes[i] += rank;
    const char *keep = pn_node_int(n, "keepdims", 1) ? ", keepdim=True" : "";
    const char *x = pt_read(e, s, n, 0);
    if (n->op == PN_OP_REDUCE_PROD) return products(e, s, x, axes, count, keep);
    const char *list = count == 1 ? pt_format(e, "%lld", (long long)axes[0])
                                  : pt_numbers(e, axes, count, true);
    s->text = pt_format(e, "%s.%s(%s%s)", x, s->text, list, keep);
}
