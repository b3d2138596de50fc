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

/* Where the run of outputs whose windows lie inside the map, across, begins and ends. */
static int64_t first_inside(const pn_window *w)
{
    return pn_ceil_div(w->left, w->sw);
}

static int64_t past_inside(const pn_window *w, int64_t x_wide, int64_t y_wide)
{
    const int64_t room = x_wide + w->left - w->kw;
    return room < 0 ? 0 : pn_min64(y_wide, room / w->sw + 1);
}

static bool suits_row_kernel(const pn_layer *l)
{
    const pn_window *w = &l->u.conv.win;
    return w->kh == w->kw && (w->kw == 3 || w->kw == 5) && w->sh == w->sw &&
           (w->sw == 1 || w->sw == 2) && w->dh == 1 && w->dw == 1 && l->u.conv.bias_f32 &&
           l->act.kind == PN_ACT_CLAMP;
}

/* Outputs x0 .. x1 of row oy, all windows inside the map across. */
static void run_inside(const pn_run *r, const pn_layer *l, const float *x, float *row,
                       int64_t oy, int64_t x0, int64_t x1, const float *zeros)
{
    const pn_conv *c = &l->u.conv;
    const pn_window *w = &c->win;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    pn_depthwise_row d = {.y = row + x0 * ty->stride[2],
                          .w = c->packed,
                          .bias = c->bias_f32,
                          .ldy = (size_t)ty->pixel_stride,
                          .ldw = (size_t)c->cout,
                          .n = (size_t)c->cout,
                          .n_out = (size_t)(x1 - x0),
                          .k = (int)w->kw,
                          .stride = (int)w->sw,
                          .lo = l->act.lo,
                          .hi = l->act.hi};
    for (int64_t ky = 0; ky < w->kh; ky++) {
        const int64_t iy = oy * w->sh - w->top + ky;
        const bool is_in = iy >= 0 && iy < tx->shape.dim[1];
        d.x[ky] = is_in ? x + iy * tx->stride[1] + (x0 * w->sw - w->left) * tx->stride[2]
                        : zeros;
        d.ldx[ky] = is_in ? (size_t)tx->pixel_stride : 0;
    }
    r->m->kernels.depthwise_row(&d);
}

/* Outputs x0 .. x1 of row oy, pixel by pixel. */
static void run_edge(const pn_run *r, const pn_layer *l, const float *x, float *row,
                     int64_t oy, int64_t x0, int64_t x1, const float *zeros,
                     const float **taps)
{
    const pn_conv *c = &l->u.conv;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const size_t n = (size_t)c->cout, n_taps = (size_t)(c->win.kh * c->win.kw);
    if (x0 >= x1) return;
    for (int64_t ox = x0; ox < x1; ox++) {
        list_taps(tx, &c->win, x, oy, ox, zeros, taps);
        r->m->kernels.depthwise(row + ox * ty->stride[2], taps, c->packed, n, n_taps, n);
    }
    const pn_epilogue e = {.y = row + x0 * ty->stride[2],
                           .bias = c->bias_f32,
                           .ldy = (size_t)ty->pixel_stride,
                           .m = (size_t)(x1 - x0),
                           .n = n,
                           .act = &l->act};
    r->m->kernels.epilogue(&e);
}

static void depthwise_work(const pn_run *r, const pn_layer *l, int64_t image,
                           int64_t task, float *scratch)
{
    const pn_conv *c = &l->u.conv;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const int64_t high = ty->shape.dim[1], wide = ty->shape.dim[2];
    const int64_t step = rows_per_task(&ty->shape);
    const int64_t y0 = task * step, y1 = pn_min64(high, y0 + step);
    const float **taps = (const float **)(void *)(scratch + zeros_floats(c->cout));
    for (int64_t i = 0; i < c->cout; i++)
        scratch[i] = 0;
    int64_t x0 = wide, x1 = wide; /* all of it edge */
    if (suits_row_kernel(l)) {
        x1 = past_inside(&c->win, tx->shape.dim[2], wide);
        x0 = pn_min64(first_inside(&c->win), x1);
    }
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *y = pn_run_tensor(r, l->out, image);
    for (int64_t oy = y0; oy < y1; oy++) {
        float *row = y + oy * ty->stride[1];
        run_edge(r, l, x, row, oy, 0, x0, scratch, taps);
        if (x0 < x1) run_inside(r, l, x, row, oy, x0, x1, scratch);
        run_edge(r, l, x, row, oy, x1, wide, scratch, taps);
    }
}

const pn_layer_ops pn_ops_depthwise = {depthwise_prepare, depthwise_work, NULL};
