/* Operators with weights: they become modules. */
#include <math.h>
#include <string.h>

#include "model/export_pytorch.h"

static const int64_t zeros[2 * PN_MAX_DIMS];

static const int64_t *ints_of(const pn_node *n, const char *name)
{
    const pn_attr *a = pn_node_attr(n, name);
    return a && a->n ? a->ints : NULL;
}

static void add_ints(pt_export *e, pt_member *m, const char *key, const int64_t *v, int n,
                     const char *usual)
{
    if (v) pt_add_arg(e, m, key, pt_numbers(e, v, n, false), usual);
}

static const char *count_text(pt_export *e, int64_t n)
{
    return pt_format(e, "%lld", (long long)n);
}

/* the weights at inputs 1.., all of them constants */
static bool weights_are_there(pt_export *e, const pn_node *n, int first, int last)
{
    for (int i = first; i <= last; i++)
        if (pt_has(e, n, i) && !pt_const(e, n, i)) {
            pt_refuse(e, n, "its input %d is computed, not a weight", i);
            return false;
        }
    return true;
}

/* nn.Conv2d and its like have 1 to 3 spatial axes */
static bool has_module(pt_export *e, const pn_node *n, int n_spatial)
{
    if (n_spatial >= 1 && n_spatial <= 3) return true;
    pt_refuse(e, n, "on %d spatial axes, PyTorch has 1 to 3", n_spatial);
    return false;
}

void pt_conv(pt_export *e, pt_step *s, const pn_node *n)
{
    int d = pt_shape_in(e, n, 0)->ndim - 2;
    if (!weights_are_there(e, n, 1, 2) || !has_module(e, n, d)) return;
    const pn_shape *w = pt_shape_in(e, n, 1);
    const int64_t *pads = ints_of(n, "pads");
    int64_t group = pn_node_int(n, "group", 1);
    if (!pads) pads = zeros;
    bool is_even = memcmp(pads, pads + d, (size_t)d * sizeof(*pads)) == 0;
    pt_member *m = pt_add_member(e, s, pt_format(e, "nn.Conv%dd", d));
    pt_add_arg(e, m, "in_channels", count_text(e, w->dim[1] * group), NULL);
    pt_add_arg(e, m, "out_channels", count_text(e, w->dim[0]), NULL);
    pt_add_arg(e, m, "kernel_size", pt_numbers(e, w->dim + 2, d, false), NULL);
    add_ints(e, m, "stride", ints_of(n, "strides"), d, "1");
    add_ints(e, m, "padding", is_even ? pads : zeros, d, "0");
    add_ints(e, m, "dilation", ints_of(n, "dilations"), d, "1");
    pt_add_arg(e, m, "groups", count_text(e, group), "1");
    pt_add_arg(e, m, "bias", pt_has(e, n, 2) ? "True" : "False", "True");
    pt_add_tensor(e, m, "weight", n->inputs[1], w);
    if (pt_has(e, n, 2)) pt_add_tensor(e, m, "bias", n->inputs[2], pt_shape_in(e, n, 2));
    const char *x = pt_read(e, s, n, 0);
    s->text =
        is_even ? pt_format(e, "@0(%s)", x)
                : pt_format(e, "@0(F.pad(%s, %s))", x, pt_pad_list(e, pads, pads + d, d));
}

