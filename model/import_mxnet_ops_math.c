/* Element by element: activations, arithmetic of two tensors, of a tensor and a number.
 */
#include "model/import_mxnet_ops.h"

#include <math.h>
#include <string.h>
#include <strings.h>

typedef struct op_pair {
    const char *name;
    pn_op op;
} op_pair;

static pn_op find_pair(const op_pair *pairs, const char *name)
{
    for (; pairs->name; pairs++)
        if (!strcmp(pairs->name, name)) return pairs->op;
    return PN_N_OPS;
}

/* ---- one input ---- */

static void unary(pn_mx_import *im)
{
    static const op_pair ops[] = {
        {"relu", PN_OP_RELU},    {"sigmoid", PN_OP_SIGMOID},
        {"tanh", PN_OP_TANH},    {"softsign", PN_OP_SOFTSIGN},
        {"exp", PN_OP_EXP},      {"log", PN_OP_LOG},
        {"sqrt", PN_OP_SQRT},    {"erf", PN_OP_ERF},
        {"negative", PN_OP_NEG}, {NULL, PN_N_OPS},
    };
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    pn_mx_emit(im, find_pair(ops, im->node->op), NULL, &in, PN_MX_IN(x));
}

static void square(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    pn_mx_emit(im, PN_OP_MUL, NULL, &in, PN_MX_IN(x, x));
}

static void absolute(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int minus = pn_mx_emit(im, PN_OP_NEG, "minus", &in, PN_MX_IN(x));
    pn_mx_emit(im, PN_OP_MAX, NULL, &in, PN_MX_IN(x, minus));
}

/* 1/x and 1/sqrt(x) */
static void reciprocal(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    if (!strcmp(im->node->op, "rsqrt"))
        x = pn_mx_emit(im, PN_OP_SQRT, "root", &in, PN_MX_IN(x));
    int one = pn_mx_scalar(im, "one", 1);
    pn_mx_emit(im, PN_OP_DIV, NULL, &in, PN_MX_IN(one, x));
}

static const char *const act_types[] = {"relu",     "sigmoid",  "tanh",
                                        "softrelu", "softsign", NULL};

static void check_activation(pn_mx_import *im)
{
    pn_mx_choice(im, "act_type", -1, act_types);
}

static void activation(pn_mx_import *im)
{
    static const pn_op ops[] = {PN_OP_RELU, PN_OP_SIGMOID, PN_OP_TANH, PN_OP_SOFTPLUS,
                                PN_OP_SOFTSIGN};
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int type = pn_mx_choice(im, "act_type", -1, act_types);
    pn_mx_emit(im, ops[type], NULL, &in, PN_MX_IN(x));
}

enum { LEAKY, PRELU, ELU, SELU, GELU, RRELU };
static const char *const leaky_types[] = {"leaky", "prelu", "elu", "selu",
                                          "gelu",  "rrelu", NULL};

static void check_leaky(pn_mx_import *im)
{
    pn_mx_choice(im, "act_type", LEAKY, leaky_types);
}

/* one slope a channel: ONNX aligns shapes at the end, so it becomes C x 1 x 1 */
static void prelu(pn_mx_import *im, int x, const pn_shape *in)
{
    const pn_mx_array *gamma = pn_mx_array_at(im, 1);
    if (im->status) return;
    if (in->ndim < 2) {
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions", in->ndim);
        return;
    }
    bool is_one = gamma && !gamma->is_none && pn_shape_count(&gamma->shape) == 1;
    pn_shape want = {.ndim = 1, .dim = {is_one ? 1 : in->dim[1]}}, as = want;
    as.ndim = in->ndim - 1;
    for (int i = 1; i < as.ndim; i++)
        as.dim[i] = 1;
    int slope = pn_mx_weight(im, 1, &want, &as);
    pn_mx_emit(im, PN_OP_PRELU, NULL, in, PN_MX_IN(x, slope));
}

/* x / 2 * (1 + erf(x / sqrt 2)) */
static void gelu(pn_mx_import *im, int x, const pn_shape *in)
{
    int root = pn_mx_scalar(im, "root", 0.70710678118654752);
    int one = pn_mx_scalar(im, "one", 1), half = pn_mx_scalar(im, "half", 0.5);
    int scaled = pn_mx_emit(im, PN_OP_MUL, "scaled", in, PN_MX_IN(x, root));
    int erf_of = pn_mx_emit(im, PN_OP_ERF, "erf", in, PN_MX_IN(scaled));
    int sum = pn_mx_emit(im, PN_OP_ADD, "sum", in, PN_MX_IN(erf_of, one));
    int product = pn_mx_emit(im, PN_OP_MUL, "product", in, PN_MX_IN(x, sum));
    pn_mx_emit(im, PN_OP_MUL, NULL, in, PN_MX_IN(product, half));
}

