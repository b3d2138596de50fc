/* Softmax along one axis: the maximum subtracted, the sum in double. */
#include <math.h>

#include "engine/ops/ops.h"

static pn_status softmax_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    (void)g;
    const pn_tensor *x = &m->tensors[l->in[0]], *y = &m->tensors[l->out];
    const int axis = l->u.softmax.axis;
    pn_shape others = y->shape;
    l->u.softmax.axis_len = others.dim[axis];
    l->u.softmax.axis_y = y->stride[axis];
    l->u.softmax.axis_x = x->stride[axis];
    others.dim[axis] = 1;
    pn_walk_init(&l->u.softmax.walk, &others, y->stride, x->stride, NULL);
    l->n_tasks = l->u.softmax.walk.rows;
    return PN_OK;
}

static void softmax_one(float *y, ptrdiff_t sy, const float *x, ptrdiff_t sx, int64_t n,
                        bool is_log)
{
    float most = x[0];
    for (int64_t i = 1; i < n; i++) {
        const float v = x[i * sx];
        most = v > most || v != v ? v : most;
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const float e = expf(x[i * sx] - most);
        sum += (double)e;
        if (!is_log) y[i * sy] = e;
    }
    const double log_sum = is_log ? log(sum) : 0;
    for (int64_t i = 0; i < n; i++)
        y[i * sy] = is_log ? (float)((double)(x[i * sx] - most) - log_sum)
                           : (float)((double)y[i * sy] / sum);
}

static void softmax_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                         float *scratch)
{
    (void)scratch;
    const pn_walk *w = &l->u.softmax.walk;
    const int in = w->n - 1;
    ptrdiff_t oy, ox, unused;
    pn_walk_row(w, task, &oy, &ox, &unused);
    float *y = pn_run_tensor(r, l->out, image) + oy;
    const float *x = pn_run_tensor(r, l->in[0], image) + ox;
    for (int64_t i = 0; i < w->dim[in]; i++)
        softmax_one(y + i * w->y[in], l->u.softmax.axis_y, x + i * w->a[in],
                    l->u.softmax.axis_x, l->u.softmax.axis_len, l->u.softmax.is_log);
}

const pn_layer_ops pn_ops_softmax = {softmax_prepare, softmax_work, NULL};
