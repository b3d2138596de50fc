/* Element by element. Where MMdnn's emitter has no word, the same number in others. */
#include "model/export_mmdnn.h"

#include <float.h>
#include <math.h>

void pn_ir_unary(pn_ir *w)
{
    static const char *const names[PN_N_OPS] = {
        [PN_OP_RELU] = "Relu", [PN_OP_SIGMOID] = "Sigmoid", [PN_OP_TANH] = "Tanh"};
    const char *inputs[] = {pn_ir_input(w, 0)};
    pn_ir_plain(w, names[w->node->op], pn_ir_name_output(w, 0), inputs, 1,
                pn_ir_out_shape(w, 0));
}

void pn_ir_leaky_relu(pn_ir *w)
{
    const char *inputs[] = {pn_ir_input(w, 0)};
    pn_ir_begin(w, "LeakyRelu", pn_ir_name_output(w, 0), inputs, 1);
    pn_ir_set_float(w, "alpha", pn_node_float(w->node, "alpha", 0.01F));
    pn_ir_end(w, pn_ir_out_shape(w, 0));
}

/* name = x op v; returns name */
static const char *with_scalar(pn_ir *w, const char *op, const char *name, const char *x,
                               float v)
{
    const char *inputs[] = {x, pn_ir_scalar(w, name, v)};
    pn_ir_plain(w, op, name, inputs, 2, pn_ir_out_shape(w, 0));
    return name;
}

void pn_ir_clip(pn_ir *w)
{
    float bound[2] = {-FLT_MAX, FLT_MAX};
    for (int i = 0; i < 2; i++)
        if (i + 1 < w->node->n_inputs && w->node->inputs[i + 1] != PN_NONE &&
            !pn_ir_const_scalar(w, i + 1, &bound[i])) {
            pn_ir_refuse(w, "its bounds are computed");
            return;
        }
    const char *x = pn_ir_input(w, 0), *name = pn_ir_name_output(w, 0);
    if (bound[0] == 0 && (bound[1] == 6 || bound[1] >= FLT_MAX)) {
        pn_ir_plain(w, bound[1] == 6 ? "Relu6" : "Relu", name, &x, 1,
                    pn_ir_out_shape(w, 0));
        return;
    }
    if (bound[1] < FLT_MAX) /* ONNX: the upper bound wins where they cross */
        x = with_scalar(w, "Maxmum", pn_ir_name(w, name, "_low"), x, bound[0]);
    with_scalar(w, bound[1] < FLT_MAX ? "Minimum" : "Maxmum", name, x,
                bound[1] < FLT_MAX ? bound[1] : bound[0]);
}

/* name = min(max(alpha x + beta, 0), 1) as a sixth of relu6 */
static void hard_sigmoid(pn_ir *w, const char *x, const char *name, float alpha,
                         float beta)
{
    x = with_scalar(w, "Mul", pn_ir_name(w, name, "_scaled"), x, 6 * alpha);
    x = with_scalar(w, "Add", pn_ir_name(w, name, "_moved"), x, 6 * beta);
    const char *six = pn_ir_name(w, name, "_six");
    pn_ir_plain(w, "Relu6", six, &x, 1, pn_ir_out_shape(w, 0));
    with_scalar(w, "Mul", name, six, 1.0F / 6);
}

void pn_ir_hard_sigmoid(pn_ir *w)
{
    const char *x = pn_ir_input(w, 0), *name = pn_ir_name_output(w, 0);
    hard_sigmoid(w, x, name, pn_node_float(w->node, "alpha", 0.2F),
                 pn_node_float(w->node, "beta", 0.5F));
}

void pn_ir_hard_swish(pn_ir *w)
{
    const char *x = pn_ir_input(w, 0), *name = pn_ir_name_output(w, 0);
    const char *inputs[] = {x, pn_ir_name(w, name, "_gate")};
    hard_sigmoid(w, x, inputs[1], 1.0F / 6, 0.5F);
    pn_ir_plain(w, "Mul", name, inputs, 2, pn_ir_out_shape(w, 0));
}

void pn_ir_neg(pn_ir *w)
{
    const char *x = pn_ir_input(w, 0);
    with_scalar(w, "Mul", pn_ir_name_output(w, 0), x, -1);
}

void pn_ir_binary(pn_ir *w)
{
    static const char *const names[PN_N_OPS] = {
        [PN_OP_ADD] = "Add", [PN_OP_SUB] = "Sub", [PN_OP_MUL] = "Mul"};
    const char *inputs[] = {pn_ir_input(w, 0), pn_ir_input(w, 1)};
    pn_ir_plain(w, names[w->node->op], pn_ir_name_output(w, 0), inputs, 2,
                pn_ir_out_shape(w, 0));
}