void pt_conv_transpose(pt_export *e, pt_step *s, const pn_node *n)
{
    int d = pt_shape_in(e, n, 0)->ndim - 2;
    if (!weights_are_there(e, n, 1, 2) || !has_module(e, n, d)) return;
    const pn_shape *w = pt_shape_in(e, n, 1);
    const int64_t *pads = ints_of(n, "pads"), *extra = ints_of(n, "output_padding");
    const int64_t *stride = ints_of(n, "strides"), *dilation = ints_of(n, "dilations");
    int64_t group = pn_node_int(n, "group", 1), cut[2 * PN_MAX_DIMS] = {0};
    if (!pads) pads = zeros;
    bool is_even = memcmp(pads, pads + d, (size_t)d * sizeof(*pads)) == 0;
    for (int i = 0; i < 2 * d; i++)
        cut[i] = -pads[i];
    for (int i = 0; extra && i < d; i++)
        if (extra[i] >= (stride ? stride[i] : 1) &&
            extra[i] >= (dilation ? dilation[i] : 1))
            return pt_refuse(e, n, "output_padding is not below stride or dilation");
    pt_member *m = pt_add_member(e, s, pt_format(e, "nn.ConvTranspose%dd", d));
    pt_add_arg(e, m, "in_channels", count_text(e, w->dim[0]), NULL);
    pt_add_arg(e, m, "out_channels", count_text(e, w->dim[1] * group), NULL);
    pt_add_arg(e, m, "kernel_size", pt_numbers(e, w->dim + 2, d, false), NULL);
    add_ints(e, m, "stride", stride, d, "1");
    add_ints(e, m, "padding", is_even ? pads : zeros, d, "0");
    add_ints(e, m, "output_padding", extra, d, "0");
    pt_add_arg(e, m, "groups", count_text(e, group), "1");
    pt_add_arg(e, m, "bias", pt_has(e, n, 2) ? "True" : "False", "True");
    add_ints(e, m, "dilation", dilation, d, "1");
    pt_add_tensor(e, m, "weight", n->inputs[1], w);
    if (pt_has(e, n, 2)) pt_add_tensor(e, m, "bias", n->inputs[2], pt_shape_in(e, n, 2));
    const char *x = pt_read(e, s, n, 0);
    s->text = is_even
                  ? pt_format(e, "@0(%s)", x)
                  : pt_format(e, "F.pad(@0(%s), %s)", x, pt_pad_list(e, cut, cut + d, d));
}

void pt_batch_norm(pt_export *e, pt_step *s, const pn_node *n)
{
    static const char *const keys[] = {"weight", "bias", "running_mean", "running_var"};
    const pn_shape *x = pt_shape_in(e, n, 0), scalar = {0};
    int d = x->ndim > 3 ? x->ndim - 2 : 1;
    if (!weights_are_there(e, n, 1, 4) || !has_module(e, n, d)) return;
    float momentum = pn_node_float(n, "momentum", 0.9F);
    pt_member *m = pt_add_member(e, s, pt_format(e, "nn.BatchNorm%dd", d));
    pt_add_arg(e, m, "num_features", count_text(e, x->dim[1]), NULL);
    pt_add_arg(e, m, "eps", pt_float(e, pn_node_float(n, "epsilon", 1e-5F)), "1e-05");
    /* ONNX says how much of the old statistics stays, PyTorch how much of the new comes;
     * six digits, because a float's 0.9 is not quite that */
    pt_add_arg(e, m, "momentum", pt_format(e, "%.6g", 1 - (double)momentum), "0.1");
    for (int i = 0; i < 4; i++)
        pt_add_tensor(e, m, keys[i], n->inputs[i + 1], pt_shape_in(e, n, i + 1));
    pt_add_tensor(e, m, "num_batches_tracked", PN_NONE, &scalar);
    s->text = pt_format(e, "@0(%s)", pt_read(e, s, n, 0));
}

void pt_instance_norm(pt_export *e, pt_step *s, const pn_node *n)
{
    const pn_shape *x = pt_shape_in(e, n, 0);
    if (!weights_are_there(e, n, 1, 2) || !has_module(e, n, x->ndim - 2)) return;
    pt_member *m = pt_add_member(e, s, pt_format(e, "nn.InstanceNorm%dd", x->ndim - 2));
    pt_add_arg(e, m, "num_features", count_text(e, x->dim[1]), NULL);
    pt_add_arg(e, m, "eps", pt_float(e, pn_node_float(n, "epsilon", 1e-5F)), "1e-05");
    pt_add_arg(e, m, "affine", "True", "False");
    pt_add_tensor(e, m, "weight", n->inputs[1], pt_shape_in(e, n, 1));
    pt_add_tensor(e, m, "bias", n->inputs[2], pt_shape_in(e, n, 2));
    s->text = pt_format(e, "@0(%s)", pt_read(e, s, n, 0));
}

