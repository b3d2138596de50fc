/* Transposed convolution, gathered: each output pixel sums the taps that reach it. A rare
 * layer (upsampling), so a plain loop over output channels is enough. */
#include <stdlib.h>
#include <string.h>

#include "engine/ops/ops.h"

/* From in x out/group x kh x kw to tap x in x out/group. */
static pn_status transpose_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    pn_conv *c = &l->u.conv;
    const int64_t taps = c->win.kh * c->win.kw, n = c->cout / c->group;
    float *to = pn_net_alloc_weights(m, (size_t)(c->cin * n * taps));
    float *one = malloc((size_t)(n * taps) * sizeof(float));
    pn_status st = to && one ? PN_OK : PN_ENOMEM;
    c->packed = to;
    for (int64_t i = 0; !st && i < c->cin; i++) {
        st = pn_weights_read(g, c->weight, i * n * taps, n * taps, 1, one);
        const int64_t o0 = i / (c->cin / c->group) * n;
        for (int64_t o = 0; !st && o < n; o++)
            for (int64_t t = 0; t < taps; t++) {
                const double scale = c->folded.scale ? c->folded.scale[o0 + o] : 1;
                to[(t * c->cin + i) * n + o] = (float)((double)one[o * taps + t] * scale);
            }
    }
    free(one);
    if (!st) st = pn_weights_bias(m, g, c->bias, 1, &c->folded, c->cout, &c->bias_f32);
    if (!st) st = pn_weights_slope(m, g, l);
    l->n_tasks = m->tensors[l->out].shape.dim[1];
    return st;
}

static void add_tap(const pn_conv *c, float *y, const float *x, int64_t tap)
{
    const int64_t cin = c->cin / c->group, n = c->cout / c->group;
    for (int64_t i = 0; i < c->cin; i++) {
        const float *w = c->packed + (tap * c->cin + i) * n;
        float *to = y + i / cin * n;
        for (int64_t o = 0; o < n; o++)
            to[o] += x[i] * w[o];
    }
}

static void transpose_work(const pn_run *r, const pn_layer *l, int64_t image,
                           int64_t task, float *scratch)
{
    (void)scratch;
    const pn_conv *c = &l->u.conv;
    const pn_window *w = &c->win;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *row = pn_run_tensor(r, l->out, image) + task * ty->stride[1];
    for (int64_t ox = 0; ox < ty->shape.dim[2]; ox++) {
        float *y = row + ox * ty->stride[2];
        memset(y, 0, (size_t)c->cout * sizeof(float));
        for (int64_t tap = 0; tap < w->kh * w->kw; tap++) {
            const int64_t iy = task + w->top - tap / w->kw * w->dh;
            const int64_t ix = ox + w->left - tap % w->kw * w->dw;
            if (iy < 0 || ix < 0 || iy % w->sh || ix % w->sw) continue;
            if (iy / w->sh >= tx->shape.dim[1] || ix / w->sw >= tx->shape.dim[2])
                continue;
            add_tap(c, y, x + iy / w->sh * tx->stride[1] + ix / w->sw * tx->stride[2],
                    tap);
        }
    }
    pn_epilogue e = {.y = row,
                     .bias = c->bias_f32,
                     .ldy = (size_t)ty->pixel_stride,
                     .m = (size_t)ty->shape.dim[2],
                     .n = (size_t)c->cout,
                     .act = &l->act};
    r->m->kernels.epilogue(&e);
}

const pn_layer_ops pn_ops_conv_transpose = {transpose_prepare, transpose_work, NULL};
