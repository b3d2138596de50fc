/* Operators that move elements or name dimensions anew. */
#include "model/import_mxnet_ops.h"

#include <string.h>

static void flatten(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    if (!im->status && in.ndim < 1) pn_mx_fail(im, PN_EFORMAT, "on a scalar");
    if (im->status) return;
    pn_shape out = {.ndim = 2, .dim = {in.dim[0], pn_mx_product(&in, 1, in.ndim)}};
    for (int i = 1; i < in.ndim; i++)
        if (in.dim[i] == PN_DIM_FREE)
            pn_mx_refuse(im, "the batch is not the first dimension");
    pn_mx_emit(im, PN_OP_FLATTEN, NULL, &out, PN_MX_IN(x));
    pn_mx_set_int(im, "axis", 1);
}

/* ---- Reshape and its little language ---- */

typedef struct resolver {
    const pn_shape *in;
    int at;       /* next dimension of `in` */
    int inferred; /* which of out is to follow from the rest, or -1 */
    pn_shape out;
} resolver;

static bool put(resolver *r, int64_t dim)
{
    if (r->out.ndim == PN_MAX_DIMS) return false;
    r->out.dim[r->out.ndim++] = dim;
    return true;
}

static bool put_inferred(resolver *r)
{
    if (r->inferred >= 0) return false;
    r->inferred = r->out.ndim;
    return put(r, 1);
}

/* -4 a b: a dimension becomes two, one of which may be left to follow */
static bool split_dim(resolver *r, int64_t a, int64_t b)
{
    if (r->at >= r->in->ndim || (a < 1 && a != -1) || (b < 1 && b != -1)) return false;
    int64_t d = r->in->dim[r->at++];
    if (a == -1 && b == -1) return false;
    if (d == PN_DIM_FREE) { /* the batch stays whole: one of them must be 1 */
        if (a == 1) return put(r, 1) && put(r, d);
        return b == 1 && put(r, d) && put(r, 1);
    }
    if (a == -1) a = d / b;
    if (b == -1) b = d / a;
    return a * b == d && put(r, a) && put(r, b);
}

static bool merge_dims(resolver *r)
{
    if (r->at + 2 > r->in->ndim) return false;
    int64_t a = r->in->dim[r->at], b = r->in->dim[r->at + 1];
    r->at += 2;
    if (a == PN_DIM_FREE || b == PN_DIM_FREE) { /* may only swallow a 1 */
        if (a != 1 && b != 1) return false;
        return put(r, PN_DIM_FREE);
    }
    return put(r, a * b);
}

static bool resolve_codes(resolver *r, const pn_mx_tuple *t)
{
    for (int i = 0; i < t->n; i++) {
        int64_t code = t->v[i];
        bool fits = !t->is_none[i];
        if (code > 0) {
            fits = fits && put(r, code);
            r->at++;
        } else if (code == 0) {
            fits = fits && r->at < r->in->ndim && put(r, r->in->dim[r->at]);
            r->at++;
        } else if (code == -1) {
            fits = put_inferred(r);
            r->at++;
        } else if (code == -2) {
            while (fits && r->at < r->in->ndim)
                fits = put(r, r->in->dim[r->at++]);
        } else if (code == -3) {
            fits = merge_dims(r);
        } else if (code == -4 && i + 2 < t->n) {
            fits = split_dim(r, t->v[i + 1], t->v[i + 2]);
            i += 2;
        } else {
            fits = false;
        }
        if (!fits) return false;
    }
    return true;
}

static int free_dims(const pn_shape *s)
{
    int n = 0;
    for (int i = 0; i < s->ndim; i++)
        n += s->dim[i] == PN_DIM_FREE;
    return n;
}

/* the dimension left open, and the batch: a literal one is what the net was trained with
 */
static bool close_shape(resolver *r)
{
    int64_t want = pn_shape_count(r->in), have = pn_shape_count(&r->out);
    bool is_batched = free_dims(r->in) == 1, is_free = free_dims(&r->out) == 1;
    if (want < 1 || have < 1) return false;
    if (is_batched && !is_free) {
        if (r->inferred >= 0) {
            r->out.dim[r->inferred] = PN_DIM_FREE;
        } else if (r->out.ndim && have / r->out.dim[0] == want) {
            have /= r->out.dim[0];
            r->out.dim[0] = PN_DIM_FREE;
        }
        return free_dims(&r->out) == 1 && have == want;
    }
    if (r->inferred >= 0) {
        if (want % have) return false;
        r->out.dim[r->inferred] = want / have;
        have = want;
    }
    return have == want;
}

static void reverse_shape(pn_shape *s)
{
    for (int i = 0; i < s->ndim / 2; i++) {
        int64_t d = s->dim[i];
        s->dim[i] = s->dim[s->ndim - 1 - i];
        s->dim[s->ndim - 1 - i] = d;
    }
}

