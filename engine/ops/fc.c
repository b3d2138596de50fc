/* Fully connected: a task takes its tile's weights through all images of the run, so that
 * they come from memory once. */
#include <stdlib.h>

#include "engine/ops/ops.h"

#define FC_TILE 64 /* outputs; a multiple of PN_PANEL */

/* Weights of output `o` in the order of the input's floats in memory. */
static pn_status read_row(const pn_graph *g, const pn_fc *fc, int64_t o, float *chw,
                          float *row)
{
    const double scale = fc->alpha * (fc->folded.scale ? fc->folded.scale[o] : 1);
    pn_status st = PN_OK;
    if (!fc->is_k_major)
        st = pn_weights_read(g, fc->weight, o * fc->k, fc->k, scale, chw);
    for (int64_t i = 0; fc->is_k_major && !st && i < fc->k; i++)
        st = pn_weights_read(g, fc->weight, i * fc->n + o, 1, scale, chw + i);
    if (st) return st;
    if (!fc->map_pixels) {
        for (int64_t i = 0; i < fc->k; i++)
            row[i] = chw[i];
        return PN_OK;
    }
    for (int64_t c = 0; c < fc->map_c; c++)
        for (int64_t p = 0; p < fc->map_pixels; p++)
            row[p * fc->map_c + c] = chw[c * fc->map_pixels + p];
    return PN_OK;
}

static pn_status pack(struct pn_model *m, const pn_graph *g, pn_fc *fc)
{
    const size_t n = (size_t)fc->n, k = (size_t)fc->k;
    float *to = pn_net_alloc_weights(m, m->kernels.gemv_pack_floats(n, k));
    float *row = malloc(2 * k * sizeof(float));
    pn_status st = to && row ? PN_OK : PN_ENOMEM;
    fc->packed = to;
    for (int64_t o = 0; !st && o < fc->n; o++) {
        st = read_row(g, fc, o, row, row + k);
        if (!st) m->kernels.gemv_pack(to, row + k, (size_t)o, n, k);
    }
    free(row);
    return st;
}

static pn_status fc_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    pn_fc *fc = &l->u.fc;
    pn_status st = pack(m, g, fc);
    if (!st)
        st = pn_weights_bias(m, g, fc->bias, fc->beta, &fc->folded, fc->n, &fc->bias_f32);
    if (!st) st = pn_weights_slope(m, g, l);
    l->is_batched = true;
    l->n_tasks = pn_ceil_div(fc->n, FC_TILE);
    return st;
}

static void fc_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                    float *scratch)
{
    (void)image;
    (void)scratch;
    const pn_fc *fc = &l->u.fc;
    const pn_kernels *k = &r->m->kernels;
    const pn_tensor *t = r->m->tensors;
    const int64_t n0 = task * FC_TILE;
    /* the images' rows lie an image apart; a library's bits would depend on their number
     */
    const int at_once = k->gemm_is_chained ? r->n : 1;
    pn_gemm g = {.b = fc->packed,
                 .ldc = (size_t)t[t[l->out].root].image_stride,
                 .lda = (size_t)t[t[l->in[0]].root].image_stride,
                 .m = (size_t)at_once,
                 .n = (size_t)pn_min64(FC_TILE, fc->n - n0),
                 .k = (size_t)fc->k,
                 .n_all = (size_t)fc->n,
                 .n0 = (size_t)n0};
    pn_act act = l->act;
    if (act.slope) act.slope += n0;
    for (int i = 0; i < r->n; i += at_once) {
        g.a = pn_run_tensor(r, l->in[0], i);
        g.c = pn_run_tensor(r, l->out, i) + n0;
        k->gemv(&g);
        pn_epilogue e = {.y = g.c, .ldy = g.ldc, .m = g.m, .n = g.n, .act = &act};
        if (fc->bias_f32) e.bias = fc->bias_f32 + n0;
        k->epilogue(&e);
    }
}

const pn_layer_ops pn_ops_fc = {fc_prepare, fc_work, NULL};
