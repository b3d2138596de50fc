/* 3x3 stride-1 convolution by F(4x4, 3x3) or F(5x5, 3x3): 36 products where 144 would be,
 * 49 for 225. Whether a layer runs this way follows from its shape alone. A task is a run
 * of tiles, over the images of the batch: how many tiles make a task is free to follow
 * the batch and the team, as no tile's bits depend on its neighbours. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ops/ops.h"

/* Tiles that share one pass over the transformed weights. More tiles read the weights
 * less often, fewer keep the planes in the cache; between 36 and 72 it hardly matters
 * below 512 channels, where the weights (37 MB) no longer stay in any cache. */
static int64_t tiles_of_task(const pn_conv *c)
{
    return c->cin >= 512 ? 96 : 48;
}

/* Planes are kept apart by more than a power of two, or all of them would fall into the
 * same sets. */
static size_t plane_stride(int64_t channels)
{
    return (size_t)channels + PN_PANEL;
}

static size_t scratch_of(const pn_conv *c, const pn_wino *w)
{
    const size_t tiles = (size_t)tiles_of_task(c), planes = (size_t)(w->in * w->in);
    return planes *
               (tiles * (plane_stride(c->cin) + plane_stride(c->cout)) + 2 * PN_PANEL) +
           (size_t)c->cin + (size_t)c->cout;
}

bool pn_conv_suits_winograd(const pn_conv *c, const pn_kernels *k)
{
    const pn_window *w = &c->win;
    return k->wino[0].input && !c->is_stacked && w->kh == 3 && w->kw == 3 && w->sh == 1 &&
           w->sw == 1 && w->dh == 1 && w->dw == 1 && c->group == 1 &&
           c->cin % PN_PANEL == 0 && c->cout % PN_PANEL == 0;
}

/* Products of a channel of a map in tiles of out x out. */
static int64_t products_of(const pn_shape *y, int64_t out)
{
    return pn_ceil_div(y->dim[1], out) * pn_ceil_div(y->dim[2], out) * (out + 2) *
           (out + 2);
}

/* Tiles of 5 have four tenths more rounding error (kernels.h) and a third more weights:
 * they must save an eighth of the products, as at 14 x 14 (3 x 3 tiles of 49 for 4 x 4 of
 * 36), where tiles of 4 hang over the edge. */
pn_wino_size pn_conv_wino_size(const pn_shape *y)
{
    return products_of(y, 5) * 8 <= products_of(y, 4) * 7 ? PN_WINO_5 : PN_WINO_4;
}

/* The transform of a kernel's row, from the points a of kernels.h (but infinity): row j
 * is (1, a[j], a[j]^2) over the product of all a[j] - a[k], the last takes the last
 * weight. */
static void kernel_rows(const pn_wino *w, double rows[PN_WINO_IN_MAX][3])
{
    const double points[2][PN_WINO_IN_MAX - 1] = {
        {0, sqrt(0.5), -sqrt(0.5), sqrt(2), -sqrt(2)},
        {9. / 32, -9. / 32, 27. / 32, -27. / 32, 7. / 4, -7. / 4}};
    const double *a = points[w->in == PN_WINO_IN_MAX];
    for (int j = 0; j < w->in - 1; j++) {
        double product = 1;
        for (int k = 0; k < w->in - 1; k++)
            product *= k == j ? 1 : a[j] - a[k];
        for (int i = 0; i < 3; i++)
            rows[j][i] = (i == 0 ? 1 : i == 1 ? a[j] : a[j] * a[j]) / product;
    }
    rows[w->in - 1][0] = rows[w->in - 1][1] = 0;
    rows[w->in - 1][2] = 1;
}

/* The transformed weights of one kernel g[3][3], in double, rounded once. */
static void transform_kernel(const pn_wino *w, double row[][3], float *out,
                             const double g[9])
{
    double half[PN_WINO_IN_MAX][3];
    for (int i = 0; i < w->in; i++)
        for (int j = 0; j < 3; j++)
            half[i][j] = row[i][0] * g[j] + row[i][1] * g[3 + j] + row[i][2] * g[6 + j];
    for (int i = 0; i < w->in; i++)
        for (int j = 0; j < w->in; j++)
            out[w->in * i + j] = (float)(half[i][0] * row[j][0] + half[i][1] * row[j][1] +
                                         half[i][2] * row[j][2]);
}

