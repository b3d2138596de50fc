/* Operators that only move elements: their shapes, and what the free batch does there. */
#include "model/shape.h"

#include <stdlib.h>
#include <string.h>

#include "model/fold.h"

pn_status pn_shape_flatten(pn_shape_job *j)
{
    const pn_shape *x = pn_job_in(j, 0);
    int64_t axis = pn_node_int(pn_job_node(j), "axis", 1);
    if (axis < -x->ndim || axis > x->ndim)
        return pn_job_bad(j, "axis %lld is not within -%d..%d", (long long)axis, x->ndim,
                          x->ndim);
    if (axis < 0) axis += x->ndim;
    pn_shape out = {.ndim = 2, .dim = {1, 1}};
    bool is_free[2] = {false, false};
    for (int i = 0; i < x->ndim; i++) {
        int side = i >= axis;
        if (x->dim[i] == PN_DIM_FREE)
            is_free[side] = true;
        else if (__builtin_mul_overflow(out.dim[side], x->dim[i], &out.dim[side]))
            return pn_job_bad(j, "its output does not fit 63 bits");
    }
    for (int side = 0; side < 2; side++) {
        if (!is_free[side]) continue;
        if (out.dim[side] != 1)
            return pn_job_unsupported(j, "axis %lld mixes the images of a batch",
                                      (long long)axis);
        out.dim[side] = PN_DIM_FREE;
    }
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_transpose(pn_shape_job *j)
{
    const pn_shape *x = pn_job_in(j, 0);
    const pn_attr *perm = pn_node_attr(pn_job_node(j), "perm");
    pn_shape out = {.ndim = x->ndim};
    if (perm) {
        unsigned bits;
        for (size_t i = 0; i < perm->n; i++)
            if (perm->ints[i] < 0)
                return pn_job_bad(j, "perm is %lld at %zu", (long long)perm->ints[i], i);
        pn_status st = pn_job_axes(j, perm->ints, perm->n, x->ndim, &bits);
        if (st) return st;
        if (perm->n != (size_t)x->ndim)
            return pn_job_bad(j, "perm has %zu elements, its input %d dimensions",
                              perm->n, x->ndim);
    }
    for (int i = 0; i < x->ndim; i++)
        out.dim[i] = x->dim[perm ? (int)perm->ints[i] : x->ndim - 1 - i];
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_squeeze(pn_shape_job *j)
{
    const pn_shape *x = pn_job_in(j, 0);
    unsigned bits = 0;
    if (pn_job_has(j, 1)) {
        int64_t axes[PN_MAX_DIMS];
        size_t n;
        pn_status st = pn_job_ints(j, 1, "axes", axes, PN_MAX_DIMS, &n);
        if (!st) st = pn_job_axes(j, axes, n, x->ndim, &bits);
        if (st) return st;
    } else {
        for (int i = 0; i < x->ndim; i++)
            if (x->dim[i] == 1) bits |= 1U << i;
    }
    pn_shape out = {0};
    for (int i = 0; i < x->ndim; i++) {
        if (!(bits & 1U << i))
            out.dim[out.ndim++] = x->dim[i];
        else if (x->dim[i] == PN_DIM_FREE)
            return pn_job_unsupported(j, "removes the batch, axis %d", i);
        else if (x->dim[i] != 1)
            return pn_job_bad(j, "axis %d has %lld elements, only 1 can go", i,
                              (long long)x->dim[i]);
    }
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_unsqueeze(pn_shape_job *j)
{
    const pn_shape *x = pn_job_in(j, 0);
    int64_t axes[PN_MAX_DIMS];
    size_t n;
    unsigned bits = 0;
    pn_status st = pn_job_ints(j, 1, "axes", axes, PN_MAX_DIMS, &n);
    if (st) return st;
    pn_shape out = {.ndim = x->ndim + (int)n};
    if (out.ndim > PN_MAX_DIMS)
        return pn_job_bad(j, "makes %d dimensions, at most %d", out.ndim, PN_MAX_DIMS);
    st = pn_job_axes(j, axes, n, out.ndim, &bits);
    if (st) return st;
    for (int i = 0, from = 0; i < out.ndim; i++)
        out.dim[i] = bits & 1U << i ? 1 : x->dim[from++];
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_concat(pn_shape_job *j)
{
    const pn_node *n = pn_job_node(j);
    pn_shape out = *pn_job_in(j, 0);
    int axis = 0;
    if (!pn_node_attr(n, "axis")) return pn_job_bad(j, "axis is missing");
    pn_status st = pn_job_axis(j, pn_node_int(n, "axis", 0), out.ndim, &axis);
    if (st) return st;
    for (int k = 0; k < n->n_inputs; k++) {
        const pn_shape *x = pn_job_in(j, k);
        if (x->ndim != out.ndim)
            return pn_job_bad(j, "input %d has %d dimensions, the first %d", k, x->ndim,
                              out.ndim);
        if (x->dim[axis] == PN_DIM_FREE)
            return pn_job_unsupported(j, "joins batches, axis %d", axis);
        for (int i = 0; i < x->ndim; i++) {
            if (i == axis && k > 0 &&
                __builtin_add_overflow(out.dim[i], x->dim[i], &out.dim[i]))
                return pn_job_bad(j, "axis %d does not fit 63 bits", axis);
            if (i != axis && x->dim[i] != out.dim[i]) {
                char text[2][PN_SHAPE_TEXT];
                return pn_job_bad(j, "input %d is %s, the first %s: they differ at %d", k,
                                  pn_shape_text(x, text[0], PN_SHAPE_TEXT),
                                  pn_shape_text(pn_job_in(j, 0), text[1], PN_SHAPE_TEXT),
                                  i);
            }
        }
    }
    return pn_job_out(j, 0, &out);
}

/* sizes of the parts, from the constant or equal shares; the last share of num_outputs
 * (opset 18) may be a smaller one, and is spelled out */
static pn_status split_sizes(pn_shape_job *j, int64_t total, int64_t *size)
{
    const pn_node *node = pn_job_node(j);
    const int n = node->n_outputs;
    if (pn_job_has(j, 1)) {
        const pn_value *v = pn_job_value(j, 1);
        if (!v->data) return pn_job_unsupported(j, "split is computed, not a constant");
        if (v->shape.ndim != 1 || v->shape.dim[0] != n)
            return pn_job_bad(j, "split must have one element an output, %d", n);
        if (pn_value_to_i64(v, 0, n, size))
            return pn_job_bad(j, "split must be integers of at least 1");
        return PN_OK;
    }
    const bool may_differ = pn_node_attr(node, "num_outputs");
    const int64_t share = total / n + (total % n ? 1 : 0);
    if (total % n && (!may_differ || share * (n - 1) >= total))
        return pn_job_bad(j, "%d outputs do not divide %lld", n, (long long)total);
    for (int k = 0; k < n; k++)
        size[k] = k < n - 1 ? share : total - share * (n - 1);
    pn_job_drop_attr(j, "num_outputs");
    return total % n ? pn_job_spell(j, 1, size, n) : PN_OK;
}

pn_status pn_shape_split(pn_shape_job *j)
{
    const pn_shape x = *pn_job_in(j, 0);
    const int n = pn_job_node(j)->n_outputs;
    int axis = 0;
    pn_status st = pn_job_axis(j, pn_node_int(pn_job_node(j), "axis", 0), x.ndim, &axis);
    if (st) return st;
    if (x.dim[axis] == PN_DIM_FREE)
        return pn_job_unsupported(j, "splits the batch, axis %d", axis);
    int64_t left = x.dim[axis], *size = malloc((size_t)n * sizeof(*size));
    if (!size) return PN_ENOMEM;
    st = split_sizes(j, x.dim[axis], size);
    for (int k = 0; !st && k < n; k++) {
        pn_shape out = x;
        out.dim[axis] = size[k];
        if (size[k] < 1) st = pn_job_bad(j, "split must be integers of at least 1");
        left -= size[k] <= left ? size[k] : left + 1;
        if (st || left < 0) break;
        st = pn_job_out(j, k, &out);
    }
    free(size);
    if (!st && left != 0)
        st = pn_job_bad(j, "split does not add up to %lld", (long long)x.dim[axis]);
    return st;
}

/* product of the dimensions but one; the others are not free */
static bool product_without(const pn_shape *s, int skip, int64_t *out)
{
    *out = 1;
    for (int i = 0; i < s->ndim; i++)
        if (i != skip && s->dim[i] != PN_DIM_FREE &&
            __builtin_mul_overflow(*out, s->dim[i], out))
            return false;
    return true;
}

/*
 * Where the batch goes. The batch is in the output if the target copies it (0), or infers
 * it (-1), or says literally at the front what it was when the model was exported: then
 * the rest of the target, or what -1 must become, is exactly one image.
 * @return PN_OK with out complete
 */
static pn_status place_batch(pn_shape_job *j, pn_shape *out, int inferred, int64_t count,
                             bool *respell)
{
    int64_t others, rest;
    if (!product_without(out, inferred, &others))
        return pn_job_bad(j, "its target does not fit 63 bits");
    bool front_is_literal = out->ndim > 0 && inferred != 0 && out->dim[0] > 0;
    if (front_is_literal && (inferred == PN_NONE || out->dim[0] == 1)) {
        rest = others / out->dim[0];
        if (inferred == PN_NONE ? rest == count : count % rest == 0) {
            if (inferred != PN_NONE) out->dim[inferred] = count / rest;
            out->dim[0] = PN_DIM_FREE;
            *respell = true;
            return PN_OK;
        }
    }
    if (inferred != PN_NONE && others == count) {
        out->dim[inferred] = PN_DIM_FREE;
        return PN_OK;
    }
    return pn_job_unsupported(j, "its target mixes the images of a batch");
}

/* out: the target, 0 and -1 resolved as far as the input alone tells */
static pn_status read_target(pn_shape_job *j, pn_shape *out, int *inferred)
{
    const pn_shape *x = pn_job_in(j, 0);
    size_t n;
    pn_known k;
    const bool is_const = pn_job_value(j, 1)->data;
    const bool allowzero = pn_node_int(pn_job_node(j), "allowzero", 0) != 0;
    pn_job_drop_attr(j, "allowzero");
    pn_status st = pn_job_dims(j, 1, "shape", out->dim, &n);
    if (st || !pn_fold_get(j->fold, j->g, pn_job_node(j)->inputs[1], &k)) return st;
    out->ndim = (int)n;
    *inferred = PN_NONE;
    for (int i = 0; i < out->ndim; i++) {
        pn_affine a;
        if (!is_const && pn_known_int(&k, i, &a) && a.batch) continue; /* says "N" */
        int64_t d = out->dim[i];
        if (d < -1 || d > PN_MAX_DIM || (d == 0 && i >= x->ndim) ||
            (d == -1 && *inferred != PN_NONE))
            return pn_job_bad(j, "its target is %lld at %d", (long long)d, i);
        if (d == 0 && allowzero) return pn_job_bad(j, "its target is 0 at %d", i);
        if (d == -1) *inferred = i;
        if (d == 0) out->dim[i] = x->dim[i];
    }
    return PN_OK;
}

pn_status pn_shape_reshape(pn_shape_job *j)
{
    const pn_shape x = *pn_job_in(j, 0);
    pn_shape out;
    int inferred = PN_NONE;
    pn_status st = read_target(j, &out, &inferred);
    if (st) return st;
    int64_t count = pn_shape_count(&x), others;
    /* what is written must run with any batch: -1 in the place of a computed N */
    bool in_free = false, out_free = false, respell = !pn_job_value(j, 1)->data;
    for (int i = 0; i < x.ndim; i++)
        in_free |= x.dim[i] == PN_DIM_FREE;
    for (int i = 0; i < out.ndim; i++)
        out_free |= i != inferred && out.dim[i] == PN_DIM_FREE;
    for (int i = 0; i < out.ndim; i++)
        if (out.dim[i] == 0) return pn_job_bad(j, "its target is 0 at %d", i);
    if (out_free && !in_free) {
        st = pn_job_unsupported(j, "its target has a batch, its input none");
    } else if (in_free && !out_free) {
        st = place_batch(j, &out, inferred, count, &respell);
    } else if (!product_without(&out, inferred, &others)) {
        st = pn_job_bad(j, "its target does not fit 63 bits");
    } else if (inferred == PN_NONE ? others != count : count % others != 0) {
        char text[2][PN_SHAPE_TEXT];
        st = pn_job_bad(j, "%s cannot become %s",
                        pn_shape_text(&x, text[0], PN_SHAPE_TEXT),
                        pn_shape_text(&out, text[1], PN_SHAPE_TEXT));
    } else if (inferred != PN_NONE) {
        out.dim[inferred] = count / others;
    }
    if (!st) st = pn_job_out(j, 0, &out);
    if (!st && respell) st = pn_job_spell(j, 1, out.dim, out.ndim);
    return st;
}
