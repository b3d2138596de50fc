/* The operators by name, and what each may carry: ONNX opset 13, inference only. */
#include "model/op.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const names[PN_N_OPS] = {
#define X(id, name) [PN_OP_##id] = name,
    PN_OPS(X)
#undef X
};

#define UNARY(id) [PN_OP_##id] = {1, 1, 1, 1, ""}
#define BINARY(id) [PN_OP_##id] = {2, 2, 1, 1, ""}
#define VARIADIC(id) [PN_OP_##id] = {1, PN_MANY, 1, 1, ""}
/* noop_with_empty_axes: of opset 18; shape inference deals with it */
#define REDUCE(id) [PN_OP_##id] = {1, 1, 1, 1, "axes:I keepdims:i noop_with_empty_axes:i"}
#define CONV_ATTRS "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"

static const pn_op_rule rules[PN_N_OPS] = {
    BINARY(ADD),
    [PN_OP_AVERAGE_POOL] = {1, 1, 1, 1,
                            "auto_pad:s ceil_mode:i count_include_pad:i kernel_shape:I "
                            "pads:I strides:I"},
    [PN_OP_BATCH_NORM] = {5, 5, 1, 1, "epsilon:f momentum:f"},
    [PN_OP_CAST] = {1, 1, 1, 1, "to:i"},
    UNARY(CEIL),
    [PN_OP_CLIP] = {1, 3, 1, 1, ""},
    [PN_OP_CONCAT] = {1, PN_MANY, 1, 1, "axis:i"},
    /* the attribute `value` as a second input */
    [PN_OP_CONSTANT_OF_SHAPE] = {1, 2, 1, 1, ""},
    [PN_OP_CONV] = {2, 3, 1, 1, CONV_ATTRS},
    [PN_OP_CONV_TRANSPOSE] = {2, 3, 1, 1, CONV_ATTRS " output_padding:I output_shape:I"},
    BINARY(DIV),
    [PN_OP_DROPOUT] = {1, 3, 1, 1, "seed:i"},
    [PN_OP_ELU] = {1, 1, 1, 1, "alpha:f"},
    BINARY(EQUAL),
    UNARY(ERF),
    UNARY(EXP),
    BINARY(EXPAND),
    [PN_OP_FLATTEN] = {1, 1, 1, 1, "axis:i"},
    UNARY(FLOOR),
    [PN_OP_GATHER] = {2, 2, 1, 1, "axis:i"},
    [PN_OP_GELU] = {1, 1, 1, 1, "approximate:s"},
    [PN_OP_GEMM] = {2, 3, 1, 1, "alpha:f beta:f transA:i transB:i"},
    UNARY(GLOBAL_AVERAGE_POOL),
    UNARY(GLOBAL_MAX_POOL),
    [PN_OP_HARD_SIGMOID] = {1, 1, 1, 1, "alpha:f beta:f"},
    UNARY(HARD_SWISH),
    UNARY(IDENTITY),
    [PN_OP_INSTANCE_NORM] = {3, 3, 1, 1, "epsilon:f"},
    [PN_OP_LAYER_NORM] = {2, 3, 1, 1, "axis:i epsilon:f"},
    [PN_OP_LEAKY_RELU] = {1, 1, 1, 1, "alpha:f"},
    UNARY(LOG),
    [PN_OP_LOG_SOFTMAX] = {1, 1, 1, 1, "axis:i"},
    [PN_OP_LRN] = {1, 1, 1, 1, "alpha:f beta:f bias:f size:i"},
    BINARY(MATMUL),
    VARIADIC(MAX),
    [PN_OP_MAX_POOL] = {1, 1, 1, 1,
                        "auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I "
                        "storage_order:i strides:I"},
    VARIADIC(MIN),
    [PN_OP_MOD] = {2, 2, 1, 1, "fmod:i"},
    BINARY(MUL),
    UNARY(NEG),
    [PN_OP_PAD] = {2, 4, 1, 1, "mode:s"},
    BINARY(POW),
    BINARY(PRELU),
    [PN_OP_RANGE] = {3, 3, 1, 1, ""},
    REDUCE(REDUCE_MAX),
    REDUCE(REDUCE_MEAN),
    REDUCE(REDUCE_MIN),
    REDUCE(REDUCE_PROD),
    [PN_OP_REDUCE_SUM] = {1, 2, 1, 1, "keepdims:i noop_with_empty_axes:i"},
    UNARY(RELU),
    [PN_OP_RESHAPE] = {2, 2, 1, 1, "allowzero:i"},
    [PN_OP_RESIZE] = {1, 4, 1, 1,
                      "axes:I coordinate_transformation_mode:s cubic_coeff_a:f "
                      "exclude_outside:i extrapolation_value:f mode:s nearest_mode:s"},
    [PN_OP_SELU] = {1, 1, 1, 1, "alpha:f gamma:f"},
    [PN_OP_SHAPE] = {1, 1, 1, 1, "end:i start:i"},
    UNARY(SIGMOID),
    [PN_OP_SLICE] = {3, 5, 1, 1, ""},
    [PN_OP_SOFTMAX] = {1, 1, 1, 1, "axis:i"},
    UNARY(SOFTPLUS),
    UNARY(SOFTSIGN),
    [PN_OP_SPLIT] = {1, 2, 1, PN_MANY, "axis:i num_outputs:i"},
    UNARY(SQRT),
    [PN_OP_SQUEEZE] = {1, 2, 1, 1, ""},
    BINARY(SUB),
    VARIADIC(SUM),
    UNARY(TANH),
    [PN_OP_TRANSPOSE] = {1, 1, 1, 1, "perm:I"},
    BINARY(UNSQUEEZE),
    [PN_OP_WHERE] = {3, 3, 1, 1, ""},
};

const char *pn_op_name(pn_op op)
{
    return (unsigned)op < PN_N_OPS ? names[op] : "?";
}

static int compare_name(const void *key, const void *entry)
{
    return strcasecmp(key, *(const char *const *)entry);
}

pn_op pn_op_find(const char *onnx_name)
{
    /* PN_OPS stands in alphabetical order but for case, and no two differ only by case */
    const char *const *hit =
        bsearch(onnx_name, names, PN_N_OPS, sizeof(names[0]), compare_name);
    return hit && strcmp(*hit, onnx_name) == 0 ? (pn_op)(hit - names) : PN_N_OPS;
}

const pn_op_rule *pn_op_rule_of(pn_op op)
{
    return &rules[op];
}

static pn_attr_kind kind_of_letter(char letter)
{
    switch (letter) {
    case 'i':
        return PN_ATTR_INT;
    case 'f':
        return PN_ATTR_FLOAT;
    case 's':
        return PN_ATTR_STRING;
    case 'I':
        return PN_ATTR_INTS;
    default:
        return PN_ATTR_FLOATS;
    }
}

bool pn_op_attr_kind(pn_op op, const char *name, pn_attr_kind *kind)
{
    size_t n = strlen(name);
    if (!n) return false;
    for (const char *at = rules[op].attrs; *at;) {
        const char *colon = strchr(at, ':');
        if ((size_t)(colon - at) == n && memcmp(at, name, n) == 0) {
            *kind = kind_of_letter(colon[1]);
            return true;
        }
        at = colon + 2 + (colon[2] == ' ');
    }
    return false;
}