void pt_layer_norm(pt_export *e, pt_step *s, const pn_node *n)
{
    const pn_shape *x = pt_shape_in(e, n, 0), *w = pt_shape_in(e, n, 1);
    int axis = (int)pn_node_int(n, "axis", -1);
    if (axis < 0) axis += x->ndim;
    const pn_shape normed = *w;
    bool is_whole = w->ndim == x->ndim - axis &&
                    (!pt_has(e, n, 2) || pn_shape_equal(w, pt_shape_in(e, n, 2)));
    for (int i = 0; is_whole && i < w->ndim; i++)
        is_whole = w->dim[i] == x->dim[axis + i];
    if (!weights_are_there(e, n, 1, 2)) return;
    if (!is_whole)
        return pt_refuse(e, n, "its weights are not as long as what it normalises");
    pt_member *m = pt_add_member(e, s, "nn.LayerNorm");
    pt_add_arg(e, m, "normalized_shape", pt_numbers(e, w->dim, w->ndim, w->ndim > 1),
               NULL);
    pt_add_arg(e, m, "eps", pt_float(e, pn_node_float(n, "epsilon", 1e-5F)), "1e-05");
    pt_add_arg(e, m, "bias", pt_has(e, n, 2) ? "True" : "False", "True");
    pt_add_tensor(e, m, "weight", n->inputs[1], &normed);
    if (pt_has(e, n, 2)) pt_add_tensor(e, m, "bias", n->inputs[2], &normed);
    s->text = pt_format(e, "@0(%s)", pt_read(e, s, n, 0));
}

/* nn.Linear for x (n_out x n_in, or transposed: the constant is n_in x n_out); bias may
 * be PN_NONE */
static pt_member *add_linear(pt_export *e, pt_step *s, int weight, bool is_transposed,
                             int bias)
{
    const pn_shape *w = &e->g->values[weight].shape;
    const pn_shape shape = {2, {w->dim[is_transposed], w->dim[!is_transposed]}};
    pt_member *m = pt_add_member(e, s, "nn.Linear");
    pt_add_arg(e, m, "in_features", count_text(e, shape.dim[1]), NULL);
    pt_add_arg(e, m, "out_features", count_text(e, shape.dim[0]), NULL);
    pt_add_arg(e, m, "bias", bias == PN_NONE ? "False" : "True", "True");
    pt_add_tensor(e, m, "weight", weight, &shape)->is_transposed = is_transposed;
    const pn_shape row = {1, {shape.dim[0]}};
    if (bias != PN_NONE) pt_add_tensor(e, m, "bias", bias, &row);
    return m;
}

void pt_gemm(pt_export *e, pt_step *s, const pn_node *n)
{
    bool ta = pn_node_int(n, "transA", 0) != 0, tb = pn_node_int(n, "transB", 0) != 0;
    float alpha = pn_node_float(n, "alpha", 1), beta = pn_node_float(n, "beta", 1);
    int64_t width = e->g->values[n->outputs[0]].shape.dim[1];
    bool is_linear = !ta && pt_const(e, n, 1) && !pt_const(e, n, 0);
    bool has_c = pt_has(e, n, 2);
    const pn_value *c = pt_const(e, n, 2);
    bool is_bias = is_linear && c && c->shape.ndim > 0 &&
                   c->shape.dim[c->shape.ndim - 1] == width &&
                   pn_shape_count(&c->shape) == width;
    if (is_linear) {
        pt_member *m =
            add_linear(e, s, n->inputs[1], !tb, is_bias ? n->inputs[2] : PN_NONE);
        if (m) m->tensors[0].factor = alpha;
        if (m && is_bias) m->tensors[1].factor = beta;
        s->text = pt_format(e, "@0(%s)", pt_read(e, s, n, 0));
    } else {
        const char *a = pt_operand(e, s, n, 0), *b = pt_operand(e, s, n, 1);
        s->text = pt_format(e, "torch.matmul(%s%s, %s%s)", a, ta ? ".t()" : "", b,
                            tb ? ".t()" : "");
        s->is_infix = alpha != 1;
        if (alpha != 1) s->text = pt_format(e, "%s * %s", s->text, pt_float(e, alpha));
    }
    if (is_bias || !has_c) return;
    const char *by = beta == 1 ? "" : pt_format(e, " * %s", pt_float(e, beta));
    s->is_infix = true;
    s->text = pt_format(e, "%s + %s%s", s->text, pt_operand(e, s, n, 2), by);
}

