/* Known elements in another order. A free dimension can only be passed on as it is. */
#include "model/fold.h"

#include <string.h>

#define MAX(a, b) ((a) > (b) ? (a) : (b))

bool pn_fold_lend(pn_fold_job *f)
{
    f->out.data = f->in[0].data;
    return true;
}

static int64_t clamp_dim(int64_t i, int ndim)
{
    if (i < 0) i += ndim;
    return i < 0 ? 0 : i > ndim ? ndim : i;
}

bool pn_fold_shape(pn_fold_job *f)
{
    const pn_shape *s = &f->in[0].shape;
    int64_t first = clamp_dim(pn_node_int(f->node, "start", 0), s->ndim);
    for (int64_t i = 0; i < f->out.shape.dim[0]; i++) {
        int64_t d = s->dim[first + i];
        pn_affine a = {.fixed = d == PN_DIM_FREE ? 0 : d, .batch = d == PN_DIM_FREE};
        pn_fold_put(f, i, &a);
    }
    return true;
}

static bool is_closed(const pn_fold_job *f)
{
    for (int k = 0; k < f->n_in; k++)
        for (int i = 0; i < f->in[k].shape.ndim; i++)
            if (f->in[k].shape.dim[i] == PN_DIM_FREE) return false;
    for (int i = 0; i < f->out.shape.ndim; i++)
        if (f->out.shape.dim[i] == PN_DIM_FREE) return false;
    return true;
}

/* the output is operand 0 along the odometer's steps */
static bool copy_along(pn_fold_job *f, pn_odometer *o)
{
    int64_t count = pn_shape_count(&f->out.shape);
    for (int64_t i = 0; i < count; i++, pn_odometer_next(o))
        if (!pn_fold_move(f, i, &f->in[0], o->pos[0])) return false;
    return true;
}

bool pn_fold_expand(pn_fold_job *f)
{
    pn_odometer o;
    if (!is_closed(f)) return false;
    pn_odometer_init(&o, &f->out.shape);
    pn_odometer_broadcast(&o, 0, &f->in[0].shape);
    return copy_along(f, &o);
}

static void c_strides(const pn_shape *s, int64_t *stride)
{
    int64_t step = 1;
    for (int i = s->ndim - 1; i >= 0; i--) {
        stride[i] = step;
        step *= s->dim[i];
    }
}

bool pn_fold_transpose(pn_fold_job *f)
{
    const pn_attr *perm = pn_node_attr(f->node, "perm");
    const pn_shape *x = &f->in[0].shape;
    int64_t stride[PN_MAX_DIMS];
    pn_odometer o;
    if (!is_closed(f)) return false;
    pn_odometer_init(&o, &f->out.shape);
    c_strides(x, stride);
    for (int i = 0; i < x->ndim; i++)
        o.step[0][i] = stride[perm ? perm->ints[i] : x->ndim - 1 - i];
    return copy_along(f, &o);
}

bool pn_fold_slice(pn_fold_job *f)
{
    const pn_shape *x = &f->in[0].shape;
    int64_t stride[PN_MAX_DIMS];
    pn_odometer o;
    if (!is_closed(f)) return false;
    pn_odometer_init(&o, &f->out.shape);
    c_strides(x, stride);
    memcpy(o.step[0], stride, sizeof(stride));
    for (int64_t i = 0; i < f->in[1].shape.dim[0]; i++) {
        pn_affine start, step = {.fixed = 1}, axis = {.fixed = i};
        if (!pn_known_int(&f->in[1], i, &start)) return false;
        if (f->n_in > 3 && f->in[3].data && !pn_known_int(&f->in[3], i, &axis))
            return false;
        if (f->n_in > 4 && f->in[4].data && !pn_known_int(&f->in[4], i, &step))
            return false;
        /* shape inference has seen that axes and steps are sound */
        int a = (int)(axis.fixed < 0 ? axis.fixed + x->ndim : axis.fixed);
        int64_t d = x->dim[a];
        int64_t from = start.fixed < 0 ? MAX(start.fixed, -d - 1) + d : start.fixed;
        int64_t high = step.fixed > 0 ? d : d - 1;
        from = from < 0 ? 0 : from > high ? high : from;
        o.pos[0] += from * stride[a];
        o.step[0][a] = f->out.shape.dim[a] > 1 ? stride[a] * step.fixed : 0;
    }
    return copy_along(f, &o);
}

bool pn_fold_gather(pn_fold_job *f)
{
    const pn_shape *x = &f->in[0].shape, *index = &f->in[1].shape;
    int64_t axis = pn_node_int(f->node, "axis", 0), outer = 1, inner = 1, at = 0;
    if (!is_closed(f)) return false;
    if (axis < 0) axis += x->ndim;
    for (int i = 0; i < x->ndim; i++) {
        if (i < axis) outer *= x->dim[i];
        if (i > axis) inner *= x->dim[i];
    }
    int64_t n = x->dim[axis], n_index = pn_shape_count(index);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < n_index; k++) {
            pn_affine which;
            if (!pn_known_int(&f->in[1], k, &which) || which.batch || which.image)
                return false;
            int64_t from = which.fixed < 0 ? which.fixed + n : which.fixed;
            if (from < 0 || from >= n) return false;
            for (int64_t i = 0; i < inner; i++)
                if (!pn_fold_move(f, at++, &f->in[0], (o * n + from) * inner + i))
                    return false;
        }
    return true;
}

bool pn_fold_concat(pn_fold_job *f)
{
    const pn_shape *y = &f->out.shape;
    int64_t axis = pn_node_int(f->node, "axis", 0), outer = 1, inner = 1, begin = 0;
    if (!is_closed(f)) return false;
    if (axis < 0) axis += y->ndim;
    for (int i = 0; i < y->ndim; i++) {
        if (i < axis) outer *= y->dim[i];
        if (i > axis) inner *= y->dim[i];
    }
    for (int k = 0; k < f->n_in; k++) {
        int64_t run = f->in[k].shape.dim[axis] * inner;
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < run; i++)
                if (!pn_fold_move(f, o * y->dim[axis] * inner + begin + i, &f->in[k],
                                  o * run + i))
                    return false;
        begin += run;
    }
    return true;
}
