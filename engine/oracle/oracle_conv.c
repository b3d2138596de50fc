/* Convolutions, as products of matrices (oracle_matrix.c has the bounds of those): of
 * each output channel's weights and the windows gathered side by side. Both products, of
 * the numbers in double and of the magnitudes in float, are made of the same part while
 * it is at hand. */
#include "engine/oracle/product64.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A convolution by the numbers: channels in and out of a group, taps, pixels. */
typedef struct conv64 {
    pn_share *share;
    const pn_value *weights;
    pn_window64 win;
    int64_t group, cin, cout, taps, pixels_in, pixels, roundings;
    bool has_sums; /* bounds are made of sum|w||x| */
} conv64;

bool pn_oracle_window(const pn_node *n, const pn_shape *x, const pn_shape *y,
                      pn_window64 *w)
{
    const pn_attr *k = pn_node_attr(n, "kernel_shape"), *s = pn_node_attr(n, "strides");
    const pn_attr *d = pn_node_attr(n, "dilations"), *p = pn_node_attr(n, "pads");
    const int axes = x->ndim - 2;
    if (axes < 1 || axes > 3 || y->ndim != x->ndim || !k || (int)k->n != axes)
        return false;
    for (int i = 0; i < 3; i++) {
        w->kernel[i] = w->stride[i] = w->dilation[i] = w->in[i] = w->out[i] = 1;
        w->before[i] = w->after[i] = 0;
    }
    for (int i = 0; i < axes; i++) {
        const int at = 3 - axes + i;
        w->kernel[at] = k->ints[i];
        if (s && (int)s->n == axes) w->stride[at] = s->ints[i];
        if (d && (int)d->n == axes) w->dilation[at] = d->ints[i];
        if (p && (int)p->n == 2 * axes) {
            w->before[at] = p->ints[i];
            w->after[at] = p->ints[axes + i];
        }
        w->in[at] = x->dim[2 + i];
        w->out[at] = y->dim[2 + i];
    }
    return true;
}

/* One tap of one channel under outputs first .. end: zero where it misses the map. */
static void gather_row(const pn_window64 *w, const double *x, int64_t tap, int64_t first,
                       int64_t end, double *to)
{
    const int64_t kw = tap % w->kernel[2], kh = tap / w->kernel[2] % w->kernel[1];
    const int64_t kd = tap / w->kernel[2] / w->kernel[1];
    for (int64_t p = first; p < end;) {
        const int64_t row = p / w->out[2], ow = p % w->out[2];
        const int64_t run = end - p < w->out[2] - ow ? end - p : w->out[2] - ow;
        const int64_t id =
            row / w->out[1] * w->stride[0] - w->before[0] + kd * w->dilation[0];
        const int64_t ih =
            row % w->out[1] * w->stride[1] - w->before[1] + kh * w->dilation[1];
        const bool is_row = id >= 0 && id < w->in[0] && ih >= 0 && ih < w->in[1];
        const double *from = x + (id * w->in[1] + ih) * w->in[2];
        int64_t iw = ow * w->stride[2] - w->before[2] + kw * w->dilation[2];
        for (int64_t i = 0; i < run; i++, iw += w->stride[2])
            *to++ = is_row && iw >= 0 && iw < w->in[2] ? from[iw] : 0;
        p += run;
    }
}

/* One group with a few channels in it, tap by tap; `room` is one map and a number. */
static void convolve_thin(const conv64 *c, int64_t group, const double *x, double *room,
                          pn_array64 *y)
{
    const int64_t k = c->cin * c->taps, first = group * c->cout * c->pixels;
    double *weight = room + c->pixels;
    memset(y->x + first, 0, (size_t)(c->cout * c->pixels) * sizeof(double));
    if (c->has_sums)
        memset(y->most + first, 0, (size_t)(c->cout * c->pixels) * sizeof(double));
    for (int64_t i = 0; i < k; i++) {
        gather_row(&c->win, x + (group * c->cin + i / c->taps) * c->pixels_in,
                   i % c->taps, 0, c->pixels, room);
        for (int64_t o = 0; o < c->cout; o++) {
            const int64_t channel = group * c->cout + o;
            pn_oracle_widen(c->weights, channel * k + i, 1, weight);
            double *to = y->x + channel * c->pixels;
            for (int64_t p = 0; p < c->pixels; p++)
                to[p] += *weight * room[p];
            if (!c->has_sums) continue;
            double *sums = y->most + channel * c->pixels;
            for (int64_t p = 0; p < c->pixels; p++)
                sums[p] += pn_mag(*weight) * pn_mag(room[p]);
        }
    }
    if (c->has_sums)
        pn_bound_sums(c->cout * c->pixels, y->x + first, c->roundings, y->most + first,
                      y->usual + first);
}

