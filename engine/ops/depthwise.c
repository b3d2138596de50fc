/* One filter a channel: pixel by pixel, all channels at once, over the list of pixels
 * under the window. Padding is a pixel of zeros, so that every output adds the same
 * number of products in the same order. */
#include <stdlib.h>

#include "engine/ops/ops.h"

#define DEPTHWISE_TASK_FLOATS 32768 /* of output */

static int64_t rows_per_task(const pn_shape *y)
{
    return pn_max64(1, DEPTHWISE_TASK_FLOATS / (y->dim[2] * y->dim[0]));
}

/* Scratch holds the zero pixel, then the pointers to the taps. */
static size_t zeros_floats(int64_t channels)
{
    return (size_t)(channels + 15) / 16 * 16;
}

static pn_status pack(struct pn_model *m, const pn_graph *g, pn_conv *c)
{
    const int64_t taps = c->win.kh * c->win.kw;
    float *to = pn_net_alloc_weights(m, (size_t)(c->cout * taps));
    float *one = malloc((size_t)taps * sizeof(float));
    pn_status st = to && one ? PN_OK : PN_ENOMEM;
    c->packed = to;
    for (int64_t o = 0; !st && o < c->cout; o++) {
        const double scale = c->folded.scale ? c->folded.scale[o] : 1;
        st = pn_weights_read(g, c->weight, o * taps, taps, scale, one);
        for (int64_t t = 0; !st && t < taps; t++)
            to[t * c->cout + o] = one[t];
    }
    free(one);
    return st;
}

static pn_status depthwise_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    pn_conv *c = &l->u.conv;
    pn_status st = pack(m, g, c);
    if (!st) st = pn_weights_bias(m, g, c->bias, 1, &c->folded, c->cout, &c->bias_f32);
    if (!st) st = pn_weights_slope(m, g, l);
    if (st) return st;
    const pn_shape *y = &m->tensors[l->out].shape;
    const size_t taps = (size_t)(c->win.kh * c->win.kw);
    l->n_tasks = pn_ceil_div(y->dim[1], rows_per_task(y));
    l->scratch_floats =
        zeros_floats(c->cout) + taps * sizeof(const float *) / sizeof(float);
    return PN_OK;
}

static void list_taps(const pn_tensor *tx, const pn_window *w, const float *x, int64_t oy,
                      int64_t ox, const float *zeros, const float **taps)
{
    for (int64_t ky = 0; ky < w->kh; ky++) {
        const int64_t iy = oy * w->sh - w->top + ky * w->dh;
        const bool is_row = iy >= 0 && iy < tx->shape.dim[1];
        for (int64_t kx = 0; kx < w->kw; kx++) {
            const int64_t ix = ox * w->sw - w->left + kx * w->dw;
            const bool is_in = is_row && ix >= 0 && ix < tx->shape.dim[2];
            *taps++ = is_in ? x + iy * tx->stride[1] + ix * tx->stride[2] : zeros;
        }
    }
}

static void depthwise_work(const pn_run *r, const pn_layer *l, int64_t image,
                           int64_t task, float *scratch)
{
    const pn_conv *c = &l->u.conv;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const pn_shape *s = &ty->shape;
    const int64_t step = rows_per_task(s);
    const int64_t y0 = task * step, y1 = pn_min64(s->dim[1], y0 + step);
    const size_t n_taps = (size_t)(c->win.kh * c->win.kw), n = (size_t)c->cout;
    const float **taps = (const float **)(void *)(scratch + zeros_floats(c->cout));
    for (size_t i = 0; i < n; i++)
        scratch[i] = 0;
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *y = pn_run_tensor(r, l->out, image);
    for (int64_t oy = y0; oy < y1; oy++) {
        float *row = y + oy * ty->stride[1];
        for (int64_t ox = 0; ox < s->dim[2]; ox++) {
            list_taps(tx, &c->win, x, oy, ox, scratch, taps);
            r->m->kernels.depthwise(row + ox * ty->stride[2], taps, c->packed, n, n_taps,
                                    n);
        }
        pn_epilogue e = {.y = row,
                         .bias = c->bias_f32,
                         .ldy = (size_t)ty->pixel_stride,
                         .m = (size_t)s->dim[2],
                         .n = n,
                         .act = &l->act};
        r->m->kernels.epilogue(&e);
    }
}

const pn_layer_ops pn_ops_depthwise = {depthwise_prepare, depthwise_work, NULL};