static void leaky_relu(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    double slope = pn_mx_real(im, "slope", 0.25);
    double lower = pn_mx_real(im, "lower_bound", 0.125);
    double upper = pn_mx_real(im, "upper_bound", 0.334);
    switch (pn_mx_choice(im, "act_type", LEAKY, leaky_types)) {
    case PRELU:
        prelu(im, x, &in);
        break;
    case ELU:
        pn_mx_emit(im, PN_OP_ELU, NULL, &in, PN_MX_IN(x));
        pn_mx_set_float(im, "alpha", slope);
        break;
    case SELU:
        pn_mx_emit(im, PN_OP_SELU, NULL, &in, PN_MX_IN(x));
        break;
    case GELU:
        gelu(im, x, &in);
        break;
    case RRELU:
        slope = (lower + upper) / 2; /* what it is on average; at inference, always */
        /* fall through */
    default:
        pn_mx_emit(im, PN_OP_LEAKY_RELU, NULL, &in, PN_MX_IN(x));
        pn_mx_set_float(im, "alpha", slope);
    }
}

static void hard_sigmoid(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    double alpha = pn_mx_real(im, "alpha", 0.2), beta = pn_mx_real(im, "beta", 0.5);
    pn_mx_emit(im, PN_OP_HARD_SIGMOID, NULL, &in, PN_MX_IN(x));
    pn_mx_set_float(im, "alpha", alpha);
    pn_mx_set_float(im, "beta", beta);
}

/* beside integers MXNet makes an integer of it */
static double number(pn_mx_import *im, const char *key)
{
    const double v = pn_mx_real(im, key, 0);
    return pn_mx_dtype(im) == PN_F32 ? v : trunc(v);
}

/* a bound of clip; PN_NONE where it is infinite, which ONNX says by leaving it out */
static int clip_bound(pn_mx_import *im, const char *key, const char *suffix,
                      const char *infinity)
{
    const char *text = pn_mx_attr_text(im->node, key);
    while (text && *text == ' ')
        text++;
    if (text && !strcasecmp(text, infinity)) return PN_NONE;
    if (!pn_mx_has(im, key))
        pn_mx_fail(im, PN_EFORMAT, "the attribute %s is missing", key);
    return pn_mx_scalar(im, suffix, number(im, key));
}

static void clip(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int least = clip_bound(im, "a_min", "min", "-inf");
    int most = clip_bound(im, "a_max", "max", "inf");
    if (least == PN_NONE && most == PN_NONE)
        pn_mx_emit(im, PN_OP_IDENTITY, NULL, &in, PN_MX_IN(x));
    else if (most == PN_NONE)
        pn_mx_emit(im, PN_OP_CLIP, NULL, &in, PN_MX_IN(x, least));
    else
        pn_mx_emit(im, PN_OP_CLIP, NULL, &in, PN_MX_IN(x, least, most));
}

/* ---- two inputs ---- */

static bool broadcast(pn_mx_import *im, const pn_shape *a, const pn_shape *b,
                      pn_shape *out)
{
    char x[PN_SHAPE_TEXT], y[PN_SHAPE_TEXT];
    out->ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 1; i <= out->ndim; i++) {
        int64_t p = i <= a->ndim ? a->dim[a->ndim - i] : 1;
        int64_t q = i <= b->ndim ? b->dim[b->ndim - i] : 1;
        out->dim[out->ndim - i] = p == 1 ? q : p;
        if (p == q || p == 1 || q == 1) continue;
        pn_mx_fail(im, PN_EFORMAT, "%s and %s do not go together",
                   pn_shape_text(a, x, sizeof(x)), pn_shape_text(b, y, sizeof(y)));
        return false;
    }
    return true;
}

static void binary(pn_mx_import *im)
{
    static const op_pair ops[] = {
        {"elemwise_add", PN_OP_ADD},
        {"elemwise_sub", PN_OP_SUB},
        {"elemwise_mul", PN_OP_MUL},
        {"elemwise_div", PN_OP_DIV},
        {"broadcast_add", PN_OP_ADD},
        {"broadcast_sub", PN_OP_SUB},
        {"broadcast_mul", PN_OP_MUL},
        {"broadcast_div", PN_OP_DIV},
        {"_maximum", PN_OP_MAX},
        {"_minimum", PN_OP_MIN},
        {"broadcast_maximum", PN_OP_MAX},
        {"broadcast_minimum", PN_OP_MIN},
        {"_power", PN_OP_POW},
        {"broadcast_power", PN_OP_POW},
        {NULL, PN_N_OPS},
    };
    int a = pn_mx_data(im, 0), b = pn_mx_data(im, 1);
    pn_shape left = pn_mx_shape_of(im, a), right = pn_mx_shape_of(im, b), out;
    if (im->status || !broadcast(im, &left, &right, &out)) return;
    bool may_differ = !strncmp(im->node->op, "broadcast_", 10);
    if (!may_differ && !pn_shape_equal(&left, &right)) {
        char x[PN_SHAPE_TEXT], y[PN_SHAPE_TEXT];
        pn_mx_fail(im, PN_EFORMAT, "%s and %s are not of one shape",
                   pn_shape_text(&left, x, sizeof(x)),
                   pn_shape_text(&right, y, sizeof(y)));
    }
    pn_mx_emit(im, find_pair(ops, im->node->op), NULL, &out, PN_MX_IN(a, b));
}

