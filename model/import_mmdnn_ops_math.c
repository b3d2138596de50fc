/* Element by element. */
#include <string.h>

#include "model/import_mmdnn.h"

/* operators of one input and no attribute */
static void unary(pn_mmdnn *im)
{
    static const struct {
        const char *name;
        pn_op op;
    } all[] = {{"Relu", PN_OP_RELU},         {"Sigmoid", PN_OP_SIGMOID},
               {"Tanh", PN_OP_TANH},         {"Exp", PN_OP_EXP},
               {"Log", PN_OP_LOG},           {"Sqrt", PN_OP_SQRT},
               {"Softplus", PN_OP_SOFTPLUS}, {"Softsign", PN_OP_SOFTSIGN},
               {"Selu", PN_OP_SELU},         {"Neg", PN_OP_NEG}};
    int x = pn_mm_data(im, 0);
    if (x == PN_NONE) return;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (!strcmp(all[i].name, im->node->op)) pn_mm_emit(im, all[i].op, NULL, &x, 1);
}

static void relu6(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    if (x == PN_NONE) return;
    int low = pn_mm_scalar(im, "min", 0), high = pn_mm_scalar(im, "max", 6);
    pn_mm_emit(im, PN_OP_CLIP, NULL, PN_MM_IN(x, low, high));
}

static void leaky_relu(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    if (x == PN_NONE) return;
    pn_mm_emit(im, PN_OP_LEAKY_RELU, NULL, &x, 1);
    pn_mm_set_float(im, "alpha", pn_mm_float(im, "alpha", 0.01F));
}

/* MMdnn's parser of MXNet calls every LeakyReLU so that is no prelu, and drops the slope
 */
static void elu(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    if (!pn_mm_attr_of(im->node, "alpha")) {
        pn_mm_refuse(im, "without alpha: MMdnn calls leaky, elu and rrelu so alike");
        return;
    }
    if (x == PN_NONE) return;
    pn_mm_emit(im, PN_OP_ELU, NULL, &x, 1);
    pn_mm_set_float(im, "alpha", pn_mm_float(im, "alpha", 1));
}

static void square(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    if (x != PN_NONE) pn_mm_emit(im, PN_OP_MUL, NULL, PN_MM_IN(x, x));
}

static void reciprocal(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0);
    if (x == PN_NONE) return;
    int one = pn_mm_scalar(im, "one", 1);
    pn_mm_emit(im, PN_OP_DIV, NULL, PN_MM_IN(one, x));
}

static pn_op pair_op(const char *name)
{
    static const struct {
        const char *name;
        pn_op op;
    } all[] = {{"Add", PN_OP_ADD},     {"Sub", PN_OP_SUB},      {"Mul", PN_OP_MUL},
               {"Div", PN_OP_DIV},     {"Maxmum", PN_OP_MAX},   {"Maximum", PN_OP_MAX},
               {"Minimum", PN_OP_MIN}, {"MatMul", PN_OP_MATMUL}};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (!strcmp(all[i].name, name)) return all[i].op;
    return PN_N_OPS;
}

/* MMdnn names an operand once also where both are the same */
static void binary(pn_mmdnn *im)
{
    size_t n = im->node->n_inputs;
    int at = pn_mm_data(im, 0);
    if (at == PN_NONE) return;
    if (n == 1) {
        pn_mm_emit(im, pair_op(im->node->op), NULL, PN_MM_IN(at, at));
        return;
    }
    if (n > 2 && strcmp(im->node->op, "Add") != 0) {
        pn_mm_refuse(im, "%zu operands", n);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        char part[32];
        int other = pn_mm_data(im, i);
        snprintf(part, sizeof(part), "part%zu", i);
        if (other == PN_NONE) return;
        at = pn_mm_emit(im, pair_op(im->node->op), i + 1 < n ? part : NULL,
                        PN_MM_IN(at, other));
    }
}

/* "dim" is PyTorch's word for a softmax of MXNet's; SoftmaxOutput says nothing */
static void softmax(pn_mmdnn *im)
{
    int x = pn_mm_data(im, 0), axis = 1;
    pn_shape in = pn_mm_shape_of(im, x);
    const pn_mm_attr *dim = pn_mm_attr_of(im->node, "dim");
    if (x == PN_NONE) return;
    if (in.ndim > 2 && dim && dim->kind == PN_MM_INT) {
        /* the parser turned -1, the last of MXNet's axes, into -2 */
        bool is_mxnet_end = im->is_mxnet && !im->is_penult && dim->i < 0;
        axis = is_mxnet_end ? in.ndim - 1 : pn_mm_axis(im, dim->i, in.ndim);
    } else if (in.ndim > 2) {
        for (int i = 2; i < in.ndim; i++)
            if (in.dim[i] != 1) {
                pn_mm_refuse(im, "it does not say over which axis of %d", in.ndim);
                return;
            }
    }
    if (axis == PN_NONE) return;
    pn_mm_emit(im, PN_OP_SOFTMAX, NULL, &x, 1);
    pn_mm_set_int(im, "axis", axis);
}

const pn_mm_op pn_mm_ops_math[] = {
    {"Relu", unary},     {"Sigmoid", unary},   {"Tanh", unary},
    {"Exp", unary},      {"Log", unary},       {"Sqrt", unary},
    {"Softplus", unary}, {"Softsign", unary},  {"Selu", unary},
    {"Neg", unary},      {"Relu6", relu6},     {"LeakyRelu", leaky_relu},
    {"Elu", elu},        {"Square", square},   {"Add", binary},
    {"Sub", binary},     {"Mul", binary},      {"Div", binary},
    {"Maxmum", binary},  {"Maximum", binary},  {"Minimum", binary},
    {"MatMul", binary},  {"Softmax", softmax}, {"Reciprocal", reciprocal},
    {NULL, NULL},
};