/* The transformed weights of one output channel, all of its input channels. */
static pn_status read_channel(const pn_graph *g, const pn_conv *c, const pn_wino *w,
                              int64_t channel, float *oihw, float *planes)
{
    pn_status st =
        pn_weights_read(g, c->weight, channel * c->cin * 9, c->cin * 9, 1, oihw);
    if (st) return st;
    const double scale = c->folded.scale ? c->folded.scale[channel] : 1;
    double rows[PN_WINO_IN_MAX][3];
    kernel_rows(w, rows);
    for (int64_t i = 0; i < c->cin; i++) {
        double kernel[9];
        float out[PN_WINO_PLANES_MAX];
        for (int t = 0; t < 9; t++)
            kernel[t] = scale * (double)oihw[i * 9 + t];
        transform_kernel(w, rows, out, kernel);
        for (int f = 0; f < w->in * w->in; f++)
            planes[f * c->cin + i] = out[f];
    }
    return PN_OK;
}

static pn_status wino_prepare(struct pn_model *m, const pn_graph *g, pn_layer *l)
{
    pn_conv *c = &l->u.conv;
    const pn_wino *w = &m->kernels.wino[c->wino];
    const size_t k = (size_t)c->cin, n = (size_t)c->cout,
                 planes = (size_t)(w->in * w->in);
    c->group_floats = m->kernels.gemm_pack_floats(n, k); /* of one plane */
    float *to = pn_net_alloc_weights(m, c->group_floats * planes);
    float *buffer = malloc(k * (9 + planes) * sizeof(float));
    pn_status st = to && buffer ? PN_OK : PN_ENOMEM;
    c->packed = to;
    for (size_t o = 0; !st && o < n; o++) {
        float *turned = buffer + 9 * k;
        st = read_channel(g, c, w, (int64_t)o, buffer, turned);
        for (size_t f = 0; !st && f < planes; f++)
            m->kernels.gemm_pack(to + f * c->group_floats, turned + f * k, o, n, k);
    }
    free(buffer);
    if (!st) st = pn_weights_bias(m, g, c->bias, 1, &c->folded, c->cout, &c->bias_f32);
    if (!st && !c->bias_f32) { /* the transform always adds one */
        c->bias_f32 = pn_net_alloc_weights(m, n);
        st = c->bias_f32 ? PN_OK : PN_ENOMEM;
    }
    if (!st) st = pn_weights_slope(m, g, l);
    l->scratch_floats = scratch_of(c, w);
    return st;
}

typedef struct grid {
    const pn_wino *wino;
    int64_t high, wide; /* tiles of an image, down and across */
    int64_t h, w;       /* pixels of its map */
    int64_t tiles;      /* high * wide */
} grid;

static grid grid_of(const pn_run *r, const pn_layer *l)
{
    const pn_shape *y = &r->m->tensors[l->out].shape;
    grid g = {
        .wino = &r->m->kernels.wino[l->u.conv.wino], .h = y->dim[1], .w = y->dim[2]};
    g.high = pn_ceil_div(g.h, g.wino->out);
    g.wide = pn_ceil_div(g.w, g.wino->out);
    g.tiles = g.high * g.wide;
    return g;
}

/* Tasks of a run: runs of tiles, and parts of the output channels. With few tiles each
 * thread takes all of them and some of the channels: the weights are read once, by
 * whatever thread, and the rows of a product stay enough. */
typedef struct cut {
    int64_t runs, parts;
} cut;

/* fewer tiles a thread than this are few; and a part's channels */
enum { TILES_MIN = 16, CHANNELS_MIN = 32 };

static cut cut_of(const pn_run *r, const pn_layer *l, const grid *g)
{
    const int64_t tiles = g->tiles * r->n, threads = r->threads;
    const int64_t rounds = pn_ceil_div(tiles, tiles_of_task(&l->u.conv) * threads);
    int64_t parts = 1; /* of one round: every thread gets the same */
    while (rounds == 1 && threads % (2 * parts) == 0 &&
           tiles * parts < TILES_MIN * threads &&
           l->u.conv.cout % (2 * parts * CHANNELS_MIN) == 0)
        parts *= 2;
    return (cut){pn_min64(tiles, rounds * threads / parts), parts};
}

static int64_t wino_tasks(const pn_run *r, const pn_layer *l)
{
    const grid g = grid_of(r, l);
    const cut all = cut_of(r, l, &g);
    return all.runs * all.parts;
}

typedef struct spot {
    int64_t image, top, left; /* of the tile's outputs */
} spot;

static spot spot_of(const grid *g, int64_t tile)
{
    const int64_t at = tile % g->tiles;
    return (spot){tile / g->tiles, at / g->wide * g->wino->out,
                  at % g->wide * g->wino->out};
}

