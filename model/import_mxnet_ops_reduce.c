/* Sums, products, means and extremes over axes. */
#include "model/import_mxnet_ops.h"

#include <string.h>

typedef struct reduction {
    pn_shape in, kept, out; /**< with the reduced dimensions as 1; as MXNet gives it */
    int64_t axes[PN_MAX_DIMS];
    int n;
    bool keeps;
} reduction;

/* axis may be a number, a tuple or nothing (all); exclude turns the choice round; all
 * axes reduced without keepdims leave one dimension of 1, not a scalar */
static bool read_reduction(pn_mx_import *im, const pn_shape *in, reduction *r)
{
    bool chosen[PN_MAX_DIMS] = {false};
    pn_mx_tuple t;
    pn_mx_tuple_of(im, "axis", PN_MAX_DIMS, &t);
    bool exclude = pn_mx_bool(im, "exclude", false);
    r->keeps = pn_mx_bool(im, "keepdims", false);
    for (int i = 0; i < t.n && !im->status; i++)
        chosen[pn_mx_check_axis(im, t.v[i], in->ndim)] = true;
    r->in = r->kept = *in;
    r->out.ndim = r->n = 0;
    for (int i = 0; i < in->ndim; i++) {
        bool is_reduced = t.n == 0 ? !exclude : chosen[i] != exclude;
        if (is_reduced) {
            r->axes[r->n++] = i;
            r->kept.dim[i] = 1;
        } else {
            r->out.dim[r->out.ndim++] = in->dim[i];
        }
        if (is_reduced && in->dim[i] == PN_DIM_FREE)
            pn_mx_refuse(im, "reduces over the batch");
    }
    if (r->out.ndim == 0) r->out.dim[r->out.ndim++] = 1;
    if (r->keeps) r->out = r->kept;
    return !im->status;
}

static void reduce(pn_mx_import *im)
{
    static const struct {
        const char *name;
        pn_op op;
    } ops[] = {{"sum", PN_OP_REDUCE_SUM},
               {"mean", PN_OP_REDUCE_MEAN},
               {"max", PN_OP_REDUCE_MAX},
               {"min", PN_OP_REDUCE_MIN},
               {"prod", PN_OP_REDUCE_PROD}};
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    pn_op op = PN_N_OPS;
    reduction r;
    if (im->status || !read_reduction(im, &in, &r)) return;
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (!strcmp(ops[i].name, im->node->op)) op = ops[i].op;
    if (r.n == 0) {
        pn_mx_emit(im, PN_OP_IDENTITY, NULL, &in, PN_MX_IN(x));
        return;
    }
    int inputs[2] = {x, PN_NONE};
    if (op == PN_OP_REDUCE_SUM)
        inputs[1] = pn_mx_const_i64(im, "axes", r.axes, (size_t)r.n);
    pn_mx_emit(im, op, NULL, &r.out, inputs, op == PN_OP_REDUCE_SUM ? 2 : 1);
    if (op != PN_OP_REDUCE_SUM) pn_mx_set_ints(im, "axes", r.axes, (size_t)r.n);
    pn_mx_set_int(im, "keepdims", r.keeps);
}

static void check_norm(pn_mx_import *im)
{
    static const char *const types[] = {"float32", NULL};
    pn_mx_choice(im, "out_dtype", 0, types);
}

/* sqrt(sum of squares), or the sum of sizes */
static void norm(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int64_t ord = pn_mx_int(im, "ord", 2, 1, 2);
    reduction r;
    if (im->status || !read_reduction(im, &in, &r)) return;
    int over = pn_mx_const_i64(im, "axes", r.axes, (size_t)r.n), terms;
    if (ord == 2) {
        terms = pn_mx_emit(im, PN_OP_MUL, "square", &in, PN_MX_IN(x, x));
    } else {
        int minus = pn_mx_emit(im, PN_OP_NEG, "minus", &in, PN_MX_IN(x));
        terms = pn_mx_emit(im, PN_OP_MAX, "size", &in, PN_MX_IN(x, minus));
    }
    int sum = pn_mx_emit(im, PN_OP_REDUCE_SUM, ord == 2 ? "sum" : NULL, &r.out,
                         PN_MX_IN(terms, over));
    pn_mx_set_int(im, "keepdims", r.keeps);
    if (ord == 2) pn_mx_emit(im, PN_OP_SQRT, NULL, &r.out, PN_MX_IN(sum));
}

const pn_mx_op pn_mx_ops_reduce[] = {
    {"sum", reduce, NULL, "axis keepdims exclude"},
    {"mean", reduce, NULL, "axis keepdims exclude"},
    {"max", reduce, NULL, "axis keepdims exclude"},
    {"min", reduce, NULL, "axis keepdims exclude"},
    {"prod", reduce, NULL, "axis keepdims exclude"},
    {"norm", norm, check_norm, "ord axis keepdims out_dtype"},
    {NULL, NULL, NULL, NULL},
};