static void reverse_codes(pn_mx_tuple *t)
{
    pn_mx_tuple back = {.n = t->n};
    for (int i = 0; i < t->n; i++) {
        back.v[i] = t->v[t->n - 1 - i];
        back.is_none[i] = t->is_none[t->n - 1 - i];
    }
    *t = back;
}

/* the attributes of 0.7: a shape with one 0 to be inferred, dimension 0 perhaps kept */
static void old_codes(pn_mx_import *im, pn_mx_tuple *t)
{
    pn_mx_tuple_of(im, "target_shape", PN_MAX_DIMS, t);
    bool keeps = pn_mx_bool(im, "keep_highest", false);
    for (int i = 0; i < t->n; i++)
        if (t->v[i] == 0) t->v[i] = -1;
    if (keeps && t->n) t->v[0] = 0;
}

static void reshape(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x), seen = in;
    bool reverse = pn_mx_bool(im, "reverse", false);
    pn_mx_tuple codes;
    pn_mx_tuple_of(im, "shape", PN_MX_TUPLE, &codes);
    if (!im->status && codes.n == 0) old_codes(im, &codes);
    if (im->status) return;
    if (reverse) {
        reverse_shape(&seen);
        reverse_codes(&codes);
    }
    resolver r = {.in = &seen, .inferred = -1};
    if (codes.n == 0 || !resolve_codes(&r, &codes) || !close_shape(&r)) {
        char text[PN_SHAPE_TEXT];
        const char *shape = pn_mx_attr_text(im->node, "shape");
        pn_mx_refuse(im, "shape=\"%.80s\" of %s (or it mixes images of a batch)",
                     shape ? shape : "", pn_shape_text(&in, text, sizeof(text)));
        return;
    }
    if (reverse) reverse_shape(&r.out);
    pn_mx_emit_reshape(im, NULL, x, &r.out);
}

/* ---- orders and dimensions of one ---- */

static void emit_transpose(pn_mx_import *im, int x, const pn_shape *in,
                           const int64_t *perm)
{
    pn_shape out = *in;
    for (int i = 0; i < in->ndim; i++)
        out.dim[i] = in->dim[perm[i]];
    pn_mx_emit(im, PN_OP_TRANSPOSE, NULL, &out, PN_MX_IN(x));
    pn_mx_set_ints(im, "perm", perm, (size_t)in->ndim);
}

static void transpose(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int64_t perm[PN_MAX_DIMS];
    bool seen[PN_MAX_DIMS] = {false};
    pn_mx_tuple t;
    pn_mx_tuple_of(im, "axes", PN_MAX_DIMS, &t);
    if (!im->status && t.n && t.n != in.ndim)
        pn_mx_fail(im, PN_EFORMAT, "%d axes for %d dimensions", t.n, in.ndim);
    for (int i = 0; i < in.ndim && !im->status; i++) {
        int axis = t.n ? pn_mx_check_axis(im, t.v[i], in.ndim) : in.ndim - 1 - i;
        if (seen[axis]) pn_mx_fail(im, PN_EFORMAT, "axis %d stands twice in axes", axis);
        seen[axis] = true;
        perm[i] = axis;
    }
    if (!im->status) emit_transpose(im, x, &in, perm);
}

static void swap_axis(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int a = pn_mx_axis(im, "dim1", 0, in.ndim), b = pn_mx_axis(im, "dim2", 0, in.ndim);
    int64_t perm[PN_MAX_DIMS];
    if (im->status) return;
    for (int i = 0; i < in.ndim; i++)
        perm[i] = i == a ? b : i == b ? a : i;
    emit_transpose(im, x, &in, perm);
}

static void insert_one(pn_shape *s, int axis)
{
    memmove(s->dim + axis + 1, s->dim + axis,
            (size_t)(s->ndim - axis) * sizeof(s->dim[0]));
    s->dim[axis] = 1;
    s->ndim++;
}

static void expand_dims(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x), out = in;
    int axis = pn_mx_axis(im, "axis", PN_MX_REQUIRED, in.ndim + 1);
    if (!im->status && in.ndim == PN_MAX_DIMS) pn_mx_refuse(im, "too many dimensions");
    if (im->status) return;
    insert_one(&out, axis);
    int64_t at = axis;
    int axes = pn_mx_const_i64(im, "axes", &at, 1);
    pn_mx_emit(im, PN_OP_UNSQUEEZE, NULL, &out, PN_MX_IN(x, axes));
}