static void transform_in(const pn_run *r, const pn_layer *l, const grid *g, int64_t tile,
                         float *planes, size_t plane, const float *zeros)
{
    const pn_tensor *tx = &r->m->tensors[l->in[0]];
    const int64_t h = tx->shape.dim[1], w = tx->shape.dim[2];
    const spot s = spot_of(g, tile);
    const float *x = pn_run_tensor(r, l->in[0], s.image), *pixels[PN_WINO_PLANES_MAX];
    const int64_t y0 = s.top - l->u.conv.win.top, x0 = s.left - l->u.conv.win.left;
    const int64_t in = g->wino->in;
    for (int64_t i = 0; i < in; i++)
        for (int64_t j = 0; j < in; j++) {
            const int64_t py = y0 + i, px = x0 + j;
            const bool is_inside = py >= 0 && py < h && px >= 0 && px < w;
            pixels[i * in + j] = is_inside ? x + (py * w + px) * tx->pixel_stride : zeros;
        }
    g->wino->input(planes, plane, pixels, (size_t)l->u.conv.cin);
}

/* Channels n0 .. n0 + n of one tile; `planes` begins with channel n0. */
static void transform_out(const pn_run *r, const pn_layer *l, const grid *g, int64_t tile,
                          const float *planes, size_t plane, float *dump, int64_t n0,
                          size_t n)
{
    enum { N = PN_WINO_OUT_MAX * PN_WINO_OUT_MAX };
    const int64_t out = g->wino->out;
    const spot s = spot_of(g, tile);
    const bool adds = l->residual != PN_NONE;
    const int64_t ldy = r->m->tensors[l->out].pixel_stride;
    const int64_t ldr = adds ? r->m->tensors[l->residual].pixel_stride : 0;
    float *y = pn_run_tensor(r, l->out, s.image) + n0, *pixels[N];
    const float *add = adds ? pn_run_tensor(r, l->residual, s.image) + n0 : NULL;
    const float *residual[N];
    for (int64_t i = 0; i < out; i++)
        for (int64_t j = 0; j < out; j++) {
            const int64_t py = s.top + i, px = s.left + j, at = py * g->w + px;
            const bool is_inside = py < g->h && px < g->w;
            pixels[i * out + j] = is_inside ? y + at * ldy : dump;
            residual[i * out + j] = adds && is_inside ? add + at * ldr : dump;
        }
    pn_act act = l->act, none = pn_act_none;
    if (act.slope) act.slope += n0;
    const bool is_after = act.kind != PN_ACT_CLAMP && act.kind != PN_ACT_PRELU;
    none.lo = act.lo;
    none.hi = act.hi;
    g->wino->output(pixels, adds ? residual : NULL, planes, plane, n,
                    l->u.conv.bias_f32 + n0, is_after ? &none : &act);
    for (int i = 0; is_after && i < out * out; i++)
        r->m->kernels.act(pixels[i], pixels[i], n, &act);
}

static void wino_work(const pn_run *r, const pn_layer *l, int64_t image, int64_t task,
                      float *scratch)
{
    (void)image;
    const pn_conv *c = &l->u.conv;
    const grid g = grid_of(r, l);
    const cut all = cut_of(r, l, &g);
    const int64_t tiles = g.tiles * r->n, run = task / all.parts;
    const int64_t t0 = run * tiles / all.runs, n = (run + 1) * tiles / all.runs - t0;
    const int64_t channels = c->cout / all.parts, n0 = task % all.parts * channels;
    const size_t planes = (size_t)(g.wino->in * g.wino->in);
    const size_t ldv = plane_stride(c->cin), ldm = plane_stride(channels);
    const size_t v_plane = (size_t)n * ldv + PN_PANEL,
                 m_plane = (size_t)n * ldm + PN_PANEL;
    float *zeros = scratch, *dump = zeros + c->cin, *v = dump + c->cout;
    float *products = v + planes * v_plane;
    memset(zeros, 0, (size_t)c->cin * sizeof(float));
    for (int64_t t = 0; t < n; t++)
        transform_in(r, l, &g, t0 + t, v + (size_t)t * ldv, v_plane, zeros);
    for (size_t f = 0; f < planes; f++) {
        const pn_gemm p = {.c = products + f * m_plane,
                           .a = v + f * v_plane,
                           .b = c->packed + f * c->group_floats,
                           .ldc = ldm,
                           .lda = ldv,
                           .m = (size_t)n,
                           .n = (size_t)channels,
                           .k = (size_t)c->cin,
                           .n_all = (size_t)c->cout,
                           .n0 = (size_t)n0,
                           .k_block = g.wino->k_block};
        r->m->kernels.gemm(&p);
    }
    for (int64_t t = 0; t < n; t++)
        transform_out(r, l, &g, t0 + t, products + (size_t)t * ldm, m_plane, dump, n0,
                      (size_t)channels);
}

const pn_layer_ops pn_ops_conv_wino = {wino_prepare, wino_work, wino_tasks};