static void add_n(pn_mx_import *im)
{
    int n = im->node->n_inputs;
    int *inputs = pn_arena_alloc(&im->arena, (size_t)(n ? n : 1) * sizeof(int));
    if (!inputs || n == 0) {
        pn_mx_fail(im, inputs ? PN_EFORMAT : PN_ENOMEM,
                   inputs ? "has no inputs" : "no memory");
        return;
    }
    for (int i = 0; i < n; i++)
        inputs[i] = pn_mx_data(im, i);
    pn_shape out = pn_mx_shape_of(im, inputs[0]);
    for (int i = 1; i < n && !im->status; i++) {
        pn_shape other = pn_mx_shape_of(im, inputs[i]);
        if (!pn_shape_equal(&out, &other))
            pn_mx_fail(im, PN_EFORMAT, "input %d is not of the first one's shape", i);
    }
    pn_mx_emit(im, n == 1 ? PN_OP_IDENTITY : PN_OP_SUM, NULL, &out, inputs, n);
}

/* ---- a tensor and a number ---- */

static void scalar_op(pn_mx_import *im)
{
    static const op_pair forward[] = {
        {"_plus_scalar", PN_OP_ADD},    {"_minus_scalar", PN_OP_SUB},
        {"_mul_scalar", PN_OP_MUL},     {"_div_scalar", PN_OP_DIV},
        {"_maximum_scalar", PN_OP_MAX}, {"_minimum_scalar", PN_OP_MIN},
        {"_power_scalar", PN_OP_POW},   {NULL, PN_N_OPS},
    };
    static const op_pair reverse[] = {
        {"_rminus_scalar", PN_OP_SUB},
        {"_rdiv_scalar", PN_OP_DIV},
        {"_rpower_scalar", PN_OP_POW},
        {NULL, PN_N_OPS},
    };
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    if (!pn_mx_has(im, "scalar"))
        pn_mx_fail(im, PN_EFORMAT, "the attribute scalar is missing");
    int s = pn_mx_scalar(im, "scalar", number(im, "scalar"));
    pn_op op = find_pair(forward, im->node->op);
    if (op != PN_N_OPS)
        pn_mx_emit(im, op, NULL, &in, PN_MX_IN(x, s));
    else
        pn_mx_emit(im, find_pair(reverse, im->node->op), NULL, &in, PN_MX_IN(s, x));
}

#define UNARY(name)                                                                      \
    {                                                                                    \
        name, unary, NULL, ""                                                            \
    }
#define BINARY(name)                                                                     \
    {                                                                                    \
        name, binary, NULL, ""                                                           \
    }
#define SCALAR(name)                                                                     \
    {                                                                                    \
        name, scalar_op, NULL, "scalar is_int"                                           \
    }

const pn_mx_op pn_mx_ops_math[] = {
    UNARY("relu"),
    UNARY("sigmoid"),
    UNARY("tanh"),
    UNARY("softsign"),
    UNARY("exp"),
    UNARY("log"),
    UNARY("sqrt"),
    UNARY("erf"),
    UNARY("negative"),
    {"square", square, NULL, ""},
    {"abs", absolute, NULL, ""},
    {"rsqrt", reciprocal, NULL, ""},
    {"reciprocal", reciprocal, NULL, ""},
    {"Activation", activation, check_activation, "act_type"},
    {"LeakyReLU", leaky_relu, check_leaky, "act_type slope lower_bound upper_bound"},
    {"hard_sigmoid", hard_sigmoid, NULL, "alpha beta"},
    {"clip", clip, NULL, "a_min a_max"},
    BINARY("elemwise_add"),
    BINARY("elemwise_sub"),
    BINARY("elemwise_mul"),
    BINARY("elemwise_div"),
    BINARY("broadcast_add"),
    BINARY("broadcast_sub"),
    BINARY("broadcast_mul"),
    BINARY("broadcast_div"),
    BINARY("broadcast_maximum"),
    BINARY("broadcast_minimum"),
    BINARY("broadcast_power"),
    BINARY("_maximum"),
    BINARY("_minimum"),
    BINARY("_power"),
    {"add_n", add_n, NULL, "num_args"},
    SCALAR("_plus_scalar"),
    SCALAR("_minus_scalar"),
    SCALAR("_rminus_scalar"),
    SCALAR("_mul_scalar"),
    SCALAR("_div_scalar"),
    SCALAR("_rdiv_scalar"),
    SCALAR("_power_scalar"),
    SCALAR("_rpower_scalar"),
    SCALAR("_maximum_scalar"),
    SCALAR("_minimum_scalar"),
    {NULL, NULL, NULL, NULL},
};
