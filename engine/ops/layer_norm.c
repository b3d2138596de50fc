/* Layer normalisation: mean and variance over some axes of one image, in double, then one
 * factor and one summand for each place along those axes. */
#include <math.h>
#include <string.h>

#include "engine/ops/ops.h"

#define NORM_TASK_FLOATS 16384

static void plain_loops(pn_walk *w, const pn_shape *shape, const pn_tensor *y,
                        const pn_tensor *x)
{
    memset(w, 0, sizeof(*w));
    w->n = shape->ndim;
    w->rows = pn_shape_count(shape);
    for (int i = 0; i < shape->ndim; i++) {
        w->dim[i] = shape->dim[i];
        w->y[i] = y->stride[i];
        w->a[i] = x->stride[i];
    }
}

static void offsets(const pn_walk *w, int64_t i, ptrdiff_t *y, ptrdiff_t *x)
{
    *y = *x = 0;
    for (int d = w->n - 1; d >= 0; d--) {
        const ptrdiff_t k = (ptrdiff_t)(i % w->dim[d]);
        i /= w->dim[d];
        *y += k * w->y[d];
        *x += k * w->a[d];
    }
}

/* A parameter stretched to the normed axes; NULL: no memory. */
static const float *stretched(struct pn_model *m, const pn_graph *g, int value,
                              const pn_shape *normed, int64_t count)
{
    const pn_value *v = &g->values[value];
    ptrdiff_t stride[PN_MAX_DIMS] = {0};
    float *out = pn_net_alloc_weights(m, (size_t)count);
    if (!out || !pn_walk_broadcast(&v->shape, normed, stride)) return NULL;
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, at = 0;
        for (int d = normed->ndim - 1; d >= 0; d--) {
            at += rest % normed->dim[d] * stride[d];
            rest /= normed->dim[d];
        }
        if (pn_weights_read(g, value, at, 1, 1, &out[i])) return NULL;
    }
    return out;
}

static pn_status layer_norm_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    const pn_tensor *x = &m->tensors[l->in[0]], *y = &m->tensors[l->out];
    pn_shape kept = x->shape, reduced = x->shape, normed = {0};
    for (int i = 0; i < x->shape.ndim; i++) {
        if (l->u.layer_norm.is_normed[i]) {
            normed.dim[normed.ndim++] = x->shape.dim[i];
            kept.dim[i] = 1;
        } else {
            reduced.dim[i] = 1;
        }
    }
    plain_loops(&l->u.layer_norm.keep, &kept, y, x);
    plain_loops(&l->u.layer_norm.inner, &reduced, y, x);
    const int64_t count = l->u.layer_norm.count = pn_shape_count(&normed);
    l->u.layer_norm.positions = pn_shape_count(&kept);
    l->u.layer_norm.per_task = pn_max64(1, NORM_TASK_FLOATS / count);
    l->n_tasks = pn_ceil_div(l->u.layer_norm.positions, l->u.layer_norm.per_task);
    l->u.layer_norm.scale_f32 = stretched(m, g, l->u.layer_norm.scale, &normed, count);
    if (!l->u.layer_norm.scale_f32) return PN_ENOMEM;
    if (l->u.layer_norm.shift == PN_NONE) return PN_OK;
    l->u.layer_norm.shift_f32 = stretched(m, g, l->u.layer_norm.shift, &normed, count);
    return l->u.layer_norm.shift_f32 ? PN_OK : PN_ENOMEM;
}

static void norm_one(const pn_layer *l, float *y, const float *x)
{
    const pn_walk *w = &l->u.layer_norm.inner;
    const int64_t n = l->u.layer_norm.count;
    const float *scale = l->u.layer_norm.scale_f32, *shift = l->u.layer_norm.shift_f32;
    double sum = 0, squares = 0;
    ptrdiff_t oy, ox;
    for (int64_t i = 0; i < n; i++) {
        offsets(w, i, &oy, &ox);
        sum += (double)x[ox];
    }
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        offsets(w, i, &oy, &ox);
        const double d = (double)x[ox] - mean;
        squares += d * d;
    }
    const double factor = 1 / sqrt(squares / (double)n + (double)l->u.layer_norm.epsilon);
    for (int64_t i = 0; i < n; i++) {
        offsets(w, i, &oy, &ox);
        y[oy] = (float)(((double)x[ox] - mean) * factor * (double)scale[i] +
                        (shift ? (double)shift[i] : 0));
    }
}

static void layer_norm_work(const pn_run *r, const pn_layer *l, int64_t image,
                            int64_t task, float *scratch)
{
    (void)scratch;
    const int64_t first = task * l->u.layer_norm.per_task;
    const int64_t end =
        pn_min64(l->u.layer_norm.positions, first + l->u.layer_norm.per_task);
    for (int64_t i = first; i < end; i++) {
        ptrdiff_t oy, ox;
        offsets(&l->u.layer_norm.keep, i, &oy, &ox);
        norm_one(l, pn_run_tensor(r, l->out, image) + oy,
                 pn_run_tensor(r, l->in[0], image) + ox);
    }
}

const pn_layer_ops pn_ops_layer_norm = {layer_norm_prepare, layer_norm_work, NULL};
