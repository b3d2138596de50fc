/* Convolution as a matrix product: output pixels are the rows, kernel taps times input
 * channels the depth, output channels the columns. A task is one image, one tile of
 * pixels and one tile of channels, cut by the layer's shape alone where a library's bits
 * may depend on the size of a product. A 1x1 without stride multiplies the map as it
 * lies; all others gather their rows into scratch first. */
#include <stdlib.h>
#include <string.h>

#include "engine/ops/ops.h"

/* Gathered rows of a tile: half a second-level cache, but enough rows that a product need
 * not read its weights too often. */
#define TILE_FLOATS (128 * 1024)
#define TILE_PIXELS_MIN 64
#define TILE_PIXELS_MAX 512
#define TILE_CHANNELS 256
#define MANY_TASKS 8 /* a thread */
#define SPLIT_PIXELS_MIN 24

static int64_t round_to(int64_t n, int64_t unit)
{
    return pn_ceil_div(n, unit) * unit;
}

static void cut_tiles(pn_conv *c, int64_t pixels, int64_t k)
{
    int64_t most = pn_min64(TILE_PIXELS_MAX, pn_max64(TILE_PIXELS_MIN, TILE_FLOATS / k));
    if (c->is_direct) most = TILE_PIXELS_MAX;
    c->n_pixel_tiles = pn_ceil_div(pixels, most);
    c->tile_pixels = pn_ceil_div(pixels, c->n_pixel_tiles);
    c->n_pixel_tiles = pn_ceil_div(pixels, c->tile_pixels);
    const int64_t n = c->cout / c->group;
    /* columns are split only where there are too few pixels to keep a team busy */
    int64_t parts =
        c->group == 1 && c->n_pixel_tiles < 2 ? pn_ceil_div(n, TILE_CHANNELS) : 1;
    c->tile_channels = pn_min64(n, round_to(pn_ceil_div(n, parts), PN_PANEL));
    c->n_channel_tiles = c->group == 1 ? pn_ceil_div(n, c->tile_channels) : 1;
}

/* One output channel's weights, taps outermost, scaled. */
static pn_status read_column(const pn_graph *g, const pn_conv *c, int64_t channel,
                             float *oihw, float *column)
{
    const int64_t taps = c->win.kh * c->win.kw, cin = c->cin / c->group;
    const double scale = c->folded.scale ? c->folded.scale[channel] : 1;
    for (int64_t i = 0; c->is_k_major && i < cin; i++)
        if (pn_weights_read(g, c->weight, i * c->cout + channel, 1, scale, &column[i]))
            return PN_EFORMAT;
    if (c->is_k_major) return PN_OK;
    pn_status st =
        pn_weights_read(g, c->weight, channel * cin * taps, cin * taps, scale, oihw);
    if (st) return st;
    for (int64_t i = 0; i < cin; i++)
        for (int64_t t = 0; t < taps; t++)
            column[t * cin + i] = oihw[i * taps + t];
    return PN_OK;
}

static pn_status pack(struct pn_model *m, const pn_graph *g, pn_conv *c, int64_t k)
{
    const int64_t n = c->cout / c->group;
    c->group_floats = m->kernels.gemm_pack_floats((size_t)n, (size_t)k);
    size_t all;
    if (__builtin_mul_overflow(c->group_floats, (size_t)c->group, &all)) return PN_ENOMEM;
    float *to = pn_net_alloc_weights(m, all);
    float *oihw = malloc((size_t)k * 2 * sizeof(float));
    pn_status st = to && oihw ? PN_OK : PN_ENOMEM;
    c->packed = to;
    for (int64_t o = 0; !st && o < c->cout; o++) {
        st = read_column(g, c, o, oihw, oihw + k);
        if (st) break;
        m->kernels.gemm_pack(to + (size_t)(o / n) * c->group_floats, oihw + k,
                             (size_t)(o % n), (size_t)n, (size_t)k);
    }
    free(oihw);
    return st;
}

static pn_status conv_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    pn_conv *c = &l->u.conv;
    const pn_window *w = &c->win;
    const pn_shape *y = &m->tensors[l->out].shape;
    const int64_t k = c->cin / c->group * w->kh * w->kw;
    const int64_t pixels = y->dim[1] * y->dim[2];
    c->is_direct = c->group == 1 && w->kh == 1 && w->kw == 1 && w->sh == 1 &&
                   w->sw == 1 && !w->top && !w->left && !w->bottom && !w->right;
    pn_status st = pack(m, g, c, k);
    if (!st) st = pn_weights_bias(m, g, c->bias, 1, &c->folded, c->cout, &c->bias_f32);
    if (!st) st = pn_weights_slope(m, g, l);
    if (st) return st;
    cut_tiles(c, pixels, k);
    l->n_tasks = c->n_pixel_tiles * c->n_channel_tiles;
    l->scratch_floats = c->is_direct ? 0 : (size_t)(c->tile_pixels * k);
    return PN_OK;
}

/* What gathering needs to know of the input. */
typedef struct patch {
    const float *x; /* first channel of the group in pixel 0 */
    int64_t h, w, ld, cin;
    const pn_window *win;
} patch;

