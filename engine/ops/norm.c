/* Normalisations that look at the data: across channels (LRN) and over a map (instance).
 */
#include <math.h>

#include "engine/ops/ops.h"

static pn_status by_row_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    (void)g;
    l->n_tasks = m->tensors[l->out].shape.dim[1];
    return PN_OK;
}

/* Channels c - floor((size - 1) / 2) to c + ceil((size - 1) / 2), at the edges fewer. */
static void lrn_pixel(const pn_layer *l, float *y, const float *x, int64_t channels)
{
    const int64_t before = (l->u.lrn.size - 1) / 2, after = l->u.lrn.size / 2;
    const float alpha = l->u.lrn.alpha / (float)l->u.lrn.size;
    for (int64_t c = 0; c < channels; c++) {
        const int64_t end = pn_min64(channels, c + after + 1);
        float sum = 0;
        for (int64_t i = pn_max64(0, c - before); i < end; i++)
            sum += x[i] * x[i];
        y[c] = x[c] * powf(l->u.lrn.bias + alpha * sum, -l->u.lrn.beta);
    }
}

static void lrn_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                     float *scratch)
{
    (void)scratch;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const float *x = pn_run_tensor(r, l->in[0], image) + task * tx->stride[1];
    float *y = pn_run_tensor(r, l->out, image) + task * ty->stride[1];
    for (int64_t i = 0; i < ty->shape.dim[2]; i++)
        lrn_pixel(l, y + i * ty->stride[2], x + i * tx->stride[2], ty->shape.dim[0]);
}

const pn_layer_ops pn_ops_lrn = {by_row_prepare, lrn_work, NULL};

static pn_status instance_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    const int64_t n = m->tensors[l->out].shape.dim[0];
    l->u.norm.scale_f32 = pn_weights_copy(m, g, l->u.norm.scale, n);
    l->u.norm.shift_f32 = pn_weights_copy(m, g, l->u.norm.shift, n);
    if (!l->u.norm.scale_f32 || !l->u.norm.shift_f32) return PN_ENOMEM;
    l->n_tasks = n;
    return PN_OK;
}

static void instance_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                          float *scratch)
{
    (void)scratch;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const int64_t n = tx->shape.dim[1] * tx->shape.dim[2];
    const float *x = pn_run_tensor(r, l->in[0], image) + task;
    float *y = pn_run_tensor(r, l->out, image) + task;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i * tx->pixel_stride];
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)x[i * tx->pixel_stride] - mean;
        squares += d * d;
    }
    const double scale = (double)l->u.norm.scale_f32[task] /
                         sqrt(squares / (double)n + (double)l->u.norm.epsilon);
    for (int64_t i = 0; i < n; i++)
        y[i * ty->pixel_stride] =
            (float)(((double)x[i * tx->pixel_stride] - mean) * scale +
                    (double)l->u.norm.shift_f32[task]);
}

const pn_layer_ops pn_ops_instance_norm = {instance_prepare, instance_work, NULL};
