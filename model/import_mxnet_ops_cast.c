/* Types. Everything is computed in float32: casts between floats, there for a GPU's sake,
 * change nothing but what they would round away. Whole numbers are floats without a
 * fraction: a cast to integers cuts it off, as MXNet does, and to 8 bits it keeps what
 * fits, counted round. What follows computes as MXNet's integers do where floats can say
 * it: up to 2^24, and to nothing that divides. */
#include "model/import_mxnet_ops.h"

#include <string.h>

static const char *const type_names[] = {
    "float32", "float16", "float64", "bfloat16", "int32", "int64", "int8", "uint8", NULL};
static const pn_dtype types[] = {PN_F32, PN_F32, PN_F32, PN_F32,
                                 PN_I32, PN_I64, PN_I8,  PN_U8};

/* Operators on integers that give what the same on floats gives; on those of 8 bits only
 * what cannot leave them. */
static const char *const moves[] = {"_copy",
                                    "BlockGrad",
                                    "Flatten",
                                    "Reshape",
                                    "transpose",
                                    "SwapAxis",
                                    "squeeze",
                                    "expand_dims",
                                    "Concat",
                                    "stack",
                                    "SliceChannel",
                                    "_split_v2",
                                    "slice_axis",
                                    "slice",
                                    "slice_like",
                                    "Cast",
                                    "amp_cast",
                                    "relu",
                                    "max",
                                    "min",
                                    "_maximum",
                                    "_minimum",
                                    "broadcast_maximum",
                                    "broadcast_minimum",
                                    NULL};
static const char *const computes[] = {"elemwise_add",
                                       "elemwise_sub",
                                       "elemwise_mul",
                                       "broadcast_add",
                                       "broadcast_sub",
                                       "broadcast_mul",
                                       "add_n",
                                       "negative",
                                       "abs",
                                       "square",
                                       "sum",
                                       "prod",
                                       "_plus_scalar",
                                       "_minus_scalar",
                                       "_rminus_scalar",
                                       "_mul_scalar",
                                       "_maximum_scalar",
                                       "_minimum_scalar",
                                       "clip",
                                       NULL};

static bool is_among(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static pn_dtype dtype_of(const pn_mx_import *im, int slot)
{
    const pn_dtype t = im->dtypes[im->node->inputs[slot].node];
    return t ? t : PN_F32;
}

pn_dtype pn_mx_dtype(const pn_mx_import *im)
{
    return im->node->n_inputs ? dtype_of(im, 0) : PN_F32;
}

/* of the others of these, only the shape or what is said of the first is looked at */
static bool looks_at_first(const char *op)
{
    return !strcmp(op, "softmax") || !strcmp(op, "slice_like");
}

void pn_mx_take_dtype(pn_mx_import *im)
{
    const char *op = im->node->op;
    const pn_dtype t = pn_mx_dtype(im);
    im->dtypes[im->node_id] = t;
    for (int k = 1; k < im->node->n_inputs && !looks_at_first(op); k++)
        if (dtype_of(im, k) != t) {
            pn_mx_refuse(im, "takes %s and %s at once", pn_dtype_name(t),
                         pn_dtype_name(dtype_of(im, k)));
            return;
        }
    if (t == PN_F32 || is_among(moves, op)) return;
    if (!is_among(computes, op) || t == PN_I8 || t == PN_U8)
        pn_mx_refuse(im, "of %s: computes otherwise than floats do", pn_dtype_name(t));
}

/* ---- casts ---- */

static void check_cast(pn_mx_import *im)
{
    pn_mx_choice(im, "dtype", -1, type_names);
}

static int to(pn_mx_import *im, int x, const pn_shape *in, pn_dtype type)
{
    x = pn_mx_emit(im, PN_OP_CAST, pn_dtype_name(type), in, PN_MX_IN(x));
    pn_mx_set_int(im, "to", type);
    if (x != PN_NONE) im->g->values[x].dtype = type;
    return x;
}

static void cast(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int choice = pn_mx_choice(im, "dtype", -1, type_names);
    if (im->status) return;
    const pn_dtype is = pn_mx_dtype(im), type = types[choice];
    const bool is_short = type == PN_I8 || type == PN_U8;
    im->dtypes[im->node_id] = type;
    if (type == PN_F32 || (is != PN_F32 && (!is_short || is == type))) {
        pn_mx_emit(im, PN_OP_IDENTITY, NULL, &in, PN_MX_IN(x));
        return;
    }
    x = to(im, x, &in, is_short ? PN_I32 : type);
    if (is_short) x = to(im, x, &in, type);
    pn_mx_emit(im, PN_OP_CAST, NULL, &in, PN_MX_IN(x));
    pn_mx_set_int(im, "to", PN_F32);
}

static void check_multicast(pn_mx_import *im)
{
    if (pn_mx_int(im, "num_outputs", PN_MX_REQUIRED, 1, PN_MX_INT_MAX) !=
        im->node->n_inputs)
        pn_mx_fail(im, PN_EFORMAT, "num_outputs: must be one for each of %d inputs",
                   im->node->n_inputs);
}

static void multicast(pn_mx_import *im)
{
    for (int k = 0; k < im->node->n_inputs && !im->status; k++) {
        int x = pn_mx_data(im, k);
        pn_shape in = pn_mx_shape_of(im, x);
        pn_mx_emit_kth(im, PN_OP_IDENTITY, k, im->node->n_inputs, &in, PN_MX_IN(x));
    }
}

const pn_mx_op pn_mx_ops_cast[] = {
    {"Cast", cast, check_cast, "dtype"},
    {"amp_cast", cast, check_cast, "dtype"},
    {"amp_multicast", multicast, check_multicast, "num_outputs cast_narrow"},
    {NULL, NULL, NULL, NULL},
};