static pn_status convolve_thinly(const conv64 *c, const double *x, pn_array64 *y)
{
    double *room = malloc(((size_t)c->pixels + 1) * sizeof(double));
    if (!room) return PN_ENOMEM;
    for (int64_t g = 0; g < c->group; g++)
        convolve_thin(c, g, x, room, y);
    free(room);
    return PN_OK;
}

/* Some pixels of a group's outputs: what they see, a row a tap of a channel. */
typedef struct panel {
    const conv64 *c;
    int64_t group, first, n;
    int64_t n_all;         /* from row to row */
    const double *x;       /* the group's input */
    double *gathered;      /* or NULL: */
    const double *windows; /* rows that are the input itself */
    float *magnitudes;     /* NULL: not asked for */
    int64_t rows;          /* a task: of outputs */
    pn_array64 *y;
} panel;

static bool is_pointwise(const conv64 *c)
{
    const pn_window64 *w = &c->win;
    for (int i = 0; i < 3; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->before[i] || w->after[i])
            return false;
    return true;
}

static void fill_row(const panel *p, int64_t k)
{
    const conv64 *c = p->c;
    if (p->gathered)
        gather_row(&c->win, p->x + k / c->taps * c->pixels_in, k % c->taps, p->first,
                   p->first + p->n, p->gathered + k * p->n_all);
    if (p->magnitudes)
        pn_magnitudes(p->windows + k * p->n_all, p->n, p->magnitudes + k * p->n_all);
}

/* Rows of windows that one task fills. */
static int64_t rows_at_once(const panel *p)
{
    return p->n < (1 << 15) ? (1 << 15) / p->n + 1 : 1;
}

static pn_status fill_rows(void *arg, int64_t task)
{
    const panel *p = arg;
    const int64_t all = p->c->cin * p->c->taps, n = rows_at_once(p), first = task * n;
    for (int64_t k = first; k < all && k < first + n; k++)
        fill_row(p, k);
    return PN_OK;
}

static pn_status multiply_rows(void *arg, int64_t task)
{
    const panel *p = arg;
    const conv64 *c = p->c;
    const int64_t first = task * p->rows;
    const int64_t rows = c->cout - first < p->rows ? c->cout - first : p->rows;
    const int64_t k = c->cin * c->taps, channel = p->group * c->cout + first;
    const int64_t at = channel * c->pixels + p->first;
    double *weights = malloc((size_t)(rows * k) * sizeof(double));
    float *room =
        p->magnitudes ? malloc((size_t)(rows * (k + p->n)) * sizeof(float)) : NULL;
    const bool ok = weights && (room || !p->magnitudes);
    if (ok) {
        pn_oracle_widen(c->weights, channel * k, rows * k, weights);
        pn_product_tile(&(pn_tile64){.m = rows,
                                     .n = p->n,
                                     .k = k,
                                     .n_all = p->n_all,
                                     .ldy = c->pixels,
                                     .roundings = c->roundings,
                                     .a = weights,
                                     .b = p->windows,
                                     .b_magnitudes = p->magnitudes,
                                     .y = p->y->x + at,
                                     .most = p->magnitudes ? p->y->most + at : NULL,
                                     .usual = p->magnitudes ? p->y->usual + at : NULL,
                                     .room = room});
    }
    free(room);
    free(weights);
    return ok ? PN_OK : PN_ENOMEM;
}

