/* Sums, products, means and extremes over some axes; the first three in double. */
#include <math.h>

#include "engine/ops/ops.h"

static pn_status reduce_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    (void)g;
    const pn_tensor *x = &m->tensors[l->in[0]], *y = &m->tensors[l->out];
    pn_shape kept = x->shape, reduced = x->shape;
    ptrdiff_t sy[PN_MAX_DIMS] = {0};
    /* with keepdims the output has the input's axes, else the kept ones in order */
    const bool keeps = y->shape.ndim == x->shape.ndim;
    int at = 0;
    l->u.reduce.count = 1;
    for (int i = 0; i < x->shape.ndim; i++) {
        const bool is_reduced = l->u.reduce.is_reduced[i];
        sy[i] = keeps ? y->stride[i] : is_reduced ? 0 : y->stride[at++];
        if (is_reduced)
            kept.dim[i] = 1;
        else
            reduced.dim[i] = 1;
        l->u.reduce.count *= reduced.dim[i];
    }
    pn_walk_init(&l->u.reduce.keep, &kept, sy, x->stride, NULL);
    /* in C order, whatever the order in memory */
    pn_walk *w = &l->u.reduce.inner;
    w->n = reduced.ndim;
    for (int i = 0; i < reduced.ndim; i++) {
        w->dim[i] = reduced.dim[i];
        w->a[i] = x->stride[i];
    }
    l->n_tasks = l->u.reduce.keep.rows;
    return PN_OK;
}

static float reduce_one(const pn_layer *l, const float *x)
{
    const pn_walk *w = &l->u.reduce.inner;
    double sum = 0, product = 1;
    float most = x[0];
    for (int64_t i = 0; i < l->u.reduce.count; i++) {
        int64_t rest = i;
        ptrdiff_t at = 0;
        for (int d = w->n - 1; d >= 0; d--) {
            at += (ptrdiff_t)(rest % w->dim[d]) * w->a[d];
            rest /= w->dim[d];
        }
        const float v = x[at];
        sum += (double)v;
        product *= (double)v;
        if (l->u.reduce.f == PN_OP_REDUCE_MAX) most = v > most || v != v ? v : most;
        if (l->u.reduce.f == PN_OP_REDUCE_MIN) most = v < most || v != v ? v : most;
    }
    if (l->u.reduce.f == PN_OP_REDUCE_SUM) return (float)sum;
    if (l->u.reduce.f == PN_OP_REDUCE_MEAN)
        return (float)(sum / (double)l->u.reduce.count);
    return l->u.reduce.f == PN_OP_REDUCE_PROD ? (float)product : most;
}

static void reduce_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                        float *scratch)
{
    (void)scratch;
    const pn_walk *w = &l->u.reduce.keep;
    const int in = w->n - 1;
    ptrdiff_t oy, ox, unused;
    pn_walk_row(w, task, &oy, &ox, &unused);
    float *y = pn_run_tensor(r, l->out, image) + oy;
    const float *x = pn_run_tensor(r, l->in[0], image) + ox;
    for (int64_t i = 0; i < w->dim[in]; i++)
        y[i * w->y[in]] = reduce_one(l, x + i * w->a[in]);
}

const pn_layer_ops pn_ops_reduce = {reduce_prepare, reduce_work, NULL};
