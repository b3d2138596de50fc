/* Layers with weights: how MMdnn's emitter wants them. */
#include "model/export_mmdnn.h"

#include <string.h>

/* ---- convolution ---- */

typedef struct conv {
    int n; /* spatial axes */
    int64_t channels, filters, group;
    int64_t kernel[2], stride[2], pads[4];
} conv;

static const pn_value *value_of(const pn_ir *w, int input)
{
    return &w->g->values[w->node->inputs[input]];
}

static bool has_input(const pn_ir *w, int input)
{
    return input < w->node->n_inputs && w->node->inputs[input] != PN_NONE;
}

static bool read_conv(pn_ir *w, conv *c)
{
    const pn_shape *in = pn_ir_in_shape(w, 0);
    c->n = in->ndim - 2;
    if (!pn_ir_is_const(w, 1) || (has_input(w, 2) && !pn_ir_is_const(w, 2))) {
        pn_ir_refuse(w, "its weights are computed");
        return false;
    }
    if (c->n > 2) {
        pn_ir_refuse(w, "%d spatial axes, at most 2 are written", c->n);
        return false;
    }
    const pn_shape *weights = pn_ir_in_shape(w, 1);
    c->channels = in->dim[1];
    c->filters = weights->dim[0];
    c->group = pn_node_int(w->node, "group", 1);
    for (int i = 0; i < c->n; i++) {
        c->kernel[i] = weights->dim[i + 2];
        c->stride[i] = pn_ir_int_at(w, "strides", i, 1);
        c->pads[i] = pn_ir_int_at(w, "pads", i, 0);
        c->pads[c->n + i] = pn_ir_int_at(w, "pads", (c->n + i), 0);
        if (pn_ir_int_at(w, "dilations", i, 1) == 1) continue;
        pn_ir_refuse(w, "MMdnn's PyTorch emitter ignores dilation");
        return false;
    }
    return true;
}

/* OIHW as the HWIO array whose first dimension varies fastest: each kernel turned over */
static void add_kernel(pn_ir *w, const char *name, const conv *c, bool is_depthwise)
{
    pn_ir_array *a = pn_ir_add_array(w, name, "weights", w->node->inputs[1]);
    int64_t outer = a->dim[0], inner = a->dim[1];
    a->is_fortran = true;
    for (int i = 0; i < c->n; i++)
        a->dim[i] = c->kernel[i];
    a->dim[c->n] = is_depthwise ? outer : inner;
    a->dim[c->n + 1] = is_depthwise ? inner : outer;
    if (c->n == 2 && c->kernel[0] > 1 && c->kernel[1] > 1) {
        a->rows = (size_t)c->kernel[0];
        a->columns = (size_t)c->kernel[1];
    }
}

void pn_ir_conv(pn_ir *w)
{
    static const int64_t ones[] = {1, 1};
    conv c;
    if (!read_conv(w, &c)) return;
    /* the emitter gives a DepthwiseConv one filter a channel; with one channel it would
     * take any convolution for one */
    bool is_depthwise = c.group > 1 && c.group == c.channels && c.filters == c.group;
    bool has_bias = has_input(w, 2);
    const char *inputs[] = {pn_ir_input(w, 0)}, *name = pn_ir_name_output(w, 0);
    int64_t kernel[4];
    for (int i = 0; i < c.n; i++)
        kernel[i] = c.kernel[i];
    kernel[c.n] = c.channels;
    kernel[c.n + 1] = c.filters;
    pn_ir_begin(w, is_depthwise ? "DepthwiseConv" : "Conv", name, inputs, 1);
    pn_ir_set_ints(w, "kernel_shape", kernel, (size_t)c.n + 2);
    pn_ir_set_window(w, "strides", 1, c.stride, c.n);
    pn_ir_set_window(w, "dilations", 1, ones, c.n);
    pn_ir_set_pads(w, c.pads, c.n);
    pn_ir_set_int(w, "group", c.group);
    pn_ir_set_bool(w, "use_bias", has_bias);
    pn_ir_set_string(w, "data_format", c.n == 1 ? "NCW" : "NCHW");
    pn_ir_end(w, pn_ir_out_shape(w, 0));
    add_kernel(w, name, &c, is_depthwise);
    if (has_bias) pn_ir_add_array(w, name, "bias", w->node->inputs[2]);
}

/* ---- fully connected ---- */

/* The emitter takes the rows of what stands behind a Flatten as height, width, channels,
 * and turns them into PyTorch's order. */
static void turn_rows(const pn_ir *w, pn_ir_array *a, bool is_transposed)
{
    const pn_ir_value *x = &w->values[w->node->inputs[0]];
    if (x->flat_rows < 2 || x->flat_columns < 2) return;
    a->rows = x->flat_rows;
    a->columns = x->flat_columns;
    if (!is_transposed) a->unit = (size_t)a->dim[1];
}

/* the bias if it has one number a unit */
static bool fits_units(const pn_ir *w, int input, int64_t units)
{
    return pn_ir_is_const(w, input) && pn_shape_count(pn_ir_in_shape(w, input)) == units;
}