static pn_status convolve_panel(panel *p)
{
    const conv64 *c = p->c;
    const int64_t n = rows_at_once(p), k = c->cin * c->taps;
    pn_status st = PN_OK;
    if (p->gathered || p->magnitudes)
        st = pn_share_run(c->share, fill_rows, p, (k + n - 1) / n);
    return st ? st
              : pn_share_run(c->share, multiply_rows, p,
                             (c->cout + p->rows - 1) / p->rows);
}

/* Outputs of a task: two tasks at least, none so small that the windows, which each packs
 * anew, weigh more than the product, nor larger than a part. */
static int64_t rows_of(const conv64 *c, int64_t k)
{
    const int64_t half = (c->cout + 1) / 2, part = pn_part_of(c->cout, 2 * k);
    const int64_t rows = half < 128 ? half : 128;
    return rows < part ? rows : part;
}

/* y = the convolution of x, and its bounds if they are to be of sums. */
static pn_status convolve(const conv64 *c, const double *x, pn_array64 *y)
{
    if (c->group > 1 && c->cout < 4) return convolve_thinly(c, x, y);
    const int64_t k = c->cin * c->taps, columns = pn_part_of(c->pixels, k);
    const bool gathers = !is_pointwise(c);
    const size_t size = (size_t)(k * columns);
    double *gathered = gathers ? malloc(size * sizeof(double)) : NULL;
    /* they lie as the windows do, which may be the whole map's rows */
    const size_t shown = gathers ? size : (size_t)(k * c->pixels);
    float *magnitudes = c->has_sums ? malloc(shown * sizeof(float)) : NULL;
    pn_status st =
        (gathered || !gathers) && (magnitudes || !c->has_sums) ? PN_OK : PN_ENOMEM;
    panel p = {.c = c, .gathered = gathered, .magnitudes = magnitudes, .y = y};
    p.rows = rows_of(c, k);
    for (p.group = 0; !st && p.group < c->group; p.group++) {
        p.x = x + p.group * c->cin * c->pixels_in;
        for (p.first = 0; !st && p.first < c->pixels; p.first += columns) {
            p.n = c->pixels - p.first < columns ? c->pixels - p.first : columns;
            p.n_all = gathers ? p.n : c->pixels;
            p.windows = gathers ? gathered : p.x + p.first;
            st = convolve_panel(&p);
        }
    }
    free(magnitudes);
    free(gathered);
    return st;
}

/* Bias of channel c, on `pixels` of each. */
static void add_bias(pn_array64 *y, const pn_array64 *bias, int64_t pixels)
{
    for (int64_t c = 0; c < y->n / pixels; c++) {
        const double b = bias->x[c % bias->n];
        for (int64_t i = c * pixels; i < (c + 1) * pixels; i++)
            y->x[i] += b;
        for (int plane = 0; y->most && plane < 2; plane++)
            for (int64_t i = c * pixels; i < (c + 1) * pixels; i++)
                y->most[plane * y->n + i] += 2 * PN_U * pn_mag(b);
    }
}

static pn_status with_bias(pn_walk64 *w, const pn_node *n, pn_array64 *y, int64_t pixels)
{
    pn_array64 room;
    if (!pn_oracle_has(w, n, 2)) return PN_OK;
    const pn_array64 *bias = pn_oracle_in(w, n, 2, &room);
    if (bias) add_bias(y, bias, pixels);
    pn_oracle_done(&room);
    return bias ? PN_OK : PN_ENOMEM;
}

static int64_t product3(const int64_t *d)
{
    return d[0] * d[1] * d[2];
}

/* What both kinds of convolution have in common; weights must be a constant. */
static pn_status open_conv(pn_walk64 *w, const pn_node *n, const pn_array64 *x,
                           const pn_array64 *y, conv64 *c)
{
    c->weights = &w->g->values[n->inputs[1]];
    if (!c->weights->data || !pn_oracle_window(n, &x->shape, &y->shape, &c->win))
        return PN_EUNSUPPORTED;
    c->group = pn_node_int(n, "group", 1);
    c->cin = x->shape.dim[1] / c->group;
    c->cout = y->shape.dim[1] / c->group;
    c->taps = product3(c->win.kernel);
    c->pixels_in = product3(c->win.in);
    c->pixels = product3(c->win.out);
    const int64_t room =
        (int64_t)(c->weights->size_bytes / pn_dtype_size(c->weights->dtype));
    return c->taps * c->cin <= INT_MAX && c->taps * c->cin * c->cout * c->group <= room
               ? PN_OK
               : PN_EUNSUPPORTED;
}