/* One output pixel's row of the matrix. */
static void gather_pixel(const patch *p, int64_t oy, int64_t ox, float *to)
{
    const pn_window *w = p->win;
    const int64_t x0 = ox * w->sw - w->left, run = w->kw * p->cin;
    const bool is_run = w->dw == 1 && p->ld == p->cin && x0 >= 0 && x0 + w->kw <= p->w;
    for (int64_t ky = 0; ky < w->kh; ky++, to += run) {
        const int64_t y = oy * w->sh - w->top + ky * w->dh;
        if (y < 0 || y >= p->h) {
            memset(to, 0, (size_t)run * sizeof(float));
            continue;
        }
        const float *row = p->x + y * p->w * p->ld;
        if (is_run) {
            memcpy(to, row + x0 * p->ld, (size_t)run * sizeof(float));
            continue;
        }
        for (int64_t kx = 0; kx < w->kw; kx++) {
            const int64_t x = x0 + kx * w->dw;
            float *at = to + kx * p->cin;
            if (x < 0 || x >= p->w)
                memset(at, 0, (size_t)p->cin * sizeof(float));
            else
                memcpy(at, row + x * p->ld, (size_t)p->cin * sizeof(float));
        }
    }
}

/* The product, and bias, residual and activation on it: in one go where the kernel can.
 */
static void multiply(const pn_run *r, const pn_layer *l, int64_t image, pn_gemm *g,
                     int64_t p0, int64_t channel)
{
    const pn_kernels *k = &r->m->kernels;
    pn_epilogue e = {.y = g->c, .ldy = g->ldc, .m = g->m, .n = g->n};
    pn_act act = l->act;
    if (act.slope) act.slope += channel;
    e.act = &act;
    if (l->u.conv.bias_f32) e.bias = l->u.conv.bias_f32 + channel;
    if (l->residual != PN_NONE) {
        e.ldr = (size_t)r->m->tensors[l->residual].pixel_stride;
        e.r = pn_run_tensor(r, l->residual, image) + p0 * (int64_t)e.ldr + channel;
    }
    const bool is_simple = act.kind == PN_ACT_CLAMP || act.kind == PN_ACT_PRELU;
    g->after = k->gemm_is_chained && is_simple ? &e : NULL;
    k->gemm(g);
    if (!g->after) k->epilogue(&e);
}

static int64_t pixels_of(const pn_run *r, const pn_layer *l)
{
    const pn_shape *y = &r->m->tensors[l->out].shape;
    return y->dim[1] * y->dim[2];
}

/* Tiles of an image's pixels: more than were prepared where every thread then gets the
 * same. Many tiles come out even anyhow. */
static int64_t pixel_tiles(const pn_run *r, const pn_layer *l)
{
    const pn_conv *c = &l->u.conv;
    const int64_t pixels = pixels_of(r, l), each = c->n_channel_tiles * r->n;
    int64_t tiles = c->n_pixel_tiles;
    if (!r->m->kernels.gemm_is_chained || tiles * each >= MANY_TASKS * r->threads)
        return tiles;
    while (tiles * each % r->threads && (tiles + 1) * SPLIT_PIXELS_MIN <= pixels)
        tiles++;
    return tiles * each % r->threads ? c->n_pixel_tiles : tiles;
}

static int64_t conv_tasks(const pn_run *r, const pn_layer *l)
{
    return pixel_tiles(r, l) * l->u.conv.n_channel_tiles * r->n;
}

static void conv_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                      float *scratch)
{
    const pn_conv *c = &l->u.conv;
    const pn_tensor *tx = &r->m->tensors[l->in[0]], *ty = &r->m->tensors[l->out];
    const int64_t wide = ty->shape.dim[2], pixels = pixels_of(r, l);
    const int64_t tiles = pixel_tiles(r, l), tile = task / c->n_channel_tiles % tiles;
    const int64_t p0 = tile * pixels / tiles, p1 = (tile + 1) * pixels / tiles;
    image = task / c->n_channel_tiles / tiles;
    const int64_t n0 = task % c->n_channel_tiles * c->tile_channels;
    const int64_t cin = c->cin / c->group, cout = c->cout / c->group;
    const float *x = pn_run_tensor(r, l->in[0], image);
    float *y = pn_run_tensor(r, l->out, image) + p0 * ty->pixel_stride;
    pn_gemm g = {.ldc = (size_t)ty->pixel_stride,
                 .m = (size_t)(p1 - p0),
                 .n = (size_t)pn_min64(c->tile_channels, cout - n0),
                 .k = (size_t)(cin * c->win.kh * c->win.kw),
                 .n_all = (size_t)cout,
                 .n0 = (size_t)n0};
    for (int64_t group = 0; group < c->group; group++) {
        if (c->is_direct) {
            g.a = x + p0 * tx->pixel_stride;
            g.lda = (size_t)tx->pixel_stride;
        } else {
            const patch p = {x + group * cin,
                             tx->shape.dim[1],
                             tx->shape.dim[2],
                             tx->pixel_stride,
                             cin,
                             &c->win};
            for (int64_t i = p0; i < p1; i++)
                gather_pixel(&p, i / wide, i % wide, scratch + (i - p0) * (int64_t)g.k);
            g.a = scratch;
            g.lda = g.k;
        }
        g.b = c->packed + (size_t)group * c->group_floats;
        g.c = y + group * cout + n0;
        multiply(r, l, image, &g, p0, group * cout + n0);
    }
}

const pn_layer_ops pn_ops_conv = {conv_prepare, conv_work, conv_tasks};