/* by a constant: times its reciprocals */
void pn_ir_div(pn_ir *w)
{
    const pn_value *by = &w->g->values[w->node->inputs[1]];
    int64_t n = by->data ? pn_shape_count(&by->shape) : 0;
    float *inverse =
        n > 0 ? pn_arena_alloc(&w->arena, (size_t)n * sizeof(*inverse)) : NULL;
    if (!inverse) {
        if (n > 0) w->has_failed = true;
        pn_ir_refuse(w, "MMdnn's PyTorch emitter has no division");
        return;
    }
    w->has_failed |= pn_value_to_f32(by, 0, n, inverse) != PN_OK;
    for (int64_t i = 0; i < n; i++)
        inverse[i] = 1 / inverse[i];
    pn_shape shape = by->shape;
    if (!shape.ndim) shape = (pn_shape){.ndim = 1, .dim = {1}};
    const char *x = pn_ir_input(w, 0), *name = pn_ir_name_output(w, 0);
    const char *inputs[] = {x, pn_ir_constant(w, name, &shape, inverse)};
    pn_ir_plain(w, "Mul", name, inputs, 2, pn_ir_out_shape(w, 0));
}

/* any number of operands: pair by pair */
void pn_ir_chain(pn_ir *w)
{
    static const char *const names[PN_N_OPS] = {
        [PN_OP_SUM] = "Add", [PN_OP_MAX] = "Maxmum", [PN_OP_MIN] = "Minimum"};
    int n = w->node->n_inputs;
    if (n == 1) {
        pn_ir_alias(w);
        return;
    }
    const char *at = pn_ir_input(w, 0), *name = pn_ir_name_output(w, 0);
    for (int i = 1; i < n; i++) {
        const char *inputs[] = {at, pn_ir_input(w, i)};
        at = i + 1 < n ? pn_ir_name(w, name, "_part") : name;
        pn_ir_plain(w, names[w->node->op], at, inputs, 2, pn_ir_out_shape(w, 0));
    }
}

void pn_ir_pow(pn_ir *w)
{
    float power;
    if (!pn_ir_const_scalar(w, 1, &power) || power != 2) {
        pn_ir_refuse(w, "MMdnn's PyTorch emitter has no power but the square");
        return;
    }
    const char *x = pn_ir_input(w, 0);
    pn_ir_plain(w, "Square", pn_ir_name_output(w, 0), &x, 1, pn_ir_out_shape(w, 0));
}

static const char *reshape(pn_ir *w, const char *name, const char *x, const pn_shape *to)
{
    pn_ir_begin(w, "Reshape", name, &x, 1);
    pn_ir_set_ints(w, "shape", to->dim, (size_t)to->ndim); /* a free batch is -1 */
    pn_ir_end(w, to);
    return name;
}

static void softmax(pn_ir *w, const char *name, const char *x, const pn_shape *s)
{
    pn_ir_begin(w, "Softmax", name, &x, 1);
    pn_ir_set_int(w, "dim", s->ndim - 1);
    pn_ir_end(w, s);
}

/* the emitter names no axis: PyTorch then takes the second of two or four, so what is
 * not such is made one */
void pn_ir_softmax(pn_ir *w)
{
    const pn_shape *s = pn_ir_out_shape(w, 0);
    int64_t axis = pn_node_int(w->node, "axis", -1), before = 1, behind = 1;
    if (axis < 0) axis += s->ndim;
    for (int i = 1; i < axis; i++)
        before *= s->dim[i];
    for (int i = (int)axis + 1; i < s->ndim; i++)
        behind *= s->dim[i];
    if (axis == 0 || before != 1) {
        pn_ir_refuse(w, "MMdnn's PyTorch emitter has softmax over the channels only");
        return;
    }
    const char *x = pn_ir_input(w, 0), *name = pn_ir_name_output(w, 0);
    if (axis == 1 && (s->ndim == 2 || s->ndim == 4)) {
        softmax(w, name, x, s);
        return;
    }
    pn_shape four = {.ndim = 4, .dim = {s->dim[0], s->dim[axis], behind, 1}};
    x = reshape(w, pn_ir_name(w, name, "_in"), x, &four);
    const char *soft = pn_ir_name(w, name, "_soft");
    softmax(w, soft, x, &four);
    reshape(w, name, soft, s);
}