static void fully_connected(pn_ir *w, bool is_transposed, int bias)
{
    const pn_shape *b = pn_ir_in_shape(w, 1);
    int64_t units = b->dim[is_transposed ? 0 : 1], rows = b->dim[is_transposed ? 1 : 0];
    const char *inputs[] = {pn_ir_input(w, 0)}, *name = pn_ir_name_output(w, 0);
    pn_ir_begin(w, "FullyConnected", name, inputs, 1);
    pn_ir_set_int(w, "units", units);
    pn_ir_set_bool(w, "use_bias", bias != PN_NONE);
    pn_ir_end(w, pn_ir_out_shape(w, 0));
    pn_ir_array *a = pn_ir_add_array(w, name, "weights", w->node->inputs[1]);
    a->is_fortran = is_transposed;
    a->dim[0] = rows;
    a->dim[1] = units;
    turn_rows(w, a, is_transposed);
    if (bias == PN_NONE) return;
    a = pn_ir_add_array(w, name, "bias", bias);
    a->ndim = 1;
    a->dim[0] = units;
}

void pn_ir_gemm(pn_ir *w)
{
    const pn_node *n = w->node;
    bool is_transposed = pn_node_int(n, "transB", 0) != 0;
    if (!pn_ir_is_const(w, 1)) {
        pn_ir_refuse(w, "its weights are computed");
        return;
    }
    int64_t units = pn_ir_in_shape(w, 1)->dim[is_transposed ? 0 : 1];
    if (pn_node_int(n, "transA", 0) || pn_node_float(n, "alpha", 1) != 1 ||
        (has_input(w, 2) &&
         (pn_node_float(n, "beta", 1) != 1 || !fits_units(w, 2, units)))) {
        pn_ir_refuse(w, "transA, alpha, beta or the bias has no word in MMdnn's IR");
        return;
    }
    fully_connected(w, is_transposed, has_input(w, 2) ? n->inputs[2] : PN_NONE);
}

void pn_ir_matmul(pn_ir *w)
{
    if (pn_ir_is_const(w, 1) && pn_ir_in_shape(w, 0)->ndim == 2 &&
        pn_ir_in_shape(w, 1)->ndim == 2 && !pn_ir_is_const(w, 0)) {
        fully_connected(w, false, PN_NONE);
        return;
    }
    const char *inputs[] = {pn_ir_input(w, 0), pn_ir_input(w, 1)};
    pn_ir_plain(w, "MatMul", pn_ir_name_output(w, 0), inputs, 2, pn_ir_out_shape(w, 0));
}

/* ---- normalisation ---- */

void pn_ir_batch_norm(pn_ir *w)
{
    static const char *const keys[] = {NULL, "scale", "bias", "mean", "var"};
    int ndim = pn_ir_in_shape(w, 0)->ndim;
    for (int i = 1; i < 5; i++)
        if (!pn_ir_is_const(w, i)) {
            pn_ir_refuse(w, "its weights are computed");
            return;
        }
    const char *inputs[] = {pn_ir_input(w, 0)}, *name = pn_ir_name_output(w, 0);
    pn_ir_begin(w, "BatchNorm", name, inputs, 1);
    pn_ir_set_int(w, "axis", ndim - 1);
    pn_ir_set_bool(w, "scale", true);
    pn_ir_set_bool(w, "bias", true);
    pn_ir_set_float(w, "epsilon", pn_node_float(w->node, "epsilon", 1e-5F));
    pn_ir_set_float(w, "momentum", pn_node_float(w->node, "momentum", 0.9F));
    pn_ir_end(w, pn_ir_out_shape(w, 0));
    for (int i = 1; i < 5; i++)
        pn_ir_add_array(w, name, keys[i], w->node->inputs[i]);
}

void pn_ir_prelu(pn_ir *w)
{
    const pn_shape *in = pn_ir_in_shape(w, 0);
    const pn_value *slope = value_of(w, 1);
    int64_t n = slope->data ? pn_shape_count(&slope->shape) : 0;
    bool is_channels = in->ndim > 1 && n == in->dim[1] &&
                       slope->shape.ndim >= in->ndim - 1 &&
                       slope->shape.dim[slope->shape.ndim - in->ndim + 1] == n;
    if (n != 1 && !is_channels) {
        pn_ir_refuse(w, "a slope that is neither one number nor one a channel");
        return;
    }
    const char *inputs[] = {pn_ir_input(w, 0)}, *name = pn_ir_name_output(w, 0);
    pn_ir_plain(w, "PRelu", name, inputs, 1, pn_ir_out_shape(w, 0));
    pn_ir_array *a = pn_ir_add_array(w, name, "gamma", w->node->inputs[1]);
    a->ndim = 1;
    a->dim[0] = n;
}

void pn_ir_lrn(pn_ir *w)
{
    int64_t size = pn_node_int(w->node, "size", 0);
    if (size % 2 == 0) {
        pn_ir_refuse(w, "an even size: PyTorch's window lies elsewhere");
        return;
    }
    const char *inputs[] = {pn_ir_input(w, 0)};
    pn_ir_begin(w, "LRN", pn_ir_name_output(w, 0), inputs, 1);
    pn_ir_set_int(w, "size", size);
    pn_ir_set_float(w, "alpha", pn_node_float(w->node, "alpha", 1e-4F));
    pn_ir_set_float(w, "beta", pn_node_float(w->node, "beta", 0.75F));
    pn_ir_set_float(w, "bias", pn_node_float(w->node, "bias", 1));
    pn_ir_end(w, pn_ir_out_shape(w, 0));
}
