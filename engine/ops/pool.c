/* Pools. The divisor of an average is the window clipped to the padded map (padding
 * counts) or the pixels under it (it does not); a window hanging over the right edge, as
 * rounding up allows, is smaller in both. */
#include "engine/ops/ops.h"

#define POOL_TASK_FLOATS 32768 /* of output */

static int64_t rows_per_task(const pn_shape *y)
{
    return pn_max64(1, POOL_TASK_FLOATS / (y->dim[2] * y->dim[0]));
}

static pn_status pool_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    (void)g;
    const pn_shape *x = &m->tensors[l->in[0]].shape, *y = &m->tensors[l->out].shape;
    const pn_window *w = &l->u.pool.win;
    l->n_tasks = pn_ceil_div(y->dim[1], rows_per_task(y));
    /* no more taps than the map has pixels, whatever the window says */
    const int64_t taps = pn_min64(w->kh, x->dim[1]) * pn_min64(w->kw, x->dim[2]);
    l->scratch_floats = (size_t)taps * sizeof(const float *) / sizeof(float);
    return PN_OK;
}

/* Pixels of one axis under a window that starts at `start`. */
typedef struct span {
    int64_t first, step, n; /* inside the map */
    int64_t clipped;        /* taps up to the far edge of the padding */
} span;

static span span_of(int64_t start, int64_t kernel, int64_t dilation, int64_t size,
                    int64_t far_pad)
{
    span s = {.step = dilation};
    const int64_t skipped = start < 0 ? pn_ceil_div(-start, dilation) : 0;
    s.first = start + skipped * dilation;
    const int64_t inside = s.first < size ? pn_ceil_div(size - s.first, dilation) : 0;
    s.n = pn_max64(0, pn_min64(kernel - skipped, inside));
    s.clipped = pn_min64(kernel, pn_ceil_div(size + far_pad - start, dilation));
    return s;
}

static size_t list_taps(const pn_tensor *t, const float *x, const span *sy,
                        const span *sx, const float **taps)
{
    size_t n = 0;
    for (int64_t i = 0; i < sy->n; i++)
        for (int64_t j = 0; j < sx->n; j++)
            taps[n++] = x + (sy->first + i * sy->step) * t->stride[1] +
                        (sx->first + j * sx->step) * t->stride[2];
    return n;
}

static void pool_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                      float *scratch)
{
    const pn_window *w = &l->u.pool.win;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const pn_shape *in = &tx->shape, *out = &ty->shape;
    const int64_t step = rows_per_task(out);
    const int64_t y1 = pn_min64(out->dim[1], (task + 1) * step);
    const size_t n = (size_t)out->dim[0];
    const float **taps = (const float **)(void *)scratch;
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *y = pn_run_tensor(r, l->out, image);
    for (int64_t oy = task * step; oy < y1; oy++) {
        const span sy = span_of(oy * w->sh - w->top, w->kh, w->dh, in->dim[1], w->bottom);
        for (int64_t ox = 0; ox < out->dim[2]; ox++) {
            const span sx =
                span_of(ox * w->sw - w->left, w->kw, w->dw, in->dim[2], w->right);
            const size_t n_taps = list_taps(tx, x, &sy, &sx, taps);
            float *to = y + oy * ty->stride[1] + ox * ty->stride[2];
            if (l->kind == PN_LAYER_MAX_POOL) {
                r->m->kernels.max_taps(to, taps, n_taps, n);
                continue;
            }
            const int64_t size =
                l->u.pool.counts_padding ? sy.clipped * sx.clipped : (int64_t)n_taps;
            r->m->kernels.avg_taps(to, taps, n_taps, n, (float)size);
        }
    }
}

const pn_layer_ops pn_ops_max_pool = {pool_prepare, pool_work, NULL};
const pn_layer_ops pn_ops_avg_pool = {pool_prepare, pool_work, NULL};

#define GLOBAL_TASK_CHANNELS 256

static pn_status global_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    (void)g;
    l->n_tasks = pn_ceil_div(m->tensors[l->in[0]].shape.dim[0], GLOBAL_TASK_CHANNELS);
    l->scratch_floats = GLOBAL_TASK_CHANNELS;
    return PN_OK;
}

static void global_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                        float *scratch)
{
    const pn_tensor *t = &r->m->tensors[l->in[0]];
    const int64_t c0 = task * GLOBAL_TASK_CHANNELS;
    const int64_t n = pn_min64(GLOBAL_TASK_CHANNELS, t->shape.dim[0] - c0);
    const pn_kernels *k = &r->m->kernels;
    (l->kind == PN_LAYER_GLOBAL_MAX ? k->global_max : k->global_avg)(
        pn_run_tensor(r, l->out, image) + c0, pn_run_tensor(r, l->in[0], image) + c0,
        (size_t)t->pixel_stride, (size_t)t->shape.dim[1], (size_t)t->shape.dim[2],
        (size_t)n, scratch);
}

const pn_layer_ops pn_ops_global = {global_prepare, global_work, NULL};
