/* Operators of arithmetic on shapes, and Gather: what they make is computed in fold.c as
 * far as it is known. */
#include "model/shape.h"

#include <math.h>

#include "model/fold.h"

static int64_t clamp(int64_t i, int ndim)
{
    if (i < 0) i += ndim;
    return i < 0 ? 0 : i > ndim ? ndim : i;
}

pn_status pn_shape_shape(pn_shape_job *j)
{
    int ndim = pn_job_in(j, 0)->ndim;
    int64_t start = clamp(pn_node_int(pn_job_node(j), "start", 0), ndim);
    int64_t end = clamp(pn_node_int(pn_job_node(j), "end", ndim), ndim);
    const pn_shape out = {.ndim = 1, .dim = {end - start}};
    if (end <= start) return pn_job_unsupported(j, "takes no dimension");
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_gather(pn_shape_job *j)
{
    const pn_shape *x = pn_job_in(j, 0), *index = pn_job_in(j, 1);
    pn_shape out = {0};
    int axis = 0;
    pn_status st = pn_job_axis(j, pn_node_int(pn_job_node(j), "axis", 0), x->ndim, &axis);
    if (st) return st;
    if (x->ndim - 1 + index->ndim > PN_MAX_DIMS)
        return pn_job_bad(j, "makes more than %d dimensions", PN_MAX_DIMS);
    if (x->dim[axis] == PN_DIM_FREE)
        return pn_job_unsupported(j, "picks images of a batch, axis %d", axis);
    for (int i = 0; i < x->ndim; i++) {
        if (i != axis) out.dim[out.ndim++] = x->dim[i];
        for (int k = 0; i == axis && k < index->ndim; k++)
            out.dim[out.ndim++] = index->dim[k];
    }
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_constant_of_shape(pn_shape_job *j)
{
    pn_shape out = {0};
    size_t n;
    pn_status st = pn_job_dims(j, 0, "shape", out.dim, &n);
    if (st) return st;
    out.ndim = (int)n;
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_expand(pn_shape_job *j)
{
    const pn_shape x = *pn_job_in(j, 0);
    pn_shape target = {0}, out = {0};
    size_t n;
    pn_status st = pn_job_dims(j, 1, "shape", target.dim, &n);
    if (st) return st;
    target.ndim = (int)n;
    out.ndim = x.ndim > target.ndim ? x.ndim : target.ndim;
    for (int i = 1; i <= out.ndim; i++) {
        int64_t a = i <= x.ndim ? x.dim[x.ndim - i] : 1;
        int64_t b = i <= target.ndim ? target.dim[target.ndim - i] : 1;
        if (!pn_broadcast_dim(a, b, &out.dim[out.ndim - i]))
            return pn_job_bad(j, "%lld elements cannot become %lld", (long long)a,
                              (long long)b);
    }
    /* "expand to what it is": nothing to do at run time */
    if (pn_shape_equal(&x, &out)) {
        pn_node *node = &j->g->nodes[j->node];
        node->op = PN_OP_IDENTITY;
        node->n_inputs = 1;
    }
    return pn_job_out(j, 0, &out);
}

pn_status pn_shape_where(pn_shape_job *j)
{
    pn_shape out = *pn_job_in(j, 0);
    for (int k = 1; k < 3; k++) {
        const pn_shape a = out, *b = pn_job_in(j, k);
        out.ndim = a.ndim > b->ndim ? a.ndim : b->ndim;
        for (int i = 1; i <= out.ndim; i++)
            if (!pn_broadcast_dim(i <= a.ndim ? a.dim[a.ndim - i] : 1,
                                  i <= b->ndim ? b->dim[b->ndim - i] : 1,
                                  &out.dim[out.ndim - i]))
                return pn_job_bad(j, "its inputs do not go together");
    }
    if (pn_job_value(j, 1)->dtype != pn_job_value(j, 2)->dtype)
        return pn_job_bad(j, "its inputs are of two types");
    return pn_job_out(j, 0, &out);
}

static pn_status range_of_floats(pn_shape_job *j, int64_t *count)
{
    float v[3];
    for (int i = 0; i < 3; i++)
        if (!pn_job_value(j, i)->data || pn_value_to_f32(pn_job_value(j, i), 0, 1, &v[i]))
            return pn_job_unsupported(j, "its bounds are computed");
    double n = ceil(((double)v[1] - (double)v[0]) / (double)v[2]);
    if (!(n >= 1 && n < PN_MAX_DIM)) return pn_job_bad(j, "makes %g elements", n);
    *count = (int64_t)n;
    return PN_OK;
}

pn_status pn_shape_range(pn_shape_job *j)
{
    pn_known k;
    pn_affine v[3];
    pn_shape out = {.ndim = 1};
    for (int i = 0; i < 3; i++)
        if (pn_shape_count(pn_job_in(j, i)) != 1 || pn_job_in(j, i)->ndim > 1)
            return pn_job_bad(j, "input %d must be one number", i);
    if (pn_job_value(j, 0)->dtype == PN_F32) {
        pn_status st = range_of_floats(j, &out.dim[0]);
        return st ? st : pn_job_out(j, 0, &out);
    }
    for (int i = 0; i < 3; i++)
        if (!pn_fold_get(j->fold, j->g, pn_job_node(j)->inputs[i], &k) ||
            !pn_known_int(&k, 0, &v[i]))
            return pn_job_unsupported(j, "its bounds are computed");
    int64_t room, start = v[0].fixed, step = v[2].fixed;
    if (v[0].batch || v[2].batch || v[0].image || v[1].image || v[2].image)
        return pn_job_unsupported(j, "its bounds hang on the batch");
    if (v[1].batch) {
        if (start || v[1].fixed || v[1].batch != 1 || step != 1)
            return pn_job_unsupported(j, "counts the batch otherwise than from 0 to N");
        out.dim[0] = PN_DIM_FREE;
    } else {
        if (step == 0 || step == INT64_MIN ||
            __builtin_sub_overflow(v[1].fixed, start, &room) || room == INT64_MIN ||
            (room > 0) != (step > 0) || room == 0)
            return pn_job_bad(j, "makes no elements");
        if (step < 0) room = -room, step = -step;
        out.dim[0] = (room - 1) / step + 1;
    }
    return pn_job_out(j, 0, &out);
}