static void squeeze(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x), out = {0};
    bool goes[PN_MAX_DIMS] = {false};
    int64_t axes[PN_MAX_DIMS];
    size_t n = 0;
    pn_mx_tuple t;
    pn_mx_tuple_of(im, "axis", PN_MAX_DIMS, &t);
    for (int i = 0; i < t.n && !im->status; i++)
        goes[pn_mx_check_axis(im, t.v[i], in.ndim)] = true;
    for (int i = 0; i < in.ndim && !im->status; i++) {
        if (t.n ? goes[i] : in.dim[i] == 1)
            axes[n++] = i;
        else
            out.dim[out.ndim++] = in.dim[i];
        if (goes[i] && in.dim[i] != 1)
            pn_mx_fail(im, PN_EFORMAT, "dimension %d is not 1", i);
    }
    if (im->status) return;
    if (n == 0) {
        pn_mx_emit(im, PN_OP_IDENTITY, NULL, &in, PN_MX_IN(x));
        return;
    }
    int which = pn_mx_const_i64(im, "axes", axes, n);
    pn_mx_emit(im, PN_OP_SQUEEZE, NULL, &out, PN_MX_IN(x, which));
}

/* ---- joining ---- */

/* all inputs, and the shape of their concatenation along an axis */
static int *joined(pn_mx_import *im, int64_t fallback, pn_shape *out, int *axis)
{
    int n = im->node->n_inputs;
    int *inputs = pn_arena_alloc(&im->arena, (size_t)(n ? n : 1) * sizeof(int));
    if (!inputs || n == 0) {
        pn_mx_fail(im, inputs ? PN_EFORMAT : PN_ENOMEM,
                   inputs ? "has no inputs" : "no memory");
        return NULL;
    }
    inputs[0] = pn_mx_data(im, 0);
    *out = pn_mx_shape_of(im, inputs[0]);
    *axis = pn_mx_axis(im, pn_mx_has(im, "dim") ? "dim" : "axis", fallback, out->ndim);
    for (int i = 1; i < n && !im->status; i++) {
        inputs[i] = pn_mx_data(im, i);
        pn_shape s = pn_mx_shape_of(im, inputs[i]);
        bool fits = s.ndim == out->ndim;
        for (int k = 0; fits && k < s.ndim; k++)
            fits = k == *axis ? s.dim[k] != PN_DIM_FREE : s.dim[k] == out->dim[k];
        if (!fits)
            pn_mx_fail(im, PN_EFORMAT, "input %d does not fit the first one", i);
        else
            out->dim[*axis] += s.dim[*axis];
    }
    if (!im->status && n > 1 && out->dim[*axis] < 1) pn_mx_refuse(im, "joins batches");
    return im->status ? NULL : inputs;
}

static void concat(pn_mx_import *im)
{
    pn_shape out;
    int axis, *inputs = joined(im, 1, &out, &axis);
    if (!inputs) return;
    pn_mx_emit(im, PN_OP_CONCAT, NULL, &out, inputs, im->node->n_inputs);
    pn_mx_set_int(im, "axis", axis);
}

/* a new dimension for all, along which they are joined */
static void stack(pn_mx_import *im)
{
    int n = im->node->n_inputs;
    int *parts = pn_arena_alloc(&im->arena, (size_t)(n ? n : 1) * sizeof(int));
    if (!parts || n == 0) {
        pn_mx_fail(im, parts ? PN_EFORMAT : PN_ENOMEM,
                   parts ? "has no inputs" : "no memory");
        return;
    }
    pn_shape in = pn_mx_shape_of(im, pn_mx_data(im, 0)), one = in;
    int axis = pn_mx_axis(im, "axis", 0, in.ndim + 1);
    if (!im->status && in.ndim == PN_MAX_DIMS) pn_mx_refuse(im, "too many dimensions");
    if (im->status) return;
    insert_one(&one, axis);
    int64_t at = axis;
    int axes = pn_mx_const_i64(im, "axes", &at, 1);
    for (int k = 0; k < n && !im->status; k++) {
        char suffix[32];
        int x = pn_mx_data(im, k);
        pn_shape s = pn_mx_shape_of(im, x);
        if (!im->status && !pn_shape_equal(&s, &in))
            pn_mx_fail(im, PN_EFORMAT, "input %d is not of the first one's shape", k);
        snprintf(suffix, sizeof(suffix), "part%d", k);
        parts[k] = pn_mx_emit(im, PN_OP_UNSQUEEZE, suffix, &one, PN_MX_IN(x, axes));
    }
    one.dim[axis] = n;
    pn_mx_emit(im, PN_OP_CONCAT, NULL, &one, parts, n);
    pn_mx_set_int(im, "axis", axis);
}

const pn_mx_op pn_mx_ops_shape[] = {
    {"Flatten", flatten, NULL, ""},
    {"Reshape", reshape, NULL, "shape reverse target_shape keep_highest"},
    {"transpose", transpose, NULL, "axes"},
    {"SwapAxis", swap_axis, NULL, "dim1 dim2"},
    {"expand_dims", expand_dims, NULL, "axis"},
    {"squeeze", squeeze, NULL, "axis"},
    {"Concat", concat, NULL, "dim axis num_args"},
    {"stack", stack, NULL, "axis num_args"},
    {NULL, NULL, NULL, NULL},
};