/* y = the convolution of x, with its bounds where c has_sums */
typedef pn_status convolve_fn(const conv64 *c, const double *x, pn_array64 *y);

static pn_status convolution(pn_walk64 *w, const pn_node *n, convolve_fn *f)
{
    pn_array64 room;
    conv64 c;
    const pn_sum *sum = &w->sums[n - w->g->nodes];
    const pn_array64 *x = pn_oracle_in(w, n, 0, &room);
    pn_array64 *y = x ? pn_oracle_out(w, n, 0, true) : NULL;
    pn_status st = y ? open_conv(w, n, x, y, &c) : PN_ENOMEM;
    if (!st) {
        c.share = w->share;
        c.roundings = sum->roundings;
        c.has_sums = y->most && sum->kind == PN_SUM_CHAIN;
        st = f(&c, x->x, y);
    }
    if (!st && y->most && !c.has_sums)
        st = pn_oracle_winograd(w, c.weights, &c.win, x, sum, y);
    if (!st) st = with_bias(w, n, y, c.pixels);
    pn_oracle_done(&room);
    return st;
}

pn_status pn_oracle_conv(pn_walk64 *w, const pn_node *n)
{
    return convolution(w, n, convolve);
}

/* One input channel's share of one output channel. */
static void scatter(const conv64 *c, const double *x, const double *kernel, double *y,
                    double *sums)
{
    const pn_window64 *w = &c->win;
    for (int64_t i = 0; i < c->pixels_in; i++) {
        const int64_t ix = i % w->in[2], iy = i / w->in[2] % w->in[1];
        const int64_t iz = i / w->in[2] / w->in[1];
        for (int64_t t = 0; t < c->taps; t++) {
            const int64_t tx = t % w->kernel[2], ty = t / w->kernel[2] % w->kernel[1];
            const int64_t tz = t / w->kernel[2] / w->kernel[1];
            const int64_t ox = ix * w->stride[2] - w->before[2] + tx * w->dilation[2];
            const int64_t oy = iy * w->stride[1] - w->before[1] + ty * w->dilation[1];
            const int64_t oz = iz * w->stride[0] - w->before[0] + tz * w->dilation[0];
            if (ox < 0 || ox >= w->out[2] || oy < 0 || oy >= w->out[1] || oz < 0 ||
                oz >= w->out[0])
                continue;
            const int64_t at = (oz * w->out[1] + oy) * w->out[2] + ox;
            y[at] += x[i] * kernel[t];
            if (sums) sums[at] += pn_mag(x[i]) * pn_mag(kernel[t]);
        }
    }
}

/* weights are in x out / group x kernel */
static pn_status convolve_turned(const conv64 *c, const double *x, pn_array64 *y)
{
    double *kernel = malloc((size_t)c->taps * sizeof(double));
    if (!kernel) return PN_ENOMEM;
    memset(y->x, 0, (size_t)y->n * sizeof(double));
    if (c->has_sums) memset(y->most, 0, (size_t)y->n * sizeof(double));
    for (int64_t i = 0; i < c->cin * c->group; i++)
        for (int64_t o = 0; o < c->cout; o++) {
            const int64_t at = (i / c->cin * c->cout + o) * c->pixels;
            pn_oracle_widen(c->weights, (i * c->cout + o) * c->taps, c->taps, kernel);
            scatter(c, x + i * c->pixels_in, kernel, y->x + at,
                    c->has_sums ? y->most + at : NULL);
        }
    if (c->has_sums) pn_bound_sums(y->n, y->x, c->roundings, y->most, y->usual);
    free(kernel);
    return PN_OK;
}

pn_status pn_oracle_conv_transpose(pn_walk64 *w, const pn_node *n)
{
    return convolution(w, n, convolve_turned);
}