void pt_matmul(pt_export *e, pt_step *s, const pn_node *n)
{
    if (!pt_const(e, n, 0) && pt_const(e, n, 1) && pt_shape_in(e, n, 1)->ndim == 2) {
        add_linear(e, s, n->inputs[1], true, PN_NONE);
        s->text = pt_format(e, "@0(%s)", pt_read(e, s, n, 0));
        return;
    }
    const char *a = pt_operand(e, s, n, 0), *b = pt_operand(e, s, n, 1);
    s->text = pt_format(e, "torch.matmul(%s, %s)", a, b);
}

/* a slope a channel, or one for all: what nn.PReLU has */
static bool is_per_channel(const pn_shape *slope, const pn_shape *x)
{
    int64_t count = pn_shape_count(slope);
    if (count == 1) return slope->ndim <= x->ndim;
    int axis = slope->ndim - (x->ndim - 1); /* of the slope that meets the channels */
    return x->ndim > 1 && axis >= 0 && axis < slope->ndim && count == x->dim[1] &&
           slope->dim[axis] == count;
}

void pt_prelu(pt_export *e, pt_step *s, const pn_node *n)
{
    const pn_shape *x = pt_shape_in(e, n, 0), *slope = pt_shape_in(e, n, 1);
    if (pt_const(e, n, 1) && is_per_channel(slope, x)) {
        const pn_shape row = {1, {pn_shape_count(slope)}};
        pt_member *m = pt_add_member(e, s, "nn.PReLU");
        pt_add_arg(e, m, "num_parameters", count_text(e, row.dim[0]), NULL);
        pt_add_tensor(e, m, "weight", n->inputs[1], &row);
        s->text = pt_format(e, "@0(%s)", pt_read(e, s, n, 0));
        return;
    }
    const char *at = pt_read(e, s, n, 0), *by = pt_operand(e, s, n, 1);
    s->text = pt_format(e, "torch.where(%s > 0, %s, %s * %s)", at, at, at, by);
}

void pt_lrn(pt_export *e, pt_step *s, const pn_node *n)
{
    long long size = (long long)pn_node_int(n, "size", 1);
    const char *alpha = pt_float(e, pn_node_float(n, "alpha", 1e-4F)),
               *beta = pt_float(e, pn_node_float(n, "beta", 0.75F)),
               *bias = pt_float(e, pn_node_float(n, "bias", 1));
    const char *x = pt_read(e, s, n, 0);
    if (size % 2) {
        s->text = pt_format(e, "F.local_response_norm(%s, %lld, %s, %s, %s)", x, size,
                            alpha, beta, bias);
        return;
    }
    /* of an even window PyTorch has the greater half before the channel, ONNX behind it
     */
    if (pt_shape_in(e, n, 0)->ndim != 4)
        return pt_refuse(e, n, "size %lld is even, and its input no map", size);
    s->is_infix = true;
    s->text = pt_format(e,
                        "%s / (%s + %s * F.avg_pool3d(F.pad(%s.square().unsqueeze(1), "
                        "(0, 0, 0, 0, %lld, %lld)), (%lld, 1, 1), stride=1).squeeze(1)) "
                        "** %s",
                        x, bias, alpha, x, (size - 1) / 2, size / 2, size, beta);
}

void pt_dropout(pt_export *e, pt_step *s, const pn_node *n)
{
    float ratio = 0.5F;
    if (pt_has(e, n, 1) && !pt_const_float(e, n, 1, &ratio))
        return pt_refuse(e, n, "its ratio is computed");
    pt_member *m = pt_add_member(e, s, "nn.Dropout");
    pt_add_arg(e, m, "p", pt_float(e, ratio), "0.5");
    s->n_outputs = 1; /* the mask is everything, at inference */
    s->text = pt_format(e, "@0(%s)", pt_read(e, s, n, 0));
}
